//! The work on one pod: look, decide, perform, report; then wait for something to happen.
//!
//! Stops at any await when the agent stops, and is killed anywhere: everything that matters is written down before it is
//! acted upon, and all steps may be repeated.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::agent::pod::Pods;
use crate::agent::pod::Trouble;
use crate::agent::pod::decide;
use crate::agent::pod::decide::Action;
use crate::agent::pod::decide::Life;
use crate::agent::pod::decide::SILENCE;
use crate::agent::pod::decide::Scene;
use crate::agent::pod::decide::Why;
use crate::agent::pod::decide::Wish;
use crate::agent::pod::decide::decide;
use crate::agent::pod::disk;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::disk::Folder;
use crate::agent::pod::disk::Record;
use crate::agent::pod::events::Severity;
use crate::agent::pod::listening;
use crate::agent::pod::listening::Network;
use crate::agent::pod::network::Place;
use crate::agent::pod::probe::Asking;
use crate::agent::pod::probe::Health;
use crate::agent::pod::status;
use crate::agent::shim::Exit;
use crate::agent::users;
use crate::api::build::BUILD_NAME;
use crate::api::build::Outcome;
use crate::api::meta::Key;
use crate::api::pod::ANNOTATION_DRAINED;
use crate::api::pod::Container;
use crate::api::pod::Listening;
use crate::api::pod::Pod;
use crate::api::pod::PodStatus;
use crate::base::backoff::Backoff;
use crate::base::clock::Timestamp;

mod ports;
mod report;
mod start;

/// What a pod gets between TERM and KILL that names no time.
const GRACE: u64 = 30;
/// After a fault of the node's own disk.
const FAULT_PAUSE: Duration = Duration::from_secs(2);
/// For the server's last word on a pod whose end was confirmed.
const LAST_WORD: Duration = Duration::from_secs(5);
/// How long a failed pull is called by its error before it is called a back-off.
const FRESH: Duration = Duration::from_secs(2);
/// What is said of an attempt whose shim was lost.
const LOST: &str =
    "its end was not seen: the node was restarted, or the keeper of the process killed";
/// Why a container ended whose port was somebody else's.
const PORT_TAKEN: &str = "PortTaken";
/// Between TERM and KILL for what a lost shim left.
const LEFTOVERS: Duration = Duration::from_secs(2);

/// What is known of a container beside what is on the disk.
#[derive(Default)]
struct Memory {
    /// Why the next attempt does not start.
    blocked: Option<Blocked>,
    /// Failed tries in a row.
    tries: u32,
    /// The attempt after which it was said that the next one waits.
    backing_off: Option<u32>,
    /// The attempt whose end was seen, and when.
    ended: Option<(u32, Instant)>,
    /// Who attends to the attempt that runs.
    attended: Option<Attended>,
    /// What ended attempts look like; they do not change any more.
    ends: BTreeMap<u32, status::Attempt>,
}

/// A start that failed, and when it is tried again.
#[derive(Clone)]
struct Blocked {
    trouble: Trouble,
    since: Instant,
    until: Instant,
}

/// A running attempt and the tasks that watch it; they end with this.
struct Attended {
    number: u32,
    _tasks: JoinSet<()>,
    health: watch::Receiver<Health>,
    listening: watch::Receiver<Vec<Listening>>,
    /// Whether it was said that it listens on every address.
    is_announced: bool,
    /// Whether it was said that it listens on other ports than it declares.
    is_elsewhere: bool,
}

/// One pod being worked on.
struct Worker {
    pods: Arc<Pods>,
    folder: Folder,
    key: Key,
    uid: String,
    object: watch::Receiver<Option<Arc<Pod>>>,
    record: Record,
    /// In the order of the spec; of a pod that is gone, whatever is on the disk.
    names: Vec<String>,
    containers: Vec<Memory>,
    wake: Arc<Notify>,
    /// Since when it is being deleted, as far as this process knows.
    deleting: Option<Instant>,
    confirmed: Option<Instant>,
    /// What the server was told last.
    known: Option<PodStatus>,
    /// When the server did not take it: when it is told again.
    retry: Option<Instant>,
    pauses: Backoff,
}

/// Works on a pod until nothing of it is left.
pub(crate) async fn run(
    pods: Arc<Pods>,
    folder: Folder,
    key: Key,
    uid: String,
    object: watch::Receiver<Option<Arc<Pod>>>,
) {
    let record = loop {
        match folder.record() {
            Ok(record) => break record.unwrap_or_default(),
            Err(error) => tracing::error!(pod = %key, %error, "a pod's record cannot be read"),
        }
        tokio::time::sleep(FAULT_PAUSE).await;
    };
    let mut worker = Worker {
        pods,
        folder,
        key,
        uid,
        object,
        record,
        names: Vec::new(),
        containers: Vec::new(),
        wake: Arc::default(),
        deleting: None,
        confirmed: None,
        known: None,
        retry: None,
        pauses: Backoff::new(Duration::from_millis(500), Duration::from_secs(10)),
    };
    while !worker.turn().await {}
}

