//! How many gears a rollout works on at a time, and when it must stop; pure.
//!
//! The wave is min(concurrency, available − minHealthy). Available is a gear on a reachable node that has not failed in
//! this rollout, new ones included, and that an earlier failure has not left out of rotation. Such a blocked gear comes
//! first: it serves nobody, so taking it costs nothing. Concurrency rounds down to at least 1, minHealthy rounds up, as
//! in facts/codedeploy.md 4. Nothing here knows an object: the rollout controller and the preview of a plan both ask.

use crate::api::upshift::Settings;

/// How one gear stands in one rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was started yet.
    Waiting,
    /// Nothing was started yet, and an earlier failure left it out of rotation: it is not available.
    Blocked,
    /// An Operation is under way.
    Running,
    Done,
    /// Its Operation failed, or its node fell silent in the middle and was given up.
    Failed,
    /// Its node is silent and nothing was begun there; it is passed over now and catches up when it returns.
    Unreachable,
}

/// A rollout's settings in whole gears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub concurrency: usize,
    pub min_healthy: usize,
    pub max_failures: usize,
}

/// What a rollout does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These gears, by their places in the list, begin now; never empty.
    Start(Vec<usize>),
    /// What runs has to end first.
    Wait,
    /// Every gear has ended or is unreachable, and the failures are within what is tolerated.
    Finished,
    /// More gears failed than is tolerated, or none succeeded.
    TooManyFailures,
    /// No gear can be taken without going below the minimum.
    TooFewHealthy {
        available: usize,
        min_healthy: usize,
    },
}

impl Limits {
    /// The settings applied to a rollout of `total` gears.
    pub fn of(settings: &Settings, total: usize) -> Limits {
        Limits {
            concurrency: settings.concurrency.floor(total).max(1),
            min_healthy: settings.min_healthy.ceil(total),
            max_failures: settings.max_failures as usize,
        }
    }

    /// One gear at a time, and none may fail: the first wave when there is a canary.
    pub fn for_canary(self) -> Limits {
        Limits {
            concurrency: 1,
            max_failures: 0,
            ..self
        }
    }

    /// The same pace without a minimum or an end: for going back, when what failed is already down.
    pub fn without_minimum(self) -> Limits {
        Limits {
            min_healthy: 0,
            max_failures: usize::MAX,
            ..self
        }
    }
}

/// Decides which gears begin now, or why none does.
pub fn next(limits: &Limits, gears: &[Standing]) -> Next {
    let count = |standing| gears.iter().filter(|one| **one == standing).count();
    let (waiting, blocked) = (count(Standing::Waiting), count(Standing::Blocked));
    let (running, done) = (count(Standing::Running), count(Standing::Done));
    let failed = count(Standing::Failed);
    let available = waiting + running + done;
    if failed > limits.max_failures {
        return Next::TooManyFailures;
    }
    if waiting + blocked == 0 {
        return match (running, done, failed) {
            (1.., _, _) => Next::Wait,
            (0, 1.., _) => Next::Finished,
            (0, 0, 1..) => Next::TooManyFailures,
            (0, 0, 0) => too_few(limits, available),
        };
    }
    let room = limits.concurrency.saturating_sub(running);
    let of_blocked = room.min(blocked);
    let spare = (waiting + done).saturating_sub(limits.min_healthy);
    let of_waiting = (room - of_blocked).min(spare).min(waiting);
    if of_blocked + of_waiting == 0 {
        return if running > 0 {
            Next::Wait
        } else {
            too_few(limits, available)
        };
    }
    let (mut of_blocked, mut of_waiting) = (of_blocked, of_waiting);
    let mut places = Vec::with_capacity(of_blocked + of_waiting);
    for (place, standing) in gears.iter().enumerate() {
        let left = match standing {
            Standing::Blocked => &mut of_blocked,
            Standing::Waiting => &mut of_waiting,
            _ => continue,
        };
        if *left > 0 {
            *left -= 1;
            places.push(place);
        }
    }
    Next::Start(places)
}

