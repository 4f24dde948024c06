//! Lists: from memory, without parsing what nobody asks about, whole or in pages.
//!
//! # Decided
//!
//! * **A page continues the list it began.** What follows the first page is held (as handles, not copies) for the
//!   next request; only the newest lists are held, and an older token is answered 410, as Kubernetes does after a
//!   compaction. Continuing on today's objects instead would show a state that never was.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;
use http::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::selector::Fields;
use crate::api::selector::Labels;
use crate::api::status::Status;
use crate::apiserver::response;
use crate::apiserver::response::Form;
use crate::apiserver::response::Response;
use crate::apiserver::verbs::Call;
use crate::apiserver::view;
use crate::store::Entry;
use crate::store::Interest;
use crate::store::Pin;

/// How many unfinished lists are held.
const HELD: usize = 64;

/// The rest of a list that is read in pages.
#[derive(Clone, Debug)]
struct Rest {
    number: u64,
    /// What the list was asked for; a token is good for the same question only.
    question: String,
    revision: u64,
    entries: Vec<Arc<Entry>>,
}

/// The unfinished lists, newest last.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<(u64, VecDeque<Rest>)>);

impl Pages {
    /// Holds the rest of a list; the answer is its token.
    fn hold(&self, question: String, revision: u64, entries: Vec<Arc<Entry>>) -> String {
        let mut held = self.0.lock().expect("nothing panics while it holds pages");
        held.0 += 1;
        let number = held.0;
        held.1.push_back(Rest {
            number,
            question,
            revision,
            entries,
        });
        while held.1.len() > HELD {
            held.1.pop_front();
        }
        URL_SAFE_NO_PAD.encode(format!("{number}/{revision}"))
    }

    /// The rest that a token stands for. It stays held, so that a request can be repeated.
    fn find(&self, token: &str, question: &str) -> Result<(u64, Vec<Arc<Entry>>), Status> {
        let malformed = || Status::bad_request("continue key is not valid");
        let text = URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(malformed)?;
        let (number, revision) = text.split_once('/').ok_or_else(malformed)?;
        let number: u64 = number.parse().map_err(|_| malformed())?;
        let held = self.0.lock().expect("nothing panics while it holds pages");
        let rest = held
            .1
            .iter()
            .find(|rest| rest.number == number && rest.revision.to_string() == revision)
            .ok_or_else(|| {
                Status::expired(
                    "The provided continue parameter is too old to display a consistent list result. \
                     You can start a new list without the continue parameter.",
                )
            })?;
        if rest.question != question {
            return Err(malformed());
        }
        Ok((rest.revision, rest.entries.clone()))
    }
}

/// GET of a collection.
pub(super) fn list(call: &Call) -> Result<Response, Status> {
    let query = &call.target.query;
    let question = format!(
        "{}\n{}\n{}\n{}",
        call.target.kind.resource(),
        call.target.namespace,
        query.label_selector,
        query.field_selector
    );
    let (mut entries, revision) = if query.continue_token.is_empty() {
        matching(call)?
    } else {
        let (revision, entries) = call.api.pages().find(&query.continue_token, &question)?;
        (entries, revision)
    };
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if query.limit > 0 && entries.len() > query.limit {
        let rest = entries.split_off(query.limit);
        // With a selector Kubernetes does not know how many remain, and clients expect it not to say.
        if query.label_selector.is_empty() && query.field_selector.is_empty() {
            metadata["remainingItemCount"] = rest.len().into();
        }
        metadata["continue"] = call.api.pages().hold(question, revision, rest).into();
    }
    Ok(answer(call, &entries, metadata))
}

/// Everything that the call's selectors match, and the revision of that moment.
pub(super) fn matching(call: &Call) -> Result<(Vec<Arc<Entry>>, u64), Status> {
    let (labels, fields) = selectors(call)?;
    let interest = interest(call, &labels, &fields);
    let (mut entries, revision) = call.api.store().list(call.stored_kind(), interest);
    if !labels.is_empty() || !fields.is_empty() {
        entries.retain(|entry| selects(&labels, &fields, entry));
    }
    Ok((entries, revision))
}

