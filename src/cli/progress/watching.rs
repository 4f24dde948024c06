//! The tasks that listen: to one rollout and its operations, or to one application's objects, and to what is printed.
//!
//! Each resumes by itself after a lost connection and only ever says what it heard. A restarted embedded server may have
//! another address: the line to it is looked up again before each new try.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;

use crate::api::kinds;
use crate::api::meta::Typed;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::api::upshift::Operation;
use crate::api::upshift::Rollout;
use crate::base::backoff::Backoff;
use crate::base::backoff::chance;
use crate::base::scope::Scope;
use crate::base::streams::Streams;
use crate::cli::Context;
use crate::cli::context::Purpose;
use crate::cli::progress::application::Watched;
use crate::cli::progress::event::Place;
use crate::cli::progress::fold::Change;
use crate::cli::progress::lines::Lines;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Story;
use crate::cli::progress::state::Wanted;
use crate::client;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::WatchEvent;

/// Outputs that are read at the same time.
const OUTPUTS: usize = 32;
/// Pauses between tries to reach a server.
const FLOOR: Duration = Duration::from_millis(200);
const CEILING: Duration = Duration::from_secs(3);

/// What a listener passes on.
#[derive(Debug)]
pub enum Heard {
    Change(Change),
    /// Nothing more can be heard: the server refuses this caller.
    Refused(client::Error),
}

/// The line to a server, looked up again when it broke.
#[derive(Clone)]
pub struct Line {
    client: Arc<Mutex<Client>>,
    context: Context,
    /// Why the server could not be found at the last look.
    missing: Arc<Mutex<Option<String>>>,
}

impl Line {
    /// The line that is there now.
    pub fn new(client: Client, context: &Context) -> Line {
        // Looking the server up again is no news.
        let (streams, _) = Streams::captured();
        Line {
            missing: Arc::default(),
            client: Arc::new(Mutex::new(client)),
            context: Context {
                streams,
                ..context.clone()
            },
        }
    }

    /// A client to ask now.
    pub fn client(&self) -> Client {
        self.client
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What to say of a line that broke with this error.
    fn trouble(&self, error: &client::Error) -> String {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.clone().unwrap_or_else(|| short(error))
    }

    async fn renew(&self) {
        let missing = match self.context.connect(Purpose::Reading).await {
            Ok(connection) => {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = connection.client;
                None
            }
            Err(failure) => {
                let said = failure.lines().join(". ");
                Some(said.trim_start_matches("error: ").to_owned())
            }
        };
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }
}

/// What is listened to.
#[derive(Clone)]
pub enum Subject {
    /// The Rollout of that name.
    Rollout(String),
    /// The objects of an application.
    Application(Watched),
}

/// How much of it will be shown, and therefore has to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Each step of each operation as it goes.
    Course,
    /// What it comes to in the end.
    Outcome,
}

/// What is listened to, and where it goes.
#[derive(Clone)]
pub struct Listener {
    pub line: Line,
    pub namespace: String,
    subject: Subject,
    heard: mpsc::Sender<Heard>,
    outputs: Arc<Semaphore>,
}

impl Listener {
    /// A listener for that subject.
    pub fn new(
        line: Line,
        namespace: &str,
        subject: Subject,
        heard: mpsc::Sender<Heard>,
    ) -> Listener {
        Listener {
            line,
            namespace: namespace.to_owned(),
            subject,
            heard,
            outputs: Arc::new(Semaphore::new(OUTPUTS)),
        }
    }

    /// Listens until the scope ends.
    pub fn start(&self, shown: Shown, scope: &Scope) {
        match &self.subject {
            Subject::Rollout(name) => self.start_rollout(name, shown, scope),
            Subject::Application(watched) => watched.start(self, scope),
        }
    }

    fn start_rollout(&self, name: &str, shown: Shown, scope: &Scope) {
        let own = named(name);
        let listener = self.clone();
        scope.spawn(async move {
            listener
                .pursue::<Rollout>(own, |told| vec![rollout_change(told)])
                .await;
        });
        if shown == Shown::Outcome {
            // The one who shows it asks for the operations when it is there.
            return;
        }
        let (listener, options) = (self.clone(), operations(name));
        scope.spawn(async move {
            listener
                .pursue::<Operation>(options, |told| operation_change(told).into_iter().collect())
                .await;
        });
    }

