//! A pod's status: a projection of what is on the node. Pure.
//!
//! Words and conditions are kubelet's (`pkg/kubelet/status`, `kuberuntime`), so that `get pods` reads as people know it.

use crate::agent::pod::Trouble;
use crate::agent::pod::decide::restarts;
use crate::agent::pod::decide::succeeded;
use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::api::core::Condition;
use crate::api::pod::Container;
use crate::api::pod::ContainerState;
use crate::api::pod::ContainerStatus;
use crate::api::pod::Listening;
use crate::api::pod::NOT_LISTENING;
use crate::api::pod::Pod;
use crate::api::pod::PodIp;
use crate::api::pod::PodPhase;
use crate::api::pod::PodStatus;
use crate::api::pod::RestartPolicy;
use crate::api::pod::Running;
use crate::api::pod::Terminated;
use crate::api::pod::Waiting;
use crate::base::clock::Timestamp;

/// What the status says about, seen on the node.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) host_ip: String,
    pub(crate) pod_ip: String,
    pub(crate) start_time: Option<Timestamp>,
    /// Reason and message of a pod that failed as a whole.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) containers: Vec<Seen>,
    pub(crate) listening: Vec<Listening>,
}

/// One container, in the order of the spec.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The newest attempt that was let go, and the one before it.
    pub(crate) newest: Option<Attempt>,
    pub(crate) before: Option<Attempt>,
    /// A start under way or waited for, of this attempt.
    pub(crate) trouble: Option<Trouble>,
    pub(crate) image_id: String,
    pub(crate) is_started: bool,
    pub(crate) is_ready: bool,
    /// The ports that it declares, when it waits for one of them only.
    pub(crate) awaited_ports: Vec<u16>,
}

/// One run of a container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) end: Option<End>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) at: Option<Timestamp>,
    /// The last lines of a failure, or what a build said.
    pub(crate) message: String,
    /// The cause in one word, where the node knows it.
    pub(crate) reason: Option<&'static str>,
    /// Whether everything that follows the end is done.
    pub(crate) is_finished: bool,
}

/// The status of a pod.
pub(crate) fn status(pod: &Pod, view: &View, now: Timestamp) -> PodStatus {
    let policy = pod.spec.restart_policy;
    let seen = |at: usize| view.containers.get(at).cloned().unwrap_or_default();
    let containers: Vec<(&Container, Seen)> = pod
        .spec
        .containers
        .iter()
        .enumerate()
        .map(|(at, container)| (container, seen(at)))
        .collect();
    let phase = phase(policy, view);
    let statuses: Vec<ContainerStatus> = containers
        .iter()
        .map(|(container, seen)| container_status(pod, container, seen))
        .collect();
    let (reason, message) = match (&view.failure, phase) {
        (Some((reason, message)), PodPhase::Failed) => (reason.clone(), message.clone()),
        _ => Default::default(),
    };
    PodStatus {
        phase,
        conditions: conditions(pod, phase, &statuses, awaited(&containers), now),
        message,
        reason,
        host_ip: view.host_ip.clone(),
        pod_ip: view.pod_ip.clone(),
        pod_ips: Some(&view.pod_ip)
            .filter(|ip| !ip.is_empty())
            .map(|ip| PodIp { ip: ip.clone() })
            .into_iter()
            .collect(),
        start_time: view.start_time,
        container_statuses: statuses,
        listening: view.listening.clone(),
    }
}

fn phase(policy: RestartPolicy, view: &View) -> PodPhase {
    let ends = || view.containers.iter().map(|seen| seen.newest.as_ref());
    let is_over = ends().all(|attempt| {
        let end = attempt.and_then(|attempt| attempt.end.as_ref());
        end.is_some_and(|end| {
            end.is_finished && (view.failure.is_some() || !restarts(policy, &end.exit))
        })
    });
    let none_alive = ends().all(|attempt| attempt.is_none_or(|attempt| attempt.end.is_some()));
    if view.failure.is_some() && none_alive {
        return PodPhase::Failed;
    }
    if is_over && !view.containers.is_empty() {
        let all_well = ends().flatten().all(|attempt| {
            let end = attempt.end.as_ref();
            end.is_some_and(|end| succeeded(&end.exit))
        });
        return if all_well {
            PodPhase::Succeeded
        } else {
            PodPhase::Failed
        };
    }
    if ends().all(|attempt| attempt.is_some()) {
        PodPhase::Running
    } else {
        PodPhase::Pending
    }
}

