//! One deployment or rollback, from the claim of its application to its end.
//!
//! Decides when a rollout begins, which gears it works on now, and how it ends; `claim` says why it cannot begin, `scene`
//! reads the world for it, `work` goes forward, `switch` sends a colour the traffic, `retreat` goes back. Level-triggered: every look derives what ought to be under way from the objects
//! alone. Never writes an operation's status, and never starts one for a rollout that does not hold its application.
//!
//! # Decided
//!
//! * A running rollout holds a finalizer, so that deleting it aborts what runs before it is gone.
//! * That a rollout is failing is written down (`status.reason`) before anything follows from it: a node that returns in
//!   the middle of going back does not turn it around.
//! * What was reached stays told: an attempt that is refused writes down why (`status.refused`) and nothing else, so that
//!   a refused retry makes no failure of a success that others build on (rollbacks, caches, history).
//! * The end is written first, then the application is released: who sees the end and starts the next rollout at once
//!   waits a moment instead of being refused.

mod claim;
mod retreat;
mod scene;
mod switch;
mod work;

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Desired;
use crate::api::upshift::FINALIZER;
use crate::api::upshift::GearCounts;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::Refused;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::RolloutStatus;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::rollout::claim::Objection;
use crate::controllers::rollout::scene::Scene;
use crate::controllers::world::World;
use crate::plan::workflow;
use crate::plan::workflow::Workflow;

/// How long objects that a rollout names may take to show up after it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decides for one Rollout.
#[derive(Debug, Default)]
pub(crate) struct Rollouts;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::ROLLOUT,
        keys: itself_and_rivals,
    },
    Watch {
        kind: &kinds::APPLICATION,
        keys: live_rollouts,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: live_rollouts,
    },
    Watch {
        kind: &kinds::OPERATION,
        keys: live_rollouts,
    },
    Watch {
        kind: &kinds::REVISION,
        keys: live_rollouts,
    },
    Watch {
        kind: &kinds::NODE,
        keys: every_live_rollout,
    },
    Watch {
        kind: &kinds::SERVICE,
        keys: of_gears_service,
    },
    Watch {
        kind: &kinds::ENDPOINT_SLICE,
        keys: of_gears_service,
    },
    Watch {
        kind: &kinds::ROUTER,
        keys: those_switching,
    },
];

impl Controller for Rollouts {
    const NAME: &'static str = "rollout";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(rollout) = world.rollouts.find(key) else {
            return Decision::nothing();
        };
        let owner = Key::new(key.namespace.clone(), rollout.spec.application.clone());
        let application = world.applications.find(&owner).map(|one| &**one);
        if rollout.status.phase.is_final() && !wants_retry(rollout, application) {
            return after_the_end(rollout, application);
        }
        let Some(application) = application else {
            return without_application(rollout, world, now);
        };
        if application.status.rollout != rollout.metadata.name {
            return before_the_claim(rollout, application, world, now);
        }
        match rollout.status.phase {
            RolloutPhase::Running | RolloutPhase::Paused => {
                let Some(scene) = Scene::set(rollout, application, world, now) else {
                    let message = "the application has no hosts any more";
                    return refuse(rollout, "NoWorkflow", message, now);
                };
                work::decide(&scene)
            }
            _ => begin(rollout, application, now),
        }
    }
}

fn is_live(rollout: &Rollout) -> bool {
    !rollout.status.phase.is_final()
        || attempt(rollout) > rollout.answered()
        || rollout
            .metadata
            .finalizers
            .iter()
            .any(|one| one == FINALIZER)
}

fn live_rollouts(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let Some(application) = &touched.application else {
        return Vec::new();
    };
    world
        .rollouts
        .of_application(application)
        .filter(|rollout| is_live(rollout))
        .map(|rollout| rollout.metadata.key())
        .collect()
}

fn itself_and_rivals(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys = live_rollouts(world, touched);
    if !keys.contains(touched.key) {
        keys.push(touched.key.clone());
    }
    keys
}

fn every_live_rollout(world: &World, _: &Touched<'_>) -> Vec<Key> {
    world
        .rollouts
        .all()
        .filter(|rollout| is_live(rollout))
        .map(|rollout| rollout.metadata.key())
        .collect()
}

/// Rollouts that switch the traffic of the service whose gears these are, and those that want it.
fn of_gears_service(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let labels = &touched.metadata.labels;
    let Some(name) = labels.get(LABEL_GEARS_OF) else {
        return Vec::new();
    };
    let application = Key::new(touched.key.namespace.clone(), name.clone());
    world
        .rollouts
        .of_application(&application)
        .filter(|rollout| is_switching(rollout))
        .map(|rollout| rollout.metadata.key())
        .collect()
}

