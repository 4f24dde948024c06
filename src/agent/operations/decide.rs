//! What an agent ought to do next for one Operation; pure.
//!
//! First start, resumption after a crash and every later look run these same lines: the journal says how far it is, the
//! object says what is wanted.
//!
//! # Decided
//!
//! * Abort ends a hook under way (TERM, grace, KILL) and lets an Install under way finish: half an installation is worse
//!   than a late answer. The step that was ended is Failed with reason `Aborted`.
//! * Pause waits for the step under way, a hook included.
//! * An Operation that is gone, or that another of its name has replaced, is closed on the node and reported to nobody.

use crate::agent::journal::state::State;
use crate::api::upshift::Actor;
use crate::api::upshift::ControlOutcome;
use crate::api::upshift::Deployment;
use crate::api::upshift::Desired;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::OperationStatus;
use crate::api::upshift::PLAN_VERSION;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::plan::step;
use crate::plan::step::StepKind;
use crate::plan::step::Whose;
use crate::plan::step::Work;

/// What ought to happen now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Take it on: begin its journal.
    Accept,
    /// Perform a Node step, or go on with it.
    Perform(usize),
    /// A Control step is reached: write down that it is the controller's turn.
    HandOver(usize),
    /// The controller has decided.
    TakeBack(usize, ControlOutcome),
    /// A Control step is not waited for any longer.
    GiveUp(usize),
    Pause,
    Resume,
    /// Nothing until the object changes.
    Wait,
    Close(Closing),
    /// It was accepted once and its journal is gone: say so.
    Lost,
    /// Nothing more, ever.
    Done,
}

