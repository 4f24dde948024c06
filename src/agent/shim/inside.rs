//! The shim process: starts the child, drains its output, keeps its time, records its end.
//!
//! Single-threaded, entered before any runtime, thread or logger. It waits in `poll(2)` alone and never sleeps. After
//! a recorded exit the child's group is left alone and the output is drained until nobody holds it open. A shim that has
//! nothing below it then is as good as new and may take another child; one that has ends.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use nix::sched::CloneFlags;
use nix::sched::clone;
use nix::sched::setns;
use nix::sched::unshare;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;
use nix::sys::inotify::WatchDescriptor;
use nix::sys::prctl;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::killpg;
use nix::sys::signal::signal;
use nix::sys::signalfd::SfdFlags;
use nix::sys::signalfd::SignalFd;
use nix::sys::stat::Mode;
use nix::sys::stat::umask;
use nix::sys::wait::WaitPidFlag;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Pid;
use nix::unistd::Uid;

use crate::agent::shim::Exit;
use crate::agent::shim::Mount;
use crate::agent::shim::Reason;
use crate::agent::shim::Spec;
use crate::agent::shim::Started;
use crate::agent::shim::beside;
use crate::agent::shim::output::Output;
use crate::agent::shim::processes;
use crate::agent::shim::record;
use crate::agent::shim::record::Kill;
use crate::agent::shim::record::Line;
use crate::agent::shim::record::Record;

/// How long the output may stay open after the child's end before that is recorded.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);
/// How long killed processes may take to go.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Where the kernel gives no notice (its limits are used up), the record is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// What a child needs before it is a program of its own, in bytes.
const STACK: usize = 256 * 1024;

/// A child may take so long before its shim stays with it alone.
const SHORT: Duration = Duration::from_secs(1);

/// A shim between two children.
pub(super) struct Life {
    wakeups: Wakeups,
    /// What each child begins on.
    stack: Vec<u8>,
    /// Where other children come from. A shim lets go of it that stays with its child: when nobody else is there to read,
    /// what is sent has to fail, or to be lost at once, and not to lie there.
    line: Option<OwnedFd>,
}

impl Life {
    /// Makes this process one: leader of a session, and parent of whatever is left alone below it.
    pub(super) fn begin(line: OwnedFd) -> io::Result<Life> {
        unistd::setsid()?;
        prctl::set_child_subreaper(true)?;
        Ok(Life {
            wakeups: Wakeups::new()?,
            stack: vec![0; STACK],
            line: Some(line),
        })
    }

    /// Runs the child of a record to its end and holds the lock until then. When nothing is left of it and there may be
    /// more, the lock is given back, so that others see the end when the shim is ready for that.
    pub(super) fn run(&mut self, path: &Path, lock: OwnedFd) -> io::Result<Option<File>> {
        let record = File::from(lock);
        self.wakeups.follow(path);
        let (spec, Record { kill, .. }) = record::read_whole(path)?;
        let spec = spec.unwrap_or_default();
        if spec.contained {
            // What is below it is this child's, and people ask for that by the shim.
            self.line = None;
        }
        let began = Instant::now();
        let (ended, output, is_alone) = match spawn(path, &spec, &record, &mut self.stack) {
            Ok((child, output)) => {
                let mut watch = Watch::new(self, path, &spec, child, output, began);
                if let Some(kill) = kill {
                    watch.obey(&kill);
                }
                (watch.until_end()?, Some(watch.output), watch.is_alone)
            }
            Err(error) => {
                let why = format!("cannot prepare the process: {error}");
                (failed_to_start(&why), None, true)
            }
        };
        let exit = Exit {
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..ended
        };
        record::append(&record, Line::Exit(&exit))?;
        let output = output.filter(|output| output.pipe().is_some());
        if is_alone && output.is_none() && self.line.is_some() {
            return Ok(Some(record));
        }
        self.line = None;
        record.unlock()?;
        drop(record);
        if let Some(output) = output {
            drain_to_the_end(output, &self.wakeups)?;
        }
        Ok(None)
    }

    /// Waits for more on the line; none when that took too long, and when it is time to go.
    pub(super) fn wait_for_more(&self, limit: Duration) -> io::Result<Option<BorrowedFd<'_>>> {
        let end = Instant::now() + limit;
        let Some(line) = self.line.as_ref().map(AsFd::as_fd) else {
            return Ok(None);
        };
        loop {
            let signals = self.wakeups.signals.as_fd();
            let [has_signal, has_more] = wait([Some(signals), Some(line)], Some(end))?;
            if has_more {
                return Ok(Some(line));
            }
            if Instant::now() >= end || (has_signal && self.wakeups.take_signal().term) {
                return Ok(None);
            }
        }
    }
}