fn container_status(pod: &Pod, container: &Container, seen: &Seen) -> ContainerStatus {
    let newest = seen.newest.as_ref();
    let running = newest.filter(|attempt| attempt.end.is_none());
    let ended = newest.filter(|attempt| attempt.end.is_some());
    let mut state = ContainerState::default();
    let mut last_state = ContainerState::default();
    let policy = pod.spec.restart_policy;
    let goes_on = ended
        .and_then(|attempt| attempt.end.as_ref())
        .is_none_or(|end| end.is_finished && restarts(policy, &end.exit));
    if let Some(attempt) = running {
        state.running = Some(Running {
            started_at: attempt.started_at,
        });
        last_state.terminated = seen.before.as_ref().and_then(terminated);
    } else if let (Some(trouble), true) = (&seen.trouble, goes_on) {
        state.waiting = Some(Waiting {
            reason: trouble.reason.clone(),
            message: trouble.message.clone(),
        });
        last_state.terminated = ended.and_then(terminated);
    } else if let Some(attempt) = ended {
        state.terminated = terminated(attempt);
        last_state.terminated = seen.before.as_ref().and_then(terminated);
    } else {
        state.waiting = Some(Waiting {
            reason: "ContainerCreating".to_owned(),
            message: String::new(),
        });
    }
    ContainerStatus {
        name: container.name.clone(),
        ready: seen.is_ready && running.is_some(),
        started: Some(seen.is_started && running.is_some()),
        restart_count: newest.map_or(0, |attempt| attempt.number),
        image: container.image.clone(),
        image_id: seen.image_id.clone(),
        state,
        last_state,
    }
}

fn terminated(attempt: &Attempt) -> Option<Terminated> {
    let end = attempt.end.as_ref()?;
    let exit = &end.exit;
    let (exit_code, reason) = match exit.reason {
        Reason::SpawnFailed => (127, "ContainerCannotRun"),
        _ => match exit.shell_code() {
            Some(0) => (0, "Completed"),
            Some(code) => (code, end.reason.unwrap_or("Error")),
            None => (137, "Error"),
        },
    };
    Some(Terminated {
        exit_code,
        signal: exit.signal,
        reason: reason.to_owned(),
        message: end.message.clone(),
        started_at: attempt.started_at,
        finished_at: end.at,
    })
}

/// What is said of a pod that is not ready only because nobody listens.
fn awaited(containers: &[(&Container, Seen)]) -> Option<String> {
    let mut unready = containers.iter().filter(|(_, seen)| !seen.is_ready);
    let is_up = |seen: &Seen| seen.newest.as_ref().is_some_and(|one| one.end.is_none());
    if unready
        .clone()
        .any(|(_, seen)| seen.awaited_ports.is_empty() || !is_up(seen))
    {
        return None;
    }
    let (_, seen) = unready.next()?;
    let ports: Vec<String> = seen.awaited_ports.iter().map(u16::to_string).collect();
    let ports = ports.join(", ");
    Some(format!(
        "no process listens on a port yet; the image declares {ports}"
    ))
}

