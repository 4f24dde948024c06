//! What happened, in the words that every renderer and every script shares.

use std::time::Duration;

use crate::api::upshift::GearCounts;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;

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
    pub what: What,
}

/// A gear, and the node it is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub gear: String,
    pub node: String,
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The rollout entered a phase.
    Rollout {
        phase: RolloutPhase,
        revision: String,
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