impl Worker {
    /// Looks, does what there is to do, and waits if there is nothing; says whether the work is over.
    async fn turn(&mut self) -> bool {
        let pod = self.object.borrow_and_update().clone();
        let decision = match self
            .prepare(pod.as_deref())
            .and_then(|()| self.scene(pod.as_ref()))
        {
            Ok(scene) => decide(&scene),
            Err(error) => {
                self.fault(&error).await;
                return false;
            }
        };
        if decision.actions.is_empty() {
            self.report(pod.as_deref()).await;
            self.wait(decision.again).await;
            return false;
        }
        for action in decision.actions {
            match self.perform(pod.as_deref(), &action).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    self.fault(&error).await;
                    break;
                }
            }
        }
        self.report(pod.as_deref()).await;
        false
    }

    async fn fault(&mut self, error: &io::Error) {
        tracing::error!(pod = %self.key, %error, "a pod is put off by a fault of the node");
        tokio::time::sleep(FAULT_PAUSE).await;
    }

    /// Waits until something happens, or it is time to look again.
    async fn wait(&mut self, again: Option<Duration>) {
        let now = Instant::now();
        let mut times: Vec<Instant> = again.map(|again| now + again).into_iter().collect();
        times.extend(self.retry);
        times.extend(self.confirmed.map(|at| at + LAST_WORD));
        times.extend(self.deadline().map(|left| now + left));
        // A failed pull gets another name after a moment.
        let blocked = self.containers.iter().flat_map(|one| &one.blocked);
        times.extend(blocked.map(|one| one.since + FRESH).filter(|at| *at > now));
        let next = times.into_iter().min();
        let next = next.unwrap_or(now + Duration::from_secs(3600));
        tokio::select! {
            changed = self.object.changed() => if changed.is_err() {
                // The follower is gone, and so are we soon.
                tokio::time::sleep(FAULT_PAUSE).await;
            },
            () = self.wake.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }

    /// Makes sure that the record is this pod's, and knows its containers.
    fn prepare(&mut self, pod: Option<&Pod>) -> io::Result<()> {
        let names: Vec<String> = match pod {
            Some(pod) => {
                let containers = pod.spec.containers.iter();
                containers.map(|container| container.name.clone()).collect()
            }
            None if self.names.is_empty() => self.folder.containers(),
            None => return Ok(()),
        };
        if names != self.names {
            self.containers = names.iter().map(|_| Memory::default()).collect();
            self.names = names;
        }
        let Some(pod) = pod else { return Ok(()) };
        if self.record.uid.is_empty() {
            self.record = Record {
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                start_time: Some(self.pods.shared.clock.now()),
                failure: users::refusal(&self.pods.shared.allow, &pod.metadata.namespace)
                    .map(|why| ("NotAllowed".to_owned(), why)),
                ..Record::default()
            };
            self.folder.write_record(&self.record)?;
        }
        if self.known.is_none() {
            self.known = Some(pod.status.clone());
        }
        if self.record.failure.is_none() && self.deadline() == Some(Duration::ZERO) {
            let message = "Pod was active on the node longer than the specified deadline";
            self.record.failure = Some(("DeadlineExceeded".to_owned(), message.to_owned()));
            self.folder.write_record(&self.record)?;
        }
        Ok(())
    }

    /// How long it may still be active; none: for ever, or it is over anyway.
    fn deadline(&self) -> Option<Duration> {
        let object = self.object.borrow();
        let limit = Duration::from_secs(object.as_ref()?.spec.active_deadline_seconds?);
        if self.record.failure.is_some() || self.record.released {
            return None;
        }
        let active = self.pods.shared.clock.now().since(self.record.start_time?);
        Some(limit.saturating_sub(active))
    }

    fn wish(&mut self, pod: Option<&Pod>) -> Wish {
        let Some(pod) = pod else { return Wish::Gone };
        if pod.metadata.is_deleting() {
            let since = *self.deleting.get_or_insert_with(Instant::now);
            let is_drained = pod.metadata.annotations.contains_key(ANNOTATION_DRAINED);
            let wait = if is_drained || !self.record.was_ready {
                Duration::ZERO
            } else {
                SILENCE.saturating_sub(since.elapsed())
            };
            return Wish::Delete {
                wait,
                grace: grace(pod),
            };
        }
        match &self.record.failure {
            Some(_) => Wish::Fail { grace: grace(pod) },
            None => Wish::Run,
        }
    }

    /// Everything that the next step depends on.
    fn scene(&mut self, pod: Option<&Arc<Pod>>) -> io::Result<Scene> {
        let wish = self.wish(pod.map(Arc::as_ref));
        let mut containers = Vec::new();
        for at in 0..self.names.len() {
            let attempt = self.look(at, pod)?;
            let blocked = self.containers[at].blocked.as_ref();
            let blocked = blocked.map_or(Duration::ZERO, |blocked| {
                blocked.until.saturating_duration_since(Instant::now())
            });
            containers.push(decide::Container { attempt, blocked });
        }
        Ok(Scene {
            wish,
            policy: pod.map(|pod| pod.spec.restart_policy).unwrap_or_default(),
            containers,
            is_released: self.record.released,
        })
    }

    /// The newest attempt of a container, as it stands on the disk.
    fn look(&mut self, at: usize, pod: Option<&Arc<Pod>>) -> io::Result<Option<decide::Attempt>> {
        let is_build = pod.is_some_and(|pod| is_build(pod));
        let name = &self.names[at];
        let Some(number) = self.folder.attempts(name).pop() else {
            return Ok(None);
        };
        let attempt = self.folder.attempt(name, number);
        let Some(begun) = attempt.begun()? else {
            // Its folder was made and nothing written: as if it were not there.
            attempt.remove()?;
            return Ok(None);
        };
        let shim = attempt.shim();
        // Looked at in this order, an end between two looks is not missed.
        let exit = match shim.exit()? {
            None if shim.is_running()? => {
                self.attend(pod, at, number, &attempt, begun.at);
                let attended = self.containers[at].attended.as_ref();
                let is_sick = attended.is_some_and(|one| one.health.borrow().sick);
                return Ok(Some(decide::Attempt {
                    number,
                    life: Life::Running {
                        is_ending: shim.is_killed(),
                        is_sick,
                    },
                    pause: begun.pause,
                }));
            }
            None => shim.exit()?,
            exit => exit,
        };
        let memory = &mut self.containers[at];
        memory.attended = None;
        let life = match exit {
            Some(exit) => {
                let seen = memory.ended.filter(|(seen, _)| *seen == number);
                let (_, since) = *memory
                    .ended
                    .insert(seen.unwrap_or((number, Instant::now())));
                if let (None, Some(pod)) = (seen, pod) {
                    self.note_taken_port(pod, at, &attempt, &exit)?;
                }
                let since = since.elapsed();
                let finished = attempt.finished()?;
                Life::Ended {
                    exit: judged(exit, finished.as_deref()),
                    since,
                    is_finished: !is_build || finished.is_some(),
                }
            }
            None if shim.started()?.is_some() => Life::Lost,
            None => Life::Begun,
        };
        Ok(Some(decide::Attempt {
            number,
            life,
            pause: begun.pause,
        }))
    }

    /// Has the end of an attempt, its probes and its sockets wake this worker.
    fn attend(
        &mut self,
        pod: Option<&Arc<Pod>>,
        at: usize,
        number: u32,
        attempt: &Attempt,
        begun: Option<Timestamp>,
    ) {
        let attended = self.containers[at].attended.as_ref();
        if attended.is_some_and(|attended| attended.number == number) {
            return;
        }
        let mut tasks = JoinSet::new();
        let (shim, wake) = (attempt.shim(), self.wake.clone());
        tasks.spawn(async move {
            if let Err(error) = shim.wait().await {
                tracing::warn!(%error, "the end of a container cannot be waited for");
                tokio::time::sleep(FAULT_PAUSE).await;
            }
            wake.notify_one();
        });
        let container = pod.and_then(|pod| pod.spec.containers.get(at));
        let health = container.map_or(Health::of(&Container::default()), Health::of);
        let (health, health_seen) = watch::channel(health);
        let (listening, listening_seen) = watch::channel(Vec::new());
        if let (Some(pod), Some(container)) = (pod, container) {
            let network = match self.place() {
                Some(place) if place.has_namespace => Network::Own,
                Some(place) => Network::Address(place.address),
                None => Network::Host,
            };
            if !is_build(pod) {
                let shim = attempt.shim();
                tasks.spawn(listening::follow(
                    shim,
                    network,
                    listening,
                    self.wake.clone(),
                ));
            }
            let place = self.place();
            let address = place.map(|place| place.address.to_string());
            let now = self.pods.shared.clock.now();
            let asking = Asking {
                shared: self.pods.shared.clone(),
                events: self.pods.events.clone(),
                pod: pod.clone(),
                container: container.clone(),
                address: address.unwrap_or_else(|| self.pods.address.clone()),
                attempt: attempt.path().to_owned(),
                rootfs: self.folder.rootfs(&container.name),
                ran: begun.map_or(Duration::ZERO, |begun| now.since(begun)),
                health,
                wake: self.wake.clone(),
            };
            tasks.spawn(asking.run());
        }
        self.containers[at].attended = Some(Attended {
            number,
            _tasks: tasks,
            health: health_seen,
            listening: listening_seen,
            is_announced: false,
            is_elsewhere: false,
        });
    }

    /// Does one thing; says whether the work on this pod is over.
    async fn perform(&mut self, pod: Option<&Pod>, action: &Action) -> io::Result<bool> {
        match (action, pod) {
            (
                Action::Start {
                    container,
                    attempt,
                    pause,
                },
                Some(pod),
            ) => self.start(pod, *container, *attempt, *pause).await?,
            (
                Action::End {
                    container,
                    grace,
                    why,
                },
                pod,
            ) => self.end(pod, *container, *grace, *why)?,
            (Action::Bury(container), _) => self.bury(*container).await?,
            (Action::Finish(container), Some(pod)) => self.finish(pod, *container).await?,
            (Action::Release, _) => self.release().await?,
            (Action::Confirm, Some(pod)) => self.confirm(pod).await,
            (Action::Remove, _) => {
                self.release().await?;
                let folder = self.folder.clone();
                blocking(move || folder.remove()).await?;
                return Ok(true);
            }
            (Action::Start { .. } | Action::Finish(_) | Action::Confirm, None) => {}
        }
        Ok(false)
    }

    fn newest(&self, at: usize) -> Option<(u32, Attempt)> {
        let name = self.names.get(at)?;
        let number = self.folder.attempts(name).pop()?;
        Some((number, self.folder.attempt(name, number)))
    }

    fn end(
        &mut self,
        pod: Option<&Pod>,
        at: usize,
        grace: Option<Duration>,
        why: Why,
    ) -> io::Result<()> {
        let Some((_, attempt)) = self.newest(at) else {
            return Ok(());
        };
        let shim = attempt.shim();
        match grace {
            Some(grace) => shim.kill_within(grace)?,
            None => shim.kill()?,
        }
        if let (Some(pod), Why::Pod) = (pod, why) {
            let message = format!("Stopping container {}", self.names[at]);
            self.pods
                .events
                .say(pod, Severity::Normal, "Killing", message);
        }
        Ok(())
    }

    /// Ends what a lost shim left, and writes down that the container ended.
    async fn bury(&mut self, at: usize) -> io::Result<()> {
        let Some((_, attempt)) = self.newest(at) else {
            return Ok(());
        };
        blocking(move || {
            let shim = attempt.shim();
            shim.end_leftovers(LEFTOVERS)?;
            shim.bury(&Exit {
                signal: Some(9),
                message:
                    "its end was not seen: the node was restarted or the process's keeper killed"
                        .to_owned(),
                ..Exit::default()
            })
        })
        .await
    }

    /// Takes away what only a running pod needs.
    async fn release(&mut self) -> io::Result<()> {
        if self.record.released {
            return Ok(());
        }
        let (pods, folder, place) = (self.pods.clone(), self.folder.clone(), self.place());
        let names = self.folder.containers();
        blocking(move || {
            if let Some(place) = place {
                pods.network.leave(folder.path(), place)?;
            }
            disk::remove_tree(&folder.build())?;
            for name in names {
                disk::remove_tree(&folder.rootfs(&name))?;
            }
            Ok(())
        })
        .await?;
        self.record.released = true;
        self.record.blobs.clear();
        if self.folder.path().exists() {
            self.folder.write_record(&self.record)?;
        }
        Ok(())
    }

    fn place(&self) -> Option<Place> {
        self.record.address.map(|address| Place {
            address,
            has_namespace: self.record.network,
        })
    }
}

/// Between TERM and KILL of a pod that is to go.
fn grace(pod: &Pod) -> Duration {
    let meta = &pod.metadata;
    let asked = meta.deletion_grace_period_seconds;
    let seconds = asked.or(pod.spec.termination_grace_period_seconds);
    Duration::from_secs(seconds.unwrap_or(GRACE))
}

pub(crate) fn is_build(pod: &Pod) -> bool {
    pod.metadata.labels.contains_key(BUILD_NAME)
}

/// A build that ran well and came to nothing did not end well.
fn judged(exit: Exit, finished: Option<&str>) -> Exit {
    let outcome = finished.and_then(|text| serde_json::from_str::<Outcome>(text).ok());
    match outcome {
        Some(outcome) if !outcome.reason.is_empty() && exit.code == Some(0) => Exit {
            code: Some(1),
            ..exit
        },
        _ => exit,
    }
}

/// Runs what would hold up other tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

/// How long to wait before a container that failed to start is tried again.
fn pause_after(tries: u32, reason: &str) -> Duration {
    let (first, most) = match reason {
        "ErrImagePull" | "InvalidImageName" => (10, 300),
        _ => (1, 10),
    };
    Duration::from_secs((first << tries.min(10)).min(most))
}