/// Kubelet's four; each keeps the time of its last change.
fn conditions(
    pod: &Pod,
    phase: PodPhase,
    statuses: &[ContainerStatus],
    awaited: Option<String>,
    now: Timestamp,
) -> Vec<Condition> {
    let unready: Vec<&str> = statuses
        .iter()
        .filter(|status| !status.ready)
        .map(|status| status.name.as_str())
        .collect();
    let (reason, message) = match phase {
        PodPhase::Succeeded => ("PodCompleted", String::new()),
        PodPhase::Failed => ("PodFailed", String::new()),
        _ if unready.is_empty() => ("", String::new()),
        _ if awaited.is_some() => (NOT_LISTENING, awaited.unwrap_or_default()),
        _ => (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let is_ready = unready.is_empty() && phase == PodPhase::Running;
    let one = |kind: &str, is_true: bool, reason: &str, message: &str| {
        let status = if is_true { "True" } else { "False" };
        let mut known = pod.status.conditions.iter();
        let known = known.find(|known| known.kind == kind && known.status == status);
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            last_transition_time: known
                .and_then(|known| known.last_transition_time)
                .or(Some(now)),
        }
    };
    vec![
        one("Initialized", true, "", ""),
        one("Ready", is_ready, reason, &message),
        one("ContainersReady", is_ready, reason, &message),
        one("PodScheduled", true, "", ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, code: Option<i32>) -> Attempt {
        Attempt {
            number,
            started_at: Some(Timestamp::from_second(100)),
            end: code.map(|code| End {
                exit: Exit {
                    code: Some(code),
                    ..Exit::default()
                },
                is_finished: true,
                ..End::default()
            }),
        }
    }

    /// Phase, Ready, and each container as `STATE/LAST restarts`.
    fn check(policy: RestartPolicy, containers: &[Seen], expect: &str) {
        let mut pod = Pod::default();
        pod.spec.restart_policy = policy;
        pod.spec.containers = vec![Container::default(); containers.len()];
        let view = View {
            containers: containers.to_vec(),
            ..View::default()
        };
        let status = status(&pod, &view, Timestamp::from_second(200));
        let state = |state: &ContainerState| {
            let terminated = state.terminated.as_ref();
            let ended = terminated.map(|end| format!("{}:{}", end.reason, end.exit_code));
            let waiting = state.waiting.as_ref().map(|waiting| waiting.reason.clone());
            let running = state.running.as_ref().map(|_| "Running".to_owned());
            ended.or(waiting).or(running).unwrap_or_default()
        };
        let containers: Vec<String> = status
            .container_statuses
            .iter()
            .map(|one| {
                let (state, last) = (state(&one.state), state(&one.last_state));
                format!("{state}/{last} {}", one.restart_count)
            })
            .collect();
        let ready = &status.conditions[1].status;
        let found = format!("{:?} {ready} {}", status.phase, containers.join(", "));
        assert_eq!(found, expect);
    }

    #[test]
    fn a_pod_reads_as_kubelet_would_write_it() {
        use RestartPolicy::Always;
        use RestartPolicy::Never;
        use RestartPolicy::OnFailure;
        let seen = |newest: Option<Attempt>, before, trouble: &str| Seen {
            is_ready: newest.as_ref().is_some_and(|one| one.end.is_none()),
            newest,
            before,
            trouble: (!trouble.is_empty()).then(|| Trouble::new(trouble, "")),
            is_started: true,
            ..Seen::default()
        };
        let new = seen(None, None, "");
        check(Always, &[new], "Pending False ContainerCreating/ 0");
        let pulling = seen(None, None, "ErrImagePull");
        check(Always, &[pulling], "Pending False ErrImagePull/ 0");
        let running = seen(Some(attempt(0, None)), None, "");
        check(
            Always,
            std::slice::from_ref(&running),
            "Running True Running/ 0",
        );
        let again = seen(Some(attempt(1, None)), Some(attempt(0, Some(3))), "");
        check(Always, &[again], "Running True Running/Error:3 1");
        let ended = seen(Some(attempt(1, Some(3))), Some(attempt(0, Some(2))), "");
        check(Always, &[ended], "Running False Error:3/Error:2 1");
        let looping = seen(Some(attempt(1, Some(3))), None, "CrashLoopBackOff");
        check(
            Always,
            &[looping],
            "Running False CrashLoopBackOff/Error:3 1",
        );
        let done = seen(Some(attempt(0, Some(0))), None, "");
        let failed = seen(Some(attempt(0, Some(1))), None, "");
        check(
            Never,
            std::slice::from_ref(&done),
            "Succeeded False Completed:0/ 0",
        );
        check(
            Never,
            &[failed, done.clone()],
            "Failed False Error:1/ 0, Completed:0/ 0",
        );
        check(
            OnFailure,
            &[done, running],
            "Running False Completed:0/ 0, Running/ 0",
        );
    }
}
