//! `rollout history`: who brought what, when, why, and how it went.

use serde_json::json;

use crate::api::meta::Typed;
use crate::api::upshift::Rollout;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::output::Format;
use crate::cli::progress::screen;
use crate::cli::progress::summary;
use crate::cli::rollout::config;
use crate::cli::rollouts::known::Known;
use crate::cli::rollouts::output;
use crate::cli::rollouts::target;

/// Show the rollouts of an application, oldest first
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The application, or a deployment config
    #[arg(value_name = "app/NAME|dc/NAME")]
    target: String,
    /// Only the rollout of this number
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// Print the rollouts instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs `rollout history`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::history(&args.target, args.revision, context).await;
    }
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let name = target::application(&args.target)?;
    let connection = context.connect(Purpose::Reading).await?;
    let (_, mut known) = Known::of(&connection.client, &connection.namespace, &name).await?;
    if let Some(number) = args.revision {
        known
            .rollouts
            .retain(|rollout| rollout.spec.number == number);
        if known.rollouts.is_empty() {
            return Err(Failure::not_found("unable to find the specified revision"));
        }
    }
    if !format.is_table() {
        let items: Vec<_> = known.rollouts.iter().map(Typed::to_object).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items});
        output::print(context, &format, &list)?;
        return Ok(Exit::Done);
    }
    if known.rollouts.is_empty() {
        context.out(format_args!("No rollout history found.\n"))?;
        return Ok(Exit::Done);
    }
    let columns = u16::try_from(screen::size().columns).unwrap_or(u16::MAX);
    let columns = context.streams.out_is_terminal.then_some(columns);
    let table = table(&known, columns);
    context.out(format_args!("application.upshift.dev/{name}\n{table}\n"))?;
    Ok(Exit::Done)
}

fn table(known: &Known, columns: Option<u16>) -> String {
    let header = [
        "NUMBER", "TIME", "USER", "ACTION", "REVISION", "SOURCE", "RESULT", "DURATION", "REASON",
    ];
    let mut table = summary::plain_table(header, columns);
    for rollout in &known.rollouts {
        let (spec, status) = (&rollout.spec, &rollout.status);
        let began = status.started_at.or(rollout.metadata.creation_timestamp);
        table.add_row([
            spec.number.to_string(),
            began.map_or_else(String::new, |time| time.to_string()),
            spec.requested_by.clone(),
            format!("{:?}", spec.action),
            spec.revision.clone(),
            source(known, rollout),
            format!("{:?}", status.phase),
            duration(rollout),
            reason(rollout),
        ]);
    }
    summary::trimmed(&table)
}

/// Commit or folder, and the digest in short.
fn source(known: &Known, rollout: &Rollout) -> String {
    let Some(revision) = known.revision_named(&rollout.spec.revision) else {
        return String::new();
    };
    let source = &revision.spec.source;
    let digest = revision.spec.bundle.digest.trim_start_matches("sha256:");
    let digest = &digest[..digest.len().min(12)];
    if source.commit.is_empty() {
        return format!("{} {digest}", source.uri).trim().to_owned();
    }
    let commit = &source.commit[..source.commit.len().min(12)];
    format!("{} {commit} {digest}", source.reference)
        .trim()
        .to_owned()
}

fn duration(rollout: &Rollout) -> String {
    match (rollout.status.started_at, rollout.status.finished_at) {
        (Some(began), Some(ended)) => text::age(ended.since(began)),
        _ => String::new(),
    }
}

/// What was said when it began, and what it came to.
fn reason(rollout: &Rollout) -> String {
    let phase = format!("{:?}", rollout.status.phase);
    let came_to = match rollout.status.reason.as_str() {
        // `Aborted` is its own reason; the result says it.
        reason if reason == phase => "",
        reason => reason,
    };
    let parts = [rollout.spec.reason.as_str(), came_to];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}
