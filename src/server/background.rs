//! Starting the embedded server for a client that needs it: found, or started in the background by exactly one.
//!
//! The start lock (`DATA/start.lock`) is held while a server starts. A client takes it, starts `upshift serve` with
//! the locked file as its standard input, and lets its own copy go: the lock then ends exactly when the server is
//! ready (it closes its standard input) or dies. Starter and losers of a race wait for that, without polling, and a
//! client that is killed in between leaves nothing behind.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use http::Method;

use crate::base::environment::Environment;
use crate::client::connection;
use crate::client::connection::Flags;
use crate::server::data_folder;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// A log longer than this is put aside before the next start.
const LOG_LIMIT: u64 = 8 << 20;
/// How many of the log's last lines an error shows.
const LAST_LINES: usize = 10;

/// How a client came to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was running, or another client was just starting it.
    Found,
    /// This call started it.
    Started,
}

/// Why there is no server after all; one clear line, and the end of its log when there is one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    DataFolder(#[from] data_folder::Error),
    #[error("cannot {what}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    #[error("the embedded server did not start{}", log_tail(.log, .last))]
    Died { log: PathBuf, last: String },
    #[error("the server in {} is still {doing} after {} seconds", .data_dir.display(), PATIENCE.as_secs())]
    Slow {
        data_dir: PathBuf,
        doing: &'static str,
    },
    #[error("cannot ask the server to stop")]
    Refused(#[from] crate::client::Error),
    #[error(transparent)]
    Connection(#[from] connection::Error),
}

fn log_tail(log: &Path, last: &str) -> String {
    if last.is_empty() {
        format!("; its log is {}", log.display())
    } else {
        format!("; the end of {}:\n{last}", log.display())
    }
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, source }
}

/// Makes sure that a server runs in `data_dir`; when it returns, `server.json` and `admin.kubeconfig` are there.
pub async fn ensure(data_dir: &Path, environment: &Environment) -> Result<Outcome, Error> {
    ensure_by(Path::new("/proc/self/exe"), data_dir, environment).await
}

/// [`ensure`] with another program than this one.
pub async fn ensure_by(
    program: &Path,
    data_dir: &Path,
    environment: &Environment,
) -> Result<Outcome, Error> {
    let data_dir = environment.path(data_dir);
    loop {
        if data_folder::ready(&data_dir).is_some() {
            return Ok(Outcome::Found);
        }
        let lock = data_folder::start_lock(&data_dir)?;
        let lock = locked(lock, &data_dir, "starting").await?;
        if data_folder::ready(&data_dir).is_some() {
            return Ok(Outcome::Found);
        }
        if data_folder::is_held(&data_dir) {
            // Nobody starts one and it is not ready: it is stopping. Its successor starts when it is gone.
            drop(lock);
            gone(&data_dir).await?;
            continue;
        }
        return start(program, &data_dir, environment, lock).await;
    }
}

/// Starts the server and waits for it; `lock` is the taken start lock.
async fn start(
    program: &Path,
    data_dir: &Path,
    environment: &Environment,
    lock: File,
) -> Result<Outcome, Error> {
    let log_path = data_dir.join("server.log");
    let log = open_log(&log_path).map_err(io_error("open the server's log"))?;
    let begin = log.metadata().map_or(0, |metadata| metadata.len());
    close_on_exec().map_err(io_error("look at the open files"))?;
    let mut command = Command::new(program);
    command
        .arg0("upshift")
        .arg("serve")
        .arg("--data-dir")
        .arg(data_dir)
        .current_dir("/")
        .env_clear()
        .envs(kept(environment))
        .stdin(Stdio::from(lock))
        .stdout(Stdio::from(
            log.try_clone().map_err(io_error("use the server's log"))?,
        ))
        .stderr(Stdio::from(log));
    let mut child = command
        .spawn()
        .map_err(io_error("start the embedded server"))?;
    // The command holds a copy of the lock until here; from now on the server alone does.
    drop(command);
    let waited = locked(data_folder::start_lock(data_dir)?, data_dir, "starting").await?;
    drop(waited);
    if data_folder::ready(data_dir).is_some() {
        return Ok(Outcome::Started);
    }
    // It let go without being ready: it is dying, if it is not dead yet.
    let _ = tokio::task::spawn_blocking(move || child.wait()).await;
    Err(Error::Died {
        last: last_lines(&log_path, begin),
        log: log_path,
    })
}

