//! One gear outside a rollout: caught up when it is not what it should be, torn down before it goes.
//!
//! What a gear should be outside a rollout is its application's current revision: a host that was away, or is new, gets
//! it by an operation of its own. A gear that a rollout left at a failure stays as it is until somebody decides. At most
//! one operation of a gear is under way, whoever made it.
//!
//! # Decided
//!
//! * A catch-up that fails is tried again after a pause that doubles, so that a host heals without anybody when its cause
//!   goes; after [`MOST_FAILURES`] in a row, which is some forty minutes, it is left alone: a hook that always fails is
//!   not run for ever. What failed and when it is tried again stands in the gear (`spec.catchUp`), where the count
//!   survives a restart. A retry of the rollout, or the next one, begins anew.

use std::time::Duration;

use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::upshift::ANNOTATION_BLOCKED_BY;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::CatchUp;
use crate::api::upshift::FINALIZER;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Revision;
use crate::api::upshift::Rotation;
use crate::base::clock::Timestamp;
use crate::controllers::balanced_service;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::deployment;
use crate::controllers::deployment::Brief;
use crate::controllers::gear_endpoints;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::workflow;
use crate::plan::workflow::Workflow;

/// The first pause after a failed catch-up or teardown; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How many catch-ups fail in a row before it is somebody's to decide.
const MOST_FAILURES: u32 = 10;
/// How far the time of the next try that was told may be from the true one, which counts from this process's start.
const NEAR: Duration = Duration::from_secs(10);
/// How long after the end of an operation its gear's status may lag.
const REPORTING: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Decides for one Gear.
#[derive(Debug, Default)]
pub(crate) struct Gears;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::GEAR,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::OPERATION,
        keys: Touched::its_gear,
    },
    Watch {
        kind: &kinds::APPLICATION,
        keys: of_application,
    },
    Watch {
        kind: &kinds::NODE,
        keys: on_node,
    },
    Watch {
        kind: &kinds::SERVICE,
        keys: led_no_more,
    },
    Watch {
        kind: &kinds::ENDPOINT_SLICE,
        keys: led_no_more,
    },
];

/// The gears that what is gone now led to.
fn led_no_more(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let is_there = world.metadata(touched.kind, touched.key).is_some();
    let name = touched.metadata.labels.get(LABEL_GEARS_OF);
    name.filter(|_| !is_there).map_or_else(Vec::new, |name| {
        let owner = Key::new(&*touched.key.namespace, &**name);
        let gears = world.gears.of_application(&owner);
        gears.map(|gear| gear.metadata.key()).collect()
    })
}

fn of_application(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    touched.application.as_ref().map_or_else(Vec::new, |owner| {
        let gears = world.gears.of_application(owner);
        gears.map(|gear| gear.metadata.key()).collect()
    })
}

fn on_node(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    touched.node.map_or_else(Vec::new, |node| {
        let gears = world.gears.on_node(node);
        gears.map(|gear| gear.metadata.key()).collect()
    })
}

impl Controller for Gears {
    const NAME: &'static str = "gear";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(gear) = world.gears.find(key) else {
            return Decision::nothing();
        };
        let owner = Key::new(key.namespace.clone(), gear.spec.application.clone());
        let mut scene = Scene {
            gear,
            application: world.applications.find(&owner).map(|one| &**one),
            operations: world
                .operations
                .of_gear(key)
                .map(|operation| &**operation)
                .collect(),
            world,
            now,
        };
        scene
            .operations
            .sort_by_key(|operation| operation.metadata.creation_timestamp);
        if gear.metadata.is_deleting() {
            tear_down(&scene)
        } else {
            catch_up(&scene)
        }
    }
}

/// A gear and what was done on it.
struct Scene<'a> {
    gear: &'a Gear,
    application: Option<&'a Application>,
    operations: Vec<&'a Operation>,
    world: &'a World,
    now: Timestamp,
}

impl<'a> Scene<'a> {
    fn is_busy(&self) -> bool {
        self.operations
            .iter()
            .any(|operation| !operation.status.phase.is_final())
    }

