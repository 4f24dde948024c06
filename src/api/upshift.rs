//! Views of the `upshift.dev/v1` kinds; DESIGN section 4.1 shows them whole.
//!
//! One writer per field: spec belongs to whoever asks, status to whoever does. Defaults stand here and in the schema.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::api::core::Condition;
use crate::api::core::typed;
use crate::api::duration::Amount;
use crate::api::duration::Span;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::base::clock::Timestamp;

/// Label: the Application that a Revision, Rollout, Gear or Operation belongs to.
pub const LABEL_APPLICATION: &str = "upshift.dev/application";
/// Label: the Rollout that an Operation belongs to.
pub const LABEL_ROLLOUT: &str = "upshift.dev/rollout";
/// Label: the Gear that an Operation works on.
pub const LABEL_GEAR: &str = "upshift.dev/gear";
/// Label: the node that a Gear or Operation is on; agents watch by it.
pub const LABEL_NODE: &str = "upshift.dev/node";
/// Label of a Service and of its slices: the Application whose gears are its endpoints.
pub const LABEL_GEARS_OF: &str = "upshift.dev/gears-of";
/// Label of such slices: the Router of a HAProxy that serves them; an agent beside it watches by it.
pub const LABEL_ROUTER: &str = "upshift.dev/router";
/// Label of such slices, blue/green: the colour that they lead to.
pub const LABEL_COLOR: &str = "upshift.dev/color";
/// Annotations of such slices: what a HAProxy calls them ([`HaProxy`]).
pub const ANNOTATION_BACKEND: &str = "upshift.dev/haproxy-backend";
pub const ANNOTATION_MAP: &str = "upshift.dev/haproxy-map";
pub const ANNOTATION_KEY: &str = "upshift.dev/haproxy-key";
/// The seconds that requests in flight have to end.
pub const ANNOTATION_DRAIN: &str = "upshift.dev/drain-seconds";
/// Annotation of a Gear that is out of rotation: the Operation that took it out.
pub const ANNOTATION_BLOCKED_BY: &str = "upshift.dev/blocked-by";
/// Finalizer of Application and Gear: what they installed is removed before they go.
pub const FINALIZER: &str = "upshift.dev/teardown";
/// The version of the step lists in `plan`; an agent fails a step it does not know.
pub const PLAN_VERSION: u32 = 1;

/// What should run, and where: `spec: {hosts: {selector: {…}}, port, rollout: {concurrency, …}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Application {
    pub metadata: Metadata,
    pub spec: ApplicationSpec,
    pub status: ApplicationStatus,
}
typed!(Application, kinds::APPLICATION);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    /// `<appid>` of the cache path; default `NAMESPACE.NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `<groupid>` of the cache path; default `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Exactly one of `hosts` and `scaled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Hosts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cartridges: Vec<String>,
    /// Form mode: what is copied where, for a bundle without an appspec.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileMapping>,
    /// Form mode's three scripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
    /// Name of the appspec in the bundle; default `appspec.yml`, then `appspec.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appspec: Option<String>,
    /// Where nodes cache bundles; default `deployments` in the node's own folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_dir: Option<String>,
    /// What a gear listens on; hooks get it as PORT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    pub rollout: Settings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
}

/// One gear on every matching node, or two groups of them that take turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hosts {
    /// Labels a node must carry; empty means every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreen>,
}

/// Two fixed sets of hosts; one serves, the other takes the next deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlueGreen {
    pub blue: BTreeMap<String, String>,
    pub green: BTreeMap<String, String>,
}

/// `{source: path in the bundle, destination: folder on the host}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileMapping {
    pub source: String,
    pub destination: String,
}

/// Form mode's scripts: path in the bundle, then arguments; empty means none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scripts {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub check: Vec<String>,
}

