//! The OCI distribution API at `/v2/`: blobs by digest, images by manifest, tags.
//!
//! A repository is `NAMESPACE/NAME`, where the name is an application's or an image stream's. Content is streamed to
//! and from the disk, never held whole. A blob is readable only through a repository that links it (`repositories`);
//! `uploads` holds what is on its way in. A manifest is a blob too; `images` writes the objects that it stands for, and
//! tags are read off the image stream.

mod access;
mod images;
mod manifests;
mod repositories;
mod seeding;
mod sources;
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
use crate::apiserver::request::decode;
use crate::apiserver::response::Response;
use crate::base::text;
use crate::content::blobs::Digest;

pub(super) use images::adopt;
pub(super) use images::change_stream;
pub(super) use images::follow_own_tags;
pub(super) use images::own_tag;
pub(super) use images::reference;
pub(super) use images::set_condition;
pub(super) use images::set_tag;
pub(super) use repositories::Repositories;
pub(super) use seeding::seed;
pub(super) use sources::keep_source;
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
    /// By tag or by digest.
    Manifest(Repository, &'a str),
    Tags(Repository),
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
        Target::Manifest(repository, reference) if call.is_read() => {
            call.manifest(&repository, reference)
        }
        Target::Manifest(repository, reference) => call.put(&repository, reference, body).await,
        Target::Tags(repository) => call.tags(&repository),
        Target::Nothing => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "NAME_UNKNOWN",
            "no such repository: a name is NAMESPACE/NAME",
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
        [namespace, name, "manifests", reference] => {
            repository(namespace, name).map(|found| Target::Manifest(found, reference))
        }
        [namespace, name, "tags", "list"] => repository(namespace, name).map(Target::Tags),
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
        if let Some(mounted) = self.mount(&repository).await? {
            return Ok(mounted);
        }
        let uploads = self.api.uploads();
        self.check_room()?;
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
                self.check_room()?;
                let received = uploads.append(id, repository, self.start()?, body).await?;
                Ok(progress(StatusCode::ACCEPTED, repository, id, received))
            }
            Method::PUT => {
                let digest = self.parameter("digest").ok_or_else(|| {
                    let message = "the query parameter digest is missing";
                    Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
                })?;
                let digest = parse_digest(&digest)?;
                self.check_room()?;
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
            .commit(id, repository, Some(digest), self.api.repositories())
            .await?;
        Ok(created(repository, "blobs", digest.as_str(), digest))
    }

    /// Takes a blob over from another repository that the caller may read; none when it has to be uploaded after all.
    async fn mount(&self, repository: &Repository) -> Result<Option<Response>, Refusal> {
        let (Some(digest), Some(from)) = (self.parameter("mount"), self.parameter("from")) else {
            return Ok(None);
        };
        let digest = parse_digest(&digest)?;
        let path = format!("/v2/{from}/blobs/{digest}");
        let Target::Blob(source, _) = target(&path) else {
            return Ok(None);
        };
        let readable = access::check_read(self.api, self.identity, &source, &digest).is_ok();
        let (api, into, blob) = (self.api.clone(), repository.clone(), digest.clone());
        let gate = self.api.uploads().gate.clone().read_owned().await;
        let linked = readable
            && off_thread(move || {
                let _gate = gate;
                let links = api.repositories();
                let there =
                    links.touch(&source, &blob, api.clock().now()) && api.blobs().contains(&blob);
                if there {
                    links.link(&into, &blob)?;
                }
                Ok(there)
            })
            .await?;
        Ok(linked.then(|| created(repository, "blobs", digest.as_str(), &digest)))
    }

    /// GET and HEAD of a manifest.
    fn manifest(&self, repository: &Repository, reference: &str) -> Result<Response, Refusal> {
        let unknown = || {
            let message = format!("{} has no image {reference}", repository.path());
            Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", message)
        };
        let digest: Digest = if reference.contains(':') {
            parse_digest(reference)?
        } else {
            access::check_stream(self.api, self.identity, repository)?;
            let stream = images::stream(self.api, repository).ok_or_else(unknown)?;
            let item = stream.latest(reference).ok_or_else(unknown)?;
            item.image.parse().map_err(|_| unknown())?
        };
        access::check_read(self.api, self.identity, repository, &digest)?;
        let links = self.api.repositories();
        let image = images::image(self.api, &digest).ok_or_else(unknown)?;
        if !links.touch(repository, &digest, self.api.clock().now()) {
            return Err(unknown());
        }
        let bytes = std::fs::read(self.api.blobs().path(&digest)).map_err(|_| unknown())?;
        let mut response = empty(StatusCode::OK);
        set(
            &mut response,
            header::CONTENT_LENGTH,
            &bytes.len().to_string(),
        );
        set(
            &mut response,
            header::CONTENT_TYPE,
            &image.docker_image_manifest_media_type,
        );
        set(&mut response, DIGEST_HEADER, digest.as_str());
        if *self.method != Method::HEAD {
            *response.body_mut() = Body::from(bytes);
        }
        Ok(response)
    }

    /// PUT of a manifest under a tag or under its own digest.
    async fn put(
        &self,
        repository: &Repository,
        reference: &str,
        body: Body,
    ) -> Result<Response, Refusal> {
        if *self.method != Method::PUT {
            return Err(unsupported());
        }
        access::check_write(self.api, self.identity, repository)?;
        let invalid =
            |message: String| Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message);
        let bytes = axum::body::to_bytes(body, manifests::LIMIT)
            .await
            .map_err(|error| invalid(format!("the manifest cannot be taken: {error}")))?;
        let digest = Digest::of(&bytes);
        let tag = (!reference.contains(':')).then_some(reference);
        match tag {
            None if parse_digest(reference)? != digest => {
                let message = format!("the manifest is {digest}, not {reference}");
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "DIGEST_INVALID",
                    message,
                ));
            }
            Some(tag) if !is_tag(tag) => {
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    "TAG_INVALID",
                    format!("{tag:?} is not a tag: at most 128 letters, digits, '_', '.' and '-'"),
                ));
            }
            _ => {}
        }
        let media_type = crate::apiserver::body::media_type(self.headers);
        let manifest = manifests::parse(&media_type, &bytes).map_err(invalid)?;
        self.keep(repository, &digest, bytes, manifest.clone())
            .await?;
        images::make_image(self.api, repository, &digest, &manifest).await?;
        if let Some(tag) = tag {
            let item = images::pushed(repository, &digest, self.api.clock().now());
            let (namespace, stream) = (&repository.namespace, &repository.application);
            images::change_stream(self.api, namespace, stream, |object| {
                images::set_tag(object, tag, item.clone());
                Ok(())
            })
            .await
            .map_err(|status| images::failed(&status))?;
        }
        Ok(created(repository, "manifests", reference, &digest))
    }

    /// Keeps a manifest as a blob of its repository, if everything that it names is there.
    async fn keep(
        &self,
        repository: &Repository,
        digest: &Digest,
        bytes: bytes::Bytes,
        manifest: manifests::Manifest,
    ) -> Result<(), Refusal> {
        let (api, repository, digest) = (self.api.clone(), repository.clone(), digest.clone());
        let gate = self.api.uploads().gate.clone().read_owned().await;
        let missing = off_thread(move || {
            let _gate = gate;
            let now = api.clock().now();
            let blobs = manifest.config.iter().chain(&manifest.layers);
            for part in blobs.chain(&manifest.images) {
                let linked = api.repositories().touch(&repository, &part.digest, now);
                let is_here = linked && api.blobs().size(&part.digest).ok() == Some(part.size);
                if !is_here && !part.is_foreign() {
                    return Ok(Some(part.digest.clone()));
                }
            }
            api.blobs().put(&bytes)?;
            api.repositories().link(&repository, &digest)?;
            Ok(None)
        });
        match missing.await? {
            None => Ok(()),
            Some(blob) => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "MANIFEST_BLOB_UNKNOWN",
                format!("the repository has no blob {blob} of the size that the manifest says"),
            )),
        }
    }

    fn tags(&self, repository: &Repository) -> Result<Response, Refusal> {
        if !self.is_read() {
            return Err(unsupported());
        }
        access::check_stream(self.api, self.identity, repository)?;
        let Some(stream) = images::stream(self.api, repository) else {
            let message = format!("there is no repository {}", repository.path());
            return Err(Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", message));
        };
        let mut tags: Vec<&str> = stream
            .status
            .tags
            .iter()
            .map(|one| one.tag.as_str())
            .collect();
        tags.sort_unstable();
        let name = format!("{}/{}", repository.namespace, repository.application);
        let body = json!({"name": name, "tags": tags});
        Ok(json_answer(StatusCode::OK, &body.to_string()))
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

    /// Refuses what says that it is larger than the disk has room for, before any of it is read.
    fn check_room(&self) -> Result<(), Refusal> {
        let announced = self.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let room = Room::of(self.api);
        if announced.is_none_or(|size| size <= room.bytes()) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "STORAGE_FULL",
            room.refusal("image"),
        ))
    }

    /// A parameter of the query: a digest or a repository.
    fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(found, _)| *found == name)
            .and_then(|(_, value)| decode(value))
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

