//! Blobs by digest: is it there, bring it up, fetch it; large ones in pieces, broken ones resumed, all of them checked.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;

use crate::client::Client;
use crate::content::blobs::Digest;

/// Why a blob is not where it was wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry has no such blob, or not for this caller.
    #[error("the registry has no blob {0} for this caller")]
    Missing(Digest),
    /// What came is not what was asked for.
    #[error("blob {0} is damaged: its content has another digest")]
    Damaged(Digest),
    /// The local side failed: a full disk, a file that went away.
    #[error("blob {digest}: {source}")]
    Local { digest: Digest, source: io::Error },
    #[error(transparent)]
    Client(#[from] crate::client::Error),
}

/// The blobs of one server; a cheap clone.
#[derive(Clone, Debug)]
pub struct Registry {
    client: Client,
}

impl Registry {
    /// The registry of the client's server.
    pub fn new(client: Client) -> Registry {
        Registry { client }
    }

    /// Whether `repository` (`NAMESPACE/APPLICATION`) has that blob.
    pub async fn contains(&self, _repository: &str, _digest: &Digest) -> Result<bool, Error> {
        let _ = &self.client;
        unimplemented!()
    }

    /// Brings a blob up, unless it is there; returns whether anything was sent.
    pub async fn upload(
        &self,
        _repository: &str,
        _source: &mut (impl Read + Seek + Send),
        _digest: &Digest,
        _size: u64,
    ) -> Result<bool, Error> {
        unimplemented!()
    }

    /// Fetches a blob into `into`, resuming where a connection broke; an error may leave a part of it there.
    pub async fn download(
        &self,
        _repository: &str,
        _digest: &Digest,
        _into: &mut (impl Write + Send),
    ) -> Result<u64, Error> {
        unimplemented!()
    }
}
