//! What happened, in the words that every renderer and every script shares.

use std::time::Duration;

use crate::api::upshift::Action;
use crate::api::upshift::GearCounts;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::plan::step;
use crate::plan::step::Work;

/// When something was seen: since the watching began, and by the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Duration,
    pub time: Timestamp,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counts from 1 without gaps.
    pub sequence: u64,
    pub moment: Moment,
    /// The Rollout that this is about.
    pub rollout: String,
    /// How long it usually takes from here, of what the whole is about.
    pub left: Option<Duration>,
    pub what: What,
}

/// With more gears than this, each one's steps and output are no news any more.
pub const MANY_GEARS: u32 = 20;

/// A gear, and the node it is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub gear: String,
    pub node: String,
}

impl Place {
    /// The rollout itself, for what happens once in it.
    pub fn whole(rollout: &str) -> Place {
        Place {
            gear: rollout.to_owned(),
            node: String::new(),
        }
    }

    /// Whether it is no gear but the rollout itself.
    pub fn is_whole(&self) -> bool {
        self.node.is_empty()
    }

    /// How people name it: by its node.
    pub fn label(&self) -> &str {
        if self.node.is_empty() {
            &self.gear
        } else {
            &self.node
        }
    }
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The rollout entered a phase.
    Rollout {
        phase: RolloutPhase,
        about: Box<About>,
        reason: String,
        message: String,
        gears: GearCounts,
    },
    /// The rollout says what it waits for, or what it does about a failure.
    Note {
        reason: String,
        message: String,
        gears: GearCounts,
    },
    /// A gear's operation entered a phase; `back` when it returns to the revision before.
    Gear {
        place: Place,
        phase: OperationPhase,
        back: bool,
        reason: String,
        message: String,
        took: Option<Duration>,
        ended: u32,
        total: u32,
        /// What is to be done, when it begins.
        steps: Vec<String>,
    },
    /// A step of a gear entered a phase.
    Step {
        place: Place,
        step: String,
        phase: StepPhase,
        reason: String,
        message: String,
        exit_code: Option<i32>,
        took: Option<Duration>,
    },
    /// A step that goes on says how far it is.
    Progress {
        place: Place,
        step: String,
        message: String,
    },
    /// A hook printed a line.
    Line {
        place: Place,
        step: String,
        text: String,
    },
    /// Nothing happened for a while; these are the causes.
    Waiting {
        silent: Duration,
        done: u32,
        total: u32,
        causes: Vec<String>,
    },
    /// The server does not answer, for this reason; the work goes on without it being seen.
    Lost { why: String },
    /// The server answers again.
    Restored { after: Duration },
}

/// What a rollout is, for whoever knows nothing but its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub namespace: String,
    pub application: String,
    pub number: u64,
    pub action: Action,
    pub revision: String,
    /// What it takes the place of.
    pub previous: String,
    /// The attempt that is told about, and the one that is wanted.
    pub attempt: u32,
    pub wanted: u32,
    /// The colour that it brings to serve.
    pub color: String,
    /// The usual time of one gear.
    pub usual: Option<Duration>,
}

impl What {
    /// Whether a log of changes has a line for it: what nobody reads does not break a silence (R7, R8).
    pub fn is_told(&self, total: u32) -> bool {
        let is_few = total <= MANY_GEARS;
        match self {
            What::Rollout { .. }
            | What::Note { .. }
            | What::Line { .. }
            | What::Waiting { .. }
            | What::Lost { .. }
            | What::Restored { .. } => true,
            What::Progress { .. } => is_few,
            // Not one of several: the whole says the same.
            What::Gear { place, phase, .. } => {
                !place.node.is_empty()
                    && !matches!(phase, OperationPhase::Pending | OperationPhase::Running)
            }
            What::Step {
                place,
                step,
                phase,
                reason,
                ..
            } => match phase {
                StepPhase::Waiting => false,
                StepPhase::Running => place.is_whole() && is_traffic(step),
                StepPhase::Done => is_few || place.is_whole(),
                StepPhase::Skipped => reason == "OnRequest",
                StepPhase::Failed => true,
            },
        }
    }
}

fn is_traffic(step: &str) -> bool {
    step::named(step).is_some_and(|kind| kind.work == Work::Traffic)
}
