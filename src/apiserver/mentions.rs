//! What a pod names: the secrets and settings that its node must read to run it. Pure but for the look into the store.
//!
//! A build pod carries its whole Build in a variable; what that names counts as named by the pod.

use serde_json::Value;

use crate::api::build::BUILD_VARIABLE;
use crate::api::kinds;
use crate::store::Interest;
use crate::store::Pin;
use crate::store::Place;
use crate::store::Store;

/// Whether a pod on that node names the Secret or `ConfigMap` at that place.
pub(super) fn is_named_by_pod(store: &Store, node: &str, place: &Place) -> bool {
    let on_node = Interest {
        namespace: place.key.namespace.clone(),
        pins: vec![Pin::OnNode(node.to_owned())],
    };
    let (pods, _) = store.list(&kinds::POD, on_node);
    let needle = place.key.name.as_bytes();
    pods.iter()
        // Most pods do not even spell the name: those need no parsing.
        .filter(|pod| contains(&pod.json, needle))
        .map(|pod| pod.object())
        .any(|pod| names(&pod["spec"], place.kind.kind, &place.key.name))
}

/// Whether a part of a pod's spec names the object of that kind and name.
fn names(part: &Value, kind: &str, name: &str) -> bool {
    let is_secret = kind == kinds::SECRET.kind;
    match part {
        Value::Array(items) => items.iter().any(|item| names(item, kind, name)),
        Value::Object(map) => {
            let build = map.get("name").is_some_and(|name| name == BUILD_VARIABLE);
            map.iter().any(|(key, value)| {
                let named = match key.as_str() {
                    "secretName" => is_secret && value == name,
                    "secretRef" | "secretKeyRef" | "sourceSecret" | "pullSecret" | "secret" => {
                        is_secret && value["name"] == name
                    }
                    "imagePullSecrets" => {
                        is_secret
                            && value
                                .as_array()
                                .into_iter()
                                .flatten()
                                .any(|one| one["name"] == name)
                    }
                    "configMap" | "configMapRef" | "configMapKeyRef" => {
                        !is_secret && value["name"] == name
                    }
                    "value" if build => value
                        .as_str()
                        .and_then(|text| serde_json::from_str::<Value>(text).ok())
                        .is_some_and(|build| names(&build["spec"], kind, name)),
                    _ => false,
                };
                named || names(value, kind, name)
            })
        }
        _ => false,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_way_to_name_a_secret_or_a_config_map() {
        let build = json!({"spec": {"source": {"sourceSecret": {"name": "git"}}}}).to_string();
        let spec = json!({
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "v", "secret": {"secretName": "mounted"}},
                {"name": "w", "configMap": {"name": "settings"}},
                {"name": "x", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
            ],
            "containers": [{
                "name": "plain",
                "env": [
                    {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "keys", "key": "k"}}},
                    {"name": "BUILD", "value": build},
                ],
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "every"}}],
            }],
        });
        for secret in ["pull", "mounted", "projected", "key", "all", "git"] {
            assert!(names(&spec, "Secret", secret), "{secret}");
            assert!(!names(&spec, "ConfigMap", secret), "{secret}");
        }
        for settings in ["settings", "keys", "every"] {
            assert!(names(&spec, "ConfigMap", settings), "{settings}");
            assert!(!names(&spec, "Secret", settings), "{settings}");
        }
        for other in ["plain", "A", "v", "k", "spec"] {
            assert!(!names(&spec, "Secret", other), "{other}");
        }
    }
}
