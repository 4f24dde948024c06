//! Rules of pods and of templates of pods.
//!
//! Source: Kubernetes `pkg/apis/core/validation/validation.go`. Not asked: whether what a pod names exists, and rules of
//! parts that nothing here interprets (affinity, devices, storage).

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::entries;
use super::is_same_spec;
use super::join;
use super::metadata;
use super::names;
use super::present;
use super::text;
use crate::api::defaults;
use crate::api::kinds;
use crate::api::status::Cause;

/// What may change in a pod that exists.
const CHANGED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
/// Fields that a variable can take its value from.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const SOURCES: [&str; 5] = [
    "fieldRef",
    "resourceFieldRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fileKeyRef",
];

/// What is wrong with a Pod beyond its schema.
pub(super) fn pod(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    if is_same_spec(new, old) {
        return Vec::new();
    }
    if !new["spec"].is_object() {
        return Vec::from_iter(new["spec"].is_null().then(|| Cause::required("spec", "")));
    }
    let mut causes = spec(&new["spec"], "spec");
    for list in ["initContainers", "containers"] {
        for (path, container) in entries(&new["spec"], "spec", list) {
            let image = text(container, "/image");
            if !image.is_empty() && image.trim() != image {
                causes.push(Cause::invalid(
                    join(&path, "image"),
                    &container["image"],
                    "must not have leading or trailing whitespace",
                ));
            }
        }
    }
    if let Some(old) = old {
        // What is filled in today may not have been when the pod was made.
        let mut old = old.clone();
        defaults::fill(&kinds::POD, &mut old);
        causes.extend(steady(&new["spec"], &old["spec"]));
    }
    causes
}

/// Refuses changes of a pod that exists, but for the few that its node can follow.
fn steady(new: &Value, old: &Value) -> Option<Cause> {
    let mut wanted = new.clone();
    for list in ["initContainers", "containers"] {
        let containers = wanted.get_mut(list).and_then(Value::as_array_mut);
        for (n, container) in containers.into_iter().flatten().enumerate() {
            if let Some(image) = old[list][n].get("image")
                && container.is_object()
            {
                container["image"] = image.clone();
            }
        }
    }
    let mut free = vec!["activeDeadlineSeconds"];
    // The scheduler's own write; after it the node is the pod's for life.
    if text(old, "/nodeName").is_empty() {
        free.push("nodeName");
    }
    let tolerations = |spec: &Value| spec["tolerations"].as_array().cloned().unwrap_or_default();
    if tolerations(old)
        .iter()
        .all(|one| tolerations(new).contains(one))
    {
        free.push("tolerations");
    }
    if let Some(wanted) = wanted.as_object_mut() {
        for field in free {
            match old.get(field) {
                Some(value) => wanted.insert(field.to_owned(), value.clone()),
                None => wanted.remove(field),
            };
        }
    }
    (wanted != *old).then(|| Cause::forbidden("spec", CHANGED))
}

