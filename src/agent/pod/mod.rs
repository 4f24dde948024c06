//! The pods of one node: which there are, and a worker for each.
//!
//! [`follow`] sees which pods the server wants here and which have a folder here, and gives each a [`worker`]; [`decide`]
//! chooses what it does next, [`status`] says what the server gets to know. A pod is its uid: one that was deleted and
//! made again under its name is another. Processes live under shims and go on when the agent stops.

mod decide;
mod disk;
mod environment;
mod events;
pub(crate) mod exec;
mod holders;
mod hosts;
mod image;
mod listening;
pub(crate) mod log;
mod network;
mod probe;
mod process;
mod status;
mod worker;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::operations::Shared;
use crate::agent::pod::disk::Folder;
use crate::agent::pod::events::Events;
use crate::agent::pod::image::Images;
use crate::agent::pod::network::Network;
use crate::api::meta::Key;
use crate::api::network::Service;
use crate::api::pod::Pod;
use crate::client::Cache;
use crate::client::ListOptions;

/// Why something does not start: a reason in one word, as `get pods` shows it, and a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Trouble {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Trouble {
        Trouble {
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// What all workers of a node share.
pub(crate) struct Pods {
    pub(crate) shared: Arc<Shared>,
    /// `FOLDER/pods`.
    pub(crate) folder: PathBuf,
    pub(crate) images: Images,
    pub(crate) network: Network,
    pub(crate) events: Events,
    pub(crate) services: Cache<Service>,
    /// Where others reach this host.
    pub(crate) address: String,
}

impl Pods {
    /// Opens what the node has of pods.
    pub(crate) fn open(shared: Arc<Shared>, address: &str) -> io::Result<Pods> {
        let images = Images::open(&shared.folder.join("images"), &shared.client)?;
        let events = Events::start(
            shared.client.clone(),
            shared.name.clone(),
            shared.clock.clone(),
            &shared.scope,
        );
        let every = ListOptions::default();
        let services = Cache::start(shared.client.clone(), "", every, &shared.scope);
        Ok(Pods {
            folder: shared.folder.join("pods"),
            images,
            network: Network::new(),
            events,
            services,
            address: address.to_owned(),
            shared,
        })
    }

    /// Removes images that no pod here names.
    fn prune(&self) {
        let mut named = BTreeSet::new();
        for (namespace, uid) in disk::found(&self.folder) {
            let folder = Folder::new(&self.folder, &namespace, &uid);
            if let Some(Ok(Some(record))) = folder.map(|folder| folder.record()) {
                named.extend(record.blobs);
            }
        }
        self.images.prune(&named, Instant::now(), false);
    }
}

/// One pod that somebody works on.
struct Job {
    key: Key,
    wanted: watch::Sender<Option<Arc<Pod>>>,
}

/// Who works on what, by the pods' uids.
struct Follower {
    pods: Arc<Pods>,
    cache: Cache<Pod>,
    jobs: BTreeMap<String, Job>,
    workers: JoinSet<String>,
}

/// Follows the node's pods until the scope is cancelled; their processes then go on without us.
pub(crate) async fn follow(pods: Arc<Pods>, cache: Cache<Pod>) {
    cache.synced().await;
    // A pod learns of its services when it starts.
    pods.services.synced().await;
    let scope = pods.shared.scope.clone();
    if scope.is_cancelled() {
        // It may have seen nothing: then everything would look deleted.
        return;
    }
    let sweeping = pods.clone();
    let swept = tokio::task::spawn_blocking(move || sweeping.network.sweep()).await;
    if let Ok(Err(error)) = swept {
        tracing::warn!(%error, "what pods left in the network stays");
    }
    let known = hosts::follow(pods.clone(), pods.services.clone());
    scope.spawn(known);
    let mut changes = cache.changes();
    let mut follower = Follower {
        pods,
        cache,
        jobs: BTreeMap::new(),
        workers: JoinSet::new(),
    };
    follower.find();
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Some((key, pod)) => follower.look(&key, &pod),
                None => break,
            },
            Some(ended) = follower.workers.join_next() => follower.end(ended),
            () = scope.cancelled() => break,
        }
    }
    follower.workers.shutdown().await;
}

impl Follower {
    /// Takes up what is on the disk, also of pods that are gone from the server.
    fn find(&mut self) {
        let known: BTreeMap<String, Arc<Pod>> = self
            .cache
            .all()
            .into_iter()
            .map(|pod| (pod.metadata.uid.clone(), pod))
            .collect();
        for (namespace, uid) in disk::found(&self.pods.folder) {
            let Some(folder) = Folder::new(&self.pods.folder, &namespace, &uid) else {
                continue;
            };
            let record = folder.record().ok().flatten();
            let pod = known.get(&uid).cloned();
            let key = match (&pod, &record) {
                (Some(pod), _) => pod.metadata.key(),
                (None, Some(record)) => Key::new(&namespace, &record.name),
                // Made, and never written to.
                (None, None) => Key::new(&namespace, ""),
            };
            self.start(key, uid, pod);
        }
    }

    /// Takes note that a pod may have changed; `last` is its newest state, also of one that is gone.
    fn look(&mut self, key: &Key, last: &Arc<Pod>) {
        let now = self.cache.get(key);
        let uid = &last.metadata.uid;
        for (other, job) in &self.jobs {
            let is_this = |pod: &Arc<Pod>| pod.metadata.uid == *other;
            if job.key == *key {
                job.wanted.send_replace(now.clone().filter(is_this));
            }
        }
        let Some(pod) = now.filter(|pod| pod.metadata.uid == *uid) else {
            return;
        };
        if self.jobs.contains_key(uid) {
            return;
        }
        let folder = Folder::new(&self.pods.folder, &key.namespace, uid);
        let is_here = folder.is_some_and(|folder| folder.path().exists());
        // One that ended under an agent that is gone is not run again.
        if is_here || !pod.is_over() {
            self.start(key.clone(), uid.clone(), Some(pod));
        }
    }

    fn start(&mut self, key: Key, uid: String, pod: Option<Arc<Pod>>) {
        let Some(folder) = Folder::new(&self.pods.folder, &key.namespace, &uid) else {
            tracing::error!(pod = %key, uid, "a pod has a name that no folder can have");
            return;
        };
        let (wanted, object) = watch::channel(pod);
        let job = Job {
            key: key.clone(),
            wanted,
        };
        self.jobs.insert(uid.clone(), job);
        let pods = self.pods.clone();
        self.workers.spawn(async move {
            worker::run(pods, folder, key, uid.clone(), object).await;
            uid
        });
    }

    fn end(&mut self, ended: Result<String, tokio::task::JoinError>) {
        match ended {
            Ok(uid) => {
                self.jobs.remove(&uid);
                self.pods.prune();
            }
            // A bug; its job stays taken so that the pod is not worked on from an unknown state.
            Err(error) => tracing::error!(%error, "a pod's worker broke"),
        }
    }
}
