//! Which gears a Service leads to: the slices of a Service with the label `upshift.dev/gears-of`.
//!
//! In the slices is a gear that is meant to get requests (`spec.rotation`), has a revision, is not to go, is of the
//! colour that serves, and whose node is heard. It is reached at its node's address, on the port that it was started
//! with. What an agent beside a HAProxy has to know stands on the slices, too. How slices are written is `slices.rs`.
//!
//! # Decided
//!
//! * When no node of all the gears that are meant is heard, silence does not count: this server is alone then, not the
//!   whole fleet dead.
//! * Blue/green puts up to 1000 endpoints into a slice, so that a switch is one write, and one table swap in a router.
//! * A Service outlives the setting that made it. While it is there it leads to the gears, and who serves it knows what it
//!   has to: that stays on the slices when the load balancer is taken off the application.
//! * What a deleted Service left is taken over by the one that is made in its place, so that no two colours are led to.
//! * An empty slice stays: its version is what routers must have seen before a gear may stop (`rotation/`). One on ports
//!   that no gear has any more goes when no operation is under way.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::api::core::Node;
use crate::api::core::ObjectReference;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::network::Endpoint;
use crate::api::network::EndpointConditions;
use crate::api::network::EndpointPort;
use crate::api::network::EndpointSlice;
use crate::api::network::LABEL_SERVICE;
use crate::api::network::Service;
use crate::api::network::ServicePort;
use crate::api::pod::controller;
use crate::api::upshift::ANNOTATION_BACKEND;
use crate::api::upshift::ANNOTATION_DRAIN;
use crate::api::upshift::ANNOTATION_KEY;
use crate::api::upshift::ANNOTATION_MAP;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_COLOR;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::LABEL_ROUTER;
use crate::api::upshift::Rotation;
use crate::base::clock::Timestamp;
use crate::controllers::change::Decision;
use crate::controllers::deployment;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::slices;
use crate::controllers::slices::Form;
use crate::controllers::slices::InRotation;
use crate::controllers::slices::Marks;
use crate::controllers::world::World;
use crate::plan::workflow;

/// Endpoints in one slice, as in Kubernetes.
const LARGEST: usize = 100;
/// The same when a colour is switched as a whole: the most that a slice may have.
const LARGEST_COLOR: usize = 1000;

/// What is said to an agent beside a HAProxy: first the label that it watches by, then annotations.
const FOR_HAPROXY: [&str; 5] = [
    LABEL_ROUTER,
    ANNOTATION_BACKEND,
    ANNOTATION_MAP,
    ANNOTATION_KEY,
    ANNOTATION_DRAIN,
];

/// Decides for one Service.
#[derive(Debug, Default)]
pub(crate) struct GearEndpoints;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::SERVICE,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::GEAR,
        keys: of_gear,
    },
    Watch {
        kind: &kinds::NODE,
        keys: of_node,
    },
    Watch {
        kind: &kinds::APPLICATION,
        keys: |world, touched| of_application(world, touched.key),
    },
    Watch {
        kind: &kinds::ENDPOINT_SLICE,
        keys: |_, touched| touched.its_controller(&kinds::SERVICE),
    },
    Watch {
        kind: &kinds::ENDPOINTS,
        keys: |_, touched| touched.its_controller(&kinds::SERVICE),
    },
];

/// The Services of a gear whose place in the slices is not what it ought to be; a slice that changes wakes its own.
fn of_gear(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let Some(owner) = &touched.application else {
        return Vec::new();
    };
    let is_settled = match world.gears.find(touched.key) {
        Some(gear) => is_settled(gear, owner, world),
        None => world.sightings.slice_of(&touched.metadata.uid).is_none(),
    };
    if is_settled {
        return Vec::new();
    }
    of_application(world, owner)
}

/// Whether a gear is in the slices as it ought to be, so that no decision about all of them is due for its sake.
fn is_settled(gear: &Gear, owner: &Key, world: &World) -> bool {
    let application = world.applications.find(owner);
    let is_meant = application.is_some_and(|application| is_meant(gear, application));
    let Some(slice) = world.sightings.slice_of(&gear.metadata.uid) else {
        return !is_meant;
    };
    let address = deployment::address(world.node(&gear.spec.node).map(|node| &**node));
    let slice = world.endpoint_slices.find(slice);
    is_meant
        && listens(gear, address).is_some_and(|port| {
            slice.is_some_and(|slice| slice.ports.iter().any(|one| one.port == port))
        })
}

