//! Changes of objects and lines of output become events: the one place that decides what happened.
//!
//! Pure: the time comes with each change. The same changes give the same events in every mode. A change costs what it
//! touches, not what there is: of one gear's news only that gear is looked at.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::upshift::GearCounts;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Moment;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::outcome;
use crate::cli::progress::settle::is_end;
use crate::cli::progress::settle::tidy;
use crate::cli::progress::state;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::KEPT_LINES;
use crate::cli::progress::state::Log;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Step;
use crate::cli::progress::state::Story;
use crate::cli::progress::state::Wanted;
use crate::plan::step;
use crate::plan::step::Output;
use crate::plan::step::Work;

/// Silence before the first word about what is awaited.
pub const FIRST_BEAT: Duration = Duration::from_secs(10);
/// Longest silence between two such words (R8).
const LONGEST_BEAT: Duration = Duration::from_secs(30);

/// Of how many steps of many gears a screen follows the output.
const SAMPLED: usize = 16;

/// How long the output of a step that ended may be silent before it is taken to be over.
const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// Something that was heard.
#[derive(Clone, Debug)]
pub enum Change {
    Rollout(Box<Rollout>),
    /// The rollout was deleted.
    Gone,
    Operation(Box<Operation>),
    Line {
        operation: String,
        step: String,
        text: String,
    },
    /// No more output comes of this step.
    LogEnded {
        operation: String,
        step: String,
    },
    /// Gears that the rollout passed over because their nodes are silent.
    PassedOver(Vec<Place>),
    /// The rollout is over and every operation of it has been heard.
    Complete,
    Lost {
        why: String,
    },
    Restored,
    /// Time passed.
    Tick,
}

impl State {
    /// Folds a change in and says what happened.
    pub fn apply(&mut self, change: Change, now: Moment) -> Vec<Event> {
        let mut happened = Vec::new();
        let is_tick = matches!(change, Change::Tick);
        let touched = self.take_in(change, now, &mut happened);
        for gear in &touched {
            self.ask_for_logs(gear);
        }
        self.rollout_phase(&mut happened);
        self.rollout_note(now, &mut happened);
        for gear in &touched {
            self.settle(gear, now, &mut happened);
        }
        self.settle_once(now, &mut happened);
        self.rollout_end(&mut happened);
        let total = self.total();
        if happened.iter().any(|what| what.is_told(total)) {
            self.last_event = now.at;
            self.next_beat = FIRST_BEAT;
        } else if is_tick {
            // Only then: told again one by one, the same changes have their heartbeats between the same events.
            happened.extend(self.heartbeat(now));
        }
        self.number(happened, now)
    }

    /// Writes a change down, and says which gears it is about.
    fn take_in(&mut self, change: Change, now: Moment, happened: &mut Vec<What>) -> Vec<String> {
        match change {
            Change::Rollout(rollout) => return self.take_rollout(*rollout),
            Change::Operation(operation) => return vec![self.operation(*operation)],
            Change::Line {
                operation,
                step,
                text,
            } => return self.line(&operation, &step, text, now),
            Change::LogEnded { operation, step } => return self.log_ended(operation, step),
            Change::Tick => return self.give_up_logs(now),
            Change::PassedOver(places) => return self.passed_over(places),
            Change::Gone => self.gone = true,
            Change::Complete => self.complete = self.is_over(),
            Change::Lost { why } => happened.extend(self.lost(why, now)),
            Change::Restored => happened.extend(self.restored(now)),
        }
        Vec::new()
    }

    /// The steps whose output is to be fetched, each named once.
    pub fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    fn number(&mut self, happened: Vec<What>, now: Moment) -> Vec<Event> {
        let left = self.left(now.at);
        happened
            .into_iter()
            .map(|what| {
                self.sequence += 1;
                let tells = matches!(
                    what,
                    What::Rollout { .. } | What::Gear { .. } | What::Waiting { .. }
                );
                Event {
                    left: left.filter(|_| tells),
                    sequence: self.sequence,
                    moment: now,
                    rollout: self.rollout.metadata.name.clone(),
                    what,
                }
            })
            .collect()
    }

