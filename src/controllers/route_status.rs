//! Which routes the routers serve: the oldest claim to a host wins, and says so in `status.ingress`.
//!
//! A host belongs to the namespace of its oldest route; within it every path belongs to its oldest route. One entry
//! for each Router object; without routers nobody admits anything. Source of rules and texts: openshift/router
//! `pkg/router/controller/unique_host.go`, facts/oc.md section 7.1.

use std::time::Duration;

use serde_json::json;

use crate::api::core::Condition;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::network::Route;
use crate::api::network::RouteIngress;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;

const ADMITTED: &str = "Admitted";
/// How soon a refused route is looked at again: the one before it may have gone, or gone to another host.
const SOON: Duration = Duration::from_secs(2);

/// Decides for one Route.
#[derive(Debug, Default)]
pub(crate) struct Routes;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::ROUTE,
        keys: those_of_its_host,
    },
    Watch {
        kind: &kinds::ROUTER,
        keys: all,
    },
];

fn those_of_its_host(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys = vec![touched.key.clone()];
    if let Some(route) = world.routes.find(touched.key) {
        let others = world.routes_of_host(&route.spec.host);
        keys.extend(others.map(|other| other.metadata.key()));
    }
    keys
}

fn all(world: &World, _: &Touched<'_>) -> Vec<Key> {
    world.routes.keys().cloned().collect()
}

impl Controller for Routes {
    const NAME: &'static str = "route status";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(route) = world.routes.find(key) else {
            return Decision::nothing();
        };
        if route.metadata.is_deleting() || route.spec.host.is_empty() {
            return Decision::nothing();
        }
        let refusal = refusal(route, world);
        let ingress: Vec<RouteIngress> = world
            .routers
            .keys()
            .map(|router| entry(route, &router.name, refusal.as_ref(), now))
            .collect();
        let mut decision = Decision::nothing();
        if refusal.is_some() {
            decision.look_again(SOON);
        }
        if ingress == route.status.ingress {
            return decision;
        }
        let change = Change::status(&**route, &json!({ "ingress": ingress }));
        decision.changes.push(change);
        match refusal {
            Some(refusal) if !ingress.is_empty() => {
                decision.noting(Note::warning(&**route, refusal.reason, refusal.message))
            }
            _ => decision,
        }
    }
}

/// Why a route is not served.
struct Refusal {
    reason: &'static str,
    message: String,
}

fn refusal(route: &Route, world: &World) -> Option<Refusal> {
    let tls = route
        .spec
        .tls
        .as_ref()
        .and_then(|tls| tls["termination"].as_str());
    if let Some(termination @ ("passthrough" | "reencrypt")) = tls {
        return Some(Refusal {
            reason: "RouteNotAdmitted",
            message: format!("this router has no certificates yet: {termination} is not served"),
        });
    }
    claimed(route, world).map(|message| Refusal {
        reason: "HostAlreadyClaimed",
        message,
    })
}

/// Who has the host, or the path on it, if it is somebody else.
fn claimed(route: &Route, world: &World) -> Option<String> {
    let host = &route.spec.host;
    let claims = || {
        world.routes_of_host(host).filter(|other| {
            !other.metadata.is_deleting() && is_wildcard(other) == is_wildcard(route)
        })
    };
    let first = claims().min_by_key(|other| age(other))?;
    let own = &route.metadata;
    if first.metadata.namespace != own.namespace {
        return Some(format!(
            "a route in another namespace holds {host} and is older than {}",
            own.name
        ));
    }
    let on_path = claims().filter(|other| {
        other.metadata.namespace == own.namespace && other.spec.path == route.spec.path
    });
    let first = on_path.min_by_key(|other| age(other))?;
    (first.metadata.name != own.name).then(|| {
        format!(
            "route {} already exposes {host}{} and is older",
            first.metadata.name, route.spec.path
        )
    })
}

/// What makes one claim older than another; names decide within a second.
fn age(route: &Route) -> (Option<Timestamp>, Key) {
    (route.metadata.creation_timestamp, route.metadata.key())
}

fn is_wildcard(route: &Route) -> bool {
    route.spec.wildcard_policy == "Subdomain"
}