/// What is wrong with the template of what makes pods; `selector` says whether its labels are selected.
pub(super) fn template(spec: &Value, selects: impl Fn(&Value) -> bool) -> Vec<Cause> {
    let template = &spec["template"];
    let path = "spec.template";
    if template.is_null() {
        return vec![Cause::required(path, "")];
    }
    if !template.is_object() {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let labels = &template["metadata"]["labels"];
    causes.extend(metadata::pairs(&join(path, "metadata.labels"), labels));
    if !selects(labels) {
        let shown = if labels.is_null() {
            json!({})
        } else {
            labels.clone()
        };
        causes.push(Cause::invalid(
            join(path, "metadata.labels"),
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    let spec = &template["spec"];
    if spec.is_null() {
        causes.push(Cause::required(join(path, "spec.containers"), ""));
        return causes;
    }
    causes.extend(self::spec(spec, &join(path, "spec")));
    if matches!(text(spec, "/restartPolicy"), "Never" | "OnFailure") {
        let field = join(path, "spec.restartPolicy");
        causes.push(Cause::unsupported(
            field,
            &spec["restartPolicy"],
            &["Always"],
        ));
    }
    if present(spec, "/activeDeadlineSeconds").is_some() {
        causes.push(Cause::forbidden(
            join(path, "spec.activeDeadlineSeconds"),
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ));
    }
    causes
}

fn spec(spec: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let volumes = volumes(spec, path, &mut causes);
    let mut seen = BTreeSet::new();
    if spec["containers"].as_array().is_some_and(Vec::is_empty) {
        causes.push(Cause::required(join(path, "containers"), ""));
    }
    for list in ["initContainers", "containers"] {
        for (path, container) in entries(spec, path, list) {
            unique_name(container, &path, &mut seen, names::dns_label, &mut causes);
            causes.extend(self::container(container, &path, &volumes));
        }
    }
    causes.extend(metadata::pairs(
        &join(path, "nodeSelector"),
        &spec["nodeSelector"],
    ));
    for (field, rule) in [
        ("serviceAccountName", names::dns_subdomain as fn(&str) -> _),
        ("nodeName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
    ] {
        let name = spec[field].as_str().unwrap_or_default();
        if !name.is_empty()
            && let Some(why) = rule(name)
        {
            causes.push(Cause::invalid(join(path, field), &name.into(), why));
        }
    }
    causes
}

/// Checks the name of a list's entry.
fn unique_name<'a>(
    entry: &'a Value,
    path: &str,
    seen: &mut BTreeSet<&'a str>,
    rule: fn(&str) -> Option<String>,
    causes: &mut Vec<Cause>,
) {
    let name = text(entry, "/name");
    let field = join(path, "name");
    if name.is_empty() {
        causes.push(Cause::required(field, ""));
    } else if let Some(why) = rule(name) {
        causes.push(Cause::invalid(field, &name.into(), why));
    } else if !seen.insert(name) {
        causes.push(Cause::duplicate(field, &name.into()));
    }
}

/// The names of the volumes.
fn volumes<'a>(spec: &'a Value, path: &str, causes: &mut Vec<Cause>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (path, volume) in entries(spec, path, "volumes") {
        unique_name(volume, &path, &mut seen, names::dns_label, causes);
        let fields = volume.as_object().into_iter().flatten();
        let sources = fields.filter(|(name, value)| *name != "name" && !value.is_null());
        match sources.count() {
            0 => causes.push(Cause::required(path, "must specify a volume type")),
            1 => {}
            _ => causes.push(Cause::forbidden(
                path,
                "may not specify more than 1 volume type",
            )),
        }
    }
    seen
}

fn container(container: &Value, path: &str, volumes: &BTreeSet<&str>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if text(container, "/image").is_empty() {
        causes.push(Cause::required(join(path, "image"), ""));
    }
    causes.extend(ports(container, path));
    for (path, variable) in entries(container, path, "env") {
        causes.extend(self::variable(variable, &path));
    }
    causes.extend(mounts(container, path, volumes));
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &container[name];
        if !probe.is_object() {
            continue;
        }
        let path = join(path, name);
        causes.extend(handler(probe, &path));
        let once = name != "readinessProbe" && !probe["successThreshold"].is_null();
        if once && probe["successThreshold"] != 1 {
            let field = join(&path, "successThreshold");
            causes.push(Cause::invalid(
                field,
                &probe["successThreshold"],
                "must be 1",
            ));
        }
    }
    for name in ["postStart", "preStop"] {
        let hook = &container["lifecycle"][name];
        if hook.is_object() {
            causes.extend(handler(hook, &join(path, &format!("lifecycle.{name}"))));
        }
    }
    causes
}

fn ports(container: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, port) in entries(container, path, "ports") {
        let name = text(port, "/name");
        if name.is_empty() {
            continue;
        }
        let field = join(&path, "name");
        if let Some(why) = names::port_name(name) {
            causes.push(Cause::invalid(field, &name.into(), why));
        } else if !seen.insert(name) {
            causes.push(Cause::duplicate(field, &name.into()));
        }
    }
    causes
}

/// What is wrong with an environment variable, of a container or of a build.
pub(super) fn variable(variable: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(variable, "/name");
    if name.is_empty() {
        causes.push(Cause::required(join(path, "name"), ""));
    } else if let Some(why) = names::variable(name) {
        causes.push(Cause::invalid(join(path, "name"), &name.into(), why));
    }
    let from = &variable["valueFrom"];
    if !from.is_object() {
        return causes;
    }
    let path = join(path, "valueFrom");
    let nothing = Value::from("");
    let sources = SOURCES.iter().filter(|source| !from[**source].is_null());
    match sources.count() {
        0 => causes.push(Cause::invalid(
            &path,
            &nothing,
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        )),
        1 => {}
        _ => causes.push(Cause::invalid(
            &path,
            &nothing,
            "may not have more than one field specified at a time",
        )),
    }
    if !text(variable, "/value").is_empty() {
        let why = "may not be specified when `value` is not empty";
        causes.push(Cause::invalid(&path, &nothing, why));
    }
    let field = text(from, "/fieldRef/fieldPath");
    let is_known = FIELDS.contains(&field)
        || ["metadata.labels['", "metadata.annotations['"]
            .iter()
            .any(|map| field.starts_with(map) && field.ends_with("']"));
    if !field.is_empty() && !is_known {
        let why = format!("error converting fieldPath: field label not supported: {field}");
        causes.push(Cause::invalid(
            join(&path, "fieldRef.fieldPath"),
            &field.into(),
            why,
        ));
    }
    causes
}

fn mounts(container: &Value, path: &str, volumes: &BTreeSet<&str>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, mount) in entries(container, path, "volumeMounts") {
        let name = text(mount, "/name");
        if !name.is_empty() && !volumes.contains(name) {
            causes.push(Cause::unknown(join(&path, "name"), &name.into()));
        }
        let place = text(mount, "/mountPath");
        if place.is_empty() {
            causes.push(Cause::required(join(&path, "mountPath"), ""));
        } else if !seen.insert(place) {
            let field = join(&path, "mountPath");
            causes.push(Cause::invalid(field, &place.into(), "must be unique"));
        }
    }
    causes
}

