//! The objects that a pushed manifest leaves: an Image, and a new first item of a tag of its `ImageStream`.
//!
//! Both are written after the blobs, and again by a repeated push: whatever stands between two of these writes is
//! finished by the next one.

use serde_json::Value;
use serde_json::json;

use super::Refusal;
use super::Repository;
use super::disk;
use super::manifests;
use super::manifests::Manifest;
use crate::api::build::ObjectRef;
use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::image::REGISTRY;
use crate::api::image::TagItem;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::object;
use crate::apiserver::verbs;
use crate::base::clock::Timestamp;
use crate::base::crash;
use crate::content::blobs::Digest;
use crate::store;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Write;

/// How the reference of an image in a repository of this registry reads.
pub(in crate::apiserver) fn reference(namespace: &str, name: &str, image: &str) -> String {
    format!("{REGISTRY}/{namespace}/{name}@{image}")
}

/// Makes the Image of a manifest whose blobs are here, unless it is there.
pub(super) async fn make_image(
    api: &Api,
    repository: &Repository,
    digest: &Digest,
    manifest: &Manifest,
) -> Result<(), Refusal> {
    let place = Place::new(&kinds::IMAGE, "", digest.as_str());
    if api.store().entry(&place).is_some() {
        return Ok(());
    }
    let given = image_object(api, repository, digest, manifest)?;
    let object = verbs::bear(api, &kinds::IMAGE, "", given).map_err(|status| failed(&status))?;
    let write = Write {
        place,
        expect: Expect::Absent,
        object: Some(object),
    };
    crash::point("registry.image.before");
    match api.store().write(write).await {
        Ok(_) | Err(store::Error::Exists | store::Error::Stale { .. }) => {}
        Err(error) => return Err(failed(&Status::internal(error))),
    }
    crash::point("registry.image.after");
    Ok(())
}

fn image_object(
    api: &Api,
    repository: &Repository,
    digest: &Digest,
    manifest: &Manifest,
) -> Result<Value, Refusal> {
    let (namespace, name) = (&repository.namespace, &repository.application);
    let mut object = json!({
        "apiVersion": kinds::IMAGE.api_version(),
        "kind": kinds::IMAGE.kind,
        "metadata": {
            "name": digest.as_str(),
            "annotations": {
                "image.openshift.io/dockerLayersOrder": "ascending",
                "openshift.io/image.managed": "true",
            },
        },
        "dockerImageReference": reference(namespace, name, digest.as_str()),
        "dockerImageManifestMediaType": manifest.media_type,
        "dockerImageMetadataVersion": "1.0",
        "dockerImageMetadata": {},
        "dockerImageLayers": manifest.layers.iter().map(|layer| json!({
            "name": layer.digest.as_str(),
            "size": layer.size,
            "mediaType": layer.media_type,
        })).collect::<Vec<Value>>(),
    });
    if let Some(config) = &manifest.config {
        let size = manifest.layers.iter().map(|layer| layer.size).sum();
        let configuration = configuration(api, &config.digest)?;
        object["dockerImageMetadata"] = manifests::metadata(&config.digest, &configuration, size);
        object["dockerImageConfigDigest"] = config.digest.as_str().into();
    } else {
        let images = manifest.images.iter().map(|image| {
            json!({
                "digest": image.digest.as_str(),
                "mediaType": image.media_type,
                "manifestSize": image.size,
                "architecture": image.platform["architecture"].as_str().unwrap_or(""),
                "os": image.platform["os"].as_str().unwrap_or(""),
                "variant": image.platform["variant"].as_str().unwrap_or(""),
            })
        });
        object["dockerImageManifests"] = images.collect();
    }
    Ok(object)
}

/// The configuration of an image; empty for one that is something else (an artifact).
fn configuration(api: &Api, digest: &Digest) -> Result<Value, Refusal> {
    let path = api.blobs().path(digest);
    let size = std::fs::metadata(&path)
        .map_err(|error| disk(&error))?
        .len();
    if size > manifests::LIMIT as u64 {
        return Ok(json!({}));
    }
    let bytes = std::fs::read(&path).map_err(|error| disk(&error))?;
    let parsed = serde_json::from_slice(&bytes).ok();
    Ok(parsed.filter(Value::is_object).unwrap_or_else(|| json!({})))
}

