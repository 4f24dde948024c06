//! A `DeploymentConfig`'s versions: when one begins, how its pods take the place of the old ones, how it ends.
//!
//! What OpenShift does in a deployer pod is decided here look by look, from the objects alone: which version is due
//! ([`plan`]), how many pods each replication controller has now ([`surge`]), whether the rollout is complete, has come no
//! further for too long, or was cancelled. Phases of a replication controller only move forward, except by a retry. After
//! a failure the newest complete version gets its pods back, within the same limits.
//!
//! # Decided
//!
//! Nothing waits between two steps (`intervalSeconds`; `updatePeriodSeconds` counts from 2 on): a step follows when pods
//! are ready. Old pods of versions between the last complete one and the new one go first, not at once, so that nobody
//! is left without an answer. A rollout that needs two pods on one node though they listen on every address runs as
//! Recreate and says so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::core::Condition;
use crate::api::deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::DeploymentConfigStatus;
use crate::api::deployment::RolloutPhase;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::pod::Replicated;
use crate::api::pod::ReplicationController;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::replicas::Census;
use crate::controllers::replicas::count;
use crate::controllers::replicas::trouble;
use crate::controllers::world::World;
use crate::plan::deployment_config as plan;
use crate::plan::deployment_config::Cause;
use crate::plan::surge;
use crate::plan::surge::Crowd;
use crate::plan::surge::Limits;

/// How many finished versions stay when the config names no limit.
const DEFAULT_HISTORY: u32 = 10;
/// How long Recreate waits for the old pods to be gone.
const OLD_PODS: Duration = Duration::from_secs(120);

/// Decides for one `DeploymentConfig`.
#[derive(Debug, Default)]
pub(crate) struct DeploymentConfigs;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::DEPLOYMENT_CONFIG,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::REPLICATION_CONTROLLER,
        keys: |_, touched| touched.its_controller(&kinds::DEPLOYMENT_CONFIG),
    },
    Watch {
        kind: &kinds::POD,
        keys: |_, touched| {
            let annotations = &touched.metadata.annotations;
            let config = annotations.get(deployment::ANNOTATION_CONFIG);
            let namespace = &touched.key.namespace;
            config.map_or_else(Vec::new, |name| vec![Key::new(namespace.clone(), name)])
        },
    },
    Watch {
        kind: &kinds::NODE,
        keys: |world, touched| {
            let pods = world.pods.on_node(&touched.key.name);
            let mut keys: Vec<Key> = pods
                .filter_map(|pod| {
                    let annotations = &pod.metadata.annotations;
                    let name = annotations.get(deployment::ANNOTATION_CONFIG)?;
                    Some(Key::new(pod.metadata.namespace.clone(), name))
                })
                .collect();
            keys.dedup();
            keys
        },
    },
];

impl Controller for DeploymentConfigs {
    const NAME: &'static str = "deployment_config";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(config) = world.deployment_configs.find(key) else {
            return Decision::nothing();
        };
        if config.metadata.is_deleting() || world.is_ending(&key.namespace) {
            return Decision::nothing();
        }
        Scene::of(config, world, now).decide()
    }
}

/// One version of a config: its replication controller and that one's pods.
struct Version<'w> {
    number: u64,
    phase: RolloutPhase,
    controller: &'w Arc<ReplicationController>,
    census: Census<'w>,
}

impl Version<'_> {
    fn crowd(&self) -> Crowd {
        self.census.crowd(self.controller.replicas())
    }

    fn is_empty(&self) -> bool {
        self.census.is_empty(self.controller.replicas())
    }

    fn is_cancelled(&self) -> bool {
        let annotations = &self.controller.metadata.annotations;
        annotations
            .get(deployment::ANNOTATION_CANCELLED)
            .is_some_and(|value| value == "true")
    }

    fn name(&self) -> &str {
        &self.controller.metadata.name
    }
}

/// What a look at one config sees, and what it comes to.
struct Scene<'w> {
    config: &'w DeploymentConfig,
    world: &'w World,
    now: Timestamp,
    /// Oldest first.
    versions: Vec<Version<'w>>,
    /// What changes of which replication controller, in the order of the decisions.
    patches: Vec<(usize, Value)>,
    decision: Decision,
    /// What the condition `Progressing` is to say.
    progressing: Option<Progressing>,
    /// Whether a new version begins, and the status says so already.
    has_begun: bool,
}

struct Progressing {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Progressing {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "every caller hands it on as an option"
    )]
    fn new(status: &'static str, reason: &'static str, message: String) -> Option<Progressing> {
        Some(Progressing {
            status,
            reason,
            message,
        })
    }
}

