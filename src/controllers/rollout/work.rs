//! A rollout on its way forward: gears made, operations started in waves, wishes passed on, the end recognised.

use std::time::Duration;

use serde_json::json;

use crate::api::upshift::Action;
use crate::api::upshift::Desired;
use crate::api::upshift::OnFailure;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::RolloutStatus;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::deployment;
use crate::controllers::rollout::End;
use crate::controllers::rollout::conclude;
use crate::controllers::rollout::desired;
use crate::controllers::rollout::difference;
use crate::controllers::rollout::retreat;
use crate::controllers::rollout::scene::Heading;
use crate::controllers::rollout::scene::Scene;
use crate::controllers::rollout::scene::Target;
use crate::plan::waves;
use crate::plan::waves::Next;
use crate::plan::waves::Standing;

/// What a running rollout does now.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    let mut decision = wishes(scene);
    if desired(scene.rollout, scene.application) == Desired::Abort {
        return abort(scene, decision);
    }
    give_up_silent(scene, &mut decision);
    let next = if scene.rollout.status.reason.is_empty() {
        forward(scene)
    } else {
        failing(scene)
    };
    let concluded = !next.notes.is_empty();
    merge(&mut decision, next);
    if !concluded {
        report(scene, &mut decision);
    }
    decision
}

/// Operations that do not know yet what is wanted of them. An abort is for good and is never taken back.
fn wishes(scene: &Scene<'_>) -> Decision {
    let wish = desired(scene.rollout, scene.application);
    let changes = scene
        .targets
        .iter()
        .flat_map(|target| [target.forward, target.back])
        .flatten()
        .filter(|operation| {
            !operation.status.phase.is_final()
                && operation.spec.desired != wish
                && operation.spec.desired != Desired::Abort
        })
        .map(|operation| Change::patch(operation, json!({"spec": {"desired": wish}})))
        .collect();
    Decision {
        changes,
        ..Decision::default()
    }
}

fn abort(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    if scene.live().next().is_some() || !decision.changes.is_empty() {
        report(scene, &mut decision);
        return decision;
    }
    let counts = scene.counts();
    let message = format!(
        "{} of {} done; what is done stays",
        counts.done,
        text::count(counts.total as usize, "gear")
    );
    end(scene, RolloutPhase::Aborted, "Aborted", &message)
}

/// A host that was silent for as long as a gear may take is not waited for any more; its agent closes the operation
/// when it returns.
fn give_up_silent(scene: &Scene<'_>, decision: &mut Decision) {
    let limit = scene.settings.gear_timeout.0;
    for (target, operation) in scene.live() {
        if target.reachable {
            continue;
        }
        let silence = match scene.world.node(&target.node) {
            Some(_) => scene.world.silence(&target.node, scene.now),
            None => Some(limit),
        };
        let left = limit.saturating_sub(silence.unwrap_or(Duration::ZERO));
        if left.is_zero() {
            decision.changes.push(Change::patch(
                operation,
                json!({"spec": {"desired": Desired::Abort}}),
            ));
        } else {
            decision.look_again(left);
        }
    }
}

fn forward(scene: &Scene<'_>) -> Decision {
    match waves::next(&scene.limits(), &scene.standings()) {
        Next::Wait => missing_gears(scene, &[]),
        Next::Start(_) if scene.rollout.spec.desired == Desired::Pause => missing_gears(scene, &[]),
        Next::Start(places) => {
            let mut decision = missing_gears(scene, &places);
            for place in places {
                merge(&mut decision, start(scene, &scene.targets[place]));
            }
            decision
        }
        Next::Finished => finish(scene),
        Next::TooManyFailures => {
            let (reason, message) = failure(scene);
            fail(scene, &reason, &message)
        }
        Next::TooFewHealthy {
            available,
            min_healthy,
        } => {
            let total = scene.targets.len();
            let mut message = format!(
                "{available} of {} available, and {min_healthy} have to stay so: no further one can be taken",
                text::count(total, "gear")
            );
            if let Some(first) = first_failed(scene) {
                message = format!("{}; {message}", describe(first));
            }
            fail(scene, "TooFewHealthy", &message)
        }
    }
}

/// Gears that nodes are to have and that are not there yet, without those that begin now.
fn missing_gears(scene: &Scene<'_>, starting: &[usize]) -> Decision {
    let changes = scene
        .targets
        .iter()
        .enumerate()
        .filter(|(place, target)| target.gear.is_none() && !starting.contains(place))
        .map(|(_, target)| make(scene, target, ""))
        .collect();
    Decision {
        changes,
        ..Decision::default()
    }
}

fn make(scene: &Scene<'_>, target: &Target<'_>, revision: &str) -> Change {
    Change::create(&deployment::gear(
        scene.application,
        &target.name,
        &target.node,
        &target.color,
        revision,
    ))
}

/// The gear wants the revision, then its operation begins.
fn start(scene: &Scene<'_>, target: &Target<'_>) -> Decision {
    let revision = &scene.rollout.spec.revision;
    let Some(wanted) = scene.wanted() else {
        let message = format!("there is no revision {revision:?} any more");
        return fail(scene, "RevisionMissing", &message);
    };
    let mut changes = Vec::new();
    match target.gear {
        None => changes.push(make(scene, target, revision)),
        Some(gear) if gear.spec.revision != *revision => {
            changes.push(Change::patch(gear, json!({"spec": {"revision": revision}})));
        }
        Some(_) => {}
    }
    let heading = Heading {
        action: scene.rollout.spec.action,
        revision: Some(wanted),
        back: false,
    };
    changes.push(scene.begin(target, &heading));
    Decision {
        changes,
        ..Decision::default()
    }
}