fn those_switching(world: &World, _: &Touched<'_>) -> Vec<Key> {
    let held = world.applications.all().filter_map(|application| {
        let holder = &application.status.rollout;
        let key = Key::new(application.metadata.namespace.clone(), holder.clone());
        world.rollouts.find(&key)
    });
    held.filter(|rollout| is_switching(rollout))
        .map(|rollout| rollout.metadata.key())
        .collect()
}

fn is_switching(rollout: &Rollout) -> bool {
    let mut steps = rollout.status.steps.iter();
    !rollout.status.phase.is_final() && steps.any(|step| step.phase != StepPhase::Waiting)
}

/// The attempt that is asked for.
pub(super) fn attempt(rollout: &Rollout) -> u32 {
    rollout.spec.attempt.max(1)
}

fn wants_retry(rollout: &Rollout, application: Option<&Application>) -> bool {
    attempt(rollout) > rollout.answered()
        && !rollout.metadata.is_deleting()
        && application.is_some_and(|application| !application.metadata.is_deleting())
}

/// What is wanted of the rollout; a deletion wants it to stop.
pub(super) fn desired(rollout: &Rollout, application: &Application) -> Desired {
    if rollout.metadata.is_deleting() || application.metadata.is_deleting() {
        Desired::Abort
    } else {
        rollout.spec.desired
    }
}

fn has_finalizer(rollout: &Rollout) -> bool {
    rollout
        .metadata
        .finalizers
        .iter()
        .any(|one| one == FINALIZER)
}

/// Releases the application, then the rollout itself.
fn after_the_end(rollout: &Rollout, application: Option<&Application>) -> Decision {
    if let Some(application) = application
        && application.status.rollout == rollout.metadata.name
    {
        let mut status = json!({ "rollout": null });
        if matches!(
            rollout.status.phase,
            RolloutPhase::Succeeded | RolloutPhase::PartlyFailed
        ) {
            status["currentRevision"] = rollout.spec.revision.clone().into();
            // Colours end with the first rollout without them: from then on everybody serves.
            if rollout.status.color.is_empty() && !application.status.active_color.is_empty() {
                status["activeColor"] = Value::Null;
            }
        }
        return Decision::one(Change::status(application, &status));
    }
    if has_finalizer(rollout) {
        return Decision::one(Change::remove_finalizer(rollout, FINALIZER));
    }
    Decision::nothing()
}

fn without_application(rollout: &Rollout, world: &World, now: Timestamp) -> Decision {
    let known = world.rollout_known(&rollout.metadata.key(), now);
    let left = PATIENCE.saturating_sub(known);
    if !left.is_zero() && !rollout.metadata.is_deleting() {
        return again(left);
    }
    let message = format!("there is no application {:?}", rollout.spec.application);
    refuse(rollout, "ApplicationMissing", &message, now)
}

/// Claims the application by compare-and-swap, or ends without having touched anything.
fn before_the_claim(
    rollout: &Rollout,
    application: &Application,
    world: &World,
    now: Timestamp,
) -> Decision {
    if desired(rollout, application) == Desired::Abort {
        let message = "aborted before it began";
        return refuse(rollout, "Aborted", message, now);
    }
    if !application.status.rollout.is_empty() {
        return behind_another(rollout, application, world, now);
    }
    match claim::objection(rollout, application, world, now) {
        Objection::None => {}
        Objection::NotYet(after) => return again(after),
        Objection::Refused { reason, message } => {
            return refuse(rollout, reason, &message, now);
        }
    }
    if !has_finalizer(rollout) {
        return Decision::one(Change::add_finalizer(rollout, FINALIZER));
    }
    let claim = json!({ "rollout": rollout.metadata.name });
    Decision::one(Change::status(application, &claim))
}

/// Another rollout holds the application: refused while it runs, waiting for the release when it has ended.
fn behind_another(
    rollout: &Rollout,
    application: &Application,
    world: &World,
    now: Timestamp,
) -> Decision {
    let name = &application.status.rollout;
    let holder = world
        .rollouts
        .find(&Key::new(rollout.metadata.namespace.clone(), name.clone()));
    match holder {
        Some(holder) if !holder.status.phase.is_final() => {
            let message = format!("rollout {name} holds the application");
            refuse(rollout, "Locked", &message, now)
        }
        _ => Decision::nothing(),
    }
}