/// How a rollout behaves; copied into the Rollout when it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// How many gears at a time; a percentage rounds down, at least 1.
    pub concurrency: Amount,
    /// How many gears must stay available; a percentage rounds up.
    pub min_healthy: Amount,
    /// How many failed gears are tolerated.
    pub max_failures: u32,
    pub on_failure: OnFailure,
    /// Takes each gear out of rotation for its turn; switched as a whole when blue/green.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    pub file_exists: FileExists,
    /// For one hook script that names no timeout of its own.
    pub hook_timeout: Span,
    /// For all steps of one gear.
    pub gear_timeout: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            concurrency: Amount::Count(1),
            min_healthy: Amount::Count(0),
            max_failures: 0,
            on_failure: OnFailure::Stop,
            load_balancer: None,
            canary: None,
            file_exists: FileExists::Overwrite,
            hook_timeout: Span::seconds(300),
            gear_timeout: Span::seconds(3600),
        }
    }
}

/// What spreads requests over the gears: `{service: shop, drainSeconds: 30, haproxy: {router, backend}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// The Service without a selector whose endpoints are the gears in rotation; default the application's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// How long requests in flight may take to end.
    pub drain_seconds: u32,
    /// A HAProxy that serves it, beside the built-in router.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub haproxy: Option<HaProxy>,
}

impl Default for LoadBalancer {
    fn default() -> LoadBalancer {
        LoadBalancer {
            service: String::new(),
            drain_seconds: 30,
            haproxy: None,
        }
    }
}

impl LoadBalancer {
    /// The Service's name, for the application of that name.
    pub fn service_of<'a>(&'a self, application: &'a str) -> &'a str {
        if self.service.is_empty() {
            application
        } else {
            &self.service
        }
    }
}

/// Where a HAProxy has the gears: `{router, backend}`; blue/green `{router, map, key}`.
///
/// Blue/green: the map's key gets the value `BACKEND-COLOR`, a backend whose servers are that colour's hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HaProxy {
    /// The Router object beside its socket.
    pub router: String,
    /// The backend that the gears are servers of; blue/green: what its two backends' names begin with, by default the
    /// Service's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The map file, as the configuration names it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub map: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// A first wave of one gear: `{pause: 10m}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Canary {
    /// How long the rollout waits after it; none: until it is promoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<Span>,
}

/// What happens to the gears of a failed rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// They stay as they are.
    #[default]
    Stop,
    /// Every gear past its first step goes back to the revision before.
    Rollback,
}

/// What Install does with a file of somebody else's at a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileExists {
    /// It is backed up, replaced, and comes back when the application leaves the place.
    #[default]
    Overwrite,
    /// The step fails before anything has changed.
    Disallow,
    /// It stays, and ours is not installed.
    Retain,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// The Rollout that holds the application; claimed by compare-and-swap, empty when none runs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rollout: String,
    /// The Revision that the last finished rollout left in place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current_revision: String,
    /// Blue/green: the colour that the Service's slices lead to (`blue`, `green`); empty before the first switch.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub active_color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One version of an application: a bundle by digest. Immutable. Named `APPLICATION-NUMBER`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Revision {
    pub metadata: Metadata,
    pub spec: RevisionSpec,
}
typed!(Revision, kinds::REVISION);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionSpec {
    pub application: String,
    pub number: u64,
    pub bundle: Bundle,
    /// The appspec's name in the bundle; empty in form mode.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub appspec: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileMapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
    pub source: Source,
}

/// `{digest: sha256:…, size: bytes}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bundle {
    pub digest: String,
    pub size: u64,
}

/// Where a bundle came from, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
}

/// One deployment or one rollback. Named `APPLICATION-NUMBER`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    pub metadata: Metadata,
    pub spec: RolloutSpec,
    pub status: RolloutStatus,
}
typed!(Rollout, kinds::ROLLOUT);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutSpec {
    pub application: String,
    /// `<deployid>` of the cache path when this is a deployment.
    pub number: u64,
    pub action: Action,
    /// The name of the Revision to bring or to go back to.
    pub revision: String,
    /// For a rollback: the number of the rollout it undoes, whose concurrency it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    pub settings: Settings,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub requested_by: String,
    pub desired: Desired,
    /// Starts at 1; `retry` adds one. An Operation is named `ROLLOUT-GEAR-ATTEMPT`.
    pub attempt: u32,
    pub promoted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_hooks: Vec<String>,
    pub ignore_stop_failure: bool,
}

/// What a rollout does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    #[default]
    Deploy,
    Rollback,
}

