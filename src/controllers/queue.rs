//! Everything that controllers share: which key is looked at when, by whom, and what happens to the decision.
//!
//! One world for all, one line of keys per controller. A key is in its line at most once and with one worker at a time; a
//! wake-up carries no news, only "look again". A refused write (somebody was faster) or a failed one puts the key off by
//! a growing pause. No decision is taken for a key until the world shows the key's own last write. A panic in a decision
//! is caught here, counted and reported with its key. Nothing is kept that a restart would miss.
//!
//! # Decided
//!
//! The writes of one decision keep its order, except that those about different gears are made side by side: a wave of a
//! thousand gears must not wait for a thousand syncs of the disk one after the other. The first that fails ends the
//! decision; those beside it that have begun are finished.
//!
//! Deciding is synchronous and under one read lock: it takes microseconds, and every controller sees one consistent
//! picture without copying it. Tasks are dropped at a stop, also in the middle of a write: a crash does no less.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::controllers::caches::Caches;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::change::Pace;
use crate::controllers::events;
use crate::controllers::perform;
use crate::controllers::perform::Refused;
use crate::controllers::perform::Turns;
use crate::controllers::perform::Written;
use crate::controllers::world::Tabled;
use crate::controllers::world::World;

/// Keys of one controller that are worked on side by side.
const WORKERS: usize = 8;
/// Writes of one decision about different gears that are made side by side.
const GEARS_AT_ONCE: usize = 64;
/// Every key is looked at this often, whatever happens.
const RESYNC: Duration = Duration::from_secs(300);
/// The shortest time between two writes of one object that only report.
const REPORT_EVERY: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A function from a world to changes, for one key.
pub trait Controller: Send + Sync + 'static {
    const NAME: &'static str;

    /// Which kinds wake it, and for which keys; the first is the kind that its keys name.
    fn watches() -> &'static [Watch];

    /// Decides what ought to change now for a key. Pure: it sees the world and nothing else.
    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision;

    /// Every key there is.
    fn keys(world: &World) -> Vec<Key> {
        Self::watches()
            .first()
            .map_or_else(Vec::new, |primary| world.keys(primary.kind))
    }
}

/// A kind that wakes a controller, and the keys that an object of it wakes.
pub struct Watch {
    pub kind: &'static Kind,
    pub keys: fn(&World, &Touched<'_>) -> Vec<Key>,
}

/// An object that was made, changed or deleted.
#[derive(Debug)]
pub struct Touched<'a> {
    pub kind: &'static Kind,
    pub key: &'a Key,
    pub metadata: &'a Metadata,
    /// What it was before; none when it is new.
    pub before: Option<&'a Metadata>,
    /// The application it belongs to.
    pub application: Option<Key>,
    /// The gear it is work on.
    pub gear: Option<Key>,
    /// The node it is on.
    pub node: Option<&'a str>,
}

impl Touched<'_> {
    /// The object itself.
    pub fn itself(_: &World, touched: &Touched<'_>) -> Vec<Key> {
        vec![touched.key.clone()]
    }

    /// The owner that controls the object, if it is of that kind.
    pub fn its_controller(&self, kind: &Kind) -> Vec<Key> {
        let owners = self.metadata.owner_references.iter();
        let controllers = owners.filter(|owner| {
            owner.controller == Some(true)
                && owner.kind == kind.kind
                && owner.api_version == kind.api_version()
        });
        let namespace = &self.key.namespace;
        controllers
            .map(|owner| Key::new(namespace.clone(), owner.name.clone()))
            .collect()
    }

    /// The gear that the object is work on.
    pub fn its_gear(_: &World, touched: &Touched<'_>) -> Vec<Key> {
        touched.gear.iter().cloned().collect()
    }

    /// The application that the object belongs to.
    pub fn its_application(_: &World, touched: &Touched<'_>) -> Vec<Key> {
        touched.application.iter().cloned().collect()
    }
}

