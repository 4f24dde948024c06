//! The shim: every child of an agent runs under a single-threaded copy of this program that outlives it.
//!
//! Its whole interface is a directory: `spec.json` (what to run), `started` (process ids), `log` (the output), `exit`
//! (how it ended, durable), `kill` (a request to end it), `lock` (held until `exit` is durable). This file is the
//! agent's side and the formats; [`inside`] is the process itself, forked by the [`launcher`]. An agent that starts a
//! child and one that finds it again after a restart do the same: wait for the lock, then read `exit`.
//!
//! # Decided
//!
//! * The lock reaches the shim as an open file description taken by the agent before the start, so that there is no
//!   moment at which the child could run unlocked; on its way to the shim the socket's message holds it.
//! * A kill is a file, not a signal: no process id of a restarted machine can be hit by it.
//! * When the shim is gone without an `exit`, everything left in its session is ended before a repetition.

mod inside;
mod launcher;
mod output;
pub(crate) mod processes;
pub mod stamped;

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::base::crash;
use crate::base::durable;

pub(crate) use inside::mount_all;
pub use launcher::Launcher;
pub use launcher::main;
pub(crate) use processes::descendants;

/// The hidden subcommand that [`main`] is reached by.
pub const SUBCOMMAND: &str = "__shim";

/// What a shim runs: `spec.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// The file to execute, absolute, and its arguments.
    pub argv: Vec<String>,
    pub cwd: String,
    /// The whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Who it runs as; none: as the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// How long it may run; 0 means for ever.
    pub timeout_milliseconds: u64,
    /// Between TERM and KILL.
    pub grace_milliseconds: u64,
    /// How much of the output is kept; with `logFiles`, in each of them.
    pub log_limit: u64,
    /// 0: the log is the output itself, whole up to its limit. More: that many files with a time for each line
    /// ([`stamped`]), the oldest making room.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_files: u32,
    /// The file of the network namespace that the child lives in; none: the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PathBuf>,
    /// Files that the child sees in place of others, in a mount namespace of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The child's end is the end of everything below the shim, and the shim's end is the child's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contained: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One file in the place of another, both absolute and there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    pub from: PathBuf,
    pub to: PathBuf,
}

/// Numbers of a user, looked up by the agent because the shim has no name service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// The processes of a started child: `started`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Started {
    /// The child, leader of its process group.
    pub pid: i32,
    /// When the child started, in the kernel's ticks since boot.
    pub start_time: u64,
    /// The shim, leader of the session.
    pub shim: i32,
    /// The boot that these numbers belong to.
    pub boot: String,
}

/// How a child ended: `exit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exit {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    pub reason: Reason,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Somebody below still holds the output open; the shim goes on draining it.
    pub output_open: bool,
    /// All that was written, kept or not.
    pub output_bytes: u64,
    pub milliseconds: u64,
}

/// Why a child ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// By itself, or by somebody else's signal.
    #[default]
    Exited,
    TimedOut,
    /// On request.
    Killed,
    /// It never ran; the message says why.
    SpawnFailed,
}

impl Exit {
    /// The exit code as a shell shows it: 128 + signal when a signal ended it.
    pub fn shell_code(&self) -> Option<i32> {
        self.code.or(self.signal.map(|signal| 128 + signal))
    }

    /// Whether the child ran to its end and said 0.
    pub fn is_success(&self) -> bool {
        self.reason == Reason::Exited && self.code == Some(0)
    }
}

/// One child's directory.
#[derive(Clone, Debug)]
pub struct Shim {
    folder: PathBuf,
}

impl Shim {
    /// The child whose directory that is (or will be); it must be absolute.
    pub fn at(folder: impl Into<PathBuf>) -> Shim {
        Shim {
            folder: folder.into(),
        }
    }

    /// Where the output is.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What it was started with.
    pub fn spec(&self) -> io::Result<Spec> {
        read(&self.folder.join("spec.json"))?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How it ended; none while it runs, and when it never ran or its shim was lost.
    pub fn exit(&self) -> io::Result<Option<Exit>> {
        read(&self.folder.join("exit"))
    }

    /// Whether a shim is alive and has not recorded an exit.
    pub fn is_running(&self) -> io::Result<bool> {
        match File::open(self.folder.join("lock")) {
            Ok(lock) => match lock.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(fs::TryLockError::WouldBlock) => Ok(true),
                Err(fs::TryLockError::Error(error)) => Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Starts the child. What an earlier, lost try left is removed; its log is continued.
    pub fn start(&self, launcher: &Launcher, spec: &Spec) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join("lock"))?;
        lock.try_lock()?;
        for stale in ["started", "exit", "kill"] {
            remove(&self.folder.join(stale))?;
        }
        let spec = serde_json::to_vec(spec).expect("a spec is plain data");
        // The environment in it may hold secrets.
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.folder.join("spec.json"))?;
        file.write_all(&spec)?;
        crash::point("shim.start.before");
        launcher.launch(&self.folder, &lock)?;
        crash::point("shim.start.after");
        Ok(())
    }

    /// Waits, without a limit, until no shim holds the lock; then says how the child ended, if that was recorded.
    ///
    /// The wait, where there is something to wait for, is a thread of its own and not one of the runtime's, so that a runtime can stop in the middle.
    pub async fn wait(&self) -> io::Result<Option<Exit>> {
        if !self.is_running()? {
            return self.exit();
        }
        let (done, ended) = tokio::sync::oneshot::channel();
        let shim = self.clone();
        std::thread::Builder::new()
            .name("shim-wait".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                let _ = done.send(shim.wait_here());
            })?;
        ended
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the waiting thread ended early")))
    }

    fn wait_here(&self) -> io::Result<Option<Exit>> {
        match File::open(self.folder.join("lock")) {
            Ok(lock) => lock.lock_shared()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        self.exit()
    }

    /// Asks for the end of the child: TERM, grace, KILL for all below the shim.
    pub fn kill(&self) -> io::Result<()> {
        durable::write(&self.folder.join("kill"), b"", 0o600)
    }

    /// The same with another grace than the spec's; a second request changes nothing.
    pub fn kill_within(&self, grace: Duration) -> io::Result<()> {
        let grace = grace.as_millis().to_string();
        durable::write(&self.folder.join("kill"), grace.as_bytes(), 0o600)
    }

    /// Whether somebody asked for its end.
    pub fn is_killed(&self) -> bool {
        self.folder.join("kill").exists()
    }

    /// The processes of a child that was let go, of whichever boot.
    pub fn started(&self) -> io::Result<Option<Started>> {
        match read::<Started>(&self.folder.join("started")) {
            // A torn record means that the shim died before it let the child go.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            read => read,
        }
    }

    /// Writes the end of a child whose shim was lost, so that it counts as ended from now on.
    pub fn bury(&self, exit: &Exit) -> io::Result<()> {
        let bytes = serde_json::to_vec(exit).expect("an exit is plain data");
        durable::write(&self.folder.join("exit"), &bytes, 0o600)
    }

    /// Ends what is left of a child whose shim is gone without a record: TERM, `grace`, KILL for its session.
    ///
    /// Blocks; nothing happens after a restart of the machine, or when the child never started.
    pub fn end_leftovers(&self, grace: Duration) -> io::Result<usize> {
        match read::<Started>(&self.folder.join("started")) {
            Ok(Some(started)) if started.boot == processes::boot() => {
                Ok(processes::end_session(started.shim, grace))
            }
            // A torn record means that the shim died before it let the child go.
            Ok(_) => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(0),
            Err(error) => Err(error),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
