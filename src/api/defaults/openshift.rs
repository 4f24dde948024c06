//! Defaults of OpenShift's kinds.
//!
//! Sources: facts/oc.md 5.1, 6.1, 7; openshift-apiserver `pkg/{apps,build,image}/apis/*/v1/defaults.go`, library-go
//! `pkg/route/defaulting`.
//!
//! # Decided
//!
//! A deployment config without `replicas` gets one pod, as Kubernetes' kinds do. In OpenShift it gets none, which
//! nobody who leaves the number out means.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::absent;
use super::below;
use super::each;
use super::empty;
use super::inside;
use super::pods;

/// How long pods may take to become ready in a rollout.
const TIMEOUT: u64 = 600;
/// How long a whole rollout may take: six hours.
const DEADLINE: u64 = 21_600;

pub(super) fn deployment_config(config: &mut Map<String, Value>) {
    let labels = pods::template_labels(config);
    let Some(spec) = inside(config, "spec") else {
        return;
    };
    absent(spec, "replicas", 1);
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "test", false);
    absent(spec, "triggers", json!([{"type": "ConfigChange"}]));
    if let Some(labels) = labels {
        pods::selector(spec, labels);
    }
    if let Some(strategy) = below(spec, "strategy") {
        deployment_strategy(strategy);
    }
    let mut followed = Vec::new();
    for trigger in each(spec, "triggers") {
        if let Some(follows) = inside(trigger, "imageChangeParams") {
            if let Some(from) = inside(follows, "from") {
                empty(from, "kind", "ImageStreamTag");
            }
            let names = follows.get("containerNames").and_then(Value::as_array);
            followed.extend(names.into_iter().flatten().cloned());
        }
    }
    await_images(spec, &followed);
    pods::template(spec);
}

fn deployment_strategy(strategy: &mut Map<String, Value>) {
    empty(strategy, "type", "Rolling");
    absent(strategy, "activeDeadlineSeconds", DEADLINE);
    absent(strategy, "resources", json!({}));
    let kind = strategy.get("type").and_then(Value::as_str);
    match kind {
        Some("Rolling") => {
            if let Some(parameters) = below(strategy, "rollingParams") {
                rolling(parameters);
            }
        }
        Some("Recreate") => {
            if let Some(parameters) = below(strategy, "recreateParams") {
                absent(parameters, "timeoutSeconds", TIMEOUT);
            }
        }
        _ => {}
    }
}

fn rolling(parameters: &mut Map<String, Value>) {
    absent(parameters, "intervalSeconds", 1);
    absent(parameters, "updatePeriodSeconds", 1);
    absent(parameters, "timeoutSeconds", TIMEOUT);
    let is_set = |field: &str| parameters.get(field).is_some_and(|value| !value.is_null());
    let is_zero = |field: &str| {
        let value = parameters.get(field);
        value.is_some_and(|value| *value == 0 || *value == "0%")
    };
    // Of the one that is left out, nothing, so that the other one decides; unless nothing would ever move.
    let other_of = |field: &str| match (is_set(field), is_zero(field)) {
        (true, false) => Value::from(0),
        _ => "25%".into(),
    };
    let (surge, unavailable) = (other_of("maxUnavailable"), other_of("maxSurge"));
    absent(parameters, "maxSurge", surge);
    absent(parameters, "maxUnavailable", unavailable);
}

/// A container whose image a trigger will bring stands with a blank until then.
fn await_images(spec: &mut Map<String, Value>, followed: &[Value]) {
    let template = inside(spec, "template").and_then(|template| inside(template, "spec"));
    let Some(template) = template else { return };
    for container in each(template, "containers") {
        if container
            .get("name")
            .is_some_and(|name| followed.contains(name))
        {
            empty(container, "image", " ");
        }
    }
}

pub(super) fn build_config(config: &mut Map<String, Value>) {
    let Some(spec) = inside(config, "spec") else {
        return;
    };
    empty(spec, "runPolicy", "Serial");
    absent(spec, "successfulBuildsHistoryLimit", 5);
    absent(spec, "failedBuildsHistoryLimit", 5);
    common_spec(spec);
    for trigger in each(spec, "triggers") {
        if trigger.get("type") == Some(&"ImageChange".into()) {
            absent(trigger, "imageChange", json!({}));
        }
    }
}

