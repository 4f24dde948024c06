//! Which gears an application has: one on every matching node, made when a node comes, removed when it goes.
//!
//! Only outside rollouts, which make their gears themselves. A cordoned node keeps its gear and gets no new one.

use std::collections::HashMap;

use crate::api::core::Node;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::Rotation;
use crate::base::clock::Timestamp;
use crate::controllers::balanced_service;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::change::Target;
use crate::controllers::deployment;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::workflow;
use crate::plan::workflow::Place;
use crate::plan::workflow::Workflow;

/// Decides for one Application.
#[derive(Debug, Default)]
pub(crate) struct Placement;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::APPLICATION,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: if_it_came_or_went,
    },
    Watch {
        kind: &kinds::NODE,
        keys: every_application,
    },
];

/// The application of a gear that is gone, or that is new where the application or its node may not want it. What a gear
/// reports changes nothing here, and in a large rollout it is most of what happens.
fn if_it_came_or_went(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let is_there = world.gears.find(touched.key).is_some();
    let is_new = touched.before.is_none();
    let node = touched.node.and_then(|node| world.node(node));
    let has_node = node.is_some_and(|node| !node.metadata.is_deleting());
    let is_held = touched
        .application
        .as_ref()
        .and_then(|owner| world.applications.find(owner))
        .is_some_and(|application| !application.status.rollout.is_empty());
    if is_there && (!is_new || has_node && is_held) {
        return Vec::new();
    }
    Touched::its_application(world, touched)
}

fn every_application(world: &World, _: &Touched<'_>) -> Vec<Key> {
    world.applications.keys().cloned().collect()
}

impl Controller for Placement {
    const NAME: &'static str = "placement";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(application) = world.applications.find(key) else {
            return Decision::nothing();
        };
        if application.metadata.is_deleting() || application.spec.hosts.is_none() {
            return Decision::nothing();
        }
        let nodes: Vec<_> = world.nodes.all().map(|node| &**node).collect();
        let places = workflow::places(application, &nodes);
        let mut decision = Decision::nothing();
        remove(application, world, &places, &mut decision);
        add(application, world, &places, &mut decision);
        decision
    }
}

/// Gears whose node is gone go at once; those whose node no longer matches when no rollout runs.
fn remove(application: &Application, world: &World, places: &[Place<'_>], decision: &mut Decision) {
    let idle = application.status.rollout.is_empty();
    let by_node: HashMap<&str, &Place<'_>> = places
        .iter()
        .map(|place| (place.node.metadata.name.as_str(), place))
        .collect();
    for gear in world.gears.of_application(&application.metadata.key()) {
        if gear.metadata.is_deleting() {
            continue;
        }
        let node = &gear.spec.node;
        let gone = world
            .node(node)
            .is_none_or(|node| node.metadata.is_deleting());
        let place = by_node.get(node.as_str());
        let matches = place.is_some_and(|place| workflow::has_color(gear, place));
        if gone || (idle && !matches) {
            // The pictures of node and application may be of different age; both must be as they were seen.
            let node_seen = match world.node(node) {
                Some(node) => Target::of::<Node>(node),
                None => Target::absent(&kinds::NODE, Key::new("", node.clone())),
            };
            let seen = vec![node_seen, Target::of(application)];
            decision.changes.push(Change::delete_if::<Gear>(gear, seen));
            let why = if gone { "is gone" } else { "no longer matches" };
            let message = format!("removed, because node {node} {why}");
            decision
                .notes
                .push(Note::normal(&**gear, "Removed", message));
        }
    }
}

/// New nodes of an application that is deployed get its current revision.
fn add(application: &Application, world: &World, places: &[Place<'_>], decision: &mut Decision) {
    let current = &application.status.current_revision;
    if current.is_empty() || !application.status.rollout.is_empty() {
        return;
    }
    let settings = balanced_service::in_force(&application.spec.rollout, application, world);
    let workflow = workflow::workflow(application, &settings);
    // What joins a fleet that serves gets requests when it has caught up.
    let rotation = match workflow {
        Some(Workflow::Rolling) | None => Rotation::In,
        Some(Workflow::RollingBehindLoadBalancer | Workflow::BlueGreen) => Rotation::Out,
    };
    // A colour that serves nothing gets its gears from the next deployment.
    let is_idle = |place: &&Place<'_>| {
        workflow == Some(Workflow::BlueGreen) && place.color != application.status.active_color
    };
    for place in places.iter().filter(|place| !is_idle(place)) {
        let node = &place.node.metadata.name;
        let name = workflow::gear_name(&application.metadata.name, node);
        let key = Key::new(application.metadata.namespace.clone(), name.clone());
        if place.node.spec.unschedulable || world.gears.find(&key).is_some() {
            continue;
        }
        decision.changes.push(Change::create(&deployment::gear(
            application,
            &name,
            node,
            place.color,
            rotation,
            current,
        )));
    }
}
