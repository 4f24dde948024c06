//! Performing Node steps: each begins with a line in the journal and ends with one, whatever happened between.
//!
//! A step begun before a crash is entered the same way again: a hook is found by its shim's record, the rest starts
//! over and ends the same.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::MissedTickBehavior;

use crate::agent::cache;
use crate::agent::cache::Transfer;
use crate::agent::hooks;
use crate::agent::hooks::Hook;
use crate::agent::hooks::Problem;
use crate::agent::install;
use crate::agent::journal::Event;
use crate::agent::lent;
use crate::agent::operations::decide;
use crate::agent::operations::report::Urgency;
use crate::agent::operations::worker::Fault;
use crate::agent::operations::worker::Worker;
use crate::agent::record::Gear;
use crate::agent::shim::Exit;
use crate::agent::shim::Reason;
use crate::agent::shim::Shim;
use crate::agent::users;
use crate::agent::users::Account;
use crate::api::appspec::AppSpec;
use crate::api::upshift::Deployment;
use crate::api::upshift::GearState;
use crate::api::upshift::StepPhase;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::crash;
use crate::base::text;
use crate::client::registry;
use crate::plan::step;
use crate::plan::step::StepKind;
use crate::plan::step::Whose;
use crate::plan::step::Work;

/// For all steps of a deployment that names no limit.
const GEAR_TIMEOUT: Duration = Duration::from_secs(3600);
/// How often a step that takes its time says how far it is.
const TELLING: Duration = Duration::from_secs(1);
/// How often a hook whose shim was lost is started again in one agent's life.
const LOST_SHIMS: u32 = 3;

/// How a step ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) phase: StepPhase,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) exit_code: Option<i32>,
    pub(super) time: Duration,
}

impl Outcome {
    fn done(message: impl Into<String>) -> Outcome {
        Outcome {
            phase: StepPhase::Done,
            reason: String::new(),
            message: message.into(),
            exit_code: None,
            time: Duration::ZERO,
        }
    }

    fn skipped(reason: &str) -> Outcome {
        Outcome {
            phase: StepPhase::Skipped,
            reason: reason.to_owned(),
            ..Outcome::done("")
        }
    }

    pub(super) fn failed(reason: &str, message: impl Into<String>) -> Outcome {
        Outcome {
            phase: StepPhase::Failed,
            reason: reason.to_owned(),
            ..Outcome::done(message)
        }
    }
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Outcome {
        Outcome::failed(problem.reason, problem.message)
    }
}

/// An unpacked bundle and what its appspec says.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Without links on the way to it.
    pub(super) root: PathBuf,
    pub(super) spec: AppSpec,
    /// What it took to have it here.
    transfer: Transfer,
}

/// Why a step is ended before its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Aborted,
    GearTimedOut,
}

impl Stop {
    fn problem(self) -> Problem {
        match self {
            Stop::Aborted => Problem::new("Aborted", "ended on request"),
            Stop::GearTimedOut => {
                Problem::new("GearTimedOut", "the time for all steps of the gear is over")
            }
        }
    }
}

/// A step's inner result: how it ended, or that the worker cannot go on.
enum Broken {
    Step(Problem),
    Worker(Fault),
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Broken {
        Broken::Step(problem)
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Broken {
        Broken::Worker(fault)
    }
}

impl Worker {
    /// Performs a step from its beginning or from where it was left.
    pub(super) async fn perform(&mut self, index: usize) -> Result<(), Fault> {
        let status = &self.journal.state().status.steps[index];
        let is_resumed = status.phase == StepPhase::Running;
        let Some(kind) = step::named(&status.name) else {
            // `decide` has refused it before; a journal of a newer version may still hold one that runs.
            let message = format!("this agent does not know step {:?}", status.name);
            return self.note_ended(index, &Outcome::failed("UnknownStep", message));
        };
        let began = Instant::now();
        crash::point("step.before");
        let ended = match kind.work {
            Work::Hook(whose) => self.hook(index, kind, whose, is_resumed, began).await,
            Work::Download => self.download(index, kind, is_resumed, began).await,
            Work::Install => self.install(index, is_resumed, began).await,
            Work::Traffic | Work::Watched(_) => {
                Err(Problem::new("UnknownStep", "not a step of a node").into())
            }
        };
        let mut outcome = match ended {
            Ok(outcome) => outcome,
            Err(Broken::Step(problem)) => Outcome::from(problem),
            Err(Broken::Worker(fault)) => return Err(fault),
        };
        let is_begun = self.journal.state().status.steps[index].phase == StepPhase::Running;
        if !is_begun && outcome.phase != StepPhase::Skipped {
            self.note_started(index, Vec::new())?;
        }
        outcome.time = if is_resumed {
            self.since(index).max(began.elapsed())
        } else {
            began.elapsed()
        };
        self.note_ended(index, &outcome)?;
        crash::point("step.after");
        Ok(())
    }

