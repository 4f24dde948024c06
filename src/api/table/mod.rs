//! Tables: the columns of every kind, `meta.k8s.io/v1` Table objects, and how a terminal shows them.
//!
//! A row is made from its object alone: nothing here looks anything else up. Columns: facts/oc.md 4.5; ages are those
//! of OpenShift 3, as seed 002 shows them.

mod builtin;
mod cells;
mod openshift;
mod ours;
mod pods;
mod render;

use serde_json::Value;
use serde_json::json;

use crate::api::kinds::Kind;
use crate::base::clock::Timestamp;

pub use ours::GEAR_OPERATION;
pub use ours::step_now;
pub use render::Layout;
pub use render::Renderer;
pub use render::render;

/// One column of a kind's table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The header is this in capitals.
    pub name: &'static str,
    /// Shown only with `-o wide`.
    pub wide: bool,
    pub description: &'static str,
    cell: fn(&Value, Timestamp) -> Value,
}

/// A column that is always shown.
const fn column(
    name: &'static str,
    description: &'static str,
    cell: fn(&Value, Timestamp) -> Value,
) -> Column {
    Column {
        name,
        wide: false,
        description,
        cell,
    }
}

/// A column that is shown with `-o wide`.
const fn wide(
    name: &'static str,
    description: &'static str,
    cell: fn(&Value, Timestamp) -> Value,
) -> Column {
    Column {
        wide: true,
        ..column(name, description, cell)
    }
}

/// What a row carries of its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// The columns of a kind.
pub fn columns(kind: &Kind) -> &'static [Column] {
    match kind.kind {
        "Namespace" => &builtin::NAMESPACE,
        "Node" => &builtin::NODE,
        "Secret" => &builtin::SECRET,
        "ConfigMap" => &builtin::CONFIG_MAP,
        "Service" => &builtin::SERVICE,
        "Event" => &builtin::EVENT,
        "EndpointSlice" => &builtin::ENDPOINT_SLICE,
        "Lease" => &builtin::LEASE,
        "Project" => &builtin::PROJECT,
        "User" => &builtin::USER,
        "Pod" => &pods::POD,
        "Endpoints" => &pods::ENDPOINTS,
        "ServiceAccount" => &pods::SERVICE_ACCOUNT,
        "ReplicationController" | "ReplicaSet" => &pods::REPLICAS,
        "Deployment" => &pods::DEPLOYMENT,
        "DeploymentConfig" => &openshift::DEPLOYMENT_CONFIG,
        "BuildConfig" => &openshift::BUILD_CONFIG,
        "Build" => &openshift::BUILD,
        "ImageStream" => &openshift::IMAGE_STREAM,
        "ImageStreamTag" => &openshift::IMAGE_STREAM_TAG,
        "Image" => &openshift::IMAGE,
        "Route" => &openshift::ROUTE,
        "Application" => &ours::APPLICATION,
        "Revision" => &ours::REVISION,
        "Rollout" => &ours::ROLLOUT,
        "Gear" => &ours::GEAR,
        "Operation" => &ours::OPERATION,
        "Router" => &ours::ROUTER,
        _ => &builtin::OTHER,
    }
}

/// A whole `Table` object; the caller sets `metadata.resourceVersion` and `continue`.
pub fn of<'a>(
    kind: &Kind,
    items: impl IntoIterator<Item = &'a Value>,
    include: IncludeObject,
    now: Timestamp,
) -> Value {
    let columns = columns(kind);
    let mut items: Vec<&Value> = items.into_iter().collect();
    if kind.kind == "Build" {
        // As OpenShift's server does: build 10 comes after build 9.
        items.sort_by_key(|item| cells::text_at(item, "/metadata/creationTimestamp"));
    }
    let rows: Vec<Value> = items
        .into_iter()
        .map(|item| row(columns, item, include, now))
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns.iter().map(definition).collect::<Vec<_>>(),
        "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    let format = if column.name == "Name" { "name" } else { "" };
    json!({
        "name": column.name,
        "type": "string",
        "format": format,
        "description": column.description,
        "priority": i32::from(column.wide),
    })
}

fn row(columns: &[Column], item: &Value, include: IncludeObject, now: Timestamp) -> Value {
    let cells: Vec<Value> = columns
        .iter()
        .map(|column| (column.cell)(item, now))
        .collect();
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }),
        IncludeObject::Object => item.clone(),
    };
    json!({"cells": cells, "object": object})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;

    /// The cells that are always shown, and those of `-o wide` after a bar.
    #[track_caller]
    pub(super) fn check(kind: &Kind, item: &Value, expect: &str) {
        let now = Timestamp::from_second(1_800_000_000);
        let table = of(kind, [item], IncludeObject::Metadata, now);
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        let text = |wide: bool| -> String {
            let shown = columns(kind)
                .iter()
                .zip(cells)
                .filter(|(column, _)| column.wide == wide);
            let texts: Vec<String> = shown
                .map(|(_, cell)| {
                    cell.as_str()
                        .map_or_else(|| cell.to_string(), str::to_owned)
                })
                .collect();
            texts.join(" · ")
        };
        let whole = match text(true).as_str() {
            "" => text(false),
            wide => format!("{} | {wide}", text(false)),
        };
        assert_eq!(whole, expect);
    }

    #[test]
    fn tables_carry_what_clients_read() {
        let item = json!({"metadata": {"name": "a", "creationTimestamp": "2027-01-15T07:59:00Z"}, "spec": {"x": 1}});
        let now = Timestamp::from_second(1_800_000_000);
        let table = of(&kinds::LEASE, [&item], IncludeObject::Metadata, now);
        assert_eq!(
            table,
            json!({
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {},
                "columnDefinitions": [
                    {"name": "Name", "type": "string", "format": "name", "description": "The object's name.", "priority": 0},
                    {"name": "Holder", "type": "string", "format": "", "description": "Who holds it.", "priority": 0},
                    {"name": "Age", "type": "string", "format": "", "description": "How long it is there.", "priority": 0},
                ],
                "rows": [{
                    "cells": ["a", "<none>", "1m"],
                    "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]},
                }],
            })
        );
        let include =
            |include| of(&kinds::LEASE, [&item], include, now)["rows"][0]["object"].clone();
        assert_eq!(include(IncludeObject::Object), item);
        assert_eq!(include(IncludeObject::None), Value::Null);
    }

    #[test]
    fn no_row_fails_on_an_empty_object() {
        for kind in kinds::ALL {
            of(
                kind,
                [
                    &json!({}),
                    &json!({"spec": [], "status": 1, "metadata": "x"}),
                ],
                IncludeObject::Object,
                Timestamp::from_second(0),
            );
        }
    }
}
