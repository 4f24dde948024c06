//! Starting builds by hand: the subresources `instantiate`, `instantiatebinary` and `clone`.
//!
//! What a Build looks like is decided by `plan::build`. Here its number is counted up first, by compare-and-swap, and
//! the Build created after it: a crash in between leaves a gap in the numbers and never two builds of one.

use axum::body::Body;
use http::StatusCode;
use http::header;
use serde_json::Value;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::GitRevision;
use crate::api::build::Person;
use crate::api::build::SourceRevision;
use crate::api::defaults;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Typed;
use crate::api::status::Status;
use crate::apiserver::body;
use crate::apiserver::registry;
use crate::apiserver::request::Query;
use crate::apiserver::response;
use crate::apiserver::response::Response;
use crate::apiserver::verbs;
use crate::apiserver::verbs::Call;
use crate::base::crash;
use crate::base::text;
use crate::content::blobs::Digest;
use crate::plan::build;
use crate::plan::build::Refusal;
use crate::plan::build::Request;
use crate::plan::build::Upload;
use crate::store;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Write;

/// How often a number that somebody else took is drawn again.
const TRIES: usize = 64;
/// The largest source that is taken.
const SOURCE_LIMIT: u64 = 16 << 30;

/// POST of a `BuildRequest` to a build config.
pub(super) async fn instantiate(
    call: &Call,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let request = read_request(request).await?;
    let made = next_build(call, &call.target.name, |config| {
        build::instantiate(config, &request)
    })
    .await?;
    Ok(response::value(StatusCode::CREATED, &made))
}

/// POST of a source to a build config: it is kept as a blob, and a build of it begins.
pub(super) async fn instantiate_binary(
    call: &Call,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let query = &call.target.query;
    let mut wanted = Request {
        revision: revision_of(query),
        upload: Some(Upload {
            digest: Digest::of(b"").to_string(),
            as_file: query.other("asFile").to_owned(),
        }),
        ..Request::default()
    };
    // What is refused anyway is refused before anything is sent.
    let config = config_of(call, &call.target.name)?;
    build::instantiate(&config, &wanted).map_err(|refusal| refuse(&refusal))?;
    let (parts, body) = request.into_parts();
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let room = registry::Room::of(&call.api);
    let limit = room.bytes().min(SOURCE_LIMIT);
    if announced.is_some_and(|size| size > limit) {
        return Err(too_large(room));
    }
    let (namespace, name) = (&call.target.namespace, &call.target.name);
    let kept = registry::keep_source(&call.api, namespace, name, body, limit).await?;
    let digest = kept.ok_or_else(|| too_large(room))?;
    if let Some(upload) = &mut wanted.upload {
        upload.digest = digest.to_string();
    }
    let made = next_build(call, name, |config| build::instantiate(config, &wanted)).await?;
    Ok(response::value(StatusCode::CREATED, &made))
}

/// POST of a `BuildRequest` to a build.
pub(super) async fn clone(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let request = read_request(request).await?;
    let object = call.entry()?.object();
    let old: Build = serde_json::from_value(object).map_err(Status::internal)?;
    let now = call.api.clock().now();
    let config = old.status.config.as_ref().map(|config| config.name.clone());
    let made = match config {
        Some(config) if config_of(call, &config).is_ok() => {
            let again = |config: &BuildConfig| build::clone(&old, Some(config), &request, now);
            next_build(call, &config, again).await?
        }
        _ => {
            let new =
                build::clone(&old, None, &request, now).map_err(|refusal| refuse(&refusal))?;
            let name = new.metadata.name.clone();
            create(call, &new)
                .await?
                .ok_or_else(|| Status::already_exists(&kinds::BUILD, &name))?
        }
    };
    Ok(response::value(StatusCode::CREATED, &made))
}

/// Creates the build of a build config's next number and counts that up. In this order a crash in between leaves no
/// number without a build; a build of a number that was not counted is passed over by the next one.
pub(super) async fn next_build(
    call: &Call,
    config: &str,
    make: impl Fn(&BuildConfig) -> Result<Build, Refusal>,
) -> Result<Value, Status> {
    let place = Place::new(&kinds::BUILD_CONFIG, &call.target.namespace, config);
    for _ in 0..TRIES {
        let entry = call
            .api
            .store()
            .entry(&place)
            .ok_or_else(|| Status::not_found(&kinds::BUILD_CONFIG, config))?;
        let view: BuildConfig = serde_json::from_value(entry.object()).map_err(Status::internal)?;
        let new = make(&view).map_err(|refusal| refuse(&refusal))?;
        if call.target.query.dry_run {
            return Ok(new.to_object());
        }
        let made = create(call, &new).await?;
        let counted = count(call, &place, view.status.last_version + 1).await;
        if let Some(made) = made {
            // A number that is not counted now is counted by the controller or the next build.
            return Ok(made);
        }
        counted?;
    }
    Err(verbs::modified(&kinds::BUILD_CONFIG, config))
}

