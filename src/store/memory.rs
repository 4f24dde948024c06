//! Every object as it is served, and the recent changes of every kind.
//!
//! Changed only by the writer, after the disk. Readers hold the lock for as long as it takes to clone handles.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::watch;

use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::store::Change;
use crate::store::ChangeKind;
use crate::store::Entry;
use crate::store::Place;
use crate::store::history::History;

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    entries: BTreeMap<Key, Arc<Entry>>,
    pub(super) history: History,
    /// Carries the kind's newest revision; watches wait on it.
    pub(super) newest: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct Memory {
    shelves: HashMap<(&'static str, &'static str), Shelf>,
    revision: u64,
    /// The revision at which this memory began; nothing older can be watched.
    floor: u64,
}

impl Memory {
    pub(super) fn new(revision: u64) -> Memory {
        Memory {
            shelves: HashMap::new(),
            revision,
            floor: revision,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn entry(&self, place: &Place) -> Option<Arc<Entry>> {
        self.shelves
            .get(&shelf_of(place.kind))?
            .entries
            .get(&place.key)
            .cloned()
    }

    pub(super) fn list(&self, kind: &Kind, namespace: &str) -> Vec<Arc<Entry>> {
        let Some(shelf) = self.shelves.get(&shelf_of(kind)) else {
            return Vec::new();
        };
        if namespace.is_empty() {
            return shelf.entries.values().cloned().collect();
        }
        let first = Bound::Included(Key::new(namespace, ""));
        let in_namespace = shelf.entries.range((first, Bound::Unbounded));
        in_namespace
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, entry)| Arc::clone(entry))
            .collect()
    }

    pub(super) fn shelf(&mut self, kind: &Kind) -> &mut Shelf {
        let floor = self.floor;
        self.shelves.entry(shelf_of(kind)).or_insert_with(|| Shelf {
            entries: BTreeMap::new(),
            history: History::new(floor),
            newest: watch::Sender::new(floor),
        })
    }

    /// Puts an object back as it stood on disk; no change is told.
    pub(super) fn restore(&mut self, entry: Entry) {
        let shelf = self.shelf(entry.place.kind);
        shelf
            .entries
            .insert(entry.place.key.clone(), Arc::new(entry));
    }

    /// Applies what was committed, in revision order, then wakes who waits.
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        let mut touched: Vec<(&'static Kind, u64)> = Vec::new();
        for change in changes {
            let kind = change.entry.place.kind;
            self.revision = change.entry.revision;
            touched.retain(|(other, _)| *other != kind);
            touched.push((kind, self.revision));
            let shelf = self.shelf(kind);
            let key = change.entry.place.key.clone();
            match change.kind {
                ChangeKind::Deleted => shelf.entries.remove(&key),
                _ => shelf.entries.insert(key, Arc::clone(&change.entry)),
            };
            shelf.history.push(Arc::new(change));
        }
        for (kind, revision) in touched {
            self.shelf(kind).newest.send_replace(revision);
        }
    }

    /// Ends every watch; what stands stays readable, so that nobody takes a stop for a deletion.
    pub(super) fn end(&mut self) {
        for shelf in self.shelves.values_mut() {
            shelf.newest = watch::Sender::new(self.revision);
        }
    }
}

fn shelf_of(kind: &Kind) -> (&'static str, &'static str) {
    (kind.group, kind.plural)
}
