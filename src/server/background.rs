//! Starting the embedded server for a client that needs it: found, or started in the background by exactly one.

use std::path::Path;
use std::path::PathBuf;

use crate::base::environment::Environment;

/// How a client came to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was running, or another client was just starting it.
    Found,
    /// This call started it.
    Started,
}

/// Why there is no server after all; one clear line, and the end of its log when there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot start the embedded server: {what}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("the embedded server did not start{}", log_tail(.log, .last))]
    Died { log: PathBuf, last: String },
}

fn log_tail(log: &Path, last: &str) -> String {
    if last.is_empty() {
        format!("; its log is {}", log.display())
    } else {
        format!(" ({}):\n{last}", log.display())
    }
}

/// Makes sure that a server runs in `data_dir`; when it returns, `server.json` and `admin.kubeconfig` are there.
pub async fn ensure(_data_dir: &Path, _environment: &Environment) -> Result<Outcome, Error> {
    unimplemented!()
}

/// Asks the server in `data_dir` to stop and waits until it is gone; false when none was running.
pub async fn stop(_data_dir: &Path) -> Result<bool, Error> {
    unimplemented!()
}
