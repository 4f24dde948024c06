//! Objects in Kubernetes' protobuf, read as JSON: kubectl writes built-in kinds so when it makes them from its flags
//! (`create namespace`, `create deployment`, `auth can-i`).
//!
//! Only reading, and only the kinds in the one table of `messages.rs`; answers are JSON, which every such client
//! accepts. A field that the table does not name is an error: to drop it would be to store something else than what
//! was asked for. Messages of the table never stand in themselves, so that nothing can stand deep in the input.

mod messages;
mod pods;
mod wire;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::protobuf::wire::Raw;
use crate::base::clock::Timestamp;

/// The media type of such bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What such a body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// A kind of message: its fields by number.
pub(crate) struct Message(&'static [(u64, &'static str, Field)]);

/// What a field holds, and how JSON shows it. Go writes every field that is no pointer, so that zero says that it is
/// not set; those that are pointers are on the wire only when set, and zero is a value of theirs (`Set…`).
#[derive(Clone, Copy)]
enum Field {
    Text,
    SetText,
    Flag,
    SetFlag,
    Number,
    SetNumber,
    Texts,
    Numbers,
    One(&'static Message),
    /// One that says something even when nothing is in it.
    SetOne(&'static Message),
    /// One whose fields JSON shows as those of the message it stands in.
    Inline(&'static Message),
    Many(&'static Message),
    TextMap,
    /// As base64.
    Bytes,
    /// Text to base64.
    BytesMap,
    Time,
    /// A port's number or name.
    IntOrString,
    /// A number with a unit.
    Quantity,
    /// Text to quantities.
    Quantities,
    /// A text of JSON.
    Json,
    /// A text of JSON in a message of its own.
    Fields,
}

/// Why a body is not read, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    path: Vec<&'static str>,
    fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("the body does not begin as Kubernetes' protobuf does")]
    Magic,
    #[error("the body breaks off or is damaged")]
    Broken,
    #[error("{0} are not read as protobuf")]
    Kind(&'static str),
    #[error("contents in another encoding are not read")]
    Encoding,
    #[error("unknown field number {0}")]
    Unknown(u64),
    #[error("is of another type")]
    Type,
    #[error("stands twice")]
    Twice,
    #[error("is not UTF-8")]
    Text,
    #[error("is not JSON")]
    Json,
    #[error("is out of range")]
    Range,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error {
            path: Vec::new(),
            fault,
        }
    }
}

impl Error {
    /// The same fault, seen from the message that `field` stands in.
    fn within(mut self, field: &'static str) -> Error {
        self.path.insert(0, field);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for Error {}

/// Whether objects of a kind are read at all.
pub fn is_read(kind: &Kind) -> bool {
    messages::of(kind).is_some()
}

/// Reads a body as an object of `kind`.
pub fn read(kind: &Kind, body: &[u8]) -> Result<Value, Error> {
    let message = messages::of(kind).ok_or(Fault::Kind(kind.plural))?;
    let envelope = body.strip_prefix(MAGIC).ok_or(Fault::Magic)?;
    let mut raw: &[u8] = &[];
    let mut object = Map::new();
    for field in wire::fields(envelope) {
        match field? {
            (1, Raw::Bytes(bytes)) => object = read_message(&messages::TYPE_META, bytes)?,
            (2, Raw::Bytes(bytes)) => raw = bytes,
            (3 | 4, Raw::Bytes(b"")) => {}
            (3 | 4, _) => return Err(Fault::Encoding.into()),
            (1 | 2, _) => return Err(Fault::Type.into()),
            (number, _) => return Err(Fault::Unknown(number).into()),
        }
    }
    object.extend(read_message(message, raw)?);
    Ok(Value::Object(object))
}

fn read_message(message: &Message, bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let mut object = Map::new();
    let mut seen = 0_u64;
    for field in wire::fields(bytes) {
        let (number, raw) = field?;
        let (_, name, field) = message
            .0
            .iter()
            .find(|(own, _, _)| *own == number)
            .ok_or(Fault::Unknown(number))?;
        if !field.repeats() {
            // Numbers are below 64; a test holds that.
            let bit = 1 << number;
            if seen & bit != 0 {
                return Err(Error::from(Fault::Twice).within(name));
            }
            seen |= bit;
        }
        insert(&mut object, name, *field, raw).map_err(|error| error.within(name))?;
    }
    Ok(object)
}

/// Adds one occurrence of a field, unless it says that it is not set.
fn insert(
    object: &mut Map<String, Value>,
    name: &str,
    field: Field,
    raw: Raw<'_>,
) -> Result<(), Error> {
    match (field, raw) {
        (Field::Texts, Raw::Bytes(bytes)) => push(object, name, text(bytes)?.into()),
        (Field::Numbers, Raw::Number(number)) => {
            push(object, name, number.cast_signed().into());
        }
        (Field::Inline(message), Raw::Bytes(bytes)) => {
            object.extend(read_message(message, bytes)?);
        }
        (Field::Many(message), Raw::Bytes(bytes)) => {
            push(object, name, read_message(message, bytes)?.into());
        }
        (Field::TextMap, Raw::Bytes(bytes)) => {
            insert_pair(object, name, read_message(&messages::TEXT_PAIR, bytes)?)?;
        }
        (Field::BytesMap, Raw::Bytes(bytes)) => {
            insert_pair(object, name, read_message(&messages::BYTES_PAIR, bytes)?)?;
        }
        (Field::Quantities, Raw::Bytes(bytes)) => {
            insert_pair(object, name, read_message(&messages::QUANTITY_PAIR, bytes)?)?;
        }
        (field, raw) => {
            if let Some(value) = single(field, raw)? {
                object.insert(name.to_owned(), value);
            }
        }
    }
    Ok(())
}

/// The value of a field that does not repeat; `None` when it says that it is not set.
fn single(field: Field, raw: Raw<'_>) -> Result<Option<Value>, Error> {
    let value: Value = match (field, raw) {
        (Field::Text | Field::Bytes, Raw::Bytes(b""))
        | (Field::Number | Field::Flag, Raw::Number(0)) => return Ok(None),
        (Field::Text | Field::SetText, Raw::Bytes(bytes)) => text(bytes)?.into(),
        (Field::Bytes, Raw::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Field::Flag | Field::SetFlag, Raw::Number(number)) => (number != 0).into(),
        (Field::Number | Field::SetNumber, Raw::Number(number)) => number.cast_signed().into(),
        (Field::One(message), Raw::Bytes(bytes)) => {
            let inner = read_message(message, bytes)?;
            return Ok((!inner.is_empty()).then(|| inner.into()));
        }
        (Field::SetOne(message), Raw::Bytes(bytes)) => read_message(message, bytes)?.into(),
        (Field::Quantity, Raw::Bytes(bytes)) => {
            return Ok(read_message(&messages::QUANTITY, bytes)?.remove("string"));
        }
        (Field::Time, Raw::Bytes(bytes)) => return time(bytes),
        (Field::IntOrString, Raw::Bytes(bytes)) => int_or_string(bytes)?,
        (Field::Json, Raw::Bytes(bytes)) => {
            serde_json::from_slice(bytes).map_err(|_| Fault::Json)?
        }
        (Field::Fields, Raw::Bytes(bytes)) => {
            return Ok(read_message(&messages::FIELDS, bytes)?.remove("Raw"));
        }
        _ => return Err(Fault::Type.into()),
    };
    Ok(Some(value))
}

impl Field {
    /// Whether a field may stand in a message several times.
    fn repeats(self) -> bool {
        matches!(
            self,
            Field::Texts
                | Field::Numbers
                | Field::Many(_)
                | Field::TextMap
                | Field::BytesMap
                | Field::Quantities
        )
    }
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) {
    object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()))
        .as_array_mut()
        .expect("a field has one type")
        .push(value);
}

/// Adds one entry of a map; an empty key or value is not on the wire.
fn insert_pair(
    object: &mut Map<String, Value>,
    name: &str,
    mut pair: Map<String, Value>,
) -> Result<(), Error> {
    let mut part = |name| pair.remove(name).unwrap_or_else(|| "".into());
    let (key, value) = (part("key"), part("value"));
    let replaced = object
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
        .expect("a field has one type")
        .insert(key.as_str().unwrap_or_default().to_owned(), value);
    match replaced {
        Some(_) => Err(Fault::Twice.into()),
        None => Ok(()),
    }
}

/// A moment, in whole seconds as objects carry it; the zero time is none.
fn time(bytes: &[u8]) -> Result<Option<Value>, Error> {
    let parts = read_message(&messages::TIME, bytes)?;
    if parts.is_empty() {
        return Ok(None);
    }
    let part = |name| parts.get(name).and_then(Value::as_i64).unwrap_or(0);
    let moment = Timestamp::from_second(part("seconds"));
    if moment.as_second() != part("seconds") || !(0..1_000_000_000).contains(&part("nanos")) {
        return Err(Fault::Range.into());
    }
    Ok(Some(moment.to_string().into()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Error> {
    let mut parts = read_message(&messages::INT_OR_STRING, bytes)?;
    match parts.get("type").and_then(Value::as_i64) {
        None => Ok(parts.remove("intVal").unwrap_or_else(|| 0.into())),
        Some(1) => Ok(parts.remove("strVal").unwrap_or_else(|| "".into())),
        Some(_) => Err(Error::from(Fault::Range).within("type")),
    }
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Text)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
