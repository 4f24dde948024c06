//! JSON as `oc -o json` prints it, and a reader that names repeated keys.

use serde_json::Value;

/// A value with four spaces of indent, sorted keys and `<>&` escaped, ending with a newline.
pub fn print(_value: &Value) -> String {
    unimplemented!()
}

/// A parsed text, and the keys that stand twice in one object of it (`spec.port`).
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub value: Value,
    pub duplicates: Vec<String>,
}

/// Reads one JSON value; of a repeated key the last value counts.
pub fn read(_text: &[u8]) -> Result<Parsed, serde_json::Error> {
    unimplemented!()
}
