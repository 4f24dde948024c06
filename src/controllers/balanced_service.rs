//! The Service of an application behind a load balancer: made when missing, taken on when it is free, kept up.
//!
//! A Service that leads to pods, or to another application's gears, is left alone and named: in a condition of the
//! application, in an event, and to the rollout that would need it ([`standing`]). Its slices are `gear_endpoints.rs`'s.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::core::Condition;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::Service;
use crate::api::network::ServicePort;
use crate::api::network::ServiceSpec;
use crate::api::pod::controller;
use crate::api::upshift::Application;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::Settings;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::deployment;
use crate::controllers::gear_endpoints;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::workflow;

/// The condition that says why an application has no Service.
const CONDITION: &str = "LoadBalanced";
/// Why, in one word: for the condition, the event and a rollout that fails for it.
pub(crate) const TAKEN: &str = "ServiceTaken";

/// How it stands with an application's Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It leads to the application's gears, or the application needs none.
    Ready,
    /// It is being made, or on its way out.
    NotYet,
    /// It is somebody else's: which, and what to do.
    Taken(String),
}

/// How it stands with the Service that an application's settings name.
pub(crate) fn standing(application: &Application, world: &World) -> Standing {
    let Some(key) = service_of(application) else {
        return Standing::Ready;
    };
    let Some(service) = world.services.find(&key) else {
        return Standing::NotYet;
    };
    if let Some(why) = objection(service, application) {
        return Standing::Taken(why);
    }
    let is_labelled = service.metadata.labels.contains_key(LABEL_GEARS_OF);
    if is_labelled && !service.metadata.is_deleting() {
        Standing::Ready
    } else {
        Standing::NotYet
    }
}

/// The Service that an application's settings name.
pub(crate) fn service_of(application: &Application) -> Option<Key> {
    let balancer = application.spec.rollout.load_balancer.as_ref()?;
    let name = balancer.service_of(&application.metadata.name);
    Some(Key::new(application.metadata.namespace.clone(), name))
}

/// The settings by which an application's gears are worked on. A Service may lead to them still when the load balancer was
/// taken off the application: while it does, each gear leaves it for its turn.
pub(crate) fn in_force(settings: &Settings, application: &Application, world: &World) -> Settings {
    let owner = application.metadata.key();
    workflow::in_force(settings, || gear_endpoints::led_by(&owner, world))
}

/// Why a Service cannot be the application's.
fn objection(service: &Service, application: &Application) -> Option<String> {
    let name = &service.metadata.name;
    let owner = &application.metadata.name;
    let leads_to = if !service.spec.selector.is_empty() {
        let selector = service.spec.selector.iter();
        let pairs: Vec<String> = selector
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        format!("the pods with {}", pairs.join(","))
    } else if !service.spec.external_name.is_empty() {
        service.spec.external_name.clone()
    } else {
        match service.metadata.labels.get(LABEL_GEARS_OF) {
            Some(other) if other != owner => format!("the gears of application {other}"),
            _ => return None,
        }
    };
    Some(format!(
        "service {name} leads to {leads_to}; name another one in loadBalancer.service of application {owner}, or delete it"
    ))
}

/// Decides for one Application.
#[derive(Debug, Default)]
pub(crate) struct BalancedServices;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::APPLICATION,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::SERVICE,
        keys: of_service,
    },
];

fn of_service(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let applications = world.applications.in_namespace(&touched.key.namespace);
    applications
        .filter(|application| service_of(application).as_ref() == Some(touched.key))
        .map(|application| application.metadata.key())
        .collect()
}

impl Controller for BalancedServices {
    const NAME: &'static str = "balanced-service";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(application) = world.applications.find(key) else {
            return Decision::nothing();
        };
        if application.metadata.is_deleting() || world.is_ending(&key.namespace) {
            return Decision::nothing();
        }
        let mut decision = match standing(application, world) {
            Standing::Taken(why) => return refused(application, &why, now),
            Standing::NotYet | Standing::Ready => accepted(application),
        };
        decision.changes.extend(keep_up(application, world));
        decision
    }
}

