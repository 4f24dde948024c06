//! Blobs by digest: is it there, bring it up, fetch it; large ones in pieces, broken ones resumed, all of them checked.
//! Manifests by tag or digest.
//!
//! No blob is held whole: an upload reads a piece of its source at a time, a download passes on what comes. A download may
//! take as long as it takes while bytes come; one that is silent is begun again where it was.

mod limits;

use std::future::Future;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::StatusCode;
use http::header;
use serde_json::Value;
use tokio::sync::SemaphorePermit;

use crate::api::status::Status;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client;
use crate::client::Body;
use crate::client::Client;
use crate::content::blobs::Digest;
use crate::content::blobs::Hasher;

pub use limits::Limits;

/// What one request of an upload carries.
const PIECE: u64 = 8 << 20;
/// How often in a row something may break without any progress.
const TRIES: u32 = 6;
/// The forms of manifests that are understood.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a download may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// What is taken to the disk, and counted against the line, at a time.
const PORTION: usize = 64 << 10;

/// Why a blob is not where it was wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry has no such blob, or not for this caller.
    #[error("the registry has no blob {0} for this caller")]
    Missing(Digest),
    /// What came is not what was asked for.
    #[error("blob {0} is damaged: its content has another digest")]
    Damaged(Digest),
    /// The registry has no such image, or not for this caller.
    #[error("the registry has no image {0} for this caller")]
    NoImage(String),
    /// The local side failed: a full disk, a file that went away.
    #[error("blob {digest}: {source}")]
    Local { digest: Digest, source: io::Error },
    #[error(transparent)]
    Client(#[from] client::Error),
}

/// A manifest as the registry has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: String,
    pub digest: Digest,
    pub bytes: Bytes,
}

/// The blobs of one server; a cheap clone.
#[derive(Clone, Debug)]
pub struct Registry {
    client: Client,
    limits: Arc<Limits>,
    silence: Duration,
}

impl Registry {
    /// The registry of the client's server.
    pub fn new(client: Client) -> Registry {
        Registry {
            client,
            limits: Arc::default(),
            silence: SILENCE,
        }
    }

    /// The same under limits, which its clones share.
    pub fn limited(self, limits: Limits) -> Registry {
        let limits = Arc::new(limits);
        Registry { limits, ..self }
    }

    /// The same, which takes a download for broken after that time without a byte.
    pub fn with_silence(self, silence: Duration) -> Registry {
        Registry { silence, ..self }
    }

