//! Starts the program: the shim before anything else, then the command line.

use std::process::ExitCode;

use upshift::base::environment::Environment;
use upshift::base::streams::Streams;

fn main() -> ExitCode {
    ExitCode::from(upshift::cli::run(
        Environment::of_process(),
        &Streams::of_process(),
    ))
}