/// Changes an image stream, which is made when it is missing. Nothing is written when nothing changes.
pub(in crate::apiserver) async fn change_stream(
    api: &Api,
    namespace: &str,
    stream: &str,
    change: impl Fn(&mut Value) -> Result<(), Status>,
) -> Result<Value, Status> {
    let place = Place::new(&kinds::IMAGE_STREAM, namespace, stream);
    let stored = loop {
        let old = api.store().entry(&place);
        let (expect, mut object) = match &old {
            Some(entry) => (Expect::Revision(entry.revision), entry.object()),
            None => (Expect::Absent, new_stream(api, namespace, stream)?),
        };
        if object::is_deleting(&object) {
            let why = "it is being deleted";
            return Err(Status::conflict(&kinds::IMAGE_STREAM, stream, why));
        }
        change(&mut object)?;
        if let Some(old) = old.map(|old| old.object()) {
            if old == object {
                return Ok(object);
            }
            object::count_generation(&kinds::IMAGE_STREAM, &old, &mut object);
        }
        let write = Write {
            place: place.clone(),
            expect,
            object: Some(object),
        };
        crash::point("registry.stream.before");
        match api.store().write(write).await {
            Ok(entry) => break entry.object(),
            Err(store::Error::Exists | store::Error::Stale { .. } | store::Error::Missing) => {}
            Err(error) => return Err(Status::internal(error)),
        }
    };
    crash::point("registry.stream.after");
    Ok(stored)
}

fn new_stream(api: &Api, namespace: &str, name: &str) -> Result<Value, Status> {
    let place = Place::new(&kinds::NAMESPACE, "", namespace);
    let there = api.store().entry(&place);
    if there.is_none_or(|entry| object::is_deleting(&entry.object())) {
        return Err(Status::not_found(&kinds::NAMESPACE, namespace));
    }
    verbs::bear_stream(api, namespace, name)
}

/// Makes an image what a tag of a stream is now, and what every tag is that follows it.
pub(in crate::apiserver) fn set_tag(object: &mut Value, tag: &str, item: TagItem) {
    put_first(object, tag, item);
    follow_own_tags(object);
}

/// Makes an item the first of a tag, unless it is that already.
fn put_first(object: &mut Value, tag: &str, mut item: TagItem) {
    let stream: ImageStream = serde_json::from_value(object.clone()).unwrap_or_default();
    if stream.latest(tag).is_some_and(|now| {
        now.image == item.image && now.docker_image_reference == item.docker_image_reference
    }) {
        return;
    }
    if item.generation == 0 {
        item.generation = stream.metadata.generation.max(1);
    }
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    let item = serde_json::to_value(item).expect("an item is plain data");
    let at = stream.status.tags.iter().position(|one| one.tag == tag);
    if let Some(at) = at {
        match object["status"]["tags"][at]["items"].as_array_mut() {
            Some(items) => items.insert(0, item),
            None => object["status"]["tags"][at]["items"] = json!([item]),
        }
    } else {
        let added = json!({"tag": tag, "items": [item]});
        match object["status"]["tags"].as_array_mut() {
            Some(tags) => tags.push(added),
            None => object["status"]["tags"] = json!([added]),
        }
    }
}

/// The tag that a tag of a stream follows, when it is one of the same stream.
pub(in crate::apiserver) fn own_tag<'a>(
    stream: &str,
    namespace: &str,
    from: &'a ObjectRef,
) -> Option<&'a str> {
    let is_here = from.namespace.is_empty() || from.namespace == namespace;
    if from.kind != "ImageStreamTag" || !is_here {
        return None;
    }
    match from.name.split_once(':') {
        Some((name, tag)) => (name == stream).then_some(tag),
        None => Some(&from.name),
    }
}

/// Makes the tags that follow another tag of the same stream what that is now.
pub(in crate::apiserver) fn follow_own_tags(object: &mut Value) {
    let stream: ImageStream = serde_json::from_value(object.clone()).unwrap_or_default();
    let (name, namespace) = (&stream.metadata.name, &stream.metadata.namespace);
    for spec in &stream.spec.tags {
        let Some(from) = &spec.from else { continue };
        let followed = own_tag(name, namespace, from).filter(|followed| *followed != spec.name);
        let item = followed.and_then(|followed| stream.latest(followed));
        if let Some(item) = item {
            put_first(object, &spec.name, item.clone());
        }
    }
}

