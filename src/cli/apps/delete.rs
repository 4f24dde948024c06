//! `delete`: asks for objects' end and, unless told otherwise, waits until they are gone.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use crate::api::duration::Span;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::objects::files::Files;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Filter;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::writing::DryRun;
use crate::client::Client;
use crate::client::DeleteOptions;

/// Delete resources by file names, names, or label selectors
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift delete (TYPE NAME... | TYPE/NAME... | TYPE -l SELECTOR | TYPE --all | -f FILE) [options]",
    after_help = "\
Examples:
  # Take an application off its hosts and remove it
  upshift delete app/shop

  # The same without waiting for the hosts
  upshift delete app/shop --wait=false

  # Everything that a file describes
  upshift delete -f app.yaml --ignore-not-found"
)]
pub struct Args {
    /// TYPE NAME…, TYPE/NAME…, or a type with -l or --all
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub filter: Filter,
    /// All objects of the type
    #[arg(long)]
    pub all: bool,
    /// Wait until the objects are gone
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, default_value = "true",
          default_missing_value = "true", hide_possible_values = true)]
    pub wait: bool,
    /// How long to wait; 0 is for ever
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub timeout: Span,
    /// What is not there is no failure
    #[arg(long)]
    pub ignore_not_found: bool,
    /// What becomes of the objects that belong to it: background, foreground or orphan
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_value = "background",
          default_missing_value = "background")]
    pub cascade: String,
    /// Only show what would be done: none, client or server
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_value = "none",
          default_missing_value = "client", value_parser = DryRun::parse)]
    pub dry_run: DryRun,
    /// Print the names only: name
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Do not give processes time to end by themselves
    #[arg(long)]
    pub now: bool,
    /// Say that it is meant; nothing is removed before it is really gone
    #[arg(long)]
    pub force: bool,
    /// Seconds that processes have to end by themselves; -1 leaves it to the server
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    pub grace_period: i64,
}

/// Runs `delete`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let names_only = match args.output.as_deref() {
        None => false,
        Some("name") => true,
        Some(other) => {
            return Err(Failure::usage(format!(
                "unexpected -o output mode: {other}. We only support '-o name'"
            )));
        }
    };
    let options = options(&args)?;
    let selection = args.filter.of(&args.words, &args.files, args.all);
    selection.check("delete", context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let meant = selection
        .find("delete", context, &connection.client, &connection.namespace)
        .await?;
    if meant.is_empty() {
        context.say(format_args!("No resources found\n"))?;
    }
    let client = &connection.client;
    // What was found by a selector may have gone with its owner since.
    let may_be_gone = args.ignore_not_found || args.all || !args.filter.selector.is_empty();
    let mut failures = Vec::new();
    let mut going = Vec::new();
    for one in meant {
        match ask(&args, &options, client, &one).await {
            Ok(uid) => {
                say(&args, context, &one, names_only)?;
                going.push((one, uid));
            }
            Err(failure) if may_be_gone && failure.reason() == "NotFound" => {}
            Err(failure) => failures.push(failure),
        }
    }
    if args.wait && args.dry_run == DryRun::None {
        let all = wait_for_all(context, client, &going);
        match args.timeout.0 {
            Duration::ZERO => all.await?,
            limit => tokio::time::timeout(limit, all)
                .await
                .map_err(|_| timed_out(&going))??,
        }
    }
    Failure::all(failures).map(|()| Exit::Done)
}

fn options(args: &Args) -> Result<DeleteOptions, Failure> {
    let propagation = match args.cascade.as_str() {
        "background" | "true" => "Background",
        "foreground" => "Foreground",
        "orphan" | "false" => "Orphan",
        other => {
            return Err(Failure::usage(format!(
                "invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""
            )));
        }
    };
    let grace = match (args.now, args.force, args.grace_period) {
        (true, _, 0..) => {
            return Err(Failure::usage(
                "--now and --grace-period cannot be specified together",
            ));
        }
        (true, ..) => Some(1),
        (_, true, -1) => Some(0),
        (_, _, seconds) => u32::try_from(seconds).ok(),
    };
    Ok(DeleteOptions {
        dry_run: args.dry_run == DryRun::Server,
        propagation: propagation.to_owned(),
        grace_seconds: grace,
        ..DeleteOptions::default()
    })
}

/// Asks for one object's end; gives its uid.
async fn ask(
    args: &Args,
    options: &DeleteOptions,
    client: &Client,
    one: &Meant,
) -> Result<String, Failure> {
    let answer = if args.dry_run == DryRun::Client {
        client.read(one.kind, &one.key).await?
    } else {
        client.delete(one.kind, &one.key, options).await?
    };
    let uid = match &answer["metadata"]["uid"] {
        Value::String(uid) => uid,
        _ => answer["details"]["uid"].as_str().unwrap_or_default(),
    };
    Ok(uid.to_owned())
}

fn say(args: &Args, context: &Context, one: &Meant, names_only: bool) -> Result<(), Failure> {
    let (prefix, name) = (one.kind.prefix(), &one.key.name);
    if names_only {
        context.out(format_args!("{prefix}/{name}\n"))?;
        return Ok(());
    }
    let suffix = match args.dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    let forced = if args.force { "force " } else { "" };
    context.out(format_args!("{prefix} {name:?} {forced}deleted{suffix}\n"))?;
    Ok(())
}

fn timed_out(going: &[(Meant, String)]) -> Failure {
    let names: Vec<String> = going
        .iter()
        .map(|(one, _)| format!("{}/{}", one.kind.plural, one.key.name))
        .collect();
    Failure::new(
        Kind::TimedOut,
        format!(
            "timed out waiting for the condition on {}",
            names.join(", ")
        ),
    )
}

async fn wait_for_all(
    context: &Context,
    client: &Client,
    going: &[(Meant, String)],
) -> Result<(), Failure> {
    for (one, uid) in going {
        until_gone(context, client, one, uid).await?;
    }
    Ok(())
}

/// What the object's own controller says it waits for.
fn awaited(object: &Value) -> Option<&str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let deleting = conditions.iter().find(|one| one["type"] == "Deleting")?;
    deleting["message"].as_str().filter(|text| !text.is_empty())
}

/// Waits until the object of that uid is no more.
async fn until_gone(
    context: &Context,
    client: &Client,
    one: &Meant,
    uid: &str,
) -> Result<(), Failure> {
    let mut told = String::new();
    follow(client, one, |object| {
        let Some(object) = object else {
            return ControlFlow::Break(Ok(()));
        };
        if !uid.is_empty() && object["metadata"]["uid"] != uid {
            return ControlFlow::Break(Ok(()));
        }
        let Some(text) = awaited(object).filter(|text| *text != told) else {
            return ControlFlow::Continue(());
        };
        text.clone_into(&mut told);
        let (plural, name) = (one.kind.plural, &one.key.name);
        match context.say(format_args!("{plural}/{name}: {text}\n")) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Err(error.into())),
        }
    })
    .await?
}
