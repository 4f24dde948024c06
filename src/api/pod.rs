//! Views of pods and of what starts them by number: replication controllers, replica sets, service accounts.
//!
//! Only what our parts interpret; the server keeps the rest of each object as it came.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::core::Condition;
use crate::api::core::typed;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::base::clock::Timestamp;

/// Annotation of a pod: the container that is meant when none is named.
pub const ANNOTATION_DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Annotation of a Pod: its address has left rotation and no request is in flight, so that its node may end it.
/// Written by the rotation controller, waited for by the node (DESIGN section 4.1, Rotation).
pub const ANNOTATION_DRAINED: &str = "upshift.dev/drained";
/// Why a pod is not ready whose processes run and listen on no port although its image declares one.
pub const NOT_LISTENING: &str = "NotListening";
/// What the scheduler says of a node on which another pod holds a pod's port, in Kubernetes' words.
pub const NO_FREE_PORT: &str = "node(s) didn't have free ports for the requested pod ports";

/// One running copy: `{spec: {nodeName, containers, restartPolicy, …}, status: {phase, podIP, containerStatuses, …}}`.
///
/// Written by: whoever made it (spec), the scheduler (`spec.nodeName`, once), its node (status).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub metadata: Metadata,
    pub spec: PodSpec,
    pub status: PodStatus,
}
typed!(Pod, kinds::POD);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub containers: Vec<Container>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
    pub restart_policy: RestartPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    pub security_context: SecurityContext,
}

/// Whether a container that ended is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    #[default]
    Always,
    OnFailure,
    Never,
}

/// Who the processes run as; filled in by the server from the namespace's range, kept to by a node that is root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    /// `REGISTRY/NAMESPACE/NAME@sha256:…` or `…:TAG`; " " until an image trigger filled it in.
    pub image: String,
    /// In place of the image's entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub container_port: u16,
    /// `TCP` or `UDP`; empty means TCP.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
}

/// `{name, value}` or `{name, valueFrom: {secretKeyRef | configMapKeyRef | fieldRef: {…}}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<Value>,
}

/// A question asked now and then: one of `httpGet`, `tcpSocket` and `exec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpGet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpSocket>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay_seconds: Option<u64>,
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<u64>,
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<u32>,
    /// Default 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGet {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// A number, or the name of a container port.
    pub port: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// `HTTP` or `HTTPS`; empty means HTTP.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scheme: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<EnvVar>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpSocket {
    pub port: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecProbe {
    pub command: Vec<String>,
}

/// What its node says of a pod; conditions `PodScheduled`, `Initialized`, `ContainersReady`, `Ready`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    pub phase: PodPhase,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(rename = "hostIP", skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
    #[serde(rename = "podIP", skip_serializing_if = "String::is_empty")]
    pub pod_ip: String,
    /// The same as a list.
    #[serde(rename = "podIPs", skip_serializing_if = "Vec::is_empty")]
    pub pod_ips: Vec<PodIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub container_statuses: Vec<ContainerStatus>,
    /// Ours: what its processes really listen on, seen by the node; empty until they do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listening: Vec<Listening>,
}

/// One address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodIp {
    pub ip: String,
}

/// A TCP port that a process of a pod listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listening {
    pub port: u16,
    /// On every address of the host, not only the pod's own (only where pods have no network of their own).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub everywhere: bool,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    pub name: String,
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<bool>,
    pub restart_count: u32,
    pub image: String,
    #[serde(rename = "imageID")]
    pub image_id: String,
    pub state: ContainerState,
    pub last_state: ContainerState,
}

/// At most one of the three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated: Option<Terminated>,
}