/// What is wrong with what a probe or a hook does: exactly one of several things.
fn handler(handler: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let written = kinds.iter().filter(|kind| !handler[**kind].is_null());
    for (n, kind) in written.clone().enumerate() {
        if n > 0 {
            let why = "may not specify more than 1 handler type";
            causes.push(Cause::forbidden(join(path, kind), why));
        }
    }
    if written.count() == 0 {
        causes.push(Cause::required(path, "must specify a handler type"));
    }
    let commands = handler["exec"]["command"].as_array();
    if handler["exec"].is_object() && commands.is_none_or(Vec::is_empty) {
        causes.push(Cause::required(join(path, "exec.command"), ""));
    }
    for kind in ["httpGet", "tcpSocket"] {
        if handler[kind].is_object() {
            let field = join(path, &format!("{kind}.port"));
            causes.extend(port_reference(&field, &handler[kind]["port"]));
        }
    }
    causes
}

/// What is wrong with a port's number or name.
pub(super) fn port_reference(field: &str, port: &Value) -> Option<Cause> {
    match port {
        Value::Number(number) => {
            let fits = number
                .as_u64()
                .is_some_and(|port| (1..=65_535).contains(&port));
            (!fits).then(|| Cause::invalid(field, port, "must be between 1 and 65535, inclusive"))
        }
        Value::String(name) => names::port_name(name).map(|why| Cause::invalid(field, port, why)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::admit;
    use super::super::fields;
    use super::*;

    fn pod_of(spec: &Value) -> Value {
        json!({"metadata": {"name": "a", "namespace": "d"}, "spec": spec})
    }

    #[track_caller]
    fn check(spec: &Value, expect: &[&str]) {
        let found = fields(&admit(&kinds::POD, &pod_of(spec), None));
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.starts_with(expect), "{found}");
        }
    }

    /// A pod of one container that is right but for what is added to it.
    fn container(more: &Value) -> Value {
        let mut container = json!({"name": "c", "image": "x"});
        let more = more.as_object().unwrap().clone();
        container.as_object_mut().unwrap().extend(more);
        json!({"containers": [container]})
    }

    #[test]
    fn containers_have_names_and_images() {
        check(&container(&json!({})), &[]);
        check(&json!({}), &["spec.containers: Required value"]);
        check(
            &json!({"containers": []}),
            &["spec.containers: Required value"],
        );
        check(
            &json!({"containers": [{"name": "A", "image": "x"}, {"name": "b"}, {"name": "b", "image": " x"}]}),
            &[
                "spec.containers[0].name: Invalid value: \"A\": a lowercase RFC 1123 label",
                "spec.containers[1].image: Required value",
                "spec.containers[2].name: Duplicate value: \"b\"",
                "spec.containers[2].image: Invalid value: \" x\": must not have",
            ],
        );
    }

    #[test]
    fn environments_and_ports() {
        check(
            &container(&json!({
                "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 81, "name": "http"}, {"containerPort": 0, "name": "80"}],
                "env": [
                    {"name": "1A"}, {"name": ""}, {"name": "B", "valueFrom": {}},
                    {"name": "C", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nosuch"}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
                ],
            })),
            &[
                "spec.containers[0].ports[2].containerPort: Invalid value: 0",
                "spec.containers[0].ports[1].name: Duplicate value: \"http\"",
                "spec.containers[0].ports[2].name: Invalid value: \"80\": must contain at least one letter",
                "spec.containers[0].env[0].name: Invalid value: \"1A\": a valid environment variable name",
                "spec.containers[0].env[1].name: Required value",
                "spec.containers[0].env[2].valueFrom: Invalid value: \"\": must specify one of",
                "spec.containers[0].env[3].valueFrom: Invalid value: \"\": may not be specified when `value`",
                "spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.nosuch\": error converting fieldPath",
            ],
        );
    }

    #[test]
    fn probes_do_one_thing() {
        check(
            &container(&json!({
                "livenessProbe": {"successThreshold": 2, "tcpSocket": {"port": "UP"}},
                "readinessProbe": {"successThreshold": 2, "exec": {"command": []}, "httpGet": {"port": 70000}},
                "startupProbe": {},
                "lifecycle": {"preStop": {}},
            })),
            &[
                "spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: \"UP\"",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                "spec.containers[0].readinessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
                "spec.containers[0].readinessProbe.exec.command: Required value",
                "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 70000: must be between",
                "spec.containers[0].startupProbe: Required value: must specify a handler type",
                "spec.containers[0].lifecycle.preStop: Required value: must specify a handler type",
            ],
        );
    }

    #[test]
    fn volumes_are_there_for_their_mounts() {
        let mut spec = container(&json!({"volumeMounts": [
            {"name": "v", "mountPath": "/a"}, {"name": "w", "mountPath": "/a"}]}));
        spec["volumes"] = json!([{"name": "v", "emptyDir": {}, "secret": {}}, {"name": "v", "emptyDir": {}}, {"name": "x"}]);
        check(
            &spec,
            &[
                "spec.volumes[0]: Forbidden: may not specify more than 1 volume type",
                "spec.volumes[1].name: Duplicate value: \"v\"",
                "spec.volumes[2]: Required value: must specify a volume type",
                "spec.containers[0].volumeMounts[1].name: Not found: \"w\"",
                "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique",
            ],
        );
    }

    #[test]
    fn little_changes_in_a_pod_that_exists() {
        let old = container(&json!({}));
        let change = |pointer: &str, value: Value| {
            let mut filled = pod_of(&old);
            defaults::fill(&kinds::POD, &mut filled);
            let mut new = filled["spec"].take();
            match pointer.rsplit_once('/') {
                Some((above, field)) => new.pointer_mut(above).unwrap()[field] = value,
                None => new[pointer] = value,
            }
            fields(&admit(&kinds::POD, &pod_of(&new), Some(&pod_of(&old))))
        };
        assert_eq!(change("/containers/0/image", "y".into()), [""; 0]);
        assert_eq!(change("nodeName", "n".into()), [""; 0]);
        assert_eq!(change("activeDeadlineSeconds", 3.into()), [""; 0]);
        assert_eq!(change("tolerations", json!([{"key": "a"}])), [""; 0]);
        let refused = change("/containers/0/command", json!(["x"]));
        assert!(refused[0].starts_with("spec: Forbidden: pod updates may not change"));
        let placed = json!({"nodeName": "a", "containers": [{"name": "c", "image": "x"}]});
        let mut moved = pod_of(&placed);
        defaults::fill(&kinds::POD, &mut moved);
        moved["spec"]["nodeName"] = "b".into();
        let refused = admit(&kinds::POD, &moved, Some(&pod_of(&placed)));
        assert_eq!(refused.len(), 1);
    }
}
