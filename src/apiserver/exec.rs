//! `nodes/NAME/exec`: a program run on a node for an administrator; its streams are copied from one connection to the other.
//!
//! Whether the node runs it, and as whom, is the agent's to say.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::logs;
use crate::apiserver::response::Response;
use crate::apiserver::tunnel;
use crate::apiserver::verbs::Call;
use crate::client::exec::NUMBER;
use crate::client::https::TUNNEL_PROTOCOL;

const CHUNK: usize = 32 * 1024;

type Input = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// GET of `nodes/NAME/exec?namespace=N&command=C&command=A…`: answers 101 and talks frames from then on.
pub(super) async fn serve(
    call: &Call,
    mut request: http::Request<Body>,
) -> Result<Response, Status> {
    tunnel::wants_upgrade(&request)?;
    call.entry()?;
    let node = &call.target.name;
    let query = request.uri().query().unwrap_or_default();
    let path = format!("/exec?{query}");
    let (input, receiver) = mpsc::channel(4);
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let asked = call.api.tunnels().send(node, Method::POST, &path, body);
    let answer = match asked.await {
        Ok(answer) if answer.status() == StatusCode::OK => answer,
        Ok(answer) => return Err(logs::refusal_of(answer).await),
        Err(error) => return Err(Status::unavailable(error)),
    };
    tracing::info!(%node, user = call.identity.user(), "a program is run on a node");
    let upgrade = hyper::upgrade::on(&mut request);
    let number = answer.headers().get(NUMBER);
    let number = number.and_then(|number| number.to_str().ok()?.parse::<u64>().ok());
    let (api, node) = (call.api.clone(), node.clone());
    tokio::spawn(async move {
        copy(&api, upgrade, input, answer.into_body()).await;
        if let Some(number) = number {
            // Input that the program does not read also holds up its end.
            let path = format!("/exec/{number}");
            let told = api
                .tunnels()
                .send(&node, Method::DELETE, &path, Body::empty());
            if let Err(error) = told.await {
                tracing::debug!(%node, %error, "the node does not hear that a caller is gone");
            }
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(TUNNEL_PROTOCOL));
    Ok(response)
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