/// How an Operation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub(crate) phase: OperationPhase,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Closing {
    /// The end of an Operation that was accepted once and whose journal is gone or useless.
    pub(crate) fn journal_lost() -> Closing {
        Closing::new(
            OperationPhase::Failed,
            "JournalLost",
            "the node has no journal of this operation: its data folder was replaced, removed or damaged",
        )
    }

    fn new(phase: OperationPhase, reason: &str, message: impl Into<String>) -> Closing {
        Closing {
            phase,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// Chooses; `refused` says why this node does not serve the Operation's namespace.
pub(crate) fn decide(
    state: Option<&State>,
    operation: Option<&Operation>,
    refused: Option<&str>,
) -> Next {
    let Some(state) = state else {
        return match operation {
            Some(operation) => decide_unknown(operation),
            None => Next::Done,
        };
    };
    if state.status.phase.is_final() {
        return Next::Done;
    }
    let running = state
        .next_step()
        .filter(|step| state.status.steps[*step].phase == StepPhase::Running);
    let actor = |step: usize| {
        step::named(&state.status.steps[step].name).map_or(Actor::Node, |kind| kind.actor)
    };
    let gone = operation.is_none_or(|operation| !state.is_of(operation));
    let desired = operation.map_or(Desired::Abort, |operation| operation.spec.desired);
    match running {
        // Whatever is wanted, what was begun on the node is ended first; performing knows how.
        Some(step) if actor(step) == Actor::Node => return Next::Perform(step),
        Some(step) if gone || desired == Desired::Abort => return Next::GiveUp(step),
        _ => {}
    }
    let operation = match operation {
        None => return Next::Close(aborted("Gone", "the operation was deleted")),
        Some(_) if gone => {
            return Next::Close(aborted("Superseded", "another operation took its place"));
        }
        Some(operation) => operation,
    };
    if let Some(failed) = failure(&state.status, &operation.spec.deployment) {
        return Next::Close(failed);
    }
    if desired == Desired::Abort {
        return Next::Close(aborted("Aborted", "aborted on request"));
    }
    if let Some(why) = refused {
        return Next::Close(Closing::new(OperationPhase::Failed, "NotAllowed", why));
    }
    if let Some(why) = unknown(operation) {
        return Next::Close(Closing::new(OperationPhase::Failed, "UnknownStep", why));
    }
    let Some(next) = state.next_step() else {
        return Next::Close(Closing::new(OperationPhase::Succeeded, "", ""));
    };
    match (desired, state.status.phase) {
        (Desired::Pause, OperationPhase::Paused) => return Next::Wait,
        (Desired::Pause, _) if running.is_none() => return Next::Pause,
        (Desired::Run, OperationPhase::Paused) => return Next::Resume,
        _ => {}
    }
    if actor(next) == Actor::Node {
        return Next::Perform(next);
    }
    if running.is_none() {
        return Next::HandOver(next);
    }
    match operation.spec.control.get(&state.status.steps[next].name) {
        Some(outcome)
            if matches!(
                outcome.phase,
                StepPhase::Done | StepPhase::Failed | StepPhase::Skipped
            ) =>
        {
            Next::TakeBack(next, outcome.clone())
        }
        _ => Next::Wait,
    }
}

fn decide_unknown(operation: &Operation) -> Next {
    match operation.status.phase {
        OperationPhase::Pending => Next::Accept,
        phase if phase.is_final() => Next::Done,
        _ => Next::Lost,
    }
}

fn aborted(reason: &str, message: &str) -> Closing {
    Closing::new(OperationPhase::Aborted, reason, message)
}

/// How the failed step ends the Operation, if one does.
fn failure(status: &OperationStatus, deployment: &Deployment) -> Option<Closing> {
    let step = status
        .steps
        .iter()
        .find(|step| step.phase == StepPhase::Failed && !is_tolerated(step, deployment))?;
    let phase = if step.reason == "Aborted" {
        OperationPhase::Aborted
    } else {
        OperationPhase::Failed
    };
    let message = format!("{}: {}", step.name, step.message);
    Some(Closing::new(phase, &step.reason, message))
}

/// A stop or block hook of the old revision may fail if the rollout says so; an aborted one may not.
fn is_tolerated(status: &StepStatus, deployment: &Deployment) -> bool {
    deployment.ignore_stop_failure
        && !matches!(status.reason.as_str(), "Aborted" | "GearTimedOut")
        && step::named(&status.name).is_some_and(|kind| kind.work == Work::Hook(Whose::Installed))
}

/// Why this version cannot perform an Operation.
fn unknown(operation: &Operation) -> Option<String> {
    let version = operation.spec.plan_version;
    if version > PLAN_VERSION {
        return Some(format!(
            "the operation's plan has version {version}, this agent knows {PLAN_VERSION}; upgrade the node"
        ));
    }
    let name = &operation
        .spec
        .steps
        .iter()
        .find(|step| step::named(&step.name).is_none())?
        .name;
    Some(format!(
        "this agent does not know step {name:?}; upgrade the node"
    ))
}

/// Why a step has nothing to do, before its scripts are looked at.
pub(crate) fn skip(
    kind: &StepKind,
    deployment: &Deployment,
    is_installed: bool,
) -> Option<&'static str> {
    let on_request = deployment.skip_hooks.iter().any(|name| name == kind.name);
    match kind.work {
        Work::Hook(_) if on_request => Some("OnRequest"),
        Work::Hook(Whose::Wanted) | Work::Download if deployment.revision.is_none() => {
            Some("NothingWanted")
        }
        Work::Hook(Whose::Installed) if !is_installed => Some("FirstDeployment"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agent::journal::Event;
    use crate::agent::journal::state;
    use crate::api::upshift::DeployedRevision;
    use crate::base::clock::Timestamp;

    fn operation(steps: &[&str]) -> Operation {
        let mut operation = Arc::unwrap_or_clone(state::operation(steps));
        operation.spec.plan_version = PLAN_VERSION;
        operation.metadata.uid = "u".to_owned();
        operation
    }

    fn state(operation: &Operation, events: &[Event]) -> State {
        let mut state = State::default();
        state
            .apply(&Event::Accepted {
                operation: Arc::new(operation.clone()),
                installed: None,
                at: Timestamp::from_second(1),
            })
            .unwrap();
        for event in events {
            state.apply(event).unwrap();
        }
        state
    }

    fn started(step: usize) -> Event {
        Event::Started {
            step,
            items: vec![],
            at: Timestamp::from_second(1),
        }
    }

    fn ended(step: usize, phase: StepPhase, reason: &str) -> Event {
        Event::Ended {
            step,
            phase,
            reason: reason.to_owned(),
            message: "m".to_owned(),
            exit_code: None,
            milliseconds: 0,
            at: Timestamp::from_second(1),
        }
    }

    fn done(step: usize) -> [Event; 2] {
        [started(step), ended(step, StepPhase::Done, "")]
    }

    fn close(phase: OperationPhase, reason: &str, message: &str) -> Next {
        Next::Close(Closing::new(phase, reason, message))
    }

    const STEPS: [&str; 3] = ["ApplicationStop", "BlockTraffic", "Install"];

    #[test]
    fn what_is_not_accepted_is_accepted_once() {
        let mut operation = operation(&STEPS);
        assert_eq!(decide(None, Some(&operation), None), Next::Accept);
        operation.status.phase = OperationPhase::Running;
        assert_eq!(decide(None, Some(&operation), None), Next::Lost);
        operation.status.phase = OperationPhase::Failed;
        assert_eq!(decide(None, Some(&operation), None), Next::Done);
        assert_eq!(decide(None, None, None), Next::Done);
    }

    #[test]
    fn steps_come_in_order_and_control_steps_wait_for_their_outcome() {
        let mut operation = operation(&STEPS);
        let mut events: Vec<Event> = Vec::new();
        let next = |operation: &Operation, events: &[Event]| {
            decide(Some(&state(operation, events)), Some(operation), None)
        };
        assert_eq!(next(&operation, &events), Next::Perform(0));
        events.push(started(0));
        assert_eq!(next(&operation, &events), Next::Perform(0));
        events.push(ended(0, StepPhase::Skipped, "NoHook"));
        assert_eq!(next(&operation, &events), Next::HandOver(1));
        events.push(started(1));
        assert_eq!(next(&operation, &events), Next::Wait);
        let outcome = ControlOutcome {
            phase: StepPhase::Done,
            ..ControlOutcome::default()
        };
        operation
            .spec
            .control
            .insert("BlockTraffic".to_owned(), outcome.clone());
        assert_eq!(next(&operation, &events), Next::TakeBack(1, outcome));
        events.push(ended(1, StepPhase::Done, ""));
        assert_eq!(next(&operation, &events), Next::Perform(2));
        events.extend(done(2));
        assert_eq!(
            next(&operation, &events),
            close(OperationPhase::Succeeded, "", "")
        );
    }

    #[test]
    fn pausing_waits_for_the_step_and_aborting_ends_it() {
        let mut operation = operation(&STEPS);
        let next = |operation: &Operation, events: &[Event]| {
            decide(Some(&state(operation, events)), Some(operation), None)
        };
        operation.spec.desired = Desired::Pause;
        assert_eq!(next(&operation, &[started(0)]), Next::Perform(0));
        assert_eq!(next(&operation, &done(0)), Next::Pause);
        let paused = [&done(0)[..], &[Event::Paused]].concat();
        assert_eq!(next(&operation, &paused), Next::Wait);
        operation.spec.desired = Desired::Run;
        assert_eq!(next(&operation, &paused), Next::Resume);
        operation.spec.desired = Desired::Abort;
        assert_eq!(next(&operation, &[started(0)]), Next::Perform(0));
        let closed = close(OperationPhase::Aborted, "Aborted", "aborted on request");
        assert_eq!(next(&operation, &done(0)), closed);
        assert_eq!(next(&operation, &paused), closed);
        let waiting = [&done(0)[..], &[started(1)]].concat();
        assert_eq!(next(&operation, &waiting), Next::GiveUp(1));
    }

    #[test]
    fn what_is_gone_or_replaced_is_closed() {
        let mut operation = operation(&STEPS);
        let journal = state(&operation, &done(0));
        let reason = |next: Next| match next {
            Next::Close(closing) => closing.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(decide(Some(&journal), None, None)), "Gone");
        operation.metadata.uid = "other".to_owned();
        assert_eq!(
            reason(decide(Some(&journal), Some(&operation), None)),
            "Superseded"
        );
        let running = state(&operation, &[started(0)]);
        assert_eq!(decide(Some(&running), None, None), Next::Perform(0));
    }

    #[test]
    fn a_failed_step_ends_it_unless_it_may_fail() {
        let mut operation = operation(&STEPS);
        let events = [started(0), ended(0, StepPhase::Failed, "HookFailed")];
        let next =
            |operation: &Operation| decide(Some(&state(operation, &events)), Some(operation), None);
        assert_eq!(
            next(&operation),
            close(OperationPhase::Failed, "HookFailed", "ApplicationStop: m")
        );
        operation.spec.deployment.ignore_stop_failure = true;
        assert_eq!(next(&operation), Next::HandOver(1));
        let events = [started(0), ended(0, StepPhase::Failed, "Aborted")];
        assert_eq!(
            decide(Some(&state(&operation, &events)), Some(&operation), None),
            close(OperationPhase::Aborted, "Aborted", "ApplicationStop: m")
        );
    }

    #[test]
    fn what_this_version_does_not_know_fails_and_is_never_skipped() {
        let reason = |operation: &Operation, refused| match decide(
            Some(&state(operation, &[])),
            Some(operation),
            refused,
        ) {
            Next::Close(closing) => closing.reason,
            other => panic!("{other:?}"),
        };
        let mut newer = operation(&STEPS);
        newer.spec.plan_version = PLAN_VERSION + 1;
        assert_eq!(reason(&newer, None), "UnknownStep");
        assert_eq!(
            reason(&operation(&["Install", "Dance"]), None),
            "UnknownStep"
        );
        assert_eq!(reason(&operation(&STEPS), Some("no")), "NotAllowed");
    }

    #[test]
    fn skips_say_why() {
        let revision = Some(DeployedRevision::default());
        let wanted = Deployment {
            revision: revision.clone(),
            ..Deployment::default()
        };
        let nothing = Deployment::default();
        let asked = Deployment {
            revision,
            skip_hooks: vec!["ApplicationStop".to_owned(), "Install".to_owned()],
            ..Deployment::default()
        };
        let table = [
            (
                &step::APPLICATION_STOP,
                &wanted,
                false,
                Some("FirstDeployment"),
            ),
            (&step::APPLICATION_STOP, &wanted, true, None),
            (&step::APPLICATION_STOP, &asked, true, Some("OnRequest")),
            (&step::INSTALL, &asked, true, None),
            (&step::INSTALL, &nothing, true, None),
            (
                &step::APPLICATION_START,
                &nothing,
                true,
                Some("NothingWanted"),
            ),
            (
                &step::DOWNLOAD_BUNDLE,
                &nothing,
                true,
                Some("NothingWanted"),
            ),
            (&step::DOWNLOAD_BUNDLE, &wanted, false, None),
        ];
        for (kind, deployment, is_installed, expect) in table {
            assert_eq!(
                skip(kind, deployment, is_installed),
                expect,
                "{}",
                kind.name
            );
        }
    }
}
