//! Blobs on their way in: begun, continued at an offset, committed under a digest.
//!
//! They live in memory and in `content/incoming`; a restart forgets them and their files. What a broken connection
//! brought stays, so that the sender goes on from there.

use std::collections::HashMap;
use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use axum::body::Body;
use axum::body::BodyDataStream;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::sync::RwLock;
use tokio::time::Instant;

use super::Refusal;
use super::Repositories;
use super::Repository;
use super::disk;
use crate::content::blobs;
use crate::content::blobs::BlobWriter;
use crate::content::blobs::Blobs;
use crate::content::blobs::Digest;

/// An upload that nobody continued for so long is forgotten.
const IDLE: Duration = Duration::from_secs(3600);
/// What is collected before the disk is bothered.
const BATCH: usize = 512 * 1024;

/// Every upload under way.
#[derive(Default)]
pub(in crate::apiserver) struct Uploads {
    open: Mutex<HashMap<String, Arc<Upload>>>,
    /// Held shared while a blob and its link appear, alone while those without a link are removed.
    pub(super) gate: Arc<RwLock<()>>,
}

struct Upload {
    repository: Repository,
    sink: Mutex<Sink>,
}

struct Sink {
    /// `None` once committed, cancelled or failed.
    writer: Option<BlobWriter>,
    received: u64,
    touched: Instant,
}

impl Uploads {
    /// Begins an upload; answers its id.
    pub(super) fn begin(&self, blobs: &Blobs, repository: &Repository) -> Result<String, Refusal> {
        let failed = |error: io::Error| disk(&error);
        let number = |half: Result<u64, getrandom::Error>| {
            half.map_err(|error| failed(io::Error::other(error)))
        };
        let id = format!(
            "{:016x}{:016x}",
            number(getrandom::u64())?,
            number(getrandom::u64())?
        );
        let sink = Sink {
            writer: Some(blobs.writer().map_err(failed)?),
            received: 0,
            touched: Instant::now(),
        };
        let upload = Upload {
            repository: repository.clone(),
            sink: Mutex::new(sink),
        };
        let mut open = held(&self.open);
        open.retain(|_, upload| {
            // One that is being written to right now is not idle.
            upload
                .sink
                .try_lock()
                .map_or(true, |sink| sink.touched.elapsed() < IDLE)
        });
        open.insert(id.clone(), Arc::new(upload));
        Ok(id)
    }

    /// How much has come.
    pub(super) fn received(&self, id: &str, repository: &Repository) -> Result<u64, Refusal> {
        let upload = self.find(id, repository)?;
        let sink = held(&upload.sink);
        if sink.writer.is_none() {
            return Err(unknown(id));
        }
        Ok(sink.received)
    }