/// What is wanted of something under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Desired {
    #[default]
    Run,
    /// Stop before the next step, and wait.
    Pause,
    /// Stop after the step under way, for good.
    Abort,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    pub phase: RolloutPhase,
    /// Why, in one word for programs: `HookFailed`, `Locked`, `NoHosts`, `TooFewHealthy`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    pub gears: GearCounts,
    /// What happens once, beside the gears' own steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepStatus>,
    /// The application's revision when this rollout claimed it; what a rollback on failure returns to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub previous_revision: String,
    /// Blue/green: the colour that this rollout brings to serve; set when it claims the application.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub color: String,
    /// The attempt that the counts are about.
    pub attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// A later attempt that was refused: everything else tells what was reached before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Why an attempt of a rollout did not begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refused {
    pub attempt: u32,
    pub reason: String,
    pub message: String,
}

impl Rollout {
    /// The last attempt that came to something: it ended, or it was refused.
    pub fn answered(&self) -> u32 {
        let refused = self.status.refused.as_ref();
        refused.map_or(self.status.attempt, |refused| {
            refused.attempt.max(self.status.attempt)
        })
    }

    /// Why the attempt that is asked for did not begin, when an earlier one did.
    pub fn refusal(&self) -> Option<&Refused> {
        let refused = self.status.refused.as_ref();
        refused.filter(|refused| refused.attempt >= self.spec.attempt)
    }

    /// The attempt that there is something to tell of: the one that is asked for, unless it was refused.
    pub fn told_attempt(&self) -> u32 {
        match self.refusal() {
            Some(_) => self.status.attempt,
            None => self.spec.attempt,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutPhase {
    #[default]
    Pending,
    Running,
    Paused,
    Succeeded,
    PartlyFailed,
    Failed,
    RolledBack,
    Aborted,
}

impl RolloutPhase {
    /// Whether nothing more happens unless somebody asks.
    pub fn is_final(self) -> bool {
        !matches!(
            self,
            RolloutPhase::Pending | RolloutPhase::Running | RolloutPhase::Paused
        )
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GearCounts {
    pub total: u32,
    pub done: u32,
    pub failed: u32,
    /// On nodes that cannot be reached; they catch up when they return.
    pub unreachable: u32,
}

/// One instance of an application on a node. Named `APPLICATION-NODE`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gear {
    pub metadata: Metadata,
    pub spec: GearSpec,
    pub status: GearStatus,
}
typed!(Gear, kinds::GEAR);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GearSpec {
    pub application: String,
    pub node: String,
    pub role: Role,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cartridges: Vec<String>,
    /// The Revision that is wanted here; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    pub rotation: Rotation,
    /// Bringing it up to date outside a rollout fails; gone once it does not. Taken away, it begins anew at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
}

/// What came of bringing a gear up to date, while that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CatchUp {
    /// The Operation that failed last.
    pub operation: String,
    /// How many failed in a row.
    pub failures: u32,
    /// What failed.
    pub message: String,
    /// When it is tried again; none: not before a rollout is retried or begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    Head,
    Secondary,
    /// The gear of an application with `hosts`.
    #[default]
    Target,
}

/// Whether a gear is meant to get requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rotation {
    #[default]
    In,
    Out,
}

/// What is on the node, written by its agent alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GearStatus {
    pub state: GearState,
    /// The Revision whose Install last succeeded here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub previous_revision: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// The last Operation that ended here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub operation: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GearState {
    #[default]
    New,
    Building,
    Deploying,
    Started,
    Stopped,
    Idle,
}

/// What one node has to do for one gear: a baton between controller and agent.
///
/// The step list is complete from the start. The agent alone writes status. Made by the controllers only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operation {
    pub metadata: Metadata,
    pub spec: OperationSpec,
    pub status: OperationStatus,
}
typed!(Operation, kinds::OPERATION);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationSpec {
    /// Also the label `upshift.dev/node`.
    pub node: String,
    pub gear: String,
    /// `Rollout/NAME`, `Gear/NAME` for a catch-up or a teardown.
    pub owner: String,
    pub plan_version: u32,
    pub steps: Vec<Step>,
    pub desired: Desired,
    /// Whether the gear was in rotation when this began: where it returns to if nothing was stopped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_rotation: bool,
    /// Outcomes of Control steps, by step name; written by the controller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub control: BTreeMap<String, ControlOutcome>,
    /// What the steps of a deployment, rollback or teardown need to know.
    pub deployment: Deployment,
}

