//! Probes: whether a container has started, takes requests, and still lives.
//!
//! Periods, thresholds and words are Kubernetes' (`pkg/kubelet/prober`). Counting is pure ([`Counter`]); the rest asks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::agent::operations::Shared;
use crate::agent::pod::disk::SHIM;
use crate::agent::pod::events::Events;
use crate::agent::pod::events::Severity;
use crate::agent::pod::process;
use crate::agent::shim::Shim;
use crate::agent::shim::Spec;
use crate::api::pod::Container;
use crate::api::pod::HttpGet;
use crate::api::pod::Pod;
use crate::api::pod::Probe;

/// What is kept of the output of a command that asks.
const OUTPUT: u64 = 10 << 10;

/// What the probes of one attempt say; without probes, that all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) started: bool,
    /// None: no probe asks for it.
    pub(crate) ready: Option<bool>,
    /// It has to end.
    pub(crate) sick: bool,
}

impl Health {
    /// Before anything was asked.
    pub(crate) fn of(container: &Container) -> Health {
        Health {
            started: container.startup_probe.is_none(),
            ready: container.readiness_probe.as_ref().map(|_| false),
            sick: false,
        }
    }
}

/// Answers in a row, and what they come to.
#[derive(Clone, Copy, Debug)]
struct Counter {
    successes_needed: u32,
    failures_needed: u32,
    successes: u32,
    failures: u32,
}

impl Counter {
    fn new(probe: &Probe) -> Counter {
        Counter {
            successes_needed: probe.success_threshold.unwrap_or(1).max(1),
            failures_needed: probe.failure_threshold.unwrap_or(3).max(1),
            successes: 0,
            failures: 0,
        }
    }

    /// Takes an answer; says what is certain after it.
    fn apply(&mut self, is_well: bool) -> Option<bool> {
        if is_well {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            (self.successes >= self.successes_needed).then_some(true)
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            (self.failures >= self.failures_needed).then_some(false)
        }
    }
}

/// Which question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Startup,
    Readiness,
    Liveness,
}

impl Question {
    fn word(self) -> &'static str {
        match self {
            Question::Startup => "Startup",
            Question::Readiness => "Readiness",
            Question::Liveness => "Liveness",
        }
    }
}

/// One attempt of a container being asked.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: Events,
    pub(crate) pod: Arc<Pod>,
    pub(crate) container: Container,
    /// Where it is reached.
    pub(crate) address: String,
    /// The shim's directory of the attempt, and the copy of its image.
    pub(crate) attempt: PathBuf,
    pub(crate) rootfs: PathBuf,
    /// How long it ran already when this began.
    pub(crate) ran: Duration,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) wake: Arc<Notify>,
}

impl Asking {
    /// Asks until it is dropped or the container has to end.
    pub(crate) async fn run(self) {
        let began = Instant::now();
        if let Some(probe) = &self.container.startup_probe {
            let answer = self.until_certain(Question::Startup, probe, began).await;
            self.set(|health| {
                health.started = answer;
                health.sick = !answer;
            });
            if !answer {
                return self.say_killing(Question::Startup);
            }
        }
        tokio::join!(self.readiness(began), self.liveness(began));
    }

    async fn until_certain(&self, question: Question, probe: &Probe, began: Instant) -> bool {
        let mut counter = Counter::new(probe);
        self.delay(probe, began).await;
        loop {
            if let Some(answer) = counter.apply(self.ask(question, probe).await) {
                return answer;
            }
            tokio::time::sleep(period(probe)).await;
        }
    }

    async fn readiness(&self, began: Instant) {
        let Some(probe) = &self.container.readiness_probe else {
            return;
        };
        let mut counter = Counter::new(probe);
        self.delay(probe, began).await;
        loop {
            let answer = self.ask(Question::Readiness, probe).await;
            if let Some(certain) = counter.apply(answer) {
                self.set(|health| health.ready = Some(certain));
            }
            tokio::time::sleep(period(probe)).await;
        }
    }

    async fn liveness(&self, began: Instant) {
        let Some(probe) = &self.container.liveness_probe else {
            return;
        };
        let mut counter = Counter::new(probe);
        self.delay(probe, began).await;
        loop {
            let answer = self.ask(Question::Liveness, probe).await;
            if counter.apply(answer) == Some(false) {
                self.set(|health| health.sick = true);
                return self.say_killing(Question::Liveness);
            }
            tokio::time::sleep(period(probe)).await;
        }
    }

    fn set(&self, change: impl FnOnce(&mut Health)) {
        let is_new = self.health.send_if_modified(|health| {
            let before = *health;
            change(health);
            *health != before
        });
        if is_new {
            self.wake.notify_one();
        }
    }

    fn say_killing(&self, question: Question) {
        let name = &self.container.name;
        let word = question.word().to_lowercase();
        let message = format!("Container {name} failed {word} probe, will be restarted");
        self.events
            .say(&self.pod, Severity::Normal, "Killing", message);
    }

