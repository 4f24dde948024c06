//! The same world with routers in front of the gears: they follow the slices late, or not at all.
//!
//! Agents hand their Control steps over here and take them back, as the real ones do. What must hold at every moment: no
//! application is stopped while a slice names its gear or a router forwards to it, and enough gears are forwarded to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::json;

use super::tests::contains;
use super::tests::phase;
use super::*;
use crate::api::network::EndpointSlice;
use crate::api::upshift::Actor;
use crate::api::upshift::LABEL_ROUTER;
use crate::controllers::balanced_service::BalancedServices;
use crate::controllers::gear_endpoints::GearEndpoints;
use crate::controllers::rotation::GearRotation;

/// The routers, and what a story expects all the time.
#[derive(Default)]
pub(crate) struct Network {
    routers: BTreeMap<String, Balancer>,
    /// Gears whose application does not answer.
    down: BTreeSet<String>,
    /// How many gears each router must forward to.
    least: usize,
    /// The version at which neither an agent nor a router had anything to do.
    rested: u64,
}

/// A router as its own process knows it.
#[derive(Clone, Default)]
struct Balancer {
    /// Gears that it forwards to, by name, and their addresses.
    forwards: BTreeMap<String, String>,
    /// Addresses that still answer what was sent to them before.
    draining: BTreeSet<String>,
    applied: u64,
    /// Forwards as before and says nothing.
    is_silent: bool,
    /// What it has in flight never ends.
    hangs: bool,
}

/// With routers a story is long; fewer seeds tell it.
pub(super) fn survives(nodes: &[&str], settings: &Value, story: impl Fn(&mut Cluster)) -> String {
    survives_seeds(2, nodes, settings, story)
}

pub(super) fn controllers() -> Vec<Entry> {
    let mut all = super::controllers();
    all.extend([
        entry::<BalancedServices>(),
        entry::<GearEndpoints>(),
        entry::<GearRotation>(),
    ]);
    all
}

fn settings(more: Value) -> Value {
    let haproxy = json!({"router": "lb-1", "backend": "web"});
    let mut settings = json!({"loadBalancer": {"service": "shop", "haproxy": haproxy}});
    merge(&mut settings, more);
    settings
}

impl Network {
    /// Whether a router forwards to a gear.
    pub(super) fn leads_to(&self, router: &str, gear: &str) -> bool {
        self.routers[router].forwards.contains_key(gear)
    }
}

impl Cluster {
    /// Puts the built-in router and a HAProxy in front.
    pub(super) fn connect(&mut self) {
        for (number, node) in self.all::<crate::api::core::Node>().iter().enumerate() {
            let address = json!([{"type": "InternalIP", "address": format!("10.0.0.{number}")}]);
            self.user_status(
                &kinds::NODE,
                &node.metadata.key(),
                json!({"addresses": address}),
            );
        }
        let mut network = Network::default();
        for (name, kind) in [("default", "BuiltIn"), ("lb-1", "HAProxy")] {
            network.routers.insert(name.to_owned(), Balancer::default());
            let object = json!({"metadata": {"name": name}, "spec": {"type": kind}});
            self.make(&kinds::ROUTER, object);
        }
        self.network = Some(network);
    }

    fn network(&mut self) -> &mut Network {
        self.network.as_mut().unwrap()
    }

    fn router(&mut self, name: &str) -> &mut Balancer {
        let network = self.network();
        network.rested = 0;
        network.routers.get_mut(name).unwrap()
    }

    /// Lets a router fall silent, or speak again; silent, it forwards as before.
    pub(super) fn silence(&mut self, router: &str, is_silent: bool) {
        self.router(router).is_silent = is_silent;
    }

    /// A router is there no more.
    pub(super) fn lose(&mut self, router: &str) {
        let network = self.network();
        network.rested = 0;
        network.routers.remove(router);
    }

    /// From now on every router must forward to as many gears.
    pub(super) fn expect_at_least(&mut self, least: usize) {
        self.network().least = least;
        self.check_invariants();
    }

