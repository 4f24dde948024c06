//! Rules of the kinds of Kubernetes that its users run into.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change;
use super::names;
use super::pods;
use super::text;
use crate::api::status::Cause;

/// What is wrong with a Service beyond its schema.
pub(super) fn service(new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &new["spec"];
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let needs_none = spec["type"] == "ExternalName" || spec["clusterIP"] == "None";
    if ports.is_empty() && !needs_none {
        causes.push(Cause::required("spec.ports", ""));
    }
    if spec["type"] == "ExternalName" && text(spec, "/externalName").is_empty() {
        causes.push(Cause::required("spec.externalName", ""));
    }
    let mut names_seen = BTreeSet::new();
    for (n, port) in ports.iter().enumerate() {
        let name = text(port, "/name");
        let field = format!("spec.ports[{n}].name");
        if name.is_empty() {
            if ports.len() > 1 {
                causes.push(Cause::required(field, ""));
            }
        } else if let Some(why) = names::dns_label(name) {
            causes.push(Cause::invalid(field, &name.into(), why));
        } else if !names_seen.insert(name) {
            causes.push(Cause::duplicate(field, &name.into()));
        }
        let target = &port["targetPort"];
        let field = format!("spec.ports[{n}].targetPort");
        causes.extend(pods::port_reference(&field, target).filter(|_| !target.is_null()));
    }
    causes
}

/// What is wrong with a Secret beyond its schema.
pub(super) fn secret(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = keys(new, &["data", "stringData"]);
    if let Some(old) = old {
        causes.extend(change::fixed(new, old, "/type"));
        causes.extend(frozen(new, old, &["/data", "/immutable"]));
    }
    causes
}

/// What is wrong with a `ConfigMap` beyond its schema.
pub(super) fn config_map(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = keys(new, &["data", "binaryData"]);
    for key in new["binaryData"]
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
    {
        if new["data"].get(key).is_some() {
            let field = format!("data[{key}]");
            causes.push(Cause::invalid(
                field,
                &key.as_str().into(),
                "duplicate of key present in binaryData",
            ));
        }
    }
    if let Some(old) = old {
        causes.extend(frozen(new, old, &["/data", "/binaryData", "/immutable"]));
    }
    causes
}

/// What is wrong with an `EndpointSlice` beyond its schema.
pub(super) fn endpoint_slice(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    Vec::from_iter(old.and_then(|old| change::fixed(new, old, "/addressType")))
}

fn keys(object: &Value, maps: &[&str]) -> Vec<Cause> {
    let mut causes = Vec::new();
    for map in maps {
        for key in object[*map]
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            if let Some(why) = names::config_key(key) {
                causes.push(Cause::invalid(
                    format!("{map}[{key}]"),
                    &key.as_str().into(),
                    why,
                ));
            }
        }
    }
    causes
}

/// Refuses changes of what was declared immutable.
fn frozen(new: &Value, old: &Value, pointers: &[&str]) -> Vec<Cause> {
    if old["immutable"] != true {
        return Vec::new();
    }
    pointers
        .iter()
        .filter(|pointer| change::fixed(new, old, pointer).is_some())
        .map(|pointer| {
            Cause::forbidden(&pointer[1..], "field is immutable when `immutable` is set")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use crate::api::kinds;
    use crate::api::kinds::Kind;
    use serde_json::Value;
    use serde_json::json;

    #[track_caller]
    fn check(kind: &Kind, mut new: Value, old: Option<Value>, expect: &[&str]) {
        let metadata = json!({"name": "a", "namespace": "d"});
        new["metadata"] = metadata.clone();
        let old = old.map(|mut old| {
            old["metadata"] = metadata;
            old
        });
        let found = fields(&admit(kind, &new, old.as_ref()));
        assert_eq!(found.len(), expect.len(), "{found:?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found}");
        }
    }

    #[test]
    fn services_have_ports_with_names() {
        check(
            &kinds::SERVICE,
            json!({"spec": {"ports": [{"port": 80}]}}),
            None,
            &[],
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {"clusterIP": "None"}}),
            None,
            &[],
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {}}),
            None,
            &["spec.ports: Required value"],
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 0, "name": "A"}, {"port": 1}, {"port": 2, "name": "x"}, {"port": 3, "name": "x"}]}}),
            None,
            &[
                "spec.ports[0].port: Invalid value: 0: spec.ports[0].port in body should be greater than or equal to 1",
                "spec.ports[0].name: Invalid value: \"A\"",
                "spec.ports[1].name: Required value",
                "spec.ports[3].name: Duplicate value: \"x\"",
            ],
        );
    }

    #[test]
    fn secrets_and_config_maps_keep_what_is_immutable() {
        check(
            &kinds::SECRET,
            json!({"data": {"a": "aGk="}, "type": "x"}),
            None,
            &[],
        );
        check(
            &kinds::SECRET,
            json!({"data": {"a/b": "aGk="}}),
            None,
            &["data[a/b]: Invalid value: \"a/b\": a valid config key"],
        );
        check(
            &kinds::SECRET,
            json!({"type": "y"}),
            Some(json!({"type": "x"})),
            &["type: Invalid value: \"y\": field is immutable"],
        );
        check(
            &kinds::CONFIG_MAP,
            json!({"data": {"a": "2"}, "immutable": true}),
            Some(json!({"data": {"a": "1"}, "immutable": true})),
            &["data: Forbidden: field is immutable when `immutable` is set"],
        );
        check(
            &kinds::CONFIG_MAP,
            json!({"data": {"a": "2"}, "binaryData": {"a": "aGk="}}),
            None,
            &["data[a]: Invalid value: \"a\": duplicate"],
        );
    }
}
