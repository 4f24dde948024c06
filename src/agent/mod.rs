//! One node: runs Operations, keeps a journal of them, and puts every child under a shim.
//!
//! The agent reads what it has to do and writes how far it is; nobody calls it, and it calls nobody but the API. It ends
//! with its scope: hooks under way go on under their shims and are found again by the next agent of this folder.
//!
//! ```text
//! FOLDER/gears/NAMESPACE/GEAR/           what is in place (install, gear)
//! FOLDER/operations/NAMESPACE/NAME/      journal, STEP-N (the shim's record of a hook script), STEP-N.log
//! FOLDER/deployments/                    bundles, unpacked; hooks' users may enter it
//! FOLDER/pods/, FOLDER/images/           pods and their images (pod); each pod's user may reach its own files
//! ```

pub mod build;
pub mod cache;
pub mod exec;
pub mod files;
mod hooks;
pub mod install;
pub mod join;
pub mod journal;
mod lent;
mod logs;
mod node;
mod operations;
mod pod;
pub mod record;
pub mod renewal;
pub mod shim;
pub mod toolchains;
mod users;
mod watcher;

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::watch;

use crate::agent::cache::Cache as BundleCache;
use crate::agent::exec::Programs;
use crate::agent::logs::Live;
use crate::agent::operations::Places;
use crate::agent::operations::Shared;
use crate::agent::pod::Pods;
use crate::agent::renewal::Renewing;
use crate::agent::shim::Launcher;
use crate::api::pod::Pod;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::Operation;
use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Cache;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::client::tunnel;

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
    pub downloads: Downloads,
    /// Where bundles go when their application does not say; none: in the node's folder.
    pub root: Option<PathBuf>,
    /// What keeps the client's certificate good; none for a part of the server.
    pub renewing: Option<Renewing>,
}

/// What downloads of bundles and images may take of a host, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloads {
    /// Bytes a second; none for as fast as it goes.
    pub bandwidth: Option<u64>,
    pub at_once: usize,
}

