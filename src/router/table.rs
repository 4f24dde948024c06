//! What leads where: hosts and paths to endpoints, service addresses to endpoints. Immutable once it is published.
//!
//! [`Book`] takes routes, services and slices as they change and makes the next [`Table`] by rebuilding only what hangs
//! on the change; the rest is shared with the table before. It does no I/O and knows no clock. Requests read a table;
//! the only things that they write are the counters of an [`Endpoint`].
//!
//! # Decided
//!
//! A route without a port uses the service's first TCP port: spreading requests over all ports, as OpenShift's
//! default says, would send every second request of a web application to its metrics. Routes that want TLS ended by
//! the router (`edge`) are served in plain text, and `passthrough` and `reencrypt` are not admitted, until the router
//! has certificates.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::hash::Hash;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::api::meta::Key;
use crate::api::network::EndpointSlice;
use crate::api::network::LABEL_SERVICE;
use crate::api::network::Route;
use crate::api::network::RoutePort;
use crate::api::network::RouteTarget;
use crate::api::network::Service;
use crate::router::choice;

/// How long an endpoint may take to begin its answer when the route does not say.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Annotation of a Route: how long its endpoints may take to begin an answer.
pub const TIMEOUT: &str = "haproxy.router.openshift.io/timeout";
/// The weight of a backend that does not say.
const WEIGHT: u32 = 100;
/// Into how many parts a table is cut, so that a change copies one of them.
const PARTS: usize = 64;

/// One address that takes requests for one service.
#[derive(Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    in_flight: AtomicU32,
    gone: AtomicBool,
    /// Whether the last connection to it failed; it is then the last choice.
    suspect: AtomicBool,
}

impl Endpoint {
    fn new(address: SocketAddr) -> Endpoint {
        Endpoint {
            address,
            in_flight: AtomicU32::new(0),
            gone: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
        }
    }

