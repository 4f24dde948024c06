//! The transport over a network: HTTP/2 over TLS to one server, one connection for everything.
//!
//! A tunnel is a request and an answer that do not end, beside the others. Where only HTTP/1.1 is spoken (through a
//! proxy) it takes a connection of its own, upgraded. A token is never sent without TLS, and redirects are not
//! followed. Watches, logs and blobs have no total timeout; pings find a connection that died.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;

use crate::client::duplex::Half;
use crate::client::error::Error;
use crate::client::tls;
use crate::client::transport::Body;
use crate::client::transport::Io;
use crate::client::transport::Transport;

const CONNECT: Duration = Duration::from_secs(30);
/// A silent connection is asked for a sign of life after this, and is dead after the other.
const PING: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(15);
/// The protocol that a tunnel asks for.
pub const TUNNEL_PROTOCOL: &str = "upshift-tunnel";
/// What a tunnel inside a request and its answer says that it holds.
pub const TUNNEL_TYPE: &str = "application/vnd.upshift.tunnel";

/// Where a server is and who calls it.
#[derive(Clone, Default)]
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

impl std::fmt::Debug for Options {
    /// Secrets are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("server", &self.server)
            .field("insecure", &self.insecure_skip_tls_verify)
            .field("has_token", &self.token.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

/// A connection to one server.
pub struct Https {
    options: Options,
    base: Base,
    requests: reqwest::Client,
    /// Made when first needed: for tunnels where HTTP/2 is not to be had.
    tunnels: OnceLock<reqwest::Client>,
    headers: HeaderMap,
}

/// The URL that paths are put behind.
struct Base {
    text: String,
    /// `HOST:PORT`, as messages name it.
    place: String,
    host: String,
    is_tls: bool,
}

impl Https {
    /// Prepares a connection; nothing is sent yet.
    pub fn new(options: Options) -> Result<Https, Error> {
        tls::provider();
        let base = Base::parse(&options)?;
        let mut headers = HeaderMap::new();
        if let Some(token) = options.token.as_deref().filter(|_| base.is_tls) {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| Error::Setup("the token holds characters that no token can".into()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let requests = build(builder(&options, &base)?)?;
        Ok(Https {
            options,
            base,
            requests,
            tunnels: OnceLock::new(),
            headers,
        })
    }

    fn request(
        &self,
        client: &reqwest::Client,
        request: &http::Request<Bytes>,
    ) -> reqwest::RequestBuilder {
        let url = format!("{}{}", self.base.text, request.uri());
        client
            .request(request.method().clone(), url)
            .headers(self.headers.clone())
            .headers(request.headers().clone())
            .body(request.body().clone())
    }

    async fn answer(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, Error> {
        let timeout = self.options.timeout.filter(|_| !is_stream(&request));
        let send = || {
            let prepared = self.request(&self.requests, &request);
            match timeout {
                Some(timeout) => prepared.timeout(timeout),
                None => prepared,
            }
            .send()
        };
        let response = match send().await {
            // The server closed a connection that we were about to reuse; a read may simply be sent again.
            Err(error)
                if request.method() == Method::GET
                    && !error.is_connect()
                    && !error.is_timeout() =>
            {
                send().await
            }
            result => result,
        };
        let response = response.map_err(|error| self.fault(&error))?;
        Ok(http::Response::from(response).map(|body| {
            let chunks = http_body_util::BodyDataStream::new(body);
            Body::new(chunks.map_err(|error| broken(&error)))
        }))
    }

    async fn open_tunnel(&self, path: &str) -> Result<Box<dyn Io>, Error> {
        match self.open_stream(path).await? {
            Some(stream) => Ok(stream),
            None => self.upgrade(path).await,
        }
    }

    /// A tunnel inside the connection that there is; none when that is not HTTP/2, or the server knows no such tunnels.
    async fn open_stream(&self, path: &str) -> Result<Option<Box<dyn Io>>, Error> {
        let (half, outgoing) = Half::new();
        let outgoing = outgoing.map(Ok::<Bytes, std::convert::Infallible>);
        let response = self
            .requests
            .post(format!("{}{path}", self.base.text))
            .headers(self.headers.clone())
            .header(header::CONTENT_TYPE, TUNNEL_TYPE)
            .body(reqwest::Body::wrap_stream(outgoing))
            .send()
            .await
            .map_err(|error| self.fault(&error))?;
        if response.status() == http::StatusCode::METHOD_NOT_ALLOWED {
            return Ok(None);
        }
        let response = http::Response::from(response).map(Body::of);
        let response = crate::client::check(response).await?;
        Ok(Some(Box::new(half.reading(response.into_body()))))
    }

    /// A tunnel on an HTTP/1.1 connection of its own.
    async fn upgrade(&self, path: &str) -> Result<Box<dyn Io>, Error> {
        let client = if let Some(client) = self.tunnels.get() {
            client
        } else {
            let made = build(builder(&self.options, &self.base)?.http1_only())?;
            self.tunnels.get_or_init(|| made)
        };
        let request = http::Request::get(path)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, TUNNEL_PROTOCOL)
            .body(Bytes::new())
            .map_err(|error| Error::Setup(format!("{path}: {error}")))?;
        let response = self
            .request(client, &request)
            .send()
            .await
            .map_err(|error| self.fault(&error))?;
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            let response = http::Response::from(response).map(Body::of);
            crate::client::check(response).await?;
            return Err(Error::Decode("an answer in the place of a tunnel".into()));
        }
        let upgraded = response
            .upgrade()
            .await
            .map_err(|error| self.fault(&error))?;
        Ok(Box::new(upgraded))
    }

    /// What a failed exchange means.
    fn fault(&self, error: &reqwest::Error) -> Error {
        let server = self.base.place.clone();
        if error.is_timeout() && !error.is_connect() {
            let seconds = self.options.timeout.unwrap_or_default().as_secs();
            return Error::TimedOut { server, seconds };
        }
        match root(error) {
            Root::Refused => Error::Refused { server },
            Root::Tls(tls) => Error::Unreachable {
                server,
                why: tls_words(&tls, &self.base.host),
            },
            Root::Dns => Error::Unreachable {
                server,
                why: format!("dial tcp: lookup {}: no such host", self.base.host),
            },
            Root::Other(why) if error.is_connect() && error.is_timeout() => {
                tracing::debug!(server, why, "no connection in time");
                let why = format!("dial tcp {server}: i/o timeout");
                Error::Unreachable { server, why }
            }
            Root::Other(why) if error.is_connect() => Error::Unreachable { server, why },
            Root::Other(why) => Error::Interrupted(why),
        }
    }
}

impl Transport for Https {
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        self.answer(request).boxed()
    }

    fn tunnel(&self, path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>> {
        let path = path.to_owned();
        async move { self.open_tunnel(&path).await }.boxed()
    }

    fn server(&self) -> &str {
        &self.options.server
    }
}

impl Base {
    fn parse(options: &Options) -> Result<Base, Error> {
        let wrong = |why: &str| Error::Setup(format!("the server URL {:?} {why}", options.server));
        let mut url = reqwest::Url::parse(&options.server)
            .map_err(|error| wrong(&format!("is not one: {error}")))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(wrong("must begin with https:// or http://"));
        }
        let host = url
            .host_str()
            .ok_or_else(|| wrong("names no host"))?
            .to_owned();
        let place = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
        if let Some(name) = &options.tls_server_name {
            url.set_host(Some(name))
                .map_err(|_| wrong("cannot go with that server name"))?;
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Base {
            text: url.as_str().trim_end_matches('/').to_owned(),
            place,
            host,
            is_tls: url.scheme() == "https",
        })
    }
}

fn builder(options: &Options, base: &Base) -> Result<reqwest::ClientBuilder, Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING_ANSWER)
        .http2_keep_alive_while_idle(true);
    if is_loopback(&base.host) {
        builder = builder.no_proxy();
    }
    if options.insecure_skip_tls_verify || !base.is_tls {
        builder = builder
            .tls_certs_only(Vec::new())
            .tls_danger_accept_invalid_certs(options.insecure_skip_tls_verify);
    } else if let Some(pem) = &options.certificate_authority {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| {
                Error::Setup("the certificate authority is not a PEM certificate".into())
            })?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &options.identity {
        let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
        let identity = reqwest::Identity::from_pem(&pem).map_err(|error| {
            Error::Setup(format!(
                "the client certificate or its key cannot be used: {}",
                deepest(&error)
            ))
        })?;
        builder = builder.identity(identity);
    }
    if options.tls_server_name.is_some() {
        builder = builder.dns_resolver(Arc::new(Renamed(base.host.clone())));
    }
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder
        .build()
        .map_err(|error| Error::Setup(format!("TLS cannot be prepared: {}", deepest(&error))))
}

