//! The OCI distribution API at `/v2/`: blobs by digest, as far as bundles and logs need it.
//!
//! A repository is `NAMESPACE/APPLICATION`. Content is streamed to and from the disk, never held whole. A blob is
//! readable only through a repository that links it (`repositories`); `uploads` holds what is on its way in. There are
//! no manifests and tags yet.

mod access;
mod repositories;
mod uploads;

use axum::body::Body;
use http::HeaderMap;
use http::Method;
use http::StatusCode;
use http::header;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncSeekExt;
use tokio_util::io::ReaderStream;

use crate::apiserver::Api;
use crate::apiserver::authentication::Identity;
use crate::apiserver::response::Response;
use crate::content::blobs::Digest;

pub(super) use repositories::Repositories;
pub(super) use uploads::Uploads;

const DIGEST_HEADER: &str = "docker-content-digest";
const UPLOAD_HEADER: &str = "docker-upload-uuid";
/// What is read from the disk at once.
const PIECE: usize = 128 * 1024;

/// `NAMESPACE/APPLICATION`; both are plain names, so that they are safe as folders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Repository {
    namespace: String,
    application: String,
}

impl Repository {
    fn path(&self) -> String {
        format!("/v2/{}/{}", self.namespace, self.application)
    }
}

/// What a path below `/v2/` names.
#[derive(Debug, PartialEq)]
enum Target<'a> {
    Ping,
    Blob(Repository, &'a str),
    NewUpload(Repository),
    Upload(Repository, &'a str),
    Nothing,
}

/// A refusal in the form of the OCI distribution specification.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// How much of an upload is here, when that is the matter.
    received: Option<u64>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code,
            message: message.into(),
            received: None,
        }
    }

    fn answer(&self) -> Response {
        let body = json!({"errors": [{"code": self.code, "message": self.message}]});
        let mut response = json_answer(self.status, &body.to_string());
        if let Some(received) = self.received {
            set(&mut response, header::RANGE, &range(received));
        }
        response
    }
}

/// Answers a request below `/v2/`; anonymous ones never come here.
pub(super) async fn serve(
    api: &Api,
    identity: &Identity,
    request: http::Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let call = Call {
        api,
        identity,
        method: &parts.method,
        headers: &parts.headers,
        query: parts.uri.query().unwrap_or_default(),
    };
    let answered = match target(parts.uri.path()) {
        Target::Ping => call.ping(),
        Target::Blob(repository, digest) => call.blob(&repository, digest).await,
        Target::NewUpload(repository) => call.begin(repository, body).await,
        Target::Upload(repository, id) => call.upload(&repository, id, body).await,
        Target::Nothing => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "NAME_UNKNOWN",
            "no such repository: a name is NAMESPACE/APPLICATION",
        )),
    };
    let mut response = answered.unwrap_or_else(|refusal| refusal.answer());
    set(
        &mut response,
        "docker-distribution-api-version",
        "registry/2.0",
    );
    response
}

fn target(path: &str) -> Target<'_> {
    let parts: Vec<&str> = path.split('/').skip(2).collect();
    let repository = |namespace: &str, application: &str| {
        (is_name(namespace) && is_name(application)).then(|| Repository {
            namespace: namespace.to_owned(),
            application: application.to_owned(),
        })
    };
    let found = match parts.as_slice() {
        [] | [""] => Some(Target::Ping),
        [namespace, application, "blobs", "uploads"]
        | [namespace, application, "blobs", "uploads", ""] => {
            repository(namespace, application).map(Target::NewUpload)
        }
        [namespace, application, "blobs", "uploads", id] => {
            repository(namespace, application).map(|found| Target::Upload(found, id))
        }
        [namespace, application, "blobs", digest] => {
            repository(namespace, application).map(|found| Target::Blob(found, digest))
        }
        _ => None,
    };
    found.unwrap_or(Target::Nothing)
}

fn is_name(text: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 253
        && text
            .bytes()
            .all(|byte| is_edge(byte) || b"-.".contains(&byte))
        && text.bytes().next().is_some_and(is_edge)
}

/// A request below `/v2/` without its body.
struct Call<'a> {
    api: &'a Api,
    identity: &'a Identity,
    method: &'a Method,
    headers: &'a HeaderMap,
    query: &'a str,
}

