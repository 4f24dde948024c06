//! Admission: everything an object must satisfy before it is stored, each wrong field named, all at once.
//!
//! The schema says what a field may be; the rules here are about names, about fields that depend on each other and
//! about what may change. Whether a named object exists is not asked: objects may come in any order.

mod application;
mod builtin;
mod change;
mod metadata;
pub mod names;
mod openshift;
mod pods;
mod replicas;
mod work;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::schema;
use crate::api::status::Cause;

/// What is wrong with an object that is to be created (`old` is none) or to replace `old`.
///
/// Includes `schema::check`. The server has already set what it owns (uid, creationTimestamp, namespace from the path).
pub fn admit(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = metadata::check(kind, new, old);
    causes.extend(schema::check(kind, new));
    let rules = match kind.kind {
        "Application" => application::check(new, old),
        "Revision" => work::revision(new, old),
        "Rollout" => work::rollout(new, old),
        "Gear" => work::gear(new, old),
        "Operation" => work::operation(new, old),
        "Service" => builtin::service(new),
        "Secret" => builtin::secret(new, old),
        "ConfigMap" => builtin::config_map(new, old),
        "EndpointSlice" => builtin::endpoint_slice(new, old),
        "Pod" => pods::pod(new, old),
        "ReplicationController" => replicas::replication_controller(new, old),
        "ReplicaSet" => replicas::replica_set(new, old),
        "Deployment" => replicas::deployment(new, old),
        "DeploymentConfig" => replicas::deployment_config(new, old),
        "BuildConfig" => openshift::build_config(new, old),
        "Build" => openshift::build(new, old),
        "ImageStream" => openshift::image_stream(new, old),
        "Route" => openshift::route(new, old),
        _ => Vec::new(),
    };
    for rule in rules {
        if !causes.contains(&rule) {
            causes.push(rule);
        }
    }
    causes
}

/// The text at a JSON pointer; "" when there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// The entries of a list in a field, with their paths.
fn entries<'a>(
    object: &'a Value,
    path: &str,
    field: &str,
) -> impl Iterator<Item = (String, &'a Value)> {
    let list = object[field].as_array().into_iter().flatten();
    let path = join(path, field);
    list.enumerate()
        .map(move |(n, entry)| (format!("{path}[{n}]"), entry))
}

/// `spec.template`.
fn join(path: &str, field: &str) -> String {
    format!("{path}.{field}")
}

/// Whether the specs are the same: what was stored once may be stored again, whatever rules came since.
fn is_same_spec(new: &Value, old: Option<&Value>) -> bool {
    old.is_some_and(|old| old["spec"] == new["spec"])
}

/// The value at a JSON pointer, unless it is missing or null.
fn present<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    object.pointer(pointer).filter(|value| !value.is_null())
}

#[cfg(test)]
fn fields(causes: &[Cause]) -> Vec<String> {
    causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect()
}
