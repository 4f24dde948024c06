//! Events that nobody reads any more: a day after they last happened they go, so that they do not fill the store.
//!
//! Looked for when an Event is made, at most hourly, in the background. Every other kind is kept until it is deleted.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::api::core::Event;
use crate::api::kinds;
use crate::apiserver::Api;
use crate::base::clock::Timestamp;
use crate::store::Entry;
use crate::store::Expect;
use crate::store::Write;

/// How long an Event is kept after it last happened.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often old ones are looked for at the most.
const PERIOD: Duration = Duration::from_secs(3600);

/// When old Events were last looked for.
#[derive(Debug, Default)]
pub(super) struct Expiry(Mutex<Option<Timestamp>>);

impl Expiry {
    fn is_due(&self, now: Timestamp) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.since(last) >= PERIOD);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Removes old Events in the background, unless that was done lately.
pub(super) fn expire_now_and_then(api: &Api, expiry: &Expiry) {
    let now = api.clock().now();
    if !expiry.is_due(now) {
        return;
    }
    let store = api.store().clone();
    tokio::spawn(async move {
        let (entries, _) = store.list(&kinds::EVENT, "");
        for write in entries.iter().filter_map(|entry| decide(entry, now)) {
            // One that happened again in the meantime has another version, and stays.
            let _ = store.write(write).await;
        }
    });
}

/// The removal of an Event that is too old.
fn decide(entry: &Arc<Entry>, now: Timestamp) -> Option<Write> {
    let event: Event = serde_json::from_slice(&entry.json).ok()?;
    let last = event.last_timestamp.or(event.metadata.creation_timestamp)?;
    (now.since(last) >= KEPT).then(|| Write {
        place: entry.place.clone(),
        expect: Expect::Revision(entry.revision),
        object: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Place;
    use crate::store::Store;

    #[tokio::test]
    async fn an_event_goes_a_day_after_it_last_happened() {
        let now = Timestamp::from_second(1_800_000_000);
        let store = Store::in_memory();
        let mut old = Vec::new();
        for (name, age) in [
            ("fresh", 3600),
            ("yesterday", 24 * 3600),
            ("old", 1_000_000),
        ] {
            let last = Timestamp::from_second(now.as_second() - age).to_string();
            let object = json!({"metadata": {"name": name}, "lastTimestamp": last});
            let place = Place::new(&kinds::EVENT, "default", name);
            let write = Write {
                place,
                expect: Expect::Absent,
                object: Some(object),
            };
            let entry = store.write(write).await.unwrap();
            old.extend(decide(&entry, now).map(|write| write.place.key.name));
        }
        assert_eq!(old, ["yesterday", "old"]);
    }

    #[test]
    fn is_looked_for_hourly() {
        let expiry = Expiry::default();
        let at = |second| expiry.is_due(Timestamp::from_second(second));
        assert_eq!(
            [at(0), at(3599), at(3600), at(3601)],
            [true, false, true, false]
        );
    }
}
