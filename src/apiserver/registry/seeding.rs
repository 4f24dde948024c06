//! The built-in builders in the registry: their blobs, their Images, and the shared namespace's image streams.
//!
//! Looked at whenever a server starts; nothing is written when everything is there. A program with other builders
//! makes its own the newest of their tags, so that builds follow them as they follow any new image.

use serde_json::Value;
use serde_json::json;

use super::Repository;
use super::images;
use super::manifests;
use super::off_thread;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::kinds;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::content::blobs::Digest;
use crate::content::builders::Builder;
use crate::store::Place;

/// Makes sure that all of these are there.
pub(in crate::apiserver) async fn seed(api: &Api, builders: Vec<Builder>) -> Result<(), Status> {
    let missing = builders.into_iter().filter(|one| !is_there(api, one));
    // Side by side: the disk syncs what several of them wrote at once.
    let seeded = futures_util::future::join_all(missing.map(|builder| seed_one(api, builder)));
    seeded.await.into_iter().collect()
}

fn repository_of(builder: &Builder) -> Repository {
    Repository {
        namespace: SHARED_NAMESPACE.to_owned(),
        application: builder.name.to_owned(),
    }
}

fn is_there(api: &Api, builder: &Builder) -> bool {
    let repository = repository_of(builder);
    let digest = &builder.image.digest;
    let is_newest = images::stream(api, &repository).is_some_and(|stream| {
        let now = stream.latest(builder.tag);
        now.is_some_and(|now| now.image == digest.as_str())
    });
    let image = Place::new(&kinds::IMAGE, "", digest.as_str());
    is_newest
        && api.store().entry(&image).is_some()
        && blobs_of(builder).iter().all(|bytes| {
            let digest = Digest::of(bytes);
            api.repositories().has(&repository, &digest) && api.blobs().contains(&digest)
        })
}

fn blobs_of(builder: &Builder) -> Vec<&[u8]> {
    let image = &builder.image;
    let parts = image.blobs.iter().map(Vec::as_slice);
    parts.chain([image.manifest.as_slice()]).collect()
}

async fn seed_one(api: &Api, builder: Builder) -> Result<(), Status> {
    let repository = repository_of(&builder);
    let gate = api.uploads().gate.clone().read_owned().await;
    let (keeper, into, held) = (api.clone(), repository.clone(), builder.clone());
    off_thread(move || {
        let _gate = gate;
        for bytes in blobs_of(&held) {
            let digest = keeper.blobs().put(bytes)?;
            keeper.repositories().link(&into, &digest)?;
        }
        Ok(())
    })
    .await
    .map_err(|refusal| Status::internal(refusal.message))?;
    let manifest = manifests::parse("", &builder.image.manifest).map_err(Status::internal)?;
    let digest = &builder.image.digest;
    images::make_image(api, &repository, digest, &manifest)
        .await
        .map_err(|refusal| Status::internal(refusal.message))?;
    let item = images::pushed(&repository, digest, api.clock().now());
    images::change_stream(api, SHARED_NAMESPACE, builder.name, |stream| {
        describe(stream, &builder);
        images::set_tag(stream, builder.tag, item.clone());
        Ok(())
    })
    .await?;
    Ok(())
}

/// Puts what a builder says of itself into the spec of its stream.
fn describe(stream: &mut Value, builder: &Builder) {
    let tag = json!({
        "name": builder.tag,
        "annotations": builder.annotations,
        "referencePolicy": {"type": "Source"},
    });
    let others = stream["spec"]["tags"].as_array().cloned();
    let mut tags = others.unwrap_or_default();
    tags.retain(|one| one["name"] != builder.tag);
    tags.push(tag);
    stream["spec"]["tags"] = tags.into();
}
