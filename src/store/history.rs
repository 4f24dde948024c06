//! The recent changes of one kind: where a watch that comes late begins.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::store::Change;
use crate::store::Expired;

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
    pub(super) fn after(
        &self,
        revision: u64,
    ) -> Result<impl Iterator<Item = &Arc<Change>>, Expired> {
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