/// The selectors of a call, parsed.
pub(crate) fn selectors(call: &Call) -> Result<(Labels, Fields), Status> {
    let query = &call.target.query;
    let labels: Labels = query.label_selector.parse().map_err(Status::bad_request)?;
    let fields =
        Fields::parse(call.target.kind, &query.field_selector).map_err(Status::bad_request)?;
    Ok((labels, fields))
}

/// What the store can narrow a call's selectors down to; the rest of them is still to be asked.
pub(crate) fn interest(call: &Call, labels: &Labels, fields: &Fields) -> Interest {
    let mut pins: Vec<Pin> = labels
        .pinned()
        .map(|(key, value)| Pin::Label(key.to_owned(), value.to_owned()))
        .collect();
    let name = fields.exact("metadata.name");
    pins.extend(name.map(|name| Pin::Name(name.to_owned())));
    if *call.stored_kind() == kinds::POD {
        let node = fields.exact("spec.nodeName");
        let node = node.filter(|node| !node.is_empty());
        pins.extend(node.map(|node| Pin::OnNode(node.to_owned())));
    }
    Interest {
        namespace: call.target.namespace.clone(),
        pins,
    }
}

/// Whether an entry satisfies both selectors; parsed only when a field beside the name is asked for.
pub(crate) fn selects(labels: &Labels, fields: &Fields, entry: &Entry) -> bool {
    if !labels.matches(&entry.labels) {
        return false;
    }
    if fields.is_empty() {
        return true;
    }
    if let Some(name) = fields.exact("metadata.name")
        && name != entry.place.key.name
    {
        return false;
    }
    fields.matches(&entry.object())
}

fn answer(call: &Call, entries: &[Arc<Entry>], metadata: Value) -> Response {
    let kind = call.target.kind;
    match call.form {
        Form::Object if !view::is_view(kind) => {
            let bytes = whole(&kind.api_version(), kind.kind, &metadata, entries);
            response::json(StatusCode::OK, bytes)
        }
        Form::Object => {
            let items: Vec<Value> = shown(call, entries).collect();
            let list = json!({
                "apiVersion": kind.api_version(),
                "kind": format!("{}List", kind.kind),
                "metadata": metadata,
                "items": items,
            });
            response::value(StatusCode::OK, &list)
        }
        Form::Partial => {
            let items: Vec<Value> = shown(call, entries)
                .map(|object| response::partial(&object))
                .collect();
            let list = json!({
                "apiVersion": "meta.k8s.io/v1",
                "kind": "PartialObjectMetadataList",
                "metadata": metadata,
                "items": items,
            });
            response::value(StatusCode::OK, &list)
        }
        Form::Table => {
            let items: Vec<Value> = shown(call, entries).collect();
            let mut table = call.table(&items);
            table["metadata"] = metadata;
            response::value(StatusCode::OK, &table)
        }
    }
}

fn shown<'a>(call: &'a Call, entries: &'a [Arc<Entry>]) -> impl Iterator<Item = Value> + 'a {
    entries
        .iter()
        .map(|entry| view::show(call.target.kind, entry.object()))
}

/// A list put together from the bytes of its objects.
fn whole(api_version: &str, kind: &str, metadata: &Value, entries: &[Arc<Entry>]) -> Bytes {
    let length: usize = entries.iter().map(|entry| entry.json.len() + 1).sum();
    let mut bytes = BytesMut::with_capacity(length + 256);
    let head = format!(
        "{{\"kind\":\"{kind}List\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":["
    );
    bytes.put_slice(head.as_bytes());
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            bytes.put_u8(b',');
        }
        bytes.put_slice(&entry.json);
    }
    bytes.put_slice(b"]}");
    bytes.freeze()
}
