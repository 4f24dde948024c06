//! How many pods of an old and of a new version there are at each moment of a rollout; pure.
//!
//! The arithmetic of OpenShift's rolling updater (facts/oc.md 5.4), which Kubernetes' deployments share: never more than
//! desired + surge pods, never fewer available than desired − unavailable. Nothing here knows an object: both kinds of
//! deployment ask, look by look, and a restart asks again.

use serde_json::Value;

/// How far a rollout may go above and below what is desired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub surge: u32,
    pub unavailable: u32,
}

/// What surge and unavailable are when nobody says.
const DEFAULT_PERCENT: u64 = 25;

impl Limits {
    /// The settings, counts or percentages, in whole pods: surge rounds up, unavailable down; both 0 would stand still,
    /// so then one may be unavailable.
    pub fn of(surge: Option<&Value>, unavailable: Option<&Value>, desired: u32) -> Limits {
        let limits = Limits {
            surge: pods(surge, desired, Rounding::Up),
            unavailable: pods(unavailable, desired, Rounding::Down).min(desired),
        };
        match limits {
            Limits {
                surge: 0,
                unavailable: 0,
            } => Limits {
                surge: 0,
                unavailable: 1,
            },
            other => other,
        }
    }

    /// How many must stay available.
    pub fn min_available(self, desired: u32) -> u32 {
        desired.saturating_sub(self.unavailable)
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

fn pods(setting: Option<&Value>, desired: u32, rounding: Rounding) -> u32 {
    let percent = match setting {
        Some(Value::Number(count)) => {
            let count = count.as_u64().unwrap_or(0);
            return u32::try_from(count).unwrap_or(u32::MAX);
        }
        Some(Value::String(text)) => match text.strip_suffix('%') {
            Some(percent) => percent.parse().unwrap_or(DEFAULT_PERCENT),
            None => return text.parse().unwrap_or(0),
        },
        _ => DEFAULT_PERCENT,
    };
    let hundredths = u64::from(desired).saturating_mul(percent);
    let whole = match rounding {
        Rounding::Up => hundredths.div_ceil(100),
        Rounding::Down => hundredths / 100,
    };
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// The pods of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// How many are asked for at present.
    pub wanted: u32,
    /// How many there are that nobody asked to end.
    pub there: u32,
    /// How many of these take requests and have done so for long enough.
    pub available: u32,
}

impl Crowd {
    /// Those that are available and stay: the least useful go first.
    fn staying(self) -> u32 {
        self.available.min(self.wanted)
    }
}

/// How many pods of each version to ask for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub new: u32,
    /// In the order of the question.
    pub old: Vec<u32>,
}

/// The next step of a rolling update; `old` in the order in which versions are taken down.
pub fn step(new: Crowd, old: &[Crowd], desired: u32, limits: Limits) -> Step {
    Step {
        new: up(new, old, desired, limits),
        old: down(new, old, desired, limits),
    }
}

fn up(new: Crowd, old: &[Crowd], desired: u32, limits: Limits) -> u32 {
    let total: u32 = old
        .iter()
        .chain([&new])
        .map(|one| one.wanted.max(one.there))
        .sum();
    let room = desired.saturating_add(limits.surge).saturating_sub(total);
    desired.min(new.wanted.saturating_add(room))
}

fn down(new: Crowd, old: &[Crowd], desired: u32, limits: Limits) -> Vec<u32> {
    let minimum = limits.min_available(desired);
    let wanted: u32 = old.iter().map(|one| one.wanted).sum();
    let staying: u32 = old.iter().map(|one| one.staying()).sum();
    let mut any = (wanted + new.staying()).saturating_sub(minimum);
    let mut healthy = (staying + new.staying()).saturating_sub(minimum);
    let mut targets: Vec<u32> = old.iter().map(|one| one.wanted).collect();
    // Those that answer nobody go first, whatever their version.
    for (target, crowd) in targets.iter_mut().zip(old) {
        let cut = (crowd.wanted - crowd.staying()).min(any);
        *target -= cut;
        any -= cut;
    }
    for (target, crowd) in targets.iter_mut().zip(old) {
        let cut = crowd.staying().min(any).min(healthy).min(*target);
        *target -= cut;
        any -= cut;
        healthy -= cut;
    }
    targets
}

/// Whether a rollout has arrived: all of the new version available, nothing asked for of the others.
pub fn is_done(new: Crowd, old: &[Crowd], desired: u32) -> bool {
    new.wanted == desired && new.staying() == desired && old.iter().all(|one| one.wanted == 0)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use super::*;
    use serde_json::json;

    fn limits(surge: Value, unavailable: Value, desired: u32) -> (u32, u32) {
        let limits = Limits::of(Some(&surge), Some(&unavailable), desired);
        (limits.surge, limits.unavailable)
    }

    #[test]
    fn surge_rounds_up_and_unavailable_down() {
        assert_eq!(limits(json!("25%"), json!("25%"), 1), (1, 0));
        assert_eq!(limits(json!("25%"), json!("25%"), 4), (1, 1));
        assert_eq!(limits(json!("25%"), json!("25%"), 10), (3, 2));
        assert_eq!(limits(json!(2), json!(0), 3), (2, 0));
        assert_eq!(limits(json!(0), json!("10%"), 3), (0, 1), "never both 0");
        assert_eq!(limits(Value::Null, Value::Null, 3), (1, 0));
        assert_eq!(Limits::of(None, None, 8).surge, 2);
    }

    fn crowd(wanted: u32, available: u32) -> Crowd {
        Crowd {
            wanted,
            there: wanted,
            available,
        }
    }

    #[track_caller]
    fn check(new: Crowd, old: &[Crowd], desired: u32, limits: (u32, u32), expect: (u32, &[u32])) {
        let limits = Limits {
            surge: limits.0,
            unavailable: limits.1,
        };
        let step = step(new, old, desired, limits);
        assert_eq!((step.new, &*step.old), expect);
    }

    #[test]
    fn one_more_before_one_less() {
        let old = [crowd(3, 3)];
        check(crowd(0, 0), &old, 3, (1, 0), (1, &[3]));
        check(crowd(1, 0), &old, 3, (1, 0), (1, &[3]));
        check(crowd(1, 1), &old, 3, (1, 0), (1, &[2]));
        check(crowd(1, 1), &[crowd(2, 2)], 3, (1, 0), (2, &[2]));
        check(crowd(3, 3), &[crowd(1, 1)], 3, (1, 0), (3, &[0]));
    }

    #[test]
    fn without_surge_one_less_before_one_more() {
        check(crowd(0, 0), &[crowd(3, 3)], 3, (0, 1), (0, &[2]));
        check(crowd(0, 0), &[crowd(2, 2)], 3, (0, 1), (1, &[2]));
    }

    #[test]
    fn what_still_goes_counts_as_there() {
        let leaving = Crowd {
            wanted: 2,
            there: 3,
            available: 3,
        };
        check(crowd(1, 1), &[leaving], 3, (1, 0), (1, &[2]));
    }

    #[test]
    fn leftovers_and_the_broken_go_first() {
        check(
            crowd(0, 0),
            &[crowd(1, 0), crowd(3, 3)],
            3,
            (1, 0),
            (0, &[0, 3]),
        );
        check(
            crowd(0, 0),
            &[crowd(1, 1), crowd(3, 3)],
            3,
            (1, 0),
            (0, &[0, 3]),
        );
        check(crowd(1, 1), &[crowd(3, 1)], 3, (1, 0), (1, &[2]));
    }

    #[test]
    fn down_to_nothing_at_once() {
        check(crowd(0, 0), &[crowd(3, 3)], 0, (0, 1), (0, &[0]));
        assert!(is_done(crowd(0, 0), &[crowd(0, 0)], 0));
        assert!(is_done(crowd(2, 2), &[], 2));
        assert!(!is_done(crowd(2, 1), &[], 2));
    }

    /// Every rollout ends, and on its way nothing goes above or below, whatever is ready when.
    #[test]
    fn every_rollout_arrives_within_its_limits() {
        for desired in 0..6_u32 {
            for (surge, unavailable) in [(1, 0), (0, 1), (2, 1), (3, 3), (1, 2)] {
                let limits = Limits {
                    surge,
                    unavailable: unavailable.min(desired),
                };
                for seed in 1..40_u64 {
                    arrives(desired, limits, seed);
                }
            }
        }
    }

    fn arrives(desired: u32, limits: Limits, seed: u64) {
        let mut chance = seed;
        let mut toss = move || {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            chance >> 33 & 1 == 0
        };
        let (mut new, mut old) = (crowd(0, 0), crowd(desired, desired));
        for _ in 0..1000 {
            if is_done(new, &[old], desired) {
                return;
            }
            let step = step(new, &[old], desired, limits);
            new.wanted = step.new;
            old.wanted = step.old[0];
            if toss() {
                old.there = old.wanted;
                old.available = old.available.min(old.there);
            }
            if toss() {
                new.there = new.wanted;
            }
            if toss() && new.available < new.there {
                new.available += 1;
            }
            let total = new.wanted + old.wanted.max(old.there);
            assert!(total <= desired + limits.surge, "{new:?} {old:?}");
            let available = new.available + old.available.min(old.wanted);
            assert!(
                available >= limits.min_available(desired),
                "{new:?} {old:?}"
            );
        }
        panic!("{desired} {limits:?} {seed} does not arrive: {new:?} {old:?}");
    }
}
