//! Bodies in Kubernetes' protobuf, read as JSON: kubectl writes some kinds (`create namespace`, `auth whoami`) so.
//!
//! Only reading, and only the kinds that such commands send; answers are JSON, which every such client accepts. What
//! a table does not name is left out, as an older server would leave it out.

mod messages;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value;

use crate::api::kinds::Kind;

/// The media type of such bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What such a body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may stand in each other.
const DEPTH: usize = 16;

/// A kind of message: its fields by number.
pub(super) struct Message(pub(super) &'static [(u64, &'static str, Field)]);

/// What a field holds, and how JSON shows it.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Text,
    Flag,
    Number,
    One(&'static Message),
    Texts,
    Many(&'static Message),
    /// Text to text.
    TextMap,
    /// Text to base64.
    BytesMap,
    /// A number or a text.
    IntOrString,
}

/// Reads a body as an object of `kind`; says what is wrong with it.
pub(crate) fn read(kind: &Kind, body: &[u8]) -> Result<Value, String> {
    let envelope = body
        .strip_prefix(MAGIC)
        .ok_or("the body does not begin as Kubernetes' protobuf does")?;
    let mut raw: &[u8] = &[];
    let mut type_meta: &[u8] = &[];
    for field in fields(envelope) {
        match field? {
            (1, Raw::Bytes(bytes)) => type_meta = bytes,
            (2, Raw::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let message = messages::of(kind)
        .ok_or_else(|| format!("{} is not read as protobuf; send JSON", kind.plural))?;
    let mut object = message_value(message, raw, 0)?;
    for field in fields(type_meta) {
        if let (number, Raw::Bytes(bytes)) = field? {
            let name = if number == 1 { "apiVersion" } else { "kind" };
            object.insert(name.to_owned(), text(bytes)?.into());
        }
    }
    Ok(Value::Object(object))
}

fn message_value(
    message: &Message,
    bytes: &[u8],
    depth: usize,
) -> Result<Map<String, Value>, String> {
    if depth > DEPTH {
        return Err("messages stand too deep in each other".to_owned());
    }
    let mut object = Map::new();
    for field in fields(bytes) {
        let (number, raw) = field?;
        let known = message.0.iter().find(|(own, _, _)| *own == number);
        if let Some((_, name, kind)) = known {
            insert(&mut object, name, *kind, raw, depth)?;
        }
    }
    Ok(object)
}

/// Adds one occurrence of a field; empty scalars are what Go writes for fields that are not set.
fn insert(
    object: &mut Map<String, Value>,
    name: &str,
    field: Field,
    raw: Raw<'_>,
    depth: usize,
) -> Result<(), String> {
    let value = match (field, raw) {
        (Field::Text, Raw::Bytes(b"")) | (Field::Number, Raw::Number(0)) => return Ok(()),
        (Field::Text, Raw::Bytes(bytes)) => text(bytes)?.into(),
        (Field::Flag, Raw::Number(number)) => (number != 0).into(),
        (Field::Number, Raw::Number(number)) => number.cast_signed().into(),
        (Field::One(message), Raw::Bytes(bytes)) => {
            let inner = message_value(message, bytes, depth + 1)?;
            if inner.is_empty() {
                return Ok(());
            }
            inner.into()
        }
        (Field::IntOrString, Raw::Bytes(bytes)) => int_or_string(bytes)?,
        (Field::Texts, Raw::Bytes(bytes)) => {
            return push(object, name, text(bytes)?.into());
        }
        (Field::Many(message), Raw::Bytes(bytes)) => {
            let inner = message_value(message, bytes, depth + 1)?;
            return push(object, name, inner.into());
        }
        (Field::TextMap | Field::BytesMap, Raw::Bytes(bytes)) => {
            return insert_pair(object, name, matches!(field, Field::BytesMap), bytes);
        }
        _ => return Err(format!("the field {name} is of another type")),
    };
    object.insert(name.to_owned(), value);
    Ok(())
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), String> {
    let list = object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or("a field is no list")?;
    list.push(value);
    Ok(())
}

/// One entry of a map: key and value are the fields 1 and 2 of a message.
fn insert_pair(
    object: &mut Map<String, Value>,
    name: &str,
    as_base64: bool,
    bytes: &[u8],
) -> Result<(), String> {
    let (mut key, mut value) = (String::new(), Value::from(""));
    for field in fields(bytes) {
        match field? {
            (1, Raw::Bytes(bytes)) => key = text(bytes)?,
            (2, Raw::Bytes(bytes)) if as_base64 => value = STANDARD.encode(bytes).into(),
            (2, Raw::Bytes(bytes)) => value = text(bytes)?.into(),
            _ => {}
        }
    }
    let map = object
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    let map = map.as_object_mut().ok_or("a field is no map")?;
    map.insert(key, value);
    Ok(())
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut number, mut word) = (false, 0, String::new());
    for field in fields(bytes) {
        match field? {
            (1, Raw::Number(kind)) => is_text = kind == 1,
            (2, Raw::Number(value)) => number = value.cast_signed(),
            (3, Raw::Bytes(bytes)) => word = text(bytes)?,
            _ => {}
        }
    }
    Ok(if is_text { word.into() } else { number.into() })
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a text is not UTF-8".to_owned())
}

/// What stands on the wire for one field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, with their numbers, in the order of the wire.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u64, Raw<'_>), String>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = field(&mut bytes).ok_or_else(|| "the body breaks off".to_owned());
        if field.is_err() {
            bytes = &[];
        }
        Some(field)
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Raw<'a>)> {
    let tag = varint(bytes)?;
    let length = match tag & 7 {
        0 => return Some((tag >> 3, Raw::Number(varint(bytes)?))),
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag >> 3, Raw::Bytes(value)))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;

    /// A field of bytes, as it stands on the wire; every length here fits one byte.
    fn wire(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn body(kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [wire(1, b"v1"), wire(2, kind.as_bytes())].concat();
        [MAGIC, &wire(1, &type_meta), &wire(2, raw)].concat()
    }

    #[test]
    fn a_namespace_and_a_secret_are_read() {
        let label = [wire(1, b"a"), wire(2, b"b")].concat();
        let metadata = [wire(1, b"demo"), wire(2, b""), wire(11, &label)].concat();
        let raw = [wire(1, &metadata), wire(2, b""), wire(3, &wire(1, b""))].concat();
        assert_eq!(
            read(&kinds::NAMESPACE, &body("Namespace", &raw)).unwrap(),
            serde_json::json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": "demo", "labels": {"a": "b"}},
            })
        );
        let pair = [wire(1, b"key"), wire(2, b"value")].concat();
        let raw = [wire(2, &pair), wire(3, b"Opaque")].concat();
        assert_eq!(
            read(&kinds::SECRET, &body("Secret", &raw)).unwrap(),
            serde_json::json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "data": {"key": "dmFsdWU="},
            })
        );
    }

    #[test]
    fn ports_are_numbers_or_names() {
        let by_name = [vec![8, 1], wire(3, b"http")].concat();
        let by_number = vec![8, 0, 16, 0x90, 0x3f];
        assert_eq!(int_or_string(&by_name), Ok("http".into()));
        assert_eq!(int_or_string(&by_number), Ok(8080.into()));
    }

    #[test]
    fn damaged_bodies_are_refused() {
        let good = body("Namespace", &wire(1, &wire(1, b"demo")));
        for end in 0..good.len() {
            // A body that ends between two fields is whole, and shorter.
            let _ = read(&kinds::NAMESPACE, &good[..end]);
        }
        assert!(read(&kinds::NAMESPACE, b"{}").is_err());
        assert!(read(&kinds::NAMESPACE, &good[..good.len() - 1]).is_err());
        assert!(read(&kinds::APPLICATION, &good).is_err());
        let number_for_text = body("Namespace", &wire(1, &[8, 1]));
        assert!(read(&kinds::NAMESPACE, &number_for_text).is_err());
    }
}
