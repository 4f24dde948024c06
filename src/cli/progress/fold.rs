//! Changes of objects and lines of output become events: the one place that decides what happened.
//!
//! Pure: the time comes with each change. The same changes give the same events in every mode.

use std::time::Duration;

use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Moment;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::outcome;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::KEPT_LINES;
use crate::cli::progress::state::Log;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Step;
use crate::cli::progress::state::Wanted;
use crate::plan::step;
use crate::plan::step::Output;
use crate::plan::step::Work;

/// Silence before the first word about what is awaited.
pub const FIRST_BEAT: Duration = Duration::from_secs(10);
/// Longest silence between two such words (R8).
const LONGEST_BEAT: Duration = Duration::from_secs(30);

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
        match change {
            Change::Rollout(rollout) => {
                self.rollout = *rollout;
                self.outdate();
            }
            Change::Gone => self.gone = true,
            Change::Operation(operation) => self.operation(*operation),
            Change::Line {
                operation,
                step,
                text,
            } => self.line(&operation, &step, text, now),
            Change::LogEnded { operation, step } => {
                if let Some((_, step)) = self.step(&operation, &step) {
                    step.log = Log::Ended;
                }
            }
            Change::Complete => self.complete = self.is_over(),
            Change::Lost { why } => happened.extend(self.lost(why, now)),
            Change::Restored => happened.extend(self.restored(now)),
            Change::Tick => self.give_up_logs(now),
        }
        self.ask_for_logs();
        self.rollout_phase(&mut happened);
        self.settle(now, &mut happened);
        self.rollout_end(&mut happened);
        if happened.is_empty() {
            happened.extend(self.heartbeat(now));
        } else {
            self.last_event = now.at;
            self.next_beat = FIRST_BEAT;
        }
        self.number(happened, now)
    }

    /// The steps whose output is to be fetched, each named once.
    pub fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    fn number(&mut self, happened: Vec<What>, now: Moment) -> Vec<Event> {
        happened
            .into_iter()
            .map(|what| {
                self.sequence += 1;
                Event {
                    sequence: self.sequence,
                    moment: now,
                    rollout: self.rollout.metadata.name.clone(),
                    what,
                }
            })
            .collect()
    }

    fn operation(&mut self, operation: Operation) {
        let attempt = attempt_of(&operation, &self.rollout);
        let gear = self
            .gears
            .entry(operation.spec.gear.clone())
            .or_insert_with(|| Gear {
                place: Place {
                    gear: operation.spec.gear.clone(),
                    node: operation.spec.node.clone(),
                },
                runs: Vec::new(),
            });
        let name = &operation.metadata.name;
        if let Some(run) = gear
            .runs
            .iter_mut()
            .find(|run| run.operation.metadata.name == *name)
        {
            run.update(operation);
            return;
        }
        let mut run = Run {
            attempt,
            shown: OperationPhase::Pending,
            steps: Vec::new(),
            is_stale: false,
            began: None,
            operation: Operation::default(),
        };
        run.update(operation);
        if !run.is_current(&self.rollout) {
            run.hush();
        }
        gear.runs.push(run);
        gear.runs
            .sort_by_key(|run| (run.attempt, run.is_return(&self.rollout)));
        self.outdate();
    }

    /// A new attempt takes up every gear that the one before did not bring to the wanted revision.
    fn outdate(&mut self) {
        let rollout = &self.rollout;
        for run in self.gears.values_mut().flat_map(|gear| &mut gear.runs) {
            let stays = run.shown == OperationPhase::Succeeded && !run.is_return(rollout);
            run.is_stale = !run.is_current(rollout) && !stays;
        }
    }

    fn step(&mut self, operation: &str, step: &str) -> Option<(Place, &mut Step)> {
        self.gears.values_mut().find_map(|gear| {
            let place = &gear.place;
            gear.runs
                .iter_mut()
                .filter(|run| run.operation.metadata.name == operation)
                .find_map(|run| run.steps.iter_mut().find(|one| one.name == step))
                .map(|step| (place.clone(), step))
        })
    }

    /// Keeps a line; `settle` tells it when the steps before have said everything.
    fn line(&mut self, operation: &str, step: &str, text: String, now: Moment) {
        let Some((_, found)) = self.step(operation, step) else {
            return;
        };
        found.heard = Some(now.at);
        if found.tail.len() == KEPT_LINES {
            found.tail.pop_front();
        }
        found.tail.push_back(text.clone());
        found.untold.push(text);
    }

    fn lost(&mut self, why: String, now: Moment) -> Option<What> {
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
    fn ask_for_logs(&mut self) {
        for gear in self.gears.values_mut() {
            for run in &mut gear.runs {
                for step in &mut run.steps {
                    if step.log == Log::NotAsked && wants_log(step, self.logs) {
                        step.log = Log::Open;
                        self.wanted.push(Wanted {
                            operation: run.operation.metadata.name.clone(),
                            step: step.name.clone(),
                        });
                    }
                }
            }
        }
    }

    /// A step that ended does not wait for ever for output that does not come.
    fn give_up_logs(&mut self, now: Moment) {
        if self.lost.is_some() {
            return;
        }
        let steps = self
            .gears
            .values_mut()
            .flat_map(|gear| &mut gear.runs)
            .flat_map(|run| &mut run.steps);
        for step in steps.filter(|step| step.log == Log::Open && is_end(step.status.phase)) {
            let ended = *step.ended.get_or_insert(now.at);
            let heard = step.heard.map_or(ended, |heard| heard.max(ended));
            if now.at.saturating_sub(heard) >= LOG_PATIENCE {
                step.log = Log::Ended;
            }
        }
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
        let mut gears = status.gears.clone();
        gears.total = self.total();
        What::Rollout {
            phase: status.phase,
            revision: self.rollout.spec.revision.clone(),
            reason: status.reason.clone(),
            message: status.message.clone(),
            gears,
        }
    }

    fn settle(&mut self, now: Moment, happened: &mut Vec<What>) {
        let total = self.total();
        let mut ended = self.all_ended();
        let rollout = &self.rollout;
        for gear in self.gears.values_mut() {
            let place = &gear.place;
            for run in &mut gear.runs {
                let back = run.is_return(rollout);
                // A gear pauses between steps: after the end of the one before.
                let is_paused = run.operation.status.phase == OperationPhase::Paused;
                if !is_paused {
                    run.settle_start(place, back, (ended, total), now, happened);
                }
                let settled = run.settle_steps(place, now, happened);
                if settled && is_paused {
                    run.settle_start(place, back, (ended, total), now, happened);
                }
                if settled && run.settle_end(place, back, (ended + 1, total), happened) {
                    ended += 1;
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

impl Run {
    fn update(&mut self, operation: Operation) {
        if self.steps.is_empty() {
            self.steps = operation
                .spec
                .steps
                .iter()
                .map(|step| Step {
                    name: step.name.clone(),
                    ..Step::default()
                })
                .collect();
        }
        for step in &mut self.steps {
            let found = operation
                .status
                .steps
                .iter()
                .find(|one| one.name == step.name);
            step.status = found.cloned().unwrap_or_default();
        }
        self.operation = operation;
    }

    /// What an earlier attempt did is known, not news.
    fn hush(&mut self) {
        self.shown = self.operation.status.phase;
        for step in &mut self.steps {
            step.shown = step.status.phase;
            step.took = step.status.milliseconds.map(Duration::from_millis);
            step.log = Log::Ended;
        }
    }

    fn settle_start(
        &mut self,
        place: &Place,
        back: bool,
        (ended, total): (u32, u32),
        now: Moment,
        happened: &mut Vec<What>,
    ) {
        let phase = self.operation.status.phase;
        if phase.is_final() || phase == self.shown {
            return;
        }
        self.shown = phase;
        self.began.get_or_insert(now.at);
        happened.push(self.event(place, back, (ended, total)));
    }

    /// Steps in order; false while an ended one's output is still on the way.
    fn settle_steps(&mut self, place: &Place, now: Moment, happened: &mut Vec<What>) -> bool {
        for step in &mut self.steps {
            let phase = step.status.phase;
            if phase == StepPhase::Running && phase != step.shown {
                step.enter(phase, now);
                happened.push(step.event(place));
            }
            for text in std::mem::take(&mut step.untold) {
                let (place, step) = (place.clone(), step.name.clone());
                happened.push(What::Line { place, step, text });
            }
            if phase == step.shown {
                continue;
            }
            if is_end(phase) && step.log == Log::Open {
                return false;
            }
            step.enter(phase, now);
            happened.push(step.event(place));
        }
        true
    }

    fn settle_end(
        &mut self,
        place: &Place,
        back: bool,
        counts: (u32, u32),
        happened: &mut Vec<What>,
    ) -> bool {
        let phase = self.operation.status.phase;
        if !phase.is_final() || phase == self.shown {
            return false;
        }
        self.shown = phase;
        happened.push(self.event(place, back, counts));
        true
    }

    fn event(&self, place: &Place, back: bool, (ended, total): (u32, u32)) -> What {
        let status = &self.operation.status;
        What::Gear {
            place: place.clone(),
            phase: status.phase,
            back,
            reason: status.reason.clone(),
            message: status.message.clone(),
            took: self.took(),
            ended,
            total,
        }
    }
}

impl Step {
    fn enter(&mut self, phase: StepPhase, now: Moment) {
        if phase == StepPhase::Running {
            self.began = Some(now.at);
        }
        if is_end(phase) {
            let seen = self.began.map(|began| now.at.saturating_sub(began));
            self.took = self.status.milliseconds.map(Duration::from_millis).or(seen);
        }
        self.shown = phase;
    }

    fn event(&self, place: &Place) -> What {
        let StepStatus {
            reason,
            message,
            exit_code,
            ..
        } = &self.status;
        What::Step {
            place: place.clone(),
            step: self.name.clone(),
            phase: self.shown,
            reason: reason.clone(),
            message: message.clone(),
            exit_code: *exit_code,
            took: self.took,
        }
    }
}

fn wants_log(step: &Step, logs: Logs) -> bool {
    let always = match step::named(&step.name).map(|kind| kind.work) {
        Some(Work::Hook(_) | Work::Watched(Output::Followed)) => logs == Logs::All,
        Some(Work::Watched(Output::OfFailure)) => false,
        _ => return false,
    };
    match step.status.phase {
        StepPhase::Failed => true,
        StepPhase::Running | StepPhase::Done => always,
        StepPhase::Waiting | StepPhase::Skipped => false,
    }
}

fn is_end(phase: StepPhase) -> bool {
    matches!(
        phase,
        StepPhase::Done | StepPhase::Failed | StepPhase::Skipped
    )
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
