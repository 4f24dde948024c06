//! How long a run like this one usually takes, from earlier ones of its kind (R11).
//!
//! Asks nobody: the rollouts of an application were listed for the command itself.

use std::time::Duration;

use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::text;
use crate::cli::progress::tally;

/// How many of the latest are looked at, and how few say nothing.
const LATEST: usize = 10;
const FEWEST: usize = 3;
/// Timestamps have whole seconds: an estimate of less would be noise.
const SHORTEST: Duration = Duration::from_secs(5);

/// The usual time of one gear: the middle one of the last ten like runs that went well; none of fewer than three.
pub fn per_gear(earlier: &[Rollout], rollout: &Rollout) -> Option<Duration> {
    let mut alike: Vec<&Rollout> = earlier
        .iter()
        .filter(|one| one.status.phase == RolloutPhase::Succeeded && is_alike(one, rollout))
        .collect();
    alike.sort_by_key(|one| std::cmp::Reverse(one.spec.number));
    alike.truncate(LATEST);
    let runs: Vec<(Duration, Duration)> = alike.into_iter().filter_map(times).collect();
    if runs.len() < FEWEST {
        return None;
    }
    let whole = tally::median(runs.iter().map(|(whole, _)| *whole).collect())?;
    let gear = tally::median(runs.iter().map(|(_, gear)| *gear).collect())?;
    (whole >= SHORTEST).then_some(gear)
}

/// A time that is left, in whole seconds: `38s`, `1m40s`.
pub fn words(left: Duration) -> String {
    if left < Duration::from_secs(60) {
        return text::span(left);
    }
    text::elapsed(left)
}

/// Whether a rollout takes the same steps in the same way.
fn is_alike(one: &Rollout, rollout: &Rollout) -> bool {
    let (a, b) = (&one.spec, &rollout.spec);
    // Before it claimed the application, a rollout has no colour.
    let color = |rollout: &Rollout| !rollout.status.color.is_empty();
    let began = rollout.status.started_at.is_some();
    a.application == b.application
        && a.action == b.action
        && a.number != b.number
        && a.settings.load_balancer.is_some() == b.settings.load_balancer.is_some()
        && a.settings.concurrency == b.settings.concurrency
        && (!began || color(one) == color(rollout))
}

/// How long a rollout took, and how long of that for each of its gears.
fn times(rollout: &Rollout) -> Option<(Duration, Duration)> {
    let status = &rollout.status;
    let whole = status.finished_at?.since(status.started_at?);
    let gears = status.gears.done.max(1);
    Some((whole, whole / gears))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::Action;
    use crate::base::clock::Timestamp;

    fn run(number: u64, seconds: i64, gears: u32) -> Rollout {
        let mut rollout = Rollout::default();
        rollout.spec.number = number;
        rollout.status.phase = RolloutPhase::Succeeded;
        rollout.status.started_at = Some(Timestamp::from_second(1000));
        rollout.status.finished_at = Some(Timestamp::from_second(1000 + seconds));
        rollout.status.gears.done = gears;
        rollout
    }

    #[test]
    fn the_middle_one_of_the_last_ten_like_runs() {
        let now = run(99, 0, 0);
        let seconds = |runs: &[Rollout]| per_gear(runs, &now).map(|time| time.as_secs());
        assert_eq!(seconds(&[run(1, 20, 2), run(2, 20, 2)]), None, "too few");
        let mut three = vec![run(1, 20, 2), run(2, 30, 2), run(3, 400, 2)];
        assert_eq!(seconds(&three), Some(15));
        let mut back = run(4, 2, 2);
        back.spec.action = Action::Rollback;
        three.push(back);
        let mut failed = run(5, 2, 2);
        failed.status.phase = RolloutPhase::Failed;
        three.push(failed);
        assert_eq!(seconds(&three), Some(15), "others do not count");
        let many: Vec<Rollout> = (1..=20)
            .map(|number| run(number, if number <= 10 { 1000 } else { 10 }, 1))
            .collect();
        assert_eq!(seconds(&many), Some(10), "older ones do not count");
        let short: Vec<Rollout> = (1..=5).map(|number| run(number, 3, 1)).collect();
        assert_eq!(seconds(&short), None, "whole seconds are too coarse");
    }
}
