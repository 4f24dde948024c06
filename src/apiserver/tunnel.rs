//! The API server's ends of the nodes' tunnels: each agent opens one outward, and is asked over it.
//!
//! On what the node opened, the server is the HTTP/2 client. A newer tunnel of the same node takes the place
//! of the older one. Nothing dials a node.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::authentication::Peer;
use crate::apiserver::nodes;
use crate::apiserver::response::Response;
use crate::client::duplex::Duplex;
use crate::client::https::TUNNEL_PROTOCOL;
use crate::client::https::TUNNEL_TYPE;

/// How long a node may take to begin its answer.
const PATIENCE: Duration = Duration::from_secs(10);

type Sender = http2::SendRequest<Body>;

/// The nodes that are connected. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Tunnels(Arc<Mutex<Connected>>);

#[derive(Debug, Default)]
struct Connected {
    nodes: HashMap<String, (u64, Arc<Line>)>,
    next: u64,
}

/// The way to one node. Most are never used: HTTP/2 is spoken on it from the first question on, and until then it costs
/// nearly nothing.
#[derive(Debug)]
struct Line {
    asked: Notify,
    speech: watch::Sender<Speech>,
}

#[derive(Debug)]
enum Speech {
    NotYet,
    Open(Sender),
    Broken,
}

impl Line {
    fn new() -> Arc<Line> {
        Arc::new(Line {
            asked: Notify::new(),
            speech: watch::Sender::new(Speech::NotYet),
        })
    }

    /// A handle to ask with; none when the line broke.
    async fn sender(&self) -> Option<Sender> {
        self.asked.notify_one();
        let mut speech = self.speech.subscribe();
        let begun = speech.wait_for(|now| !matches!(now, Speech::NotYet)).await;
        match &*begun.ok()? {
            Speech::Open(sender) => Some(sender.clone()),
            _ => None,
        }
    }
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

    /// Whether a node is connected.
    pub(super) fn has(&self, node: &str) -> bool {
        self.held().nodes.contains_key(node)
    }

    /// Asks a node for `path` (GET); the body streams.
    pub async fn ask(&self, node: &str, path: &str) -> Result<http::Response<Incoming>, Error> {
        self.send(node, http::Method::GET, path, Body::empty())
            .await
    }

    /// Sends a node a request; the bodies of both directions stream.
    pub async fn send(
        &self,
        node: &str,
        method: http::Method,
        path: &str,
        body: Body,
    ) -> Result<http::Response<Incoming>, Error> {
        let line = self
            .held()
            .nodes
            .get(node)
            .map(|(_, line)| line.clone())
            .ok_or_else(|| Error::NotConnected(node.to_owned()))?;
        let failed = |why: String| Error::NoAnswer {
            node: node.to_owned(),
            why,
        };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://{node}{path}"))
            .body(body)
            .map_err(|error| failed(error.to_string()))?;
        let answer = async {
            let Some(mut sender) = line.sender().await else {
                return Err(failed("its tunnel broke".to_owned()));
            };
            let answered = async {
                sender.ready().await?;
                sender.send_request(request).await
            };
            let answered: Result<_, hyper::Error> = answered.await;
            answered.map_err(|error| failed(error.to_string()))
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answered) => answered,
            Err(_) => Err(failed(format!("nothing within {PATIENCE:?}"))),
        }
    }

    fn add(&self, node: &str, line: Arc<Line>) -> u64 {
        let mut held = self.held();
        held.next += 1;
        let number = held.next;
        held.nodes.insert(node.to_owned(), (number, line));
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

/// GET or POST of `nodes/NAME/tunnel`: HTTP/2 the other way round, in what comes after.
///
/// A POST over HTTP/2 carries it in its body and in that of the answer, beside whatever else the node asks on the same
/// connection; a GET over HTTP/1.1 is answered 101 and has the connection to itself.
pub fn accept(api: &Api, node: &str, request: http::Request<Body>) -> Result<Response, Status> {
    if request.method() == http::Method::GET {
        return upgrade(api, node, request);
    }
    if request.version() != http::Version::HTTP_2 {
        return Err(Status::method_not_allowed());
    }
    let revoked = revocation(api, node, &request)?;
    let (mut stream, outgoing) = Duplex::new(request.into_body().into_data_stream());
    let (api, node) = (api.clone(), node.to_owned());
    tokio::spawn(async move {
        let line = Line::new();
        let number = api.tunnels().add(&node, line.clone());
        tracing::info!(%node, "the node's tunnel is open");
        tokio::select! {
            // Whether the node is still there, the connection beneath sees to.
            () = stream.closed() => {}
            () = api.closing() => {}
            () = revoked.cancelled() => {}
            () = line.asked.notified() => {
                // In a box: most lines never come here, and there are thousands.
                let served = Box::pin(serve(&api, &node, TokioIo::new(stream), &line));
                revoked.run_until_cancelled(served).await;
            }
        }
        line.speech.send_replace(Speech::Broken);
        api.tunnels().remove(&node, number);
    });
    let outgoing = outgoing.map(Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(outgoing));
    let content = HeaderValue::from_static(TUNNEL_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    Ok(response)
}

/// Whether a request asks to go on in another protocol.
pub(super) fn asks_for(headers: &HeaderMap, protocol: &str) -> bool {
    let asked = headers.get(header::UPGRADE);
    asked.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()))
}

/// Refuses a request that does not ask for a stream of our own.
pub(super) fn wants_upgrade(request: &http::Request<Body>) -> Result<(), Status> {
    if asks_for(request.headers(), TUNNEL_PROTOCOL) {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "this path speaks only Upgrade: {TUNNEL_PROTOCOL} over HTTP/1.1"
    )))
}

/// The answer after which a stream of our own begins.
pub(super) fn switching() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(TUNNEL_PROTOCOL));
    response
}

/// What ends with the node's credential; taken before it is looked whether that still holds, so that no revocation is
/// missed in between.
fn revocation(
    api: &Api,
    node: &str,
    request: &http::Request<Body>,
) -> Result<CancellationToken, Status> {
    let revoked = api.certificates().revocation(node);
    match request.extensions().get::<Peer>() {
        Some(peer) if !api.certificates().admits(node, &peer.print) => {
            Err(nodes::not_admitted(node))
        }
        _ => Ok(revoked),
    }
}

fn upgrade(api: &Api, node: &str, mut request: http::Request<Body>) -> Result<Response, Status> {
    wants_upgrade(&request)?;
    let revoked = revocation(api, node, &request)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let (api, node) = (api.clone(), node.to_owned());
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => {
                let line = Line::new();
                let number = api.tunnels().add(&node, line.clone());
                tracing::info!(%node, "the node's tunnel is open");
                let served = serve(&api, &node, stream, &line);
                revoked.run_until_cancelled(served).await;
                api.tunnels().remove(&node, number);
            }
            Err(error) => tracing::warn!(%node, %error, "the tunnel was not opened"),
        }
    });
    Ok(switching())
}

/// Speaks HTTP/2 on a line until it breaks.
async fn serve<I>(api: &Api, node: &str, stream: I, line: &Line)
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let handshake = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
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
    line.speech.send_replace(Speech::Open(sender));
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::info!(%node, %error, "the node's tunnel broke");
        },
        () = api.closing() => {}
    }
}
