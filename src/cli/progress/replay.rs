//! A past rollout as a story that can be told again: from its objects, or from NDJSON that was kept (R22).
//!
//! Both become the events of `event`, with their times; `Stage` turns each event back into the changes that made it, and
//! `fold` does the rest. So the same events give the same frames and the same exit code, and nothing here renders. Pure;
//! `playing` has the clock. What a file says is not trusted: every text in it is cleaned before anybody sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::upshift::Action;
use crate::api::upshift::Desired;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Step;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::cli::progress::event::About;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::fold::Change;
use crate::cli::progress::state::Wanted;

/// Something that happened once, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// Since the beginning.
    pub at: Duration,
    /// By the clock on the wall.
    pub time: Timestamp,
    pub what: What,
}

/// A story to tell again.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The rollout's name.
    pub name: String,
    /// In the order in which they are told.
    pub cues: Vec<Cue>,
    /// How whoever recorded it ended: exit code and reason. None when it was not recorded to its end.
    pub result: Option<(u64, String)>,
}

/// What steps printed, by operation and step.
pub type Outputs = BTreeMap<Wanted, Vec<String>>;

impl Recording {
    /// The story that the objects of a rollout tell.
    ///
    /// When an operation began is the server's word, how long its steps took its node's: times of two machines are never
    /// compared. Lines of output have no times; they are spread over their step.
    pub fn of_objects(
        rollout: &Rollout,
        mut operations: Vec<Operation>,
        outputs: &Outputs,
    ) -> Recording {
        let status = &rollout.status;
        let made = rollout.metadata.creation_timestamp;
        let began = status
            .started_at
            .or(made)
            .unwrap_or(Timestamp::from_second(0));
        operations.sort_by_key(|one| (one.metadata.creation_timestamp, one.metadata.name.clone()));
        let mut told = Telling {
            began,
            cues: Vec::new(),
        };
        let mut about = About {
            namespace: rollout.metadata.namespace.clone(),
            application: rollout.spec.application.clone(),
            number: rollout.spec.number,
            action: rollout.spec.action,
            revision: rollout.spec.revision.clone(),
            previous: status.previous_revision.clone(),
            attempt: 1,
            wanted: 1,
            color: status.color.clone(),
            usual: None,
        };
        let mut counts = status.gears.clone();
        (counts.done, counts.failed, counts.unreachable) = (0, 0, 0);
        let phase_is = |phase, about: &About, gears| What::Rollout {
            phase,
            about: Box::new(about.clone()),
            reason: String::new(),
            message: String::new(),
            gears,
        };
        told.cue(
            Duration::ZERO,
            phase_is(RolloutPhase::Running, &about, counts.clone()),
        );
        let mut last = Duration::ZERO;
        for operation in &operations {
            let attempt = attempt_of(operation, &rollout.metadata.name);
            let at = operation.metadata.creation_timestamp;
            let at = at.map_or(Duration::ZERO, |time| time.since(began));
            if attempt > about.attempt {
                (about.attempt, about.wanted) = (attempt, attempt);
                told.cue(at, phase_is(RolloutPhase::Running, &about, counts.clone()));
            }
            last = last.max(told.operation(rollout, operation, at, outputs));
        }
        for step in &status.steps {
            last = last.max(told.step_once(rollout, step, last));
        }
        let end = status
            .finished_at
            .map_or(Duration::ZERO, |time| time.since(began));
        (about.attempt, about.wanted) = (status.attempt, rollout.told_attempt());
        let what = What::Rollout {
            phase: status.phase,
            about: Box::new(about),
            reason: status.reason.clone(),
            message: status.message.clone(),
            gears: status.gears.clone(),
        };
        // Stable: what has the same time stays in the order of its gear.
        told.cues.sort_by_key(|cue| cue.at);
        told.cue(end.max(last), what);
        Recording {
            name: rollout.metadata.name.clone(),
            cues: told.cues,
            result: None,
        }
    }
}

struct Telling {
    began: Timestamp,
    cues: Vec<Cue>,
}

impl Telling {
    fn cue(&mut self, at: Duration, what: What) {
        let seconds = i64::try_from(at.as_secs()).unwrap_or(0);
        let time = Timestamp::from_second(self.began.as_second() + seconds);
        self.cues.push(Cue { at, time, what });
    }

