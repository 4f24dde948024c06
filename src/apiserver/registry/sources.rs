//! Sources that come with a request for a build: they become blobs without ever being held whole.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use axum::body::Body;
use futures_util::StreamExt;

use super::Refusal;
use super::Repository;
use super::is_name;
use super::repositories;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::content::blobs::Digest;

/// Keeps a body as a blob of the repository `NAMESPACE/NAME`; none, and nothing kept, when it is longer than `room`.
pub(in crate::apiserver) async fn keep_source(
    api: &Api,
    namespace: &str,
    name: &str,
    body: Body,
    room: u64,
) -> Result<Option<Digest>, Status> {
    if !is_name(namespace) || !is_name(name) {
        return Err(Status::bad_request(format!(
            "{name:?} cannot name a repository"
        )));
    }
    let repository = Repository {
        namespace: namespace.to_owned(),
        application: name.to_owned(),
    };
    repositories::sweep_now_and_then(api);
    let uploads = api.uploads();
    let refused = |refusal: Refusal| {
        let code = refusal.status.as_u16();
        let reason = if code == 507 {
            "InsufficientStorage"
        } else {
            "BadRequest"
        };
        Status::failure(code, reason, refusal.message)
    };
    let id = uploads.begin(api.blobs(), &repository).map_err(refused)?;
    let mut came = 0;
    let is_longer = Arc::new(AtomicBool::new(false));
    let longer = is_longer.clone();
    let limited = body.into_data_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        came += piece.len() as u64;
        if came > room {
            longer.store(true, Ordering::Relaxed);
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        Ok(piece)
    });
    let received = uploads
        .append(&id, &repository, None, Body::from_stream(limited))
        .await;
    if let Err(refusal) = received {
        uploads.cancel(&id, &repository).map_err(refused)?;
        return if is_longer.load(Ordering::Relaxed) {
            Ok(None)
        } else {
            Err(refused(refusal))
        };
    }
    let kept = uploads
        .commit(&id, &repository, None, api.repositories())
        .await;
    kept.map(Some).map_err(refused)
}
