//! Objects as JSON, YAML, names, or through a JSONPath: layout of facts/oc.md 4.8.

use serde_json::Value;
use serde_json::json;

use crate::api::json;
use crate::api::kinds;
use crate::api::yaml;
use crate::cli::Failure;
use crate::cli::output::Format;

/// One object in a format that is not a table; `managedFields` are left out.
pub fn one(format: &Format, object: &Value) -> Result<String, Failure> {
    let object = &without_managed_fields(object.clone());
    match format {
        Format::Json => Ok(json::print(object)),
        Format::Yaml => Ok(yaml::print(object)),
        Format::Name => Ok(names(object)),
        Format::JsonPath(path) => path.print(object).map_err(|error| mismatch(&error)),
        Format::JsonPathAsJson(path) => {
            let found: Vec<Value> = path
                .select(object)
                .map_err(|error| mismatch(&error))?
                .into_iter()
                .cloned()
                .collect();
            Ok(json::print(&Value::Array(found)))
        }
        Format::Columns(columns) => Ok(columns.print(std::slice::from_ref(object), true)),
        Format::Table { .. } => Ok(String::new()),
    }
}

/// Several objects as one `List`; names and columns as rows.
pub fn many(format: &Format, objects: Vec<Value>, headers: bool) -> Result<String, Failure> {
    match format {
        Format::Columns(columns) => Ok(columns.print(&objects, headers)),
        Format::Name => Ok(objects.iter().map(names).collect()),
        _ => one(
            format,
            &json!({
                "apiVersion": "v1",
                "kind": "List",
                "metadata": {"resourceVersion": ""},
                "items": objects.into_iter().map(without_managed_fields).collect::<Vec<_>>(),
            }),
        ),
    }
}

/// `application.upshift.dev/shop`, a line.
fn names(object: &Value) -> String {
    if let (true, Some(items)) = (object["kind"] == "List", object["items"].as_array()) {
        return items.iter().map(names).collect();
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let prefix = match kinds::of(object) {
        Some(kind) => kind.prefix(),
        None => match object["apiVersion"]
            .as_str()
            .and_then(|version| version.split_once('/'))
        {
            Some((group, _)) => format!("{kind}.{group}"),
            None => kind,
        },
    };
    format!("{prefix}/{name}\n")
}

fn without_managed_fields(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}

fn mismatch(error: &crate::api::jsonpath::Error) -> Failure {
    Failure::ours(format!("error executing jsonpath: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_group() {
        let list = json!({"kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}},
            {"apiVersion": "upshift.dev/v1", "kind": "Application", "metadata": {"name": "shop"}},
            {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}},
        ]});
        assert_eq!(
            names(&list),
            "node/a\napplication.upshift.dev/shop\nthing.x.io/t\n"
        );
    }
}
