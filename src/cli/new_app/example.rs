//! Image streams for tests.

use serde_json::json;

use crate::api::image::ImageStream;

/// `ns/name:tag,tag` with annotations that make it a builder of its name.
pub(super) fn stream(text: &str) -> ImageStream {
    let (namespace, rest) = text.split_once('/').unwrap();
    let (name, tags) = rest.split_once(':').unwrap_or((rest, ""));
    let tags: Vec<&str> = tags.split(',').filter(|tag| !tag.is_empty()).collect();
    let spec: Vec<_> = tags
        .iter()
        .map(|tag| json!({"name": tag, "annotations": {"tags": format!("builder,{name}"), "supports": name}}))
        .collect();
    let status: Vec<_> = tags
        .iter()
        .map(|tag| json!({"tag": tag, "items": [{"image": "sha256:0123456789abcdef"}]}))
        .collect();
    serde_json::from_value(json!({
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"tags": spec},
        "status": {"tags": status},
    }))
    .unwrap()
}
