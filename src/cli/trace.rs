//! What the parts say of their work while it goes on: on stderr, as much of it as was asked for.
//!
//! `-v` (6: requests, 8: everything) or `$UPSHIFT_LOG` (a filter such as `upshift::store=debug`) ask for it. A client
//! says nothing unasked, the backend tells what a person running it wants to know.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::base::streams::Streams;
use crate::cli::Context;

/// Starts telling; the first call of a process decides.
pub fn start(context: &Context, unasked: &str) {
    let level = match context.flags.verbosity {
        0 => unasked,
        1..=3 => "warn",
        4..=5 => "info",
        6..=7 => "debug",
        _ => "trace",
    };
    let asked = context
        .environment
        .variable("UPSHIFT_LOG")
        .map(str::to_owned);
    let filter = asked.unwrap_or_else(|| format!("upshift={level}"));
    if filter == "upshift=off" {
        return;
    }
    let streams = context.streams.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(move || Stderr(streams.clone()));
    // A test's process has many commands; the first one's choice stays.
    let _ = subscriber.try_init();
}

struct Stderr(Streams);

impl io::Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.err_bytes(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