/// What brings the Service about, or keeps it as the application wants it.
fn keep_up(application: &Application, world: &World) -> Option<Change> {
    let key = service_of(application)?;
    let Some(service) = world.services.find(&key) else {
        return Some(Change::create(&made(application, &key)));
    };
    if service.metadata.is_deleting() {
        return None;
    }
    if !service.metadata.labels.contains_key(LABEL_GEARS_OF) {
        let label = json!({"metadata": {"labels": {LABEL_GEARS_OF: application.metadata.name}}});
        return Some(Change::patch(&**service, label));
    }
    let is_own = controller(&service.metadata) == Some(application.metadata.uid.as_str());
    // Ports that somebody made different are that somebody's.
    let [known] = service.spec.ports.as_slice() else {
        return None;
    };
    let wanted = port(application);
    let as_made = known.target_port == json!(known.port);
    (is_own && as_made && known.port != wanted)
        .then(|| Change::patch(&**service, json!({"spec": {"ports": [ports(application)]}})))
}

fn port(application: &Application) -> u16 {
    application.spec.port.unwrap_or(deployment::DEFAULT_PORT)
}

fn ports(application: &Application) -> ServicePort {
    let port = port(application);
    ServicePort {
        protocol: "TCP".to_owned(),
        port,
        target_port: json!(port),
        ..ServicePort::default()
    }
}

fn made(application: &Application, key: &Key) -> Service {
    Service {
        metadata: Metadata {
            name: key.name.clone(),
            namespace: key.namespace.clone(),
            labels: BTreeMap::from([(
                LABEL_GEARS_OF.to_owned(),
                application.metadata.name.clone(),
            )]),
            owner_references: vec![application.as_owner()],
            ..Metadata::default()
        },
        spec: ServiceSpec {
            ports: vec![ports(application)],
            ..ServiceSpec::default()
        },
    }
}

fn known(application: &Application) -> Option<&Condition> {
    let mut conditions = application.status.conditions.iter();
    conditions.find(|condition| condition.kind == CONDITION)
}

fn refused(application: &Application, why: &str, now: Timestamp) -> Decision {
    if known(application).is_some_and(|known| known.message == why) {
        return Decision::nothing();
    }
    let condition = Condition {
        kind: CONDITION.to_owned(),
        status: "False".to_owned(),
        reason: TAKEN.to_owned(),
        message: why.to_owned(),
        last_transition_time: Some(now),
    };
    let change = write(application, Some(&condition));
    Decision::one(change).noting(Note::warning(application, TAKEN, why))
}

/// Takes an earlier refusal back.
fn accepted(application: &Application) -> Decision {
    match known(application) {
        Some(_) => Decision::one(write(application, None)),
        None => Decision::nothing(),
    }
}

