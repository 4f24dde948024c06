//! Rules of an Application that concern several of its fields (DESIGN section 4.1).

use serde_json::Value;

use super::change;
use super::metadata;
use super::present;
use super::text;
use crate::api::duration::Amount;
use crate::api::duration::Span;
use crate::api::status::Cause;

/// What is wrong with an Application beyond its schema.
pub(super) fn check(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if present(new, "/spec").is_some_and(Value::is_object) {
        causes.extend(placement(new));
        causes.extend(load_balancer(new));
        causes.extend(form(new));
    }
    causes.extend(settings(&new["spec"]["rollout"], "spec.rollout"));
    if let Some(old) = old {
        causes.extend(steady(new, old));
    }
    causes
}

/// Where gears go: exactly one of hosts and scaled, and of hosts exactly one of selector and blueGreen.
fn placement(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let hosts = present(object, "/spec/hosts");
    let scaled = present(object, "/spec/scaled");
    match (hosts, scaled) {
        (None, None) => causes.push(Cause::required(
            "spec.hosts",
            "exactly one of hosts and scaled",
        )),
        (Some(_), Some(_)) => causes.push(Cause::forbidden(
            "spec.scaled",
            "exactly one of hosts and scaled",
        )),
        _ => {}
    }
    let cartridges = object["spec"]["cartridges"].as_array().map_or(0, Vec::len);
    if scaled.is_some() && cartridges == 0 {
        causes.push(Cause::required(
            "spec.cartridges",
            "a scaled application runs at least one",
        ));
    }
    if scaled.is_none() && cartridges > 0 {
        causes.push(Cause::forbidden(
            "spec.cartridges",
            "only a scaled application has cartridges",
        ));
    }
    if hosts.is_some_and(Value::is_object) {
        causes.extend(choice_of_hosts(object));
    }
    causes
}

fn choice_of_hosts(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let selector = present(object, "/spec/hosts/selector");
    let colors = present(object, "/spec/hosts/blueGreen");
    match (selector, colors) {
        (None, None) => {
            let why = "exactly one of selector and blueGreen; an empty selector means every node";
            causes.push(Cause::required("spec.hosts.selector", why));
        }
        (Some(_), Some(_)) => causes.push(Cause::forbidden(
            "spec.hosts.blueGreen",
            "exactly one of selector and blueGreen",
        )),
        (Some(selector), None) => {
            causes.extend(metadata::pairs("spec.hosts.selector", selector));
        }
        (None, Some(colors)) => {
            for color in ["blue", "green"] {
                let field = format!("spec.hosts.blueGreen.{color}");
                causes.extend(metadata::pairs(&field, &colors[color]));
                if colors[color]
                    .as_object()
                    .is_some_and(serde_json::Map::is_empty)
                {
                    causes.push(Cause::required(field, "labels that set these nodes apart"));
                }
            }
            if colors["blue"].is_object() && colors["blue"] == colors["green"] {
                causes.push(Cause::forbidden(
                    "spec.hosts.blueGreen.green",
                    "must differ from blue",
                ));
            }
        }
    }
    causes
}

fn load_balancer(object: &Value) -> Vec<Cause> {
    const FIELD: &str = "spec.rollout.loadBalancer";
    let mut causes = Vec::new();
    let balancer = present(object, "/spec/rollout/loadBalancer");
    let takes_turns = present(object, "/spec/hosts/blueGreen").is_some();
    let Some(balancer) = balancer else {
        if takes_turns {
            causes.push(Cause::required(FIELD, "blueGreen switches traffic at one"));
        }
        return causes;
    };
    if present(object, "/spec/scaled").is_some() {
        causes.push(Cause::forbidden(
            FIELD,
            "a scaled application has its own web proxy",
        ));
    }
    let haproxy = present(balancer, "/haproxy");
    if let Some(haproxy) = haproxy.filter(|haproxy| haproxy.is_object()) {
        let needed: &[&str] = if takes_turns {
            &["map", "key"]
        } else {
            &["backend"]
        };
        for name in needed
            .iter()
            .filter(|name| text(haproxy, &format!("/{name}")).is_empty())
        {
            causes.push(Cause::required(format!("{FIELD}.haproxy.{name}"), ""));
        }
    }
    causes
}

/// Form mode: scripts need files, and both stay inside the bundle.
fn form(object: &Value) -> Vec<Cause> {
    form_below(&object["spec"])
}

/// What is wrong with `files` and `scripts` of an Application or a Revision.
pub(super) fn form_below(spec: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let files = spec["files"].as_array().map_or(&[][..], Vec::as_slice);
    for (n, file) in files.iter().enumerate() {
        if text(file, "/source").split('/').any(|part| part == "..") {
            let field = format!("spec.files[{n}].source");
            causes.push(Cause::invalid(
                field,
                &file["source"],
                "must not contain '..'",
            ));
        }
    }
    let scripts = spec["scripts"].as_object();
    if scripts.is_some_and(|scripts| !scripts.is_empty()) && files.is_empty() {
        causes.push(Cause::required(
            "spec.files",
            "scripts belong to a bundle without appspec",
        ));
    }
    for (name, script) in scripts.into_iter().flatten() {
        let path = text(script, "/0");
        if script[0].is_string() && (path.is_empty() || path.split('/').any(|part| part == "..")) {
            let field = format!("spec.scripts.{name}[0]");
            causes.push(Cause::invalid(
                field,
                &script[0],
                "must be a path in the bundle",
            ));
        }
    }
    causes
}