/// Notes why a tag is not what its spec says, unless it is noted.
pub(in crate::apiserver) fn set_condition(object: &mut Value, tag: &str, condition: &Value) {
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    if !object["status"]["tags"].is_array() {
        object["status"]["tags"] = json!([]);
    }
    let Some(tags) = object["status"]["tags"].as_array_mut() else {
        return;
    };
    if !tags.iter().any(|one| one["tag"] == tag) {
        tags.push(json!({"tag": tag, "items": []}));
    }
    for one in tags.iter_mut().filter(|one| one["tag"] == tag) {
        if one["conditions"][0]["message"] != condition["message"] {
            one["conditions"] = json!([condition]);
        }
    }
}

/// Links an image that is here, with everything it is made of, into another repository; false when it is not here.
pub(in crate::apiserver) fn adopt(api: &Api, namespace: &str, name: &str, image: &str) -> bool {
    let repository = Repository {
        namespace: namespace.to_owned(),
        application: name.to_owned(),
    };
    let Ok(manifest) = image.parse::<Digest>() else {
        return false;
    };
    let Ok(bytes) = std::fs::read(api.blobs().path(&manifest)) else {
        return false;
    };
    let Ok(parsed) = manifests::parse("", &bytes) else {
        return false;
    };
    let parts = parsed.config.iter().chain(&parsed.layers);
    let parts = parts.chain(&parsed.images).map(|part| &part.digest);
    parts.chain([&manifest]).all(|digest| {
        api.repositories().has(&repository, digest)
            || api.blobs().contains(digest) && api.repositories().link(&repository, digest).is_ok()
    })
}

/// The item that a push makes.
pub(super) fn pushed(repository: &Repository, digest: &Digest, now: Timestamp) -> TagItem {
    TagItem {
        created: Some(now),
        docker_image_reference: reference(
            &repository.namespace,
            &repository.application,
            digest.as_str(),
        ),
        image: digest.as_str().to_owned(),
        generation: 0,
        ..TagItem::default()
    }
}

/// The stream of a repository, if there is one.
pub(super) fn stream(api: &Api, repository: &Repository) -> Option<ImageStream> {
    let (namespace, name) = (&repository.namespace, &repository.application);
    view(api, &kinds::IMAGE_STREAM, namespace, name)
}

/// The Image of a manifest, if there is one.
pub(super) fn image(api: &Api, digest: &Digest) -> Option<Image> {
    view(api, &kinds::IMAGE, "", digest.as_str())
}

fn view<T: serde::de::DeserializeOwned>(
    api: &Api,
    kind: &'static Kind,
    namespace: &str,
    name: &str,
) -> Option<T> {
    let entry = api.store().entry(&Place::new(kind, namespace, name))?;
    serde_json::from_slice(&entry.json).ok()
}

/// A refusal of the API's as one of the registry's.
pub(super) fn failed(status: &Status) -> Refusal {
    let code =
        http::StatusCode::from_u16(status.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let word = match status.code {
        403 => "DENIED",
        404 => "NAME_UNKNOWN",
        _ => "UNKNOWN",
    };
    Refusal::new(code, word, status.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(image: &str) -> TagItem {
        TagItem {
            image: image.to_owned(),
            docker_image_reference: format!("r/n/s@{image}"),
            ..TagItem::default()
        }
    }

    #[test]
    fn a_tag_remembers_what_it_was() {
        let status = json!({"dockerImageRepository": "x"});
        let mut object = json!({"metadata": {"generation": 3}, "status": status});
        set_tag(&mut object, "latest", item("a"));
        let once = object.clone();
        set_tag(&mut object, "latest", item("a"));
        assert_eq!(object, once);
        set_tag(&mut object, "latest", item("b"));
        set_tag(&mut object, "prod", item("a"));
        let stream: ImageStream = serde_json::from_value(object).unwrap();
        assert_eq!(stream.latest("latest").unwrap().image, "b");
        assert_eq!(stream.status.tags[0].items[1].image, "a");
        assert_eq!(stream.latest("prod").unwrap().generation, 3);
        assert_eq!(stream.status.docker_image_repository, "x");
    }
}
