//! The commands that are parts of the backend: the server, and a node or a router on another machine.

mod downloads;
pub mod node;
pub mod router;
pub mod serve;

use std::future::Future;

use crate::cli::Failure;

/// Runs a part of the backend, which uses every core.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
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
