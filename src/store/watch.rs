//! Following the changes of one kind: each watch has a box of its own, and whoever applies a change puts it into the
//! boxes that it concerns.
//!
//! # Decided
//!
//! * **Handed out, not fetched.** A fleet's agents each follow the few objects of their node. Were every watch woken to
//!   see whether a change is its own, each write would cost as much as there are agents; so a change is looked up by
//!   what it carries ([`Pin`]), and nobody else wakes. A watch that hears nothing for an hour has missed nothing: it
//!   does not expire because others changed.
//! * **A box has a limit.** A client that reads too slowly is told to list again; the server does not remember for it
//!   without end.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;

use tokio::sync::Notify;

use crate::api::kinds::Kind;
use crate::store::Change;
use crate::store::Expired;
use crate::store::interest;
use crate::store::interest::Interest;
use crate::store::interest::Pin;
use crate::store::memory::Memory;

/// How many changes wait for one watch at the most.
const MOST_CHANGES: usize = 10_000;
/// How many bytes of changed objects wait for one watch at the most.
const MOST_BYTES: usize = 16 << 20;

/// The watches of one kind, each found by one thing that what it wants has.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    next: u64,
    /// Those that want everything, or everything of a namespace.
    wide: BTreeMap<u64, Arc<Letterbox>>,
    narrow: HashMap<Pin, BTreeMap<u64, Arc<Letterbox>>>,
}

impl Watchers {
    fn add(&mut self, address: Option<&Pin>, letters: Arc<Letterbox>) -> u64 {
        self.next += 1;
        let number = self.next;
        let place = match address {
            Some(pin) => self.narrow.entry(pin.clone()).or_default(),
            None => &mut self.wide,
        };
        place.insert(number, letters);
        number
    }

    fn remove(&mut self, address: Option<&Pin>, number: u64) {
        let Some(pin) = address else {
            self.wide.remove(&number);
            return;
        };
        if let Some(place) = self.narrow.get_mut(pin) {
            place.remove(&number);
            if place.is_empty() {
                self.narrow.remove(pin);
            }
        }
    }

    /// Puts a change into the box of every watch that it concerns.
    pub(super) fn deliver(&self, change: &Arc<Change>) {
        for letters in self.wide.values() {
            letters.put(change);
        }
        if self.narrow.is_empty() {
            return;
        }
        let name = Pin::Name(change.entry.place.key.name.clone());
        let before = change.previous.iter();
        let before = before.flat_map(|before| interest::pins(before));
        let carried: HashSet<Pin> = interest::pins(&change.entry)
            .chain(before)
            .chain([name])
            .collect();
        for pin in carried {
            for letters in self.narrow.get(&pin).into_iter().flat_map(BTreeMap::values) {
                letters.put(change);
            }
        }
    }

    /// Tells every watch that nothing more will come.
    pub(super) fn end(&self) {
        let narrow = self.narrow.values().flat_map(BTreeMap::values);
        for letters in self.wide.values().chain(narrow) {
            letters.end();
        }
    }
}

/// What waits for one watch.
#[derive(Debug)]
struct Letterbox {
    interest: Interest,
    letters: Mutex<Letters>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    /// The revision that was too much; what waited is gone.
    overflowed: Option<u64>,
    ended: bool,
}

impl Letterbox {
    fn held(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, change: &Arc<Change>) {
        if !self.interest.concerns(change) {
            return;
        }
        {
            let mut letters = self.held();
            if letters.overflowed.is_some() {
                return;
            }
            letters.bytes += change.entry.json.len();
            letters.changes.push_back(Arc::clone(change));
            if letters.changes.len() > MOST_CHANGES || letters.bytes > MOST_BYTES {
                *letters = Letters {
                    overflowed: Some(change.entry.revision),
                    ..Letters::default()
                };
            }
        }
        self.came.notify_one();
    }

    fn end(&self) {
        self.held().ended = true;
        self.came.notify_one();
    }
}

/// Follows the changes of one kind; leaves the list of watches when it is dropped.
#[derive(Debug)]
pub struct Watch {
    memory: Arc<RwLock<Memory>>,
    kind: &'static Kind,
    letters: Arc<Letterbox>,
    address: Option<Pin>,
    number: u64,
    /// The last revision that was handed out.
    seen: u64,
}

impl Watch {
    pub(super) fn start(
        memory: Arc<RwLock<Memory>>,
        kind: &'static Kind,
        interest: Interest,
        after: u64,
    ) -> Result<Watch, Expired> {
        let mut held = memory
            .write()
            .expect("nothing panics while it holds the objects");
        let now = held.revision();
        let seen = if after == 0 { now } else { after };
        if seen > now {
            return Err(Expired {
                asked: seen,
                oldest: now,
            });
        }
        let has_ended = held.has_ended();
        let shelf = held.shelf(kind);
        let address = shelf.narrowest(&interest.pins).cloned();
        let letters = Arc::new(Letterbox {
            interest,
            letters: Mutex::default(),
            came: Notify::new(),
        });
        for change in shelf.history.after(seen)? {
            letters.put(change);
        }
        if has_ended {
            letters.end();
        }
        let number = shelf.watchers.add(address.as_ref(), Arc::clone(&letters));
        drop(held);
        Ok(Watch {
            memory,
            kind,
            letters,
            address,
            number,
            seen,
        })
    }

    /// The next change; none when the store was closed; expired when this watch fell too far behind.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Arc<Change>>, Expired> {
        loop {
            if let Some(outcome) = self.take() {
                return outcome;
            }
            // A letter that came since leaves a permit behind, which ends the wait at once.
            self.letters.came.notified().await;
        }
    }

    fn take(&mut self) -> Option<Result<Option<Arc<Change>>, Expired>> {
        let mut letters = self.letters.held();
        if let Some(oldest) = letters.overflowed {
            return Some(Err(Expired {
                asked: self.seen,
                oldest,
            }));
        }
        if let Some(change) = letters.changes.pop_front() {
            letters.bytes -= change.entry.json.len();
            self.seen = change.entry.revision;
            return Some(Ok(Some(change)));
        }
        letters.ended.then_some(Ok(None))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(mut memory) = self.memory.write() {
            let watchers = &mut memory.shelf(self.kind).watchers;
            watchers.remove(self.address.as_ref(), self.number);
        }
    }
}

#[cfg(test)]
mod tests;
