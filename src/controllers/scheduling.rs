//! Which node a pod runs on: ready, not cordoned, as its selector asks, the one with the fewest pods.
//!
//! Pods of one owner spread over nodes. Where pods share the host's addresses, one that listens on every address keeps
//! its port on its node to itself. A pod whose node is gone is removed: nobody else can end it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::api::core::Condition;
use crate::api::core::Node;
use crate::api::core::selects;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::pod::NO_FREE_PORT;
use crate::api::pod::Pod;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::change::Target;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// Decides for one Pod.
#[derive(Debug, Default)]
pub(crate) struct Scheduling;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::POD,
        keys: itself_or_those_that_wait,
    },
    Watch {
        kind: &kinds::NODE,
        keys: of_node,
    },
];

/// The pod; when it is gone or over, also those that wait for the place it leaves.
fn itself_or_those_that_wait(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys = Touched::itself(world, touched);
    let leaves = world.pods.find(touched.key).is_none_or(|pod| pod.is_over());
    if leaves {
        keys.extend(waiting(world));
    }
    keys
}

/// The pods that wait for a node, and those on the node that changed when it is gone.
fn of_node(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys: Vec<Key> = waiting(world).collect();
    if world.node(&touched.key.name).is_none() {
        let pods = world.pods.on_node(&touched.key.name);
        keys.extend(pods.map(|pod| pod.metadata.key()));
    }
    keys
}

fn waiting(world: &World) -> impl Iterator<Item = Key> {
    world.pods.on_node("").map(|pod| pod.metadata.key())
}

impl Controller for Scheduling {
    const NAME: &'static str = "scheduling";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(pod) = world.pods.find(key) else {
            return Decision::nothing();
        };
        if !pod.spec.node_name.is_empty() {
            return without_node(pod, world);
        }
        if pod.metadata.is_deleting() || pod.is_over() {
            return Decision::nothing();
        }
        match choose(pod, world) {
            Ok(node) => {
                let message = format!("Successfully assigned {} to {node}", pod.metadata.key());
                Decision::one(Change::patch(&**pod, json!({"spec": {"nodeName": node}})))
                    .noting(Note::normal(&**pod, "Scheduled", message))
            }
            Err(why) => unschedulable(pod, why, now),
        }
    }
}

/// A pod of a node that is gone.
fn without_node(pod: &Pod, world: &World) -> Decision {
    let node = &pod.spec.node_name;
    if world.node(node).is_some() {
        return Decision::nothing();
    }
    let absent = Target::absent(&kinds::NODE, Key::new("", node.clone()));
    let message = format!("removed, because node {node} is gone");
    Decision::one(Change::delete_at_once(pod, vec![absent]))
        .noting(Note::warning(pod, "NodeGone", message))
}

fn unschedulable(pod: &Pod, message: String, now: Timestamp) -> Decision {
    let known = pod.status.conditions.iter();
    let said = known
        .clone()
        .any(|one| one.kind == "PodScheduled" && one.message == message);
    if said {
        return Decision::nothing();
    }
    let mut conditions = pod.status.conditions.clone();
    let condition = Condition {
        kind: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: "Unschedulable".to_owned(),
        message: message.clone(),
        last_transition_time: Some(now),
    };
    condition.put(&mut conditions);
    Decision::one(Change::status(pod, &json!({"conditions": conditions}))).noting(Note::warning(
        pod,
        "FailedScheduling",
        message,
    ))
}

/// The node for a pod, or why there is none.
fn choose(pod: &Pod, world: &World) -> Result<String, String> {
    let ports = Ports::of(pod, world);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut fit: Vec<Candidate<'_>> = Vec::new();
    for node in world.nodes.all() {
        match refusal(node, pod, world, &ports) {
            Some(why) => *refused.entry(why).or_default() += 1,
            None => fit.push(Candidate::of(node, pod, world)),
        }
    }
    // Siblings that wait too are placed in thought first, so that looks side by side do not choose the same node.
    for sibling in siblings(pod, world) {
        let Some(best) = fit.iter_mut().min() else {
            break;
        };
        if sibling.metadata.name == pod.metadata.name {
            return Ok(best.node.metadata.name.clone());
        }
        best.pods += 1;
        best.siblings += 1;
    }
    if let Some(best) = fit.iter().min() {
        return Ok(best.node.metadata.name.clone());
    }
    let total = world.nodes.all().count();
    let reasons: Vec<String> = refused
        .into_iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    Err(if reasons.is_empty() {
        "0/0 nodes are available: no node has joined.".to_owned()
    } else {
        format!("0/{total} nodes are available: {}.", reasons.join(", "))
    })
}

