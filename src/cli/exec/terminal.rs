//! The caller's terminal while a program has it: keys go through as they are typed, and changes of its size are told.

use std::io;

use crate::client::exec::TERMINAL_SIZE;

/// A terminal that hands on every key; it is as it was before when this goes.
pub(super) struct Raw(());

impl Raw {
    /// Takes the terminal that input comes from.
    pub(super) fn begin() -> io::Result<Raw> {
        crossterm::terminal::enable_raw_mode()?;
        Ok(Raw(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Whoever took the terminal away has it as it is.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Columns and rows.
pub(super) fn size() -> (u16, u16) {
    crossterm::terminal::size().unwrap_or(TERMINAL_SIZE)
}

/// The system's word that the window has another size.
pub(super) struct Changes {
    #[cfg(unix)]
    signals: tokio::signal::unix::Signal,
}

impl Changes {
    /// Listens from now on.
    pub(super) fn begin() -> io::Result<Changes> {
        Ok(Changes {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?,
        })
    }

    /// Waits for the next one; where the system says nothing, for ever.
    pub(super) async fn next(&mut self) -> (u16, u16) {
        #[cfg(unix)]
        self.signals.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
        size()
    }
}
