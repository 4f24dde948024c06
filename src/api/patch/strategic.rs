//! Strategic merge patch: as a merge patch, but lists with a merge key merge entry by entry.
//!
//! Semantics: apimachinery `util/strategicpatch/patch.go`, with its directives `$patch`, `$retainKeys`,
//! `$deleteFromPrimitiveList/…` and `$setElementOrder/…`.

use serde_json::Map;
use serde_json::Value;

use super::Error;
use crate::api::schema::Merge;
use crate::api::schema::Schema;

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// `original` after `patch`; without a schema every list is replaced.
pub(super) fn merge(
    original: Value,
    patch: &Value,
    schema: Option<&Schema>,
) -> Result<Value, Error> {
    let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
        return Ok(without_directives(patch));
    };
    merge_object(original, patch, schema)
}

fn merge_object(
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    schema: Option<&Schema>,
) -> Result<Value, Error> {
    match patch.get(PATCH).map(|directive| directive.as_str()) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => return Ok(without_directives(&Value::Object(patch.clone()))),
        Some(Some("delete")) => return Ok(Value::Object(Map::new())),
        Some(_) => return Err(unknown_directive(&patch[PATCH])),
    }
    if let Some(retained) = patch.get(RETAIN) {
        retain(&mut original, retained)?;
    }
    for (key, value) in patch {
        if key == PATCH || key == RETAIN {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            delete_scalars(&mut original, field, value)?;
        } else if let Some(field) = key.strip_prefix(ORDER) {
            if !patch.contains_key(field) {
                order_list(&mut original, field, value, &[], schema)?;
            }
        } else if value.is_null() {
            original.remove(key);
        } else {
            let below = schema.and_then(|schema| schema.field(key));
            let before = original.get(key).cloned();
            let merged = merge_field(before.clone(), value, below)?;
            original.insert(key.clone(), merged);
            if let Some(order) = patch.get(&format!("{ORDER}{key}")) {
                let server = before.as_ref().and_then(Value::as_array);
                order_list(
                    &mut original,
                    key,
                    order,
                    server.map_or(&[], Vec::as_slice),
                    schema,
                )?;
            }
        }
    }
    Ok(Value::Object(original))
}

fn merge_field(
    before: Option<Value>,
    patch: &Value,
    schema: Option<&Schema>,
) -> Result<Value, Error> {
    match (before, patch) {
        (Some(Value::Object(before)), Value::Object(patch)) => merge_object(before, patch, schema),
        (Some(Value::Array(before)), Value::Array(patch)) => {
            match schema.map_or(&Merge::Replace, Schema::merge) {
                Merge::ByKey(key) => merge_entries(before, patch, key, schema),
                Merge::Set => Ok(union(before, patch).into()),
                Merge::Replace => Ok(without_directives(&Value::Array(patch.clone()))),
            }
        }
        _ => Ok(without_directives(patch)),
    }
}

/// Merges lists of objects by a key; entries with `$patch` remove or replace.
fn merge_entries(
    mut before: Vec<Value>,
    patch: &[Value],
    key: &str,
    schema: Option<&Schema>,
) -> Result<Value, Error> {
    if patch.iter().any(|entry| entry[PATCH] == "replace") {
        let plain = patch.iter().filter(|entry| entry.get(PATCH).is_none());
        return Ok(plain.map(without_directives).collect());
    }
    let items = schema.and_then(Schema::items);
    for entry in patch {
        let Some(id) = entry.get(key) else {
            return Err(Error::Unfit(format!(
                "map: {entry} does not contain declared merge key: {key}"
            )));
        };
        match entry.get(PATCH).map(|directive| directive.as_str()) {
            None | Some(Some("merge")) => {}
            Some(Some("delete")) => {
                before.retain(|one| one.get(key) != Some(id));
                continue;
            }
            Some(_) => return Err(unknown_directive(&entry[PATCH])),
        }
        match before.iter_mut().find(|one| one.get(key) == Some(id)) {
            Some(one) => *one = merge(one.take(), entry, items)?,
            None => before.push(without_directives(entry)),
        }
    }
    Ok(Value::Array(before))
}