    /// One step of an agent or of a router; whether there was one.
    pub(super) fn network_step(&mut self) -> bool {
        if self.network().rested == self.revision {
            return false;
        }
        let live = self.at_work();
        let routers: Vec<String> = self.network().routers.keys().cloned().collect();
        let count = live.len() + routers.len();
        let first = self.chance.below(count);
        let mut places = (0..count).map(|offset| (first + offset) % count);
        let stepped = places.any(|place| match live.get(place) {
            Some(operation) => {
                let operation = self.get(operation).unwrap();
                self.hand(operation)
            }
            None => self.route(&routers[place - live.len()]),
        });
        if !stepped {
            self.network().rested = self.revision;
        }
        stepped
    }

    /// One step of an agent.
    fn hand(&mut self, mut operation: Operation) -> bool {
        let before = operation.status.clone();
        if operation.status.steps.is_empty() {
            let steps = operation.spec.steps.iter().map(|step| StepStatus {
                name: step.name.clone(),
                ..StepStatus::default()
            });
            operation.status.steps = steps.collect();
        }
        let steps = &operation.status.steps;
        let running = steps
            .iter()
            .position(|step| step.phase == StepPhase::Running);
        let next = steps
            .iter()
            .position(|step| step.phase == StepPhase::Waiting);
        let is_control = |place: usize| operation.spec.steps[place].actor == Actor::Control;
        match (running, next) {
            (Some(step), _) => self.take_back(&mut operation, step),
            (None, Some(step)) if operation.spec.desired == Desired::Run && is_control(step) => {
                operation.status.steps[step].phase = StepPhase::Running;
            }
            _ => self.work(&mut operation),
        }
        if operation.status == before {
            return false;
        }
        let status = serde_json::to_value(&operation.status).unwrap();
        let key = operation.metadata.key();
        self.user_status(&kinds::OPERATION, &key, status);
        true
    }

    fn take_back(&mut self, operation: &mut Operation, step: usize) {
        let name = operation.status.steps[step].name.clone();
        if operation.spec.desired == Desired::Abort {
            operation.status.steps[step].phase = StepPhase::Failed;
            operation.status.phase = OperationPhase::Aborted;
            self.report_gear(operation);
            return;
        }
        let Some(outcome) = operation.spec.control.get(&name) else {
            return;
        };
        match outcome.phase {
            StepPhase::Done => {
                self.trace
                    .push(format!("{} {name}", operation.metadata.name));
                operation.status.steps[step].phase = StepPhase::Done;
            }
            StepPhase::Failed => {
                operation.status.steps[step].phase = StepPhase::Failed;
                operation.status.phase = OperationPhase::Failed;
                operation.status.reason.clone_from(&outcome.reason);
                operation.status.message = format!("{name}: {}", outcome.message);
                self.report_gear(operation);
            }
            _ => {}
        }
    }

    /// A step of the agent's own.
    fn work(&mut self, operation: &mut Operation) {
        let told = self.trace.len();
        self.agent_step(operation);
        let gear = operation.spec.gear.clone();
        let lines = self.trace[told..].to_vec();
        for line in &lines {
            if line.ends_with(" ApplicationStop") {
                self.network().down.insert(gear.clone());
                self.check_stop(&gear);
            }
            let step = operation.status.steps.iter();
            let mut started = step.filter(|step| step.name == "ApplicationStart");
            if line.ends_with(" ApplicationStart")
                && started.any(|step| step.phase == StepPhase::Done)
            {
                self.network().down.remove(&gear);
            }
        }
    }

