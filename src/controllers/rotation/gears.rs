//! Gears in and out of rotation: the Control steps of seed 001's workflows.
//!
//! BlockTraffic takes a gear out (`spec.rotation`), and is done when nothing leads to it any more or its requests had
//! their time; AllowTraffic puts it in, and is done when every router leads to it. A router that stays silent fails
//! the step. Level-triggered: what was wanted stands in the Gear, what is reached in slices and Routers, and how long it
//! took counts from when this process first saw the step wait. [`switched`] answers the same for a colour as a whole.
//!
//! # Decided
//!
//! * A gear that is taken out names the operation that did it, so that a decision of an earlier operation that arrives
//!   late changes nothing.
//! * An operation that ended before it stopped anything gives its gear the requests back (`deployment::settled`). One
//!   that went further leaves its gear out; whether the application still works, nobody knows.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::network::EndpointSlice;
use crate::api::upshift::ANNOTATION_BLOCKED_BY;
use crate::api::upshift::Application;
use crate::api::upshift::Desired;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_COLOR;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::LoadBalancer;
use crate::api::upshift::Operation;
use crate::api::upshift::Rotation;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::controllers::balanced_service;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::change::Pace;
use crate::controllers::change::Part;
use crate::controllers::change::Target;
use crate::controllers::deployment;
use crate::controllers::gear_endpoints;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::rotation::Leaving;
use crate::controllers::rotation::Reach;
use crate::controllers::rotation::Standing;
use crate::controllers::rotation::follow;
use crate::controllers::rotation::hindered;
use crate::controllers::rotation::in_flight;
use crate::controllers::rotation::named;
use crate::controllers::rotation::reach;
use crate::controllers::sightings;
use crate::controllers::sightings::Left;
use crate::controllers::slices;
use crate::controllers::world::World;
use crate::plan::step;

/// How long after the drain time a router may be silent before the step fails.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// How long a step waits before it says what for, and between two looks at the time.
const SPEAK: Duration = Duration::from_secs(1);
/// How long a slice may be under way that names a gear which was just taken out.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Decides for one Operation.
#[derive(Debug, Default)]
pub(crate) struct GearRotation;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::OPERATION,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: |world, touched| {
            let turns = world.sightings.turns_of_gear(touched.key);
            turns.cloned().collect()
        },
    },
    Watch {
        kind: &kinds::ENDPOINT_SLICE,
        keys: of_service,
    },
    Watch {
        kind: &kinds::SERVICE,
        keys: of_service,
    },
    Watch {
        kind: &kinds::ROUTER,
        keys: |world, _| world.sightings.turns().cloned().collect(),
    },
];

/// The waiting operations of the application whose gears a Service or slice leads to.
fn of_service(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let states = [Some(touched.metadata), touched.before];
    let owners: BTreeSet<&String> = states
        .into_iter()
        .flatten()
        .filter_map(|metadata| metadata.labels.get(LABEL_GEARS_OF))
        .collect();
    let owners = owners
        .into_iter()
        .map(|owner| Key::new(&*touched.key.namespace, &**owner));
    owners
        .flat_map(|owner| {
            let turns = world.sightings.turns_of(&owner);
            turns.cloned().collect::<Vec<Key>>()
        })
        .collect()
}

impl Controller for GearRotation {
    const NAME: &'static str = "gear-rotation";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(operation) = world.operations.find(key) else {
            return Decision::nothing();
        };
        let gear = Key::new(&*key.namespace, &*operation.spec.gear);
        let Some(gear) = world.gears.find(&gear) else {
            return Decision::nothing();
        };
        if operation.status.phase.is_final() {
            return settle(operation, gear);
        }
        let Some(step) = sightings::turn(operation) else {
            return Decision::nothing();
        };
        // Its agent gives the step up.
        if operation.spec.desired == Desired::Abort {
            return Decision::nothing();
        }
        let owner = Key::new(&*key.namespace, &*gear.spec.application);
        let application = world.applications.find(&owner).map(|one| &**one);
        let turn = Turn {
            operation,
            gear,
            balancer: balancer(operation, application, world),
            application,
            slices: gear_endpoints::slices(&owner, world),
            step,
            waited: world.sightings.turn(key, now).unwrap_or_default(),
            owner,
            world,
            now,
        };
        if step == step::BLOCK_TRAFFIC.name {
            turn.block()
        } else {
            turn.allow()
        }
    }
}

