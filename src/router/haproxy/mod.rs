//! An agent beside a HAProxy: makes it do what the slices that name its Router want, and says how far it is.
//!
//! ```text
//! socket   one command, one answer, within a time
//! look     what HAProxy says of itself: backends, servers, maps
//! wanted   what slices want
//! decide   the commands that lead from one to the other, and what may be said of it (pure)
//! report   the Router object
//! ```
//!
//! The socket is the truth: it is looked at again and again, so that a HAProxy that was restarted, reloaded or changed
//! by hand is put right within a second. It needs no file of HAProxy's and never reloads it. Which endpoints are in
//! rotation is decided elsewhere (DESIGN 4.1, Rotation).

mod decide;
mod look;
mod report;
mod socket;
mod wanted;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::meta::Key;
use crate::api::network::EndpointSlice;
use crate::api::network::RouterStatus;
use crate::api::upshift::LABEL_ROUTER;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::durable;
use crate::base::scope::Scope;
use crate::client::Cache;
use crate::client::Client;
use crate::client::ListOptions;
use crate::router::haproxy::decide::Ours;
use crate::router::haproxy::decide::Plan;
use crate::router::haproxy::decide::State;
use crate::router::haproxy::decide::decide;
use crate::router::haproxy::look::Look;
use crate::router::haproxy::look::Process;
use crate::router::haproxy::report::Reporter;
use crate::router::haproxy::socket::Error as SocketError;
pub use crate::router::haproxy::socket::Place;
use crate::router::haproxy::wanted::Wanted;
use crate::router::haproxy::wanted::wanted;

/// How often HAProxy is looked at while something is under way, and else.
const SOON: Duration = Duration::from_millis(50);
const NOW_AND_THEN: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The most problems that the Router's message names.
const MOST_PROBLEMS: usize = 3;

/// One HAProxy, as `NAME=SOCKET` on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Of its Router object.
    pub name: String,
    pub place: Place,
}

impl std::str::FromStr for Beside {
    type Err = String;

    fn from_str(text: &str) -> Result<Beside, String> {
        let wrong = || {
            format!(
                "{text:?} is not NAME=SOCKET, like lb-1=/run/haproxy/admin.sock or lb-1=tcp:127.0.0.1:9999"
            )
        };
        let (name, place) = text.split_once('=').ok_or_else(wrong)?;
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Beside {
            name: name.to_owned(),
            place: place.parse()?,
        })
    }
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.place)
    }
}

/// How an agent beside a HAProxy is to run.
#[derive(Clone, Debug)]
pub struct Options {
    pub beside: Beside,
    pub client: Client,
    /// The agent's own folder, for what must survive its restart.
    pub folder: PathBuf,
    /// Whether it makes its Router object itself: only a router's identity may.
    pub registers: bool,
}

/// Why it does not start; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "there is no router {name} for this node: make it on the server with `upshift node token create {node} --router {name}`"
    )]
    NoRouter { name: String, node: String },
    #[error("the router {0} is no HAProxy: choose another name")]
    OtherKind(String),
    #[error("cannot register the router {name}")]
    Register {
        name: String,
        source: crate::client::Error,
    },
    #[error("cannot read {}", .path.display())]
    Memory { path: PathBuf, source: io::Error },
}

/// Registers, and goes on in `scope`: it tries for ever to reach HAProxy and the server. `node` is who runs it.
pub async fn start(options: Options, node: &str, scope: &Scope) -> Result<(), Error> {
    let Options {
        beside: Beside { name, place },
        client,
        folder,
        registers,
    } = options;
    let reporter = Reporter::new(client.clone(), name.clone(), node.to_owned(), registers);
    let path = folder.join(format!("haproxy-{name}.json"));
    let worker = Worker {
        state: State::new(read(&path)?),
        name: name.clone(),
        place,
        path,
        reporter,
        status: RouterStatus::default(),
        versions: BTreeMap::new(),
        process: None,
        started: Instant::now(),
        pauses: Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE),
    };
    match worker.reporter.register().await {
        // The server may be away when a node starts.
        Ok(_) | Err(Error::Register { .. }) => {}
        Err(error) => return Err(error),
    }
    let selector = ListOptions::labelled(format!("{LABEL_ROUTER}={name}"));
    let slices = Cache::start(client, "", selector, scope);
    scope.spawn(worker.run(slices));
    Ok(())
}

fn read(path: &std::path::Path) -> Result<Ours, Error> {
    let wrong = |source| Error::Memory {
        path: path.to_owned(),
        source,
    };
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| wrong(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ours::default()),
        Err(error) => Err(wrong(error)),
    }
}

/// Looks, decides, performs, reports; again and again.
struct Worker {
    name: String,
    place: Place,
    reporter: Reporter,
    /// Where [`Ours`] is kept.
    path: PathBuf,
    state: State,
    /// What is true now; the reporter writes it.
    status: RouterStatus,
    /// The versions of the slices that `status.applied` is about.
    versions: BTreeMap<Key, u64>,
    process: Option<Process>,
    started: Instant,
    pauses: Backoff,
}

