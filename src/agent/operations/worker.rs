//! One Operation from its journal to its end: decides, writes down, performs, reports.
//!
//! Everything it needs comes from the Operation as it was accepted, which its journal begins with; of the object on the
//! server it follows only what is desired and what Control steps came to. An error of this file's own ([`Fault`]) ends
//! the worker and not the Operation: it is taken up again from the journal.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::journal;
use crate::agent::journal::Event;
use crate::agent::journal::Journal;
use crate::agent::operations::Shared;
use crate::agent::operations::decide::Closing;
use crate::agent::operations::decide::Next;
use crate::agent::operations::decide::decide;
use crate::agent::operations::places::Held;
use crate::agent::operations::report;
use crate::agent::operations::report::Reporter;
use crate::agent::operations::report::Urgency;
use crate::agent::operations::steps::Outcome;
use crate::agent::operations::steps::Ready;
use crate::agent::record::Gear;
use crate::agent::users;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::ControlOutcome;
use crate::api::upshift::Desired;
use crate::api::upshift::GearState;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::plan::step;

/// How long the end of an Operation waits for its logs to be in the registry.
const LOGS_LIMIT: Duration = Duration::from_secs(5);

/// The object as the server has it now; None when it is gone.
pub(crate) type Wanted = watch::Receiver<Option<Arc<Operation>>>;

/// Why a worker cannot go on here and now; the journal says from where it can.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Journal(#[from] journal::Error),
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// One Operation under way.
pub(crate) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Key,
    pub(super) folder: PathBuf,
    pub(super) wanted: Wanted,
    /// As it was accepted.
    pub(super) accepted: Arc<Operation>,
    pub(super) journal: Journal,
    /// The unpacked bundles, once they were looked at in this agent's life.
    pub(super) new: Option<Arc<Ready>>,
    pub(super) old: Option<Arc<Ready>>,
    pub(super) held: Option<Held>,
    /// What the step under way says for itself; never in the journal.
    pub(super) said: Option<(usize, String)>,
    reporter: Option<Reporter>,
    uploads: JoinSet<(usize, String)>,
}