/// The changes of a decision, cut at what must not be overtaken: within one part, those about different gears are
/// strands that may be made side by side; everything else is a part of its own, in the order of the decision.
fn strands(changes: Vec<Change>) -> Vec<Vec<Vec<Change>>> {
    let mut parts = Vec::new();
    let mut open: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in changes {
        if let Some(strand) = strand(&change) {
            open.entry(strand).or_default().push(change);
            continue;
        }
        parts.extend(close(&mut open));
        parts.push(vec![vec![change]]);
    }
    parts.extend(close(&mut open));
    parts
}

fn close(open: &mut BTreeMap<String, Vec<Change>>) -> Option<Vec<Vec<Change>>> {
    let strands: Vec<_> = std::mem::take(open).into_values().collect();
    (!strands.is_empty()).then_some(strands)
}

/// What a change to a gear or to one of its operations has to keep its order with.
fn strand(change: &Change) -> Option<String> {
    let of = |kind: &Kind, key: &Key| {
        let is_one = [&kinds::GEAR, &kinds::OPERATION].contains(&kind);
        is_one.then(|| format!("{}/{key}", kind.plural))
    };
    match change {
        Change::Create { kind, object } => {
            let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
            of(kind, &Key::new(part("namespace"), part("name")))
        }
        Change::Begin { operation, .. } => of(
            &kinds::GEAR,
            &Key::new(
                operation.metadata.namespace.clone(),
                operation.spec.gear.clone(),
            ),
        ),
        Change::Patch { target, .. } | Change::Delete { target, .. } => {
            of(target.kind, &target.key)
        }
        Change::DeleteOrphan { .. } | Change::EmptyNamespace { .. } => None,
    }
}

/// What a controller did since the start.
#[derive(Debug, Default)]
pub struct Counters {
    decisions: AtomicU64,
    changes: AtomicU64,
    conflicts: AtomicU64,
    failures: AtomicU64,
    panics: AtomicU64,
}

/// One of the counters.
type Counter = fn(&Counters) -> &AtomicU64;

/// All controllers at work.
pub(crate) struct Queue {
    client: Client,
    clock: Clock,
    scope: Scope,
    caches: Caches,
    world: RwLock<World>,
    lines: Vec<Line>,
    /// Held while an operation begins.
    turns: Turns,
    /// When an object was last written, for writes that may wait.
    reports: Mutex<HashMap<(&'static str, Key), Instant>>,
}

/// What became of some changes of a decision.
#[derive(Debug, Default)]
struct Performed {
    /// One only reports, and waits.
    put_off: bool,
    done: bool,
}

type Decide = Box<dyn Fn(&Key, &World, Timestamp) -> Decision + Send + Sync>;

/// The keys of one controller.
pub(crate) struct Line {
    name: &'static str,
    watches: &'static [Watch],
    keys: fn(&World) -> Vec<Key>,
    decide: Decide,
    state: Mutex<State>,
    wake: Notify,
    counters: Counters,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Key>,
    listed: HashSet<Key>,
    running: HashSet<Key>,
    /// Woken while they were being worked on.
    dirty: HashSet<Key>,
    later: HashMap<Key, Instant>,
    failures: HashMap<Key, Backoff>,
    /// What the key's worker wrote last, until the world shows it.
    written: HashMap<Key, Vec<Written>>,
}

impl Line {
    /// The line of a controller.
    pub(crate) fn new<C: Controller>(controller: C) -> Line {
        Line {
            name: C::NAME,
            watches: C::watches(),
            keys: C::keys,
            decide: Box::new(move |key, world, now| controller.decide(key, world, now)),
            state: Mutex::default(),
            wake: Notify::new(),
            counters: Counters::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: Key) {
        let mut state = self.state();
        if state.running.contains(&key) {
            state.dirty.insert(key);
        } else if state.listed.insert(key.clone()) {
            state.ready.push_back(key);
            self.wake.notify_one();
        }
    }

    async fn next(&self) -> Key {
        loop {
            let woken = self.wake.notified();
            {
                let mut state = self.state();
                if let Some(key) = state.ready.pop_front() {
                    state.listed.remove(&key);
                    state.running.insert(key.clone());
                    return key;
                }
            }
            woken.await;
        }
    }

    fn done(&self, key: &Key) {
        let again = {
            let mut state = self.state();
            state.running.remove(key);
            state.dirty.remove(key)
        };
        if again {
            self.add(key.clone());
        }
    }

    /// Whether the key's worker wrote something that the world may not show yet.
    fn is_ahead(&self, key: &Key) -> bool {
        self.state().written.contains_key(key)
    }

    fn pause_after_failure(&self, key: &Key) -> Duration {
        self.state()
            .failures
            .entry(key.clone())
            .or_insert_with(|| Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE))
            .next(backoff::chance())
    }
}

impl Queue {
    /// Starts to watch; nothing is decided before everything was listed.
    pub(crate) fn start(
        client: Client,
        scope: &Scope,
        clock: Clock,
        lines: Vec<Line>,
    ) -> Arc<Queue> {
        let caches = Caches::start(&client, scope);
        let queue = Arc::new(Queue {
            client,
            clock,
            scope: scope.clone(),
            caches,
            world: RwLock::default(),
            lines,
            turns: Turns::default(),
            reports: Mutex::default(),
        });
        queue.caches.follow(&queue, scope);
        scope.spawn(Queue::run(queue.clone()));
        queue
    }