    /// This gear's own operations whose names begin so, by their number.
    fn numbered(&self, prefix: &str) -> Vec<(u32, &'a Operation)> {
        let mut found: Vec<(u32, &Operation)> = self
            .operations
            .iter()
            .filter_map(|operation| {
                let rest = operation.metadata.name.strip_prefix(prefix)?;
                let number = match rest.strip_prefix('-') {
                    Some(number) => number.parse().ok()?,
                    None if rest.is_empty() => 1,
                    None => return None,
                };
                Some((number, *operation))
            })
            .collect();
        found.sort_by_key(|(number, _)| *number);
        found
    }

    /// How long a next try has to wait after the last one, counted from when this process saw it end.
    fn pause_left(&self, tries: u32, last: &Operation) -> Duration {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << tries.saturating_sub(1).min(10))
            .min(LONGEST_PAUSE);
        let waited = self
            .world
            .since_end(&last.metadata.key(), self.now)
            .unwrap_or(Duration::ZERO);
        pause.saturating_sub(waited)
    }

    fn operation(&self, application: &Application, name: String, errand: &Errand<'_>) -> Operation {
        deployment::operation(Brief {
            world: self.world,
            application,
            settings: &application.spec.rollout,
            name,
            owner: self.gear.as_owner(),
            gear: &self.gear.metadata.name,
            in_rotation: is_in_rotation(self.gear),
            node: &self.gear.spec.node,
            action: errand.action,
            steps: errand.steps.clone(),
            revision: errand.revision,
            deploy_id: errand.deploy_id,
            rollout: None,
            ignore_stop_failure: errand.revision.is_none(),
        })
    }
}

fn is_in_rotation(gear: &Gear) -> bool {
    gear.spec.rotation == Rotation::In
}

/// What an operation outside a rollout does.
struct Errand<'a> {
    action: Action,
    steps: Vec<crate::api::upshift::Step>,
    revision: Option<&'a Revision>,
    deploy_id: u64,
}

/// Brings the current revision to a gear that does not have it.
fn catch_up(scene: &Scene<'_>) -> Decision {
    let Some(application) = scene.application else {
        return Decision::nothing();
    };
    let current = &application.status.current_revision;
    if application.metadata.is_deleting() || !application.status.rollout.is_empty() {
        return Decision::nothing();
    }
    let settings = &application.spec.rollout;
    let settings = balanced_service::in_force(settings, application, scene.world);
    let Some(workflow) = workflow::workflow(application, &settings) else {
        return Decision::nothing();
    };
    // The colour that does not serve holds what one can go back to.
    let is_idle =
        workflow == Workflow::BlueGreen && scene.gear.spec.color != application.status.active_color;
    if is_idle {
        return forget(scene.gear);
    }
    if scene.gear.spec.revision.is_empty() && !current.is_empty() {
        let wanted = json!({"spec": {"revision": current}});
        return Decision::one(Change::patch(scene.gear, wanted));
    }
    if is_left_out(scene, workflow, current) {
        let back = json!({
            "metadata": {"annotations": {ANNOTATION_BLOCKED_BY: null}},
            "spec": {"rotation": Rotation::In},
        });
        return Decision::one(Change::patch(scene.gear, back));
    }
    if scene.is_busy() {
        return Decision::nothing();
    }
    let tries = Tries::of(scene, application, current);
    let holds_other = scene.gear.status.revision != *current;
    let is_wanted = scene.gear.spec.revision == *current;
    if !is_wanted || !(holds_other || tries.failed().is_some()) {
        return forget(scene.gear);
    }
    // What an operation has just done may be reported for the gear a moment after its own end.
    let fresh = scene
        .operations
        .iter()
        .filter_map(|operation| scene.world.since_end(&operation.metadata.key(), scene.now));
    if let Some(left) = fresh.min().and_then(|age| REPORTING.checked_sub(age)) {
        return Decision {
            again: Some(left),
            ..Decision::default()
        };
    }
    let is_behind = holds_other || tries.has_failed(scene.gear);
    if !is_behind || left_at_a_failure(scene) {
        return forget(scene.gear);
    }
    if !scene.world.is_reachable(&scene.gear.spec.node) {
        return Decision::nothing();
    }
    begin_catch_up(scene, application, workflow, &tries)
}

/// The catch-ups with one revision that there were on a gear; of several in a row only the last is kept.
struct Tries<'a> {
    revision: Option<&'a Revision>,
    /// What their names begin with.
    prefix: String,
    last: Option<(u32, &'a Operation)>,
}