/// The pods of the same owner that wait for a node, this one included, in the order of their names.
fn siblings<'w>(pod: &'w Pod, world: &'w World) -> impl Iterator<Item = &'w Arc<Pod>> {
    let owner = pod.controller();
    let all = owner
        .into_iter()
        .flat_map(|uid| world.pods.controlled_by(uid));
    all.filter(|one| one.spec.node_name.is_empty() && !one.metadata.is_deleting())
}

/// A node that fits; the least loaded sorts first.
struct Candidate<'w> {
    siblings: usize,
    pods: usize,
    node: &'w Node,
}

impl<'w> Candidate<'w> {
    fn of(node: &'w Node, pod: &Pod, world: &World) -> Candidate<'w> {
        let here: Vec<_> = living(world, &node.metadata.name).collect();
        let owner = pod.controller();
        let siblings = here
            .iter()
            .filter(|one| owner.is_some() && one.controller() == owner);
        Candidate {
            siblings: siblings.count(),
            pods: here.len(),
            node,
        }
    }

    fn load(&self) -> (usize, usize, &str) {
        (self.siblings, self.pods, &self.node.metadata.name)
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.load() == other.load()
    }
}
impl Eq for Candidate<'_> {}
impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.load().cmp(&other.load())
    }
}

/// Pods on a node that are not over.
fn living<'w>(world: &'w World, node: &str) -> impl Iterator<Item = &'w Arc<Pod>> {
    world.pods.on_node(node).filter(|pod| !pod.is_over())
}

/// Why a node is not for a pod, in the words of Kubernetes' scheduler.
fn refusal(node: &Node, pod: &Pod, world: &World, ports: &Ports) -> Option<String> {
    if node.metadata.is_deleting() || !node.is_ready() {
        return Some("node(s) were not ready".to_owned());
    }
    if node.spec.unschedulable {
        return Some("node(s) were unschedulable".to_owned());
    }
    if !selects(&pod.spec.node_selector, &node.metadata.labels) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let (port, holder) = ports.taken_on(&node.metadata.name, pod, world)?;
    let (name, how) = (
        holder.metadata.key(),
        if holder.metadata.is_deleting() {
            "is ending"
        } else {
            "listens on every address"
        },
    );
    Some(format!(
        "{NO_FREE_PORT} (port {port} is held by pod {name}, which {how})"
    ))
}

/// The ports that a pod is going to listen on, and which of them on every address, as its siblings do.
#[derive(Debug, Default)]
struct Ports {
    any: BTreeSet<u16>,
    everywhere: BTreeSet<u16>,
}

impl Ports {
    fn of(pod: &Pod, world: &World) -> Ports {
        let mut ports = Ports::default();
        let containers = pod.spec.containers.iter();
        ports.any = containers
            .flat_map(|one| one.ports.iter().map(|port| port.container_port))
            .collect();
        let owner = pod.controller();
        let siblings = owner
            .into_iter()
            .flat_map(|uid| world.pods.controlled_by(uid));
        for listening in siblings.flat_map(|one| &one.status.listening) {
            ports.any.insert(listening.port);
            if listening.everywhere {
                ports.everywhere.insert(listening.port);
            }
        }
        ports
    }

