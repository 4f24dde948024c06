//! The commands: what was typed becomes a request, what came back becomes text.
//!
//! One file per command; [`tree`] lists them. A command takes its `Args` and the [`Context`], and ends with an [`Exit`] or
//! a [`Failure`]; only this module turns either into a number. Commands never print past [`Context::streams`], never read
//! the process's environment, and talk to the server only through [`Context::connect`].

pub mod context;
pub mod exit;
pub mod failure;
pub mod flags;
pub mod help;
pub mod program;
pub mod trace;
pub mod tree;
pub mod usage;

pub mod advanced;
pub mod apps;
pub mod basic;
pub mod builds;
pub mod deploy;
pub mod describe;
pub mod exec;
pub mod logs;
pub mod new_app;
pub mod objects;
pub mod output;
pub mod progress;
pub mod rollback;
pub mod rollout;
pub mod rollouts;
pub mod server;
pub mod settings;
pub mod status;

pub use context::Context;
pub use exit::Exit;
pub use failure::Failure;

use crate::base::environment::Environment;
use crate::base::streams::Streams;
use crate::cli::program::Program;

/// Runs what was typed, to its end; returns the process's exit code.
pub fn run(environment: Environment, streams: &Streams) -> u8 {
    let program = Program::named(environment.arguments.first());
    let outcome = match program {
        Program::OoAdminUpgrade => Err(Failure::usage(
            "oo-admin-upgrade is not there yet: this version deploys and rolls back, it does not upgrade gears",
        )),
        Program::Upshift | Program::Oc => tree::run(program, environment, streams),
    };
    let exit = outcome.unwrap_or_else(|failure| {
        failure.print(streams);
        failure.exit()
    });
    exit.code(program)
}
