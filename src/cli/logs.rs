//! `logs`: Prints what hooks wrote.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;

/// Prints what hooks wrote
#[derive(clap::Args)]
pub struct Args {}

/// Runs `logs`.
#[expect(clippy::unused_async, reason = "the commands share one signature")]
pub async fn run(_args: Args, _context: &Context) -> Result<Exit, Failure> {
    unimplemented!()
}