    fn begin(&mut self, index: usize, is_resumed: bool) -> Result<(), Fault> {
        if !is_resumed {
            self.note_started(index, Vec::new())?;
            self.write(Urgency::Soon)?;
        }
        Ok(())
    }

    /// When the time for all Node steps of this gear is over.
    fn deadline(&self, began: Instant) -> Instant {
        let limit = self
            .accepted
            .spec
            .deployment
            .gear_timeout
            .map_or(GEAR_TIMEOUT, |span| span.0);
        let spent: u64 = self
            .journal
            .state()
            .status
            .steps
            .iter()
            .filter_map(|step| step.milliseconds)
            .sum();
        began + limit.saturating_sub(Duration::from_millis(spent))
    }

    async fn download(
        &mut self,
        index: usize,
        kind: &StepKind,
        is_resumed: bool,
        began: Instant,
    ) -> Result<Outcome, Broken> {
        let deployment = &self.accepted.spec.deployment;
        if let Some(reason) = decide::skip(kind, deployment, true) {
            return Ok(Outcome::skipped(reason));
        }
        self.begin(index, is_resumed)?;
        let ready = self.wanted_bundle(began).await?;
        let Transfer { fetched, size, .. } = ready.map(|ready| ready.transfer).unwrap_or_default();
        Ok(Outcome::done(if (1..size).contains(&fetched) {
            let (fetched, size) = (text::size(fetched), text::size(size));
            format!("fetched {fetched} of {size}; the rest was here")
        } else {
            String::new()
        }))
    }

    async fn install(
        &mut self,
        index: usize,
        is_resumed: bool,
        began: Instant,
    ) -> Result<Outcome, Broken> {
        let new = self.wanted_bundle(began).await?;
        self.begin(index, is_resumed)?;
        let destinations = new.as_ref().map_or_else(Vec::new, |new| {
            let all = new.spec.files.iter();
            all.map(|mapping| mapping.destination.clone()).collect()
        });
        self.hold(&destinations, began).await?;
        let accepted = self.accepted.clone();
        let deployment = &accepted.spec.deployment;
        let account = self.account()?;
        let place = self.shared.install_place(&accepted);
        let wanted = new.map(|new| install::Wanted {
            root: new.root.clone(),
            spec: new.spec.clone(),
            exists: deployment.file_exists,
            installed: installed(deployment),
        });
        crash::point("install.before");
        let installing = move || {
            let install = || install::install(&place, wanted.as_ref());
            lent::lend(account.become_user.as_ref(), install)
        };
        let done = tokio::task::spawn_blocking(installing).await;
        crash::point("install.after");
        let outcome = match done {
            Ok(Ok(Ok(outcome))) => outcome,
            Ok(Ok(Err(error))) => return Err(Problem::new(error.reason(), chain(&error)).into()),
            Ok(Err(error)) => return Err(Problem::new("Io", format!("Install: {error}")).into()),
            Err(error) => return Err(Problem::new("Io", format!("Install broke: {error}")).into()),
        };
        self.remember(destinations)?;
        self.log_warnings(index, &outcome.warnings)?;
        Ok(Outcome::done(match outcome.warnings.len() {
            0 => String::new(),
            count => text::count(count, "warning"),
        }))
    }

    /// Who the namespace is served as.
    fn account(&self) -> Result<Account, Problem> {
        users::serving(&self.shared.own, &self.shared.allow, &self.key.namespace)
            .map_err(|why| Problem::new("NotAllowed", why))
    }

    /// Waits until nobody else installs where this Operation will.
    async fn hold(&mut self, destinations: &[String], began: Instant) -> Result<(), Broken> {
        if self.held.is_some() {
            return Ok(());
        }
        let old = self.journal.state().installed.as_ref();
        let folders = destinations
            .iter()
            .chain(old.into_iter().flat_map(|gear| &gear.destinations))
            .map(PathBuf::from)
            .collect();
        let places = self.shared.places.clone();
        let held = self.unless_stopped(began, places.hold(folders)).await?;
        self.held = Some(held);
        Ok(())
    }

