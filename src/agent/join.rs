//! How a machine becomes a node: a join file's one-time token, exchanged for a certificate.
//!
//! The file is `upshift node token create NAME`'s; the key is made here and never leaves the node's folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::base::durable;
use crate::base::text;
use crate::client;
use crate::client::Client;
use crate::client::https;
use crate::client::https::Https;

/// What a join file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinFile {
    /// `https://HOST:PORT`.
    pub server: String,
    /// PEM.
    pub certificate_authority: String,
    /// The only name that the token is good for.
    pub node: String,
    pub token: String,
}

/// Why a machine does not become a node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} {why}", .path.display())]
    Refused { path: PathBuf, why: String },
    #[error("{0}")]
    Token(String),
    #[error("cannot make a key: {0}")]
    Key(String),
    #[error(transparent)]
    Client(#[from] client::Error),
}

/// What a joined node knows of its server: `identity.json` in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub server: String,
    pub certificate_authority: String,
    pub node: String,
    /// PEM.
    pub certificate: String,
    /// PEM.
    pub key: String,
    /// The labels that this machine named when it joined.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the token that let it in: the same file again means the same node, a newer one a new beginning.
    #[serde(default)]
    pub token: String,
}

impl JoinFile {
    /// Reads a join file, which must be ours and closed to others.
    pub fn read(path: &Path) -> Result<JoinFile, Error> {
        let refused = |why: String| Error::Refused {
            path: path.to_owned(),
            why,
        };
        let bytes = read_private(path)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| refused(format!("is not a join file: {error}")))
    }

    /// Writes a join file that only its owner can read.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_private(path, self)
    }
}

impl Identity {
    /// The identity kept in a node's folder, if it has one.
    pub fn read(folder: &Path) -> Result<Option<Identity>, Error> {
        let path = folder.join("identity.json");
        match read_private(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Error::Refused {
                    path,
                    why: format!("is damaged: {error}"),
                }),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it in a node's folder.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        write_private(&folder.join("identity.json"), self)
    }

    /// A way to the server with this identity.
    pub fn transport(&self) -> Result<Https, Error> {
        Ok(Https::new(https::Options {
            server: self.server.clone(),
            certificate_authority: Some(self.certificate_authority.clone().into_bytes()),
            identity: Some((
                self.certificate.clone().into_bytes(),
                self.key.clone().into_bytes(),
            )),
            ..https::Options::default()
        })?)
    }
}

/// Makes this machine the node of a join file, or finds that it is; `folder_of` gives a node's folder by its name.
///
/// An identity that came of the same token wins: a restart with the same command line goes on with it. `labels` are told to
/// the server together with the token, and never again.
pub async fn join(
    file: &Path,
    labels: &BTreeMap<String, String>,
    folder_of: impl Fn(&str) -> PathBuf,
) -> Result<(Identity, PathBuf), Error> {
    let wanted = JoinFile::read(file)?;
    let token = text::hex(&Sha256::digest(wanted.token.as_bytes()));
    if !is_node_name(&wanted.node) {
        return Err(Error::Refused {
            path: file.to_owned(),
            why: format!("names no possible node: {:?}", wanted.node),
        });
    }
    let folder = folder_of(&wanted.node);
    make_folder(&folder)?;
    if let Some(identity) = Identity::read(&folder)?
        && identity.server == wanted.server
        && identity.certificate_authority == wanted.certificate_authority
        && (identity.token == token || identity.token.is_empty())
    {
        return Ok((identity, folder));
    }
    let identity = Identity {
        token,
        ..exchange(&wanted, labels).await?
    };
    identity.write(&folder)?;
    Ok((identity, folder))
}

/// Sends a certificate request with the token.
async fn exchange(wanted: &JoinFile, labels: &BTreeMap<String, String>) -> Result<Identity, Error> {
    let (key, request) = certificate_request(&wanted.node)?;
    let transport = Https::new(https::Options {
        server: wanted.server.clone(),
        certificate_authority: Some(wanted.certificate_authority.clone().into_bytes()),
        token: Some(wanted.token.clone()),
        ..https::Options::default()
    })?;
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    let pairs = pairs.collect::<Vec<String>>().join(",");
    let path = format!(
        "/api/v1/nodes/{}/join?labels={}",
        wanted.node,
        client::request::escaped(&pairs)
    );
    let answer = Client::new(Arc::new(transport))
        .raw(http::Method::POST, &path, http::HeaderMap::new(), request)
        .await?;
    let answer = match client::check(answer).await {
        Ok(answer) => answer,
        Err(error) => return Err(refusal(error, wanted)),
    };
    let certificate = answer.into_body().bytes().await?;
    Ok(Identity {
        server: wanted.server.clone(),
        certificate_authority: wanted.certificate_authority.clone(),
        node: wanted.node.clone(),
        certificate: String::from_utf8_lossy(&certificate).into_owned(),
        key,
        labels: labels.clone(),
        token: String::new(),
    })
}