    /// Waits until the world was listed once.
    pub(crate) async fn synced(&self) {
        self.caches.synced().await;
    }

    async fn run(self: Arc<Queue>) {
        self.caches.synced().await;
        self.caches.load(&self);
        for place in 0..self.lines.len() {
            self.scope.spawn(Queue::serve(self.clone(), place));
        }
        loop {
            for line in &self.lines {
                let keys = (line.keys)(&self.read());
                for key in keys {
                    line.add(key);
                }
            }
            tokio::time::sleep(RESYNC).await;
        }
    }

    async fn serve(self: Arc<Queue>, place: usize) {
        let workers = Arc::new(Semaphore::new(WORKERS));
        loop {
            let Ok(permit) = workers.clone().acquire_owned().await else {
                return;
            };
            let line = &self.lines[place];
            let key = line.next().await;
            // Nearly always nothing is to be done, and that takes no worker.
            let decision = if line.is_ahead(&key) {
                None
            } else if let Some(decision) = self.look(place, &key) {
                Some(decision)
            } else {
                line.done(&key);
                continue;
            };
            let queue = self.clone();
            self.scope.spawn(async move {
                queue.work(place, &key, decision).await;
                queue.lines[place].done(&key);
                drop(permit);
            });
        }
    }

    /// Decides for a key; none when there is nothing to write.
    fn look(self: &Arc<Queue>, place: usize, key: &Key) -> Option<Decision> {
        let line = &self.lines[place];
        let Some(decision) = self.decide(line, key) else {
            self.look_later(place, key, line.pause_after_failure(key));
            return None;
        };
        if let Some(after) = decision.again {
            self.look_later(place, key, after);
        }
        if decision.changes.is_empty() && decision.notes.is_empty() {
            line.state().failures.remove(key);
            return None;
        }
        Some(decision)
    }

