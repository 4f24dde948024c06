//! The one writer: checks what was asked against what stands, commits in groups, applies, answers.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::RwLock;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::store::Asked;
use crate::store::Change;
use crate::store::ChangeKind;
use crate::store::Entry;
use crate::store::Error;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Write;
use crate::store::database::Database;
use crate::store::database::Row;
use crate::store::memory::Memory;

/// How many writes share a transaction at the most.
const MOST_WRITES: usize = 256;

/// A write to this place means: stop. Its name is empty, which no object's is.
pub(super) fn stop_place() -> Place {
    Place::new(&kinds::NAMESPACE, "", "")
}

pub(super) fn start(
    database: Database,
    memory: Arc<RwLock<Memory>>,
    asked: mpsc::Receiver<Asked>,
    closed: Arc<watch::Sender<bool>>,
) {
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || {
            run(database, &memory, asked);
            memory
                .write()
                .expect("nothing panics while it holds the objects")
                .end();
            closed.send_replace(true);
        })
        .expect("a thread can be started at the start of the program");
}

fn run(mut database: Database, memory: &RwLock<Memory>, mut asked: mpsc::Receiver<Asked>) {
    let mut stop = false;
    while !stop {
        let Some(first) = asked.blocking_recv() else {
            return;
        };
        let mut group = vec![first];
        while group.len() < MOST_WRITES {
            let Ok(next) = asked.try_recv() else { break };
            group.push(next);
        }
        let end = stop_place();
        if let Some(at) = group.iter().position(|one| one.write.place == end) {
            group.truncate(at);
            stop = true;
        }
        database = match perform(database, memory, group) {
            Some(database) => database,
            None => return,
        };
    }
}

/// Commits a group and answers it; none when the database is lost.
fn perform(database: Database, memory: &RwLock<Memory>, group: Vec<Asked>) -> Option<Database> {
    let (changes, answers) = {
        let held = memory
            .read()
            .expect("nothing panics while it holds the objects");
        decide(&held, group)
    };
    if changes.is_empty() {
        return Some(database);
    }
    let rows: Vec<Row<'_>> = changes
        .iter()
        .map(|change| Row {
            place: &change.entry.place,
            json: (change.kind != ChangeKind::Deleted).then_some(&*change.entry.json),
        })
        .collect();
    let revision = changes.last().map_or(0, |change| change.entry.revision);
    match database.commit(&rows, revision) {
        Ok(()) => {
            let entries: Vec<Arc<Entry>> = changes
                .iter()
                .map(|change| Arc::clone(&change.entry))
                .collect();
            memory
                .write()
                .expect("nothing panics while it holds the objects")
                .apply(changes);
            for (answer, entry) in answers.into_iter().zip(entries) {
                let _ = answer.send(Ok(entry));
            }
            Some(database)
        }
        Err(error) => {
            let why = error.to_string();
            tracing::error!("{why}");
            for answer in answers {
                let _ = answer.send(Err(Error::Disk { why: why.clone() }));
            }
            database
                .reopen()
                .inspect_err(|error| tracing::error!("{error}"))
                .ok()
        }
    }
}

type Answers = Vec<oneshot::Sender<Result<Arc<Entry>, Error>>>;

/// What of the group can happen, in order, each seen on top of those before it; refusals are answered at once.
fn decide(memory: &Memory, group: Vec<Asked>) -> (Vec<Change>, Answers) {
    let mut revision = memory.revision();
    let mut pending: HashMap<Place, Option<Arc<Entry>>> = HashMap::new();
    let (mut changes, mut answers) = (Vec::new(), Vec::new());
    for Asked { write, answer } in group {
        let Write {
            place,
            expect,
            object,
        } = write;
        let standing = pending
            .get(&place)
            .cloned()
            .unwrap_or_else(|| memory.entry(&place));
        if let Err(refusal) = check(expect, standing.as_deref(), object.is_none()) {
            let _ = answer.send(Err(refusal));
            continue;
        }
        revision += 1;
        let (kind, object) = match (object, &standing) {
            (Some(object), None) => (ChangeKind::Added, object),
            (Some(object), Some(_)) => (ChangeKind::Modified, object),
            (None, standing) => {
                let last = standing
                    .as_ref()
                    .expect("a removal of nothing was refused")
                    .object();
                (ChangeKind::Deleted, last)
            }
        };
        let entry = stamp(place.clone(), object, revision, standing.as_deref());
        let entry = Arc::new(entry);
        pending.insert(
            place,
            (kind != ChangeKind::Deleted).then(|| Arc::clone(&entry)),
        );
        changes.push(Change {
            kind,
            entry,
            previous: standing,
        });
        answers.push(answer);
    }
    (changes, answers)
}

fn check(expect: Expect, standing: Option<&Entry>, removal: bool) -> Result<(), Error> {
    match (expect, standing) {
        (Expect::Absent, Some(_)) => Err(Error::Exists),
        (Expect::Revision(_), None) => Err(Error::Missing),
        (Expect::Revision(wanted), Some(entry)) if entry.revision != wanted => Err(Error::Stale {
            current: entry.revision,
        }),
        (_, None) if removal => Err(Error::Missing),
        _ => Ok(()),
    }
}

fn stamp(place: Place, mut object: Value, revision: u64, standing: Option<&Entry>) -> Entry {
    object["metadata"]["resourceVersion"] = revision.to_string().into();
    let labels: BTreeMap<String, String> = object["metadata"]["labels"]
        .as_object()
        .map(|labels| {
            labels
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        })
        .unwrap_or_default();
    let labels = match standing {
        Some(standing) if *standing.labels == labels => Arc::clone(&standing.labels),
        _ => Arc::new(labels),
    };
    let node = node_of(place.kind, &object);
    let json = Bytes::from(serde_json::to_vec(&object).expect("JSON values have string keys"));
    Entry {
        place,
        revision,
        json,
        labels,
        node,
    }
}

/// The node that a pod is on.
pub(super) fn node_of(kind: &Kind, object: &Value) -> Option<String> {
    let node = object["spec"]["nodeName"].as_str();
    node.filter(|node| *kind == kinds::POD && !node.is_empty())
        .map(str::to_owned)
}
