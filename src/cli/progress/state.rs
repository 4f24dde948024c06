//! What is known of a rollout under way, and the questions that renderers ask about it.
//!
//! `fold` alone changes it. `shown` phases are those that events were made of: a step that ended while its output is
//! still on the way is shown as ended only after it.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use crate::api::upshift::Action;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::text;
use crate::cli::progress::event::Place;
use crate::cli::progress::outcome;

/// Lines of a step's output that are kept for the case that it fails (R10).
pub const KEPT_LINES: usize = 50;
/// Causes that one line names.
const NAMED_CAUSES: usize = 3;

/// Whose output is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    All,
    /// For renderers that show only failures.
    OfFailures,
}

/// Whose story it is; the words depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// A Rollout and its gears.
    Rollout,
    /// An application of pods, told as one gear that takes eleven steps (`plan/new_application`).
    Application,
}

/// Everything known of one rollout.
#[derive(Clone, Debug)]
pub struct State {
    pub story: Story,
    pub rollout: Rollout,
    /// By gear.
    pub gears: BTreeMap<String, Gear>,
    /// Since when, and why, the server does not answer.
    pub lost: Option<(Duration, String)>,
    /// The usual time of a run like this one, when there were enough of them.
    pub usual: Option<Duration>,
    pub logs: Logs,
    pub(super) shown: Option<(RolloutPhase, u32)>,
    pub(super) gone: bool,
    pub(super) complete: bool,
    pub(super) sequence: u64,
    pub(super) last_event: Duration,
    pub(super) next_beat: Duration,
    pub(super) wanted: Vec<Wanted>,
}

/// A step whose output should be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    pub operation: String,
    pub step: String,
}

/// One gear, and what is done to it: usually one run, two when it is brought back.
#[derive(Clone, Debug)]
pub struct Gear {
    pub place: Place,
    /// In the order they were made.
    pub runs: Vec<Run>,
}

/// One Operation.
#[derive(Clone, Debug)]
pub struct Run {
    pub operation: Operation,
    pub attempt: u32,
    pub shown: OperationPhase,
    pub steps: Vec<Step>,
    /// Of an earlier attempt and not to stay as it is: what it came to does not count any more.
    pub is_stale: bool,
    /// When it was first seen running.
    pub began: Option<Duration>,
}

/// One step of a run.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub name: String,
    pub shown: StepPhase,
    pub status: StepStatus,
    pub began: Option<Duration>,
    pub took: Option<Duration>,
    pub tail: VecDeque<String>,
    /// Lines that wait for those of an earlier step.
    pub(super) untold: Vec<String>,
    pub(super) log: Log,
    /// When its output was last heard, and when its end was.
    pub(super) heard: Option<Duration>,
    pub(super) ended: Option<Duration>,
}

/// Where the output of a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Log {
    #[default]
    NotAsked,
    Open,
    Ended,
}

/// A run that failed, for the replay.
#[derive(Clone, Debug)]
pub struct Failed<'a> {
    pub place: &'a Place,
    pub run: &'a Run,
    /// None when it failed beside any step.
    pub step: Option<&'a Step>,
}

impl State {
    /// Before anything was heard of the rollout but the object itself.
    pub fn new(rollout: Rollout, logs: Logs) -> State {
        State {
            story: Story::Rollout,
            rollout,
            gears: BTreeMap::new(),
            lost: None,
            usual: None,
            logs,
            shown: None,
            gone: false,
            complete: false,
            sequence: 0,
            last_event: Duration::ZERO,
            next_beat: super::fold::FIRST_BEAT,
            wanted: Vec::new(),
        }
    }

    /// The rollout's name.
    pub fn name(&self) -> &str {
        &self.rollout.metadata.name
    }

    /// Whether the rollout itself is at its end; its operations and output may still be on the way.
    pub fn is_over(&self) -> bool {
        self.gone || outcome::is_over(&self.rollout)
    }

    /// Whether the rollout was deleted.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Whether every operation of a rollout that is over has been heard.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the end has been shown.
    pub fn is_finished(&self) -> bool {
        self.complete && self.open_logs() == 0
    }

    /// Steps whose output is still awaited.
    pub(super) fn open_logs(&self) -> usize {
        self.runs()
            .flat_map(|(_, run)| &run.steps)
            .filter(|step| step.log == Log::Open)
            .count()
    }

    /// Every run of every gear.
    pub fn runs(&self) -> impl Iterator<Item = (&Place, &Run)> {
        self.gears
            .values()
            .flat_map(|gear| gear.runs.iter().map(|run| (&gear.place, run)))
    }

    /// How many gears there are to do: what the controller counted, or at least those seen.
    pub fn total(&self) -> u32 {
        let seen = u32::try_from(self.gears.len()).unwrap_or(u32::MAX);
        self.rollout.status.gears.total.max(seen)
    }

