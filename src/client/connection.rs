//! Which server a command talks to, where that was said, and the client for it.
//!
//! DESIGN section 2: `--local`, `--server`, `--kubeconfig`, `--context`, `$KUBECONFIG`, `~/.kube/config` with a current
//! context, else the embedded server. Starting an embedded server is the caller's.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::environment::Environment;
use crate::client::Client;

/// The connection flags as typed.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub local: bool,
    pub data_dir: Option<PathBuf>,
    pub server: Option<String>,
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
    pub token: Option<String>,
    pub certificate_authority: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub tls_server_name: Option<String>,
    pub insecure_skip_tls_verify: bool,
    pub request_timeout: Option<Duration>,
}

/// The server that was chosen; nothing has been sent to it.
#[derive(Clone, Debug)]
pub struct Choice {
    pub target: Target,
    /// Where that was said, in words: `--server`, `context "x" of ~/.kube/config`, `embedded, data in …`.
    pub origin: String,
    /// The project in use.
    pub namespace: String,
    /// What the user should know: a configuration that others may read.
    pub warnings: Vec<String>,
}

/// What kind of server it is.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one in this program; its URL is in `DATA/server.json` while it runs, and it is started on demand.
    Embedded { data_dir: PathBuf },
    /// Another one.
    Remote(crate::client::https::Options),
}

/// A client and what is known of its server.
#[derive(Clone, Debug)]
pub struct Connection {
    pub client: Client,
    pub server: String,
    pub origin: String,
    pub namespace: String,
    /// The data dir, when the server is the embedded one.
    pub data_dir: Option<PathBuf>,
}

/// Why there is no server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The embedded server is not running; the caller may start it.
    #[error("the embedded server is not running (data in {})", data_dir.display())]
    NotRunning { data_dir: PathBuf },
    #[error(transparent)]
    Kubeconfig(#[from] crate::client::kubeconfig::Error),
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Client(#[from] crate::client::Error),
}

/// Chooses the server from flags and surroundings.
pub fn choose(_flags: &Flags, _environment: &Environment) -> Result<Choice, Error> {
    unimplemented!()
}

impl Choice {
    /// Makes the client; [`Error::NotRunning`] when the server is the embedded one and has never announced itself.
    pub fn connect(&self) -> Result<Connection, Error> {
        unimplemented!()
    }
}

impl Connection {
    /// Names the server and where that came from: `server https://127.0.0.1:8443 (embedded, data in …)`.
    pub fn describe(&self) -> String {
        format!("server {} ({})", self.server, self.origin)
    }
}

/// What a running embedded server says of itself in `DATA/server.json`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Announcement {
    pub url: String,
    pub version: String,
    pub pid: u32,
}

impl Announcement {
    /// Reads it; `None` if there is none or it is not whole.
    pub fn read(_data_dir: &Path) -> Option<Announcement> {
        unimplemented!()
    }
}

/// `--data-dir`, `$UPSHIFT_DATA_DIR`, `/var/lib/upshift` as root, else `$XDG_DATA_HOME/upshift`.
pub fn data_dir(_flag: Option<&Path>, _environment: &Environment) -> Result<PathBuf, Error> {
    unimplemented!()
}
