//! The Router object: that this router serves, which version of the slices it follows, and what still drains.
//!
//! Its only writer. Registered before anything is listed, so that whoever takes an endpoint out of rotation from then
//! on waits for this router. A change that somebody waits for (an endpoint left, a gear entered) is written at once;
//! the rest waits a little and goes along.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::Router;
use crate::api::network::RouterKind;
use crate::api::network::RouterSpec;
use crate::api::network::RouterStatus;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client::Client;
use crate::client::Error;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::router::proxy::Shared;
use crate::router::table::Endpoint;

/// How long a version that nobody waits for may wait.
const GENTLE: Duration = Duration::from_millis(250);
/// How often it is looked what still drains.
const DRAINING_EVERY: Duration = Duration::from_millis(100);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How far the table is, and what has left it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Requests follow this version of the slices.
    pub(crate) applied: u64,
    /// The last version that somebody waits for: it took an endpoint out, or gears are to be led to.
    pub(crate) awaited: u64,
    /// Endpoints that left and may have something in flight.
    pub(crate) left: Vec<Arc<Endpoint>>,
}

impl Progress {
    /// What the status says of it; endpoints with nothing in flight are done with.
    fn status(&mut self) -> RouterStatus {
        self.left.retain(|endpoint| endpoint.in_flight() > 0);
        let mut draining = BTreeMap::new();
        for endpoint in &self.left {
            *draining.entry(endpoint.address.to_string()).or_default() += endpoint.in_flight();
        }
        draining.retain(|_, count| *count > 0);
        RouterStatus {
            applied: self.applied,
            draining,
            ..RouterStatus::default()
        }
    }
}

/// Makes the Router object, or says in it where this router listens now.
pub(crate) async fn register(client: &Client, name: &str, address: &str) -> Result<(), Error> {
    let router = Router {
        metadata: Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        },
        spec: RouterSpec {
            kind: RouterKind::BuiltIn,
            address: address.to_owned(),
        },
        ..Router::default()
    };
    match client.create(&router).await {
        Err(error) if error.is_already_exists() => {}
        other => return other.map(|_| ()),
    }
    let key = Key::new("", name);
    let known: Router = client.get(&key).await?;
    if known.spec.address == address {
        return Ok(());
    }
    let merge = Patch::Merge(json!({"spec": {"address": address}}));
    let options = WriteOptions::default();
    let patched = client.patch(&kinds::ROUTER, &key, None, &merge, &options);
    patched.await.map(|_| ())
}

/// Takes the Router object away: nobody is to wait for a router that does not run.
pub(crate) async fn unregister(client: &Client, name: &str) -> Result<(), Error> {
    let options = crate::client::DeleteOptions::default();
    match client
        .delete(&kinds::ROUTER, &Key::new("", name), &options)
        .await
    {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Writes the status as it changes, for ever.
pub(crate) struct Reporter {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) progress: watch::Sender<Progress>,
}

impl Reporter {
    pub(crate) async fn run(self, mut serves: watch::Receiver<bool>) {
        // Before that it follows no version.
        if serves.wait_for(|serves| *serves).await.is_err() {
            return;
        }
        let mut changes = self.progress.subscribe();
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut written: Option<(RouterStatus, u64)> = None;
        loop {
            let mut status = RouterStatus::default();
            let mut awaited = 0;
            changes.mark_unchanged();
            // The sender prunes; whoever waits for changes is not told of it.
            self.progress.send_if_modified(|progress| {
                status = progress.status();
                awaited = progress.awaited;
                false
            });
            if written.as_ref().is_none_or(|(known, _)| *known != status) {
                match self.write(&status).await {
                    Ok(()) => {
                        pauses.reset();
                        written = Some((status.clone(), awaited));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the router's status is not written; trying again");
                        tokio::time::sleep(pauses.next(backoff::chance())).await;
                        continue;
                    }
                }
            }
            if status.draining.is_empty() {
                if changes.changed().await.is_err() {
                    return;
                }
                let is_news = |progress: &Progress| progress.awaited > awaited;
                let _ = tokio::time::timeout(GENTLE, changes.wait_for(is_news)).await;
            } else {
                let is_news = |progress: &Progress| progress.awaited > awaited;
                let _ = tokio::time::timeout(DRAINING_EVERY, async {
                    tokio::select! {
                        _ = changes.wait_for(is_news) => {}
                        () = self.shared.drained.notified() => {}
                    }
                })
                .await;
            }
        }
    }

    async fn write(&self, status: &RouterStatus) -> Result<(), Error> {
        let key = Key::new("", self.name.as_str());
        let router = Router {
            metadata: Metadata {
                name: self.name.clone(),
                ..Metadata::default()
            },
            spec: RouterSpec {
                kind: RouterKind::BuiltIn,
                address: self.address.clone(),
            },
            status: status.clone(),
        };
        let options = WriteOptions::default();
        let put = |object| {
            let (client, key, options) = (&self.client, &key, &options);
            async move {
                client
                    .replace_status(&kinds::ROUTER, key, &object, options)
                    .await
                    .map(|_| ())
            }
        };
        match put(router.to_object()).await {
            // Somebody deleted it, but this router serves.
            Err(error) if error.is_not_found() => {
                register(&self.client, &self.name, &self.address).await?;
                put(router.to_object()).await
            }
            other => other,
        }
    }
}
