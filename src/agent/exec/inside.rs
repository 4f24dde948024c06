//! The process beside a program: holds its streams, sends its end, and ends it when nobody listens any more.
//!
//! Entered before any runtime. It enters the pod's network and becomes the program's user before it starts anything; its
//! standard input and output speak frames. A program gets pipes, or a terminal whose other side is held here.

use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::FdFlag;
use nix::fcntl::fcntl;
use nix::pty::Winsize;
use nix::pty::openpty;
use nix::sched::CloneFlags;
use nix::sched::setns;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::signal::killpg;
use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Pid;
use nix::unistd::Uid;

use crate::agent::exec::Spec;
use crate::agent::shim;
use crate::client::exec::Channel;
use crate::client::exec::End;
use crate::client::exec::LONGEST;
use crate::client::exec::read_here;
use crate::client::exec::size_of_bytes;
use crate::client::exec::write_here;

/// How often the caller is sent a frame without content: where its input waits for a program that reads none, only
/// writing to it finds out that it is gone. It does so for everybody on the way.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// Between TERM and KILL for a program whose caller is gone.
const GRACE: Duration = Duration::from_secs(2);
/// How long the output may stay open after the program's end: somebody else may hold it.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// What a person types at the beginning of a line to end the input: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// Where frames go; one writer at a time.
type Out = Arc<Mutex<File>>;

/// Runs the program that standard input names; the whole life of the process.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> io::Result<()> {
    // Not the locked and buffered handles: a thread reads while another one ends the process.
    let mut from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let out = File::options().write(true).open("/proc/self/fd/1")?;
    let out: Out = Arc::new(Mutex::new(out));
    let Some((Channel::Spec, words)) = read_here(&mut from)? else {
        return Err(ErrorKind::InvalidData.into());
    };
    let spec: Spec = serde_json::from_slice(&words)?;
    if spec.is_missing {
        return send_end(&out, &not_started(&spec, &ErrorKind::NotFound.into()));
    }
    prctl::set_child_subreaper(true)?;
    let started = enter(&spec)
        .and_then(|()| become_user(&spec))
        .and_then(|()| start(&spec));
    let Running {
        mut child,
        input,
        outputs,
    } = match started {
        Ok(running) => running,
        Err(error) => return send_end(&out, &not_started(&spec, &error)),
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let (done, drained) = mpsc::channel();
    let count = outputs.len();
    for (stream, channel) in outputs {
        let (out, done) = (out.clone(), done.clone());
        thread::spawn(move || {
            let _ = copy(stream, &out, channel);
            let _ = done.send(());
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    thread::spawn(move || {
        listen(from, input, pid);
        if !over.load(Ordering::SeqCst) {
            end_all(pid);
        }
    });
    let (caller, over) = (out.clone(), is_over.clone());
    thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            if write_here(&mut *held(&caller), Channel::Output, &[]).is_err() {
                end_all(pid);
            }
            thread::sleep(SIGN_OF_LIFE);
        }
    });
    let status = child.wait()?;
    is_over.store(true, Ordering::SeqCst);
    for _ in 0..count {
        if drained.recv_timeout(OUTPUT_GRACE).is_err() {
            break;
        }
    }
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    let end = End {
        code: u8::try_from(code).unwrap_or(1),
        message: String::new(),
    };
    send_end(&out, &end)
}

/// Lowers this whole process, which has one thread as yet.
fn become_user(spec: &Spec) -> io::Result<()> {
    let Some(user) = &spec.user else {
        return Ok(());
    };
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    unistd::setgroups(&groups)?;
    unistd::setgid(Gid::from_raw(user.gid))?;
    unistd::setuid(Uid::from_raw(user.uid))?;
    Ok(())
}

/// Goes where the program is to run: this whole process, which has one thread as yet.
fn enter(spec: &Spec) -> io::Result<()> {
    if let Some(network) = &spec.network {
        setns(File::open(network)?, CloneFlags::CLONE_NEWNET)?;
    }
    shim::mount_all(&spec.mounts)?;
    Ok(())
}

/// A started program and our ends of its streams.
struct Running {
    child: Child,
    input: Option<Input>,
    outputs: Vec<(File, Channel)>,
}

/// Where the caller's input goes.
enum Input {
    Pipe(File),
    /// Our side of the program's terminal.
    Terminal {
        side: File,
        is_read: bool,
    },
}

fn start(spec: &Spec) -> io::Result<Running> {
    let folder = if unistd::access(spec.cwd.as_str(), unistd::AccessFlags::X_OK).is_ok() {
        spec.cwd.as_str()
    } else {
        "/"
    };
    let mut command = Command::new(&spec.argv[0]);
    command
        .args(&spec.argv[1..])
        .env_clear()
        .envs(&spec.env)
        .current_dir(folder);
    match spec.terminal {
        Some(size) => start_in_terminal(command, size, spec.input),
        None => start_with_pipes(command, spec.input),
    }
}

