//! Views of what brings new versions of pods: OpenShift's deployment configs, Kubernetes' deployments.
//!
//! Sources: facts/oc.md section 5; the texts of annotations are interfaces.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::build::ObjectRef;
use crate::api::core::Condition;
use crate::api::core::typed;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::pod::LabelSelector;
use crate::api::pod::Template;

/// On a replication controller and its pods: the name of its deployment config.
pub const ANNOTATION_CONFIG: &str = "openshift.io/deployment-config.name";
/// On a replication controller: which version of the deployment config it is.
pub const ANNOTATION_VERSION: &str = "openshift.io/deployment-config.latest-version";
/// On a replication controller: the deployment config at that time, as JSON; where a rollback comes from.
pub const ANNOTATION_ENCODED_CONFIG: &str = "openshift.io/encoded-deployment-config";
/// On a replication controller: a [`RolloutPhase`].
pub const ANNOTATION_PHASE: &str = "openshift.io/deployment.phase";
/// On a replication controller: why it was made (`config change`, `image change`, `manual change`) or why it failed.
pub const ANNOTATION_REASON: &str = "openshift.io/deployment.status-reason";
/// On a replication controller: `"true"` asks for the end of its rollout.
pub const ANNOTATION_CANCELLED: &str = "openshift.io/deployment.cancelled";
/// On a replication controller: how many pods it is to have in the end.
pub const ANNOTATION_DESIRED: &str = "kubectl.kubernetes.io/desired-replicas";
/// On a replication controller: how many pods it had before this rollout.
pub const ANNOTATION_REPLICAS: &str = "openshift.io/deployment.replicas";
/// On a pod: the name of its replication controller.
pub const ANNOTATION_DEPLOYMENT: &str = "openshift.io/deployment.name";
/// Label of a replication controller's pods, and in its selector: its own name.
pub const LABEL_DEPLOYMENT: &str = "deployment";
/// Label of a replication controller's pods, and in its selector: the name of its deployment config.
pub const LABEL_CONFIG: &str = "deploymentconfig";
/// On a Deployment: which image stream tags its containers follow, as JSON (facts/oc.md 3.6).
pub const ANNOTATION_IMAGE_TRIGGERS: &str = "image.openshift.io/triggers";

/// Where the rollout of a replication controller is; only forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RolloutPhase {
    #[default]
    New,
    Pending,
    Running,
    Complete,
    Failed,
}

impl RolloutPhase {
    /// Reads the annotation; unknown words are `New`.
    pub fn of(metadata: &Metadata) -> RolloutPhase {
        match metadata
            .annotations
            .get(ANNOTATION_PHASE)
            .map(String::as_str)
        {
            Some("Pending") => RolloutPhase::Pending,
            Some("Running") => RolloutPhase::Running,
            Some("Complete") => RolloutPhase::Complete,
            Some("Failed") => RolloutPhase::Failed,
            _ => RolloutPhase::New,
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, RolloutPhase::Complete | RolloutPhase::Failed)
    }

    /// As the annotation spells it.
    pub fn name(self) -> &'static str {
        match self {
            RolloutPhase::New => "New",
            RolloutPhase::Pending => "Pending",
            RolloutPhase::Running => "Running",
            RolloutPhase::Complete => "Complete",
            RolloutPhase::Failed => "Failed",
        }
    }
}

/// What should run and when a new version of it begins: `{spec: {strategy, triggers, replicas, template, …}, status}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeploymentConfig {
    pub metadata: Metadata,
    pub spec: DeploymentConfigSpec,
    pub status: DeploymentConfigStatus,
}
typed!(DeploymentConfig, kinds::DEPLOYMENT_CONFIG);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentConfigSpec {
    pub strategy: Strategy,
    pub min_ready_seconds: u64,
    /// None means a change of the template; an empty list means by hand only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub triggers: Option<Vec<DeploymentTrigger>>,
    pub replicas: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
    pub test: bool,
    pub paused: bool,
    pub selector: BTreeMap<String, String>,
    pub template: Template,
    /// What we do not interpret, kept for the encoded config.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `{type: Rolling | Recreate | Custom, rollingParams | recreateParams: {…}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Strategy {
    /// Empty means Rolling.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_params: Option<RollingParams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate_params: Option<RecreateParams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<u64>,
    /// What we do not interpret, kept for the encoded config.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Defaults: 1 s, 1 s, 600 s, 25 %, 25 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RollingParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_period_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// A count or a percentage, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Value>,
    /// A count or a percentage, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    /// What we do not interpret, kept for the encoded config.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecreateParams {
    /// Default 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// What we do not interpret, kept for the encoded config.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// `{type: ConfigChange}` or `{type: ImageChange, imageChangeParams: {…}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentTrigger {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_change_params: Option<ImageChangeParams>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageChangeParams {
    pub automatic: bool,
    pub container_names: Vec<String>,
    /// An `ImageStreamTag`.
    pub from: ObjectRef,
    /// `REGISTRY/NAMESPACE/NAME@sha256:…`; written by the image trigger controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_triggered_image: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentConfigStatus {
    /// The number of the newest rollout; 0 before the first.
    pub latest_version: u64,
    pub observed_generation: u64,
    pub replicas: u32,
    pub updated_replicas: u32,
    pub available_replicas: u32,
    pub unavailable_replicas: u32,
    pub ready_replicas: u32,
    /// `{message: "image change", causes: [{type: ImageChange, imageTrigger: {from}}]}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One image stream tag that a container of a Deployment follows (facts/oc.md 3.6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageTrigger {
    pub from: ObjectRef,
    /// `spec.template.spec.containers[?(@.name=="NAME")].image`
    pub field_path: String,
    /// OpenShift reads `"true"` and `true` alike.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub paused: Value,
}

/// The image triggers of a Deployment; none when the annotation is missing or no list of them.
pub fn image_triggers(metadata: &Metadata) -> Vec<ImageTrigger> {
    let annotation = metadata.annotations.get(ANNOTATION_IMAGE_TRIGGERS);
    annotation
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The name of the replication controller of a version.
pub fn replication_controller_name(config: &str, version: u64) -> String {
    format!("{config}-{version}")
}

/// Kubernetes' own: `{spec: {replicas, selector, template, strategy}, status}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deployment {
    pub metadata: Metadata,
    pub spec: DeploymentSpec,
    pub status: DeploymentStatus,
}
typed!(Deployment, kinds::DEPLOYMENT);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    pub selector: LabelSelector,
    pub template: Template,
    pub strategy: DeploymentStrategy,
    pub min_ready_seconds: u64,
    /// Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
    pub paused: bool,
    /// Default 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<u64>,
}

/// `{type: RollingUpdate | Recreate, rollingUpdate: {maxSurge, maxUnavailable}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStrategy {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingParams>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    pub observed_generation: u64,
    pub replicas: u32,
    pub updated_replicas: u32,
    pub ready_replicas: u32,
    pub available_replicas: u32,
    pub unavailable_replicas: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
