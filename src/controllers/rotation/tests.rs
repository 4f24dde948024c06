//! Each rule of a gear's way out of rotation and back, in worlds of a few objects.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::api::core::Node;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::network::LABEL_SERVICE;
use crate::api::network::Service;
use crate::api::upshift::ANNOTATION_BLOCKED_BY;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_COLOR;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::Operation;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::world::Tabled;

const OPERATION: &str = "shop-2-shop-a-1";

struct Story {
    world: World,
    second: i64,
    version: u64,
}

impl Story {
    /// An application behind a load balancer, one gear in rotation that the router leads to, its step waiting.
    fn new(step: &str) -> Story {
        let mut story = Story {
            world: World::default(),
            second: 0,
            version: 10,
        };
        story.put::<Application>(json!({
            "metadata": {"name": "shop", "namespace": "demo", "uid": "a"},
            "spec": {"hosts": {}, "rollout": {"loadBalancer": {"service": "shop"}}},
        }));
        story.put::<Service>(json!({
            "metadata": {"name": "shop", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}},
            "spec": {"ports": [{"port": 8080}]},
        }));
        story.node("True");
        story.gear("In", Value::Null);
        story.slice(true, json!({}));
        story.router(story.version, json!({}));
        story.operation(step, json!({}));
        story
    }

    fn put<T: Tabled>(&mut self, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let object: T = serde_json::from_value(object).unwrap();
        let key = object.metadata().key();
        let now = Timestamp::from_second(self.second);
        self.world.put(&key, Some(Arc::new(object)), now);
    }

    fn node(&mut self, ready: &str) {
        self.put::<Node>(json!({
            "metadata": {"name": "a"},
            "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            },
        }));
    }

    fn gear(&mut self, rotation: &str, blocked_by: Value) {
        self.put::<Gear>(json!({
            "metadata": {
                "name": "shop-a", "namespace": "demo", "uid": "g",
                "annotations": if blocked_by.is_null() { json!({}) } else { json!({ANNOTATION_BLOCKED_BY: blocked_by}) },
            },
            "spec": {"application": "shop", "node": "a", "rotation": rotation},
            "status": {"revision": "shop-1"},
        }));
    }

    fn slice(&mut self, names_it: bool, labels: Value) {
        let target = json!({"uid": "g", "namespace": "demo", "name": "shop-a"});
        let endpoint = json!({"addresses": ["10.0.0.1"], "targetRef": target});
        let owner = json!({"apiVersion": "v1", "kind": "Service", "name": "shop", "uid": "s", "controller": true});
        let mut labels = labels;
        labels[LABEL_GEARS_OF] = "shop".into();
        labels[LABEL_SERVICE] = "shop".into();
        self.put::<EndpointSlice>(json!({
            "metadata": {"name": "shop-1", "namespace": "demo", "labels": labels, "ownerReferences": [owner]},
            "ports": [{"port": 8080}],
            "endpoints": if names_it { json!([endpoint]) } else { json!([]) },
        }));
    }

    /// A router of this program; its own version is no matter.
    fn router(&mut self, applied: u64, draining: Value) {
        self.put::<Router>(json!({
            "metadata": {"name": "default"},
            "status": {"applied": applied, "draining": draining},
        }));
    }

    fn haproxy(&mut self, applied: u64) {
        self.put::<Router>(json!({
            "metadata": {"name": "lb-1"},
            "spec": {"type": "HAProxy"},
            "status": {"applied": applied},
        }));
    }

    fn operation(&mut self, step: &str, change: Value) {
        let mut operation = json!({
            "metadata": {"name": OPERATION, "namespace": "demo", "uid": "o", "labels": {"upshift.dev/application": "shop"}},
            "spec": {"gear": "shop-a", "node": "a", "owner": "Rollout/shop-2", "inRotation": true, "deployment": {"address": "10.0.0.1", "port": 8080}},
            "status": {"phase": "Running", "steps": [{"name": step, "phase": "Running"}]},
        });
        json_patch::merge(&mut operation, &change);
        self.put::<Operation>(operation);
    }

    fn look(&self, second: i64) -> Decision {
        let key = Key::new("demo", OPERATION);
        GearRotation.decide(&key, &self.world, Timestamp::from_second(second))
    }

    /// What is decided at that second: `gear Out`, `Done`, `Running: why`, `Failed RouterSilent: why`; empty for nothing.
    fn told(&self, second: i64) -> String {
        let decision = self.look(second);
        let [change] = decision.changes.as_slice() else {
            assert_eq!(decision.changes, []);
            return String::new();
        };
        let Change::Patch { target, merge, .. } = change else {
            panic!("{change:?}");
        };
        if *target.kind == kinds::GEAR {
            return format!("gear {}", merge["spec"]["rotation"].as_str().unwrap());
        }
        let control = merge["spec"]["control"].as_object().unwrap();
        let outcome = control.values().next().unwrap();
        let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
        let told = format!("{} {}", text("phase"), text("reason"));
        format!("{}: {}", told.trim(), text("message"))
    }

    #[track_caller]
    fn check(&self, second: i64, expect: &str) {
        assert_eq!(self.told(second), expect);
    }

    /// The gear is out and was seen to leave the slice.
    fn blocked() -> Story {
        let mut story = Story::new("BlockTraffic");
        story.gear("Out", OPERATION.into());
        story.slice(false, json!({}));
        story
    }
}

