//! The one table of commands: clap's tree, and what runs for each.

use std::ffi::OsString;

use clap::Arg;
use clap::ArgAction;
use clap::Args as _;
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
use crate::cli::advanced::api_resources;
use crate::cli::advanced::api_versions;
use crate::cli::advanced::cordon;
use crate::cli::advanced::patch;
use crate::cli::advanced::wait;
use crate::cli::apps::annotate;
use crate::cli::apps::apply;
use crate::cli::apps::create;
use crate::cli::apps::delete;
use crate::cli::apps::describe;
use crate::cli::apps::expose;
use crate::cli::apps::get;
use crate::cli::apps::label;
use crate::cli::apps::scale;
use crate::cli::basic::new_project;
use crate::cli::basic::project;
use crate::cli::basic::projects;
use crate::cli::builds::cancel;
use crate::cli::builds::start;
use crate::cli::deploy;
use crate::cli::exec;
use crate::cli::flags::Flags;
use crate::cli::help;
use crate::cli::logs;
use crate::cli::new_app;
use crate::cli::program::Program;
use crate::cli::rollback;
use crate::cli::rollout;
use crate::cli::server::node;
use crate::cli::server::router;
use crate::cli::server::serve;
use crate::cli::settings::completion;
use crate::cli::settings::config;
use crate::cli::settings::options;
use crate::cli::settings::version;
use crate::cli::settings::whoami;
use crate::cli::status;
use crate::cli::trace;
use crate::cli::usage;

/// Deploys applications and upgrades them in place
#[derive(Parser)]
#[command(name = "upshift", version, subcommand_required = false)]
struct Typed {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Declares the commands, and how each of them alone is made.
macro_rules! commands {
    ($($name:ident($args:ty),)*) => {
        #[derive(Subcommand)]
        enum Command {
            $($name($args),)*
        }

        /// Every command by the name of its variant, with what gives it its arguments.
        const AUGMENTING: &[(&str, fn(clap::Command) -> clap::Command)] =
            &[$((stringify!($name), <$args as clap::Args>::augment_args),)*];
    };
}

commands! {
    NewProject(new_project::Args),
    Project(project::Args),
    Projects(projects::Args),
    Status(status::Args),
    NewApp(Box<new_app::AppArgs>),
    NewBuild(new_app::BuildArgs),
    StartBuild(start::Args),
    CancelBuild(cancel::Args),
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Rollout(rollout::Args),
    Promote(rollout::promote::Args),
    Create(create::Args),
    Apply(apply::Args),
    Get(get::Args),
    Describe(describe::Args),
    Label(label::Args),
    Annotate(annotate::Args),
    Expose(expose::Args),
    Scale(scale::Args),
    Delete(delete::Args),
    Logs(logs::Args),
    Exec(exec::Args),
    Wait(wait::Args),
    Patch(patch::Args),
    Cordon(cordon::CordonArgs),
    Uncordon(cordon::UncordonArgs),
    ApiResources(api_resources::Args),
    ApiVersions(api_versions::Args),
    Serve(serve::Args),
    Node(node::Args),
    Router(router::Args),
    Config(config::Args),
    Whoami(whoami::Args),
    Completion(completion::Args),
    Version(version::Args),
    Options(options::Args),
}

impl Command {
    /// Runs it on the threads it needs: none of its own for what only prints, one for a client, all for the backend.
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let is_backend = match &self {
            Command::Serve(args) => !args.stop,
            Command::Node(args) => args.is_agent(),
            Command::Router(_) => true,
            _ => false,
        };
        trace::start(context, if is_backend { "info" } else { "off" });
        match self {
            Command::Completion(args) => completion::run(&args, context),
            Command::Config(args) => config::run(args, context),
            Command::Options(args) => options::run(&args, context),
            Command::Version(args) if args.client => version::client_only(&args, context),
            Command::Serve(args) => serve::run(&args, context),
            Command::Node(args) if args.is_agent() => node::serve(&args, context),
            Command::Router(args) => router::run(&args, context),
            client => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(client.ask(context)),
        }
    }

