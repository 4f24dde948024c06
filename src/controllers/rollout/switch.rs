//! Blue/green: the one step that sends a service's requests to the other colour, and the way back from it.
//!
//! First the rollout says that it switches, then the application names the colour (that is the switch: the slices follow
//! it, the routers follow the slices), then it is waited for until every router follows and nothing is in flight for the
//! other colour. A router that stays silent for too long ends it: the colour is taken back, whatever `onFailure` says.
//! So is a switch that is aborted: the serving colour and the current revision always tell the same story.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::meta::Key;
use crate::api::upshift::Desired;
use crate::api::upshift::Rotation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::rollout::difference;
use crate::controllers::rollout::scene::Scene;
use crate::controllers::rollout::work;
use crate::controllers::rollout::work::Course;
use crate::controllers::rollout::work::merge;
use crate::controllers::rotation;
use crate::plan::waves::Standing;

/// How long a router may be silent beyond the drain time.
const SILENCE: Duration = Duration::from_secs(60);

/// How far the switch is; none when there is none to make.
pub(super) fn phase(scene: &Scene<'_>) -> Option<StepPhase> {
    scene.switch().map(|step| step.phase)
}

/// What brings the traffic to the rollout's colour, once every gear is done.
pub(super) fn forward(scene: &Scene<'_>, step: &StepStatus) -> Course {
    match step.phase {
        StepPhase::Waiting if scene.rollout.spec.desired == Desired::Pause => Course::default(),
        StepPhase::Waiting => begin(scene, step).into(),
        StepPhase::Done => again(scene).into(),
        _ => follow(scene, step),
    }
}

/// Says so, then names the colour. What is not done there stays out of the slices.
fn begin(scene: &Scene<'_>, step: &StepStatus) -> Decision {
    let mut decision = rotations(scene);
    if !decision.changes.is_empty() {
        return decision;
    }
    let running = StepStatus {
        phase: StepPhase::Running,
        started_at: Some(scene.now),
        ..step.clone()
    };
    merge(&mut decision, write_step(scene, running));
    let color = scene.rollout.status.color.as_str();
    decision.changes.push(set_color(scene, color));
    decision
}

/// A retry after the switch: what is done now gets its requests.
fn again(scene: &Scene<'_>) -> Decision {
    let decision = rotations(scene);
    if decision.changes.is_empty() {
        return work::finish(scene);
    }
    decision
}

/// Gears of the colour: those that are done get requests, those that failed or are silent do not.
fn rotations(scene: &Scene<'_>) -> Decision {
    let mut decision = Decision::nothing();
    for (target, standing) in scene.targets.iter().zip(&scene.standings) {
        let Some(gear) = target.gear else {
            continue;
        };
        let rotation = match standing {
            Standing::Done => Rotation::In,
            _ => Rotation::Out,
        };
        if gear.spec.rotation != rotation {
            let change = Change::patch(gear, json!({"spec": {"rotation": rotation}}));
            decision.changes.push(change);
        }
    }
    decision
}

/// Waits for the routers.
fn follow(scene: &Scene<'_>, step: &StepStatus) -> Course {
    let color = scene.rollout.status.color.as_str();
    if scene.application.status.active_color != color {
        return Decision::one(set_color(scene, color)).into();
    }
    let since = since(scene);
    let why = match standing(scene, color) {
        rotation::Standing::Out => return work::finish(scene).into(),
        rotation::Standing::In(why) => why,
    };
    let limit = drain(scene) + SILENCE;
    if since >= limit {
        let failed = StepStatus {
            phase: StepPhase::Failed,
            reason: "RouterSilent".to_owned(),
            message: why.clone(),
            finished_at: Some(scene.now),
            milliseconds: Some(milliseconds(since)),
            ..step.clone()
        };
        let message = format!(
            "SwitchTraffic failed after {} seconds: {why}",
            limit.as_secs()
        );
        let mut steps = scene.rollout.status.steps.clone();
        replace(&mut steps, failed);
        return work::fail(scene, "RouterSilent", &message, steps).into();
    }
    let mut decision = Decision::nothing();
    // Who only waits for the drain time to pass is told by nobody when it has.
    let wait = [drain(scene), limit]
        .into_iter()
        .filter_map(|at| at.checked_sub(since))
        .find(|left| !left.is_zero());
    decision.again = wait;
    Course {
        decision,
        switching: Some(why),
        ..Course::default()
    }
}