impl<'a> Tries<'a> {
    fn of(scene: &Scene<'a>, application: &Application, current: &str) -> Tries<'a> {
        let revision = deployment::revision(scene.world, application, current);
        let number = revision.map_or(0, |revision| revision.spec.number);
        let prefix = format!("{}-catchup-{number}", scene.gear.metadata.name);
        Tries {
            revision,
            last: scene.numbered(&prefix).last().copied(),
            prefix,
        }
    }

    /// The last one, if it failed.
    fn failed(&self) -> Option<&'a Operation> {
        let (_, last) = self.last?;
        (last.status.phase == OperationPhase::Failed).then_some(last)
    }

    /// Whether a failed one was the last that was done on the gear: the files may be in place, but it does not run.
    fn has_failed(&self, gear: &Gear) -> bool {
        let failed = self.failed();
        failed.is_some_and(|last| gear.status.operation == last.metadata.name)
    }

    /// How many failed in a row, this one included.
    fn failures(&self, last: &Operation, gear: &Gear) -> u32 {
        let known = gear.spec.catch_up.as_ref();
        let of_revision = format!("{}-", self.prefix);
        let known = known.filter(|known| known.operation.starts_with(&of_revision));
        match known {
            Some(known) if known.operation == last.metadata.name => known.failures,
            Some(known) => known.failures.saturating_add(1),
            None => 1,
        }
    }
}

/// It is up to date, or somebody else's business: nothing is left to tell.
fn forget(gear: &Gear) -> Decision {
    if gear.spec.catch_up.is_none() {
        return Decision::nothing();
    }
    Decision::one(Change::patch(gear, json!({"spec": {"catchUp": null}})))
}

/// Tells what failed and when it is tried again; none when that is told already.
fn tell_failure(scene: &Scene<'_>, told: &CatchUp) -> Option<Decision> {
    let known = scene.gear.spec.catch_up.as_ref();
    let is_told = known.is_some_and(|known| {
        let is_near = match (known.next, told.next) {
            (Some(one), Some(other)) => one.since(other).max(other.since(one)) <= NEAR,
            (one, other) => one == other,
        };
        (&known.operation, known.failures) == (&told.operation, told.failures) && is_near
    });
    if is_told {
        return None;
    }
    let later = match told.next {
        Some(_) => "it is tried again".to_owned(),
        None => format!(
            "after {} failures it is not tried again before the rollout is retried, or the next one",
            told.failures
        ),
    };
    let message = format!("{}; {later}", told.message);
    let mut whole = json!(told);
    // What is left out of a merge patch stays.
    whole["next"] = json!(told.next);
    let patch = Change::patch(scene.gear, json!({"spec": {"catchUp": whole}}));
    Some(Decision::one(patch).noting(Note::warning(scene.gear, "CatchUpFailed", message)))
}

/// Whether a gear is out of rotation and nobody is left who would put it in: its application has no load balancer any
/// more, so that no operation has the step for it.
fn is_left_out(scene: &Scene<'_>, workflow: Workflow, current: &str) -> bool {
    let gear = scene.gear;
    workflow == Workflow::Rolling
        && gear.spec.rotation == Rotation::Out
        && !current.is_empty()
        && gear.spec.revision == current
        && gear.status.revision == current
        && !scene.is_busy()
        && !left_at_a_failure(scene)
}

/// Whether a rollout brought this revision here and failed: that is somebody's to decide, not ours to repeat.
fn left_at_a_failure(scene: &Scene<'_>) -> bool {
    let wanted = &scene.gear.spec.revision;
    scene
        .operations
        .iter()
        .rev()
        .find(|operation| {
            operation
                .spec
                .deployment
                .revision
                .as_ref()
                .is_some_and(|revision| revision.name == *wanted)
        })
        .is_some_and(|last| {
            last.spec.owner.starts_with("Rollout/")
                && last.status.phase == OperationPhase::Failed
                && last.status.reason != "JournalLost"
        })
}

