//! The Router object of a HAProxy: how far it follows the slices, and what it waits for.
//!
//! A change that somebody waits for is written at once; counts of requests in flight go along, or wait a second.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::network::Router;
use crate::api::network::RouterKind;
use crate::api::network::RouterSpec;
use crate::api::network::RouterStatus;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client::Client;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::router::haproxy::Error;

/// How long what nobody waits for is held back.
const GENTLE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

fn object(name: &str) -> Router {
    Router {
        metadata: Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        },
        spec: RouterSpec {
            kind: RouterKind::HaProxy,
            ..RouterSpec::default()
        },
        ..Router::default()
    }
}

/// Writes the status as it changes.
pub(super) struct Reporter {
    client: Client,
    name: String,
    /// Whose the object must be.
    node: String,
    /// Whether it makes the object anew when somebody deleted it.
    makes: bool,
    written: RouterStatus,
    last: Option<Instant>,
    /// Not before this something is tried, or written that can wait.
    not_before: Option<Instant>,
    pauses: Backoff,
}

impl Reporter {
    pub(super) fn new(client: Client, name: String, node: String, makes: bool) -> Reporter {
        Reporter {
            client,
            name,
            node,
            makes,
            written: RouterStatus::default(),
            last: None,
            not_before: None,
            pauses: Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// Finds the Router object, or makes it; what it says so far.
    pub(super) async fn register(&self) -> Result<RouterStatus, Error> {
        let failed = |source| Error::Register {
            name: self.name.clone(),
            source,
        };
        if self.makes {
            match self.client.create(&object(&self.name)).await {
                Err(error) if !error.is_already_exists() => return Err(failed(error)),
                _ => {}
            }
        }
        let router: Router = match self.client.get(&Key::new("", self.name.as_str())).await {
            Ok(router) => router,
            Err(error) if error.is_not_found() || error.is_forbidden() => {
                return Err(Error::NoRouter {
                    name: self.name.clone(),
                    node: self.node.clone(),
                });
            }
            Err(error) => return Err(failed(error)),
        };
        if router.spec.kind != RouterKind::HaProxy {
            return Err(Error::OtherKind(self.name.clone()));
        }
        Ok(router.status)
    }

    /// The same, as often as it takes.
    pub(super) async fn registered(&mut self) -> RouterStatus {
        loop {
            match self.register().await {
                Ok(status) => {
                    self.pauses.reset();
                    self.written = status.clone();
                    return status;
                }
                Err(error) => {
                    let error = error.to_string();
                    tracing::warn!(
                        router = self.name,
                        error,
                        "the router is not registered; trying again"
                    );
                    tokio::time::sleep(self.pauses.next(backoff::chance())).await;
                }
            }
        }
    }

    /// Writes what is new, unless it can wait or the server just did not answer.
    pub(super) async fn report(&mut self, status: &RouterStatus) {
        if *status == self.written {
            self.not_before = None;
            return;
        }
        let now = Instant::now();
        let due = if !self.pauses.is_fresh() {
            self.not_before.unwrap_or(now)
        } else if is_urgent(&self.written, status) {
            now
        } else {
            self.last.map_or(now, |last| last + GENTLE)
        };
        if due > now {
            self.not_before = Some(due);
            return;
        }
        match self.write(status).await {
            Ok(()) => {
                self.written = status.clone();
                self.last = Some(now);
                self.not_before = None;
                self.pauses.reset();
            }
            Err(error) => {
                tracing::warn!(router = self.name, %error, "the router's status is not written; trying again");
                self.not_before = Some(Instant::now() + self.pauses.next(backoff::chance()));
            }
        }
    }

    /// After what time something that was held back is to be written.
    pub(super) fn owes(&self) -> Option<Duration> {
        let due = self.not_before?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    async fn write(&self, status: &RouterStatus) -> Result<(), crate::client::Error> {
        let patch = Patch::Merge(patch(&self.written, status));
        let key = Key::new("", self.name.as_str());
        let options = WriteOptions::default();
        let write = || {
            self.client
                .patch(&kinds::ROUTER, &key, Some("status"), &patch, &options)
        };
        match write().await {
            Err(error) if error.is_not_found() && self.makes => {
                self.client.create(&object(&self.name)).await?;
                write().await.map(drop)
            }
            other => other.map(drop),
        }
    }
}

/// Whether somebody may wait for it: a version, an endpoint that is through, a new reason.
fn is_urgent(before: &RouterStatus, after: &RouterStatus) -> bool {
    let is_gone = |one: &String| !after.draining.contains_key(one);
    before.applied != after.applied
        || before.waiting != after.waiting
        || before.message != after.message
        || before.draining.keys().any(is_gone)
}

/// What turns the written status into the new one.
fn patch(before: &RouterStatus, after: &RouterStatus) -> Value {
    let mut draining = json!(after.draining);
    for gone in before
        .draining
        .keys()
        .filter(|one| !after.draining.contains_key(*one))
    {
        draining[gone] = Value::Null;
    }
    let mut waiting = json!(after.waiting);
    for gone in before
        .waiting
        .keys()
        .filter(|one| !after.waiting.contains_key(*one))
    {
        waiting[gone] = Value::Null;
    }
    let message = match after.message.as_str() {
        "" => Value::Null,
        message => message.into(),
    };
    json!({"status": {
        "applied": after.applied,
        "draining": draining,
        "waiting": waiting,
        "message": message,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(applied: u64, draining: &[(&str, u32)], message: &str) -> RouterStatus {
        RouterStatus {
            applied,
            draining: draining
                .iter()
                .map(|(one, count)| ((*one).to_owned(), *count))
                .collect(),
            message: message.to_owned(),
            ..RouterStatus::default()
        }
    }

    #[test]
    fn counts_can_wait_and_what_ends_a_wait_cannot() {
        let before = status(1, &[("a:1", 3)], "");
        assert!(!is_urgent(
            &before,
            &status(1, &[("a:1", 2), ("b:1", 1)], "")
        ));
        assert!(is_urgent(&before, &status(1, &[], "")));
        assert!(is_urgent(&before, &status(2, &[("a:1", 3)], "")));
        assert!(is_urgent(&before, &status(1, &[("a:1", 3)], "gone")));
    }

    #[test]
    fn a_patch_takes_away_what_is_over() {
        let patch = patch(&status(1, &[("a:1", 3)], "gone"), &status(2, &[], ""));
        assert_eq!(
            patch["status"],
            json!({"applied": 2, "draining": {"a:1": null}, "waiting": {}, "message": null})
        );
    }
}
