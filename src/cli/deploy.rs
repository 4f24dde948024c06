//! `deploy`: Deploys a bundle.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;

/// Deploys a bundle
#[derive(clap::Args)]
pub struct Args {}

/// Runs `deploy`.
#[expect(clippy::unused_async, reason = "the commands share one signature")]
pub async fn run(_args: Args, _context: &Context) -> Result<Exit, Failure> {
    unimplemented!()
}