/// The load balancer's settings that an operation goes by: its rollout's, otherwise the application's.
fn balancer(
    operation: &Operation,
    application: Option<&Application>,
    world: &World,
) -> LoadBalancer {
    let rollout = operation.spec.owner.strip_prefix("Rollout/");
    let rollout = rollout.and_then(|name| {
        let key = Key::new(&*operation.metadata.namespace, name);
        world.rollouts.find(&key)
    });
    let of_rollout = rollout.and_then(|one| one.spec.settings.load_balancer.clone());
    let own = || {
        let application = application?;
        let settings = &application.spec.rollout;
        balanced_service::in_force(settings, application, world).load_balancer
    };
    of_rollout.or_else(own).unwrap_or_default()
}

/// A step that waits for us.
struct Turn<'a> {
    operation: &'a Operation,
    gear: &'a Gear,
    application: Option<&'a Application>,
    balancer: LoadBalancer,
    /// Of every Service that leads to the application's gears.
    slices: Vec<&'a EndpointSlice>,
    step: &'static str,
    waited: Duration,
    owner: Key,
    world: &'a World,
    now: Timestamp,
}

/// What a step waits for.
struct Obstacle {
    /// Why it fails when that does not come about, in one word.
    reason: &'static str,
    why: String,
}

impl Obstacle {
    fn router(why: String) -> Obstacle {
        Obstacle {
            reason: "RouterSilent",
            why,
        }
    }
}