    /// All gears are looked at again when what their runs mean may have changed.
    fn take_rollout(&mut self, mut rollout: Rollout) -> Vec<String> {
        let status = &mut rollout.status;
        tidy(&mut status.message);
        status
            .steps
            .iter_mut()
            .for_each(|step| tidy(&mut step.message));
        let before = std::mem::replace(&mut self.rollout, rollout);
        let rollout = &self.rollout;
        for status in &rollout.status.steps {
            let known = self.once.iter().position(|step| step.name == status.name);
            let place = known.unwrap_or_else(|| {
                self.once.push(Step {
                    name: status.name.clone(),
                    log: Log::Ended,
                    ..Step::default()
                });
                self.once.len() - 1
            });
            self.once[place].status = status.clone();
        }
        let silent = silent_nodes(&rollout.status.message);
        let is_same = before.told_attempt() == rollout.told_attempt()
            && before.spec.desired == rollout.spec.desired
            && before.spec.action == rollout.spec.action
            && self.silent == silent;
        self.silent = silent;
        if is_same {
            return Vec::new();
        }
        for gear in self.gears.values_mut() {
            gear.outdate(&self.rollout);
        }
        self.gears.keys().cloned().collect()
    }

    fn operation(&mut self, operation: Operation) -> String {
        let attempt = attempt_of(&operation, &self.rollout);
        let name = operation.spec.gear.clone();
        let gear = self.gears.entry(name.clone()).or_insert_with(|| Gear {
            place: Place {
                gear: name.clone(),
                node: operation.spec.node.clone(),
            },
            runs: Vec::new(),
            counted: None,
            told: None,
        });
        let known = &operation.metadata.name;
        if let Some(run) = gear
            .runs
            .iter_mut()
            .find(|run| run.operation.metadata.name == *known)
        {
            run.update(operation);
            return name;
        }
        self.operations.insert(known.clone(), name.clone());
        let mut run = Run {
            attempt,
            shown: OperationPhase::Pending,
            steps: Vec::new(),
            is_stale: false,
            began: None,
            ended: None,
            operation: Operation::default(),
        };
        run.update(operation);
        if !run.is_current(&self.rollout) {
            run.hush();
        }
        gear.runs.push(run);
        gear.runs
            .sort_by_key(|run| (run.attempt, run.is_return(&self.rollout)));
        gear.outdate(&self.rollout);
        name
    }

    /// Gears without a run of their own; those that have one are known already.
    fn passed_over(&mut self, places: Vec<Place>) -> Vec<String> {
        let mut touched = Vec::new();
        for place in places {
            let gear = place.gear.clone();
            self.gears.entry(gear.clone()).or_insert_with(|| Gear {
                place,
                runs: Vec::new(),
                counted: None,
                told: None,
            });
            touched.push(gear);
        }
        touched
    }

    fn step(&mut self, operation: &str, step: &str) -> Option<(&str, &mut Step)> {
        let name = self.operations.get(operation)?;
        let gear = self.gears.get_mut(name)?;
        let mut runs = gear.runs.iter_mut();
        let run = runs.find(|run| run.operation.metadata.name == operation)?;
        let found = run.steps.iter_mut().find(|one| one.name == step)?;
        Some((name, found))
    }

    /// Keeps a line; `settle` tells it when the steps before have said everything.
    fn line(&mut self, operation: &str, step: &str, text: String, now: Moment) -> Vec<String> {
        let is_told = self.logs == Logs::Everything || !self.is_many();
        let Some((gear, found)) = self.step(operation, step) else {
            return Vec::new();
        };
        found.heard = Some(now.at);
        if found.tail.len() == KEPT_LINES {
            found.tail.pop_front();
        }
        found.tail.push_back(text.clone());
        if is_told {
            found.untold.push(text);
        }
        vec![gear.to_owned()]
    }