/// Notes on a build config that a build of that number was made.
async fn count(call: &Call, place: &Place, number: u64) -> Result<(), Status> {
    for _ in 0..TRIES {
        let Some(entry) = call.api.store().entry(place) else {
            return Ok(());
        };
        let mut object = entry.object();
        let counted = object["status"]["lastVersion"].as_u64().unwrap_or(0);
        if counted >= number {
            return Ok(());
        }
        if !object["status"].is_object() {
            object["status"] = serde_json::json!({});
        }
        object["status"]["lastVersion"] = number.into();
        let write = Write {
            place: place.clone(),
            expect: Expect::Revision(entry.revision),
            object: Some(object),
        };
        crash::point("build.number.before");
        match call.api.store().write(write).await {
            Ok(_) => {
                crash::point("build.number.after");
                return Ok(());
            }
            Err(store::Error::Stale { .. } | store::Error::Missing) => {}
            Err(error) => return Err(verbs::refuse(&error, place)),
        }
    }
    Err(verbs::modified(&kinds::BUILD_CONFIG, &place.key.name))
}

/// Stores a new build; none when its name is taken.
async fn create(call: &Call, new: &Build) -> Result<Option<Value>, Status> {
    let kind: &'static Kind = &kinds::BUILD;
    let namespace = &call.target.namespace;
    let mut object = new.to_object();
    defaults::fill(kind, &mut object);
    let object = verbs::bear(&call.api, kind, namespace, object)?;
    verbs::admit(kind, &object, None)?;
    let place = Place::new(kind, namespace, &new.metadata.name);
    let write = Write {
        place: place.clone(),
        expect: Expect::Absent,
        object: Some(object),
    };
    match call.api.store().write(write).await {
        Ok(entry) => {
            crash::point("build.create.after");
            Ok(Some(entry.object()))
        }
        Err(store::Error::Exists | store::Error::Stale { .. }) => Ok(None),
        Err(error) => Err(verbs::refuse(&error, &place)),
    }
}

fn config_of(call: &Call, name: &str) -> Result<BuildConfig, Status> {
    let place = Place::new(&kinds::BUILD_CONFIG, &call.target.namespace, name);
    let entry = call.api.store().entry(&place);
    let entry = entry.ok_or_else(|| Status::not_found(&kinds::BUILD_CONFIG, name))?;
    serde_json::from_slice(&entry.json).map_err(Status::internal)
}

async fn read_request(request: http::Request<Body>) -> Result<Request, Status> {
    let value = body::read_json(request).await?;
    if value.is_null() {
        return Ok(Request::default());
    }
    let kind = value["kind"].as_str().unwrap_or("");
    if !["", "BuildRequest"].contains(&kind) {
        let why = format!(
            "the kind in the data ({kind}) does not match the expected kind (BuildRequest)"
        );
        return Err(Status::bad_request(why));
    }
    serde_json::from_value(value)
        .map_err(|error| Status::bad_request(format!("the build request cannot be read: {error}")))
}

/// `revision.commit`, `revision.authorName` … of an uploaded source.
fn revision_of(query: &Query) -> Option<SourceRevision> {
    let text = |name: &str| query.other(&format!("revision.{name}")).to_owned();
    let git = GitRevision {
        commit: text("commit"),
        message: text("message"),
        author: Person {
            name: text("authorName"),
            email: text("authorEmail"),
        },
        committer: Person {
            name: text("committerName"),
            email: text("committerEmail"),
        },
    };
    (git != GitRevision::default()).then(|| SourceRevision {
        kind: "Git".to_owned(),
        git: Some(git),
    })
}

/// In the words of the plan; the version that somebody else took is a conflict.
pub(super) fn refuse(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::OtherVersion { .. } => Status::failure(409, "Conflict", refusal.to_string()),
        _ => Status::bad_request(refusal),
    }
}

fn too_large(room: registry::Room) -> Status {
    if room.bytes() >= SOURCE_LIMIT {
        let limit = text::size(SOURCE_LIMIT);
        return Status::too_large(format_args!("source too large: at most {limit}"));
    }
    Status::failure(507, "InsufficientStorage", room.refusal("source"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_of_an_upload_is_in_the_query() {
        let uri = "/x?revision.commit=abc&revision.authorName=A+B&asFile=f"
            .parse()
            .unwrap();
        let query = Query::parse(&uri).unwrap();
        let git = revision_of(&query).unwrap().git.unwrap();
        assert_eq!(
            (git.commit.as_str(), git.author.name.as_str()),
            ("abc", "A B")
        );
        let none = Query::parse(&"/x?asFile=f".parse().unwrap()).unwrap();
        assert_eq!(revision_of(&none), None);
    }
}
