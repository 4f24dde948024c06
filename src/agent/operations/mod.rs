//! What one node has to do: one Operation at a time per gear, several gears side by side.
//!
//! [`follow`] sees which Operations there are, on the server and in journals, and gives each a [`worker`]; [`decide`]
//! chooses what it does next. The loop carries no news: a change only makes it look again.

mod decide;
mod places;
mod report;
mod steps;
mod upload;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::Allow;
use crate::agent::cache::Cache as Bundles;
use crate::agent::install::Place;
use crate::agent::journal::Journal;
use crate::agent::logs::Live;
pub(crate) use crate::agent::operations::places::Places;
use crate::agent::operations::worker::Fault;
use crate::agent::shim::Launcher;
use crate::agent::shim::Shim;
use crate::agent::users::Account;
use crate::api::meta::Key;
use crate::api::upshift::Operation;
use crate::api::upshift::StepStatus;
use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Cache;
use crate::client::Client;
use crate::client::registry::Registry;

/// After a fault of the node's own disk, before the journal is taken up again.
const FAULT_PAUSE: Duration = Duration::from_secs(5);

/// What all workers of a node share.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) client: Client,
    pub(crate) registry: Registry,
    pub(crate) cache: Bundles,
    pub(crate) clock: Clock,
    pub(crate) allow: Allow,
    pub(crate) own: Account,
    pub(crate) places: Places,
    pub(crate) live: Live,
    pub(crate) launcher: Launcher,
    pub(crate) scope: Scope,
    /// Held as long as anybody may write to the folders: the node's, and that of its bundles when it is elsewhere.
    pub(crate) _locks: (fs::File, Option<fs::File>),
}

impl Shared {
    /// Where an Operation's journal and logs are.
    pub(crate) fn operation_folder(&self, key: &Key) -> PathBuf {
        self.folder
            .join("operations")
            .join(&key.namespace)
            .join(&key.name)
    }

    fn install_place(&self, operation: &Operation) -> Place {
        let gear = Key::new(&operation.metadata.namespace, &operation.spec.gear);
        Place::new(self.folder.join("gears"), gear)
    }

    fn gear_folder(&self, operation: &Operation) -> PathBuf {
        self.install_place(operation).folder()
    }

    /// The logs of a step, in order; some may not be there.
    pub(crate) fn step_logs(&self, key: &Key, step: &StepStatus) -> Vec<PathBuf> {
        let folder = self.operation_folder(key);
        (0..step.items.len().max(1))
            .map(|item| item_shim(&folder, &step.name, item).log())
            .collect()
    }
}

/// The shim of one script of a step; a step without scripts has a log in its place at most.
pub(crate) fn item_shim(operation_folder: &Path, step: &str, item: usize) -> Shim {
    Shim::at(operation_folder.join(format!("{step}-{item}")))
}

/// One Operation that somebody works on.
struct Job {
    gear: Key,
    wanted: watch::Sender<Option<Arc<Operation>>>,
}

/// Who works on what.
struct Follower {
    shared: Arc<Shared>,
    operations: Cache<Operation>,
    jobs: BTreeMap<Key, Job>,
    /// Operations to look at, as soon as their gear is free.
    open: BTreeSet<Key>,
    /// The uid of each Operation that nothing is left to do for, though the cache may not show it yet.
    settled: BTreeMap<Key, String>,
    workers: JoinSet<(Key, Result<(), Fault>)>,
}

/// Follows the node's Operations until the scope is cancelled; hooks under way then go on without us.
pub(crate) async fn follow(shared: Arc<Shared>, operations: Cache<Operation>) {
    operations.synced().await;
    if shared.scope.is_cancelled() {
        // It may have seen nothing: then everything would look deleted.
        return;
    }
    let mut changes = operations.changes();
    let mut follower = Follower {
        open: journals(&shared.folder.join("operations")),
        shared,
        operations,
        jobs: BTreeMap::new(),
        settled: BTreeMap::new(),
        workers: JoinSet::new(),
    };
    let scope = follower.shared.scope.clone();
    loop {
        while let Ok((key, _)) = changes.try_recv() {
            follower.look(key);
        }
        follower.start_what_can();
        tokio::select! {
            change = changes.recv() => match change {
                Some((key, _)) => follower.look(key),
                None => break,
            },
            Some(ended) = follower.workers.join_next() => follower.end(ended),
            () = scope.cancelled() => break,
        }
    }
    // Whoever comes next must find journals that nobody writes to.
    follower.workers.shutdown().await;
}

