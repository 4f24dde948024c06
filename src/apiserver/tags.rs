//! Views of image streams: `ImageStreamTag` (`STREAM:TAG`), `ImageStreamImage` (`STREAM@DIGEST`), and
//! `ImageStreamImport`. Nothing of them is stored: a tag is its stream's spec and status, with the Image beside it.
//!
//! # Decided
//!
//! * A tag that comes from another stream is a copy of what that is now; one that comes from its own stream follows it.
//!   An image of another repository here is linked into this one and named by it, so that whoever may pull the one
//!   may pull the other.
//! * Foreign registries are not reached yet: their tags carry the condition `ImportSuccess` with the reason.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::build::ObjectRef;
use crate::api::image::ImageStream;
use crate::api::image::REGISTRY;
use crate::api::image::TagItem;
use crate::api::image::split_tag;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::status::Cause;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::access::Verb;
use crate::apiserver::body;
use crate::apiserver::object;
use crate::apiserver::registry;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;
use crate::base::clock::Timestamp;
use crate::store::Place;

/// Why an image from elsewhere is not here.
const UNREACHABLE: &str = "images of foreign registries cannot be imported yet; copy the image into the built-in \
                           registry, for example with skopeo";

/// Whether a kind is one of these views.
pub(super) fn is_view(kind: &Kind) -> bool {
    [
        &kinds::IMAGE_STREAM_TAG,
        &kinds::IMAGE_STREAM_IMAGE,
        &kinds::IMAGE_STREAM_IMPORT,
    ]
    .contains(&kind)
}

/// Answers a request about one of these kinds.
pub(super) async fn serve(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let kind = call.target.kind;
    if kind == &kinds::IMAGE_STREAM_IMPORT {
        return import(call, request).await;
    }
    if kind == &kinds::IMAGE_STREAM_IMAGE {
        let found = image_of_stream(call)?;
        return Ok(response::value(StatusCode::OK, &call.shape(found)));
    }
    match call.target.verb {
        Verb::List => list(call),
        Verb::Create => create(call, request).await,
        Verb::Update => replace(call, request).await,
        Verb::Delete => delete(call).await,
        _ => {
            let (stream, tag) = named(call, &call.target.name)?;
            let object = stream_of(call, stream)?;
            let shown = view(&call.api, &object, tag).filter(has_image);
            let shown = shown.ok_or_else(|| unknown(call))?;
            Ok(response::value(StatusCode::OK, &call.shape(shown)))
        }
    }
}

fn unknown(call: &Call) -> Status {
    Status::not_found(call.target.kind, &call.target.name)
}

/// The stream and the tag of a name.
fn named<'a>(call: &Call, name: &'a str) -> Result<(&'a str, &'a str), Status> {
    let parts = name.split_once(':');
    parts
        .filter(|(stream, tag)| !stream.is_empty() && registry::is_tag(tag))
        .ok_or_else(|| {
            let why = "must be in the form <name>:<tag>";
            let cause = Cause::invalid("metadata.name", &name.into(), why);
            Status::invalid(call.target.kind, name, vec![cause])
        })
}

fn stream_of(call: &Call, name: &str) -> Result<Value, Status> {
    let place = Place::new(&kinds::IMAGE_STREAM, &call.target.namespace, name);
    let entry = call.api.store().entry(&place);
    entry
        .map(|entry| entry.object())
        .ok_or_else(|| unknown(call))
}

fn has_image(shown: &Value) -> bool {
    shown["image"]["metadata"]["name"].is_string()
}

fn spec_tag<'a>(stream: &'a Value, tag: &str) -> Option<&'a Value> {
    let tags = stream["spec"]["tags"].as_array()?;
    tags.iter().find(|one| one["name"] == tag)
}

fn status_tag<'a>(stream: &'a Value, tag: &str) -> Option<&'a Value> {
    let tags = stream["status"]["tags"].as_array()?;
    tags.iter().find(|one| one["tag"] == tag)
}