    fn log_ended(&mut self, operation: String, step: String) -> Vec<String> {
        let found = self.step(&operation, &step).map(|(gear, step)| {
            step.log = Log::Ended;
            gear.to_owned()
        });
        self.open.remove(&Wanted { operation, step });
        found.into_iter().collect()
    }

    fn lost(&mut self, mut why: String, now: Moment) -> Option<What> {
        tidy(&mut why);
        if let Some((_, known)) = &mut self.lost {
            *known = why;
            return None;
        }
        self.lost = Some((now.at, why.clone()));
        Some(What::Lost { why })
    }

    fn restored(&mut self, now: Moment) -> Option<What> {
        let (since, _) = self.lost.take()?;
        Some(What::Restored {
            after: now.at.saturating_sub(since),
        })
    }

    /// A hook's output is wanted once it ran; of a step without scripts there is none.
    fn ask_for_logs(&mut self, gear: &str) {
        let is_many = self.is_many();
        let Some(gear) = self.gears.get_mut(gear) else {
            return;
        };
        for run in &mut gear.runs {
            for step in run
                .steps
                .iter_mut()
                .filter(|step| step.log == Log::NotAsked)
            {
                if wants_log(step, self.logs, is_many, self.open.len()) {
                    step.log = Log::Open;
                    let wanted = Wanted {
                        operation: run.operation.metadata.name.clone(),
                        step: step.name.clone(),
                    };
                    self.open.insert(wanted.clone());
                    self.wanted.push(wanted);
                }
            }
        }
    }

    /// A step that ended does not wait for ever for output that does not come.
    fn give_up_logs(&mut self, now: Moment) -> Vec<String> {
        if self.lost.is_some() || self.open.is_empty() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        for wanted in self.open.clone() {
            let Some((gear, step)) = self.step(&wanted.operation, &wanted.step) else {
                self.open.remove(&wanted);
                continue;
            };
            if !is_end(step.status.phase) {
                continue;
            }
            let ended = *step.ended.get_or_insert(now.at);
            let heard = step.heard.map_or(ended, |heard| heard.max(ended));
            if now.at.saturating_sub(heard) >= LOG_PATIENCE {
                step.log = Log::Ended;
                touched.push(gear.to_owned());
                self.open.remove(&wanted);
            }
        }
        touched
    }

    fn rollout_phase(&mut self, happened: &mut Vec<What>) {
        let status = &self.rollout.status;
        let entered = Some((status.phase, status.attempt));
        if !self.is_over() && self.shown != entered {
            self.shown = entered;
            happened.push(self.rollout_event());
        }
    }

    fn rollout_end(&mut self, happened: &mut Vec<What>) {
        let status = &self.rollout.status;
        let entered = Some((status.phase, status.attempt));
        if self.is_finished() && outcome::is_over(&self.rollout) && self.shown != entered {
            self.shown = entered;
            happened.push(self.rollout_event());
        }
    }

    fn rollout_event(&self) -> What {
        let status = &self.rollout.status;
        What::Rollout {
            phase: status.phase,
            about: Box::new(self.about()),
            reason: status.reason.clone(),
            message: status.message.clone(),
            gears: self.counts(),
        }
    }

    fn counts(&self) -> GearCounts {
        GearCounts {
            total: self.total(),
            ..self.rollout.status.gears.clone()
        }
    }

    /// What the rollout says while it goes on, when that is not what it said before.
    fn rollout_note(&mut self, now: Moment, happened: &mut Vec<What>) {
        let status = &self.rollout.status;
        if self.is_over() || self.story != Story::Rollout || status.message == self.note.1 {
            return;
        }
        let is_news = state::uncounted(&status.message) != state::uncounted(&self.note.1);
        let message = status.message.clone();
        // A phase that is entered says its message itself, but for those that usually have none.
        let is_said = happened.iter().any(|what| {
            let quiet = matches!(status.phase, RolloutPhase::Pending | RolloutPhase::Running);
            matches!(what, What::Rollout { .. }) && !quiet
        });
        if is_news && !is_said && !message.is_empty() {
            happened.push(What::Note {
                reason: status.reason.clone(),
                message: message.clone(),
                gears: self.counts(),
            });
        }
        self.note = (now.at, message);
    }

