//! `get gears -o wide`: the step that each gear is at, from the Operations under way.
//!
//! The server makes a table from the objects of one kind alone; what stands in another kind is filled in here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::table;
use crate::cli::Failure;
use crate::cli::objects::selection;
use crate::client::Client;
use crate::client::ListOptions;

/// Fills in the steps under way; a caller who may not see Operations sees the table as it is.
pub(super) async fn fill(
    table: &mut Value,
    client: &Client,
    namespace: &str,
) -> Result<(), Failure> {
    let listed = client
        .list_objects(&kinds::OPERATION, namespace, &ListOptions::default())
        .await;
    match listed {
        Ok(list) => under_way(table, &list.items),
        Err(error) if error.status().is_some() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Writes `Install (4/7)` where an Operation is under way, instead of the one before.
fn under_way(table: &mut Value, operations: &[Value]) {
    let mut steps: BTreeMap<Key, String> = BTreeMap::new();
    for operation in operations {
        let phase = operation["status"]["phase"].as_str().unwrap_or_default();
        if matches!(phase, "Succeeded" | "Failed" | "Aborted") {
            continue;
        }
        let gear = operation["spec"]["gear"].as_str().unwrap_or_default();
        let place = selection::key(operation).namespace;
        steps.insert(Key::new(place, gear), table::step_now(operation));
    }
    let definitions = table["columnDefinitions"].as_array();
    let place = definitions.and_then(|columns| {
        let mut columns = columns.iter();
        columns.position(|column| column["name"] == table::GEAR_OPERATION)
    });
    let (Some(place), Some(rows)) = (place, table["rows"].as_array_mut()) else {
        return;
    };
    for row in rows {
        if let Some(step) = steps.get(&selection::key(&row["object"])) {
            row["cells"][place] = step.clone().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Timestamp;

    #[test]
    fn only_what_is_under_way_is_filled_in() {
        let gear = |name: &str| json!({"metadata": {"name": name, "namespace": "d"}, "status": {"operation": "o-1"}});
        let gears = [gear("shop-a"), gear("shop-b")];
        let mut table = table::of(
            &kinds::GEAR,
            gears.iter(),
            table::IncludeObject::Metadata,
            Timestamp::from_second(0),
        );
        let operation = |gear: &str, phase: &str| {
            json!({"metadata": {"name": "o", "namespace": "d"}, "spec": {"gear": gear, "steps": [{"name": "A"}, {"name": "B"}]},
                "status": {"phase": phase, "steps": [{"name": "A", "phase": "Done"}, {"name": "B", "phase": "Running"}]}})
        };
        under_way(
            &mut table,
            &[
                operation("shop-a", "Running"),
                operation("shop-b", "Failed"),
            ],
        );
        let cell = |row: usize| {
            let cells = table["rows"][row]["cells"].as_array().unwrap();
            cells.last().unwrap().clone()
        };
        assert_eq!([cell(0), cell(1)], [json!("B (2/2)"), json!("o-1")]);
    }
}
