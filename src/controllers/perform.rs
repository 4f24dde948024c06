//! Changes as requests: the only place where the controllers write.
//!
//! Adds nothing to what was decided except the version it was decided on. What is already as it should be (made, gone)
//! counts as done.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use http::HeaderMap;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::upshift::Application;
use crate::api::upshift::LABEL_GEAR;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::base::crash;
use crate::client;
use crate::client::Client;
use crate::client::DeleteOptions;
use crate::client::Error;
use crate::client::ListOptions;
use crate::client::Listed;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::controllers::change::Change;
use crate::controllers::change::Grace;
use crate::controllers::change::Part;
use crate::controllers::change::Target;

/// A write that the server took, by its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) kind: &'static Kind,
    pub(crate) key: Key,
    pub(crate) revision: u64,
}

/// What is read of an object: which one it is, and in which version.
#[derive(Deserialize)]
struct Stub {
    metadata: Metadata,
}

impl Stub {
    fn written(&self, kind: &'static Kind) -> Written {
        Written {
            kind,
            key: self.metadata.key(),
            revision: self.metadata.resource_version.parse().unwrap_or(0),
        }
    }
}

/// What is read of an Operation: whether it is under way.
#[derive(Deserialize)]
struct Begun {
    metadata: Metadata,
    #[serde(default)]
    status: BegunStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BegunStatus {
    phase: OperationPhase,
}

/// What is read of an Application: who holds it.
#[derive(Deserialize)]
struct Held {
    #[serde(default)]
    status: HeldStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HeldStatus {
    rollout: String,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The object has changed since the decision, or is gone.
    #[error("the object changed in the meantime")]
    Overtaken(#[source] Error),
    /// It takes more than one turn.
    #[error("not finished yet")]
    NotYet,
    #[error("{0}")]
    Failed(#[source] Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        if error.is_conflict() || error.is_not_found() {
            Refused::Overtaken(error)
        } else {
            Refused::Failed(error)
        }
    }
}

/// Whose turn it is to begin an operation: of one gear only one begins at a time.
#[derive(Debug)]
pub(crate) struct Turns([Mutex<()>; 64]);

impl Default for Turns {
    fn default() -> Turns {
        Turns(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Turns {
    /// Gears that share a lock wait for each other, which costs time and nothing else.
    fn of(&self, gear: &Key) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        gear.hash(&mut hasher);
        let place = hasher.finish() % self.0.len() as u64;
        &self.0[usize::try_from(place).unwrap_or(0)]
    }
}

/// Makes one change.
pub(crate) async fn perform(
    client: &Client,
    change: &Change,
    turns: &Turns,
) -> Result<Option<Written>, Refused> {
    crash::point("controllers.write.before");
    let written = match change {
        Change::Create { kind, object } => create(client, kind, object).await,
        Change::Begin {
            operation,
            holder,
            gear,
        } => {
            let namespace = operation.metadata.namespace.clone();
            let key = Key::new(namespace, operation.spec.gear.clone());
            let _alone = turns.of(&key).lock().await;
            begin(client, operation, holder.as_deref(), gear.as_ref()).await
        }
        Change::Patch {
            target,
            part,
            merge,
            ..
        } => patch(client, target, *part, merge).await.map(Some),
        Change::Delete {
            target,
            decided_on,
            grace,
        } => {
            for other in decided_on {
                still_as_seen(client, other).await?;
            }
            delete(client, target, *grace).await
        }
        Change::DeleteOrphan { target, owners } => {
            for owner in owners {
                if is_there(client, owner).await? {
                    return Ok(None);
                }
            }
            delete(client, target, Grace::Own).await
        }
        Change::EmptyNamespace { target, merge } => empty(client, target, merge).await.map(Some),
    };
    crash::point("controllers.write.after");
    written
}

async fn create(
    client: &Client,
    kind: &'static Kind,
    object: &Value,
) -> Result<Option<Written>, Refused> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let options = WriteOptions::default();
    match client
        .create_as::<Stub>(kind, namespace, object, &options)
        .await
    {
        Ok(made) => Ok(Some(made.written(kind))),
        Err(error) if error.is_already_exists() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes an operation if its gear is free and its application still held by whom it should be.
async fn begin(
    client: &Client,
    operation: &Operation,
    holder: Option<&str>,
    decided_on: Option<&Target>,
) -> Result<Option<Written>, Refused> {
    if let Some(gear) = decided_on {
        still_as_seen(client, gear).await?;
    }
    let metadata = &operation.metadata;
    if let Some(holder) = holder {
        let key = Key::new(
            metadata.namespace.clone(),
            operation.spec.deployment.application.clone(),
        );
        let held: Held = client.read_as(Application::KIND, &key).await?;
        if held.status.rollout != holder {
            return Err(Refused::NotYet);
        }
    }
    let gear = metadata.labels.get(LABEL_GEAR).map_or("", String::as_str);
    let others = ListOptions::labelled(format!("{LABEL_GEAR}={gear}"));
    let others: Listed<Begun> = client
        .list_as(Operation::KIND, &metadata.namespace, &others)
        .await?;
    let is_busy = others
        .items
        .iter()
        .any(|other| other.metadata.name != metadata.name && !other.status.phase.is_final());
    if is_busy {
        return Err(Refused::NotYet);
    }
    create(client, Operation::KIND, &operation.to_object()).await
}

async fn patch(
    client: &Client,
    target: &Target,
    part: Part,
    merge: &Value,
) -> Result<Written, Refused> {
    let mut body = merge.clone();
    body["metadata"]["resourceVersion"] = target.version.clone().into();
    body["metadata"]["uid"] = target.uid.clone().into();
    let subresource = match part {
        Part::Main => None,
        Part::Status => Some("status"),
    };
    let options = WriteOptions::default();
    let patched: Stub = client
        .patch_as(
            target.kind,
            &target.key,
            subresource,
            &Patch::Merge(body),
            &options,
        )
        .await?;
    Ok(patched.written(target.kind))
}

async fn delete(
    client: &Client,
    target: &Target,
    grace: Grace,
) -> Result<Option<Written>, Refused> {
    let options = DeleteOptions {
        uid: target.uid.clone(),
        resource_version: target.version.clone(),
        grace_seconds: (grace == Grace::None).then_some(0),
        ..DeleteOptions::default()
    };
    match client.delete(target.kind, &target.key, &options).await {
        Ok(object) if target.kind.describes(&object) => {
            let left: Option<Stub> = serde_json::from_value(object).ok();
            Ok(left.map(|left| left.written(target.kind)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether an object is in the version that a decision rests on, or still absent.
async fn still_as_seen(client: &Client, target: &Target) -> Result<(), Refused> {
    let version = match client.read_as::<Stub>(target.kind, &target.key).await {
        Ok(object) => object.metadata.resource_version,
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(error.into()),
    };
    if version == target.version {
        Ok(())
    } else {
        Err(Refused::NotYet)
    }
}

async fn is_there(client: &Client, target: &Target) -> Result<bool, Refused> {
    match client.read_as::<Stub>(target.kind, &target.key).await {
        Ok(object) => Ok(object.metadata.uid == target.uid),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes what is in a namespace; when a look at the server finds nothing, lets the namespace go. The way to pods goes
/// when the pods are gone, so that they leave rotation first.
async fn empty(client: &Client, target: &Target, merge: &Value) -> Result<Written, Refused> {
    let namespace = target.key.name.as_str();
    let one = ListOptions {
        limit: 1,
        ..ListOptions::default()
    };
    let mut left = false;
    let (last, first): (Vec<_>, Vec<_>) = namespaced_kinds().partition(|kind| goes_last(kind));
    for kind in first.into_iter().chain(last) {
        if left && goes_last(kind) {
            break;
        }
        if client
            .list_objects(kind, namespace, &one)
            .await?
            .items
            .is_empty()
        {
            continue;
        }
        left = true;
        let path = kind.path(&client::request::escaped(namespace), "");
        let response = client
            .raw(Method::DELETE, &path, HeaderMap::new(), "")
            .await?;
        client::check(response).await?;
    }
    if left {
        return Err(Refused::NotYet);
    }
    patch(client, target, Part::Main, merge).await
}

/// Whether a kind leads requests to pods.
pub(super) fn goes_last(kind: &Kind) -> bool {
    [&kinds::SERVICE, &kinds::ENDPOINT_SLICE].contains(&kind)
}

fn namespaced_kinds() -> impl Iterator<Item = &'static Kind> {
    kinds::ALL.iter().copied().filter(|kind| {
        kind.scope == kinds::Scope::Namespaced && kind.storage == kinds::Storage::Stored
    })
}
