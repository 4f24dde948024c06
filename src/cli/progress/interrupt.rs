//! Ctrl-C and its relatives, heard instead of dying of them.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::Exit;

/// What a signal means to whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    End(Exit),
    /// The job was stopped and goes on: others wrote to the terminal meanwhile.
    Resumed,
}

/// Who watches is never silent this long, unless the job was stopped, or the machine is very busy.
const STOPPED: Duration = Duration::from_millis(300);
/// How long a signal may take from the system to whoever waits for it.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

impl Interrupts {
    /// What is on its way after a time in which nothing ran: a job that goes on hears so a little after its clocks do,
    /// and must not draw before that. `last` is when this was asked before.
    pub async fn late(&mut self, last: &mut Instant) -> Option<Signal> {
        let heard = if last.elapsed() > STOPPED {
            let heard = tokio::time::timeout(ON_ITS_WAY, self.heard());
            heard.await.ok()
        } else {
            None
        };
        *last = Instant::now();
        heard
    }
}

/// The signals that end the watching, and the one that takes it up again.
#[cfg(unix)]
pub struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    resume: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    /// Starts to listen; from now on these signals end nothing by themselves.
    pub fn listen() -> io::Result<Interrupts> {
        use tokio::signal::unix::SignalKind;
        use tokio::signal::unix::signal;
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            resume: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }

    /// Waits for one that ends the command, and says how.
    pub async fn next(&mut self) -> Exit {
        loop {
            if let Signal::End(exit) = self.heard().await {
                return exit;
            }
        }
    }

    /// Waits for any.
    pub async fn heard(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::End(Exit::Interrupted),
            _ = self.terminate.recv() => Signal::End(Exit::Terminated),
            _ = self.hang_up.recv() => Signal::End(Exit::Terminated),
            _ = self.resume.recv() => Signal::Resumed,
        }
    }
}

/// Its number on Linux; macOS and the BSDs have another.
#[cfg(target_os = "linux")]
const SIGCONT: i32 = 18;
#[cfg(all(unix, not(target_os = "linux")))]
const SIGCONT: i32 = 19;

/// The signals that end the watching.
#[cfg(not(unix))]
pub struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    /// Starts to listen.
    pub fn listen() -> io::Result<Interrupts> {
        Ok(Interrupts)
    }

    /// Waits for Ctrl-C.
    pub async fn next(&mut self) -> Exit {
        // Without a console there is nobody to interrupt.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Exit::Interrupted
    }
    /// Waits for Ctrl-C.
    pub async fn heard(&mut self) -> Signal {
        Signal::End(self.next().await)
    }
}