    /// Takes in what a request brings, at `start` if it says so; answers how much there is now.
    pub(super) async fn append(
        &self,
        id: &str,
        repository: &Repository,
        start: Option<u64>,
        body: Body,
    ) -> Result<u64, Refusal> {
        let upload = self.find(id, repository)?;
        let mut at = self.received(id, repository)?;
        if start.is_some_and(|start| start != at) {
            return Err(out_of_order(at));
        }
        let mut chunks: BodyDataStream = body.into_data_stream();
        let mut batch = Vec::new();
        let mut broken = None;
        loop {
            let chunk = chunks.next().await;
            match chunk {
                Some(Ok(ref chunk)) => batch.extend_from_slice(chunk),
                Some(Err(ref error)) => broken = Some(error.to_string()),
                None => {}
            }
            let ended = !matches!(chunk, Some(Ok(_)));
            if batch.len() >= BATCH || (ended && !batch.is_empty()) {
                at = self
                    .put(id, &upload, at, std::mem::take(&mut batch))
                    .await?;
            }
            if ended {
                break;
            }
        }
        match broken {
            None => Ok(at),
            Some(error) => {
                let message = format!("the upload broke off: {error}");
                Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "BLOB_UPLOAD_INVALID",
                    message,
                ))
            }
        }
    }

    /// Keeps an upload as a blob of its repository, durably; refuses one that has not the expected digest.
    pub(super) async fn commit(
        &self,
        id: &str,
        repository: &Repository,
        expected: Option<&Digest>,
        repositories: &Repositories,
    ) -> Result<Digest, Refusal> {
        let upload = self.find(id, repository)?;
        let gate = self.gate.clone().read_owned().await;
        let (repositories, repository) = (repositories.clone(), repository.clone());
        let expected = expected.cloned();
        let committed = tokio::task::spawn_blocking(move || {
            let _gate = gate;
            let Some(writer) = held(&upload.sink).writer.take() else {
                return Ok(None);
            };
            let (digest, _) = writer.commit(expected.as_ref())?;
            repositories.link(&repository, &digest)?;
            Ok(Some(digest))
        });
        let committed = committed
            .await
            .unwrap_or_else(|error| Err(blobs::Error::Disk(io::Error::other(error))));
        held(&self.open).remove(id);
        match committed {
            Ok(Some(digest)) => Ok(digest),
            Ok(None) => Err(unknown(id)),
            Err(blobs::Error::Disk(error)) => Err(disk(&error)),
            Err(mismatch) => {
                let message = format!("{mismatch}; nothing of it was kept");
                Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "DIGEST_INVALID",
                    message,
                ))
            }
        }
    }

    /// Gives an upload up.
    pub(super) fn cancel(&self, id: &str, repository: &Repository) -> Result<(), Refusal> {
        self.find(id, repository)?;
        held(&self.open).remove(id);
        Ok(())
    }

    fn find(&self, id: &str, repository: &Repository) -> Result<Arc<Upload>, Refusal> {
        held(&self.open)
            .get(id)
            .filter(|upload| upload.repository == *repository)
            .cloned()
            .ok_or_else(|| unknown(id))
    }

    /// Writes one batch off the async threads. It runs to its end even when the request is dropped meanwhile.
    async fn put(
        &self,
        id: &str,
        upload: &Arc<Upload>,
        at: u64,
        batch: Vec<u8>,
    ) -> Result<u64, Refusal> {
        let sink_of = upload.clone();
        let written = tokio::task::spawn_blocking(move || sink_of.write(at, &batch)).await;
        match written {
            Ok(Ok(received)) => Ok(received),
            Ok(Err(WriteError::OutOfOrder(received))) => Err(out_of_order(received)),
            Ok(Err(WriteError::Disk(error))) => {
                held(&self.open).remove(id);
                Err(disk(&error))
            }
            Ok(Err(WriteError::Closed)) => Err(unknown(id)),
            Err(panic) => Err(disk(&io::Error::other(panic))),
        }
    }
}

enum WriteError {
    OutOfOrder(u64),
    Disk(io::Error),
    Closed,
}

impl Upload {
    fn write(&self, at: u64, bytes: &[u8]) -> Result<u64, WriteError> {
        let mut sink = held(&self.sink);
        if sink.received != at {
            return Err(WriteError::OutOfOrder(sink.received));
        }
        let Some(writer) = &mut sink.writer else {
            return Err(WriteError::Closed);
        };
        if let Err(error) = writer.write_all(bytes) {
            // Dropping the writer removes its file: a full disk gets its space back at once.
            sink.writer = None;
            return Err(WriteError::Disk(error));
        }
        sink.received += bytes.len() as u64;
        sink.touched = Instant::now();
        Ok(sink.received)
    }
}

fn unknown(id: &str) -> Refusal {
    let message = format!("there is no upload {id}");
    Refusal::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", message)
}

fn out_of_order(received: u64) -> Refusal {
    let message = format!("the upload goes on at byte {received}");
    let mut refusal = Refusal::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "BLOB_UPLOAD_INVALID",
        message,
    );
    refusal.received = Some(received);
    refusal
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
