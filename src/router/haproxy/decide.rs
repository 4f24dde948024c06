//! What to tell a HAProxy so that it does what slices want, and what may be said of it: a pure function.
//!
//! ```text
//! leaving:   ready → drain → (nothing in flight at two looks, or long enough) → maint
//! entering:  (added) → ready → UP by HAProxy's own checks
//! switching: every server of the colour is up → the map names its backend → the other colour's requests end
//! ```
//!
//! Level-triggered: each look decides anew, so that a HAProxy restarted by somebody else, or states changed by hand, are
//! put right by the same lines. Servers that slices never named are not ours: they are left as they are. Weights are
//! never touched.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::router::haproxy::look::Look;
use crate::router::haproxy::look::Server;
use crate::router::haproxy::wanted::Group;
use crate::router::haproxy::wanted::Switch;
use crate::router::haproxy::wanted::Wanted;

/// At how many looks in a row nothing may be in flight before it counts: a request is chosen a server for before it is
/// counted there.
const QUIET_LOOKS: u32 = 2;

/// One command of the runtime API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `drain`, `maint` or `ready`.
    State {
        server: String,
        state: &'static str,
    },
    Add {
        server: String,
        address: SocketAddr,
        weight: u32,
        checked: bool,
    },
    EnableChecks {
        server: String,
    },
    Move {
        server: String,
        address: SocketAddr,
    },
    SetMap {
        map: String,
        key: String,
        value: String,
        is_new: bool,
    },
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::State { server, state } => write!(f, "set server {server} state {state}"),
            Command::Add {
                server,
                address,
                weight,
                checked,
            } => {
                let check = if *checked { " check" } else { "" };
                write!(f, "add server {server} {address} weight {weight}{check}")
            }
            Command::EnableChecks { server } => write!(f, "enable health {server}"),
            Command::Move { server, address } => {
                write!(
                    f,
                    "set server {server} addr {} port {}",
                    address.ip(),
                    address.port()
                )
            }
            Command::SetMap {
                map,
                key,
                value,
                is_new,
            } => {
                let verb = if *is_new { "add" } else { "set" };
                write!(f, "{verb} map {map} {key} {value}")
            }
        }
    }
}

impl Command {
    /// Why an answer means that it was not done.
    pub(super) fn refusal(&self, answer: &str) -> Option<String> {
        let is_done = match self {
            Command::Add { .. } => answer.starts_with("New server registered"),
            // It says what it changed, or that there was nothing to change.
            Command::Move { .. } => ["changed", "no need to change"]
                .iter()
                .any(|word| answer.contains(word)),
            _ => answer.is_empty(),
        };
        if is_done {
            return None;
        }
        let answer = answer.split_whitespace().collect::<Vec<_>>().join(" ");
        let hint = if answer.contains("Permission denied") {
            "; its stats socket needs `level admin`"
        } else {
            ""
        };
        Some(format!("HAProxy refuses `{self}`: {answer}{hint}"))
    }
}

/// A command and the endpoint that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) command: Command,
    /// `ADDRESS:PORT`; empty when requests would still go where they should not, should it fail.
    pub(super) entering: String,
}

/// What survives a restart of the agent: the servers that slices named, by backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ours {
    pub(super) backends: BTreeMap<String, BTreeMap<String, Known>>,
}

/// One server of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// As slices said last; HAProxy may reach it at another one.
    pub(super) address: SocketAddr,
    /// It is not in the configuration: this agent added it.
    #[serde(default)]
    pub(super) added: bool,
}

/// What one look leaves for the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) ours: Ours,
    /// What is being left, a server or a whole backend.
    leaving: BTreeMap<String, Leaving>,
}