fn begin_catch_up(
    scene: &Scene<'_>,
    application: &Application,
    workflow: Workflow,
    tries: &Tries<'_>,
) -> Decision {
    let revision = tries.revision;
    if revision.is_none() && !application.status.current_revision.is_empty() {
        return Decision::nothing();
    }
    if let Some((_, last)) = tries.last
        && last.status.phase != OperationPhase::Succeeded
    {
        let failed = tries.failed();
        let failures = failed.map_or(1, |last| tries.failures(last, scene.gear));
        let is_over = failures >= MOST_FAILURES;
        let left = scene.pause_left(failures, last);
        if failed.is_some() {
            let told = CatchUp {
                operation: last.metadata.name.clone(),
                failures,
                message: deployment::describe(last),
                next: (!is_over).then(|| scene.now.after(left)),
            };
            let due = left.is_zero() && !is_over;
            if let Some(decision) = tell_failure(scene, &told).filter(|_| !due) {
                return decision;
            }
        }
        if is_over {
            return Decision::nothing();
        }
        if !left.is_zero() {
            return Decision {
                again: Some(left),
                ..Decision::default()
            };
        }
    }
    let next = tries.last.map_or(1, |(count, _)| count + 1);
    let errand = catch_up_errand(scene, application, workflow, revision);
    let name = format!("{}-{next}", tries.prefix);
    let operation = scene.operation(application, name, &errand);
    let message = match revision {
        Some(revision) => format!("catches up with {}", revision.metadata.name),
        None => "removes what a failed first deployment left".to_owned(),
    };
    Decision::one(Change::begin_alone(operation, scene.gear)).noting(Note::normal(
        scene.gear,
        "CatchingUp",
        message,
    ))
}

fn catch_up_errand<'a>(
    scene: &Scene<'a>,
    application: &Application,
    workflow: Workflow,
    revision: Option<&'a Revision>,
) -> Errand<'a> {
    let Some(revision) = revision else {
        return Errand {
            action: Action::Rollback,
            steps: workflow::removal_steps(workflow),
            revision: None,
            deploy_id: 0,
        };
    };
    let key = application.metadata.key();
    Errand {
        action: Action::Deploy,
        steps: workflow::catch_up_steps(workflow),
        revision: Some(revision),
        deploy_id: deployment::last_deploy(scene.world, &key, &revision.metadata.name)
            .unwrap_or(revision.spec.number),
    }
}

/// Removes what was installed, then lets the gear go. A node that is silent is waited for; one that is gone is not.
fn tear_down(scene: &Scene<'_>) -> Decision {
    let gear = scene.gear;
    let held = gear.metadata.finalizers.iter().any(|one| one == FINALIZER);
    if !held {
        return Decision::nothing();
    }
    let release = || Decision::one(Change::remove_finalizer(gear, FINALIZER));
    if scene.world.node(&gear.spec.node).is_none() {
        let message = format!(
            "node {} is gone; what is installed there is left behind",
            gear.spec.node
        );
        return release().noting(Note::warning(gear, "NodeGone", message));
    }
    let untouched = scene.operations.is_empty()
        && gear.status.revision.is_empty()
        && gear.status.operation.is_empty();
    let Some(application) = scene.application.filter(|_| !untouched) else {
        return release();
    };
    let prefix = format!("{}-teardown", gear.metadata.name);
    let tries = scene.numbered(&prefix);
    if let Some((count, last)) = tries.last() {
        match last.status.phase {
            OperationPhase::Succeeded => return release(),
            phase if !phase.is_final() => return Decision::nothing(),
            _ => {}
        }
        let left = scene.pause_left(*count, last);
        if !left.is_zero() {
            return Decision {
                again: Some(left),
                ..Decision::default()
            };
        }
    }
    if scene.is_busy() {
        return Decision::nothing();
    }
    let name = match tries.last() {
        None => prefix,
        Some((count, _)) => format!("{prefix}-{}", count + 1),
    };
    let owner = application.metadata.key();
    let is_balanced = application.spec.rollout.load_balancer.is_some()
        || !gear_endpoints::slices(&owner, scene.world).is_empty();
    let errand = Errand {
        action: Action::Rollback,
        steps: workflow::teardown_steps(is_balanced && is_in_rotation(gear)),
        revision: None,
        deploy_id: 0,
    };
    Decision::one(Change::begin_removal(
        scene.operation(application, name, &errand),
        gear,
    ))
}
