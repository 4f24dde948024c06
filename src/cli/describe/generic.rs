//! Any object, field by field: names in words (`resourceVersion` → `Resource Version`), nesting by indentation.

use serde_json::Value;

use crate::cli::describe::page::Page;
use crate::cli::describe::view;

/// Writes metadata first, then every other field.
pub fn write(object: &Value, page: &mut Page) {
    page.metadata(&view(&object["metadata"]));
    for field in ["apiVersion", "kind"] {
        page.field(&words(field), object[field].as_str().unwrap_or_default());
    }
    let is_secret = object["kind"] == "Secret";
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" | "metadata" => {}
            "data" | "stringData" if is_secret => {
                page.section(&words(key), |page| sizes(value, page));
            }
            _ => field(key, value, page),
        }
    }
}

/// A secret's values are not shown, only how long they are.
fn sizes(data: &Value, page: &mut Page) {
    for (key, value) in data.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default().trim_end_matches('=');
        page.field(key, format!("{} bytes", text.len() * 3 / 4));
    }
}

fn field(key: &str, value: &Value, page: &mut Page) {
    match value {
        Value::Object(map) if !map.is_empty() => page.section(&words(key), |page| {
            for (key, value) in map {
                field(key, value, page);
            }
        }),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            page.section(&words(key), |page| {
                for (index, item) in items.iter().enumerate() {
                    field(&index.to_string(), item, page);
                }
            });
        }
        Value::Array(items) => {
            let lines: Vec<String> = items.iter().map(scalar).collect();
            page.field(&words(key), lines.join("\n"));
        }
        _ => page.field(&words(key), scalar(value)),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// `currentRevision` → `Current Revision`; a key that is no such name stays as it is.
fn words(key: &str) -> String {
    if !key.chars().all(char::is_alphanumeric) {
        return key.to_owned();
    }
    let mut words = String::new();
    for (index, letter) in key.chars().enumerate() {
        if index == 0 {
            words.extend(letter.to_uppercase());
        } else {
            if letter.is_uppercase() {
                words.push(' ');
            }
            words.push(letter);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_field_and_no_secret() {
        let mut page = Page::default();
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "demo"},
            "type": "Opaque", "data": {"user": "YWRtaW4="}, "someList": [1, 2],
        });
        write(&object, &mut page);
        let text = page.text();
        assert!(!text.contains("YWRtaW4"), "{text}");
        for line in [
            "Name:",
            "Namespace:",
            "user:     5 bytes",
            "Type:",
            "Some List:",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