    /// Every operation of the subject as it is now.
    pub async fn all_operations(&self) -> Result<Vec<Operation>, client::Error> {
        match &self.subject {
            Subject::Rollout(name) => {
                let client = self.line.client();
                Ok(client.list(&self.namespace, &operations(name)).await?.items)
            }
            Subject::Application(watched) => Ok(vec![watched.operation()]),
        }
    }

    /// The gears that a rollout passed over, by name; none when it cannot be told which those are.
    pub async fn passed_over(&self, state: &State) -> Result<Vec<Place>, client::Error> {
        let known = state.tally.unreachable().len();
        let missing = (state.unreachable() as usize).saturating_sub(known);
        if missing == 0 || state.story != Story::Rollout {
            return Ok(Vec::new());
        }
        let application = &state.rollout.spec.application;
        let options = ListOptions::labelled(format!("{LABEL_APPLICATION}={application}"));
        let gears = self
            .line
            .client()
            .list::<Gear>(&self.namespace, &options)
            .await?;
        let color = &state.rollout.status.color;
        let places: Vec<Place> = gears
            .items
            .into_iter()
            .filter(|gear| !state.gears.contains_key(&gear.metadata.name))
            .filter(|gear| color.is_empty() || gear.spec.color == *color)
            .filter(|gear| !gear.metadata.is_deleting())
            .map(|gear| Place {
                gear: gear.metadata.name,
                node: gear.spec.node,
            })
            .collect();
        Ok(if places.len() == missing {
            places
        } else {
            Vec::new()
        })
    }

    /// Where the output of a step is, as soon as that is known; none when there is none.
    async fn log_path(&self, wanted: &Wanted) -> Option<String> {
        match &self.subject {
            Subject::Rollout(_) => Some(log_path(
                &self.namespace,
                &wanted.operation,
                &wanted.step,
                true,
            )),
            Subject::Application(watched) => watched.log_path(&wanted.step).await,
        }
    }

    /// Passes a change on.
    pub(super) async fn tell(&self, change: Change) {
        // Nobody listens to the listener any more: the scope is about to end.
        let _ = self.heard.send(Heard::Change(change)).await;
    }

    /// Lists and watches; a broken line is told, waited out and taken up again.
    pub(super) async fn pursue<T: Typed>(
        &self,
        options: ListOptions,
        change: impl Fn(Told<T>) -> Vec<Change>,
    ) {
        let mut backoff = Backoff::new(FLOOR, CEILING);
        loop {
            match self.round(&options, &change, &mut backoff).await {
                // The server ends each watch after a while; that is no news.
                Ok(()) => continue,
                Err(error) if is_refusal(&error) => {
                    let _ = self.heard.send(Heard::Refused(error)).await;
                    return;
                }
                Err(error) if error.is_expired() => continue,
                Err(error) => {
                    let why = self.line.trouble(&error);
                    self.tell(Change::Lost { why }).await;
                }
            }
            tokio::time::sleep(backoff.next(chance())).await;
            self.line.renew().await;
        }
    }

    async fn round<T: Typed>(
        &self,
        options: &ListOptions,
        change: &impl Fn(Told<T>) -> Vec<Change>,
        backoff: &mut Backoff,
    ) -> Result<(), client::Error> {
        let client = self.line.client();
        let listed = client.list::<T>(&self.namespace, options).await?;
        backoff.reset();
        self.tell(Change::Restored).await;
        let found = listed.items.is_empty();
        for item in listed.items {
            self.tell_all(change(Told::Is(item))).await;
        }
        if found {
            self.tell_all(change(Told::Nothing)).await;
        }
        let options = ListOptions {
            resource_version: listed.revision.to_string(),
            ..options.clone()
        };
        let mut watch = client.watch(T::KIND, &self.namespace, &options).await?;
        while let Some(event) = watch.next().await {
            let told = match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => Told::Is(view(object)?),
                WatchEvent::Deleted(object) => Told::Was(view(object)?),
                WatchEvent::Bookmark(_) => continue,
            };
            self.tell_all(change(told)).await;
        }
        // A server that ends every watch at once must not be asked in a circle.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    async fn tell_all(&self, changes: Vec<Change>) {
        for change in changes {
            self.tell(change).await;
        }
    }

    /// Reads the output of a step to its end, and says when that is.
    pub fn read_output(&self, scope: &Scope, wanted: Wanted) {
        let listener = self.clone();
        scope.spawn(async move {
            let Ok(_turn) = listener.outputs.clone().acquire_owned().await else {
                return;
            };
            let mut reading = Output {
                wanted,
                lines: Lines::default(),
                seen: 0,
            };
            if let Some(path) = listener.log_path(&reading.wanted).await {
                let mut backoff = Backoff::new(FLOOR, CEILING);
                while let Err(error) = reading.pass_on(&listener, &path).await {
                    if !error.is_passing() {
                        break;
                    }
                    tokio::time::sleep(backoff.next(chance())).await;
                }
            }
            reading.end(&listener).await;
        });
    }
}

