//! JSON as `oc -o json` prints it, and a reader that names repeated keys.
//!
//! Keys come out sorted because nothing in this tree asks `serde_json` to keep their order; a test holds that.

use std::fmt;
use std::io;
use std::io::Write;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::de;
use serde::de::DeserializeSeed;
use serde_json::Map;
use serde_json::Value;
use serde_json::ser::CharEscape;
use serde_json::ser::Formatter;
use serde_json::ser::PrettyFormatter;
use serde_json::ser::Serializer;

/// A value with four spaces of indent, sorted keys and `<>&` escaped, ending with a newline.
pub fn print(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = Go(PrettyFormatter::with_indent(b"    "));
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .expect("writing to memory does not fail");
    out.push(b'\n');
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// A value on one line, escaped as Go's `json.Marshal` escapes it.
pub fn compact(value: &Value) -> String {
    let mut out = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut out, GoCompact))
        .expect("writing to memory does not fail");
    String::from_utf8(out).expect("JSON is UTF-8")
}

struct GoCompact;

impl Formatter for GoCompact {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(out, fragment)
    }
}

fn write_escaped<W: ?Sized + Write>(out: &mut W, fragment: &str) -> io::Result<()> {
    let mut rest = fragment;
    while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        let character = rest[at..].chars().next().expect("find gives a boundary");
        out.write_all(&rest.as_bytes()[..at])?;
        write!(out, "\\u{:04x}", character as u32)?;
        rest = &rest[at + character.len_utf8()..];
    }
    out.write_all(rest.as_bytes())
}

/// The layout of Go's `json.MarshalIndent` with HTML escaping.
struct Go<'i>(PrettyFormatter<'i>);

impl Formatter for Go<'_> {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write_escaped(out, fragment)
    }

    fn write_char_escape<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.0.write_char_escape(out, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// A float as Go's `encoding/json` prints it: whole ones without a point, exponents from 1e21 on and below 1e-6.
pub fn float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    format!("{value}")
}

/// A parsed text, and the keys that stand twice in one object of it (`spec.port`).
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub value: Value,
    pub duplicates: Vec<String>,
}

/// Reads one JSON value; of a repeated key the last value counts.
pub fn read(text: &[u8]) -> Result<Parsed, serde_json::Error> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Seed {
        path: String::new(),
        duplicates: &mut duplicates,
    };
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Parsed { value, duplicates })
}

/// Reads a value at a path and notes repeated keys below it.
struct Seed<'d> {
    path: String,
    duplicates: &'d mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed {
            path: format!("{}[{}]", self.path, values.len()),
            duplicates: self.duplicates,
        })? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key_seed(Key)? {
            let path = match self.path.as_str() {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            if values.contains_key(&key) {
                self.duplicates.push(path.clone());
            }
            let value = map.next_value_seed(Seed {
                path,
                duplicates: self.duplicates,
            })?;
            values.insert(key, value);
        }
        Ok(values.into())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prints_as_oc_does() {
        let value = json!({
            "b": {"z": [], "a": {}, "html": "<a & \"b\">\u{2028}é\u{7f}\n"},
            "a": [1, 2.0, 1.5, 1e21, 1e-7, null, true],
        });
        assert_eq!(
            print(&value),
            "{\n    \"a\": [\n        1,\n        2,\n        1.5,\n        1e+21,\n        1e-7,\n        null,\n        true\n    ],\n    \
             \"b\": {\n        \"a\": {},\n        \"html\": \"\\u003ca \\u0026 \\\"b\\\"\\u003e\\u2028é\u{7f}\\n\",\n        \"z\": []\n    }\n}\n"
        );
    }

    #[test]
    fn keys_are_sorted_whatever_the_order_of_the_text() {
        let value: Value = serde_json::from_str(r#"{"b": 1, "a": 2, "C": 3}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"C":3,"a":2,"b":1}"#);
    }

    #[test]
    fn names_repeated_keys() {
        let parsed =
            read(br#"{"spec": {"a": 1, "l": [{"x": 1, "x": 2}], "a": 2}, "n": -1.5}"#).unwrap();
        assert_eq!(parsed.duplicates, ["spec.l[0].x", "spec.a"]);
        assert_eq!(
            parsed.value,
            json!({"spec": {"a": 2, "l": [{"x": 2}]}, "n": -1.5})
        );
        assert!(read(b"{} x").is_err());
        assert!(read(b"{").is_err());
        assert!(read("[".repeat(10_000).as_bytes()).is_err());
    }
}
