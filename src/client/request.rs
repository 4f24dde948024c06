//! What a caller may ask for besides the object: selection, dry run, preconditions, patches.
//!
//! Each becomes query parameters or a body; none is checked here, the server says what is wrong.

use serde_json::Value;
use serde_json::json;

/// Which objects, and from when; empty fields ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    pub label_selector: String,
    pub field_selector: String,
    /// Most objects in one answer; 0 leaves the page size to the client (500) and follows `continue` to the end.
    pub limit: u32,
    pub continue_: String,
    /// A list not older than this, or a watch of what comes after it.
    pub resource_version: String,
}

impl ListOptions {
    /// The objects that carry these labels: `a=b,c!=d`.
    pub fn labelled(selector: impl Into<String>) -> ListOptions {
        ListOptions {
            label_selector: selector.into(),
            ..ListOptions::default()
        }
    }

    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add("labelSelector", &self.label_selector);
        query.add("fieldSelector", &self.field_selector);
        if self.limit > 0 {
            query.add("limit", &self.limit.to_string());
        }
        query.add("continue", &self.continue_);
        query.add("resourceVersion", &self.resource_version);
        query
    }
}

/// How a write is treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Everything is checked, nothing is kept.
    pub dry_run: bool,
    /// `Strict`, `Warn` or `Ignore` unknown fields; empty leaves it to the server.
    pub field_validation: String,
    pub field_manager: String,
}

impl WriteOptions {
    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        if self.dry_run {
            query.add("dryRun", "All");
        }
        query.add("fieldValidation", &self.field_validation);
        query.add("fieldManager", &self.field_manager);
        query
    }
}

/// How an object goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub dry_run: bool,
    /// `Background`, `Foreground` or `Orphan`; empty leaves it to the server.
    pub propagation: String,
    /// Only if it is still this object.
    pub uid: String,
    /// Only if it is still this version.
    pub resource_version: String,
    pub grace_seconds: Option<u32>,
}

impl DeleteOptions {
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
        if self.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        if !self.propagation.is_empty() {
            body["propagationPolicy"] = json!(self.propagation);
        }
        if !self.uid.is_empty() {
            body["preconditions"]["uid"] = json!(self.uid);
        }
        if !self.resource_version.is_empty() {
            body["preconditions"]["resourceVersion"] = json!(self.resource_version);
        }
        if let Some(seconds) = self.grace_seconds {
            body["gracePeriodSeconds"] = json!(seconds);
        }
        body
    }
}

/// The query part of a URI.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds a parameter unless its value is empty.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        escape(value, &mut self.0);
    }

    /// Path and query together.
    pub(crate) fn after(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// A text as one part of a path or query: everything but unreserved characters percent-encoded.
pub fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    escape(text, &mut result);
    result
}

fn escape(text: &str, into: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            write!(into, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_sent_and_all_of_it_is_escaped() {
        assert_eq!(ListOptions::default().query().after("/api"), "/api");
        let options = ListOptions {
            limit: 5,
            ..ListOptions::labelled("a=b,c in (d e)")
        };
        assert_eq!(
            options.query().after("/x"),
            "/x?labelSelector=a%3Db%2Cc%20in%20%28d%20e%29&limit=5"
        );
    }
}
