//! As many pods as a `ReplicationController` or a `ReplicaSet` asks for: missing ones are made, the least useful ones go.
//!
//! One decision for both kinds. A pod that is asked to end does not count any more; its node ends it after rotation. A
//! pod that is over is replaced, more slowly each time, and removed. Pods of a node that is silent for long are given up
//! when another node could run them.
//!
//! # Decided
//!
//! A pod's name is made from its owner's uid and an ordinal that the pod carries: the same decision taken twice, before
//! and after a crash, makes the same pod once. Nothing adopts pods that others made.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::pod::Pod;
use crate::api::pod::PodPhase;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicasStatus;
use crate::api::pod::Replicated;
use crate::api::pod::ReplicationController;
use crate::base::clock::Timestamp;
use crate::content::blobs::Digest;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::Tabled;
use crate::controllers::world::World;
use crate::plan::surge::Crowd;

/// Annotation of a pod: the how manieth of its owner it is, counted from 0.
const ANNOTATION_ORDINAL: &str = "upshift.dev/ordinal";
/// Pods made in one look; the next look makes more.
const BURST: usize = 100;
/// How long after a pod failed another one is tried; doubled for every further one that failed.
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// How long a pod that is over stays for people to look at.
const KEEP_OVER: Duration = Duration::from_secs(600);
/// How long a node may be silent before its pods are made elsewhere.
const GIVE_UP: Duration = Duration::from_secs(300);

/// The letters that Kubernetes makes names of: no vowels, no digits that look like them.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Decides for one `ReplicationController`.
#[derive(Debug, Default)]
pub(crate) struct ReplicationControllers;

/// Decides for one `ReplicaSet`.
#[derive(Debug, Default)]
pub(crate) struct ReplicaSets;

static CONTROLLER_WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::REPLICATION_CONTROLLER,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::POD,
        keys: |_, touched| touched.its_controller(&kinds::REPLICATION_CONTROLLER),
    },
    Watch {
        kind: &kinds::NODE,
        keys: |world, touched| of_node(world, touched, &kinds::REPLICATION_CONTROLLER),
    },
];

static SET_WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::REPLICA_SET,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::POD,
        keys: |_, touched| touched.its_controller(&kinds::REPLICA_SET),
    },
    Watch {
        kind: &kinds::NODE,
        keys: |world, touched| of_node(world, touched, &kinds::REPLICA_SET),
    },
];

/// The owners of the pods on a node that came or went.
fn of_node(world: &World, touched: &Touched<'_>, kind: &kinds::Kind) -> Vec<Key> {
    let pods = world.pods.on_node(&touched.key.name);
    let mut keys: Vec<Key> = pods
        .flat_map(|pod| {
            let owners = pod.metadata.owner_references.iter();
            let owners = owners.filter(|one| one.controller == Some(true) && one.kind == kind.kind);
            owners.map(|one| Key::new(pod.metadata.namespace.clone(), one.name.clone()))
        })
        .collect();
    keys.dedup();
    keys
}

impl Controller for ReplicationControllers {
    const NAME: &'static str = "replication_controller";

    fn watches() -> &'static [Watch] {
        CONTROLLER_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        decide::<ReplicationController>(key, world, now)
    }
}

impl Controller for ReplicaSets {
    const NAME: &'static str = "replica_set";

    fn watches() -> &'static [Watch] {
        SET_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        decide::<ReplicaSet>(key, world, now)
    }
}

/// Whether requests may go to a pod: it says so, it is not to end, and its node is heard.
pub(crate) fn takes_requests(pod: &Pod, world: &World) -> bool {
    pod.is_ready()
        && !pod.is_over()
        && !pod.metadata.is_deleting()
        && (pod.spec.node_name.is_empty() || world.is_reachable(&pod.spec.node_name))
}

/// The pods of one owner.
pub(crate) struct Census<'w> {
    /// Those that count: neither over nor asked to end.
    pub(crate) live: Vec<&'w Arc<Pod>>,
    pub(crate) over: Vec<&'w Arc<Pod>>,
    /// Those that were asked to end and are still there.
    pub(crate) leaving: usize,
    pub(crate) ready: u32,
    /// Ready for as long as they must be.
    pub(crate) available: u32,
    /// When the next one becomes available if it stays ready.
    pub(crate) soon: Option<Duration>,
}

