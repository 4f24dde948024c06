//! What the hooks of a rollout printed.
//!
//! One hook of one gear comes as the bytes that it wrote. Several are told apart by a prefix on whole lines, which are
//! then made safe to show. Nothing is known here of pods.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use tokio::sync::mpsc;

use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::base::scope::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::logs::Args;
use crate::cli::progress::fold::Change;
use crate::cli::progress::interrupt::Interrupts;
use crate::cli::progress::lines::Lines;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::outcome;
use crate::cli::progress::state::Wanted;
use crate::cli::progress::watching::Heard;
use crate::cli::progress::watching::Line;
use crate::cli::progress::watching::Listener;
use crate::cli::progress::watching::Subject;
use crate::cli::progress::watching::log_path;
use crate::cli::rollout;
use crate::client::Client;
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
    args.expect_gear(&operations)?;
    if args.follow && !outcome::is_over(&rollout) {
        return follow(args, context, &listener, heard).await;
    }
    let outputs = outputs(args, operations);
    if outputs.is_empty() {
        return Err(args.nothing(&rollout));
    }
    print(context, &client, &metadata.namespace, &outputs).await
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
        self.gear
            .as_ref()
            .is_none_or(|gear| *gear == spec.gear || *gear == spec.node)
    }

    fn wants_step(&self, name: &str) -> bool {
        self.hook.as_ref().is_none_or(|hook| hook == name)
    }

    fn expect_gear(&self, operations: &[Operation]) -> Result<(), Failure> {
        let Some(gear) = &self.gear else {
            return Ok(());
        };
        if operations.is_empty() || operations.iter().any(|operation| self.wants(operation)) {
            return Ok(());
        }
        let mut gears: Vec<&str> = operations
            .iter()
            .map(|one| one.spec.gear.as_str())
            .collect();
        gears.sort_unstable();
        gears.dedup();
        Err(
            Failure::not_found(format!("the rollout has no gear {gear:?}"))
                .hint(format!("Gears: {}", gears.join(", "))),
        )
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
fn outputs(args: &Args, mut operations: Vec<Operation>) -> Vec<Output> {
    operations.retain(|operation| args.wants(operation));
    operations.sort_by_key(|one| (one.metadata.creation_timestamp, one.metadata.name.clone()));
    let mut outputs = Vec::new();
    for operation in &operations {
        for status in &operation.status.steps {
            let ran = matches!(
                status.phase,
                StepPhase::Running | StepPhase::Done | StepPhase::Failed
            );
            if ran && is_hook(&status.name) && args.wants_step(&status.name) {
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
    context: &Context,
    client: &Client,
    namespace: &str,
    outputs: &[Output],
) -> Result<Exit, Failure> {
    let look = Look::of(Some("never"), &context.environment, false);
    let several = outputs.iter().any(|one| one.gear != outputs[0].gear);
    let mut failures = Vec::new();
    for output in outputs {
        let prefix = match (several, outputs.len()) {
            (false, 1) => None,
            (several, _) => Some(prefix(
                several.then_some(output.node.as_str()),
                &output.step,
                look,
            )),
        };
        let path = log_path(namespace, &output.operation, &output.step, false);
        if let Err(failure) = copy(context, client, &path, prefix.as_deref()).await {
            failures.push(failure);
        }
    }
    Failure::all(failures)?;
    Ok(Exit::Done)
}

/// Copies one output to stdout: as it is, or line by line behind a prefix.
async fn copy(
    context: &Context,
    client: &Client,
    path: &str,
    prefix: Option<&str>,
) -> Result<(), Failure> {
    let mut body = client.open(path).await?;
    let mut lines = Lines::default();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        match prefix {
            None => context.streams.out_bytes(&chunk)?,
            Some(prefix) => say(context, prefix, &lines.push(&chunk))?,
        }
    }
    if let Some(prefix) = prefix {
        let last: Vec<String> = lines.finish().into_iter().collect();
        say(context, prefix, &last)?;
    }
    Ok(())
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

/// Prints lines as they come until the rollout is over and every output is at its end.
async fn follow(
    args: &Args,
    context: &Context,
    listener: &Listener,
    mut heard: mpsc::Receiver<Heard>,
) -> Result<Exit, Failure> {
    let scope = Scope::new();
    let mut interrupts = Interrupts::listen()?;
    listener.start(&scope);
    let mut reading = Reading {
        args,
        look: Look::of(Some("never"), &context.environment, false),
        nodes: BTreeMap::new(),
        asked: BTreeSet::new(),
        open: BTreeSet::new(),
        is_over: false,
    };
    let exit = loop {
        tokio::select! {
            exit = interrupts.next() => break exit,
            next = heard.recv() => match next {
                None => break Exit::Done,
                Some(Heard::Refused(error)) => return Err(error.into()),
                Some(Heard::Change(change)) => {
                    for wanted in reading.apply(change, context)? {
                        listener.read_output(&scope, wanted);
                    }
                }
            }
        }
        if reading.is_over && reading.open.is_empty() {
            // The operations are watched apart from the rollout: once more, all of them.
            let operations = listener.all_operations().await?;
            let mut more = Vec::new();
            for operation in operations {
                more.extend(reading.apply(Change::Operation(Box::new(operation)), context)?);
            }
            if more.is_empty() {
                break Exit::Done;
            }
            for wanted in more {
                listener.read_output(&scope, wanted);
            }
        }
    };
    scope.cancel();
    Ok(exit)
}

/// What `logs -f` knows.
struct Reading<'a> {
    args: &'a Args,
    look: Look,
    /// The node of each operation.
    nodes: BTreeMap<String, String>,
    /// Outputs that were asked for, and those of them that have not ended.
    asked: BTreeSet<Wanted>,
    open: BTreeSet<Wanted>,
    is_over: bool,
}

impl Reading<'_> {
    fn apply(&mut self, change: Change, context: &Context) -> Result<Vec<Wanted>, Failure> {
        match change {
            Change::Rollout(rollout) => self.is_over = outcome::is_over(&rollout),
            Change::Gone => self.is_over = true,
            Change::Operation(operation) => return Ok(self.operation(*operation)),
            Change::Line {
                operation,
                step,
                text,
            } => {
                let node = self.nodes.get(&operation).map(String::as_str);
                say(context, &prefix(node, &step, self.look), &[text])?;
            }
            Change::LogEnded { operation, step } => {
                self.open.remove(&Wanted { operation, step });
            }
            Change::Lost { why } => {
                context.say(format_args!(
                    "no answer from the server ({why}), trying again\n"
                ))?;
            }
            Change::Complete | Change::Restored | Change::PassedOver(_) | Change::Tick => {}
        }
        Ok(Vec::new())
    }

    fn operation(&mut self, operation: Operation) -> Vec<Wanted> {
        if !self.args.wants(&operation) || operation.status.phase == OperationPhase::Pending {
            return Vec::new();
        }
        let name = operation.metadata.name.clone();
        self.nodes.insert(name, operation.spec.node.clone());
        let mut fresh = Vec::new();
        for output in outputs(self.args, vec![operation]) {
            let wanted = Wanted {
                operation: output.operation,
                step: output.step,
            };
            if self.asked.insert(wanted.clone()) {
                self.open.insert(wanted.clone());
                fresh.push(wanted);
            }
        }
        fresh
    }
}
