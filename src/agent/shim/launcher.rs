//! One process beside an agent that forks its shims: none has to be executed and linked anew, which costs more than most
//! hooks do.
//!
//! The agent's side ([`Launcher`]) sends where a record is, and the lock on it, over a socket; the other ([`main`]) forks a
//! shim for it. A shim that has nothing left below it stays for a while and takes the next record from the same socket, so
//! that of several hooks one after the other only the first costs a fork. Nothing comes back: a shim that was never there
//! has let go of its lock without a recorded end, as one that was lost. The process and the shims that wait end with the
//! agent; those that have a child live on.

use std::fs;
use std::fs::File;
use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::EfdFlags;
use nix::sys::eventfd::EventFd;
use nix::sys::prctl;
use nix::sys::signal::SigHandler;
use nix::sys::signal::Signal;
use nix::sys::signal::signal;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::ControlMessage;
use nix::sys::socket::ControlMessageOwned;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::recvmsg;
use nix::sys::socket::sendmsg;
use nix::sys::socket::socketpair;
use nix::unistd;
use nix::unistd::ForkResult;

use crate::agent::shim::SUBCOMMAND;
use crate::agent::shim::beside;
use crate::agent::shim::inside;
use crate::agent::shim::processes;
use crate::agent::shim::record;

/// The longest path of a record, in bytes, as the kernel has it.
const LONGEST: usize = 4096;
/// How long shims that wait have to take a record before a new one is forked for it.
const PRECEDENCE: Duration = Duration::from_millis(1);
/// How long a shim waits for another child.
const REST: Duration = Duration::from_secs(10);
/// After so many a shim makes room for a fresh one: what a child left behind in its memory adds up.
const MOST_CHILDREN: usize = 256;

/// The process that forks an agent's shims, started with the first of them and again when it was lost.
#[derive(Debug)]
pub struct Launcher {
    program: PathBuf,
    place: PathBuf,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    /// Closed before the process is waited for, which is what ends it.
    line: OwnedFd,
    child: Buried,
}

/// A process that is waited for when it is dropped.
#[derive(Debug)]
struct Buried(Child);

impl Drop for Buried {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

impl Launcher {
    /// `program` is executed as that process; `place` is what people see of whose it is.
    pub fn new(program: impl Into<PathBuf>, place: impl Into<PathBuf>) -> Launcher {
        Launcher {
            program: program.into(),
            place: place.into(),
            process: Mutex::default(),
        }
    }

    /// Has a shim forked for the record at `path`, which holds `lock` from now on.
    pub(super) fn launch(&self, path: &Path, lock: &File) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // A shim at work may still hold the other end of the line, so its being open says too little.
        if let Some(one) = &mut *process
            && matches!(one.child.0.try_wait(), Ok(None))
        {
            match send(&one.line, path, lock) {
                Err(Errno::EPIPE | Errno::ECONNRESET) => *process = None,
                sent => return Ok(sent?),
            }
        }
        let one = self.start()?;
        send(&one.line, path, lock)?;
        *process = Some(one);
        Ok(())
    }

    fn start(&self) -> io::Result<Process> {
        let (line, other) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        let child = Command::new(&self.program)
            .arg0("upshift-shim")
            .arg(SUBCOMMAND)
            .arg(&self.place)
            .env_clear()
            .stdin(Stdio::from(other))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Process {
            line,
            child: Buried(child),
        })
    }
}

fn send(line: &OwnedFd, path: &Path, lock: &File) -> nix::Result<()> {
    let path = [IoSlice::new(path.as_os_str().as_bytes())];
    let files = [lock.as_raw_fd()];
    let files = [ControlMessage::ScmRights(&files)];
    loop {
        match sendmsg::<()>(
            line.as_raw_fd(),
            &path,
            &files,
            MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(|_| ()),
        }
    }
}

