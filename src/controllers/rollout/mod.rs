//! One deployment or rollback, from the claim of its application to its end.
//!
//! Decides when a rollout begins, which gears it works on now, and how it ends; `scene` reads the world for it, `work`
//! goes forward, `retreat` goes back. Level-triggered: every look derives what ought to be under way from the objects
//! alone. Never writes an operation's status, and never starts one for a rollout that does not hold its application.
//!
//! # Decided
//!
//! * A running rollout holds a finalizer, so that deleting it aborts what runs before it is gone.
//! * That a rollout is failing is written down (`status.reason`) before anything follows from it: a node that returns in
//!   the middle of going back does not turn it around.
//! * The end is written first, then the application is released: who sees the end and starts the next rollout at once
//!   waits a moment instead of being refused.

mod retreat;
mod scene;
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
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::RolloutStatus;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::rollout::scene::Scene;
use crate::controllers::world::World;
use crate::plan::Refusal;
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
        || attempt(rollout) > rollout.status.attempt
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

/// The attempt that is asked for.
pub(super) fn attempt(rollout: &Rollout) -> u32 {
    rollout.spec.attempt.max(1)
}

fn wants_retry(rollout: &Rollout, application: Option<&Application>) -> bool {
    attempt(rollout) > rollout.status.attempt
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
    match objection(rollout, application, world, now) {
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

enum Objection {
    None,
    /// What it names may still show up.
    NotYet(Duration),
    Refused {
        reason: &'static str,
        message: String,
    },
}

/// Why the rollout cannot begin.
fn objection(
    rollout: &Rollout,
    application: &Application,
    world: &World,
    now: Timestamp,
) -> Objection {
    let spec = &rollout.spec;
    if spec.revision.is_empty() {
        let (reason, message) = match spec.action {
            Action::Rollback => (
                "NothingToRollBackTo",
                "there is no earlier revision to go back to",
            ),
            Action::Deploy => ("RevisionMissing", "the rollout names no revision"),
        };
        return Objection::Refused {
            reason,
            message: message.to_owned(),
        };
    }
    let patience = PATIENCE.saturating_sub(world.rollout_known(&rollout.metadata.key(), now));
    let revision = Key::new(rollout.metadata.namespace.clone(), spec.revision.clone());
    if world.revisions.find(&revision).is_none() {
        if !patience.is_zero() {
            return Objection::NotYet(patience);
        }
        return Objection::Refused {
            reason: "RevisionMissing",
            message: format!("there is no revision {:?}", spec.revision),
        };
    }
    let settings = scene::settings(rollout, world);
    match crate::plan::plan(&scene::input(rollout, application, &settings, world)) {
        Ok(plan) if plan.workflow != Workflow::Rolling => Objection::Refused {
            reason: "NotSupported",
            message: "deployments behind a load balancer and blue/green ones are planned, not \
                      performed, by this version"
                .to_owned(),
        },
        Ok(_) => Objection::None,
        Err(refusal) => match nodes_may_come(&refusal, world, patience) {
            Some(after) => Objection::NotYet(after),
            None => Objection::Refused {
                reason: refusal.reason(),
                message: refusal.to_string(),
            },
        },
    }
}

/// How long to wait for nodes: while there is none yet, or one whose agent was neither heard nor missed so far.
fn nodes_may_come(refusal: &Refusal, world: &World, patience: Duration) -> Option<Duration> {
    if matches!(refusal, Refusal::NoWorkflow { .. }) {
        return None;
    }
    let unjudged = world.nodes.all().any(|node| {
        !node
            .status
            .conditions
            .iter()
            .any(|condition| condition.kind == "Ready")
    });
    if unjudged {
        return Some(Duration::from_secs(1));
    }
    let none_yet = world.nodes.all().next().is_none();
    (none_yet && !patience.is_zero()).then_some(patience)
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
    let status = RolloutStatus {
        phase: RolloutPhase::Running,
        previous_revision: previous.clone(),
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
}

/// The last status of an attempt.
pub(super) fn conclude(rollout: &Rollout, end: &End<'_>, now: Timestamp) -> Decision {
    let status = RolloutStatus {
        phase: end.phase,
        reason: end.reason.to_owned(),
        message: end.message.to_owned(),
        gears: end.gears.clone(),
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

/// The end of an attempt that has touched nothing.
fn refuse(rollout: &Rollout, reason: &str, message: &str, now: Timestamp) -> Decision {
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
