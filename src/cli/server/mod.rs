//! The commands that are parts of the backend: the server, and a node on another machine.

pub mod node;
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
