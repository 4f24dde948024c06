//! The short notation of `schemas/*.yaml`, and its meaning in OpenAPI.
//!
//! A property is `TYPE, description` or a mapping with `is: TYPE`, `description` and OpenAPI's own keywords. A type is
//! a word of [`word`], the name of another schema (`ObjectMeta`; `meta.ObjectMeta` from `meta.yaml`, `core.PodSpec` from
//! `pod.yaml`), `[]TYPE` or `map[TYPE]`. `mergeKey` and `mergeSet` say how a strategic merge patch merges a list.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// The prefix of the names in `meta.yaml`.
pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
/// The prefix of the names in `core.yaml` and `pod.yaml`.
const CORE: &str = "io.k8s.api.core.v1";

/// A property of a schema file as OpenAPI; `prefix` completes the names of its file.
pub(super) fn property(prefix: &str, written: &Value) -> Value {
    match written {
        Value::String(text) => {
            let (name, description) = text.split_once(", ").unwrap_or((text, ""));
            let mut schema = of_type(prefix, name);
            if !description.is_empty() {
                schema["description"] = sentence(description).into();
            }
            schema
        }
        Value::Object(keywords) => {
            let name = keywords.get("is").and_then(Value::as_str).unwrap_or("any");
            let mut schema = of_type(prefix, name);
            for (keyword, value) in keywords {
                set_keyword(&mut schema, keyword, value);
            }
            schema
        }
        other => panic!("a property is a text or a mapping, not {other}"),
    }
}

/// A whole schema of a file as OpenAPI.
pub(super) fn schema(prefix: &str, written: &Value) -> Value {
    let mut schema = json!({"type": "object"});
    for (keyword, value) in written.as_object().into_iter().flatten() {
        if keyword == "properties" {
            let properties: Map<String, Value> = value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, written)| (name.clone(), property(prefix, written)))
                .collect();
            schema["properties"] = properties.into();
        } else {
            set_keyword(&mut schema, keyword, value);
        }
    }
    schema
}

fn set_keyword(schema: &mut Value, keyword: &str, value: &Value) {
    match keyword {
        "is" => {}
        "mergeKey" => {
            schema["x-kubernetes-patch-strategy"] = "merge".into();
            schema["x-kubernetes-patch-merge-key"] = value.clone();
        }
        "mergeSet" => {
            schema["x-kubernetes-patch-strategy"] = "merge".into();
            schema["x-kubernetes-list-type"] = "set".into();
        }
        _ => schema[keyword] = value.clone(),
    }
}

fn of_type(prefix: &str, name: &str) -> Value {
    if let Some(item) = name.strip_prefix("[]") {
        return json!({"type": "array", "items": of_type(prefix, item)});
    }
    if let Some(value) = name
        .strip_prefix("map[")
        .and_then(|name| name.strip_suffix(']'))
    {
        return json!({"type": "object", "additionalProperties": of_type(prefix, value)});
    }
    for (short, prefix) in [("meta.", META), ("core.", CORE)] {
        if let Some(name) = name.strip_prefix(short) {
            return json!({"$ref": format!("#/components/schemas/{prefix}.{name}")});
        }
    }
    if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        return json!({"$ref": format!("#/components/schemas/{prefix}.{name}")});
    }
    word(name)
}

/// What the words for simple types mean.
fn word(name: &str) -> Value {
    match name {
        "any" => json!({"x-kubernetes-preserve-unknown-fields": true}),
        "object" => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        "string" | "boolean" => json!({"type": name}),
        "int32" | "int64" => json!({"type": "integer", "format": name}),
        "port" => json!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 65535}),
        "int-or-string" => json!({"x-kubernetes-int-or-string": true}),
        "amount" => json!({"x-kubernetes-int-or-string": true, "format": "amount"}),
        // A number of bytes, of processors …: text in objects, and a plain number is taken as well.
        "quantity" => json!({"x-kubernetes-int-or-string": true, "format": "quantity"}),
        "time" => json!({"type": "string", "format": "date-time"}),
        "bytes" => json!({"type": "string", "format": "byte"}),
        "duration" | "digest" | "absolute-path" | "path-segment" | "dns-name" => {
            json!({"type": "string", "format": name})
        }
        other => panic!("{other} is no type of the notation"),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_means_openapi() {
        assert_eq!(
            property("p", &json!("[]Step, what is done, in order")),
            json!({
                "type": "array",
                "items": {"$ref": "#/components/schemas/p.Step"},
                "description": "What is done, in order.",
            })
        );
        assert_eq!(
            property("p", &json!({"is": "map[int64]", "description": "D."})),
            json!({
                "type": "object",
                "additionalProperties": {"type": "integer", "format": "int64"},
                "description": "D.",
            })
        );
    }
}