    /// What its downloads may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether `repository` (`NAMESPACE/APPLICATION`) has that blob.
    pub async fn contains(&self, repository: &str, digest: &Digest) -> Result<bool, Error> {
        let path = blob_path(repository, digest);
        let response = self
            .send(Method::HEAD, &path, HeaderMap::new(), Bytes::new())
            .await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(response).await),
        }
    }

    /// Brings a blob up, unless it is there; returns whether anything was sent.
    pub async fn upload(
        &self,
        repository: &str,
        source: &mut (impl Read + Seek + Send),
        digest: &Digest,
        size: u64,
    ) -> Result<bool, Error> {
        let mut pauses = Pauses::new();
        loop {
            let outcome = match self.contains(repository, digest).await {
                Ok(true) => return Ok(pauses.sent),
                Ok(false) => {
                    let upload = Upload {
                        registry: self,
                        repository,
                        digest,
                        size,
                    };
                    upload.run(source, &mut pauses).await
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => return Ok(true),
                Err(error) => pauses.after(error).await?,
            }
        }
    }

    /// How many bytes a blob has.
    pub async fn size(&self, repository: &str, digest: &Digest) -> Result<u64, Error> {
        let path = blob_path(repository, digest);
        let mut pauses = Pauses::new();
        loop {
            let asked = self.send(Method::HEAD, &path, HeaderMap::new(), Bytes::new());
            let error = match self.unless_silent(asked).await {
                Ok(response) => {
                    match (response.status(), number(&response, header::CONTENT_LENGTH)) {
                        (StatusCode::OK, Some(size)) => return Ok(size),
                        (StatusCode::OK, None) => {
                            let message = "a blob without a size".to_owned();
                            client::Error::Decode(message).into()
                        }
                        (StatusCode::NOT_FOUND, _) => return Err(Error::Missing(digest.clone())),
                        _ => refusal(response).await,
                    }
                }
                Err(error) => error,
            };
            pauses.after(error).await?;
        }
    }

    /// Fetches a blob into `into`, going on where a connection broke; an error may leave a part of it there.
    pub async fn download(
        &self,
        repository: &str,
        digest: &Digest,
        into: &mut (impl Write + Send),
    ) -> Result<u64, Error> {
        let _place = self.limits.place().await;
        let mut hasher = Hasher::default();
        let mut bytes = 0;
        let mut take = |chunk: &[u8]| {
            into.write_all(chunk)?;
            hasher.update(chunk);
            bytes += chunk.len() as u64;
            Ok(())
        };
        self.fetch(repository, digest, 0..u64::MAX, &mut take)
            .await?;
        if hasher.finish() != *digest {
            return Err(Error::Damaged(digest.clone()));
        }
        into.flush().map_err(|source| local(digest, source))?;
        Ok(bytes)
    }

    /// A place among the downloads, for whoever fetches a blob part by part.
    pub async fn place(&self) -> SemaphorePermit<'_> {
        self.limits.place().await
    }

    /// Hands over the bytes of a part of a blob in order, going on where a connection broke. Nothing is checked.
    pub async fn fetch(
        &self,
        repository: &str,
        digest: &Digest,
        span: Range<u64>,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), Error> {
        let mut fetched = Fetched {
            digest,
            take,
            at: span.start,
            end: span.end,
        };
        let mut pauses = Pauses::new();
        loop {
            let before = fetched.at;
            let outcome = self.fetch_once(repository, &mut fetched).await;
            if fetched.at > before {
                pauses.progress();
            }
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => pauses.after(error).await?,
            }
        }
    }

    /// Makes a blob of repository `from` one of `repository` without moving it; false when it has to be uploaded.
    pub async fn mount(
        &self,
        repository: &str,
        digest: &Digest,
        from: &str,
    ) -> Result<bool, Error> {
        let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        let response = self
            .send(Method::POST, &path, HeaderMap::new(), Bytes::new())
            .await?;
        match response.status() {
            StatusCode::CREATED => Ok(true),
            StatusCode::ACCEPTED => {
                // The upload that the server began instead is not wanted.
                let place = location(&response)?;
                self.send(Method::DELETE, &place, HeaderMap::new(), Bytes::new())
                    .await?;
                Ok(false)
            }
            _ => Err(refusal(response).await),
        }
    }

    /// Makes a manifest, whose blobs are all there, an image of `repository`: under a tag, or under its digest alone.
    pub async fn push_manifest(
        &self,
        repository: &str,
        tag_or_digest: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, Error> {
        let path = format!("/v2/{repository}/manifests/{tag_or_digest}");
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value(media_type));
        let mut pauses = Pauses::new();
        loop {
            let sent = self
                .send(Method::PUT, &path, headers.clone(), bytes.clone())
                .await;
            let error = match sent {
                Ok(response) if response.status() == StatusCode::CREATED => {
                    return Ok(Digest::of(&bytes));
                }
                Ok(response) => refusal(response).await,
                Err(error) => error,
            };
            pauses.after(error).await?;
        }
    }

    /// Fetches a manifest by tag or digest.
    pub async fn manifest(&self, repository: &str, reference: &str) -> Result<Manifest, Error> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(MANIFESTS));
        let mut pauses = Pauses::new();
        loop {
            let error = match self.fetch_manifest(&path, headers.clone()).await {
                Ok(Some(manifest)) => {
                    return match reference.parse::<Digest>() {
                        Ok(digest) if digest != manifest.digest => Err(Error::Damaged(digest)),
                        _ => Ok(manifest),
                    };
                }
                Ok(None) => return Err(Error::NoImage(format!("{repository}:{reference}"))),
                Err(error) => error,
            };
            pauses.after(error).await?;
        }
    }

    async fn fetch_manifest(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Option<Manifest>, Error> {
        let response = self.send(Method::GET, path, headers, Bytes::new()).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(refusal(response).await),
        }
        let media_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let bytes = response.into_body().bytes().await?;
        Ok(Some(Manifest {
            media_type,
            digest: Digest::of(&bytes),
            bytes,
        }))
    }

    /// One request for what is still missing.
    async fn fetch_once(&self, repository: &str, fetched: &mut Fetched<'_>) -> Result<(), Error> {
        if fetched.at >= fetched.end {
            return Ok(());
        }
        let mut headers = HeaderMap::new();
        if fetched.end < u64::MAX {
            let range = format!("bytes={}-{}", fetched.at, fetched.end - 1);
            headers.insert(header::RANGE, value(&range));
        } else if fetched.at > 0 {
            headers.insert(header::RANGE, value(&format!("bytes={}-", fetched.at)));
        }
        let path = blob_path(repository, fetched.digest);
        let asked = self.send(Method::GET, &path, headers, Bytes::new());
        let response = self.unless_silent(asked).await?;
        // A server that does not know ranges sends everything again.
        let mut skip = match response.status() {
            StatusCode::OK => fetched.at,
            StatusCode::PARTIAL_CONTENT => 0,
            // Everything was here already when the connection broke.
            StatusCode::RANGE_NOT_SATISFIABLE if fetched.at > 0 && fetched.end == u64::MAX => {
                return Ok(());
            }
            StatusCode::NOT_FOUND => return Err(Error::Missing(fetched.digest.clone())),
            _ => return Err(refusal(response).await),
        };
        let announced = number(&response, header::CONTENT_LENGTH);
        let mut came = 0;
        let mut body = response.into_body();
        while fetched.at < fetched.end {
            let next = async { body.chunk().await.transpose().map_err(Error::from) };
            let Some(chunk) = self.unless_silent(next).await? else {
                break;
            };
            came += chunk.len() as u64;
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            for portion in chunk[skipped..].chunks(PORTION) {
                self.limits.took(portion.len()).await;
                fetched.take(portion)?;
            }
        }
        let is_cut = if fetched.end < u64::MAX {
            fetched.at < fetched.end
        } else {
            announced.is_some_and(|announced| came < announced)
        };
        if is_cut {
            let expected = announced.map_or_else(String::new, |all| format!(" of {all}"));
            let message = format!("{came}{expected} bytes came");
            return Err(client::Error::Interrupted(message).into());
        }
        Ok(())
    }

    /// Waits for a sign of life, but not for ever.
    async fn unless_silent<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if let Ok(done) = tokio::time::timeout(self.silence, work).await {
            return done;
        }
        let seconds = self.silence.as_secs();
        let message = format!("no byte came for {seconds} s");
        Err(client::Error::Interrupted(message).into())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Body>, Error> {
        Ok(self.client.raw(method, path, headers, body).await?)
    }
}

