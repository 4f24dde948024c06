//! The verbs on objects: one file each, over one way of finding, admitting and answering.
//!
//! Rights were decided before; where they hang on the object's labels, [`Call::entry`] looks.

mod change;
mod create;
mod delete;
mod list;

use std::sync::Arc;

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::status::Status;
use crate::api::table;
use crate::api::table::IncludeObject;
use crate::api::validate;
use crate::apiserver::Api;
use crate::apiserver::access::Ruling;
use crate::apiserver::access::Verb;
use crate::apiserver::authentication::Identity;
use crate::apiserver::body;
use crate::apiserver::object;
use crate::apiserver::request::Subresource;
use crate::apiserver::request::Target;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::view;
use crate::apiserver::watch;
use crate::store;
use crate::store::Entry;
use crate::store::Place;

pub(crate) use change::rewrite;
pub(crate) use create::bear;
pub(crate) use create::bear_stream;
pub(crate) use create::create_namespace;
pub(crate) use list::Pages;
pub(crate) use list::interest;
pub(crate) use list::selectors;
pub(crate) use list::selects;

/// One request about objects, on its way.
pub(crate) struct Call {
    pub(crate) api: Api,
    pub(crate) identity: Identity,
    pub(crate) target: Target,
    pub(crate) ruling: Ruling,
    pub(crate) form: Form,
}

/// Performs the verb of a call on objects or their status.
pub(crate) async fn perform(call: Call, request: http::Request<Body>) -> Result<Response, Status> {
    match call.target.verb {
        Verb::Get => call.get(),
        Verb::List => list::list(&call),
        Verb::Watch => watch::watch(call),
        Verb::Create => create::create(&call, request).await,
        Verb::Update => change::replace(&call, request).await,
        Verb::Patch => change::patch(&call, request).await,
        Verb::Delete => delete::delete(&call, request).await,
        Verb::DeleteCollection => delete::delete_collection(&call, request).await,
    }
}

impl Call {
    /// The kind under which the target's objects are stored.
    pub(crate) fn stored_kind(&self) -> &'static Kind {
        view::stored_kind(self.target.kind)
    }

    /// Where an object of that name stands in the store.
    fn place(&self, name: &str) -> Place {
        Place::new(self.stored_kind(), &self.target.namespace, name)
    }

    /// What the target names, if it is there and this identity may reach it.
    pub(crate) fn entry(&self) -> Result<Arc<Entry>, Status> {
        let entry = self
            .api
            .store()
            .entry(&self.place(&self.target.name))
            .ok_or_else(|| Status::not_found(self.stored_kind(), &self.target.name))?;
        if self.ruling.admits(&entry, self.api.store()) {
            Ok(entry)
        } else {
            Err(self.refusal("nothing of this node's own needs it"))
        }
    }

    fn refusal(&self, why: &str) -> Status {
        let user = self.identity.user();
        Status::forbidden(
            self.target.kind,
            &self.target.name,
            format!("User {user:?} may not reach this object: {why}"),
        )
    }

    fn get(&self) -> Result<Response, Status> {
        Ok(self.answer_entry(StatusCode::OK, &*self.entry()?, &[]))
    }

    /// What stands in the store in the form that was asked for: the stored bytes themselves where they are that.
    fn answer_entry(&self, code: StatusCode, entry: &Entry, warnings: &[String]) -> Response {
        if self.form != Form::Object || view::is_view(self.target.kind) {
            return self.answer(code, entry.object(), warnings);
        }
        let mut response = response::json(code, entry.json.clone());
        response::warn(&mut response, warnings);
        response
    }

    /// A stored object in the form that was asked for.
    fn answer(&self, code: StatusCode, stored: Value, warnings: &[String]) -> Response {
        let shown = view::show(self.target.kind, stored);
        let mut response = response::value(code, &self.shape(shown));
        response::warn(&mut response, warnings);
        response
    }

    /// An object of the target's kind in the form that was asked for.
    pub(crate) fn shape(&self, object: Value) -> Value {
        match self.form {
            Form::Object => object,
            Form::Partial => response::partial(&object),
            Form::Table => {
                let version = object["metadata"]["resourceVersion"].clone();
                let mut table = self.table([&object]);
                table["metadata"]["resourceVersion"] = version;
                table
            }
        }
    }

    pub(crate) fn table<'a>(&self, items: impl IntoIterator<Item = &'a Value>) -> Value {
        let include = match self.target.query.include_object.as_str() {
            "None" => IncludeObject::None,
            "Object" => IncludeObject::Object,
            _ => IncludeObject::Metadata,
        };
        table::of(self.target.kind, items, include, self.api.clock().now())
    }

    fn is_status(&self) -> bool {
        self.target.subresource == Subresource::Status
    }
}

/// Refuses what must not be stored: wrong fields, or too much of them.
pub(crate) fn admit(kind: &Kind, new: &Value, old: Option<&Value>) -> Result<(), Status> {
    let causes = validate::admit(kind, new, old);
    if !causes.is_empty() {
        return Err(Status::invalid(kind, object::name(new), causes));
    }
    if response::size(new) > body::OBJECT_LIMIT {
        return Err(body::too_large());
    }
    Ok(())
}

/// The one border between the store's errors and the API's.
pub(crate) fn refuse(error: &store::Error, place: &Place) -> Status {
    let name = &place.key.name;
    match error {
        store::Error::Exists => Status::already_exists(place.kind, name),
        store::Error::Missing => Status::not_found(place.kind, name),
        store::Error::Stale { .. } => modified(place.kind, name),
        store::Error::Closed => Status::unavailable("the server is stopping"),
        store::Error::InUse { .. } | store::Error::Damaged { .. } | store::Error::Disk { .. } => {
            tracing::error!(%error, kind = place.kind.plural, key = %place.key, "a write failed");
            Status::internal(error)
        }
    }
}

/// 409 in the words that clients know.
pub(crate) fn modified(kind: &Kind, name: &str) -> Status {
    Status::conflict(
        kind,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
}
