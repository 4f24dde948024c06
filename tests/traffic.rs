//! Traffic while gears are deployed behind a load balancer: through the built-in router, from Route to gear.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::fleet::Fleet;
use crate::fleet::Visitor;
use crate::fleet::names;

/// The application `shop` behind the built-in router, and a Route to it.
fn publish(fleet: &Fleet) {
    fleet.apply(&fleet.application(json!({"loadBalancer": {"drainSeconds": 10}})));
    fleet.apply(&json!({
        "apiVersion": "route.openshift.io/v1", "kind": "Route",
        "metadata": {"name": "shop-route", "namespace": "default"},
        "spec": {"host": "shop.test", "to": {"kind": "Service", "name": "shop"}},
    }));
}

fn rotation(fleet: &Fleet) -> Vec<String> {
    let slices = fleet.site.objects("endpointslices");
    let endpoints = slices
        .iter()
        .filter_map(|slice| slice["endpoints"].as_array());
    let targets = endpoints.flatten().map(|one| &one["targetRef"]["name"]);
    let mut names: Vec<String> = targets
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn no_request_fails_while_hosts_behind_the_router_take_turns() {
    let Some(fleet) = Fleet::new(2) else {
        return;
    };
    publish(&fleet);
    fleet.bundle("one");
    fleet.deploy_ok(&[]);
    assert_eq!(rotation(&fleet), ["shop-web-1", "shop-web-2"]);
    fleet.site.wait("the route to lead to the hosts", || {
        let answer = Visitor::new(fleet.router(), "shop.test").ask(false);
        answer.is_ok_and(|(status, _)| status == 200)
    });
    let load = fleet.load(fleet.router(), "shop.test");
    for version in ["two", "three"] {
        fleet.bundle(version);
        fleet.deploy_ok(&[]);
        assert_eq!(rotation(&fleet), ["shop-web-1", "shop-web-2"]);
    }
    let counts = load.stop();
    counts.check();
    let answers: BTreeSet<&str> = counts.answers.keys().map(String::as_str).collect();
    for answer in ["one web-1", "two web-1", "two web-2"] {
        assert!(answers.contains(answer), "{counts:?}");
    }
    for (host, steps) in fleet.steps("shop-3") {
        assert_eq!(names(&steps).len(), 13, "{host}: {steps:?}");
        assert!(steps.iter().all(|(_, phase)| phase == "Done"), "{steps:?}");
    }
}