impl Call<'_> {
    fn ping(&self) -> Result<Response, Refusal> {
        if !self.is_read() {
            return Err(unsupported());
        }
        Ok(json_answer(StatusCode::OK, "{}"))
    }

    fn is_read(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    async fn blob(&self, repository: &Repository, digest: &str) -> Result<Response, Refusal> {
        if !self.is_read() {
            return Err(unsupported());
        }
        let digest = parse_digest(digest)?;
        access::check_read(self.api, self.identity, repository, &digest)?;
        let links = self.api.repositories();
        let unknown = || {
            let message = format!("{} has no blob {digest}", repository.path());
            Refusal::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", message)
        };
        if !links.touch(repository, &digest, self.api.clock().now()) {
            return Err(unknown());
        }
        let file = self.api.blobs().open_blob(&digest).map_err(|_| unknown())?;
        let size = file.metadata().map_err(|error| disk(&error))?.len();
        let asked = self
            .headers
            .get(header::RANGE)
            .and_then(|value| value.to_str().ok());
        let (status, from, to) = match wanted(asked, size) {
            Wanted::All => (StatusCode::OK, 0, size),
            Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
            Wanted::Nothing => return Err(beyond(size)),
        };
        let body = if *self.method == Method::HEAD {
            Body::empty()
        } else {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(std::io::SeekFrom::Start(from))
                .await
                .map_err(|error| disk(&error))?;
            Body::from_stream(ReaderStream::with_capacity(file.take(to - from), PIECE))
        };
        let mut response = empty(status);
        *response.body_mut() = body;
        if status == StatusCode::PARTIAL_CONTENT {
            let place = format!("bytes {from}-{}/{size}", to - 1);
            set(&mut response, header::CONTENT_RANGE, &place);
        }
        set(
            &mut response,
            header::CONTENT_LENGTH,
            &(to - from).to_string(),
        );
        set(
            &mut response,
            header::CONTENT_TYPE,
            "application/octet-stream",
        );
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, DIGEST_HEADER, digest.as_str());
        Ok(response)
    }

    async fn begin(&self, repository: Repository, body: Body) -> Result<Response, Refusal> {
        if *self.method != Method::POST {
            return Err(unsupported());
        }
        access::check_write(self.api, self.identity, &repository)?;
        repositories::sweep_now_and_then(self.api);
        let uploads = self.api.uploads();
        let id = uploads.begin(self.api.blobs(), &repository)?;
        if let Some(digest) = self.parameter("digest") {
            let digest = parse_digest(&digest)?;
            uploads.append(&id, &repository, None, body).await?;
            return self.finish(&repository, &id, &digest).await;
        }
        Ok(progress(StatusCode::ACCEPTED, &repository, &id, 0))
    }

    async fn upload(
        &self,
        repository: &Repository,
        id: &str,
        body: Body,
    ) -> Result<Response, Refusal> {
        access::check_write(self.api, self.identity, repository)?;
        let uploads = self.api.uploads();
        match *self.method {
            Method::GET | Method::HEAD => {
                let received = uploads.received(id, repository)?;
                Ok(progress(StatusCode::NO_CONTENT, repository, id, received))
            }
            Method::PATCH => {
                let received = uploads.append(id, repository, self.start()?, body).await?;
                Ok(progress(StatusCode::ACCEPTED, repository, id, received))
            }
            Method::PUT => {
                let digest = self.parameter("digest").ok_or_else(|| {
                    let message = "the query parameter digest is missing";
                    Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
                })?;
                let digest = parse_digest(&digest)?;
                uploads.append(id, repository, self.start()?, body).await?;
                self.finish(repository, id, &digest).await
            }
            Method::DELETE => {
                uploads.cancel(id, repository)?;
                Ok(empty(StatusCode::NO_CONTENT))
            }
            _ => Err(unsupported()),
        }
    }

    async fn finish(
        &self,
        repository: &Repository,
        id: &str,
        digest: &Digest,
    ) -> Result<Response, Refusal> {
        let uploads = self.api.uploads();
        uploads
            .commit(id, repository, digest, self.api.repositories())
            .await?;
        let mut response = empty(StatusCode::CREATED);
        let place = format!("{}/blobs/{digest}", repository.path());
        set(&mut response, header::LOCATION, &place);
        set(&mut response, DIGEST_HEADER, digest.as_str());
        Ok(response)
    }

    /// Where the sender says that this piece begins.
    fn start(&self) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.headers.get(header::CONTENT_RANGE) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        let text = text.strip_prefix("bytes ").unwrap_or(text);
        let start = text.split('-').next().unwrap_or_default();
        start.parse().map(Some).map_err(|_| {
            let message = format!("Content-Range {text:?} is not START-END");
            Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message)
        })
    }

    /// A parameter of the query; digests are the only ones, and `:` is all that may be escaped in them.
    fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value.replace("%3A", ":").replace("%3a", ":"))
    }
}

/// The part of a blob that a `Range` header asks for.
#[derive(Debug, PartialEq)]
enum Wanted {
    All,
    /// From the first byte to the one after the last.
    Part(u64, u64),
    Nothing,
}

/// Several ranges or another unit are answered with everything, as HTTP allows.
fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((from, to)) = header
        .and_then(|value| value.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let (from, to) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => (from, to.saturating_add(1).min(size)),
        (Ok(from), Err(_)) if to.is_empty() => (from, size),
        (Err(_), Ok(last)) if from.is_empty() => (size.saturating_sub(last), size),
        _ => return Wanted::All,
    };
    if from < to {
        Wanted::Part(from, to)
    } else {
        Wanted::Nothing
    }
}

fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|_| {
        let message = format!("{text:?} is not a digest: sha256 and 64 hexadecimal digits");
        Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    })
}

fn unsupported() -> Refusal {
    let message = "the registry does not do that here";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", message)
}

fn beyond(size: u64) -> Refusal {
    let message = format!("the range lies beyond the blob's {size} bytes");
    Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message)
}

/// What the disk's refusal means to the caller.
fn disk(error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    ) {
        let message = "the server's disk is full; nothing of the blob was kept";
        return Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL", message);
    }
    tracing::error!(%error, "the blobs cannot be read or written");
    let message = format!("the server's disk failed: {error}");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", message)
}

fn progress(status: StatusCode, repository: &Repository, id: &str, received: u64) -> Response {
    let mut response = empty(status);
    let place = format!("{}/blobs/uploads/{id}", repository.path());
    set(&mut response, header::LOCATION, &place);
    set(&mut response, header::RANGE, &range(received));
    set(&mut response, UPLOAD_HEADER, id);
    response
}

/// `0-LAST`; an empty upload says `0-0`, as registries do, and `0--1` cannot be said.
fn range(received: u64) -> String {
    format!("0-{}", received.saturating_sub(1))
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn json_answer(status: StatusCode, text: &str) -> Response {
    let mut response = empty(status);
    *response.body_mut() = Body::from(text.to_owned());
    set(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

fn set(response: &mut Response, name: impl header::IntoHeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests;
