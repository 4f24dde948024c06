//! A small world in memory in which controllers, agents and users take turns by chance, and controllers die at writes.
//!
//! Objects have versions, finalizers and a status of their own, as at the API server. What a controller sees lags behind,
//! kind by kind, except for its own last write. A crash loses what was decided, before or after a write, and starts all
//! controllers afresh. Invariants are checked after every write. The seed of a run is in every message of a failure.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a story reads better with json!(…) than with &json!(…)"
)]

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

    fn make(&mut self, kind: &'static Kind, mut object: Value) {
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let key = Key::new(namespace, object["metadata"]["name"].as_str().unwrap());
        object["metadata"]["uid"] = format!("uid-{}", self.revision + 1).into();
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.into();
        object["metadata"]["creationTimestamp"] =
            Timestamp::from_second(self.now).to_string().into();
        if kind.has_status {
            object["status"] = json!({});
        }
        self.store(place(kind, &key), Some(object));
    }

    pub(crate) fn user_spec(&mut self, kind: &'static Kind, key: &Key, spec: Value) {
        let at = place(kind, key);
        let mut object = self.objects[&at].clone();
        merge(&mut object["spec"], spec);
        self.store(at, Some(object));
    }

    fn user_status(&mut self, kind: &'static Kind, key: &Key, status: Value) {
        let at = place(kind, key);
        let mut object = self.objects[&at].clone();
        merge(&mut object["status"], status);
        self.store(at, Some(object));
    }

    pub(crate) fn user_delete(&mut self, kind: &'static Kind, key: &Key) {
        let at = place(kind, key);
        let Some(mut object) = self.objects.get(&at).cloned() else {
            return;
        };
        if object["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        if has_finalizers(&object) || pods::ends_gracefully(kind, &object) {
            object["metadata"]["deletionTimestamp"] =
                Timestamp::from_second(self.now).to_string().into();
            self.store(at, Some(object));
        } else {
            self.store(at, None);
        }
    }

    fn store(&mut self, at: Place, object: Option<Value>) {
        self.revision += 1;
        let object = object.and_then(|mut object| {
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
            let gone = object["metadata"]["deletionTimestamp"].is_string()
                && at.0 != kinds::POD.plural
                && !has_finalizers(&object);
            (!gone).then_some(object)
        });
        match &object {
            Some(object) => self.objects.insert(at.clone(), object.clone()),
            None => self.objects.remove(&at),
        };
        let delivery = Delivery {
            place: at.clone(),
            revision: self.revision,
            object,
        };
        self.deliveries.entry(at.0).or_default().push_back(delivery);
        self.check_invariants();
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

    #[expect(clippy::too_many_lines, reason = "one arm per kind of change")]
    fn apply(&mut self, change: &Change) -> Result<(), &'static str> {
        match change {
            Change::Create { kind, object } => {
                let key = Key::new(
                    object["metadata"]["namespace"].as_str().unwrap_or_default(),
                    object["metadata"]["name"].as_str().unwrap(),
                );
                let namespace = place(&kinds::NAMESPACE, &Key::new("", key.namespace.clone()));
                let ending = self.objects.get(&namespace).is_some_and(|namespace| {
                    namespace["metadata"]["deletionTimestamp"].is_string()
                });
                if ending && *kind != &kinds::OPERATION {
                    return Err("the namespace is being terminated");
                }
                if !self.objects.contains_key(&place(kind, &key)) {
                    self.make(kind, object.clone());
                }
                Ok(())
            }
            Change::Begin {
                operation,
                holder,
                gear,
            } => {
                if let Some(gear) = gear {
                    self.still_as_seen(gear)?;
                }
                self.begin(operation, holder.as_deref())
            }
            Change::Patch {
                target,
                part,
                merge: patch,
                ..
            } => {
                let mut object = self.current(target)?;
                match part {
                    Part::Main => {
                        let status = object["status"].clone();
                        merge(&mut object, patch.clone());
                        object["status"] = status;
                    }
                    Part::Status => merge(&mut object["status"], patch["status"].clone()),
                }
                if object != self.objects[&place(target.kind, &target.key)] {
                    self.store(place(target.kind, &target.key), Some(object));
                }
                Ok(())
            }
            Change::Delete {
                target,
                decided_on,
                grace,
            } => {
                for other in decided_on {
                    self.still_as_seen(other)?;
                }
                if !self.objects.contains_key(&place(target.kind, &target.key)) {
                    return Ok(());
                }
                self.current(target)?;
                match grace {
                    Grace::Own => self.user_delete(target.kind, &target.key),
                    Grace::None => self.store(place(target.kind, &target.key), None),
                }
                Ok(())
            }
            Change::DeleteOrphan { target, owners } => {
                let is_there = |owner: &Target| {
                    let object = self.objects.get(&place(owner.kind, &owner.key));
                    object.is_some_and(|object| object["metadata"]["uid"] == owner.uid.as_str())
                };
                if owners.iter().any(is_there)
                    || !self.objects.contains_key(&place(target.kind, &target.key))
                {
                    return Ok(());
                }
                self.current(target)?;
                self.user_delete(target.kind, &target.key);
                Ok(())
            }
            Change::EmptyNamespace {
                target,
                merge: patch,
            } => {
                let inside: Vec<Place> = self
                    .objects
                    .keys()
                    .filter(|(_, key)| key.namespace == target.key.name)
                    .cloned()
                    .collect();
                let kind =
                    |at: &Place| *kinds::ALL.iter().find(|kind| kind.plural == at.0).unwrap();
                let (last, first): (Vec<Place>, Vec<Place>) =
                    inside.iter().cloned().partition(|at| goes_last(kind(at)));
                for at in if first.is_empty() { last } else { first } {
                    self.user_delete(kind(&at), &at.1);
                }
                if !inside.is_empty() {
                    return Err("not yet");
                }
                let mut object = self.current(target)?;
                merge(&mut object, patch.clone());
                self.store(place(target.kind, &target.key), Some(object));
                Ok(())
            }
        }
    }

    fn begin(&mut self, operation: &Operation, holder: Option<&str>) -> Result<(), &'static str> {
        let application: Application = self
            .get(&named(&operation.spec.deployment.application))
            .ok_or("application gone")?;
        if holder.is_some_and(|holder| application.status.rollout != holder) {
            return Err("not yet");
        }
        let busy = self.live().iter().any(|other| {
            other.spec.gear == operation.spec.gear && other.metadata.name != operation.metadata.name
        });
        if busy {
            return Err("not yet");
        }
        self.apply(&Change::create(operation))
    }

    fn still_as_seen(&self, target: &Target) -> Result<(), &'static str> {
        let object = self.objects.get(&place(target.kind, &target.key));
        let version = object.map_or("", |object| {
            object["metadata"]["resourceVersion"].as_str().unwrap()
        });
        if version == target.version {
            Ok(())
        } else {
            Err("not yet")
        }
    }

    fn current(&self, target: &Target) -> Result<Value, &'static str> {
        let object = self
            .objects
            .get(&place(target.kind, &target.key))
            .ok_or("gone")?;
        let same = object["metadata"]["resourceVersion"] == target.version.as_str()
            && object["metadata"]["uid"] == target.uid.as_str();
        if same {
            Ok(object.clone())
        } else {
            Err("conflict")
        }
    }

    // What agents do.

    /// One step of one operation on a node that is there; whether there was one.
    fn agents(&mut self) -> bool {
        if self.site.is_some() {
            return self.site_step();
        }
        if self.network.is_some() {
            return self.network_step();
        }
        let live = self.at_work();
        if live.is_empty() {
            return false;
        }
        let chosen = self.chance.below(live.len());
        let mut operation: Operation = self.get(&live[chosen]).unwrap();
        let before = operation.status.clone();
        self.agent_step(&mut operation);
        if operation.status == before {
            return false;
        }
        let key = operation.metadata.key();
        self.user_status(
            &kinds::OPERATION,
            &key,
            serde_json::to_value(&operation.status).unwrap(),
        );
        true
    }

    fn agent_step(&mut self, operation: &mut Operation) {
        let status = &mut operation.status;
        let hangs_in = self.hanging.get(&operation.spec.gear);
        let hangs = hangs_in.is_some_and(|step| {
            let mut begun = status.steps.iter().rev();
            let last = begun.find(|step| step.phase != StepPhase::Waiting);
            last.map_or("", |last| &last.name) == *step
        });
        if hangs && operation.spec.desired == Desired::Run {
            return;
        }
        if status.steps.is_empty() {
            status.steps = operation
                .spec
                .steps
                .iter()
                .map(|step| StepStatus {
                    name: step.name.clone(),
                    ..StepStatus::default()
                })
                .collect();
        }
        let next = status
            .steps
            .iter()
            .position(|step| step.phase == StepPhase::Waiting);
        match (operation.spec.desired, next) {
            (Desired::Abort, _) => status.phase = OperationPhase::Aborted,
            (Desired::Pause, _) => status.phase = OperationPhase::Paused,
            (Desired::Run, Some(next)) => {
                status.phase = OperationPhase::Running;
                self.perform_step(operation, next);
            }
            (Desired::Run, None) => status.phase = OperationPhase::Succeeded,
        }
        if operation.status.phase.is_final() {
            self.report_gear(operation);
        }
    }

    fn perform_step(&mut self, operation: &mut Operation, place: usize) {
        let gear = operation.spec.gear.clone();
        let revision = operation
            .spec
            .deployment
            .revision
            .as_ref()
            .map(|one| one.name.clone());
        let step = &mut operation.status.steps[place];
        self.trace
            .push(format!("{} {}", operation.metadata.name, step.name));
        let fails = revision
            .as_ref()
            .and_then(|revision| self.failing.get(&(gear.clone(), revision.clone())))
            .is_some_and(|failing| *failing == step.name);
        if fails {
            step.phase = StepPhase::Failed;
            step.message = "exit code 1".to_owned();
            operation.status.phase = OperationPhase::Failed;
            operation.status.reason = "HookFailed".to_owned();
            return;
        }
        if self.hanging.get(&gear) == Some(&&*step.name) {
            step.phase = StepPhase::Running;
            return;
        }
        step.phase = StepPhase::Done;
        // As the rotation controller does it.
        let rotation = match step.name.as_str() {
            "BlockTraffic" => Some("Out"),
            "AllowTraffic" => Some("In"),
            _ => None,
        };
        if let Some(rotation) = rotation {
            let spec = json!({ "rotation": rotation });
            self.user_spec(&kinds::GEAR, &named(&gear), spec);
            return;
        }
        if step.name == "Install" {
            match revision {
                Some(revision) => self.disk.insert(gear, revision),
                None => self.disk.remove(&gear),
            };
            self.report_gear(operation);
        }
    }

    fn report_gear(&mut self, operation: &Operation) {
        let key = named(&operation.spec.gear);
        if self.get::<Gear>(&key).is_some() {
            let installed = self
                .disk
                .get(&operation.spec.gear)
                .cloned()
                .unwrap_or_default();
            let status = json!({"revision": installed, "operation": operation.metadata.name});
            self.user_status(&kinds::GEAR, &key, status);
        }
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

    /// What counts at the end, without versions and times.
    pub(crate) fn picture(&self) -> String {
        let mut lines = Vec::new();
        for application in self.all::<Application>() {
            let color = match application.status.active_color.as_str() {
                "" => String::new(),
                color => format!(", {color} serves"),
            };
            lines.push(format!(
                "application {} held by {:?}, current {:?}{color}",
                application.metadata.name,
                application.status.rollout,
                application.status.current_revision
            ));
        }
        for rollout in self.all::<Rollout>() {
            let status = rollout.status;
            lines.push(format!(
                "rollout {} {:?} {:?} {:?} {}/{}/{}",
                rollout.metadata.name,
                status.phase,
                status.reason,
                status.message,
                status.gears.done,
                status.gears.failed,
                status.gears.total
            ));
        }
        for gear in self.all::<Gear>() {
            let rotation = match gear.spec.rotation {
                Rotation::In => "",
                Rotation::Out => " out of rotation",
            };
            lines.push(format!(
                "gear {} wants {:?} has {:?}{rotation}",
                gear.metadata.name, gear.spec.revision, gear.status.revision
            ));
        }
        for operation in self.all::<Operation>() {
            lines.push(format!(
                "operation {} {:?}",
                operation.metadata.name, operation.status.phase
            ));
        }
        if self.site.is_some() {
            return self.site_picture();
        }
        if self.network.is_some() {
            lines.push(self.led_to());
        }
        lines.push(format!("disk {:?}", self.disk));
        lines.join("\n")
    }

    /// Never more gears at a time than the rollout allows, without those that were given up.
    fn check_pace(&self, rollout: &Value) {
        let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
        let owner = format!("Rollout/{name}");
        let at_work = self
            .raw(&kinds::OPERATION)
            .filter(|object| {
                let node = object["spec"]["node"].as_str().unwrap_or_default();
                let is_there = |node| {
                    self.objects
                        .contains_key(&place(&kinds::NODE, &Key::new("", node)))
                };
                is_live(object)
                    && is_there(node)
                    && object["spec"]["owner"] == owner.as_str()
                    && object["spec"]["desired"] != "Abort"
            })
            .count();
        let total = self.raw(&kinds::NODE).count();
        let pace = Amount::deserialize(&rollout["spec"]["settings"]["concurrency"]);
        let pace = pace.map_or(1, |pace| pace.floor(total).max(1));
        assert!(
            at_work <= pace,
            "{:?}: {at_work} gears at a time, {pace} allowed:\n{}",
            self.how,
            self.picture()
        );
    }

    fn check_invariants(&self) {
        if let Some(site) = &self.site {
            return self.check_site(site);
        }
        if let Some(network) = &self.network {
            self.check_network(network);
        }
        let mut live: Vec<(&Value, &Value)> = Vec::new();
        for operation in self.raw(&kinds::OPERATION).filter(|object| is_live(object)) {
            let (gear, name) = (&operation["spec"]["gear"], &operation["metadata"]["name"]);
            if let Some((_, other)) = live.iter().find(|(one, _)| *one == gear) {
                panic!(
                    "{:?}: {other} and {name} are under way on {gear}:\n{}",
                    self.how,
                    self.picture()
                );
            }
            live.push((gear, name));
        }
        let is_running = |object: &&Value| {
            let phase = object["status"]["phase"].as_str().unwrap_or_default();
            ["Running", "Paused"].contains(&phase)
        };
        let running: Vec<&Value> = self.raw(&kinds::ROLLOUT).filter(is_running).collect();
        assert!(
            running.len() <= 1,
            "{:?}: two rollouts run:\n{}",
            self.how,
            self.picture()
        );
        let Some(rollout) = running.first() else {
            return;
        };
        self.check_pace(rollout);
        if let Some(application) = self
            .objects
            .get(&place(&kinds::APPLICATION, &named("shop")))
        {
            assert_eq!(
                application["status"]["rollout"], rollout["metadata"]["name"],
                "{:?}: runs without a claim",
                self.how
            );
        }
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

mod balanced;
mod canary;
mod chances;
mod colors;
mod half_done;
mod nodes;
mod pods;
mod tests;
mod traffic;
