//! Pods on their way out: marked as drained when nothing leads to them any more.
//!
//! A pod whose end was asked for is out of its slices at once (`endpoints.rs`); here it is marked as drained when every
//! Router has taken that in and has no request in flight for it, or when the drain time is over. Its node waits for the
//! mark (DESIGN 4.1, Rotation). Durations count from when this process saw the pod leave.

use std::time::Duration;

use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::pod::ANNOTATION_DRAINED;
use crate::api::pod::Pod;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::endpoints;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::rotation::GONE;
use crate::controllers::rotation::Leaving;
use crate::controllers::rotation::Reach;
use crate::controllers::rotation::Standing;
use crate::controllers::rotation::named;
use crate::controllers::rotation::reach;
use crate::controllers::sightings::Left;
use crate::controllers::slices;
use crate::controllers::world::World;

/// How long requests in flight are waited for.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
/// How long a slice may be under way to us that names a pod which was ready.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// Decides for one Pod that is to end.
#[derive(Debug, Default)]
pub(crate) struct Rotation;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::POD,
        keys: |_, touched| {
            if touched.metadata.is_deleting() {
                vec![touched.key.clone()]
            } else {
                Vec::new()
            }
        },
    },
    Watch {
        kind: &kinds::ENDPOINT_SLICE,
        keys: leaving_the_namespace,
    },
    Watch {
        kind: &kinds::SERVICE,
        keys: leaving_the_namespace,
    },
    Watch {
        kind: &kinds::ROUTER,
        keys: |world, _| world.sightings.all_leaving().cloned().collect(),
    },
];

fn leaving_the_namespace(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let leaving = world.sightings.all_leaving();
    let here = leaving.filter(|pod| pod.namespace == touched.key.namespace);
    here.cloned().collect()
}

impl Controller for Rotation {
    const NAME: &'static str = "rotation";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(pod) = world.pods.find(key) else {
            return Decision::nothing();
        };
        let is_marked = pod.metadata.annotations.contains_key(ANNOTATION_DRAINED);
        if !pod.metadata.is_deleting() || pod.is_over() || is_marked {
            return Decision::nothing();
        }
        leave(pod, world, now)
    }

    fn keys(world: &World) -> Vec<Key> {
        world.sightings.all_leaving().cloned().collect()
    }
}

fn leave(pod: &Pod, world: &World, now: Timestamp) -> Decision {
    let waited = world.sightings.leaving(&pod.metadata.key(), now);
    let waited = waited.unwrap_or_default();
    if pod.is_ready() && waited < UNDER_WAY {
        return Decision {
            again: Some(UNDER_WAY.saturating_sub(waited)),
            ..Decision::default()
        };
    }
    let standing = match left(pod, world) {
        Ok(left) => standing(pod, left, world, now),
        Err(why) => Standing::In(why),
    };
    let drained = json!({"metadata": {"annotations": {ANNOTATION_DRAINED: "true"}}});
    let drained = Decision::one(Change::patch(pod, drained));
    match standing {
        Standing::Out => drained,
        Standing::In(why) if waited >= DRAIN => {
            let message = format!("is ended though {why}");
            drained.noting(Note::warning(pod, "DrainTimeout", message))
        }
        Standing::In(_) => Decision {
            again: Some(DRAIN.saturating_sub(waited).min(GONE)),
            ..Decision::default()
        },
    }
}

/// How a pod stands that left its slices at a version.
fn standing(pod: &Pod, left: u64, world: &World, now: Timestamp) -> Standing {
    let services = endpoints::selecting(pod, world);
    let slices = services.flat_map(|service| slices::of(service, world));
    let leaving = Leaving {
        uid: &pod.metadata.uid,
        left,
        addresses: std::slice::from_ref(&pod.status.pod_ip),
        routers: named(slices.map(|slice| &**slice)),
    };
    match reach(&leaving, world, now) {
        Reach::None => Standing::Out,
        Reach::InFlight(why) | Reach::New(why) => Standing::In(why),
    }
}

