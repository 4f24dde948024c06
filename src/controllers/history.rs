//! How much of an application's past is kept: its newest Rollouts and Revisions, and whatever is still named.
//!
//! Operations go with their Rollout (owner references). Bundles without a Revision are removed by the registry, not here.

use std::collections::BTreeSet;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// How many old Revisions and Rollouts stay when the application names no limit.
const DEFAULT_LIMIT: u32 = 5;

/// Decides for one Application.
#[derive(Debug, Default)]
pub(crate) struct History;

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
        kind: &kinds::OPERATION,
        keys: Touched::its_application,
    },
];

impl Controller for History {
    const NAME: &'static str = "history";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(application) = world.applications.find(key) else {
            return Decision::nothing();
        };
        // While something runs nothing is pruned: what it needs may not be named yet.
        if application.metadata.is_deleting() || !application.status.rollout.is_empty() {
            return Decision::nothing();
        }
        let limit = application
            .spec
            .revision_history_limit
            .unwrap_or(DEFAULT_LIMIT) as usize;
        let revisions = kept_revisions(application, world, limit);
        let mut changes = Vec::new();
        for rollout in old_rollouts(application, world, limit, &revisions) {
            changes.push(Change::delete(rollout));
        }
        for revision in world.revisions.of_application(key) {
            if !revisions.contains(&revision.metadata.name) && !revision.metadata.is_deleting() {
                changes.push(Change::delete(&**revision));
            }
        }
        Decision {
            changes,
            ..Decision::default()
        }
    }
}

/// The names of the revisions that stay.
fn kept_revisions(application: &Application, world: &World, limit: usize) -> BTreeSet<String> {
    let key = application.metadata.key();
    let mut kept = BTreeSet::from([application.status.current_revision.clone()]);
    for gear in world.gears.of_application(&key) {
        kept.insert(gear.spec.revision.clone());
        kept.insert(gear.status.revision.clone());
        kept.insert(gear.status.previous_revision.clone());
    }
    let mut deployed = BTreeSet::new();
    for rollout in world.rollouts.of_application(&key) {
        deployed.insert(rollout.spec.revision.clone());
        if !rollout.status.phase.is_final() {
            kept.insert(rollout.spec.revision.clone());
            kept.insert(rollout.status.previous_revision.clone());
        }
    }
    for operation in world.under_way(&key) {
        let revision = operation.spec.deployment.revision.as_ref();
        kept.extend(revision.map(|revision| revision.name.clone()));
    }
    let newest = newest_first(application, world).first().copied();
    if let Some(rollout) = newest {
        kept.insert(rollout.spec.revision.clone());
        kept.insert(rollout.status.previous_revision.clone());
    }
    let newest = newest.map_or("", |rollout| &rollout.spec.revision);
    kept.extend(undo_target(&key, newest, world));
    kept.extend(undo_target(
        &key,
        &application.status.current_revision,
        world,
    ));
    let mut by_number: Vec<(u64, &str)> = world
        .revisions
        .of_application(&key)
        .map(|revision| (revision.spec.number, revision.metadata.name.as_str()))
        .collect();
    by_number.sort_unstable();
    let newest = by_number.last().map_or(0, |(number, _)| *number);
    let not_needed: Vec<&str> = by_number
        .iter()
        .filter(|(number, name)| {
            let not_deployed_yet = !deployed.contains(*name) && *number == newest;
            !kept.contains(*name) && !not_deployed_yet
        })
        .map(|(_, name)| *name)
        .collect();
    let stay = not_needed.len().saturating_sub(limit);
    kept.extend(not_needed[stay..].iter().map(|name| (*name).to_owned()));
    if let Some((_, name)) = by_number.last() {
        kept.insert((*name).to_owned());
    }
    kept
}

/// Where a rollback without a revision leads: the highest earlier one that was deployed with success.
fn undo_target(application: &Key, from: &str, world: &World) -> Option<String> {
    let from = Key::new(application.namespace.clone(), from);
    let number = world.revisions.find(&from)?.spec.number;
    let succeeded: BTreeSet<&str> = world
        .rollouts
        .of_application(application)
        .filter(|rollout| rollout.status.phase == RolloutPhase::Succeeded)
        .map(|rollout| rollout.spec.revision.as_str())
        .collect();
    world
        .revisions
        .of_application(application)
        .filter(|revision| {
            revision.spec.number < number && succeeded.contains(&*revision.metadata.name)
        })
        .max_by_key(|revision| revision.spec.number)
        .map(|revision| revision.metadata.name.clone())
}

fn newest_first<'a>(application: &Application, world: &'a World) -> Vec<&'a Rollout> {
    let mut rollouts: Vec<&Rollout> = world
        .rollouts
        .of_application(&application.metadata.key())
        .map(|rollout| &**rollout)
        .collect();
    rollouts.sort_by_key(|rollout| std::cmp::Reverse(rollout.spec.number));
    rollouts
}

/// Finished rollouts beyond the limit; the last deployment of a revision that stays says where its bundle is cached.
fn old_rollouts<'a>(
    application: &Application,
    world: &'a World,
    limit: usize,
    revisions: &BTreeSet<String>,
) -> Vec<&'a Rollout> {
    let mut sources = BTreeSet::new();
    let mut undone = BTreeSet::new();
    let mut old = Vec::new();
    for (place, rollout) in newest_first(application, world).into_iter().enumerate() {
        let succeeded = matches!(
            rollout.status.phase,
            RolloutPhase::Succeeded | RolloutPhase::PartlyFailed
        );
        let is_source = succeeded
            && rollout.spec.action == Action::Deploy
            && revisions.contains(&rollout.spec.revision)
            && sources.insert(rollout.spec.revision.as_str());
        let ended = rollout.status.phase.is_final()
            && rollout.spec.attempt <= rollout.answered()
            && !has_live_operation(rollout, world);
        // A retry of a rollback asks the rollout that it undoes for its pace.
        let is_undone = undone.contains(&rollout.spec.number);
        let is_named = is_source || is_undone;
        if place > limit && ended && !is_named {
            if !rollout.metadata.is_deleting() {
                old.push(rollout);
            }
        } else if place <= limit {
            undone.extend(rollout.spec.undoes);
        }
    }
    old
}

fn has_live_operation(rollout: &Rollout, world: &World) -> bool {
    world
        .operations
        .owned_by(&rollout.metadata.uid)
        .any(|operation| !operation.status.phase.is_final())
}
