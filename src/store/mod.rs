//! Objects, one revision counter, watch history; durable.
//!
//! The store owns the database file and the copy in memory that everything is served from. It knows where an object
//! stands (kind, namespace, name) and stamps `metadata.resourceVersion`; of what is in it it knows the labels and a
//! pod's node, by which it finds objects: no defaults, no validation, no rights.
//!
//! # Decided
//!
//! * **redb, one writer thread, group commit.** Whatever waits is written in one transaction with one sync, and
//!   answered after it. etcd and an LSM tree write faster and cost another process, or a replay at start.
//! * **Serialised once.** The writer turns an object into bytes when it stamps the revision; lists and watches hand
//!   out those bytes.
//! * **What finds an object is found.** Labels and a pod's node are indexed, for lists and for watches: an agent's share
//!   of a fleet costs the same however large the fleet is.
//! * **History is not kept on disk.** A watch resumes from memory; after a restart older revisions are expired (410)
//!   and clients list again, which they must be able to do anyway.

mod database;
mod history;
mod interest;
mod memory;
mod watch;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::RwLock;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::api::kinds::Kind;
use crate::api::meta::Key;

pub use interest::Interest;
pub use interest::Pin;
pub use watch::Watch;

use database::Database;
use memory::Memory;

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub kind: &'static Kind,
    pub key: Key,
}

impl Place {
    /// The place of one object; `namespace` is empty for cluster-scoped kinds.
    pub fn new(kind: &'static Kind, namespace: &str, name: &str) -> Place {
        Place {
            kind,
            key: Key::new(namespace, name),
        }
    }
}

/// One version of one object.
#[derive(Debug)]
pub struct Entry {
    pub place: Place,
    /// Also in the JSON, as `metadata.resourceVersion`.
    pub revision: u64,
    /// The whole object as it is served.
    pub json: Bytes,
    /// One copy for all versions that have the same: history keeps thousands of them.
    pub labels: Arc<BTreeMap<String, String>>,
    /// The node of a pod that has one.
    pub node: Option<String>,
}

impl Entry {
    /// The object parsed.
    pub fn object(&self) -> Value {
        serde_json::from_slice(&self.json).expect("the store wrote this JSON itself")
    }
}

/// What must be true for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing stands there.
    Absent,
    /// This version stands there.
    Revision(u64),
    /// Anything or nothing.
    Any,
}

/// One change asked for.
#[derive(Clone, Debug)]
pub struct Write {
    pub place: Place,
    pub expect: Expect,
    /// The new state; none removes what stands there.
    pub object: Option<Value>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One change that happened.
#[derive(Debug)]
pub struct Change {
    pub kind: ChangeKind,
    /// The new state; of a removal the last one, stamped with the removal's revision.
    pub entry: Arc<Entry>,
    pub previous: Option<Arc<Entry>>,
}

/// Why a write or an open did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("something stands there already")]
    Exists,
    #[error("nothing stands there")]
    Missing,
    #[error("it changed in the meantime")]
    Stale { current: u64 },
    #[error("the database {path} is in use by another process")]
    InUse { path: String },
    #[error("the database {path} cannot be read: {why}")]
    Damaged { path: String, why: String },
    #[error("the change could not be written to disk: {why}")]
    Disk { why: String },
    #[error("the store is closed")]
    Closed,
}

/// The revision asked for is no longer kept (or not yet there): list again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    pub asked: u64,
    pub oldest: u64,
}

/// A handle on the store; clones share it. Closed by [`Store::close`] or when the last handle goes.
#[derive(Clone, Debug)]
pub struct Store {
    memory: Arc<RwLock<Memory>>,
    writes: mpsc::Sender<Asked>,
    closed: Arc<tokio::sync::watch::Sender<bool>>,
}

/// A write and who waits for it.
struct Asked {
    write: Write,
    answer: oneshot::Sender<Result<Arc<Entry>, Error>>,
}

impl Store {
    /// Opens or makes the database in `folder` and reads it into memory.
    ///
    /// Waits up to a second for a process that is just dying to let go of the file.
    pub fn open(folder: &Path) -> Result<Store, Error> {
        Store::with(Database::open(&folder.join("objects.redb"))?)
    }

    /// A store without a disk, for tests.
    pub fn in_memory() -> Store {
        Store::with(Database::in_memory()).expect("an empty database can be read")
    }

    fn with(database: Database) -> Result<Store, Error> {
        let memory = Arc::new(RwLock::new(database.load()?));
        let (writes, asked) = mpsc::channel(1024);
        let closed = Arc::new(tokio::sync::watch::Sender::new(false));
        writer::start(database, Arc::clone(&memory), asked, Arc::clone(&closed));
        Ok(Store {
            memory,
            writes,
            closed,
        })
    }

    /// What stands at a place.
    pub fn entry(&self, place: &Place) -> Option<Arc<Entry>> {
        self.read().entry(place)
    }

    /// What is wanted of a kind (a namespace alone, "" for all of them), in key order, and the revision of this moment.
    pub fn list(
        &self,
        kind: &'static Kind,
        interest: impl Into<Interest>,
    ) -> (Vec<Arc<Entry>>, u64) {
        let interest = interest.into();
        let memory = self.read();
        (memory.list(kind, &interest), memory.revision())
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.read().revision()
    }

    /// Performs one change; when it returns, the change is on disk and visible.
    ///
    /// Returns the new state; of a removal the last one, stamped with the removal's revision.
    pub async fn write(&self, write: Write) -> Result<Arc<Entry>, Error> {
        let (answer, answered) = oneshot::channel();
        self.writes
            .send(Asked { write, answer })
            .await
            .map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Follows what is wanted of a kind (a namespace alone, "" for all), from after a revision; 0 means from now on.
    /// A change is told when the object is wanted, or was before it.
    pub fn watch(
        &self,
        kind: &'static Kind,
        interest: impl Into<Interest>,
        after: u64,
    ) -> Result<Watch, Expired> {
        Watch::start(Arc::clone(&self.memory), kind, interest.into(), after)
    }

    /// Finishes the writes that were accepted and stops; later writes get [`Error::Closed`], watches end.
    pub async fn close(&self) {
        let mut closed = self.closed.subscribe();
        let (answer, _) = oneshot::channel();
        let stop = Write {
            place: writer::stop_place(),
            expect: Expect::Any,
            object: None,
        };
        if self
            .writes
            .send(Asked {
                write: stop,
                answer,
            })
            .await
            .is_ok()
        {
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Memory> {
        self.memory
            .read()
            .expect("nothing panics while it holds the objects")
    }
}

#[cfg(test)]
mod tests;
