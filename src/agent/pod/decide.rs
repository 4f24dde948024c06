//! What happens next to a pod: from the object and what is on the node to actions. Pure.
//!
//! Level-triggered: the same scene gives the same actions, after a restart of the agent too.
//!
//! # Decided
//!
//! * A pod that is being deleted keeps running until the rotation controller has written `upshift.dev/drained`, so that no
//!   request meets a closed door. A pod that was never ready was never in rotation and does not wait; when the
//!   controllers are silent, a minute is enough.
//! * A container starts again in a fresh copy of its image, as in Kubernetes.
//! * Back-off counts from the end that this process has seen: at once after the first end, then 10 s, doubling to 5 min,
//!   from the beginning again after a run of 10 min.

use std::time::Duration;

use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::api::pod::RestartPolicy;

/// How long a pod that is being deleted waits for the controllers.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: u64 = 10;
const LONGEST_PAUSE: u64 = 300;
/// A run of this length wipes the slate clean.
const LONG_RUN: Duration = Duration::from_secs(600);
/// What a pod gets whose object is gone already.
const NO_GRACE: Duration = Duration::from_secs(1);

/// Everything that the next step depends on.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) wish: Wish,
    pub(crate) policy: RestartPolicy,
    pub(crate) containers: Vec<Container>,
    /// What only a running pod needs is gone already.
    pub(crate) is_released: bool,
}

/// What is wanted of the pod as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    /// It has failed as a whole (a deadline): nothing starts again.
    Fail {
        grace: Duration,
    },
    /// It is being deleted; `wait` is how long it stays in peace at most.
    Delete {
        wait: Duration,
        grace: Duration,
    },
    /// Its object is gone.
    Gone,
}

/// One container as it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) attempt: Option<Attempt>,
    /// How long until something that failed (an image, a secret) is tried again.
    pub(crate) blocked: Duration,
}

/// The newest attempt of a container.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) life: Life,
    /// Seconds waited before it.
    pub(crate) pause: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Written down, not let go.
    Begun,
    Running {
        /// Its end was asked for.
        is_ending: bool,
        /// Its liveness or startup probe has failed for good.
        is_sick: bool,
    },
    /// It ran, and its shim is gone without a word.
    Lost,
    Ended {
        exit: Exit,
        /// Since this process saw it.
        since: Duration,
        /// Whether everything that follows the end is done.
        is_finished: bool,
    },
}

/// One thing to do; the number is the container's place in the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start {
        container: usize,
        attempt: u32,
        pause: u64,
    },
    /// `grace`: None leaves it to what the container was started with.
    End {
        container: usize,
        grace: Option<Duration>,
        why: Why,
    },
    /// Ends what a lost shim left and writes down the end.
    Bury(usize),
    /// Does what follows the end of an attempt.
    Finish(usize),
    /// Takes away what only a running pod needs.
    Release,
    /// Says on the server that nothing of it is left here.
    Confirm,
    /// Takes everything away and ends the work on this pod.
    Remove,
}

/// Why a container is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The pod is to go.
    Pod,
    Sick,
}

/// What to do now, and when to look again although nothing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) actions: Vec<Action>,
    pub(crate) again: Option<Duration>,
}

impl Decision {
    fn now(actions: Vec<Action>) -> Decision {
        Decision {
            actions,
            again: None,
        }
    }
}

impl Container {
    /// Whether a process of it may be there.
    fn is_alive(&self) -> bool {
        matches!(self.life(), Some(Life::Running { .. } | Life::Lost))
    }

    fn life(&self) -> Option<&Life> {
        self.attempt.as_ref().map(|attempt| &attempt.life)
    }

    /// Whether nothing of it will run again.
    pub(crate) fn is_over(&self, policy: RestartPolicy) -> bool {
        match self.life() {
            Some(Life::Ended {
                exit, is_finished, ..
            }) => *is_finished && !restarts(policy, exit),
            _ => false,
        }
    }
}

/// Whether a container that ended so is started again.
pub(crate) fn restarts(policy: RestartPolicy, exit: &Exit) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => !succeeded(exit),
        RestartPolicy::Never => false,
    }
}

/// Whether a container ended well; one that was told to end and did so with 0 did.
pub(crate) fn succeeded(exit: &Exit) -> bool {
    exit.code == Some(0) && exit.reason != Reason::SpawnFailed
}