impl Default for Downloads {
    fn default() -> Downloads {
        Downloads {
            bandwidth: None,
            at_once: 4,
        }
    }
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
            downloads: Downloads::default(),
            root: None,
            renewing: None,
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

impl Allow {
    /// Whether this process can keep it: worth knowing before a one-time token is spent on joining.
    pub fn check(&self) -> Result<(), Error> {
        users::check(self, &users::own()).map_err(Error::Allow)
    }
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
    #[error("another agent runs in {}", .0.display())]
    Taken(PathBuf),
    /// An `--allow` that this process cannot keep.
    #[error("{0}")]
    Allow(String),
}

/// A running agent; dropping it stops nothing, its scope does.
#[derive(Debug)]
pub struct Agent {
    name: String,
    registered: watch::Receiver<bool>,
    refused: watch::Receiver<Option<String>>,
    operations: Cache<Operation>,
    pods: Cache<Pod>,
}

impl Agent {
    /// Starts the agent's tasks in `scope`; they try for ever to reach the server.
    pub fn start(options: AgentOptions, scope: &Scope) -> Result<Agent, Error> {
        options.allow.check()?;
        let own = users::own();
        make_folders(&options.folder)?;
        let lock = lock(&options.folder)?;
        if options.allow == Allow::Everything {
            tracing::info!(
                node = options.name,
                user = own.name,
                "this node runs the hooks of every namespace as this user"
            );
        }
        let (root, root_lock) = match options.root {
            Some(root) => {
                let lock = lock_root(&root)?;
                (root, Some(lock))
            }
            None => (options.folder.join("deployments"), None),
        };
        if let Some(why) = users::barred(&options.allow, &own, &root) {
            return Err(Error::Allow(why));
        }
        if let Some(why) = users::unpassable_for_pods(&options.folder) {
            tracing::warn!("pods and builds cannot run here: {why}");
        }
        let Downloads { bandwidth, at_once } = options.downloads;
        let limits = registry::Limits::new(bandwidth, at_once);
        let shared = Arc::new(Shared {
            name: options.name.clone(),
            launcher: Launcher::new(&options.program, &options.folder),
            program: options.program,
            registry: Registry::new(options.client.clone()).limited(limits),
            cache: BundleCache::new(root),
            folder: options.folder,
            client: options.client.clone(),
            clock: options.clock,
            allow: options.allow,
            own,
            places: Places::default(),
            live: Live::default(),
            scope: scope.clone(),
            _locks: (lock, root_lock),
        });
        let ours = ListOptions::labelled(format!("{LABEL_NODE}={}", options.name));
        let operations = Cache::start(options.client.clone(), "", ours, scope);
        let ours = ListOptions {
            field_selector: format!("spec.nodeName={}", options.name),
            ..ListOptions::default()
        };
        let pods = Cache::start(options.client.clone(), "", ours, scope);
        let mine =
            Pods::open(shared.clone(), &options.address).map_err(|source| Error::Folder {
                what: "open",
                path: shared.folder.join("images"),
                source,
            })?;
        let mine = Arc::new(mine);
        scope.spawn_graceful(pod::follow(mine.clone(), pods.clone()));
        let (registered, is_registered) = watch::channel(false);
        let (refused, is_refused) = watch::channel(None);
        let (keeper, address) = (shared.clone(), options.address);
        scope.spawn(async move { node::keep(&keeper, &address, registered, refused).await });
        if let Some(renewing) = options.renewing {
            scope.spawn(renewing.keep(shared.clock.clone()));
        }
        scope.spawn_graceful(operations::follow(shared.clone(), operations.clone()));
        let path = format!("/api/v1/nodes/{}/tunnel", options.name);
        let programs = Programs::new(shared.clone());
        let answers = logs::router(shared)
            .merge(exec::router(programs.clone()))
            .merge(pod::exec::router(mine.clone(), programs))
            .merge(pod::log::router(mine));
        tunnel::serve(options.client, path, answers, scope);
        Ok(Agent {
            name: options.name,
            registered: is_registered,
            refused: is_refused,
            operations,
            pods,
        })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the node is registered and its operations are known, or its scope is cancelled.
    pub async fn ready(&self) {
        self.operations.synced().await;
        self.pods.synced().await;
        let _ = self.registered.clone().wait_for(|is| *is).await;
    }

    /// Waits until the server no longer lets this node in, and says why; trying again would not help.
    pub async fn refused(&self) -> String {
        let mut refused = self.refused.clone();
        match refused.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // The agent is stopping.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Takes a folder for bundles, which is made: two agents must not unpack at one place.
fn lock_root(root: &Path) -> Result<File, Error> {
    let failed = |source| Error::Folder {
        what: "make",
        path: root.to_owned(),
        source,
    };
    if !root.is_dir() {
        fs::create_dir_all(root).map_err(failed)?;
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    lock_at(root, ".upshift-node.lock")
}

/// Takes the node's folder for this agent; one that is stopping has a moment to let go of it.
fn lock(folder: &Path) -> Result<File, Error> {
    lock_at(folder, "lock")
}

fn lock_at(folder: &Path, name: &str) -> Result<File, Error> {
    let path = folder.join(name);
    let failed = |source| Error::Folder {
        what: "lock",
        path: path.clone(),
        source,
    };
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                return Err(Error::Taken(folder.to_owned()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Makes the node's folder: hooks' users may pass to the bundles, and see nothing else.
fn make_folders(folder: &Path) -> Result<(), Error> {
    for (name, mode) in [
        ("", 0o711),
        ("deployments", 0o755),
        ("gears", 0o700),
        ("operations", 0o700),
        ("pods", 0o711),
        ("images", 0o700),
    ] {
        let path = folder.join(name);
        let failed = |source| Error::Folder {
            what: "make",
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bundles_can_be_reached_by_others() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("node/a");
        make_folders(&folder).unwrap();
        let mode = |name: &str| {
            let about = fs::metadata(folder.join(name)).unwrap();
            about.permissions().mode() & 0o777
        };
        assert_eq!(
            (mode("deployments"), mode("gears"), mode("")),
            (0o755, 0o700, 0o711)
        );
    }
}
