//! The metadata that the server owns: what a create, an update and a deletion do to an object. Pure.
//!
//! Knows names, versions, generations and finalizers; knows nothing of what else is in an object.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::api::core::NAMESPACE_FINALIZER;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::status::Cause;
use crate::api::status::Status;
use crate::base::clock::Timestamp;

/// What a pod's processes get to end when the pod does not say, as in Kubernetes.
const DEFAULT_GRACE: u64 = 30;

/// What a new object gets from the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) now: Timestamp,
    pub(crate) uid: &'a str,
    /// Ends a name that was asked for by `generateName`.
    pub(crate) suffix: &'a str,
}

/// `metadata.name`, or "".
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or("")
}

/// `metadata.resourceVersion`, or "".
pub(crate) fn resource_version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or("")
}

/// `metadata.uid`, or "".
pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or("")
}

/// Whether deletion was asked for.
pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether a pod ended for good.
pub(crate) fn is_over(object: &Value) -> bool {
    let phase = object["status"]["phase"].as_str();
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The seconds that the processes of a pod still have to end; 0 for everything else.
pub(crate) fn grace_left(object: &Value) -> u64 {
    let seconds = &object["metadata"]["deletionGracePeriodSeconds"];
    seconds.as_u64().unwrap_or(0)
}

/// The seconds that the processes of a pod get when it is deleted now; only a pod that runs on a node gets any.
pub(crate) fn grace(kind: &Kind, object: &Value, asked: Option<u64>) -> u64 {
    let is_on_node = object["spec"]["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty());
    if kind != &kinds::POD || !is_on_node || is_over(object) {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_u64();
    // A second deletion that names no time does not give the pod more of it.
    let left = is_deleting(object).then(|| grace_left(object));
    asked.or(left).or(own).unwrap_or(DEFAULT_GRACE)
}

/// The finalizers that still stand.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// Makes sure that a body is an object of that kind, and says so itself.
pub(crate) fn claim_kind(kind: &Kind, object: &mut Value) -> Result<(), Status> {
    let version = kind.api_version();
    let Some(map) = object.as_object_mut() else {
        return Err(Status::bad_request(
            "the body of the request is not an object",
        ));
    };
    match map.get("apiVersion").and_then(Value::as_str) {
        None | Some("") => {}
        Some(given) if given == version => {}
        Some(given) => {
            return Err(Status::bad_request(format!(
                "the API version in the data ({given}) does not match the expected API version ({version})"
            )));
        }
    }
    match map.get("kind").and_then(Value::as_str) {
        None | Some("") => {}
        Some(given) if given == kind.kind => {}
        Some(given) => {
            return Err(Status::bad_request(format!(
                "the kind in the data ({given}) does not match the expected kind ({})",
                kind.kind
            )));
        }
    }
    map.insert("apiVersion".to_owned(), version.into());
    map.insert("kind".to_owned(), kind.kind.into());
    metadata_of(map)?;
    Ok(())
}

fn metadata_of(object: &mut Map<String, Value>) -> Result<&mut Map<String, Value>, Status> {
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    metadata
        .as_object_mut()
        .ok_or_else(|| Status::bad_request("metadata: must be an object"))
}

fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    object["metadata"]
        .as_object_mut()
        .expect("claim_kind made sure that metadata is an object")
}

/// Gives a new object what the server owns. The kind was claimed before.
pub(crate) fn create(
    kind: &Kind,
    namespace: &str,
    mut object: Value,
    birth: Birth<'_>,
) -> Result<Value, Status> {
    if !resource_version(&object).is_empty() {
        return Err(Status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    settle_namespace(kind, namespace, &mut object)?;
    let generated = object["metadata"]["generateName"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let metadata = metadata(&mut object);
    for ours in [
        "resourceVersion",
        "uid",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
        "generation",
    ] {
        metadata.remove(ours);
    }
    if metadata
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or("")
        .is_empty()
        && !generated.is_empty()
    {
        metadata.insert(
            "name".to_owned(),
            format!("{generated}{}", birth.suffix).into(),
        );
    }
    metadata.insert("uid".to_owned(), birth.uid.into());
    metadata.insert("creationTimestamp".to_owned(), birth.now.to_string().into());
    if has_generation(kind) {
        metadata.insert("generation".to_owned(), 1.into());
    }
    // A node says what it is when it registers, as a kubelet does; every other status is written on its own.
    if kind.has_status && kind != &kinds::NODE {
        remove_status(&mut object);
    }
    if kind == &kinds::NAMESPACE {
        found_namespace(&mut object);
    }
    Ok(object)
}

/// The namespace of the path and that of the body are one.
fn settle_namespace(kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), Status> {
    let given = object["metadata"]["namespace"].as_str().unwrap_or("");
    if !given.is_empty() && given != namespace {
        return Err(Status::bad_request(if kind.scope == Scope::Cluster {
            "namespace may not be set on a cluster-scoped object"
        } else {
            "the namespace of the provided object does not match the namespace sent on the request"
        }));
    }
    let metadata = metadata(object);
    if kind.scope == Scope::Cluster {
        metadata.remove("namespace");
    } else {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    Ok(())
}

fn has_generation(kind: &Kind) -> bool {
    ["upshift.dev", "apps", "apps.openshift.io"].contains(&kind.group)
        || kind == &kinds::REPLICATION_CONTROLLER
        || kind == &kinds::IMAGE_STREAM
}

fn remove_status(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
}

fn found_namespace(object: &mut Value) {
    let name = name(object).to_owned();
    let mut finalizers: Vec<Value> = finalizers(object).into_iter().map(Value::from).collect();
    if !finalizers.contains(&NAMESPACE_FINALIZER.into()) {
        finalizers.push(NAMESPACE_FINALIZER.into());
    }
    object["status"] = json!({"phase": "Active"});
    object["metadata"]["finalizers"] = finalizers.into();
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
}

/// What stands after a write of the whole object over `old`: status and what the server owns stay as they were.
pub(crate) fn update(kind: &Kind, old: &Value, mut new: Value) -> Result<Value, Status> {
    check_identity(kind, old, &new)?;
    settle_namespace(
        kind,
        old["metadata"]["namespace"].as_str().unwrap_or(""),
        &mut new,
    )?;
    let old_metadata = old["metadata"].as_object();
    let metadata = metadata(&mut new);
    for ours in [
        "name",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
    ] {
        match old_metadata.and_then(|old| old.get(ours)) {
            Some(value) => metadata.insert(ours.to_owned(), value.clone()),
            None => metadata.remove(ours),
        };
    }
    metadata.remove("managedFields");
    metadata.remove("selfLink");
    if kind.has_status {
        copy_status(old, &mut new);
    }
    if is_deleting(old) {
        refuse_new_finalizers(kind, old, &new)?;
    }
    count_generation(kind, old, &mut new);
    Ok(new)
}

/// Counts the generation up when anything beside metadata and status differs.
pub(crate) fn count_generation(kind: &Kind, old: &Value, new: &mut Value) {
    if has_generation(kind) && body_of(old) != body_of(new) {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        new["metadata"]["generation"] = generation.into();
    }
}

/// What stands after a write of the status over `old`: everything else stays.
pub(crate) fn update_status(kind: &Kind, old: &Value, new: Value) -> Result<Value, Status> {
    check_identity(kind, old, &new)?;
    let (Value::Object(mut new), Value::Object(old)) = (new, old) else {
        return Ok(old.clone());
    };
    // Most of it is as it was, and comparing costs less than a copy.
    new.retain(|key, _| key == "status" || old.contains_key(key));
    for (key, value) in old {
        if key != "status" && new.get(key) != Some(value) {
            new.insert(key.clone(), value.clone());
        }
    }
    Ok(Value::Object(new))
}

fn copy_status(from: &Value, to: &mut Value) {
    match from.get("status") {
        Some(status) => to["status"] = status.clone(),
        None => remove_status(to),
    }
}

/// Everything that is not metadata or status: what a generation counts.
fn body_of(object: &Value) -> Vec<(&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !["metadata", "status"].contains(&key.as_str()))
        .collect()
}

fn check_identity(kind: &Kind, old: &Value, new: &Value) -> Result<(), Status> {
    let (was, is) = (name(old), name(new));
    if is != was {
        return Err(Status::bad_request(format!(
            "the name of the object ({is}) does not match the name on the URL ({was})"
        )));
    }
    let (was, is) = (uid(old), uid(new));
    if !is.is_empty() && is != was {
        let why =
            format!("Precondition failed: UID in precondition: {is}, UID in object meta: {was}");
        return Err(Status::conflict(kind, name(old), why));
    }
    Ok(())
}

fn refuse_new_finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), Status> {
    let before = finalizers(old);
    let added: Vec<&str> = finalizers(new)
        .into_iter()
        .filter(|one| !before.contains(one))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
    );
    let cause = Cause::forbidden("metadata.finalizers", why);
    Err(Status::invalid(kind, name(old), vec![cause]))
}

/// What stands after a deletion was asked for while finalizers still stand, or processes have so many seconds to end.
///
/// As in Kubernetes the timestamp is when the grace is over.
pub(crate) fn mark_deleted(kind: &Kind, old: &Value, now: Timestamp, grace: u64) -> Value {
    let mut object = old.clone();
    let seconds = i64::from(u32::try_from(grace).unwrap_or(u32::MAX));
    let end = Timestamp::from_second(now.as_second() + seconds);
    object["metadata"]["deletionTimestamp"] = end.to_string().into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    if has_generation(kind) {
        let generation = old["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = generation.into();
    }
    if kind == &kinds::NAMESPACE {
        object["status"]["phase"] = "Terminating".into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn birth() -> Birth<'static> {
        Birth {
            now: Timestamp::from_second(1_800_000_000),
            uid: "u",
            suffix: "x7k2p",
        }
    }

    fn born(kind: &Kind, object: Value) -> Value {
        let mut object = object;
        claim_kind(kind, &mut object).unwrap();
        create(kind, "demo", object, birth()).unwrap()
    }

    #[test]
    fn a_new_object_gets_what_the_server_owns() {
        let given = json!({
            "metadata": {"generateName": "a-", "uid": "mine", "generation": 7},
            "spec": {"port": 1},
            "status": {"rollout": "x"},
        });
        assert_eq!(
            born(&kinds::APPLICATION, given),
            json!({
                "apiVersion": "upshift.dev/v1",
                "kind": "Application",
                "metadata": {
                    "creationTimestamp": "2027-01-15T08:00:00Z",
                    "generateName": "a-",
                    "generation": 1,
                    "name": "a-x7k2p",
                    "namespace": "demo",
                    "uid": "u",
                },
                "spec": {"port": 1},
            })
        );
    }

    #[test]
    fn bodies_that_do_not_fit_the_path_are_refused() {
        let kind = &kinds::APPLICATION;
        for (mut object, expect) in [
            (json!([]), "is not an object"),
            (json!({"kind": "Gear"}), "the kind in the data (Gear)"),
            (
                json!({"apiVersion": "v1"}),
                "the API version in the data (v1)",
            ),
            (json!({"metadata": 3}), "metadata: must be an object"),
            (
                json!({"metadata": {"namespace": "other"}}),
                "the namespace of the provided object does not match",
            ),
            (
                json!({"metadata": {"resourceVersion": "3"}}),
                "resourceVersion should not be set",
            ),
        ] {
            let refusal = claim_kind(kind, &mut object)
                .and_then(|()| create(kind, "demo", object, birth()))
                .unwrap_err();
            assert!(refusal.message.contains(expect), "{}", refusal.message);
            assert_eq!(refusal.code, 400);
        }
    }

    #[test]
    fn spec_and_status_have_one_writer_each() {
        let mut old = born(
            &kinds::APPLICATION,
            json!({"metadata": {"name": "a"}, "spec": {"port": 1}}),
        );
        old["status"] = json!({"rollout": "r"});
        let mut new = old.clone();
        new["spec"]["port"] = 2.into();
        new["status"] = json!({"rollout": "other"});
        new["metadata"]["creationTimestamp"] = "1999-01-01T00:00:00Z".into();
        let updated = update(&kinds::APPLICATION, &old, new.clone()).unwrap();
        assert_eq!(updated["status"], old["status"]);
        assert_eq!(updated["metadata"]["generation"], 2);
        assert_eq!(
            updated["metadata"]["creationTimestamp"],
            old["metadata"]["creationTimestamp"]
        );
        let status = update_status(&kinds::APPLICATION, &old, new.clone()).unwrap();
        assert_eq!(status["spec"], old["spec"]);
        assert_eq!(status["status"], new["status"]);
        assert_eq!(status["metadata"], old["metadata"]);
        let mut labelled = old.clone();
        labelled["metadata"]["labels"] = json!({"a": "b"});
        let labelled = update(&kinds::APPLICATION, &old, labelled).unwrap();
        assert_eq!(labelled["metadata"]["generation"], 1, "only spec counts");
    }

    #[test]
    fn a_deletion_with_finalizers_only_marks() {
        let old = born(&kinds::NAMESPACE, json!({"metadata": {"name": "n"}}));
        assert_eq!(finalizers(&old), ["kubernetes"]);
        let marked = mark_deleted(&kinds::NAMESPACE, &old, birth().now, 0);
        assert!(is_deleting(&marked));
        assert_eq!(marked["status"]["phase"], "Terminating");
        let mut more = marked.clone();
        more["metadata"]["finalizers"] = json!(["kubernetes", "x"]);
        let refusal = update(&kinds::NAMESPACE, &marked, more).unwrap_err();
        assert_eq!(refusal.code, 422);
    }

    #[test]
    fn only_a_pod_that_runs_gets_time_to_end() {
        let pod = |spec: Value, phase: &str| json!({"spec": spec, "status": {"phase": phase}});
        let on_node = json!({"nodeName": "a", "terminationGracePeriodSeconds": 5});
        let running = pod(on_node.clone(), "Running");
        let check = |pod: &Value, asked| grace(&kinds::POD, pod, asked);
        assert_eq!(check(&running, None), 5);
        assert_eq!(check(&running, Some(0)), 0);
        assert_eq!(check(&running, Some(7)), 7);
        assert_eq!(check(&pod(json!({"nodeName": "a"}), "Pending"), None), 30);
        assert_eq!(check(&pod(json!({}), "Pending"), None), 0);
        assert_eq!(check(&pod(on_node, "Failed"), Some(9)), 0);
        assert_eq!(grace(&kinds::SERVICE, &running, None), 0);
        let marked = mark_deleted(&kinds::POD, &running, birth().now, 5);
        assert_eq!(
            marked["metadata"]["deletionTimestamp"],
            "2027-01-15T08:00:05Z"
        );
        assert_eq!(grace_left(&marked), 5);
        assert_eq!(check(&marked, None), 5, "once more changes nothing");
    }

    #[test]
    fn another_objects_name_or_uid_is_refused() {
        let old = born(&kinds::APPLICATION, json!({"metadata": {"name": "a"}}));
        let mut other = old.clone();
        other["metadata"]["uid"] = "v".into();
        assert_eq!(
            update(&kinds::APPLICATION, &old, other).unwrap_err().code,
            409
        );
        let mut other = old.clone();
        other["metadata"]["name"] = "b".into();
        assert_eq!(
            update(&kinds::APPLICATION, &old, other).unwrap_err().code,
            400
        );
    }
}
