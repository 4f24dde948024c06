//! What the tables of several kinds show alike.

use std::time::Duration;

use serde_json::Value;

use super::Column;
use super::column;
use crate::base::clock::Timestamp;
use crate::base::text;

/// What stands for nothing.
pub(super) const NONE: &str = "<none>";

pub(super) const NAME: Column = column("Name", "The object's name.", |object, _| {
    text_at(object, "/metadata/name").into()
});
pub(super) const AGE: Column = column("Age", "How long it is there.", |object, now| {
    since(object, "/metadata/creationTimestamp", now).into()
});

/// The text at a JSON pointer; "" when there is none.
pub(super) fn text_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// A text, or what stands for nothing.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE } else { text }.into()
}

/// The text at a JSON pointer, or what stands for nothing.
pub(super) fn cell_at(object: &Value, pointer: &str) -> Value {
    or_none(text_at(object, pointer))
}

/// The entries of a list at a JSON pointer.
pub(super) fn list_at<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    let list = object.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// The number at a JSON pointer; 0 when there is none.
pub(super) fn number_at(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// How many entries a map has at a JSON pointer.
pub(super) fn count_at(object: &Value, pointer: &str) -> usize {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.map_or(0, serde_json::Map::len)
}

/// How long ago the moment at a JSON pointer was.
pub(super) fn since(object: &Value, pointer: &str, now: Timestamp) -> String {
    match text_at(object, pointer).parse::<Timestamp>() {
        Err(_) => "<unknown>".to_owned(),
        Ok(moment) if moment.since(now) > Duration::from_secs(1) => "<invalid>".to_owned(),
        Ok(moment) => text::age(now.since(moment)),
    }
}

/// `key=value` pairs, joined by commas; what stands for nothing when there are none.
pub(super) fn pairs(map: &Value) -> String {
    let pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() {
        NONE.to_owned()
    } else {
        pairs.join(",")
    }
}

/// The first few of a list, and how many more there are.
pub(super) fn some(texts: &[String], most: usize) -> String {
    match texts.len() {
        0 => NONE.to_owned(),
        count if count > most => format!("{} + {} more...", texts[..most].join(","), count - most),
        _ => texts.join(","),
    }
}
