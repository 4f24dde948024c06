//! What the steps print, for the server to read over the tunnel: `GET /operations/NAMESPACE/NAME/log?step=S&follow=true`.
//!
//! Bytes come as the scripts wrote them, step after step and script after script. Following waits for the kernel's word
//! that a log grew and for the journal's that a script ended, never for time; it ends when the asked steps have.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path as PathParameters;
use axum::extract::Query;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header;
use nix::sys::inotify::AddWatchFlags;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::agent::journal::Journal;
use crate::agent::operations::Shared;
use crate::agent::operations::item_shim;
use crate::agent::watcher::Watcher;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::status::Status;
use crate::api::upshift::OperationStatus;
use crate::api::upshift::StepPhase;

/// Where the kernel gives no notice (its limits are used up), a log is looked at this often.
const LOOK: Duration = Duration::from_millis(200);
const CHUNK: usize = 64 * 1024;

/// The Operations under way and how far each is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<Mutex<HashMap<Key, watch::Sender<OperationStatus>>>>);

impl Live {
    /// Says how far an Operation is.
    pub(crate) fn set(&self, key: &Key, status: &OperationStatus) {
        let mut live = self.lock();
        match live.get(key) {
            Some(sender) => {
                sender.send_replace(status.clone());
            }
            None => {
                live.insert(key.clone(), watch::Sender::new(status.clone()));
            }
        }
    }

    /// The Operation is over; those that follow it see the end.
    pub(crate) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn follow(&self, key: &Key) -> Option<watch::Receiver<OperationStatus>> {
        self.lock().get(key).map(watch::Sender::subscribe)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Sender<OperationStatus>>> {
        self.0
            .lock()
            .expect("nothing panics while it holds the list")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Empty: every step.
    step: String,
    follow: bool,
}

/// What the agent answers on its tunnel.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(
            "/operations/{namespace}/{name}/log",
            axum::routing::get(answer),
        )
        .with_state(shared)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    PathParameters((namespace, name)): PathParameters<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let key = Key::new(namespace, name);
    let is_name = |part: &str| !part.is_empty() && !part.contains('/') && !part.starts_with('.');
    let live = shared.live.follow(&key);
    let status = match &live {
        Some(live) => Some(live.borrow().clone()),
        // The names become a path; an Operation's never look like this.
        None if !is_name(&key.namespace) || !is_name(&key.name) => None,
        None => Journal::look(&shared.operation_folder(&key)).map(|state| state.status),
    };
    let known = |status: &OperationStatus| status.steps.iter().any(|step| step.name == asked.step);
    match status {
        Some(status) if asked.step.is_empty() || known(&status) => {
            let (sender, receiver) = mpsc::channel(4);
            let reader = Reader {
                folder: shared.operation_folder(&key),
                step: asked.step,
                live: live.filter(|_| asked.follow),
                status,
                notice: Notice::new(),
                sender,
            };
            shared.scope.spawn(async move {
                if let Err(error) = reader.run().await {
                    tracing::debug!(operation = %key, %error, "a log broke off");
                }
            });
            let chunks = tokio_stream::wrappers::ReceiverStream::new(receiver);
            let plain = [(header::CONTENT_TYPE, "text/plain")];
            (plain, Body::from_stream(chunks)).into_response()
        }
        Some(_) => refusal(&Status::bad_request(format!(
            "operation {:?} has no step {:?}",
            key.name, asked.step
        ))),
        None => refusal(&Status::not_found(&kinds::OPERATION, &key.name)),
    }
}

pub(crate) fn refusal(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let body = serde_json::to_vec(status).expect("a Status is plain data");
    (code, json, body).into_response()
}

/// The kernel's word that something in a folder changed.
pub(crate) enum Notice {
    Kernel(Watcher),
    Clock,
}

impl Notice {
    pub(crate) fn new() -> Notice {
        Watcher::new().map_or(Notice::Clock, Notice::Kernel)
    }

    /// Also watches a folder.
    pub(crate) fn add(&mut self, folder: &Path) {
        let flags =
            AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        if let Notice::Kernel(watcher) = self
            && let Err(errno) = watcher.add(folder, flags)
            && errno != nix::errno::Errno::ENOENT
        {
            *self = Notice::Clock;
        }
    }

    pub(crate) async fn changed(&self) {
        let told = match self {
            Notice::Kernel(watcher) => watcher.events().await.is_ok(),
            Notice::Clock => false,
        };
        if !told {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One answer being given.
struct Reader {
    folder: PathBuf,
    step: String,
    /// None: what is there now, and no more.
    live: Option<watch::Receiver<OperationStatus>>,
    status: OperationStatus,
    notice: Notice,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Reader {
    async fn run(mut self) -> io::Result<()> {
        self.notice.add(&self.folder);
        for step in 0..self.status.steps.len() {
            if self.step.is_empty() || self.status.steps[step].name == self.step {
                self.step(step).await?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: usize) -> io::Result<()> {
        let mut item = 0;
        loop {
            self.item(step, item).await?;
            item += 1;
            // A step says how many items it has when it begins, which it has by now.
            if item >= self.status.steps[step].items.len() {
                return Ok(());
            }
        }
    }

    /// Sends one script's log until the script has ended and all of it is sent.
    async fn item(&mut self, step: usize, item: usize) -> io::Result<()> {
        let path = item_shim(&self.folder, &self.status.steps[step].name, item).log();
        let mut log = None;
        loop {
            // Looked at before reading, so that nothing that was printed before the end is missed.
            let is_over = self.is_over(step, item);
            if log.is_none() {
                log = match File::open(&path).await {
                    Ok(file) => Some(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    Err(error) => return Err(error),
                };
            }
            if let Some(log) = &mut log {
                self.send(log).await?;
            }
            if is_over {
                return Ok(());
            }
            self.wait().await?;
        }
    }

    fn is_over(&mut self, step: usize, item: usize) -> bool {
        if let Some(live) = &mut self.live {
            self.status.clone_from(&live.borrow_and_update());
        }
        let status = &self.status.steps[step];
        self.live.is_none()
            || self.status.phase.is_final()
            || !matches!(status.phase, StepPhase::Waiting | StepPhase::Running)
            || status
                .items
                .get(item)
                .is_some_and(|item| matches!(item.phase, StepPhase::Done | StepPhase::Failed))
    }

    async fn send(&self, log: &mut File) -> io::Result<()> {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if log.read_buf(&mut chunk).await? == 0 {
                return Ok(());
            }
            let sent = self.sender.send(Ok(Bytes::from(chunk))).await;
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
    }

    async fn wait(&mut self) -> io::Result<()> {
        let Some(live) = &mut self.live else {
            return Ok(());
        };
        tokio::select! {
            changed = live.changed() => if changed.is_err() {
                // The worker is through; the journal has the last word.
                self.live = None;
                if let Some(state) = Journal::look(&self.folder) {
                    self.status = state.status;
                }
            },
            () = self.notice.changed() => {}
            () = self.sender.closed() => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }
}