/// Puts nothing in the place of standard input: what came there was not for the child.
pub(super) fn close_stdin() -> io::Result<()> {
    let nothing = File::options().read(true).open("/dev/null")?;
    Ok(unistd::dup2_stdin(&nothing)?)
}

/// What wakes the shim beside output: its children's ends, TERM, and a change of its record.
struct Wakeups {
    signals: SignalFd,
    /// Kept from one record to the next, because closing it makes the kernel wait for milliseconds.
    changes: Option<Inotify>,
    /// None: the record has to be looked at.
    record: Option<WatchDescriptor>,
}

/// What a signal says.
#[derive(Default)]
struct Told {
    term: bool,
    /// Children may have ended.
    child: bool,
}

impl Wakeups {
    fn new() -> io::Result<Wakeups> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        mask.add(Signal::SIGTERM);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Wakeups {
            signals,
            changes: Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok(),
            record: None,
        })
    }

    /// From now on, changes of that record by others: the shim's side does not close it.
    fn follow(&mut self, record: &Path) {
        if let Some(changes) = &self.changes {
            if let Some(other) = self.record.take() {
                let _ = changes.rm_watch(other);
                // The kernel tells of that, too, and of what the shim itself closed.
                take_events(changes);
            }
            self.record = changes
                .add_watch(record, AddWatchFlags::IN_CLOSE_WRITE)
                .ok();
        }
    }

    /// Takes one; others that came wake it again.
    fn take_signal(&self) -> Told {
        let Ok(Some(signal)) = self.signals.read_signal() else {
            return Told::default();
        };
        let is = |wanted| signal.ssi_signo == wanted as u32;
        Told {
            term: is(Signal::SIGTERM),
            child: is(Signal::SIGCHLD),
        }
    }
}

/// Takes what is there of them.
fn take_events(changes: &Inotify) {
    let _ = changes.read_events();
}

/// A started child: its process, and why it could not become the program.
struct Child {
    pid: Pid,
    problem: Option<Problem>,
}

/// Starts the child, which writes down who it is before it becomes the program.
///
/// Until then it lives in the shim's memory and the shim waits, as with `vfork`: a copy of that memory would cost as
/// much as a short hook does, and what went wrong is known as soon as the shim goes on.
fn spawn(path: &Path, spec: &Spec, record: &File, stack: &mut [u8]) -> io::Result<(Child, Output)> {
    let image = Image::new(spec)?;
    let (reading, writing) = unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&reading, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let output = Output::new(reading, &beside(path, "log"), spec)?;
    let mut problem = None;
    let child = Box::new(|| {
        problem = Some(image.become_it(spec, record, &writing));
        127
    });
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    // SAFETY: this process has one thread, which goes on only when the child has a memory of its own or has ended; the
    // child has its own stack, and of what it shares with the shim it changes the heap, in order, and `problem`.
    let pid = unsafe { clone(child, stack, flags, Some(Signal::SIGCHLD as i32)) }?;
    Ok((Child { pid, problem }, output))
}

/// What the child turns into, prepared before it is there.
struct Image {
    argv: Vec<CString>,
    shell: CString,
    shell_argv: Vec<CString>,
    env: Vec<CString>,
    network: Option<File>,
}

/// A call that failed between clone and exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Problem {
    stage: Stage,
    errno: Errno,
}

/// What the call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    User,
    Folder,
    Exec,
    Network,
    Mount,
    Other,
}