#[test]
fn a_gear_is_out_when_no_slice_names_it_and_every_router_has_let_go_of_it() {
    let mut story = Story::new("BlockTraffic");
    story.check(0, "gear Out");
    story.gear("Out", OPERATION.into());
    story.check(0, "");
    story.check(2, "Running: slice shop-1 still names it");
    story.slice(false, json!({}));
    let left = story.version;
    story.check(0, "");
    story.check(
        2,
        "Running: router default has not said that it leaves it out",
    );
    story.router(left, json!({"10.0.0.1:8080": 3}));
    story.check(0, "");
    story.check(2, "Running: router default has 3 requests in flight");
    story.router(left, json!({"10.0.0.1:9999": 3, "10.0.0.11:8080": 1}));
    story.check(0, "Done: ");
}

#[test]
fn what_is_said_is_said_once() {
    let mut story = Story::new("BlockTraffic");
    story.gear("Out", OPERATION.into());
    let why = "slice shop-1 still names it";
    story.operation(
        "BlockTraffic",
        json!({"spec": {"control": {"BlockTraffic": {"phase": "Running", "message": why}}}}),
    );
    story.check(2, "");
    assert!(story.look(2).again.is_some());
}

#[test]
fn an_outcome_is_written_once() {
    for phase in ["Done", "Failed"] {
        let mut story = Story::blocked();
        story.router(story.version, json!({}));
        story.operation(
            "BlockTraffic",
            json!({"spec": {"control": {"BlockTraffic": {"phase": phase}}}}),
        );
        assert_eq!(story.look(99), Decision::nothing());
    }
}

#[test]
fn requests_have_their_time_and_are_named_when_they_are_cut_off() {
    let mut story = Story::blocked();
    story.router(story.version, json!({"10.0.0.1:8080": 1}));
    story.check(29, "Running: router default has 1 request in flight");
    story.check(
        30,
        "Done: cut off after 30s: router default has 1 request in flight",
    );
    assert_eq!(story.look(30).notes[0].reason, "DrainTimeout");
}

#[test]
fn a_silent_router_fails_the_step_and_is_named() {
    let story = Story::blocked();
    let why = "router default has not said that it leaves it out";
    story.check(89, &format!("Running: {why}"));
    story.check(90, &format!("Failed RouterSilent: {why}"));
}

#[test]
fn a_router_says_itself_what_is_wrong() {
    let mut story = Story::new("BlockTraffic");
    story.gear("Out", OPERATION.into());
    story.slice(false, json!({LABEL_ROUTER: "lb-1"}));
    story.router(story.version, json!({}));
    story.put::<Router>(json!({
        "metadata": {"name": "lb-1"}, "spec": {"type": "HAProxy"},
        "status": {"applied": 1, "message": "cannot connect to /run/haproxy.sock"},
    }));
    story.check(
        2,
        "Running: router lb-1 has not said that it leaves it out: cannot connect to /run/haproxy.sock",
    );
}

#[test]
fn a_haproxy_counts_only_where_it_is_named() {
    let mut story = Story::blocked();
    story.haproxy(1);
    let left = story.version;
    story.router(left, json!({}));
    story.check(0, "Done: ");
    story.slice(false, json!({LABEL_ROUTER: "lb-1"}));
    story.check(2, "Running: router lb-1 has not said that it leaves it out");
    story.haproxy(left);
    story.check(2, "Done: ");
}

#[test]
fn a_named_router_that_is_not_there_is_waited_for() {
    let mut story = Story::new("BlockTraffic");
    story.gear("Out", OPERATION.into());
    story.slice(false, json!({LABEL_ROUTER: "lb-1"}));
    story.router(story.version, json!({}));
    let why = "there is no router lb-1: start one with 'upshift node --haproxy lb-1=SOCKET'";
    story.check(2, &format!("Running: {why}"));
    story.check(90, &format!("Failed RouterSilent: {why}"));
    story.haproxy(story.version);
    story.check(90, "Done: ");
}