fn of_node(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let gears = world.gears.on_node(&touched.key.name);
    let owners: BTreeSet<Key> = gears.map(|gear| owner(gear)).collect();
    owners
        .iter()
        .flat_map(|owner| of_application(world, owner))
        .collect()
}

fn of_application(world: &World, application: &Key) -> Vec<Key> {
    let services = services(application, world);
    services.map(|service| service.metadata.key()).collect()
}

fn owner(gear: &Gear) -> Key {
    Key::new(
        gear.metadata.namespace.clone(),
        gear.spec.application.clone(),
    )
}

/// The Services whose endpoints are an application's gears.
pub(crate) fn services<'w>(
    application: &Key,
    world: &'w World,
) -> impl Iterator<Item = &'w Service> {
    let services = world.services.in_namespace(&application.namespace);
    services
        .map(|service| &**service)
        .filter(move |service| gears_of(service) == Some(application.name.as_str()))
}

/// The application whose gears are a Service's endpoints.
pub(crate) fn gears_of(service: &Service) -> Option<&str> {
    let name = service.metadata.labels.get(LABEL_GEARS_OF)?;
    service.spec.selector.is_empty().then_some(name)
}

impl Controller for GearEndpoints {
    const NAME: &'static str = "gear-endpoints";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(service) = world.services.find(key) else {
            return Decision::nothing();
        };
        let Some(name) = gears_of(service) else {
            return Decision::nothing();
        };
        let owner = Key::new(key.namespace.clone(), name);
        let Some(application) = world.applications.find(&owner) else {
            return Decision::nothing();
        };
        if service.metadata.is_deleting() {
            return Decision::nothing();
        }
        let rotation = in_rotation(service, application, world);
        let may_make = !world.is_ending(&key.namespace);
        let form = Form {
            largest: if is_blue_green(application) {
                LARGEST_COLOR
            } else {
                LARGEST
            },
            placeholder: Box::new(|| may_make.then(|| ports(service, port(application)))),
            keeps_empty: Box::new(|slice| {
                let operations = || world.operations.of_application(&owner);
                slice.ports == ports(service, port(application))
                    || operations().any(|operation| !operation.status.phase.is_final())
            }),
            inherited: inherited(service, world),
            marks: marks(service, application, world),
        };
        slices::decide(service, world, rotation, &form)
    }

    fn keys(world: &World) -> Vec<Key> {
        let services = world.services.all();
        services
            .filter(|service| gears_of(service).is_some())
            .map(|service| service.metadata.key())
            .collect()
    }
}

pub(crate) fn is_blue_green(application: &Application) -> bool {
    let hosts = application.spec.hosts.as_ref();
    hosts.is_some_and(|hosts| hosts.blue_green.is_some())
}

fn port(application: &Application) -> u16 {
    application.spec.port.unwrap_or(deployment::DEFAULT_PORT)
}

/// What a Service of the same name left that is gone.
fn inherited<'w>(service: &'w Service, world: &'w World) -> Vec<&'w Arc<EndpointSlice>> {
    let leading = slices::leading(service, world);
    leading
        .filter(|slice| {
            slice.metadata.labels.contains_key(LABEL_GEARS_OF)
                && controller(&slice.metadata) != Some(&service.metadata.uid)
                && !slice.metadata.is_deleting()
        })
        .collect()
}

/// What an agent beside a HAProxy has to know, by the name of the label or annotation.
fn of_haproxy(
    service: &Service,
    application: &Application,
    world: &World,
) -> BTreeMap<&'static str, String> {
    let Some(balancer) = &application.spec.rollout.load_balancer else {
        let mut leading = slices::leading(service, world);
        let known = leading.find(|slice| slice.metadata.labels.contains_key(LABEL_ROUTER));
        let said = |name: &str| {
            let metadata = &known?.metadata;
            let text = metadata.labels.get(name);
            text.or_else(|| metadata.annotations.get(name)).cloned()
        };
        let names = FOR_HAPROXY.into_iter();
        return names.filter_map(|name| Some((name, said(name)?))).collect();
    };
    let is_its = balancer.service_of(&application.metadata.name) == service.metadata.name;
    let Some(haproxy) = balancer.haproxy.as_ref().filter(|_| is_its) else {
        return BTreeMap::new();
    };
    // Without a name of its own the backend is called as the Service.
    let backend = match haproxy.backend.as_str() {
        "" => &service.metadata.name,
        _ => &haproxy.backend,
    };
    let texts = [
        (LABEL_ROUTER, haproxy.router.clone()),
        (ANNOTATION_BACKEND, backend.clone()),
        (ANNOTATION_MAP, haproxy.map.clone()),
        (ANNOTATION_KEY, haproxy.key.clone()),
        (ANNOTATION_DRAIN, balancer.drain_seconds.to_string()),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    texts.collect()
}