    /// Runs a command that talks to a server.
    async fn ask(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Command::NewProject(args) => new_project::run(args, context).await,
            Command::Project(args) => project::run(args, context).await,
            Command::Projects(args) => projects::run(args, context).await,
            Command::Status(args) => Box::pin(status::run(args, context)).await,
            Command::NewApp(args) => new_app::app(*args, context).await,
            Command::NewBuild(args) => new_app::run(args.into(), context).await,
            Command::Deploy(args) => deploy::run(args, context).await,
            Command::Rollback(args) => rollback::run(args, context).await,
            Command::Rollout(args) => rollout::run(args, context).await,
            Command::Promote(args) => rollout::promote::run(&args, context).await,
            Command::Create(args) => create::run(args, context).await,
            Command::Apply(args) => apply::run(args, context).await,
            Command::Get(args) => get::run(args, context).await,
            Command::Describe(args) => describe::run(args, context).await,
            Command::Label(args) => label::run(args, context).await,
            Command::Annotate(args) => annotate::run(args, context).await,
            Command::StartBuild(args) => start::run(args, context).await,
            Command::CancelBuild(args) => cancel::run(args, context).await,
            Command::Expose(args) => expose::run(args, context).await,
            Command::Scale(args) => scale::run(args, context).await,
            Command::Delete(args) => delete::run(args, context).await,
            Command::Logs(args) => logs::run(args, context).await,
            Command::Exec(args) => exec::run(args, context).await,
            Command::Wait(args) => wait::run(args, context).await,
            Command::Patch(args) => patch::run(args, context).await,
            Command::Cordon(args) => cordon::cordon(args, context).await,
            Command::Uncordon(args) => cordon::uncordon(args, context).await,
            Command::ApiResources(args) => api_resources::run(args, context).await,
            Command::ApiVersions(args) => api_versions::run(args, context).await,
            Command::Node(args) => node::run(args, context).await,
            Command::Whoami(args) => whoami::run(args, context).await,
            Command::Version(args) => version::run(args, context).await,
            Command::Serve(_)
            | Command::Router(_)
            | Command::Config(_)
            | Command::Completion(_)
            | Command::Options(_) => {
                unreachable!("`run` runs these without a server")
            }
        }
    }
}

/// The tree as help, completions and man pages show it.
pub fn command(program: Program) -> clap::Command {
    root(program).mut_subcommands(without_help_below)
}

fn root(program: Program) -> clap::Command {
    Typed::command()
        .name(program.name())
        .bin_name(program.name())
        .max_term_width(100)
}

/// `help` is a command of the first page only.
fn without_help_below(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help_below)
}

/// The tree as it is parsed: a flag that is true or false may say so, as Go's may (`--watch=true`).
///
/// Only commands whose names were typed are made whole: making all of them is half the time of a start.
fn lenient(program: Program, typed: &[OsString]) -> clap::Command {
    fn switch(arg: Arg) -> Arg {
        if !matches!(arg.get_action(), ArgAction::SetTrue) || arg.get_long().is_none() {
            return arg;
        }
        arg.action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .value_parser(clap::builder::BoolishValueParser::new())
    }
    fn all(command: clap::Command) -> clap::Command {
        command.mut_args(switch).mut_subcommands(all)
    }
    let root = Flags::augment_args(clap::Command::new(program.name()))
        .version(env!("CARGO_PKG_VERSION"))
        .mut_args(switch);
    AUGMENTING.iter().fold(root, |root, (variant, augment)| {
        let name = kebab(variant);
        let command = clap::Command::new(name.clone());
        root.subcommand(if typed.iter().any(|word| word == name.as_str()) {
            all(without_help_below(augment(command)))
        } else {
            command
        })
    })
}

/// `StartBuild` → `start-build`, as clap names a variant.
fn kebab(variant: &str) -> String {
    let mut name = String::with_capacity(variant.len() + 2);
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// Parses what was typed and runs it.
pub fn run(program: Program, environment: Environment, streams: &Streams) -> Result<Exit, Failure> {
    let typed = lenient(program, &environment.arguments)
        .try_get_matches_from(&environment.arguments)
        .and_then(|matches| Typed::from_arg_matches(&matches));
    let typed = match typed {
        Ok(typed) => typed,
        Err(error) => return usage::explain(&error, program, &environment.arguments, streams),
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
            context.out(format_args!("{}", help::page(program, &[])))?;
            Ok(Exit::Done)
        }
        Some(command) => command.run(&context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_consistent() {
        command(Program::Upshift).debug_assert();
        let names: Vec<OsString> = command(Program::Oc)
            .get_subcommands()
            .map(|one| one.get_name().into())
            .collect();
        lenient(Program::Oc, &names).debug_assert();
    }

    #[test]
    fn what_is_parsed_has_the_arguments_that_help_shows() {
        fn paths(command: &clap::Command, above: &str, found: &mut Vec<String>) {
            let path = format!("{above} {}", command.get_name());
            let arguments = command.get_arguments();
            found.extend(arguments.map(|argument| format!("{path} {}", argument.get_id())));
            for below in command.get_subcommands() {
                paths(below, &path, found);
            }
            found.push(path);
        }
        let shown = command(Program::Oc);
        let names: Vec<OsString> = shown
            .get_subcommands()
            .map(|one| one.get_name().into())
            .collect();
        let (mut helped, mut parsed) = (Vec::new(), Vec::new());
        paths(&shown, "", &mut helped);
        paths(&lenient(Program::Oc, &names), "", &mut parsed);
        helped.sort_unstable();
        parsed.sort_unstable();
        assert_eq!(helped, parsed);
    }

    #[test]
    fn every_command_stands_in_one_group_of_the_first_page() {
        let root = command(Program::Upshift);
        let mut listed: Vec<&str> = help::GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        let mut there: Vec<&str> = root
            .get_subcommands()
            .filter(|one| !one.is_hide_set())
            .map(clap::Command::get_name)
            .chain(["help"])
            .collect();
        listed.sort_unstable();
        there.sort_unstable();
        assert_eq!(listed, there);
    }
}
