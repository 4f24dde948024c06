//! Rules about metadata that every kind obeys.

use serde_json::Map;
use serde_json::Value;

use super::change;
use super::names;
use super::present;
use super::text;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::kinds::Storage;
use crate::api::status::Cause;

/// How many bytes all annotations of an object may have.
const ANNOTATIONS: usize = 256 * 1024;
/// Leaves room for `-NUMBER` in the 63 characters of a label's value.
const APPLICATION_NAME: usize = 52;
/// Finalizers without a domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// What is wrong with an object's metadata.
pub(super) fn check(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let asks_only = kind.storage == Storage::Virtual && !kind.kind.starts_with("Project");
    if !asks_only {
        causes.extend(name(kind, new));
        causes.extend(namespace(kind, new));
    }
    causes.extend(labels(new));
    causes.extend(annotations(new));
    causes.extend(finalizers(new));
    causes.extend(owners(new));
    if let Some(old) = old {
        let fixed = ["name", "namespace", "uid", "creationTimestamp"];
        let fixed = fixed.iter().map(|field| format!("/metadata/{field}"));
        causes.extend(fixed.filter_map(|pointer| change::fixed(new, old, &pointer)));
        causes.extend(late_finalizers(new, old));
    }
    causes
}

fn name_rule(kind: &Kind) -> fn(&str) -> Option<String> {
    match kind.kind {
        "Namespace" | "Project" | "ProjectRequest" => names::dns_label,
        "Service" => names::dns_1035,
        "Application" => application_name,
        // Named by digests and tags.
        "Image" | "ImageStreamTag" | "ImageStreamImage" => names::path_segment,
        _ => names::dns_subdomain,
    }
}

fn application_name(name: &str) -> Option<String> {
    if name.len() > APPLICATION_NAME {
        return Some(format!(
            "must be no more than {APPLICATION_NAME} characters"
        ));
    }
    names::dns_label(name)
}

fn name(kind: &Kind, object: &Value) -> Option<Cause> {
    let rule = name_rule(kind);
    let name = text(object, "/metadata/name");
    let prefix = text(object, "/metadata/generateName");
    if !name.is_empty() {
        return rule(name).map(|why| Cause::invalid("metadata.name", &name.into(), why));
    }
    if prefix.is_empty() {
        return Some(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    }
    // What the server puts behind the prefix is harmless.
    rule(&format!("{prefix}x"))
        .map(|why| Cause::invalid("metadata.generateName", &prefix.into(), why))
}

fn namespace(kind: &Kind, object: &Value) -> Option<Cause> {
    let namespace = text(object, "/metadata/namespace");
    match (kind.scope, namespace) {
        (Scope::Namespaced, "") => Some(Cause::required("metadata.namespace", "")),
        (Scope::Namespaced, namespace) => names::dns_label(namespace)
            .map(|why| Cause::invalid("metadata.namespace", &namespace.into(), why)),
        (Scope::Cluster, "") => None,
        (Scope::Cluster, _) => Some(Cause::forbidden(
            "metadata.namespace",
            "not allowed on this type",
        )),
    }
}

fn map<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object["metadata"][field]
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
}

fn labels(object: &Value) -> Vec<Cause> {
    pairs("metadata.labels", &object["metadata"]["labels"])
}

/// What is wrong with keys and values that are to be labels, or to select by them.
pub(super) fn pairs(field: &str, labels: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(why) = names::qualified(key) {
            causes.push(Cause::invalid(field, &key.as_str().into(), why));
        }
        if let Some(why) = value.as_str().and_then(names::label_value) {
            causes.push(Cause::invalid(field, value, why));
        }
    }
    causes
}

fn annotations(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut size = 0;
    for (key, value) in map(object, "annotations") {
        size += key.len() + value.as_str().map_or(0, str::len);
        if let Some(why) = names::qualified(&key.to_lowercase()) {
            let key = key.as_str().into();
            causes.push(Cause::invalid("metadata.annotations", &key, why));
        }
    }
    if size > ANNOTATIONS {
        causes.push(Cause {
            reason: "FieldValueTooLong".to_owned(),
            message: format!("Too long: may not be more than {ANNOTATIONS} bytes"),
            field: "metadata.annotations".to_owned(),
        });
    }
    causes
}

fn list<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object["metadata"][field].as_array().into_iter().flatten()
}

