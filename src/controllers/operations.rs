//! Operations that nobody needs any more: aborted when they were overtaken, removed when they are old.
//!
//! An operation of a rollout lives as long as its Rollout; of the catch-ups of a gear the last one stays, so that the
//! next one has another name. Ending an operation is its agent's: here it is only asked for. One whose node is gone for
//! good has no agent any more, and goes at once.

use std::sync::Arc;

use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Application;
use crate::api::upshift::Desired;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::change::Target;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// Decides for one Operation.
#[derive(Debug, Default)]
pub(crate) struct Operations;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::OPERATION,
        keys: of_its_gear,
    },
    Watch {
        kind: &kinds::ROLLOUT,
        keys: of_its_end,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: on_it,
    },
    Watch {
        kind: &kinds::APPLICATION,
        keys: of_application,
    },
    Watch {
        kind: &kinds::NODE,
        keys: of_a_gone_node,
    },
];

/// Those of them about which there may be something to decide. Of all others there is a history, and it grows.
fn open<'w>(operations: impl Iterator<Item = &'w Arc<Operation>>) -> Vec<Key> {
    let open = operations.filter(|one| !one.status.phase.is_final() || !is_of_rollout(one));
    open.map(|operation| operation.metadata.key()).collect()
}

fn is_of_rollout(operation: &Operation) -> bool {
    operation.spec.owner.starts_with("Rollout/")
}

/// Those on a node that is gone.
fn of_a_gone_node(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let name = &touched.key.name;
    if world.node(name).is_some() {
        return Vec::new();
    }
    open(world.operations.on_node(name))
}

/// Itself, and those before it on the same gear.
fn of_its_gear(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let gear = touched.gear.iter();
    open(gear.flat_map(|gear| world.operations.of_gear(gear)))
}

/// Those on a gear.
fn on_it(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    open(world.operations.of_gear(touched.key))
}

/// Those of a rollout that has ended or is gone; while it runs it overtakes nothing.
fn of_its_end(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let rollout = world.rollouts.find(touched.key);
    if rollout.is_some_and(|rollout| !rollout.status.phase.is_final()) {
        return Vec::new();
    }
    open(world.operations.owned_by(&touched.metadata.uid))
}

fn of_application(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let owner = touched.application.as_ref();
    owner.map_or_else(Vec::new, |owner| {
        open(world.operations.of_application(owner))
    })
}

impl Controller for Operations {
    const NAME: &'static str = "operation";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(operation) = world.operations.find(key) else {
            return Decision::nothing();
        };
        if operation.metadata.is_deleting() {
            return Decision::nothing();
        }
        let namespace = &key.namespace;
        let application = operation
            .metadata
            .labels
            .get(crate::api::upshift::LABEL_APPLICATION)
            .and_then(|name| world.applications.find(&Key::new(namespace.clone(), name)));
        let gear = world
            .gears
            .find(&Key::new(namespace.clone(), operation.spec.gear.clone()));
        let overtaken = is_overtaken(
            operation,
            application.map(|one| &**one),
            gear.map(|one| &**one),
            world,
        );
        if operation.status.phase.is_final() {
            return prune(operation, world);
        }
        if world.node(&operation.spec.node).is_none() {
            return give_up(operation);
        }
        if overtaken && operation.spec.desired != Desired::Abort {
            let abort = json!({"spec": {"desired": Desired::Abort}});
            return Decision::one(Change::patch(&**operation, abort));
        }
        Decision::nothing()
    }
}

/// Whether what an operation does is not wanted any more.
fn is_overtaken(
    operation: &Operation,
    application: Option<&Application>,
    gear: Option<&Gear>,
    world: &World,
) -> bool {
    let namespace = &operation.metadata.namespace;
    let is_teardown = operation.metadata.name.contains("-teardown")
        && operation.spec.deployment.revision.is_none();
    match operation.spec.owner.split_once('/') {
        Some(("Rollout", name)) => {
            let rollout = world
                .rollouts
                .find(&Key::new(namespace.clone(), name.to_owned()));
            let ended = rollout.is_none_or(|rollout| {
                rollout.status.phase.is_final() && rollout.spec.attempt <= rollout.answered()
            });
            // A gear that is just made may not be seen yet; only one that is going overtakes.
            ended || gear.is_some_and(|gear| gear.metadata.is_deleting())
        }
        _ if is_teardown => gear.is_none(),
        _ => {
            gear.is_none_or(|gear| gear.metadata.is_deleting())
                || application.is_none_or(|application| {
                    application.metadata.is_deleting() || !application.status.rollout.is_empty()
                })
        }
    }
}

/// Nobody is left who could end it; a node of the same name that joins later has nothing to do with it.
fn give_up(operation: &Operation) -> Decision {
    let node = &operation.spec.node;
    let gone = Target::absent(&kinds::NODE, Key::new("", node.clone()));
    let message = format!("given up, because node {node} is gone");
    Decision::one(Change::delete_if(operation, vec![gone]))
        .noting(Note::warning(operation, "NodeGone", message))
}

/// A finished catch-up goes when there is a later one of its gear.
fn prune(operation: &Operation, world: &World) -> Decision {
    let Some(number) = catch_up_number(operation) else {
        return Decision::nothing();
    };
    let gear = Key::new(
        operation.metadata.namespace.clone(),
        operation.spec.gear.clone(),
    );
    let later = world
        .operations
        .of_gear(&gear)
        .filter_map(|other| catch_up_number(other))
        .any(|other| other > number);
    if later {
        Decision::one(Change::delete(operation))
    } else {
        Decision::nothing()
    }
}

/// The revision's number and the try's in `GEAR-catchup-REVISION-TRY`.
fn catch_up_number(operation: &Operation) -> Option<(u64, u32)> {
    let rest = operation
        .metadata
        .name
        .strip_prefix(&format!("{}-catchup-", operation.spec.gear))?;
    let (revision, number) = rest.split_once('-')?;
    Some((revision.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::meta::Metadata;
    use crate::controllers::world::put;

    #[test]
    fn what_rollouts_did_is_decided_upon_once() {
        let mut world = World::default();
        let operations = [
            ("shop-1-shop-one-1", "Rollout/shop-1", "Succeeded"),
            ("shop-2-shop-one-1", "Rollout/shop-2", "Running"),
            ("shop-one-catchup-1-1", "Gear/shop-one", "Failed"),
            ("shop-one-catchup-1-2", "Gear/shop-one", "Pending"),
        ];
        for (name, owner, phase) in operations {
            put::<Operation>(
                &mut world,
                json!({
                    "metadata": {
                        "name": name,
                        "namespace": "demo",
                        "labels": {
                            "upshift.dev/application": "shop",
                            "upshift.dev/gear": "shop-one",
                            "upshift.dev/node": "one",
                        },
                    },
                    "spec": {"gear": "shop-one", "node": "one", "owner": owner},
                    "status": {"phase": phase},
                }),
            );
        }
        let shop_one = Key::new("demo", "shop-one");
        let touched = Touched {
            kind: &kinds::GEAR,
            key: &shop_one,
            metadata: &Metadata::default(),
            before: None,
            application: Some(Key::new("demo", "shop")),
            gear: Some(shop_one.clone()),
            node: Some("one"),
        };
        let mut left = operations.map(|(name, ..)| Key::new("demo", name)).to_vec();
        let settled = left.remove(0);
        for keys in [of_its_gear, on_it, of_application] {
            assert_eq!(keys(&world, &touched), left);
        }
        let now = Timestamp::from_second(0);
        assert!(Operations.decide(&settled, &world, now).changes.is_empty());
    }
}
