//! Defaults of pods, of their templates and of Kubernetes' kinds that make pods.
//!
//! Source: Kubernetes `pkg/apis/core/v1/defaults.go` and `pkg/apis/apps/v1/defaults.go`.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::absent;
use super::below;
use super::each;
use super::empty;
use super::inside;

/// The lists of a pod's containers.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

pub(super) fn pod(pod: &mut Map<String, Value>) {
    let Some(spec) = inside(pod, "spec") else {
        return;
    };
    pod_spec(spec);
    absent(spec, "enableServiceLinks", true);
    for list in CONTAINERS {
        for container in each(spec, list) {
            requests(container);
        }
    }
}

pub(super) fn replication_controller(controller: &mut Map<String, Value>) {
    let labels = template_labels(controller);
    if let Some(labels) = &labels
        && let Some(metadata) = inside(controller, "metadata")
        && metadata.get("labels").is_none_or(is_nothing)
    {
        metadata.insert("labels".to_owned(), labels.clone());
    }
    let Some(spec) = inside(controller, "spec") else {
        return;
    };
    absent(spec, "replicas", 1);
    if let Some(labels) = labels {
        selector(spec, labels);
    }
    template(spec);
}

pub(super) fn replica_set(set: &mut Map<String, Value>) {
    let Some(spec) = inside(set, "spec") else {
        return;
    };
    absent(spec, "replicas", 1);
    template(spec);
}

