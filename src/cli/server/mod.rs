//! The commands that are parts of the backend: the server, and a node or a router on another machine.

mod downloads;
pub mod node;
pub mod router;
pub mod serve;

use std::future::Future;

use crate::cli::Failure;

/// The threads that a part of the backend computes on; what blocks has others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// As many as there are cores.
    Cores,
    /// A node mostly waits for the programs that it runs, and leaves the cores to them.
    One,
}

/// Runs a part of the backend.
pub fn block_on<T>(
    threads: Threads,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut builder = match threads {
        Threads::Cores => tokio::runtime::Builder::new_multi_thread(),
        Threads::One => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(future)
}

/// Waits until this process is told to stop.
async fn stop_signal() -> Result<(), Failure> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