/// How far the output of one step was read.
struct Output {
    wanted: Wanted,
    lines: Lines,
    seen: usize,
}

impl Output {
    /// Reads from the beginning and passes on what is new.
    async fn pass_on(&mut self, listener: &Listener, path: &str) -> Result<(), client::Error> {
        let mut body = listener.line.client().open(path).await?;
        let mut known = self.seen;
        while let Some(chunk) = body.chunk().await {
            let chunk = chunk?;
            let skipped = known.min(chunk.len());
            known -= skipped;
            self.seen += chunk.len() - skipped;
            for text in self.lines.push(&chunk[skipped..]) {
                listener.tell(self.line(text)).await;
            }
        }
        Ok(())
    }

    async fn end(mut self, listener: &Listener) {
        if let Some(text) = self.lines.finish() {
            let last = self.line(text);
            listener.tell(last).await;
        }
        let Wanted { operation, step } = self.wanted;
        listener.tell(Change::LogEnded { operation, step }).await;
    }

    fn line(&self, text: String) -> Change {
        Change::Line {
            operation: self.wanted.operation.clone(),
            step: self.wanted.step.clone(),
            text,
        }
    }
}

/// The path of a step's output.
pub fn log_path(namespace: &str, operation: &str, step: &str, follow: bool) -> String {
    let operation = kinds::OPERATION.path(namespace, operation);
    format!("{operation}/log?step={step}&follow={follow}")
}

/// Selects the one object of that name.
pub(super) fn named(name: &str) -> ListOptions {
    ListOptions {
        field_selector: format!("metadata.name={name}"),
        ..ListOptions::default()
    }
}

fn operations(rollout: &str) -> ListOptions {
    ListOptions::labelled(format!("{LABEL_ROLLOUT}={rollout}"))
}

/// What a list or a watch says of one kind.
pub(super) enum Told<T> {
    Is(T),
    Was(T),
    /// The list is empty.
    Nothing,
}

fn rollout_change(told: Told<Rollout>) -> Change {
    match told {
        Told::Is(rollout) => Change::Rollout(Box::new(rollout)),
        Told::Was(_) | Told::Nothing => Change::Gone,
    }
}

/// An operation that was cleared away stays as it was last seen.
fn operation_change(told: Told<Operation>) -> Option<Change> {
    match told {
        Told::Is(operation) | Told::Was(operation) => Some(Change::Operation(Box::new(operation))),
        Told::Nothing => None,
    }
}

fn view<T: Typed>(object: Value) -> Result<T, client::Error> {
    serde_json::from_value(object).map_err(|error| client::Error::Decode(error.to_string()))
}

fn is_refusal(error: &client::Error) -> bool {
    let forbidden = error
        .status()
        .is_some_and(|status| matches!(status.code, 401 | 403));
    forbidden || matches!(error, client::Error::Unauthorized(_))
}

/// A cause in a few words; the server's name is known to the reader.
fn short(error: &client::Error) -> String {
    match error {
        client::Error::Refused { .. } => "connection refused".to_owned(),
        client::Error::Unreachable { why, .. } | client::Error::Interrupted(why) => why.clone(),
        client::Error::TimedOut { seconds, .. } => format!("nothing within {seconds}s"),
        error => error.to_string(),
    }
}
