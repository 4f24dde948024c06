//! JSONPath in kubectl's dialect: `{range .items[*]}{.metadata.name}{"\n"}{end}`.

use serde_json::Value;

/// Why a template is not understood, or does not fit a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub message: String,
    /// Byte offset in the template.
    pub position: usize,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath;

impl JsonPath {
    /// Parses a template: text, and paths in braces.
    pub fn parse(_template: &str) -> Result<JsonPath, Error> {
        unimplemented!()
    }

    /// Parses a template or one bare path: `.metadata.name`, `metadata.name`, `{.metadata.name}`.
    pub fn relaxed(_template: &str) -> Result<JsonPath, Error> {
        unimplemented!()
    }

    /// The text that the template gives for a value; keys that are missing give nothing.
    pub fn print(&self, _value: &Value) -> Result<String, Error> {
        unimplemented!()
    }

    /// What the template's paths select, in order; for sorting and custom columns.
    pub fn select<'a>(&self, _value: &'a Value) -> Result<Vec<&'a Value>, Error> {
        unimplemented!()
    }
}