    /// Remembers what is in place now; repeated after a crash, it remembers the same.
    fn remember(&self, destinations: Vec<String>) -> Result<(), Fault> {
        let folder = self.shared.gear_folder(&self.accepted);
        let deployment = &self.accepted.spec.deployment;
        let before = self.journal.state().installed.as_deref();
        let done = if deployment.revision.is_none() {
            Gear::remove(&folder)
        } else {
            let mut gear = Gear {
                deployment: deployment.clone(),
                previous: String::new(),
                destinations,
                state: before.map_or(GearState::New, |before| before.state),
            };
            gear.previous = match before {
                Some(before) if before.revision() == gear.revision() => before.previous.clone(),
                Some(before) => before.revision().to_owned(),
                None => String::new(),
            };
            gear.write(&folder)
        };
        done.map_err(|source| Fault::Io {
            what: "write gear.json in",
            path: folder,
            source,
        })
    }

    /// What Install has to say is its log.
    fn log_warnings(&self, index: usize, warnings: &[String]) -> Result<(), Fault> {
        if warnings.is_empty() {
            return Ok(());
        }
        let log = self.item_shim(index, 0).log();
        let mut text = warnings.join("\n");
        text.push('\n');
        fs::write(&log, text).map_err(|source| Fault::Io {
            what: "write",
            path: log,
            source,
        })
    }

    fn item_shim(&self, index: usize, item: usize) -> Shim {
        let step = &self.journal.state().status.steps[index].name;
        super::item_shim(&self.folder, step, item)
    }

    /// The wanted revision's bundle, whole; None when nothing is wanted.
    async fn wanted_bundle(&mut self, began: Instant) -> Result<Option<Arc<Ready>>, Broken> {
        if self.new.is_none() && self.accepted.spec.deployment.revision.is_some() {
            let deployment = self.accepted.spec.deployment.clone();
            self.new = Some(Arc::new(self.ready(&deployment, began).await?));
        }
        Ok(self.new.clone())
    }

    /// The installed revision's bundle, whole; None when nothing was installed.
    async fn installed_bundle(&mut self, began: Instant) -> Result<Option<Arc<Ready>>, Broken> {
        let installed = self.journal.state().installed.as_deref();
        if self.old.is_none()
            && let Some(gear) = installed
        {
            let deployment = gear.deployment.clone();
            self.old = Some(Arc::new(self.ready(&deployment, began).await?));
        }
        Ok(self.old.clone())
    }

    /// A deployment's bundle: as it is in the cache, or fetched while the server can be waited for.
    async fn ready(&mut self, deployment: &Deployment, began: Instant) -> Result<Ready, Broken> {
        if let Some(why) = users::unsafe_root(&deployment.root_dir, &self.account()?) {
            return Err(Problem::new("RootDirNotSafe", why).into());
        }
        let cache = self.shared.cache.clone();
        let (progress, transfer) = watch::channel(Transfer::default());
        let source = cache::Source {
            registry: self.shared.registry.clone(),
            repository: format!("{}/{}", self.key.namespace, deployment.application),
            progress: Arc::new(progress),
        };
        let fetching = async {
            let mut pause = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
            loop {
                match cache.ensure(deployment, &source).await {
                    Err(cache::Error::Fetch(registry::Error::Client(error)))
                        if error.is_passing() =>
                    {
                        tracing::debug!(%error, "a bundle waits");
                    }
                    other => return other,
                }
                tokio::time::sleep(pause.next(backoff::chance())).await;
            }
        };
        let failed = |error: cache::Error| Problem::new(error.reason(), chain(&error));
        let how_far = || {
            let Transfer { here, size, .. } = *transfer.borrow();
            (size > 0 && here < size)
                .then(|| format!("{} of {}", text::size(here), text::size(size)))
        };
        let fetched = self.telling(began, fetching, &how_far).await;
        self.said = None;
        let root = fetched?.map_err(failed)?;
        let root = fs::canonicalize(&root).map_err(|source| {
            let message = format!("cannot find {}: {source}", root.display());
            Problem::new("Io", message)
        })?;
        let revision = deployment.revision.as_ref();
        let revision = revision.expect("only deployments of something have a bundle");
        let spec = cache::appspec(&root, revision).map_err(failed)?;
        let transfer = *transfer.borrow();
        Ok(Ready {
            root,
            spec,
            transfer,
        })
    }

