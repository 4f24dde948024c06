//! Why a rollout cannot begin, asked before anything is touched.

use std::time::Duration;

use crate::api::meta::Key;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::Rotation;
use crate::base::clock::Timestamp;
use crate::controllers::balanced_service;
use crate::controllers::gear_endpoints;
use crate::controllers::rollout::PATIENCE;
use crate::controllers::rollout::scene;
use crate::controllers::rotation;
use crate::controllers::world::World;
use crate::plan::Refusal;
use crate::plan::workflow;

/// How long a router may be silent before nothing begins.
const SILENCE: Duration = Duration::from_secs(60);

/// What stands against a rollout's beginning.
pub(super) enum Objection {
    None,
    /// What it names may still show up.
    NotYet(Duration),
    Refused {
        reason: &'static str,
        message: String,
    },
}

/// Why the rollout cannot begin.
pub(super) fn objection(
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
    let settings = scene::settings(rollout, application, world);
    if let Some(objection) =
        taken_service(application, world).or_else(|| not_on_idle_color(rollout, application, world))
    {
        return objection;
    }
    match crate::plan::plan(&scene::input(rollout, application, &settings, world)) {
        Ok(_) => still_led_to(rollout, application, world, now).unwrap_or(Objection::None),
        Err(refusal) => match nodes_may_come(&refusal, world, patience) {
            Some(after) => Objection::NotYet(after),
            None => Objection::Refused {
                reason: refusal.reason(),
                message: refusal.to_string(),
            },
        },
    }
}

/// The load balancer's Service leads somewhere else already.
fn taken_service(application: &Application, world: &World) -> Option<Objection> {
    match balanced_service::standing(application, world) {
        balanced_service::Standing::Taken(message) => Some(Objection::Refused {
            reason: balanced_service::TAKEN,
            message,
        }),
        balanced_service::Standing::Ready | balanced_service::Standing::NotYet => None,
    }
}

/// Going back by switching works to what the other colour holds, and to nothing else.
fn not_on_idle_color(
    rollout: &Rollout,
    application: &Application,
    world: &World,
) -> Option<Objection> {
    let hosts = application.spec.hosts.as_ref()?;
    if rollout.spec.action != Action::Rollback || hosts.blue_green.is_none() {
        return None;
    }
    let revision = &rollout.spec.revision;
    let active = application.status.active_color.as_str();
    let refused = |message: String| {
        Some(Objection::Refused {
            reason: "NotOnIdleColor",
            message,
        })
    };
    if active.is_empty() {
        return refused("no colour serves yet: there is nothing to switch back to".to_owned());
    }
    if application.status.current_revision == *revision {
        return refused(format!("{active} serves {revision} already"));
    }
    let idle = workflow::idle_color(application);
    let key = application.metadata.key();
    let mut gears = world
        .gears
        .of_application(&key)
        .filter(|gear| gear.spec.color == idle && !gear.metadata.is_deleting())
        .peekable();
    let deploy = format!("deploy {revision} to bring it there");
    if gears.peek().is_none() {
        return refused(format!("{idle} has no gears: {deploy}"));
    }
    let mut serves = false;
    for gear in gears {
        let name = &gear.metadata.name;
        let held = gear.status.revision.as_str();
        if held != revision {
            let held = if held.is_empty() { "nothing" } else { held };
            return refused(format!(
                "{idle} does not hold {revision} (gear {name} holds {held}): {deploy}"
            ));
        }
        // What failed there and got requests never is out of rotation since; the rest would get them.
        if gear.spec.rotation == Rotation::Out {
            continue;
        }
        if let Some(how) = left_unfinished(gear, world) {
            return refused(format!(
                "{idle} does not hold {revision} whole (the last operation of gear {name} {how}): {deploy}"
            ));
        }
        serves = true;
    }
    if serves {
        return None;
    }
    refused(format!("no gear of {idle} is in rotation: {deploy}"))
}

/// How the operation ended that a gear was left by, when it did not succeed.
fn left_unfinished(gear: &Gear, world: &World) -> Option<&'static str> {
    let key = Key::new(
        gear.metadata.namespace.clone(),
        gear.status.operation.clone(),
    );
    match world.operations.find(&key)?.status.phase {
        OperationPhase::Succeeded => None,
        OperationPhase::Failed => Some("failed"),
        _ => Some("was aborted"),
    }
}

/// A deployment stops the applications of the colour that does not serve, without taking them out of rotation: every
/// router has to lead to the other colour before. One that fell silent when a switch was taken back may not.
fn still_led_to(
    rollout: &Rollout,
    application: &Application,
    world: &World,
    now: Timestamp,
) -> Option<Objection> {
    let active = application.status.active_color.as_str();
    let is_stopping = rollout.spec.action == Action::Deploy
        && gear_endpoints::is_blue_green(application)
        && !active.is_empty();
    if !is_stopping {
        return None;
    }
    let service = balanced_service::service_of(application)?;
    let any_time = Duration::ZERO;
    match rotation::switched(&service, active, any_time, any_time, world) {
        rotation::Standing::Out => None,
        rotation::Standing::In(why) => {
            let known = world.rollout_known(&rollout.metadata.key(), now);
            let left = SILENCE.saturating_sub(known);
            Some(if left.is_zero() {
                let idle = workflow::idle_color(application);
                let message = format!("{why}: until then nothing of {idle} may be stopped");
                Objection::Refused {
                    reason: "RouterSilent",
                    message,
                }
            } else {
                Objection::NotYet(left.min(Duration::from_secs(1)))
            })
        }
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