/// Every Operation that has a folder on the node.
fn journals(folder: &std::path::Path) -> BTreeSet<Key> {
    let names = |folder: &std::path::Path| -> Vec<String> {
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    };
    names(folder)
        .into_iter()
        .flat_map(|namespace| {
            names(&folder.join(&namespace))
                .into_iter()
                .map(move |name| Key::new(namespace.clone(), name))
        })
        .collect()
}

impl Follower {
    /// Takes note that an Operation may have changed.
    fn look(&mut self, key: Key) {
        let operation = self.operations.get(&key);
        if let Some(job) = self.jobs.get(&key) {
            job.wanted.send_replace(operation);
            return;
        }
        let is_settled = match &operation {
            Some(operation) => self.settled.get(&key) == Some(&operation.metadata.uid),
            None => self.settled.remove(&key).is_none() && !self.has_folder(&key),
        };
        if !is_settled {
            self.open.insert(key);
        }
    }

    fn has_folder(&self, key: &Key) -> bool {
        self.shared.operation_folder(key).exists()
    }

    /// Starts the oldest open Operation of every gear that nobody works on.
    fn start_what_can(&mut self) {
        let mut open: Vec<(Key, Option<Arc<Operation>>)> = std::mem::take(&mut self.open)
            .into_iter()
            .map(|key| {
                let operation = self.operations.get(&key);
                (key, operation)
            })
            .collect();
        // What is begun goes first, then the older; the rest waits for its gear.
        open.sort_by_cached_key(|(key, operation)| {
            let made = operation
                .as_ref()
                .and_then(|operation| operation.metadata.creation_timestamp);
            (!self.has_folder(key), made, key.clone())
        });
        for (key, operation) in open {
            let gear = self.gear(&key, operation.as_deref());
            if self.jobs.values().any(|job| job.gear == gear) {
                self.open.insert(key);
                continue;
            }
            let (wanted, follow) = watch::channel(operation);
            self.jobs.insert(key.clone(), Job { gear, wanted });
            let shared = self.shared.clone();
            self.workers.spawn(async move {
                let ended = worker::run(shared, key.clone(), follow).await;
                (key, ended)
            });
        }
    }

    /// The gear of an Operation, also of one that is gone from the server.
    fn gear(&self, key: &Key, operation: Option<&Operation>) -> Key {
        let kept = || {
            let state = Journal::look(&self.shared.operation_folder(key))?;
            Some(state.operation.spec.gear.clone())
        };
        let gear = operation
            .map(|operation| operation.spec.gear.clone())
            .or_else(kept)
            .unwrap_or_default();
        Key::new(&key.namespace, gear)
    }

    fn end(&mut self, ended: Result<(Key, Result<(), Fault>), tokio::task::JoinError>) {
        let (key, result) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // A bug; its job stays taken so that the gear is not worked on from an unknown state.
                tracing::error!(%error, "a worker broke");
                return;
            }
        };
        let Some(job) = self.jobs.remove(&key) else {
            return;
        };
        let operation = self.operations.get(&key);
        match (result, operation) {
            (Ok(()), Some(operation)) => {
                let seen = job.wanted.borrow().clone();
                let is_same = seen.is_some_and(|seen| seen.metadata.uid == operation.metadata.uid);
                if is_same {
                    let uid = operation.metadata.uid.clone();
                    self.settled.insert(key.clone(), uid);
                }
                self.look(key);
            }
            (Ok(()), None) => self.look(key),
            (Err(fault), _) => {
                tracing::error!(operation = %key, error = %fault, "put off by a fault of the node");
                self.put_off(key, job);
            }
        }
    }

    /// Takes a job up again after a pause, its gear staying taken.
    fn put_off(&mut self, key: Key, job: Job) {
        let shared = self.shared.clone();
        let follow = job.wanted.subscribe();
        self.jobs.insert(key.clone(), job);
        self.workers.spawn(async move {
            tokio::time::sleep(FAULT_PAUSE).await;
            let ended = worker::run(shared, key.clone(), follow).await;
            (key, ended)
        });
    }
}