impl State {
    pub(super) fn new(ours: Ours) -> State {
        State {
            ours,
            ..State::default()
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Leaving {
    since: Duration,
    quiet: u32,
}

/// What to do, and what may be said once it is done.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) orders: Vec<Order>,
    pub(super) state: State,
    /// Requests in flight at endpoints that left.
    pub(super) draining: BTreeMap<String, u32>,
    /// Endpoints that ought to get requests and do not yet, with the reason.
    pub(super) waiting: BTreeMap<String, String>,
    /// New requests follow the slices, apart from who waits.
    pub(super) is_followed: bool,
    pub(super) problems: Vec<String>,
}

/// Decides at one look; `now` is the time on the agent's own clock.
pub(super) fn decide(wanted: &Wanted, look: &Look, state: &State, now: Duration) -> Plan {
    let mut plan = Plan {
        state: State {
            ours: state.ours.clone(),
            ..State::default()
        },
        is_followed: true,
        problems: wanted.problems.clone(),
        ..Plan::default()
    };
    for group in &wanted.groups {
        Turn {
            group,
            look,
            before: state,
            now,
            plan: &mut plan,
        }
        .take();
    }
    plan
}

/// One group's part.
struct Turn<'a> {
    group: &'a Group,
    look: &'a Look,
    before: &'a State,
    now: Duration,
    plan: &'a mut Plan,
}

impl Turn<'_> {
    fn take(mut self) {
        let Some(servers) = self.look.backends.get(&self.group.backend) else {
            return self.has_no_backend();
        };
        let names: BTreeMap<&String, String> = self
            .group
            .members
            .iter()
            .map(|(node, address)| (node, self.server_of(node, *address, servers)))
            .collect();
        for (node, address) in &self.group.members {
            self.enter(&names[node], *address, servers);
        }
        let ours = self.plan.state.ours.backends.get(&self.group.backend);
        let gone: Vec<(String, Known)> = ours
            .into_iter()
            .flatten()
            .filter(|(server, _)| !names.values().any(|one| one == *server))
            .map(|(server, known)| (server.clone(), known.clone()))
            .collect();
        for (server, known) in gone {
            if let Some(about) = servers.get(&server) {
                self.leave(&server, &known, about);
            } else {
                // It is not in the configuration any more.
                let ours = &mut self.plan.state.ours.backends;
                ours.get_mut(&self.group.backend)
                    .map(|servers| servers.remove(&server));
            }
        }
        if let Some(switch) = &self.group.switch {
            self.switch(switch);
        }
    }