    /// Carries out what was decided for a key; when the world did not show its last write then, decides first.
    async fn work(self: &Arc<Queue>, place: usize, key: &Key, decision: Option<Decision>) {
        let line = &self.lines[place];
        let decision = if decision.is_some() {
            decision
        } else {
            self.see_own_writes(line, key).await;
            self.look(place, key)
        };
        let Some(decision) = decision else { return };
        match self.perform(place, key, decision).await {
            Ok(()) => {
                line.state().failures.remove(key);
            }
            Err(refused) => {
                let counter = match refused {
                    Refused::Overtaken(_) | Refused::NotYet => &line.counters.conflicts,
                    Refused::Failed(_) => &line.counters.failures,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                match &refused {
                    Refused::Failed(error) => {
                        tracing::warn!(controller = line.name, %key, %error, "a change failed");
                    }
                    other => tracing::debug!(controller = line.name, %key, ?other, "looks again"),
                }
                self.look_later(place, key, line.pause_after_failure(key));
            }
        }
    }

    /// Waits until the world shows what this key's worker wrote last.
    async fn see_own_writes(&self, line: &Line, key: &Key) {
        let written = line.state().written.remove(key).unwrap_or_default();
        for one in written {
            self.caches.at_least(one.kind, one.revision).await;
            self.caches.refresh(self, one.kind, &one.key);
        }
    }

    /// The decision; none when it panicked.
    fn decide(&self, line: &Line, key: &Key) -> Option<Decision> {
        line.counters.decisions.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let world = self.read();
        let outcome =
            std::panic::catch_unwind(AssertUnwindSafe(|| (line.decide)(key, &world, now)));
        outcome
            .inspect_err(|panic| {
                line.counters.panics.fetch_add(1, Ordering::Relaxed);
                let why = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("no message");
                tracing::error!(controller = line.name, %key, why, "a decision panicked; this is a bug");
            })
            .ok()
    }

    async fn perform(
        self: &Arc<Queue>,
        place: usize,
        key: &Key,
        decision: Decision,
    ) -> Result<(), Refused> {
        // A report that is put off is decided again, and so are its notes; what was done is noted now or never.
        let (mut put_off, mut done) = (false, false);
        for strands in strands(decision.changes) {
            let failed = AtomicBool::new(false);
            let performed = stream::iter(strands)
                .map(|strand| self.perform_strand(place, key, strand, &failed))
                .buffer_unordered(GEARS_AT_ONCE)
                .collect::<Vec<_>>()
                .await;
            for strand in performed {
                match strand {
                    Ok(strand) => {
                        put_off |= strand.put_off;
                        done |= strand.done;
                    }
                    Err(refused) => {
                        self.blame(decision.blame.as_ref(), &refused).await;
                        return Err(refused);
                    }
                }
            }
        }
        if done || !put_off {
            for note in &decision.notes {
                events::record(&self.client, note, self.clock.now()).await;
            }
        }
        Ok(())
    }

    /// Makes changes one after the other, until one of this strand or of another beside it fails.
    async fn perform_strand(
        self: &Arc<Queue>,
        place: usize,
        key: &Key,
        changes: Vec<Change>,
        failed: &AtomicBool,
    ) -> Result<Performed, Refused> {
        let line = &self.lines[place];
        let mut performed = Performed::default();
        for change in changes {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            if let Some(wait) = self.report_too_soon(&change) {
                self.look_later(place, key, wait);
                performed.put_off = true;
                continue;
            }
            let written = perform::perform(&self.client, &change, &self.turns)
                .await
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            line.counters.changes.fetch_add(1, Ordering::Relaxed);
            performed.done = true;
            if let Some(written) = written {
                line.state()
                    .written
                    .entry(key.clone())
                    .or_default()
                    .push(written);
            }
        }
        Ok(performed)
    }

    /// Says in an event why a change that people wait for was not made.
    async fn blame(&self, note: Option<&Note>, refused: &Refused) {
        let (Some(note), Refused::Failed(error)) = (note, refused) else {
            return;
        };
        let note = Note {
            message: format!("{}{error}", note.message),
            ..note.clone()
        };
        events::record(&self.client, &note, self.clock.now()).await;
    }

    /// How long a write that only reports has to wait.
    fn report_too_soon(&self, change: &Change) -> Option<Duration> {
        let Change::Patch {
            target,
            pace: Pace::Gentle,
            ..
        } = change
        else {
            return None;
        };
        let now = Instant::now();
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.retain(|_, last| now.duration_since(*last) < REPORT_EVERY);
        let object = (target.kind.plural, target.key.clone());
        if let Some(last) = reports.get(&object) {
            return Some(REPORT_EVERY.saturating_sub(now.duration_since(*last)));
        }
        reports.insert(object, now);
        None
    }

    fn look_later(self: &Arc<Queue>, place: usize, key: &Key, after: Duration) {
        let due = Instant::now() + after;
        {
            let mut state = self.lines[place].state();
            if state.later.get(key).is_some_and(|already| *already <= due) {
                return;
            }
            state.later.insert(key.clone(), due);
        }
        let (queue, key) = (self.clone(), key.clone());
        self.scope.spawn(async move {
            tokio::time::sleep_until(due).await;
            let line = &queue.lines[place];
            {
                let mut state = line.state();
                if state.later.get(&key) == Some(&due) {
                    state.later.remove(&key);
                }
            }
            line.add(key);
        });
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the present state of an object into the world and wakes who watches it. The state is read under the
    /// world's lock, so that an older one never follows a newer one.
    pub(crate) fn take<T: Tabled>(&self, key: &Key, present: impl FnOnce() -> Option<Arc<T>>) {
        let now = self.clock.now();
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        let object = present();
        let before = world.put(key, object.clone(), now);
        let Some(object) = object.or_else(|| before.clone()) else {
            return;
        };
        let touched = Touched {
            kind: T::KIND,
            key,
            metadata: object.metadata(),
            before: before.as_ref().map(|before| before.metadata()),
            application: object
                .application()
                .map(|name| Key::new(key.namespace.clone(), name)),
            gear: object
                .gear()
                .map(|name| Key::new(key.namespace.clone(), name)),
            node: object.node(),
        };
        for line in &self.lines {
            for watch in line.watches.iter().filter(|watch| *watch.kind == *T::KIND) {
                for woken in (watch.keys)(&world, &touched) {
                    line.add(woken);
                }
            }
        }
    }

    /// The counters as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let counters: [(&str, Counter); 5] = [
            ("decisions", |counters| &counters.decisions),
            ("changes", |counters| &counters.changes),
            ("conflicts", |counters| &counters.conflicts),
            ("failures", |counters| &counters.failures),
            ("panics", |counters| &counters.panics),
        ];
        for (name, counter) in counters {
            let _ = writeln!(text, "# TYPE upshift_controller_{name}_total counter");
            for line in &self.lines {
                let value = counter(&line.counters).load(Ordering::Relaxed);
                let _ = writeln!(
                    text,
                    "upshift_controller_{name}_total{{controller=\"{}\"}} {value}",
                    line.name
                );
            }
        }
        let _ = writeln!(text, "# TYPE upshift_controller_waiting gauge");
        for line in &self.lines {
            let waiting = line.state().ready.len();
            let _ = writeln!(
                text,
                "upshift_controller_waiting{{controller=\"{}\"}} {waiting}",
                line.name
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::upshift::Gear;
    use crate::api::upshift::Operation;
    use crate::api::upshift::Rollout;

    fn gear(name: &str) -> Change {
        let mut gear = Gear::default();
        gear.metadata.namespace = "demo".to_owned();
        gear.metadata.name = name.to_owned();
        Change::patch(&gear, json!({"spec": {"revision": "shop-2"}}))
    }

    fn begin(gear: &str) -> Change {
        let mut operation = Operation::default();
        operation.metadata.namespace = "demo".to_owned();
        operation.metadata.name = format!("shop-2-{gear}-1");
        gear.clone_into(&mut operation.spec.gear);
        Change::begin_in_rollout(operation, "shop-2")
    }

    fn report() -> Change {
        Change::status(&Rollout::default(), &json!({"phase": "Running"}))
    }

    fn name(change: &Change) -> String {
        match change {
            Change::Begin { operation, .. } => operation.metadata.name.clone(),
            Change::Patch { target, .. } => format!("{} {}", target.kind.kind, target.key.name),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn gears_go_side_by_side_and_everything_else_keeps_its_place() {
        let changes = vec![
            gear("a"),
            begin("a"),
            gear("b"),
            begin("b"),
            report(),
            gear("a"),
            report(),
        ];
        let parts: Vec<Vec<Vec<String>>> = strands(changes)
            .iter()
            .map(|part| {
                part.iter()
                    .map(|strand| strand.iter().map(name).collect())
                    .collect()
            })
            .collect();
        assert_eq!(
            parts,
            [
                vec![
                    vec!["Gear a".to_owned(), "shop-2-a-1".to_owned()],
                    vec!["Gear b".to_owned(), "shop-2-b-1".to_owned()],
                ],
                vec![vec!["Rollout ".to_owned()]],
                vec![vec!["Gear a".to_owned()]],
                vec![vec!["Rollout ".to_owned()]],
            ]
        );
    }
}