/// A further certificate for a node that has one.
pub(super) async fn renew(identity: &Identity, client: &Client) -> Result<Identity, Error> {
    let (key, request) = certificate_request(&identity.node)?;
    let path = format!("/api/v1/nodes/{}/renew", identity.node);
    let answer = client
        .raw(http::Method::POST, &path, http::HeaderMap::new(), request)
        .await?;
    let certificate = client::check(answer).await?.into_body().bytes().await?;
    Ok(Identity {
        certificate: String::from_utf8_lossy(&certificate).into_owned(),
        key,
        ..identity.clone()
    })
}

/// A token that the server does not take is told apart from a server that cannot be reached.
fn refusal(error: client::Error, wanted: &JoinFile) -> Error {
    let node = &wanted.node;
    let why = match &error {
        // The server says no more about a token that it does not know.
        client::Error::Unauthorized(why) if why == "Unauthorized" => {
            "it was replaced by a newer one, or the node was removed".to_owned()
        }
        client::Error::Unauthorized(why) => why.clone(),
        error if error.is_forbidden() => "it is for another name".to_owned(),
        _ => return Error::Client(error),
    };
    Error::Token(format!(
        "the server does not accept this token for node {node:?}: {why}; make a new one with `upshift node token create {node}`"
    ))
}

/// A new key and the request for its certificate, both PEM.
fn certificate_request(name: &str) -> Result<(String, String), Error> {
    let wrong = |error: rcgen::Error| Error::Key(error.to_string());
    let key = rcgen::KeyPair::generate().map_err(wrong)?;
    let mut parameters = rcgen::CertificateParams::default();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, format!("system:node:{name}"));
    parameters
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "system:nodes");
    let request = parameters.serialize_request(&key).map_err(wrong)?;
    Ok((key.serialize_pem(), request.pem().map_err(wrong)?))
}

/// Whether a name can be a node's: it becomes a part of paths.
fn is_node_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Io {
        what: "make",
        path: folder.to_owned(),
        source,
    })
}

fn read_private(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Io {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let refused = |why: String| Error::Refused {
        path: path.to_owned(),
        why,
    };
    let about = fs::metadata(path).map_err(failed)?;
    if about.uid() != nix::unistd::geteuid().as_raw() {
        return Err(refused(format!(
            "belongs to user {}; it must be this user's own",
            about.uid()
        )));
    }
    if about.mode() & 0o077 != 0 {
        return Err(refused(format!(
            "can be read by others (mode {:03o}); its secret may be known, make a new one and keep it at mode 600",
            about.mode() & 0o777
        )));
    }
    fs::read(path).map_err(failed)
}

fn write_private(path: &Path, content: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(content).expect("plain data with string keys");
    durable::write(path, &bytes, 0o600).map_err(|source| Error::Io {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_file_is_read_only_when_it_is_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("join");
        let file = JoinFile {
            server: "https://h:1".to_owned(),
            certificate_authority: "PEM".to_owned(),
            node: "a".to_owned(),
            token: "t".to_owned(),
        };
        file.write(&path).unwrap();
        assert_eq!(JoinFile::read(&path).unwrap(), file);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let error = JoinFile::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("can be read by others (mode 640)"),
            "{error}"
        );
        durable::write(&path, b"{}", 0o600).unwrap();
        let error = JoinFile::read(&path).unwrap_err().to_string();
        assert!(error.contains("is not a join file"), "{error}");
    }

    #[test]
    fn a_node_s_name_is_no_path() {
        for name in ["a", "node-1.example"] {
            assert!(is_node_name(name));
        }
        for name in ["", "..", "a/b", "A", "-a", "a-", "a..b"] {
            assert!(!is_node_name(name), "{name}");
        }
    }

    #[test]
    fn a_request_carries_the_node_s_name_and_a_new_key() {
        let (key, request) = certificate_request("a").unwrap();
        assert!(key.starts_with("-----BEGIN PRIVATE KEY"));
        assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST"));
        assert_ne!(certificate_request("a").unwrap().0, key);
    }
}