    fn has_no_backend(&mut self) {
        let Group {
            service, backend, ..
        } = self.group;
        let known: Vec<&str> = self
            .look
            .backends
            .keys()
            .map(String::as_str)
            .take(10)
            .collect();
        let why = format!(
            "HAProxy has no backend {backend:?}, which service {service} names; it has {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        );
        for address in self.group.members.values() {
            self.plan.waiting.insert(address.to_string(), why.clone());
        }
        self.plan.problems.push(why);
    }

    /// The server that stands for a gear: called like its node, or at its address; else one to add.
    fn server_of(
        &self,
        node: &str,
        address: SocketAddr,
        servers: &BTreeMap<String, Server>,
    ) -> String {
        if servers.contains_key(node) {
            return node.to_owned();
        }
        let mut others = servers
            .iter()
            .filter(|(name, _)| !self.group.members.contains_key(*name));
        let there = others.find(|(_, about)| about.address == Some(address));
        there.map_or_else(|| node.to_owned(), |(name, _)| name.clone())
    }

    fn order(&mut self, command: Command, entering: &str) {
        self.plan.orders.push(Order {
            command,
            entering: entering.to_owned(),
        });
    }

    fn set_state(&mut self, server: &str, state: &'static str, entering: &str) {
        let server = server.to_owned();
        self.order(Command::State { server, state }, entering);
    }

    fn enter(&mut self, server: &str, address: SocketAddr, servers: &BTreeMap<String, Server>) {
        let backend = &self.group.backend;
        let full = format!("{backend}/{server}");
        let endpoint = address.to_string();
        let known = self
            .plan
            .state
            .ours
            .backends
            .entry(backend.clone())
            .or_default();
        let Some(about) = servers.get(server) else {
            let checked = servers.values().any(|one| one.has_checks);
            // What other gears have, so that it gets its share.
            let named = |name: &&String| self.group.members.contains_key(*name);
            let like = servers
                .keys()
                .find(named)
                .and_then(|name| servers.get(name));
            let weight = like.map(|like| like.weight).filter(|weight| *weight > 0);
            known.insert(
                server.to_owned(),
                Known {
                    address,
                    added: true,
                },
            );
            let add = Command::Add {
                server: full.clone(),
                address,
                weight: weight.unwrap_or(1),
                checked,
            };
            self.order(add, &endpoint);
            if checked {
                self.order(
                    Command::EnableChecks {
                        server: full.clone(),
                    },
                    &endpoint,
                );
            }
            self.set_state(&full, "ready", &endpoint);
            self.plan
                .waiting
                .insert(endpoint, format!("server {full} is being added"));
            return;
        };
        let added = known.get(server).is_some_and(|known| known.added);
        known.insert(server.to_owned(), Known { address, added });
        let is_elsewhere = match about.address {
            // The configuration may know a way that slices do not; what this agent added it also moves.
            Some(there) => added && there != address,
            None => true,
        };
        if is_elsewhere {
            let there = Command::Move {
                server: full.clone(),
                address,
            };
            self.order(there, &endpoint);
        }
        if !about.is_ready() {
            self.set_state(&full, "ready", &endpoint);
            self.plan
                .waiting
                .insert(endpoint, format!("server {full} is being made ready"));
        } else if let Some(why) = about.hindrance() {
            self.plan
                .waiting
                .insert(endpoint, format!("server {full} is {why}"));
        }
    }

    fn leave(&mut self, server: &str, known: &Known, about: &Server) {
        let full = format!("{}/{server}", self.group.backend);
        if about.in_flight > 0 {
            self.plan
                .draining
                .insert(known.address.to_string(), about.in_flight);
        }
        if about.is_in_maintenance() {
            return;
        }
        if !about.is_drained() {
            self.plan.is_followed = false;
            self.set_state(&full, "drain", "");
            self.plan.state.leaving.insert(full, self.fresh());
            return;
        }
        let leaving = self.seen_leaving(&full, about.in_flight);
        if leaving.quiet >= QUIET_LOOKS || self.is_over(&leaving) {
            self.set_state(&full, "maint", "");
        } else if about.in_flight == 0 {
            self.plan.is_followed = false;
        }
        self.plan.state.leaving.insert(full, leaving);
    }

    /// Whether the drain time that the application gives is over.
    fn is_over(&self, leaving: &Leaving) -> bool {
        self.now.saturating_sub(leaving.since) >= self.group.drain
    }

    fn fresh(&self) -> Leaving {
        Leaving {
            since: self.now,
            quiet: 0,
        }
    }

    fn seen_leaving(&self, what: &str, in_flight: u32) -> Leaving {
        let before = self.before.leaving.get(what);
        let mut leaving = before.cloned().unwrap_or_else(|| self.fresh());
        leaving.quiet = if in_flight == 0 { leaving.quiet + 1 } else { 0 };
        leaving
    }

    fn switch(&mut self, switch: &Switch) {
        let backend = &self.group.backend;
        let Switch { map, key, other } = switch;
        let name = format!("{map} {key}");
        let endpoints: Vec<String> = self
            .group
            .members
            .values()
            .map(ToString::to_string)
            .collect();
        let Some(Some(entries)) = self.look.maps.get(map) else {
            let why = format!(
                "HAProxy has no map {map:?}, which service {} names; a use_backend line must name that file",
                self.group.service
            );
            self.plan.is_followed = false;
            self.plan
                .waiting
                .extend(endpoints.into_iter().map(|one| (one, why.clone())));
            self.plan.problems.push(why);
            return;
        };
        let current = entries.get(key);
        if current != Some(backend) {
            self.plan.is_followed = false;
            let mut hindered = endpoints
                .iter()
                .filter_map(|one| self.plan.waiting.get(one));
            if let Some(why) = hindered.next() {
                let why = format!("{key} is not switched to {backend} yet: {why}");
                self.plan.problems.push(why);
            } else if !endpoints.is_empty() {
                let set = Command::SetMap {
                    map: map.clone(),
                    key: key.clone(),
                    value: backend.clone(),
                    is_new: current.is_none(),
                };
                self.order(set, "");
                self.plan.state.leaving.insert(name, self.fresh());
            }
            let why = format!("{key} is not switched to {backend} yet");
            for endpoint in endpoints {
                self.plan
                    .waiting
                    .entry(endpoint)
                    .or_insert_with(|| why.clone());
            }
            return;
        }
        // The other colour's servers stay as they are: they are what a rollback switches back to.
        let ours = self.plan.state.ours.backends.get(other);
        let mut left = 0;
        for (server, about) in self.look.backends.get(other).into_iter().flatten() {
            let known = ours
                .and_then(|servers| servers.get(server))
                .map(|known| known.address);
            if let (true, Some(address)) = (about.in_flight > 0, known.or(about.address)) {
                self.plan
                    .draining
                    .insert(address.to_string(), about.in_flight);
                left += about.in_flight;
            }
        }
        if self.before.leaving.contains_key(&name) {
            let leaving = self.seen_leaving(&name, left);
            if leaving.quiet < QUIET_LOOKS && left == 0 {
                self.plan.is_followed = false;
            }
            if leaving.quiet < QUIET_LOOKS {
                self.plan.state.leaving.insert(name, leaving);
            }
        }
    }
}

impl Plan {
    /// Whether the next look is worth taking soon.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_followed
            || !self.orders.is_empty()
            || !self.draining.is_empty()
            || !self.waiting.is_empty()
            || !self.state.leaving.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::haproxy::look::FORCED_DRAIN;
    use crate::router::haproxy::look::FORCED_MAINTENANCE;

