//! Watches: one JSON event a line, from any kept revision, until the client, its timeout or the server ends it.
//!
//! A watch without a revision begins with everything that is there. Bookmarks tell a revision up to which everything
//! was sent. A revision that is no longer kept is told by an `ERROR` event with a 410 Status, and the watch ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream;
use http::HeaderValue;
use http::header;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::api::selector::Fields;
use crate::api::selector::Labels;
use crate::api::status::Status;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::apiserver::verbs::interest;
use crate::apiserver::verbs::selectors;
use crate::apiserver::verbs::selects;
use crate::apiserver::view;
use crate::store::Change;
use crate::store::ChangeKind;
use crate::store::Entry;
use crate::store::Expired;
use crate::store::Watch;

/// How long a watch runs when its client names no end.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);
/// How often a watch that asked for bookmarks gets one.
const BOOKMARK_PAUSE: Duration = Duration::from_secs(60);

/// GET of a collection with `watch=true`.
pub(super) fn watch(call: Call) -> Result<Response, Status> {
    let follow = Follow::start(call)?;
    let lines = stream::unfold(follow, |mut follow| async move {
        let line = follow.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(line), follow))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// One watch under way.
struct Follow {
    call: Call,
    labels: Labels,
    fields: Fields,
    /// Lines that wait to be sent.
    lines: VecDeque<Bytes>,
    /// None: nothing comes after the lines.
    watch: Option<Watch>,
    end: Instant,
    next_bookmark: Instant,
}

impl Follow {
    fn start(call: Call) -> Result<Follow, Status> {
        let (labels, fields) = selectors(&call)?;
        let query = &call.target.query;
        let version = query.resource_version.as_str();
        let after: u64 = match version {
            "" => 0,
            text => text
                .parse()
                .map_err(|_| Status::bad_request(format!("invalid resource version: {text:?}")))?,
        };
        let now = Instant::now();
        let end = now
            + query
                .timeout
                .filter(|it| !it.is_zero())
                .unwrap_or(DEFAULT_TIMEOUT);
        let begins_with_all = after == 0 || query.send_initial_events;
        let mut follow = Follow {
            call,
            labels,
            fields,
            lines: VecDeque::new(),
            watch: None,
            end,
            next_bookmark: now + BOOKMARK_PAUSE,
        };
        let after = if begins_with_all {
            follow.send_all()
        } else {
            after
        };
        let kind = follow.call.stored_kind();
        let interest = interest(&follow.call, &follow.labels, &follow.fields);
        match follow.call.api.store().watch(kind, interest, after) {
            Ok(watch) => follow.watch = Some(watch),
            Err(expired) => follow.send_expired(&expired),
        }
        Ok(follow)
    }

    /// Everything that is there, as if it had just been added; the revision of that moment.
    fn send_all(&mut self) -> u64 {
        let interest = interest(&self.call, &self.labels, &self.fields);
        let store = self.call.api.store();
        let (entries, revision) = store.list(self.call.stored_kind(), interest);
        for entry in entries {
            if selects(&self.labels, &self.fields, &entry) {
                self.lines.push_back(self.line("ADDED", &entry));
            }
        }
        if self.call.target.query.send_initial_events {
            let bookmark = self.bookmark(revision, true);
            self.lines.push_back(bookmark);
        }
        revision
    }

    /// The next line; none when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let watch = self.watch.as_mut()?;
            let wants_bookmarks = self.call.target.query.bookmarks;
            tokio::select! {
                change = watch.next() => self.take(change)?,
                () = tokio::time::sleep_until(self.end) => return None,
                () = self.call.api.closing() => return None,
                () = tokio::time::sleep_until(self.next_bookmark), if wants_bookmarks => {
                    self.send_bookmark()?;
                }
            }
        }
    }

    /// Turns one thing that the store told into lines; none when it will tell nothing more.
    fn take(&mut self, change: Result<Option<Arc<Change>>, Expired>) -> Option<()> {
        match change {
            Ok(Some(change)) => {
                let line = self.event(&change);
                self.lines.extend(line);
            }
            Ok(None) => return None,
            Err(expired) => self.send_expired(&expired),
        }
        Some(())
    }

    fn send_expired(&mut self, expired: &Expired) {
        self.watch = None;
        let status = Status::expired(expired);
        self.lines.push_back(json_line(
            "ERROR",
            &serde_json::to_value(status).expect("a Status is plain data"),
        ));
    }

    /// What a change is to this watch: an object may come into or go out of what its selectors match.
    fn event(&self, change: &Change) -> Option<Bytes> {
        let matches = |entry: &Entry| selects(&self.labels, &self.fields, entry);
        let before = change
            .previous
            .as_ref()
            .filter(|entry| matches(entry.as_ref()));
        let is = change.kind != ChangeKind::Deleted && matches(&change.entry);
        match (before, is) {
            (None, true) => Some(self.line("ADDED", &change.entry)),
            (Some(_), true) => Some(self.line("MODIFIED", &change.entry)),
            (Some(_), false) if change.kind == ChangeKind::Deleted => {
                Some(self.line("DELETED", &change.entry))
            }
            // Its last state that concerned this watch, under the revision of the change.
            (Some(last), false) => {
                let mut object = last.object();
                object["metadata"]["resourceVersion"] = change.entry.revision.to_string().into();
                Some(json_line("DELETED", &self.shape(object)))
            }
            (None, false) => None,
        }
    }

    fn line(&self, kind: &str, entry: &Entry) -> Bytes {
        if self.call.form == Form::Object && !view::is_view(self.call.target.kind) {
            return raw_line(kind, &entry.json);
        }
        json_line(kind, &self.shape(entry.object()))
    }

    fn shape(&self, stored: Value) -> Value {
        self.call.shape(view::show(self.call.target.kind, stored))
    }

    /// Sends what is still unsent, then the revision up to which that is everything.
    fn send_bookmark(&mut self) -> Option<()> {
        self.next_bookmark = Instant::now() + BOOKMARK_PAUSE;
        let revision = self.call.api.store().revision();
        while let Some(change) = self.watch.as_mut()?.next().now_or_never() {
            self.take(change)?;
            if self.watch.is_none() {
                return Some(());
            }
        }
        let bookmark = self.bookmark(revision, false);
        self.lines.push_back(bookmark);
        Some(())
    }

    fn bookmark(&self, revision: u64, ends_initial_events: bool) -> Bytes {
        let kind = self.call.target.kind;
        let mut object = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
        });
        if ends_initial_events {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        match self.call.form {
            Form::Partial => object = response::partial(&object),
            // A row of an object that is none would be a row of nothing: Kubernetes sends it with no cells filled.
            Form::Table | Form::Object => {}
        }
        json_line("BOOKMARK", &object)
    }
}

fn raw_line(kind: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + 40);
    line.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":").as_bytes());
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    Bytes::from(line)
}

fn json_line(kind: &str, object: &Value) -> Bytes {
    raw_line(kind, &response::to_bytes(object))
}
