//! The server's own certificate authority, what it signs, and the administrator's token.
//!
//! Everything lies in `DATA/pki`, 0600, written whole. Nothing here listens or decides who may do what.

use std::path::Path;

use crate::base::clock::Timestamp;

/// Why keys and certificates are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Invalid(String),
}

/// The authority and the server's current certificate.
pub struct Pki {
    ca_pem: String,
}

impl Pki {
    /// Opens `folder` (`DATA/pki`), making or renewing what is missing, near its end, or not for these names.
    ///
    /// `names` are added to 127.0.0.1, ::1 and localhost: the host's name and the address listened on.
    pub fn open(_folder: &Path, _names: &[String], _now: Timestamp) -> Result<Pki, Error> {
        unimplemented!()
    }

    /// The authority's certificate: what clients check the server with, and the server its nodes.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// How to serve: own certificate, clients' certificates of our authority accepted and not required; h2 and http/1.1.
    pub fn server_config(&self) -> Result<rustls::ServerConfig, Error> {
        unimplemented!()
    }

    /// Signs a node's request as `CN=system:node:NAME, O=system:nodes`, whatever the request says; answers PEM.
    pub fn sign_node(&self, _name: &str, _csr_pem: &str, _now: Timestamp) -> Result<String, Error> {
        unimplemented!()
    }
}

/// A node's key and its request for a certificate, both PEM.
pub fn node_request(_name: &str) -> Result<(String, String), Error> {
    unimplemented!()
}

/// The name in a client certificate (DER): `system:node:NAME`.
pub fn common_name(_certificate: &[u8]) -> Option<String> {
    unimplemented!()
}

/// A new secret of 32 random bytes, as text.
pub fn new_token() -> String {
    unimplemented!()
}

/// What the server keeps of a token: sha256 in hex.
pub fn token_digest(_token: &str) -> String {
    unimplemented!()
}

/// Writes `admin.kubeconfig` (0600): user `admin`, the token, the authority inline.
pub fn write_admin_kubeconfig(
    _path: &Path,
    _url: &str,
    _ca_pem: &str,
    _token: &str,
) -> Result<(), Error> {
    unimplemented!()
}

/// The token in `admin.kubeconfig`, if the file is there; it must be readable by its owner alone.
pub fn admin_token(_path: &Path) -> Result<Option<String>, Error> {
    unimplemented!()
}