    /// A HAProxy that does what it is told, and slices that say who is in.
    #[derive(Default)]
    struct World {
        look: Look,
        wanted: Wanted,
        state: State,
        second: u64,
    }

    impl World {
        /// Servers `a`, `b`, … of a backend, ready and in the slices.
        fn of(backend: &str, servers: &[&str]) -> World {
            let mut world = World::default();
            world.add(backend, servers);
            world.wanted.groups.push(Group {
                service: "demo/shop".to_owned(),
                backend: backend.to_owned(),
                members: servers
                    .iter()
                    .map(|name| ((*name).to_owned(), address(name)))
                    .collect(),
                drain: Duration::from_secs(90),
                switch: None,
            });
            world.settle();
            world
        }

        fn add(&mut self, backend: &str, servers: &[&str]) {
            let found = self.look.backends.entry(backend.to_owned()).or_default();
            for name in servers {
                let about = Server {
                    address: Some(address(name)),
                    weight: 7,
                    status: "UP".to_owned(),
                    ..Server::default()
                };
                found.insert((*name).to_owned(), about);
            }
        }

        fn server(&mut self, name: &str) -> &mut Server {
            let (backend, server) = name.split_once('/').unwrap();
            self.look
                .backends
                .get_mut(backend)
                .unwrap()
                .get_mut(server)
                .unwrap()
        }

        /// One look: the orders, done.
        fn turn(&mut self) -> (Vec<String>, Plan) {
            self.second += 1;
            let plan = decide(
                &self.wanted,
                &self.look,
                &self.state,
                Duration::from_secs(self.second),
            );
            self.state = plan.state.clone();
            for order in &plan.orders {
                match &order.command {
                    Command::State { server, state } => {
                        self.server(server).admin = match *state {
                            "drain" => FORCED_DRAIN,
                            "maint" => FORCED_MAINTENANCE,
                            _ => 0,
                        }
                    }
                    Command::Add {
                        server, address, ..
                    } => {
                        let (backend, name) = server.split_once('/').unwrap();
                        self.add(backend, &[name]);
                        self.server(server).address = Some(*address);
                        self.server(server).admin = FORCED_MAINTENANCE;
                    }
                    Command::Move { server, address } => {
                        self.server(server).address = Some(*address);
                    }
                    Command::SetMap {
                        map, key, value, ..
                    } => {
                        let entries = self.look.maps.get_mut(map).unwrap().as_mut().unwrap();
                        entries.insert(key.clone(), value.clone());
                    }
                    Command::EnableChecks { .. } => {}
                }
            }
            let orders = plan.orders.iter().map(|order| order.command.to_string());
            (orders.collect(), plan)
        }

        fn settle(&mut self) {
            while !self.turn().0.is_empty() {}
        }