/// The entries of both lists, each once.
pub(super) fn union(mut before: Vec<Value>, more: &[Value]) -> Vec<Value> {
    for value in more {
        if !before.contains(value) {
            before.push(value.clone());
        }
    }
    before
}

fn retain(original: &mut Map<String, Value>, retained: &Value) -> Result<(), Error> {
    let keys = retained
        .as_array()
        .ok_or_else(|| Error::Malformed(format!("{RETAIN} must be a list of keys")))?;
    original.retain(|key, _| keys.iter().any(|kept| kept == key.as_str()));
    Ok(())
}

fn delete_scalars(
    original: &mut Map<String, Value>,
    field: &str,
    gone: &Value,
) -> Result<(), Error> {
    let gone = gone
        .as_array()
        .ok_or_else(|| Error::Malformed(format!("{DELETE_FROM}{field} must be a list")))?;
    if let Some(Value::Array(list)) = original.get_mut(field) {
        list.retain(|value| !gone.contains(value));
    }
    Ok(())
}

/// Puts a list in the order that `$setElementOrder` names; entries it does not name keep their place as far as they can.
fn order_list(
    original: &mut Map<String, Value>,
    field: &str,
    order: &Value,
    server: &[Value],
    schema: Option<&Schema>,
) -> Result<(), Error> {
    let order = order
        .as_array()
        .ok_or_else(|| Error::Malformed(format!("{ORDER}{field} must be a list")))?;
    let Some(Value::Array(list)) = original.get_mut(field) else {
        return Ok(());
    };
    let key = match schema
        .and_then(|schema| schema.field(field))
        .map(Schema::merge)
    {
        Some(Merge::ByKey(key)) => Some(key.as_str()),
        _ => None,
    };
    let server = if server.is_empty() {
        list.clone()
    } else {
        server.to_vec()
    };
    *list = in_order(std::mem::take(list), order, &server, key);
    Ok(())
}

