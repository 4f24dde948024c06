//! `options`: the flags that every command takes.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::help;

/// List the global command-line options
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `options`; no I/O but the output.
pub fn run(_args: &Args, context: &Context) -> Result<Exit, Failure> {
    context.out(format_args!("{}", help::options(context.program)))?;
    Ok(Exit::Done)
}