    /// Requests and connections that it has not finished.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Whether it has left rotation for good; an address that comes back is another endpoint.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    /// Notes that it has left rotation: no request begins on it after this returns, except those counted already.
    pub fn leave(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// Counts a request that begins; false when it has left rotation in the meantime.
    ///
    /// Counting first and looking second is what makes [`Endpoint::leave`] sure: whoever leaves sees the request, or
    /// the request sees the leaving.
    pub fn begin(&self) -> bool {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        if self.is_gone() {
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// Counts a request that ended; true when it was the last one of an endpoint that has left.
    pub fn end(&self) -> bool {
        self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_gone()
    }

    /// Notes whether the last connection to it could be made; true when that is news.
    pub fn suspect(&self, failed: bool) -> bool {
        self.suspect.load(Ordering::Relaxed) != failed
            && self.suspect.swap(failed, Ordering::Relaxed) != failed
    }
}

/// The endpoints in rotation of one port of a service.
#[derive(Debug, Default)]
pub struct Members {
    endpoints: Vec<Arc<Endpoint>>,
    turn: AtomicUsize,
}

impl Members {
    /// The endpoint that has the least to do, without those in `tried`; a suspect only when there is no other.
    pub fn choose(&self, tried: &[SocketAddr]) -> Option<&Arc<Endpoint>> {
        if let ([only], []) = (self.endpoints.as_slice(), tried) {
            return Some(only);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let load = |index: usize, suspects: bool| {
            let endpoint = &self.endpoints[index];
            let is_out = endpoint.suspect.load(Ordering::Relaxed) && !suspects
                || tried.contains(&endpoint.address);
            (!is_out).then(|| endpoint.in_flight.load(Ordering::Relaxed))
        };
        let count = self.endpoints.len();
        choice::least(count, turn, |index| load(index, false))
            .or_else(|| choice::least(count, turn, |index| load(index, true)))
            .map(|index| &self.endpoints[index])
    }

    /// Whether there is another endpoint than this one and those in `tried`.
    pub fn has_other(&self, than: SocketAddr, tried: &[SocketAddr]) -> bool {
        let mut others = self.endpoints.iter().map(|endpoint| endpoint.address);
        others.any(|address| address != than && !tried.contains(&address))
    }
}

/// One path of a host and what stands behind it.
#[derive(Debug)]
pub struct Rule {
    path: String,
    /// How long an endpoint may take to begin its answer.
    pub answer_within: Duration,
    backends: Vec<Arc<Members>>,
    turns: Vec<u8>,
    turn: AtomicUsize,
}

impl Rule {
    /// The endpoint for the next request, without those in `tried`.
    pub fn choose(&self, tried: &[SocketAddr]) -> Option<&Arc<Endpoint>> {
        if let [only] = self.backends.as_slice() {
            return if self.turns.is_empty() {
                None
            } else {
                only.choose(tried)
            };
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..self.turns.len()).find_map(|step| {
            let backend = self.turns[(turn + step) % self.turns.len()];
            self.backends[usize::from(backend)].choose(tried)
        })
    }

    /// Whether a request may go to another endpoint than this one and those in `tried`.
    pub fn has_other(&self, than: SocketAddr, tried: &[SocketAddr]) -> bool {
        let backends = self.backends.iter().enumerate();
        let mut used = backends
            .filter(|(index, _)| self.turns.iter().any(|turn| usize::from(*turn) == *index));
        used.any(|(_, backend)| backend.has_other(than, tried))
    }

    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| {
            rest.is_empty()
                || self.path.is_empty()
                || self.path.ends_with('/')
                || rest.starts_with('/')
        })
    }
}

/// A map that copies only the part that changes.
#[derive(Debug)]
struct Parted<K, V>(Vec<Arc<HashMap<K, V>>>, std::hash::RandomState);

impl<K: Clone + Eq + Hash, V: Clone> Parted<K, V> {
    fn new() -> Parted<K, V> {
        Parted(vec![Arc::default(); PARTS], std::hash::RandomState::new())
    }

    fn part<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        usize::try_from(self.1.hash_one(key) % PARTS as u64).unwrap_or(0)
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0[self.part(key)].get(key)
    }

    fn set(&mut self, key: &K, value: Option<V>) {
        let part = self.part(key);
        let part = Arc::make_mut(&mut self.0[part]);
        match value {
            Some(value) => part.insert(key.clone(), value),
            None => part.remove(key),
        };
    }
}

impl<K, V> Clone for Parted<K, V> {
    fn clone(&self) -> Parted<K, V> {
        Parted(self.0.clone(), self.1.clone())
    }
}

/// Where every request and connection goes at one moment.
#[derive(Clone, Debug)]
pub struct Table {
    /// The rules of a host, longest path first; `*.DOMAIN` for wildcard routes.
    hosts: Parted<String, Arc<[Arc<Rule>]>>,
    wildcards: usize,
    fronts: Parted<SocketAddr, Arc<Members>>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            hosts: Parted::new(),
            wildcards: 0,
            fronts: Parted::new(),
        }
    }
}

impl Table {
    /// What a request for this host (in lower case, without port) and path goes by.
    pub fn rule(&self, host: &str, path: &str) -> Option<&Arc<Rule>> {
        let find = |host: &str| self.hosts.get(host)?.iter().find(|rule| rule.covers(path));
        if let Some(rule) = find(host) {
            return Some(rule);
        }
        if self.wildcards == 0 {
            return None;
        }
        find(&format!("*.{}", host.split_once('.')?.1))
    }

    /// The endpoints behind a service's own address.
    pub fn front(&self, address: SocketAddr) -> Option<&Arc<Members>> {
        self.fronts.get(&address)
    }
}

/// What a change came to.
#[derive(Debug, Default)]
pub struct Built {
    /// Endpoints that are not in rotation any more.
    pub left: Vec<Arc<Endpoint>>,
    /// Service addresses that appeared (with their service) or went away.
    pub fronts: Vec<(SocketAddr, Option<Key>)>,
}

/// One port of a service: which endpoints it has, under which number.
#[derive(Clone, Debug)]
struct Port {
    number: u16,
    members: Arc<Members>,
}

/// Everything known, and the table made of it.
#[derive(Debug, Default)]
pub struct Book {
    table: Table,
    routes: HashMap<Key, Arc<Route>>,
    services: HashMap<Key, Arc<Service>>,
    /// By service, then by slice.
    slices: HashMap<Key, BTreeMap<Key, Arc<EndpointSlice>>>,
    service_of_slice: HashMap<Key, Key>,
    routes_of_host: HashMap<String, BTreeSet<Key>>,
    routes_of_service: HashMap<Key, BTreeSet<Key>>,
    /// By service, then by port name.
    ports: HashMap<Key, BTreeMap<String, Port>>,
    fronts_of_service: HashMap<Key, Vec<SocketAddr>>,
    dirty_hosts: HashSet<String>,
    dirty_services: HashSet<Key>,
}

