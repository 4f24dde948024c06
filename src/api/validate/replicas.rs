//! Rules of what keeps and replaces a number of pods: replication controllers, replica sets, deployments, deployment
//! configs.
//!
//! Sources: Kubernetes `pkg/apis/{core,apps}/validation`; facts/oc.md 5.1 and openshift-apiserver
//! `pkg/apps/apis/apps/validation`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::change;
use super::entries;
use super::is_same_spec;
use super::join;
use super::metadata;
use super::openshift;
use super::pods;
use super::present;
use super::text;
use crate::api::selector::Labels;
use crate::api::status::Cause;

/// What is wrong with a `ReplicationController` beyond its schema.
pub(super) fn replication_controller(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) {
        return Vec::new();
    }
    by_pairs(&new["spec"], "")
}

/// What is wrong with a `ReplicaSet` beyond its schema.
pub(super) fn replica_set(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) {
        return Vec::new();
    }
    let mut causes = by_selector(&new["spec"], "replica set");
    causes.extend(old.and_then(|old| fixed_selector(new, old)));
    causes
}

/// What is wrong with a Deployment beyond its schema.
pub(super) fn deployment(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) {
        return Vec::new();
    }
    let spec = &new["spec"];
    let mut causes = by_selector(spec, "deployment");
    let strategy = &spec["strategy"];
    let rolling = &strategy["rollingUpdate"];
    if strategy["type"] == "Recreate" && !rolling.is_null() {
        causes.push(Cause::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ));
    } else if rolling.is_object() {
        let both = "may not be 0 when `maxSurge` is 0";
        causes.extend(amounts(rolling, "spec.strategy.rollingUpdate", both));
    }
    let number = |field: &str| spec[field].as_u64();
    if let Some(deadline) = number("progressDeadlineSeconds")
        && deadline <= number("minReadySeconds").unwrap_or(0)
    {
        let field = "spec.progressDeadlineSeconds";
        let why = "must be greater than minReadySeconds";
        causes.push(Cause::invalid(field, &deadline.into(), why));
    }
    causes.extend(old.and_then(|old| fixed_selector(new, old)));
    causes
}

/// What is wrong with a `DeploymentConfig` beyond its schema.
pub(super) fn deployment_config(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::from_iter(versions(new, old));
    if is_same_spec(new, old) || !new["spec"].is_object() {
        return causes;
    }
    let spec = &new["spec"];
    if spec["replicas"]
        .as_i64()
        .is_some_and(|replicas| replicas < 0)
    {
        causes.push(Cause::invalid(
            "spec.replicas",
            &spec["replicas"],
            "replicas cannot be negative",
        ));
    }
    causes.extend(by_pairs(spec, "selector cannot be empty"));
    causes.extend(strategy(spec));
    for (path, trigger) in entries(spec, "spec", "triggers") {
        causes.extend(self::trigger(trigger, &path));
    }
    causes
}

/// The number of the newest version goes up, one at a time.
fn versions(new: &Value, old: Option<&Value>) -> Option<Cause> {
    let number = |object: &Value| object["status"]["latestVersion"].as_i64().unwrap_or(0);
    let now = number(new);
    let why = match old.map(number) {
        _ if now < 0 => "latestVersion cannot be negative",
        Some(before) if now < before => "latestVersion cannot be decremented",
        Some(before) if now > before + 1 => "latestVersion can only be incremented by 1",
        _ => return None,
    };
    Some(Cause::invalid("status.latestVersion", &now.into(), why))
}

/// A selector of pairs, and its template; `empty` says what is wrong with a selector of none.
fn by_pairs(spec: &Value, empty: &str) -> Vec<Cause> {
    let selector = &spec["selector"];
    let mut causes = metadata::pairs("spec.selector", selector);
    let none = selector.is_null() || selector.as_object().is_some_and(serde_json::Map::is_empty);
    match (none, empty) {
        (false, _) => {}
        (true, "") => causes.push(Cause::required("spec.selector", "")),
        (true, why) => causes.push(Cause::invalid("spec.selector", &serde_json::json!({}), why)),
    }
    let selects = |labels: &Value| {
        let pairs = selector.as_object().into_iter().flatten();
        pairs.into_iter().all(|(key, value)| labels[key] == *value)
    };
    causes.extend(pods::template(spec, selects));
    causes
}