pub(super) fn build(build: &mut Map<String, Value>) {
    if let Some(spec) = inside(build, "spec") {
        common_spec(spec);
    }
}

fn common_spec(spec: &mut Map<String, Value>) {
    if let Some(source) = inside(spec, "source") {
        build_source(source);
    }
    if let Some(strategy) = inside(spec, "strategy") {
        build_strategy(strategy);
    }
    let output = inside(spec, "output").and_then(|output| inside(output, "to"));
    if let Some(to) = output {
        empty(to, "kind", "ImageStreamTag");
    }
}

fn build_source(source: &mut Map<String, Value>) {
    let has = |field: &str| {
        source
            .get(field)
            .is_some_and(|value| !value.is_null() && *value != "")
    };
    let kind = match (has("binary"), has("git"), has("dockerfile"), has("images")) {
        (true, ..) => "Binary",
        (_, true, ..) => "Git",
        (_, _, true, _) => "Dockerfile",
        (.., true) => "Image",
        _ => "None",
    };
    empty(source, "type", kind);
    if source["type"] == "Binary" {
        absent(source, "binary", json!({}));
    }
}

fn build_strategy(strategy: &mut Map<String, Value>) {
    for (field, kind) in [
        ("sourceStrategy", "Source"),
        ("dockerStrategy", "Docker"),
        ("customStrategy", "Custom"),
        ("jenkinsPipelineStrategy", "JenkinsPipeline"),
    ] {
        let Some(own) = inside(strategy, field) else {
            continue;
        };
        if let Some(from) = inside(own, "from") {
            empty(from, "kind", "ImageStreamTag");
        }
        empty(strategy, "type", kind);
    }
}

pub(super) fn image_stream(stream: &mut Map<String, Value>) {
    let Some(spec) = below(stream, "spec") else {
        return;
    };
    if let Some(policy) = below(spec, "lookupPolicy") {
        absent(policy, "local", false);
    }
    for tag in each(spec, "tags") {
        if let Some(policy) = below(tag, "importPolicy") {
            empty(policy, "importMode", "Legacy");
        }
        if let Some(policy) = below(tag, "referencePolicy") {
            empty(policy, "type", "Source");
        }
    }
}

pub(super) fn route(route: &mut Map<String, Value>) {
    let Some(spec) = inside(route, "spec") else {
        return;
    };
    empty(spec, "wildcardPolicy", "None");
    if let Some(to) = inside(spec, "to") {
        target(to);
    }
    for backend in each(spec, "alternateBackends") {
        target(backend);
    }
    if let Some(tls) = inside(spec, "tls") {
        let destination = tls.get("destinationCACertificate");
        if destination.is_none_or(|value| value.is_null() || *value == "") {
            empty(tls, "termination", "edge");
        }
    }
}

fn target(target: &mut Map<String, Value>) {
    empty(target, "kind", "Service");
    absent(target, "weight", 100);
}

#[cfg(test)]
mod tests {
    use super::super::fill;
    use super::*;
    use crate::api::kinds;
    use crate::api::kinds::Kind;

    #[track_caller]
    fn check(kind: &Kind, mut object: Value, expect: &Value) {
        fill(kind, &mut object);
        assert_eq!(object, *expect);
        fill(kind, &mut object);
        assert_eq!(object, *expect, "filling twice changes nothing");
    }

