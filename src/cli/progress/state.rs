//! What is known of a rollout under way, and the questions that renderers ask about it.
//!
//! `fold` alone changes it. `shown` phases are those that events were made of: a step that ended while its output is
//! still on the way is shown as ended only after it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use crate::api::duration::Span;
use crate::api::upshift::Action;
use crate::api::upshift::Desired;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::text;
use crate::cli::progress::event::About;
use crate::cli::progress::event::MANY_GEARS;
use crate::cli::progress::event::Place;
use crate::cli::progress::names;
use crate::cli::progress::outcome;
use crate::cli::progress::tally::Entry;
use crate::cli::progress::tally::Standing;
use crate::cli::progress::tally::Tally;

/// Lines of a step's output that are kept for the case that it fails (R10).
pub const KEPT_LINES: usize = 50;
/// Causes that one line names.
const NAMED_CAUSES: usize = 3;

/// Whose output is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// For programs: everything.
    Everything,
    /// For people: everything while there are few gears, then only what failed.
    All,
    /// For a screen: of many gears also the last line of some that are at work.
    LastLines,
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
    /// What it does once, beside the gears' own steps.
    pub once: Vec<Step>,
    /// The gears by how they stand.
    pub tally: Tally,
    /// The usual time of one gear in runs like this one, when there were enough of them.
    pub usual: Option<Duration>,
    pub logs: Logs,
    /// When a gear came to its end the last time.
    pub(super) last_end: Duration,
    /// The gear of each operation.
    pub(super) operations: HashMap<String, String>,
    /// Steps whose output is awaited.
    pub(super) open: BTreeSet<Wanted>,
    /// Nodes that the rollout waits for because they are silent.
    pub(super) silent: BTreeSet<String>,
    /// What the rollout says of itself, and since when.
    pub(super) note: (Duration, String),
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
    /// How it is counted.
    pub(super) counted: Option<Entry>,
    /// When its progress was told last.
    pub(super) told: Option<Duration>,
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
    /// When its end was shown.
    pub ended: Option<Duration>,
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
    /// How far it said to be the last time that was told.
    pub(super) said: String,
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
            once: Vec::new(),
            tally: Tally::default(),
            usual: None,
            logs,
            last_end: Duration::ZERO,
            operations: HashMap::new(),
            open: BTreeSet::new(),
            silent: BTreeSet::new(),
            note: (Duration::ZERO, String::new()),
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
        self.complete && self.open.is_empty()
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

    /// Whether each gear's steps and output are no news any more.
    pub fn is_many(&self) -> bool {
        self.total() > MANY_GEARS
    }

    /// How many gears are done, whatever became of them.
    pub fn all_ended(&self) -> u32 {
        self.tally.finals()
    }

    /// How many gears cannot be reached: those that the controller counts, or at least those known by name.
    pub fn unreachable(&self) -> u32 {
        let known = self.tally.count(Standing::Unreachable);
        self.rollout.status.gears.unreachable.max(known)
    }

    /// How many gears have not begun and are not known to be out of reach.
    pub fn waiting(&self) -> u32 {
        let begun = [
            Standing::InFlight,
            Standing::Paused,
            Standing::Done,
            Standing::Failed,
            Standing::Aborted,
        ];
        let begun: u32 = begun.into_iter().map(|one| self.tally.count(one)).sum();
        self.total().saturating_sub(begun + self.unreachable())
    }

    /// The gears that stand so, those first that do so longest.
    pub fn gears_that(&self, standing: Standing) -> impl Iterator<Item = &Gear> {
        self.tally
            .gears(standing)
            .filter_map(|gear| self.gears.get(gear))
    }

    /// How long it usually takes from here; none when that is not known or over.
    pub fn left(&self, at: Duration) -> Option<Duration> {
        let rest = self.total().saturating_sub(self.all_ended());
        let is_told = self.shown.is_some_and(|(phase, _)| phase.is_final());
        // What failed goes another way than runs that went well.
        let is_failing = !self.rollout.status.reason.is_empty();
        if self.rollout.status.phase == RolloutPhase::Paused || is_told || is_failing {
            return None;
        }
        let rest = self.usual?.checked_mul(rest)?;
        rest.checked_sub(at.saturating_sub(self.last_end))
            .filter(|left| !left.is_zero())
    }

    /// Whether the gears at work are brought back to the revision before.
    pub fn goes_back(&self) -> bool {
        let mut at_work = self.gears_that(Standing::InFlight);
        let longest = at_work.next().and_then(|gear| gear.runs.last());
        longest.is_some_and(|run| run.is_return(&self.rollout))
    }

    /// What the rollout says of itself, with what is left of a time that it names.
    pub fn message(&self, at: Duration) -> String {
        let (since, message) = &self.note;
        counted_down(message, at.saturating_sub(*since))
    }

    /// What the rollout is.
    pub(super) fn about(&self) -> About {
        let (metadata, spec) = (&self.rollout.metadata, &self.rollout.spec);
        let status = &self.rollout.status;
        About {
            namespace: metadata.namespace.clone(),
            application: spec.application.clone(),
            number: spec.number,
            action: spec.action,
            revision: spec.revision.clone(),
            previous: status.previous_revision.clone(),
            attempt: status.attempt,
            wanted: self.rollout.told_attempt(),
            color: status.color.clone(),
            usual: self.usual,
        }
    }

    /// The runs that failed, gear by gear.
    pub fn failures(&self) -> Vec<Failed<'_>> {
        let mut failures: Vec<Failed<'_>> = self
            .runs()
            .filter(|(_, run)| run.is_current(&self.rollout) && run.shown == OperationPhase::Failed)
            .map(|(place, run)| Failed {
                place,
                run,
                step: run
                    .steps
                    .iter()
                    .find(|step| step.shown == StepPhase::Failed),
            })
            .collect();
        failures.sort_by_cached_key(|failed| names::order(&failed.place.gear));
        failures
    }

    /// What the rollout waits for, most telling first; never empty.
    pub fn causes(&self, at: Duration) -> Vec<String> {
        let mut causes = Vec::new();
        if let Some((since, why)) = &self.lost {
            let silent = text::elapsed(at.saturating_sub(*since));
            causes.push(format!("no answer from the server for {silent} ({why})"));
        }
        if self.rollout.status.phase == RolloutPhase::Paused && self.note.1.is_empty() {
            let application = &self.rollout.spec.application;
            causes.push(format!(
                "paused (resume: upshift rollout resume app/{application})"
            ));
        }
        if !self.note.1.is_empty() && self.lost.is_none() {
            causes.push(self.message(at));
        }
        let once = self.once.iter().find(|step| step.is_running());
        causes.extend(once.map(|step| step.cause(at)));
        let standings = [Standing::InFlight, Standing::Paused, Standing::Waiting];
        let at_work = standings.iter().flat_map(|one| self.gears_that(*one));
        causes.extend(at_work.filter_map(|gear| gear.cause(at)).take(NAMED_CAUSES));
        let all: u32 = standings.iter().map(|one| self.tally.count(*one)).sum();
        let named = u32::try_from(NAMED_CAUSES).unwrap_or(u32::MAX);
        if all > named {
            causes.push(format!("+{} more", all - named));
        }
        if self.unreachable() > 0 {
            causes.push(format!("{} on unreachable nodes", self.unreachable()));
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

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        self.counted
            .as_ref()
            .map_or(Standing::Waiting, |entry| entry.standing)
    }

    /// The step in which its node fell silent, when that made it fail.
    pub fn lost_in(&self) -> Option<&str> {
        let is_lost = self.standing() == Standing::Failed && self.phase() != OperationPhase::Failed;
        let run = self.runs.last().filter(|_| is_lost)?;
        Some(&run.operation.status.reached()?.name)
    }

    /// The same, from what was shown of it.
    pub(super) fn entry(
        &self,
        rollout: &Rollout,
        silent: &BTreeSet<String>,
        now: Duration,
    ) -> Entry {
        let phase = self.phase();
        let run = self.runs.last();
        let given_up = run.is_none_or(|run| run.operation.spec.desired == Desired::Abort)
            && rollout.spec.desired != Desired::Abort;
        let standing = match phase {
            OperationPhase::Succeeded => Standing::Done,
            OperationPhase::Failed => Standing::Failed,
            OperationPhase::Aborted if !given_up => Standing::Aborted,
            OperationPhase::Pending if run.is_some_and(|run| run.is_stale) => Standing::Waiting,
            _ if given_up && run.is_some_and(|run| run.is_lost(rollout)) => Standing::Failed,
            _ if given_up || silent.contains(&self.place.node) => Standing::Unreachable,
            OperationPhase::Running => Standing::InFlight,
            OperationPhase::Paused => Standing::Paused,
            OperationPhase::Pending | OperationPhase::Aborted => Standing::Waiting,
        };
        let seen = match standing {
            Standing::InFlight => run.and_then(|run| run.began),
            _ => run.and_then(|run| run.ended),
        };
        let since = match &self.counted {
            Some(known) if known.standing == standing => known.since,
            _ => seen.unwrap_or(now),
        };
        let took = run
            .and_then(Run::took)
            .filter(|_| standing == Standing::Done);
        Entry {
            standing,
            since,
            is_final: phase.is_final(),
            took,
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
                Some(step) => format!("{place}: {}", step.cause(at)),
                None => match run.coming_step() {
                    Some(step) => format!("{place}: before {}", step.name),
                    None => format!("{place}: its last report"),
                },
            }),
        }
    }
}

