//! Which pods a Service leads to: its `EndpointSlices`, and the Endpoints object that repeats them for old readers.
//!
//! In rotation is a pod that the selector selects, that takes requests and is not to end; its node must be heard. Pods on
//! the same ports share slices of at most 100; a pod that really listens on other ports than the Service means has a
//! slice of its own. What comes in is written before what goes out, so that a Service whose pods are exchanged always
//! leads somewhere. A Service without a selector is not looked at: somebody else writes its slices.
//!
//! # Decided
//!
//! A slice that becomes empty stays while pods leave the namespace: its version is what routers must have seen before
//! those pods may end (`rotation.rs`). When somebody deletes a Service's last slice meanwhile, an empty one takes its
//! place: its version is later than the deletion, of which nobody tells the version.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::core::ObjectReference;
use crate::api::core::selects;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::Endpoint;
use crate::api::network::EndpointConditions;
use crate::api::network::EndpointPort;
use crate::api::network::Service;
use crate::api::network::ServicePort;
use crate::api::pod::ANNOTATION_DRAINED;
use crate::api::pod::Pod;
use crate::base::clock::Timestamp;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::replicas::takes_requests;
use crate::controllers::slices;
use crate::controllers::slices::Form;
use crate::controllers::slices::InRotation;
use crate::controllers::slices::Marks;
use crate::controllers::world::World;

/// Endpoints in one slice, as in Kubernetes.
const LARGEST: usize = 100;

/// Decides for one Service.
#[derive(Debug, Default)]
pub(crate) struct EndpointSlices;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::SERVICE,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::POD,
        keys: of_pod,
    },
    Watch {
        kind: &kinds::NODE,
        keys: of_node,
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

/// The Services that select a pod, or did before it changed.
fn of_pod(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let services = world.services.in_namespace(&touched.key.namespace);
    let states = [Some(touched.metadata), touched.before];
    let selecting = services.filter(|service| {
        let mut states = states.iter().flatten();
        states.any(|metadata| is_selected(service, metadata))
    });
    selecting.map(|service| service.metadata.key()).collect()
}

/// The Services of the pods on a node that came or went.
fn of_node(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys = BTreeSet::new();
    for pod in world.pods.on_node(&touched.key.name) {
        keys.extend(selecting(pod, world).map(|service| service.metadata.key()));
    }
    keys.into_iter().collect()
}

fn is_selected(service: &Service, pod: &Metadata) -> bool {
    let selector = &service.spec.selector;
    !selector.is_empty() && selects(selector, &pod.labels)
}

/// The Services that select a pod.
pub(crate) fn selecting<'w>(pod: &'w Pod, world: &'w World) -> impl Iterator<Item = &'w Service> {
    let services = world.services.in_namespace(&pod.metadata.namespace);
    services
        .map(|service| &**service)
        .filter(|service| is_selected(service, &pod.metadata))
}

impl Controller for EndpointSlices {
    const NAME: &'static str = "endpoints";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(service) = world.services.find(key) else {
            return Decision::nothing();
        };
        if service.metadata.is_deleting() || service.spec.selector.is_empty() {
            return Decision::nothing();
        }
        let rotation = rotation(service, world);
        let mut leaving = world.sightings.all_leaving();
        let waits = leaving.any(|pod| pod.namespace == key.namespace);
        let form = Form {
            inherited: Vec::new(),
            largest: LARGEST,
            placeholder: Box::new(|| placeholder(service, world)),
            // Empty slices go when no pod waits for its way out.
            keeps_empty: Box::new(move |_| waits),
            marks: Marks::default(),
        };
        slices::decide(service, world, rotation, &form)
    }
}

fn rotation(service: &Service, world: &World) -> InRotation {
    let mut rotation = InRotation::new();
    for pod in world.pods.in_namespace(&service.metadata.namespace) {
        let early = service.spec.publish_not_ready_addresses && !pod.is_over();
        let is_in = is_selected(service, &pod.metadata)
            && !pod.status.pod_ip.is_empty()
            && (early || takes_requests(pod, world));
        if !is_in {
            continue;
        }
        let ports = ports(service, pod);
        if ports.is_empty() && !service.spec.ports.is_empty() {
            continue;
        }
        let uid = pod.metadata.uid.clone();
        rotation
            .entry(ports)
            .or_default()
            .insert(uid, endpoint(pod));
    }
    rotation
}

fn endpoint(pod: &Pod) -> Endpoint {
    Endpoint {
        addresses: vec![pod.status.pod_ip.clone()],
        conditions: EndpointConditions {
            ready: true,
            serving: true,
            terminating: false,
        },
        target_ref: Some(ObjectReference {
            api_version: Pod::KIND.api_version(),
            kind: Pod::KIND.kind.to_owned(),
            namespace: pod.metadata.namespace.clone(),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        }),
        node_name: pod.spec.node_name.clone(),
    }
}