/// A tag of a stream as an object; none when the stream has no such tag.
fn view(api: &Api, stream: &Value, tag: &str) -> Option<Value> {
    let spec = spec_tag(stream, tag);
    let status = status_tag(stream, tag);
    if spec.is_none() && status.is_none() {
        return None;
    }
    let item = status.map_or(&Value::Null, |status| &status["items"][0]);
    let metadata = &stream["metadata"];
    let mut shown = json!({
        "apiVersion": kinds::IMAGE_STREAM_TAG.api_version(),
        "kind": kinds::IMAGE_STREAM_TAG.kind,
        "metadata": {
            "name": format!("{}:{tag}", object::name(stream)),
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": if item["created"].is_string() { &item["created"] } else { &metadata["creationTimestamp"] },
        },
        "tag": spec,
        "generation": item["generation"].as_u64().unwrap_or(0),
        "lookupPolicy": {"local": stream["spec"]["lookupPolicy"]["local"] == true},
        "image": {"metadata": {"creationTimestamp": null}},
    });
    if metadata["labels"].is_object() {
        shown["metadata"]["labels"] = metadata["labels"].clone();
    }
    if let Some(annotations) = spec
        .map(|spec| &spec["annotations"])
        .filter(|it| it.is_object())
    {
        shown["metadata"]["annotations"] = annotations.clone();
    }
    if let Some(conditions) = status
        .map(|status| &status["conditions"])
        .filter(|it| it.is_array())
    {
        shown["conditions"] = conditions.clone();
    }
    if let Some(digest) = item["image"].as_str() {
        shown["image"] = image(api, digest);
        shown["image"]["dockerImageReference"] = item["dockerImageReference"].clone();
    }
    Some(shown)
}

/// The Image of that name; its name alone when it is gone.
fn image(api: &Api, digest: &str) -> Value {
    let entry = api.store().entry(&Place::new(&kinds::IMAGE, "", digest));
    let mut image = entry.map_or_else(
        || json!({"metadata": {"name": digest}}),
        |entry| entry.object(),
    );
    if let Some(map) = image.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    image
}

fn list(call: &Call) -> Result<Response, Status> {
    let (labels, fields) = verbs::selectors(call)?;
    let (entries, revision) = call
        .api
        .store()
        .list(&kinds::IMAGE_STREAM, &call.target.namespace);
    let mut items = Vec::new();
    for entry in entries.iter().filter(|entry| labels.matches(&entry.labels)) {
        let stream = entry.object();
        let spec = stream["spec"]["tags"].as_array().into_iter().flatten();
        let status = stream["status"]["tags"].as_array().into_iter().flatten();
        let names = spec
            .map(|one| &one["name"])
            .chain(status.map(|one| &one["tag"]));
        let names: std::collections::BTreeSet<&str> = names.filter_map(Value::as_str).collect();
        let tags = names
            .into_iter()
            .filter_map(|tag| view(&call.api, &stream, tag));
        items.extend(tags.filter(|tag| fields.matches(tag)));
    }
    let metadata = json!({"resourceVersion": revision.to_string()});
    let kind = call.target.kind;
    let answer = match call.form {
        Form::Table => {
            let mut table = call.table(&items);
            table["metadata"] = metadata;
            table
        }
        Form::Object | Form::Partial => json!({
            "apiVersion": kind.api_version(),
            "kind": format!("{}List", kind.kind),
            "metadata": metadata,
            "items": items,
        }),
    };
    Ok(response::value(StatusCode::OK, &answer))
}

async fn create(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let given = read(call, request).await?;
    let name = object::name(&given).to_owned();
    let (stream, tag) = named(call, &name)?;
    if stream_of(call, stream).is_ok_and(|old| spec_tag(&old, tag).is_some()) {
        return Err(Status::already_exists(call.target.kind, &name));
    }
    store(call, &given, (stream, tag), StatusCode::CREATED).await
}

/// PUT makes what is missing, as OpenShift's does.
async fn replace(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let given = read(call, request).await?;
    if object::name(&given) != call.target.name {
        let why = "the name of the object does not match the name on the URL";
        return Err(Status::bad_request(why));
    }
    let (stream, tag) = named(call, &call.target.name)?;
    store(call, &given, (stream, tag), StatusCode::OK).await
}

async fn read(call: &Call, request: http::Request<Body>) -> Result<Value, Status> {
    let mut given = body::read_json(request).await?;
    object::claim_kind(call.target.kind, &mut given)?;
    body::validate_fields(
        call.target.kind,
        call.target.query.field_validation,
        &[],
        &given,
        None,
    )?;
    Ok(given)
}

