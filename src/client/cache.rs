//! A copy of one kind's objects, kept current by list and watch; controllers and agents read it instead of the server.
//!
//! It resumes from the last version it saw, lists again when that is gone, and tries for ever with growing pauses. It
//! ends with its scope. It never writes. An object that does not fit the view is reported; its last good state stays,
//! so that a bad object never looks like a deleted one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::core::Any;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::error::Error;
use crate::client::request::ListOptions;
use crate::client::watch::WatchEvent;
use crate::client::watch::revision;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The objects of a kind as last seen; a cheap clone.
pub struct Cache<T: Typed>(Arc<Shared<T>>);

/// A way to find objects by something else than their key, kept up to date.
pub struct Index<T> {
    pub name: &'static str,
    /// The values under which an object is found.
    pub values: fn(&T) -> Vec<String>,
}

/// All objects at one moment.
pub type Snapshot<T> = Arc<BTreeMap<Key, Arc<T>>>;

/// A key and its new state or, after a deletion, its last one.
pub type Change<T> = (Key, Arc<T>);

struct Shared<T: Typed> {
    objects: RwLock<Objects<T>>,
    /// Everything up to this version is in `objects`; `None` before the first list.
    seen: watch::Sender<Option<u64>>,
    scope: Scope,
}

impl<T: Typed> Cache<T> {
    /// Starts to follow the selected objects; `namespace` "" means everywhere.
    pub fn start(client: Client, namespace: &str, options: ListOptions, scope: &Scope) -> Cache<T> {
        Cache::indexed(client, namespace, options, scope, Vec::new())
    }

    /// The same, with indexes.
    pub fn indexed(
        client: Client,
        namespace: &str,
        options: ListOptions,
        scope: &Scope,
        indexes: Vec<Index<T>>,
    ) -> Cache<T> {
        let cache = Cache(Arc::new(Shared {
            objects: RwLock::new(Objects::new(indexes)),
            seen: watch::Sender::new(None),
            scope: scope.clone(),
        }));
        let follower = Follower {
            cache: cache.clone(),
            client,
            namespace: namespace.to_owned(),
            options,
        };
        scope.spawn(follower.run());
        cache
    }

    /// Waits for the first complete list; returns when the scope is cancelled, too.
    pub async fn synced(&self) {
        self.at_least(0).await;
    }

    /// Waits until it has seen that version of its kind (a write answers with one), or the scope is cancelled.
    pub async fn at_least(&self, revision: u64) {
        let mut seen = self.0.seen.subscribe();
        tokio::select! {
            _ = seen.wait_for(|seen| seen.is_some_and(|seen| seen >= revision)) => {}
            () = self.0.scope.cancelled() => {}
        }
    }

    /// The object of that name.
    pub fn get(&self, key: &Key) -> Option<Arc<T>> {
        self.read().all.get(key).cloned()
    }

