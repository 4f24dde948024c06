//! OpenAPI schemas of every kind: what is checked, what `explain` shows, how lists merge.

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::status::Cause;

/// Every field of an object that its kind's schema refuses, in the words of Kubernetes.
pub fn check(_kind: &Kind, _object: &Value) -> Vec<Cause> {
    unimplemented!()
}

/// The fields that the kind does not have: `spec.foo`, `spec.files[0].x`.
pub fn unknown_fields(_kind: &Kind, _object: &Value) -> Vec<String> {
    unimplemented!()
}

/// The OpenAPI v3 document of one group and version, as served below `/openapi/v3`.
pub fn openapi_v3(_group: &str, _version: &str) -> Option<&'static Value> {
    unimplemented!()
}

/// The index served at `/openapi/v3`: each group and version with the path of its document.
pub fn openapi_v3_index() -> Value {
    unimplemented!()
}
