//! `nodes/NAME/exec` and `pods/NAME/exec`: a program run for an administrator on a node, or beside a pod's container.
//!
//! Its streams are copied from one connection to the other, in our own frames from end to end (`client::exec`), or
//! translated for whoever speaks Kubernetes' protocol ([`channels`]). Whether the node runs it, and as whom, is the
//! agent's to say.

mod channels;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use http::StatusCode;
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::kinds;
use crate::api::pod::Pod;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::access::Verb;
use crate::apiserver::logs;
use crate::apiserver::output;
use crate::apiserver::response::Response;
use crate::apiserver::tunnel;
use crate::apiserver::verbs::Call;
use crate::client::exec::NUMBER;
use crate::client::exec::not_running;

const CHUNK: usize = 32 * 1024;

type Input = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// GET of `nodes/NAME/exec?namespace=N&command=C&command=A…` or `pods/NAME/exec?container=C&command=…`: answers 101 and
/// talks frames from then on. A POST is refused.
pub(super) async fn serve(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    if call.target.verb == Verb::Create {
        return Err(refusal_of_post(call));
    }
    let (mut parts, body) = request.into_parts();
    let channels = if tunnel::asks_for(&parts.headers, "websocket") {
        Some(channels::handshake(&mut parts).await?)
    } else {
        None
    };
    let mut request = http::Request::from_parts(parts, body);
    if channels.is_none() {
        tunnel::wants_upgrade(&request)?;
    }
    let Place { node, path, .. } = place(call, request.uri().query().unwrap_or_default())?;
    let (input, receiver) = mpsc::channel(4);
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let asked = call.api.tunnels().send(&node, Method::POST, &path, body);
    let answer = match asked.await {
        Ok(answer) if answer.status() == StatusCode::OK => answer,
        Ok(answer) => return Err(logs::refusal_of(answer).await),
        Err(error) => return Err(Status::unavailable(error)),
    };
    let pod = (call.target.kind == &kinds::POD).then_some(&call.target.name);
    tracing::info!(%node, pod, user = call.identity.user(), "a program is run on a node");
    let number = answer.headers().get(NUMBER);
    let number = number.and_then(|number| number.to_str().ok()?.parse::<u64>().ok());
    let api = call.api.clone();
    if let Some(channels) = channels {
        return Ok(channels.on_upgrade(move |socket| async move {
            channels::copy(&api, socket, input, answer.into_body()).await;
            leave(&api, &node, number).await;
        }));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        copy(&api, upgrade, input, answer.into_body()).await;
        leave(&api, &node, number).await;
    });
    Ok(tunnel::switching())
}

/// What a POST is answered: what a GET would be refused with, and else that only that is served.
///
/// `kubectl` comes with SPDY in a POST after whatever its WebSocket was refused with, and shows only the second answer.
fn refusal_of_post(call: &Call) -> Status {
    let place = match place(call, "") {
        Ok(place) => place,
        Err(refusal) => return refusal,
    };
    if !call.api.tunnels().has(&place.node) {
        return Status::unavailable(tunnel::Error::NotConnected(place.node));
    }
    // The node would know for certain; it is not asked, as it would run the program.
    if let Some((pod, container)) = &place.beside {
        let mut statuses = pod.status.container_statuses.iter();
        if !statuses.any(|one| one.name == *container && one.state.running.is_some()) {
            return not_running(container, &pod.metadata.name);
        }
    }
    let known = channels::PROTOCOLS.join(" and ");
    let message = format!(
        "this path speaks {known} over a WebSocket (GET), and not SPDY: take kubectl 1.31 or newer, or `upshift exec`"
    );
    Status::failure(405, "MethodNotAllowed", message)
}

/// Where a program is to run.
struct Place {
    node: String,
    /// What the node is asked.
    path: String,
    /// The pod and its container; none: on the node itself.
    beside: Option<(Pod, String)>,
}

/// Finds the place, and refuses one where nothing can run.
fn place(call: &Call, query: &str) -> Result<Place, Status> {
    let entry = call.entry()?;
    if call.target.kind != &kinds::POD {
        return Ok(Place {
            node: call.target.name.clone(),
            path: format!("/exec?{query}"),
            beside: None,
        });
    }
    let pod: Pod = serde_json::from_slice(&entry.json).map_err(Status::internal)?;
    let (namespace, name, uid) = (
        &pod.metadata.namespace,
        &pod.metadata.name,
        &pod.metadata.uid,
    );
    if pod.is_over() {
        return Err(Status::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {:?}",
            pod.status.phase
        )));
    }
    let node = &pod.spec.node_name;
    if node.is_empty() {
        return Err(Status::bad_request(format!(
            "pod {name} does not have a host assigned"
        )));
    }
    let container = output::container_of(&pod, call.target.query.other("container"))?.to_owned();
    let encoded = logs::encode(&container);
    // What is said last counts.
    let path = format!("/pods/{namespace}/{name}/{uid}/exec?{query}&container={encoded}");
    Ok(Place {
        node: node.clone(),
        path,
        beside: Some((pod, container)),
    })
}

/// Tells a node that a program's caller is gone: input that the program does not read also holds up its end.
async fn leave(api: &Api, node: &str, number: Option<u64>) {
    let Some(number) = number else { return };
    let path = format!("/exec/{number}");
    let told = api
        .tunnels()
        .send(node, Method::DELETE, &path, Body::empty());
    if let Err(error) = told.await {
        tracing::debug!(%node, %error, "the node does not hear that a caller is gone");
    }
}

/// Copies both ways until one end is gone; the other then sees the end, too.
async fn copy(api: &Api, upgrade: OnUpgrade, input: Input, output: Incoming) {
    let Ok(stream) = upgrade.await else { return };
    let (mut from_caller, mut to_caller) = tokio::io::split(TokioIo::new(stream));
    let taking = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = from_caller.read(&mut buffer).await {
            let chunk = Bytes::copy_from_slice(&buffer[..count]);
            if input.send(Ok(chunk)).await.is_err() {
                // The program is over; its last words are on their way.
                std::future::pending::<()>().await;
            }
        }
    };
    let giving = async {
        let mut output = BodyDataStream::new(output);
        while let Some(Ok(chunk)) = output.next().await {
            if to_caller.write_all(&chunk).await.is_err() || to_caller.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = taking => {}
        () = giving => {}
        () = api.closing() => {}
    }
    let _ = to_caller.shutdown().await;
}
