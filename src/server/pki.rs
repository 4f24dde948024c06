//! The server's own certificate authority, what it signs, and the administrator's kubeconfig.
//!
//! Everything lies in `DATA/pki`, 0600, written whole. Nothing here listens or decides who may do what.
//!
//! # Decided
//!
//! * One file holds a key and its certificate, so that a crash cannot leave half a pair.
//! * A node's certificate is good for 30 days and renewed at two thirds of that. A short life would only lock out hosts
//!   that were switched off for a while: what was revoked is refused by the API server at once.
//! * The authority keeps its key when its certificate is made anew, so that what it signed stays good.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertificateSigningRequestParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SerialNumber;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::prelude::X509Certificate;

use crate::base::clock::Timestamp;
use crate::base::crash;
use crate::base::durable;
use crate::client::kubeconfig;
use crate::client::tls;

const DAY: i64 = 86_400;
const AUTHORITY_DAYS: i64 = 3650;
const SERVER_DAYS: i64 = 365;
/// How long a node's certificate is good for.
pub const NODE_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// What has less than this left is made anew.
const RENEW_DAYS: i64 = 30;
/// Other machines' clocks may be behind by this.
const SKEW_DAYS: i64 = 1;

/// Why keys and certificates are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} is damaged: {why}; without it every client and node has to be given a new authority", path.display())]
    Damaged { path: PathBuf, why: String },
    /// A node's request that cannot be signed.
    #[error("the certificate request cannot be signed: {0}")]
    Request(String),
    #[error("certificates cannot be made: {0}")]
    Making(String),
    #[error(transparent)]
    Kubeconfig(#[from] kubeconfig::Error),
}

/// The authority and the server's current certificate.
pub struct Pki {
    authority: Pair,
    server: Pair,
    node_life: Duration,
}

/// A key and its certificate, as one file holds them.
struct Pair {
    key_pem: String,
    certificate_pem: String,
}

impl Pki {
    /// Opens `folder` (`DATA/pki`), making or renewing what is missing, near its end, or not for these names.
    ///
    /// `names` are added to 127.0.0.1, `::1` and localhost: the host's name and the address listened on.
    pub fn open(folder: &Path, names: &[String], now: Timestamp) -> Result<Pki, Error> {
        let authority = authority(&folder.join("ca.pem"), now)?;
        let server = server(&folder.join("server.pem"), &authority, names, now)?;
        Ok(Pki {
            authority,
            server,
            node_life: NODE_LIFE,
        })
    }

    /// The same with another life of nodes' certificates.
    #[must_use]
    pub fn with_node_life(self, node_life: Duration) -> Pki {
        Pki { node_life, ..self }
    }

    /// The authority's certificate: what clients check the server with, and the server its nodes.
    pub fn ca_pem(&self) -> &str {
        &self.authority.certificate_pem
    }

    /// How to serve: own certificate, certificates of our authority accepted and none required; h2 and http/1.1.
    pub fn server_config(&self) -> Result<rustls::ServerConfig, Error> {
        tls::provider();
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.certificate()?)
            .map_err(|error| Error::Making(error.to_string()))?;
        let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots))
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::Making(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(self.server.key_pem.as_bytes())
            .map_err(|error| Error::Making(error.to_string()))?;
        let mut config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.server.certificate()?], key)
            .map_err(|error| Error::Making(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Signs a node's request as `CN=system:node:NAME, O=system:nodes`, whatever the request says; answers PEM.
    pub fn sign_node(&self, name: &str, csr_pem: &str, now: Timestamp) -> Result<String, Error> {
        let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_named) {
            return Err(Error::Request(format!(
                "{name:?} is not the name of a node"
            )));
        }
        let asked = CertificateSigningRequestParams::from_pem(csr_pem)
            .map_err(|error| Error::Request(error.to_string()))?;
        let mut params = params(&format!("system:node:{name}"), "system:nodes", 1, now)?;
        // Exact to the second, and valid since a while: other clocks may be behind.
        let life = i64::try_from(self.node_life.as_secs()).unwrap_or(i64::MAX);
        let moment = |second: i64| {
            let (year, month, day) = date(Timestamp::from_second(second), 0);
            let rest = u64::try_from(second.rem_euclid(DAY)).unwrap_or(0);
            rcgen::date_time_ymd(year, month, day) + Duration::from_secs(rest)
        };
        params.not_before = moment(now.as_second() - life.min(SKEW_DAYS * DAY));
        params.not_after = moment(now.as_second().saturating_add(life));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let request = CertificateSigningRequestParams {
            params,
            public_key: asked.public_key,
        };
        let signed = request.signed_by(&self.authority.issuer()?);
        let signed = signed.map_err(|error| Error::Request(error.to_string()))?;
        Ok(signed.pem())
    }
}

