//! `rollback`: Brings back the revision before.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;

/// Brings back the revision before
#[derive(clap::Args)]
pub struct Args {}

/// Runs `rollback`.
#[expect(clippy::unused_async, reason = "the commands share one signature")]
pub async fn run(_args: Args, _context: &Context) -> Result<Exit, Failure> {
    unimplemented!()
}