        fn members(&mut self) -> &mut BTreeMap<String, SocketAddr> {
            &mut self.wanted.groups[0].members
        }
    }

    fn address(name: &str) -> SocketAddr {
        let last = name.bytes().last().unwrap();
        SocketAddr::new([10, 0, 0, last].into(), 8080)
    }

    #[test]
    fn a_server_that_leaves_is_drained_then_in_maintenance() {
        let mut world = World::of("shop", &["a", "b"]);
        world.members().remove("a");
        world.server("shop/a").in_flight = 2;
        let (orders, plan) = world.turn();
        assert_eq!(orders, ["set server shop/a state drain"]);
        assert!(!plan.is_followed);
        let (orders, plan) = world.turn();
        assert_eq!(orders, [] as [&str; 0]);
        assert!(plan.is_followed, "new requests go elsewhere");
        assert_eq!(plan.draining[&address("a").to_string()], 2);
        world.server("shop/a").in_flight = 0;
        let (orders, plan) = world.turn();
        assert!(
            orders.is_empty() && !plan.is_followed,
            "one quiet look is no proof"
        );
        let (orders, plan) = world.turn();
        assert_eq!(orders, ["set server shop/a state maint"]);
        assert!(plan.is_followed && plan.draining.is_empty());
        let (orders, plan) = world.turn();
        assert!(orders.is_empty() && !plan.is_busy());
    }

    #[test]
    fn requests_tied_to_a_server_do_not_keep_it_for_ever() {
        let mut world = World::of("shop", &["a", "b"]);
        world.members().remove("a");
        world.server("shop/a").in_flight = 1;
        world.turn();
        world.second += 88;
        let (orders, _) = world.turn();
        assert_eq!(
            orders,
            [] as [&str; 0],
            "the application gives them 90 seconds"
        );
        let (orders, plan) = world.turn();
        assert_eq!(orders, ["set server shop/a state maint"]);
        assert_eq!(plan.draining.len(), 1, "they are still told");
    }

    #[test]
    fn a_server_that_enters_is_ready_when_haproxy_finds_it_up() {
        let mut world = World::of("shop", &["a", "b"]);
        world.members().remove("a");
        world.settle();
        world.turn();
        world.settle();
        assert!(world.server("shop/a").is_in_maintenance());
        world.members().insert("a".to_owned(), address("a"));
        world.server("shop/a").status = "DOWN".to_owned();
        world.server("shop/a").check = "L4CON".to_owned();
        let (orders, plan) = world.turn();
        assert_eq!(orders, ["set server shop/a state ready"]);
        assert_eq!(plan.waiting.len(), 1);
        let (orders, plan) = world.turn();
        assert_eq!(orders, [] as [&str; 0]);
        assert_eq!(
            plan.waiting[&address("a").to_string()],
            "server shop/a is DOWN by HAProxy's own check (L4CON)"
        );
        assert!(plan.is_followed, "others do not wait for it");
        world.server("shop/a").status = "UP 1/3".to_owned();
        assert!(world.turn().1.waiting.is_empty());
        assert_eq!(world.server("shop/a").weight, 7);
    }

    #[test]
    fn what_somebody_changed_or_a_restart_forgot_is_put_right() {
        let mut world = World::of("shop", &["a", "b"]);
        world.members().remove("a");
        for _ in 0..4 {
            world.turn();
        }
        world.server("shop/a").admin = 0;
        world.server("shop/b").admin = FORCED_MAINTENANCE;
        let (orders, plan) = world.turn();
        let right = [
            "set server shop/b state ready",
            "set server shop/a state drain",
        ];
        assert_eq!(orders, right);
        assert!(!plan.is_followed);
        world.add("shop", &["stranger"]);
        world.server("shop/stranger").admin = FORCED_DRAIN;
        world.settle();
        assert!(world.server("shop/stranger").is_drained(), "not ours");
    }

