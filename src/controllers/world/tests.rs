//! The indexes find what the plain filter finds, whatever changed before.

use proptest::prelude::*;

use super::*;

/// An operation's name, and the gear, application, node and owner that it names.
type Shape = (usize, [usize; 4]);

fn operation((name, [gear, application, node, owner]): Shape) -> (Key, Operation) {
    let mut operation = Operation::default();
    let key = Key::new(["demo", "shop"][name % 2], format!("operation-{name}"));
    operation.metadata.namespace.clone_from(&key.namespace);
    operation.metadata.name.clone_from(&key.name);
    operation.spec.gear = format!("gear-{gear}");
    operation.spec.node = format!("node-{node}");
    let label = (
        LABEL_APPLICATION.to_owned(),
        format!("application-{application}"),
    );
    operation.metadata.labels.extend([label]);
    operation.metadata.owner_references = vec![OwnerReference {
        uid: format!("owner-{owner}"),
        ..OwnerReference::default()
    }];
    (key, operation)
}

proptest! {
    #[test]
    fn an_operation_is_found_by_what_it_names_now(
        steps in proptest::collection::vec(
            ((0..6usize, proptest::array::uniform4(0..3usize)), any::<bool>()),
            0..40,
        ),
    ) {
        let mut world = World::default();
        for (shape, stays) in steps {
            let (key, operation) = operation(shape);
            let object = stays.then(|| Arc::new(operation));
            world.put(&key, object, Timestamp::from_second(0));
        }
        let table = &world.operations;
        for namespace in ["demo", "shop"] {
            for number in 0..3 {
                let gear = Key::new(namespace, format!("gear-{number}"));
                let found: Vec<&Arc<Operation>> = table.of_gear(&gear).collect();
                let plain: Vec<&Arc<Operation>> = table
                    .objects
                    .iter()
                    .filter(|(key, one)| key.namespace == namespace && one.spec.gear == gear.name)
                    .map(|(_, one)| one)
                    .collect();
                prop_assert_eq!(found, plain);
                let application = Key::new(namespace, format!("application-{number}"));
                let plain = table.all().filter(|one| {
                    one.metadata.namespace == namespace
                        && one.application() == Some(application.name.as_str())
                });
                prop_assert_eq!(table.of_application(&application).count(), plain.count());
            }
        }
        for number in 0..3 {
            let (node, owner) = (format!("node-{number}"), format!("owner-{number}"));
            let on_node = table.all().filter(|one| one.spec.node == node);
            prop_assert_eq!(table.on_node(&node).count(), on_node.count());
            let owned = table
                .all()
                .filter(|one| one.metadata.owner_references[0].uid == owner);
            prop_assert_eq!(table.owned_by(&owner).count(), owned.count());
        }
    }
}