pub(super) fn deployment(deployment: &mut Map<String, Value>) {
    let Some(spec) = inside(deployment, "spec") else {
        return;
    };
    absent(spec, "replicas", 1);
    absent(spec, "revisionHistoryLimit", 10);
    absent(spec, "progressDeadlineSeconds", 600);
    if let Some(strategy) = below(spec, "strategy") {
        empty(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate"
            && let Some(rolling) = below(strategy, "rollingUpdate")
        {
            absent(rolling, "maxUnavailable", "25%");
            absent(rolling, "maxSurge", "25%");
        }
    }
    template(spec);
}

/// The labels of the pods that are made, if there are any.
pub(super) fn template_labels(object: &Map<String, Value>) -> Option<Value> {
    let labels = object.get("spec")?.pointer("/template/metadata/labels")?;
    (labels.is_object() && !is_nothing(labels)).then(|| labels.clone())
}

/// A selector that is not written selects what is made.
pub(super) fn selector(spec: &mut Map<String, Value>, labels: Value) {
    if spec.get("selector").is_none_or(is_nothing) {
        spec.insert("selector".to_owned(), labels);
    }
}

/// Completes the pods that are made from `spec.template`.
pub(super) fn template(spec: &mut Map<String, Value>) {
    if let Some(spec) = inside(spec, "template").and_then(|template| inside(template, "spec")) {
        pod_spec(spec);
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

fn pod_spec(spec: &mut Map<String, Value>) {
    empty(spec, "dnsPolicy", "ClusterFirst");
    empty(spec, "restartPolicy", "Always");
    empty(spec, "schedulerName", "default-scheduler");
    absent(spec, "securityContext", json!({}));
    absent(spec, "terminationGracePeriodSeconds", 30);
    // The older name is the same field; who writes only one of them means both.
    for (from, to) in [
        ("serviceAccountName", "serviceAccount"),
        ("serviceAccount", "serviceAccountName"),
    ] {
        let account = spec.get(from).cloned().unwrap_or_default();
        if account.is_string() && account != "" && (from == "serviceAccountName" || !has(spec, to))
        {
            spec.insert(to.to_owned(), account);
        }
    }
    let on_host = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in CONTAINERS {
        for one in each(spec, list) {
            container(one, on_host);
        }
    }
    for one in each(spec, "volumes") {
        volume(one);
    }
}

fn has(object: &Map<String, Value>, field: &str) -> bool {
    object
        .get(field)
        .is_some_and(|value| !value.is_null() && value != "")
}

fn container(container: &mut Map<String, Value>, on_host: bool) {
    let image = container.get("image").and_then(Value::as_str);
    let policy = pull_policy(image.unwrap_or_default());
    empty(container, "imagePullPolicy", policy);
    absent(container, "resources", json!({}));
    empty(container, "terminationMessagePath", "/dev/termination-log");
    empty(container, "terminationMessagePolicy", "File");
    for port in each(container, "ports") {
        empty(port, "protocol", "TCP");
        if on_host && let Some(own) = port.get("containerPort").cloned() {
            empty(port, "hostPort", own);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(one) = inside(container, name) {
            probe(one);
        }
    }
    for name in ["postStart", "preStop"] {
        let handler = inside(container, "lifecycle").and_then(|all| inside(all, name));
        if let Some(handler) = handler {
            http_get(handler);
        }
    }
    for variable in each(container, "env") {
        let field = inside(variable, "valueFrom").and_then(|from| inside(from, "fieldRef"));
        if let Some(field) = field {
            empty(field, "apiVersion", "v1");
        }
    }
}

/// An image that can change under its name is fetched each time.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let has_digest = name.contains('@');
    match name.split_once(':') {
        Some((_, tag)) if !has_digest && tag == "latest" => "Always",
        None if !has_digest && !name.trim().is_empty() => "Always",
        _ => "IfNotPresent",
    }
}

fn probe(probe: &mut Map<String, Value>) {
    empty(probe, "timeoutSeconds", 1);
    empty(probe, "periodSeconds", 10);
    empty(probe, "successThreshold", 1);
    empty(probe, "failureThreshold", 3);
    http_get(probe);
}

fn http_get(handler: &mut Map<String, Value>) {
    if let Some(request) = inside(handler, "httpGet") {
        empty(request, "path", "/");
        empty(request, "scheme", "HTTP");
    }
}

fn volume(volume: &mut Map<String, Value>) {
    let sources = volume
        .iter()
        .filter(|(name, source)| *name != "name" && !source.is_null());
    if sources.count() == 0 {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = inside(volume, name) {
            absent(source, "defaultMode", 0o644);
            for file in each(source, "items") {
                if let Some(field) = inside(file, "fieldRef") {
                    empty(field, "apiVersion", "v1");
                }
            }
        }
    }
    if let Some(path) = inside(volume, "hostPath") {
        absent(path, "type", "");
    }
}

/// What a pod may use at most is what it gets, if it does not say.
fn requests(container: &mut Map<String, Value>) {
    let Some(resources) = inside(container, "resources") else {
        return;
    };
    let limits = resources.get("limits").and_then(Value::as_object).cloned();
    for (name, limit) in limits.into_iter().flatten() {
        if let Some(requests) = below(resources, "requests") {
            absent(requests, &name, limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fill;
    use super::*;
    use crate::api::kinds;
    use crate::api::kinds::Kind;

    /// Compares the given pointers after filling, which twice does the same as once.
    #[track_caller]
    fn check(kind: &Kind, mut object: Value, expect: &[(&str, Value)]) {
        fill(kind, &mut object);
        for (pointer, expect) in expect {
            assert_eq!(
                object.pointer(pointer).unwrap_or(&Value::Null),
                expect,
                "{pointer}"
            );
        }
        let once = object.clone();
        fill(kind, &mut object);
        assert_eq!(object, once, "filling twice changes nothing");
    }

    #[test]
    fn pods_as_kubernetes_fills_them() {
        let mut pod = json!({"spec": {
            "serviceAccount": "builder",
            "containers": [{
                "name": "c", "image": "x", "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 0},
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            }],
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
        }});
        fill(&kinds::POD, &mut pod);
        let expect = json!({"spec": {
            "serviceAccount": "builder", "serviceAccountName": "builder",
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30, "enableServiceLinks": true,
            "containers": [{
                "name": "c", "image": "x", "imagePullPolicy": "Always",
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}},
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
            }],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
        }});
        assert_eq!(pod, expect);
        fill(&kinds::POD, &mut pod);
        assert_eq!(pod, expect, "filling twice changes nothing");
    }

    #[test]
    fn only_names_that_can_move_are_always_fetched() {
        for (image, expect) in [
            ("x", "Always"),
            ("x:latest", "Always"),
            ("host:5000/x", "Always"),
            ("x:1", "IfNotPresent"),
            ("host:5000/d/x@sha256:0", "IfNotPresent"),
            (" ", "IfNotPresent"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), expect, "{image}");
        }
    }

    #[test]
    fn what_makes_pods() {
        let template =
            json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c"}]}});
        let policy = "/spec/template/spec/restartPolicy";
        check(
            &kinds::REPLICATION_CONTROLLER,
            json!({"metadata": {"name": "a"}, "spec": {"template": template}}),
            &[
                ("/spec/replicas", json!(1)),
                ("/spec/selector", json!({"app": "x"})),
                ("/metadata/labels", json!({"app": "x"})),
                (policy, json!("Always")),
                ("/spec/template/spec/enableServiceLinks", Value::Null),
            ],
        );
        check(
            &kinds::REPLICATION_CONTROLLER,
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 0, "selector": {"c": "d"}, "template": template}}),
            &[
                ("/spec/replicas", json!(0)),
                ("/spec/selector", json!({"c": "d"})),
                ("/metadata/labels", json!({"a": "b"})),
            ],
        );
        check(
            &kinds::DEPLOYMENT,
            json!({"spec": {"template": template}}),
            &[
                ("/spec/replicas", json!(1)),
                (
                    "/spec/strategy",
                    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
                ),
                ("/spec/revisionHistoryLimit", json!(10)),
                ("/spec/progressDeadlineSeconds", json!(600)),
                (policy, json!("Always")),
            ],
        );
        check(
            &kinds::DEPLOYMENT,
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
            &[("/spec/strategy", json!({"type": "Recreate"}))],
        );
        check(
            &kinds::REPLICA_SET,
            json!({"spec": {"template": template}}),
            &[
                ("/spec/replicas", json!(1)),
                ("/spec/selector", Value::Null),
                (policy, json!("Always")),
            ],
        );
    }
}
