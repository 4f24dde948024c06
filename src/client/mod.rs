//! The only way to the API: requests over a transport, typed or as plain JSON.
//!
//! Who calls: commands, controllers, agents. Nothing here knows whether the server is in this process, what a command
//! prints, or what an object means. Objects are answered whole; a typed struct is a view of one.

pub mod cache;
pub mod connection;
pub mod duplex;
pub mod error;
pub mod exec;
#[cfg(test)]
mod fake;
pub mod https;
pub mod kubeconfig;
pub mod registry;
pub mod request;
pub mod tls;
pub mod transport;
pub mod tunnel;
pub mod watch;
pub mod web;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use crate::api::patch::Patch;
pub use crate::client::cache::Cache;
pub use crate::client::error::Error;
pub use crate::client::request::DeleteOptions;
pub use crate::client::request::ListOptions;
pub use crate::client::request::WriteOptions;
pub use crate::client::transport::Body;
pub use crate::client::transport::Io;
pub use crate::client::transport::Transport;
pub use crate::client::watch::WatchEvent;
pub use crate::client::watch::WatchStream;

use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::status::Status;

/// Objects in one answer of a list.
const PAGE: u32 = 500;
/// How often a read that the server put off is sent again.
const TRIES: u32 = 4;
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A caller of one server under one identity; a cheap clone.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    user_agent: HeaderValue,
    warnings: Arc<Mutex<Vec<String>>>,
}

/// The objects of a list and the version they were read at.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub revision: u64,
    /// Where the next page starts; empty after the last, and always with `limit: 0`.
    pub continue_: String,
}

/// One answer of a list.
#[derive(Deserialize)]
struct Page<O> {
    #[serde(default)]
    metadata: PageMetadata,
    items: Vec<O>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_: String,
}

