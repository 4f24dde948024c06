//! `rollback`: the revision that was good before is brought back, without fetching it again.
//!
//! Nothing to go back to is exit 3 with what there is, never a silent success.

use std::collections::BTreeMap;

use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
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
use crate::plan::workflow;

/// Bring back the revision before
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Without --to-revision it is the highest earlier revision that was deployed with success. Of a blue/green application it is
the revision that the hosts of the other colour still hold: traffic goes back to them in one step.

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
    let takes_turns = application
        .spec
        .hosts
        .as_ref()
        .is_some_and(|hosts| hosts.blue_green.is_some());
    let (wanted, program) = (args.to_revision, context.name());
    let (undone, revision) = if takes_turns {
        let options = ListOptions::labelled(format!("{LABEL_APPLICATION}={name}"));
        let gears: Vec<Gear> = client.list(&connection.namespace, &options).await?.items;
        choose_by_color(&application, &known, &gears, wanted, program)?
    } else {
        choose(&application, &known, wanted, program)?
    };
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

/// The same for blue/green: the only way back is what every host of the other colour still holds.
fn choose_by_color<'a>(
    application: &Application,
    known: &'a Known,
    gears: &[Gear],
    wanted: Option<u64>,
    program: &str,
) -> Result<(&'a Rollout, &'a Revision), Failure> {
    let name = &application.metadata.name;
    let nothing = |why: String| {
        Failure::not_found(format!("nothing to roll back to: {why}")).hint(format!(
            "To deploy a revision once more: '{program} deploy app/{name} --revision NUMBER' (there are: {}).",
            known.listing()
        ))
    };
    let active = application.status.active_color.as_str();
    let Some(latest) = known.latest().filter(|_| !active.is_empty()) else {
        return Err(nothing(format!(
            "application {name:?} was never deployed with success"
        )));
    };
    let idle = workflow::idle_color(application);
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for gear in gears {
        if gear.spec.color == idle && !gear.metadata.is_deleting() {
            *held.entry(gear.status.revision.as_str()).or_default() += 1;
        }
    }
    let standing = || {
        let words: Vec<String> = held
            .iter()
            .map(|(revision, count)| {
                let what = if revision.is_empty() {
                    "nothing"
                } else {
                    revision
                };
                format!("{count} × {what}")
            })
            .collect();
        format!("the {idle} hosts hold {}", words.join(", "))
    };
    let revision = match held.keys().copied().collect::<Vec<_>>().as_slice() {
        [] => return Err(nothing(format!("there are no {idle} hosts"))),
        [""] => {
            return Err(nothing(format!("nothing is installed on the {idle} hosts")));
        }
        [one] => known.revision_named(one).ok_or_else(|| {
            nothing(format!(
                "the {idle} hosts hold {one}, which is kept no longer"
            ))
        })?,
        _ => return Err(nothing(format!("{}, not one revision", standing()))),
    };
    match wanted {
        Some(number) if number != revision.spec.number => Err(nothing(format!(
            "revision {number} is not on the {idle} hosts, which hold {}",
            revision.metadata.name
        ))),
        None if !known.has_succeeded(revision) => Err(nothing(format!(
            "the {active} hosts serve, and {} on the {idle} hosts was never deployed with success",
            revision.metadata.name
        ))),
        _ => Ok((latest, revision)),
    }
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

    #[test]
    fn blue_green_goes_back_to_what_the_other_colour_holds() {
        let check = |active: &str,
                     held: &[(&str, &str)],
                     wanted: Option<u64>,
                     expect: Result<u64, &str>| {
            let ok = "Succeeded";
            let (mut application, known) = known(3, &[(1, ok), (2, ok), (3, "Failed")]);
            active.clone_into(&mut application.status.active_color);
            let gears: Vec<Gear> = held
                .iter()
                .map(|(color, revision)| {
                    let object =
                        json!({"spec": {"color": color}, "status": {"revision": revision}});
                    serde_json::from_value(object).unwrap()
                })
                .collect();
            match (
                choose_by_color(&application, &known, &gears, wanted, "upshift"),
                expect,
            ) {
                (Ok((_, revision)), Ok(number)) => assert_eq!(revision.spec.number, number),
                (Err(failure), Err(words)) => {
                    assert_eq!(failure.exit(), Exit::NotFound);
                    assert!(failure.message.contains(words), "{}", failure.message);
                }
                (found, _) => panic!("{held:?}: {found:?}"),
            }
        };
        let both = [("blue", "shop-1"), ("green", "shop-2"), ("green", "shop-2")];
        check("green", &both, None, Ok(1));
        check("green", &both, Some(1), Ok(1));
        check("blue", &both, None, Ok(2));
        check(
            "green",
            &both,
            Some(2),
            Err("revision 2 is not on the blue hosts, which hold shop-1"),
        );
        check("", &both, None, Err("never deployed with success"));
        check(
            "green",
            &[("green", "shop-2")],
            None,
            Err("there are no blue hosts"),
        );
        check(
            "green",
            &[("blue", "")],
            None,
            Err("nothing is installed on the blue hosts"),
        );
        let mixed = [("blue", "shop-1"), ("blue", "shop-2")];
        check(
            "green",
            &mixed,
            None,
            Err("hold 1 × shop-1, 1 × shop-2, not one revision"),
        );
        // What a failed deployment left on the other colour is gone back to by its number only.
        check(
            "blue",
            &[("green", "shop-3")],
            None,
            Err("never deployed with success"),
        );
        check("blue", &[("green", "shop-3")], Some(3), Ok(3));
    }
}