fn too_few(limits: &Limits, available: usize) -> Next {
    Next::TooFewHealthy {
        available,
        min_healthy: limits.min_healthy,
    }
}

/// The waves of a rollout in which nothing fails, as places in the list; `Err` is why it would stop.
pub fn preview(
    limits: &Limits,
    has_canary: bool,
    mut gears: Vec<Standing>,
) -> Result<Vec<Vec<usize>>, Next> {
    let mut waves = Vec::new();
    loop {
        let limits = if has_canary && waves.is_empty() {
            limits.for_canary()
        } else {
            *limits
        };
        match next(&limits, &gears) {
            Next::Start(places) => {
                for place in &places {
                    gears[*place] = Standing::Done;
                }
                waves.push(places);
            }
            Next::Finished => return Ok(waves),
            stop => return Err(stop),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::duration::Amount;

    fn limits(concurrency: Amount, min_healthy: Amount, total: usize) -> Limits {
        Limits::of(
            &Settings {
                concurrency,
                min_healthy,
                ..Settings::default()
            },
            total,
        )
    }

    fn check(concurrency: Amount, min_healthy: Amount, total: usize, expect: usize) {
        let first = next(
            &limits(concurrency, min_healthy, total),
            &vec![Standing::Waiting; total],
        );
        match first {
            Next::Start(places) => assert_eq!(places.len(), expect),
            Next::TooFewHealthy { .. } => assert_eq!(expect, 0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waves_are_those_of_the_field() {
        check(Amount::Count(100), Amount::Count(6), 9, 3);
        check(Amount::Count(100), Amount::Percent(40), 9, 5);
        check(Amount::Count(100), Amount::Percent(95), 10, 0);
        check(Amount::Percent(25), Amount::Count(0), 7, 1);
        check(Amount::Percent(1), Amount::Count(0), 3, 1);
        check(Amount::Count(0), Amount::Count(0), 3, 1);
    }

    #[test]
    fn an_unreachable_gear_is_neither_available_nor_failed() {
        use Standing::Done;
        use Standing::Unreachable;
        use Standing::Waiting;
        let two = limits(Amount::Count(5), Amount::Count(1), 3);
        assert_eq!(
            next(&two, &[Waiting, Unreachable, Waiting]),
            Next::Start(vec![0])
        );
        assert_eq!(next(&two, &[Done, Unreachable, Done]), Next::Finished);
        assert_eq!(
            next(&two, &[Unreachable; 3]),
            Next::TooFewHealthy {
                available: 0,
                min_healthy: 1
            }
        );
    }

    #[test]
    fn a_blocked_gear_is_not_available_and_comes_first() {
        use Standing::Blocked;
        use Standing::Done;
        use Standing::Running;
        use Standing::Waiting;
        let two = limits(Amount::Count(1), Amount::Count(2), 3);
        assert_eq!(
            next(&two, &[Waiting, Blocked, Waiting]),
            Next::Start(vec![1])
        );
        assert_eq!(next(&two, &[Waiting, Running, Waiting]), Next::Wait);
        assert_eq!(next(&two, &[Waiting, Done, Waiting]), Next::Start(vec![0]));
        assert_eq!(
            next(&two, &[Waiting, Standing::Failed, Waiting]),
            Next::TooManyFailures
        );
        let all = limits(Amount::Count(3), Amount::Count(1), 3);
        assert_eq!(
            next(&all, &[Waiting, Blocked, Waiting]),
            Next::Start(vec![0, 1])
        );
    }

    #[test]
    fn a_canary_is_a_wave_of_its_own() {
        let pace = limits(Amount::Count(2), Amount::Count(0), 5);
        let waves = preview(&pace, true, vec![Standing::Waiting; 5]).unwrap();
        assert_eq!(waves, [vec![0], vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn at_least_one_gear_must_succeed() {
        let tolerant = Limits {
            concurrency: 3,
            min_healthy: 0,
            max_failures: 3,
        };
        assert_eq!(
            next(&tolerant, &[Standing::Failed; 3]),
            Next::TooManyFailures
        );
        assert_eq!(
            next(
                &tolerant,
                &[Standing::Failed, Standing::Done, Standing::Failed]
            ),
            Next::Finished
        );
    }

    fn settings() -> impl Strategy<Value = Settings> {
        let amount = || {
            prop_oneof![
                (0u32..8).prop_map(Amount::Count),
                (0u32..=100).prop_map(Amount::Percent)
            ]
        };
        (amount(), amount(), 0u32..4).prop_map(|(concurrency, min_healthy, max_failures)| {
            Settings {
                concurrency,
                min_healthy,
                max_failures,
                ..Settings::default()
            }
        })
    }

    proptest! {
        /// Whatever fails, ends late or goes silent: the limits hold, it terminates, and everything is accounted for.
        #[test]
        fn limits_hold_on_every_path(
            settings in settings(),
            gears in proptest::collection::vec(0u8..100, 1..20),
            chances in proptest::collection::vec((0usize..64, 0u8..10), 200),
        ) {
            let limits = Limits::of(&settings, gears.len());
            let mut gears: Vec<Standing> = gears
                .iter()
                .map(|kind| match kind {
                    0..15 => Standing::Unreachable,
                    15..25 => Standing::Blocked,
                    _ => Standing::Waiting,
                })
                .collect();
            let mut chances = chances.into_iter();
            let mut turns = 0;
            let end = loop {
                turns += 1;
                prop_assert!(turns < 100, "does not terminate");
                let running = |gears: &[Standing]| -> Vec<usize> {
                    (0..gears.len()).filter(|place| gears[*place] == Standing::Running).collect()
                };
                match next(&limits, &gears) {
                    Next::Start(places) => {
                        prop_assert!(!places.is_empty());
                        let mut costs = false;
                        for place in places {
                            costs |= gears[place] == Standing::Waiting;
                            prop_assert!(matches!(gears[place], Standing::Waiting | Standing::Blocked));
                            gears[place] = Standing::Running;
                        }
                        let up = gears
                            .iter()
                            .filter(|one| matches!(one, Standing::Waiting | Standing::Done))
                            .count();
                        prop_assert!(running(&gears).len() <= limits.concurrency);
                        prop_assert!(!costs || up >= limits.min_healthy, "{up} healthy of {limits:?}");
                    }
                    Next::Wait => {
                        let under_way = running(&gears);
                        prop_assert!(!under_way.is_empty(), "waits for nothing");
                        let (which, outcome) = chances.next().unwrap_or((0, 9));
                        gears[under_way[which % under_way.len()]] = match outcome {
                            0 | 1 => Standing::Failed,
                            2 => Standing::Unreachable,
                            _ => Standing::Done,
                        };
                    }
                    end => break end,
                }
            };
            let count = |standing| gears.iter().filter(|one| **one == standing).count();
            if end == Next::Finished {
                prop_assert_eq!(
                    count(Standing::Done) + count(Standing::Failed) + count(Standing::Unreachable),
                    gears.len()
                );
                prop_assert!(count(Standing::Done) > 0);
                prop_assert!(count(Standing::Failed) <= limits.max_failures);
            }
        }

        /// Without failures a preview takes every reachable gear exactly once, or says why it cannot.
        #[test]
        fn a_preview_takes_everything_once(settings in settings(), total in 1usize..30) {
            let limits = Limits::of(&settings, total);
            if let Ok(waves) = preview(&limits, false, vec![Standing::Waiting; total]) {
                let mut all: Vec<usize> = waves.concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..total).collect::<Vec<_>>());
            }
        }
    }
}