impl Turn<'_> {
    fn drain(&self) -> Duration {
        Duration::from_secs(self.balancer.drain_seconds.into())
    }

    /// Takes the gear out, and sees to it that nothing leads there any more.
    fn block(&self) -> Decision {
        let gear = self.gear;
        let name = &self.operation.metadata.name;
        let blocked_by = gear.metadata.annotations.get(ANNOTATION_BLOCKED_BY);
        if gear.spec.rotation != Rotation::Out || blocked_by != Some(name) {
            return Decision::one(Change::patch(
                gear,
                json!({
                    "metadata": {"annotations": {ANNOTATION_BLOCKED_BY: name}},
                    "spec": {"rotation": Rotation::Out},
                }),
            ));
        }
        let left = match self.left() {
            Ok(left) => left,
            Err(why) => return self.wait(&Obstacle::router(why)),
        };
        let addresses = self.addresses();
        let leaving = Leaving {
            uid: &gear.metadata.uid,
            left,
            addresses: &addresses,
            routers: named(self.slices.iter().copied()),
        };
        match reach(&leaving, self.world, self.now) {
            Reach::None => self.finish(StepPhase::Done, "", ""),
            Reach::InFlight(why) if self.waited >= self.drain() => {
                let seconds = self.balancer.drain_seconds;
                let message = format!("cut off after {seconds}s: {why}");
                self.finish(StepPhase::Done, "", &message)
                    .noting(Note::warning(gear, "DrainTimeout", message))
            }
            Reach::InFlight(why) => self.go_on(&why),
            Reach::New(why) => self.wait(&Obstacle::router(why)),
        }
    }

    /// The version of the slices from which on the gear is out of rotation. It is known unless this process began
    /// later, a slice was deleted, or the gear was in none; then the newest version covers it.
    fn left(&self) -> Result<u64, String> {
        let gear = &self.gear.metadata;
        let known = self.world.sightings.left(&gear.uid);
        if let Some(Left::At(version)) = known
            && version > gear.revision()
        {
            return Ok(version);
        }
        let may_be_under_way = !self.gear.status.revision.is_empty();
        if may_be_under_way && self.waited < UNDER_WAY {
            return Err("a slice that names it may be under way".to_owned());
        }
        let after = match known {
            Some(Left::At(version)) => version,
            Some(Left::After(version)) => version + 1,
            None => 0,
        };
        // Whoever deletes a Service or its slices does not end the requests: the next slice tells that they are gone.
        let is_ending = self.world.is_ending(&gear.namespace);
        if self.slices.is_empty() && !is_ending && self.is_to_have_slices() {
            let name = &self.owner.name;
            let service = self.balancer.service_of(name);
            return Err(format!("service {service} has no slice that leaves it out"));
        }
        let versions = self.slices.iter().map(|slice| slice.metadata.revision());
        Ok(versions.max().unwrap_or(0).max(after))
    }

    fn is_to_have_slices(&self) -> bool {
        let application = self.application.filter(|application| {
            !application.metadata.is_deleting() && application.spec.rollout.load_balancer.is_some()
        });
        application.is_some_and(|application| {
            let standing = balanced_service::standing(application, self.world);
            !matches!(standing, balanced_service::Standing::Taken(_))
        })
    }

    /// Every address that routers may know the gear by.
    fn addresses(&self) -> Vec<String> {
        let node = self.world.node(&self.gear.spec.node).map(|node| &**node);
        let deployment = &self.operation.spec.deployment;
        let hosts = BTreeSet::from([deployment::address(node), &*deployment.address]);
        let ports = self.slices.iter().flat_map(|slice| &slice.ports);
        let mut ports: BTreeSet<u16> = ports.map(|one| one.port).collect();
        ports.insert(deployment.port);
        let mut addresses = Vec::new();
        for host in hosts {
            addresses.extend(ports.iter().map(|port| format!("{host}:{port}")));
        }
        addresses.extend(self.gear.status.endpoints.iter().cloned());
        addresses
    }

    /// Puts the gear in, and sees to it that every router leads to it.
    fn allow(&self) -> Decision {
        let gear = self.gear;
        let is_blocked = gear
            .metadata
            .annotations
            .contains_key(ANNOTATION_BLOCKED_BY);
        if gear.spec.rotation != Rotation::In || is_blocked {
            return Decision::one(Change::patch(
                gear,
                json!({
                    "metadata": {"annotations": {ANNOTATION_BLOCKED_BY: Value::Null}},
                    "spec": {"rotation": Rotation::In},
                }),
            ));
        }
        match self.entered() {
            Ok(()) => self.finish(StepPhase::Done, "", ""),
            Err(obstacle) => self.wait(&obstacle),
        }
    }

    /// Whether every router leads to the gear; otherwise what is missing.
    fn entered(&self) -> Result<(), Obstacle> {
        let uid = &self.gear.metadata.uid;
        let versions = self.world.sightings.slices_of(uid);
        if let Some(version) = versions.map(|(_, version)| version).max() {
            let named = named(self.slices.iter().copied());
            follow(&named, version, self.world)
                .map_err(|behind| Obstacle::router(behind.that("does not lead to it yet")))?;
            let hindered = hindered(&self.addresses(), &named, self.world);
            return hindered.map_or(Ok(()), |why| {
                Err(Obstacle {
                    reason: "NotServed",
                    why,
                })
            });
        }
        let Some(application) = self.application else {
            return Ok(());
        };
        let is_idle = gear_endpoints::is_blue_green(application)
            && self.gear.spec.color != application.status.active_color;
        if application.spec.rollout.load_balancer.is_none() && self.slices.is_empty() || is_idle {
            return Ok(());
        }
        let node = &self.gear.spec.node;
        let service = self.balancer.service_of(&self.owner.name);
        let (reason, why) = match balanced_service::standing(application, self.world) {
            balanced_service::Standing::Taken(why) => (balanced_service::TAKEN, why),
            balanced_service::Standing::NotYet => (
                "ServiceMissing",
                format!("service {service} is not there yet"),
            ),
            balanced_service::Standing::Ready if !self.world.is_reachable(node) => {
                ("NodeSilent", format!("node {node} is silent"))
            }
            balanced_service::Standing::Ready => (
                "NoSlice",
                format!("service {service} has no slice that names it"),
            ),
        };
        Err(Obstacle { reason, why })
    }

    /// Waits for what may not come about.
    fn wait(&self, obstacle: &Obstacle) -> Decision {
        let is_silent = !self.world.is_reachable(&self.gear.spec.node);
        // A dead host cannot take the outcome back; it has its whole time when it returns.
        if self.waited < self.drain() + SILENCE || is_silent {
            return self.go_on(&obstacle.why);
        }
        let message = &obstacle.why;
        self.finish(StepPhase::Failed, obstacle.reason, message)
            .noting(Note::warning(self.gear, obstacle.reason, message))
    }

    /// Says what is waited for, when that takes longer than a moment.
    fn go_on(&self, why: &str) -> Decision {
        let mut decision = Decision::nothing();
        decision.look_again(SPEAK);
        if self.waited < SPEAK {
            decision.look_again(SPEAK.saturating_sub(self.waited));
            return decision;
        }
        let said = self.operation.spec.control.get(self.step);
        if said.is_none_or(|said| said.message != why) {
            let change = self.outcome(StepPhase::Running, "", why, Pace::Gentle);
            decision.changes.push(change);
        }
        decision
    }

    fn finish(&self, phase: StepPhase, reason: &str, message: &str) -> Decision {
        Decision::one(self.outcome(phase, reason, message, Pace::Now))
    }

    fn outcome(&self, phase: StepPhase, reason: &str, message: &str, pace: Pace) -> Change {
        let mut outcome = json!({"phase": phase, "message": message});
        if !reason.is_empty() {
            outcome["reason"] = reason.into();
        }
        Change::Patch {
            target: Target::of(self.operation),
            part: Part::Main,
            merge: json!({"spec": {"control": {self.step: outcome}}}),
            pace,
        }
    }
}