    /// Everything about one operation, and when it ended.
    fn operation(
        &mut self,
        rollout: &Rollout,
        operation: &Operation,
        began: Duration,
        outputs: &Outputs,
    ) -> Duration {
        let (spec, status) = (&operation.spec, &operation.status);
        let place = Place {
            gear: spec.gear.clone(),
            node: spec.node.clone(),
        };
        let back =
            rollout.spec.action == Action::Deploy && spec.deployment.action == Action::Rollback;
        let gear = |phase, took| What::Gear {
            place: place.clone(),
            phase,
            back,
            reason: status.reason.clone(),
            message: status.message.clone(),
            took,
            ended: 0,
            total: rollout.status.gears.total,
            steps: spec.steps.iter().map(|step| step.name.clone()).collect(),
        };
        let first = self.cues.len();
        self.cue(began, gear(OperationPhase::Running, None));
        if let Some(cue) = self.cues.get_mut(first)
            && let What::Gear {
                reason, message, ..
            } = &mut cue.what
        {
            reason.clear();
            message.clear();
        }
        let mut at = began;
        for step in &status.steps {
            let wanted = Wanted {
                operation: operation.metadata.name.clone(),
                step: step.name.clone(),
            };
            let lines = outputs.get(&wanted).map_or(&[][..], Vec::as_slice);
            // Between two moments of one node.
            if let (Some(from), Some(to)) = (status.started_at, step.started_at) {
                at = at.max(began + to.since(from));
            }
            at = self.step(&place, step, at, lines);
        }
        if status.phase.is_final() {
            let took: u64 = status
                .steps
                .iter()
                .filter_map(|step| step.milliseconds)
                .sum();
            self.cue(at, gear(status.phase, Some(Duration::from_millis(took))));
        }
        at
    }

    fn step(
        &mut self,
        place: &Place,
        step: &StepStatus,
        at: Duration,
        lines: &[String],
    ) -> Duration {
        let what = |phase, took| What::Step {
            place: place.clone(),
            step: step.name.clone(),
            phase,
            reason: step.reason.clone(),
            message: step.message.clone(),
            exit_code: step.exit_code,
            took,
        };
        let took = step.milliseconds.map(Duration::from_millis);
        match step.phase {
            StepPhase::Waiting => return at,
            StepPhase::Skipped => {
                self.cue(at, what(StepPhase::Skipped, took));
                return at;
            }
            _ => self.cue(at, begun(place, &step.name)),
        }
        let span = took.unwrap_or_default();
        let count = u32::try_from(lines.len() + 1).unwrap_or(u32::MAX);
        for (place_in, text) in (1..).zip(lines) {
            let line = What::Line {
                place: place.clone(),
                step: step.name.clone(),
                text: text.clone(),
            };
            self.cue(at + span / count * place_in, line);
        }
        if step.phase != StepPhase::Running {
            self.cue(at + span, what(step.phase, took));
        }
        at + span
    }

    /// A step of the rollout itself: controller and server have one clock.
    fn step_once(&mut self, rollout: &Rollout, step: &StepStatus, earliest: Duration) -> Duration {
        let place = Place::whole(&rollout.metadata.name);
        let at = step
            .started_at
            .map_or(earliest, |time| time.since(self.began));
        let mut step = step.clone();
        if let (None, Some(from), Some(to)) = (step.milliseconds, step.started_at, step.finished_at)
        {
            step.milliseconds = u64::try_from(to.since(from).as_millis()).ok();
        }
        self.step(&place, &step, at, &[])
    }
}

fn begun(place: &Place, step: &str) -> What {
    What::Step {
        place: place.clone(),
        step: step.to_owned(),
        phase: StepPhase::Running,
        reason: String::new(),
        message: String::new(),
        exit_code: None,
        took: None,
    }
}

