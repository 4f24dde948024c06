//! What the server gets to know of a pod, written when it changes.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::agent::pod::Trouble;
use crate::agent::pod::decide;
use crate::agent::pod::decide::restarts;
use crate::agent::pod::decide::succeeded;
use crate::agent::pod::disk::Attempt;
use crate::agent::pod::events::Severity;
use crate::agent::pod::status;
use crate::agent::pod::worker::FAULT_PAUSE;
use crate::agent::pod::worker::FRESH;
use crate::agent::pod::worker::LAST_WORD;
use crate::agent::pod::worker::PORT_TAKEN;
use crate::agent::pod::worker::Worker;
use crate::agent::pod::worker::is_build;
use crate::agent::pod::worker::judged;
use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::agent::shim::stamped;
use crate::api::kinds;
use crate::api::pod::Container;
use crate::api::pod::Listening;
use crate::api::pod::Pod;
use crate::api::pod::PodStatus;
use crate::base::backoff;
use crate::client::DeleteOptions;
use crate::client::Patch;
use crate::client::WriteOptions;

/// How long one try to reach the server may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is shown of the output of a container that failed, as kubelet's `FallbackToLogsOnError`.
const MESSAGE_BYTES: usize = 2048;
const MESSAGE_LINES: usize = 80;

impl Worker {
    /// Writes the status, if it is another than the server knows.
    pub(super) async fn report(&mut self, pod: Option<&Pod>) {
        let Some(pod) = pod.filter(|pod| pod.metadata.uid == self.uid) else {
            return;
        };
        if self.confirmed.is_some() || self.retry.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.announce(pod);
        let view = match self.view(pod) {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(pod = %self.key, %error, "a pod's state cannot be read");
                self.retry = Some(Instant::now() + FAULT_PAUSE);
                return;
            }
        };
        let mut known = pod.clone();
        known.status = self.known.clone().unwrap_or_default();
        let status = status::status(&known, &view, self.pods.shared.clock.now());
        self.retry = None;
        if status == known.status {
            return;
        }
        if let Err(error) = self.note_readiness(&status) {
            tracing::error!(pod = %self.key, %error, "a pod's record cannot be written");
            self.retry = Some(Instant::now() + FAULT_PAUSE);
            return;
        }
        let patch = Patch::Merge(json!({"status": whole(&status)}));
        let options = WriteOptions::default();
        let client = &self.pods.shared.client;
        let write = client.patch(&kinds::POD, &self.key, Some("status"), &patch, &options);
        match tokio::time::timeout(PATIENCE, write).await {
            Ok(Ok(_)) => {
                self.known = Some(status);
                self.pauses.reset();
            }
            Ok(Err(error)) if error.is_not_found() => self.known = Some(status),
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::debug!(pod = %self.key, %error, "a pod's status waits");
                }
                self.retry = Some(Instant::now() + self.pauses.next(backoff::chance()));
            }
        }
    }

    /// Remembers that the pod may be in rotation, before anybody can put it there.
    fn note_readiness(&mut self, status: &PodStatus) -> io::Result<()> {
        let mut conditions = status.conditions.iter();
        let is_ready = conditions.any(|one| one.kind == "Ready" && one.status == "True");
        if is_ready && !self.record.was_ready {
            self.record.was_ready = true;
            self.folder.write_record(&self.record)?;
        }
        Ok(())
    }

    /// Says that nothing of a deleted pod is left here.
    pub(super) async fn confirm(&mut self, pod: &Pod) {
        self.report(Some(pod)).await;
        let since = self.confirmed.map(|at| at.elapsed());
        if since.is_some_and(|since| since < LAST_WORD) {
            self.wait(None).await;
            return;
        }
        let options = DeleteOptions {
            uid: self.uid.clone(),
            grace_seconds: Some(0),
            ..DeleteOptions::default()
        };
        let client = &self.pods.shared.client;
        let delete = client.delete(&kinds::POD, &self.key, &options);
        match tokio::time::timeout(PATIENCE, delete).await {
            Ok(Ok(_)) => self.confirmed = Some(Instant::now()),
            Ok(Err(error)) if error.is_not_found() => self.confirmed = Some(Instant::now()),
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::debug!(pod = %self.key, %error, "a pod's end waits");
                }
                tokio::time::sleep(self.pauses.next(backoff::chance())).await;
            }
        }
    }

    fn view(&mut self, pod: &Pod) -> io::Result<status::View> {
        let mut containers = Vec::new();
        for (at, container) in pod.spec.containers.iter().enumerate() {
            containers.push(self.seen(pod, at, container)?);
        }
        let host_ip = self.pods.address.clone();
        let pod_ip = match self.record.address {
            Some(address) => address.to_string(),
            None if pod.spec.host_network == Some(true) => host_ip.clone(),
            None => String::new(),
        };
        Ok(status::View {
            host_ip,
            pod_ip,
            start_time: self.record.start_time,
            failure: self.record.failure.clone(),
            containers,
            listening: self.listening(),
        })
    }

    /// What all containers listen on together.
    fn listening(&self) -> Vec<Listening> {
        let mut all: Vec<Listening> = Vec::new();
        for attended in self.containers.iter().flat_map(|one| &one.attended) {
            for found in attended.listening.borrow().iter() {
                match all.iter_mut().find(|one| one.port == found.port) {
                    Some(one) => one.everywhere |= found.everywhere,
                    None => all.push(found.clone()),
                }
            }
        }
        all.sort_by_key(|one| one.port);
        all
    }

    /// Whether a container has started, and whether it takes requests.
    fn health(&self, pod: &Pod, at: usize, container: &Container) -> (bool, bool) {
        let Some(attended) = &self.containers[at].attended else {
            return (false, false);
        };
        let health = *attended.health.borrow();
        let is_ready = match health.ready {
            Some(is_ready) => is_ready,
            None => is_open(pod, at, container, &self.listening()),
        };
        (health.started, health.started && is_ready)
    }

    /// Says once that a container listens where it is in others' way.
    fn announce(&mut self, pod: &Pod) {
        for (at, memory) in self.containers.iter_mut().enumerate() {
            let Some(attended) = &mut memory.attended else {
                continue;
            };
            let found = attended.listening.borrow().clone();
            let declared = pod.spec.containers.get(at).map_or(Vec::new(), tcp_ports);
            let is_elsewhere = !declared.is_empty()
                && !found.is_empty()
                && !found.iter().any(|one| declared.contains(&one.port));
            if is_elsewhere && !attended.is_elsewhere && pod.spec.containers.len() == 1 {
                attended.is_elsewhere = true;
                let list = |ports: Vec<String>| ports.join(", ");
                let message = format!(
                    "Container {} listens on port {}, not on {} that its image declares; its services lead there",
                    self.names[at],
                    list(found.iter().map(|one| one.port.to_string()).collect()),
                    list(declared.iter().map(u16::to_string).collect()),
                );
                let events = &self.pods.events;
                events.say(pod, Severity::Warning, "ListensElsewhere", message);
            }
            let Some(one) = found.iter().find(|one| one.everywhere) else {
                continue;
            };
            if attended.is_announced || pod.spec.host_network == Some(true) {
                continue;
            }
            attended.is_announced = true;
            let message = format!(
                "Container {} listens on port {} of every address of the node, not only on its own ($HOST); \
                 two such pods cannot run on one node",
                self.names[at], one.port
            );
            let events = &self.pods.events;
            events.say(pod, Severity::Warning, "ListensEverywhere", message);
        }
    }

    fn seen(&mut self, pod: &Pod, at: usize, container: &Container) -> io::Result<status::Seen> {
        let mut let_go = Vec::new();
        let mut image_id = String::new();
        for number in self.folder.attempts(&container.name).into_iter().rev() {
            let attempt = self.folder.attempt(&container.name, number);
            if let Some(begun) = attempt.begun()? {
                if image_id.is_empty() {
                    image_id = begun.image_id;
                }
                let shim = attempt.shim();
                let is_begun = shim.exit()?.is_some() || shim.started()?.is_some();
                if is_begun || shim.is_running()? {
                    let_go.push(self.seen_attempt(pod, at, number, &attempt)?);
                }
            }
            if let_go.len() == 2 {
                break;
            }
        }
        let mut let_go = let_go.into_iter();
        let (newest, before) = (let_go.next(), let_go.next());
        let trouble = self.trouble(pod, at, newest.as_ref());
        self.say_back_off(pod, at, newest.as_ref(), trouble.as_ref());
        let (is_started, is_ready) = self.health(pod, at, container);
        let is_awaited = is_started && !is_ready && container.readiness_probe.is_none();
        Ok(status::Seen {
            newest,
            before,
            trouble,
            image_id,
            is_started,
            is_ready,
            awaited_ports: if is_awaited {
                tcp_ports(container)
            } else {
                Vec::new()
            },
        })
    }

    fn seen_attempt(
        &mut self,
        pod: &Pod,
        at: usize,
        number: u32,
        attempt: &Attempt,
    ) -> io::Result<status::Attempt> {
        if let Some(known) = self.containers[at].ends.get(&number) {
            return Ok(known.clone());
        }
        let begun = attempt.begun()?.unwrap_or_default();
        let finished = attempt.finished()?;
        let is_finished = !is_build(pod) || finished.is_some();
        // Of what is no build only this is written down.
        let is_port_taken = !is_build(pod) && finished.is_some();
        let exit = attempt.shim().exit()?;
        let end = exit.map(|exit| {
            let exit = judged(exit, finished.as_deref());
            status::End {
                message: match &finished {
                    Some(message) => message.clone(),
                    None => message(&exit, &attempt.shim().log()),
                },
                reason: is_port_taken.then_some(PORT_TAKEN),
                at: attempt.ended_at(),
                is_finished,
                exit,
            }
        });
        let is_done = end.is_some() && is_finished;
        let seen = status::Attempt {
            number,
            started_at: begun.at,
            end,
        };
        if is_done {
            self.containers[at].ends.insert(number, seen.clone());
        }
        Ok(seen)
    }

    /// What a container waits for, in kubelet's words.
    fn trouble(&self, pod: &Pod, at: usize, newest: Option<&status::Attempt>) -> Option<Trouble> {
        let memory = &self.containers[at];
        if let Some(blocked) = &memory.blocked {
            let trouble = &blocked.trouble;
            let image = &pod.spec.containers.get(at)?.image;
            if trouble.reason == "ErrImagePull" && blocked.since.elapsed() >= FRESH {
                let why = &trouble.message;
                let message = format!("Back-off pulling image {image:?}: ErrImagePull: {why}");
                return Some(Trouble::new("ImagePullBackOff", message));
            }
            return Some(trouble.clone());
        }
        let newest = newest?;
        let end = newest.end.as_ref()?;
        if !end.is_finished || !restarts(pod.spec.restart_policy, &end.exit) {
            return None;
        }
        let attempt = self.folder.attempt(&self.names[at], newest.number);
        let pause = attempt.begun().ok().flatten().unwrap_or_default().pause;
        let ran = Duration::from_millis(end.exit.milliseconds);
        let pause = decide::next_pause(newest.number, pause, ran);
        (pause > 0).then(|| Trouble::new("CrashLoopBackOff", self.back_off(at, pause)))
    }

    /// Says once for each end that the next attempt waits.
    fn say_back_off(
        &mut self,
        pod: &Pod,
        at: usize,
        newest: Option<&status::Attempt>,
        trouble: Option<&Trouble>,
    ) {
        let is_looping = trouble.is_some_and(|trouble| trouble.reason == "CrashLoopBackOff");
        let number = newest.map(|attempt| attempt.number);
        let memory = &mut self.containers[at];
        if is_looping && memory.backing_off != number {
            memory.backing_off = number;
            let (name, pod_name) = (&self.names[at], &self.key.name);
            let (namespace, uid) = (&self.key.namespace, &self.uid);
            let message = format!(
                "Back-off restarting failed container {name} in pod {pod_name}_{namespace}({uid})"
            );
            let events = &self.pods.events;
            events.say(pod, Severity::Warning, "BackOff", message);
        }
    }

    fn back_off(&self, at: usize, pause: u64) -> String {
        let (name, pod) = (&self.names[at], &self.key.name);
        let (namespace, uid) = (&self.key.namespace, &self.uid);
        let pause = match (pause / 60, pause % 60) {
            (0, seconds) => format!("{seconds}s"),
            (minutes, seconds) => format!("{minutes}m{seconds}s"),
        };
        format!("back-off {pause} restarting failed container={name} pod={pod}_{namespace}({uid})")
    }
}

