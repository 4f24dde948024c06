//! Every object as it is served, what finds it besides its key, and the recent changes of every kind.
//!
//! Changed only by the writer, after the disk. Readers hold the lock for as long as it takes to clone handles.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::meta::Key;
use crate::store::Change;
use crate::store::ChangeKind;
use crate::store::Entry;
use crate::store::Place;
use crate::store::history::History;
use crate::store::interest;
use crate::store::interest::Interest;
use crate::store::interest::Pin;
use crate::store::watch::Watchers;

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    entries: BTreeMap<Key, Arc<Entry>>,
    /// The keys of the objects that have a label or are on a node.
    pinned: HashMap<Pin, BTreeSet<Key>>,
    pub(super) history: History,
    pub(super) watchers: Watchers,
}

impl Shelf {
    fn new(floor: u64) -> Shelf {
        Shelf {
            entries: BTreeMap::new(),
            pinned: HashMap::new(),
            history: History::new(floor),
            watchers: Watchers::default(),
        }
    }

    /// Puts an object in the place of what stood there.
    fn insert(&mut self, entry: &Arc<Entry>) {
        let key = entry.place.key.clone();
        let before = self.entries.insert(key, Arc::clone(entry));
        if let Some(before) = before {
            // What an update does not change, which is nearly all, stays where it is.
            if before.labels == entry.labels && before.node == entry.node {
                return;
            }
            self.unlist(&before);
        }
        for pin in interest::pins(entry) {
            let keys = self.pinned.entry(pin).or_default();
            keys.insert(entry.place.key.clone());
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(before) = self.entries.remove(key) {
            self.unlist(&before);
        }
    }

    fn unlist(&mut self, entry: &Entry) {
        for pin in interest::pins(entry) {
            if let Some(keys) = self.pinned.get_mut(&pin) {
                keys.remove(&entry.place.key);
                if keys.is_empty() {
                    self.pinned.remove(&pin);
                }
            }
        }
    }

    /// The pin that the fewest objects have now; a name before all.
    pub(super) fn narrowest<'p>(&self, pins: &'p [Pin]) -> Option<&'p Pin> {
        pins.iter().min_by_key(|pin| match pin {
            Pin::Name(_) => 0,
            pin => self.pinned.get(*pin).map_or(0, BTreeSet::len),
        })
    }

    fn list(&self, kind: &Kind, interest: &Interest) -> Vec<Arc<Entry>> {
        let namespace = interest.namespace.as_str();
        let is_one_place = !namespace.is_empty() || kind.scope == Scope::Cluster;
        let wanted = |entry: &&Arc<Entry>| interest.takes(entry);
        match self.narrowest(&interest.pins) {
            Some(Pin::Name(name)) if is_one_place => {
                let entry = self.entries.get(&Key::new(namespace, name.as_str()));
                entry.into_iter().filter(wanted).cloned().collect()
            }
            Some(pin @ (Pin::Label(..) | Pin::OnNode(_))) => {
                let keys = self.pinned.get(pin).into_iter().flatten();
                let entries = keys.filter_map(|key| self.entries.get(key));
                entries.filter(wanted).cloned().collect()
            }
            _ if namespace.is_empty() => self.entries.values().filter(wanted).cloned().collect(),
            _ => {
                let first = Bound::Included(Key::new(namespace, ""));
                let in_namespace = self.entries.range((first, Bound::Unbounded));
                in_namespace
                    .take_while(|(key, _)| key.namespace == namespace)
                    .map(|(_, entry)| entry)
                    .filter(wanted)
                    .cloned()
                    .collect()
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Memory {
    shelves: HashMap<(&'static str, &'static str), Shelf>,
    revision: u64,
    /// The revision at which this memory began; nothing older can be watched.
    floor: u64,
    ended: bool,
}

impl Memory {
    pub(super) fn new(revision: u64) -> Memory {
        Memory {
            shelves: HashMap::new(),
            revision,
            floor: revision,
            ended: false,
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

    /// What is wanted of a kind, in key order.
    pub(super) fn list(&self, kind: &Kind, interest: &Interest) -> Vec<Arc<Entry>> {
        let shelf = self.shelves.get(&shelf_of(kind));
        shelf.map_or_else(Vec::new, |shelf| shelf.list(kind, interest))
    }

    pub(super) fn shelf(&mut self, kind: &Kind) -> &mut Shelf {
        let floor = self.floor;
        self.shelves
            .entry(shelf_of(kind))
            .or_insert_with(|| Shelf::new(floor))
    }

    /// Puts an object back as it stood on disk; no change is told.
    pub(super) fn restore(&mut self, entry: Entry) {
        self.shelf(entry.place.kind).insert(&Arc::new(entry));
    }

    /// Applies what was committed, in revision order, and hands it to those whom it concerns.
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.revision = change.entry.revision;
            let shelf = self.shelf(change.entry.place.kind);
            match change.kind {
                ChangeKind::Deleted => shelf.remove(&change.entry.place.key),
                _ => shelf.insert(&change.entry),
            }
            let change = Arc::new(change);
            shelf.watchers.deliver(&change);
            shelf.history.push(change);
        }
    }

    /// Whether the store was closed.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Ends every watch; what stands stays readable, so that nobody takes a stop for a deletion.
    pub(super) fn end(&mut self) {
        self.ended = true;
        for shelf in self.shelves.values() {
            shelf.watchers.end();
        }
    }
}

fn shelf_of(kind: &Kind) -> (&'static str, &'static str) {
    (kind.group, kind.plural)
}