/// Gears on silent nodes want the revision, too; they catch up when they return. Then the end.
fn finish(scene: &Scene<'_>) -> Decision {
    let revision = &scene.rollout.spec.revision;
    let counts = scene.counts();
    let mut decision = missing_gears(scene, &[]);
    for gear in scene.targets.iter().filter_map(|target| target.gear) {
        if gear.spec.revision != *revision {
            decision
                .changes
                .push(Change::patch(gear, json!({"spec": {"revision": revision}})));
        }
    }
    let mut message = format!(
        "{} of {} done",
        counts.done,
        text::count(counts.total as usize, "gear")
    );
    if counts.unreachable > 0 {
        message = format!(
            "{message}; {} on silent nodes will catch up",
            counts.unreachable
        );
    }
    let end = if counts.failed == 0 {
        end(scene, RolloutPhase::Succeeded, "", &message)
    } else {
        let (reason, why) = failure(scene);
        let message = format!("{message}; {why}");
        end(scene, RolloutPhase::PartlyFailed, &reason, &message)
    };
    merge(&mut decision, end);
    decision
}

/// Writes down that the rollout is failing; what follows from it is the next look's.
fn fail(scene: &Scene<'_>, reason: &str, message: &str) -> Decision {
    let status = RolloutStatus {
        reason: reason.to_owned(),
        message: message.to_owned(),
        gears: scene.counts(),
        ..scene.rollout.status.clone()
    };
    let change = difference(&scene.rollout.status, &status)
        .map(|merge| Change::status(scene.rollout, &merge));
    Decision {
        changes: change.into_iter().collect(),
        notes: vec![Note::warning(scene.rollout, reason, message)],
        ..Decision::default()
    }
}

/// Nothing new begins; what runs ends; then the rollout ends, or goes back.
fn failing(scene: &Scene<'_>) -> Decision {
    let under_way = scene
        .targets
        .iter()
        .any(|target| target.forward.is_some_and(|one| target.is_live(one)));
    if under_way {
        return Decision::nothing();
    }
    let goes_back = scene.settings.on_failure == OnFailure::Rollback
        && scene.rollout.spec.action == Action::Deploy;
    if goes_back {
        return retreat::decide(scene);
    }
    let status = &scene.rollout.status;
    end(scene, RolloutPhase::Failed, &status.reason, &status.message)
}

/// Counts, and whether the pause is in effect; at most about once a second.
fn report(scene: &Scene<'_>, decision: &mut Decision) {
    let paused = scene.rollout.spec.desired == Desired::Pause
        && scene
            .live()
            .all(|(_, operation)| operation.status.phase != OperationPhase::Running);
    let phase = if paused {
        RolloutPhase::Paused
    } else {
        RolloutPhase::Running
    };
    let silent: Vec<&str> = scene
        .live()
        .filter(|(target, _)| !target.reachable)
        .map(|(target, _)| target.node.as_str())
        .collect();
    let message = match (scene.rollout.status.reason.as_str(), silent.as_slice()) {
        ("", []) => String::new(),
        ("", silent) => format!("waits for silent nodes: {}", silent.join(", ")),
        _ => scene.rollout.status.message.clone(),
    };
    let status = RolloutStatus {
        phase,
        message,
        gears: scene.counts(),
        ..scene.rollout.status.clone()
    };
    if let Some(merge) = difference(&scene.rollout.status, &status) {
        let change = if phase == scene.rollout.status.phase {
            Change::report(scene.rollout, &merge)
        } else {
            Change::status(scene.rollout, &merge)
        };
        decision.changes.push(change);
    }
}

/// The end of the attempt, with the counts of this look.
pub(super) fn end(scene: &Scene<'_>, phase: RolloutPhase, reason: &str, message: &str) -> Decision {
    let end = End {
        phase,
        reason,
        message,
        gears: scene.counts(),
    };
    conclude(scene.rollout, &end, scene.now)
}

fn first_failed<'a>(scene: &Scene<'a>) -> Option<&'a Operation> {
    scene
        .targets
        .iter()
        .filter(|target| target.standing(&scene.rollout.spec.revision) == Standing::Failed)
        .find_map(|target| target.forward)
}

/// The reason and the words of the first failure.
fn failure(scene: &Scene<'_>) -> (String, String) {
    match first_failed(scene) {
        Some(operation) => {
            let reason = match operation.status.reason.as_str() {
                "" => "OperationFailed",
                reason => reason,
            };
            (reason.to_owned(), describe(operation))
        }
        None => (
            "OperationFailed".to_owned(),
            "a gear failed and is gone".to_owned(),
        ),
    }
}

/// `gear shop-a failed in ApplicationStart (HookFailed): exit code 1`.
pub(super) fn describe(operation: &Operation) -> String {
    let status = &operation.status;
    let step = status
        .steps
        .iter()
        .find(|step| step.phase == StepPhase::Failed);
    let place = step.map_or_else(String::new, |step| format!(" in {}", step.name));
    let message = match (status.message.as_str(), step) {
        ("", Some(step)) => step.message.as_str(),
        (message, _) => message,
    };
    // The agent's message may name the step, too.
    let message = step
        .and_then(|step| message.strip_prefix(&step.name)?.strip_prefix(": "))
        .unwrap_or(message);
    let mut text = format!("gear {} failed{place}", operation.spec.gear);
    if !status.reason.is_empty() {
        text = format!("{text} ({})", status.reason);
    }
    if message.is_empty() {
        text
    } else {
        format!("{text}: {message}")
    }
}

/// Adds what another part of the same look decided.
pub(super) fn merge(decision: &mut Decision, more: Decision) {
    decision.changes.extend(more.changes);
    decision.notes.extend(more.notes);
    if let Some(after) = more.again {
        decision.look_again(after);
    }
}
