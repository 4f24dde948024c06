//! `rollout history`: who brought what, when, why, and how it went.
//!
//! The table fits a terminal of 80 columns; where bundles came from takes `-o wide`.

use comfy_table::ColumnConstraint;
use comfy_table::Width;
use serde_json::json;

use crate::api::meta::Typed;
use crate::api::upshift::Action;
use crate::api::upshift::Rollout;
use crate::base::clock::Timestamp;
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

/// `-o` of this command: what prints rollouts, and the wide table.
const FORMATS: [&str; 7] = [
    "json",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "name",
    "wide",
    "yaml",
];
/// The narrowest that reasons are wrapped to.
const REASON: u16 = 16;

/// Show the rollouts of an application, oldest first
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The application, or a deployment config
    #[arg(value_name = "app/NAME|dc/NAME")]
    target: String,
    /// Only the rollout of this number
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// wide: moments, revisions and sources, too; or the rollouts instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs `rollout history`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::history(&args.target, args.revision, context).await;
    }
    let format = Format::parse(args.output.as_deref(), &FORMATS)?;
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
    let table = match format {
        Format::Table { wide: true } => wide_table(&known, columns),
        _ => table(&known, context.clock.now(), columns),
    };
    context.out(format_args!("application.upshift.dev/{name}\n{table}\n"))?;
    Ok(Exit::Done)
}

/// What fits 80 columns.
fn table(known: &Known, now: Timestamp, columns: Option<u16>) -> String {
    let header = [
        "NUMBER", "AGE", "USER", "ACTION", "RESULT", "TOOK", "REASON",
    ];
    let mut table = summary::plain_table(header, columns);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index == header.len() - 1 {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(REASON)));
        }
    }
    for rollout in &known.rollouts {
        let spec = &rollout.spec;
        let number = known.revision_named(&spec.revision).map_or_else(
            || spec.revision.clone(),
            |revision| revision.spec.number.to_string(),
        );
        let action = match spec.action {
            Action::Deploy => format!("Deploy {number}"),
            Action::Rollback => format!("Back to {number}"),
        };
        table.add_row([
            spec.number.to_string(),
            began(rollout).map_or_else(String::new, |time| text::age(now.since(time))),
            shortened(&spec.requested_by),
            action,
            format!("{:?}", rollout.status.phase),
            duration(rollout),
            reason(rollout),
        ]);
    }
    summary::trimmed(&table)
}

fn wide_table(known: &Known, columns: Option<u16>) -> String {
    let header = [
        "NUMBER", "TIME", "USER", "ACTION", "REVISION", "SOURCE", "RESULT", "TOOK", "REASON",
    ];
    let mut table = summary::plain_table(header, columns);
    for rollout in &known.rollouts {
        let spec = &rollout.spec;
        table.add_row([
            spec.number.to_string(),
            began(rollout).map_or_else(String::new, |time| time.to_string()),
            spec.requested_by.clone(),
            format!("{:?}", spec.action),
            spec.revision.clone(),
            source(known, rollout),
            format!("{:?}", rollout.status.phase),
            duration(rollout),
            reason(rollout),
        ]);
    }
    summary::trimmed(&table)
}

fn began(rollout: &Rollout) -> Option<Timestamp> {
    let created = rollout.metadata.creation_timestamp;
    rollout.status.started_at.or(created)
}

/// A user's name as far as there is room for it.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 12;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LONGEST - 1).collect();
    format!("{kept}…")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let revision = |number: u64| {
            let name = format!("online-shop-{number}");
            let object = json!({"metadata": {"name": name}, "spec": {"number": number}});
            serde_json::from_value(object).unwrap()
        };
        let rollout = |number: u64,
                       action: &str,
                       revision: u64,
                       user: &str,
                       rest: serde_json::Value| {
            let mut object = json!({
                "metadata": {"name": format!("online-shop-{number}")},
                "spec": {"number": number, "action": action, "revision": format!("online-shop-{revision}"),
                    "requestedBy": user, "reason": "the banner of the spring sale was late"},
                "status": rest,
            });
            object["status"]["startedAt"] = "2026-11-20T20:44:04Z".into();
            serde_json::from_value(object).unwrap()
        };
        Known {
            application: None,
            revisions: vec![revision(1), revision(2)],
            rollouts: vec![
                rollout(
                    1,
                    "Deploy",
                    1,
                    "admin",
                    json!({"phase": "Succeeded", "finishedAt": "2026-11-20T20:45:34Z"}),
                ),
                rollout(
                    2,
                    "Deploy",
                    2,
                    "system:serviceaccount:demo:ci",
                    json!({"phase": "PartlyFailed", "reason": "HookFailed"}),
                ),
                rollout(113, "Rollback", 1, "admin", json!({"phase": "Running"})),
            ],
        }
    }

    #[test]
    fn the_history_fits_eighty_columns() {
        let now: Timestamp = "2026-11-21T20:44:04Z".parse().unwrap();
        let shown = table(&known(), now, Some(80));
        assert!(
            shown.lines().all(|line| line.chars().count() <= 80),
            "{shown}"
        );
        insta::assert_snapshot!(shown, @r"
        NUMBER  AGE  USER          ACTION     RESULT        TOOK  REASON
        1       1d   admin         Deploy 1   Succeeded     1m    the banner of the
                                                                  spring sale was late
        2       1d   system:serv…  Deploy 2   PartlyFailed        the banner of the
                                                                  spring sale was
                                                                  late; HookFailed
        113     1d   admin         Back to 1  Running             the banner of the
                                                                  spring sale was late
        ");
        let piped = table(&known(), now, None);
        assert_eq!(piped.lines().count(), 4, "{piped}");
        assert!(wide_table(&known(), None).contains("2026-11-20T20:44:04Z"));
    }
}