/// Finds the real host behind the name that its certificate carries.
struct Renamed(String);

impl reqwest::dns::Resolve for Renamed {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = self.0.trim_matches(['[', ']']).to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether an answer may take as long as it takes.
fn is_stream(request: &http::Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.uri().path().starts_with("/v2/")
        || query
            .split('&')
            .any(|pair| matches!(pair, "watch=true" | "watch=1" | "follow=true" | "follow=1"))
}

fn broken(error: &reqwest::Error) -> Error {
    Error::Interrupted(deepest(error))
}

/// The first cause that says something.
enum Root {
    Refused,
    Dns,
    Tls(rustls::Error),
    Other(String),
}

fn root(error: &reqwest::Error) -> Root {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut is_dns = false;
    while let Some(cause) = next {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Root::Tls(tls.clone());
        }
        is_dns |= cause.to_string() == "dns error";
        next = cause.source();
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::ConnectionRefused {
                return Root::Refused;
            }
            next = inside(io);
        }
    }
    if is_dns {
        Root::Dns
    } else {
        Root::Other(deepest(error))
    }
}

fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    loop {
        let mut next = cause.source();
        let below = cause
            .downcast_ref::<h2::Error>()
            .and_then(h2::Error::get_io);
        if let Some(io) = below.or_else(|| cause.downcast_ref::<io::Error>()) {
            // A server that was killed ends neither its answer nor its TLS; the library explains that with a link.
            if io.kind() == io::ErrorKind::UnexpectedEof {
                return "the connection was closed".to_owned();
            }
            next = inside(io).or(next);
        }
        let Some(next) = next else { break };
        cause = next;
    }
    cause.to_string()
}