    /// A port that this pod could not listen on beside the pods of a node, and who holds it.
    fn taken_on<'w>(&self, node: &str, pod: &Pod, world: &'w World) -> Option<(u16, &'w Arc<Pod>)> {
        let others = living(world, node).filter(|other| other.metadata.uid != pod.metadata.uid);
        let held = others.flat_map(|other| {
            let listening = other.status.listening.iter();
            listening.map(move |one| (one, other))
        });
        let mut clashes = held.filter(|(one, _)| {
            let shared = one.everywhere && self.any.contains(&one.port);
            shared || self.everywhere.contains(&one.port)
        });
        clashes.next().map(|(one, other)| (one.port, other))
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use super::*;
    use crate::controllers::world::put;
    use serde_json::Value;

    fn node(name: &str, change: Value) -> Value {
        let mut node = json!({
            "metadata": {"name": name, "labels": {"name": name}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        json_patch::merge(&mut node, &change);
        node
    }

    fn pod(name: &str, change: Value) -> Value {
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "demo", "uid": name, "ownerReferences": [
                {"apiVersion": "v1", "kind": "ReplicationController", "name": "shop-1", "uid": "u", "controller": true},
            ]},
            "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 8080}]}]},
        });
        json_patch::merge(&mut pod, &change);
        pod
    }

    fn look(world: &World, name: &str) -> Decision {
        Scheduling.decide(&Key::new("demo", name), world, Timestamp::from_second(0))
    }

    /// The node that a pod gets, or why it gets none.
    fn chosen(world: &World, name: &str) -> String {
        let decision = look(world, name);
        match decision.changes.first() {
            Some(Change::Patch { merge, .. }) if merge["spec"]["nodeName"].is_string() => {
                merge["spec"]["nodeName"].as_str().unwrap().to_owned()
            }
            _ => decision
                .notes
                .first()
                .map(|note| note.message.clone())
                .unwrap_or_default(),
        }
    }

    #[test]
    fn pods_of_one_owner_spread_though_nobody_has_a_node_yet() {
        let mut world = World::default();
        for name in ["a", "b", "c"] {
            put::<Node>(&mut world, node(name, json!({})));
        }
        for name in ["1", "2", "3", "4"] {
            put::<Pod>(&mut world, pod(name, json!({})));
        }
        let all: Vec<String> = ["1", "2", "3", "4"]
            .iter()
            .map(|one| chosen(&world, one))
            .collect();
        assert_eq!(all, ["a", "b", "c", "a"]);
        put::<Pod>(&mut world, pod("1", json!({"spec": {"nodeName": "b"}})));
        assert_eq!(chosen(&world, "2"), "a");
    }

    #[test]
    fn the_reason_is_said_once() {
        let mut world = World::default();
        put::<Pod>(
            &mut world,
            pod("1", json!({"spec": {"nodeSelector": {"name": "z"}}})),
        );
        assert_eq!(
            chosen(&world, "1"),
            "0/0 nodes are available: no node has joined."
        );
        put::<Node>(&mut world, node("a", json!({})));
        put::<Node>(
            &mut world,
            node("b", json!({"spec": {"unschedulable": true}})),
        );
        put::<Node>(&mut world, node("c", json!({"status": {"conditions": []}})));
        let why = "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were not ready, \
                   1 node(s) were unschedulable.";
        assert_eq!(chosen(&world, "1"), why);
        let condition = json!({"type": "PodScheduled", "status": "False", "message": why});
        let said =
            json!({"spec": {"nodeSelector": {"name": "z"}}, "status": {"conditions": [condition]}});
        put::<Pod>(&mut world, pod("1", said));
        assert_eq!(look(&world, "1"), Decision::nothing());
    }

    #[test]
    fn a_port_on_every_address_is_for_one() {
        let mut world = World::default();
        put::<Node>(&mut world, node("a", json!({})));
        let everywhere = json!([{"port": 8080, "everywhere": true}]);
        let first = json!({"spec": {"nodeName": "a"}, "status": {"listening": everywhere}});
        put::<Pod>(&mut world, pod("1", first.clone()));
        put::<Pod>(&mut world, pod("2", json!({})));
        assert!(
            chosen(&world, "2").contains("port 8080 is held by pod demo/1"),
            "{}",
            chosen(&world, "2")
        );
        put::<Node>(&mut world, node("b", json!({})));
        assert_eq!(chosen(&world, "2"), "b");
        let mut over = first;
        over["status"]["phase"] = "Failed".into();
        put::<Pod>(&mut world, pod("1", over));
        put::<Pod>(&mut world, pod("3", json!({"spec": {"nodeName": "b"}})));
        assert_eq!(chosen(&world, "2"), "a");
    }

    #[test]
    fn a_pod_of_a_lost_node_goes() {
        let mut world = World::default();
        put::<Pod>(&mut world, pod("1", json!({"spec": {"nodeName": "gone"}})));
        assert!(matches!(
            look(&world, "1").changes[..],
            [Change::Delete { .. }]
        ));
        put::<Node>(
            &mut world,
            node("gone", json!({"status": {"conditions": []}})),
        );
        assert_eq!(look(&world, "1"), Decision::nothing());
    }
}