impl Worker {
    async fn run(mut self, slices: Cache<EndpointSlice>) {
        self.status = self.reporter.registered().await;
        slices.synced().await;
        loop {
            // Read before the slices: what is in them then covers it.
            let seen = slices.revision();
            let pause = match self.turn(seen, &slices.all()).await {
                Ok(pause) => {
                    self.pauses.reset();
                    pause
                }
                Err(problem) => {
                    if self.status.message != problem {
                        tracing::warn!(router = self.name, "{problem}");
                    }
                    self.status.message = problem;
                    self.pauses.next(backoff::chance())
                }
            };
            self.reporter.report(&self.status).await;
            let pause = self.reporter.owes().map_or(pause, |owed| pause.min(owed));
            let _ = tokio::time::timeout(pause, slices.at_least(seen + 1)).await;
        }
    }

    /// One look and what follows from it; how long the next may wait.
    async fn turn(&mut self, seen: u64, slices: &[Arc<EndpointSlice>]) -> Result<Duration, String> {
        let wanted = wanted(slices.iter().map(|slice| &**slice));
        let look = self
            .look(&wanted)
            .await
            .map_err(|error| error.to_string())?;
        let plan = decide(&wanted, &look, &self.state, self.started.elapsed());
        self.remember(&plan).map_err(|error| {
            let path = self.path.display();
            format!("cannot write {path}, so nothing is changed at HAProxy: {error}")
        })?;
        self.state = plan.state.clone();
        let Refused { entering, others } = self
            .perform(&plan)
            .await
            .map_err(|error| error.to_string())?;
        let is_refused = !entering.is_empty() || !others.is_empty();
        let mut problems = plan.problems.clone();
        problems.extend(others.iter().cloned());
        problems.extend(entering.values().cloned());
        let unique: BTreeSet<String> = problems.into_iter().collect();
        let mut problems: Vec<String> = unique.into_iter().collect();
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        if more > 0 {
            problems.push(format!("{more} more"));
        }
        self.status.message = problems.join("; ");
        self.status.draining = plan.draining.clone();
        self.status.waiting = plan.waiting.clone();
        self.status.waiting.extend(entering);
        if plan.is_followed && others.is_empty() {
            let versions = slices
                .iter()
                .map(|one| (one.metadata.key(), one.metadata.revision()));
            let versions: BTreeMap<Key, u64> = versions.collect();
            // Versions of other kinds' and routers' objects are not worth a write.
            if self.status.applied == 0 || self.versions != versions {
                self.status.applied = seen;
                self.versions = versions;
            }
        }
        let is_busy = plan.is_busy() && !is_refused;
        Ok(if is_busy { SOON } else { NOW_AND_THEN })
    }

    async fn look(&mut self, wanted: &Wanted) -> Result<Look, SocketError> {
        let switches = wanted
            .groups
            .iter()
            .filter_map(|group| group.switch.as_ref());
        let maps: Vec<&str> = switches.map(|switch| switch.map.as_str()).collect();
        let look = look::look(&self.place, maps.into_iter()).await?;
        if self.process.as_ref() != Some(&look.process) {
            let Process { version, pid } = &look.process;
            tracing::info!(
                router = self.name,
                version,
                pid,
                "HAProxy answers at {}",
                self.place
            );
            self.process = Some(look.process.clone());
        }
        Ok(look)
    }

    /// Writes down which servers are ours before anything is done with them.
    fn remember(&self, plan: &Plan) -> io::Result<()> {
        if plan.state.ours == self.state.ours {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&plan.state.ours)?;
        durable::write(&self.path, &bytes, 0o600)
    }

    async fn perform(&self, plan: &Plan) -> Result<Refused, SocketError> {
        let mut refused = Refused::default();
        for order in &plan.orders {
            if refused.entering.contains_key(&order.entering) {
                continue;
            }
            let command = order.command.to_string();
            tracing::debug!(router = self.name, command);
            let mut why = order.command.refusal(&self.place.ask(&command).await?);
            if why.as_ref().is_some_and(|why| why.contains("experimental")) {
                // Servers could be added for trial only before version 2.6.
                let again = format!("experimental-mode on; {command}");
                let answer = self.place.ask(&again).await?;
                why = order.command.refusal(answer.trim());
            }
            match why {
                None => {}
                Some(why) if order.entering.is_empty() => refused.others.push(why),
                Some(why) => {
                    refused.entering.insert(order.entering.clone(), why);
                }
            }
        }
        Ok(refused)
    }
}

/// What HAProxy did not want to do.
#[derive(Default)]
struct Refused {
    /// Why endpoints do not get requests.
    entering: BTreeMap<String, String>,
    /// Why requests still go where they should not.
    others: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_haproxy_has_a_name_and_a_place() {
        let beside: Beside = "lb-1=/run/h.sock".parse().unwrap();
        assert_eq!(
            (&*beside.name, beside.place.to_string()),
            ("lb-1", "/run/h.sock".to_owned())
        );
        for wrong in ["/run/h.sock", "=/run/h.sock", "lb-1=", "lb-1=tcp:x"] {
            assert!(wrong.parse::<Beside>().is_err(), "{wrong}");
        }
    }
}