/// A selector of two parts, and its template.
fn by_selector(spec: &Value, noun: &str) -> Vec<Cause> {
    if !spec.is_object() || !spec["selector"].is_object() {
        return Vec::new();
    }
    let selector = &spec["selector"];
    let mut causes = metadata::pairs("spec.selector.matchLabels", &selector["matchLabels"]);
    for (path, expression) in entries(selector, "spec.selector", "matchExpressions") {
        let alone = serde_json::json!({"matchExpressions": [expression]});
        if let Err(error) = Labels::of_selector(&alone) {
            let why = error.to_string();
            causes.push(Cause::required(join(&path, "values"), why));
        }
    }
    let selected = Labels::of_selector(selector);
    if selected.as_ref().is_ok_and(Labels::is_empty) {
        let why = format!("empty selector is invalid for {noun}");
        causes.push(Cause::invalid("spec.selector", selector, why));
    }
    let selects = |labels: &Value| {
        let pairs = labels.as_object().into_iter().flatten();
        let labels: BTreeMap<String, String> = pairs
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        selected
            .as_ref()
            .is_ok_and(|selected| selected.matches(&labels))
    };
    causes.extend(pods::template(spec, selects));
    causes
}

fn fixed_selector(new: &Value, old: &Value) -> Option<Cause> {
    change::fixed(new, old, "/spec/selector").map(|_| {
        let selector = &new["spec"]["selector"];
        Cause::invalid("spec.selector", selector, "field is immutable")
    })
}

/// What is wrong with how many pods may be missing or too many; `both` says that one of them must not be 0.
fn amounts(parameters: &Value, path: &str, both: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["maxUnavailable", "maxSurge"] {
        let value = &parameters[field];
        let why = match value {
            Value::String(text) => match text.strip_suffix('%').map(str::parse::<u64>) {
                Some(Ok(percent)) if percent > 100 && field == "maxUnavailable" => {
                    "must not be greater than 100%"
                }
                Some(Ok(_)) => continue,
                _ => {
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
                }
            },
            Value::Number(number) if number.as_u64().is_none() => {
                "must be greater than or equal to 0"
            }
            _ => continue,
        };
        causes.push(Cause::invalid(join(path, field), value, why));
    }
    let is_zero = |field: &str| {
        let value = &parameters[field];
        *value == 0 || text(parameters, &format!("/{field}")).trim_end_matches('%') == "0"
    };
    if is_zero("maxUnavailable") && is_zero("maxSurge") {
        let field = join(path, "maxUnavailable");
        causes.push(Cause::invalid(field, &parameters["maxUnavailable"], both));
    }
    causes
}

fn strategy(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let strategy = &spec["strategy"];
    let path = "spec.strategy";
    let field = match text(strategy, "/type") {
        "Recreate" => "recreateParams",
        "Custom" => {
            if present(strategy, "/customParams").is_none() {
                causes.push(Cause::required(join(path, "customParams"), ""));
            }
            return causes;
        }
        _ => "rollingParams",
    };
    let parameters = &strategy[field];
    let path = join(path, field);
    if field == "rollingParams" {
        let both = "cannot be 0 when maxSurge is 0 as well";
        causes.extend(amounts(parameters, &path, both));
    }
    for hook in ["pre", "mid", "post"] {
        causes.extend(self::hook(&parameters[hook], &join(&path, hook)));
    }
    if let Some(timeout) = parameters["timeoutSeconds"].as_u64()
        && spec["minReadySeconds"]
            .as_u64()
            .is_some_and(|least| least >= timeout)
    {
        let why = format!("must be less than the deployment timeout ({timeout}s)");
        causes.push(Cause::invalid(
            "spec.minReadySeconds",
            &spec["minReadySeconds"],
            why,
        ));
    }
    causes
}