    fn settle(&mut self, gear: &str, now: Moment, happened: &mut Vec<What>) {
        let total = self.total();
        let ended = self.all_ended();
        let is_few = self.logs == Logs::Everything || !self.is_many();
        let is_rollout = self.story == Story::Rollout;
        let rollout = &self.rollout;
        let Some(found) = self.gears.get_mut(gear) else {
            return;
        };
        let place = &found.place;
        for run in &mut found.runs {
            let back = run.is_return(rollout);
            // A gear pauses between steps: after the end of the one before.
            let is_paused = run.operation.status.phase == OperationPhase::Paused;
            if !is_paused {
                run.settle_start(place, back, (ended, total), now, happened);
            }
            let settled = run.settle_steps(place, is_few, now, happened);
            if settled && is_paused {
                run.settle_start(place, back, (ended, total), now, happened);
            }
            if settled && run.settle_end(place, back, (ended + 1, total), now, happened) {
                self.last_end = now.at;
            }
        }
        if is_rollout {
            found.progress(now, happened);
        }
        let entry = found.entry(rollout, &self.silent, now.at);
        let label = found.place.label();
        self.tally
            .shift(gear, label, found.counted.as_ref(), &entry);
        found.counted = Some(entry);
    }

    /// What happens once, in order, beside the gears.
    fn settle_once(&mut self, now: Moment, happened: &mut Vec<What>) {
        let place = Place::whole(&self.rollout.metadata.name);
        for step in &mut self.once {
            let phase = step.status.phase;
            if phase != step.shown {
                step.enter(phase, now);
                if phase != StepPhase::Waiting {
                    happened.push(step.event(&place));
                }
            }
        }
    }

    fn heartbeat(&mut self, now: Moment) -> Option<What> {
        let silent = now.at.saturating_sub(self.last_event);
        if silent < self.next_beat || self.is_over() {
            return None;
        }
        let pause = (self.next_beat / 2).clamp(FIRST_BEAT, LONGEST_BEAT);
        self.next_beat = silent + pause;
        Some(What::Waiting {
            silent,
            done: self.all_ended(),
            total: self.total(),
            causes: self.causes(now.at),
        })
    }
}

fn wants_log(step: &Step, logs: Logs, is_many: bool, open: usize) -> bool {
    let is_followed = match step::named(&step.name).map(|kind| kind.work) {
        Some(Work::Hook(_) | Work::Watched(Output::Followed)) => true,
        Some(Work::Watched(Output::OfFailure)) => false,
        _ => return false,
    };
    let always = is_followed
        && match logs {
            Logs::Everything => true,
            Logs::All | Logs::LastLines => !is_many,
            Logs::OfFailures => false,
        };
    let is_sample = is_followed && logs == Logs::LastLines && open < SAMPLED;
    match step.status.phase {
        StepPhase::Failed => true,
        StepPhase::Running => always || is_sample,
        StepPhase::Done => always,
        StepPhase::Waiting | StepPhase::Skipped => false,
    }
}

/// The nodes that a rollout says it waits for.
fn silent_nodes(message: &str) -> BTreeSet<String> {
    message
        .strip_prefix("waits for silent nodes: ")
        .map(|names| names.split(", ").map(str::to_owned).collect())
        .unwrap_or_default()
}

/// The attempt that an operation's name carries: `ROLLOUT-GEAR-ATTEMPT…`; 0 when it carries none.
fn attempt_of(operation: &Operation, rollout: &Rollout) -> u32 {
    let prefix = format!("{}-{}-", rollout.metadata.name, operation.spec.gear);
    let rest = operation.metadata.name.strip_prefix(&prefix).unwrap_or("");
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().unwrap_or(0)
}
