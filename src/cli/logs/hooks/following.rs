//! `logs -f`: what hooks print, as it comes, from every host of a rollout that is under way.
//!
//! Whole lines, and several of one host together: whoever speaks keeps the word for a moment, and nobody waits long. What
//! has ended before is printed first. A host that is away is said once, and again when it is back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::api::core::Node;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::base::scope::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::failure::Kind;
use crate::cli::logs::Args;
use crate::cli::logs::hooks::outputs;
use crate::cli::logs::hooks::prefix;
use crate::cli::logs::hooks::say;
use crate::cli::progress::fold::Change;
use crate::cli::progress::interrupt::Interrupts;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::mux::Mux;
use crate::cli::progress::outcome;
use crate::cli::progress::state::Wanted;
use crate::cli::progress::watching::Heard;
use crate::cli::progress::watching::Listener;
use crate::cli::progress::watching::Shown;
use crate::client::ListOptions;

/// How often whoever waits for the word is looked after.
const TURN: Duration = Duration::from_millis(100);
/// How often hosts that are away are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// How long outputs of hosts that are away are waited for once the rollout is over.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints lines as they come until the rollout is over and every output is at its end.
pub(super) async fn run(
    args: &Args,
    context: &Context,
    listener: &Listener,
    mut heard: mpsc::Receiver<Heard>,
    operations: Vec<Operation>,
) -> Result<Exit, Failure> {
    let scope = Scope::new();
    let mut interrupts = Interrupts::listen()?;
    let mut reading = Reading {
        args,
        context,
        look: Look::of(Some("never"), &context.environment, false),
        began: Instant::now(),
        mux: Mux::default(),
        nodes: BTreeMap::new(),
        asked: BTreeSet::new(),
        open: BTreeSet::new(),
        away: BTreeSet::new(),
        left: BTreeMap::new(),
        over: None,
    };
    // What is known is asked for in its order; what comes later as it comes.
    for wanted in reading.operations(operations) {
        listener.read_output(&scope, wanted);
    }
    listener.start(Shown::Course, &scope);
    let mut turns = tokio::time::interval(TURN);
    let mut looks = tokio::time::interval(LOOK);
    let exit = loop {
        tokio::select! {
            exit = interrupts.next() => break exit,
            _ = turns.tick() => reading.pass()?,
            _ = looks.tick() => reading.look_for_nodes(listener).await?,
            next = heard.recv() => match next {
                None => break Exit::Done,
                Some(Heard::Refused(error)) => return Err(error.into()),
                Some(Heard::Change(change)) => {
                    for wanted in reading.apply(change)? {
                        listener.read_output(&scope, wanted);
                    }
                }
            }
        }
        if reading.is_through() {
            // The operations are watched apart from the rollout: once more, all of them.
            let more = reading.operations(listener.all_operations().await?);
            if more.is_empty() {
                break Exit::Done;
            }
            for wanted in more {
                listener.read_output(&scope, wanted);
            }
        }
        if reading.waits_in_vain() {
            break Exit::Partly;
        }
    };
    scope.cancel();
    reading.finish()?;
    if exit == Exit::Partly {
        let away = reading.away.len();
        let message = format!("{away} hosts are away: what their hooks printed last is missing");
        return Err(Failure::new(Kind::Partly, message));
    }
    Ok(exit)
}

/// What `logs -f` knows.
struct Reading<'a> {
    args: &'a Args,
    context: &'a Context,
    look: Look,
    began: Instant,
    mux: Mux,
    /// The node of each operation.
    nodes: BTreeMap<String, String>,
    /// Outputs that were asked for, and those of them that have not ended.
    asked: BTreeSet<Wanted>,
    open: BTreeSet<Wanted>,
    /// Nodes that are said to be away.
    away: BTreeSet<String>,
    /// With `--tail`: the lines of outputs that had ended before, until all of them are here.
    left: BTreeMap<Wanted, Vec<String>>,
    /// Since when the rollout is over.
    over: Option<Instant>,
}

