//! Patches: JSON patch, merge patch and strategic merge patch, and the three-way diff behind `apply`.
//!
//! Which forms a kind takes is the server's decision, not made here. Nothing here checks the outcome.

mod strategic;
mod three_way;

use json_patch::PatchOperation;
use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::schema;
use crate::api::status::Status;

pub use three_way::merge_between;
pub use three_way::three_way;

/// How many operations one JSON patch may have.
const OPERATIONS: usize = 10_000;
/// How many bytes the `copy` operations of one JSON patch may copy.
const COPIED: usize = 3 << 20;

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
        match self {
            Error::Malformed(why) => Status::bad_request(why),
            Error::Unfit(why) => Status::unprocessable(why),
        }
    }
}

/// The object after the patch.
pub fn apply(kind: &Kind, original: &Value, patch: &Patch) -> Result<Value, Error> {
    let mut object = original.clone();
    match patch {
        Patch::Json(operations) => run(&mut object, operations)?,
        Patch::Merge(body) => {
            must_be_object(body)?;
            json_patch::merge(&mut object, body);
        }
        Patch::Strategic(body) => {
            must_be_object(body)?;
            object = strategic::merge(object, body, schema::of(kind))?;
        }
    }
    if object.is_object() {
        Ok(object)
    } else {
        Err(Error::Unfit("the patch leaves no object".to_owned()))
    }
}

fn must_be_object(body: &Value) -> Result<(), Error> {
    if body.is_object() {
        return Ok(());
    }
    Err(Error::Malformed(
        "a merge patch must be a JSON object".to_owned(),
    ))
}

fn run(object: &mut Value, operations: &Value) -> Result<(), Error> {
    let count = operations.as_array().map_or(0, Vec::len);
    if count > OPERATIONS {
        return Err(Error::Malformed(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS}, got {count}"
        )));
    }
    let operations: Vec<PatchOperation> = serde_json::from_value(operations.clone())
        .map_err(|why| Error::Malformed(format!("error decoding patch: {why}")))?;
    let mut copied = 0;
    for operation in &operations {
        if let PatchOperation::Copy(copy) = operation {
            let source = object.pointer(copy.from.as_str());
            copied += source.map_or(0, |value| value.to_string().len());
            if copied > COPIED {
                return Err(Error::Unfit("the patch copies too much".to_owned()));
            }
        }
        json_patch::patch(object, std::slice::from_ref(operation))
            .map_err(|error| Error::Unfit(format!("{}: {}", error.path, error.kind)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use serde_json::json;

    fn service() -> Value {
        json!({"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [{"port": 80, "name": "http"}]}})
    }

    #[test]
    fn json_patches_run_in_order() {
        let patch = Patch::Json(json!([
            {"op": "test", "path": "/metadata/name", "value": "a"},
            {"op": "add", "path": "/metadata/labels/a~1b", "value": "2"},
            {"op": "remove", "path": "/metadata/labels/x"},
            {"op": "replace", "path": "/spec/ports/0/port", "value": 81},
            {"op": "add", "path": "/spec/ports/-", "value": {"port": 82}},
        ]));
        let patched = apply(&kinds::SERVICE, &service(), &patch).unwrap();
        assert_eq!(
            patched,
            json!({"metadata": {"name": "a", "labels": {"a/b": "2"}}, "spec": {"ports": [{"port": 81, "name": "http"}, {"port": 82}]}})
        );
    }

    #[track_caller]
    fn refuses(patch: &Patch, code: u16) {
        let error = apply(&kinds::SERVICE, &service(), patch).unwrap_err();
        assert_eq!(error.status().code, code, "{error}");
    }

    #[test]
    fn wrong_patches_are_refused() {
        refuses(&Patch::Json(json!({"op": "add"})), 400);
        refuses(&Patch::Json(json!([{"op": "dance", "path": "/a"}])), 400);
        refuses(
            &Patch::Json(json!([{"op": "remove", "path": "/nope"}])),
            422,
        );
        refuses(
            &Patch::Json(json!([{"op": "test", "path": "/metadata/name", "value": "b"}])),
            422,
        );
        refuses(
            &Patch::Json(json!([{"op": "replace", "path": "", "value": 1}])),
            422,
        );
        refuses(&Patch::Merge(json!([1])), 400);
        refuses(&Patch::Strategic(json!("x")), 400);
        let bomb: Vec<Value> = (0..64)
            .map(|n| json!({"op": "copy", "from": "", "path": format!("/c{n}")}))
            .collect();
        refuses(&Patch::Json(json!(bomb)), 422);
    }

    #[test]
    fn merge_patches_replace_lists_and_remove_nulls() {
        let patch = Patch::Merge(
            json!({"metadata": {"labels": {"x": null, "y": "2"}}, "spec": {"ports": []}}),
        );
        assert_eq!(
            apply(&kinds::SERVICE, &service(), &patch).unwrap(),
            json!({"metadata": {"name": "a", "labels": {"y": "2"}}, "spec": {"ports": []}})
        );
    }

    #[test]
    fn forms_are_told_by_their_media_type() {
        for patch in [
            Patch::Json(json!([])),
            Patch::Merge(json!({})),
            Patch::Strategic(json!({})),
        ] {
            let again = Patch::of_media_type(patch.media_type(), patch.body().clone());
            assert_eq!(again.as_ref(), Some(&patch));
        }
        assert_eq!(
            Patch::of_media_type("application/apply-patch+yaml", json!({})),
            None
        );
    }
}