/// The version of the slices from which on a pod is out of rotation. It is known unless this process began later or a
/// slice was deleted; then the newest version covers it, and a Service without a slice gets one first (`endpoints.rs`).
fn left(pod: &Pod, world: &World) -> Result<u64, String> {
    let after = match world.sightings.left(&pod.metadata.uid) {
        Some(Left::At(version)) => return Ok(version),
        Some(Left::After(version)) => version + 1,
        None => 0,
    };
    let namespace = Key::new("", pod.metadata.namespace.clone());
    let namespace = world.namespaces.find(&namespace);
    let may_write = !namespace.is_some_and(|namespace| namespace.metadata.is_deleting());
    let mut newest = after;
    for service in endpoints::selecting(pod, world) {
        let slices = world.endpoint_slices.controlled_by(&service.metadata.uid);
        let version = slices.map(|slice| slice.metadata.revision()).max();
        let gets_one = may_write && !service.metadata.is_deleting();
        if version.is_none() && gets_one {
            let name = &service.metadata.name;
            return Err(format!("service {name} has no slice that leaves it out"));
        }
        newest = newest.max(version.unwrap_or(0));
    }
    Ok(newest)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use super::*;
    use crate::api::meta::Typed;
    use crate::api::network::EndpointSlice;
    use crate::api::network::Router;
    use crate::api::network::Service;
    use crate::controllers::world::put;
    use serde_json::Value;

    fn world(slice: Value, applied: u64, draining: Value) -> World {
        let mut world = World::default();
        put::<Pod>(
            &mut world,
            json!({
                "metadata": {
                    "name": "p", "namespace": "demo", "uid": "u", "labels": {"app": "shop"},
                    "deletionTimestamp": "2026-01-01T00:00:00Z",
                },
                "spec": {"nodeName": "n"},
                "status": {"podIP": "10.88.0.2", "conditions": [{"type": "Ready", "status": "True"}]},
            }),
        );
        put::<Service>(
            &mut world,
            json!({"metadata": {"name": "shop", "namespace": "demo", "uid": "s"}, "spec": {"selector": {"app": "shop"}}}),
        );
        if slice.is_array() {
            put::<EndpointSlice>(
                &mut world,
                json!({
                    "metadata": {"name": "shop-1", "namespace": "demo", "resourceVersion": "7", "ownerReferences": [
                        {"apiVersion": "v1", "kind": "Service", "name": "shop", "uid": "s", "controller": true},
                    ]},
                    "endpoints": slice,
                }),
            );
        }
        put::<Router>(
            &mut world,
            json!({"metadata": {"name": "default"}, "status": {"applied": applied, "draining": draining}}),
        );
        world
    }

    fn look(world: &World, second: i64) -> Decision {
        Rotation.decide(
            &Key::new("demo", "p"),
            world,
            Timestamp::from_second(second),
        )
    }

    #[track_caller]
    fn check(world: &World, second: i64, is_drained: bool) {
        let decision = look(world, second);
        assert_eq!(!decision.changes.is_empty(), is_drained, "{decision:?}");
        assert_eq!(decision.again.is_some(), !is_drained);
    }

    #[test]
    fn a_pod_may_end_when_every_router_has_left_it_out() {
        let named = json!([{"targetRef": {"uid": "u"}}]);
        check(&world(named, 9, json!({})), 1, false);
        check(&world(json!([]), 6, json!({})), 1, false);
        check(&world(json!([]), 7, json!({"10.88.0.2:8080": 1})), 1, false);
        check(&world(json!([]), 7, json!({"10.88.0.22:8080": 1})), 1, true);
        check(&world(json!([]), 7, json!({})), 1, true);
    }

    #[test]
    fn a_service_whose_last_slice_was_deleted_gets_one_before_a_pod_may_end() {
        let mut world = world(
            json!([{"targetRef": {"uid": "u", "namespace": "demo", "name": "p"}}]),
            7,
            json!({}),
        );
        let slice = world.endpoint_slices.all().next().unwrap().to_object();
        let key = Key::new("demo", "shop-1");
        world.put::<EndpointSlice>(&key, None, Timestamp::from_second(0));
        check(&world, 1, false);
        let mut empty = slice;
        empty["endpoints"] = json!([]);
        empty["metadata"]["resourceVersion"] = "12".into();
        put::<EndpointSlice>(&mut world, empty.clone());
        check(&world, 1, false);
        let router = json!({"metadata": {"name": "default"}, "status": {"applied": 12}});
        put::<Router>(&mut world, router);
        check(&world, 1, true);
        // Nobody makes a slice for a service that goes.
        world.put::<EndpointSlice>(&key, None, Timestamp::from_second(0));
        world.put::<Service>(&Key::new("demo", "shop"), None, Timestamp::from_second(0));
        check(&world, 1, true);
    }

    #[test]
    fn a_slice_may_still_be_under_way() {
        check(&world(Value::Null, 0, json!({})), 0, false);
    }

    #[test]
    fn a_silent_router_is_waited_for_and_named() {
        let world = world(json!([]), 6, json!({}));
        check(&world, 29, false);
        let decision = look(&world, 30);
        assert_eq!(decision.changes.len(), 1);
        assert_eq!(
            decision.notes[0].message,
            "is ended though router default has not said that it leaves it out"
        );
    }

    #[test]
    fn a_pod_that_stays_or_is_marked_is_left_alone() {
        let mut world = world(json!([]), 7, json!({}));
        let mut pod = world.pods.all().next().unwrap().to_object();
        pod["metadata"]["annotations"] = json!({ANNOTATION_DRAINED: "true"});
        put::<Pod>(&mut world, pod.clone());
        assert_eq!(look(&world, 9), Decision::nothing());
        pod["metadata"]["annotations"] = Value::Null;
        pod["metadata"]["deletionTimestamp"] = Value::Null;
        pod["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        put::<Pod>(&mut world, pod);
        assert_eq!(look(&world, 9), Decision::nothing());
    }
}