/// What has come of a download.
struct Fetched<'a> {
    digest: &'a Digest,
    take: &'a mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    /// The next byte that is wanted.
    at: u64,
    /// The one after the last; `u64::MAX` for the blob's end.
    end: u64,
}

impl Fetched<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let chunk = &chunk[..chunk.len().min(most)];
        (self.take)(chunk).map_err(|source| local(self.digest, source))?;
        self.at += chunk.len() as u64;
        Ok(())
    }
}

/// One upload from its begin to its commit.
struct Upload<'a> {
    registry: &'a Registry,
    repository: &'a str,
    digest: &'a Digest,
    size: u64,
}

impl Upload<'_> {
    async fn run(
        &self,
        source: &mut (impl Read + Seek + Send),
        pauses: &mut Pauses,
    ) -> Result<(), Error> {
        let place = self.begin().await?;
        let mut at = 0;
        while at < self.size {
            let piece = self.piece(source, at)?;
            match self.push(&place, at, piece).await {
                Ok(received) => {
                    if received > at {
                        pauses.progress();
                    }
                    at = received;
                }
                Err(error) => {
                    pauses.after(error).await?;
                    // What came before the connection broke need not be sent again.
                    at = self.received(&place).await?;
                }
            }
        }
        let place = with_digest(&place, self.digest);
        let response = self
            .send(Method::PUT, &place, HeaderMap::new(), Bytes::new())
            .await?;
        match response.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(refusal(response).await),
        }
    }

    async fn begin(&self) -> Result<String, Error> {
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let response = self
            .send(Method::POST, &path, HeaderMap::new(), Bytes::new())
            .await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(refusal(response).await);
        }
        location(&response)
    }

    /// Sends a piece; answers where the next one begins.
    async fn push(&self, place: &str, at: u64, piece: Bytes) -> Result<u64, Error> {
        let end = at + piece.len() as u64;
        let mut headers = HeaderMap::new();
        let media_type = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.insert(header::CONTENT_RANGE, value(&format!("{at}-{}", end - 1)));
        let response = self.send(Method::PATCH, place, headers, piece).await?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(end),
            // The server has more or less than we thought, and says how much.
            StatusCode::RANGE_NOT_SATISFIABLE => self.received(place).await,
            _ => Err(refusal(response).await),
        }
    }

    async fn received(&self, place: &str) -> Result<u64, Error> {
        let response = self
            .send(Method::GET, place, HeaderMap::new(), Bytes::new())
            .await?;
        if response.status() != StatusCode::NO_CONTENT {
            return Err(refusal(response).await);
        }
        let range = response.headers().get(header::RANGE);
        let last = range
            .and_then(|value| value.to_str().ok()?.rsplit('-').next()?.parse().ok())
            .unwrap_or(0_u64);
        if last == 0 {
            // `0-0` says both one byte and none: begin anew.
            let message = "the server cannot say how much of the upload it has".to_owned();
            return Err(client::Error::Interrupted(message).into());
        }
        Ok((last + 1).min(self.size))
    }

    fn piece(&self, source: &mut (impl Read + Seek), at: u64) -> Result<Bytes, Error> {
        let mut piece = Vec::new();
        source
            .seek(SeekFrom::Start(at))
            .and_then(|_| {
                source
                    .take(PIECE.min(self.size - at))
                    .read_to_end(&mut piece)
            })
            .and_then(|read| {
                if read == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "it is shorter than it was",
                    ));
                }
                Ok(())
            })
            .map_err(|error| local(self.digest, error))?;
        Ok(piece.into())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Body>, Error> {
        self.registry.send(method, path, headers, body).await
    }
}