    #[test]
    fn a_gear_is_found_by_name_then_by_address_else_added() {
        let mut world = World::of("shop", &["a"]);
        world.add("shop", &["other"]);
        world.server("shop/other").address = Some(address("b"));
        world.server("shop/other").admin = FORCED_MAINTENANCE;
        world.server("shop/other").has_checks = true;
        world.members().insert("b".to_owned(), address("b"));
        world.members().insert("c".to_owned(), address("c"));
        let (orders, plan) = world.turn();
        assert_eq!(
            orders,
            [
                "set server shop/other state ready",
                "add server shop/c 10.0.0.99:8080 weight 7 check",
                "enable health shop/c",
                "set server shop/c state ready",
            ]
        );
        assert_eq!(plan.waiting.len(), 2);
        world.settle();
        // One that was added moves with its gear; a configured one stays where the configuration has it.
        let there: SocketAddr = "10.9.9.9:81".parse().unwrap();
        world.members().insert("a".to_owned(), there);
        world.members().insert("c".to_owned(), there);
        assert_eq!(world.turn().0, ["set server shop/c addr 10.9.9.9 port 81"]);
    }

    #[test]
    fn a_wrong_backend_holds_up_nobody_else() {
        let mut world = World::of("shop", &["a"]);
        let other = Group {
            service: "demo/web".to_owned(),
            backend: "wbe".to_owned(),
            members: BTreeMap::from([("b".to_owned(), address("b"))]),
            ..Group::default()
        };
        world.wanted.groups.push(other);
        let (orders, plan) = world.turn();
        assert!(orders.is_empty() && plan.is_followed);
        let why = "HAProxy has no backend \"wbe\", which service demo/web names; it has shop";
        assert_eq!(plan.problems, [why]);
        assert_eq!(plan.waiting[&address("b").to_string()], why);
    }

    #[test]
    fn a_map_is_switched_when_all_of_the_color_is_up() {
        let mut world = World::of("shop-green", &["b", "d"]);
        world.add("shop-blue", &["a"]);
        let map = "/etc/h.map".to_owned();
        let entries = BTreeMap::from([("shop".to_owned(), "shop-blue".to_owned())]);
        world.look.maps.insert(map.clone(), Some(entries));
        world.wanted.groups[0].switch = Some(Switch {
            map: map.clone(),
            key: "shop".to_owned(),
            other: "shop-blue".to_owned(),
        });
        world.server("shop-green/d").status = "DOWN".to_owned();
        let (orders, plan) = world.turn();
        assert!(orders.is_empty() && !plan.is_followed);
        assert_eq!(
            plan.problems,
            ["shop is not switched to shop-green yet: server shop-green/d is DOWN"]
        );
        assert_eq!(plan.waiting.len(), 2);
        world.server("shop-green/d").status = "UP".to_owned();
        world.server("shop-blue/a").in_flight = 3;
        assert_eq!(world.turn().0, ["set map /etc/h.map shop shop-green"]);
        let (orders, plan) = world.turn();
        assert!(orders.is_empty() && plan.is_followed);
        assert_eq!(plan.draining[&address("a").to_string()], 3);
        world.server("shop-blue/a").in_flight = 0;
        assert!(!world.turn().1.is_followed);
        let plan = world.turn().1;
        assert!(plan.is_followed && plan.draining.is_empty() && !plan.is_busy());
        assert!(
            world.server("shop-blue/a").is_ready(),
            "what one goes back to stays ready"
        );
        // A server that goes down later is told, but nothing is switched back.
        world.server("shop-green/d").status = "DOWN".to_owned();
        assert!(world.turn().1.is_followed);
        world.look.maps.insert(map, None);
        assert!(world.turn().1.problems[0].starts_with("HAProxy has no map \"/etc/h.map\""));
    }

    #[test]
    fn a_refusal_is_told_in_haproxy_s_words() {
        let state = Command::State {
            server: "shop/a".to_owned(),
            state: "drain",
        };
        assert_eq!(state.refusal(""), None);
        assert_eq!(
            state.refusal("Permission denied\n").unwrap(),
            "HAProxy refuses `set server shop/a state drain`: Permission denied; its stats socket needs `level admin`"
        );
        let there = Command::Move {
            server: "shop/a".to_owned(),
            address: address("a"),
        };
        assert_eq!(there.refusal("IP changed from '1' to '2'"), None);
        assert!(there.refusal("No such server.").is_some());
    }
}