impl Book {
    /// Takes in a route, or that it is gone; one that is not admitted leads nowhere.
    pub fn route(&mut self, key: &Key, route: Option<Arc<Route>>) {
        let route = route.filter(|route| route.is_admitted() && !route.spec.host.is_empty());
        if let Some(old) = self.routes.remove(key) {
            self.enter(key, &old, false);
        }
        if let Some(new) = route {
            self.enter(key, &new, true);
            self.routes.insert(key.clone(), new);
        }
    }

    fn enter(&mut self, key: &Key, route: &Route, present: bool) {
        let host = host_of(route);
        note(&mut self.routes_of_host, host.clone(), key, present);
        self.dirty_hosts.insert(host);
        for target in targets(route) {
            let service = Key::new(key.namespace.clone(), target.name.clone());
            note(&mut self.routes_of_service, service, key, present);
        }
    }

    /// Takes in a service, or that it is gone.
    pub fn service(&mut self, key: &Key, service: Option<Arc<Service>>) {
        match service {
            Some(service) => self.services.insert(key.clone(), service),
            None => self.services.remove(key),
        };
        self.dirty_services.insert(key.clone());
    }

    /// Takes in a slice, or that it is gone.
    pub fn slice(&mut self, key: &Key, slice: Option<Arc<EndpointSlice>>) {
        if let Some(service) = self.service_of_slice.remove(key) {
            if let Some(slices) = self.slices.get_mut(&service) {
                slices.remove(key);
            }
            self.dirty_services.insert(service);
        }
        let named = slice
            .as_ref()
            .and_then(|slice| slice.metadata.labels.get(LABEL_SERVICE));
        if let Some(name) = named {
            let service = Key::new(key.namespace.clone(), name.clone());
            self.service_of_slice.insert(key.clone(), service.clone());
            let slices = self.slices.entry(service.clone()).or_default();
            slices.extend(slice.map(|slice| (key.clone(), slice)));
            self.dirty_services.insert(service);
        }
    }

    /// Rebuilds what changed since the last time; `None` when nothing did.
    pub fn build(&mut self) -> Option<(Table, Built)> {
        if self.dirty_services.is_empty() && self.dirty_hosts.is_empty() {
            return None;
        }
        let mut built = Built::default();
        for service in std::mem::take(&mut self.dirty_services) {
            self.build_ports(&service, &mut built);
            self.build_fronts(&service, &mut built);
            for route in self.routes_of_service.get(&service).into_iter().flatten() {
                if let Some(route) = self.routes.get(route) {
                    self.dirty_hosts.insert(host_of(route));
                }
            }
        }
        for host in std::mem::take(&mut self.dirty_hosts) {
            self.build_host(&host);
        }
        Some((self.table.clone(), built))
    }

