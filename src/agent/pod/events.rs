//! What happens to pods, for people to read: events worded as kubelet words them, repeated ones counted.
//!
//! Nothing depends on them and nobody waits for them: one that cannot be written is left out.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::sync::mpsc;

use crate::api::core::Event;
use crate::api::core::EventSource;
use crate::api::core::ObjectReference;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::pod::Pod;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::Patch;
use crate::client::WriteOptions;

/// How many kinds of events are remembered; more are written anew.
const REMEMBERED: usize = 4096;

/// Whether somebody should worry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// Something that happened to a pod.
#[derive(Clone, Debug)]
struct Note {
    about: ObjectReference,
    severity: Severity,
    reason: &'static str,
    message: String,
    at: Timestamp,
}

/// Where events are said.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: mpsc::UnboundedSender<Note>,
    clock: Clock,
}

impl Events {
    /// Starts the writer in `scope`.
    pub(crate) fn start(client: Client, node: String, clock: Clock, scope: &Scope) -> Events {
        let (sender, receiver) = mpsc::unbounded_channel();
        scope.spawn(write_all(client, node, receiver));
        Events { sender, clock }
    }

    /// Says that something happened to a pod.
    pub(crate) fn say(&self, pod: &Pod, severity: Severity, reason: &'static str, message: String) {
        let note = Note {
            about: ObjectReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            },
            severity,
            reason,
            message,
            at: self.clock.now(),
        };
        // Nobody hears it when the agent is stopping.
        let _ = self.sender.send(note);
    }
}

async fn write_all(client: Client, node: String, mut notes: mpsc::UnboundedReceiver<Note>) {
    let mut known: BTreeMap<(String, &'static str, String), (Key, u32)> = BTreeMap::new();
    while let Some(note) = notes.recv().await {
        let sort = (note.about.uid.clone(), note.reason, note.message.clone());
        if let Some((key, count)) = known.get_mut(&sort) {
            *count += 1;
            let merge = Patch::Merge(json!({"count": *count, "lastTimestamp": note.at}));
            let options = WriteOptions::default();
            match client
                .patch(&kinds::EVENT, key, None, &merge, &options)
                .await
            {
                Ok(_) => continue,
                Err(error) => tracing::debug!(%error, "an event is written anew"),
            }
        }
        let event = event(&note, &node);
        let key = event.metadata.key();
        match client.create(&event).await {
            Ok(_) => {
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(sort, (key, 1));
            }
            Err(error) => tracing::debug!(reason = note.reason, %error, "an event was left out"),
        }
    }
}

fn event(note: &Note, node: &str) -> Event {
    let kind = match note.severity {
        Severity::Normal => "Normal",
        Severity::Warning => "Warning",
    };
    let subject: String = note.about.name.chars().take(200).collect();
    let chance = getrandom::u64().unwrap_or_default();
    Event {
        metadata: Metadata {
            name: format!("{subject}.{chance:016x}"),
            namespace: note.about.namespace.clone(),
            ..Metadata::default()
        },
        involved_object: note.about.clone(),
        reason: note.reason.to_owned(),
        message: note.message.clone(),
        kind: kind.to_owned(),
        count: 1,
        first_timestamp: Some(note.at),
        last_timestamp: Some(note.at),
        source: EventSource {
            component: "kubelet".to_owned(),
            host: node.to_owned(),
        },
    }
}
