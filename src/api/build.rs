//! Views of builds: what makes images from source.
//!
//! Sources: facts/oc.md section 6. A build runs as a pod of its node; how it ended is that pod's [`Outcome`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::api::core::typed;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::pod::EnvVar;
use crate::base::clock::Timestamp;

/// Label and annotation of a Build: its build config.
pub const BUILD_CONFIG_NAME: &str = "openshift.io/build-config.name";
/// Label of a Build: its build config, the short form.
pub const LABEL_BUILD_CONFIG: &str = "buildconfig";
/// Annotation of a Build: its number.
pub const BUILD_NUMBER: &str = "openshift.io/build.number";
/// Annotation of a Build: its pod. Label and annotation of a build pod: [`BUILD_NAME`].
pub const BUILD_POD_NAME: &str = "openshift.io/build.pod-name";
/// Label and annotation of a build pod: its Build.
pub const BUILD_NAME: &str = "openshift.io/build.name";
/// Label of a Build: the run policy it was made under.
pub const BUILD_POLICY: &str = "openshift.io/build.start-policy";
/// Annotation of a Build: the Build that it repeats.
pub const BUILD_CLONE_OF: &str = "openshift.io/build.clone-of";
/// Annotation of a build config: `"true"` keeps new builds from being made.
pub const BUILD_CONFIG_PAUSED: &str = "openshift.io/build-config.paused";
/// Annotation of a Build, ours: the source that was uploaded, by digest: a tar (perhaps compressed) in the repository
/// `NAMESPACE/BUILDCONFIG`. Names the blob, which stays as long as the Build.
pub const BUILD_SOURCE: &str = "upshift.dev/source";
/// Environment variable of a build pod's container: the whole Build as JSON.
pub const BUILD_VARIABLE: &str = "BUILD";

/// An object named from another one's spec: `{kind, name[, namespace]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    pub kind: String,
    /// Of an `ImageStreamTag`: `STREAM:TAG`.
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// How builds are made, and when: `{spec: {source, strategy, output, triggers, runPolicy}, status: {lastVersion}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildConfig {
    pub metadata: Metadata,
    pub spec: BuildConfigSpec,
    pub status: BuildConfigStatus,
}
typed!(BuildConfig, kinds::BUILD_CONFIG);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildConfigSpec {
    #[serde(flatten)]
    pub common: CommonSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<BuildTrigger>,
    /// `Serial` (also when empty), `SerialLatestOnly` or `Parallel`.
    pub run_policy: String,
    /// Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_builds_history_limit: Option<u32>,
    /// Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_builds_history_limit: Option<u32>,
}

/// What a build config hands on to its builds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommonSpec {
    pub source: Source,
    pub strategy: BuildStrategy,
    pub output: Output,
    /// The commit: `{type: Git, git: {commit, author: {name, email}, committer, message}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<SourceRevision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_commit: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_deadline_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account: String,
}

/// `{type: Git | Binary | Dockerfile | Image | None, git: {uri, ref}, contextDir, sourceSecret: {name}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary: Option<BinarySource>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context_dir: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_secret: Option<LocalRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitSource {
    pub uri: String,
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BinarySource {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub as_file: String,
}

/// `{name}` of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalRef {
    pub name: String,
}

/// `{type: Source, sourceStrategy: {from, env, scripts, incremental}}`; the other strategies are kept and refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildStrategy {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_strategy: Option<SourceStrategy>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceStrategy {
    /// In a Build, after it was made: `{kind: DockerImage, name: REGISTRY/NAMESPACE/NAME@sha256:…}`.
    pub from: ObjectRef,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scripts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incremental: Option<bool>,
}

/// Where the image goes: `{to: {kind: ImageStreamTag, name: NAME:TAG}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<ObjectRef>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceRevision {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitRevision>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GitRevision {
    pub commit: String,
    pub author: Person,
    pub committer: Person,
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    pub name: String,
    pub email: String,
}

/// `{type: GitHub | Generic | ConfigChange | ImageChange, github: {secret}, imageChange: {from, …}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildTrigger {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generic: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_change: Option<ImageChange>,
    /// `gitlab`, `bitbucket`: lists are written whole, so what is not looked at must not be lost.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageChange {
    /// Default: the strategy's `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ObjectRef>,
    /// Written by the build config controller.
    #[serde(
        rename = "lastTriggeredImageID",
        skip_serializing_if = "String::is_empty"
    )]
    pub last_triggered_image_id: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildConfigStatus {
    /// The number of the newest build; 0 before the first.
    pub last_version: u64,
}

/// One build, `BUILDCONFIG-NUMBER`: `{spec: …, status: {phase, reason, message, …}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    pub metadata: Metadata,
    pub spec: BuildSpec,
    pub status: BuildStatus,
}
typed!(Build, kinds::BUILD);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildSpec {
    #[serde(flatten)]
    pub common: CommonSpec,
    /// `[{message: "Manually triggered"}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggered_by: Vec<Value>,
}

/// Where a build is; the last four never change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildPhase {
    #[default]
    New,
    Pending,
    Running,
    Complete,
    Failed,
    Error,
    Cancelled,
}

impl BuildPhase {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        !matches!(
            self,
            BuildPhase::New | BuildPhase::Pending | BuildPhase::Running
        )
    }
}

/// Written by the build controller, but for `cancelled`, which whoever asks for the end sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BuildStatus {
    pub phase: BuildPhase,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// facts/oc.md 6.2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_timestamp: Option<Timestamp>,
    /// Nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// `REGISTRY/NAMESPACE/NAME:TAG`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output_docker_image_reference: String,
    /// The build config: `{kind, namespace, name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ObjectRef>,
    /// `{to: {imageDigest}}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// `[{name: FetchInputs, startTime, durationMilliseconds, steps: [{name: FetchGitSource, …}]}]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Value>,
    /// The last lines of the log of a build that failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_snippet: String,
}

/// How a build pod ended, as JSON in its container's `terminated.message`: written by the node, read by the build
/// controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outcome {
    /// Empty for success, otherwise one of facts/oc.md 6.2.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The manifest's digest, of a success.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<SourceRevision>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_snippet: String,
}
