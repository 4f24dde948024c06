//! What the server fills in when a user left it out: the defaults of Kubernetes and OpenShift that their clients rely
//! on.
//!
//! Our own kinds get none: their views have defaults, and an object stays as it was written. What is chosen from what
//! else is stored (addresses, users, hosts) is the API server's admission.

mod openshift;
mod pods;

use base64::Engine;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds::Kind;

/// Completes an object before it is checked and stored; completing twice changes nothing.
pub fn fill(kind: &Kind, object: &mut Value) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    match kind.kind {
        "Secret" => secret(object),
        "Service" => service(object),
        "Pod" => pods::pod(object),
        "ReplicationController" => pods::replication_controller(object),
        "ReplicaSet" => pods::replica_set(object),
        "Deployment" => pods::deployment(object),
        "DeploymentConfig" => openshift::deployment_config(object),
        "BuildConfig" => openshift::build_config(object),
        "Build" => openshift::build(object),
        "ImageStream" => openshift::image_stream(object),
        "Route" => openshift::route(object),
        _ => {}
    }
}

/// What an update cannot take back: a build config that is written without its status goes on counting its builds.
pub fn keep(kind: &Kind, old: &Value, new: &mut Value) {
    let last = old["status"]["lastVersion"].as_u64().unwrap_or(0);
    if kind.kind != "BuildConfig" || new["status"]["lastVersion"].as_u64().unwrap_or(0) >= last {
        return;
    }
    let status = new
        .as_object_mut()
        .and_then(|object| below(object, "status"));
    if let Some(status) = status {
        status.insert("lastVersion".to_owned(), last.into());
    }
}

/// Sets a field that is not there.
fn absent(object: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    if object.get(field).is_none_or(Value::is_null) {
        object.insert(field.to_owned(), value.into());
    }
}

/// Sets a field that is not there, or is "" or 0, which stand for nothing in fields that are no pointers in Go.
fn empty(object: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    let is_set = object
        .get(field)
        .is_some_and(|value| !value.is_null() && *value != "" && *value != 0);
    if !is_set {
        object.insert(field.to_owned(), value.into());
    }
}

/// The object in a field, if there is one.
fn inside<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
) -> Option<&'a mut Map<String, Value>> {
    object.get_mut(field)?.as_object_mut()
}

/// The object in a field, made if there is none; something else stays for the schema to refuse.
fn below<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
) -> Option<&'a mut Map<String, Value>> {
    absent(object, field, json!({}));
    inside(object, field)
}

/// The objects in a list.
fn each<'a>(
    object: &'a mut Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    let list = object.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Texts of `stringData` move into `data`.
fn secret(secret: &mut Map<String, Value>) {
    empty(secret, "type", "Opaque");
    let texts = secret.get("stringData").and_then(Value::as_object);
    let all_texts = texts.is_some_and(|texts| texts.values().all(Value::is_string));
    let data = secret.get("data").unwrap_or(&Value::Null);
    if !all_texts || !(data.is_null() || data.is_object()) {
        return;
    }
    let texts = secret.remove("stringData");
    let Some(data) = below(secret, "data") else {
        return;
    };
    for (key, text) in texts.iter().filter_map(Value::as_object).flatten() {
        let bytes = text.as_str().unwrap_or_default();
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        data.insert(key.clone(), encoded.into());
    }
}

fn service(service: &mut Map<String, Value>) {
    let Some(spec) = inside(service, "spec") else {
        return;
    };
    empty(spec, "type", "ClusterIP");
    empty(spec, "sessionAffinity", "None");
    let is_external = spec["type"] == "ExternalName";
    if !is_external {
        absent(spec, "internalTrafficPolicy", "Cluster");
        absent(spec, "ipFamilies", json!(["IPv4"]));
        absent(spec, "ipFamilyPolicy", "SingleStack");
    }
    if spec["sessionAffinity"] == "ClientIP" {
        let config = below(spec, "sessionAffinityConfig");
        if let Some(client) = config.and_then(|config| below(config, "clientIP")) {
            absent(client, "timeoutSeconds", 10_800);
        }
    }
    for port in each(spec, "ports") {
        empty(port, "protocol", "TCP");
        let own = port.get("port").cloned().unwrap_or_default();
        if !is_external && !own.is_null() {
            empty(port, "targetPort", own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use serde_json::json;

    #[track_caller]
    fn check(kind: &Kind, mut object: Value, expect: &Value) {
        fill(kind, &mut object);
        assert_eq!(object, *expect);
        fill(kind, &mut object);
        assert_eq!(object, *expect, "filling twice changes nothing");
    }

    #[test]
    fn fills_what_is_missing() {
        check(
            &kinds::SECRET,
            json!({"data": {"b": "eA=="}, "stringData": {"a": "hi"}}),
            &json!({"type": "Opaque", "data": {"a": "aGk=", "b": "eA=="}}),
        );
        check(
            &kinds::SECRET,
            json!({"type": "x", "stringData": {"a": 1}}),
            &json!({"type": "x", "stringData": {"a": 1}}),
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "web", "protocol": "UDP"}]}}),
            &json!({"spec": {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 80},
                {"port": 81, "protocol": "UDP", "targetPort": "web"},
            ]}}),
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {"type": "ExternalName", "sessionAffinity": "ClientIP"}}),
            &json!({"spec": {"type": "ExternalName", "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10_800}}}}),
        );
        check(&kinds::SERVICE, json!({"spec": 3}), &json!({"spec": 3}));
    }

    #[test]
    fn a_config_goes_on_counting_its_builds() {
        let old = json!({"status": {"lastVersion": 4}});
        for (mut new, expect) in [
            (json!({}), 4),
            (json!({"status": {"lastVersion": 3}}), 4),
            (json!({"status": {"lastVersion": 5}}), 5),
        ] {
            keep(&kinds::BUILD_CONFIG, &old, &mut new);
            assert_eq!(new["status"]["lastVersion"], expect);
        }
    }

    #[test]
    fn nothing_is_done_about_what_is_no_object() {
        for kind in kinds::ALL {
            for object in [
                json!([]),
                json!({"spec": 3}),
                json!({"spec": {"template": "x", "strategy": [], "triggers": {}, "to": 1, "tls": 2, "source": 3}}),
                json!({"spec": {"template": {"spec": {"containers": [1], "volumes": "x"}}, "containers": {}, "tags": [[]]}}),
            ] {
                let mut filled = object.clone();
                fill(kind, &mut filled);
            }
        }
    }
}