/// The launcher's process, and in the forked copies of it the whole life of a shim.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    // What a terminal sends to the agent's group is for the agent. Fails only for a leader of a session.
    let _ = unistd::setsid();
    unistd::chdir("/")?;
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    inside::close_stdin()?;
    // SAFETY: no handler of ours exists. Shims that end are nobody's business but their locks'.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    prctl::set_name(c"upshift-shims")?;
    // What every shim would find out again.
    processes::boot();
    record::warm_up();
    let idle = Idle::new()?;
    loop {
        inside::wait([Some(line.as_fd())], None)?;
        if idle.is_any() {
            // One of them takes it, unless it was killed while it waited.
            std::thread::sleep(PRECEDENCE);
        }
        let job = match receive(line.as_fd())? {
            Received::Job(job) => job,
            Received::Nothing => continue,
            Received::End => return Ok(()),
        };
        // SAFETY: this process has one thread, so the child owns every lock and may run any code.
        match unsafe { unistd::fork() } {
            Ok(ForkResult::Child) => {
                // SAFETY: as above.
                unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
                prctl::set_name(c"upshift-shim")?;
                live(job, line, &idle);
                // SAFETY: ends the forked copy without running what the launcher left for its own end.
                unsafe { nix::libc::_exit(0) }
            }
            // Without a process for it the lock is let go, and the agent tries again.
            Ok(ForkResult::Parent { .. }) | Err(_) => {}
        }
    }
}

/// The whole life of a shim: its first child, and others for as long as it is as good as new.
fn live(first: Job, line: OwnedFd, idle: &Idle) {
    let mut path = first.path.clone();
    let lived = || -> io::Result<()> {
        let mut shim = inside::Life::begin(line)?;
        let mut next = Some(first);
        let mut children = 0;
        while let Some(job) = next {
            path.clone_from(&job.path);
            children += 1;
            next = match shim.run(&job.path, job.lock)? {
                Some(lock) if children < MOST_CHILDREN => idle.next(&shim, lock)?,
                _ => None,
            };
        }
        Ok(())
    };
    if let Err(error) = lived() {
        let _ = fs::write(beside(&path, "fault"), error.to_string());
    }
}

/// How many shims wait for a child. It may be too high for those that were killed meanwhile, never too low.
struct Idle(EventFd);

impl Idle {
    fn new() -> io::Result<Idle> {
        let flags = EfdFlags::EFD_SEMAPHORE | EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Idle(EventFd::from_flags(flags)?))
    }

    fn is_any(&self) -> bool {
        inside::is_ready(self.0.as_fd())
    }

    /// The next child for a shim that is about to let go of the last one's lock; none when nobody needs it any more.
    fn next(&self, shim: &inside::Life, lock: File) -> io::Result<Option<Job>> {
        self.0.write(1)?;
        // Who is told that the record is closed finds the lock gone.
        lock.unlock()?;
        drop(lock);
        let next = loop {
            let Some(line) = shim.wait_for_more(REST)? else {
                break None;
            };
            match receive(line)? {
                Received::Job(job) => break Some(job),
                // Somebody else was quicker.
                Received::Nothing => {}
                Received::End => break None,
            }
        };
        self.0.read()?;
        Ok(next)
    }
}

/// A child to run: where its record is, and the lock on it.
struct Job {
    path: PathBuf,
    lock: OwnedFd,
}

enum Received {
    Job(Job),
    Nothing,
    /// The agent is gone.
    End,
}

/// What is on the line now.
fn receive(line: BorrowedFd<'_>) -> io::Result<Received> {
    let mut path = [0_u8; LONGEST];
    let mut files = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut path)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let received = match recvmsg::<()>(line.as_raw_fd(), &mut parts, Some(&mut files), flags) {
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Received::Nothing),
        received => received?,
    };
    let length = received.bytes;
    let lock = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(files) => files.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just made this descriptor for us.
    let lock = lock.map(|lock| unsafe { OwnedFd::from_raw_fd(lock) });
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&path[..length]));
    Ok(lock.map_or(Received::End, |lock| Received::Job(Job { path, lock })))
}