/// What stands on the slices for those who watch by it.
fn marks(service: &Service, application: &Application, world: &World) -> Marks {
    let active = &application.status.active_color;
    let color = is_blue_green(application) && !active.is_empty();
    let of_haproxy = of_haproxy(service, application, world);
    let [router, notes @ ..] = FOR_HAPROXY.map(|name| (name, of_haproxy.get(name).cloned()));
    Marks {
        labels: BTreeMap::from([
            (
                LABEL_GEARS_OF,
                service.metadata.labels.get(LABEL_GEARS_OF).cloned(),
            ),
            (LABEL_COLOR, color.then(|| active.clone())),
            router,
        ]),
        annotations: BTreeMap::from(notes),
    }
}

/// Whether a gear ought to get requests when its node is heard.
pub(crate) fn is_meant(gear: &Gear, application: &Application) -> bool {
    gear.spec.rotation == Rotation::In
        && !gear.status.revision.is_empty()
        && !gear.metadata.is_deleting()
        && !workflow::is_left_color(application, gear)
        && (!is_blue_green(application) || gear.spec.color == application.status.active_color)
}

/// The gears in rotation by their ports.
fn in_rotation(service: &Service, application: &Application, world: &World) -> InRotation {
    let owner = application.metadata.key();
    let gears = world.gears.of_application(&owner);
    let meant: Vec<(&Gear, &Node)> = gears
        .filter(|gear| is_meant(gear, application))
        .filter_map(|gear| Some((&**gear, &**world.node(&gear.spec.node)?)))
        .collect();
    let any_heard = meant.iter().any(|(_, node)| node.is_ready());
    let mut rotation = InRotation::new();
    for (gear, node) in meant {
        if any_heard && !node.is_ready() {
            continue;
        }
        let address = deployment::address(Some(node));
        let ports = ports(service, listens(gear, address).unwrap_or(port(application)));
        let uid = gear.metadata.uid.clone();
        let endpoint = endpoint(gear, address);
        rotation.entry(ports).or_default().insert(uid, endpoint);
    }
    rotation
}

/// The port that a gear was started with: the application's may have changed since.
fn listens(gear: &Gear, address: &str) -> Option<u16> {
    let mut endpoints = gear.status.endpoints.iter();
    endpoints.find_map(|endpoint| {
        let (host, port) = endpoint.rsplit_once(':')?;
        (host == address).then(|| port.parse().ok())?
    })
}

/// Where a gear is reached: the port that it listens on. A Service of several ports says itself which are the others.
fn ports(service: &Service, port: u16) -> Vec<EndpointPort> {
    let ports = &service.spec.ports;
    let target = |one: &ServicePort| {
        let target = one.target_port.as_u64();
        let target = target.filter(|_| ports.len() > 1);
        target.and_then(|number| u16::try_from(number).ok())
    };
    let ports = ports.iter().map(|one| EndpointPort {
        name: one.name.clone(),
        protocol: match one.protocol.as_str() {
            "" => "TCP".to_owned(),
            protocol => protocol.to_owned(),
        },
        port: target(one).unwrap_or(port),
    });
    ports.collect()
}

fn endpoint(gear: &Gear, address: &str) -> Endpoint {
    Endpoint {
        addresses: vec![address.to_owned()],
        conditions: EndpointConditions {
            ready: true,
            serving: true,
            terminating: false,
        },
        target_ref: Some(ObjectReference {
            api_version: Gear::KIND.api_version(),
            kind: Gear::KIND.kind.to_owned(),
            namespace: gear.metadata.namespace.clone(),
            name: gear.metadata.name.clone(),
            uid: gear.metadata.uid.clone(),
        }),
        node_name: gear.spec.node.clone(),
    }
}

/// Every slice that leads to an application's gears, also when its Service is gone.
pub(crate) fn slices<'w>(application: &Key, world: &'w World) -> Vec<&'w EndpointSlice> {
    let slices = world.endpoint_slices.in_namespace(&application.namespace);
    let name = Some(&application.name);
    slices
        .filter(|slice| slice.metadata.labels.get(LABEL_GEARS_OF) == name)
        .map(|slice| &**slice)
        .collect()
}

