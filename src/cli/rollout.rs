//! `rollout`: Follows and steers rollouts.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;

/// Follows and steers rollouts
#[derive(clap::Args)]
pub struct Args {}

/// Runs `rollout`.
#[expect(clippy::unused_async, reason = "the commands share one signature")]
pub async fn run(_args: Args, _context: &Context) -> Result<Exit, Failure> {
    unimplemented!()
}
