//! Patches: JSON patch, merge patch and strategic merge patch, and the three-way diff behind `apply`.

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::status::Status;

/// A change to an object, in one of the three forms that Kubernetes knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902: a list of operations.
    Json(Value),
    /// RFC 7386: null removes, objects merge, everything else replaces.
    Merge(Value),
    /// As merge, but lists with a merge key merge by it.
    Strategic(Value),
}

impl Patch {
    /// The content type that names this form.
    pub fn media_type(&self) -> &'static str {
        match self {
            Patch::Json(_) => "application/json-patch+json",
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Strategic(_) => "application/strategic-merge-patch+json",
        }
    }

    /// The patch itself.
    pub fn body(&self) -> &Value {
        match self {
            Patch::Json(body) | Patch::Merge(body) | Patch::Strategic(body) => body,
        }
    }

    /// Reads a patch of the form that a content type names; none for another content type.
    pub fn of_media_type(media_type: &str, body: Value) -> Option<Patch> {
        match media_type.split(';').next().unwrap_or("").trim() {
            "application/json-patch+json" => Some(Patch::Json(body)),
            "application/merge-patch+json" => Some(Patch::Merge(body)),
            "application/strategic-merge-patch+json" => Some(Patch::Strategic(body)),
            _ => None,
        }
    }
}

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not a patch of its form at all.
    #[error("{0}")]
    Malformed(String),
    /// It is one, but does not fit this object.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    /// The answer to the request that carried the patch: 400 or 422.
    pub fn status(&self) -> Status {
        unimplemented!()
    }
}

/// The object after the patch.
pub fn apply(_kind: &Kind, _original: &Value, _patch: &Patch) -> Result<Value, Error> {
    unimplemented!()
}

/// The patch that brings `current` to `modified` and removes what `last_applied` had and `modified` has not.
///
/// Strategic for the kinds of Kubernetes, merge for ours.
pub fn three_way(
    _kind: &Kind,
    _last_applied: Option<&Value>,
    _modified: &Value,
    _current: &Value,
) -> Result<Patch, Error> {
    unimplemented!()
}

/// The merge patch that turns `from` into `to`.
pub fn merge_between(_from: &Value, _to: &Value) -> Value {
    unimplemented!()
}