/// The name of the Service that leads to an application's gears, or did a moment ago, whatever its settings say.
pub(crate) fn led_by<'w>(application: &Key, world: &'w World) -> Option<&'w str> {
    let service = services(application, world).next();
    let service = service.map(|service| service.metadata.name.as_str());
    service.or_else(|| {
        let slices = slices(application, world);
        let mut names = slices.iter().map(|slice| &slice.metadata.labels);
        names.find_map(|labels| Some(labels.get(LABEL_SERVICE)?.as_str()))
    })
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::api::network::Endpoints;
    use crate::controllers::change::Change;
    use crate::controllers::world::put;

    fn node(world: &mut World, name: &str, ready: bool) {
        let status = if ready { "True" } else { "Unknown" };
        put::<Node>(
            world,
            json!({
                "metadata": {"name": name},
                "status": {
                    "conditions": [{"type": "Ready", "status": status}],
                    "addresses": [{"type": "InternalIP", "address": format!("10.0.0.{name}")}],
                },
            }),
        );
    }

    fn gear(world: &mut World, node: &str, change: Value) {
        let mut gear = json!({
            "metadata": {"name": format!("shop-{node}"), "namespace": "demo", "uid": format!("u{node}")},
            "spec": {"application": "shop", "node": node},
            "status": {"revision": "shop-1"},
        });
        json_patch::merge(&mut gear, &change);
        put::<Gear>(world, gear);
    }

    fn application(world: &mut World, change: Value) {
        let mut application = json!({
            "metadata": {"name": "shop", "namespace": "demo", "uid": "a"},
            "spec": {"hosts": {}, "rollout": {"loadBalancer": {}}},
        });
        json_patch::merge(&mut application, &change);
        put::<Application>(world, application);
    }

    /// An application with gears on nodes 1, 2, …, all heard.
    fn world(nodes: usize) -> World {
        let mut world = World::default();
        application(&mut world, json!({}));
        put::<Service>(
            &mut world,
            json!({
                "metadata": {"name": "shop", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}},
                "spec": {"ports": [{"port": 8080, "targetPort": 8080}]},
            }),
        );
        for number in 1..=nodes {
            node(&mut world, &number.to_string(), true);
            gear(&mut world, &number.to_string(), json!({}));
        }
        world
    }

    fn look(world: &World) -> Vec<Change> {
        let key = Key::new("demo", "shop");
        GearEndpoints
            .decide(&key, world, Timestamp::from_second(0))
            .changes
    }

    /// Looks and does what was decided; says what each slice names, and how many slices were written.
    fn settle(world: &mut World) -> (Vec<String>, usize) {
        let mut written = 0;
        for change in look(world) {
            match change {
                Change::Create { kind, object } if kind.kind == "Endpoints" => {
                    put::<Endpoints>(world, object);
                }
                Change::Create { object, .. } => {
                    written += 1;
                    put::<EndpointSlice>(world, object);
                }
                Change::Patch { target, merge, .. } if target.kind.kind == "EndpointSlice" => {
                    written += 1;
                    let known = world.endpoint_slices.find(&target.key).unwrap();
                    let mut object = known.to_object();
                    json_patch::merge(&mut object, &merge);
                    put::<EndpointSlice>(world, object);
                }
                Change::Delete { target, .. } => {
                    world.put::<EndpointSlice>(&target.key, None, Timestamp::from_second(0));
                }
                _ => {}
            }
        }
        let slices = world.endpoint_slices.all().map(|slice| {
            let ports: Vec<String> = slice.ports.iter().map(|one| one.port.to_string()).collect();
            let hosts = slice.endpoints.iter().map(|one| &*one.addresses[0]);
            let hosts: Vec<&str> = hosts
                .map(|host| host.trim_start_matches("10.0.0."))
                .collect();
            format!("{}: {}", ports.join(","), hosts.join(" "))
        });
        let mut named: Vec<String> = slices.collect();
        named.sort();
        (named, written)
    }

    #[track_caller]
    fn check(world: &mut World, slices: &[&str]) {
        assert_eq!(settle(world).0, slices);
        assert_eq!(settle(world).1, 0, "it comes to rest");
    }

    #[test]
    fn a_gear_is_in_rotation_while_it_is_meant_to_be_and_has_something_to_run() {
        let mut world = world(2);
        check(&mut world, &["8080: 1 2"]);
        let endpoint = world.endpoint_slices.all().next().unwrap().endpoints[0].clone();
        assert_eq!(endpoint.target_ref.unwrap().kind, "Gear");
        for change in [
            json!({"spec": {"rotation": "Out"}}),
            json!({"status": {"revision": null}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        ] {
            gear(&mut world, "1", change);
            check(&mut world, &["8080: 2"]);
            gear(&mut world, "1", json!({}));
            check(&mut world, &["8080: 2 1"]);
        }
    }

    #[test]
    fn a_service_without_gears_has_an_empty_slice_that_stays() {
        let mut world = world(0);
        check(&mut world, &["8080: "]);
        node(&mut world, "1", true);
        gear(&mut world, "1", json!({}));
        check(&mut world, &["8080: 1"]);
        gear(&mut world, "1", json!({"spec": {"rotation": "Out"}}));
        check(&mut world, &["8080: "]);
    }

    #[test]
    fn a_silent_node_is_left_out_unless_all_are_silent() {
        let mut world = world(2);
        node(&mut world, "1", false);
        check(&mut world, &["8080: 2"]);
        node(&mut world, "2", false);
        check(&mut world, &["8080: 2 1"]);
        // One that is out does not keep the others out.
        node(&mut world, "3", true);
        gear(&mut world, "3", json!({"spec": {"rotation": "Out"}}));
        check(&mut world, &["8080: 2 1"]);
        world.put::<Node>(&Key::new("", "1"), None, Timestamp::from_second(0));
        check(&mut world, &["8080: 2"]);
    }

    #[test]
    fn a_gear_keeps_the_port_it_was_started_with() {
        let mut world = world(2);
        let started = |host| json!({"status": {"endpoints": [format!("10.0.0.{host}:8080")]}});
        gear(&mut world, "1", started(1));
        gear(&mut world, "2", started(2));
        check(&mut world, &["8080: 1 2"]);
        application(&mut world, json!({"spec": {"port": 9090}}));
        check(&mut world, &["8080: 1 2"]);
        let moved = |host| json!({"status": {"endpoints": [format!("10.0.0.{host}:9090")]}});
        gear(&mut world, "1", moved(1));
        check(&mut world, &["8080: 2", "9090: 1"]);
        let operation = json!({
            "metadata": {"name": "shop-2-1", "namespace": "demo", "labels": {"upshift.dev/application": "shop"}},
            "status": {"phase": "Running"},
        });
        put::<crate::api::upshift::Operation>(&mut world, operation.clone());
        gear(&mut world, "2", moved(2));
        check(&mut world, &["8080: ", "9090: 1 2"]);
        let mut over = operation;
        over["status"]["phase"] = "Succeeded".into();
        put::<crate::api::upshift::Operation>(&mut world, over);
        settle(&mut world);
        check(&mut world, &["9090: 1 2"]);
    }

    #[test]
    fn a_colour_is_switched_by_one_write() {
        let mut world = world(0);
        let colors = |active: &str| {
            json!({
                "spec": {"hosts": {"blueGreen": {"blue": {}, "green": {}}}, "rollout": {"loadBalancer": {
                    "haproxy": {"router": "lb", "map": "m", "key": "k"},
                }}},
                "status": {"activeColor": active},
            })
        };
        for number in 1..=240 {
            let name = number.to_string();
            node(&mut world, &name, true);
            let color = if number <= 120 { "blue" } else { "green" };
            gear(&mut world, &name, json!({"spec": {"color": color}}));
        }
        application(&mut world, colors(""));
        check(&mut world, &["8080: "]);
        application(&mut world, colors("blue"));
        assert_eq!(settle(&mut world).1, 1);
        application(&mut world, colors("green"));
        let (slices, written) = settle(&mut world);
        assert_eq!((slices.len(), written), (1, 1));
        assert_eq!(slices[0].split(' ').count(), 121);
        let slice = world.endpoint_slices.all().next().unwrap();
        assert_eq!(slice.metadata.labels[LABEL_COLOR], "green");
        assert_eq!(slice.metadata.labels[LABEL_ROUTER], "lb");
        assert_eq!(slice.metadata.annotations[ANNOTATION_MAP], "m");
        assert_eq!(slice.metadata.annotations[ANNOTATION_BACKEND], "shop");
    }

    #[test]
    fn a_service_that_is_made_again_takes_over_what_its_namesake_left() {
        let mut world = world(0);
        let colors = |active: &str| {
            json!({
                "spec": {"hosts": {"blueGreen": {"blue": {}, "green": {}}}},
                "status": {"activeColor": active},
            })
        };
        for (name, color) in [("1", "blue"), ("2", "green")] {
            node(&mut world, name, true);
            gear(&mut world, name, json!({"spec": {"color": color}}));
        }
        application(&mut world, colors("blue"));
        check(&mut world, &["8080: 1"]);
        put::<Service>(
            &mut world,
            json!({
                "metadata": {"name": "shop", "namespace": "demo", "uid": "again", "labels": {LABEL_GEARS_OF: "shop"}},
                "spec": {"ports": [{"port": 8080, "targetPort": 8080}]},
            }),
        );
        application(&mut world, colors("green"));
        assert_eq!(settle(&mut world), (vec!["8080: 2".to_owned()], 1));
        check(&mut world, &["8080: 2"]);
        let slice = world.endpoint_slices.all().next().unwrap();
        assert_eq!(slice.metadata.labels[LABEL_COLOR], "green");
        assert_eq!(slice.metadata.owner_references[0].uid, "again");
    }

    #[test]
    fn what_a_haproxy_has_to_know_stays_while_the_service_does() {
        let mut world = world(1);
        let haproxy = json!({"router": "lb", "backend": "web"});
        let balancer = json!({"drainSeconds": 90, "haproxy": haproxy});
        application(
            &mut world,
            json!({"spec": {"rollout": {"loadBalancer": balancer}}}),
        );
        check(&mut world, &["8080: 1"]);
        application(
            &mut world,
            json!({"spec": {"rollout": {"loadBalancer": null}}}),
        );
        // On a slice that is made later, too.
        let moved = json!({"status": {"endpoints": ["10.0.0.1:9090"]}});
        gear(&mut world, "1", moved);
        settle(&mut world);
        for slice in world.endpoint_slices.all() {
            assert_eq!(slice.metadata.labels[LABEL_ROUTER], "lb");
            assert_eq!(slice.metadata.annotations[ANNOTATION_BACKEND], "web");
            assert_eq!(slice.metadata.annotations[ANNOTATION_DRAIN], "90");
        }
    }

    #[test]
    fn what_a_haproxy_has_to_know_follows_the_settings() {
        let mut world = world(1);
        check(&mut world, &["8080: 1"]);
        let haproxy = |router: &str| json!({"spec": {"rollout": {"loadBalancer": {"drainSeconds": 90, "haproxy": {"router": router, "backend": "web"}}}}});
        application(&mut world, haproxy("lb"));
        check(&mut world, &["8080: 1"]);
        let slice = world.endpoint_slices.all().next().unwrap().clone();
        assert_eq!(slice.metadata.labels[LABEL_ROUTER], "lb");
        assert_eq!(slice.metadata.annotations[ANNOTATION_BACKEND], "web");
        assert_eq!(slice.metadata.annotations[ANNOTATION_DRAIN], "90");
        application(&mut world, json!({}));
        check(&mut world, &["8080: 1"]);
        let slice = world.endpoint_slices.all().next().unwrap();
        assert!(!slice.metadata.labels.contains_key(LABEL_ROUTER));
        assert!(slice.metadata.annotations.is_empty());
    }

    #[test]
    fn a_service_with_a_selector_is_somebody_else_s() {
        let mut world = world(1);
        put::<Service>(
            &mut world,
            json!({
                "metadata": {"name": "shop", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}},
                "spec": {"selector": {"app": "shop"}, "ports": [{"port": 8080}]},
            }),
        );
        assert_eq!(look(&world), []);
    }

    #[test]
    fn a_gear_wakes_its_service_only_for_a_change_of_its_place() {
        let mut world = world(1);
        let endpoints = json!({"status": {"endpoints": ["10.0.0.1:8080"]}});
        gear(&mut world, "1", endpoints.clone());
        let woken = |world: &World| {
            let gear = world.gears.all().next().unwrap();
            let key = gear.metadata.key();
            let touched = Touched {
                kind: &kinds::GEAR,
                key: &key,
                metadata: &gear.metadata,
                before: None,
                application: Some(Key::new("demo", "shop")),
                node: None,
                gear: None,
            };
            of_gear(world, &touched).len()
        };
        assert_eq!(woken(&world), 1);
        settle(&mut world);
        assert_eq!(woken(&world), 0);
        gear(&mut world, "1", json!({"spec": {"rotation": "Out"}}));
        assert_eq!(woken(&world), 1);
        settle(&mut world);
        assert_eq!(woken(&world), 0);
    }
}
