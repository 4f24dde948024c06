//! Rules of Revision, Rollout, Gear and Operation: names that must agree, and what may change.

use std::collections::BTreeSet;

use serde_json::Value;

use super::application;
use super::change;
use super::text;
use crate::api::appspec;
use crate::api::status::Cause;
use crate::api::upshift::LABEL_NODE;

/// What is wrong with a Revision beyond its schema.
pub(super) fn revision(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::from_iter(numbered_name(new));
    causes.extend(application::form_below(&new["spec"]));
    if let Some(old) = old {
        causes.extend(change::fixed_spec(new, old, &[]));
    }
    causes
}

/// What is wrong with a Rollout beyond its schema.
pub(super) fn rollout(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::from_iter(numbered_name(new));
    causes.extend(application::settings(
        &new["spec"]["settings"],
        "spec.settings",
    ));
    causes.extend(hooks(&new["spec"]["skipHooks"], "spec.skipHooks"));
    let undoes = &new["spec"]["undoes"];
    if !undoes.is_null() && new["spec"]["action"] != "Rollback" {
        causes.push(Cause::forbidden(
            "spec.undoes",
            "only a Rollback undoes a rollout",
        ));
    }
    if let Some(old) = old {
        causes.extend(change::fixed_spec(
            new,
            old,
            &["desired", "attempt", "promoted"],
        ));
        let attempt = |object: &Value| object["spec"]["attempt"].as_i64().unwrap_or(0);
        if attempt(new) < attempt(old) {
            let why = format!("may only grow, and was {}", attempt(old));
            causes.push(Cause::invalid("spec.attempt", &new["spec"]["attempt"], why));
        }
    }
    causes
}

/// What is wrong with a Gear beyond its schema.
pub(super) fn gear(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let application = text(new, "/spec/application");
    let node = text(new, "/spec/node");
    let mut causes = Vec::from_iter(agreed_name(new, &format!("{application}-{node}")));
    causes.extend(node_label(new));
    if let Some(old) = old {
        let fixed = ["/spec/application", "/spec/node", "/spec/role"];
        causes.extend(
            fixed
                .iter()
                .filter_map(|pointer| change::fixed(new, old, pointer)),
        );
    }
    causes
}