/// Performs an Operation until it is closed or gone. Being cancelled at any await loses nothing.
pub(crate) async fn run(shared: Arc<Shared>, key: Key, wanted: Wanted) -> Result<(), Fault> {
    let folder = shared.operation_folder(&key);
    loop {
        let operation = wanted.borrow().clone();
        let begun = match Journal::open(&folder) {
            Ok(begun) => begun,
            Err(error @ journal::Error::Damaged { .. }) => {
                tracing::error!(operation = %key, %error, "its journal is useless");
                return match &operation {
                    Some(operation) => report_lost(&shared, &key, operation).await,
                    None => forget(&folder),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let journal = match begun {
            Some(journal) => journal,
            None => match decide(None, operation.as_deref(), None) {
                Next::Accept => {
                    let operation = operation.as_ref().expect("only an object can be accepted");
                    accept(&shared, &folder, operation)?
                }
                Next::Lost => {
                    let operation = operation.as_ref().expect("only an object has a status");
                    return report_lost(&shared, &key, operation).await;
                }
                _ => return forget(&folder),
            },
        };
        let is_other = !operation.is_some_and(|operation| journal.state().is_of(&operation));
        if journal.state().status.phase.is_final() && is_other {
            forget(&folder)?;
            continue;
        }
        let worker = Worker::new(shared.clone(), &key, wanted.clone(), journal);
        let accepted = worker.accepted.clone();
        worker.run().await?;
        let wanted = wanted.borrow();
        if wanted
            .as_ref()
            .is_some_and(|operation| operation.metadata.uid == accepted.metadata.uid)
        {
            return Ok(());
        }
    }
}

/// Notes what is accepted.
fn accept(shared: &Shared, folder: &Path, operation: &Arc<Operation>) -> Result<Journal, Fault> {
    forget(folder)?;
    let gear = shared.gear_folder(operation);
    let installed = Gear::read(&gear).map_err(|source| Fault::Io {
        what: "read gear.json in",
        path: gear,
        source,
    })?;
    let accepted = Event::Accepted {
        operation: operation.clone(),
        installed: installed.map(Box::new),
        at: shared.clock.now(),
    };
    Ok(Journal::create(folder, &accepted)?)
}

/// Removes an Operation's folder, if there is one.
fn forget(folder: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Fault::Io {
            what: "remove",
            path: folder.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Says on the server that an accepted Operation cannot be gone on with.
async fn report_lost(shared: &Shared, key: &Key, operation: &Operation) -> Result<(), Fault> {
    let mut status = operation.status.clone();
    if status.phase.is_final() {
        return Ok(());
    }
    let closing = Closing::journal_lost();
    for step in &mut status.steps {
        if step.phase == StepPhase::Running {
            step.phase = StepPhase::Failed;
            step.reason.clone_from(&closing.reason);
        }
    }
    status.phase = closing.phase;
    status.reason = closing.reason;
    status.message = closing.message;
    status.finished_at = Some(shared.clock.now());
    let mut reporter = Reporter::start(shared.client.clone(), key.clone());
    reporter.report(&status, Urgency::Now);
    reporter.flushed().await;
    Ok(())
}

impl Worker {
    fn new(shared: Arc<Shared>, key: &Key, wanted: Wanted, journal: Journal) -> Worker {
        let folder = shared.operation_folder(key);
        Worker {
            shared,
            key: key.clone(),
            folder,
            wanted,
            accepted: journal.state().operation.clone(),
            journal,
            new: None,
            old: None,
            held: None,
            said: None,
            reporter: None,
            uploads: JoinSet::new(),
        }
    }

    async fn run(mut self) -> Result<(), Fault> {
        for step in 0..self.journal.state().status.steps.len() {
            self.upload_log(step);
        }
        let is_known = self
            .wanted
            .borrow()
            .as_ref()
            .is_some_and(|operation| operation.status == self.journal.state().status);
        if is_known && self.journal.state().status.phase.is_final() {
            return self.settle().await;
        }
        // What was just accepted is told with what comes of it, because it becomes durable with that.
        if self.journal.is_written() {
            self.publish(Urgency::Now);
        }
        loop {
            self.take_uploads()?;
            match self.decide() {
                Next::Perform(step) => self.perform(step).await?,
                Next::HandOver(step) => {
                    self.introduce(step).await?;
                    self.note_started(step, Vec::new())?;
                    self.write(Urgency::Now)?;
                }
                Next::TakeBack(step, outcome) => self.take_back(step, &outcome)?,
                Next::GiveUp(step) => {
                    self.note_ended(
                        step,
                        &Outcome::failed("Aborted", "not waited for any longer"),
                    )?;
                }
                Next::Pause => {
                    self.journal.note(&Event::Paused)?;
                    self.write(Urgency::Now)?;
                }
                Next::Resume => {
                    self.journal.note(&Event::Resumed)?;
                    self.write(Urgency::Now)?;
                }
                Next::Wait => self.wait().await?,
                Next::Close(closing) => self.close(closing).await?,
                Next::Done => break,
                Next::Accept | Next::Lost => unreachable!("there is a journal"),
            }
        }
        self.publish(Urgency::Now);
        self.settle().await
    }

    fn decide(&mut self) -> Next {
        let operation = self.wanted.borrow_and_update().clone();
        let refused = users::refusal(&self.shared.allow, &self.key.namespace);
        decide(
            Some(self.journal.state()),
            operation.as_deref(),
            refused.as_deref(),
        )
    }

    /// Whether the Operation is to end although a step is under way.
    pub(super) fn is_aborted(&self) -> bool {
        match &*self.wanted.borrow() {
            None => true,
            Some(operation) => {
                operation.spec.desired == Desired::Abort || !self.journal.state().is_of(operation)
            }
        }
    }

    /// Makes what was noted durable, then lets others see it.
    pub(super) fn write(&mut self, urgency: Urgency) -> Result<(), Fault> {
        self.journal.write()?;
        self.publish(urgency);
        Ok(())
    }

    pub(super) fn publish(&mut self, urgency: Urgency) {
        let mut status = Cow::Borrowed(&self.journal.state().status);
        if let Some((step, said)) = &self.said
            && status.steps[*step].phase == StepPhase::Running
        {
            status.to_mut().steps[*step].message.clone_from(said);
        }
        self.shared.live.set(&self.key, &status);
        let is_ours = self
            .wanted
            .borrow()
            .as_ref()
            .is_some_and(|operation| self.journal.state().is_of(operation));
        if !is_ours {
            return;
        }
        let reporter = self
            .reporter
            .get_or_insert_with(|| Reporter::start(self.shared.client.clone(), self.key.clone()));
        reporter.report(&status, urgency);
    }

    async fn wait(&mut self) -> Result<(), Fault> {
        self.write(Urgency::Now)?;
        tokio::select! {
            changed = self.wanted.changed() => {
                if changed.is_err() {
                    // Nobody tells us anything any more: the agent is stopping.
                    std::future::pending::<()>().await;
                }
            }
            Some(ended) = self.uploads.join_next() => {
                if let Ok((step, digest)) = ended {
                    self.note_log(step, digest)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn note_started(&mut self, step: usize, items: Vec<String>) -> Result<(), Fault> {
        let at = self.shared.clock.now();
        Ok(self.journal.note(&Event::Started { step, items, at })?)
    }

    /// Notes how a step ended; it becomes durable with whatever comes next.
    pub(super) fn note_ended(&mut self, step: usize, outcome: &Outcome) -> Result<(), Fault> {
        self.journal.note(&Event::Ended {
            step,
            phase: outcome.phase,
            reason: outcome.reason.clone(),
            message: outcome.message.clone(),
            exit_code: outcome.exit_code,
            // Rounded, so that the sum over many short steps is not too small.
            milliseconds: u64::try_from((outcome.time + Duration::from_micros(500)).as_millis())
                .unwrap_or(u64::MAX),
            at: self.shared.clock.now(),
        })?;
        self.upload_log(step);
        Ok(())
    }

    fn take_back(&mut self, step: usize, outcome: &ControlOutcome) -> Result<(), Fault> {
        let reason = match (outcome.phase, outcome.reason.as_str()) {
            (StepPhase::Failed, "") => "ControlFailed",
            (_, reason) => reason,
        };
        let outcome = Outcome {
            phase: outcome.phase,
            reason: reason.to_owned(),
            message: outcome.message.clone(),
            exit_code: None,
            time: self.since(step),
        };
        self.note_ended(step, &outcome)
    }

    /// How long a step has been under way by the wall clock: for steps that an earlier agent began.
    pub(super) fn since(&self, step: usize) -> Duration {
        let started = self.journal.state().status.steps[step].started_at;
        started.map_or(Duration::ZERO, |started| {
            self.shared.clock.now().since(started)
        })
    }

    /// Settles what is left on the node, tells the Gear, and writes the end down.
    async fn close(&mut self, closing: Closing) -> Result<(), Fault> {
        self.write(Urgency::Soon)?;
        if closing.phase == OperationPhase::Succeeded {
            self.tidy_up().await;
        }
        let gear = self.settle_gear(closing.phase)?;
        self.await_uploads().await?;
        self.report_gear(gear.as_ref(), true).await;
        self.journal.note(&Event::Closed {
            phase: closing.phase,
            reason: closing.reason,
            message: closing.message,
            at: self.shared.clock.now(),
        })?;
        self.held = None;
        self.journal.write()?;
        Ok(())
    }

    /// Removes bundles that nobody needs any more; what cannot be removed now is tried again by the next Operation.
    async fn tidy_up(&self) {
        let (cache, accepted) = (self.shared.cache.clone(), self.accepted.clone());
        let removed = tokio::task::spawn_blocking(move || {
            let deployment = &accepted.spec.deployment;
            if deployment.revision.is_some() {
                cache.prune(deployment)
            } else {
                cache.clear(deployment)
            }
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(operation = %self.key, %error, "old bundles stay"),
            Err(error) => tracing::error!(operation = %self.key, %error, "removing old bundles"),
        }
    }

    /// Brings what is remembered of the gear up to date.
    fn settle_gear(&self, phase: OperationPhase) -> Result<Option<Gear>, Fault> {
        let folder = self.shared.gear_folder(&self.accepted);
        let failed = |what| {
            let path = folder.clone();
            move |source| Fault::Io { what, path, source }
        };
        let Some(mut gear) = Gear::read(&folder).map_err(failed("read gear.json in"))? else {
            return Ok(None);
        };
        let state = if phase == OperationPhase::Succeeded {
            GearState::Started
        } else {
            state_after(gear.state, &self.journal.state().status.steps)
        };
        if gear.state != state {
            gear.state = state;
            gear.write(&folder).map_err(failed("write gear.json in"))?;
        }
        Ok(Some(gear))
    }

    /// Tells what runs here, and where, before anybody leads requests to it.
    async fn introduce(&self, step: usize) -> Result<(), Fault> {
        if self.journal.state().status.steps[step].name == step::ALLOW_TRAFFIC.name {
            let gear = self.settle_gear(OperationPhase::Running)?;
            self.report_gear(gear.as_ref(), false).await;
        }
        Ok(())
    }

    /// Writes the Gear's status; before the Operation's end, so that nobody acts on an old one.
    async fn report_gear(&self, gear: Option<&Gear>, has_ended: bool) {
        let spec = &self.accepted.spec;
        let key = Key::new(&self.key.namespace, &spec.gear);
        let text = |text: &str| match text {
            "" => serde_json::Value::Null,
            text => json!(text),
        };
        let state = gear.map_or(GearState::New, |gear| gear.state);
        let endpoints: Vec<String> = gear
            .filter(|gear| gear.state == GearState::Started && gear.deployment.port > 0)
            .map(|gear| format!("{}:{}", gear.deployment.address, gear.deployment.port))
            .into_iter()
            .collect();
        let mut patch = json!({"status": {
            "state": state,
            "revision": text(gear.map_or("", Gear::revision)),
            "previousRevision": text(gear.map_or("", |gear| &gear.previous)),
            "endpoints": endpoints,
        }});
        if has_ended {
            patch["status"]["operation"] = json!(self.key.name);
        }
        let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let client = &self.shared.client;
            match report::patch_status(client, &kinds::GEAR, &key, patch.clone()).await {
                Ok(()) => return,
                Err(error) if report::is_final(&error) => {
                    if !error.is_not_found() {
                        tracing::warn!(gear = %key, %error, "its status cannot be written");
                    }
                    return;
                }
                Err(error) => tracing::debug!(gear = %key, %error, "its status waits"),
            }
            tokio::time::sleep(pause.next(backoff::chance())).await;
        }
    }

    /// Brings an ended step's output to the registry, in the background.
    fn upload_log(&mut self, step: usize) {
        let status = &self.journal.state().status.steps[step];
        let is_wanted = matches!(status.phase, StepPhase::Done | StepPhase::Failed)
            && status.log.is_empty()
            && self.wanted.borrow().is_some();
        if !is_wanted {
            return;
        }
        let logs = self.shared.step_logs(&self.key, status);
        let size: u64 = logs
            .iter()
            .filter_map(|log| fs::metadata(log).ok())
            .map(|about| about.len())
            .sum();
        if size == 0 {
            return;
        }
        let repository = format!(
            "{}/{}",
            self.key.namespace, self.accepted.spec.deployment.application
        );
        let registry = self.shared.registry.clone();
        self.uploads.spawn(async move {
            let digest = super::upload::upload(&registry, &repository, &logs).await;
            (step, digest.unwrap_or_default())
        });
    }

    fn note_log(&mut self, step: usize, digest: String) -> Result<(), Fault> {
        if !digest.is_empty() {
            self.journal.note(&Event::Log { step, digest })?;
        }
        Ok(())
    }

    fn take_uploads(&mut self) -> Result<(), Fault> {
        while let Some(ended) = self.uploads.try_join_next() {
            if let Ok((step, digest)) = ended {
                self.note_log(step, digest)?;
            }
        }
        Ok(())
    }

    async fn await_uploads(&mut self) -> Result<(), Fault> {
        let end = tokio::time::Instant::now() + LOGS_LIMIT;
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, self.uploads.join_next()).await {
            if let Ok((step, digest)) = ended {
                self.note_log(step, digest)?;
            }
        }
        Ok(())
    }

    /// After the end: the last status is brought to the server, and logs that are late in the background.
    async fn settle(mut self) -> Result<(), Fault> {
        if let Some(reporter) = &mut self.reporter {
            reporter.flushed().await;
        }
        if self.uploads.is_empty() {
            self.shared.live.remove(&self.key);
            return Ok(());
        }
        let scope = self.shared.scope.clone();
        scope.spawn(async move {
            while let Some(ended) = self.uploads.join_next().await {
                let noted = ended
                    .ok()
                    .map_or(Ok(()), |(step, digest)| self.note_log(step, digest));
                if noted.and_then(|()| self.write(Urgency::Soon)).is_err() {
                    break;
                }
            }
            if let Some(reporter) = &mut self.reporter {
                reporter.flushed().await;
            }
            self.shared.live.remove(&self.key);
        });
        Ok(())
    }
}

/// What became of the application, going by the steps that ran.
fn state_after(before: GearState, steps: &[StepStatus]) -> GearState {
    steps.iter().fold(before, |state, step| {
        match (step.name.as_str(), step.phase) {
            ("ApplicationStop", StepPhase::Done | StepPhase::Failed)
            | ("ApplicationStart", StepPhase::Failed) => GearState::Stopped,
            ("ApplicationStart", StepPhase::Done) => GearState::Started,
            _ => state,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gear_s_state_follows_the_steps_that_ran() {
        let step = |name: &str, phase| StepStatus {
            name: name.to_owned(),
            phase,
            ..StepStatus::default()
        };
        let stop = step("ApplicationStop", StepPhase::Done);
        let start = |phase| step("ApplicationStart", phase);
        for (steps, after) in [
            (vec![], GearState::Idle),
            (vec![stop.clone()], GearState::Stopped),
            (
                vec![stop.clone(), start(StepPhase::Done)],
                GearState::Started,
            ),
            (vec![start(StepPhase::Failed)], GearState::Stopped),
            (vec![start(StepPhase::Waiting)], GearState::Idle),
        ] {
            assert_eq!(state_after(GearState::Idle, &steps), after);
        }
    }
}
