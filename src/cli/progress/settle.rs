//! How the news of one gear becomes events, in order: its start, its steps and what they print, its end.
//!
//! `fold` says when; nothing here looks beyond its gear. `shown` follows the object only once everything before was told.

use std::time::Duration;

use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::cli::progress::event::Moment;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::lines;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::Log;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::Step;

/// How often a step may say how far it is (R7).
const PROGRESS_PAUSE: Duration = Duration::from_secs(5);
/// Lines that explain a failure among many gears when it happens; the end shows more.
const EXPLAINING: usize = 10;

impl Gear {
    /// A new attempt takes up every gear that the one before did not bring to the wanted revision.
    pub(super) fn outdate(&mut self, rollout: &Rollout) {
        for run in &mut self.runs {
            let stays = run.shown == OperationPhase::Succeeded && !run.is_return(rollout);
            run.is_stale = !run.is_current(rollout) && !stays;
        }
    }

    /// How far the step under way says to be: at once the first time, then now and then.
    pub(super) fn progress(&mut self, now: Moment, happened: &mut Vec<What>) {
        let Some(run) = self.runs.last_mut() else {
            return;
        };
        let Some(step) = run.steps.iter_mut().find(|step| step.is_running()) else {
            return;
        };
        let message = &step.status.message;
        let is_due = self
            .told
            .is_none_or(|told| now.at.saturating_sub(told) >= PROGRESS_PAUSE);
        if message.is_empty() || *message == step.said || !is_due {
            return;
        }
        step.said.clone_from(message);
        self.told = Some(now.at);
        happened.push(What::Progress {
            place: self.place.clone(),
            step: step.name.clone(),
            message: message.clone(),
        });
    }
}

impl Run {
    /// Takes in how the operation is now.
    pub(super) fn update(&mut self, mut operation: Operation) {
        let status = &mut operation.status;
        tidy(&mut status.message);
        status
            .steps
            .iter_mut()
            .for_each(|step| tidy(&mut step.message));
        // The list is complete from the start; only a recording that was begun late grows it.
        let more = operation.spec.steps.iter().skip(self.steps.len());
        self.steps.extend(more.map(|step| Step {
            name: step.name.clone(),
            ..Step::default()
        }));
        for step in &mut self.steps {
            let found = operation
                .status
                .steps
                .iter()
                .find(|one| one.name == step.name);
            step.status = found.cloned().unwrap_or_default();
            // What a controller does is not its agent's to tell.
            let control = operation.spec.control.get(&step.name);
            if let Some(control) = control.filter(|_| step.status.phase == StepPhase::Running)
                && step.status.message.is_empty()
            {
                step.status.message.clone_from(&control.message);
                tidy(&mut step.status.message);
            }
        }
        self.operation = operation;
    }

    /// What an earlier attempt did is known, not news.
    pub(super) fn hush(&mut self) {
        self.shown = self.operation.status.phase;
        for step in &mut self.steps {
            step.shown = step.status.phase;
            step.took = step.status.milliseconds.map(Duration::from_millis);
            step.log = Log::Ended;
        }
    }

    /// Its start, or that it is paused.
    pub(super) fn settle_start(
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
    pub(super) fn settle_steps(
        &mut self,
        place: &Place,
        is_few: bool,
        now: Moment,
        happened: &mut Vec<What>,
    ) -> bool {
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
            if phase == StepPhase::Failed && !is_few {
                // Of many, only what explains a failure is told.
                let skipped = step.tail.len().saturating_sub(EXPLAINING);
                happened.extend(step.tail.iter().skip(skipped).map(|text| What::Line {
                    place: place.clone(),
                    step: step.name.clone(),
                    text: text.clone(),
                }));
            }
            happened.push(step.event(place));
        }
        true
    }

    /// Its end; whether it came.
    pub(super) fn settle_end(
        &mut self,
        place: &Place,
        back: bool,
        counts: (u32, u32),
        now: Moment,
        happened: &mut Vec<What>,
    ) -> bool {
        let phase = self.operation.status.phase;
        if !phase.is_final() || phase == self.shown {
            return false;
        }
        self.shown = phase;
        self.ended = Some(now.at);
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
            steps: match status.phase {
                OperationPhase::Running => {
                    self.steps.iter().map(|step| step.name.clone()).collect()
                }
                _ => Vec::new(),
            },
        }
    }
}

impl Step {
    /// Shows a phase from now on.
    pub(super) fn enter(&mut self, phase: StepPhase, now: Moment) {
        if phase == StepPhase::Running {
            self.began = Some(now.at);
        }
        if matches!(phase, StepPhase::Done | StepPhase::Failed) {
            let seen = self.began.map(|began| now.at.saturating_sub(began));
            self.took = self.status.milliseconds.map(Duration::from_millis).or(seen);
        }
        self.shown = phase;
    }

    /// What is told of the phase that it shows.
    pub(super) fn event(&self, place: &Place) -> What {
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

/// Whether nothing more happens in that phase.
pub(super) fn is_end(phase: StepPhase) -> bool {
    matches!(
        phase,
        StepPhase::Done | StepPhase::Failed | StepPhase::Skipped
    )
}

/// What a node or a server says becomes one line that moves no cursor, whoever shows it.
pub(super) fn tidy(message: &mut String) {
    if message.chars().any(char::is_control) {
        *message = lines::clean(&message.replace(['\n', '\r'], " "));
    }
}
