//! Field selectors: `metadata.name=a,status.phase!=Running`, over the fields that a kind offers.

use std::fmt;

use serde_json::Value;

use super::Error;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;

/// What fields must equal or differ from; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

/// The fields that a kind offers beside its name and namespace.
fn offered(kind: &Kind) -> &'static [&'static str] {
    match kind.kind {
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Secret" => &["type"],
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "ReplicationController" | "ReplicaSet" => &["status.replicas"],
        "Build" => &["status", "status.phase"],
        "Route" => &["spec.host", "spec.path", "spec.to.name"],
        "ImageStream" => &["spec.dockerImageRepository", "status.dockerImageRepository"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Application" => &["status.rollout", "status.currentRevision"],
        "Revision" => &["spec.application"],
        "Rollout" => &[
            "spec.application",
            "spec.revision",
            "spec.action",
            "status.phase",
        ],
        "Gear" => &[
            "spec.application",
            "spec.node",
            "spec.revision",
            "status.state",
        ],
        "Operation" => &["spec.node", "spec.gear", "spec.owner", "status.phase"],
        _ => &[],
    }
}

impl Fields {
    /// Parses `metadata.name=a,status.phase!=Running`; refuses fields that the kind does not offer.
    pub fn parse(kind: &Kind, text: &str) -> Result<Fields, Error> {
        let mut terms = Vec::new();
        for part in split(text) {
            let term = Term::parse(&part).ok_or_else(|| {
                Error(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                ))
            })?;
            let known = term.field == "metadata.name"
                || (term.field == "metadata.namespace" && kind.scope == Scope::Namespaced)
                || offered(kind).contains(&term.field.as_str());
            if !known {
                return Err(Error(format!("field label not supported: {}", term.field)));
            }
            terms.push(term);
        }
        Ok(Fields(terms))
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object satisfies all of it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|term| (text_at(object, &term.field) == term.value) == term.equal)
    }

    /// The value that a field must have, if there is exactly one.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| term.value.as_str())
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, term) in self.0.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term
                .value
                .replace('\\', "\\\\")
                .replace(',', "\\,")
                .replace('=', "\\=");
            write!(f, "{comma}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}

impl Term {
    fn parse(part: &str) -> Option<Term> {
        for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
            let Some(at) = part.find('=') else { break };
            let start = if operator == "!=" {
                at.checked_sub(1)
            } else {
                Some(at)
            };
            let Some(start) = start else { continue };
            if let Some(value) = part[start..].strip_prefix(operator) {
                return Some(Term {
                    field: part[..start].trim().to_owned(),
                    equal,
                    value: unescape(value)?,
                });
            }
        }
        None
    }
}

/// The terms between commas that no backslash protects; empty ones are left out.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if character == ',' && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = character == '\\' && !escaped;
        parts
            .last_mut()
            .expect("it starts with one")
            .push(character);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn unescape(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(protected @ ('\\' | ',' | '=')) => out.push(protected),
                _ => return None,
            },
            '=' => return None,
            plain => out.push(plain),
        }
    }
    Some(out)
}

/// A field as text; what is missing is "".
fn text_at(object: &Value, field: &str) -> String {
    let field = match field {
        "source" => "source.component",
        // As OpenShift names the phase of a build.
        "status" => "status.phase",
        field => field,
    };
    let found = field
        .split('.')
        .try_fold(object, |value, name| value.get(name));
    match (found, field) {
        (Some(Value::String(text)), _) => text.clone(),
        (None | Some(Value::Null), "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        (None | Some(Value::Null), _) => String::new(),
        (Some(other), _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use serde_json::json;

    #[track_caller]
    fn check(kind: &Kind, text: &str, expect: bool) {
        let object = json!({
            "metadata": {"name": "a", "namespace": "n"},
            "spec": {"node": "x,y"},
            "status": {"phase": "Running"},
            "source": {"component": "agent"},
        });
        let fields = Fields::parse(kind, text).unwrap();
        assert_eq!(fields.matches(&object), expect, "{text}");
        assert_eq!(Fields::parse(kind, &fields.to_string()).unwrap(), fields);
    }

    #[test]
    fn selects_by_fields() {
        for (text, expect) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==b", false),
            ("metadata.name!=b,status.phase=Running", true),
            ("metadata.name=a,status.phase!=Running", false),
            (r"spec.node=x\,y", true),
            ("spec.gear=", true),
            ("spec.gear!=g", true),
        ] {
            check(&kinds::OPERATION, text, expect);
        }
        check(&kinds::EVENT, "source=agent,involvedObject.name=", true);
        check(&kinds::NODE, "spec.unschedulable=false", true);
        check(&kinds::POD, "spec.hostNetwork=false,spec.nodeName=", true);
        check(&kinds::BUILD, "status=Running", true);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let refusal = |text| Fields::parse(&kinds::NODE, text).unwrap_err().to_string();
        assert_eq!(refusal("spec.foo=1"), "field label not supported: spec.foo");
        assert_eq!(
            refusal("metadata.namespace=x"),
            "field label not supported: metadata.namespace"
        );
        assert_eq!(refusal("x"), "invalid selector: 'x'; can't understand 'x'");
        assert_eq!(
            refusal(r"metadata.name=a\b"),
            r"invalid selector: 'metadata.name=a\b'; can't understand 'metadata.name=a\b'"
        );
    }

    #[test]
    fn names_the_one_value() {
        let fields = Fields::parse(&kinds::NODE, "metadata.name=a").unwrap();
        assert_eq!(fields.exact("metadata.name"), Some("a"));
        assert_eq!(Fields::default().exact("metadata.name"), None);
    }
}
