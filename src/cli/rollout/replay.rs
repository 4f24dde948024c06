//! `rollout replay`: a past rollout told again, from its objects or from NDJSON that was kept.
//!
//! What happened is `progress/replay`'s to read, how it is told again `progress/playing`'s; this file finds it.

use std::fs;

use futures_util::StreamExt;
use futures_util::stream;

use crate::api::meta::Key;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::api::upshift::Operation;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::progress::event::MANY_GEARS;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::flags::Flags;
use crate::cli::progress::lines::Lines;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::outcome;
use crate::cli::progress::playing;
use crate::cli::progress::playing::Speed;
use crate::cli::progress::replay::Outputs;
use crate::cli::progress::replay::Recording;
use crate::cli::progress::state::Wanted;
use crate::cli::progress::watching::log_path;
use crate::cli::rollout::find;
use crate::cli::rollouts::output;
use crate::cli::rollouts::target;
use crate::client;
use crate::client::Client;
use crate::client::ListOptions;
use crate::plan::step;
use crate::plan::step::Work;

/// Outputs that are read at the same time, and how much of each is told.
const OUTPUTS: usize = 8;
const LINES: usize = 1000;

/// Tell a past rollout again, with its steps, its output and its exit code
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
On a terminal it is told ten times as fast as it happened, elsewhere at once. Its exit code is the rollout's.

Examples:
  # Watch the last rollout of an application again, as fast as it was
  upshift rollout replay app/shop --speed 1x

  # Look at what a CI job kept with --progress=json
  upshift rollout replay --from deploy.ndjson --progress plain")]
pub(super) struct ReplayArgs {
    /// The rollout: its name or number, or an application for its last one
    #[arg(
        value_name = "NUMBER|rollout/NAME|app/NAME",
        required_unless_present = "from"
    )]
    target: Option<String>,
    /// Tell what was kept of --progress=json instead; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "revision"])]
    from: Option<String>,
    /// The number of an application's rollout, instead of the last
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
    /// How fast: 1x, 10x, instant
    #[arg(long, value_name = "SPEED")]
    speed: Option<Speed>,
    #[command(flatten)]
    progress: Flags,
}

/// Runs `rollout replay`.
pub(super) async fn run(args: &ReplayArgs, context: &Context) -> Result<Exit, Failure> {
    let chosen = args.progress.choose(context, false)?;
    let speed = args.speed.unwrap_or_else(|| Speed::usual(chosen.mode));
    let command = async {
        let recording = match &args.from {
            Some(file) => kept(file, context)?,
            None => remembered(args, context, chosen).await?,
        };
        if matches!(chosen.mode, Mode::Tty | Mode::Plain) {
            let name = &recording.name;
            let hint = match speed {
                Speed::Instant => String::new(),
                speed @ Speed::Times(_) => {
                    format!(" at {speed} (--speed instant skips to the end)")
                }
            };
            context.say(format_args!("Replaying {name}{hint}\n"))?;
        }
        playing::play(context, &recording, chosen, speed).await
    };
    output::told(context, chosen, Box::pin(command)).await
}

/// What a file tells.
fn kept(file: &str, context: &Context) -> Result<Recording, Failure> {
    let bytes = if file == "-" {
        context.streams.read_input()
    } else {
        fs::read(context.environment.path(file))
    };
    let bytes = bytes.map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
    Recording::of_text(&String::from_utf8_lossy(&bytes))
        .map_err(|wrong| Failure::usage(format!("{file} cannot be replayed: {wrong}")))
}

