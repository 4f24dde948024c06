//! What the server fills in when a user left it out: the defaults of Kubernetes that its clients rely on.
//!
//! Our own kinds get none: their views have defaults, and an object stays as it was written.

use base64::Engine;
use serde_json::Value;

use crate::api::kinds::Kind;

/// Completes an object before it is checked and stored.
pub fn fill(kind: &Kind, object: &mut Value) {
    match kind.kind {
        "Secret" => secret(object),
        "Service" => service(object),
        _ => {}
    }
}

fn set(object: &mut Value, field: &str, value: &str) {
    if object[field].is_null() || object[field] == "" {
        object[field] = value.into();
    }
}

/// Texts of `stringData` move into `data`.
fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let all_texts = object["stringData"]
        .as_object()
        .is_some_and(|texts| texts.values().all(Value::is_string));
    let data_fits = object["data"].is_null() || object["data"].is_object();
    if !all_texts || !data_fits {
        return;
    }
    let Some(Value::Object(texts)) = object
        .as_object_mut()
        .and_then(|all| all.remove("stringData"))
    else {
        return;
    };
    for (key, text) in texts {
        let bytes = text.as_str().unwrap_or_default();
        object["data"][key] = base64::engine::general_purpose::STANDARD
            .encode(bytes)
            .into();
    }
}

fn service(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else {
        return;
    };
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    let is_external = spec["type"] == "ExternalName";
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if port.is_object() {
            set(port, "protocol", "TCP");
            if port["targetPort"].is_null() && !is_external {
                port["targetPort"] = port["port"].clone();
            }
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
            &json!({"spec": {"type": "ClusterIP", "sessionAffinity": "None", "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 80},
                {"port": 81, "protocol": "UDP", "targetPort": "web"},
            ]}}),
        );
        check(
            &kinds::SERVICE,
            json!({"spec": {"clusterIP": "None"}}),
            &json!({"spec": {"clusterIP": "None", "type": "ClusterIP", "sessionAffinity": "None"}}),
        );
        check(&kinds::SERVICE, json!({"spec": 3}), &json!({"spec": 3}));
    }
}