/// The ports under which a pod is reached: those that the Service means, where the pod listens on them; in place of one
/// that it does not listen on, another one that it does and that nobody means.
fn ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let listening: BTreeSet<u16> = pod.status.listening.iter().map(|one| one.port).collect();
    let meant: Vec<Option<u16>> = service
        .spec
        .ports
        .iter()
        .map(|one| target(one, pod))
        .collect();
    let mut others = listening
        .iter()
        .copied()
        .filter(|port| !meant.contains(&Some(*port)));
    let resolved = service.spec.ports.iter().zip(&meant);
    resolved
        .filter_map(|(port, meant)| {
            let is_tcp = matches!(&*port.protocol, "" | "TCP");
            let is_open = meant.is_some_and(|meant| listening.contains(&meant));
            let port_number = if is_open || listening.is_empty() || !is_tcp {
                *meant
            } else {
                others.next()
            };
            Some(EndpointPort {
                name: port.name.clone(),
                protocol: match port.protocol.as_str() {
                    "" => "TCP".to_owned(),
                    protocol => protocol.to_owned(),
                },
                port: port_number?,
            })
        })
        .collect()
}

/// The container port that a Service port means.
fn target(port: &ServicePort, pod: &Pod) -> Option<u16> {
    match &port.target_port {
        Value::Null => Some(port.port),
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok()),
        Value::String(name) => name.parse().ok().or_else(|| {
            let mut all = pod.spec.containers.iter().flat_map(|one| &one.ports);
            let named = all.find(|one| one.name == *name);
            named.map(|one| one.container_port)
        }),
        _ => None,
    }
}

