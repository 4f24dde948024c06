//! A file from anywhere on the web: streamed, checked by its digest, within limits. Not the API.

use std::fs::File;
use std::io;
use std::io::Seek;
use std::io::Write;
use std::time::Duration;

use http::StatusCode;
use http::header;

use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::text;
use crate::client::tls;
use crate::content::blobs::Digest;
use crate::content::blobs::Hasher;

const CONNECT: Duration = Duration::from_secs(30);
/// How long an answer may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How often in a row something may break without any progress.
const TRIES: u32 = 4;
const REDIRECTS: usize = 10;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Without credentials.
    pub url: &'a str,
    /// The value of an `Authorization` header, for the first host alone.
    pub authorization: Option<&'a str>,
    pub digest: &'a Digest,
    /// The most bytes that it may have.
    pub largest: u64,
}

/// Why a file is not here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}: there is no such file (404)")]
    NotFound(String),
    #[error("{url}: the server refuses it ({status})")]
    Refused { url: String, status: StatusCode },
    #[error("{url}: it is larger than {}", text::size(*.largest))]
    TooLarge { url: String, largest: u64 },
    #[error("{url}: it is {found}, not {expected}")]
    Mismatch {
        url: String,
        expected: Digest,
        found: Digest,
    },
    #[error("cannot fetch {url}: {why}")]
    Unreachable { url: String, why: String },
    #[error("cannot write what comes from {url}: {source}")]
    Disk { url: String, source: io::Error },
}

/// Fetches it into an empty file; the file is of no use after an error.
pub async fn fetch(wanted: &Wanted<'_>, into: &mut File) -> Result<u64, Error> {
    tls::provider();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("upshift/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::custom(redirect))
        .build()
        .map_err(|error| unreachable(wanted, &error))?;
    let mut coming = Coming {
        wanted,
        into,
        hasher: Hasher::default(),
        bytes: 0,
    };
    let mut pause = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut failures = 0;
    loop {
        let before = coming.bytes;
        let error = match coming.once(&client).await {
            Ok(()) => break,
            Err(Broken::For(error)) => return Err(error),
            Err(Broken::Now(error)) => error,
        };
        failures = if coming.bytes > before {
            1
        } else {
            failures + 1
        };
        if failures >= TRIES {
            return Err(error);
        }
        tracing::debug!(%error, failures, "going on");
        tokio::time::sleep(pause.next(backoff::chance())).await;
    }
    let bytes = coming.bytes;
    let found = coming.hasher.finish();
    if found != *wanted.digest {
        return Err(Error::Mismatch {
            url: wanted.url.to_owned(),
            expected: wanted.digest.clone(),
            found,
        });
    }
    Ok(bytes)
}

/// A secret place must not lead to an open one.
fn redirect(attempt: reqwest::redirect::Attempt) -> reqwest::redirect::Action {
    let was_tls = attempt.previous().iter().any(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS {
        attempt.error("it leads in circles")
    } else if was_tls && attempt.url().scheme() != "https" {
        attempt.error("it leads from https to http")
    } else {
        attempt.follow()
    }
}

/// Whether trying again may help.
enum Broken {
    Now(Error),
    For(Error),
}

struct Coming<'a> {
    wanted: &'a Wanted<'a>,
    into: &'a mut File,
    hasher: Hasher,
    bytes: u64,
}

impl Coming<'_> {
    /// One request for what is still missing.
    async fn once(&mut self, client: &reqwest::Client) -> Result<(), Broken> {
        let url = || self.wanted.url.to_owned();
        let mut request = client.get(self.wanted.url);
        if let Some(authorization) = self.wanted.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if self.bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", self.bytes));
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| {
            let is_final = error.is_redirect() || error.is_builder();
            let error = unreachable(self.wanted, &error);
            if is_final {
                Broken::For(error)
            } else {
                Broken::Now(error)
            }
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if self.bytes > 0 => {}
            StatusCode::OK => self.begin_anew().map_err(Broken::For)?,
            StatusCode::RANGE_NOT_SATISFIABLE if self.bytes > 0 => return Ok(()),
            StatusCode::NOT_FOUND => return Err(Broken::For(Error::NotFound(url()))),
            status => {
                let refused = Error::Refused { url: url(), status };
                let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                return Err(if is_busy {
                    Broken::Now(refused)
                } else {
                    Broken::For(refused)
                });
            }
        }
        let announced = response.content_length().unwrap_or_default();
        self.expect_room(announced)?;
        loop {
            let chunk = response.chunk().await;
            match chunk.map_err(|error| Broken::Now(unreachable(self.wanted, &error)))? {
                None => return Ok(()),
                Some(chunk) => {
                    self.expect_room(chunk.len() as u64)?;
                    self.into.write_all(&chunk).map_err(|source| {
                        let url = self.wanted.url.to_owned();
                        Broken::For(Error::Disk { url, source })
                    })?;
                    self.hasher.update(&chunk);
                    self.bytes += chunk.len() as u64;
                }
            }
        }
    }

    fn expect_room(&self, more: u64) -> Result<(), Broken> {
        let largest = self.wanted.largest;
        if self.bytes.saturating_add(more) > largest {
            let url = self.wanted.url.to_owned();
            return Err(Broken::For(Error::TooLarge { url, largest }));
        }
        Ok(())
    }

    /// The server sends everything.
    fn begin_anew(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        self.hasher = Hasher::default();
        let emptied = self.into.rewind().and_then(|()| self.into.set_len(0));
        emptied.map_err(|source| Error::Disk {
            url: self.wanted.url.to_owned(),
            source,
        })
    }
}

/// The deepest cause, which says most; never the URL, which a redirect may have put a secret into.
fn unreachable(wanted: &Wanted<'_>, error: &reqwest::Error) -> Error {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        deepest.to_string()
    };
    let url = wanted.url.to_owned();
    Error::Unreachable { url, why }
}