impl Run {
    /// Whether this belongs to the attempt that is under way, or was the last.
    pub fn is_current(&self, rollout: &Rollout) -> bool {
        self.attempt == 0 || self.attempt >= rollout.told_attempt()
    }

    /// Whether it counts as failed when it is given up: it had begun. On the way back it follows later.
    fn is_lost(&self, rollout: &Rollout) -> bool {
        self.operation.status.reached().is_some() && !self.is_return(rollout)
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

    /// The step that runs now, or else the one that comes next: between two reports of a node there is no other news.
    pub fn coming_step(&self) -> Option<&Step> {
        let mut steps = self.steps.iter();
        let next = steps.find(|step| step.shown == StepPhase::Waiting);
        self.current_step().or(next)
    }

    /// How long all its steps took, by the node's clock where it says; none before it ended.
    pub fn took(&self) -> Option<Duration> {
        if !self.operation.status.phase.is_final() {
            return None;
        }
        // Of steps that nobody performs as such, nobody says how long they took.
        let is_said = |step: &Step| step.status.milliseconds.is_some();
        let is_known = self.steps.iter().any(is_said);
        is_known.then(|| self.steps.iter().filter_map(|step| step.took).sum())
    }
}

impl Step {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.shown == StepPhase::Running
    }

    /// For how long it has been going on.
    pub fn since(&self, at: Duration) -> Duration {
        self.began
            .map_or(Duration::ZERO, |began| at.saturating_sub(began))
    }