/// The first status of an attempt.
fn begin(rollout: &Rollout, application: &Application, now: Timestamp) -> Decision {
    let current = &application.status.current_revision;
    let before = &rollout.status;
    let previous = if before.started_at.is_none() || *current != rollout.spec.revision {
        current
    } else {
        &before.previous_revision
    };
    let workflow = workflow::workflow(application, &rollout.spec.settings);
    let active = application.status.active_color.as_str();
    // A retry of what had partly succeeded goes on with the colour that serves since then. One that is overtaken does
    // not: whatever serves now, it is not what this rollout brought.
    let has_switched = before
        .steps
        .iter()
        .any(|step| step.phase == StepPhase::Done);
    let is_switched = has_switched
        && !active.is_empty()
        && before.color == active
        && *current == rollout.spec.revision;
    let color = match workflow {
        Some(Workflow::BlueGreen) if is_switched => active.to_owned(),
        Some(Workflow::BlueGreen) => workflow::idle_color(application).to_owned(),
        _ => String::new(),
    };
    let once = workflow.map(workflow::once_steps).unwrap_or_default();
    let steps = if is_switched {
        before.steps.clone()
    } else {
        let waiting = once.into_iter().map(|step| StepStatus {
            name: step.name,
            ..StepStatus::default()
        });
        waiting.collect()
    };
    let status = RolloutStatus {
        phase: RolloutPhase::Running,
        previous_revision: previous.clone(),
        color,
        steps,
        attempt: attempt(rollout),
        started_at: Some(now),
        ..RolloutStatus::default()
    };
    let message = match rollout.spec.action {
        Action::Deploy => format!("deploys {}", rollout.spec.revision),
        Action::Rollback => format!("goes back to {}", rollout.spec.revision),
    };
    write_status(rollout, &status).noting(Note::normal(rollout, "Started", message))
}

/// How an attempt ends.
pub(super) struct End<'a> {
    pub(super) phase: RolloutPhase,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) gears: GearCounts,
    pub(super) steps: Vec<StepStatus>,
}

/// The last status of an attempt.
pub(super) fn conclude(rollout: &Rollout, end: &End<'_>, now: Timestamp) -> Decision {
    let status = RolloutStatus {
        phase: end.phase,
        reason: end.reason.to_owned(),
        message: end.message.to_owned(),
        gears: end.gears.clone(),
        steps: end.steps.clone(),
        attempt: attempt(rollout),
        finished_at: Some(now),
        ..rollout.status.clone()
    };
    let reason = if end.reason.is_empty() {
        "Ended"
    } else {
        end.reason
    };
    let note = match end.phase {
        RolloutPhase::Succeeded => Note::normal(rollout, "Succeeded", end.message),
        _ => Note::warning(rollout, reason, end.message),
    };
    write_status(rollout, &status).noting(note)
}

/// The end of an attempt that has touched nothing. What an earlier one reached stays as it is.
fn refuse(rollout: &Rollout, reason: &str, message: &str, now: Timestamp) -> Decision {
    if rollout.status.phase.is_final() && rollout.status.started_at.is_some() {
        let refused = Refused {
            attempt: attempt(rollout),
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let status = RolloutStatus {
            refused: Some(refused),
            ..rollout.status.clone()
        };
        let note = Note::warning(rollout, reason, format!("not retried: {message}"));
        return write_status(rollout, &status).noting(note);
    }
    let phase = if reason == "Aborted" {
        RolloutPhase::Aborted
    } else {
        RolloutPhase::Failed
    };
    let end = End {
        phase,
        reason,
        message,
        gears: rollout.status.gears.clone(),
        steps: rollout.status.steps.clone(),
    };
    conclude(rollout, &end, now)
}

/// The write that makes the status this one; nothing when it is already.
fn write_status(rollout: &Rollout, status: &RolloutStatus) -> Decision {
    match difference(&rollout.status, status) {
        Some(merge) => Decision::one(Change::status(rollout, &merge)),
        None => Decision::nothing(),
    }
}

/// A merge patch from one status to another, with nulls for what went away.
pub(super) fn difference(before: &RolloutStatus, after: &RolloutStatus) -> Option<Value> {
    let fields = |status: &RolloutStatus| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (fields(before), fields(after));
    let mut merge = serde_json::Map::new();
    for gone in before.keys().filter(|name| !after.contains_key(*name)) {
        merge.insert(gone.clone(), Value::Null);
    }
    for (name, value) in after {
        if before.get(&name) != Some(&value) {
            merge.insert(name, value);
        }
    }
    (!merge.is_empty()).then_some(Value::Object(merge))
}

fn again(after: Duration) -> Decision {
    Decision {
        again: Some(after),
        ..Decision::default()
    }
}
