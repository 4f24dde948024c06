//! Kinds that are views of another kind: a Project is a Namespace seen by OpenShift, and a `ProjectRequest` asks for one.
//! Pure.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Kind;

/// The kind whose objects stand in the store for objects of `kind`.
pub(crate) fn stored_kind(kind: &'static Kind) -> &'static Kind {
    if kind == &kinds::PROJECT || kind == &kinds::PROJECT_REQUEST {
        &kinds::NAMESPACE
    } else {
        kind
    }
}

/// Whether objects of `kind` are stored as objects of another one.
pub(crate) fn is_view(kind: &'static Kind) -> bool {
    stored_kind(kind) != kind
}

/// A stored object as an object of `kind`.
pub(crate) fn show(kind: &'static Kind, stored: Value) -> Value {
    if is_view(kind) {
        project_of(&stored)
    } else {
        stored
    }
}

/// An object of `kind` as it is stored; `old` is what stands there now.
pub(crate) fn store(kind: &'static Kind, object: Value, old: Option<&Value>) -> Value {
    if is_view(kind) {
        namespace_of(&object, old)
    } else {
        object
    }
}

fn project_of(namespace: &Value) -> Value {
    let mut metadata = namespace["metadata"].clone();
    if let Some(map) = metadata.as_object_mut() {
        map.remove("finalizers");
    }
    json!({
        "apiVersion": kinds::PROJECT.api_version(),
        "kind": kinds::PROJECT.kind,
        "metadata": metadata,
        "spec": {"finalizers": namespace["metadata"]["finalizers"]},
        "status": namespace["status"],
    })
}

fn namespace_of(project: &Value, old: Option<&Value>) -> Value {
    let mut namespace = old.cloned().unwrap_or_else(|| json!({}));
    namespace["apiVersion"] = kinds::NAMESPACE.api_version().into();
    namespace["kind"] = kinds::NAMESPACE.kind.into();
    let finalizers = namespace["metadata"]["finalizers"].take();
    namespace["metadata"] = project["metadata"].clone();
    if !finalizers.is_null() {
        namespace["metadata"]["finalizers"] = finalizers;
    }
    namespace
}

/// The annotations that a `ProjectRequest` leaves on its Namespace.
pub(crate) fn requested_namespace(request: &Value, requester: &str) -> Value {
    let text = |field: &str| request[field].as_str().unwrap_or("").to_owned();
    let mut metadata = request["metadata"].clone();
    if !metadata.is_object() {
        metadata = json!({});
    }
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"]["openshift.io/description"] = text("description").into();
    metadata["annotations"]["openshift.io/display-name"] = text("displayName").into();
    metadata["annotations"]["openshift.io/requester"] = requester.into();
    json!({
        "apiVersion": kinds::NAMESPACE.api_version(),
        "kind": kinds::NAMESPACE.kind,
        "metadata": metadata,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requested_project_is_stored_as_its_namespace() {
        assert_eq!(stored_kind(&kinds::PROJECT_REQUEST), &kinds::NAMESPACE);
        assert_eq!(stored_kind(&kinds::NODE), &kinds::NODE);
    }

    #[test]
    fn a_project_is_its_namespace_seen_otherwise() {
        let request = json!({
            "kind": "ProjectRequest",
            "metadata": {"name": "demo"},
            "displayName": "Demo",
        });
        let mut namespace = requested_namespace(&request, "admin");
        namespace["metadata"]["finalizers"] = json!(["kubernetes"]);
        namespace["status"] = json!({"phase": "Active"});
        let mut project = show(&kinds::PROJECT, namespace.clone());
        assert_eq!(project["kind"], "Project");
        assert_eq!(project["spec"]["finalizers"], json!(["kubernetes"]));
        assert_eq!(project["status"]["phase"], "Active");
        assert_eq!(
            project["metadata"]["annotations"],
            json!({
                "openshift.io/description": "",
                "openshift.io/display-name": "Demo",
                "openshift.io/requester": "admin",
            })
        );
        assert_eq!(
            store(&kinds::PROJECT, project.clone(), Some(&namespace)),
            namespace
        );
        project["metadata"]["labels"] = json!({"a": "b"});
        let changed = store(&kinds::PROJECT, project, Some(&namespace));
        assert_eq!(changed["metadata"]["labels"]["a"], "b");
        assert_eq!(changed["metadata"]["finalizers"], json!(["kubernetes"]));
    }
}