    /// Does something that may be dropped in the middle, until the Operation is aborted or the gear's time is over.
    async fn unless_stopped<T>(
        &mut self,
        began: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Broken> {
        self.telling(began, work, &|| None).await
    }

    /// The same, and once a second the step under way says how far it is.
    async fn telling<T>(
        &mut self,
        began: Instant,
        work: impl Future<Output = T>,
        how_far: &(dyn Fn() -> Option<String> + Sync),
    ) -> Result<T, Broken> {
        let deadline = self.deadline(began);
        tokio::pin!(work);
        let mut tick = tokio::time::interval_at(Instant::now() + TELLING, TELLING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.is_aborted() {
                return Err(Stop::Aborted.problem().into());
            }
            tokio::select! {
                done = &mut work => return Ok(done),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(Stop::GearTimedOut.problem().into());
                }
                _ = tick.tick() => self.tell(how_far()),
                Ok(()) = self.wanted.changed() => {}
            }
        }
    }

    /// Lets others see what the step under way says.
    fn tell(&mut self, said: Option<String>) {
        let steps = &self.journal.state().status.steps;
        let running = steps
            .iter()
            .position(|step| step.phase == StepPhase::Running);
        if let (Some(step), Some(said)) = (running, said) {
            self.said = Some((step, said));
            self.publish(Urgency::Soon);
        }
    }

    async fn hook(
        &mut self,
        index: usize,
        kind: &'static StepKind,
        whose: Whose,
        is_resumed: bool,
        began: Instant,
    ) -> Result<Outcome, Broken> {
        if !is_resumed {
            // Fetched before the first hook runs, so that a missing bundle leaves the host as it is.
            self.wanted_bundle(began).await?;
            let is_installed = self.journal.state().installed.is_some();
            let deployment = &self.accepted.spec.deployment;
            if let Some(reason) = decide::skip(kind, deployment, is_installed) {
                return Ok(Outcome::skipped(reason));
            }
            let bundle = self.bundle(whose, began).await?;
            let scripts = bundle.spec.scripts(kind.name);
            if scripts.is_empty() {
                return Ok(Outcome::skipped("NoHook"));
            }
            let items = scripts.iter().map(hooks::name).collect();
            self.note_started(index, items)?;
            self.write(Urgency::Soon)?;
        }
        let mut warnings = Vec::new();
        while let Some(item) = self.journal.state().running_item(index) {
            let (result, exit_code) = self.item(index, kind, whose, item, began).await?;
            let (phase, message) = match &result {
                Ok(warning) => (StepPhase::Done, warning.clone()),
                Err(problem) => (StepPhase::Failed, problem.message.clone()),
            };
            self.journal
                .note(&Event::Item {
                    step: index,
                    item,
                    phase,
                    message,
                    exit_code,
                })
                .map_err(Fault::from)?;
            match result {
                Err(problem) => {
                    return Ok(Outcome {
                        exit_code,
                        ..Outcome::from(problem)
                    });
                }
                Ok(warning) if !warning.is_empty() => warnings.push(warning),
                Ok(_) => {}
            }
            if self.journal.state().running_item(index).is_some() {
                self.write(Urgency::Soon)?;
            }
        }
        Ok(self.hook_outcome(index, &warnings))
    }

    /// After the last item: a step whose item failed just before a crash failed with it.
    fn hook_outcome(&self, index: usize, warnings: &[String]) -> Outcome {
        let items = &self.journal.state().status.steps[index].items;
        match items.iter().find(|item| item.phase == StepPhase::Failed) {
            Some(item) => Outcome {
                exit_code: item.exit_code,
                ..Outcome::failed("HookFailed", item.message.clone())
            },
            None => Outcome {
                exit_code: items.last().and_then(|item| item.exit_code),
                ..Outcome::done(warnings.join("; "))
            },
        }
    }

    async fn bundle(&mut self, whose: Whose, began: Instant) -> Result<Arc<Ready>, Broken> {
        let bundle = match whose {
            Whose::Installed => self.installed_bundle(began).await?,
            Whose::Wanted => self.wanted_bundle(began).await?,
        };
        bundle.ok_or_else(|| {
            Problem::new("BundleMissing", "there is no bundle to take it from").into()
        })
    }

    /// Runs one script, or finds the one that runs: a warning or a problem, and the exit code.
    async fn item(
        &mut self,
        index: usize,
        kind: &'static StepKind,
        whose: Whose,
        item: usize,
        began: Instant,
    ) -> Result<(Result<String, Problem>, Option<i32>), Broken> {
        let shim = self.item_shim(index, item);
        let location = self.journal.state().status.steps[index].items[item]
            .name
            .clone();
        let mut warning = String::new();
        for _ in 0..=LOST_SHIMS {
            let (exit, stop) = self.attend(&shim, began).await?;
            if let Some(exit) = exit {
                let result = match stop {
                    Some(Stop::GearTimedOut) if exit.reason == Reason::Killed => {
                        Err(Stop::GearTimedOut.problem())
                    }
                    _ => hooks::judge(&location, &exit).map(|more| join(&warning, &more)),
                };
                return Ok((result, exit.shell_code()));
            }
            let stop = stop.or(self.is_aborted().then_some(Stop::Aborted));
            if let Some(stop) = stop {
                self.end_leftovers(&shim).await?;
                return Ok((Err(stop.problem()), None));
            }
            match self.launch(&shim, kind, whose, item, began).await? {
                Ok(more) => warning = more,
                Err(problem) => return Ok((Err(problem), None)),
            }
        }
        let message = format!("{location}: its shim was lost again and again");
        Ok((Err(Problem::new("Io", message)), None))
    }

