//! What the index promises: exactly what the plain filter says, for whoever asks, from wherever they begin.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::api::kinds::POD;
use crate::api::meta::Key;
use crate::store::ChangeKind;
use crate::store::Entry;
use crate::store::Place;

/// Objects with a label and a node that come and go, as a test writes them.
struct Site {
    memory: Arc<RwLock<Memory>>,
    all: Vec<Arc<Change>>,
}

/// What an object is made of: its namespace and name, its label's value, its node.
type Shape = (usize, usize, Option<usize>, Option<usize>);

const NAMESPACES: [&str; 2] = ["a", "ab"];
const NAMES: [&str; 3] = ["x", "y", "z"];
const VALUES: [&str; 3] = ["one", "two", "three"];

impl Site {
    fn new(floor: u64) -> Site {
        Site {
            memory: Arc::new(RwLock::new(Memory::new(floor))),
            all: Vec::new(),
        }
    }

    fn place(namespace: usize, name: usize) -> Place {
        Place::new(&POD, NAMESPACES[namespace], NAMES[name])
    }

    fn revision(&self) -> u64 {
        self.memory.read().unwrap().revision()
    }

    /// Puts an object there, or its newer state.
    fn put(&mut self, (namespace, name, label, node): Shape) {
        let labels = label.map(|value| ("tier".to_owned(), VALUES[value].to_owned()));
        self.change(Self::place(namespace, name), |place, revision| Entry {
            place,
            revision,
            json: Bytes::from_static(b"{}"),
            labels: labels
                .into_iter()
                .chain([("all".to_owned(), "yes".to_owned())])
                .collect::<BTreeMap<_, _>>()
                .into(),
            node: node.map(|node| VALUES[node].to_owned()),
        });
    }

    fn change(&mut self, place: Place, make: impl FnOnce(Place, u64) -> Entry) {
        let mut memory = self.memory.write().unwrap();
        let previous = memory.entry(&place);
        let entry = Arc::new(make(place, memory.revision() + 1));
        let kind = match previous {
            None => ChangeKind::Added,
            Some(_) => ChangeKind::Modified,
        };
        memory.apply(vec![Change {
            kind,
            entry: Arc::clone(&entry),
            previous: previous.clone(),
        }]);
        self.all.push(Arc::new(Change {
            kind,
            entry,
            previous,
        }));
    }

    fn remove(&mut self, namespace: usize, name: usize) {
        let mut memory = self.memory.write().unwrap();
        let place = Self::place(namespace, name);
        let Some(last) = memory.entry(&place) else {
            return;
        };
        let make = || Change {
            kind: ChangeKind::Deleted,
            entry: Arc::new(Entry {
                place: place.clone(),
                revision: last.revision.max(memory.revision()) + 1,
                json: last.json.clone(),
                labels: last.labels.clone(),
                node: last.node.clone(),
            }),
            previous: Some(Arc::clone(&last)),
        };
        let (told, kept) = (make(), make());
        memory.apply(vec![told]);
        self.all.push(Arc::new(kept));
    }

    fn watch(&self, interest: Interest, after: u64) -> Watch {
        Watch::start(Arc::clone(&self.memory), &POD, interest, after).unwrap()
    }

    /// What a watch is to tell, by the plain filter.
    fn expected(&self, interest: &Interest, after: u64) -> Vec<String> {
        let after = self.all.iter().filter(|one| one.entry.revision > after);
        after
            .filter(|one| interest.concerns(one))
            .map(|one| shown(one))
            .collect()
    }
}

fn shown(change: &Change) -> String {
    let before = change.previous.as_ref().map_or(0, |before| before.revision);
    let key = &change.entry.place.key;
    format!(
        "{:?} {key}@{} from {before}",
        change.kind, change.entry.revision
    )
}

/// Everything that waits for a watch.
fn told(watch: &mut Watch) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(outcome) = watch.next().now_or_never() {
        told.push(shown(&outcome.unwrap().unwrap()));
    }
    told
}

fn label(value: usize) -> Pin {
    Pin::Label("tier".to_owned(), VALUES[value].to_owned())
}

fn on_node(node: usize) -> Pin {
    Pin::OnNode(VALUES[node].to_owned())
}

fn about(namespace: &str, pins: Vec<Pin>) -> Interest {
    Interest {
        namespace: namespace.to_owned(),
        pins,
    }
}

#[test]
fn a_change_reaches_whom_the_object_concerns_before_or_after_and_nobody_else() {
    let mut site = Site::new(0);
    let mut one = site.watch(about("", vec![label(0)]), 0);
    let mut two = site.watch(about("", vec![label(1)]), 0);
    let mut here = site.watch(about("", vec![on_node(0)]), 0);
    site.put((0, 0, Some(0), None));
    site.put((0, 0, Some(1), Some(0)));
    site.put((0, 0, None, Some(1)));
    site.remove(0, 0);
    assert_eq!(
        told(&mut one),
        ["Added a/x@1 from 0", "Modified a/x@2 from 1"]
    );
    assert_eq!(
        told(&mut two),
        ["Modified a/x@2 from 1", "Modified a/x@3 from 2"]
    );
    assert_eq!(
        told(&mut here),
        ["Modified a/x@2 from 1", "Modified a/x@3 from 2"]
    );
    site.put((0, 1, Some(2), Some(2)));
    let waits = |watch: &Watch| watch.letters.held().changes.len();
    assert_eq!([waits(&one), waits(&two), waits(&here)], [0, 0, 0]);
}

