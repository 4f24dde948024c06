//! Starts the parts in order and stops them in reverse.
//!
//! Order: data folder and its lock, keys, store, API, listener, controllers, node agent; `server.json` says that all
//! of it is ready. Stopping goes the other way, under a grace period. The server decides nothing about objects.

pub mod background;
pub mod data_folder;
pub mod pki;

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::clock::Clock;

/// Where the server listens when nothing else is said.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8443";

/// Where to listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// The default address; it is an error when it is taken.
    #[default]
    Default,
    /// The default address, or a free port of it when it is taken.
    DefaultOrFree,
    /// This address; it is an error when it is taken.
    At(SocketAddr),
}

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Options {
    pub data_dir: PathBuf,
    pub listen: Listen,
    /// Whether this machine is a node of its own server.
    pub node: bool,
    pub clock: Clock,
}

impl Options {
    /// A server in that folder at the default address, with a node.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options {
            data_dir: data_dir.into(),
            listen: Listen::Default,
            node: true,
            clock: Clock::System,
        }
    }
}

/// Why a server does not start; each is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    DataFolder(#[from] data_folder::Error),
    #[error("the address {address} is already in use; choose another with --listen ADDR:PORT")]
    AddressTaken { address: SocketAddr },
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot {what}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("cannot start: {0}")]
    Part(String),
}

/// A running server; dropping it stops nothing, [`Server::stop`] does.
pub struct Server {
    url: String,
    data_dir: PathBuf,
}

impl Server {
    /// Starts every part and returns when all of them are ready.
    pub async fn start(_options: Options) -> Result<Server, Error> {
        unimplemented!()
    }

    /// `https://ADDRESS:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder it runs in.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Waits until somebody asked it to stop: the admin's stop call, SIGTERM or SIGINT.
    pub async fn asked_to_stop(&self) {
        unimplemented!()
    }

    /// Stops every part, last started first; returns the names of those that did not end within `grace`.
    pub async fn stop(self, _grace: Duration) -> Vec<String> {
        unimplemented!()
    }
}
