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
    if let Some(rollout) = newest_first(application, world).first() {
        kept.insert(rollout.spec.revision.clone());
        kept.insert(rollout.status.previous_revision.clone());
    }
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
            && rollout.spec.attempt <= rollout.status.attempt
            && !has_live_operation(rollout, world);
        if place > limit && ended && !is_source && !rollout.metadata.is_deleting() {
            old.push(rollout);
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