/// `list` with the entries that `order` names in its order, the others between them as they stood in `server`.
pub(super) fn in_order(
    list: Vec<Value>,
    order: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let id = |value: &Value| key.map_or_else(|| value.clone(), |key| value[key].clone());
    let place = |among: &[Value], value: &Value| {
        let wanted = id(value);
        among.iter().position(|one| id(one) == wanted)
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = list
        .into_iter()
        .partition(|value| place(order, value).is_some());
    named.sort_by_key(|value| place(order, value));
    others.sort_by_key(|value| place(server, value));
    let mut merged = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    while let (Some(left), Some(right)) = (named.peek(), others.peek()) {
        let first = match (place(server, left), place(server, right)) {
            (Some(left), Some(right)) => left < right,
            _ => false,
        };
        merged.extend(if first { named.next() } else { others.next() });
    }
    merged.extend(named);
    merged.extend(others);
    merged
}

/// A value of a patch that meets nothing to merge with: its directives and nulls go.
fn without_directives(patch: &Value) -> Value {
    match patch {
        Value::Object(fields) => {
            let is_plain = |key: &str| {
                key != PATCH
                    && key != RETAIN
                    && !key.starts_with(DELETE_FROM)
                    && !key.starts_with(ORDER)
            };
            fields
                .iter()
                .filter(|(key, value)| is_plain(key) && !value.is_null())
                .map(|(key, value)| (key.clone(), without_directives(value)))
                .collect()
        }
        Value::Array(list) => list
            .iter()
            .filter(|entry| entry[PATCH] != "delete")
            .map(without_directives)
            .collect(),
        scalar => scalar.clone(),
    }
}

fn unknown_directive(directive: &Value) -> Error {
    Error::Malformed(format!("Unknown patch type found: {directive}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use crate::api::schema;
    use serde_json::json;

    #[track_caller]
    fn check(original: Value, patch: &Value, expect: &Value) {
        assert_eq!(
            merge(original, patch, schema::of(&kinds::SERVICE)).unwrap(),
            *expect
        );
    }

    fn ports(list: &Value) -> Value {
        json!({"spec": {"ports": list}})
    }

    #[test]
    fn lists_merge_by_their_key() {
        check(
            ports(&json!([{"port": 80, "name": "a"}, {"port": 81}])),
            &ports(&json!([{"port": 80, "targetPort": 8080}, {"port": 82}])),
            &ports(
                &json!([{"port": 80, "name": "a", "targetPort": 8080}, {"port": 81}, {"port": 82}]),
            ),
        );
        check(
            ports(&json!([{"port": 80}, {"port": 81}])),
            &ports(&json!([{"port": 80, "$patch": "delete"}])),
            &ports(&json!([{"port": 81}])),
        );
        check(
            ports(&json!([{"port": 80}, {"port": 81}])),
            &ports(&json!([{"$patch": "replace"}, {"port": 90}])),
            &ports(&json!([{"port": 90}])),
        );
        check(
            json!({"spec": {}}),
            &ports(&json!([{"port": 80, "name": null}, {"port": 81, "$patch": "delete"}])),
            &ports(&json!([{"port": 80}])),
        );
    }

    #[test]
    fn objects_merge_replace_and_go() {
        check(
            json!({"spec": {"selector": {"a": "1", "b": "2"}, "type": "NodePort"}}),
            &json!({"spec": {"selector": {"$patch": "replace", "c": "3"}, "type": null}}),
            &json!({"spec": {"selector": {"c": "3"}}}),
        );
        check(
            json!({"spec": {"selector": {"a": "1", "b": "2"}}}),
            &json!({"spec": {"selector": {"$retainKeys": ["b", "c"], "c": "3"}}}),
            &json!({"spec": {"selector": {"b": "2", "c": "3"}}}),
        );
        check(
            json!({"spec": {"selector": {"a": "1"}}}),
            &json!({"spec": {"selector": {"$patch": "delete"}}}),
            &json!({"spec": {"selector": {}}}),
        );
    }

    #[test]
    fn scalars_join_and_leave_sets() {
        check(
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            &json!({"metadata": {"finalizers": ["b", "c"], "$deleteFromPrimitiveList/finalizers": ["a"]}}),
            &json!({"metadata": {"finalizers": ["b", "c"]}}),
        );
        check(
            json!({"spec": {"externalIPs": ["a", "b"]}}),
            &json!({"spec": {"externalIPs": ["c"]}}),
            &json!({"spec": {"externalIPs": ["c"]}}),
        );
    }

    #[test]
    fn order_is_kept_or_set() {
        check(
            ports(&json!([{"port": 1}, {"port": 2}, {"port": 3}])),
            &json!({"spec": {
                "$setElementOrder/ports": [{"port": 3}, {"port": 4}, {"port": 1}],
                "ports": [{"port": 4}],
            }}),
            &ports(&json!([{"port": 2}, {"port": 3}, {"port": 4}, {"port": 1}])),
        );
        check(
            ports(&json!([{"port": 1}, {"port": 2}])),
            &json!({"spec": {"$setElementOrder/ports": [{"port": 2}, {"port": 1}]}}),
            &ports(&json!([{"port": 2}, {"port": 1}])),
        );
    }

    #[test]
    fn wrong_directives_are_refused() {
        let schema = schema::of(&kinds::SERVICE);
        for (patch, why) in [
            (json!({"spec": {"$patch": "dance"}}), "Unknown patch type"),
            (ports(&json!([{"name": "x"}])), "merge key: port"),
            (json!({"spec": {"$retainKeys": 3}}), "must be a list"),
        ] {
            let original = ports(&json!([{"port": 80}]));
            let error = merge(original, &patch, schema).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
