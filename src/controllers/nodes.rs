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