    /// The endpoints of each port of a service; one that stays keeps its counters.
    fn build_ports(&mut self, service: &Key, built: &mut Built) {
        let old = self.ports.remove(service).unwrap_or_default();
        let mut new: BTreeMap<String, (u16, BTreeSet<SocketAddr>)> = BTreeMap::new();
        for slice in self
            .slices
            .get(service)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            for port in slice.ports.iter().filter(|port| is_tcp(&port.protocol)) {
                let (number, addresses) = new.entry(port.name.clone()).or_default();
                *number = port.port;
                addresses.extend(ready(slice).map(|ip| SocketAddr::new(ip, port.port)));
            }
        }
        if self.slices.get(service).is_some_and(BTreeMap::is_empty) {
            self.slices.remove(service);
        }
        let mut ports = BTreeMap::new();
        for (name, (number, addresses)) in &new {
            let before = old.get(name).map(|port| &port.members);
            let endpoints = addresses
                .iter()
                .map(|address| known(before, *address))
                .collect();
            let turn = before.map_or(0, |members| members.turn.load(Ordering::Relaxed));
            let members = Members {
                endpoints,
                turn: turn.into(),
            };
            let port = Port {
                number: *number,
                members: Arc::new(members),
            };
            ports.insert(name.clone(), port);
        }
        for (name, port) in old {
            let stays = |endpoint: &Arc<Endpoint>| {
                new.get(&name)
                    .is_some_and(|(_, addresses)| addresses.contains(&endpoint.address))
            };
            let left = port.members.endpoints.iter().filter(|one| !stays(one));
            built.left.extend(left.cloned());
        }
        if !ports.is_empty() {
            self.ports.insert(service.clone(), ports);
        }
    }

    /// The addresses of a service itself.
    ///
    /// A loopback address is there only while an endpoint is: listening on it keeps the port from every application that
    /// listens on all addresses, also from the service's own one that is about to start.
    fn build_fronts(&mut self, key: &Key, built: &mut Built) {
        let old = self.fronts_of_service.remove(key).unwrap_or_default();
        let mut new = Vec::new();
        if let Some(service) = self.services.get(key)
            && let Ok(ip) = service.spec.cluster_ip.parse::<IpAddr>()
        {
            for port in service
                .spec
                .ports
                .iter()
                .filter(|port| is_tcp(&port.protocol))
            {
                let address = SocketAddr::new(ip, port.port);
                let known = self.ports.get(key).and_then(|ports| ports.get(&port.name));
                let members = known.map(|port| port.members.clone()).unwrap_or_default();
                if ip.is_loopback() && members.endpoints.is_empty() {
                    continue;
                }
                self.table.fronts.set(&address, Some(members));
                if !old.contains(&address) {
                    built.fronts.push((address, Some(key.clone())));
                }
                new.push(address);
            }
        }
        for address in old.iter().filter(|address| !new.contains(address)) {
            self.table.fronts.set(address, None);
            built.fronts.push((*address, None));
        }
        if !new.is_empty() {
            self.fronts_of_service.insert(key.clone(), new);
        }
    }

    fn build_host(&mut self, host: &String) {
        let routes = self.routes_of_host.get(host).into_iter().flatten();
        let mut rules: Vec<Arc<Rule>> = routes
            .filter_map(|key| Some(Arc::new(self.rule(key, self.routes.get(key)?))))
            .collect();
        // The sort is stable: of two routes for one path (only one is admitted) the first by name wins.
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.path.len()));
        let is_wildcard = host.starts_with("*.");
        let was_there = self.table.hosts.get(host).is_some();
        let is_there = !rules.is_empty();
        self.table.hosts.set(host, is_there.then(|| rules.into()));
        match (is_wildcard, was_there, is_there) {
            (true, false, true) => self.table.wildcards += 1,
            (true, true, false) => self.table.wildcards -= 1,
            _ => {}
        }
    }

    fn rule(&self, key: &Key, route: &Route) -> Rule {
        let mut weights = Vec::new();
        let mut backends = Vec::new();
        for target in targets(route) {
            let service = Key::new(key.namespace.clone(), target.name.clone());
            let members = self.members(&service, route.spec.port.as_ref());
            let has_endpoints = members
                .as_ref()
                .is_some_and(|all| !all.endpoints.is_empty());
            // The share of a service without endpoints goes to the others.
            weights.push(if has_endpoints {
                target.weight.unwrap_or(WEIGHT)
            } else {
                0
            });
            backends.push(members.unwrap_or_default());
        }
        Rule {
            path: route.spec.path.clone(),
            answer_within: answer_within(route),
            turns: choice::turns(&weights),
            backends,
            turn: AtomicUsize::new(0),
        }
    }

    /// The endpoints behind the port that a route names: by a service port's name, its number or its target's number.
    fn members(&self, key: &Key, wanted: Option<&RoutePort>) -> Option<Arc<Members>> {
        let ports = self.ports.get(key)?;
        let service = self.services.get(key).map(|service| &service.spec.ports);
        let service_ports = || {
            service
                .into_iter()
                .flatten()
                .filter(|port| is_tcp(&port.protocol))
        };
        let Some(RoutePort { target_port }) = wanted else {
            let first = service_ports().find_map(|port| ports.get(&port.name));
            let port = first.or_else(|| ports.values().next())?;
            return Some(port.members.clone());
        };
        let port = if let Some(name) = target_port.as_str()
            && let Some(port) = ports.get(name)
        {
            port
        } else {
            let by_target = service_ports().find(|port| port.target_port == *target_port);
            let number = number(target_port);
            let by_number = || service_ports().find(|port| Some(port.port) == number);
            match by_target.or_else(by_number) {
                Some(port) => ports.get(&port.name)?,
                None => ports.values().find(|port| Some(port.number) == number)?,
            }
        };
        Some(port.members.clone())
    }
}