impl Image {
    fn new(spec: &Spec) -> io::Result<Image> {
        let text = |text: &str| {
            CString::new(text).map_err(|_| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a NUL character in an argument",
                )
            })
        };
        let argv = spec
            .argv
            .iter()
            .map(|argument| text(argument))
            .collect::<io::Result<Vec<_>>>()?;
        if argv.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program"));
        }
        let shell = text("/bin/sh")?;
        let shell_argv = std::iter::once(shell.clone())
            .chain(argv.iter().cloned())
            .collect();
        let env = spec
            .env
            .iter()
            .map(|(name, value)| text(&format!("{name}={value}")))
            .collect::<io::Result<_>>()?;
        let network = spec.network.as_ref().map(File::open).transpose();
        let network = network.map_err(|error| {
            let why = format!("its network namespace cannot be opened: {error}");
            io::Error::new(error.kind(), why)
        })?;
        Ok(Image {
            argv,
            shell,
            shell_argv,
            env,
            network,
        })
    }

    /// Turns this process into the program; returns only if that failed.
    fn become_it(&self, spec: &Spec, record: &File, output: &OwnedFd) -> Problem {
        let at = |stage| move |errno| Problem { stage, errno };
        let prepared = (|| {
            unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(at(Stage::Other))?;
            write_started(record).map_err(|error| {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                at(Stage::Other)(errno)
            })?;
            unistd::dup2_stdout(output).map_err(at(Stage::Other))?;
            unistd::dup2_stderr(output).map_err(at(Stage::Other))?;
            // SAFETY: sets default dispositions; no handler of ours exists.
            unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map_err(at(Stage::Other))?;
            SigSet::all().thread_unblock().map_err(at(Stage::Other))?;
            umask(Mode::from_bits_truncate(0o022));
            hide_other_files();
            if let Some(network) = &self.network {
                setns(network, CloneFlags::CLONE_NEWNET).map_err(at(Stage::Network))?;
            }
            mount_all(&spec.mounts).map_err(at(Stage::Mount))?;
            if let Some(user) = &spec.user {
                let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
                let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
                unistd::setgroups(&groups).map_err(at(Stage::User))?;
                unistd::setresgid(gid, gid, gid).map_err(at(Stage::User))?;
                unistd::setresuid(uid, uid, uid).map_err(at(Stage::User))?;
            }
            if spec.contained {
                // After the change of user, which takes it back.
                prctl::set_pdeathsig(Some(Signal::SIGKILL)).map_err(at(Stage::Other))?;
            }
            unistd::chdir(spec.cwd.as_str()).map_err(at(Stage::Folder))
        })();
        if let Err(problem) = prepared {
            return problem;
        }
        let Err(mut errno) = unistd::execve(&self.argv[0], &self.argv, &self.env);
        if errno == Errno::ENOEXEC {
            // A script without a first line that names its interpreter, as a shell would run it.
            let Err(again) = unistd::execve(&self.shell, &self.shell_argv, &self.env);
            errno = again;
        }
        at(Stage::Exec)(errno)
    }
}

/// Puts files in the place of others, for this process and what it starts alone.
pub(crate) fn mount_all(mounts: &[Mount]) -> nix::Result<()> {
    if mounts.is_empty() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    let nothing: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)?;
    for one in mounts {
        mount(Some(&one.from), &one.to, nothing, MsFlags::MS_BIND, nothing)?;
    }
    Ok(())
}