/// What of the surroundings a server keeps; crash tests reach through to it.
fn kept(environment: &Environment) -> impl Iterator<Item = (&String, &String)> {
    environment.variables.iter().filter(|(name, _)| {
        ["HOME", "PATH", "LANG"].contains(&name.as_str()) || name.starts_with("UPSHIFT_CRASH")
    })
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Marks every descriptor beyond the standard three, so that the server inherits none of its client's.
fn close_on_exec() -> io::Result<()> {
    use nix::fcntl::FcntlArg;
    use nix::fcntl::FdFlag;
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if number > 2 {
            // SAFETY: the number was just listed as open; it is used for this one call, which sets a flag and fails
            // with EBADF if another thread closed the descriptor in the meantime.
            let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
            let _ = nix::fcntl::fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

/// The end of what was logged after `begin`.
fn last_lines(log: &Path, begin: u64) -> String {
    let mut text = Vec::new();
    let read = File::open(log).and_then(|mut file| {
        file.seek(SeekFrom::Start(begin))?;
        file.read_to_end(&mut text)
    });
    if read.is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// Waits for a lock in a thread of its own, because no task can; given up after [`PATIENCE`].
async fn locked(file: File, data_dir: &Path, doing: &'static str) -> Result<File, Error> {
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let taken = file.lock().map(|()| file);
        let _ = answer.send(taken);
    });
    match tokio::time::timeout(PATIENCE, answered).await {
        Ok(Ok(taken)) => taken.map_err(io_error("wait for the server's lock")),
        Ok(Err(_)) => unreachable!("the thread always answers"),
        Err(_) => Err(Error::Slow {
            data_dir: data_dir.to_owned(),
            doing,
        }),
    }
}

/// Waits until no server holds the folder.
async fn gone(data_dir: &Path) -> Result<(), Error> {
    let lock =
        File::open(data_dir.join("lock")).map_err(io_error("open the data folder's lock"))?;
    locked(lock, data_dir, "stopping").await.map(drop)
}

/// Asks the server in `data_dir` to stop and waits until it is gone; false when none was running.
pub async fn stop(data_dir: &Path) -> Result<bool, Error> {
    if !data_folder::is_held(data_dir) {
        return Ok(false);
    }
    // One that is just starting is stopped once it is ready.
    let starting = data_folder::start_lock(data_dir)?;
    drop(locked(starting, data_dir, "starting").await?);
    if data_folder::ready(data_dir).is_some() {
        let flags = Flags {
            local: true,
            data_dir: Some(data_dir.to_owned()),
            ..Flags::default()
        };
        let client = connection::choose(&flags, &Environment::default())?
            .connect()?
            .client;
        let path = "/apis/upshift.dev/v1/shutdown";
        let headers = http::HeaderMap::new();
        let answer = client.raw(Method::POST, path, headers, "").await?;
        crate::client::check(answer).await?;
    }
    gone(data_dir).await?;
    Ok(true)
}

/// A start under way, seen from the server: holds the start lock until the server is ready or gone.
pub(super) enum Starting {
    /// The lock was handed over by a client, as standard input.
    Background,
    Foreground(File),
}

impl Starting {
    /// Takes the start lock, or finds that a client handed it over; then this process leaves the client's session.
    pub(super) fn begin(data_dir: &Path) -> Result<Starting, data_folder::Error> {
        let lock = data_folder::start_lock(data_dir)?;
        if is_standard_input(&lock) {
            // Fails only for the leader of a process group, which has a session of its own making already.
            let _ = nix::unistd::setsid();
            return Ok(Starting::Background);
        }
        let path = data_dir.join("start.lock");
        lock.lock().map_err(|source| data_folder::Error::Io {
            what: "lock",
            path,
            source,
        })?;
        Ok(Starting::Foreground(lock))
    }

    pub(super) fn is_background(&self) -> bool {
        matches!(self, Starting::Background)
    }

    /// Says that the server is ready.
    pub(super) fn end(self) {
        match self {
            Starting::Foreground(lock) => drop(lock),
            Starting::Background => {
                let replaced =
                    File::open("/dev/null").and_then(|null| Ok(nix::unistd::dup2_stdin(null)?));
                if let Err(error) = replaced {
                    tracing::warn!(%error, "the start lock is not let go");
                }
            }
        }
    }
}

fn is_standard_input(lock: &File) -> bool {
    let identity = |file: &File| file.metadata().map(|it| (it.dev(), it.ino())).ok();
    let stdin = io::stdin();
    let stdin = stdin.as_fd().try_clone_to_owned().map(File::from);
    stdin.is_ok_and(|stdin| identity(&stdin) == identity(lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_log_is_what_was_said_since() {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("server.log");
        let old = "old\n";
        let new: Vec<String> = (0..20).map(|line| format!("line {line}")).collect();
        let new = new.join("\n");
        fs::write(&log, format!("{old}{new}")).unwrap();
        let last = last_lines(&log, old.len() as u64);
        assert_eq!(last.lines().count(), LAST_LINES);
        assert!(last.starts_with("line 10\n") && last.ends_with("line 19"));
    }

    #[tokio::test]
    async fn a_program_that_dies_is_told_with_its_last_words() {
        let place = tempfile::tempdir().unwrap();
        let script = place.path().join("dies");
        fs::write(
            &script,
            "#!/bin/sh\necho \"error: no luck with $3\" >&2\nexit 1\n",
        )
        .unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let data_dir = place.path().join("data");
        let refusal = ensure_by(&script, &data_dir, &Environment::default())
            .await
            .unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.starts_with("the embedded server did not start; the end of "),
            "{text}"
        );
        assert!(
            text.ends_with(&format!("\nerror: no luck with {}", data_dir.display())),
            "{text}"
        );
    }

    #[tokio::test]
    async fn nothing_runs_and_nothing_is_stopped() {
        let place = tempfile::tempdir().unwrap();
        assert!(!stop(place.path()).await.unwrap());
    }
}