/// Gives a gear its requests back when the operation that took it out has ended without stopping anything.
fn settle(operation: &Operation, gear: &Gear) -> Decision {
    let blocked_by = gear.metadata.annotations.get(ANNOTATION_BLOCKED_BY);
    let is_out = gear.spec.rotation == Rotation::Out
        && blocked_by == Some(&operation.metadata.name)
        && !gear.status.revision.is_empty()
        && !gear.metadata.is_deleting();
    let is_known = operation.status.reason != "JournalLost";
    if !is_out || !is_known || deployment::settled(operation) != Rotation::In {
        return Decision::nothing();
    }
    let back = json!({
        "metadata": {"annotations": {ANNOTATION_BLOCKED_BY: Value::Null}},
        "spec": {"rotation": Rotation::In},
    });
    let message = format!(
        "gets requests again: operation {} ended before it stopped the application",
        operation.metadata.name
    );
    Decision::one(Change::patch(gear, back)).noting(Note::normal(gear, "Unblocked", message))
}

/// Whether a blue/green Service's requests all go to a colour: its slices lead there, every Router that serves it
/// follows them, and nothing is in flight for the other colour (or that was waited for as long as `drain`).
///
/// `since` is how long the switch is wanted already.
pub(crate) fn switched(
    service: &Key,
    color: &str,
    drain: Duration,
    since: Duration,
    world: &World,
) -> Standing {
    let name = &service.name;
    let Some(service) = world.services.find(service) else {
        return Standing::In(format!("service {name} is not there"));
    };
    // What a Service of that name left that is gone leads on, too.
    let slices = slices::leading(service, world);
    let slices: Vec<&EndpointSlice> = slices.map(|one| &**one).collect();
    if slices.is_empty() {
        return Standing::In(format!("service {name} has no slice"));
    }
    let color_of = |slice: &EndpointSlice| slice.metadata.labels.get(LABEL_COLOR).cloned();
    if let Some(other) = slices
        .iter()
        .find(|one| color_of(one).as_deref() != Some(color))
    {
        return Standing::In(match color_of(other) {
            Some(other) => format!("service {name} still leads to {other}"),
            None => format!("service {name} does not lead to {color} yet"),
        });
    }
    let versions = slices.iter().map(|slice| slice.metadata.revision());
    let named = named(slices.iter().copied());
    if let Err(behind) = follow(&named, versions.max().unwrap_or(0), world) {
        return Standing::In(behind.that(&format!("does not lead to {color} yet")));
    }
    if since >= drain {
        return Standing::Out;
    }
    let Some(owner) = gear_endpoints::gears_of(service) else {
        return Standing::Out;
    };
    let owner = Key::new(&*service.metadata.namespace, owner);
    let gears = world.gears.of_application(&owner);
    let others: BTreeSet<&str> = gears
        .filter(|gear| gear.spec.color != color)
        .map(|gear| deployment::address(world.node(&gear.spec.node).map(|node| &**node)))
        .collect();
    let ports = slices.iter().flat_map(|slice| &slice.ports);
    let addresses: Vec<String> = ports
        .flat_map(|port| {
            others
                .iter()
                .map(move |host| format!("{host}:{}", port.port))
        })
        .collect();
    match in_flight(&addresses, &named, world) {
        Some(why) => Standing::In(why),
        None => Standing::Out,
    }
}