    /// A router takes the slices in, and waits one turn for what is in flight.
    fn route(&mut self, name: &str) -> bool {
        let mut router = self.network().routers[name].clone();
        if router.is_silent {
            return false;
        }
        let slices = self.all::<EndpointSlice>();
        let mut own = Vec::new();
        for slice in slices {
            let label = slice.metadata.labels.get(LABEL_ROUTER);
            if name == "default" || label.is_some_and(|label| label == name) {
                own.push(slice);
            }
        }
        let mut forwards = BTreeMap::new();
        for slice in &own {
            for one in &slice.endpoints {
                let target = one.target_ref.clone().unwrap();
                let address = format!("{}:{}", one.addresses[0], slice.ports[0].port);
                forwards.insert(target.name, address);
            }
        }
        let newest = own.iter().map(|slice| slice.metadata.revision()).max();
        if forwards != router.forwards {
            let left = router.forwards.iter();
            let left = left.filter(|(gear, _)| !forwards.contains_key(*gear));
            router
                .draining
                .extend(left.map(|(_, address)| address.clone()));
            router.forwards = forwards;
            router.applied = self.revision;
        } else if !router.draining.is_empty() && !router.hangs {
            router.draining.clear();
        } else if router.applied < newest.unwrap_or(0) {
            router.applied = newest.unwrap_or(0);
        } else {
            return false;
        }
        let draining: BTreeMap<String, u32> =
            router.draining.iter().map(|one| (one.clone(), 1)).collect();
        let at = place(&kinds::ROUTER, &Key::new("", name));
        let mut object = self.objects[&at].clone();
        object["status"] = json!({"applied": router.applied, "draining": draining});
        *self.router(name) = router;
        self.store(at, Some(object));
        true
    }

    /// An application stops now: nothing may lead to it.
    fn check_stop(&self, gear: &str) {
        let how = self.how;
        for slice in self.all::<EndpointSlice>() {
            let mut targets = slice
                .endpoints
                .iter()
                .filter_map(|one| one.target_ref.as_ref());
            let is_named = targets.any(|target| target.name == gear);
            assert!(
                !is_named,
                "{how:?}: {gear} stops while slice {} names it",
                slice.metadata.name
            );
        }
        self.check_invariants();
    }

    pub(super) fn check_network(&self, network: &Network) {
        let how = self.how;
        for (name, router) in &network.routers {
            for gear in router.forwards.keys() {
                assert!(
                    !network.down.contains(gear),
                    "{how:?}: router {name} forwards to {gear}, which is stopped:\n{}",
                    self.picture()
                );
            }
            assert!(
                router.forwards.len() >= network.least,
                "{how:?}: router {name} forwards to {:?}:\n{}",
                router.forwards.keys(),
                self.picture()
            );
        }
        self.check_colors(network);
    }

    fn color_of(&self, gear: &str) -> Option<&str> {
        let gear = self.objects.get(&place(&kinds::GEAR, &named(gear)))?;
        gear["spec"]["color"].as_str()
    }

    /// No slice and no router mixes colours, and a rollout that says that the traffic is over there tells the truth.
    fn check_colors(&self, network: &Network) {
        let how = self.how;
        let slices = self.raw(&kinds::ENDPOINT_SLICE).flat_map(|slice| {
            let endpoints = slice["endpoints"].as_array().into_iter().flatten();
            endpoints.filter_map(|one| self.color_of(one["targetRef"]["name"].as_str()?))
        });
        let slices: BTreeSet<&str> = slices.collect();
        assert!(slices.len() <= 1, "{how:?}: mixed:\n{}", self.picture());
        let at = place(&kinds::APPLICATION, &named("shop"));
        let holder = self.objects.get(&at);
        let holder = holder.and_then(|object| object["status"]["rollout"].as_str());
        let holder =
            holder.and_then(|name| self.objects.get(&place(&kinds::ROLLOUT, &named(name))));
        let switched = holder.filter(|rollout| {
            let phase = rollout["status"]["phase"].as_str().unwrap_or_default();
            // Between the claim of a retry and its beginning stands the end of the attempt before.
            ["Succeeded", "PartlyFailed"].contains(&phase)
                && rollout["status"]["attempt"] == rollout["spec"]["attempt"]
        });
        let switched = switched.and_then(|rollout| rollout["status"]["color"].as_str());
        for (name, router) in &network.routers {
            let forwards = router.forwards.keys();
            let colors: BTreeSet<&str> = forwards.filter_map(|gear| self.color_of(gear)).collect();
            let is_true = switched.is_none_or(|color| colors.iter().all(|one| *one == color));
            assert!(
                colors.len() <= 1 && is_true,
                "{how:?}: router {name} forwards to {colors:?}, switched to {switched:?}:\n{}",
                self.picture()
            );
        }
    }

