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
use crate::api::upshift::Rotation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
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
use crate::controllers::rollout::switch;
use crate::plan::canary;
use crate::plan::canary::Canary;
use crate::plan::waves;
use crate::plan::waves::Next;
use crate::plan::waves::Standing;
use crate::plan::workflow;
use crate::plan::workflow::Workflow;

/// How many gears are made in one look.
const BATCH: usize = 200;

/// One look at a rollout: what changes, and what its status says beside that.
#[derive(Default)]
pub(super) struct Course {
    pub(super) decision: Decision,
    /// What the canary waits for: the rollout stands still until then.
    pub(super) canary: Option<String>,
    /// What the switch of the traffic waits for.
    pub(super) switching: Option<String>,
}

impl From<Decision> for Course {
    fn from(decision: Decision) -> Course {
        Course {
            decision,
            ..Course::default()
        }
    }
}

/// What a running rollout does now.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    let mut decision = wishes(scene);
    if desired(scene.rollout, scene.application) == Desired::Abort {
        return abort(scene, decision);
    }
    give_up_silent(scene, &mut decision);
    let mut course = if scene.rollout.status.reason.is_empty() {
        forward(scene)
    } else {
        failing(scene).into()
    };
    merge(&mut decision, std::mem::take(&mut course.decision));
    if !writes(&decision, scene) {
        report(scene, &mut decision, &course);
    }
    decision
}