/// What an I/O error wraps; its `source` would skip that.
fn inside(io: &io::Error) -> Option<&(dyn StdError + 'static)> {
    io.get_ref().map(|inner| inner as &(dyn StdError + 'static))
}

/// A TLS failure in the words that kubectl's users know and search for.
fn tls_words(error: &rustls::Error, host: &str) -> String {
    use rustls::CertificateError as Bad;
    const VERIFY: &str = "tls: failed to verify certificate: x509:";
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer | Bad::BadSignature => {
                format!("{VERIFY} certificate signed by unknown authority")
            }
            Bad::Expired
            | Bad::ExpiredContext { .. }
            | Bad::NotValidYet
            | Bad::NotValidYetContext { .. } => {
                format!("{VERIFY} certificate has expired or is not yet valid")
            }
            Bad::NotValidForName => format!("{VERIFY} certificate is not valid for {host}"),
            Bad::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
                format!(
                    "{VERIFY} certificate is valid for {}, not {host}",
                    names.join(", ")
                )
            }
            other => format!("{VERIFY} {other}"),
        },
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("remote error: tls: {alert:?}"),
        other => format!("tls: {other}"),
    }
}

/// `DnsName("a")` without its wrapping.
fn plain_name(shown: &str) -> &str {
    shown.split('"').nth(1).unwrap_or(shown)
}

#[cfg(test)]
mod tests;