/// Marks everything but the standard streams as not for the program, whatever the agent itself inherited.
fn hide_other_files() {
    // SAFETY: changes one flag of descriptors; where the kernel does not know the call, each was opened with that flag.
    unsafe { nix::libc::close_range(3, u32::MAX, nix::libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
}

/// Writes down who the child is, which this is.
fn write_started(record: &File) -> io::Result<()> {
    let started = Started {
        pid: unistd::getpid().as_raw(),
        // The leader of the session, and not the parent, which may be gone by now.
        shim: unistd::getsid(None)?.as_raw(),
        boot: processes::boot().to_owned(),
    };
    record::append(record, Line::Started(&started))
}

/// Following one child.
struct Watch<'a> {
    record: &'a Path,
    program: String,
    cwd: String,
    user: Option<u32>,
    child: Child,
    output: Output,
    wakeups: &'a Wakeups,
    /// As of [`Life`], and until when it is held.
    line: &'a mut Option<OwnedFd>,
    short: Instant,
    deadline: Option<Instant>,
    timeout: Duration,
    grace: Duration,
    contained: bool,
    /// The child's own end, and when it was seen.
    ended: Option<(Exit, Instant)>,
    /// Since when everything below is being ended, and why.
    ending: Option<(Instant, Reason)>,
    /// No child was left when they were last collected.
    is_alone: bool,
}

impl<'a> Watch<'a> {
    fn new(
        life: &'a mut Life,
        record: &'a Path,
        spec: &Spec,
        child: Child,
        output: Output,
        began: Instant,
    ) -> Watch<'a> {
        let timeout = Duration::from_millis(spec.timeout_milliseconds);
        Watch {
            record,
            program: spec.argv.first().cloned().unwrap_or_default(),
            cwd: spec.cwd.clone(),
            user: spec.user.as_ref().map(|user| user.uid),
            child,
            output,
            wakeups: &life.wakeups,
            line: &mut life.line,
            short: began + SHORT,
            deadline: (!timeout.is_zero()).then(|| began + timeout),
            timeout,
            grace: Duration::from_millis(spec.grace_milliseconds),
            contained: spec.contained,
            ended: None,
            ending: None,
            is_alone: false,
        }
    }

    fn until_end(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.decide(Instant::now()) {
                return Ok(exit);
            }
            let [has_signal, has_changed, has_output] = self.wait_for_something()?;
            if has_output {
                self.output.drain();
            }
            let told = if has_signal {
                self.wakeups.take_signal()
            } else {
                Told::default()
            };
            if has_changed && let Some(changes) = &self.wakeups.changes {
                take_events(changes);
            }
            if told.child {
                self.reap();
            }
            if self.ended.is_none() {
                if has_changed || self.wakeups.record.is_none() {
                    self.look_for_kill();
                }
                if told.term {
                    self.begin_ending(Reason::Killed);
                }
            }
            if self.ending.is_some() && self.is_alone {
                self.output.drain();
                return Ok(self.finish_ending(0));
            }
        }
    }

    /// The record, when it is time for one; starts and finishes the ending of a child whose time is over.
    fn decide(&mut self, now: Instant) -> Option<Exit> {
        if now >= self.short {
            *self.line = None;
        }
        if let Some((since, _)) = self.ending {
            return (now >= since + self.grace).then(|| {
                let left = self.kill_everything();
                self.output.drain();
                self.finish_ending(left)
            });
        }
        if self.contained && self.ended.is_some() {
            self.kill_everything();
            self.output.drain();
        }
        if let Some((exit, at)) = &self.ended {
            let open = self.output.pipe().is_some();
            return (!open || now >= *at + OUTPUT_GRACE).then(|| self.finished(exit.clone(), open));
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.begin_ending(Reason::TimedOut);
        }
        None
    }

    fn finished(&self, exit: Exit, open: bool) -> Exit {
        let exit = match self.child.problem {
            Some(problem) => failed_to_start(&self.explain(problem)),
            None => exit,
        };
        Exit {
            output_open: open && self.child.problem.is_none(),
            output_bytes: self.output.total,
            ..exit
        }
    }

    /// Whether there is a signal, a change of the record, output.
    fn wait_for_something(&self) -> io::Result<[bool; 3]> {
        let deadline = match self.line {
            Some(_) => Some(self.deadline.map_or(self.short, |it| it.min(self.short))),
            None => self.deadline,
        };
        let next = match (self.ending, &self.ended, deadline) {
            (Some((since, _)), _, _) => Some(since + self.grace),
            (None, Some((_, at)), _) => Some(*at + OUTPUT_GRACE),
            (None, None, deadline) if self.wakeups.record.is_some() => deadline,
            (None, None, deadline) => {
                let look = Instant::now() + LOOK;
                Some(deadline.map_or(look, |deadline| deadline.min(look)))
            }
        };
        let signals = Some(self.wakeups.signals.as_fd());
        let changes = self.wakeups.changes.as_ref().map(AsFd::as_fd);
        let output = self.output.pipe().map(AsFd::as_fd);
        wait([signals, changes, output], next)
    }

    /// Begins the ending when somebody asked for it, within the time that the request gives.
    fn look_for_kill(&mut self) {
        if self.ending.is_some() {
            return;
        }
        // A record that cannot be read now is looked at again when it changes.
        let record = Record::read(self.record).ok().flatten();
        if let Some(kill) = record.and_then(|record| record.kill) {
            self.obey(&kill);
        }
    }

    fn obey(&mut self, kill: &Kill) {
        if let Some(grace) = kill.grace_milliseconds {
            self.grace = Duration::from_millis(grace);
        }
        self.begin_ending(Reason::Killed);
    }

    fn begin_ending(&mut self, reason: Reason) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some((Instant::now(), reason));
        let _ = killpg(self.child.pid, Signal::SIGTERM);
        // Those that left the group get the same notice; the kill that follows spares nobody either.
        for pid in processes::descendants(unistd::getpid().as_raw()) {
            let in_group = unistd::getpgid(Some(Pid::from_raw(pid))) == Ok(self.child.pid);
            if !in_group {
                processes::send(pid, Signal::SIGTERM);
            }
        }
    }

    /// Collects ended children.
    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return,
                Ok(status) => self.note(status),
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.is_alone = true;
                    return;
                }
            }
        }
    }

    fn note(&mut self, status: WaitStatus) {
        if status.pid() != Some(self.child.pid) {
            return;
        }
        let (code, signal) = match status {
            WaitStatus::Exited(_, code) => (Some(code), None),
            WaitStatus::Signaled(_, signal, _) => (None, Some(signal as i32)),
            _ => return,
        };
        let exit = Exit {
            code,
            signal,
            ..Exit::default()
        };
        self.ended = Some((exit, Instant::now()));
    }

    /// KILL for everything below, until nothing is left or the limit is over; returns how many are.
    fn kill_everything(&mut self) -> usize {
        let limit = Instant::now() + KILL_LIMIT;
        loop {
            let below = processes::descendants(unistd::getpid().as_raw());
            for pid in &below {
                processes::send(*pid, Signal::SIGKILL);
            }
            self.reap();
            if self.is_alone {
                return 0;
            }
            if Instant::now() >= limit {
                return below.len();
            }
            let soon = Instant::now() + Duration::from_millis(20);
            let _ = wait([Some(self.wakeups.signals.as_fd())], Some(soon));
            self.wakeups.take_signal();
            self.output.drain();
        }
    }

    fn finish_ending(&self, left: usize) -> Exit {
        let (_, reason) = self.ending.expect("called only while ending");
        let own = self.ended.as_ref().map(|(exit, _)| exit.clone());
        let mut message = match reason {
            Reason::TimedOut => format!(
                "ended after its {} were over",
                crate::base::text::elapsed(self.timeout)
            ),
            _ => "ended on request".to_owned(),
        };
        if left > 0 {
            message.push_str("; ");
            message.push_str(&crate::base::text::count(left, "process"));
            message.push_str(" below it would not go");
        }
        Exit {
            reason,
            message,
            output_open: self.output.pipe().is_some(),
            output_bytes: self.output.total,
            ..own.unwrap_or_default()
        }
    }

    /// Why the program could not be started, in a person's words.
    fn explain(&self, problem: Problem) -> String {
        let why = problem.errno.desc();
        match problem.stage {
            Stage::User => {
                let uid = self.user.unwrap_or_default();
                format!("cannot become user {uid}: {why}")
            }
            Stage::Folder => format!("cannot enter {}: {why}", self.cwd),
            Stage::Exec => explain_exec(&self.program, problem.errno),
            Stage::Mount => format!("cannot mount its files: {why}"),
            Stage::Network => format!("cannot enter the pod's network: {why}"),
            Stage::Other => format!("cannot prepare the process: {why}"),
        }
    }
}

