//! The output of an Operation's steps: from its node while it is connected, from the registry once a step ended.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use tokio_util::io::ReaderStream;

use crate::api::status::Status;
use crate::api::upshift::Operation;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::tunnel;
use crate::apiserver::verbs::Call;
use crate::content::blobs::Digest;

/// GET of `operations/NAME/log?step=STEP&follow=true`.
pub(crate) async fn log(call: &Call) -> Result<Response, Status> {
    let object = call.entry()?.object();
    let operation: Operation = serde_json::from_value(object).map_err(Status::internal)?;
    let query = &call.target.query;
    let metadata = &operation.metadata;
    let path = format!(
        "/operations/{}/{}/log?step={}&follow={}",
        metadata.namespace,
        metadata.name,
        encode(&query.step),
        query.follow
    );
    let refusal = match call.api.tunnels().ask(&operation.spec.node, &path).await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            return Ok(response::text(
                StatusCode::OK,
                Body::new(answer.into_body()),
            ));
        }
        Ok(answer) => refusal_of(answer).await,
        Err(error @ (tunnel::Error::NotConnected(_) | tunnel::Error::NoAnswer { .. })) => {
            Status::unavailable(format!("the log cannot be read: {error}"))
        }
    };
    match kept(call, &operation)? {
        Some(body) => Ok(response::text(StatusCode::OK, body)),
        None => Err(refusal),
    }
}

/// What the node answered instead of a log: a Status, or at least its text.
pub(super) async fn refusal_of(answer: http::Response<hyper::body::Incoming>) -> Status {
    let code = answer.status();
    let bytes = match crate::apiserver::body::read(Body::new(answer.into_body())).await {
        Ok(bytes) => bytes,
        Err(status) => return status,
    };
    if let Ok(value) = serde_json::from_slice::<Value>(&bytes)
        && value["kind"] == "Status"
        && let Ok(status) = serde_json::from_value(value)
    {
        return status;
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut status = Status::unavailable(format!("the node answered {code}: {}", text.trim()));
    if code == StatusCode::NOT_FOUND {
        status.code = 404;
        "NotFound".clone_into(&mut status.reason);
    }
    status
}

/// The blobs of the asked steps, one after the other, if the asked steps ended and their output is in the registry.
fn kept(call: &Call, operation: &Operation) -> Result<Option<Body>, Status> {
    let step = &call.target.query.step;
    let mut files = Vec::new();
    for status in &operation.status.steps {
        if !step.is_empty() && status.name != *step || status.log.is_empty() {
            continue;
        }
        let digest: Digest = status.log.parse().map_err(Status::internal)?;
        match call.api.blobs().open_blob(&digest) {
            Ok(file) => files.push(tokio::fs::File::from_std(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Status::internal(error)),
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let chunks = futures_util::stream::iter(files.into_iter().map(ReaderStream::new));
    Ok(Some(Body::from_stream(futures_util::StreamExt::flatten(
        chunks,
    ))))
}

/// A name in a query: names are letters and digits, everything else is taken out of harm's way.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_encoded() {
        assert_eq!(encode("AfterInstall"), "AfterInstall");
        assert_eq!(encode("a b&c"), "a%20b%26c");
    }
}