    /// Every object, in the order of keys.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.read().all.values().cloned().collect()
    }

    /// The objects an index finds under `value`, in the order of keys.
    pub fn by(&self, index: &'static str, value: &str) -> Vec<Arc<T>> {
        self.read().by(index, value)
    }

    /// All objects at one moment; what comes after does not change it.
    pub fn snapshot(&self) -> Snapshot<T> {
        self.read().all.clone()
    }

    /// The version up to which it has seen everything; 0 before the first list.
    pub fn revision(&self) -> u64 {
        self.0.seen.borrow().unwrap_or(0)
    }

    /// Everything there is now, then every change, in order.
    pub fn changes(&self) -> mpsc::UnboundedReceiver<Change<T>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut objects = self.write();
        for (key, object) in objects.all.iter() {
            // The receiver is still in our hands, so nothing is lost here.
            let _ = sender.send((key.clone(), object.clone()));
        }
        objects.listeners.push(sender);
        receiver
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Objects<T>> {
        self.0
            .objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Objects<T>> {
        self.0
            .objects
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Typed> Clone for Cache<T> {
    fn clone(&self) -> Cache<T> {
        Cache(self.0.clone())
    }
}

impl<T: Typed> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("kind", &T::KIND.kind)
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

/// The keys under each value of an index.
type Found = BTreeMap<String, BTreeSet<Key>>;

/// The objects, what finds them, and who wants to know.
struct Objects<T: Typed> {
    all: Snapshot<T>,
    indexes: Vec<(Index<T>, Found)>,
    listeners: Vec<mpsc::UnboundedSender<Change<T>>>,
}

impl<T: Typed> Objects<T> {
    fn new(indexes: Vec<Index<T>>) -> Objects<T> {
        Objects {
            all: Snapshot::default(),
            indexes: indexes
                .into_iter()
                .map(|index| (index, BTreeMap::new()))
                .collect(),
            listeners: Vec::new(),
        }
    }

    fn by(&self, index: &'static str, value: &str) -> Vec<Arc<T>> {
        self.indexes
            .iter()
            .find(|(known, _)| known.name == index)
            .and_then(|(_, found)| found.get(value))
            .into_iter()
            .flatten()
            .filter_map(|key| self.all.get(key).cloned())
            .collect()
    }

    /// Puts a new state in place, unless it is the one that is there.
    fn put(&mut self, key: &Key, object: T) {
        let old = self.all.get(key).cloned();
        if old
            .as_ref()
            .is_some_and(|old| old.metadata().revision() >= object.metadata().revision())
        {
            return;
        }
        let object = Arc::new(object);
        Arc::make_mut(&mut self.all).insert(key.clone(), object.clone());
        self.reindex(key, old.as_deref(), Some(&object));
        self.tell(key, &object);
    }

    fn remove(&mut self, key: &Key, last: Option<T>) {
        let Some(old) = Arc::make_mut(&mut self.all).remove(key) else {
            return;
        };
        self.reindex(key, Some(&old), None);
        self.tell(key, &last.map_or(old, Arc::new));
    }

    /// Makes the objects those of a list; who is not in it is gone.
    fn replace(&mut self, list: Vec<(Key, Option<T>)>) {
        let listed: BTreeSet<Key> = list.iter().map(|(key, _)| key.clone()).collect();
        let gone: Vec<Key> = self
            .all
            .keys()
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        for key in gone {
            self.remove(&key, None);
        }
        for (key, object) in list {
            let Some(object) = object else { continue };
            // A list is the truth, also when the server was put back to an older state.
            let newer = object.metadata().revision();
            let same = |old: &Arc<T>| old.metadata().revision() == newer;
            if self.all.get(&key).is_some_and(|old| !same(old)) {
                let old = Arc::make_mut(&mut self.all).remove(&key);
                self.reindex(&key, old.as_deref(), None);
            }
            self.put(&key, object);
        }
    }

    fn reindex(&mut self, key: &Key, old: Option<&T>, new: Option<&T>) {
        for (index, found) in &mut self.indexes {
            for value in old.map(index.values).unwrap_or_default() {
                if let Some(keys) = found.get_mut(&value) {
                    keys.remove(key);
                    if keys.is_empty() {
                        found.remove(&value);
                    }
                }
            }
            for value in new.map(index.values).unwrap_or_default() {
                found.entry(value).or_default().insert(key.clone());
            }
        }
    }

    fn tell(&mut self, key: &Key, object: &Arc<T>) {
        self.listeners
            .retain(|listener| listener.send((key.clone(), object.clone())).is_ok());
    }
}

/// The task that keeps a cache current.
struct Follower<T: Typed> {
    cache: Cache<T>,
    client: Client,
    namespace: String,
    options: ListOptions,
}

/// How a watch ended.
enum End {
    /// Go on from the last version seen.
    Resume(Option<Error>),
    /// That version is gone: list again.
    Expired,
}

impl<T: Typed> Follower<T> {
    async fn run(self) {
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures = 0;
        let mut listed = false;
        loop {
            let (before, started) = (self.cache.revision(), Instant::now());
            let result = if listed {
                self.watch().await
            } else {
                self.list().await.map(|()| End::Resume(None))
            };
            let was_listing = !listed;
            let failure = match result {
                Ok(End::Resume(failure)) => {
                    listed = true;
                    failure
                }
                Ok(End::Expired) => {
                    listed = false;
                    None
                }
                Err(error) => Some(error),
            };
            match failure {
                Some(error) => {
                    failures += 1;
                    self.report(&error, failures);
                }
                None if was_listing => continue,
                None => failures = 0,
            }
            if self.cache.revision() > before || started.elapsed() > LONGEST_PAUSE {
                pauses.reset();
            }
            tokio::time::sleep(pauses.next(backoff::chance())).await;
        }
    }

    fn report(&self, error: &Error, failures: u32) {
        let (kind, server) = (T::KIND.plural, self.client.server());
        if failures == 1 {
            tracing::warn!(kind, server, %error, "cannot follow objects; trying again");
        } else {
            tracing::debug!(kind, server, %error, failures, "still cannot follow objects");
        }
    }

    async fn list(&self) -> Result<(), Error> {
        let listed = self
            .client
            .list_objects(T::KIND, &self.namespace, &self.options)
            .await?;
        let list = listed
            .items
            .into_iter()
            .map(|object| (key(&object), view(object)))
            .collect();
        self.cache.write().replace(list);
        self.cache.0.seen.send_replace(Some(listed.revision));
        Ok(())
    }

    async fn watch(&self) -> Result<End, Error> {
        let mut options = self.options.clone();
        options.resource_version = self.cache.revision().to_string();
        let opened = self
            .client
            .watch_as::<Box<RawValue>>(T::KIND, &self.namespace, &options)
            .await;
        let mut events = match opened {
            Err(error) if error.is_expired() => return Ok(End::Expired),
            opened => opened?,
        };
        loop {
            match events.next().await {
                None => return Ok(End::Resume(None)),
                Some(Ok(event)) => self.apply(event),
                Some(Err(error)) if error.is_expired() => return Ok(End::Expired),
                Some(Err(error)) => return Ok(End::Resume(Some(error))),
            }
        }
    }

    /// Takes an event in, unless something later was seen already.
    fn apply(&self, event: WatchEvent<Box<RawValue>>) {
        let (WatchEvent::Added(text)
        | WatchEvent::Modified(text)
        | WatchEvent::Deleted(text)
        | WatchEvent::Bookmark(text)) = &event;
        let Some(seen) = Seen::<T>::of(text.get()) else {
            return;
        };
        if seen.revision < self.cache.revision() {
            return;
        }
        match (event, seen.object) {
            (WatchEvent::Added(_) | WatchEvent::Modified(_), Some(object)) => {
                self.cache.write().put(&seen.key, object);
            }
            (WatchEvent::Deleted(_), last) => self.cache.write().remove(&seen.key, last),
            _ => {}
        }
        self.cache.0.seen.send_replace(Some(seen.revision));
    }
}

/// An object that was told of.
struct Seen<T> {
    key: Key,
    revision: u64,
    /// None when it does not fit the view.
    object: Option<T>,
}

impl<T: Typed> Seen<T> {
    /// None when it is not even an object with metadata.
    fn of(text: &str) -> Option<Seen<T>> {
        let about = |metadata: &Metadata| {
            let key = Key::new(&metadata.namespace, &metadata.name);
            (key, metadata.revision())
        };
        let why = match serde_json::from_str::<T>(text) {
            Ok(object) => {
                let (key, revision) = about(object.metadata());
                let object = Some(object);
                return Some(Seen {
                    key,
                    revision,
                    object,
                });
            }
            Err(why) => why,
        };
        let any: Option<Any> = serde_json::from_str(text).ok();
        let (key, revision) = any.map(|any| about(&any.metadata)).unzip();
        report_unfit::<T>(key.as_ref(), revision, &why);
        Some(Seen {
            key: key?,
            revision: revision?,
            object: None,
        })
    }
}

fn report_unfit<T: Typed>(key: Option<&Key>, revision: Option<u64>, why: &dyn fmt::Display) {
    let key = key.map(ToString::to_string).unwrap_or_default();
    tracing::warn!(kind = T::KIND.kind, key, revision, error = %why, "an object cannot be read; left as it was");
}

fn key(object: &Value) -> Key {
    let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    Key::new(part("namespace"), part("name"))
}

fn view<T: Typed>(object: Value) -> Option<T> {
    let (key, revision) = (key(&object), revision(&object));
    let view = crate::client::decode(object);
    view.inspect_err(|error| report_unfit::<T>(Some(&key), Some(revision), error))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::core::Node;
    use crate::api::status::Status;
    use crate::client::fake::Fake;

    fn node(name: &str, revision: u64) -> Value {
        json!({"kind": "Node", "apiVersion": "v1",
            "metadata": {"name": name, "resourceVersion": revision.to_string(), "labels": {"at": revision.to_string()}}})
    }

    fn list(revision: u64, items: &[Value]) -> Value {
        json!({"metadata": {"resourceVersion": revision.to_string()}, "items": items})
    }

    fn line(kind: &str, object: &Value) -> Result<bytes::Bytes, Error> {
        let line = json!({"type": kind, "object": object});
        serde_json::to_vec(&line)
            .map(|line| [&line, b"\n".as_slice()].concat().into())
            .map_err(|error| Error::Decode(error.to_string()))
    }

    fn nodes(client: Client, scope: &Scope) -> Cache<Node> {
        let at = Index {
            name: "at",
            values: |node: &Node| node.metadata.labels.values().cloned().collect(),
        };
        Cache::indexed(client, "", ListOptions::default(), scope, vec![at])
    }

    fn shown(cache: &Cache<Node>) -> Vec<String> {
        let show =
            |node: &Arc<Node>| format!("{}@{}", node.metadata.name, node.metadata.resource_version);
        cache.all().iter().map(show).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn follows_and_drops_what_comes_too_late() {
        let (fake, client) = Fake::client();
        let scope = Scope::new();
        fake.json(200, &list(5, &[node("a", 3), node("b", 4)]));
        let watch = fake.stream();
        let cache = nodes(client, &scope);
        cache.synced().await;
        let mut changes = cache.changes();
        let before = cache.snapshot();
        for (kind, object) in [
            ("MODIFIED", node("a", 7)),
            ("MODIFIED", node("a", 6)),
            ("DELETED", node("b", 8)),
            ("MODIFIED", node("b", 5)),
            ("ADDED", node("c", 9)),
            ("BOOKMARK", json!({"metadata": {"resourceVersion": "20"}})),
        ] {
            watch.send(line(kind, &object)).unwrap();
        }
        cache.at_least(20).await;
        assert_eq!(shown(&cache), ["a@7", "c@9"]);
        assert_eq!(before.len(), 2);
        let mut told = Vec::new();
        while let Ok((key, object)) = changes.try_recv() {
            told.push(format!("{key}@{}", object.metadata.resource_version));
        }
        assert_eq!(told, ["a@3", "b@4", "a@7", "b@8", "c@9"]);
        assert_eq!(cache.by("at", "7").len(), 1);
        assert_eq!(cache.by("at", "3").len(), 0);
        assert_eq!(scope.close(Duration::from_secs(1)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn resumes_after_a_break_and_lists_again_after_410() {
        let (fake, client) = Fake::client();
        let scope = Scope::new();
        fake.fail(Error::Refused {
            server: "h:1".into(),
        });
        fake.json(200, &list(5, &[node("a", 3), node("b", 4)]));
        let first = fake.stream();
        first.send(line("MODIFIED", &node("a", 6))).unwrap();
        first.send(Err(Error::Interrupted("cut".into()))).unwrap();
        let second = fake.stream();
        let expired = serde_json::to_value(Status::expired("too old")).unwrap();
        second.send(line("ERROR", &expired)).unwrap();
        fake.json(200, &list(30, &[node("a", 6), node("c", 29)]));
        fake.json(410, &expired);
        fake.json(200, &list(31, &[node("c", 31)]));
        let cache = nodes(client, &scope);
        cache.at_least(31).await;
        assert_eq!(shown(&cache), ["c@31"]);
        let asked = fake.asked().join("\n");
        let page = "GET /api/v1/nodes?limit=500";
        let watch = |from: u64| {
            format!("GET /api/v1/nodes?resourceVersion={from}&watch=true&allowWatchBookmarks=true")
        };
        let expected = [
            page.to_owned(),
            page.to_owned(),
            watch(5),
            watch(6),
            page.to_owned(),
            watch(30),
            page.to_owned(),
        ];
        assert!(asked.starts_with(&expected.join("\n")), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_object_is_left_out_and_does_not_look_deleted() {
        let (fake, client) = Fake::client();
        let scope = Scope::new();
        let mut bad = node("a", 4);
        bad["spec"] = json!({"unschedulable": "perhaps"});
        fake.json(200, &list(3, &[node("a", 3), bad.clone()]));
        let watch = fake.stream();
        watch.send(line("MODIFIED", &bad)).unwrap();
        let bookmark = json!({"metadata": {"resourceVersion": "9"}});
        watch.send(line("BOOKMARK", &bookmark)).unwrap();
        let cache = nodes(client, &scope);
        cache.at_least(9).await;
        assert_eq!(shown(&cache), ["a@3"]);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_scope() {
        let (_fake, client) = Fake::client();
        let scope = Scope::new();
        let cache = nodes(client, &scope);
        scope.cancel();
        cache.synced().await;
        assert_eq!(cache.revision(), 0);
    }
}