/// Why `program` could not be executed; looks at its first line.
fn explain_exec(program: &str, errno: Errno) -> String {
    let why = errno.desc();
    let Some(interpreter) = interpreter(Path::new(program)) else {
        return format!("cannot execute {program}: {why}");
    };
    if interpreter.ends_with('\r') {
        return format!(
            "{program} has Windows line ends (CRLF): its interpreter {interpreter:?} does not exist; \
             save it with Unix line ends"
        );
    }
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => {
            format!("the interpreter {interpreter:?} of {program} does not exist")
        }
        Errno::EACCES => {
            format!("{program} or its interpreter {interpreter:?} may not be executed: {why}")
        }
        _ => format!("cannot execute {program} with {interpreter:?}: {why}"),
    }
}

/// What the first line names: `#!/bin/sh -e` → `/bin/sh`; a carriage return stays, because the kernel takes it along.
fn interpreter(program: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(program)
        .ok()?
        .take(256)
        .read_to_end(&mut start)
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_start_matches([' ', '\t']);
    Some(
        line.split([' ', '\t'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    )
}

fn failed_to_start(message: &str) -> Exit {
    Exit {
        reason: Reason::SpawnFailed,
        message: message.to_owned(),
        ..Exit::default()
    }
}

/// Whether a file has something now, be it its end.
pub(super) fn is_ready(file: BorrowedFd<'_>) -> bool {
    let mut one = [PollFd::new(file, PollFlags::POLLIN)];
    poll(&mut one, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

/// Sleeps until one of the files has something or the moment has come; says which ones have.
pub(super) fn wait<const N: usize>(
    files: [Option<BorrowedFd<'_>>; N],
    until: Option<Instant>,
) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> = files
        .iter()
        .flatten()
        .map(|file| PollFd::new(*file, PollFlags::POLLIN))
        .collect();
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        // Rounded up: waking early would only mean sleeping again.
        let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut polled, timeout) {
        Err(Errno::EINTR) => return Ok([false; N]),
        other => other?,
    };
    let mut polled = polled.iter();
    let mut has_some = || polled.next().and_then(PollFd::any).unwrap_or(true);
    Ok(files.map(|file| file.is_some() && has_some()))
}

/// After the record: takes the output of whoever stayed until the last of them closes it, and buries the dead.
fn drain_to_the_end(mut output: Output, wakeups: &Wakeups) -> io::Result<()> {
    while let Some(pipe) = output.pipe() {
        debug_assert!(pipe.as_raw_fd() > 2, "the standard streams are taken");
        wait([Some(pipe.as_fd()), Some(wakeups.signals.as_fd())], None)?;
        output.drain();
        wakeups.take_signal();
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
    Ok(())
}
