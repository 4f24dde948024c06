//! What goes back: JSON of an object, a Table, a Status; and which of them was asked for.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use serde_json::Value;

use crate::api::status::Status;

/// An answer to a request.
pub(crate) type Response = http::Response<Body>;

/// The form in which objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    Table,
    /// Metadata alone.
    Partial,
}

impl Form {
    /// The first form of the Accept header that is served; objects when there is none.
    pub(crate) fn accepted(headers: &HeaderMap) -> Result<Form, Status> {
        let Some(accept) = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()) else {
            return Ok(Form::Object);
        };
        accept
            .split(',')
            .find_map(form_of_range)
            .ok_or_else(not_acceptable)
    }
}

/// One media range: `application/json;as=Table;v=v1;g=meta.k8s.io`.
fn form_of_range(range: &str) -> Option<Form> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    if !["", "*/*", "application/*", "application/json"].contains(&media_type) {
        return None;
    }
    let as_what = parts.find_map(|part| part.strip_prefix("as="));
    match as_what {
        None => Some(Form::Object),
        Some("Table") => Some(Form::Table),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Form::Partial),
        Some(_) => None,
    }
}

fn not_acceptable() -> Status {
    let mut status = Status::unsupported_media_type(
        "only the following media types are accepted: application/json",
    );
    status.code = 406;
    "NotAcceptable".clone_into(&mut status.reason);
    status
}

/// JSON that is bytes already.
pub(crate) fn json(code: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A value as JSON.
pub(crate) fn value(code: StatusCode, value: &Value) -> Response {
    json(code, to_bytes(value))
}

/// A value as JSON bytes.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("JSON values have string keys"))
}

/// How many bytes a value is as JSON.
pub(crate) fn size(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("JSON values have string keys");
    count.0
}

/// A refusal, or the confirmation of a deletion.
pub(crate) fn status(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(status).expect("a Status is plain data");
    let mut response = json(code, Bytes::from(body));
    if code == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"upshift\""),
        );
    }
    response
}

/// Plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// Adds `Warning: 299 - "…"` for each text.
pub(crate) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let clean: String = warning
            .chars()
            .filter(|c| !c.is_control() && c.is_ascii())
            .collect();
        let quoted = clean.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// The metadata of an object as `PartialObjectMetadata` of `meta.k8s.io/v1`.
pub(crate) fn partial(object: &Value) -> Value {
    serde_json::json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_served_form_wins() {
        let check = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Form::accepted(&headers).map_err(|status| status.code)
        };
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                       application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(check(kubectl), Ok(Form::Table));
        let protobuf = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,\
                        application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        assert_eq!(check(protobuf), Ok(Form::Partial));
        let discovery =
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!(check(discovery), Ok(Form::Object));
        assert_eq!(check("*/*"), Ok(Form::Object));
        assert_eq!(check("application/yaml"), Err(406));
    }

    #[test]
    fn warnings_are_quoted() {
        let mut response = text(StatusCode::OK, "");
        warn(&mut response, &["unknown field \"spec.x\"\n".to_owned()]);
        assert_eq!(
            response.headers()[header::WARNING],
            "299 - \"unknown field \\\"spec.x\\\"\""
        );
    }
}
