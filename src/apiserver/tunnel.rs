//! The API server's ends of the nodes' tunnels: each agent opens one outward, and is asked over it.
//!
//! After the upgrade the server is the HTTP/2 client on that stream. A newer tunnel of the same node takes the place
//! of the older one. Nothing dials a node.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;

use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::response::Response;
use crate::client::https::TUNNEL_PROTOCOL;

/// How long a node may take to begin its answer.
const PATIENCE: Duration = Duration::from_secs(10);

type Sender = http2::SendRequest<Empty<bytes::Bytes>>;

/// The nodes that are connected. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Arc<Mutex<Connected>>);

#[derive(Debug, Default)]
struct Connected {
    nodes: HashMap<String, (u64, Sender)>,
    next: u64,
}

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("node {0:?} is not connected")]
    NotConnected(String),
    #[error("node {node:?} did not answer: {why}")]
    NoAnswer { node: String, why: String },
}

impl Tunnels {
    /// How many nodes are connected.
    pub fn count(&self) -> usize {
        self.held().nodes.len()
    }

    /// Asks a node for `path` (GET); the body streams.
    pub async fn ask(&self, node: &str, path: &str) -> Result<http::Response<Incoming>, Error> {
        let mut sender = self
            .held()
            .nodes
            .get(node)
            .map(|(_, sender)| sender.clone())
            .ok_or_else(|| Error::NotConnected(node.to_owned()))?;
        let failed = |why: String| Error::NoAnswer {
            node: node.to_owned(),
            why,
        };
        let request = http::Request::get(format!("http://{node}{path}"))
            .body(Empty::new())
            .map_err(|error| failed(error.to_string()))?;
        let answer = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answered) => answered.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed(format!("nothing within {PATIENCE:?}"))),
        }
    }

    fn add(&self, node: &str, sender: Sender) -> u64 {
        let mut held = self.held();
        held.next += 1;
        let number = held.next;
        held.nodes.insert(node.to_owned(), (number, sender));
        number
    }

    fn remove(&self, node: &str, number: u64) {
        let mut held = self.held();
        if held.nodes.get(node).is_some_and(|(own, _)| *own == number) {
            held.nodes.remove(node);
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Connected> {
        self.0
            .lock()
            .expect("nothing panics while it holds the tunnels")
    }
}

/// GET of `nodes/NAME/tunnel`: answers 101 and talks HTTP/2 the other way round from then on.
pub fn accept(api: &Api, node: &str, mut request: http::Request<Body>) -> Result<Response, Status> {
    let asks = request.headers().get(header::UPGRADE).is_some_and(|value| {
        value
            .as_bytes()
            .eq_ignore_ascii_case(TUNNEL_PROTOCOL.as_bytes())
    });
    if !asks {
        return Err(Status::bad_request(format!(
            "this path speaks only Upgrade: {TUNNEL_PROTOCOL} over HTTP/1.1"
        )));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (api, node) = (api.clone(), node.to_owned());
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => serve(&api, &node, stream).await,
            Err(error) => tracing::warn!(%node, %error, "the tunnel was not opened"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(TUNNEL_PROTOCOL));
    Ok(response)
}

async fn serve(api: &Api, node: &str, stream: hyper::upgrade::Upgraded) {
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(hyper_util::rt::TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_while_idle(true)
        .handshake(stream);
    let (sender, connection) = match handshake.await {
        Ok(both) => both,
        Err(error) => {
            tracing::warn!(%node, %error, "the tunnel's HTTP/2 did not start");
            return;
        }
    };
    let number = api.tunnels().add(node, sender);
    tracing::info!(%node, "the node's tunnel is open");
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::info!(%node, %error, "the node's tunnel broke");
        },
        () = api.closing() => {}
    }
    api.tunnels().remove(node, number);
}
