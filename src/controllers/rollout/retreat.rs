//! A failed deployment on its way back: every gear past its first step returns to the revision before.
//!
//! Without a revision before (the first deployment) what was installed is removed and the rollout ends Failed. The pace
//! is that of the deployment; there is no minimum to keep, because what failed is already down.

use serde_json::json;

use crate::api::upshift::ANNOTATION_BLOCKED_BY;
use crate::api::upshift::Action;
use crate::api::upshift::Desired;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Rotation;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::deployment;
use crate::controllers::rollout::scene::Heading;
use crate::controllers::rollout::scene::Scene;
use crate::controllers::rollout::scene::Target;
use crate::controllers::rollout::work::end;
use crate::controllers::rollout::work::merge;
use crate::plan::waves;
use crate::plan::waves::Next;
use crate::plan::waves::Standing;

/// What a rollout that goes back does now; nothing of it is under way forwards.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    let previous = &scene.rollout.status.previous_revision;
    if !previous.is_empty()
        && deployment::revision(scene.world, scene.application, previous).is_none()
    {
        let why = &scene.rollout.status.message;
        let message = format!("{why}; cannot go back, there is no revision {previous:?} any more");
        return end(scene, RolloutPhase::Failed, "RollbackFailed", &message);
    }
    let mut decision = wanted_before(scene);
    let going: Vec<&Target<'_>> = scene
        .targets
        .iter()
        .filter(|target| target.back.is_some() || target.is_past_first_step())
        .collect();
    let standings: Vec<Standing> = going.iter().map(|target| target.standing_back()).collect();
    let limits = scene.limits().without_minimum();
    match waves::next(&limits, &standings) {
        Next::Start(_) if scene.rollout.spec.desired == Desired::Pause => {}
        Next::Start(places) => {
            for place in places {
                decision.changes.push(start(scene, going[place]));
            }
        }
        Next::Wait => {}
        Next::Finished | Next::TooManyFailures | Next::TooFewHealthy { .. } => {
            merge(&mut decision, finish(scene, &going, &standings));
        }
    }
    decision
}

/// Every gear that the rollout has begun with wants the revision before again.
fn wanted_before(scene: &Scene<'_>) -> Decision {
    let previous = &scene.rollout.status.previous_revision;
    let mut changes: Vec<Change> = scene
        .targets
        .iter()
        .filter(|target| target.latest.is_some() || target.back.is_some())
        .filter_map(|target| target.gear)
        .filter(|gear| gear.spec.revision != *previous)
        .map(|gear| Change::patch(gear, json!({"spec": {"revision": previous}})))
        .collect();
    // A retry of what had partly succeeded made its own revision the current one.
    if scene.application.status.current_revision != *previous {
        let previous = Some(previous).filter(|previous| !previous.is_empty());
        let status = json!({ "currentRevision": previous });
        changes.push(Change::status(scene.application, &status));
    }
    Decision {
        changes,
        ..Decision::default()
    }
}

fn start(scene: &Scene<'_>, target: &Target<'_>) -> Change {
    let previous = &scene.rollout.status.previous_revision;
    let heading = Heading {
        action: Action::Rollback,
        revision: deployment::revision(scene.world, scene.application, previous),
        back: true,
    };
    scene.begin(target, &heading)
}

/// Without a colour that serves, the revision before was everybody's: who is back at it serves as before. A gear that is
/// away follows when it returns.
fn without_color(scene: &Scene<'_>) -> Option<Decision> {
    if !scene.application.status.active_color.is_empty() {
        return None;
    }
    let gears = scene.targets.iter().filter_map(|target| {
        let gear = target.gear?;
        (!gear.spec.color.is_empty()).then_some((target, gear))
    });
    let changes: Vec<Change> = gears
        .map(|(target, gear)| {
            let mut patch = json!({"spec": {"color": null}});
            if target.reachable {
                patch["spec"]["rotation"] = json!(Rotation::In);
                patch["metadata"] = json!({"annotations": {ANNOTATION_BLOCKED_BY: null}});
            }
            Change::patch(gear, patch)
        })
        .collect();
    (!changes.is_empty()).then(|| Decision {
        changes,
        ..Decision::default()
    })
}

fn finish(scene: &Scene<'_>, going: &[&Target<'_>], standings: &[Standing]) -> Decision {
    let status = &scene.rollout.status;
    let stuck = going
        .iter()
        .zip(standings)
        .find(|(_, standing)| **standing == Standing::Failed)
        .and_then(|(target, _)| target.back);
    let why = &status.message;
    let previous = &status.previous_revision;
    if let Some(operation) = stuck {
        let message = format!(
            "{why}; going back failed, too: {}",
            deployment::describe(operation)
        );
        return end(scene, RolloutPhase::Failed, "RollbackFailed", &message);
    }
    if previous.is_empty() {
        let message = format!("{why}; what was installed is removed");
        return end(scene, RolloutPhase::Failed, &status.reason, &message);
    }
    if let Some(decision) = without_color(scene) {
        return decision;
    }
    let silent = standings
        .iter()
        .filter(|standing| **standing == Standing::Unreachable)
        .count();
    let message = match silent {
        0 => format!("{why}; every gear is back at {previous}"),
        silent => format!("{why}; back at {previous}, {silent} on silent nodes will follow"),
    };
    end(scene, RolloutPhase::RolledBack, &status.reason, &message)
}