    /// How many gears have a last run that ended in that phase.
    pub fn ended(&self, phase: OperationPhase) -> u32 {
        let count = self
            .gears
            .values()
            .filter(|gear| gear.phase() == phase)
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many gears are done, whatever became of them.
    pub fn all_ended(&self) -> u32 {
        let ended = |gear: &&Gear| gear.phase().is_final();
        u32::try_from(self.gears.values().filter(ended).count()).unwrap_or(u32::MAX)
    }

    /// The runs that failed, gear by gear.
    pub fn failures(&self) -> Vec<Failed<'_>> {
        self.runs()
            .filter(|(_, run)| run.is_current(&self.rollout) && run.shown == OperationPhase::Failed)
            .map(|(place, run)| Failed {
                place,
                run,
                step: run
                    .steps
                    .iter()
                    .find(|step| step.shown == StepPhase::Failed),
            })
            .collect()
    }

    /// What the rollout waits for, most telling first; never empty.
    pub fn causes(&self, at: Duration) -> Vec<String> {
        let mut causes = Vec::new();
        if let Some((since, why)) = &self.lost {
            let silent = text::elapsed(at.saturating_sub(*since));
            causes.push(format!("no answer from the server for {silent} ({why})"));
        }
        if self.rollout.status.phase == RolloutPhase::Paused {
            let application = &self.rollout.spec.application;
            causes.push(format!(
                "paused (resume: upshift rollout resume app/{application})"
            ));
        }
        let mut gears: Vec<String> = self
            .gears
            .values()
            .filter_map(|gear| gear.cause(at))
            .collect();
        let more = gears.len().saturating_sub(NAMED_CAUSES);
        gears.truncate(NAMED_CAUSES);
        causes.extend(gears);
        if more > 0 {
            causes.push(format!("+{more} more"));
        }
        let unreachable = self.rollout.status.gears.unreachable;
        if unreachable > 0 {
            causes.push(format!("{unreachable} on unreachable nodes"));
        }
        if causes.is_empty() {
            causes.push(self.idle_cause());
        }
        causes
    }

    fn idle_cause(&self) -> String {
        let status = &self.rollout.status;
        match (status.message.as_str(), status.phase) {
            ("", RolloutPhase::Pending) => "not begun by the controller yet".to_owned(),
            ("", _) => "the controller's next decision".to_owned(),
            (message, _) => message.to_owned(),
        }
    }
}

impl Gear {
    /// The phase of the last run.
    pub fn phase(&self) -> OperationPhase {
        match self.runs.last() {
            Some(run) if !run.is_stale => run.shown,
            _ => OperationPhase::Pending,
        }
    }

    /// What this gear is waiting for; none when it is at its end.
    fn cause(&self, at: Duration) -> Option<String> {
        let run = self.runs.last()?;
        let place = self.place.label();
        match self.phase() {
            OperationPhase::Pending if run.is_stale => {
                Some(format!("{place}: not tried again yet"))
            }
            OperationPhase::Pending => Some(format!("{place}: not accepted by its node yet")),
            OperationPhase::Paused => Some(format!("{place}: paused")),
            phase if phase.is_final() => None,
            _ => Some(match run.current_step() {
                Some(step) => {
                    let since = step
                        .began
                        .map_or(Duration::ZERO, |began| at.saturating_sub(began));
                    let why = match step.status.message.as_str() {
                        "" => String::new(),
                        message => format!(" ({message})"),
                    };
                    format!("{place}: {} {}{why}", step.name, text::elapsed(since))
                }
                None => format!("{place}: between steps"),
            }),
        }
    }
}

impl Run {
    /// Whether this belongs to the attempt that is under way, or was the last.
    pub fn is_current(&self, rollout: &Rollout) -> bool {
        self.attempt == 0 || self.attempt >= rollout.spec.attempt
    }

    /// Whether this brings a gear back to the revision before, in a deployment that failed.
    pub fn is_return(&self, rollout: &Rollout) -> bool {
        rollout.spec.action == Action::Deploy
            && self.operation.spec.deployment.action == Action::Rollback
    }

    /// The step that runs now.
    pub fn current_step(&self) -> Option<&Step> {
        self.steps
            .iter()
            .find(|step| step.shown == StepPhase::Running)
    }

    /// How long all its steps took, by the node's clock; none before it ended.
    pub fn took(&self) -> Option<Duration> {
        if !self.operation.status.phase.is_final() {
            return None;
        }
        let times = self
            .steps
            .iter()
            .filter_map(|step| step.status.milliseconds);
        // Of steps that nobody performs as such, nobody says how long they took.
        let total = times.reduce(|sum, one| sum + one)?;
        Some(Duration::from_millis(total))
    }
}

impl Place {
    /// How people name it: by its node.
    pub fn label(&self) -> &str {
        if self.node.is_empty() {
            &self.gear
        } else {
            &self.node
        }
    }
}