async fn store(
    call: &Call,
    given: &Value,
    (stream, tag): (&str, &str),
    code: StatusCode,
) -> Result<Response, Status> {
    let mut spec = given["tag"].clone();
    if !spec.is_object() {
        spec = json!({});
    }
    spec["name"] = tag.into();
    if spec["annotations"].is_null() && given["metadata"]["annotations"].is_object() {
        spec["annotations"] = given["metadata"]["annotations"].clone();
    }
    let namespace = &call.target.namespace;
    let change = |object: &mut Value| {
        let mut tags = object["spec"]["tags"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        tags.retain(|one| one["name"] != tag);
        tags.push(spec.clone());
        if !object["spec"].is_object() {
            object["spec"] = json!({});
        }
        object["spec"]["tags"] = tags.into();
        resolve(&call.api, object);
        verbs::admit(&kinds::IMAGE_STREAM, object, None)
    };
    let stored = registry::change_stream(&call.api, namespace, stream, change).await?;
    let shown = view(&call.api, &stored, tag).ok_or_else(|| unknown(call))?;
    Ok(response::value(code, &call.shape(shown)))
}

async fn delete(call: &Call) -> Result<Response, Status> {
    let (stream, tag) = named(call, &call.target.name)?;
    let there = stream_of(call, stream)?;
    if spec_tag(&there, tag).is_none() && status_tag(&there, tag).is_none() {
        return Err(unknown(call));
    }
    registry::change_stream(&call.api, &call.target.namespace, stream, |object| {
        for (part, name) in [("spec", "name"), ("status", "tag")] {
            if let Some(tags) = object[part].get_mut("tags").and_then(Value::as_array_mut) {
                tags.retain(|one| one[name] != tag);
            }
        }
        Ok(())
    })
    .await?;
    let status = Status::success(call.target.kind, &call.target.name, object::uid(&there));
    Ok(response::status(&status))
}

/// Fills in the status of the tags that a stream's spec takes from elsewhere, as far as that is here.
pub(super) fn resolve(api: &Api, stream: &mut Value) {
    let namespace = stream["metadata"]["namespace"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let name = object::name(stream).to_owned();
    let now = api.clock().now();
    for spec in stream["spec"]["tags"]
        .as_array()
        .cloned()
        .unwrap_or_default()
    {
        let (Some(tag), Ok(from)) = (
            spec["name"].as_str(),
            serde_json::from_value::<ObjectRef>(spec["from"].clone()),
        ) else {
            continue;
        };
        if registry::own_tag(&name, &namespace, &from).is_some() {
            continue;
        }
        match source(api, &namespace, &from) {
            Source::Here(mut item) => {
                let own = registry::reference(&namespace, &name, &item.image);
                if registry::adopt(api, &namespace, &name, &item.image) {
                    item.docker_image_reference = own;
                }
                item.created = Some(now);
                registry::set_tag(stream, tag, item);
            }
            Source::Elsewhere => registry::set_condition(stream, tag, &unreachable(now)),
            Source::Missing => {}
        }
    }
    registry::follow_own_tags(stream);
}

/// Where a tag's image is.
enum Source {
    Here(TagItem),
    Elsewhere,
    Missing,
}

fn source(api: &Api, namespace: &str, from: &ObjectRef) -> Source {
    let namespace = if from.namespace.is_empty() {
        namespace
    } else {
        &from.namespace
    };
    let stream = |namespace: &str, name: &str| -> Option<ImageStream> {
        let place = Place::new(&kinds::IMAGE_STREAM, namespace, name);
        serde_json::from_slice(&api.store().entry(&place)?.json).ok()
    };
    let latest = |namespace: &str, name: &str| {
        let (name, tag) = split_tag(name);
        stream(namespace, name)?.latest(tag).cloned()
    };
    let exact = |namespace: &str, name: &str| {
        let (name, digest) = name.split_once('@')?;
        let stream = stream(namespace, name)?;
        let mut items = stream.status.tags.iter().flat_map(|tag| &tag.items);
        items.find(|item| item.image == digest).cloned()
    };
    let found = match from.kind.as_str() {
        "ImageStreamTag" => latest(namespace, &from.name),
        "ImageStreamImage" => exact(namespace, &from.name),
        "DockerImage" => {
            let local = from.name.strip_prefix(REGISTRY);
            let Some(local) = local.and_then(|rest| rest.strip_prefix('/')) else {
                return Source::Elsewhere;
            };
            local.split_once('/').and_then(|(namespace, name)| {
                if name.contains('@') {
                    exact(namespace, name)
                } else {
                    latest(namespace, name)
                }
            })
        }
        _ => None,
    };
    found.map_or(Source::Missing, |mut item| {
        item.generation = 0;
        Source::Here(item)
    })
}

fn unreachable(now: Timestamp) -> Value {
    json!({
        "type": "ImportSuccess",
        "status": "False",
        "reason": "InternalError",
        "message": UNREACHABLE,
        "lastTransitionTime": now,
        "generation": 1,
    })
}

fn image_of_stream(call: &Call) -> Result<Value, Status> {
    let (name, digest) = call.target.name.split_once('@').ok_or_else(|| {
        let why = "ImageStreamImages must be retrieved with <name>@<id>";
        Status::bad_request(why)
    })?;
    let stream = stream_of(call, name)?;
    let view: ImageStream = serde_json::from_value(stream.clone()).map_err(Status::internal)?;
    let mut items = view.status.tags.iter().flat_map(|tag| &tag.items);
    let starts = |item: &&TagItem| {
        let hex = item.image.trim_start_matches("sha256:");
        !digest.is_empty() && (item.image.starts_with(digest) || hex.starts_with(digest))
    };
    let item = items.find(starts).ok_or_else(|| unknown(call))?;
    let mut found = image(&call.api, &item.image);
    found["dockerImageReference"] = item.docker_image_reference.clone().into();
    Ok(json!({
        "apiVersion": kinds::IMAGE_STREAM_IMAGE.api_version(),
        "kind": kinds::IMAGE_STREAM_IMAGE.kind,
        "metadata": {
            "name": format!("{name}@{}", item.image),
            "namespace": stream["metadata"]["namespace"],
            "uid": stream["metadata"]["uid"],
            "resourceVersion": stream["metadata"]["resourceVersion"],
            "creationTimestamp": item.created,
        },
        "image": found,
    }))
}

/// Says of each asked image whether it is here.
async fn import(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let mut given = read(call, request).await?;
    let namespace = &call.target.namespace;
    given["metadata"]["namespace"] = namespace.as_str().into();
    let failure = |reason: &str, code: u16, message: &str| json!({"status": "Failure", "reason": reason, "code": code, "message": message, "metadata": {}});
    let mut images = Vec::new();
    for asked in given["spec"]["images"].as_array().into_iter().flatten() {
        let from: ObjectRef = serde_json::from_value(asked["from"].clone()).unwrap_or_default();
        let tag = asked["to"]["name"].as_str().map_or_else(
            || {
                split_tag(from.name.rsplit('/').next().unwrap_or(""))
                    .1
                    .to_owned()
            },
            str::to_owned,
        );
        images.push(match source(&call.api, namespace, &from) {
            Source::Here(item) => {
                let mut found = image(&call.api, &item.image);
                found["dockerImageReference"] = item.docker_image_reference.into();
                json!({"tag": tag, "image": found, "status": {"status": "Success", "metadata": {}}})
            }
            Source::Elsewhere => {
                let message = format!("{}: {UNREACHABLE}", from.name);
                json!({"tag": tag, "status": failure("ServiceUnavailable", 503, &message)})
            }
            Source::Missing => {
                let message = format!("dockerimage.image.openshift.io {:?} not found", from.name);
                json!({"tag": tag, "status": failure("NotFound", 404, &message)})
            }
        });
    }
    given["status"] = json!({});
    if !images.is_empty() {
        given["status"]["images"] = images.into();
    }
    if given["spec"]["repository"].is_object() {
        let from = given["spec"]["repository"]["from"]["name"]
            .as_str()
            .unwrap_or("");
        let message = format!("{from}: {UNREACHABLE}");
        let status = failure("ServiceUnavailable", 503, &message);
        given["status"]["repository"] = json!({"status": status});
    }
    Ok(response::value(StatusCode::CREATED, &given))
}
