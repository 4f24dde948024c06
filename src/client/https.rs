//! The transport over a network: HTTP/2 over TLS to one server, one connection reused.
//!
//! Tunnels take an HTTP/1.1 connection of their own. A token is never sent without TLS. Watches and streams have no
//! total timeout; a dead connection is found by pings.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::client::error::Error;
use crate::client::transport::Body;
use crate::client::transport::Io;
use crate::client::transport::Transport;

/// Where a server is and who calls it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `https://HOST:PORT`, perhaps with a path.
    pub server: String,
    /// PEM; without one the system's certificates count.
    pub certificate_authority: Option<Vec<u8>>,
    pub insecure_skip_tls_verify: bool,
    /// The name that the server's certificate must carry, when it is not the URL's.
    pub tls_server_name: Option<String>,
    pub token: Option<String>,
    /// PEM of the caller's certificate and of its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Total time of an ordinary request.
    pub timeout: Option<Duration>,
}

/// A connection to one server.
pub struct Https {
    options: Options,
}

impl Https {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(options: Options) -> Result<Https, Error> {
        Ok(Https { options })
    }
}

impl Transport for Https {
    fn call(
        &self,
        _request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        unimplemented!()
    }

    fn tunnel(&self, _path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>> {
        unimplemented!()
    }

    fn server(&self) -> &str {
        &self.options.server
    }
}