    /// Whom the Service leads to.
    pub(super) fn led_to(&self) -> String {
        let mut gears: Vec<String> = Vec::new();
        for slice in self.all::<EndpointSlice>() {
            let targets = slice
                .endpoints
                .iter()
                .filter_map(|one| one.target_ref.as_ref());
            gears.extend(targets.map(|target| target.name.clone()));
        }
        gears.sort();
        format!("requests go to {}", gears.join(" "))
    }

    /// The first deployment, then the moment at which the second one has come that far.
    fn in_the_middle(&mut self, steps: usize) {
        self.connect();
        self.deploy(1);
        self.run();
        let before = self.trace.len();
        self.deploy(2);
        self.run_until(|cluster| cluster.trace.len() >= before + steps);
    }
}

const THREE: [&str; 3] = ["a", "b", "c"];

#[test]
fn deployments_and_the_way_back_never_stop_what_gets_requests() {
    let picture = survives(&THREE, &settings(json!({})), |cluster| {
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        cluster.expect_at_least(2);
        cluster.deploy(2);
        cluster.run();
        cluster.rollout(3, "shop-1", json!({"action": "Rollback", "undoes": 2}));
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-1 Succeeded",
            "rollout shop-2 Succeeded",
            "rollout shop-3 Succeeded",
            "requests go to shop-a shop-b shop-c\n",
        ],
    );
}

#[test]
fn a_silent_router_fails_the_first_gear_which_keeps_its_requests() {
    let story = |cluster: &mut Cluster| {
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        cluster.expect_at_least(2);
        cluster.silence("lb-1", true);
        cluster.deploy(2);
        cluster.run();
    };
    let picture = survives(&THREE, &settings(json!({})), story);
    contains(
        &picture,
        &[
            "rollout shop-2 Failed \"RouterSilent\" \"gear shop-a failed in BlockTraffic (RouterSilent): router lb-1 has not said that it leaves it out\" 0/1/3",
            "gear shop-a wants \"shop-2\" has \"shop-1\"\n",
            "requests go to shop-a shop-b shop-c\n",
        ],
    );
    let mended = |cluster: &mut Cluster| {
        story(cluster);
        cluster.silence("lb-1", false);
        cluster.retry(2, 2);
    };
    let picture = survives(&THREE, &settings(json!({})), mended);
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded",
            "requests go to shop-a shop-b shop-c\n",
        ],
    );
}

#[test]
fn requests_that_never_end_are_cut_off_and_hold_nobody() {
    let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        cluster.expect_at_least(1);
        cluster.router("default").hangs = true;
        cluster.deploy(2);
        cluster.run();
    });
    contains(&picture, &["rollout shop-2 Succeeded"]);
}

#[test]
fn slices_and_services_that_somebody_deletes_never_stop_what_gets_requests() {
    for middle in [3, 12] {
        let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
            cluster.in_the_middle(middle);
            for slice in cluster.all::<EndpointSlice>() {
                cluster.user_delete(&kinds::ENDPOINT_SLICE, &slice.metadata.key());
            }
            cluster.run_until(|cluster| cluster.trace.len() >= 26 + middle + 3);
            cluster.user_delete(&kinds::SERVICE, &named("shop"));
            cluster.run();
        });
        contains(
            &picture,
            &["rollout shop-2 Succeeded", "requests go to shop-a shop-b\n"],
        );
    }
}

