//! The appspec: what a bundle's author says about its files, permissions and hooks (facts/codedeploy.md section 2).
//!
//! One file, `appspec.yml` at the root of a bundle, or the Application's own form. Nothing here touches a disk: whether a
//! script or a source exists is asked by `content::bundle` and `agent::install`.
//!
//! # Decided
//!
//! * Unknown keys, unknown events and repeated keys are errors, all of them reported with file, line and key, before any
//!   script runs: a silent typo is the most common complaint about the original.
//! * `version` (0.0) and `os` (linux) are optional and checked when present.
//! * The seed spells `permisssions`, everybody else `permissions`: either is read, both at once is an error.
//! * `mode` is the text that was written: `0644` is what it looks like, not YAML 1.1's decimal 420.
//! * A pattern matches direct children unless it says more: `*` stays inside one name, `**` spans folders, `sub/*.sh` is a
//!   path below `object`. Several entries may match one object; each sets what it names, the last one wins.
//! * Hook entries take `arguments` (a list, ours); a command is a path in the bundle and never a line for a shell.

mod acl;
mod context;
mod errors;
mod files;
mod hooks;
mod node;
mod parse;
mod pattern;
mod permission;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::api::duration::Span;
use crate::api::upshift::FileExists;

pub use acl::Acl;
pub use acl::Entry;
pub use acl::Tag;
pub use context::Context;
pub use errors::Errors;
pub use errors::Problem;
pub use parse::parse;
pub use pattern::Pattern;
pub use permission::Permission;

/// The names an appspec is looked for under, in this order.
pub const NAMES: [&str; 2] = ["appspec.yml", "appspec.yaml"];

/// The events that may have scripts, in the order of the longest workflow.
pub const EVENTS: [&str; 9] = [
    "BeforeBlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AfterAllowTraffic",
];

/// What is copied where, who may do what with it, and which scripts run at which event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSpec {
    pub files: Vec<Mapping>,
    pub permissions: Vec<Permission>,
    /// By event; only events with at least one script.
    pub hooks: BTreeMap<String, Vec<Script>>,
    /// For every hook script.
    pub env: BTreeMap<String, String>,
    /// Wins over the Application's `fileExists`.
    pub file_exists: Option<FileExists>,
}

/// One entry of `files`: a file lands in `destination`, of a folder its contents do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Path in the bundle, no leading slash, no `..`; empty means the whole bundle.
    pub source: String,
    /// Absolute path of a folder, without `.`, `..` or a trailing slash.
    pub destination: String,
}

/// One entry of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Path in the bundle, no leading slash, no `..`.
    pub location: String,
    pub arguments: Vec<String>,
    /// None: the Application's `hookTimeout`.
    pub timeout: Option<Span>,
    pub runas: Option<String>,
}

impl AppSpec {
    /// The scripts of an event, in order; none for an event without scripts.
    pub fn scripts(&self, event: &str) -> &[Script] {
        self.hooks.get(event).map_or(&[], Vec::as_slice)
    }
}
