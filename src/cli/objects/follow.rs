//! One object, followed from state to state until somebody has seen enough.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use crate::api::kinds::Scope;
use crate::cli::Failure;
use crate::cli::objects::selection::Meant;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::WatchEvent;

/// How long until something that cannot be watched is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

/// Shows `look` every state of an object, `None` for one that is not there, until it breaks; no state is shown late.
///
/// States that follow each other fast may be shown as one. A deleted object that was made anew at once is first shown
/// as not there.
pub async fn follow<T>(
    client: &Client,
    one: &Meant,
    mut look: impl FnMut(Option<&Value>) -> ControlFlow<T>,
) -> Result<T, Failure> {
    loop {
        let object = match client.read(one.kind, &one.key).await {
            Ok(object) => Some(object),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        if let ControlFlow::Break(end) = look(object.as_ref()) {
            return Ok(end);
        }
        let Some(object) = object else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let version = object["metadata"]["resourceVersion"].as_str();
        let options = ListOptions {
            field_selector: format!("metadata.name={}", one.key.name),
            resource_version: version.unwrap_or_default().to_owned(),
            ..ListOptions::default()
        };
        let namespace = match one.kind.scope {
            Scope::Cluster => "",
            Scope::Namespaced => &one.key.namespace,
        };
        let mut events = match client.watch(one.kind, namespace, &options).await {
            Ok(events) => events,
            Err(error) if error.is_expired() => continue,
            // A kind that cannot be watched is looked at again and again.
            Err(error) if error.status().is_some() => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        while let Some(Ok(event)) = events.next().await {
            let seen = match &event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => look(Some(object)),
                WatchEvent::Deleted(_) => look(None),
                WatchEvent::Bookmark(_) => ControlFlow::Continue(()),
            };
            if let ControlFlow::Break(end) = seen {
                return Ok(end);
            }
            if matches!(event, WatchEvent::Deleted(_)) {
                break;
            }
        }
    }
}
