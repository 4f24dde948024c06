//! What `describe` says of an object: who it is, how it stands, and what happened to it.
//!
//! Pure: objects in, lines out. A kind that has a file here gets words of its own; every other one is printed field by
//! field.

pub mod application;
pub mod events;
pub mod gear;
pub mod generic;
pub mod node;
pub mod operation;
pub mod page;
pub mod rollout;

use serde_json::Value;

use crate::api::kinds::Kind;
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
    pub events: Vec<Value>,
}

/// The text for one object.
pub fn text(kind: &Kind, object: &Value, related: &Related, now: Timestamp) -> String {
    let mut page = Page::default();
    match kind.kind {
        "Application" => application::write(&view(object), related, now, &mut page),
        "Rollout" => rollout::write(&view(object), related, &mut page),
        "Gear" => gear::write(&view(object), related, now, &mut page),
        "Operation" => operation::write(&view(object), &mut page),
        "Node" => node::write(&view(object), related, &mut page),
        _ => generic::write(object, &mut page),
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
