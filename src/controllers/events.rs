//! Events: what happened, for people to read in `describe`; one object for the same thing happening again.
//!
//! Nothing depends on them: one that cannot be written is left out.

use serde_json::json;

use crate::api::core::Event;
use crate::api::core::EventSource;
use crate::api::kinds;
use crate::api::meta::Metadata;
use crate::base::clock::Timestamp;
use crate::client::Client;
use crate::client::Error;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::content::blobs::Digest;
use crate::controllers::change::Note;
use crate::controllers::change::Severity;

/// Writes an event, or counts one more of the same.
pub(crate) async fn record(client: &Client, note: &Note, now: Timestamp) {
    if let Err(error) = try_record(client, note, now).await {
        tracing::debug!(about = note.about.name, reason = note.reason, %error, "an event was left out");
    }
}

async fn try_record(client: &Client, note: &Note, now: Timestamp) -> Result<(), Error> {
    let event = first(note, now);
    match client.create(&event).await {
        Err(error) if error.is_already_exists() => {}
        other => return other.map(|_| ()),
    }
    let key = event.metadata.key();
    let known: Event = client.get(&key).await?;
    let merge = json!({
        "metadata": {"resourceVersion": known.metadata.resource_version},
        "count": known.count + 1,
        "lastTimestamp": now,
    });
    client
        .patch(
            &kinds::EVENT,
            &key,
            None,
            &Patch::Merge(merge),
            &WriteOptions::default(),
        )
        .await
        .map(|_| ())
}

/// The event as it is when it happens for the first time; its name says what it is about and of which sort it is.
fn first(note: &Note, now: Timestamp) -> Event {
    let kind = match note.severity {
        Severity::Normal => "Normal",
        Severity::Warning => "Warning",
    };
    Event {
        metadata: Metadata {
            name: name(note),
            namespace: namespace(note).to_owned(),
            ..Metadata::default()
        },
        involved_object: note.about.clone(),
        reason: note.reason.clone(),
        message: note.message.clone(),
        kind: kind.to_owned(),
        count: 1,
        first_timestamp: Some(now),
        last_timestamp: Some(now),
        source: EventSource {
            component: "upshift-controllers".to_owned(),
            ..EventSource::default()
        },
    }
}

/// Events about objects without a namespace are in `default`, as in Kubernetes.
fn namespace(note: &Note) -> &str {
    match note.about.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    }
}

fn name(note: &Note) -> String {
    let about = &note.about;
    let sort = [&about.kind, &about.uid, &note.reason, &note.message].map(String::as_str);
    let sort = Digest::of(sort.join("\0").as_bytes());
    let sort = &sort.hex()[..16];
    let subject: String = note.about.name.chars().take(200).collect();
    format!("{subject}.{sort}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::Node;

    #[test]
    fn the_same_thing_has_the_same_name_and_another_has_another() {
        let mut node = Node::default();
        node.metadata.name = "a".to_owned();
        let one = Note::warning(&node, "Silent", "is silent");
        assert_eq!(name(&one), name(&one.clone()));
        assert_ne!(name(&one), name(&Note::warning(&node, "Silent", "is back")));
        assert!(name(&one).starts_with("a."));
        assert_eq!(namespace(&one), "default");
    }
}