fn hook(hook: &Value, path: &str) -> Option<Cause> {
    if !hook.is_object() {
        return None;
    }
    let tags = hook["tagImages"]
        .as_array()
        .is_some_and(|tags| !tags.is_empty());
    let why = match (hook["execNewPod"].is_object(), tags) {
        (false, false) => "One of execNewPod or tagImages must be specified",
        (true, true) => "only one of 'execNewPod' or 'tagImages' may be specified",
        _ => return None,
    };
    Some(Cause::invalid(path, &"<hook>".into(), why))
}

fn trigger(trigger: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    if text(trigger, "/type").is_empty() {
        causes.push(Cause::required(join(path, "type"), ""));
    }
    if trigger["type"] != "ImageChange" {
        return causes;
    }
    let follows = &trigger["imageChangeParams"];
    let path = join(path, "imageChangeParams");
    if !follows.is_object() {
        causes.push(Cause::required(path, ""));
        return causes;
    }
    let from = &follows["from"];
    if from.is_object() && from["kind"] != "ImageStreamTag" {
        let why = "kind must be an ImageStreamTag";
        causes.push(Cause::invalid(join(&path, "from.kind"), &from["kind"], why));
    }
    causes.extend(openshift::tag_name(from, &join(&path, "from")));
    if follows["containerNames"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        causes.push(Cause::required(join(&path, "containerNames"), ""));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use crate::api::defaults;
    use crate::api::kinds;
    use crate::api::kinds::Kind;
    use serde_json::Value;
    use serde_json::json;

    fn object(kind: &Kind, spec: &Value) -> Value {
        let mut object = json!({"metadata": {"name": "a", "namespace": "d"}, "spec": spec});
        defaults::fill(kind, &mut object);
        object
    }

    #[track_caller]
    fn check_change(kind: &Kind, spec: &Value, old: Option<&Value>, expect: &[&str]) {
        let old = old.map(|old| object(kind, old));
        let found = fields(&admit(kind, &object(kind, spec), old.as_ref()));
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found}");
        }
    }

    #[track_caller]
    fn check(kind: &Kind, spec: &Value, expect: &[&str]) {
        check_change(kind, spec, None, expect);
    }

    fn template(app: &str) -> Value {
        json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "x"}]}})
    }

    #[test]
    fn selectors_match_templates() {
        let labels = "spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match";
        let rc = &kinds::REPLICATION_CONTROLLER;
        check(rc, &json!({"template": template("x")}), &[]);
        check(
            rc,
            &json!({"selector": {"app": "y"}, "template": template("x")}),
            &[labels],
        );
        check(
            rc,
            &json!({}),
            &[
                "spec.selector: Required value",
                "spec.template: Required value",
            ],
        );
        for kind in [&kinds::DEPLOYMENT, &kinds::REPLICA_SET] {
            let selector = |app: &str| json!({"matchLabels": {"app": app}});
            check(
                kind,
                &json!({"selector": selector("x"), "template": template("x")}),
                &[],
            );
            check(
                kind,
                &json!({"selector": selector("y"), "template": template("x")}),
                &[labels],
            );
            check(
                kind,
                &json!({"selector": {}, "template": template("x")}),
                &["spec.selector: Invalid value: {}: empty selector is invalid for"],
            );
            check_change(
                kind,
                &json!({"selector": selector("x"), "template": template("x")}),
                Some(&json!({"selector": selector("y"), "template": template("y")})),
                &[
                    "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\"}}: field is immutable",
                ],
            );
        }
        check(
            &kinds::DEPLOYMENT,
            &json!({"template": template("x")}),
            &["spec.selector: Required value"],
        );
    }

    #[test]
    fn templates_run_for_ever() {
        let mut template = template("x");
        template["spec"]["restartPolicy"] = "Never".into();
        template["spec"]["activeDeadlineSeconds"] = 3.into();
        check(
            &kinds::REPLICATION_CONTROLLER,
            &json!({"template": template}),
            &[
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
                "spec.template.spec.activeDeadlineSeconds: Forbidden",
            ],
        );
    }

    #[test]
    fn deployments_can_move() {
        let deployment = |strategy: Value| {
            json!({
            "selector": {"matchLabels": {"app": "x"}}, "template": template("x"), "strategy": strategy})
        };
        let kind = &kinds::DEPLOYMENT;
        let rolling = |surge: Value, unavailable: Value| {
            deployment(json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}))
        };
        check(kind, &rolling(json!(1), json!("0%")), &[]);
        check(
            kind,
            &rolling(json!("0%"), json!(0)),
            &[
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
            ],
        );
        check(
            kind,
            &rolling(json!("x"), json!("101%")),
            &[
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater",
                "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string",
            ],
        );
        check(
            kind,
            &deployment(json!({"type": "Recreate", "rollingUpdate": {}})),
            &[
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ],
        );
        let mut short = deployment(json!({}));
        short["minReadySeconds"] = 600.into();
        check(
            kind,
            &short,
            &[
                "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
            ],
        );
    }

    #[test]
    fn deployment_configs_in_the_words_of_openshift() {
        let kind = &kinds::DEPLOYMENT_CONFIG;
        check(kind, &json!({"template": template("x")}), &[]);
        check(
            kind,
            &json!({"replicas": -1, "selector": {"app": "y"}, "template": template("x"), "minReadySeconds": 600,
                "strategy": {"rollingParams": {"maxSurge": 0, "maxUnavailable": "0%",
                    "pre": {"failurePolicy": "Abort"},
                    "post": {"failurePolicy": "Abort", "execNewPod": {"command": ["x"]}, "tagImages": [{"to": {}}]}}}}),
            &[
                "spec.replicas: Invalid value: -1: replicas cannot be negative",
                "spec.template.metadata.labels: Invalid value",
                "spec.strategy.rollingParams.maxUnavailable: Invalid value: \"0%\": cannot be 0 when maxSurge is 0 as well",
                "spec.strategy.rollingParams.pre: Invalid value: \"<hook>\": One of execNewPod or tagImages must be specified",
                "spec.strategy.rollingParams.post: Invalid value: \"<hook>\": only one of 'execNewPod' or 'tagImages' may be specified",
                "spec.minReadySeconds: Invalid value: 600: must be less than the deployment timeout (600s)",
            ],
        );
        check(
            kind,
            &json!({"template": template("x"), "strategy": {"type": "Custom"}, "triggers": [
                {"type": "ImageChange"},
                {"type": "ImageChange", "imageChangeParams": {"from": {"kind": "DockerImage", "name": "x"}}},
                {"type": "ImageChange", "imageChangeParams": {"containerNames": ["c"], "from": {"name": "x:1"}}},
            ]}),
            &[
                "spec.strategy.customParams: Required value",
                "spec.triggers[0].imageChangeParams: Required value",
                "spec.triggers[1].imageChangeParams.from.kind: Invalid value: \"DockerImage\": kind must be an ImageStreamTag",
                "spec.triggers[1].imageChangeParams.containerNames: Required value",
            ],
        );
        check(
            kind,
            &json!({}),
            &[
                "spec.selector: Invalid value: {}: selector cannot be empty",
                "spec.template: Required value",
            ],
        );
    }

    #[test]
    fn versions_go_up_by_one() {
        let kind = &kinds::DEPLOYMENT_CONFIG;
        let at = |version: i64| {
            let mut object = object(kind, &json!({"template": template("x")}));
            object["status"] = json!({"latestVersion": version});
            object
        };
        for (from, to, expect) in [
            (2, 2, None),
            (2, 3, None),
            (2, 1, Some("latestVersion cannot be decremented")),
            (2, 4, Some("latestVersion can only be incremented by 1")),
            (0, -1, Some("latestVersion cannot be negative")),
        ] {
            let found = fields(&admit(kind, &at(to), Some(&at(from))));
            let expect =
                expect.map(|why| format!("status.latestVersion: Invalid value: {to}: {why}"));
            assert_eq!(found, Vec::from_iter(expect));
        }
    }
}