/// The steps with the switch as done.
pub(super) fn done(scene: &Scene<'_>) -> Vec<StepStatus> {
    let mut steps = scene.rollout.status.steps.clone();
    if let Some(step) = scene.switch()
        && step.phase == StepPhase::Running
    {
        let done = StepStatus {
            phase: StepPhase::Done,
            message: String::new(),
            finished_at: Some(scene.now),
            milliseconds: Some(milliseconds(since(scene))),
            ..step.clone()
        };
        replace(&mut steps, done);
    }
    steps
}

/// What is left to do before a switch that failed or was aborted has never been; none: nothing.
pub(super) fn take_back(scene: &Scene<'_>) -> Option<Decision> {
    let step = scene.switch()?;
    let status = &scene.application.status;
    match step.phase {
        StepPhase::Running => {
            let aborted = StepStatus {
                phase: StepPhase::Failed,
                reason: "Aborted".to_owned(),
                message: "taken back".to_owned(),
                finished_at: Some(scene.now),
                ..step.clone()
            };
            Some(write_step(scene, aborted))
        }
        StepPhase::Failed if status.active_color == scene.rollout.status.color => {
            Some(Decision::one(set_color(scene, before(scene))))
        }
        StepPhase::Failed => settle(scene),
        _ => None,
    }
}

/// Requests that went to the rollout's colour already may end there; no router is waited for longer than that.
fn settle(scene: &Scene<'_>) -> Option<Decision> {
    let color = scene.application.status.active_color.as_str();
    let left = drain(scene).saturating_sub(since(scene));
    let is_through = color.is_empty() || standing(scene, color) == rotation::Standing::Out;
    if left.is_zero() || is_through {
        return None;
    }
    Some(Decision {
        again: Some(left),
        ..Decision::default()
    })
}

/// The colour that served before this rollout: the other one, if anything was ever deployed there.
fn before(scene: &Scene<'_>) -> &'static str {
    let other = match scene.rollout.status.color.as_str() {
        "blue" => "green",
        _ => "blue",
    };
    let key = scene.application.metadata.key();
    let mut gears = scene.world.gears.of_application(&key);
    let has_served = !scene.rollout.status.previous_revision.is_empty()
        && gears.any(|gear| gear.spec.color == other && !gear.status.revision.is_empty());
    if has_served { other } else { "" }
}

fn standing(scene: &Scene<'_>, color: &str) -> rotation::Standing {
    let metadata = &scene.application.metadata;
    let balancer = scene.settings.load_balancer.clone().unwrap_or_default();
    let service = Key::new(
        metadata.namespace.clone(),
        balancer.service_of(&metadata.name),
    );
    rotation::switched(&service, color, drain(scene), since(scene), scene.world)
}

fn drain(scene: &Scene<'_>) -> Duration {
    let balancer = scene.settings.load_balancer.as_ref();
    let seconds = balancer.map_or(0, |balancer| balancer.drain_seconds);
    Duration::from_secs(seconds.into())
}

fn since(scene: &Scene<'_>) -> Duration {
    let rollout = scene.rollout.metadata.key();
    scene.world.since_switch(&rollout, scene.now)
}

fn set_color(scene: &Scene<'_>, color: &str) -> Change {
    let color = match color {
        "" => Value::Null,
        color => color.into(),
    };
    Change::status(scene.application, &json!({ "activeColor": color }))
}

fn write_step(scene: &Scene<'_>, step: StepStatus) -> Decision {
    let mut status = scene.rollout.status.clone();
    replace(&mut status.steps, step);
    let merge = difference(&scene.rollout.status, &status);
    let change = merge.map(|merge| Change::status(scene.rollout, &merge));
    Decision {
        changes: change.into_iter().collect(),
        ..Decision::default()
    }
}

pub(super) fn replace(steps: &mut [StepStatus], step: StepStatus) {
    if let Some(place) = steps.iter_mut().find(|one| one.name == step.name) {
        *place = step;
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