impl<'w> Census<'w> {
    /// Counts the pods of a replication controller or replica set.
    pub(crate) fn of<T: Replicated>(set: &T, world: &'w World, now: Timestamp) -> Census<'w> {
        let mut census = Census {
            live: Vec::new(),
            over: Vec::new(),
            leaving: 0,
            ready: 0,
            available: 0,
            soon: None,
        };
        let enough = Duration::from_secs(set.min_ready_seconds());
        for pod in world.pods.controlled_by(&set.metadata().uid) {
            if pod.metadata.is_deleting() {
                census.leaving += 1;
                continue;
            }
            if pod.is_over() {
                census.over.push(pod);
                continue;
            }
            census.live.push(pod);
            if takes_requests(pod, world) {
                census.ready += 1;
                let key = pod.metadata.key();
                let since = world.sightings.ready(&key, now).unwrap_or_default();
                match enough.checked_sub(since).filter(|left| !left.is_zero()) {
                    None => census.available += 1,
                    Some(left) => {
                        census.soon = Some(census.soon.map_or(left, |soon| soon.min(left)));
                    }
                }
            }
        }
        census
    }

    /// The same as a rollout counts.
    pub(crate) fn crowd(&self, wanted: u32) -> Crowd {
        Crowd {
            wanted,
            there: count(self.live.len()),
            available: self.available,
        }
    }

    /// Whether there is no pod any more and none is wanted.
    pub(crate) fn is_empty(&self, wanted: u32) -> bool {
        wanted == 0 && self.live.is_empty() && self.leaving == 0
    }
}

/// A number of pods as objects carry it.
pub(crate) fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

fn decide<T: Replicated + Tabled>(key: &Key, world: &World, now: Timestamp) -> Decision {
    let Some(set) = T::table(world).find(key) else {
        return Decision::nothing();
    };
    if set.metadata().is_deleting() || world.is_ending(&key.namespace) {
        return Decision::nothing();
    }
    let set: &T = set;
    let census = Census::of(set, world, now);
    let mut decision = Decision::nothing();
    if let Some(soon) = census.soon {
        decision.look_again(soon);
    }
    give_up(&census, world, now, &mut decision);
    clear(&census, world, now, &mut decision);
    let (there, wanted) = (count(census.live.len()), set.replicas());
    if there < wanted {
        let missing = (wanted - there) as usize;
        make(set, &census, missing, world, now, &mut decision);
    } else if there > wanted {
        end(
            set,
            &census,
            (there - wanted) as usize,
            world,
            now,
            &mut decision,
        );
    }
    report(set, &census, &mut decision);
    decision
}

fn make<T: Replicated>(
    set: &T,
    census: &Census<'_>,
    missing: usize,
    world: &World,
    now: Timestamp,
    decision: &mut Decision,
) {
    if let Some(wait) = pause_after_failures(census, world, now) {
        decision.look_again(wait);
        return;
    }
    let metadata = set.metadata();
    let pods = world.pods.controlled_by(&metadata.uid);
    let next = pods
        .filter_map(|pod| ordinal(pod))
        .max()
        .map_or(0, |last| last + 1);
    let free = (next..)
        .map(|ordinal| (ordinal, pod_name(&metadata.name, &metadata.uid, ordinal)))
        .filter(|(_, name)| {
            let key = Key::new(metadata.namespace.clone(), name.clone());
            world.pods.find(&key).is_none()
        });
    for (ordinal, name) in free.take(missing.min(BURST)) {
        decision.changes.push(Change::Create {
            kind: &kinds::POD,
            object: pod(set, &name, ordinal),
        });
        let message = format!("Created pod: {name}");
        decision
            .notes
            .push(Note::normal(set, "SuccessfulCreate", message));
    }
    decision.blame = Some(Note::warning(set, "FailedCreate", "Error creating: "));
}

fn ordinal(pod: &Pod) -> Option<u64> {
    let text = pod.metadata.annotations.get(ANNOTATION_ORDINAL)?;
    text.parse().ok()
}

/// How long to wait because pods failed as a whole; a crash inside a pod is its node's business.
fn pause_after_failures(census: &Census<'_>, world: &World, now: Timestamp) -> Option<Duration> {
    let failed = census
        .over
        .iter()
        .filter(|pod| pod.status.phase == PodPhase::Failed);
    let ages: Vec<Duration> = failed
        .filter_map(|pod| world.sightings.over(&pod.metadata.key(), now))
        .collect();
    let youngest = ages.iter().min()?;
    let doublings = count(ages.len()).saturating_sub(1).min(16);
    let pause = (FIRST_RETRY * (1 << doublings)).min(LONGEST_RETRY);
    pause.checked_sub(*youngest).filter(|left| !left.is_zero())
}

/// The owner's name and five letters: the same for the same owner and ordinal, as if by chance otherwise.
fn pod_name(owner: &str, uid: &str, ordinal: u64) -> String {
    let kept: String = owner.chars().take(57).collect();
    format!("{kept}-{}", letters(&format!("{uid}/{ordinal}"), 5))
}

/// So many letters of Kubernetes' alphabet that stand for a text.
pub(crate) fn letters(text: &str, count: usize) -> String {
    let digest = Digest::of(text.as_bytes());
    let pairs = digest.hex().as_bytes().chunks(4);
    let numbers = pairs.map(|four| {
        let digits = std::str::from_utf8(four).unwrap_or_default();
        usize::from_str_radix(digits, 16).unwrap_or(0)
    });
    numbers
        .take(count)
        .map(|number| char::from(ALPHABET[number % ALPHABET.len()]))
        .collect()
}

fn pod<T: Replicated>(set: &T, name: &str, ordinal: u64) -> Value {
    let template = set.template();
    let mut metadata = json!({
        "name": name,
        "namespace": set.metadata().namespace,
        "generateName": format!("{}-", set.metadata().name),
        "ownerReferences": [set.as_owner()],
        "annotations": {ANNOTATION_ORDINAL: ordinal.to_string()},
    });
    for field in ["labels", "annotations"] {
        if let Some(pairs) = template["metadata"][field].as_object() {
            for (key, value) in pairs {
                metadata[field][key] = value.clone();
            }
        }
    }
    json!({
        "apiVersion": kinds::POD.api_version(),
        "kind": kinds::POD.kind,
        "metadata": metadata,
        "spec": template["spec"],
    })
}

fn end<T: Replicated>(
    set: &T,
    census: &Census<'_>,
    surplus: usize,
    world: &World,
    now: Timestamp,
    decision: &mut Decision,
) {
    let mut pods = census.live.clone();
    pods.sort_by_cached_key(|pod| usefulness(pod, world, now));
    for pod in pods.into_iter().take(surplus) {
        decision.changes.push(Change::delete(&**pod));
        let message = format!("Deleted pod: {}", pod.metadata.name);
        decision
            .notes
            .push(Note::normal(set, "SuccessfulDelete", message));
    }
}

/// Less useful pods sort first: without a node, not running, not ready, ready for a shorter time, restarted more often,
/// younger.
fn usefulness(pod: &Pod, world: &World, now: Timestamp) -> impl Ord + use<> {
    let restarts: u32 = pod
        .status
        .container_statuses
        .iter()
        .map(|one| one.restart_count)
        .sum();
    (
        !pod.spec.node_name.is_empty(),
        pod.status.phase == PodPhase::Running,
        takes_requests(pod, world),
        world.sightings.ready(&pod.metadata.key(), now),
        std::cmp::Reverse(restarts),
        std::cmp::Reverse(ordinal(pod)),
    )
}

/// Pods of a node that is silent for long are made elsewhere, if there is an elsewhere.
fn give_up(census: &Census<'_>, world: &World, now: Timestamp, decision: &mut Decision) {
    for pod in &census.live {
        let node = &pod.spec.node_name;
        let Some(silence) = world.silence(node, now) else {
            continue;
        };
        if silence < GIVE_UP {
            decision.look_again(GIVE_UP.saturating_sub(silence));
        } else if world.nodes.all().any(|node| node.is_ready()) {
            decision.changes.push(Change::delete(&***pod));
            let message = format!("its node {node} has been silent for long");
            decision
                .notes
                .push(Note::warning(&***pod, "NodeNotReady", message));
        }
    }
}

/// Pods that are over stay for a while, to be looked at.
fn clear(census: &Census<'_>, world: &World, now: Timestamp, decision: &mut Decision) {
    for pod in &census.over {
        let since = world.sightings.over(&pod.metadata.key(), now);
        let left = KEEP_OVER.saturating_sub(since.unwrap_or_default());
        if left.is_zero() {
            decision.changes.push(Change::delete(&***pod));
        } else {
            decision.look_again(left);
        }
    }
}

fn report<T: Replicated>(set: &T, census: &Census<'_>, decision: &mut Decision) {
    let there = count(census.live.len());
    let status = ReplicasStatus {
        replicas: there,
        fully_labeled_replicas: there,
        ready_replicas: census.ready,
        available_replicas: census.available,
        observed_generation: set.metadata().generation,
    };
    if *set.counts() != status {
        let change = Change::report(set, &json!(status));
        decision.changes.push(change);
    }
}

/// Why pods do not come up: the first cause that one of them names, as reason and text.
pub(crate) fn trouble(pods: &[&Arc<Pod>]) -> Option<(String, String)> {
    pods.iter().find_map(|pod| {
        let (reason, message) = waits(pod).or_else(|| is_unscheduled(pod))?;
        let text = match message.as_str() {
            "" => format!("pod {}: {reason}", pod.metadata.name),
            message => format!("pod {}: {reason}: {message}", pod.metadata.name),
        };
        Some((reason, text))
    })
}

/// What a container of a pod waits for, if not for its start; of one that crashes, how it ended last.
fn waits(pod: &Pod) -> Option<(String, String)> {
    pod.status.container_statuses.iter().find_map(|one| {
        let waiting = one.state.waiting.as_ref()?;
        if matches!(
            &*waiting.reason,
            "" | "ContainerCreating" | "PodInitializing"
        ) {
            return None;
        }
        let message = one.last_state.terminated.as_ref().map(|last| {
            let lines = last.message.lines();
            let said = lines
                .last()
                .map_or_else(String::new, |line| format!(": {line}"));
            format!("exit code {}{said}", last.exit_code)
        });
        let message = message.unwrap_or_else(|| waiting.message.clone());
        Some((waiting.reason.clone(), message))
    })
}

fn is_unscheduled(pod: &Pod) -> Option<(String, String)> {
    let mut conditions = pod.status.conditions.iter();
    let scheduled = conditions.find(|one| one.kind == "PodScheduled" && one.status == "False")?;
    let waits = pod.spec.node_name.is_empty();
    waits.then(|| (scheduled.reason.clone(), scheduled.message.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::change::Part;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second)
    }

    fn put<T: Tabled>(world: &mut World, object: Value, second: i64) {
        let object: T = serde_json::from_value(object).unwrap();
        let key = object.metadata().key();
        world.put(&key, Some(Arc::new(object)), at(second));
    }

    fn world(replicas: u32) -> World {
        let mut world = World::default();
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let node = json!({"metadata": {"name": "n"}, "status": {"conditions": ready}});
        put::<crate::api::core::Node>(&mut world, node, 0);
        let set = json!({
            "metadata": {"name": "shop-1", "namespace": "demo", "uid": "u"},
            "spec": {"replicas": replicas, "minReadySeconds": 5, "template": {
                "metadata": {"labels": {"app": "shop"}, "annotations": {"a": "b"}},
                "spec": {"containers": [{"name": "shop", "image": "i"}]},
            }},
        });
        put::<ReplicationController>(&mut world, set, 0);
        world
    }

    fn add(world: &mut World, name: &str, ordinal: u32, second: i64, change: &Value) {
        let owner = json!({"apiVersion": "v1", "kind": "ReplicationController", "name": "shop-1", "uid": "u", "controller": true});
        let mut pod = json!({
            "metadata": {
                "name": name, "namespace": "demo", "uid": name,
                "annotations": {ANNOTATION_ORDINAL: ordinal.to_string()},
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": "n"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        json_patch::merge(&mut pod, change);
        put::<Pod>(world, pod, second);
    }

    fn look(world: &World, second: i64) -> Decision {
        ReplicationControllers.decide(&Key::new("demo", "shop-1"), world, at(second))
    }

    fn made(decision: &Decision) -> Vec<String> {
        let changes = decision.changes.iter();
        changes
            .filter_map(|change| match change {
                Change::Create { object, .. } => object["metadata"]["name"].as_str(),
                _ => None,
            })
            .map(str::to_owned)
            .collect()
    }

    fn ended(decision: &Decision) -> Vec<&str> {
        let changes = decision.changes.iter();
        changes
            .filter_map(|change| match change {
                Change::Delete { target, .. } => Some(target.key.name.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn missing_pods_are_made_and_the_same_ones_again_after_a_crash() {
        let mut world = world(3);
        let decision = look(&world, 0);
        let names = made(&decision);
        assert_eq!(names.len(), 3);
        assert!(
            names.iter().all(|name| name.len() == "shop-1-".len() + 5),
            "{names:?}"
        );
        assert_eq!(
            decision.notes[0].message,
            format!("Created pod: {}", names[0])
        );
        let Change::Create { object, .. } = &decision.changes[0] else {
            panic!("{decision:?}");
        };
        assert_eq!(object["metadata"]["labels"]["app"], "shop");
        assert_eq!(object["metadata"]["annotations"]["a"], "b");
        assert_eq!(object["spec"]["containers"][0]["image"], "i");
        add(&mut world, &names[0], 0, 1, &json!({}));
        assert_eq!(made(&look(&world, 1)), names[1..]);
    }

    #[test]
    fn a_name_is_not_used_again_while_newer_ones_are_there() {
        let mut world = world(2);
        let names = made(&look(&world, 0));
        add(&mut world, &names[1], 1, 0, &json!({}));
        let next = made(&look(&world, 1));
        assert_eq!(next.len(), 1);
        assert!(!names.contains(&next[0]));
    }

    #[test]
    fn the_least_useful_go_first() {
        let mut world = world(1);
        add(&mut world, "old", 0, 0, &json!({}));
        add(&mut world, "young", 1, 9, &json!({}));
        add(
            &mut world,
            "starting",
            2,
            0,
            &json!({"status": {"conditions": null}}),
        );
        add(
            &mut world,
            "waiting",
            3,
            0,
            &json!({"spec": {"nodeName": null}, "status": {"phase": "Pending"}}),
        );
        assert_eq!(ended(&look(&world, 20)), ["waiting", "starting", "young"]);
    }

    #[test]
    fn a_pod_that_ends_does_not_count() {
        let mut world = world(1);
        let ending = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        add(&mut world, "a", 0, 0, &ending);
        assert_eq!(made(&look(&world, 0)).len(), 1);
        add(&mut world, "b", 1, 0, &json!({}));
        let decision = look(&world, 9);
        assert_eq!((made(&decision).len(), ended(&decision).len()), (0, 0));
    }

    #[test]
    fn available_is_what_was_ready_long_enough_on_our_clock() {
        let mut world = world(1);
        add(&mut world, "a", 0, 10, &json!({}));
        let status = |decision: &Decision| match decision.changes.last() {
            Some(Change::Patch {
                part: Part::Status,
                merge,
                ..
            }) => merge["status"].clone(),
            other => panic!("{other:?}"),
        };
        let early = look(&world, 12);
        assert_eq!(status(&early)["readyReplicas"], 1);
        assert_eq!(status(&early)["availableReplicas"], 0);
        assert_eq!(early.again, Some(Duration::from_secs(3)));
        assert_eq!(status(&look(&world, 15))["availableReplicas"], 1);
    }

    #[test]
    fn a_failed_pod_is_replaced_after_a_pause() {
        let mut world = world(1);
        add(
            &mut world,
            "a",
            0,
            0,
            &json!({"status": {"phase": "Failed"}}),
        );
        let early = look(&world, 1);
        assert_eq!(made(&early).len(), 0);
        assert_eq!(early.again, Some(Duration::from_secs(9)));
        assert_eq!(made(&look(&world, 11)).len(), 1);
        assert_eq!(ended(&look(&world, 700)), ["a"]);
    }

    #[test]
    fn pods_of_a_silent_node_are_given_up_when_there_is_another() {
        let mut world = world(1);
        add(&mut world, "a", 0, 0, &json!({}));
        let silent = json!({"metadata": {"name": "n"}, "status": {"conditions": []}});
        put::<crate::api::core::Node>(&mut world, silent, 0);
        assert_eq!(ended(&look(&world, 400)).len(), 0);
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let other = json!({"metadata": {"name": "m"}, "status": {"conditions": ready}});
        put::<crate::api::core::Node>(&mut world, other, 0);
        assert_eq!(ended(&look(&world, 10)).len(), 0);
        assert_eq!(ended(&look(&world, 400)), ["a"]);
    }

    #[test]
    fn names_are_made_of_kubernetes_letters() {
        let name = letters("anything", 10);
        assert_eq!(name.len(), 10);
        assert!(name.bytes().all(|one| ALPHABET.contains(&one)));
        assert_ne!(letters("a", 5), letters("b", 5));
    }
}