impl Client {
    /// A client that sends everything over `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Client {
        Client {
            transport,
            user_agent: HeaderValue::from_static(concat!("upshift/", env!("CARGO_PKG_VERSION"))),
            warnings: Arc::default(),
        }
    }

    /// The same client under another name in the server's log.
    #[must_use]
    pub fn named(mut self, user_agent: &str) -> Client {
        if let Ok(value) = HeaderValue::from_str(user_agent) {
            self.user_agent = value;
        }
        self
    }

    /// The server as messages name it.
    pub fn server(&self) -> &str {
        self.transport.server()
    }

    /// What the server warned of since the last call (`Warning: 299`).
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(
            &mut self
                .warnings
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Reads one object as a view.
    pub async fn get<T: Typed>(&self, key: &Key) -> Result<T, Error> {
        self.read_as(T::KIND, key).await
    }

    /// Reads all selected objects as views; `namespace` "" means everywhere.
    pub async fn list<T: Typed>(
        &self,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<Listed<T>, Error> {
        self.list_as(T::KIND, namespace, options).await
    }

    /// Makes an object from a view.
    pub async fn create<T: Typed>(&self, object: &T) -> Result<T, Error> {
        let namespace = &object.metadata().namespace;
        let options = WriteOptions::default();
        self.create_as(T::KIND, namespace, &object.to_object(), &options)
            .await
    }

    /// Reads one object whole.
    pub async fn read(&self, kind: &'static Kind, key: &Key) -> Result<Value, Error> {
        self.read_as(kind, key).await
    }

    /// The same of an object as something else than a JSON value, which may be a part of it.
    pub async fn read_as<O: DeserializeOwned>(
        &self,
        kind: &'static Kind,
        key: &Key,
    ) -> Result<O, Error> {
        let path = path(kind, key, None)?;
        self.json(kind, Method::GET, &path, None).await
    }

    /// Reads all selected objects whole, in pages; a list that grows old in the middle starts over in one piece.
    pub async fn list_objects(
        &self,
        kind: &'static Kind,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<Listed<Value>, Error> {
        let mut listed: Listed<Value> = self.list_as(kind, namespace, options).await?;
        for item in &mut listed.items {
            // Kubernetes leaves them out inside a list; a whole object carries them.
            if item["kind"].is_null() {
                item["apiVersion"] = kind.api_version().into();
                item["kind"] = kind.kind.into();
            }
        }
        Ok(listed)
    }

    /// The same of objects as something else than JSON values, which may be a part of them.
    pub async fn list_as<O: DeserializeOwned>(
        &self,
        kind: &'static Kind,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<Listed<O>, Error> {
        let collection = kind.path(&part(namespace)?, "");
        if options.limit > 0 {
            return self.page(&collection, kind, options).await;
        }
        let mut paged = options.clone();
        paged.limit = PAGE;
        let mut all = self.page(&collection, kind, &paged).await?;
        while !all.continue_.is_empty() {
            paged.continue_ = std::mem::take(&mut all.continue_);
            paged.resource_version.clear();
            match self.page(&collection, kind, &paged).await {
                Ok(next) => {
                    all.items.extend(next.items);
                    all.continue_ = next.continue_;
                }
                Err(error) if error.is_expired() => {
                    return self.page(&collection, kind, options).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn page<O: DeserializeOwned>(
        &self,
        collection: &str,
        kind: &Kind,
        options: &ListOptions,
    ) -> Result<Listed<O>, Error> {
        let path = options.query().after(collection);
        let Page { metadata, items } = self.json(kind, Method::GET, &path, None).await?;
        Ok(Listed {
            items,
            revision: metadata.resource_version.parse().unwrap_or(0),
            continue_: metadata.continue_,
        })
    }

    /// Makes an object; its name may be left to the server (`generateName`).
    pub async fn create_object(
        &self,
        kind: &'static Kind,
        namespace: &str,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Error> {
        self.create_as(kind, namespace, object, options).await
    }

    /// The same; what was made is answered as something else than a JSON value.
    pub async fn create_as<O: DeserializeOwned>(
        &self,
        kind: &'static Kind,
        namespace: &str,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<O, Error> {
        let path = options.query().after(&kind.path(&part(namespace)?, ""));
        self.json(kind, Method::POST, &path, Some(json_body(object)))
            .await
    }

    /// Puts an object in the place of what is there; with a `resourceVersion`, only of that version.
    pub async fn replace(
        &self,
        kind: &'static Kind,
        key: &Key,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Error> {
        let path = options.query().after(&path(kind, key, None)?);
        self.json(kind, Method::PUT, &path, Some(json_body(object)))
            .await
    }

    /// Puts the object's status in the place of what is there.
    pub async fn replace_status(
        &self,
        kind: &'static Kind,
        key: &Key,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Error> {
        let path = options.query().after(&path(kind, key, Some("status"))?);
        self.json(kind, Method::PUT, &path, Some(json_body(object)))
            .await
    }

    /// Changes an object, or its `status`.
    pub async fn patch(
        &self,
        kind: &'static Kind,
        key: &Key,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Value, Error> {
        self.patch_as(kind, key, subresource, patch, options).await
    }

    /// The same; what stands afterwards is answered as something else than a JSON value.
    pub async fn patch_as<O: DeserializeOwned>(
        &self,
        kind: &'static Kind,
        key: &Key,
        subresource: Option<&str>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<O, Error> {
        let path = options.query().after(&path(kind, key, subresource)?);
        self.json(kind, Method::PATCH, &path, Some(patch_body(patch)))
            .await
    }

    /// Changes an object's `status` without reading what stands afterwards: for those who follow it anyway.
    pub async fn patch_status(
        &self,
        kind: &'static Kind,
        key: &Key,
        patch: &Patch,
    ) -> Result<(), Error> {
        let path = path(kind, key, Some("status"))?;
        self.bytes(Method::PATCH, &path, Some(patch_body(patch)))
            .await?;
        Ok(())
    }

    /// Asks for an object's end; the answer is the object while finalizers hold it, else a `Status`.
    pub async fn delete(
        &self,
        kind: &'static Kind,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Value, Error> {
        let body = json_body(&options.body());
        self.json(kind, Method::DELETE, &path(kind, key, None)?, Some(body))
            .await
    }

    /// Watches from `options.resource_version` ("" from now, "0" everything first), with bookmarks.
    pub async fn watch(
        &self,
        kind: &'static Kind,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<WatchStream, Error> {
        self.watch_as(kind, namespace, options).await
    }

    /// The same with the objects as something else than JSON values.
    pub async fn watch_as<O: DeserializeOwned + 'static>(
        &self,
        kind: &'static Kind,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<WatchStream<O>, Error> {
        let mut query = options.query();
        query.add("watch", "true");
        query.add("allowWatchBookmarks", "true");
        let path = query.after(&kind.path(&part(namespace)?, ""));
        let response = self.checked(Method::GET, &path, None).await?;
        Ok(WatchStream::new(response.into_body()))
    }

    /// Opens a stream of bytes (a log) at a path.
    pub async fn open(&self, path_and_query: &str) -> Result<Body, Error> {
        let response = self.checked(Method::GET, path_and_query, None).await?;
        Ok(response.into_body())
    }

    /// Opens a two-way stream at a path.
    pub async fn tunnel(&self, path: &str) -> Result<Box<dyn Io>, Error> {
        self.transport.tunnel(path).await
    }

    /// Sends a request as it is; the answer may be a refusal, see [`check`].
    pub async fn raw(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<http::Response<Body>, Error> {
        let mut request = http::Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = path_and_query
            .parse()
            .map_err(|error| Error::Setup(format!("{path_and_query}: {error}")))?;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        if !headers.contains_key(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, self.user_agent.clone());
        }
        let line = format!("{} {path_and_query}", request.method());
        let response = self.send(request).await?;
        tracing::debug!(request = line, code = response.status().as_u16());
        self.note_warnings(response.headers());
        Ok(response)
    }

    /// Sends a request; a read that the server puts off (429, 503 with Retry-After) is sent again a few times.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, Error> {
        let mut tries = 1;
        loop {
            let response = self.transport.call(request.clone()).await?;
            match pause_asked_for(&response) {
                Some(pause) if request.method() == Method::GET && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(pause).await;
                }
                _ => return Ok(response),
            }
        }
    }

    fn note_warnings(&self, headers: &HeaderMap) {
        let found: Vec<String> = headers
            .get_all(header::WARNING)
            .iter()
            .filter_map(|value| warning(value.to_str().ok()?))
            .collect();
        if !found.is_empty() {
            let mut warnings = self
                .warnings
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            warnings.extend(found);
        }
    }

    async fn checked(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<http::Response<Body>, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, */*"),
        );
        let body = body.map_or_else(Bytes::new, |(media_type, body)| {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            body
        });
        check(self.raw(method, path, headers, body).await?).await
    }

    /// The whole of a successful answer.
    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Bytes, Error> {
        let answer = self.checked(method, path, body).await?;
        answer.into_body().bytes().await
    }

    async fn json<O: DeserializeOwned>(
        &self,
        kind: &Kind,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<O, Error> {
        let bytes = self.bytes(method, path, body).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::Decode(format!("{}: {error}", kind.kind)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}

/// An answer that is a success; any other becomes the error it stands for.
pub async fn check(response: http::Response<Body>) -> Result<http::Response<Body>, Error> {
    let code = response.status();
    if code.is_success() {
        return Ok(response);
    }
    let bytes = response.into_body().bytes().await.unwrap_or_default();
    let status = serde_json::from_slice::<Status>(&bytes)
        .ok()
        .filter(|status| status.kind == "Status" && status.code != 0);
    Err(status.unwrap_or_else(|| status_of(code, &bytes)).into())
}

/// A refusal by something that does not speak the API, such as a proxy.
fn status_of(code: http::StatusCode, body: &[u8]) -> Status {
    if code == http::StatusCode::UNAUTHORIZED {
        return Status::unauthorized();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    let text = text.trim();
    let message = if text.is_empty() {
        format!("the server answered {code}")
    } else {
        format!("the server answered {code}: {text}")
    };
    let reason = match code.as_u16() {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        _ => "",
    };
    Status::failure(code.as_u16(), reason, message)
}

fn pause_asked_for<B>(response: &http::Response<B>) -> Option<Duration> {
    if !matches!(response.status().as_u16(), 429 | 503) {
        return None;
    }
    let value = response.headers().get(header::RETRY_AFTER)?;
    let seconds = value.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// The text of `299 - "text"`.
fn warning(value: &str) -> Option<String> {
    let (_, quoted) = value.split_once('"')?;
    let text = quoted.rsplit_once('"').map_or(quoted, |(text, _)| text);
    Some(text.replace("\\\"", "\""))
}

/// A name as one part of a path.
fn part(name: &str) -> Result<String, Error> {
    if matches!(name, "." | "..") {
        let message = format!("invalid resource name {name:?}: [may not be '{name}']");
        return Err(Error::Setup(message));
    }
    Ok(request::escaped(name))
}

/// The path of one object; a name that would make it the path of something else is refused.
fn path(kind: &Kind, key: &Key, subresource: Option<&str>) -> Result<String, Error> {
    if key.name.is_empty() {
        return Err(Error::Setup("resource name may not be empty".to_owned()));
    }
    let path = kind.path(&part(&key.namespace)?, &part(&key.name)?);
    Ok(match subresource {
        Some(subresource) => format!("{path}/{subresource}"),
        None => path,
    })
}

fn patch_body(patch: &Patch) -> (&'static str, Bytes) {
    (patch.media_type(), Bytes::from(patch.body().to_string()))
}

fn json_body(value: &Value) -> (&'static str, Bytes) {
    ("application/json", Bytes::from(value.to_string()))
}

/// An object as a view.
pub fn decode<T: Typed>(object: Value) -> Result<T, Error> {
    serde_json::from_value(object)
        .map_err(|error| Error::Decode(format!("{}: {error}", T::KIND.kind)))
}

#[cfg(test)]
mod tests;