/// `ContainerCreating`, `CrashLoopBackOff`, `ErrImagePull`, `ImagePullBackOff`, `CreateContainerError` …
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Running {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// `reason` is `Completed`, `Error`, `OOMKilled`, `DeadlineExceeded`, `ContainerCannotRun` …
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    pub exit_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    pub reason: String,
    /// The last lines of the output of a container that failed; of a build pod, a [`crate::api::build::Outcome`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// Something that keeps a number of pods: a `ReplicationController` or a `ReplicaSet`.
pub trait Replicated: Typed {
    /// How many pods it is to have.
    fn replicas(&self) -> u32;
    /// What its pods are made from.
    fn template(&self) -> &Template;
    /// How long a pod must be ready to count as available.
    fn min_ready_seconds(&self) -> u64;
    /// What its controller has counted.
    fn counts(&self) -> &ReplicasStatus;
}

macro_rules! replicated {
    ($($view:ty),*) => {
        $(impl Replicated for $view {
            fn replicas(&self) -> u32 {
                self.spec.replicas.unwrap_or(1)
            }
            fn template(&self) -> &Template {
                &self.spec.template
            }
            fn min_ready_seconds(&self) -> u64 {
                self.spec.min_ready_seconds
            }
            fn counts(&self) -> &ReplicasStatus {
                &self.status
            }
        })*
    };
}
replicated!(ReplicationController, ReplicaSet);

impl Pod {
    /// Whether it takes requests: the `Ready` condition.
    pub fn is_ready(&self) -> bool {
        let conditions = self.status.conditions.iter();
        conditions
            .clone()
            .any(|one| one.kind == "Ready" && one.status == "True")
    }

    /// What it is waited for in vain as long as its processes listen on no port.
    pub fn not_listening(&self) -> Option<&str> {
        let mut conditions = self.status.conditions.iter();
        let ready = conditions.find(|one| one.kind == "Ready" && one.status == "False")?;
        (ready.reason == NOT_LISTENING).then_some(ready.message.as_str())
    }

    /// Whether nothing of it will run again.
    pub fn is_over(&self) -> bool {
        matches!(self.status.phase, PodPhase::Succeeded | PodPhase::Failed)
    }

    /// The uid of the controller that made it; none for a pod on its own.
    pub fn controller(&self) -> Option<&str> {
        controller(&self.metadata)
    }
}

/// The uid of the owner that controls an object.
pub fn controller(metadata: &Metadata) -> Option<&str> {
    let mut owners = metadata.owner_references.iter();
    owners
        .find(|owner| owner.controller == Some(true))
        .map(|owner| owner.uid.as_str())
}

/// What pods are made from: `{metadata: {labels, annotations}, spec}`. The whole JSON, so that nothing is lost.
pub type Template = Value;

/// A template without what says nothing: nulls, empty texts, lists and maps. Two that mean the same are equal then.
pub fn essence(template: &Template) -> Template {
    let is_something = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    match template {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| (key.clone(), essence(value)));
            Value::Object(fields.filter(|(_, value)| is_something(value)).collect())
        }
        Value::Array(list) => list.iter().map(essence).collect(),
        other => other.clone(),
    }
}

/// Keeps a number of pods: `{spec: {replicas, selector, template, minReadySeconds}, status: {replicas, …}}`.
///
/// Of a deployment config, its annotations tell the rollout's state (facts/oc.md 5.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicationController {
    pub metadata: Metadata,
    pub spec: ReplicationControllerSpec,
    pub status: ReplicasStatus,
}
typed!(ReplicationController, kinds::REPLICATION_CONTROLLER);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicationControllerSpec {
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    pub selector: BTreeMap<String, String>,
    pub template: Template,
    pub min_ready_seconds: u64,
}

/// Counts of a set of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicasStatus {
    pub replicas: u32,
    pub fully_labeled_replicas: u32,
    pub ready_replicas: u32,
    /// Ready for `minReadySeconds`.
    pub available_replicas: u32,
    pub observed_generation: u64,
}

/// The same for a Deployment, with a selector by labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaSet {
    pub metadata: Metadata,
    pub spec: ReplicaSetSpec,
    pub status: ReplicasStatus,
}
typed!(ReplicaSet, kinds::REPLICA_SET);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    pub selector: LabelSelector,
    pub template: Template,
    pub min_ready_seconds: u64,
}

/// `matchLabels` and `matchExpressions`; [`crate::api::selector`] decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Value>,
}

/// A name for pods to act under; every namespace has `default`, `builder` and `deployer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceAccount {
    pub metadata: Metadata,
    pub secrets: Vec<Value>,
}
typed!(ServiceAccount, kinds::SERVICE_ACCOUNT);