/// What the objects of a rollout tell.
async fn remembered(
    args: &ReplayArgs,
    context: &Context,
    chosen: Chosen,
) -> Result<Recording, Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let (client, namespace) = (connection.client, connection.namespace);
    let word = args.target.as_deref().unwrap_or_default();
    let rollout = named(&client, &namespace, word, args.revision).await?;
    if !outcome::is_over(&rollout) {
        let (program, application) = (context.name(), &rollout.spec.application);
        return Err(
            Failure::ours(format!("{} is not over yet", rollout.metadata.name)).hint(format!(
                "Watch it with '{program} rollout status -w app/{application}'."
            )),
        );
    }
    let name = &rollout.metadata.name;
    let options = ListOptions::labelled(format!("{LABEL_ROLLOUT}={name}"));
    let operations = client.list::<Operation>(&namespace, &options).await?.items;
    let wanted = wanted(&operations, &rollout, chosen.mode);
    let outputs = read_all(&client, &namespace, wanted).await;
    Ok(Recording::of_objects(&rollout, operations, &outputs))
}

async fn named(
    client: &Client,
    namespace: &str,
    word: &str,
    number: Option<u64>,
) -> Result<Rollout, Failure> {
    if let Ok(number) = word.parse::<u64>() {
        return numbered(client, namespace, number).await;
    }
    if !word.contains('/') && target::is_name(word) && number.is_none() {
        // A name alone is more likely the rollout's: that is what `get rollouts` prints.
        match client.get(&Key::new(namespace, word)).await {
            Err(error) if error.is_not_found() => {}
            other => return Ok(other?),
        }
    }
    Ok(find(client, namespace, word, number).await?.rollout)
}

/// The rollout of that number, when only one application has one.
async fn numbered(client: &Client, namespace: &str, number: u64) -> Result<Rollout, Failure> {
    let all = client
        .list::<Rollout>(namespace, &ListOptions::default())
        .await?;
    let mut found: Vec<Rollout> = all
        .items
        .into_iter()
        .filter(|rollout| rollout.spec.number == number)
        .collect();
    let names: Vec<String> = found
        .iter()
        .map(|rollout| format!("rollout/{}", rollout.metadata.name))
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(rollout), true) => Ok(rollout),
        (Some(_), false) => Err(Failure::usage(format!(
            "several applications have a rollout of number {number}"
        ))
        .hint(format!("Name one: {}", names.join(", ")))),
        (None, _) => Err(Failure::not_found(format!(
            "no rollout has the number {number}"
        ))),
    }
}

/// The outputs that are told: of many gears only what explains a failure.
fn wanted(operations: &[Operation], rollout: &Rollout, mode: Mode) -> Vec<Wanted> {
    let is_few = rollout.status.gears.total <= MANY_GEARS;
    let is_all = mode == Mode::Json || (is_few && mode != Mode::Quiet);
    let mut wanted = Vec::new();
    for operation in operations {
        for step in &operation.status.steps {
            let is_hook =
                step::named(&step.name).is_some_and(|kind| matches!(kind.work, Work::Hook(_)));
            let ran = match step.phase {
                StepPhase::Failed => true,
                StepPhase::Done | StepPhase::Running => is_all,
                StepPhase::Waiting | StepPhase::Skipped => false,
            };
            if is_hook && ran {
                wanted.push(Wanted {
                    operation: operation.metadata.name.clone(),
                    step: step.name.clone(),
                });
            }
        }
    }
    wanted
}

/// Reads them side by side; one that is not there any more is not told.
async fn read_all(client: &Client, namespace: &str, wanted: Vec<Wanted>) -> Outputs {
    stream::iter(wanted)
        .map(|wanted| async move {
            let path = log_path(namespace, &wanted.operation, &wanted.step, false);
            let lines = read(client, &path).await.unwrap_or_default();
            (wanted, lines)
        })
        .buffer_unordered(OUTPUTS)
        .collect()
        .await
}

async fn read(client: &Client, path: &str) -> Result<Vec<String>, client::Error> {
    let mut body = client.open(path).await?;
    let (mut lines, mut told) = (Lines::default(), Vec::new());
    while let Some(chunk) = body.chunk().await {
        told.extend(lines.push(&chunk?));
        let more = told.len().saturating_sub(LINES);
        told.drain(..more);
    }
    told.extend(lines.finish());
    Ok(told)
}
