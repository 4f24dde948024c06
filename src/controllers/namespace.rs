//! A namespace that is going: its applications are torn down, then everything else in it goes, then it does.

use std::time::Duration;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::base::clock::Timestamp;
use crate::controllers::change;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Target;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

/// The finalizer that a namespace is made with.
const FINALIZER: &str = "kubernetes";

/// How soon a namespace that is not empty yet is looked at again.
const SOON: Duration = Duration::from_secs(2);

/// Decides for one Namespace.
#[derive(Debug, Default)]
pub(crate) struct Namespaces;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::NAMESPACE,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::APPLICATION,
        keys: its_namespace,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: its_namespace,
    },
];

fn its_namespace(_: &World, touched: &Touched<'_>) -> Vec<Key> {
    vec![Key::new("", touched.key.namespace.clone())]
}

impl Controller for Namespaces {
    const NAME: &'static str = "namespace";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(namespace) = world.namespaces.find(key) else {
            return Decision::nothing();
        };
        let held = namespace
            .metadata
            .finalizers
            .iter()
            .any(|one| one == FINALIZER);
        if !namespace.metadata.is_deleting() || !held {
            return Decision::nothing();
        }
        let mut applications = world.applications.in_namespace(&key.name).peekable();
        if applications.peek().is_some() {
            return Decision {
                changes: applications
                    .filter(|application| !application.metadata.is_deleting())
                    .map(|application| Change::delete(&**application))
                    .collect(),
                ..Decision::default()
            };
        }
        Decision {
            changes: vec![Change::EmptyNamespace {
                target: Target::of(&**namespace),
                merge: change::without_finalizer(&namespace.metadata, FINALIZER),
            }],
            again: Some(SOON),
            ..Decision::default()
        }
    }
}