/// What is wrong with an Operation beyond its schema.
pub(super) fn operation(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::from_iter(node_label(new));
    let mut seen = BTreeSet::new();
    let steps = new["spec"]["steps"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    for (n, step) in steps.iter().enumerate() {
        let field = format!("spec.steps[{n}].name");
        match text(step, "/name") {
            "" => causes.push(Cause::required(field, "")),
            name if !seen.insert(name) => causes.push(Cause {
                reason: "FieldValueDuplicate".to_owned(),
                message: format!("Duplicate value: {name:?}"),
                field,
            }),
            _ => {}
        }
    }
    if new["spec"]["steps"].is_array() && steps.is_empty() {
        causes.push(Cause::required(
            "spec.steps",
            "the list is complete from the start",
        ));
    }
    if let Some(old) = old {
        causes.extend(change::fixed_spec(new, old, &["desired", "control"]));
    }
    causes
}

/// `APPLICATION-NUMBER`.
fn numbered_name(object: &Value) -> Option<Cause> {
    let application = text(object, "/spec/application");
    let number = object["spec"]["number"].as_u64()?;
    agreed_name(object, &format!("{application}-{number}"))
}

fn agreed_name(object: &Value, wanted: &str) -> Option<Cause> {
    let name = text(object, "/metadata/name");
    // What is missing is already named.
    if name.is_empty() || wanted.starts_with('-') || wanted.ends_with('-') || name == wanted {
        return None;
    }
    Some(Cause::invalid(
        "metadata.name",
        &name.into(),
        format!("must be {wanted:?}"),
    ))
}

/// A node may see and report only what carries its name, so the label and the spec must agree.
fn node_label(object: &Value) -> Option<Cause> {
    let node = text(object, "/spec/node");
    let label = object["metadata"]["labels"][LABEL_NODE]
        .as_str()
        .unwrap_or("");
    if node.is_empty() || node == label {
        return None;
    }
    let field = format!("metadata.labels[{LABEL_NODE}]");
    Some(Cause::invalid(
        field,
        &label.into(),
        format!("must be the node, {node:?}"),
    ))
}

fn hooks(list: &Value, field: &str) -> Vec<Cause> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter()
        .enumerate()
        .filter(|(_, hook)| {
            hook.as_str()
                .is_some_and(|hook| !appspec::EVENTS.contains(&hook))
        })
        .map(|(n, hook)| Cause::unsupported(format!("{field}[{n}]"), hook, &appspec::EVENTS))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use super::*;
    use crate::api::kinds;
    use crate::api::kinds::Kind;
    use serde_json::json;

    fn object(name: &str, spec: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "d", "labels": {LABEL_NODE: "n"}}, "spec": spec})
    }

    #[track_caller]
    fn check(kind: &Kind, new: &Value, old: Option<&Value>, expect: &[&str]) {
        assert_eq!(fields(&admit(kind, new, old)), expect);
    }

    #[test]
    fn revisions_never_change() {
        let spec = |number: u64| json!({"application": "a", "number": number, "bundle": {"digest": format!("sha256:{}", "0".repeat(64)), "size": 1}});
        let old = object("a-1", &spec(1));
        check(&kinds::REVISION, &old, None, &[]);
        check(&kinds::REVISION, &old, Some(&old), &[]);
        check(
            &kinds::REVISION,
            &object("b-1", &spec(1)),
            None,
            &["metadata.name: Invalid value: \"b-1\": must be \"a-1\""],
        );
        check(
            &kinds::REVISION,
            &object("a-1", &spec(2)),
            Some(&old),
            &[
                "metadata.name: Invalid value: \"a-1\": must be \"a-2\"",
                "spec.number: Invalid value: 2: field is immutable",
            ],
        );
    }

    #[test]
    fn rollouts_change_only_in_what_is_wanted_of_them() {
        let old = object(
            "a-1",
            &json!({"application": "a", "number": 1, "revision": "a-1", "attempt": 2, "desired": "Run", "settings": {"concurrency": 1}}),
        );
        check(&kinds::ROLLOUT, &old, None, &[]);
        let mut new = old.clone();
        new["spec"]["desired"] = "Abort".into();
        new["spec"]["attempt"] = 3.into();
        new["spec"]["promoted"] = true.into();
        check(&kinds::ROLLOUT, &new, Some(&old), &[]);
        new["spec"]["attempt"] = 1.into();
        new["spec"]["settings"] = json!({"concurrency": 2});
        new["spec"]["reason"] = "x".into();
        new["spec"]["undoes"] = 1.into();
        new["spec"]["skipHooks"] = json!(["ApplicationStop", "Install"]);
        check(
            &kinds::ROLLOUT,
            &new,
            Some(&old),
            &[
                r#"spec.skipHooks[1]: Unsupported value: "Install": supported values: "BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic""#,
                "spec.undoes: Forbidden: only a Rollback undoes a rollout",
                "spec.reason: Invalid value: \"x\": field is immutable",
                "spec.settings: Forbidden: field is immutable",
                "spec.skipHooks: Forbidden: field is immutable",
                "spec.undoes: Invalid value: 1: field is immutable",
                "spec.attempt: Invalid value: 1: may only grow, and was 2",
            ],
        );
    }

    #[test]
    fn gears_and_operations_carry_their_node() {
        let gear = object("a-n", &json!({"application": "a", "node": "n"}));
        check(&kinds::GEAR, &gear, None, &[]);
        let mut other = gear.clone();
        other["metadata"]["labels"] = json!({});
        other["metadata"]["name"] = "x".into();
        check(
            &kinds::GEAR,
            &other,
            None,
            &[
                "metadata.name: Invalid value: \"x\": must be \"a-n\"",
                "metadata.labels[upshift.dev/node]: Invalid value: \"\": must be the node, \"n\"",
            ],
        );
        let operation = object(
            "a-1-a-n-1",
            &json!({"node": "n", "gear": "a-n", "steps": [{"name": "Install"}]}),
        );
        check(&kinds::OPERATION, &operation, None, &[]);
        let mut changed = operation.clone();
        changed["spec"]["control"] = json!({"BlockTraffic": {"phase": "Done"}});
        changed["spec"]["desired"] = "Abort".into();
        check(&kinds::OPERATION, &changed, Some(&operation), &[]);
        changed["spec"]["steps"] = json!([{"name": "Install"}, {"name": "Install"}, {"name": ""}]);
        check(
            &kinds::OPERATION,
            &changed,
            Some(&operation),
            &[
                "spec.steps[1].name: Duplicate value: \"Install\"",
                "spec.steps[2].name: Required value",
                "spec.steps: Forbidden: field is immutable",
            ],
        );
    }
}
