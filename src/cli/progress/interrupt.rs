//! Ctrl-C and its relatives, heard instead of dying of them.

use std::io;

use crate::cli::Exit;

/// The signals that end the watching.
#[cfg(unix)]
pub struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
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
        })
    }

    /// Waits for one, and says how the command ends of it.
    pub async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.hang_up.recv() => Exit::Terminated,
        }
    }
}

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
}
