//! What the hooks of a rollout printed.
//!
//! One hook of one gear comes as the bytes that it wrote. Several are told apart by a prefix on whole lines, which are
//! then made safe to show. A host that is away is said where its lines would be; the others are printed all the same.
//! Nothing is known here of pods.

mod following;

use std::collections::BTreeSet;
use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::api::meta::Key;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_GEAR;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::api::upshift::Operation;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::failure::Kind;
use crate::cli::logs::Args;
use crate::cli::progress::lines::Lines;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::outcome;
use crate::cli::progress::watching::Line;
use crate::cli::progress::watching::Listener;
use crate::cli::progress::watching::Subject;
use crate::cli::progress::watching::log_path;
use crate::cli::rollout;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::connection::Connection;
use crate::plan::step;
use crate::plan::step::Work;

/// Prints what the hooks of one rollout printed; of an application, of its last rollout.
pub(super) async fn run(
    target: &str,
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> Result<Exit, Failure> {
    let client = connection.client.clone();
    let found = rollout::find(&client, &connection.namespace, target, None).await?;
    let rollout = found.rollout;
    let (sender, heard) = mpsc::channel(256);
    let line = Line::new(client.clone(), context);
    let metadata = &rollout.metadata;
    let subject = Subject::Rollout(metadata.name.clone());
    let listener = Listener::new(line, &metadata.namespace, subject, sender);
    let operations = listener.all_operations().await?;
    args.expect_gears(&operations)?;
    if args.follow && !outcome::is_over(&rollout) {
        return following::run(args, context, &listener, heard, operations).await;
    }
    let outputs = outputs(args, operations, context.clock.now());
    if outputs.is_empty() {
        return Err(args.nothing(&rollout));
    }
    print(args, context, &client, &metadata.namespace, &outputs).await
}

/// Prints what the hooks of a gear printed last: in a rollout, or when it caught up.
pub(super) async fn run_gear(
    name: &str,
    args: &Args,
    context: &Context,
    connection: &Connection,
) -> Result<Exit, Failure> {
    let (client, namespace) = (&connection.client, &connection.namespace);
    let _: Gear = client.get(&Key::new(namespace.clone(), name)).await?;
    let options = ListOptions::labelled(format!("{LABEL_GEAR}={name}"));
    let operations: Vec<Operation> = client.list(namespace, &options).await?.items;
    let last = operations.into_iter().max_by_key(|one| {
        (
            !one.status.phase.is_final(),
            one.metadata.creation_timestamp,
            one.metadata.name.clone(),
        )
    });
    let Some(last) = last else {
        return Err(Failure::not_found(format!(
            "no hook ran yet on gear {name:?}"
        )));
    };
    if let Some(rollout) = last.metadata.labels.get(LABEL_ROLLOUT) {
        let args = Args {
            gear: vec![name.to_owned()],
            ..args.clone()
        };
        return run(&format!("rollout/{rollout}"), &args, context, connection).await;
    }
    if args.follow && !last.status.phase.is_final() {
        let hook = args.hook.as_deref().unwrap_or_default();
        let path = log_path(namespace, &last.metadata.name, hook, true);
        copy(args, context, client, &path, None).await?;
        return Ok(Exit::Done);
    }
    let operation = last.metadata.name.clone();
    let outputs = outputs(args, vec![last], context.clock.now());
    if outputs.is_empty() {
        return Err(Failure::not_found(format!(
            "no hook ran in operation {operation:?}"
        )));
    }
    print(args, context, client, namespace, &outputs).await
}

/// The output of one step of one gear.
struct Output {
    operation: String,
    gear: String,
    node: String,
    step: String,
}

impl Args {
    fn wants(&self, operation: &Operation) -> bool {
        let spec = &operation.spec;
        let mut gears = self.gear.iter();
        self.gear.is_empty() || gears.any(|gear| *gear == spec.gear || *gear == spec.node)
    }

    fn wants_step(&self, name: &str) -> bool {
        self.hook.as_ref().is_none_or(|hook| hook == name)
    }

    /// Every gear that was named must be in the rollout.
    fn expect_gears(&self, operations: &[Operation]) -> Result<(), Failure> {
        let is_in = |gear: &String| {
            let mut all = operations.iter();
            all.any(|one| *gear == one.spec.gear || *gear == one.spec.node)
        };
        let missing = self.gear.iter().find(|gear| !is_in(gear));
        let Some(gear) = missing.filter(|_| !operations.is_empty()) else {
            return Ok(());
        };
        let gears: BTreeSet<&str> = operations
            .iter()
            .map(|one| one.spec.gear.as_str())
            .collect();
        let gears: Vec<&str> = gears.into_iter().collect();
        Err(
            Failure::not_found(format!("the rollout has no gear {gear:?}"))
                .hint(format!("Gears: {}", gears.join(", "))),
        )
    }

    /// Whether a step is young enough: one that runs always is.
    fn is_recent(&self, step: &StepStatus, now: Timestamp) -> bool {
        let Some(ended) = step.finished_at else {
            return true;
        };
        let young = self.since.is_none_or(|since| now.since(ended) <= since.0);
        young && self.since_time.is_none_or(|moment| ended >= moment)
    }

    /// How many lines of each hook are wanted.
    fn last(&self) -> Option<usize> {
        self.tail.and_then(|lines| usize::try_from(lines).ok())
    }

    fn nothing(&self, rollout: &Rollout) -> Failure {
        let name = &rollout.metadata.name;
        Failure::not_found(match &self.hook {
            Some(hook) => format!("{hook} did not run in rollout {name:?}"),
            None => format!("no hook ran in rollout {name:?}"),
        })
    }
}

/// The steps that ran scripts, in the order in which they ran.
fn outputs(args: &Args, mut operations: Vec<Operation>, now: Timestamp) -> Vec<Output> {
    operations.retain(|operation| args.wants(operation));
    operations.sort_by_key(|one| (one.metadata.creation_timestamp, one.metadata.name.clone()));
    let mut outputs = Vec::new();
    for operation in &operations {
        for status in &operation.status.steps {
            let ran = matches!(
                status.phase,
                StepPhase::Running | StepPhase::Done | StepPhase::Failed
            );
            let wanted = args.wants_step(&status.name) && args.is_recent(status, now);
            if ran && wanted && is_hook(&status.name) {
                outputs.push(Output {
                    operation: operation.metadata.name.clone(),
                    gear: operation.spec.gear.clone(),
                    node: operation.spec.node.clone(),
                    step: status.name.clone(),
                });
            }
        }
    }
    outputs
}

fn is_hook(name: &str) -> bool {
    step::named(name).is_some_and(|kind| matches!(kind.work, Work::Hook(_)))
}

/// Prints outputs that are there, one after the other.
async fn print(
    args: &Args,
    context: &Context,
    client: &Client,
    namespace: &str,
    outputs: &[Output],
) -> Result<Exit, Failure> {
    let look = Look::of(Some("never"), &context.environment, false);
    let several = outputs.iter().any(|one| one.gear != outputs[0].gear);
    let mut away = BTreeSet::new();
    let mut failures = Vec::new();
    for output in outputs {
        if away.contains(&output.node) {
            continue;
        }
        let prefix = match (several, outputs.len()) {
            (false, 1) => None,
            (several, _) => Some(prefix(
                several.then_some(output.node.as_str()),
                &output.step,
                look,
            )),
        };
        let path = log_path(namespace, &output.operation, &output.step, false);
        match copy(args, context, client, &path, prefix.as_deref()).await {
            Err(failure) if several && is_away(&failure) => {
                away.insert(output.node.clone());
                let bar = look.glyph(Glyph::Bar);
                context.say(format_args!(
                    "{} {bar} is away: what its hooks printed cannot be read now\n",
                    output.node
                ))?;
            }
            Err(failure) => failures.push(failure),
            Ok(()) => {}
        }
    }
    Failure::all(failures)?;
    if away.is_empty() {
        return Ok(Exit::Done);
    }
    let nodes: BTreeSet<&str> = outputs.iter().map(|one| one.node.as_str()).collect();
    let kind = if away.len() == nodes.len() {
        Kind::Unreachable
    } else {
        Kind::Partly
    };
    let message = format!("{} of {} hosts are away", away.len(), nodes.len());
    Err(Failure::new(kind, message))
}

/// Whether a log cannot be read because its node is not connected.
fn is_away(failure: &Failure) -> bool {
    matches!(&failure.kind, Kind::Refused(status) if status.code == 503)
}

/// Copies one output to stdout: as it is, or line by line behind a prefix; with `--tail` its last lines.
async fn copy(
    args: &Args,
    context: &Context,
    client: &Client,
    path: &str,
    prefix: Option<&str>,
) -> Result<(), Failure> {
    let mut body = client.open(path).await?;
    let mut lines = Lines::default();
    let mut kept = VecDeque::new();
    let last = args.last();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        match (prefix, last) {
            (None, None) => context.streams.out_bytes(&chunk)?,
            (Some(prefix), None) => say(context, prefix, &lines.push(&chunk))?,
            (_, Some(last)) => keep(&mut kept, lines.push(&chunk), last),
        }
    }
    let rest: Vec<String> = lines.finish().into_iter().collect();
    let prefix = prefix.unwrap_or_default();
    match last {
        None => say(context, prefix, &rest),
        Some(last) => {
            keep(&mut kept, rest, last);
            say(context, prefix, kept.make_contiguous())
        }
    }
}