/// Whether a decision writes the rollout already: a second write would rest on an old version.
fn writes(decision: &Decision, scene: &Scene<'_>) -> bool {
    let rollout = &scene.rollout.metadata;
    decision.changes.iter().any(|change| match change {
        Change::Patch { target, .. } => target.uid == rollout.uid,
        _ => false,
    })
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

/// What runs is ended, a switch is taken back; then the end. Gears whose operation stopped nothing get requests again
/// from the rotation controller.
fn abort(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    if scene.live().next().is_some() || !decision.changes.is_empty() {
        report(scene, &mut decision, &Course::default());
        return decision;
    }
    if let Some(back) = switch::take_back(scene) {
        return back;
    }
    let counts = scene.counts();
    let mut message = format!(
        "{} of {} done; what is done stays",
        counts.done,
        text::count(counts.total as usize, "gear")
    );
    let active = scene.application.status.active_color.as_str();
    if scene.workflow == Workflow::BlueGreen && !active.is_empty() {
        message = format!("{message}, traffic is on {active}");
    }
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
        let silence = match scene.world.node(target.node) {
            Some(_) => scene.world.silence(target.node, scene.now),
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

fn forward(scene: &Scene<'_>) -> Course {
    // What happens once comes after every gear: a host that joins meanwhile catches up afterwards.
    let step = scene.switch();
    if let Some(step) = step
        && (scene.rollout.spec.action == Action::Rollback
            || matches!(step.phase, StepPhase::Running | StepPhase::Failed))
    {
        return switch::forward(scene, step);
    }
    let canary = scene.canary();
    let mut limits = scene.limits();
    if canary == Canary::First {
        limits = limits.for_canary();
    }
    match waves::next(&limits, &scene.standings) {
        Next::Wait => missing_gears(scene, &[]).into(),
        Next::Start(_) if scene.rollout.spec.desired == Desired::Pause => {
            missing_gears(scene, &[]).into()
        }
        Next::Start(places) => match canary {
            Canary::Waits(left) => wait_for_word(scene, left),
            Canary::First | Canary::Over => start_all(scene, &places).into(),
        },
        Next::Finished => match step {
            Some(step) => switch::forward(scene, step),
            None => finish(scene).into(),
        },
        Next::TooManyFailures => {
            let (reason, message) = failure(scene);
            fail(scene, &reason, &message, scene.rollout.status.steps.clone()).into()
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
                message = format!("{}; {message}", deployment::describe(first));
            }
            let steps = scene.rollout.status.steps.clone();
            fail(scene, "TooFewHealthy", &message, steps).into()
        }
    }
}

fn start_all(scene: &Scene<'_>, places: &[usize]) -> Decision {
    let mut decision = Decision::nothing();
    for place in places {
        merge(&mut decision, start(scene, &scene.targets[*place]));
    }
    merge(&mut decision, missing_gears(scene, places));
    decision
}

/// The canary is up: the rest waits for its time, or for somebody's word.
fn wait_for_word(scene: &Scene<'_>, left: Option<Duration>) -> Course {
    let application = &scene.application.metadata.name;
    let mut done = scene.targets.iter().zip(&scene.standings);
    let canary = done.find(|(_, standing)| **standing == Standing::Done);
    let name = canary.map_or("", |(target, _)| &*target.name);
    let settings = scene.settings.canary.as_ref();
    let pause = settings.and_then(|canary| canary.pause);
    let mut decision = missing_gears(scene, &[]);
    let message = match (left, pause) {
        (Some(left), Some(pause)) => {
            decision.look_again(canary::told_for(left));
            let told = canary::told(left, pause.0);
            format!(
                "canary {name} is up: goes on in {told}, or with 'upshift promote {application}'"
            )
        }
        _ => format!("canary {name} is up: waits for 'upshift promote {application}'"),
    };
    Course {
        decision,
        canary: Some(message),
        switching: None,
    }
}

/// Gears that nodes are to have and that are not there yet, without those that begin now; a batch at a time, so that
/// making thousands of them keeps nobody waiting.
fn missing_gears(scene: &Scene<'_>, starting: &[usize]) -> Decision {
    let changes = scene
        .targets
        .iter()
        .enumerate()
        .filter(|(place, target)| target.gear.is_none() && !starting.contains(place))
        .map(|(_, target)| make(scene, target, ""))
        .take(BATCH)
        .collect();
    Decision {
        changes,
        ..Decision::default()
    }
}

/// A new gear gets no requests before its first deployment is done; of a colour, while that serves nothing, it may.
fn make(scene: &Scene<'_>, target: &Target<'_>, revision: &str) -> Change {
    let rotation = match scene.workflow {
        Workflow::RollingBehindLoadBalancer => Rotation::Out,
        Workflow::Rolling | Workflow::BlueGreen => Rotation::In,
    };
    Change::create(&deployment::gear(
        scene.application,
        &target.name,
        target.node,
        target.color,
        rotation,
        revision,
    ))
}

/// The gear wants the revision, then its operation begins.
fn start(scene: &Scene<'_>, target: &Target<'_>) -> Decision {
    let revision = &scene.rollout.spec.revision;
    let Some(wanted) = scene.wanted() else {
        let message = format!("there is no revision {revision:?} any more");
        let steps = scene.rollout.status.steps.clone();
        return fail(scene, "RevisionMissing", &message, steps);
    };
    let mut changes = Vec::new();
    match target.gear {
        None => changes.push(make(scene, target, revision)),
        Some(gear)
            if gear.spec.revision != *revision
                || gear.spec.color != target.color
                || gear.spec.catch_up.is_some() =>
        {
            let color = Some(target.color).filter(|color| !color.is_empty());
            let mut spec = json!({"revision": revision, "color": color, "catchUp": null});
            // What it holds from the time with colours gets no requests for a moment.
            if workflow::is_left_color(scene.application, gear) {
                spec["rotation"] = json!(Rotation::Out);
            }
            changes.push(Change::patch(gear, json!({ "spec": spec })));
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
pub(super) fn finish(scene: &Scene<'_>) -> Decision {
    let revision = &scene.rollout.spec.revision;
    let counts = scene.counts();
    let mut decision = missing_gears(scene, &[]);
    if !decision.changes.is_empty() {
        return decision;
    }
    for gear in scene.targets.iter().filter_map(|target| target.gear) {
        if gear.spec.revision != *revision {
            decision
                .changes
                .push(Change::patch(gear, json!({"spec": {"revision": revision}})));
        }
    }
    let color = scene.rollout.status.color.as_str();
    let mut message = match (scene.workflow, scene.rollout.spec.action) {
        (Workflow::BlueGreen, Action::Rollback) => {
            format!("traffic is on {color}, which holds {revision}")
        }
        _ => format!(
            "{} of {} done",
            counts.done,
            text::count(counts.total as usize, "gear")
        ),
    };
    let later = counts.unreachable as usize + lost(scene);
    if later > 0 {
        message = format!("{message}; {later} on silent nodes will catch up");
    }
    if scene.workflow == Workflow::BlueGreen && scene.rollout.spec.action == Action::Deploy {
        message = format!("{message}, traffic is on {color}");
    }
    let (phase, reason) = if counts.failed == 0 {
        (RolloutPhase::Succeeded, String::new())
    } else {
        let (reason, why) = failure(scene);
        message = format!("{message}; {why}");
        (RolloutPhase::PartlyFailed, reason)
    };
    let end = End {
        phase,
        reason: &reason,
        message: &message,
        gears: counts,
        steps: switch::done(scene),
    };
    merge(&mut decision, conclude(scene.rollout, &end, scene.now));
    decision
}

/// Writes down that the rollout is failing; what follows from it is the next look's.
pub(super) fn fail(
    scene: &Scene<'_>,
    reason: &str,
    message: &str,
    steps: Vec<StepStatus>,
) -> Decision {
    let status = RolloutStatus {
        reason: reason.to_owned(),
        message: message.to_owned(),
        gears: scene.counts(),
        steps,
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
    if let Some(back) = switch::take_back(scene) {
        return back;
    }
    let status = &scene.rollout.status;
    let goes_back = scene.settings.on_failure == OnFailure::Rollback
        && scene.rollout.spec.action == Action::Deploy;
    let active = scene.application.status.active_color.as_str();
    // The other colour serves on: there is nothing to go back to but the time before the first deployment.
    if scene.workflow == Workflow::BlueGreen && !active.is_empty() {
        let verb = match switch::phase(scene) {
            Some(StepPhase::Failed) => "is back",
            _ => "stays",
        };
        let message = format!("{}; traffic {verb} on {active}", status.message);
        let phase = match (switch::phase(scene), goes_back) {
            // A retry of what had partly succeeded: it serves.
            (Some(StepPhase::Done), _) => RolloutPhase::PartlyFailed,
            (_, true) => RolloutPhase::RolledBack,
            (_, false) => RolloutPhase::Failed,
        };
        return end(scene, phase, &status.reason, &message);
    }
    if goes_back {
        return retreat::decide(scene);
    }
    end(scene, RolloutPhase::Failed, &status.reason, &status.message)
}

/// Counts, and what it waits for; at most about once a second.
fn report(scene: &Scene<'_>, decision: &mut Decision, course: &Course) {
    let is_switching = switch::phase(scene) == Some(StepPhase::Running);
    let is_held = scene.rollout.spec.desired == Desired::Pause || course.canary.is_some();
    let paused = is_held
        && !is_switching
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
        .map(|(target, _)| target.node)
        .collect();
    let before = &scene.rollout.status;
    let message = match (&course.canary, silent.as_slice()) {
        _ if !before.reason.is_empty() => before.message.clone(),
        (Some(canary), _) => canary.clone(),
        (None, []) => String::new(),
        (None, silent) => format!("waits for silent nodes: {}", silent.join(", ")),
    };
    let mut steps = before.steps.clone();
    if let (Some(why), Some(step)) = (&course.switching, scene.switch()) {
        let step = StepStatus {
            message: why.clone(),
            ..step.clone()
        };
        switch::replace(&mut steps, step);
    }
    let status = RolloutStatus {
        phase,
        message,
        gears: scene.counts(),
        steps,
        ..before.clone()
    };
    if let Some(merge) = difference(before, &status) {
        let change = if phase == before.phase {
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
        steps: scene.rollout.status.steps.clone(),
    };
    conclude(scene.rollout, &end, scene.now)
}

fn first_failed<'a>(scene: &Scene<'a>) -> Option<&'a Operation> {
    let mut targets = scene.targets.iter().zip(&scene.standings);
    targets
        .find(|(_, standing)| **standing == Standing::Failed)
        .and_then(|(target, _)| target.forward)
}

/// How many gears were lost in the middle: they failed here, and their nodes take up the revision when they return.
fn lost(scene: &Scene<'_>) -> usize {
    let standings = scene.targets.iter().zip(&scene.standings);
    let failed = standings.filter(|(_, standing)| **standing == Standing::Failed);
    failed
        .filter_map(|(target, _)| target.forward)
        .filter(|operation| operation.status.phase != OperationPhase::Failed)
        .count()
}

/// The reason and the words of the first failure.
fn failure(scene: &Scene<'_>) -> (String, String) {
    match first_failed(scene) {
        Some(operation) => {
            let reason = match operation.status.reason.as_str() {
                _ if operation.status.phase != OperationPhase::Failed => "NodeSilent",
                "" => "OperationFailed",
                reason => reason,
            };
            (reason.to_owned(), deployment::describe(operation))
        }
        None => (
            "OperationFailed".to_owned(),
            "a gear failed and is gone".to_owned(),
        ),
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
