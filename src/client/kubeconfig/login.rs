//! What a cluster and a user of a kubeconfig come to: where to connect and as whom.
//!
//! Certificates and tokens lie inline or in files; programs that make credentials are refused, not ignored.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Error;
use crate::client::https::Options;

/// The connection that a `cluster` and a `user` describe.
pub fn options(cluster: &Value, user: &Value) -> Result<Options, Error> {
    let server = text(cluster, "server").unwrap_or_default();
    if server.is_empty() {
        return Err(Error::Unusable("cluster has no server defined".to_owned()));
    }
    let mut options = Options {
        server: server.trim_end_matches('/').to_owned(),
        insecure_skip_tls_verify: cluster["insecure-skip-tls-verify"] == true,
        tls_server_name: text(cluster, "tls-server-name").map(str::to_owned),
        certificate_authority: material(cluster, "certificate-authority")?,
        ..Options::default()
    };
    refuse_unsupported(cluster, user)?;
    options.token = token(user)?;
    let certificate = material(user, "client-certificate")?;
    let key = material(user, "client-key")?;
    options.identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let message = "client-certificate and client-key must be given together";
            return Err(Error::Unusable(message.to_owned()));
        }
    };
    Ok(options)
}

/// Bytes as a kubeconfig holds them.
pub fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The content of a file that a flag or an entry names.
pub fn read(what: &str, path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| {
        Error::Unusable(format!("unable to read {what} {}: {error}", path.display()))
    })
}

fn refuse_unsupported(cluster: &Value, user: &Value) -> Result<(), Error> {
    let refused = |what: &str, hint: &str| {
        Err(Error::Unusable(format!(
            "{what} in the kubeconfig is not supported; {hint}"
        )))
    };
    if !user["exec"].is_null() {
        let command = user["exec"]["command"].as_str().unwrap_or_default();
        return refused(
            &format!("the credential program {command:?} (exec)"),
            "use a token or a client certificate",
        );
    }
    if !user["auth-provider"].is_null() {
        return refused("auth-provider", "use a token or a client certificate");
    }
    if text(user, "username").is_some() {
        return refused(
            "a username with a password",
            "use a token or a client certificate",
        );
    }
    if text(cluster, "proxy-url").is_some() {
        return refused("proxy-url", "set HTTPS_PROXY");
    }
    Ok(())
}

/// An inline token wins over a file, as in client-go.
fn token(user: &Value) -> Result<Option<String>, Error> {
    if let Some(token) = text(user, "token") {
        return Ok(Some(token.to_owned()));
    }
    let Some(path) = text(user, "tokenFile") else {
        return Ok(None);
    };
    let bytes = read("the token file", Path::new(path))?;
    let token = String::from_utf8_lossy(&bytes).trim().to_owned();
    if token.is_empty() {
        return Err(Error::Unusable(format!("the token file {path} is empty")));
    }
    Ok(Some(token))
}

/// PEM given inline (`FIELD-data`, which wins) or by path (`FIELD`).
fn material(entry: &Value, field: &str) -> Result<Option<Vec<u8>>, Error> {
    let inline = format!("{field}-data");
    if let Some(data) = text(entry, &inline) {
        let bytes = STANDARD
            .decode(data.split_ascii_whitespace().collect::<String>())
            .map_err(|error| Error::Unusable(format!("{inline} is not base64: {error}")))?;
        return Ok(Some(bytes));
    }
    match text(entry, field) {
        Some(path) => read(field, Path::new(path)).map(Some),
        None => Ok(None),
    }
}

fn text<'a>(entry: &'a Value, field: &str) -> Option<&'a str> {
    entry[field].as_str().filter(|text| !text.is_empty())
}