fn start_with_pipes(mut command: Command, has_input: bool) -> io::Result<Running> {
    let input = if has_input {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let input = child.stdin.take().map(OwnedFd::from);
    let output = child.stdout.take().map(OwnedFd::from);
    let errors = child.stderr.take().map(OwnedFd::from);
    let outputs = [(output, Channel::Output), (errors, Channel::Error)];
    Ok(Running {
        child,
        input: input.map(|pipe| Input::Pipe(pipe.into())),
        outputs: outputs
            .into_iter()
            .filter_map(|(stream, channel)| Some((stream?.into(), channel)))
            .collect(),
    })
}

/// In a session of its own, whose terminal is the other side of ours.
fn start_in_terminal(
    mut command: Command,
    (columns, rows): (u16, u16),
    is_read: bool,
) -> io::Result<Running> {
    let pair = openpty(&window(columns, rows), None)?;
    for side in [&pair.master, &pair.slave] {
        fcntl(side, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    command
        .stdin(pair.slave.try_clone()?)
        .stdout(pair.slave.try_clone()?)
        .stderr(pair.slave);
    // SAFETY: setsid and ioctl are safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            unistd::setsid()?;
            let taken = nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0);
            Errno::result(taken)?;
            Ok(())
        });
    }
    let child = command.spawn()?;
    let side = File::from(pair.master);
    Ok(Running {
        child,
        outputs: vec![(side.try_clone()?, Channel::Output)],
        input: Some(Input::Terminal { side, is_read }),
    })
}

fn window(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Input {
    /// Hands on a piece of input; an error when the program reads no more.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Input::Pipe(pipe) => pipe.write_all(bytes),
            Input::Terminal { side, is_read } if *is_read => side.write_all(bytes),
            Input::Terminal { .. } => Ok(()),
        }
    }

    /// The caller's input is over; what is left of it is needed for a terminal.
    fn end(self) -> Option<Input> {
        let mut terminal = match self {
            Input::Pipe(_) => return None,
            Input::Terminal { .. } => self,
        };
        let _ = terminal.take(&[END_OF_INPUT]);
        Some(terminal)
    }

    fn resize(&self, (columns, rows): (u16, u16)) {
        if let Input::Terminal { side, .. } = self {
            let size = window(columns, rows);
            // SAFETY: the descriptor is open for as long as `side` is, and the size lives through the call.
            unsafe { nix::libc::ioctl(side.as_raw_fd(), nix::libc::TIOCSWINSZ, &raw const size) };
        }
    }
}

/// The end of a program that never ran, with the codes that shells give.
fn not_started(spec: &Spec, error: &io::Error) -> End {
    let program = &spec.argv[0];
    let (code, why) = match error.kind() {
        ErrorKind::NotFound if program.contains('/') => {
            (127, "no such file or directory".to_owned())
        }
        ErrorKind::NotFound => (127, "executable file not found in $PATH".to_owned()),
        ErrorKind::PermissionDenied => (126, "permission denied".to_owned()),
        _ => (126, error.to_string()),
    };
    End {
        code,
        message: format!("exec: {program:?}: {why}"),
    }
}

fn copy(mut from: impl Read, out: &Out, channel: Channel) -> io::Result<()> {
    let mut buffer = vec![0; LONGEST];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => write_here(&mut *held(out), channel, &buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Does what the caller says until it says nothing any more.
fn listen(mut from: File, mut input: Option<Input>, group: Pid) {
    while let Ok(Some((channel, content))) = read_here(&mut from) {
        match (channel, content.as_slice()) {
            (Channel::Input, []) => input = input.and_then(Input::end),
            (Channel::Input, bytes) => {
                let written = input.as_mut().map(|input| input.take(bytes));
                if let Some(Err(_)) = written {
                    // The program reads no more.
                    input = None;
                }
            }
            (Channel::Resize, bytes) => {
                if let (Some(input), Some(size)) = (&input, size_of_bytes(bytes)) {
                    input.resize(size);
                }
            }
            (Channel::Signal, [number]) => {
                if let Ok(signal) = Signal::try_from(i32::from(*number)) {
                    let _ = killpg(group, signal);
                }
            }
            _ => {}
        }
    }
}

/// Ends the program and everything below it: TERM, a while, KILL.
fn end_all(group: Pid) {
    let own = unistd::getpid().as_raw();
    let _ = killpg(group, Signal::SIGTERM);
    thread::sleep(GRACE);
    // Whoever left the group is below us still; whoever is born meanwhile is met the next time.
    for _ in 0..10 {
        let left = shim::descendants(own);
        if left.is_empty() {
            break;
        }
        for pid in left {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(10));
    }
    std::process::exit(1);
}

fn send_end(out: &Out, end: &End) -> io::Result<()> {
    let words = serde_json::to_vec(end).expect("an end is plain data");
    write_here(&mut *held(out), Channel::End, &words)
}

fn held(out: &Out) -> std::sync::MutexGuard<'_, File> {
    out.lock().expect("nothing panics while it writes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_run_has_a_shell_s_code() {
        let spec = Spec {
            argv: vec!["nothing".to_owned()],
            ..Spec::default()
        };
        let end = not_started(&spec, &ErrorKind::NotFound.into());
        assert_eq!(end.code, 127);
        assert_eq!(
            end.message,
            "exec: \"nothing\": executable file not found in $PATH"
        );
        assert_eq!(
            not_started(&spec, &ErrorKind::PermissionDenied.into()).code,
            126
        );
    }
}
