//! Making an object; a `Project` and a `ProjectRequest` make a Namespace.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::defaults;
use crate::api::kinds;
use crate::api::kinds::Scope;
use crate::api::status::Cause;
use crate::api::status::Status;
use crate::apiserver::Api;
use crate::apiserver::access;
use crate::apiserver::admission;
use crate::apiserver::body;
use crate::apiserver::nodes;
use crate::apiserver::object;
use crate::apiserver::object::Birth;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::apiserver::verbs::admit;
use crate::apiserver::verbs::refuse;
use crate::apiserver::view;
use crate::base::text;
use crate::store;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Write;

/// How often a generated name is drawn again when it is taken.
const DRAWS: usize = 8;

/// Creates the object in the body.
pub(super) async fn create(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let kind = call.target.kind;
    let (parts, body) = request.into_parts();
    let bytes = body::read(body).await?;
    let parsed = body::parse(kind, &body::media_type(&parts.headers), &bytes)?;
    let mut given = parsed.value;
    object::claim_kind(kind, &mut given)?;
    let warnings = body::validate_fields(
        kind,
        call.target.query.field_validation,
        &parsed.duplicates,
        &given,
        None,
    )?;
    let stored = if kind == &kinds::PROJECT_REQUEST {
        view::requested_namespace(&given, &call.identity.user())
    } else {
        view::store(kind, given, None)
    };
    let is_generated = object::name(&stored).is_empty();
    let mut draws = if is_generated { DRAWS } else { 1 };
    loop {
        draws -= 1;
        match create_once(call, stored.clone()).await {
            Err(status) if status.reason == "AlreadyExists" && draws > 0 => {}
            created => return Ok(call.answer(StatusCode::CREATED, created?, &warnings)),
        }
    }
}

async fn create_once(call: &Call, mut stored: Value) -> Result<Value, Status> {
    defaults::fill(call.stored_kind(), &mut stored);
    let namespace = &call.target.namespace;
    let mut new = bear(&call.api, call.stored_kind(), namespace, stored)?;
    let name = object::name(&new);
    if let Some(only) = access::name_limit(&call.identity, call.target.kind)
        && only != name
    {
        return Err(call.refusal("a node registers under its own name only"));
    }
    check_namespace(call, name)?;
    let name = name.to_owned();
    let name = name.as_str();
    nodes::register(call, &mut new)?;
    let _held = admission::create(&call.api, call.stored_kind(), &mut new).await?;
    admit(call.stored_kind(), &new, None)?;
    if name.is_empty() {
        let cause = Cause::required("metadata.name", "name or generateName is required");
        return Err(Status::invalid(call.target.kind, "", vec![cause]));
    }
    let place = call.place(name);
    if call.target.query.dry_run {
        return match call.api.store().entry(&place) {
            Some(_) => Err(exists(call, &place)),
            None => Ok(new),
        };
    }
    let write = Write {
        place: place.clone(),
        expect: Expect::Absent,
        object: Some(new),
    };
    match call.api.store().write(write).await {
        Ok(entry) => {
            if *call.stored_kind() == kinds::EVENT {
                call.api.event_made();
            }
            Ok(entry.object())
        }
        Err(store::Error::Exists | store::Error::Stale { .. }) => Err(exists(call, &place)),
        Err(error) => Err(refuse(&error, &place)),
    }
}

/// Named as what was asked for: a `ProjectRequest` finds that the project exists.
fn exists(call: &Call, place: &Place) -> Status {
    let name = &place.key.name;
    if call.target.kind != &kinds::PROJECT_REQUEST {
        return Status::already_exists(call.target.kind, name);
    }
    // OpenShift names the project in the singular here (facts/oc.md 2.1).
    let kind = &kinds::PROJECT;
    Status {
        message: format!("{} {name:?} already exists", kind.prefix()),
        ..Status::already_exists(kind, name)
    }
}

/// An image stream that nobody asked for by itself: something was pushed to it, or tagged into it.
pub(crate) fn bear_stream(api: &Api, namespace: &str, name: &str) -> Result<Value, Status> {
    let kind = &kinds::IMAGE_STREAM;
    let mut given = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {"name": name},
        "spec": {"lookupPolicy": {"local": false}},
    });
    defaults::fill(kind, &mut given);
    let mut stream = bear(api, kind, namespace, given)?;
    admission::fill_image_stream(&mut stream);
    Ok(stream)
}

/// Gives a new object what the server owns.
pub(crate) fn bear(
    api: &Api,
    kind: &'static kinds::Kind,
    namespace: &str,
    stored: Value,
) -> Result<Value, Status> {
    let birth = Birth {
        now: api.clock().now(),
        uid: &new_uid()?,
        suffix: &new_suffix()?,
    };
    object::create(kind, namespace, stored, birth)
}

fn check_namespace(call: &Call, name: &str) -> Result<(), Status> {
    let namespace = &call.target.namespace;
    if call.target.kind.scope == Scope::Cluster {
        return Ok(());
    }
    let place = Place::new(&kinds::NAMESPACE, "", namespace);
    let Some(entry) = call.api.store().entry(&place) else {
        return Err(Status::not_found(&kinds::NAMESPACE, namespace));
    };
    // Tearing down takes Operations and leaves Events; the namespace takes both along.
    let belongs_to_the_end = [&kinds::EVENT, &kinds::OPERATION].contains(&call.target.kind);
    if !belongs_to_the_end && object::is_deleting(&entry.object()) {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        return Err(Status::forbidden(call.target.kind, name, why));
    }
    Ok(())
}

/// Makes sure that a namespace of the server's own is there.
pub(crate) async fn create_namespace(api: &Api, name: &str) -> Result<(), Status> {
    let given = json!({
        "apiVersion": kinds::NAMESPACE.api_version(),
        "kind": kinds::NAMESPACE.kind,
        "metadata": {"name": name},
    });
    let place = Place::new(&kinds::NAMESPACE, "", name);
    if api.store().entry(&place).is_some() {
        return Ok(());
    }
    let mut new = bear(api, &kinds::NAMESPACE, "", given)?;
    let _held = admission::create(api, &kinds::NAMESPACE, &mut new).await?;
    let write = Write {
        place: place.clone(),
        expect: Expect::Absent,
        object: Some(new),
    };
    match api.store().write(write).await {
        Ok(_) | Err(store::Error::Exists | store::Error::Stale { .. }) => Ok(()),
        Err(error) => Err(refuse(&error, &place)),
    }
}

fn random<const N: usize>() -> Result<[u8; N], Status> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Status::internal)?;
    Ok(bytes)
}

/// A random UUID, version 4.
fn new_uid() -> Result<String, Status> {
    let mut bytes: [u8; 16] = random()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = text::hex(&bytes);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Ok(parts.join("-"))
}

/// Five letters and digits that spell no word, as Kubernetes ends generated names.
fn new_suffix() -> Result<String, Status> {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes: [u8; 5] = random()?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_and_suffixes_short() {
        let uid = new_uid().unwrap();
        let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uid[14..15], "4");
        assert_eq!(new_suffix().unwrap().len(), 5);
    }
}