    /// Waits for a shim that may run: how it ended, if it did, and whether it was asked to.
    async fn attend(
        &mut self,
        shim: &Shim,
        began: Instant,
    ) -> Result<(Option<Exit>, Option<Stop>), Fault> {
        let deadline = self.deadline(began);
        let failed = |source| Fault::Io {
            what: "follow the hook in",
            path: shim.log(),
            source,
        };
        let mut stop = None;
        let waiting = shim.wait();
        tokio::pin!(waiting);
        loop {
            if stop.is_none() {
                stop = if self.is_aborted() {
                    Some(Stop::Aborted)
                } else {
                    (Instant::now() >= deadline).then_some(Stop::GearTimedOut)
                };
                if stop.is_some() && shim.is_running().map_err(failed)? {
                    shim.kill().map_err(failed)?;
                }
            }
            tokio::select! {
                ended = &mut waiting => return Ok((ended.map_err(failed)?, stop)),
                () = tokio::time::sleep_until(deadline), if stop.is_none() => {}
                Ok(()) = self.wanted.changed(), if stop.is_none() => {}
            }
        }
    }

    async fn end_leftovers(&self, shim: &Shim) -> Result<(), Fault> {
        let (shim, log) = (shim.clone(), shim.log());
        let failed = |source| Fault::Io {
            what: "end what is left of the hook in",
            path: log,
            source,
        };
        if matches!(shim.started(), Ok(None)) {
            return Ok(());
        }
        let ended = tokio::task::spawn_blocking(move || shim.end_leftovers(hooks::GRACE)).await;
        let ended = ended.map_err(io::Error::other).and_then(|ended| ended);
        ended.map(|_| ()).map_err(failed)
    }

    /// Starts a script under its shim; a warning, or why it cannot run.
    async fn launch(
        &mut self,
        shim: &Shim,
        kind: &'static StepKind,
        whose: Whose,
        item: usize,
        began: Instant,
    ) -> Result<Result<String, Problem>, Broken> {
        let bundle = match self.bundle(whose, began).await {
            Ok(bundle) => bundle,
            Err(Broken::Step(problem)) => return Ok(Err(problem)),
            Err(broken) => return Err(broken),
        };
        self.end_leftovers(shim).await?;
        let scripts = bundle.spec.scripts(kind.name);
        let Some(script) = scripts.get(item) else {
            let message = format!("the bundle has no script {} for this event", item + 1);
            return Ok(Err(Problem::new("HookMissing", message)));
        };
        let accepted = self.accepted.clone();
        let account = match self.account() {
            Ok(account) => account,
            Err(problem) => return Ok(Err(problem)),
        };
        let hook = Hook {
            operation: &accepted,
            node: &self.shared.name,
            event: kind.name,
            item,
            root: &bundle.root,
            spec: &bundle.spec,
            script,
            previous: self
                .journal
                .state()
                .installed
                .as_deref()
                .map_or("", Gear::revision),
            own: &account,
        };
        let (spec, warning) = match hook.prepare() {
            Ok(prepared) => prepared,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Err(error) = shim.start(&self.shared.launcher, &spec) {
            let message = format!("{}: cannot start its shim: {error}", script.location);
            return Ok(Err(Problem::new("Io", message)));
        }
        Ok(Ok(warning))
    }
}

fn join(one: &str, other: &str) -> String {
    match (one, other) {
        ("", text) | (text, "") => text.to_owned(),
        (one, other) => format!("{one}; {other}"),
    }
}

fn installed(deployment: &Deployment) -> install::Installed {
    let revision = deployment.revision.clone().unwrap_or_default();
    install::Installed {
        application: deployment.application.clone(),
        revision: revision.name,
        number: revision.number,
        digest: revision.bundle.digest,
        deploy_id: deployment.deploy_id,
    }
}

/// An error and everything that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        next = cause.source();
    }
    message
}