#[test]
fn a_watch_that_hears_nothing_does_not_expire_when_others_change() {
    let mut site = Site::new(0);
    let mut quiet = site.watch(about("", vec![label(2)]), 0);
    for _ in 0..MOST_CHANGES + 100 {
        site.put((0, 0, Some(0), None));
    }
    site.put((0, 1, Some(2), None));
    assert_eq!(told(&mut quiet).len(), 1);
    let late = Watch::start(Arc::clone(&site.memory), &POD, about("", vec![label(2)]), 1);
    assert!(late.is_err(), "its beginning is forgotten");
}

#[test]
fn a_watch_that_is_dropped_leaves_nothing_behind() {
    let site = Site::new(0);
    let watches: Vec<Watch> = (0..3)
        .map(|value| site.watch(about("", vec![label(value)]), 0))
        .chain([site.watch(about("a", Vec::new()), 0)])
        .collect();
    drop(watches);
    let mut memory = site.memory.write().unwrap();
    let watchers = &memory.shelf(&POD).watchers;
    assert!(watchers.wide.is_empty() && watchers.narrow.is_empty());
}

#[tokio::test]
async fn the_end_comes_after_what_was_told_before_it() {
    let mut site = Site::new(0);
    let mut watch = site.watch(about("", vec![label(0)]), 0);
    site.put((0, 0, Some(0), None));
    site.memory.write().unwrap().end();
    assert_eq!(watch.next().await.unwrap().unwrap().entry.revision, 1);
    assert!(watch.next().await.unwrap().is_none());
    let mut late = site.watch(about("", Vec::new()), 0);
    assert!(late.next().await.unwrap().is_none());
}

#[test]
fn the_index_is_there_after_a_restart() {
    let mut memory = Memory::new(7);
    memory.restore(Entry {
        place: Site::place(0, 0),
        revision: 3,
        json: Bytes::from_static(b"{}"),
        labels: BTreeMap::from([("tier".to_owned(), "one".to_owned())]).into(),
        node: Some("two".to_owned()),
    });
    let count = |pins| memory.list(&POD, &about("a", pins)).len();
    assert_eq!(count(vec![label(0)]), 1);
    assert_eq!(count(vec![on_node(1)]), 1);
    assert_eq!(count(vec![label(0), on_node(0)]), 0);
    assert_eq!(count(vec![Pin::Name("x".to_owned())]), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Put(Shape),
    Remove(usize, usize),
    /// A watch begins, that many changes back.
    Watch(Interest, u64),
    /// One of the watches goes.
    Drop(usize),
}

fn pin() -> impl Strategy<Value = Pin> {
    prop_oneof![
        (0..3usize).prop_map(label),
        (0..3usize).prop_map(on_node),
        (0..3usize).prop_map(|name| Pin::Name(NAMES[name].to_owned())),
        Just(Pin::Label("all".to_owned(), "yes".to_owned())),
    ]
}

fn interest() -> impl Strategy<Value = Interest> {
    let namespace = prop_oneof![Just(""), Just("a"), Just("ab")];
    (namespace, proptest::collection::vec(pin(), 0..3))
        .prop_map(|(namespace, pins)| about(namespace, pins))
}

fn step() -> impl Strategy<Value = Step> {
    let value = || proptest::option::of(0..3usize);
    prop_oneof![
        6 => (0..2usize, 0..3usize, value(), value()).prop_map(Step::Put),
        2 => (0..2usize, 0..3usize).prop_map(|(namespace, name)| Step::Remove(namespace, name)),
        2 => (interest(), 0..6u64).prop_map(|(interest, back)| Step::Watch(interest, back)),
        1 => (0..8usize).prop_map(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn lists_and_watches_are_what_the_plain_filter_says(
        steps in proptest::collection::vec(step(), 1..60),
        asked in proptest::collection::vec(interest(), 1..6),
    ) {
        let mut site = Site::new(0);
        let mut watches: Vec<(Interest, u64, Watch)> = Vec::new();
        for step in steps {
            match step {
                Step::Put(shape) => site.put(shape),
                Step::Remove(namespace, name) => site.remove(namespace, name),
                Step::Watch(interest, back) => {
                    let after = site.revision().saturating_sub(back);
                    // 0 would mean from now on.
                    if after > 0 {
                        let watch = site.watch(interest.clone(), after);
                        watches.push((interest, after, watch));
                    }
                }
                Step::Drop(number) => if number < watches.len() {
                    watches.remove(number);
                },
            }
        }
        for (interest, after, watch) in &mut watches {
            prop_assert_eq!(told(watch), site.expected(interest, *after), "{:?}", interest);
        }
        let memory = site.memory.read().unwrap();
        let everything = memory.list(&POD, &Interest::default());
        for interest in asked {
            let keys = |entries: &[Arc<Entry>]| -> Vec<Key> {
                entries.iter().map(|entry| entry.place.key.clone()).collect()
            };
            let plain: Vec<Arc<Entry>> = everything
                .iter()
                .filter(|entry| interest.takes(entry))
                .cloned()
                .collect();
            prop_assert_eq!(keys(&memory.list(&POD, &interest)), keys(&plain), "{:?}", interest);
        }
    }
}