fn write(application: &Application, condition: Option<&Condition>) -> Change {
    let others = application.status.conditions.iter();
    let others = others.filter(|condition| condition.kind != CONDITION);
    let conditions: Vec<&Condition> = others.chain(condition).collect();
    Change::status(application, &json!({ "conditions": conditions }))
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::controllers::world::put;

    fn world(spec: Value, service: Value) -> World {
        let mut world = World::default();
        put::<Application>(
            &mut world,
            json!({"metadata": {"name": "shop", "namespace": "demo", "uid": "a"}, "spec": spec}),
        );
        if service.is_object() {
            let mut object = json!({"metadata": {"name": "web", "namespace": "demo", "uid": "s"}});
            json_patch::merge(&mut object, &service);
            put::<Service>(&mut world, object);
        }
        world
    }

    fn balanced() -> Value {
        json!({"hosts": {}, "port": 9090, "rollout": {"loadBalancer": {"service": "web"}}})
    }

    fn look(world: &World) -> Decision {
        let key = Key::new("demo", "shop");
        BalancedServices.decide(&key, world, Timestamp::from_second(0))
    }

    fn stands(world: &World) -> Standing {
        standing(world.applications.all().next().unwrap(), world)
    }

    #[test]
    fn a_missing_service_is_made() {
        let mut world = world(balanced(), Value::Null);
        assert_eq!(stands(&world), Standing::NotYet);
        let decision = look(&world);
        let [Change::Create { object, .. }] = decision.changes.as_slice() else {
            panic!("{decision:?}");
        };
        assert_eq!(object["metadata"]["labels"][LABEL_GEARS_OF], "shop");
        assert_eq!(object["metadata"]["ownerReferences"][0]["name"], "shop");
        assert_eq!(
            object["spec"],
            json!({"ports": [{"port": 9090, "targetPort": 9090, "protocol": "TCP"}]})
        );
        let mut object = object.clone();
        object["metadata"]["uid"] = "s".into();
        put::<Service>(&mut world, object);
        assert_eq!(stands(&world), Standing::Ready);
        assert_eq!(look(&world), Decision::nothing());
    }

    #[test]
    fn its_port_follows_unless_somebody_chose_it() {
        let own = |port: u16, target: u16| {
            let owner = json!([{"apiVersion": "upshift.dev/v1", "kind": "Application", "name": "shop", "uid": "a", "controller": true}]);
            json!({
                "metadata": {"labels": {LABEL_GEARS_OF: "shop"}, "ownerReferences": owner},
                "spec": {"ports": [{"port": port, "targetPort": target}]},
            })
        };
        assert_eq!(look(&world(balanced(), own(9090, 9090))).changes, []);
        assert_eq!(look(&world(balanced(), own(8080, 8080))).changes.len(), 1);
        assert_eq!(look(&world(balanced(), own(80, 8080))).changes, []);
    }

    #[test]
    fn a_free_service_is_taken_on_and_another_s_is_named() {
        let free = world(balanced(), json!({"spec": {"ports": [{"port": 80}]}}));
        assert_eq!(stands(&free), Standing::NotYet);
        assert_eq!(look(&free).changes.len(), 1);
        for (service, leads_to) in [
            (
                json!({"spec": {"selector": {"app": "x"}}}),
                "the pods with app=x",
            ),
            (
                json!({"metadata": {"labels": {LABEL_GEARS_OF: "other"}}}),
                "the gears of application other",
            ),
            (
                json!({"spec": {"externalName": "example.com"}}),
                "example.com",
            ),
        ] {
            let world = world(balanced(), service);
            let expect = format!(
                "service web leads to {leads_to}; name another one in loadBalancer.service of application shop, or delete it"
            );
            assert_eq!(stands(&world), Standing::Taken(expect.clone()));
            let decision = look(&world);
            assert_eq!(decision.changes.len(), 1);
            assert_eq!(decision.notes[0].reason, "ServiceTaken");
            assert_eq!(decision.notes[0].message, expect);
        }
    }

    #[test]
    fn a_refusal_is_said_once_and_taken_back() {
        let mut world = world(balanced(), json!({"spec": {"selector": {"app": "x"}}}));
        let Change::Patch { merge, .. } = look(&world).changes.remove(0) else {
            panic!("no patch");
        };
        let mut application = world.applications.all().next().unwrap().to_object();
        json_patch::merge(&mut application, &merge);
        put::<Application>(&mut world, application);
        assert_eq!(look(&world), Decision::nothing());
        let free = json!({"metadata": {"name": "web", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}}});
        put::<Service>(&mut world, free);
        let decision = look(&world);
        let [Change::Patch { merge, .. }] = decision.changes.as_slice() else {
            panic!("{decision:?}");
        };
        assert_eq!(merge["status"]["conditions"], json!([]));
    }

    #[test]
    fn an_application_without_load_balancer_needs_none() {
        let world = world(json!({"hosts": {}}), Value::Null);
        assert_eq!(stands(&world), Standing::Ready);
        assert_eq!(look(&world), Decision::nothing());
    }
}
