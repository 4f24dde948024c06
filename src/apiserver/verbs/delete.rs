//! Deleting one object or a collection: gone at once, or marked while finalizers stand.
//!
//! A pod that runs is marked too, with the seconds its processes have to end; its node deletes it for good (with no
//! seconds left) once they did.
//!
//! Dependents go in the background, by the controller that follows owner references; `Orphan` cuts those references
//! here first.

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::core::NODE_LEASES;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::kinds;
use crate::api::kinds::Scope;
use crate::api::kinds::Storage;
use crate::api::status::Status;
use crate::apiserver::authentication::Identity;
use crate::apiserver::body;
use crate::apiserver::object;
use crate::apiserver::request;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::apiserver::verbs::list;
use crate::apiserver::verbs::refuse;
use crate::apiserver::view;
use crate::store;
use crate::store::Entry;
use crate::store::Expect;
use crate::store::Write;

/// Namespaces that the server needs.
const PROTECTED: [&str; 4] = ["default", NODE_LEASES, "upshift", SHARED_NAMESPACE];

/// What a deletion asks for beside the name.
#[derive(Clone, Debug, Default)]
struct Wish {
    dry_run: bool,
    orphans: bool,
    uid: String,
    resource_version: String,
    /// The seconds that the processes of a pod have to end; what the pod itself says when there is none.
    grace: Option<u64>,
}

/// What became of an object that was to be deleted.
enum Fate {
    Gone(Value),
    /// Finalizers still stand, or processes still run.
    Marked(Value),
}

/// DELETE of one object.
pub(super) async fn delete(call: &Call, request: http::Request<Body>) -> Result<Response, Status> {
    let wish = Wish::read(call, request).await?;
    match remove(call, &call.target.name, &wish).await? {
        Fate::Marked(object) => Ok(call.answer(StatusCode::OK, object, &[])),
        Fate::Gone(object) => {
            let status = Status::success(
                call.target.kind,
                object::name(&object),
                object::uid(&object),
            );
            Ok(response::status(&status))
        }
    }
}