#[test]
fn a_load_balancer_that_was_taken_off_is_left_while_its_service_stays() {
    let picture = survives(&THREE, &settings(json!({})), |cluster| {
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        cluster.expect_at_least(1);
        let off = json!({"rollout": {"loadBalancer": null}});
        cluster.user_spec(&kinds::APPLICATION, &named("shop"), off);
        cluster.fail("shop-a", "shop-2", "DownloadBundle");
        cluster.deploy(2);
        cluster.run();
        assert_eq!(phase(cluster, "shop-2"), RolloutPhase::Failed);
        // A retry, a host that was away and one that leaves go the same way.
        cluster.failing.clear();
        cluster.retry(2, 2);
        assert_eq!(phase(cluster, "shop-2"), RolloutPhase::Succeeded);
        cluster.set_ready("b", false);
        cluster.deploy(3);
        cluster.run();
        cluster.set_ready("b", true);
        cluster.run();
        assert_eq!(cluster.led_to(), "requests go to shop-a shop-b shop-c");
        // Nobody is led to any more: nobody has to leave.
        cluster.expect_at_least(0);
        cluster.user_delete(&kinds::SERVICE, &named("shop"));
        cluster.run();
        cluster.deploy(4);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-3 Succeeded",
            "operation shop-b-catchup-3-1 Succeeded",
            "rollout shop-4 Succeeded",
            "gear shop-a wants \"shop-4\" has \"shop-4\"\n",
            "requests go to \n",
        ],
    );
}

#[test]
fn a_host_that_dies_in_the_middle_gets_no_requests_and_goes_on_when_it_returns() {
    for middle in [3, 6] {
        let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
            cluster.in_the_middle(middle);
            cluster.expect_at_least(1);
            cluster.set_ready("a", false);
            let is_out = |cluster: &Cluster| cluster.led_to() == "requests go to shop-b";
            cluster.run_until(is_out);
            assert!(is_out(cluster), "{}", cluster.picture());
            cluster.set_ready("a", true);
            cluster.run();
        });
        contains(
            &picture,
            &["rollout shop-2 Succeeded", "requests go to shop-a shop-b\n"],
        );
    }
}

#[test]
fn an_abort_in_the_middle_leaves_every_gear_that_runs_in_rotation() {
    for middle in [1, 2, 3, 4, 5, 8, 12, 13] {
        let mut cluster = Cluster::new(CALM, &["a", "b"], settings(json!({})));
        cluster.in_the_middle(middle);
        let aborted = json!({"desired": "Abort"});
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-2"), aborted);
        cluster.run();
        let picture = cluster.picture();
        let is_down = cluster.network().down.contains("shop-a");
        let expect = if is_down { "shop-b" } else { "shop-a shop-b" };
        let led = cluster.led_to();
        assert!(
            led == format!("requests go to {expect}") || led == "requests go to shop-b",
            "{middle}: {picture}"
        );
        if middle <= 4 || middle >= 12 {
            assert_eq!(led, "requests go to shop-a shop-b", "{middle}: {picture}");
        }
    }
}

#[test]
fn an_application_that_goes_leaves_rotation_first() {
    let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        cluster.user_delete(&kinds::APPLICATION, &named("shop"));
        cluster.run();
    });
    contains(&picture, &["requests go to \n", "disk {}"]);
}

/// The agent's own reports apart: it has the rest of sixteen writes for thirteen steps, and of eight for seven.
#[test]
fn controllers_write_little_for_each_gear() {
    for (settings, most) in [(settings(json!({})), 6), (json!({}), 2)] {
        let mut cluster = Cluster::new(CALM, &THREE, settings);
        cluster.connect();
        cluster.deploy(1);
        cluster.run();
        let before = cluster.writes;
        cluster.deploy(2);
        cluster.run();
        let writes = cluster.writes - before;
        assert!(writes <= 3 * most, "{writes} writes for three gears");
    }
}