/// An empty slice's ports while there is none and a pod of the Service waits for routers to say that they leave it out.
fn placeholder(service: &Service, world: &World) -> Option<Vec<EndpointPort>> {
    let mut pods = world.pods.in_namespace(&service.metadata.namespace);
    let pod = pods.find(|pod| {
        is_selected(service, &pod.metadata)
            && pod.metadata.is_deleting()
            && !pod.metadata.annotations.contains_key(ANNOTATION_DRAINED)
    })?;
    Some(ports(service, pod))
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::core::Node;
    use crate::api::network::EndpointSlice;
    use crate::api::network::Endpoints;
    use crate::api::network::LABEL_SERVICE;
    use crate::controllers::change::Change;
    use crate::controllers::world::put;

    fn world() -> World {
        let mut world = World::default();
        let ready = json!([{"type": "Ready", "status": "True"}]);
        put::<Node>(
            &mut world,
            json!({"metadata": {"name": "n"}, "status": {"conditions": ready}}),
        );
        put::<Service>(
            &mut world,
            json!({
                "metadata": {"name": "shop", "namespace": "demo", "uid": "s"},
                "spec": {"selector": {"app": "shop"}, "ports": [
                    {"name": "web", "port": 80, "targetPort": "http"},
                ]},
            }),
        );
        world
    }

    fn pod(world: &mut World, number: usize, change: Value) {
        let mut pod = json!({
            "metadata": {"name": format!("p{number:03}"), "namespace": "demo", "uid": format!("u{number:03}"), "labels": {"app": "shop"}},
            "spec": {"nodeName": "n", "containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {
                "podIP": format!("10.88.0.{number}"),
                "conditions": [{"type": "Ready", "status": "True"}],
                "listening": [{"port": 8080}],
            },
        });
        json_patch::merge(&mut pod, &change);
        put::<Pod>(world, pod);
    }

    /// Looks and does what was decided; says how many endpoints each slice has, by port.
    fn settle(world: &mut World) -> Vec<(u16, usize)> {
        let decision =
            EndpointSlices.decide(&Key::new("demo", "shop"), world, Timestamp::from_second(0));
        for change in decision.changes {
            match change {
                Change::Create { kind, object } if kind.kind == "Endpoints" => {
                    put::<Endpoints>(world, object);
                }
                Change::Create { object, .. } => put::<EndpointSlice>(world, object),
                Change::Patch { target, merge, .. } if target.kind.kind == "EndpointSlice" => {
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
        let slices = world.endpoint_slices.all();
        let mut counts: Vec<(u16, usize)> = slices
            .map(|slice| (slice.ports[0].port, slice.endpoints.len()))
            .collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn a_pod_is_in_rotation_while_it_takes_requests() {
        let mut world = world();
        assert_eq!(settle(&mut world), []);
        pod(&mut world, 1, json!({"status": {"conditions": null}}));
        assert_eq!(settle(&mut world), []);
        pod(&mut world, 1, json!({}));
        assert_eq!(settle(&mut world), [(8080, 1)]);
        let slice = world.endpoint_slices.all().next().unwrap().clone();
        assert_eq!(slice.metadata.labels[LABEL_SERVICE], "shop");
        assert!(slice.metadata.name.starts_with("shop-"));
        assert_eq!(slice.ports[0].name, "web");
        assert_eq!(slice.endpoints[0].addresses, ["10.88.0.1"]);
        let derived = world.endpoints.find(&Key::new("demo", "shop")).unwrap();
        assert_eq!(derived.metadata.name, "shop");
        pod(
            &mut world,
            1,
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        );
        assert_eq!(
            settle(&mut world),
            [(8080, 0)],
            "stays while the pod leaves"
        );
    }

    #[test]
    fn a_last_slice_that_is_deleted_while_a_pod_leaves_is_made_again() {
        let mut world = world();
        pod(&mut world, 1, json!({}));
        settle(&mut world);
        let slice = world.endpoint_slices.all().next().unwrap().metadata.key();
        let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        pod(&mut world, 1, leaving.clone());
        world.put::<EndpointSlice>(&slice, None, Timestamp::from_second(0));
        assert_eq!(settle(&mut world), [(8080, 0)]);
        world.put::<EndpointSlice>(&slice, None, Timestamp::from_second(0));
        let mut drained = leaving;
        drained["metadata"]["annotations"] = json!({ANNOTATION_DRAINED: "true"});
        pod(&mut world, 1, drained);
        assert_eq!(settle(&mut world), []);
    }

    #[test]
    fn a_pod_on_a_silent_node_or_of_others_is_not() {
        let mut world = world();
        pod(&mut world, 1, json!({"spec": {"nodeName": "silent"}}));
        pod(
            &mut world,
            2,
            json!({"metadata": {"labels": {"app": "other"}}}),
        );
        pod(&mut world, 3, json!({"status": {"podIP": null}}));
        assert_eq!(settle(&mut world), []);
    }

    #[test]
    fn slices_are_small_and_endpoints_stay_where_they_are() {
        let mut world = world();
        for number in 0..150 {
            pod(&mut world, number, json!({}));
        }
        assert_eq!(settle(&mut world), [(8080, 50), (8080, 100)]);
        let before: Vec<EndpointSlice> = world
            .endpoint_slices
            .all()
            .map(|one| (**one).clone())
            .collect();
        pod(&mut world, 150, json!({}));
        settle(&mut world);
        let untouched = world
            .endpoint_slices
            .all()
            .filter(|slice| before.contains(slice));
        assert_eq!(untouched.count(), 1);
        for number in 0..150 {
            let name = format!("p{number:03}");
            world.put::<Pod>(&Key::new("demo", name), None, Timestamp::from_second(0));
        }
        settle(&mut world);
        assert_eq!(settle(&mut world), [(8080, 1)], "the empty one goes");
    }

    #[test]
    fn a_pod_that_listens_elsewhere_has_a_slice_of_its_own() {
        let mut world = world();
        pod(&mut world, 1, json!({}));
        pod(
            &mut world,
            2,
            json!({"status": {"listening": [{"port": 3000}]}}),
        );
        pod(&mut world, 3, json!({"status": {"listening": null}}));
        pod(
            &mut world,
            4,
            json!({"status": {"listening": [{"port": 8080}, {"port": 9090}]}}),
        );
        assert_eq!(settle(&mut world), [(3000, 1), (8080, 3)]);
    }

    #[test]
    fn what_comes_in_is_written_before_what_goes_out() {
        let mut world = world();
        pod(&mut world, 1, json!({}));
        settle(&mut world);
        pod(
            &mut world,
            1,
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        );
        pod(
            &mut world,
            2,
            json!({"status": {"listening": [{"port": 3000}]}}),
        );
        let decision =
            EndpointSlices.decide(&Key::new("demo", "shop"), &world, Timestamp::from_second(0));
        assert!(
            matches!(decision.changes[0], Change::Create { .. }),
            "{decision:?}"
        );
        assert!(
            matches!(decision.changes[1], Change::Patch { .. }),
            "{decision:?}"
        );
    }

    #[test]
    fn a_pod_wakes_the_services_that_select_it_or_did() {
        let mut world = world();
        pod(&mut world, 1, json!({}));
        let pod = world.pods.all().next().unwrap().clone();
        let other = Metadata::default();
        let woken = |metadata, before| {
            let key = pod.metadata.key();
            let touched = Touched {
                kind: &kinds::POD,
                key: &key,
                metadata,
                before,
                application: None,
                gear: None,
                node: None,
            };
            of_pod(&world, &touched).len()
        };
        assert_eq!(woken(&pod.metadata, None), 1);
        assert_eq!(woken(&other, Some(&pod.metadata)), 1);
        assert_eq!(woken(&other, None), 0);
    }

    #[test]
    fn a_service_without_selector_is_left_alone() {
        let mut world = world();
        put::<Service>(
            &mut world,
            json!({"metadata": {"name": "shop", "namespace": "demo"}, "spec": {"ports": [{"port": 80}]}}),
        );
        pod(&mut world, 1, json!({}));
        let decision =
            EndpointSlices.decide(&Key::new("demo", "shop"), &world, Timestamp::from_second(0));
        assert_eq!(decision, Decision::nothing());
    }
}
