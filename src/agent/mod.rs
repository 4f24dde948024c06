//! One node: runs Operations, keeps a journal of them, and puts every child under a shim.
//!
//! The agent reads what it has to do and writes how far it is; nobody calls it, and it calls nobody but the API. It ends
//! with its scope: hooks under way go on under their shims and are found again by the next agent of this folder.
//!
//! ```text
//! FOLDER/gears/NAMESPACE/GEAR/           what is in place (install, gear)
//! FOLDER/operations/NAMESPACE/NAME/      journal, spec.json, STEP-N/ (one shim's directory for each hook script)
//! FOLDER/deployments/                    bundles, unpacked; the only part that hooks' users may enter
//! ```

pub mod cache;
mod hooks;
pub mod install;
pub mod join;
pub mod journal;
mod logs;
mod operations;
pub mod record;
pub mod shim;
mod users;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Client;

/// How an agent is to run.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// The node's name.
    pub name: String,
    /// The node's own folder, absolute: `DATA/node/NAME`.
    pub folder: PathBuf,
    /// A client with the node's identity.
    pub client: Client,
    pub clock: Clock,
    pub allow: Allow,
    /// Where others reach this host.
    pub address: String,
    /// The program that is re-executed as a shim.
    pub program: PathBuf,
}

impl AgentOptions {
    /// An agent for the machine it runs on, which allows every namespace.
    pub fn new(name: &str, folder: PathBuf, client: Client) -> AgentOptions {
        AgentOptions {
            name: name.to_owned(),
            folder,
            client,
            clock: Clock::System,
            allow: Allow::Everything,
            address: "127.0.0.1".to_owned(),
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// Whose operations a node runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// Every namespace's, as the agent's own user: the embedded node.
    #[default]
    Everything,
    /// Those of these namespaces, each as the user named for it: a joined node.
    Only(BTreeMap<String, String>),
}

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {}", .path.display())]
    Folder {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// An `--allow` that this process cannot keep.
    #[error("{0}")]
    Allow(String),
}

/// A running agent.
pub struct Agent {
    name: String,
}

impl Agent {
    /// Starts the agent's tasks in `scope`; they try for ever to reach the server.
    pub fn start(options: AgentOptions, scope: &Scope) -> Result<Agent, Error> {
        let _ = scope;
        Ok(Agent { name: options.name })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the node is registered and its operations are known.
    pub async fn ready(&self) {
        unimplemented!()
    }
}
