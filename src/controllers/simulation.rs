//! A small world in memory in which controllers, agents and users take turns by chance, and controllers die at writes.
//!
//! Objects have versions, finalizers and a status of their own, as at the API server. What a controller sees lags behind,
//! kind by kind, except for its own last write. A crash loses what was decided, before or after a write, and starts all
//! controllers afresh. Invariants are checked after every write. The seed of a run is in every message of a failure.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a story reads better with json!(…) than with &json!(…)"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::api::duration::Amount;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::upshift::Application;
use crate::api::upshift::Desired;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Rotation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::controllers::application::Applications;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Grace;
use crate::controllers::change::Part;
use crate::controllers::change::Target;
use crate::controllers::garbage::Garbage;
use crate::controllers::gears::Gears;
use crate::controllers::history::History;
use crate::controllers::namespace::Namespaces;
use crate::controllers::operations::Operations;
use crate::controllers::perform::goes_last;
use crate::controllers::placement::Placement;
use crate::controllers::queue::Controller;
use crate::controllers::rollout::Rollouts;
use crate::controllers::world::Tabled;
use crate::controllers::world::World;

/// A generator of small numbers that a seed repeats (xorshift).
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

type Place = (&'static str, Key);

/// A write that controllers have not seen yet.
struct Delivery {
    place: Place,
    revision: u64,
    object: Option<Value>,
}

/// How the simulated controllers are disturbed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    seed: u64,
    /// Of a thousand writes, how many end in a crash, before or after.
    crashes: usize,
    /// Of ten deliveries, how many are late.
    lag: usize,
}

/// How many seeds each story is told with.
const SEEDS: u64 = 5;

/// The undisturbed run of a seed.
const CALM: Disturbance = Disturbance {
    seed: 1,
    crashes: 0,
    lag: 0,
};

