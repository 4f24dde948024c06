//! What a journal amounts to: the Operation's status, by folding events; pure.

use std::sync::Arc;

use crate::agent::journal::Event;
use crate::agent::record::Gear;
use crate::api::upshift::ItemStatus;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::OperationStatus;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;

/// An event that cannot follow those before it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{event} cannot follow here: {why}")]
pub struct Illegal {
    event: &'static str,
    why: &'static str,
}

/// The fold of a journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The Operation as it was accepted.
    pub operation: Arc<Operation>,
    /// What was in place when it was accepted.
    pub installed: Option<Box<Gear>>,
    pub status: OperationStatus,
    accepted: bool,
}

impl State {
    /// Whether `operation` is the accepted one, as it is now on the server.
    pub fn is_of(&self, operation: &Operation) -> bool {
        self.operation.metadata.uid == operation.metadata.uid
    }

    /// The first step that has not ended.
    pub fn next_step(&self) -> Option<usize> {
        self.status
            .steps
            .iter()
            .position(|step| matches!(step.phase, StepPhase::Waiting | StepPhase::Running))
    }

    /// The item of a running step that is under way.
    pub fn running_item(&self, step: usize) -> Option<usize> {
        self.status.steps[step]
            .items
            .iter()
            .position(|item| item.phase == StepPhase::Running)
    }

    /// Folds one event in, or refuses it and stays as it is.
    pub fn apply(&mut self, event: &Event) -> Result<(), Illegal> {
        let illegal = |why| Illegal {
            event: name(event),
            why,
        };
        if matches!(event, Event::Accepted { .. }) == self.accepted {
            return Err(illegal(if self.accepted {
                "the operation is accepted already"
            } else {
                "the operation is not accepted"
            }));
        }
        let log = matches!(event, Event::Log { .. });
        if self.status.phase.is_final() && !log {
            return Err(illegal("the operation is closed"));
        }
        match event {
            Event::Accepted {
                operation,
                installed,
                at,
            } => {
                self.operation.clone_from(operation);
                self.installed.clone_from(installed);
                self.accepted = true;
                self.status = OperationStatus {
                    phase: OperationPhase::Running,
                    steps: operation
                        .spec
                        .steps
                        .iter()
                        .map(|step| StepStatus {
                            name: step.name.clone(),
                            ..StepStatus::default()
                        })
                        .collect(),
                    started_at: Some(*at),
                    ..OperationStatus::default()
                };
            }
            Event::Paused if self.status.phase == OperationPhase::Running => {
                self.status.phase = OperationPhase::Paused;
            }
            Event::Resumed if self.status.phase == OperationPhase::Paused => {
                self.status.phase = OperationPhase::Running;
            }
            Event::Paused => return Err(illegal("it is paused")),
            Event::Resumed => return Err(illegal("it is not paused")),
            Event::Closed {
                phase,
                reason,
                message,
                at,
            } => {
                if self.is_under_way() {
                    return Err(illegal("a step is under way"));
                }
                self.status.phase = *phase;
                self.status.reason.clone_from(reason);
                self.status.message.clone_from(message);
                self.status.finished_at = Some(*at);
            }
            _ => self.apply_to_step(event).map_err(illegal)?,
        }
        Ok(())
    }

    fn is_under_way(&self) -> bool {
        self.status
            .steps
            .iter()
            .any(|step| step.phase == StepPhase::Running)
    }

    fn apply_to_step(&mut self, event: &Event) -> Result<(), &'static str> {
        let next = self.next_step();
        let (Event::Started { step: index, .. }
        | Event::Item { step: index, .. }
        | Event::Ended { step: index, .. }
        | Event::Log { step: index, .. }) = event
        else {
            return Err("it is about no step");
        };
        let step = self
            .status
            .steps
            .get_mut(*index)
            .ok_or("there is no such step")?;
        if !matches!(event, Event::Log { .. }) && next != Some(*index) {
            return Err("another step is next");
        }
        match event {
            Event::Started { items, at, .. } => start(step, items, *at),
            Event::Item {
                item,
                phase,
                message,
                exit_code,
                ..
            } => end_item(step, *item, *phase, message, *exit_code),
            Event::Ended { .. } => end(step, event),
            Event::Log { digest, .. } => {
                step.log.clone_from(digest);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn start(
    step: &mut StepStatus,
    items: &[String],
    at: crate::base::clock::Timestamp,
) -> Result<(), &'static str> {
    if step.phase != StepPhase::Waiting {
        return Err("the step is under way");
    }
    step.phase = StepPhase::Running;
    step.started_at = Some(at);
    step.items = items
        .iter()
        .map(|name| ItemStatus {
            name: name.clone(),
            ..ItemStatus::default()
        })
        .collect();
    if let Some(first) = step.items.first_mut() {
        first.phase = StepPhase::Running;
    }
    Ok(())
}

fn end_item(
    step: &mut StepStatus,
    item: usize,
    phase: StepPhase,
    message: &str,
    exit_code: Option<i32>,
) -> Result<(), &'static str> {
    if !matches!(phase, StepPhase::Done | StepPhase::Failed) {
        return Err("an item ends Done or Failed");
    }
    let one = step.items.get_mut(item).ok_or("there is no such item")?;
    if one.phase != StepPhase::Running {
        return Err("the item is not under way");
    }
    one.phase = phase;
    message.clone_into(&mut one.message);
    one.exit_code = exit_code;
    if phase == StepPhase::Done
        && let Some(next) = step.items.get_mut(item + 1)
    {
        next.phase = StepPhase::Running;
    }
    Ok(())
}

fn end(step: &mut StepStatus, event: &Event) -> Result<(), &'static str> {
    let Event::Ended {
        phase,
        reason,
        message,
        exit_code,
        milliseconds,
        at,
        ..
    } = event
    else {
        return Err("it is no end");
    };
    match (phase, step.phase) {
        (StepPhase::Skipped, StepPhase::Waiting | StepPhase::Running)
        | (StepPhase::Done | StepPhase::Failed, StepPhase::Running) => {}
        (StepPhase::Waiting | StepPhase::Running, _) => return Err("that is no end"),
        _ => return Err("the step is not under way"),
    }
    if step
        .items
        .iter()
        .any(|item| item.phase == StepPhase::Running)
    {
        return Err("an item is under way");
    }
    step.phase = *phase;
    step.reason.clone_from(reason);
    step.message.clone_from(message);
    step.exit_code = *exit_code;
    step.milliseconds = (*phase != StepPhase::Skipped).then_some(*milliseconds);
    step.finished_at = Some(*at);
    Ok(())
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::Accepted { .. } => "Accepted",
        Event::Started { .. } => "Started",
        Event::Item { .. } => "Item",
        Event::Ended { .. } => "Ended",
        Event::Log { .. } => "Log",
        Event::Paused => "Paused",
        Event::Resumed => "Resumed",
        Event::Closed { .. } => "Closed",
    }
}