/// One entry of a step list: `{name: Install, actor: Node}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    pub name: String,
    pub actor: Actor,
}

/// Who performs a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The agent.
    #[default]
    Node,
    /// A controller, which writes the outcome under `spec.control`.
    Control,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlOutcome {
    pub phase: StepPhase,
    /// Why it failed, in one word: `RouterSilent`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub message: String,
}

/// Inputs of the steps of seed 001, complete, so that an agent needs no other object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    pub application: String,
    /// `<appid>` and `<groupid>` of the cache path.
    pub app_id: String,
    pub group_id: String,
    pub action: Action,
    /// The Rollout's name; empty for a catch-up or a teardown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rollout: String,
    /// `<deployid>` of the cache path: the number of the rollout that brought the wanted revision here.
    pub deploy_id: u64,
    /// What is to be in place at the end; none: nothing is (teardown, or going back past the first deployment).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<DeployedRevision>,
    /// `${rootdir}`; empty: the node's own default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root_dir: String,
    /// What the gear listens on; hooks get both.
    pub address: String,
    pub port: u16,
    pub file_exists: FileExists,
    pub hook_timeout: Option<Span>,
    pub gear_timeout: Option<Span>,
    /// Hooks that are Skipped on request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip_hooks: Vec<String>,
    /// A failing ApplicationStop (or block hook) of the old revision does not end the operation.
    pub ignore_stop_failure: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// `<deployid>`s whose caches must stay; others of this application may be removed after success.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<u64>,
}

/// The part of a Revision that an agent needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeployedRevision {
    pub name: String,
    pub number: u64,
    pub bundle: Bundle,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub appspec: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileMapping>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scripts: Option<Scripts>,
}

/// The projection of the node's journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationStatus {
    pub phase: OperationPhase,
    /// Why it ended, in one word: `HookFailed`, `HookTimedOut`, `HookMissing`, `JournalLost`, `PlanConflict`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    pub steps: Vec<StepStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl OperationStatus {
    /// The step that was reached last; none before the first one has begun.
    pub fn reached(&self) -> Option<&StepStatus> {
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.phase != StepPhase::Waiting)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationPhase {
    /// Not accepted by the agent yet.
    #[default]
    Pending,
    Running,
    Paused,
    Succeeded,
    Failed,
    Aborted,
}

impl OperationPhase {
    /// Whether the agent is through with it.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            OperationPhase::Succeeded | OperationPhase::Failed | OperationPhase::Aborted
        )
    }
}

/// How far one step is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepStatus {
    pub name: String,
    pub phase: StepPhase,
    /// Why it was skipped or failed, in one word: `NoHook`, `FirstDeployment`, `OnRequest`, `HookFailed`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Time it took by the node's monotonic clock, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// Of the hook that ended it; 128 + signal when a signal did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The hook scripts of this step, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemStatus>,
    /// Digest of the step's whole output in the registry, once it ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepPhase {
    #[default]
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
}

/// One hook script of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ItemStatus {
    /// The script's path in the bundle, with its arguments.
    pub name: String,
    pub phase: StepPhase,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_leave_nothing_out_that_they_know() {
        let object = serde_json::json!({
            "apiVersion": "upshift.dev/v1",
            "kind": "Application",
            "metadata": {"name": "shop", "namespace": "demo"},
            "spec": {
                "hosts": {"selector": {"tier": "web"}},
                "port": 8080,
                "rollout": {"concurrency": "25%", "hookTimeout": "90s", "onFailure": "Rollback"},
            },
        });
        let application: Application = serde_json::from_value(object).unwrap();
        assert_eq!(application.spec.rollout.concurrency, Amount::Percent(25));
        assert_eq!(application.spec.rollout.on_failure, OnFailure::Rollback);
        assert_eq!(
            application.to_object()["spec"]["rollout"]["hookTimeout"],
            "1m30s"
        );
    }
}
