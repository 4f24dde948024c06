//! What is wrong with what was typed, in `oc`'s words.

use clap::error::ErrorKind;

use crate::base::streams::Streams;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::program::Program;

/// Turns clap's answer into ours: help that was asked for goes to stdout, everything else is a failure.
pub fn explain(error: &clap::Error, _program: Program, streams: &Streams) -> Result<Exit, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            streams.out(format_args!("{}", error.render()))?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            streams.err(format_args!("{}", error.render()))?;
            Ok(Exit::Usage)
        }
        _ => Err(Failure::usage(error.render().to_string().trim_end())),
    }
}
