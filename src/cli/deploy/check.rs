//! `deploy --check DIR`: is this a good bundle, and what would run? Asks nobody.

use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::deploy::source::Source;
use crate::cli::progress::screen;
use crate::cli::progress::summary;
use crate::plan::step;

/// Prints what the bundle would do; every mistake in it is a line of the failure.
pub(super) fn run(source: &Source, context: &Context) -> Result<Exit, Failure> {
    let settled = source.checked(None)?;
    let columns = u16::try_from(screen::size().columns).unwrap_or(u16::MAX);
    let columns = context.streams.out_is_terminal.then_some(columns);
    let from = match settled.appspec.as_str() {
        "" => "form mode".to_owned(),
        name => name.to_owned(),
    };
    let files = text::count(
        usize::try_from(source.bundle.listing().files()).unwrap_or(usize::MAX),
        "file",
    );
    let mut parts = vec![format!(
        "{}: a good bundle ({from}, {files})",
        source.shown()
    )];
    if !settled.spec.files.is_empty() {
        let mut table = summary::plain_table(["SOURCE", "DESTINATION"], columns);
        for mapping in &settled.spec.files {
            table.add_row([format!("/{}", mapping.source), mapping.destination.clone()]);
        }
        parts.push(summary::trimmed(&table));
    }
    if !settled.spec.hooks.is_empty() {
        let mut table = summary::plain_table(["EVENT", "SCRIPT", "TIMEOUT", "USER"], columns);
        for event in step::hook_events() {
            for script in settled.spec.scripts(event) {
                let mut words = vec![script.location.clone()];
                words.extend(script.arguments.iter().cloned());
                let timeout = script
                    .timeout
                    .map_or_else(|| "default".to_owned(), |time| time.to_string());
                let user = script.runas.clone().unwrap_or_default();
                table.add_row([event.to_owned(), words.join(" "), timeout, user]);
            }
        }
        parts.push(summary::trimmed(&table));
    }
    context.out(format_args!("{}\n", parts.join("\n\n")))?;
    Ok(Exit::Done)
}