/// A node's key and its request for a certificate, both PEM.
pub fn node_request(name: &str) -> Result<(String, String), Error> {
    let key = KeyPair::generate().map_err(making)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&format!("system:node:{name}"), "system:nodes");
    let request = params.serialize_request(&key).map_err(making)?;
    Ok((key.serialize_pem(), request.pem().map_err(making)?))
}

/// The common name in a certificate (DER): `system:node:NAME`.
pub fn common_name(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    Some(name.as_str().ok()?.to_owned())
}

/// Writes `admin.kubeconfig` (0600): user `admin`, the token, the authority inline; only when that changes it.
pub fn write_admin_kubeconfig(
    path: &Path,
    url: &str,
    ca_pem: &str,
    token: &str,
) -> Result<(), Error> {
    let document = kubeconfig::document(&kubeconfig::Place {
        url,
        certificate_authority: Some(ca_pem),
        user: "admin",
        token: Some(token),
        namespace: "default",
        ..kubeconfig::Place::default()
    });
    let is_same = matches!(kubeconfig::read_private(path), Ok(Some(there)) if there == document);
    if !is_same {
        kubeconfig::write(path, &document)?;
    }
    Ok(())
}

/// The token in `admin.kubeconfig`, if the file is there; one that others may read is refused.
pub fn admin_token(path: &Path) -> Result<Option<String>, Error> {
    let Some(document) = kubeconfig::read_private(path)? else {
        return Ok(None);
    };
    let token = document["users"][0]["user"]["token"].as_str();
    Ok(token.filter(|token| !token.is_empty()).map(str::to_owned))
}

fn authority(path: &Path, now: Timestamp) -> Result<Pair, Error> {
    let damaged = |why: String| Error::Damaged {
        path: path.to_owned(),
        why,
    };
    let key = match Pair::read(path)? {
        None => KeyPair::generate().map_err(making)?,
        Some(pair) => {
            let ends = pair.ends().map_err(damaged)?;
            let key =
                KeyPair::from_pem(&pair.key_pem).map_err(|error| damaged(error.to_string()))?;
            if ends > now.as_second() + RENEW_DAYS * DAY {
                return Ok(pair);
            }
            key
        }
    };
    let mut params = params("upshift-ca", "upshift", AUTHORITY_DAYS, now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(making)?;
    Pair::write(path, &key, &certificate)
}

fn server(path: &Path, authority: &Pair, names: &[String], now: Timestamp) -> Result<Pair, Error> {
    let mut wanted: Vec<String> = ["127.0.0.1", "::1", "localhost"]
        .map(str::to_owned)
        .to_vec();
    wanted.extend(
        names
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| canonical(name)),
    );
    wanted.sort();
    wanted.dedup();
    if let Some(pair) = Pair::read(path)?
        && pair
            .ends()
            .is_ok_and(|ends| ends > now.as_second() + RENEW_DAYS * DAY)
        && pair.names().is_some_and(|names| names == wanted)
        && pair.is_signed_by(authority)
        && KeyPair::from_pem(&pair.key_pem).is_ok()
    {
        return Ok(pair);
    }
    let key = KeyPair::generate().map_err(making)?;
    let mut params = params("upshift", "upshift", SERVER_DAYS, now)?;
    params.subject_alt_names = CertificateParams::new(wanted)
        .map_err(making)?
        .subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params
        .signed_by(&key, &authority.issuer()?)
        .map_err(making)?;
    Pair::write(path, &key, &certificate)
}