/// What is wrong with the settings of a rollout, in an Application or a Rollout.
pub(super) fn settings(settings: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let concurrency = &settings["concurrency"];
    let amount: Option<Amount> = serde_json::from_value(concurrency.clone()).ok();
    if matches!(amount, Some(Amount::Count(0) | Amount::Percent(0))) {
        let field = format!("{field}.concurrency");
        causes.push(Cause::invalid(
            field,
            concurrency,
            "must be at least one gear",
        ));
    }
    for name in ["hookTimeout", "gearTimeout"] {
        let span = settings[name]
            .as_str()
            .and_then(|text| text.parse::<Span>().ok());
        if span.is_some_and(|span| span.0.is_zero()) {
            let field = format!("{field}.{name}");
            causes.push(Cause::invalid(
                field,
                &settings[name],
                "must be longer than nothing",
            ));
        }
    }
    causes
}

/// What stays for the life of an Application: its places on the nodes, and whether it has hosts or scales.
fn steady(new: &Value, old: &Value) -> Vec<Cause> {
    let mut causes: Vec<Cause> = ["/spec/id", "/spec/group", "/spec/rootDir"]
        .iter()
        .filter_map(|pointer| change::fixed(new, old, pointer))
        .collect();
    let has = |object, pointer| present(object, pointer).is_some();
    let turned = |pointer| has(new, pointer) != has(old, pointer);
    if turned("/spec/scaled") && turned("/spec/hosts") {
        causes.push(Cause::forbidden(
            "spec",
            "cannot change between hosts and scaled",
        ));
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use crate::api::kinds;
    use serde_json::Value;
    use serde_json::json;

    fn application(spec: &Value) -> Value {
        json!({"metadata": {"name": "a", "namespace": "d"}, "spec": spec})
    }

    #[track_caller]
    fn check(spec: &Value, expect: &[&str]) {
        let causes = admit(&kinds::APPLICATION, &application(spec), None);
        assert_eq!(fields(&causes), expect);
    }

    #[test]
    fn good_applications_pass() {
        check(&json!({"hosts": {"selector": {}}}), &[]);
        check(
            &json!({"scaled": {"gears": 3, "webProxy": "haproxy-1.4"}, "cartridges": ["python-3.3"]}),
            &[],
        );
        check(
            &json!({
                "hosts": {"blueGreen": {"blue": {"c": "b"}, "green": {"c": "g"}}},
                "files": [{"source": "/", "destination": "/srv"}],
                "scripts": {"stop": ["bin/stop", "-x"]},
                "rollout": {"concurrency": "25%", "loadBalancer": {"service": "shop"}, "canary": {"pause": "10m"}},
            }),
            &[],
        );
    }

    #[test]
    fn placement_is_one_of_two() {
        check(
            &json!({}),
            &["spec.hosts: Required value: exactly one of hosts and scaled"],
        );
        check(
            &json!({"hosts": {"selector": {}}, "scaled": {"gears": 1}}),
            &[
                "spec.scaled: Forbidden: exactly one of hosts and scaled",
                "spec.cartridges: Required value: a scaled application runs at least one",
            ],
        );
        check(
            &json!({"hosts": {}, "cartridges": ["x"]}),
            &[
                "spec.cartridges: Forbidden: only a scaled application has cartridges",
                "spec.hosts.selector: Required value: exactly one of selector and blueGreen; an empty selector means every node",
            ],
        );
        check(
            &json!({"hosts": {"selector": {}, "blueGreen": {"blue": {"c": "b"}, "green": {"c": "b"}}}}),
            &[
                "spec.hosts.blueGreen: Forbidden: exactly one of selector and blueGreen",
                "spec.rollout.loadBalancer: Required value: blueGreen switches traffic at one",
            ],
        );
    }

    #[test]
    fn the_rest_is_named_too() {
        check(
            &json!({
                "hosts": {"blueGreen": {"blue": {}, "green": {}}},
                "rollout": {"concurrency": 0, "hookTimeout": "0s", "loadBalancer": {"haproxy": {"router": "r"}}},
                "files": [{"source": "a/../..", "destination": "/srv"}],
                "scripts": {"start": ["../x"], "check": []},
            }),
            &[
                "spec.scripts.check: Invalid value: 0: spec.scripts.check in body should have at least 1 items",
                "spec.hosts.blueGreen.blue: Required value: labels that set these nodes apart",
                "spec.hosts.blueGreen.green: Required value: labels that set these nodes apart",
                "spec.hosts.blueGreen.green: Forbidden: must differ from blue",
                "spec.rollout.loadBalancer.haproxy.map: Required value",
                "spec.rollout.loadBalancer.haproxy.key: Required value",
                "spec.files[0].source: Invalid value: \"a/../..\": must not contain '..'",
                "spec.scripts.start[0]: Invalid value: \"../x\": must be a path in the bundle",
                "spec.rollout.concurrency: Invalid value: 0: must be at least one gear",
                "spec.rollout.hookTimeout: Invalid value: \"0s\": must be longer than nothing",
            ],
        );
        check(
            &json!({"hosts": {"selector": {}}, "scripts": {"start": ["run"]}}),
            &["spec.files: Required value: scripts belong to a bundle without appspec"],
        );
    }

    #[test]
    fn places_on_nodes_stay() {
        let old = application(&json!({"hosts": {"selector": {}}, "rootDir": "/a"}));
        let new =
            application(&json!({"scaled": {"gears": 1}, "cartridges": ["x"], "rootDir": "/b"}));
        assert_eq!(
            fields(&admit(&kinds::APPLICATION, &new, Some(&old))),
            [
                "spec.rootDir: Invalid value: \"/b\": field is immutable",
                "spec: Forbidden: cannot change between hosts and scaled",
            ]
        );
    }
}
