//! The recent changes of one kind, and following them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::RwLock;

use tokio::sync::watch;

use crate::api::kinds::Kind;
use crate::store::Change;
use crate::store::Expired;
use crate::store::memory::Memory;

/// How many changes of a kind are kept at the most.
const MOST_CHANGES: usize = 10_000;
/// How many bytes of changed objects of a kind are kept at the most.
const MOST_BYTES: usize = 8 << 20;

/// Changes in the order of their revisions, oldest first.
#[derive(Debug)]
pub(super) struct History {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    /// Everything after this revision is here.
    complete_after: u64,
}

impl History {
    pub(super) fn new(floor: u64) -> History {
        History {
            changes: VecDeque::new(),
            bytes: 0,
            complete_after: floor,
        }
    }

    pub(super) fn push(&mut self, change: Arc<Change>) {
        self.bytes += change.entry.json.len();
        self.changes.push_back(change);
        while self.changes.len() > MOST_CHANGES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.entry.json.len();
            self.complete_after = oldest.entry.revision;
        }
    }

    /// The changes after a revision, if all of them are still here.
    fn after(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Change>>, Expired> {
        if revision < self.complete_after {
            return Err(Expired {
                asked: revision,
                oldest: self.complete_after,
            });
        }
        let first = self
            .changes
            .partition_point(|change| change.entry.revision <= revision);
        Ok(self.changes.range(first..))
    }
}

/// Follows the changes of one kind.
#[derive(Debug)]
pub struct Watch {
    memory: Arc<RwLock<Memory>>,
    kind: &'static Kind,
    namespace: String,
    /// Everything up to this revision was handed out or does not concern this watch.
    seen: u64,
    ready: VecDeque<Arc<Change>>,
    newest: watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn start(
        memory: Arc<RwLock<Memory>>,
        kind: &'static Kind,
        namespace: &str,
        after: u64,
    ) -> Result<Watch, Expired> {
        let (newest, seen) = {
            let mut held = memory
                .write()
                .expect("nothing panics while it holds the objects");
            let now = held.revision();
            let shelf = held.shelf(kind);
            let seen = if after == 0 { now } else { after };
            if seen > now {
                return Err(Expired {
                    asked: seen,
                    oldest: now,
                });
            }
            let _ = shelf.history.after(seen)?;
            (shelf.newest.subscribe(), seen)
        };
        Ok(Watch {
            memory,
            kind,
            namespace: namespace.to_owned(),
            seen,
            ready: VecDeque::new(),
            newest,
        })
    }

    /// The next change; none when the store was closed; expired when this watch fell too far behind.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Arc<Change>>, Expired> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(Some(change));
            }
            self.newest.mark_unchanged();
            self.fetch()?;
            if self.ready.is_empty() && self.newest.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn fetch(&mut self) -> Result<(), Expired> {
        let mut memory = self
            .memory
            .write()
            .expect("nothing panics while it holds the objects");
        let revision = memory.revision();
        for change in memory.shelf(self.kind).history.after(self.seen)? {
            if self.namespace.is_empty() || change.entry.place.key.namespace == self.namespace {
                self.ready.push_back(Arc::clone(change));
            }
        }
        self.seen = revision;
        Ok(())
    }
}
