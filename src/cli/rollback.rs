//! `rollback`: the revision that was good before is brought back, without fetching it again.
//!
//! Nothing to go back to is exit 3 with what there is, never a silent success.

use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::RolloutSpec;
use crate::api::upshift::Settings;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::output::Format;
use crate::cli::program::Program;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::flags::Flags;
use crate::cli::progress::mode::Mode;
use crate::cli::rollouts::begin;
use crate::cli::rollouts::known;
use crate::cli::rollouts::known::Known;
use crate::cli::rollouts::output;
use crate::cli::rollouts::output::Ending;
use crate::cli::rollouts::preview::Fleet;
use crate::cli::rollouts::preview::Preview;
use crate::cli::rollouts::target;
use crate::client::ListOptions;

/// Bring back the revision before
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Without --to-revision it is the highest earlier revision that was deployed with success.

Examples:
  # Back to the last good revision
  upshift rollback app/shop

  # Back to a certain one
  upshift rollback shop --to-revision 3 --reason 'prices were wrong'")]
pub struct Args {
    /// The application; on a terminal it may be left out and is asked for
    #[arg(value_name = "app/NAME")]
    pub application: Option<String>,
    /// The number of the revision
    #[arg(long, visible_alias = "to-version", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub to_revision: Option<u64>,
    /// Why, for the history
    #[arg(long)]
    pub reason: Option<String>,
    /// Only show the steps: nothing is changed
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client", value_parser = ["client"])]
    pub dry_run: Option<String>,
    /// Print the rollout (or with --dry-run the plan) instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Whether to follow the rollout to its end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub follow: bool,
    #[command(flatten)]
    pub progress: Flags,
}

/// Runs `rollback`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let chosen = args.progress.choose(context, !format.is_table())?;
    let name = match &args.application {
        Some(word) => target::application(word)?,
        None => ask(context).await?,
    };
    if chosen.mode == Mode::Json && args.dry_run.is_some() {
        return Err(Failure::usage(
            "--progress=json follows a rollout; for a plan as data use -o json",
        ));
    }
    let command = roll_back(&args, &name, context, chosen, &format);
    output::told(context, chosen, Box::pin(command)).await
}

