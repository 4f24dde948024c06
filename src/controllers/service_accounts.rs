//! The names that pods act under: `default`, `builder` and `deployer` in every namespace.

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::pod::ServiceAccount;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

const NAMES: &[&str] = &["builder", "default", "deployer"];

/// Decides for one Namespace.
#[derive(Debug, Default)]
pub(crate) struct ServiceAccounts;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::NAMESPACE,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::SERVICE_ACCOUNT,
        keys: |_, touched| vec![Key::new("", touched.key.namespace.clone())],
    },
];

impl Controller for ServiceAccounts {
    const NAME: &'static str = "service_account";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(namespace) = world.namespaces.find(key) else {
            return Decision::nothing();
        };
        if namespace.metadata.is_deleting() {
            return Decision::nothing();
        }
        let missing = NAMES.iter().filter(|name| {
            let account = Key::new(key.name.clone(), **name);
            world.service_accounts.find(&account).is_none()
        });
        Decision {
            changes: missing
                .map(|name| Change::create(&account(&key.name, name)))
                .collect(),
            ..Decision::default()
        }
    }
}

fn account(namespace: &str, name: &str) -> ServiceAccount {
    ServiceAccount {
        metadata: Metadata {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ..Metadata::default()
        },
        ..ServiceAccount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::Namespace;
    use serde_json::json;
    use std::sync::Arc;

    fn made(world: &World) -> usize {
        let decision =
            ServiceAccounts.decide(&Key::new("", "demo"), world, Timestamp::from_second(0));
        decision.changes.len()
    }

    #[test]
    fn every_namespace_has_three() {
        let mut world = World::default();
        let now = Timestamp::from_second(0);
        assert_eq!(made(&world), 0);
        let key = Key::new("", "demo");
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": "demo"}})).unwrap();
        world.put(&key, Some(Arc::new(namespace.clone())), now);
        assert_eq!(made(&world), 3);
        let builder = account("demo", "builder");
        world.put(&Key::new("demo", "builder"), Some(Arc::new(builder)), now);
        assert_eq!(made(&world), 2);
        let mut leaving = namespace;
        leaving.metadata.deletion_timestamp = Some(now);
        world.put(&key, Some(Arc::new(leaving)), now);
        assert_eq!(made(&world), 0);
    }
}
