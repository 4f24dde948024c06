//! Heads of requests and answers on their way through: what a proxy takes out and what it adds. Pure.
//!
//! Taken out: everything that is between two neighbours only (RFC 9110 section 7.6.1). Added: who asked and how, in
//! `X-Forwarded-*` and `Forwarded` (RFC 7239), the latter two appended to what is there, as OpenShift's router does.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::PoisonError;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use http::header;

/// Between two neighbours, whether `Connection` names it or not.
const BETWEEN_NEIGHBOURS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHENTICATE,
];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What is the same for every request of a connection, ready to be put into heads.
#[derive(Debug)]
pub(crate) struct Peer {
    address: HeaderValue,
    /// As `Forwarded` writes an address: IPv6 in quotes and brackets.
    node: String,
    port: HeaderValue,
    /// `Forwarded` for the host that was asked for last.
    forwarded: Mutex<Option<(HeaderValue, HeaderValue)>>,
}

impl Peer {
    /// The client at that address, connected to that port of ours.
    pub(crate) fn new(client: SocketAddr, port: u16) -> Peer {
        let ip = client.ip().to_canonical();
        let node = if ip.is_ipv6() {
            format!("\"[{ip}]\"")
        } else {
            ip.to_string()
        };
        Peer {
            address: value(&ip.to_string()),
            node,
            port: HeaderValue::from(port),
            forwarded: Mutex::new(None),
        }
    }

    fn forwarded(&self, host: &HeaderValue) -> HeaderValue {
        let mut last = self
            .forwarded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, forwarded)) if known == host => forwarded.clone(),
            _ => {
                let name = host.to_str().unwrap_or_default().replace(['"', '\\'], "");
                let is_token = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
                let quote = if is_token { "" } else { "\"" };
                let node = &self.node;
                let forwarded = value(&format!("for={node};host={quote}{name}{quote};proto=http"));
                *last = Some((host.clone(), forwarded.clone()));
                forwarded
            }
        }
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Readies a request's head for an endpoint; `upgrade` is the protocol that is to be switched to.
pub(crate) fn of_request(headers: &mut HeaderMap, peer: &Peer, upgrade: Option<HeaderValue>) {
    take_out(headers);
    // hyper answers `100 Continue` itself when the body is read.
    headers.remove(header::EXPECT);
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.append(header::FORWARDED, peer.forwarded(&host));
        headers.insert(HOST, host);
    }
    headers.append(FOR, peer.address.clone());
    headers.insert(PROTO, HeaderValue::from_static("http"));
    headers.insert(PORT, peer.port.clone());
    add_upgrade(headers, upgrade);
}

/// Readies an answer's head for the client; `upgrade` is the protocol that was switched to.
pub(crate) fn of_answer(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    take_out(headers);
    add_upgrade(headers, upgrade);
}

fn add_upgrade(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    }
}

/// The protocol that a head asks to switch to, if it does so properly.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let protocol = headers.get(header::UPGRADE)?;
    let asked = options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    asked.then(|| protocol.clone())
}

fn options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn take_out(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = options(headers)
            .filter_map(|option| option.parse().ok())
            // What says where the message ends and whom it is for cannot be talked away.
            .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &BETWEEN_NEIGHBOURS {
        headers.remove(name);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
}

/// The host of a request without its port, and the whole value; `None` when it names none, or more than one.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::HOST).iter();
    let host = all.next()?.to_str().ok()?;
    if all.next().is_some() || host.is_empty() {
        return None;
    }
    Some(without_port(host))
}

fn without_port(host: &str) -> &str {
    let port = host.rsplit_once(':').filter(|(before, port)| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && (before.ends_with(']') || !before.contains(':'))
    });
    port.map_or(host, |(before, _)| before)
        .trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&str, &str)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(parse) {
            headers.append(name, value);
        }
        headers
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_is_between_neighbours_goes_and_who_asked_comes() {
        let peer = Peer::new("10.1.2.3:55".parse().unwrap(), 8880);
        let mut request = headers(&[
            ("host", "shop.example:8880"),
            ("connection", "keep-alive, X-Mine, Content-Length, host"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "https"),
            ("expect", "100-continue"),
        ]);
        of_request(&mut request, &peer, None);
        assert_eq!(
            shown(&request),
            [
                "content-length: 3",
                "forwarded: for=10.1.2.3;host=\"shop.example:8880\";proto=http",
                "host: shop.example:8880",
                "x-forwarded-for: 1.1.1.1",
                "x-forwarded-for: 10.1.2.3",
                "x-forwarded-host: shop.example:8880",
                "x-forwarded-port: 8880",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[test]
    fn an_upgrade_is_passed_on_when_it_is_asked_for_properly() {
        let asked = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ]);
        assert_eq!(upgrade(&asked).unwrap(), "websocket");
        assert_eq!(upgrade(&headers(&[("upgrade", "websocket")])), None);
        let mut answer = asked.clone();
        of_answer(&mut answer, upgrade(&asked));
        assert_eq!(
            shown(&answer),
            ["connection: upgrade", "upgrade: websocket"]
        );
    }

    #[test]
    fn an_address_of_version_six_is_quoted() {
        let peer = Peer::new("[2001:db8::1]:1".parse().unwrap(), 80);
        let mut request = headers(&[("host", "a.b")]);
        of_request(&mut request, &peer, None);
        assert_eq!(
            request[header::FORWARDED],
            "for=\"[2001:db8::1]\";host=a.b;proto=http"
        );
        let mapped = Peer::new("[::ffff:10.0.0.1]:1".parse().unwrap(), 80);
        assert_eq!(mapped.address, "10.0.0.1");
    }

    #[test]
    fn a_host_is_read_without_its_port() {
        for (lines, expect) in [
            (&[("host", "a.b")] as &[_], Some("a.b")),
            (&[("host", "a.b:8080")], Some("a.b")),
            (&[("host", "a.b.:80")], Some("a.b")),
            (&[("host", "[::1]:80")], Some("[::1]")),
            (&[("host", "::1")], Some("::1")),
            (&[("host", "")], None),
            (&[("host", "a"), ("host", "b")], None),
            (&[], None),
        ] {
            assert_eq!(host(&headers(lines)), expect, "{lines:?}");
        }
    }
}