fn keep(kept: &mut VecDeque<String>, lines: Vec<String>, last: usize) {
    kept.extend(lines);
    while kept.len() > last {
        kept.pop_front();
    }
}

fn say(context: &Context, prefix: &str, lines: &[String]) -> Result<(), Failure> {
    if !lines.is_empty() {
        let mut text = String::new();
        for line in lines {
            text.push_str(prefix);
            text.push_str(line);
            text.push('\n');
        }
        context.out(format_args!("{text}"))?;
    }
    Ok(())
}

fn prefix(node: Option<&str>, step: &str, look: Look) -> String {
    let bar = look.glyph(Glyph::Bar);
    match node {
        Some(node) => format!("{node} {bar} {step} {bar} "),
        None => format!("{step} {bar} "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::duration::Span;

    fn operation(gear: &str, steps: &serde_json::Value) -> Operation {
        let object = json!({
            "metadata": {"name": format!("o-{gear}")},
            "spec": {"gear": format!("shop-{gear}"), "node": gear},
            "status": {"phase": "Running", "steps": steps},
        });
        serde_json::from_value(object).unwrap()
    }

    fn story() -> Vec<Operation> {
        let steps = json!([
            {"name": "DownloadBundle", "phase": "Done"},
            {"name": "ApplicationStop", "phase": "Done", "finishedAt": "2026-11-20T10:00:00Z"},
            {"name": "BeforeInstall", "phase": "Skipped"},
            {"name": "AfterInstall", "phase": "Done", "finishedAt": "2026-11-20T10:09:30Z"},
            {"name": "ApplicationStart", "phase": "Running"},
            {"name": "ValidateService", "phase": "Waiting"},
        ]);
        ["a", "b", "c"].map(|gear| operation(gear, &steps)).into()
    }

    fn names(args: &Args) -> Vec<String> {
        let now: Timestamp = "2026-11-20T10:10:00Z".parse().unwrap();
        let outputs = outputs(args, story(), now);
        let names = outputs
            .iter()
            .map(|one| format!("{} {}", one.node, one.step));
        names.collect()
    }

    #[test]
    fn gears_hooks_and_times_choose_what_is_printed() {
        let args = Args {
            gear: vec!["a".to_owned(), "shop-c".to_owned()],
            hook: Some("ApplicationStop".to_owned()),
            ..Args::default()
        };
        assert_eq!(names(&args), ["a ApplicationStop", "c ApplicationStop"]);
        let args = Args {
            gear: vec!["b".to_owned()],
            since: Some(Span::seconds(60)),
            ..Args::default()
        };
        assert_eq!(names(&args), ["b AfterInstall", "b ApplicationStart"]);
        let args = Args {
            gear: vec!["b".to_owned()],
            since_time: Some("2026-11-20T10:09:31Z".parse().unwrap()),
            ..Args::default()
        };
        assert_eq!(names(&args), ["b ApplicationStart"]);
        assert_eq!(names(&Args::default()).len(), 9);
    }

    #[test]
    fn a_gear_that_is_not_there_is_said_with_those_that_are() {
        let args = Args {
            gear: vec!["a".to_owned(), "z".to_owned()],
            ..Args::default()
        };
        let failure = args.expect_gears(&story()).unwrap_err();
        assert_eq!(failure.message, "the rollout has no gear \"z\"");
        assert_eq!(failure.hints, ["Gears: shop-a, shop-b, shop-c"]);
        assert!(args.expect_gears(&[]).is_ok());
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut kept = VecDeque::new();
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect();
        keep(&mut kept, lines("a b c"), 2);
        keep(&mut kept, lines("d"), 2);
        assert_eq!(kept, ["c", "d"]);
        keep(&mut kept, Vec::new(), 0);
        assert!(kept.is_empty());
    }
}