impl Pair {
    fn read(path: &Path) -> Result<Option<Pair>, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Error::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let at = text
            .find("-----BEGIN CERTIFICATE-----")
            .unwrap_or(text.len());
        let (key, certificate) = text.split_at(at);
        Ok(Some(Pair {
            key_pem: key.to_owned(),
            certificate_pem: certificate.to_owned(),
        }))
    }

    fn write(path: &Path, key: &KeyPair, certificate: &rcgen::Certificate) -> Result<Pair, Error> {
        let pair = Pair {
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
        };
        let text = format!("{}{}", pair.key_pem, pair.certificate_pem);
        let failed = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        crash::point("pki.write.before");
        durable::write(path, text.as_bytes(), 0o600).map_err(failed)?;
        crash::point("pki.write.after");
        Ok(pair)
    }

    fn certificate(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|error| Error::Making(error.to_string()))
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, Error> {
        let key = KeyPair::from_pem(&self.key_pem).map_err(making)?;
        Issuer::from_ca_cert_pem(&self.certificate_pem, key).map_err(making)
    }

    /// When the certificate ends, in seconds since 1970.
    fn ends(&self) -> Result<i64, String> {
        self.look(|certificate| certificate.validity().not_after.timestamp())
    }

    /// The names that the certificate is for, sorted; `None` when they cannot be read.
    fn names(&self) -> Option<Vec<String>> {
        let names = self.look(|certificate| {
            let names = certificate.subject_alternative_name().ok()??;
            let names = names.value.general_names.iter().filter_map(shown_name);
            let mut names: Vec<String> = names.collect();
            names.sort();
            Some(names)
        });
        names.ok().flatten()
    }

    fn is_signed_by(&self, authority: &Pair) -> bool {
        let Ok(der) = authority.certificate() else {
            return false;
        };
        let Ok((_, authority)) = X509Certificate::from_der(&der) else {
            return false;
        };
        let signed = self.look(|certificate| {
            certificate
                .verify_signature(Some(authority.public_key()))
                .is_ok()
        });
        signed.unwrap_or(false)
    }

    fn look<T>(&self, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Result<T, String> {
        let der = self.certificate().map_err(|error| error.to_string())?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        Ok(read(&certificate))
    }
}

/// An address as certificates give it back; a host's name as it is.
fn canonical(name: &str) -> String {
    let address = name.parse::<std::net::IpAddr>();
    address.map_or_else(|_| name.to_owned(), |address| address.to_string())
}

fn shown_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address: std::net::IpAddr = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok()?.into(),
                _ => <[u8; 16]>::try_from(*bytes).ok()?.into(),
            };
            Some(address.to_string())
        }
        _ => None,
    }
}

fn params(
    name: &str,
    organization: &str,
    days: i64,
    now: Timestamp,
) -> Result<CertificateParams, Error> {
    let mut serial = [0_u8; 16];
    getrandom::fill(&mut serial).map_err(|error| Error::Making(error.to_string()))?;
    // A serial number is positive and not padded.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name, organization);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let (year, month, day) = date(now, -SKEW_DAYS);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now, days + 1);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(params)
}

fn subject(name: &str, organization: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, organization);
    subject.push(DnType::CommonName, name);
    subject
}