/// Asks which application is meant; only on a terminal, and never as `oc`.
async fn ask(context: &Context) -> Result<String, Failure> {
    let streams = &context.streams;
    if !(streams.in_is_terminal && streams.err_is_terminal) || context.program != Program::Upshift {
        return Err(Failure::usage(
            "name the application to roll back: app/NAME",
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let listed = connection
        .client
        .list::<Application>(&connection.namespace, &ListOptions::default())
        .await?;
    let mut names: Vec<String> = listed
        .items
        .into_iter()
        .map(|one| one.metadata.name)
        .collect();
    if names.is_empty() {
        let message = format!(
            "No applications found in {} namespace.",
            connection.namespace
        );
        return Err(Failure::new(Kind::NotFound, message));
    }
    let answer = dialoguer::Select::new()
        .with_prompt("Roll back which application?")
        .items(&names)
        .default(0)
        .interact_opt()
        .map_err(|error| Failure::ours(format!("cannot ask: {error}")))?;
    match answer {
        Some(at) => Ok(names.swap_remove(at)),
        None => Err(Failure::new(
            Kind::Interrupted,
            "nothing was chosen; nothing was done",
        )),
    }
}

async fn roll_back(
    args: &Args,
    name: &str,
    context: &Context,
    chosen: Chosen,
    format: &Format,
) -> Result<Exit, Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let (application, mut known) = Known::of(client, &connection.namespace, name).await?;
    if args.dry_run.is_none() {
        known::expect_performable(&application)?;
        known.expect_idle(context.name())?;
    }
    let (undone, revision) = choose(&application, &known, args.to_revision, context.name())?;
    let (undoes, revision) = (undone.spec.number, revision.metadata.name.clone());
    let settings = Settings {
        concurrency: undone.spec.settings.concurrency,
        ..application.spec.rollout.clone()
    };
    if args.dry_run.is_some() {
        let fleet = Fleet::read(client, &application).await?;
        Preview {
            application: &application,
            action: Action::Rollback,
            settings: &settings,
            revision: &revision,
        }
        .print(context, &fleet, format)?;
        return Ok(Exit::Done);
    }
    let spec = RolloutSpec {
        action: Action::Rollback,
        revision: revision.clone(),
        undoes: Some(undoes),
        settings,
        reason: args.reason.clone().unwrap_or_default(),
        ..RolloutSpec::default()
    };
    let rollout = begin::begin(client, &application, &mut known, spec, context.name()).await?;
    let done = format!(
        "rollout.upshift.dev/{} rolls back to {revision}",
        rollout.metadata.name
    );
    Ending {
        context,
        client: client.clone(),
        chosen,
        format,
        follow: args.follow,
    }
    .run(&done, rollout, &known.rollouts)
    .await
}

/// What is undone, and what comes back.
fn choose<'a>(
    application: &Application,
    known: &'a Known,
    wanted: Option<u64>,
    program: &str,
) -> Result<(&'a Rollout, &'a Revision), Failure> {
    let name = &application.metadata.name;
    let nothing = |message: String| {
        Failure::not_found(message)
            .hint(format!("Revisions: {}", known.listing()))
            .hint(format!(
                "'{program} rollout history app/{name}' shows how each went."
            ))
    };
    let Some(latest) = known.latest() else {
        return Err(nothing(format!(
            "application {name:?} was never deployed: nothing to roll back to"
        )));
    };
    let current = known.revision_named(&latest.spec.revision);
    if let Some(number) = wanted {
        let revision = known
            .revision(number)
            .ok_or_else(|| nothing(format!("application {name:?} has no revision {number}")))?;
        let in_place = current == Some(revision) && latest.status.phase == RolloutPhase::Succeeded;
        if in_place {
            return Err(Failure::ours(format!(
                "revision {number} is already in place"
            )));
        }
        return Ok((latest, revision));
    }
    let below = current.map_or(u64::MAX, |revision| revision.spec.number);
    known
        .revisions
        .iter()
        .rev()
        .find(|revision| revision.spec.number < below && known.has_succeeded(revision))
        .map(|revision| (latest, revision))
        .ok_or_else(|| {
            nothing(format!(
                "nothing to roll back to: no revision of application {name:?} before {} was deployed with success",
                latest.spec.revision
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Rollouts as (revision, phase), numbered from 1.
    fn known(revisions: u64, rollouts: &[(u64, &str)]) -> (Application, Known) {
        let application = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
        let revision = |number: u64| {
            let name = format!("shop-{number}");
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"number": number}}))
                .unwrap()
        };
        let rollout = |(index, (revision, phase)): (usize, &(u64, &str))| {
            let started = (*phase != "Locked").then_some("2026-11-20T20:44:04Z");
            let shown = if *phase == "Locked" { "Failed" } else { phase };
            serde_json::from_value(json!({
                "metadata": {"name": format!("shop-{}", index + 1)},
                "spec": {"number": index + 1, "revision": format!("shop-{revision}"), "attempt": 1},
                "status": {"phase": shown, "attempt": 1, "startedAt": started},
            }))
            .unwrap()
        };
        let known = Known {
            application: None,
            revisions: (1..=revisions).map(revision).collect(),
            rollouts: rollouts.iter().enumerate().map(rollout).collect(),
        };
        (application, known)
    }

    fn check(
        revisions: u64,
        rollouts: &[(u64, &str)],
        wanted: Option<u64>,
        expect: Result<(u64, u64), Exit>,
    ) {
        let (application, known) = known(revisions, rollouts);
        let got = choose(&application, &known, wanted, "upshift")
            .map(|(undone, revision)| (undone.spec.number, revision.spec.number))
            .map_err(|failure| failure.exit());
        assert_eq!(got, expect, "{rollouts:?} {wanted:?}");
    }

    #[test]
    fn goes_to_the_highest_earlier_revision_that_succeeded() {
        let ok = "Succeeded";
        check(2, &[(1, ok), (2, ok)], None, Ok((2, 1)));
        check(3, &[(1, ok), (2, "Failed"), (3, ok)], None, Ok((3, 1)));
        check(3, &[(1, ok), (2, ok), (3, "Failed")], None, Ok((3, 2)));
        check(3, &[(1, ok), (2, ok), (3, "RolledBack")], None, Ok((3, 2)));
        // After a rollback the next one goes further back.
        check(3, &[(1, ok), (2, ok), (3, ok), (2, ok)], None, Ok((4, 1)));
        check(2, &[(1, ok), (2, ok), (1, ok)], None, Err(Exit::NotFound));
        check(1, &[(1, ok)], None, Err(Exit::NotFound));
        check(1, &[(1, "Failed")], None, Err(Exit::NotFound));
        check(0, &[], None, Err(Exit::NotFound));
        // One that never began is not what is undone.
        check(3, &[(1, ok), (2, ok), (3, "Locked")], None, Ok((2, 1)));
    }

    #[test]
    fn a_number_must_be_there_and_not_be_in_place() {
        let ok = "Succeeded";
        check(2, &[(1, ok), (2, ok)], Some(1), Ok((2, 1)));
        check(2, &[(1, ok), (2, ok)], Some(7), Err(Exit::NotFound));
        check(2, &[(1, ok), (2, ok)], Some(2), Err(Exit::Failed));
        check(2, &[(1, ok), (2, "Failed")], Some(2), Ok((2, 2)));
    }
}