fn note<K: Eq + Hash>(of: &mut HashMap<K, BTreeSet<Key>>, who: K, key: &Key, present: bool) {
    let keys = of.entry(who);
    if present {
        keys.or_default().insert(key.clone());
    } else if let std::collections::hash_map::Entry::Occupied(mut keys) = keys {
        keys.get_mut().remove(key);
        if keys.get().is_empty() {
            keys.remove();
        }
    }
}

fn known(before: Option<&Arc<Members>>, address: SocketAddr) -> Arc<Endpoint> {
    before
        .into_iter()
        .flat_map(|members| &members.endpoints)
        .find(|endpoint| endpoint.address == address)
        .cloned()
        .unwrap_or_else(|| Arc::new(Endpoint::new(address)))
}

fn ready(slice: &EndpointSlice) -> impl Iterator<Item = IpAddr> {
    slice
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.conditions.ready)
        .filter_map(|endpoint| endpoint.addresses.first()?.parse().ok())
}

fn is_tcp(protocol: &str) -> bool {
    matches!(protocol, "" | "TCP")
}

fn number(value: &Value) -> Option<u16> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    text.or_else(|| value.as_u64().and_then(|number| number.try_into().ok()))
}

/// The backends of a route that are services.
fn targets(route: &Route) -> impl Iterator<Item = &RouteTarget> {
    std::iter::once(&route.spec.to)
        .chain(&route.spec.alternate_backends)
        .filter(|target| !target.name.is_empty())
}

/// The host under which the table has a route.
fn host_of(route: &Route) -> String {
    let host = route.spec.host.to_ascii_lowercase();
    match host.split_once('.') {
        Some((_, domain)) if route.spec.wildcard_policy == "Subdomain" => format!("*.{domain}"),
        _ => host,
    }
}

fn answer_within(route: &Route) -> Duration {
    let said = route.metadata.annotations.get(TIMEOUT);
    said.and_then(|text| duration(text))
        .unwrap_or(ANSWER_WITHIN)
}