#[test]
fn a_router_object_that_disappears_may_come_back_for_a_moment() {
    let mut story = Story::blocked();
    story.second = 10;
    let key = Key::new("", "default");
    story
        .world
        .put::<Router>(&key, None, Timestamp::from_second(10));
    story.check(
        12,
        "Running: router default has just gone and may come back",
    );
    story.check(15, "Done: ");
    story.router(1, json!({}));
    story.check(
        15,
        "Running: router default has not said that it leaves it out",
    );
}

#[test]
fn a_controller_that_begins_later_waits_for_the_newest_slice() {
    let mut story = Story::new("BlockTraffic");
    let mut later = Story::new("BlockTraffic");
    later.world = World::default();
    for step in [&mut story, &mut later] {
        step.gear("Out", OPERATION.into());
    }
    // What it finds: the gear is out, and the slice says so already.
    later.put::<Service>(json!({
        "metadata": {"name": "shop", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}},
        "spec": {"ports": [{"port": 8080}]},
    }));
    later.node("True");
    later.slice(false, json!({}));
    let left = later.version;
    later.router(left - 1, json!({}));
    later.operation("BlockTraffic", json!({}));
    later.check(
        2,
        "Running: router default has not said that it leaves it out",
    );
    later.router(left, json!({}));
    later.check(0, "");
    later.check(1, "Done: ");
}

#[test]
fn a_deleted_slice_or_service_is_waited_for_until_routers_know() {
    let mut story = Story::blocked();
    let left = story.version;
    let key = Key::new("demo", "shop-1");
    story.slice(true, json!({}));
    story
        .world
        .put::<EndpointSlice>(&key, None, Timestamp::from_second(0));
    story.router(left + 1, json!({}));
    story.check(2, "Running: service shop has no slice that leaves it out");
    let service = Key::new("demo", "shop");
    story
        .world
        .put::<Service>(&service, None, Timestamp::from_second(0));
    story.check(2, "Running: service shop has no slice that leaves it out");
    story.put::<Service>(json!({
        "metadata": {"name": "shop", "namespace": "demo", "uid": "s", "labels": {LABEL_GEARS_OF: "shop"}},
    }));
    story.slice(false, json!({}));
    story.check(
        2,
        "Running: router default has not said that it leaves it out",
    );
    story.router(story.version, json!({}));
    story.check(2, "Done: ");
}

#[test]
fn a_service_that_became_somebody_else_s_does_not_hold_a_gear() {
    let mut story = Story::blocked();
    let key = Key::new("demo", "shop-1");
    story
        .world
        .put::<EndpointSlice>(&key, None, Timestamp::from_second(0));
    story.put::<Service>(json!({
        "metadata": {"name": "shop", "namespace": "demo", "uid": "t"}, "spec": {"selector": {"app": "x"}},
    }));
    story.router(story.version, json!({}));
    story.check(2, "Done: ");
}

#[test]
fn a_gear_is_in_when_every_router_leads_to_it() {
    let mut story = Story::new("AllowTraffic");
    story.gear("Out", "shop-2-shop-a-1".into());
    story.slice(false, json!({}));
    story.check(0, "gear In");
    story.gear("In", Value::Null);
    story.check(2, "Running: service shop has no slice that names it");
    story.slice(true, json!({}));
    let entered = story.version;
    story.check(2, "Running: router default does not lead to it yet");
    // Later versions of the slice are no matter.
    story.slice(true, json!({"x": "y"}));
    story.router(entered, json!({}));
    story.check(0, "Done: ");
}

#[test]
fn a_gear_that_cannot_enter_fails_the_step_with_the_reason() {
    let mut story = Story::new("AllowTraffic");
    story.check(0, "Done: ");
    story.router(1, json!({}));
    story.check(
        90,
        "Failed RouterSilent: router default does not lead to it yet",
    );
    let key = Key::new("demo", "shop-1");
    story
        .world
        .put::<EndpointSlice>(&key, None, Timestamp::from_second(0));
    story.check(
        90,
        "Failed NoSlice: service shop has no slice that names it",
    );
    story.put::<Service>(json!({
        "metadata": {"name": "shop", "namespace": "demo", "uid": "t"}, "spec": {"selector": {"app": "x"}},
    }));
    assert!(
        story
            .told(90)
            .starts_with("Failed ServiceTaken: service shop leads to the pods with app=x; ")
    );
}