impl Reading<'_> {
    fn apply(&mut self, change: Change) -> Result<Vec<Wanted>, Failure> {
        match change {
            Change::Rollout(rollout) => {
                let is_over = outcome::is_over(&rollout);
                self.over = is_over.then(|| self.over.unwrap_or_else(Instant::now));
            }
            Change::Gone => self.over = Some(self.over.unwrap_or_else(Instant::now)),
            Change::Operation(operation) => return Ok(self.operations(vec![*operation])),
            Change::Line {
                operation,
                step,
                text,
            } => self.line(operation, step, text)?,
            Change::LogEnded { operation, step } => self.ended(operation, step)?,
            Change::Lost { why } => {
                self.context.say(format_args!(
                    "no answer from the server ({why}), trying again\n"
                ))?;
            }
            Change::Complete | Change::Restored | Change::PassedOver(_) | Change::Tick => {}
        }
        Ok(Vec::new())
    }

    fn line(&mut self, operation: String, step: String, text: String) -> Result<(), Failure> {
        let wanted = Wanted { operation, step };
        if let (Some(lines), Some(last)) = (self.left.get_mut(&wanted), self.args.last()) {
            lines.push(text);
            if lines.len() > last {
                lines.remove(0);
            }
            return Ok(());
        }
        self.speak(&wanted, &[text])
    }

    fn ended(&mut self, operation: String, step: String) -> Result<(), Failure> {
        let wanted = Wanted { operation, step };
        if let Some(lines) = self.left.remove(&wanted) {
            self.speak(&wanted, &lines)?;
        }
        self.open.remove(&wanted);
        Ok(())
    }

    /// Lines of one output, when it is its host's turn.
    fn speak(&mut self, wanted: &Wanted, lines: &[String]) -> Result<(), Failure> {
        let node = self.nodes.get(&wanted.operation).map(String::as_str);
        let prefix = prefix(node, &wanted.step, self.look);
        let source = node.unwrap_or_default().to_owned();
        for line in lines {
            let shown = self
                .mux
                .push(&source, format!("{prefix}{line}"), self.began.elapsed());
            say(self.context, "", &shown)?;
        }
        Ok(())
    }

    fn pass(&mut self) -> Result<(), Failure> {
        let shown = self.mux.pass(self.began.elapsed());
        say(self.context, "", &shown)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let shown = self.mux.finish();
        say(self.context, "", &shown)
    }

    /// Outputs that were not asked for yet.
    fn operations(&mut self, mut operations: Vec<Operation>) -> Vec<Wanted> {
        operations
            .retain(|one| self.args.wants(one) && one.status.phase != OperationPhase::Pending);
        let mut ended = BTreeSet::new();
        for operation in &operations {
            let name = &operation.metadata.name;
            self.nodes.insert(name.clone(), operation.spec.node.clone());
            let steps = operation.status.steps.iter();
            ended.extend(
                steps
                    .filter(|step| step.finished_at.is_some())
                    .map(|step| (name.clone(), step.name.clone())),
            );
        }
        let mut fresh = Vec::new();
        let is_first = self.asked.is_empty();
        for output in outputs(self.args, operations, self.context.clock.now()) {
            let wanted = Wanted {
                operation: output.operation,
                step: output.step,
            };
            if self.asked.insert(wanted.clone()) {
                let has_ended = ended.contains(&(wanted.operation.clone(), wanted.step.clone()));
                if is_first && has_ended && self.args.last().is_some() {
                    self.left.insert(wanted.clone(), Vec::new());
                }
                self.open.insert(wanted.clone());
                fresh.push(wanted);
            }
        }
        fresh
    }

    /// Says which of the hosts are away, and which are back.
    async fn look_for_nodes(&mut self, listener: &Listener) -> Result<(), Failure> {
        let (client, options) = (listener.line.client(), ListOptions::default());
        // Nodes are not for everyone to see; that the server is away is told elsewhere.
        let Ok(nodes) = client.list::<Node>("", &options).await else {
            return Ok(());
        };
        let nodes = nodes.items;
        let silent: BTreeSet<String> = nodes
            .iter()
            .filter(|node| !node.is_ready())
            .map(|node| node.metadata.name.clone())
            .filter(|name| self.nodes.values().any(|node| node == name))
            .collect();
        let bar = self.look.glyph(Glyph::Bar);
        for node in silent.difference(&self.away) {
            self.context.say(format_args!(
                "{node} {bar} is away: what its hooks print comes when it is back\n"
            ))?;
        }
        for node in self.away.difference(&silent) {
            self.context.say(format_args!("{node} {bar} is back\n"))?;
        }
        self.away = silent;
        Ok(())
    }

    fn is_through(&self) -> bool {
        self.over.is_some() && self.open.is_empty()
    }

    /// Whether only hosts that are away have something left to say, for long enough.
    fn waits_in_vain(&self) -> bool {
        let is_away = |wanted: &Wanted| {
            let node = self.nodes.get(&wanted.operation);
            node.is_some_and(|node| self.away.contains(node))
        };
        self.over.is_some_and(|since| since.elapsed() >= PATIENCE)
            && !self.open.is_empty()
            && self.open.iter().all(is_away)
    }
}