/// The day that many days from now; certificates begin and end at midnight.
fn date(now: Timestamp, days: i64) -> (i32, u8, u8) {
    let text = Timestamp::from_second(now.as_second() + days * DAY).to_string();
    let mut parts = text
        .split(['-', 'T'])
        .map(|part| part.parse::<u16>().unwrap_or(1));
    let mut next = || parts.next().unwrap_or(1);
    let small = |number: u16| u8::try_from(number).unwrap_or(1);
    (i32::from(next()), small(next()), small(next()))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "map_err hands the error over"
)]
fn making(error: rcgen::Error) -> Error {
    Error::Making(error.to_string())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use hyper_util::rt::TokioExecutor;
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use crate::client::Client;
    use crate::client::https::Https;
    use crate::client::https::Options;

    fn now() -> Timestamp {
        crate::base::clock::Clock::System.now()
    }

    fn later(days: i64) -> Timestamp {
        Timestamp::from_second(now().as_second() + days * DAY)
    }

    #[test]
    fn what_is_good_is_kept_and_what_is_not_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let open = |names: &[&str], now: Timestamp| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let pki = Pki::open(folder.path(), &names, now).unwrap();
            (
                pki.authority.certificate_pem.clone(),
                pki.server.certificate_pem.clone(),
            )
        };
        let first = open(&["host", "10.0.0.1", "0:0:0:0:0:0:0:1"], now());
        assert_eq!(open(&["host", "10.0.0.1", "::1"], now()), first);
        let first = open(&["host"], now());
        assert_eq!(open(&["host"], now()), first);
        let renamed = open(&["other"], now());
        assert_eq!(renamed.0, first.0);
        assert_ne!(renamed.1, first.1);
        assert_ne!(open(&["other"], later(340)).1, renamed.1);
        fs::write(folder.path().join("server.pem"), "half").unwrap();
        open(&["other"], now());
        let old = open(&["other"], now());
        assert_ne!(open(&["other"], later(AUTHORITY_DAYS)).0, old.0);
        fs::write(folder.path().join("ca.pem"), "half").unwrap();
        let error = Pki::open(folder.path(), &[], now()).err().unwrap();
        assert!(error.to_string().contains("ca.pem is damaged"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn keys_and_tokens_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(folder.path(), &[], now()).unwrap();
        let admin = folder.path().join("admin.kubeconfig");
        assert_eq!(admin_token(&admin).unwrap(), None);
        write_admin_kubeconfig(&admin, "https://127.0.0.1:1", pki.ca_pem(), "t").unwrap();
        assert_eq!(admin_token(&admin).unwrap().as_deref(), Some("t"));
        for name in ["ca.pem", "server.pem", "admin.kubeconfig"] {
            let mode = fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        fs::set_permissions(&admin, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(admin_token(&admin).is_err());
    }

    #[test]
    fn a_request_cannot_choose_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(folder.path(), &[], now()).unwrap();
        let (_, request) = node_request("master").unwrap();
        let signed = pki.sign_node("a", &request, now()).unwrap();
        let der = CertificateDer::from_pem_slice(signed.as_bytes()).unwrap();
        assert_eq!(common_name(&der).as_deref(), Some("system:node:a"));
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth);
        for (name, request) in [
            ("a,O=system:masters", request.as_str()),
            ("a", "nonsense"),
            ("", ""),
        ] {
            assert!(matches!(
                pki.sign_node(name, request, now()),
                Err(Error::Request(_))
            ));
        }
    }

    /// Serves one connection and answers with the caller's certificate name.
    async fn serve_once(listener: tokio::net::TcpListener, config: rustls::ServerConfig) {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (socket, _) = listener.accept().await.unwrap();
        let socket = acceptor.accept(socket).await.unwrap();
        let peer = socket
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| common_name(&chain[0]));
        let router = Router::new().fallback(|| async move { peer.unwrap_or_default() });
        let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router))
            .await;
    }

    #[tokio::test]
    async fn a_node_is_known_by_the_certificate_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(folder.path(), &[], now()).unwrap();
        let (key, request) = node_request("a").unwrap();
        let certificate = pki.sign_node("a", &request, now()).unwrap();
        for (identity, expected) in [
            (
                Some((certificate.into_bytes(), key.into_bytes())),
                "system:node:a",
            ),
            (None, ""),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let options = Options {
                server: format!("https://{}", listener.local_addr().unwrap()),
                certificate_authority: Some(pki.ca_pem().as_bytes().to_vec()),
                identity,
                ..Options::default()
            };
            tokio::spawn(serve_once(listener, pki.server_config().unwrap()));
            let client = Client::new(Arc::new(Https::new(options).unwrap()));
            let said = client.open("/").await.unwrap().bytes().await.unwrap();
            assert_eq!(said, expected);
        }
    }
}