/// How long to wait after something broke, and when to stop trying.
struct Pauses {
    backoff: Backoff,
    failures: u32,
    /// Whether anything of a blob was taken.
    sent: bool,
}

impl Pauses {
    fn new() -> Pauses {
        Pauses {
            backoff: Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE),
            failures: 0,
            sent: false,
        }
    }

    fn progress(&mut self) {
        self.backoff.reset();
        self.failures = 0;
        self.sent = true;
    }

    /// Waits before the next try, or gives the error back when there is no point in one.
    async fn after(&mut self, error: Error) -> Result<(), Error> {
        self.failures += 1;
        let passes = match &error {
            Error::Client(error) => error.is_passing() || error.is_not_found(),
            Error::Missing(_) | Error::NoImage(_) | Error::Damaged(_) | Error::Local { .. } => {
                false
            }
        };
        if !passes || self.failures >= TRIES {
            return Err(error);
        }
        tracing::debug!(%error, failures = self.failures, "a transfer broke; going on");
        tokio::time::sleep(self.backoff.next(backoff::chance())).await;
        Ok(())
    }
}

fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

fn with_digest(place: &str, digest: &Digest) -> String {
    let joint = if place.contains('?') { '&' } else { '?' };
    format!("{place}{joint}digest={digest}")
}

/// The path of a `Location`, which may be a whole URL.
fn location(response: &http::Response<Body>) -> Result<String, Error> {
    response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok()?.parse::<http::Uri>().ok())
        .and_then(|uri| Some(uri.path_and_query()?.to_string()))
        .ok_or_else(|| client::Error::Decode("an upload without a place".to_owned()).into())
}

fn number(response: &http::Response<Body>, name: header::HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits, hyphens and media types")
}

fn local(digest: &Digest, source: io::Error) -> Error {
    Error::Local {
        digest: digest.clone(),
        source,
    }
}

/// The error that an answer stands for: a `Status`, or the form of the OCI specification.
async fn refusal(response: http::Response<Body>) -> Error {
    let code = response.status();
    let bytes = response.into_body().bytes().await.unwrap_or_default();
    let message = serde_json::from_slice::<Value>(&bytes)
        .ok()
        .and_then(|body| Some(body["errors"][0]["message"].as_str()?.to_owned()));
    let Some(message) = message else {
        let mut answer = http::Response::new(Body::whole(bytes));
        *answer.status_mut() = code;
        return match client::check(answer).await {
            Ok(_) => client::Error::Decode(format!("the registry answered {code}")).into(),
            Err(error) => error.into(),
        };
    };
    let reason = match code.as_u16() {
        403 => "Forbidden",
        404 => "NotFound",
        507 => "InsufficientStorage",
        _ => "",
    };
    client::Error::from(Status::failure(code.as_u16(), reason, message)).into()
}
