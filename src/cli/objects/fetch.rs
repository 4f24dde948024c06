//! Reading objects for printing: as the server's Tables, or plain.
//!
//! A server that sends no Tables gets its objects printed by our own columns, as clients did before OpenShift 3.10.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::table;
use crate::api::table::IncludeObject;
use crate::base::clock::Timestamp;
use crate::cli::Failure;
use crate::client;
use crate::client::Body;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::request::Query;
use crate::client::request::escaped;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// What is read: a collection (`name` empty) or one object, and how much of each row's object comes along.
#[derive(Clone, Debug)]
pub struct Source {
    pub kind: &'static Kind,
    pub key: Key,
    pub options: ListOptions,
    /// Whole objects in the rows, for sorting.
    pub whole: bool,
}

impl Source {
    fn path(&self, watch_from: Option<&str>) -> String {
        let mut query = Query::default();
        let mut options = self.options.clone();
        if self.whole {
            query.add("includeObject", "Object");
        }
        let mut name = self.key.name.as_str();
        if let Some(version) = watch_from {
            query.add("watch", "true");
            query.add("allowWatchBookmarks", "true");
            query.add("resourceVersion", version);
            if !name.is_empty() {
                // One object is watched as a collection of one.
                options.field_selector = format!("metadata.name={name}");
                name = "";
            }
            options.limit = 0;
        }
        query.add("labelSelector", &options.label_selector);
        query.add("fieldSelector", &options.field_selector);
        if options.limit > 0 && name.is_empty() {
            query.add("limit", &options.limit.to_string());
        }
        query.add("continue", &options.continue_);
        let path = self
            .kind
            .path(&escaped(&self.key.namespace), &escaped(name));
        query.after(&path)
    }

    /// The Table of it, over all pages.
    pub async fn table(&self, client: &Client, now: Timestamp) -> Result<Value, Failure> {
        let mut whole = self.page(client, now).await?;
        while let Some(next) = continues(&whole) {
            let mut source = self.clone();
            source.options.continue_ = next;
            let mut page = match source.page(client, now).await {
                Ok(page) => page,
                // The list grew old between two pages: once more, in one piece.
                Err(failure) if failure.is_expired() => {
                    let mut source = self.clone();
                    source.options.limit = 0;
                    return source.page(client, now).await;
                }
                Err(failure) => return Err(failure),
            };
            whole["metadata"] = page["metadata"].take();
            if let (Some(rows), Value::Array(more)) =
                (whole["rows"].as_array_mut(), page["rows"].take())
            {
                rows.extend(more);
            }
        }
        Ok(whole)
    }

    async fn page(&self, client: &Client, now: Timestamp) -> Result<Value, Failure> {
        let bytes = self.send(client, None, true).await?.bytes().await?;
        let answer: Value = serde_json::from_slice(&bytes)
            .map_err(|error| client::Error::Decode(error.to_string()))?;
        Ok(self.as_table(answer, now))
    }

    /// The events of a watch as lines of JSON, in Tables if the server can and they are wanted.
    pub async fn watch(&self, client: &Client, from: &str, tables: bool) -> Result<Body, Failure> {
        self.send(client, Some(from), tables).await
    }

    async fn send(
        &self,
        client: &Client,
        from: Option<&str>,
        tables: bool,
    ) -> Result<Body, Failure> {
        let mut headers = HeaderMap::new();
        let accept = if tables { TABLE } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        let response = client
            .raw(Method::GET, &self.path(from), headers, "")
            .await?;
        Ok(client::check(response).await?.into_body())
    }

    /// An answer as a Table, whatever it is.
    pub fn as_table(&self, mut answer: Value, now: Timestamp) -> Value {
        if answer["kind"] == "Table" {
            return answer;
        }
        let include = if self.whole {
            IncludeObject::Object
        } else {
            IncludeObject::Metadata
        };
        let mut made = match answer["items"].as_array() {
            Some(items) => table::of(self.kind, items, include, now),
            None => table::of(self.kind, [&answer], include, now),
        };
        made["metadata"] = answer["metadata"].take();
        made
    }

    /// The objects themselves.
    pub async fn objects(&self, client: &Client) -> Result<(Vec<Value>, String), Failure> {
        if self.key.name.is_empty() {
            let listed = client
                .list_objects(self.kind, &self.key.namespace, &self.options)
                .await?;
            return Ok((listed.items, listed.revision.to_string()));
        }
        let object = client.read(self.kind, &self.key).await?;
        let version = object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok((vec![object], version))
    }
}

fn continues(table: &Value) -> Option<String> {
    let next = table["metadata"]["continue"].as_str()?;
    (!next.is_empty()).then(|| next.to_owned())
}
