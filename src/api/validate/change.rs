//! Fields that cannot change once an object is there.

use serde_json::Value;

use super::present;
use crate::api::status::Cause;

/// Refuses a change of the field at a pointer; missing, null and empty are the same.
pub(super) fn fixed(new: &Value, old: &Value, pointer: &str) -> Option<Cause> {
    let plain = |object| present(object, pointer).filter(|value: &&Value| **value != "");
    if plain(new) == plain(old) {
        return None;
    }
    let field = pointer[1..].replace('/', ".");
    let value = new.pointer(pointer).unwrap_or(&Value::Null);
    if value.is_object() || value.is_array() {
        Some(Cause::forbidden(field, "field is immutable"))
    } else {
        Some(Cause::invalid(field, value, "field is immutable"))
    }
}

/// Refuses a change of any field of `spec` that is not named.
pub(super) fn fixed_spec(new: &Value, old: &Value, free: &[&str]) -> Vec<Cause> {
    let keys = |object: &Value| -> Vec<String> {
        let spec = object["spec"].as_object();
        spec.map(|spec| spec.keys().cloned().collect())
            .unwrap_or_default()
    };
    let mut names = keys(new);
    names.extend(keys(old));
    names.sort();
    names.dedup();
    names
        .iter()
        .filter(|name| !free.contains(&name.as_str()))
        .filter_map(|name| fixed(new, old, &format!("/spec/{name}")))
        .collect()
}
