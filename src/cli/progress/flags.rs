//! The flags of every command that follows something.

use std::time::Duration;

use crate::api::duration::Span;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode;
use crate::cli::progress::mode::Asked;
use crate::cli::progress::mode::Mode;

/// How progress is shown, and for how long.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// How progress is shown: auto, tty, plain, json (NDJSON on stdout) or quiet; also `$UPSHIFT_PROGRESS`
    #[arg(long, value_name = "MODE", value_parser = mode::WORDS)]
    pub progress: Option<String>,
    /// Whether to use colours: auto, always or never
    #[arg(long, value_name = "WHEN", value_parser = ["auto", "always", "never"])]
    pub color: Option<String>,
    /// Say nothing unless something failed
    #[arg(short = 'q', long)]
    pub quiet: bool,
    /// Stop watching after this time (90s, 10m, 1h30m), with exit code 4; the work goes on
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    pub timeout: Option<Span>,
}

/// The same, settled.
#[derive(Clone, Copy, Debug)]
pub struct Chosen {
    pub mode: Mode,
    pub look: Look,
    pub timeout: Option<Duration>,
    /// Whether silence was asked for: not even the server is named.
    pub silent: bool,
}

impl Flags {
    /// Settles them; `output` says whether `-o` wants stdout.
    pub fn choose(&self, context: &Context, output: bool) -> Result<Chosen, Failure> {
        let asked = Asked {
            progress: self.progress.as_deref(),
            quiet: self.quiet,
            output,
            err_is_terminal: context.streams.err_is_terminal,
        };
        let mode = mode::choose(asked, &context.environment)
            .map_err(|wrong| Failure::usage(wrong.to_string()))?;
        let terminal = context.streams.err_is_terminal;
        Ok(Chosen {
            mode,
            look: Look::of(self.color.as_deref(), &context.environment, terminal),
            timeout: self.timeout.map(|span| span.0),
            silent: mode == Mode::Quiet && (!output || self.quiet),
        })
    }
}

/// `0` is for ever, as everywhere in `oc`; that is what leaving it out means.
fn timeout(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    if span.0.is_zero() {
        return Ok(Span(Duration::MAX));
    }
    Ok(span)
}
