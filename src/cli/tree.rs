//! The one table of commands: clap's tree, and what runs for each.

use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;

use crate::base::clock::Clock;
use crate::base::environment::Environment;
use crate::base::streams::Streams;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::deploy;
use crate::cli::exit;
use crate::cli::flags::Flags;
use crate::cli::logs;
use crate::cli::program::Program;
use crate::cli::rollback;
use crate::cli::rollout;
use crate::cli::usage;

/// Deploys applications and upgrades them in place.
#[derive(Parser)]
#[command(name = "upshift", subcommand_required = false)]
struct Typed {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Rollout(rollout::Args),
    Logs(logs::Args),
}

impl Command {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Command::Deploy(args) => deploy::run(args, context).await,
            Command::Rollback(args) => rollback::run(args, context).await,
            Command::Rollout(args) => rollout::run(args, context).await,
            Command::Logs(args) => logs::run(args, context).await,
        }
    }
}

/// The tree as `program` shows it.
pub fn command(program: Program) -> clap::Command {
    Typed::command()
        .name(program.name())
        .bin_name(program.name())
        .after_help(exit::TABLE)
}

/// Parses what was typed and runs it.
pub fn run(program: Program, environment: Environment, streams: &Streams) -> Result<Exit, Failure> {
    let typed = command(program)
        .try_get_matches_from(&environment.arguments)
        .and_then(|matches| Typed::from_arg_matches(&matches));
    let typed = match typed {
        Ok(typed) => typed,
        Err(error) => return usage::explain(&error, program, streams),
    };
    let context = Context {
        program,
        environment,
        streams: streams.clone(),
        flags: typed.flags,
        clock: Clock::System,
    };
    match typed.command {
        None => {
            context.out(format_args!("{}", command(program).render_help()))?;
            Ok(Exit::Done)
        }
        Some(command) => block_on(command.run(&context)),
    }
}

/// Runs a command on this thread: a client needs no others.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