fn finalizers(object: &Value) -> Vec<Cause> {
    let texts = list(object, "finalizers").filter_map(|value| Some((value, value.as_str()?)));
    texts
        .filter_map(|(value, name)| {
            let why = match names::qualified(name) {
                None if name.contains('/') || STANDARD_FINALIZERS.contains(&name) => return None,
                None => {
                    "name is neither a standard finalizer name nor is it fully qualified".to_owned()
                }
                Some(why) => why,
            };
            Some(Cause::invalid("metadata.finalizers", value, why))
        })
        .collect()
}

fn late_finalizers(new: &Value, old: &Value) -> Option<Cause> {
    present(old, "/metadata/deletionTimestamp")?;
    let added: Vec<&str> = list(new, "finalizers")
        .filter(|name| !list(old, "finalizers").any(|before| before == *name))
        .filter_map(Value::as_str)
        .collect();
    (!added.is_empty()).then(|| {
        Cause::forbidden(
            "metadata.finalizers",
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
            ),
        )
    })
}

fn owners(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (n, owner) in list(object, "ownerReferences").enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field] == "" {
                let field = format!("metadata.ownerReferences[{n}].{field}");
                causes.push(Cause::invalid(field, &"".into(), "must not be empty"));
            }
        }
    }
    let controllers = list(object, "ownerReferences").filter(|owner| owner["controller"] == true);
    if controllers.count() > 1 {
        causes.push(Cause::forbidden(
            "metadata.ownerReferences",
            "Only one reference can have Controller set to true",
        ));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::super::fields;
    use super::*;
    use crate::api::kinds;
    use serde_json::json;

    #[track_caller]
    fn check_metadata(kind: &Kind, metadata: &Value, expect: &[&str]) {
        let found = fields(&check(kind, &json!({"metadata": metadata}), None));
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found}");
        }
    }

    #[test]
    fn names_follow_the_kind() {
        let long = "a".repeat(53);
        for (kind, good, bad) in [
            (&kinds::NAMESPACE, "a-b", "a.b"),
            (&kinds::NODE, "a.b", "A"),
            (&kinds::APPLICATION, "shop", long.as_str()),
            (&kinds::SERVICE, "web", "0web"),
            (&kinds::IMAGE, "sha256:0", "a/b"),
        ] {
            let metadata = |name: &str| match kind.scope {
                Scope::Cluster => json!({"name": name}),
                Scope::Namespaced => json!({"name": name, "namespace": "d"}),
            };
            check_metadata(kind, &metadata(good), &[]);
            check_metadata(kind, &metadata(bad), &["metadata.name: Invalid value"]);
        }
        check_metadata(
            &kinds::NODE,
            &json!({}),
            &["metadata.name: Required value: name or generateName is required"],
        );
        check_metadata(&kinds::NODE, &json!({"generateName": "a-"}), &[]);
        check_metadata(
            &kinds::NODE,
            &json!({"generateName": "A-"}),
            &["metadata.generateName: Invalid"],
        );
        check_metadata(
            &kinds::NODE,
            &json!({"name": "a", "namespace": "b"}),
            &["metadata.namespace: Forbidden"],
        );
        check_metadata(&kinds::SELF_SUBJECT_REVIEW, &json!({}), &[]);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        check_metadata(
            &kinds::NODE,
            &json!({
                "name": "a",
                "labels": {"a b": "x", "ok": "not ok"},
                "annotations": {"-": "anything at all", "UPPER.io/x": "fine"},
                "finalizers": ["plain", "x.io/fine", "orphan"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "", "name": "n", "uid": "u", "controller": true},
                                    {"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": true}],
            }),
            &[
                "metadata.labels: Invalid value: \"a b\": name part must",
                "metadata.labels: Invalid value: \"not ok\": a valid label",
                "metadata.annotations: Invalid value: \"-\"",
                "metadata.finalizers: Invalid value: \"plain\": name is neither",
                "metadata.ownerReferences[0].kind: Invalid value: \"\"",
                "metadata.ownerReferences: Forbidden",
            ],
        );
        check_metadata(
            &kinds::NODE,
            &json!({"name": "a", "annotations": {"a": "x".repeat(300_000)}}),
            &["metadata.annotations: Too long"],
        );
    }

    #[test]
    fn identity_does_not_change() {
        let old = json!({"metadata": {"name": "a", "uid": "1", "finalizers": [], "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        let new = json!({"metadata": {"name": "b", "uid": "2", "finalizers": ["x.io/new"]}});
        assert_eq!(
            fields(&check(&kinds::NODE, &new, Some(&old))),
            [
                "metadata.name: Invalid value: \"b\": field is immutable",
                "metadata.uid: Invalid value: \"2\": field is immutable",
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers [\"x.io/new\"]",
            ]
        );
    }
}