    /// That this is waited for, for how long, and why.
    fn cause(&self, at: Duration) -> String {
        let why = match self.status.message.as_str() {
            "" => String::new(),
            message => format!(" ({message})"),
        };
        format!("{} {}{why}", self.name, text::elapsed(self.since(at)))
    }
}

/// What stands before a time that is left.
const COUNTED: &str = "goes on in ";

/// A message whose `goes on in 10m` says how much of it is left.
fn counted_down(message: &str, passed: Duration) -> String {
    let Some((before, rest)) = message.split_once(COUNTED) else {
        return message.to_owned();
    };
    let end = rest.find([',', ' ', ';', ')']).unwrap_or(rest.len());
    let (time, after) = rest.split_at(end);
    let Ok(span) = time.parse::<Span>() else {
        return message.to_owned();
    };
    let left = text::span(span.0.saturating_sub(passed));
    format!("{before}{COUNTED}{left}{after}")
}

/// A message without the time that it counts down, for comparing.
pub(super) fn uncounted(message: &str) -> &str {
    message.find(COUNTED).map_or(message, |at| &message[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_named_is_counted_down() {
        let check = |message: &str, seconds, expect: &str| {
            assert_eq!(counted_down(message, Duration::from_secs(seconds)), expect);
        };
        let canary = "canary web-1 is up: goes on in 10m, or with 'upshift promote shop'";
        check(
            canary,
            70,
            "canary web-1 is up: goes on in 8m50s, or with 'upshift promote shop'",
        );
        check("goes on in 5s", 9, "goes on in 0s");
        check("goes on in a while", 9, "goes on in a while");
        check("waits", 9, "waits");
        assert_eq!(uncounted(canary), "canary web-1 is up: ");
    }
}
