//! What every command has: surroundings, streams, global flags, and the way to a server.

use crate::base::clock::Clock;
use crate::base::environment::Environment;
use crate::base::streams::Streams;
use crate::cli::flags::Flags;
use crate::cli::program::Program;

/// The surroundings of one command.
#[derive(Clone)]
pub struct Context {
    pub program: Program,
    pub environment: Environment,
    pub streams: Streams,
    pub flags: Flags,
    pub clock: Clock,
}

/// Whether a command may start the embedded server to do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It reads or changes what is there: an embedded server that does not run has nothing for it.
    Reading,
    /// It creates something: an embedded server is started in the background and named on stderr.
    Creating,
}

impl Context {
    /// What messages call this program.
    pub fn name(&self) -> &'static str {
        self.program.name()
    }

    /// Prints to stdout, where data goes.
    pub fn out(&self, text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
        self.streams.out(text)
    }

    /// Prints to stderr, where talk goes.
    pub fn say(&self, text: std::fmt::Arguments<'_>) -> std::io::Result<()> {
        self.streams.err(text)
    }
}
