//! `rollout`: how rollouts stand and stood, and what is wanted of the one under way.
//!
//! Of applications here; what is said of dc/NAME goes to `config`.

mod config;
mod history;
pub mod promote;
mod replay;
mod steer;

use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::output::Format;
use crate::cli::progress::flags::Flags;
use crate::cli::progress::follow;
use crate::cli::progress::json;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::outcome::Outcome;
use crate::cli::rollouts::known::Known;
use crate::cli::rollouts::output;
use crate::cli::rollouts::target;
use crate::cli::rollouts::target::Target;
use crate::client::Client;
use crate::client::ListOptions;

/// Follow and steer the rollouts of an application or a deployment config
#[derive(Clone, Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    Status(StatusArgs),
    History(history::Args),
    Pause(steer::Args),
    Resume(steer::Args),
    Cancel(steer::Args),
    Retry(steer::RetryArgs),
    Promote(promote::Args),
    Replay(replay::ReplayArgs),
    Latest(config::LatestArgs),
    Undo(config::UndoArgs),
}

/// Show how a rollout stands, and follow it to its end
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The exit code is the rollout's own once it is over.

Examples:
  # Follow the last rollout of an application
  upshift rollout status app/shop

  # Only look
  upshift rollout status app/shop --watch=false")]
struct StatusArgs {
    /// The application, one of its rollouts, or a deployment config
    #[arg(value_name = "app/NAME|rollout/NAME|dc/NAME")]
    target: String,
    /// Whether to follow it to its end
    #[arg(short = 'w', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    watch: bool,
    /// The number of the rollout, instead of the last
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    #[command(flatten)]
    progress: Flags,
}

/// Runs `rollout`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Status(args) => status(&args, context).await,
        Command::History(args) => history::run(&args, context).await,
        Command::Pause(args) => steer::pause(&args, context).await,
        Command::Resume(args) => steer::resume(&args, context).await,
        Command::Cancel(args) => steer::cancel(&args, context).await,
        Command::Retry(args) => steer::retry(&args, context).await,
        Command::Promote(args) => promote::run(&args, context).await,
        Command::Replay(args) => replay::run(&args, context).await,
        Command::Latest(args) => config::latest(&args, context).await,
        Command::Undo(args) => config::undo(&args, context).await,
    }
}

async fn status(args: &StatusArgs, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::status(&args.target, args.revision, args.watch, context).await;
    }
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let chosen = args.progress.choose(context, !format.is_table())?;
    let command = async {
        let connection = context.connect(Purpose::Reading).await?;
        let client = connection.client;
        let found = find(&client, &connection.namespace, &args.target, args.revision).await?;
        if args.watch {
            let earlier = &found.known.rollouts;
            let ended = follow::follow(context, client, found.rollout, earlier, chosen).await?;
            output::print(context, &format, &ended.rollout.to_object())?;
            return Ok(ended.exit);
        }
        if chosen.mode == Mode::Json {
            let line = json::standing(&found.rollout);
            context.out(format_args!("{line}\n"))?;
        } else if format.is_table() {
            context.out(format_args!("{}\n", standing(&found.rollout)))?;
        }
        output::print(context, &format, &found.rollout.to_object())?;
        Ok(Outcome::of(&found.rollout).map_or(Exit::Done, |outcome| outcome.exit))
    };
    output::told(context, chosen, Box::pin(command)).await
}

/// One line about a rollout: `rollout.upshift.dev/shop-3 Running: 1 of 4 gears done, 0 failed`.
fn standing(rollout: &Rollout) -> String {
    let status = &rollout.status;
    let gears = &status.gears;
    let message = match status.message.as_str() {
        "" => String::new(),
        message => format!(" ({message})"),
    };
    let refused = rollout.refusal();
    let refused = refused.map_or_else(String::new, |refused| {
        format!("; not retried: {}", refused.message)
    });
    format!(
        "rollout.upshift.dev/{} {:?}: {} of {} gears done, {} failed{message}{refused}",
        rollout.metadata.name, status.phase, gears.done, gears.total, gears.failed
    )
}

/// A rollout that was named, directly or as the last of its application.
pub(crate) struct Found {
    pub application: Application,
    pub rollout: Rollout,
    pub known: Known,
    /// Whether a host that missed the rollout, which succeeded elsewhere, fails to follow it.
    pub has_stragglers: bool,
}

pub(crate) async fn find(
    client: &Client,
    namespace: &str,
    word: &str,
    number: Option<u64>,
) -> Result<Found, Failure> {
    let (name, exact) = match target::parse(word)? {
        Target::Application(name) => (name, None),
        Target::Rollout(name) => {
            let rollout: Rollout = client.get(&Key::new(namespace, name)).await?;
            (rollout.spec.application.clone(), Some(rollout))
        }
    };
    let (application, known) = Known::of(client, namespace, &name).await?;
    let rollout = match (exact, number) {
        (Some(rollout), _) => rollout,
        (None, Some(number)) => known
            .rollouts
            .iter()
            .find(|rollout| rollout.spec.number == number)
            .cloned()
            .ok_or_else(|| Failure::not_found("unable to find the specified revision"))?,
        (None, None) => {
            let running = known.running().or(known.latest()).or(known.rollouts.last());
            running
                .cloned()
                .ok_or_else(|| Failure::not_found(format!("no rollouts found for {name:?}")))?
        }
    };
    let succeeded = rollout.status.phase == RolloutPhase::Succeeded;
    let has_stragglers = succeeded && cannot_catch_up(client, &application).await?;
    Ok(Found {
        application,
        rollout,
        known,
        has_stragglers,
    })
}

async fn cannot_catch_up(client: &Client, application: &Application) -> Result<bool, Failure> {
    let metadata = &application.metadata;
    let options = ListOptions::labelled(format!("{LABEL_APPLICATION}={}", metadata.name));
    let gears = client.list::<Gear>(&metadata.namespace, &options).await?;
    let mut gears = gears.items.iter();
    Ok(gears.any(|gear| gear.spec.catch_up.is_some()))
}