/// A duration as HAProxy writes it: `500ms`, `5s`, `2m`, `1h`, `1d`; milliseconds without a unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.len()
        - text
            .trim_start_matches(|one: char| one.is_ascii_digit())
            .len();
    let count: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(unit)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::meta::Typed;

    fn key(name: &str) -> Key {
        Key::new("n", name)
    }

    fn route(name: &str, host: &str, path: &str, services: &[(&str, u32)]) -> Arc<Route> {
        let target = |(name, weight): &(&str, u32)| json!({"kind": "Service", "name": name, "weight": weight});
        let targets: Vec<Value> = services.iter().map(target).collect();
        let object = json!({
            "metadata": {"name": name, "namespace": "n"},
            "spec": {"host": host, "path": path, "to": targets[0], "alternateBackends": targets[1..]},
            "status": {"ingress": [{"conditions": [{"type": "Admitted", "status": "True", "reason": "", "message": ""}]}]},
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn service(ip: &str, ports: &Value) -> Arc<Service> {
        let object = json!({"metadata": {"name": "s"}, "spec": {"clusterIP": ip, "ports": ports}});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    /// A slice of a service: its port's name and number, and the addresses that are ready.
    fn slice(service: &str, port: (&str, u16), ready: &[&str]) -> Arc<EndpointSlice> {
        let endpoint = |ip: &&str| json!({"addresses": [ip], "conditions": {"ready": true}});
        let mut endpoints: Vec<Value> = ready.iter().map(endpoint).collect();
        endpoints.push(json!({"addresses": ["9.9.9.9"], "conditions": {"ready": false}}));
        let object = json!({
            "metadata": {"labels": {LABEL_SERVICE: service}},
            "endpoints": endpoints,
            "ports": [{"name": port.0, "protocol": "TCP", "port": port.1}],
        });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    /// Whom the next requests for a host and path go to, or why to nobody.
    fn chosen(table: &Table, host: &str, path: &str) -> String {
        match table.rule(host, path) {
            None => "no rule".to_owned(),
            Some(rule) => rule
                .choose(&[])
                .map_or("nobody".to_owned(), |one| one.address.to_string()),
        }
    }

    #[test]
    fn the_longest_path_of_a_host_decides_and_ends_at_a_slash() {
        let mut book = Book::default();
        book.slice(&key("a-1"), Some(slice("a", ("", 80), &["1.1.1.1"])));
        book.slice(&key("b-1"), Some(slice("b", ("", 80), &["2.2.2.2"])));
        book.route(&key("r1"), Some(route("r1", "X.example", "", &[("a", 1)])));
        book.route(
            &key("r2"),
            Some(route("r2", "x.example", "/b", &[("b", 1)])),
        );
        let (table, built) = book.build().unwrap();
        assert!(built.left.is_empty());
        for (host, path, expect) in [
            ("x.example", "/", "1.1.1.1:80"),
            ("x.example", "/bc", "1.1.1.1:80"),
            ("x.example", "/b", "2.2.2.2:80"),
            ("x.example", "/b/c", "2.2.2.2:80"),
            ("y.example", "/", "no rule"),
        ] {
            assert_eq!(chosen(&table, host, path), expect, "{host}{path}");
        }
        assert!(book.build().is_none(), "nothing has changed");
        book.route(&key("r2"), None);
        let (next, _) = book.build().unwrap();
        assert_eq!(chosen(&next, "x.example", "/b"), "1.1.1.1:80");
        assert_eq!(
            chosen(&table, "x.example", "/b"),
            "2.2.2.2:80",
            "a table stays as it is"
        );
    }

    #[test]
    fn an_endpoint_keeps_its_counters_until_it_leaves_and_comes_back_as_another() {
        let mut book = Book::default();
        book.route(&key("r"), Some(route("r", "x", "", &[("a", 1)])));
        book.slice(
            &key("a-1"),
            Some(slice("a", ("", 80), &["1.1.1.1", "1.1.1.2"])),
        );
        let (table, _) = book.build().unwrap();
        let first = table.rule("x", "/").unwrap().choose(&[]).unwrap().clone();
        assert!(first.begin());
        book.slice(
            &key("a-1"),
            Some(slice("a", ("", 80), &["1.1.1.1", "1.1.1.2", "1.1.1.3"])),
        );
        let (table, built) = book.build().unwrap();
        assert!(built.left.is_empty());
        let idle: BTreeSet<String> = (0..4).map(|_| chosen(&table, "x", "/")).collect();
        assert_eq!(idle.len(), 2, "the busy one is passed over: {idle:?}");
        book.slice(&key("a-1"), Some(slice("a", ("", 80), &[])));
        let (table, built) = book.build().unwrap();
        assert_eq!(built.left.len(), 3);
        for endpoint in &built.left {
            endpoint.leave();
        }
        assert_eq!(chosen(&table, "x", "/"), "nobody");
        assert!(!first.begin(), "nothing begins on it");
        assert!(first.end(), "this was the last");
        book.slice(&key("a-1"), Some(slice("a", ("", 80), &["1.1.1.1"])));
        let (table, _) = book.build().unwrap();
        assert!(table.rule("x", "/").unwrap().choose(&[]).unwrap().begin());
    }

    #[test]
    fn a_port_is_found_by_name_by_number_and_by_what_it_leads_to() {
        let ports = json!([{"name": "metrics", "port": 9, "targetPort": 9090}, {"name": "web", "port": 80, "targetPort": 8080}]);
        let mut book = Book::default();
        book.service(&key("s"), Some(service("None", &ports)));
        book.slice(&key("s-1"), Some(slice("s", ("web", 8080), &["1.1.1.1"])));
        book.slice(
            &key("s-2"),
            Some(slice("s", ("metrics", 9090), &["1.1.1.1"])),
        );
        // This pod listens elsewhere than it says.
        book.slice(&key("s-3"), Some(slice("s", ("web", 5000), &["1.1.1.2"])));
        for (port, expect) in [
            (json!(null), "1.1.1.1:9090"),
            (json!({"targetPort": "web"}), "1.1.1.1:8080"),
            (json!({"targetPort": 8080}), "1.1.1.1:8080"),
            (json!({"targetPort": 80}), "1.1.1.1:8080"),
            (json!({"targetPort": "80"}), "1.1.1.1:8080"),
            (json!({"targetPort": "other"}), "nobody"),
        ] {
            let mut one = route("r", "x", "", &[("s", 1)]).to_object();
            one["spec"]["port"] = port.clone();
            book.route(
                &key("r"),
                Some(Arc::new(serde_json::from_value(one).unwrap())),
            );
            let (table, _) = book.build().unwrap();
            assert_eq!(chosen(&table, "x", "/"), expect, "{port}");
            if expect.ends_with(":8080") {
                assert_eq!(chosen(&table, "x", "/"), "1.1.1.2:5000", "{port}");
            }
        }
    }

    #[test]
    fn a_services_address_leads_to_its_endpoints_and_goes_with_it() {
        let mut book = Book::default();
        let ports =
            json!([{"name": "", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
        book.service(&key("s"), Some(service("127.30.0.1", &ports)));
        book.slice(&key("s-1"), Some(slice("s", ("", 8080), &["1.1.1.1"])));
        let (table, built) = book.build().unwrap();
        let address = "127.30.0.1:80".parse().unwrap();
        assert_eq!(built.fronts, [(address, Some(key("s")))]);
        let endpoint = table.front(address).unwrap().choose(&[]).unwrap();
        assert_eq!(endpoint.address.to_string(), "1.1.1.1:8080");
        book.service(&key("s"), None);
        let (table, built) = book.build().unwrap();
        assert_eq!(built.fronts, [(address, None)]);
        assert!(table.front(address).is_none());
    }

    #[test]
    fn a_loopback_address_is_there_while_an_endpoint_is() {
        let ports = json!([{"name": "", "port": 80}]);
        for (ip, expect) in [("127.30.0.1", 0), ("172.30.0.1", 1)] {
            let mut book = Book::default();
            book.service(&key("s"), Some(service(ip, &ports)));
            assert_eq!(book.build().unwrap().1.fronts.len(), expect, "{ip}");
            book.slice(&key("s-1"), Some(slice("s", ("", 8080), &["1.1.1.1"])));
            let address = format!("{ip}:80").parse().unwrap();
            let appeared = book.build().unwrap().1.fronts;
            let both = vec![(address, Some(key("s")))];
            assert_eq!(
                appeared,
                if expect == 0 { both } else { Vec::new() },
                "{ip}"
            );
            book.slice(&key("s-1"), None);
            assert_eq!(book.build().unwrap().1.fronts.len(), 1 - expect, "{ip}");
        }
    }

    #[test]
    fn a_wildcard_covers_names_below_its_domain_and_nothing_not_admitted_is_served() {
        let mut book = Book::default();
        book.slice(&key("a-1"), Some(slice("a", ("", 80), &["1.1.1.1"])));
        let mut wild = (*route("w", "any.x.example", "", &[("a", 1)])).clone();
        wild.spec.wildcard_policy = "Subdomain".to_owned();
        book.route(&key("w"), Some(Arc::new(wild)));
        let mut refused = (*route("r", "y.example", "", &[("a", 1)])).clone();
        refused.status.ingress.clear();
        book.route(&key("r"), Some(Arc::new(refused)));
        let (table, _) = book.build().unwrap();
        assert_eq!(chosen(&table, "b.x.example", "/"), "1.1.1.1:80");
        assert_eq!(chosen(&table, "b.c.x.example", "/"), "no rule");
        assert_eq!(chosen(&table, "y.example", "/"), "no rule");
    }

    #[test]
    fn all_weights_zero_or_no_endpoints_lead_to_nobody_and_suspects_come_last() {
        let mut book = Book::default();
        book.slice(
            &key("a-1"),
            Some(slice("a", ("", 80), &["1.1.1.1", "1.1.1.2"])),
        );
        book.route(&key("zero"), Some(route("zero", "zero", "", &[("a", 0)])));
        book.route(&key("none"), Some(route("none", "none", "", &[("b", 1)])));
        book.route(
            &key("some"),
            Some(route("some", "some", "", &[("b", 1), ("a", 1)])),
        );
        let (table, _) = book.build().unwrap();
        assert_eq!(chosen(&table, "zero", "/"), "nobody");
        assert_eq!(chosen(&table, "none", "/"), "nobody");
        let rule = table.rule("some", "/").unwrap();
        let first = rule.choose(&[]).unwrap();
        first.suspect(true);
        let other = rule.choose(&[]).unwrap().address;
        assert_ne!(other, first.address);
        assert_eq!(rule.choose(&[]).unwrap().address, other);
        assert_eq!(rule.choose(&[other]).unwrap().address, first.address);
        assert!(rule.choose(&[other, first.address]).is_none());
    }

    #[test]
    fn a_timeout_is_read_as_haproxy_writes_it() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("7"), Some(Duration::from_millis(7)));
        assert_eq!(duration("s"), None);
        assert_eq!(duration("1.5h"), None);
    }
}
