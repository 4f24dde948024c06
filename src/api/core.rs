//! Views of the Kubernetes kinds that our parts interpret: nodes, leases, namespaces, events.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::base::clock::Timestamp;

macro_rules! typed {
    ($view:ty, $kind:expr) => {
        impl Typed for $view {
            const KIND: &'static Kind = &$kind;
            fn metadata(&self) -> &Metadata {
                &self.metadata
            }
        }
    };
}
pub(crate) use typed;

/// One thing that is true, false or unknown of an object, as Kubernetes reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    pub reason: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
}

impl Condition {
    /// Puts a condition among others of an object; while its status stays, so does the moment of its last transition.
    pub fn put(self, all: &mut Vec<Condition>) {
        let Some(known) = all.iter_mut().find(|one| one.kind == self.kind) else {
            all.push(self);
            return;
        };
        let transition = if known.status == self.status {
            known.last_transition_time
        } else {
            self.last_transition_time
        };
        *known = Condition {
            last_transition_time: transition,
            ..self
        };
    }
}

/// A group of names: `{metadata, status: {phase: Active | Terminating}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    pub metadata: Metadata,
    pub status: NamespaceStatus,
}
typed!(Namespace, kinds::NAMESPACE);

/// In `metadata.finalizers` of every namespace: the API server puts it there when one is made, and on deletion sets
/// `status.phase` to `Terminating`; the namespace controller takes it off once the namespace is empty.
pub const NAMESPACE_FINALIZER: &str = "kubernetes";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceStatus {
    pub phase: String,
}

/// A host with an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    pub metadata: Metadata,
    pub spec: NodeSpec,
    pub status: NodeStatus,
}
typed!(Node, kinds::NODE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    /// Whether new gears keep away (`cordon`).
    pub unschedulable: bool,
}

/// `{addresses: [{type: InternalIP, address}], conditions: [{type: Ready, …}], nodeInfo: {…}}`.
///
/// Two writers, two fields: the agent writes addresses and nodeInfo, the node controller writes conditions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    pub addresses: Vec<NodeAddress>,
    pub conditions: Vec<Condition>,
    pub node_info: NodeSystem,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    #[serde(rename = "type")]
    pub kind: String,
    pub address: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSystem {
    pub kernel_version: String,
    pub os_image: String,
    pub operating_system: String,
    pub architecture: String,
    /// The agent's version; the VERSION column.
    pub kubelet_version: String,
    pub container_runtime_version: String,
}

impl Node {
    /// Whether the node controller has heard from its agent lately.
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// The address that others reach this host at.
    pub fn address(&self) -> Option<&str> {
        self.status
            .addresses
            .iter()
            .find(|one| one.kind == "InternalIP")
            .map(|one| one.address.as_str())
    }
}

/// Namespace of the nodes' leases, as in Kubernetes.
pub const NODE_LEASES: &str = "kube-node-lease";

/// A sign of life: `{spec: {holderIdentity, leaseDurationSeconds, renewTime}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lease {
    pub metadata: Metadata,
    pub spec: LeaseSpec,
}
typed!(Lease, kinds::LEASE);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseSpec {
    pub holder_identity: String,
    pub lease_duration_seconds: u32,
    /// With microseconds; compared for change only, never with another machine's clock.
    pub renew_time: String,
}

/// Something that happened to an object, for people to read in `describe`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    pub metadata: Metadata,
    pub involved_object: ObjectReference,
    pub reason: String,
    pub message: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    pub count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<Timestamp>,
    pub source: EventSource,
}
typed!(Event, kinds::EVENT);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventSource {
    pub component: String,
    /// The node that says it; empty for parts of the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
}

/// Anything with metadata, for code that looks no further.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Any {
    pub api_version: String,
    pub kind: String,
    pub metadata: Metadata,
}

/// A selector by equality: every pair must be there.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
