//! `rollout pause`, `resume`, `cancel` and `retry`: what is wanted of a rollout changes; who performs it looks again.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::upshift::Desired;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::output::Format;
use crate::cli::progress::flags::Flags;
use crate::cli::progress::outcome;
use crate::cli::rollout::Found;
use crate::cli::rollout::config;
use crate::cli::rollout::find;
use crate::cli::rollout::promote;
use crate::cli::rollouts::known;
use crate::cli::rollouts::output;
use crate::cli::rollouts::output::Ending;
use crate::client::Client;
use crate::client::Patch;
use crate::client::WriteOptions;

/// Change what is wanted of the rollout under way
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// The application, one of its rollouts, or a deployment config
    #[arg(value_name = "app/NAME|rollout/NAME|dc/NAME")]
    target: String,
    /// Print the rollout instead of a line: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Try the gears again that failed in the last rollout, and follow it
#[derive(Clone, Debug, clap::Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    onward: Onward,
}

// No doc comment: it would be the help of every command that takes these.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Onward {
    /// The application, or one of its rollouts
    #[arg(value_name = "app/NAME|rollout/NAME")]
    target: String,
    /// Print the rollout instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    /// Whether to follow the rollout to its end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    follow: bool,
    #[command(flatten)]
    progress: Flags,
}

/// Runs `rollout pause`: nothing new begins.
pub(super) async fn pause(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::pause(&args.target, true, context).await;
    }
    let (client, found) = located(args, context).await?;
    let rollout = under_way(&found)?;
    match rollout.spec.desired {
        Desired::Pause => return Err(already(rollout, "already paused")),
        Desired::Abort => return Err(already(rollout, "being cancelled")),
        Desired::Run => {}
    }
    want(&client, rollout, Desired::Pause, "paused", args, context).await
}

/// Runs `rollout resume`: a paused rollout goes on.
pub(super) async fn resume(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::pause(&args.target, false, context).await;
    }
    let (client, found) = located(args, context).await?;
    let rollout = under_way(&found)?;
    if promote::is_waiting(rollout) {
        let (name, program) = (&rollout.spec.application, context.name());
        return Err(Failure::ours(format!(
            "applications.upshift.dev {name:?} is not paused: its canary waits"
        ))
        .hint(format!(
            "Let the others follow with '{program} promote app/{name}'."
        )));
    }
    if rollout.spec.desired != Desired::Pause {
        return Err(already(rollout, "not paused"));
    }
    want(&client, rollout, Desired::Run, "resumed", args, context).await
}

/// Runs `rollout cancel`: what runs ends with its step, and the rollout is over.
pub(super) async fn cancel(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if config::named(&args.target).is_some() {
        return config::cancel(&args.target, context).await;
    }
    let (client, found) = located(args, context).await?;
    if outcome::is_over(&found.rollout) {
        let rollout = &found.rollout;
        let ended = rollout.status.finished_at;
        let age = ended.map_or_else(String::new, |time| {
            format!(" {} ago", text::age(context.clock.now().since(time)))
        });
        context.out(format_args!(
            "No rollout is in progress (latest rollout #{} {}{age})\n",
            rollout.spec.number,
            format!("{:?}", rollout.status.phase).to_lowercase()
        ))?;
        return Ok(Exit::Done);
    }
    want(
        &client,
        &found.rollout,
        Desired::Abort,
        "cancelling",
        args,
        context,
    )
    .await
}

/// Runs `rollout retry`.
pub(super) async fn retry(args: &RetryArgs, context: &Context) -> Result<Exit, Failure> {
    let wish = |found: &Found| next_attempt(found, context.name());
    go_on(&args.onward, context, "retried", wish).await
}

