//! The body of a request: read up to a limit, parsed by its media type, checked for fields nobody knows.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use serde_json::Value;

use crate::api::json;
use crate::api::kinds::Kind;
use crate::api::protobuf;
use crate::api::schema;
use crate::api::status::Status;
use crate::api::yaml;
use crate::apiserver::request::FieldValidation;

/// The largest object that is kept, as JSON.
pub(crate) const OBJECT_LIMIT: usize = 1_536 * 1024;
/// The largest body that is read: YAML and patches may be longer than the object they make.
const BODY_LIMIT: usize = 2 * OBJECT_LIMIT;

/// A body as a value, and the keys that stood twice in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) value: Value,
    pub(crate) duplicates: Vec<String>,
}

/// Reads a whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!(
            "the body of the request could not be read: {error}"
        ))),
    }
}

/// The body of a request to a subresource, JSON or YAML; null for none.
pub(crate) async fn read_json(request: http::Request<Body>) -> Result<Value, Status> {
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    Ok(parse_plain(&media_type(&parts.headers), &bytes)?.value)
}

/// The refusal of an object that is too large.
pub(crate) fn too_large() -> Status {
    Status::too_large(format!(
        "Request entity too large: limit is {OBJECT_LIMIT} bytes"
    ))
}

/// The media type of a body, without parameters, in lower case; "" when there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

/// Parses an object of a kind as its media type says: JSON, YAML, or Kubernetes' protobuf if the kind is read so.
pub(crate) fn parse(kind: &Kind, media_type: &str, bytes: &[u8]) -> Result<Parsed, Status> {
    if media_type == protobuf::MEDIA_TYPE && protobuf::is_read(kind) {
        return parse_protobuf(kind, bytes);
    }
    parse_plain(media_type, bytes)
}

/// Parses JSON or YAML, as its media type says.
pub(crate) fn parse_plain(media_type: &str, bytes: &[u8]) -> Result<Parsed, Status> {
    match media_type {
        "" | "application/json" => parse_json(bytes),
        "application/yaml" | "application/x-yaml" | "text/yaml" => parse_yaml(bytes),
        _ => Err(Status::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: \
             application/json, application/yaml",
        )),
    }
}

/// Parses JSON, whatever it is called.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Parsed, Status> {
    let parsed = json::read(bytes)
        .map_err(|error| Status::bad_request(format!("error decoding JSON: {error}")))?;
    Ok(Parsed {
        value: parsed.value,
        duplicates: parsed.duplicates,
    })
}

fn parse_protobuf(kind: &Kind, bytes: &[u8]) -> Result<Parsed, Status> {
    let value = protobuf::read(kind, bytes)
        .map_err(|why| Status::bad_request(format!("error decoding protobuf: {why}")))?;
    Ok(Parsed {
        value,
        duplicates: Vec::new(),
    })
}

fn parse_yaml(bytes: &[u8]) -> Result<Parsed, Status> {
    let refused =
        |why: &dyn std::fmt::Display| Status::bad_request(format!("error decoding YAML: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|error| refused(&error))?;
    let mut documents = yaml::read(text).map_err(|error| refused(&error))?;
    if documents.len() > 1 {
        return Err(refused(&"there is more than one document"));
    }
    let Some(document) = documents.pop() else {
        return Err(refused(&"there is no document"));
    };
    let duplicates = document
        .duplicates()
        .iter()
        .map(|one| one.path.trim_start_matches('/').replace('/', "."))
        .collect();
    Ok(Parsed {
        value: document.into_value(),
        duplicates,
    })
}

/// What is to be said about keys that stand twice and fields that the kind does not have (and `old` had not either):
/// a refusal, warnings, or nothing.
pub(crate) fn validate_fields(
    kind: &Kind,
    validation: FieldValidation,
    duplicates: &[String],
    new: &Value,
    old: Option<&Value>,
) -> Result<Vec<String>, Status> {
    if validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    let mut unknown = schema::unknown_fields(kind, new);
    if let Some(old) = old.filter(|_| !unknown.is_empty()) {
        let known = schema::unknown_fields(kind, old);
        unknown.retain(|field| !known.contains(field));
    }
    let duplicates = duplicates
        .iter()
        .map(|field| format!("duplicate field {field:?}"));
    let unknown = unknown
        .iter()
        .map(|field| format!("unknown field {field:?}"));
    let found: Vec<String> = duplicates.chain(unknown).collect();
    if found.is_empty() || validation == FieldValidation::Warn {
        return Ok(found);
    }
    Err(Status::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
        kind.kind,
        kind.version,
        kind.kind,
        found.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;

    #[test]
    fn json_and_yaml_are_read_and_nothing_else() {
        let value = |media_type: &str, text: &str| {
            parse(&kinds::CONFIG_MAP, media_type, text.as_bytes())
                .map(|parsed| parsed.value)
                .map_err(|status| status.code)
        };
        let expect = serde_json::json!({"a": 1});
        assert_eq!(value("", "{\"a\": 1}"), Ok(expect.clone()));
        assert_eq!(value("application/yaml", "a: 1\n"), Ok(expect));
        assert_eq!(value("application/json", "a: 1"), Err(400));
        assert_eq!(value("application/yaml", "a: 1\n---\nb: 2\n"), Err(400));
        assert_eq!(value(protobuf::MEDIA_TYPE, "k8s"), Err(400));
        assert_eq!(value("application/cbor", "x"), Err(415));
        let ours = parse(&kinds::APPLICATION, protobuf::MEDIA_TYPE, b"k8s\0");
        assert_eq!(ours.map_err(|status| status.code), Err(415));
    }

    #[test]
    fn unknown_fields_warn_or_refuse() {
        let object = serde_json::json!({
            "apiVersion": "upshift.dev/v1",
            "kind": "Application",
            "metadata": {"name": "a"},
            "spec": {"x": 1},
        });
        let check = |validation, old| {
            validate_fields(&kinds::APPLICATION, validation, &[], &object, old)
                .map_err(|status| status.message)
        };
        assert_eq!(check(FieldValidation::Ignore, None), Ok(vec![]));
        assert_eq!(
            check(FieldValidation::Warn, None),
            Ok(vec!["unknown field \"spec.x\"".to_owned()])
        );
        let refusal = check(FieldValidation::Strict, None).unwrap_err();
        assert!(
            refusal.ends_with("strict decoding error: unknown field \"spec.x\""),
            "{refusal}"
        );
        assert_eq!(check(FieldValidation::Strict, Some(&object)), Ok(vec![]));
    }
}
