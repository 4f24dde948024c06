//! An application's own life: the finalizer that lets it be torn down, and the order in which it goes.
//!
//! Going: its rollouts abort (they see the deletion themselves), its gears are torn down, then rollouts, revisions and
//! operations go, then the application. A silent node is waited for and named; a node that was deleted is given up by
//! `gears`. Also frees an application whose rollout was removed by force.

use serde_json::json;

use crate::api::core::Condition;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Application;
use crate::api::upshift::FINALIZER;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// The condition that says what a deletion waits for.
const DELETING: &str = "Deleting";

/// Decides for one Application.
#[derive(Debug, Default)]
pub(crate) struct Applications;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::APPLICATION,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::ROLLOUT,
        keys: Touched::its_application,
    },
    Watch {
        kind: &kinds::REVISION,
        keys: Touched::its_application,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: Touched::its_application,
    },
    Watch {
        kind: &kinds::OPERATION,
        keys: Touched::its_application,
    },
    Watch {
        kind: &kinds::NODE,
        keys: those_going,
    },
];

fn those_going(world: &World, _: &Touched<'_>) -> Vec<Key> {
    world
        .applications
        .all()
        .filter(|application| application.metadata.is_deleting())
        .map(|application| application.metadata.key())
        .collect()
}

impl Controller for Applications {
    const NAME: &'static str = "application";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(application) = world.applications.find(key) else {
            return Decision::nothing();
        };
        let held = application
            .metadata
            .finalizers
            .iter()
            .any(|one| one == FINALIZER);
        match (application.metadata.is_deleting(), held) {
            (false, false) => Decision::one(Change::add_finalizer(&**application, FINALIZER)),
            (false, true) => free_if_abandoned(application, world),
            (true, true) => go(application, world, now),
            (true, false) => Decision::nothing(),
        }
    }
}

/// A claim of a rollout that is gone is given up when none of its operations is under way.
fn free_if_abandoned(application: &Application, world: &World) -> Decision {
    let holder = &application.status.rollout;
    let key = Key::new(application.metadata.namespace.clone(), holder.clone());
    if holder.is_empty() || world.rollouts.find(&key).is_some() {
        return Decision::nothing();
    }
    let owner = format!("Rollout/{holder}");
    let under_way = world
        .operations
        .of_application(&application.metadata.key())
        .any(|operation| operation.spec.owner == owner && !operation.status.phase.is_final());
    if under_way {
        return Decision::nothing();
    }
    let message = format!("rollout {holder} is gone; the application is free again");
    Decision::one(Change::status(application, &json!({ "rollout": null }))).noting(Note::warning(
        application,
        "RolloutGone",
        message,
    ))
}

/// The next step of a deletion.
fn go(application: &Application, world: &World, now: Timestamp) -> Decision {
    let key = application.metadata.key();
    let running = world
        .rollouts
        .of_application(&key)
        .any(|rollout| !rollout.status.phase.is_final());
    if running || rollout_holds(application, world) {
        return Decision::nothing();
    }
    if world.gears.of_application(&key).next().is_some() {
        return remove_gears(application, world, now);
    }
    let mut left = Vec::new();
    for operation in world.operations.of_application(&key) {
        left.push((
            operation.metadata.is_deleting(),
            Change::delete(&**operation),
        ));
    }
    for rollout in world.rollouts.of_application(&key) {
        left.push((rollout.metadata.is_deleting(), Change::delete(&**rollout)));
    }
    for revision in world.revisions.of_application(&key) {
        left.push((revision.metadata.is_deleting(), Change::delete(&**revision)));
    }
    if left.is_empty() {
        return Decision::one(Change::remove_finalizer(application, FINALIZER));
    }
    Decision {
        changes: left
            .into_iter()
            .filter(|(going, _)| !going)
            .map(|(_, change)| change)
            .collect(),
        ..Decision::default()
    }
}

fn rollout_holds(application: &Application, world: &World) -> bool {
    let holder = Key::new(
        application.metadata.namespace.clone(),
        application.status.rollout.clone(),
    );
    world.rollouts.find(&holder).is_some()
}

fn remove_gears(application: &Application, world: &World, now: Timestamp) -> Decision {
    let key = application.metadata.key();
    let mut decision = Decision::nothing();
    let mut silent = Vec::new();
    for gear in world.gears.of_application(&key) {
        if !gear.metadata.is_deleting() {
            decision.changes.push(Change::delete(&**gear));
        }
        let node = &gear.spec.node;
        if world.node(node).is_some() && !world.is_reachable(node) {
            silent.push(node.as_str());
        }
    }
    let (status, reason, message) = if silent.is_empty() {
        (
            "False",
            "TearingDown",
            "removes what is installed".to_owned(),
        )
    } else {
        let message = format!(
            "waits for silent nodes: {}; delete a node that does not come back",
            silent.join(", ")
        );
        ("True", "WaitsForNodes", message)
    };
    let known = application
        .status
        .conditions
        .iter()
        .find(|condition| condition.kind == DELETING);
    if known.is_none_or(|known| known.message != message) {
        let condition = Condition {
            kind: DELETING.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.clone(),
            last_transition_time: Some(now),
        };
        let mut conditions: Vec<&Condition> = application
            .status
            .conditions
            .iter()
            .filter(|condition| condition.kind != DELETING)
            .collect();
        conditions.push(&condition);
        let change = Change::status(application, &json!({ "conditions": conditions }));
        decision.changes.push(change);
        if !silent.is_empty() {
            decision
                .notes
                .push(Note::warning(application, reason, message));
        }
    }
    decision
}