/// How many seconds a container waits before its next attempt.
pub(crate) fn next_pause(attempt: u32, pause: u64, ran: Duration) -> u64 {
    if attempt == 0 || ran >= LONG_RUN {
        0
    } else {
        (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
    }
}

/// Chooses what happens next.
pub(crate) fn decide(scene: &Scene) -> Decision {
    let lost: Vec<Action> = (0..scene.containers.len())
        .filter(|at| scene.containers[*at].life() == Some(&Life::Lost))
        .map(Action::Bury)
        .collect();
    if !lost.is_empty() {
        return Decision::now(lost);
    }
    let is_alive = scene.containers.iter().any(Container::is_alive);
    match scene.wish {
        Wish::Gone if is_alive => end_all(scene, NO_GRACE),
        Wish::Gone => Decision::now(vec![Action::Remove]),
        Wish::Delete { wait, grace } if is_alive => {
            if wait.is_zero() {
                end_all(scene, grace)
            } else {
                let mut decision = run(scene);
                // Whatever ends while it waits stays down.
                decision
                    .actions
                    .retain(|action| !matches!(action, Action::Start { .. }));
                decision.again = Some(wait);
                decision
            }
        }
        Wish::Delete { .. } if scene.is_released => Decision::now(vec![Action::Confirm]),
        Wish::Fail { grace } if is_alive => end_all(scene, grace),
        Wish::Fail { .. } if scene.is_released => Decision::default(),
        Wish::Delete { .. } | Wish::Fail { .. } => Decision::now(vec![Action::Release]),
        Wish::Run => run(scene),
    }
}

fn end_all(scene: &Scene, grace: Duration) -> Decision {
    let running = scene.containers.iter().enumerate();
    let actions = running.filter_map(|(container, one)| match one.life() {
        Some(Life::Running {
            is_ending: false, ..
        }) => Some(Action::End {
            container,
            grace: Some(grace),
            why: Why::Pod,
        }),
        _ => None,
    });
    Decision::now(actions.collect())
}

fn run(scene: &Scene) -> Decision {
    let mut decision = Decision::default();
    let policy = scene.policy;
    if scene.containers.iter().all(|one| one.is_over(policy)) {
        if !scene.is_released {
            decision.actions.push(Action::Release);
        }
        return decision;
    }
    for (container, one) in scene.containers.iter().enumerate() {
        let (attempt, pause, wait) = match &one.attempt {
            None => (0, 0, Duration::ZERO),
            Some(attempt) => match &attempt.life {
                Life::Begun => (attempt.number, attempt.pause, Duration::ZERO),
                Life::Running { is_ending, is_sick } => {
                    if *is_sick && !is_ending {
                        decision.actions.push(Action::End {
                            container,
                            grace: None,
                            why: Why::Sick,
                        });
                    }
                    continue;
                }
                Life::Ended {
                    is_finished: false, ..
                } => {
                    decision.actions.push(Action::Finish(container));
                    continue;
                }
                Life::Ended { exit, since, .. } if restarts(policy, exit) => {
                    let ran = Duration::from_millis(exit.milliseconds);
                    let pause = next_pause(attempt.number, attempt.pause, ran);
                    let wait = Duration::from_secs(pause).saturating_sub(*since);
                    (attempt.number + 1, pause, wait)
                }
                Life::Ended { .. } | Life::Lost => continue,
            },
        };
        let wait = wait.max(one.blocked);
        if wait.is_zero() {
            decision.actions.push(Action::Start {
                container,
                attempt,
                pause,
            });
        } else {
            decision.again = Some(decision.again.map_or(wait, |sooner| sooner.min(wait)));
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn scene(wish: Wish, lives: &[Option<Life>]) -> Scene {
        let containers = lives.iter().map(|life| Container {
            attempt: life.clone().map(|life| Attempt {
                number: 2,
                life,
                pause: 10,
            }),
            blocked: Duration::ZERO,
        });
        Scene {
            wish,
            policy: RestartPolicy::Always,
            containers: containers.collect(),
            is_released: false,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a scene has containers without a life"
    )]
    fn running() -> Option<Life> {
        Some(Life::Running {
            is_ending: false,
            is_sick: false,
        })
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "a scene has containers without a life"
    )]
    fn ended(code: i32, seconds: u64) -> Option<Life> {
        Some(Life::Ended {
            exit: Exit {
                code: Some(code),
                ..Exit::default()
            },
            since: Duration::from_secs(seconds),
            is_finished: true,
        })
    }

    fn check(scene: &Scene, actions: &[Action], again: Option<u64>) {
        let expect = Decision {
            actions: actions.to_vec(),
            again: again.map(Duration::from_secs),
        };
        assert_eq!(decide(scene), expect, "{scene:?}");
    }

    fn start(attempt: u32, pause: u64) -> Action {
        Action::Start {
            container: 0,
            attempt,
            pause,
        }
    }

    #[test]
    fn a_pod_runs_until_it_is_over() {
        check(&scene(Wish::Run, &[None]), &[start(0, 0)], None);
        check(
            &scene(Wish::Run, &[Some(Life::Begun)]),
            &[start(2, 10)],
            None,
        );
        check(&scene(Wish::Run, &[running()]), &[], None);
        check(&scene(Wish::Run, &[ended(1, 5)]), &[], Some(15));
        check(&scene(Wish::Run, &[ended(0, 20)]), &[start(3, 20)], None);
        let mut never = scene(Wish::Run, &[ended(1, 5)]);
        never.policy = RestartPolicy::Never;
        check(&never, &[Action::Release], None);
        never.is_released = true;
        check(&never, &[], None);
        let mut job = scene(Wish::Run, &[ended(0, 5), ended(1, 60)]);
        job.policy = RestartPolicy::OnFailure;
        let again = Action::Start {
            container: 1,
            attempt: 3,
            pause: 20,
        };
        check(&job, &[again], None);
        let mut blocked = scene(Wish::Run, &[None, running()]);
        blocked.containers[0].blocked = Duration::from_secs(7);
        check(&blocked, &[], Some(7));
    }

    #[test]
    fn what_is_lost_is_buried_and_what_is_sick_is_ended() {
        for wish in [Wish::Run, Wish::Gone, Wish::Fail { grace: GRACE }] {
            check(
                &scene(wish, &[running(), Some(Life::Lost)]),
                &[Action::Bury(1)],
                None,
            );
        }
        let sick = |is_ending| {
            Some(Life::Running {
                is_ending,
                is_sick: true,
            })
        };
        let end = Action::End {
            container: 0,
            grace: None,
            why: Why::Sick,
        };
        check(&scene(Wish::Run, &[sick(false)]), &[end], None);
        check(&scene(Wish::Run, &[sick(true)]), &[], None);
    }

    #[test]
    fn a_pod_goes_in_order() {
        let end = |grace| Action::End {
            container: 0,
            grace: Some(grace),
            why: Why::Pod,
        };
        let delete = |seconds| Wish::Delete {
            wait: Duration::from_secs(seconds),
            grace: GRACE,
        };
        check(&scene(delete(9), &[running()]), &[], Some(9));
        check(&scene(delete(9), &[running(), None]), &[], Some(9));
        check(&scene(delete(0), &[running()]), &[end(GRACE)], None);
        let ending = Some(Life::Running {
            is_ending: true,
            is_sick: false,
        });
        check(&scene(delete(0), &[ending]), &[], None);
        check(&scene(delete(9), &[ended(0, 0)]), &[Action::Release], None);
        let mut released = scene(delete(9), &[ended(0, 0)]);
        released.is_released = true;
        check(&released, &[Action::Confirm], None);
        check(&scene(Wish::Gone, &[running()]), &[end(NO_GRACE)], None);
        check(&scene(Wish::Gone, &[ended(0, 0)]), &[Action::Remove], None);
        check(
            &scene(Wish::Fail { grace: GRACE }, &[running()]),
            &[end(GRACE)],
            None,
        );
    }

    #[test]
    fn pauses_double_from_the_second_end_on() {
        let short = Duration::from_secs(3);
        let mut pause = 0;
        let mut pauses = Vec::new();
        for attempt in 0..8 {
            pause = next_pause(attempt, pause, short);
            pauses.push(pause);
        }
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(next_pause(7, 300, LONG_RUN), 0);
        assert_eq!(next_pause(8, 0, short), 10);
    }
}
