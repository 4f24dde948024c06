//! JSONPath in kubectl's dialect: `{range .items[*]}{.metadata.name}{"\n"}{end}`.
//!
//! Follows client-go `util/jsonpath`: text with paths in braces, a path relative to the current object, and kubectl's
//! leniency: what is missing gives nothing.

mod evaluate;
mod parse;

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
pub struct JsonPath {
    nodes: Vec<Node>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Path(Path),
    Range(Path, Vec<Node>),
}

/// Steps from the current object, and where they stand in the template.
#[derive(Clone, Debug, Default, PartialEq)]
struct Path {
    steps: Vec<Step>,
    position: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `['name']`; "" is the object itself.
    Field(String),
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`
    Descend,
    /// `[0]`, `[-1]`.
    Index(i64),
    /// `[1:3]`, `[::2]`.
    Slice(Option<i64>, Option<i64>, Option<i64>),
    /// `[0,2]`, `['a','b']`.
    Union(Vec<Step>),
    /// `[?(@.a == "b")]`
    Filter(Operand, Option<(Comparison, Operand)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl JsonPath {
    /// Parses a template: text, and paths in braces.
    pub fn parse(template: &str) -> Result<JsonPath, Error> {
        let nodes = parse::template(template)?;
        Ok(JsonPath { nodes })
    }

    /// Parses a template or one bare path: `.metadata.name`, `metadata.name`, `{.metadata.name}`, `{metadata.name}`.
    pub fn relaxed(template: &str) -> Result<JsonPath, Error> {
        let inner = template
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(template);
        let is_bare = !inner.contains(['{', '}', '"'])
            && inner.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && !inner.starts_with("range ")
            && inner != "end";
        if is_bare {
            return JsonPath::parse(&format!("{{.{inner}}}"));
        }
        if template.contains('{') {
            return JsonPath::parse(template);
        }
        JsonPath::parse(&format!("{{{template}}}"))
    }

    /// The text that the template gives for a value; keys that are missing give nothing.
    pub fn print(&self, value: &Value) -> Result<String, Error> {
        let mut out = String::new();
        evaluate::print(&self.nodes, value, &mut out)?;
        Ok(out)
    }

    /// What the template's paths select, in order; for sorting and custom columns.
    pub fn select<'a>(&self, value: &'a Value) -> Result<Vec<&'a Value>, Error> {
        let mut found = Vec::new();
        evaluate::select(&self.nodes, value, &mut found)?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
