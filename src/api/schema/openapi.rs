//! The OpenAPI v3 documents that clients read: `kubectl explain`, `--validate`, server-side field validation.
//!
//! One document a group and version, made at first request. Paths carry only what clients look for: the kind of each
//! operation and the query parameters.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use super::definition;
use super::notation::META;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;

/// The OpenAPI v3 document of one group and version, as served below `/openapi/v3`.
pub fn openapi_v3(group: &str, version: &str) -> Option<&'static Value> {
    static DOCUMENTS: Mutex<BTreeMap<&'static str, &'static Value>> = Mutex::new(BTreeMap::new());
    let kind = kinds::ALL
        .iter()
        .find(|kind| kind.group == group && kind.version == version)?;
    let mut documents = DOCUMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let made = documents.entry(kind.group).or_insert_with(|| {
        // A handful of documents, each made once and kept for as long as the process lives.
        Box::leak(Box::new(document(kind.group, kind.version)))
    });
    Some(*made)
}

/// The index served at `/openapi/v3`: each group and version with the path of its document.
pub fn openapi_v3_index() -> Value {
    let mut paths = Map::new();
    for kind in kinds::ALL {
        let root = kind.root().trim_start_matches('/').to_owned();
        let url = format!("/openapi/v3/{root}?hash={}", hash(kind.group));
        paths.insert(root, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// Changes exactly when the group's document may.
fn hash(group: &str) -> String {
    let mut hasher = Sha256::new();
    for text in definition::texts_of(group) {
        hasher.update(text);
    }
    hasher.update(env!("CARGO_PKG_VERSION"));
    let digest = hasher.finalize();
    digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"))
}

fn document(group: &str, version: &str) -> Value {
    let mut components = Map::new();
    if let Some(definitions) = definition::definitions(group) {
        for (name, schema) in &definitions.components {
            components.insert(name.clone(), served(schema));
        }
        for kind in kinds_of(group) {
            let item = format!("{}.{}", definitions.prefix, kind.kind);
            components.insert(format!("{item}List"), list_schema(kind, &item));
        }
    }
    let mut paths = Map::new();
    for kind in kinds_of(group) {
        add_paths(kind, &mut paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Upshift", "version": version},
        "paths": paths,
        "components": {"schemas": components},
    })
}

fn kinds_of(group: &str) -> impl Iterator<Item = &'static Kind> {
    kinds::ALL
        .iter()
        .copied()
        .filter(move |kind| kind.group == group)
}

/// A reference cannot have neighbours: one with a description is wrapped as Kubernetes wraps it.
fn served(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let mut out: Map<String, Value> = keywords
                .iter()
                .map(|(keyword, value)| (keyword.clone(), served(value)))
                .collect();
            if out.len() > 1
                && let Some(reference @ Value::String(_)) = out.remove("$ref")
            {
                out.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
            Value::Object(out)
        }
        Value::Array(list) => list.iter().map(served).collect(),
        scalar => scalar.clone(),
    }
}

fn list_schema(kind: &Kind, item: &str) -> Value {
    json!({
        "type": "object",
        "description": format!("A list of {}.", kind.plural),
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": format!("#/components/schemas/{META}.ListMeta")},
            "items": {"type": "array", "items": {"$ref": format!("#/components/schemas/{item}")}},
        },
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": format!("{}List", kind.kind)},
        ],
    })
}

fn add_paths(kind: &Kind, paths: &mut Map<String, Value>) {
    let namespaced = kind.scope == Scope::Namespaced;
    let collection = kind.path(if namespaced { "{namespace}" } else { "" }, "");
    if kind.storage == kinds::Storage::Virtual {
        paths.insert(collection, json!({"post": operation(kind, "post", WRITE)}));
        return;
    }
    if namespaced {
        paths.insert(
            kind.path("", ""),
            json!({"get": operation(kind, "list", LIST)}),
        );
    }
    let object = format!("{collection}/{{name}}");
    paths.insert(
        collection,
        json!({
            "get": operation(kind, "list", LIST),
            "post": operation(kind, "post", WRITE),
            "delete": operation(kind, "deletecollection", LIST),
        }),
    );
    let one = json!({
        "get": operation(kind, "get", &[]),
        "put": operation(kind, "put", WRITE),
        "patch": operation(kind, "patch", WRITE),
        "delete": operation(kind, "delete", DELETE),
    });
    paths.insert(object.clone(), one);
    if kind.has_status {
        let status = json!({
            "get": operation(kind, "get", &[]),
            "put": operation(kind, "put", WRITE),
            "patch": operation(kind, "patch", WRITE),
        });
        paths.insert(format!("{object}/status"), status);
    }
}

const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "propagationPolicy"];
const LIST: &[&str] = &[
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "watch",
];

fn operation(kind: &Kind, action: &str, parameters: &[&str]) -> Value {
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| {
            let shape = match *name {
                "limit" | "gracePeriodSeconds" => "integer",
                "watch" => "boolean",
                _ => "string",
            };
            json!({"name": name, "in": "query", "schema": {"type": shape, "uniqueItems": true}})
        })
        .collect();
    let mut operation = json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": kind.group, "version": kind.version, "kind": kind.kind,
        },
    });
    if action == "patch" {
        operation["requestBody"] = json!({"content": patches(kind)});
    }
    operation
}

/// The forms of patches that a kind takes; kubectl merges lists by key where it finds the strategic one.
fn patches(kind: &Kind) -> Map<String, Value> {
    let mut forms = vec!["json-patch", "merge-patch"];
    if kind.group != "upshift.dev" {
        forms.push("strategic-merge-patch");
    }
    forms
        .into_iter()
        .map(|form| (format!("application/{form}+json"), json!({})))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_document_whose_references_hold() {
        for kind in kinds::ALL {
            let document = openapi_v3(kind.group, kind.version).unwrap();
            let schemas = &document["components"]["schemas"];
            let text = schemas.to_string();
            for reference in text.split("#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(schemas[name].is_object(), "{name}");
            }
        }
        assert!(openapi_v3("nope.io", "v1").is_none());
    }

    #[test]
    fn patches_name_their_kind_and_take_field_validation() {
        let document = openapi_v3("upshift.dev", "v1").unwrap();
        let path = "/apis/upshift.dev/v1/namespaces/{namespace}/applications/{name}";
        let patch = &document["paths"][path]["patch"];
        assert_eq!(
            patch["x-kubernetes-group-version-kind"]["kind"],
            "Application"
        );
        let names: Vec<&str> = patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        assert!(names.contains(&"fieldValidation"));
    }

    #[test]
    fn the_index_names_every_document() {
        let index = openapi_v3_index();
        let url = index["paths"]["apis/upshift.dev/v1"]["serverRelativeURL"]
            .as_str()
            .unwrap();
        assert!(
            url.starts_with("/openapi/v3/apis/upshift.dev/v1?hash="),
            "{url}"
        );
        assert!(index["paths"]["api/v1"].is_object());
    }
}