fn entry(route: &Route, router: &str, refusal: Option<&Refusal>, now: Timestamp) -> RouteIngress {
    let status = if refusal.is_none() { "True" } else { "False" };
    let known = route
        .status
        .ingress
        .iter()
        .find(|one| one.router_name == router);
    let known = known.and_then(|one| one.conditions.iter().find(|one| one.kind == ADMITTED));
    let since = known
        .filter(|known| known.status == status)
        .and_then(|known| known.last_transition_time);
    RouteIngress {
        host: route.spec.host.clone(),
        router_name: router.to_owned(),
        wildcard_policy: route.spec.wildcard_policy.clone(),
        router_canonical_hostname: String::new(),
        conditions: vec![Condition {
            kind: ADMITTED.to_owned(),
            status: status.to_owned(),
            reason: refusal.map_or("", |one| one.reason).to_owned(),
            message: refusal.map(|one| one.message.clone()).unwrap_or_default(),
            last_transition_time: since.or(Some(now)),
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::api::meta::Typed;
    use crate::api::network::Router;

    const NOW: i64 = 1000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW)
    }

    /// A route `NAMESPACE/NAME` of a host and path, made at that second.
    fn route(name: &str, host: &str, path: &str, second: i64) -> Route {
        let (namespace, name) = name.split_once('/').unwrap();
        let object = json!({
            "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1",
                "creationTimestamp": Timestamp::from_second(second)},
            "spec": {"host": host, "path": path, "to": {"kind": "Service", "name": "s"}},
        });
        serde_json::from_value(object).unwrap()
    }

    fn world(routes: &[Route]) -> World {
        let mut world = World::default();
        let mut router = Router::default();
        router.metadata.name = "default".to_owned();
        world.put(&router.metadata.key(), Some(Arc::new(router)), now());
        for route in routes {
            world.put(&route.metadata.key(), Some(Arc::new(route.clone())), now());
        }
        world
    }

    /// Every route with what is decided of it.
    fn decided(world: &World) -> Vec<String> {
        let keys: Vec<Key> = world.routes.keys().cloned().collect();
        keys.iter()
            .map(|key| {
                let decision = Routes.decide(key, world, now());
                let said = match decision.changes.first() {
                    Some(Change::Patch { merge, .. }) => {
                        let condition = &merge["status"]["ingress"][0]["conditions"][0];
                        let text = |name: &str| condition[name].as_str().unwrap_or_default();
                        format!("{} {} {}", text("status"), text("reason"), text("message"))
                    }
                    _ => "-".to_owned(),
                };
                format!("{key}: {}", said.trim_end())
            })
            .collect()
    }

    #[test]
    fn the_oldest_route_has_the_host_and_its_namespace_the_paths() {
        let world = world(&[
            route("a/first", "x.example", "", 10),
            route("a/path", "x.example", "/api", 20),
            route("a/second", "x.example", "", 30),
            route("b/other", "x.example", "/mine", 5 + NOW),
            route("b/own", "y.example", "", 40),
        ]);
        assert_eq!(
            decided(&world),
            [
                "a/first: True",
                "a/path: True",
                "a/second: False HostAlreadyClaimed route first already exposes x.example and is older",
                "b/other: False HostAlreadyClaimed a route in another namespace holds x.example and is older than other",
                "b/own: True",
            ]
        );
    }

    #[test]
    fn what_is_said_already_is_not_said_again_and_keeps_its_time() {
        let mut one = route("a/one", "x.example", "", 10);
        let earlier = Timestamp::from_second(NOW - 500);
        one.status.ingress = vec![entry(&one, "default", None, earlier)];
        assert_eq!(decided(&world(&[one.clone()])), ["a/one: -"]);
        let again = entry(&one, "default", None, now());
        assert_eq!(again.conditions[0].last_transition_time, Some(earlier));
    }

    #[test]
    fn without_a_router_nobody_admits() {
        let mut one = route("a/one", "x.example", "", 10);
        one.status.ingress = vec![entry(&one, "default", None, now())];
        let mut world = World::default();
        world.put(&one.metadata.key(), Some(Arc::new(one)), now());
        let decision = Routes.decide(&Key::new("a", "one"), &world, now());
        let Some(Change::Patch { merge, .. }) = decision.changes.first() else {
            panic!("{decision:?}");
        };
        assert_eq!(merge["status"]["ingress"], json!([]));
    }

    #[test]
    fn encryption_that_needs_certificates_is_not_admitted() {
        let mut one = route("a/one", "x.example", "", 10);
        one.spec.tls = Some(json!({"termination": "passthrough"}));
        assert_eq!(
            decided(&world(&[one])),
            [
                "a/one: False RouteNotAdmitted this router has no certificates yet: passthrough is not served"
            ]
        );
        assert_eq!(Route::KIND.kind, "Route");
    }
}