/// What uploads must leave free on the disk.
const RESERVE: u64 = 64 << 20;

/// What the disk with the blobs has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    free: u64,
}

impl Room {
    pub(super) fn of(api: &Api) -> Room {
        let free = nix::sys::statvfs::statvfs(api.content()).map_or(u64::MAX, |disk| {
            disk.blocks_available().saturating_mul(disk.fragment_size())
        });
        Room { free }
    }

    /// How long an upload may be.
    pub(super) fn bytes(self) -> u64 {
        self.free.saturating_sub(RESERVE)
    }

    /// Why an upload of `what` is not taken, and what helps.
    pub(super) fn refusal(self, what: &str) -> String {
        format!(
            "{what} too large for the server's disk: {} free, of which {} stay free; make room and try again",
            text::size(self.free),
            text::size(RESERVE)
        )
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

/// 401 as clients of registries understand it: send the name of anybody and a token as the password.
pub(super) fn unauthorized() -> Response {
    let message = "send any user name and a token as the password";
    let mut response = Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message).answer();
    set(
        &mut response,
        header::WWW_AUTHENTICATE,
        "Basic realm=\"upshift\"",
    );
    set(
        &mut response,
        "docker-distribution-api-version",
        "registry/2.0",
    );
    response
}

/// Runs what waits for the disk.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|error| disk(&error))
}

/// Whether a text may be a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte))
}

fn created(repository: &Repository, what: &str, name: &str, digest: &Digest) -> Response {
    let mut response = empty(StatusCode::CREATED);
    let place = format!("{}/{what}/{name}", repository.path());
    set(&mut response, header::LOCATION, &place);
    set(&mut response, DIGEST_HEADER, digest.as_str());
    response
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