#[test]
fn a_silent_host_fails_nothing_and_has_its_whole_time_when_it_returns() {
    let mut story = Story::new("AllowTraffic");
    story.node("Unknown");
    story.slice(false, json!({}));
    story.check(500, "Running: node a is silent");
    story.second = 500;
    story.node("True");
    story.check(501, "Running: service shop has no slice that names it");
    story.check(
        590,
        "Failed NoSlice: service shop has no slice that names it",
    );
}

#[test]
fn an_aborted_operation_is_its_agent_s() {
    let mut story = Story::new("BlockTraffic");
    story.operation("BlockTraffic", json!({"spec": {"desired": "Abort"}}));
    assert_eq!(story.look(99), Decision::nothing());
}

#[test]
fn a_gear_gets_requests_again_when_its_operation_ended_before_it_stopped_anything() {
    let ended = |block: &str, next: &str, change: Value| {
        let mut story = Story::new("BlockTraffic");
        story.gear("Out", OPERATION.into());
        let mut status = json!({"status": {"phase": "Failed", "steps": [
            {"name": "BeforeBlockTraffic", "phase": "Done"},
            {"name": "BlockTraffic", "phase": block},
            {"name": "AfterBlockTraffic", "phase": next},
            {"name": "ApplicationStop"},
        ]}});
        json_patch::merge(&mut status, &change);
        story.operation("BlockTraffic", status);
        story
    };
    ended("Failed", "Waiting", json!({})).check(0, "gear In");
    ended("Done", "Waiting", json!({"status": {"phase": "Aborted"}})).check(0, "gear In");
    ended("Done", "Failed", json!({})).check(0, "");
    ended(
        "Failed",
        "Waiting",
        json!({"status": {"reason": "JournalLost"}}),
    )
    .check(0, "");
    ended("Failed", "Waiting", json!({"spec": {"inRotation": false}})).check(0, "");
    let mut other = ended("Failed", "Waiting", json!({}));
    other.gear("Out", "shop-3-shop-a-1".into());
    other.check(0, "");
}

#[test]
fn a_switch_is_over_when_slices_and_routers_lead_to_the_colour() {
    let mut story = Story::new("BlockTraffic");
    story.put::<Application>(json!({
        "metadata": {"name": "shop", "namespace": "demo", "uid": "a"},
        "spec": {"hosts": {"blueGreen": {}}, "rollout": {"loadBalancer": {}}},
        "status": {"activeColor": "green"},
    }));
    story.put::<Gear>(json!({
        "metadata": {"name": "shop-a", "namespace": "demo", "uid": "g"},
        "spec": {"application": "shop", "node": "a", "color": "blue"},
    }));
    let check = |story: &Story, since: u64, expect: &str| {
        let drain = Duration::from_secs(30);
        let key = Key::new("demo", "shop");
        let standing = switched(
            &key,
            "green",
            drain,
            Duration::from_secs(since),
            &story.world,
        );
        let told = match standing {
            Standing::Out => String::new(),
            Standing::In(why) => why,
        };
        assert_eq!(told, expect);
    };
    check(&story, 0, "service shop does not lead to green yet");
    story.slice(true, json!({LABEL_COLOR: "blue"}));
    check(&story, 0, "service shop still leads to blue");
    story.slice(false, json!({LABEL_COLOR: "green"}));
    let switched = story.version;
    check(&story, 99, "router default does not lead to green yet");
    story.router(switched, json!({"10.0.0.1:8080": 2, "10.0.0.2:8080": 5}));
    check(&story, 29, "router default has 2 requests in flight");
    check(&story, 30, "");
    story.router(switched, json!({}));
    check(&story, 0, "");
    // What a Service of that name left that is gone leads there still.
    story.put::<EndpointSlice>(json!({
        "metadata": {"name": "shop-0", "namespace": "demo", "labels": {LABEL_SERVICE: "shop", LABEL_COLOR: "blue"}},
    }));
    check(&story, 99, "service shop still leads to blue");
}

#[test]
fn a_gear_that_a_haproxy_finds_down_has_not_entered() {
    let mut story = Story::new("AllowTraffic");
    story.slice(true, json!({LABEL_ROUTER: "lb-1"}));
    let version = story.version;
    story.router(version, json!({}));
    let mut haproxy = |waiting: Value| {
        story.put::<Router>(json!({
            "metadata": {"name": "lb-1"},
            "spec": {"type": "HAProxy"},
            "status": {"applied": version, "waiting": waiting},
        }));
        story.told(2)
    };
    let down = json!({"10.0.0.1:8080": "server shop/a is DOWN"});
    assert_eq!(
        haproxy(down),
        "Running: router lb-1 does not lead to it yet: server shop/a is DOWN"
    );
    assert_eq!(haproxy(json!({"10.0.0.2:8080": "of another"})), "Done: ");
}