    async fn delay(&self, probe: &Probe, began: Instant) {
        let delay = Duration::from_secs(probe.initial_delay_seconds.unwrap_or(0));
        let delay = delay.saturating_sub(self.ran);
        tokio::time::sleep_until(began + delay).await;
    }

    /// Asks once.
    async fn ask(&self, question: Question, probe: &Probe) -> bool {
        let limit = Duration::from_secs(probe.timeout_seconds.unwrap_or(1).max(1));
        let asked = async {
            if let Some(get) = &probe.http_get {
                self.get(get).await
            } else if let Some(socket) = &probe.tcp_socket {
                self.connect(&socket.host, &socket.port).await
            } else if let Some(exec) = &probe.exec {
                self.run_command(question, &exec.command, limit).await
            } else {
                Ok(())
            }
        };
        let answer = match tokio::time::timeout(limit + Duration::from_millis(200), asked).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}s", limit.as_secs())),
        };
        let Err(why) = answer else { return true };
        let message = format!("{} probe failed: {why}", question.word());
        self.events
            .say(&self.pod, Severity::Warning, "Unhealthy", message);
        false
    }

    fn host<'a>(&'a self, host: &'a str) -> &'a str {
        if host.is_empty() { &self.address } else { host }
    }

    fn port(&self, port: &Value) -> Result<u16, String> {
        let text = match port {
            Value::Number(number) => number.to_string(),
            Value::String(name) => {
                let mut ports = self.container.ports.iter();
                match ports.find(|port| port.name == *name) {
                    Some(port) => port.container_port.to_string(),
                    None => name.clone(),
                }
            }
            _ => String::new(),
        };
        text.parse()
            .map_err(|_| format!("couldn't find port {port} of the container"))
    }

    async fn connect(&self, host: &str, port: &Value) -> Result<(), String> {
        let (host, port) = (self.host(host), self.port(port)?);
        match TcpStream::connect((host, port)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("dial tcp {host}:{port}: {error}")),
        }
    }

    async fn get(&self, get: &HttpGet) -> Result<(), String> {
        let (host, port) = (&self.address, self.port(&get.port)?);
        let host = if get.host.is_empty() { host } else { &get.host };
        let scheme = match get.scheme.as_str() {
            "" => "http".to_owned(),
            scheme => scheme.to_lowercase(),
        };
        let path = get.path.trim_start_matches('/');
        let url = format!("{scheme}://{host}:{port}/{path}");
        let failed = |error: reqwest::Error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            format!("Get {url:?}: {cause}")
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(Vec::new())
            .tls_danger_accept_invalid_certs(true)
            .user_agent(concat!("kube-probe/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(failed)?;
        let mut request = client.get(&url);
        for header in &get.http_headers {
            request = request.header(&header.name, &header.value);
        }
        let code = request.send().await.map_err(failed)?.status().as_u16();
        match code {
            200..400 => Ok(()),
            _ => Err(format!("HTTP probe failed with statuscode: {code}")),
        }
    }

    /// Runs a command beside the container, in its environment and as its user.
    async fn run_command(
        &self,
        question: Question,
        command: &[String],
        limit: Duration,
    ) -> Result<(), String> {
        let text = |error: std::io::Error| error.to_string();
        let spec = Shim::at(self.attempt.join(SHIM)).spec().map_err(text)?;
        let Some(name) = command.first() else {
            return Err("no command".to_owned());
        };
        let path = spec.env.get("PATH").map_or("", String::as_str);
        let around = process::Around {
            rootfs: &self.rootfs,
            cwd: spec.cwd.as_ref(),
            path,
            user: spec.user.as_ref(),
        };
        let program = around.find(name)?;
        let mut argv = command.to_vec();
        argv[0] = program;
        let spec = Spec {
            argv,
            timeout_milliseconds: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            grace_milliseconds: 0,
            log_limit: OUTPUT,
            log_files: 0,
            ..spec
        };
        let shim = Shim::at(self.attempt.join(question.word().to_lowercase()));
        let _ = std::fs::remove_file(shim.log());
        shim.start(&self.shared.launcher, &spec).map_err(text)?;
        let exit = shim.wait().await.map_err(text)?.unwrap_or_default();
        if exit.is_success() {
            return Ok(());
        }
        let said = std::fs::read(shim.log()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let said = if said.is_empty() { exit.message } else { said };
        Err(said)
    }
}

fn period(probe: &Probe) -> Duration {
    Duration::from_secs(probe.period_seconds.unwrap_or(10).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(probe: &Probe, answers: &str, expect: &str) {
        let mut counter = Counter::new(probe);
        let certain: String = answers
            .chars()
            .map(|answer| match counter.apply(answer == '+') {
                Some(true) => '+',
                Some(false) => '-',
                None => '.',
            })
            .collect();
        assert_eq!(certain, expect, "{answers}");
    }

    #[test]
    fn answers_count_in_a_row() {
        check(&Probe::default(), "+--+---+", "+..+..-+");
        let strict = Probe {
            success_threshold: Some(2),
            failure_threshold: Some(1),
            ..Probe::default()
        };
        check(&strict, "+-++", ".-.+");
    }
}