impl<'w> Scene<'w> {
    fn of(config: &'w DeploymentConfig, world: &'w World, now: Timestamp) -> Scene<'w> {
        let controllers = world
            .replication_controllers
            .controlled_by(&config.metadata.uid)
            .filter(|one| !one.metadata.is_deleting());
        let mut versions: Vec<Version<'w>> = controllers
            .map(|controller| Version {
                number: plan::version(controller),
                phase: RolloutPhase::of(&controller.metadata),
                census: Census::of(&**controller, world, now),
                controller,
            })
            .collect();
        versions.sort_by_key(|version| version.number);
        Scene {
            config,
            world,
            now,
            versions,
            patches: Vec::new(),
            decision: Decision::nothing(),
            progressing: None,
            has_begun: false,
        }
    }

    /// The place of the newest version among all; none while its replication controller is not there.
    fn latest(&self) -> Option<usize> {
        let number = self.config.status.latest_version;
        self.versions.iter().position(|one| one.number == number)
    }

    /// The place of the newest version that is complete.
    fn active(&self) -> Option<usize> {
        let complete = |one: &Version<'_>| one.phase == RolloutPhase::Complete;
        self.versions.iter().rposition(complete)
    }

    fn decide(mut self) -> Decision {
        let latest = self.latest();
        let controller = latest.map(|place| &**self.versions[place].controller);
        if let Some(cause) = plan::due(self.config, controller) {
            self.begin(&cause);
        } else if let Some(latest) = latest {
            self.stop_others(latest);
            self.follow(latest);
        } else if self.config.status.latest_version > 0 && !self.config.spec.paused {
            self.create(self.config);
        }
        self.flush();
        if !self.has_begun {
            self.report();
        }
        self.prune();
        self.decision
    }

    /// A new version: its number and cause are written first, then its replication controller is made.
    fn begin(&mut self, cause: &Cause) {
        let mut config = self.config.clone();
        config.status.latest_version += 1;
        config.status.details = Some(cause.details());
        self.create(&config);
        let status = self.status(&config.status);
        let change = Change::status(self.config, &json!(status));
        self.decision.changes.insert(0, change);
        self.has_begun = true;
    }

    /// The replication controller of a version; what still runs is ended first.
    fn create(&mut self, config: &DeploymentConfig) {
        if self.versions.iter().any(|one| !one.phase.is_final()) {
            self.stop_others(self.versions.len());
            return;
        }
        let controller = plan::replication_controller(config);
        let message = format!(
            "Created new replication controller {:?} for version {}",
            controller.metadata.name, config.status.latest_version
        );
        self.decision.changes.push(Change::create(&controller));
        self.note("DeploymentCreated", message.clone());
        self.decision.blame = Some(Note::warning(
            self.config,
            "DeploymentCreationFailed",
            "Couldn't deploy: ",
        ));
        self.progressing = Progressing::new("True", "NewReplicationControllerCreated", message);
    }

    /// Ends every rollout but one.
    fn stop_others(&mut self, kept: usize) {
        for place in 0..self.versions.len() {
            let version = &self.versions[place];
            if place == kept || version.phase.is_final() {
                continue;
            }
            let mut annotations =
                json!({deployment::ANNOTATION_PHASE: RolloutPhase::Failed.name()});
            if !version.is_cancelled() {
                annotations[deployment::ANNOTATION_CANCELLED] = "true".into();
                annotations[deployment::ANNOTATION_REASON] =
                    "newer deployment was found running".into();
            }
            self.annotate(place, &annotations, None);
            let message = format!(
                "Cancelled deployment {:?} superceded by version {}",
                self.versions[place].name(),
                self.config.status.latest_version
            );
            self.note("DeploymentCancelled", message);
        }
    }

    fn follow(&mut self, latest: usize) {
        let version = &self.versions[latest];
        match version.phase {
            RolloutPhase::Complete | RolloutPhase::Failed => self.settle(),
            _ if version.is_cancelled() => self.cancel(latest),
            _ => self.advance(latest),
        }
    }

    /// Nothing is under way: the newest complete version has the pods, the others have none.
    fn settle(&mut self) {
        let desired = if self.config.spec.test {
            0
        } else {
            self.config.spec.replicas
        };
        match self.active() {
            Some(active) => self.roll(active, desired, None),
            None => self.scale_down_all(),
        }
    }

    fn scale_down_all(&mut self) {
        for place in 0..self.versions.len() {
            self.scale(place, 0, None);
        }
    }

    fn cancel(&mut self, latest: usize) {
        let annotations = &self.versions[latest].controller.metadata.annotations;
        let mut change = json!({deployment::ANNOTATION_PHASE: RolloutPhase::Failed.name()});
        if !annotations.contains_key(deployment::ANNOTATION_REASON) {
            change[deployment::ANNOTATION_REASON] = "cancelled by the user".into();
        }
        self.annotate(latest, &change, None);
        let message = format!("Cancelled rollout of {:?}", self.versions[latest].name());
        self.note("RolloutCancelled", message);
    }

    fn advance(&mut self, latest: usize) {
        let desired = self.config.spec.replicas;
        let version = &self.versions[latest];
        let (new, olds) = (version.crowd(), self.crowds_besides(latest));
        if version.phase == RolloutPhase::Running && surge::is_done(new, &olds, desired) {
            return self.complete(latest);
        }
        if self.config.spec.strategy.kind == "Custom" {
            return self.fail(latest, "unsupported strategy type: Custom".to_owned());
        }
        let waited = self.standstill(latest);
        let timeout = self.timeout();
        if version.phase == RolloutPhase::Running {
            if waited >= timeout {
                let message = format!(
                    "update acceptor rejected {}: pods for rc '{}' took longer than {} seconds to become available",
                    version.name(),
                    version.controller.metadata.key(),
                    timeout.as_secs()
                );
                return self.fail(latest, message);
            }
            self.decision.look_again(timeout.saturating_sub(waited));
        }
        let running = (version.phase != RolloutPhase::Running).then_some(RolloutPhase::Running);
        if self.recreates(latest) {
            self.recreate(latest, running);
        } else {
            self.roll(latest, desired, running);
        }
    }

    fn crowds_besides(&self, kept: usize) -> Vec<Crowd> {
        let others = self.others(kept).into_iter();
        others.map(|place| self.versions[place].crowd()).collect()
    }

    /// The other versions in the order in which they are taken down: the one that was complete last.
    fn others(&self, kept: usize) -> Vec<usize> {
        let active = self.active().filter(|active| *active != kept);
        let places = 0..self.versions.len();
        places
            .filter(|place| *place != kept && Some(*place) != active)
            .chain(active)
            .collect()
    }

    fn standstill(&self, place: usize) -> Duration {
        let key = self.versions[place].controller.metadata.key();
        let kind = ReplicationController::KIND;
        self.world.sightings.standstill(kind, &key, self.now)
    }

    fn timeout(&self) -> Duration {
        let strategy = &self.config.spec.strategy;
        let seconds = match strategy.kind.as_str() {
            "Recreate" => strategy
                .recreate_params
                .as_ref()
                .and_then(|params| params.timeout_seconds),
            _ => strategy
                .rolling_params
                .as_ref()
                .and_then(|params| params.timeout_seconds),
        };
        Duration::from_secs(seconds.unwrap_or(plan::DEFAULT_TIMEOUT))
    }

    fn limits(&self) -> Limits {
        let params = self.config.spec.strategy.rolling_params.as_ref();
        Limits::of(
            params.and_then(|one| one.max_surge.as_ref()),
            params.and_then(|one| one.max_unavailable.as_ref()),
            self.config.spec.replicas,
        )
    }

    fn recreates(&self, latest: usize) -> bool {
        self.config.spec.strategy.kind == "Recreate"
            || self.active().is_none()
            || self.is_crowded(latest)
    }

    /// Whether pods listen on every address of their nodes and there is no node for one more.
    fn is_crowded(&self, latest: usize) -> bool {
        let others = self.others(latest).into_iter();
        let mut pods = others.flat_map(|place| &self.versions[place].census.live);
        let everywhere = pods.any(|pod| pod.status.listening.iter().any(|one| one.everywhere));
        let nodes = self.world.nodes.all();
        let open = nodes.filter(|node| node.is_ready() && !node.spec.unschedulable);
        everywhere && count(open.count()) < self.config.spec.replicas + self.limits().surge
    }

    /// One step of a rolling update, or of going back to what ran before.
    fn roll(&mut self, to: usize, desired: u32, phase: Option<RolloutPhase>) {
        let others = self.others(to);
        let olds = self.crowds_besides(to);
        let step = surge::step(self.versions[to].crowd(), &olds, desired, self.limits());
        self.scale(to, step.new, phase);
        if self.is_too_soon(to) {
            return;
        }
        for (place, wanted) in others.into_iter().zip(step.old) {
            self.scale(place, wanted, None);
        }
    }

    /// Whether the config asks for a pause between steps that is not over.
    fn is_too_soon(&mut self, to: usize) -> bool {
        let params = self.config.spec.strategy.rolling_params.as_ref();
        let period = params.and_then(|one| one.update_period_seconds);
        let period = Duration::from_secs(period.filter(|seconds| *seconds > 1).unwrap_or(0));
        let left = period.saturating_sub(self.standstill(to));
        if !left.is_zero() {
            self.decision.look_again(left);
        }
        !left.is_zero()
    }

    /// The old pods go first; then one new pod shows that it works, then the others follow.
    fn recreate(&mut self, latest: usize, phase: Option<RolloutPhase>) {
        let others = self.others(latest);
        let gone = others.iter().all(|place| self.versions[*place].is_empty());
        let mut phase = phase;
        if phase.is_some() && self.is_crowded(latest) {
            let message = "the pods listen on every address of their node, so that two of them do not fit on one: \
                           the old ones are ended before the new ones start";
            let controller = &**self.versions[latest].controller;
            let note = Note::warning(controller, "ListensEverywhere", message);
            self.decision.notes.push(note);
        }
        for place in others {
            self.scale(place, 0, None);
        }
        let waited = self.standstill(latest);
        let version = &self.versions[latest];
        let late = phase.is_none() && waited >= OLD_PODS && version.controller.replicas() == 0;
        if gone || late {
            let desired = self.config.spec.replicas;
            let new = version.crowd();
            let wanted = match (new.wanted, new.available) {
                (0, _) => desired.min(1),
                (wanted, 0) => wanted.min(desired),
                _ => desired,
            };
            self.scale(latest, wanted, phase.take());
        } else {
            self.decision.look_again(OLD_PODS.saturating_sub(waited));
        }
        if let Some(phase) = phase {
            let annotations = json!({deployment::ANNOTATION_PHASE: phase.name()});
            self.annotate(latest, &annotations, None);
        }
    }

    fn complete(&mut self, latest: usize) {
        let annotations = json!({deployment::ANNOTATION_PHASE: RolloutPhase::Complete.name()});
        self.annotate(latest, &annotations, None);
        let message = format!(
            "replication controller {:?} successfully rolled out",
            self.versions[latest].name()
        );
        self.note("RolloutComplete", message);
    }

    fn fail(&mut self, latest: usize, message: String) {
        let annotations = json!({deployment::ANNOTATION_PHASE: RolloutPhase::Failed.name()});
        self.annotate(latest, &annotations, None);
        let controller = &**self.versions[latest].controller;
        let notes = [
            Note::warning(self.config, "RolloutFailed", message.clone()),
            Note::warning(controller, "RolloutFailed", message),
        ];
        self.decision.notes.extend(notes);
    }

    fn scale(&mut self, place: usize, wanted: u32, phase: Option<RolloutPhase>) {
        let version = &self.versions[place];
        let before = version.controller.replicas();
        if before == wanted && phase.is_none() {
            return;
        }
        let annotations = match phase {
            Some(phase) => json!({deployment::ANNOTATION_PHASE: phase.name()}),
            None => json!({}),
        };
        let message = format!(
            "Scaled replication controller {:?} from {before} to {wanted}",
            version.name()
        );
        self.annotate(place, &annotations, (before != wanted).then_some(wanted));
        if before != wanted {
            self.note("ReplicationControllerScaled", message);
        }
    }

    /// Changes a replication controller; several changes of one are one patch.
    fn annotate(&mut self, place: usize, annotations: &Value, replicas: Option<u32>) {
        let mut merge = json!({"metadata": {"annotations": annotations}});
        if let Some(replicas) = replicas {
            merge["spec"]["replicas"] = replicas.into();
        }
        match self.patches.iter_mut().find(|(known, _)| *known == place) {
            Some((_, patch)) => json_patch::merge(patch, &merge),
            None => self.patches.push((place, merge)),
        }
    }

    fn flush(&mut self) {
        for (place, merge) in std::mem::take(&mut self.patches) {
            let controller = &**self.versions[place].controller;
            self.decision.changes.push(Change::patch(controller, merge));
        }
    }

    fn note(&mut self, reason: &str, message: String) {
        let note = Note::normal(self.config, reason, message);
        self.decision.notes.push(note);
    }

    /// Writes the status if it is another one now.
    fn report(&mut self) {
        let status = self.status(&self.config.status);
        let known = &self.config.status;
        if status == *known {
            return;
        }
        let waited_for = status.conditions != known.conditions
            || status.observed_generation != known.observed_generation;
        let merge = json!(status);
        self.decision.changes.push(if waited_for {
            Change::status(self.config, &merge)
        } else {
            Change::report(self.config, &merge)
        });
    }

    /// A status with the present counts and conditions.
    fn status(&mut self, known: &DeploymentConfigStatus) -> DeploymentConfigStatus {
        let mut status = DeploymentConfigStatus {
            observed_generation: self.config.metadata.generation,
            replicas: 0,
            updated_replicas: 0,
            ready_replicas: 0,
            available_replicas: 0,
            unavailable_replicas: 0,
            ..known.clone()
        };
        for version in &self.versions {
            let live = count(version.census.live.len());
            status.replicas += live;
            status.ready_replicas += version.census.ready;
            status.available_replicas += version.census.available;
            if version.number == status.latest_version {
                status.updated_replicas = live;
            }
        }
        status.unavailable_replicas = status.replicas.saturating_sub(status.available_replicas);
        self.conditions(&mut status);
        status
    }

    fn conditions(&mut self, status: &mut DeploymentConfigStatus) {
        let minimum = self.limits().min_available(self.config.spec.replicas);
        let is_available = status.available_replicas >= minimum && status.available_replicas > 0;
        let available = if is_available {
            ("True", "Deployment config has minimum availability.")
        } else {
            (
                "False",
                "Deployment config does not have minimum availability.",
            )
        };
        let now = self.now;
        let condition = move |kind: &str, status: &str, reason: &str, message: &str| Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: Some(now),
        };
        condition("Available", available.0, "", available.1).put(&mut status.conditions);
        if let Some(progressing) = self.progress(status) {
            let Progressing {
                status: is,
                reason,
                message,
            } = progressing;
            condition("Progressing", is, reason, &message).put(&mut status.conditions);
        }
    }

    fn progress(&mut self, status: &DeploymentConfigStatus) -> Option<Progressing> {
        let said = |reason: &str| status.conditions.iter().any(|one| one.reason == reason);
        if self.config.spec.paused {
            let message = "Deployment config is paused".to_owned();
            return Progressing::new("Unknown", "DeploymentConfigPaused", message);
        }
        if let Some(progressing) = self.progressing.take() {
            return Some(progressing);
        }
        let latest = self
            .latest()
            .filter(|_| status.latest_version == self.config.status.latest_version);
        let Some(latest) = latest else {
            let message = "Deployment config is resumed".to_owned();
            return Progressing::new("Unknown", "DeploymentConfigResumed", message)
                .filter(|_| said("DeploymentConfigPaused"));
        };
        let version = &self.versions[latest];
        let name = format!("{:?}", version.name());
        match version.phase {
            RolloutPhase::Complete => Progressing::new(
                "True",
                "NewReplicationControllerAvailable",
                format!("replication controller {name} successfully rolled out"),
            ),
            RolloutPhase::Failed if version.is_cancelled() => Progressing::new(
                "False",
                "RolloutCancelled",
                format!("rollout of replication controller {name} was cancelled"),
            ),
            RolloutPhase::Failed => Progressing::new(
                "False",
                "ProgressDeadlineExceeded",
                format!("replication controller {name} has failed progressing"),
            ),
            _ => {
                let trouble = trouble(&version.census.live);
                let mut message = format!("replication controller {name} is progressing");
                if let Some((reason, cause)) = trouble {
                    message = format!("{message}: {cause}");
                    let known = status.conditions.iter().any(|one| one.message == message);
                    if !known {
                        let note = Note::warning(&**version.controller, &reason, cause);
                        self.decision.notes.push(note);
                    }
                }
                Progressing::new("True", "ReplicationControllerUpdated", message)
            }
        }
    }

    /// Finished versions beyond the limit go, the oldest first.
    fn prune(&mut self) {
        let limit = self.config.spec.revision_history_limit;
        let limit = limit.unwrap_or(DEFAULT_HISTORY) as usize;
        let (active, latest) = (self.active(), self.latest());
        let finished: Vec<usize> = (0..self.versions.len())
            .filter(|place| Some(*place) != active && Some(*place) != latest)
            .filter(|place| {
                let version = &self.versions[*place];
                version.phase.is_final() && version.is_empty()
            })
            .collect();
        let surplus = finished.len().saturating_sub(limit);
        for place in finished.into_iter().take(surplus) {
            let controller = &**self.versions[place].controller;
            self.decision.changes.push(Change::delete(controller));
        }
    }
}