/// An Operation of these steps.
#[cfg(test)]
pub(crate) fn operation(steps: &[&str]) -> Arc<Operation> {
    let step = |name: &&str| crate::api::upshift::Step {
        name: (*name).to_owned(),
        ..Default::default()
    };
    let mut operation = Operation::default();
    operation.spec.steps = steps.iter().map(step).collect();
    Arc::new(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    const AT: i64 = 100;

    fn at() -> Timestamp {
        Timestamp::from_second(AT)
    }

    fn ended(step: usize, phase: StepPhase) -> Event {
        Event::Ended {
            step,
            phase,
            reason: String::new(),
            message: String::new(),
            exit_code: None,
            milliseconds: 5,
            at: at(),
        }
    }

    fn started(step: usize, items: &[&str]) -> Event {
        Event::Started {
            step,
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            at: at(),
        }
    }

    fn item(step: usize, item: usize, phase: StepPhase) -> Event {
        Event::Item {
            step,
            item,
            phase,
            message: String::new(),
            exit_code: Some(0),
        }
    }

    fn closed() -> Event {
        Event::Closed {
            phase: OperationPhase::Succeeded,
            reason: String::new(),
            message: String::new(),
            at: at(),
        }
    }

    fn folded(events: &[Event]) -> Result<State, Illegal> {
        let mut state = State::default();
        state.apply(&Event::Accepted {
            operation: operation(&["ApplicationStop", "Install"]),
            installed: None,
            at: at(),
        })?;
        for event in events {
            state.apply(event)?;
        }
        Ok(state)
    }

    #[test]
    fn a_whole_life() {
        let state = folded(&[
            started(0, &["a", "b"]),
            item(0, 0, StepPhase::Done),
            item(0, 1, StepPhase::Done),
            ended(0, StepPhase::Done),
            Event::Paused,
            Event::Resumed,
            ended(1, StepPhase::Skipped),
            closed(),
            Event::Log {
                step: 0,
                digest: "d".to_owned(),
            },
        ])
        .unwrap();
        assert_eq!(state.status.phase, OperationPhase::Succeeded);
        assert_eq!(state.status.steps[0].log, "d");
        assert_eq!(state.status.steps[0].milliseconds, Some(5));
        assert_eq!(state.next_step(), None);
    }

    #[test]
    fn items_begin_one_after_the_other() {
        let state = folded(&[started(0, &["a", "b"]), item(0, 0, StepPhase::Done)]).unwrap();
        assert_eq!(state.running_item(0), Some(1));
        let state = folded(&[started(0, &["a", "b"]), item(0, 0, StepPhase::Failed)]).unwrap();
        assert_eq!(state.running_item(0), None);
        assert_eq!(state.status.steps[0].items[1].phase, StepPhase::Waiting);
    }

    #[test]
    fn what_cannot_follow_is_refused() {
        let wrong: &[&[Event]] = &[
            &[started(1, &[])],
            &[started(0, &[]), started(0, &[])],
            &[ended(0, StepPhase::Done)],
            &[started(0, &["a"]), ended(0, StepPhase::Done)],
            &[started(0, &["a"]), item(0, 1, StepPhase::Done)],
            &[started(0, &[]), closed()],
            &[started(0, &[]), ended(0, StepPhase::Running)],
            &[closed(), closed()],
            &[closed(), started(0, &[])],
            &[Event::Resumed],
            &[started(7, &[])],
        ];
        for events in wrong {
            assert!(folded(events).is_err(), "{events:?}");
        }
        assert!(State::default().apply(&Event::Paused).is_err());
    }
}
