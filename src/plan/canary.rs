//! Whether a rollout is still at its first gear, and what it waits for then; pure.
//!
//! A canary is the first wave, of one gear, and its failure is the rollout's whatever else is tolerated. Once it is done
//! the rollout waits for somebody's word or for a time, and then goes on as if there had been none.

use std::time::Duration;

use crate::api::duration::Span;
use crate::api::upshift::Action;
use crate::api::upshift::Settings;
use crate::plan::waves::Standing;

/// A minute: waiting times are told in these.
const MINUTE: u64 = 60;

/// What is known of a rollout's first wave.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many gears this rollout has begun with, in any attempt, without those whose node fell silent.
    pub begun: usize,
    pub promoted: bool,
    /// How long the canary is done already, on the asker's clock.
    pub since: Duration,
}

/// Where a rollout stands with its canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// There is none, or it is over.
    Over,
    /// One gear is taken, and has to get through.
    First,
    /// It is up; the rest waits that long, or for a word (none).
    Waits(Option<Duration>),
}

/// Whether an action of these settings begins with a canary; a rollback never does.
pub fn begins_with_one(settings: &Settings, action: Action) -> bool {
    settings.canary.is_some() && action == Action::Deploy
}

/// Decides where a rollout stands with its canary.
pub fn standing(
    settings: &Settings,
    action: Action,
    progress: Progress,
    gears: &[Standing],
) -> Canary {
    let Some(canary) = settings
        .canary
        .as_ref()
        .filter(|_| begins_with_one(settings, action))
    else {
        return Canary::Over;
    };
    let done = gears.iter().filter(|one| **one == Standing::Done).count();
    match done {
        0 => Canary::First,
        1 if progress.begun <= 1 && !progress.promoted => match &canary.pause {
            None => Canary::Waits(None),
            Some(pause) => match pause.0.saturating_sub(progress.since) {
                Duration::ZERO => Canary::Over,
                left => Canary::Waits(Some(left)),
            },
        },
        _ => Canary::Over,
    }
}

/// A waiting time as it is told: whole minutes, so that telling it does not change every second.
pub fn told(left: Duration, pause: Duration) -> Span {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    if pause.as_secs() <= MINUTE {
        return Span(pause);
    }
    Span::seconds(seconds.div_ceil(MINUTE).max(1) * MINUTE)
}

/// How long a told waiting time stays true.
pub fn told_for(left: Duration) -> Duration {
    let whole = left.as_secs() / MINUTE * MINUTE;
    let rest = left.saturating_sub(Duration::from_secs(whole));
    if rest.is_zero() {
        left.min(Duration::from_secs(MINUTE))
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::Done;
    use Standing::Failed;
    use Standing::Running;
    use Standing::Unreachable;
    use Standing::Waiting;

    fn stands(pause: Option<u64>, begun: usize, promoted: bool, since: u64) -> Canary {
        let gears = [Done, Waiting, Waiting];
        at(pause, begun, promoted, since, &gears)
    }

    fn at(
        pause: Option<u64>,
        begun: usize,
        promoted: bool,
        since: u64,
        gears: &[Standing],
    ) -> Canary {
        let settings = Settings {
            canary: Some(crate::api::upshift::Canary {
                pause: pause.map(Span::seconds),
            }),
            ..Settings::default()
        };
        let progress = Progress {
            begun,
            promoted,
            since: Duration::from_secs(since),
        };
        standing(&settings, Action::Deploy, progress, gears)
    }

    #[test]
    fn waits_for_its_time_or_for_a_word() {
        let left = |seconds| Canary::Waits(Some(Duration::from_secs(seconds)));
        assert_eq!(stands(Some(600), 1, false, 0), left(600));
        assert_eq!(stands(Some(600), 1, false, 599), left(1));
        assert_eq!(stands(Some(600), 1, false, 600), Canary::Over);
        assert_eq!(stands(None, 1, false, 9_999), Canary::Waits(None));
        assert_eq!(stands(None, 1, true, 0), Canary::Over);
    }

    #[test]
    fn is_over_for_good_once_another_gear_has_begun() {
        assert_eq!(stands(None, 2, false, 0), Canary::Over);
        let lost = [Done, Unreachable, Waiting];
        assert_eq!(at(None, 2, false, 0, &lost), Canary::Over);
    }

    #[test]
    fn one_gear_has_to_get_through() {
        for gears in [
            [Waiting, Waiting],
            [Running, Waiting],
            [Failed, Waiting],
            [Unreachable, Waiting],
        ] {
            assert_eq!(at(None, 1, true, 0, &gears), Canary::First, "{gears:?}");
        }
    }

    #[test]
    fn a_rollback_has_none() {
        let settings = Settings {
            canary: Some(crate::api::upshift::Canary::default()),
            ..Settings::default()
        };
        assert!(!begins_with_one(&settings, Action::Rollback));
        assert!(begins_with_one(&settings, Action::Deploy));
    }

    #[test]
    fn a_long_time_is_told_in_minutes() {
        let told = |left, pause| {
            super::told(Duration::from_secs(left), Duration::from_secs(pause)).to_string()
        };
        assert_eq!(told(600, 600), "10m");
        assert_eq!(told(541, 600), "10m");
        assert_eq!(told(540, 600), "9m");
        assert_eq!(told(3, 600), "1m");
        assert_eq!(told(3, 10), "10s");
        assert_eq!(told_for(Duration::from_secs(541)), Duration::from_secs(1));
        assert_eq!(told_for(Duration::from_secs(540)), Duration::from_secs(60));
        assert_eq!(told_for(Duration::from_secs(20)), Duration::from_secs(20));
    }
}