/// The cluster: objects, what controllers see of them, and what is on the nodes' disks.
pub(crate) struct Cluster {
    objects: BTreeMap<Place, Value>,
    revision: u64,
    now: i64,
    world: World,
    deliveries: BTreeMap<&'static str, VecDeque<Delivery>>,
    /// What each (controller, key) wrote last: kind and version that it must see before it decides again.
    written: BTreeMap<(usize, Key), Vec<(&'static str, u64)>>,
    chance: Chance,
    how: Disturbance,
    /// Which step fails, by gear and revision.
    failing: BTreeMap<(String, String), &'static str>,
    /// In which step hangs what is done on a gear; with an empty name its agent accepts nothing.
    hanging: BTreeMap<String, &'static str>,
    /// What is on disk, by gear.
    pub(crate) disk: BTreeMap<String, String>,
    /// Hooks and installs that ran, by operation and step.
    trace: Vec<String>,
    crashed: usize,
    /// What controllers wrote of Operations and Gears.
    writes: usize,
    delivered: usize,
    /// Pods, their nodes and a router, when the story is about them.
    pub(crate) site: Option<pods::Site>,
    /// Routers in front of the gears, when the story is about them.
    pub(crate) network: Option<traffic::Network>,
}

type Decide = fn(&Key, &World, Timestamp) -> Decision;

pub(crate) struct Entry {
    keys: fn(&World) -> Vec<Key>,
    decide: Decide,
}

fn entry<C: Controller + Default>() -> Entry {
    Entry {
        keys: C::keys,
        decide: |key, world, now| C::default().decide(key, world, now),
    }
}

fn controllers() -> Vec<Entry> {
    vec![
        entry::<Rollouts>(),
        entry::<Gears>(),
        entry::<Placement>(),
        entry::<Operations>(),
        entry::<Applications>(),
        entry::<History>(),
        entry::<Garbage>(),
        entry::<Namespaces>(),
    ]
}

const DEMO: &str = "demo";

fn place(kind: &'static Kind, key: &Key) -> Place {
    (kind.plural, key.clone())
}

fn named(name: &str) -> Key {
    Key::new(DEMO, name)
}

impl Cluster {
    /// Nodes `a`, `b`, … and an application `shop` with these settings, nothing deployed.
    pub(crate) fn new(how: Disturbance, nodes: &[&str], settings: Value) -> Cluster {
        let mut cluster = Cluster {
            objects: BTreeMap::new(),
            revision: 0,
            now: 1_000_000,
            world: World::default(),
            deliveries: BTreeMap::new(),
            written: BTreeMap::new(),
            chance: Chance(how.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            how,
            failing: BTreeMap::new(),
            hanging: BTreeMap::new(),
            disk: BTreeMap::new(),
            trace: Vec::new(),
            crashed: 0,
            writes: 0,
            delivered: 0,
            site: None,
            network: None,
        };
        for node in nodes {
            cluster.make(&kinds::NODE, json!({"metadata": {"name": node}}));
            cluster.set_ready(node, true);
        }
        cluster.make(
            &kinds::APPLICATION,
            json!({
                "metadata": {"name": "shop", "namespace": DEMO},
                "spec": {"hosts": {}, "rollout": settings},
            }),
        );
        cluster
    }

    pub(crate) fn set_ready(&mut self, node: &str, ready: bool) {
        let status = if ready { "True" } else { "Unknown" };
        self.user_status(
            &kinds::NODE,
            &Key::new("", node),
            json!({"conditions": [{"type": "Ready", "status": status}]}),
        );
    }

    /// As a client does it: the revision, then the rollout.
    pub(crate) fn deploy(&mut self, number: u64) {
        let revision = format!("shop-{number}");
        self.make(
            &kinds::REVISION,
            json!({
                "metadata": {"name": revision, "namespace": DEMO},
                "spec": {"application": "shop", "number": number},
            }),
        );
        self.rollout(number, &revision, json!({"action": "Deploy"}));
    }

    pub(crate) fn rollout(&mut self, number: u64, revision: &str, mut spec: Value) {
        let settings =
            self.objects[&place(&kinds::APPLICATION, &named("shop"))]["spec"]["rollout"].clone();
        spec["application"] = "shop".into();
        spec["number"] = number.into();
        spec["revision"] = revision.into();
        spec["settings"] = settings;
        spec["attempt"] = 1.into();
        let name = format!("shop-{number}");
        let object = json!({"metadata": {"name": name, "namespace": DEMO}, "spec": spec});
        self.make(&kinds::ROLLOUT, object);
    }

    /// Asks a rollout for its next attempt, to the end.
    fn retry(&mut self, number: u64, attempt: u32) {
        let rollout = named(&format!("shop-{number}"));
        self.user_spec(&kinds::ROLLOUT, &rollout, json!({ "attempt": attempt }));
        self.run();
    }

    pub(crate) fn fail(&mut self, gear: &str, revision: &str, step: &'static str) {
        self.failing
            .insert((gear.to_owned(), revision.to_owned()), step);
    }

    /// Somebody lets every gear that was left alone try again.
    fn catch_up_anew(&mut self) {
        for gear in self.all::<Gear>() {
            let anew = json!({"catchUp": null});
            self.user_spec(&kinds::GEAR, &gear.metadata.key(), anew);
        }
    }

    fn hang(&mut self, gear: &str, step: &'static str) {
        self.hanging.insert(gear.to_owned(), step);
    }

    pub(crate) fn get<T: Typed>(&self, key: &Key) -> Option<T> {
        let object = self.objects.get(&place(T::KIND, key))?;
        Some(serde_json::from_value(object.clone()).expect("objects fit their views"))
    }

    pub(crate) fn all<T: Typed>(&self) -> Vec<T> {
        self.raw(T::KIND)
            .map(|object| T::deserialize(object).expect("objects fit their views"))
            .collect()
    }

    /// The objects of a kind as they are: invariants are checked after every write, and views of everything cost more
    /// than all the decisions.
    fn raw(&self, kind: &'static Kind) -> impl Iterator<Item = &Value> {
        let first = place(kind, &Key::new("", ""));
        self.objects
            .range(first..)
            .take_while(|((plural, _), _)| *plural == kind.plural)
            .map(|(_, object)| object)
    }

    /// The operations that are not over.
    fn live(&self) -> Vec<Operation> {
        self.raw(&kinds::OPERATION)
            .filter(|object| is_live(object))
            .map(|object| Operation::deserialize(object).expect("objects fit their views"))
            .collect()
    }

    /// The operations that are not over and whose nodes are heard: everybody takes turns so often that views of all of
    /// them cost more than all the decisions.
    fn at_work(&self) -> Vec<Key> {
        let live = self.raw(&kinds::OPERATION).filter(|object| is_live(object));
        let heard = live.filter(|object| {
            let node = object["spec"]["node"].as_str().unwrap_or_default();
            let node = self.objects.get(&place(&kinds::NODE, &Key::new("", node)));
            node.is_some_and(is_heard)
        });
        heard
            .map(|object| named(object["metadata"]["name"].as_str().unwrap()))
            .collect()
    }

    // What controllers see.

    fn deliver_one(&mut self, plural: &'static str) -> bool {
        let Some(delivery) = self
            .deliveries
            .get_mut(plural)
            .and_then(VecDeque::pop_front)
        else {
            return false;
        };
        self.delivered += 1;
        let now = Timestamp::from_second(self.now);
        let (key, object) = (&delivery.place.1, delivery.object);
        let world = &mut self.world;
        match plural {
            "applications" => put::<Application>(world, key, object, now),
            "revisions" => put::<crate::api::upshift::Revision>(world, key, object, now),
            "rollouts" => put::<Rollout>(world, key, object, now),
            "gears" => put::<Gear>(world, key, object, now),
            "operations" => put::<Operation>(world, key, object, now),
            "nodes" => put::<crate::api::core::Node>(world, key, object, now),
            "namespaces" => put::<crate::api::core::Namespace>(world, key, object, now),
            "secrets" => put::<crate::controllers::world::Secret>(world, key, object, now),
            other => pods::deliver(other, world, key, object, now),
        }
        true
    }

    fn deliver_until(&mut self, plural: &'static str, revision: u64) {
        while self
            .deliveries
            .get(plural)
            .and_then(VecDeque::front)
            .is_some_and(|next| next.revision <= revision)
        {
            self.deliver_one(plural);
        }
    }

    fn deliver_some(&mut self) {
        for plural in self.deliveries.keys().copied().collect::<Vec<_>>() {
            while self.chance.below(10) >= self.how.lag && self.deliver_one(plural) {}
        }
    }

    fn deliver_all(&mut self) -> bool {
        let mut any = false;
        for plural in self.deliveries.keys().copied().collect::<Vec<_>>() {
            while self.deliver_one(plural) {
                any = true;
            }
        }
        any
    }

    /// All controllers start afresh: they list, and know nothing else.
    fn restart(&mut self) {
        self.crashed += 1;
        self.world = World::default();
        self.written.clear();
        self.deliveries.clear();
        for (at, object) in self.objects.clone() {
            let delivery = Delivery {
                place: at.clone(),
                revision: 0,
                object: Some(object),
            };
            self.deliveries.entry(at.0).or_default().push_back(delivery);
        }
        self.deliver_all();
    }

    // What controllers write.

    fn look(&mut self, number: usize, controller: &Entry, key: &Key) -> (bool, Option<i64>) {
        for (plural, revision) in self
            .written
            .remove(&(number, key.clone()))
            .unwrap_or_default()
        {
            self.deliver_until(plural, revision);
        }
        let decision = (controller.decide)(key, &self.world, Timestamp::from_second(self.now));
        let again = decision
            .again
            .map(|after| self.now + i64::try_from(after.as_secs()).unwrap() + 1);
        let mut progress = false;
        for change in &decision.changes {
            if self.chance.below(1000) < self.how.crashes {
                self.restart();
                return (true, None);
            }
            let before = self.revision;
            if self.apply(change).is_err() {
                progress |= self.deliver_all();
                break;
            }
            progress |= self.revision > before;
            let plural = kind_of(change).plural;
            if self.revision > before && ["operations", "gears"].contains(&plural) {
                self.writes += 1;
            }
            self.written
                .entry((number, key.clone()))
                .or_default()
                .push((plural, self.revision));
            if self.chance.below(1000) < self.how.crashes {
                self.restart();
                return (true, None);
            }
        }
        (progress, again)
    }

    // Running.

    /// Everybody takes turns until nobody has anything to do, or `until` holds.
    pub(crate) fn run_until(&mut self, until: impl Fn(&Cluster) -> bool) {
        let controllers = match (&self.site, &self.network) {
            (Some(_), _) => pods::controllers(),
            (None, Some(_)) => traffic::controllers(),
            (None, None) => controllers(),
        };
        for turn in 0..20_000 {
            if until(self) {
                return;
            }
            let delivered = self.delivered;
            self.deliver_some();
            let mut progress = self.chance.below(2) == 0 && self.agents();
            let mut again: Option<i64> = None;
            let first = self.chance.below(controllers.len());
            for offset in 0..controllers.len() {
                let number = (first + offset) % controllers.len();
                for key in (controllers[number].keys)(&self.world) {
                    let (wrote, later) = self.look(number, &controllers[number], &key);
                    progress |= wrote;
                    again = [again, later].into_iter().flatten().min();
                    if self.chance.below(4) == 0 {
                        progress |= self.agents();
                    }
                }
            }
            if progress || self.deliver_all() || self.delivered > delivered || self.agents() {
                continue;
            }
            match again {
                Some(later) if turn < 19_000 => self.now = later.max(self.now + 1),
                _ => return,
            }
        }
        panic!("{:?} does not come to rest:\n{}", self.how, self.picture());
    }

    pub(crate) fn run(&mut self) {
        self.run_until(|_| false);
    }

    /// Everybody takes so many turns, fewer when nobody has anything to do before.
    fn run_turns(&mut self, turns: usize) {
        let left = Cell::new(turns);
        self.run_until(|_| {
            left.set(left.get().saturating_sub(1));
            left.get() == 0
        });
    }
}

fn is_live(operation: &Value) -> bool {
    let phase = operation["status"]["phase"].as_str().unwrap_or_default();
    !["Succeeded", "Failed", "Aborted"].contains(&phase)
}

fn is_heard(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
}

fn kind_of(change: &Change) -> &'static Kind {
    match change {
        Change::Create { kind, .. } => kind,
        Change::Begin { .. } => &kinds::OPERATION,
        Change::Patch { target, .. }
        | Change::Delete { target, .. }
        | Change::DeleteOrphan { target, .. }
        | Change::EmptyNamespace { target, .. } => target.kind,
    }
}

fn put<T: Tabled>(world: &mut World, key: &Key, object: Option<Value>, now: Timestamp) {
    let object = object.map(|object| {
        Arc::new(serde_json::from_value::<T>(object).expect("objects fit their views"))
    });
    world.put(key, object, now);
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
}

fn merge(object: &mut Value, patch: Value) {
    json_patch::merge(object, &patch);
}

/// Runs a story undisturbed, then under many seeds of lag and crashes: each must end in the same picture.
fn survives(nodes: &[&str], settings: &Value, story: impl Fn(&mut Cluster)) -> String {
    survives_seeds(SEEDS, nodes, settings, story)
}

fn survives_seeds(
    seeds: u64,
    nodes: &[&str],
    settings: &Value,
    story: impl Fn(&mut Cluster),
) -> String {
    let told = |how| {
        let mut cluster = Cluster::new(how, nodes, settings.clone());
        story(&mut cluster);
        cluster
    };
    let calm = told(CALM).picture();
    let mut crashed = 0;
    for seed in 1..=seeds {
        for (crashes, lag) in [(0, 6), (60, 0), (40, 6), (250, 3)] {
            let how = Disturbance { seed, crashes, lag };
            let cluster = told(how);
            crashed += cluster.crashed;
            assert_eq!(cluster.picture(), calm, "disturbed by {how:?}");
        }
    }
    assert!(crashed > 10, "only {crashed} crashes");
    calm
}

/// Tells a story whose end depends on who was faster, under many seeds.
fn often(nodes: &[&str], settings: &Value, story: impl Fn(&mut Cluster)) {
    for seed in 1..=SEEDS {
        for (crashes, lag) in [(0, 0), (0, 6), (60, 3)] {
            let how = Disturbance { seed, crashes, lag };
            let mut cluster = Cluster::new(how, nodes, settings.clone());
            story(&mut cluster);
        }
    }
}

mod agents;
mod balanced;
mod canary;
mod chances;
mod checks;
mod colors;
mod half_done;
mod nodes;
mod pods;
mod server;
mod tests;
mod traffic;