/// What is to be wanted of a rollout whose failed gears are tried again.
fn next_attempt(found: &Found, program: &str) -> Result<Value, Failure> {
    known::expect_performable(&found.application)?;
    if let Some(running) = found.known.running() {
        return Err(known::in_progress(running, program));
    }
    let (spec, status) = (&found.rollout.spec, &found.rollout.status);
    if status.phase == RolloutPhase::Succeeded && !found.has_stragglers {
        let (name, number) = (&spec.application, spec.number);
        return Err(Failure::ours(format!(
            "rollout #{number} is complete; only failed deployments can be retried."
        ))
        .hint(format!(
            "You can start a new rollout with '{program} deploy app/{name}'."
        )));
    }
    Ok(json!({"attempt": spec.attempt.max(status.attempt) + 1, "desired": Desired::Run}))
}

/// Changes a rollout as `wish` has it, if it lets it, and follows the rollout; `word` says what was done to it.
pub(super) async fn go_on(
    args: &Onward,
    context: &Context,
    word: &str,
    wish: impl Fn(&Found) -> Result<Value, Failure>,
) -> Result<Exit, Failure> {
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let chosen = args.progress.choose(context, !format.is_table())?;
    let command = async {
        let connection = context.connect(Purpose::Reading).await?;
        let client = connection.client;
        let found = find(&client, &connection.namespace, &args.target, None).await?;
        let rollout = change(&client, &found.rollout, &wish(&found)?).await?;
        let done = format!(
            "application.upshift.dev/{} {word} rollout #{}",
            rollout.spec.application, rollout.spec.number
        );
        Ending {
            context,
            client,
            chosen,
            format: &format,
            follow: args.follow,
        }
        .run(&done, rollout, &found.known.rollouts)
        .await
    };
    output::told(context, chosen, Box::pin(command)).await
}

async fn located(args: &Args, context: &Context) -> Result<(Client, Found), Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let found = find(
        &connection.client,
        &connection.namespace,
        &args.target,
        None,
    )
    .await?;
    Ok((connection.client, found))
}

fn under_way(found: &Found) -> Result<&Rollout, Failure> {
    let rollout = &found.rollout;
    if outcome::is_over(rollout) {
        return Err(Failure::not_found(format!(
            "no rollout of {:?} is in progress (latest rollout #{} {:?})",
            rollout.spec.application, rollout.spec.number, rollout.status.phase
        )));
    }
    Ok(rollout)
}

fn already(rollout: &Rollout, how: &str) -> Failure {
    let name = &rollout.spec.application;
    Failure::ours(format!("applications.upshift.dev {name:?} is {how}"))
}

async fn want(
    client: &Client,
    rollout: &Rollout,
    desired: Desired,
    word: &str,
    args: &Args,
    context: &Context,
) -> Result<Exit, Failure> {
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let changed = change(client, rollout, &json!({ "desired": desired })).await?;
    if format.is_table() {
        let name = &rollout.spec.application;
        context.out(format_args!("application.upshift.dev/{name} {word}\n"))?;
    }
    output::print(
        context,
        &format,
        &crate::api::meta::Typed::to_object(&changed),
    )?;
    Ok(Exit::Done)
}

/// Changes what is wanted, unless the wish was changed by somebody else since it was read.
async fn change(client: &Client, rollout: &Rollout, spec: &Value) -> Result<Rollout, Failure> {
    let key = rollout.metadata.key();
    let mut latest: Rollout = client.get(&key).await?;
    for _ in 0..5 {
        if latest.spec != rollout.spec {
            break;
        }
        let version = &latest.metadata.resource_version;
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version}, "spec": spec}));
        let options = WriteOptions::default();
        match client
            .patch(&kinds::ROLLOUT, &key, None, &patch, &options)
            .await
        {
            // Only its status moved on: the wish is still what it was.
            Err(error) if error.is_conflict() => latest = client.get(&key).await?,
            Err(error) => return Err(error.into()),
            Ok(changed) => {
                return serde_json::from_value(changed)
                    .map_err(|error| Failure::ours(error.to_string()));
            }
        }
    }
    Err(Failure::new(
        crate::cli::failure::Kind::Locked,
        format!(
            "somebody else is changing rollout {:?}; look at it and try again",
            key.name
        ),
    ))
}
