//! The shim: every child of an agent runs under a single-threaded copy of this program that outlives it.
//!
//! Its whole interface is a file, the record (what to run, its process ids, a request to end it, how it ended), and
//! beside it the output, `RECORD.log`, from its first byte on. The record is also the lock, held until the end is in it.
//! This file is the agent's side; [`record`] is the format, [`inside`] the process itself, forked by the [`launcher`]. An
//! agent that starts a child and one that finds it again after a restart do the same: wait until the lock is gone, of
//! which [`ends`] tells, then read how it ended.
//!
//! # Decided
//!
//! * The lock reaches the shim as an open file description taken by the agent before the start, so that there is no
//!   moment at which the child could run unlocked; on its way to the shim the socket's message holds it.
//! * Nothing here is made durable but requests: the agent's journal is, before anything follows from an end. A machine that
//!   lost its power may repeat a hook whose end was not noted there yet, as it does when it loses it a moment before.
//! * A kill is a line in the record, not a signal: no process id of a restarted machine can be hit by it.
//! * When the shim is gone without a recorded end, everything left in its session is ended before a repetition.

mod ends;
mod inside;
mod launcher;
mod output;
pub(crate) mod processes;
mod record;
pub mod stamped;

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;

use serde::Deserialize;
use serde::Serialize;

use crate::agent::shim::record::Kill;
use crate::agent::shim::record::Line;
use crate::agent::shim::record::Record;
use crate::base::crash;

pub(crate) use inside::mount_all;
pub use launcher::Launcher;
pub use launcher::main;
pub(crate) use processes::descendants;

/// The hidden subcommand that [`main`] is reached by.
pub const SUBCOMMAND: &str = "__shim";

/// What a shim runs.
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

/// The processes of a started child.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Started {
    /// The child, leader of its process group.
    pub pid: i32,
    /// The shim, leader of the session.
    pub shim: i32,
    /// The boot that these numbers belong to.
    pub boot: String,
}

/// How a child ended.
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

/// One child, by where its record is.
#[derive(Clone, Debug)]
pub struct Shim {
    record: PathBuf,
}

impl Shim {
    /// The child whose record that is (or will be), absolute, in a folder that is there.
    pub fn at(record: impl Into<PathBuf>) -> Shim {
        Shim {
            record: record.into(),
        }
    }

    /// Where the output is, if there is any.
    pub fn log(&self) -> PathBuf {
        beside(&self.record, "log")
    }

    /// What it was started with.
    pub fn spec(&self) -> io::Result<Spec> {
        let (spec, _) = record::read_whole(&self.record)?;
        spec.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// How it ended; none while it runs, and when it never ran or its shim was lost.
    pub fn exit(&self) -> io::Result<Option<Exit>> {
        Ok(Record::read(&self.record)?.and_then(|record| record.exit))
    }

    /// Whether a shim is alive and has not recorded an exit.
    pub fn is_running(&self) -> io::Result<bool> {
        self.open()?.map_or(Ok(false), |record| is_locked(&record))
    }

    /// The record to read; none when it never was started.
    fn open(&self) -> io::Result<Option<File>> {
        match File::open(&self.record) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts the child. What an earlier, lost try left is removed; its log is continued.
    pub fn start(&self, launcher: &Launcher, spec: &Spec) -> io::Result<()> {
        let record = record::open(&self.record)?;
        record.try_lock()?;
        if record.metadata()?.len() > 0 {
            // Only then: some file systems write a file out when it is closed that was cut off before.
            record.set_len(0)?;
        }
        record::append(&record, Line::Spec(spec))?;
        crash::point("shim.start.before");
        launcher.launch(&self.record, &record)?;
        crash::point("shim.start.after");
        Ok(())
    }

    /// Waits, without a limit, until no shim holds the lock; then says how the child ended, if that was recorded.
    pub async fn wait(&self) -> io::Result<Option<Exit>> {
        let Some(record) = self.open()? else {
            return Ok(None);
        };
        let closing = ends::follow(&self.record);
        if is_locked(&record)? {
            if let Some(closing) = closing {
                closing.happened().await;
            }
            if is_locked(&record)? {
                // Somebody else wrote, or the shim is being killed: its lock goes after its record is closed.
                self.wait_beside().await?;
            }
        }
        Ok(Record::read_open(&record)?.exit)
    }

    /// Waits for the lock on a thread that is not the runtime's, so that a runtime can stop in the middle.
    async fn wait_beside(&self) -> io::Result<()> {
        let (done, ended) = tokio::sync::oneshot::channel();
        let shim = self.clone();
        let thread = std::thread::Builder::new().name("shim-wait".to_owned());
        thread.spawn(move || {
            let _ = done.send(shim.wait_here());
        })?;
        let ended = ended.await;
        ended.unwrap_or_else(|_| Err(io::Error::other("the waiting thread ended early")))
    }

    fn wait_here(&self) -> io::Result<()> {
        let Some(record) = self.open()? else {
            return Ok(());
        };
        record.lock_shared()?;
        record.unlock()
    }

    /// Asks for the end of the child: TERM, grace, KILL for all below the shim.
    pub fn kill(&self) -> io::Result<()> {
        self.add(Line::Kill(&Kill::default()))
    }

    /// The same with another grace than the spec's; a second request changes nothing.
    pub fn kill_within(&self, grace: Duration) -> io::Result<()> {
        let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.add(Line::Kill(&Kill {
            grace_milliseconds: Some(grace),
        }))
    }

    /// Adds a line that is durable.
    fn add(&self, line: Line<'_>) -> io::Result<()> {
        let record = record::open(&self.record)?;
        record::append(&record, line)?;
        record.sync_data()
    }

    /// Whether somebody asked for its end.
    pub fn is_killed(&self) -> bool {
        let record = Record::read(&self.record).ok().flatten();
        record.is_some_and(|record| record.kill.is_some())
    }

    /// The processes of a child that was let go, of whichever boot.
    pub fn started(&self) -> io::Result<Option<Started>> {
        Ok(Record::read(&self.record)?.and_then(|record| record.started))
    }

    /// Writes the end of a child whose shim was lost, so that it counts as ended from now on.
    pub fn bury(&self, exit: &Exit) -> io::Result<()> {
        self.add(Line::Exit(exit))
    }

    /// When its end, the last thing in its record, was written down.
    pub fn ended_at(&self) -> io::Result<Option<SystemTime>> {
        match self.exit()? {
            Some(_) => fs::metadata(&self.record)?.modified().map(Some),
            None => Ok(None),
        }
    }

    /// Ends what is left of a child whose shim is gone without a record: TERM, `grace`, KILL for its session.
    ///
    /// Blocks; nothing happens after a restart of the machine, or when the child never started.
    pub fn end_leftovers(&self, grace: Duration) -> io::Result<usize> {
        match self.started()? {
            Some(started) if started.boot == processes::boot() => {
                Ok(processes::end_session(started.shim, grace))
            }
            _ => Ok(0),
        }
    }
}

/// Whether a shim has it.
fn is_locked(record: &File) -> io::Result<bool> {
    match record.try_lock_shared() {
        // Said, because a process that is being forked just now has the file open, too.
        Ok(()) => record.unlock().map(|()| false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The file beside another, whose name goes on with that ending.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    PathBuf::from(path)
}