fn attempt_of(operation: &Operation, rollout: &str) -> u32 {
    let prefix = format!("{rollout}-{}-", operation.spec.gear);
    let rest = operation.metadata.name.strip_prefix(&prefix);
    let digits = rest.and_then(|rest| rest.split('-').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

/// The objects as they were while the story happened; events move them on.
#[derive(Debug)]
pub struct Stage {
    rollout: Rollout,
    operations: BTreeMap<String, Operation>,
}

impl Stage {
    /// Before anything happened.
    pub fn new(name: &str) -> Stage {
        let mut rollout = Rollout::default();
        name.clone_into(&mut rollout.metadata.name);
        Stage {
            rollout,
            operations: BTreeMap::new(),
        }
    }

    /// The rollout before the first event.
    pub fn rollout(&self) -> Rollout {
        self.rollout.clone()
    }

    /// The changes that made this happen.
    pub fn play(&mut self, what: &What) -> Vec<Change> {
        match what {
            What::Rollout { .. } => self.play_rollout(what),
            What::Note {
                reason,
                message,
                gears,
            } => {
                let status = &mut self.rollout.status;
                status.reason.clone_from(reason);
                status.message.clone_from(message);
                status.gears.clone_from(gears);
                vec![self.moved()]
            }
            What::Gear { .. } => self.play_gear(what),
            What::Step { place, .. } if place.is_whole() && !self.is_gear(place) => {
                self.play_once(what)
            }
            What::Step { place, step, .. } => {
                let name = self.current(place);
                let mut changes = Vec::new();
                let status = step_status(what);
                if status.phase != StepPhase::Running {
                    changes.push(Change::LogEnded {
                        operation: name.clone(),
                        step: step.clone(),
                    });
                }
                self.set_step(&name, status);
                changes.extend(self.told(&name));
                changes
            }
            What::Progress {
                place,
                step,
                message,
            } => {
                let name = self.current(place);
                let status = StepStatus {
                    name: step.clone(),
                    phase: StepPhase::Running,
                    message: message.clone(),
                    ..StepStatus::default()
                };
                self.set_step(&name, status);
                self.told(&name).into_iter().collect()
            }
            What::Line { place, step, text } => {
                let operation = self.current(place);
                let mut changes = Vec::new();
                if self.add_step(&operation, step) {
                    changes.extend(self.told(&operation));
                }
                changes.push(Change::Line {
                    operation,
                    step: step.clone(),
                    text: text.clone(),
                });
                changes
            }
            What::Waiting { .. } => vec![Change::Tick],
            What::Lost { why } => vec![Change::Lost { why: why.clone() }],
            What::Restored { .. } => vec![Change::Restored],
        }
    }

    /// Whether it is the one gear as which an application of pods is told.
    fn is_gear(&self, place: &Place) -> bool {
        let name = self.operation_name(place, false);
        self.operations.contains_key(&name)
    }

    fn play_rollout(&mut self, what: &What) -> Vec<Change> {
        let What::Rollout {
            phase,
            about,
            reason,
            message,
            gears,
        } = what
        else {
            return Vec::new();
        };
        self.rollout.metadata.namespace.clone_from(&about.namespace);
        let spec = &mut self.rollout.spec;
        spec.application.clone_from(&about.application);
        spec.revision.clone_from(&about.revision);
        (spec.number, spec.action) = (about.number, about.action);
        spec.attempt = about.wanted;
        if *phase == RolloutPhase::Aborted {
            spec.desired = Desired::Abort;
        }
        let status = &mut self.rollout.status;
        status.phase = *phase;
        status.reason.clone_from(reason);
        status.message.clone_from(message);
        status.gears.clone_from(gears);
        status.attempt = about.attempt;
        status.previous_revision.clone_from(&about.previous);
        status.color.clone_from(&about.color);
        let mut changes = Vec::new();
        if phase.is_final() {
            changes.extend(self.open_steps());
        }
        changes.push(self.moved());
        if phase.is_final() {
            changes.push(Change::Complete);
        }
        changes
    }

    /// Whatever still runs at the end says nothing any more.
    fn open_steps(&self) -> Vec<Change> {
        let mut ends = Vec::new();
        for (name, operation) in &self.operations {
            for step in &operation.status.steps {
                if step.phase == StepPhase::Running {
                    ends.push(Change::LogEnded {
                        operation: name.clone(),
                        step: step.name.clone(),
                    });
                }
            }
        }
        ends
    }

    fn play_gear(&mut self, what: &What) -> Vec<Change> {
        let What::Gear {
            place,
            phase,
            back,
            reason,
            message,
            total,
            steps,
            ..
        } = what
        else {
            return Vec::new();
        };
        let name = self.operation_name(place, *back);
        let is_new = !self.operations.contains_key(&name);
        let operation = self.operation(&name, place, *back);
        if is_new {
            operation.spec.steps = steps.iter().map(|step| named(step)).collect();
        }
        if *phase == OperationPhase::Aborted {
            // Who gave it up, the rollout's own end says.
            operation.spec.desired = Desired::Abort;
        }
        operation.status.phase = *phase;
        operation.status.reason.clone_from(reason);
        operation.status.message.clone_from(message);
        let mut changes = Vec::new();
        if self.rollout.status.gears.total < *total {
            self.rollout.status.gears.total = *total;
            changes.push(self.moved());
        }
        changes.extend(self.told(&name));
        changes
    }

    fn play_once(&mut self, what: &What) -> Vec<Change> {
        let status = step_status(what);
        let steps = &mut self.rollout.status.steps;
        match steps.iter_mut().find(|step| step.name == status.name) {
            Some(step) => *step = status,
            None => steps.push(status),
        }
        vec![self.moved()]
    }

    fn moved(&self) -> Change {
        Change::Rollout(Box::new(self.rollout.clone()))
    }

    fn told(&self, name: &str) -> Option<Change> {
        let operation = self.operations.get(name)?;
        Some(Change::Operation(Box::new(operation.clone())))
    }

    fn operation_name(&self, place: &Place, back: bool) -> String {
        let attempt = self.rollout.status.attempt.max(1);
        let suffix = if back { "-back" } else { "" };
        let rollout = &self.rollout.metadata.name;
        format!("{rollout}-{}-{attempt}{suffix}", place.gear)
    }

    /// The operation that a gear's steps belong to now: its way back, once it is on it.
    fn current(&mut self, place: &Place) -> String {
        let back = self.operation_name(place, true);
        if self.operations.contains_key(&back) {
            return back;
        }
        let name = self.operation_name(place, false);
        self.operation(&name, place, false);
        name
    }

    fn operation(&mut self, name: &str, place: &Place, back: bool) -> &mut Operation {
        let action = match (back, self.rollout.spec.action) {
            (true, _) => Action::Rollback,
            (false, action) => action,
        };
        self.operations.entry(name.to_owned()).or_insert_with(|| {
            let mut operation = Operation::default();
            name.clone_into(&mut operation.metadata.name);
            operation.spec.gear.clone_from(&place.gear);
            operation.spec.node.clone_from(&place.node);
            operation.spec.deployment.action = action;
            operation
        })
    }

    /// Makes a step known that the recording did not name before; whether it had to.
    fn add_step(&mut self, name: &str, step: &str) -> bool {
        let Some(operation) = self.operations.get_mut(name) else {
            return false;
        };
        let steps = &mut operation.spec.steps;
        let is_missing = !steps.iter().any(|one| one.name == step);
        if is_missing {
            steps.push(named(step));
        }
        is_missing
    }

    fn set_step(&mut self, name: &str, status: StepStatus) {
        self.add_step(name, &status.name);
        let Some(operation) = self.operations.get_mut(name) else {
            return;
        };
        let steps = &mut operation.status.steps;
        match steps.iter_mut().find(|step| step.name == status.name) {
            Some(step) => *step = status,
            None => steps.push(status),
        }
    }
}

fn named(step: &str) -> Step {
    Step {
        name: step.to_owned(),
        ..Step::default()
    }
}

fn step_status(what: &What) -> StepStatus {
    let What::Step {
        step,
        phase,
        reason,
        message,
        exit_code,
        took,
        ..
    } = what
    else {
        return StepStatus::default();
    };
    StepStatus {
        name: step.clone(),
        phase: *phase,
        reason: reason.clone(),
        message: message.clone(),
        exit_code: *exit_code,
        milliseconds: took.and_then(|took| u64::try_from(took.as_millis()).ok()),
        ..StepStatus::default()
    }
}
