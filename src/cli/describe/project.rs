//! Projects in oc's rows, namespaces in kubectl's.

use serde_json::Value;

use crate::api::meta::Metadata;
use crate::base::clock::Timestamp;
use crate::cli::describe::page::Page;
use crate::cli::describe::view;

/// Writes a project.
pub fn write(object: &Value, now: Timestamp, page: &mut Page) {
    let metadata: Metadata = view(&object["metadata"]);
    let annotation = |name: &str| metadata.annotations.get(name).cloned().unwrap_or_default();
    page.openshift_metadata(&metadata, now);
    page.field("Display Name", annotation("openshift.io/display-name"));
    page.field("Description", annotation("openshift.io/description"));
    page.field(
        "Status",
        object["status"]["phase"].as_str().unwrap_or_default(),
    );
    page.field("Node Selector", annotation("openshift.io/node-selector"));
    page.field("Quota", "");
    page.field("Resource limits", "");
}

/// Writes a namespace.
pub fn namespace(object: &Value, page: &mut Page) {
    let metadata: Metadata = view(&object["metadata"]);
    page.field("Name", &metadata.name);
    page.map("Labels", &metadata.labels);
    page.annotations(&metadata);
    page.field(
        "Status",
        object["status"]["phase"].as_str().unwrap_or_default(),
    );
}
