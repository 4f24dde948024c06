//! A place in the document while it is read, and the list of problems found so far.

use serde_json::Map;
use serde_json::Value;

use crate::api::appspec::Problem;
use crate::api::yaml;
use crate::api::yaml::Document;

/// A value and its place; every problem names both.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    document: &'a Document,
    /// A JSON pointer.
    path: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(document: &'a Document) -> Node<'a> {
        Node {
            document,
            path: String::new(),
            value: document.value(),
        }
    }

    pub(super) fn line(&self) -> usize {
        self.document.position(&self.path).0
    }

    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            line: self.line(),
            key: readable(self.document.value(), &self.path),
            message: message.into(),
        }
    }

    /// The value under a key; none when it is absent or null.
    pub(super) fn child(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Node {
            document: self.document,
            path: yaml::child(&self.path, key),
            value,
        })
    }

    /// The entries of a mapping, or a problem that says what was expected.
    pub(super) fn mapping(
        &self,
        problems: &mut Vec<Problem>,
        what: &str,
    ) -> Option<&'a Map<String, Value>> {
        let mapping = self.value.as_object();
        if mapping.is_none() {
            problems.push(self.problem(format!("must be {what}, not {}", shape(self.value))));
        }
        mapping
    }

    /// A mapping that has these keys and no others.
    pub(super) fn strict_mapping(
        &self,
        problems: &mut Vec<Problem>,
        what: &str,
        keys: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let mapping = self.mapping(problems, what)?;
        for key in mapping.keys().filter(|key| !keys.contains(&key.as_str())) {
            problems.push(self.unknown(key, &format!("the keys here are {}", keys.join(", "))));
        }
        Some(mapping)
    }

    /// The problem of a key that nobody knows.
    pub(super) fn unknown(&self, key: &str, hint: &str) -> Problem {
        let path = yaml::child(&self.path, key);
        Problem {
            line: self.document.key_position(&path).0,
            key: readable(self.document.value(), &path),
            message: format!("unknown key; {hint}"),
        }
    }

    /// The entries of a list; a problem and none for anything else.
    pub(super) fn list(&self, problems: &mut Vec<Problem>, what: &str) -> Vec<Node<'a>> {
        let Some(list) = self.value.as_array() else {
            problems.push(self.problem(format!(
                "must be a list of {what}, not {}",
                shape(self.value)
            )));
            return Vec::new();
        };
        let entry = |(index, value)| Node {
            document: self.document,
            path: format!("{}/{index}", self.path),
            value,
        };
        list.iter().enumerate().map(entry).collect()
    }

    /// A scalar as it was written, without surrounding blanks; never empty.
    pub(super) fn text(&self, problems: &mut Vec<Problem>) -> Option<String> {
        let text = self.any_text(problems)?.trim().to_owned();
        let problem = if text.is_empty() {
            "must not be empty"
        } else if text.contains('\0') {
            "must not contain a NUL"
        } else {
            return Some(text);
        };
        problems.push(self.problem(problem));
        None
    }

    /// A scalar as it was written, whatever it is.
    pub(super) fn any_text(&self, problems: &mut Vec<Problem>) -> Option<String> {
        match self.value {
            Value::Object(_) | Value::Array(_) | Value::Null => {
                problems.push(self.problem(format!("must be text, not {}", shape(self.value))));
                None
            }
            Value::String(text) => Some(text.clone()),
            other => Some(
                self.document
                    .literal(&self.path)
                    .map_or_else(|| other.to_string(), str::to_owned),
            ),
        }
    }

    /// The text under a key that must be there.
    pub(super) fn required(&self, problems: &mut Vec<Problem>, key: &str) -> Option<String> {
        let Some(child) = self.child(key) else {
            problems.push(self.problem(format!("needs {key}")));
            return None;
        };
        child.text(problems)
    }

    /// The text under a key that may be absent.
    pub(super) fn optional(&self, problems: &mut Vec<Problem>, key: &str) -> Option<String> {
        self.child(key)?.text(problems)
    }
}

/// Every key that stands twice in one mapping.
pub(super) fn repeated_keys(document: &Document) -> impl Iterator<Item = Problem> {
    document.duplicates().iter().map(|duplicate| Problem {
        line: duplicate.line,
        key: readable(document.value(), &duplicate.path),
        message: "stands twice in the same mapping".to_owned(),
    })
}

fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// A JSON pointer as people write it: `hooks.ApplicationStop[0].timeout`.
fn readable(document: &Value, path: &str) -> String {
    let mut text = String::new();
    let mut value = Some(document);
    for token in path.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        match value {
            Some(Value::Array(list)) => {
                text.extend(["[", &token, "]"]);
                value = token.parse().ok().and_then(|index: usize| list.get(index));
            }
            other => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&token);
                value = other.and_then(|value| value.get(&token));
            }
        }
    }
    text
}