    #[test]
    fn deployment_configs_as_openshift_fills_them() {
        check(
            &kinds::DEPLOYMENT_CONFIG,
            json!({"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}),
            &json!({"spec": {
                "replicas": 1, "revisionHistoryLimit": 10, "test": false, "selector": {"app": "x"},
                "triggers": [{"type": "ConfigChange"}],
                "strategy": {"type": "Rolling", "activeDeadlineSeconds": 21600, "resources": {}, "rollingParams": {
                    "intervalSeconds": 1, "updatePeriodSeconds": 1, "timeoutSeconds": 600, "maxSurge": "25%", "maxUnavailable": "25%"}},
                "template": {"metadata": {"labels": {"app": "x"}}},
            }}),
        );
        check(
            &kinds::DEPLOYMENT_CONFIG,
            json!({"spec": {"replicas": 0, "triggers": [], "selector": {"a": "b"}, "strategy": {"type": "Recreate"}}}),
            &json!({"spec": {
                "replicas": 0, "revisionHistoryLimit": 10, "test": false, "selector": {"a": "b"}, "triggers": [],
                "strategy": {"type": "Recreate", "activeDeadlineSeconds": 21600, "resources": {}, "recreateParams": {"timeoutSeconds": 600}},
            }}),
        );
    }

    #[test]
    fn a_rolling_update_can_always_move() {
        for (given, surge, unavailable) in [
            (json!({}), json!("25%"), json!("25%")),
            (json!({"maxSurge": 1}), json!(1), json!(0)),
            (json!({"maxUnavailable": "50%"}), json!(0), json!("50%")),
            (json!({"maxSurge": 0}), json!(0), json!("25%")),
            (json!({"maxUnavailable": "0%"}), json!("25%"), json!("0%")),
        ] {
            let mut parameters = given.as_object().unwrap().clone();
            rolling(&mut parameters);
            assert_eq!(
                (&parameters["maxSurge"], &parameters["maxUnavailable"]),
                (&surge, &unavailable),
                "{given}"
            );
        }
    }

    #[test]
    fn images_that_a_trigger_brings_are_blank() {
        let mut config = json!({"spec": {
            "triggers": [{"type": "ImageChange", "imageChangeParams": {"containerNames": ["c"], "from": {"name": "x:latest"}}}],
            "template": {"spec": {"containers": [{"name": "c"}, {"name": "d"}]}},
        }});
        fill(&kinds::DEPLOYMENT_CONFIG, &mut config);
        let containers = &config["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["image"], " ");
        assert_eq!(containers[0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(containers[1]["image"], Value::Null);
        let from = &config["spec"]["triggers"][0]["imageChangeParams"]["from"];
        assert_eq!(from["kind"], "ImageStreamTag");
    }

    #[test]
    fn builds_say_what_they_are_made_of() {
        check(
            &kinds::BUILD_CONFIG,
            json!({"spec": {
                "source": {"git": {"uri": "x"}},
                "strategy": {"sourceStrategy": {"from": {"name": "python:latest"}}},
                "output": {"to": {"name": "a:latest"}},
                "triggers": [{"type": "ImageChange"}],
            }}),
            &json!({"spec": {
                "runPolicy": "Serial", "successfulBuildsHistoryLimit": 5, "failedBuildsHistoryLimit": 5,
                "source": {"type": "Git", "git": {"uri": "x"}},
                "strategy": {"type": "Source", "sourceStrategy": {"from": {"kind": "ImageStreamTag", "name": "python:latest"}}},
                "output": {"to": {"kind": "ImageStreamTag", "name": "a:latest"}},
                "triggers": [{"type": "ImageChange", "imageChange": {}}],
            }}),
        );
        check(
            &kinds::BUILD,
            json!({"spec": {"source": {"type": "Binary"}}}),
            &json!({"spec": {"source": {"type": "Binary", "binary": {}}}}),
        );
    }

    #[test]
    fn streams_and_routes() {
        check(
            &kinds::IMAGE_STREAM,
            json!({"spec": {"tags": [{"name": "latest"}]}}),
            &json!({"spec": {"lookupPolicy": {"local": false}, "tags": [
                {"name": "latest", "importPolicy": {"importMode": "Legacy"}, "referencePolicy": {"type": "Source"}}]}}),
        );
        check(
            &kinds::ROUTE,
            json!({"spec": {"to": {"name": "s"}, "alternateBackends": [{"name": "t", "weight": 0}], "tls": {}}}),
            &json!({"spec": {
                "wildcardPolicy": "None", "to": {"kind": "Service", "name": "s", "weight": 100},
                "alternateBackends": [{"kind": "Service", "name": "t", "weight": 0}], "tls": {"termination": "edge"},
            }}),
        );
    }
}