/// DELETE of everything that the selectors match.
pub(super) async fn delete_collection(
    call: &Call,
    request: http::Request<Body>,
) -> Result<Response, Status> {
    let wish = Wish::read(call, request).await?;
    let mut removed = Vec::new();
    for entry in list::matching(call)?.0 {
        match remove(call, &entry.place.key.name, &wish).await {
            Ok(Fate::Gone(object) | Fate::Marked(object)) => {
                removed.push(view::show(call.target.kind, object));
            }
            // Somebody else was faster.
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
    }
    let revision = call.api.store().revision().to_string();
    let metadata = json!({"resourceVersion": revision});
    let answer = match call.form {
        Form::Table => call.table(&removed),
        Form::Object | Form::Partial => json!({
            "apiVersion": call.target.kind.api_version(),
            "kind": format!("{}List", call.target.kind.kind),
            "metadata": metadata,
            "items": removed,
        }),
    };
    Ok(response::value(StatusCode::OK, &answer))
}

impl Wish {
    /// `DeleteOptions` of the body and the query together.
    async fn read(call: &Call, request: http::Request<Body>) -> Result<Wish, Status> {
        let (parts, body) = request.into_parts();
        let bytes = body::read(body).await?;
        let options = if bytes.is_empty() {
            Value::Null
        } else {
            body::parse_plain(&body::media_type(&parts.headers), &bytes)?.value
        };
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let mut dry_run = call.target.query.dry_run;
        for one in options["dryRun"].as_array().into_iter().flatten() {
            dry_run |= request::dry_run(one.as_str().unwrap_or("?"))?;
        }
        let mut policy = text(&options["propagationPolicy"]);
        if policy.is_empty() {
            policy.clone_from(&call.target.query.propagation_policy);
        }
        if !["", "Background", "Foreground", "Orphan"].contains(&policy.as_str()) {
            return Err(Status::bad_request(format!(
                "propagationPolicy: Unsupported value: {policy:?}: supported values: \
                 \"Background\", \"Foreground\", \"Orphan\""
            )));
        }
        Ok(Wish {
            dry_run,
            orphans: policy == "Orphan",
            uid: text(&options["preconditions"]["uid"]),
            resource_version: text(&options["preconditions"]["resourceVersion"]),
            grace: grace_of(&options["gracePeriodSeconds"])?.or(call.target.query.grace_period),
        })
    }

    fn check(&self, call: &Call, object: &Value) -> Result<(), Status> {
        let wrong = |what: &str, asked: &str, is: &str| {
            let why = format!(
                "Precondition failed: {what} in precondition: {asked}, {what} in object meta: {is}"
            );
            Err(Status::conflict(
                call.stored_kind(),
                object::name(object),
                why,
            ))
        };
        let (uid, version) = (object::uid(object), object::resource_version(object));
        if !self.uid.is_empty() && self.uid != uid {
            return wrong("UID", &self.uid, uid);
        }
        if !self.resource_version.is_empty() && self.resource_version != version {
            return wrong("ResourceVersion", &self.resource_version, version);
        }
        Ok(())
    }
}

fn grace_of(value: &Value) -> Result<Option<u64>, Status> {
    if value.is_null() {
        return Ok(None);
    }
    value.as_u64().map(Some).ok_or_else(|| {
        Status::bad_request(format!(
            "gracePeriodSeconds: Invalid value: {value}: must be a whole number, not below 0"
        ))
    })
}

/// A node takes away only what ended, or was told to.
fn check_end_of_pod(call: &Call, old: &Value) -> Result<(), Status> {
    let is_nodes = matches!(call.identity, Identity::Node(_)) && call.target.kind == &kinds::POD;
    if is_nodes && !object::is_deleting(old) && !object::is_over(old) {
        return Err(call.refusal("it neither ended nor was its end asked for"));
    }
    Ok(())
}

/// Removes or marks one object, again if it changed in between.
async fn remove(call: &Call, name: &str, wish: &Wish) -> Result<Fate, Status> {
    let kind = call.stored_kind();
    if kind == &kinds::NAMESPACE && PROTECTED.contains(&name) {
        return Err(Status::forbidden(
            kind,
            name,
            "this namespace may not be deleted",
        ));
    }
    loop {
        let place = call.place(name);
        let entry = call
            .api
            .store()
            .entry(&place)
            .filter(|entry| call.ruling.admits(entry, call.api.store()))
            .ok_or_else(|| Status::not_found(kind, name))?;
        let old = entry.object();
        wish.check(call, &old)?;
        check_end_of_pod(call, &old)?;
        let grace = object::grace(kind, &old, wish.grace);
        let waits = grace > 0 || !object::finalizers(&old).is_empty();
        if waits && object::is_deleting(&old) && object::grace_left(&old) <= grace {
            return Ok(Fate::Marked(old));
        }
        let next = waits.then(|| object::mark_deleted(kind, &old, call.api.clock().now(), grace));
        if wish.dry_run {
            return Ok(next.map_or(Fate::Gone(old), Fate::Marked));
        }
        if wish.orphans {
            orphan_dependents(call, &old).await?;
        }
        let write = Write {
            place: place.clone(),
            expect: Expect::Revision(entry.revision),
            object: next,
        };
        match call.api.store().write(write).await {
            Ok(entry) if waits => return Ok(Fate::Marked(entry.object())),
            Ok(entry) => return Ok(Fate::Gone(entry.object())),
            Err(store::Error::Stale { .. }) => {}
            Err(error) => return Err(refuse(&error, &place)),
        }
    }
}

/// Takes the reference to `owner` out of everything in its namespace that has one.
async fn orphan_dependents(call: &Call, owner: &Value) -> Result<(), Status> {
    let uid = object::uid(owner);
    for kind in kinds::ALL {
        if kind.scope != Scope::Namespaced || kind.storage != Storage::Stored {
            continue;
        }
        for entry in call.api.store().list(kind, &call.target.namespace).0 {
            cut_reference(call, &entry, uid).await?;
        }
    }
    Ok(())
}

async fn cut_reference(call: &Call, entry: &Entry, uid: &str) -> Result<(), Status> {
    loop {
        let Some(current) = call.api.store().entry(&entry.place) else {
            return Ok(());
        };
        let mut object = current.object();
        let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() else {
            return Ok(());
        };
        let before = owners.len();
        owners.retain(|owner| owner["uid"] != uid);
        if owners.len() == before {
            return Ok(());
        }
        let write = Write {
            place: entry.place.clone(),
            expect: Expect::Revision(current.revision),
            object: Some(object),
        };
        match call.api.store().write(write).await {
            Ok(_) | Err(store::Error::Missing) => return Ok(()),
            Err(store::Error::Stale { .. }) => {}
            Err(error) => return Err(refuse(&error, &entry.place)),
        }
    }
}
