//! Replacing and patching: one loop that applies a change to what stands there until nobody came in between.

use std::borrow::Cow;

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;

use crate::api::defaults;
use crate::api::kinds;
use crate::api::patch;
use crate::api::patch::Patch;
use crate::api::status::Status;
use crate::apiserver::admission;
use crate::apiserver::body;
use crate::apiserver::deployments;
use crate::apiserver::nodes;
use crate::apiserver::object;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::apiserver::verbs::admit;
use crate::apiserver::verbs::modified;
use crate::apiserver::verbs::refuse;
use crate::apiserver::view;
use crate::store;
use crate::store::Entry;
use crate::store::Expect;
use crate::store::Write;

/// How often a change without a version of its own is tried again on a newer state.
const TRIES: usize = 64;

/// PUT: the body takes the object's place.
pub(super) async fn replace(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(body).await?;
    let parsed = body::parse(call.target.kind, &body::media_type(&parts.headers), &bytes)?;
    let mut given = parsed.value;
    object::claim_kind(call.target.kind, &mut given)?;
    change(call, &parsed.duplicates, |_| Ok(given.clone())).await
}

/// PATCH: JSON, merge or strategic merge.
pub(super) async fn patch(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let media_type = body::media_type(&parts.headers);
    let kind = call.target.kind;
    let is_strategic = media_type == "application/strategic-merge-patch+json";
    if is_strategic && kind.group == "upshift.dev" {
        return Err(unknown_patch(&[
            "application/json-patch+json",
            "application/merge-patch+json",
        ]));
    }
    let bytes = body::read(body).await?;
    // An unknown form is refused as such, whatever its text is.
    if Patch::of_media_type(&media_type, Value::Null).is_none() {
        return Err(unknown_patch(&[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
        ]));
    }
    let parsed = body::parse_json(&bytes)?;
    let patch = Patch::of_media_type(&media_type, parsed.value)
        .expect("the media type was one of the three above");
    change(call, &parsed.duplicates, |old| {
        patch::apply(kind, old, &patch).map_err(|error| error.status())
    })
    .await
}

fn unknown_patch(accepted: &[&str]) -> Status {
    Status::unsupported_media_type(format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    ))
}

/// Makes a new state from the one that stands there and writes it, again if somebody came in between.
async fn change(
    call: &Call,
    duplicates: &[String],
    make: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Response, Status> {
    for _ in 0..TRIES {
        let entry = call.entry()?;
        let old = entry.object();
        let shown = if view::is_view(call.target.kind) {
            Cow::Owned(view::show(call.target.kind, old.clone()))
        } else {
            Cow::Borrowed(&old)
        };
        let wanted = make(&shown)?;
        let (next, warnings) = next_state(call, duplicates, &shown, wanted)?;
        let mut next = view::store(call.target.kind, next, Some(&old));
        nodes::check_change(call, &old, &next)?;
        defaults::keep(call.stored_kind(), &old, &mut next);
        let _held = admission::change(&call.api, call.stored_kind(), &old, &mut next).await?;
        if next == old {
            return Ok(call.answer(StatusCode::OK, old, &warnings));
        }
        admit(call.stored_kind(), &next, Some(&old))?;
        if call.target.query.dry_run {
            return Ok(call.answer(StatusCode::OK, next, &warnings));
        }
        match write(call, &entry, next).await {
            Ok(entry) => return Ok(call.answer_entry(StatusCode::OK, &entry, &warnings)),
            Err(store::Error::Stale { .. }) => {}
            Err(error) => return Err(refuse(&error, &entry.place)),
        }
    }
    Err(modified(call.stored_kind(), &call.target.name))
}

/// Makes a new state from the whole of the one that stands there, status included, for subresources that the server
/// itself performs; the answer is what stands afterwards.
pub(crate) async fn rewrite(
    call: &Call,
    make: impl Fn(&Value) -> Result<Value, Status>,
) -> Result<Value, Status> {
    let kind = call.stored_kind();
    for _ in 0..TRIES {
        let entry = call.entry()?;
        let old = entry.object();
        let mut next = make(&old)?;
        if next == old {
            return Ok(old);
        }
        object::count_generation(kind, &old, &mut next);
        admit(kind, &next, Some(&old))?;
        if call.target.query.dry_run {
            return Ok(next);
        }
        match write(call, &entry, next).await {
            Ok(entry) => return Ok(entry.object()),
            Err(store::Error::Stale { .. }) => {}
            Err(error) => return Err(refuse(&error, &entry.place)),
        }
    }
    Err(modified(kind, &call.target.name))
}

/// The state after the change, with what the server owns put right; and warnings.
fn next_state(
    call: &Call,
    duplicates: &[String],
    old: &Value,
    mut wanted: Value,
) -> Result<(Value, Vec<String>), Status> {
    let kind = call.target.kind;
    object::claim_kind(kind, &mut wanted)?;
    let decided_on = object::resource_version(&wanted);
    if !decided_on.is_empty() && decided_on != object::resource_version(old) {
        return Err(modified(kind, object::name(old)));
    }
    let warnings = body::validate_fields(
        kind,
        call.target.query.field_validation,
        duplicates,
        &wanted,
        Some(old),
    )?;
    // Before it is compared: leaving out what the server filled in is no change of the spec.
    defaults::fill(kind, &mut wanted);
    let next = if call.is_status() {
        object::update_status(kind, old, wanted)?
    } else {
        let status = wanted["status"].clone();
        let mut next = object::update(kind, old, wanted)?;
        if *kind == kinds::DEPLOYMENT_CONFIG {
            deployments::count_version(old, &status, &mut next);
        }
        next
    };
    Ok((next, warnings))
}

/// Stores the next state; when that takes away the last thing a deletion waits for, the object goes.
async fn write(
    call: &Call,
    entry: &Entry,
    next: Value,
) -> Result<std::sync::Arc<Entry>, store::Error> {
    let goes = object::is_deleting(&next)
        && object::finalizers(&next).is_empty()
        && object::grace_left(&next) == 0;
    call.api
        .store()
        .write(Write {
            place: entry.place.clone(),
            expect: Expect::Revision(entry.revision),
            object: (!goes).then_some(next),
        })
        .await
}
