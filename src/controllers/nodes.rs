//! Whether a node's agent is alive: the Ready condition, from the renewals of its Lease.
//!
//! A lease expires by observed non-renewal on this process's own clock; what time the node writes into it is compared
//! for change only. After a start every lease has its whole time again.

use std::time::Duration;

use serde_json::json;

use crate::api::core::Condition;
use crate::api::core::NODE_LEASES;
use crate::api::core::Node;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// How long a node may be silent, as in Kubernetes.
const GRACE: Duration = Duration::from_secs(40);

/// Decides for one Node.
#[derive(Debug, Default)]
pub(crate) struct Nodes;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::NODE,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::LEASE,
        keys: its_node,
    },
];

fn its_node(_: &World, touched: &Touched<'_>) -> Vec<Key> {
    if touched.key.namespace == NODE_LEASES {
        vec![Key::new("", touched.key.name.clone())]
    } else {
        Vec::new()
    }
}

impl Controller for Nodes {
    const NAME: &'static str = "node";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(node) = world.nodes.find(key) else {
            return Decision::nothing();
        };
        let known = ready(node);
        let lease = Key::new(NODE_LEASES, key.name.clone());
        let (silence, renewed) = match world.sign(&lease) {
            Some(sign) => (now.since(sign.seen), sign.renewed),
            None => (world.acquaintance(&key.name, now), false),
        };
        if silence >= GRACE {
            return judge(node, known, "Unknown", now);
        }
        // A lease that was only found says that the agent lived once; a node never judged gets the benefit of it.
        let mut decision = if renewed || (known.is_none() && world.sign(&lease).is_some()) {
            judge(node, known, "True", now)
        } else {
            Decision::nothing()
        };
        decision.look_again(GRACE.saturating_sub(silence) + Duration::from_secs(1));
        decision
    }
}

fn ready(node: &Node) -> Option<&Condition> {
    node.status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
}

fn judge(node: &Node, known: Option<&Condition>, status: &str, now: Timestamp) -> Decision {
    if known.is_some_and(|known| known.status == status) {
        return Decision::nothing();
    }
    let (reason, message) = match status {
        "True" => ("AgentReady", "the agent renews its lease".to_owned()),
        _ => (
            "NodeStatusUnknown",
            format!("no sign of life for {} seconds", GRACE.as_secs()),
        ),
    };
    let condition = Condition {
        kind: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.clone(),
        last_transition_time: Some(now),
    };
    let mut conditions: Vec<&Condition> = node
        .status
        .conditions
        .iter()
        .filter(|condition| condition.kind != "Ready")
        .collect();
    conditions.push(&condition);
    let note = match status {
        "True" => Note::normal(node, "NodeReady", message),
        _ => Note::warning(node, "NodeNotReady", message),
    };
    Decision::one(Change::status(node, &json!({ "conditions": conditions }))).noting(note)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::api::core::Lease;
    use crate::api::core::NodeAddress;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second)
    }

    fn lease(world: &mut World, renewed: &str, now: Timestamp) {
        let key = Key::new(NODE_LEASES, "a");
        let mut lease = Lease::default();
        lease.metadata.namespace.clone_from(&key.namespace);
        lease.metadata.name.clone_from(&key.name);
        renewed.clone_into(&mut lease.spec.renew_time);
        world.put(&key, Some(Arc::new(lease)), now);
    }

    fn node(world: &mut World, ready: Option<&str>, now: Timestamp) {
        let mut node = Node::default();
        node.metadata.name = "a".to_owned();
        node.status.addresses.push(NodeAddress::default());
        if let Some(status) = ready {
            node.status.conditions.push(Condition {
                kind: "Ready".to_owned(),
                status: status.to_owned(),
                ..Condition::default()
            });
        }
        world.put(&Key::new("", "a"), Some(Arc::new(node)), now);
    }

    /// The Ready status that is written, if one is.
    fn judged(world: &World, now: i64) -> Option<Value> {
        let decision = Nodes.decide(&Key::new("", "a"), world, at(now));
        decision.changes.first().map(|change| match change {
            Change::Patch { merge, .. } => merge["status"]["conditions"][0]["status"].clone(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_new_node_is_ready_with_its_first_sign_and_unknown_without_one() {
        let mut world = World::default();
        node(&mut world, None, at(0));
        assert_eq!(judged(&world, 39), None);
        assert_eq!(judged(&world, 40), Some("Unknown".into()));
        lease(&mut world, "1", at(5));
        assert_eq!(judged(&world, 6), Some("True".into()));
    }

    #[test]
    fn silence_is_counted_from_the_last_change_seen_here() {
        let mut world = World::default();
        node(&mut world, Some("True"), at(0));
        lease(&mut world, "2001-01-01", at(100));
        lease(&mut world, "2001-01-01", at(130));
        assert_eq!(judged(&world, 139), None);
        assert_eq!(judged(&world, 140), Some("Unknown".into()));
        lease(&mut world, "1999-01-01", at(141));
        assert_eq!(judged(&world, 142), None);
    }

    #[test]
    fn a_lease_that_was_only_found_brings_nobody_back() {
        let mut world = World::default();
        node(&mut world, Some("Unknown"), at(0));
        lease(&mut world, "1", at(0));
        assert_eq!(judged(&world, 1), None);
        lease(&mut world, "2", at(2));
        assert_eq!(judged(&world, 3), Some("True".into()));
    }
}
