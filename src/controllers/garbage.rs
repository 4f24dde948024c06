//! Objects whose owners are gone go, too: background deletion by owner references.
//!
//! Its keys name a kind and an object, `PLURAL.GROUP:NAME`, because every kind can be owned. The picture of an owner may
//! be older than that of its dependents, so the server is asked for the owners before anything is deleted. A reference
//! to a kind that has no table here counts as an owner that is there. Orphaning is the API server's: it takes the
//! references away.

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Target;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world;
use crate::controllers::world::World;

/// Decides for one object of any kind.
#[derive(Debug, Default)]
pub(crate) struct Garbage;

const fn watch(kind: &'static Kind) -> Watch {
    Watch { kind, keys: woken }
}

static WATCHES: &[Watch] = &[
    watch(&kinds::APPLICATION),
    watch(&kinds::REVISION),
    watch(&kinds::ROLLOUT),
    watch(&kinds::GEAR),
    watch(&kinds::OPERATION),
    watch(&kinds::NODE),
    watch(&kinds::NAMESPACE),
    watch(&kinds::LEASE),
    watch(&kinds::SECRET),
    watch(&kinds::CONFIG_MAP),
    watch(&kinds::SERVICE),
    watch(&kinds::ENDPOINT_SLICE),
    watch(&kinds::ENDPOINTS),
    watch(&kinds::ROUTE),
    watch(&kinds::ROUTER),
    watch(&kinds::POD),
    watch(&kinds::REPLICATION_CONTROLLER),
    watch(&kinds::REPLICA_SET),
    watch(&kinds::SERVICE_ACCOUNT),
    watch(&kinds::DEPLOYMENT),
    watch(&kinds::DEPLOYMENT_CONFIG),
    watch(&kinds::IMAGE_STREAM),
    watch(&kinds::IMAGE),
    watch(&kinds::BUILD_CONFIG),
    watch(&kinds::BUILD),
];

/// The object itself; when it is gone, everything that names it as an owner.
fn woken(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    if world.metadata(touched.kind, touched.key).is_some() {
        if touched.metadata.owner_references.is_empty() {
            return Vec::new();
        }
        return vec![key_of(touched.kind, touched.key)];
    }
    let dependents = world.dependents(&touched.metadata.uid);
    let keys = dependents.iter().map(|(kind, key)| key_of(kind, key));
    keys.collect()
}

fn key_of(kind: &Kind, key: &Key) -> Key {
    Key::new(
        key.namespace.clone(),
        format!("{}:{}", kind.resource(), key.name),
    )
}

fn object_of(key: &Key) -> Option<(&'static Kind, Key)> {
    let (resource, name) = key.name.split_once(':')?;
    let kind = world::KINDS
        .iter()
        .copied()
        .find(|kind| kind.resource() == resource)?;
    Some((kind, Key::new(key.namespace.clone(), name)))
}

impl Controller for Garbage {
    const NAME: &'static str = "garbage";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some((kind, object)) = object_of(key) else {
            return Decision::nothing();
        };
        let Some(metadata) = world.metadata(kind, &object) else {
            return Decision::nothing();
        };
        let abandoned = !metadata.owner_references.is_empty()
            && !metadata.is_deleting()
            && metadata
                .owner_references
                .iter()
                .all(|owner| world.has_owner(&object.namespace, owner) == Some(false));
        if !abandoned {
            return Decision::nothing();
        }
        Decision::one(Change::DeleteOrphan {
            target: Target::from_metadata(kind, metadata),
            owners: owners(metadata),
        })
    }

    fn keys(world: &World) -> Vec<Key> {
        let mut keys = Vec::new();
        for kind in world::KINDS {
            for key in world.keys(kind) {
                if world
                    .metadata(kind, &key)
                    .is_some_and(|metadata| !metadata.owner_references.is_empty())
                {
                    keys.push(key_of(kind, &key));
                }
            }
        }
        keys
    }
}

fn owners(metadata: &Metadata) -> Vec<Target> {
    metadata
        .owner_references
        .iter()
        .filter_map(|owner| {
            let kind = world::owner_kind(owner)?;
            Some(Target {
                kind,
                key: world::owner_key(kind, &metadata.namespace, owner),
                uid: owner.uid.clone(),
                version: String::new(),
            })
        })
        .collect()
}
