//! Admission: everything an object must satisfy before it is stored, each wrong field named, all at once.

pub mod names;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::status::Cause;

/// What is wrong with an object that is to be created (`old` is none) or to replace `old`.
///
/// Includes `schema::check`. The server has already set what it owns (uid, creationTimestamp, namespace from the path).
pub fn admit(_kind: &Kind, _new: &Value, _old: Option<&Value>) -> Vec<Cause> {
    unimplemented!()
}
