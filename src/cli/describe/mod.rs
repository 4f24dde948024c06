//! What `describe` says of an object: who it is, how it stands, and what happened to it.
//!
//! Pure: objects in, lines out. A kind that has a file here gets words of its own; every other one is printed field by
//! field.

pub mod application;
pub mod build;
pub mod deployment_config;
pub mod events;
pub mod gear;
pub mod generic;
pub mod image;
pub mod network;
pub mod node;
pub mod operation;
pub mod page;
pub mod pod;
pub mod project;
pub mod replicas;
pub mod rollout;
pub mod router;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::build::Build;
use crate::api::core::Lease;
use crate::api::kinds::Kind;
use crate::api::network::Endpoints;
use crate::api::network::Router;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::base::clock::Timestamp;
use crate::cli::describe::page::Page;

/// What belongs to an object and is told with it.
#[derive(Clone, Debug, Default)]
pub struct Related {
    pub revisions: Vec<Revision>,
    pub rollouts: Vec<Rollout>,
    pub gears: Vec<Gear>,
    pub operations: Vec<Operation>,
    pub builds: Vec<Build>,
    pub controllers: Vec<ReplicationController>,
    pub replica_sets: Vec<ReplicaSet>,
    pub pods: Vec<Pod>,
    pub leases: Vec<Lease>,
    pub routers: Vec<Router>,
    pub endpoints: Vec<Endpoints>,
    /// Where the built-in router listens; 0 if there is none.
    pub router_port: u16,
    /// The API server's URL.
    pub server: String,
    pub events: Vec<Value>,
}

/// The text for one object.
pub fn text(kind: &Kind, object: &Value, related: &Related, now: Timestamp) -> String {
    let mut page = match kind.group {
        group if group.ends_with(".openshift.io") => Page::openshift(),
        _ => Page::default(),
    };
    let write = &mut page;
    match kind.kind {
        "Application" => application::write(&view(object), related, now, write),
        "Rollout" => rollout::write(&view(object), related, write),
        "Gear" => gear::write(&view(object), related, now, write),
        "Operation" => operation::write(&view(object), write),
        "Router" => router::write(&view(object), write),
        "Node" => node::write(&view(object), related, now, write),
        "Pod" => pod::write(&view(object), write),
        "ReplicationController" => replicas::controller(&view(object), related, write),
        "ReplicaSet" => replicas::set(&view(object), related, write),
        "Deployment" => replicas::deployment(&view(object), related, write),
        "Service" => network::service(&view(object), object, related, write),
        "Endpoints" => network::endpoints(&view(object), write),
        "ServiceAccount" => network::account(&view(object), object, write),
        "Route" => network::route(&view(object), related, now, write),
        "BuildConfig" => build::config(&view(object), related, now, write),
        "Build" => build::build(&view(object), now, write),
        "DeploymentConfig" => deployment_config::write(&view(object), related, now, write),
        "ImageStream" => image::stream(&view(object), object, now, write),
        "ImageStreamTag" | "ImageStreamImage" => image::tag(object, now, write),
        "Image" => image::image(&view(object), now, write),
        "Project" => project::write(object, now, write),
        "Namespace" => project::namespace(object, write),
        _ => generic::write(object, write),
    }
    if matches!(
        kind.kind,
        "Namespace" | "Project" | "Image" | "ImageStreamTag" | "ImageStreamImage"
    ) {
        return page.text();
    }
    if kind.group.ends_with(".openshift.io") {
        page.gap();
    }
    events::write(&related.events, now, &mut page);
    page.text()
}

/// The typed view; of an object that does not fit, what fits.
fn view<T: serde::de::DeserializeOwned + Default>(object: &Value) -> T {
    serde_json::from_value(object.clone()).unwrap_or_default()
}

/// A view's `Pending`, `HookFailed`: enums print as they are written in objects.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