/// Whether a container without a readiness probe takes requests.
///
/// Decided otherwise than in Kubernetes: one that declares TCP ports does so when it listens on one that is not another
/// container's, so that a Service never leads to a process that is still starting.
fn is_open(pod: &Pod, at: usize, container: &Container, listening: &[Listening]) -> bool {
    let others: Vec<u16> = pod
        .spec
        .containers
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .flat_map(|(_, other)| tcp_ports(other))
        .collect();
    let own = tcp_ports(container);
    own.is_empty() || listening.iter().any(|one| !others.contains(&one.port))
}

/// The TCP ports that a container declares.
fn tcp_ports(container: &Container) -> Vec<u16> {
    let ports = container.ports.iter();
    let tcp = ports.filter(|port| matches!(port.protocol.as_str(), "" | "TCP"));
    tcp.map(|port| port.container_port).collect()
}

/// A status as a merge patch: what it does not say is taken away.
fn whole(status: &PodStatus) -> Value {
    let mut patch = serde_json::to_value(status).expect("plain data with string keys");
    for name in [
        "message",
        "reason",
        "podIP",
        "podIPs",
        "hostIP",
        "listening",
        "startTime",
    ] {
        if patch[name].is_null() {
            patch[name] = Value::Null;
        }
    }
    patch
}

/// What is said about an end: of a failure, the last lines of its output.
fn message(exit: &Exit, log: &Path) -> String {
    if exit.reason == Reason::SpawnFailed {
        return exit.message.clone();
    }
    if succeeded(exit) {
        return String::new();
    }
    let last = last_lines(log).unwrap_or_default();
    if last.is_empty() {
        exit.message.clone()
    } else {
        last
    }
}

/// The end of a container's log.
pub(super) fn last_lines(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(16 << 10)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut text = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(piece) = stamped::parse(line) {
            text.extend_from_slice(piece.text);
            if piece.is_end {
                text.push(b'\n');
            }
        }
    }
    let text = String::from_utf8_lossy(&text);
    let mut from = text.len().saturating_sub(MESSAGE_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let lines: Vec<&str> = text[from..].lines().collect();
    Ok(lines[lines.len().saturating_sub(MESSAGE_LINES)..].join("\n"))
}
