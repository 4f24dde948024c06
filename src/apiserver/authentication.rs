//! Who is asking: tokens (as bearer, or as the password of anybody), client certificates, or nobody.
//!
//! Tokens are kept as SHA-256 only and compared by it; a certificate's chain was checked by the TLS listener, here
//! only its common name is read. What somebody may do is `access`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::RwLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;
use sha2::Sha256;

use crate::api::status::Status;
use crate::apiserver::certificates::Print;
use crate::base::text;

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The user `admin` of `admin.kubeconfig`.
    Admin,
    /// The controllers: alone in making Operations.
    Controllers,
    /// A router: reads what leads to endpoints, writes its own Router object.
    Router,
    /// The agent of one node.
    Node(String),
    /// A machine with a one-time token, which may become that node and nothing else.
    Joining(String),
    /// No credentials: health and version only.
    Anonymous,
}

impl Identity {
    /// The user's name as reviews and messages show it.
    pub fn user(&self) -> String {
        match self {
            Identity::Admin => "admin".to_owned(),
            Identity::Controllers => "system:upshift:controllers".to_owned(),
            Identity::Router => "system:upshift:router".to_owned(),
            Identity::Node(name) => format!("system:node:{name}"),
            Identity::Joining(name) => format!("system:bootstrap:{name}"),
            Identity::Anonymous => "system:anonymous".to_owned(),
        }
    }

    /// The groups the user is in.
    pub fn groups(&self) -> &'static [&'static str] {
        match self {
            Identity::Admin => &["system:masters", "system:authenticated"],
            Identity::Controllers | Identity::Router => &["system:authenticated"],
            Identity::Node(_) => &["system:nodes", "system:authenticated"],
            Identity::Joining(_) => &["system:bootstrappers"],
            Identity::Anonymous => &["system:unauthenticated"],
        }
    }

    /// The identity that a client certificate's common name stands for.
    pub fn of_common_name(name: &str) -> Option<Identity> {
        match name.strip_prefix("system:node:") {
            Some("") => None,
            Some(node) => Some(Identity::Node(node.to_owned())),
            None => match name {
                "admin" => Some(Identity::Admin),
                "system:upshift:controllers" => Some(Identity::Controllers),
                _ => None,
            },
        }
    }
}

/// The verified client certificate of a connection; the listener puts it into each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The certificate's common name.
    pub name: String,
    pub print: Print,
}

/// Hash of a token: what is kept of it.
pub fn fingerprint(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A fresh random token of 256 bits, in hexadecimal.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(text::hex(&bytes))
}

/// The tokens that are good, by their hash. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Identities(Arc<RwLock<HashMap<[u8; 32], Identity>>>);

impl Identities {
    /// Makes `token` stand for `identity` while this process lives.
    pub fn admit(&self, token: &str, identity: Identity) {
        self.0
            .write()
            .expect("nothing panics while it holds the tokens")
            .insert(fingerprint(token), identity);
    }

    /// Makes a fresh token for one of the server's own parts.
    pub fn mint(&self, identity: Identity) -> Result<String, getrandom::Error> {
        let token = new_token()?;
        self.admit(&token, identity);
        Ok(token)
    }

    /// Whether a node of that name is a part of this server.
    pub fn is_own_node(&self, name: &str) -> bool {
        let known = self
            .0
            .read()
            .expect("nothing panics while it holds the tokens");
        known
            .values()
            .any(|identity| matches!(identity, Identity::Node(node) if node == name))
    }

    fn of_token(&self, token: &str) -> Option<Identity> {
        // Looking up a SHA-256 gives an attacker nothing to time: he cannot choose hashes close to the real one.
        self.0
            .read()
            .expect("nothing panics while it holds the tokens")
            .get(&fingerprint(token))
            .cloned()
    }

    /// Who makes a request with these headers over a connection of that peer; `joining` knows the one-time tokens, and
    /// `certified` which certificates nodes have.
    pub fn identify(
        &self,
        headers: &http::HeaderMap,
        peer: Option<&Peer>,
        joining: impl FnOnce(&[u8; 32]) -> Result<String, Status>,
        certified: impl FnOnce(&str, &Print) -> Result<(), Status>,
    ) -> Result<Identity, Status> {
        if let Some(value) = headers.get(http::header::AUTHORIZATION) {
            let token = value
                .to_str()
                .ok()
                .and_then(|text| bearer(text).map(str::to_owned).or_else(|| password(text)))
                .ok_or_else(Status::unauthorized)?;
            return match self.of_token(&token) {
                Some(identity) => Ok(identity),
                None => joining(&fingerprint(&token)).map(Identity::Joining),
            };
        }
        let Some(peer) = peer else {
            return Ok(Identity::Anonymous);
        };
        let identity = Identity::of_common_name(&peer.name).ok_or_else(Status::unauthorized)?;
        if let Identity::Node(name) = &identity {
            certified(name, &peer.print)?;
        }
        Ok(identity)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}

/// The password of `Basic …`, for clients that know nothing else: a token under any user's name.
fn password(value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let (_, token) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", value.parse().unwrap());
        headers
    }

    #[test]
    fn tokens_certificates_and_nobody() {
        let identities = Identities::default();
        let token = identities.mint(Identity::Controllers).unwrap();
        let joining = |print: &[u8; 32]| {
            let is_it = *print == fingerprint("once");
            is_it
                .then(|| "a".to_owned())
                .ok_or_else(Status::unauthorized)
        };
        let certified = |_: &str, print: &Print| match print {
            [1, ..] => Ok(()),
            _ => Err(Status::unauthorized()),
        };
        let by = |value: &str| identities.identify(&headers(value), None, joining, certified);
        assert_eq!(by(&format!("Bearer {token}")), Ok(Identity::Controllers));
        assert_eq!(by("bearer once"), Ok(Identity::Joining("a".to_owned())));
        let basic = |user: &str| STANDARD.encode(format!("{user}:{token}"));
        assert_eq!(
            by(&format!("Basic {}", basic("anybody"))),
            Ok(Identity::Controllers)
        );
        for wrong in ["Bearer x", "Bearer ", "Basic abc", "Basic YTo=", "x"] {
            assert_eq!(by(wrong), Err(Status::unauthorized()), "{wrong}");
        }
        let none = http::HeaderMap::new();
        let peer = |name: &str, first: u8| {
            let peer = Peer {
                name: name.to_owned(),
                print: [first; 32],
            };
            identities.identify(&none, Some(&peer), joining, certified)
        };
        assert_eq!(peer("system:node:a", 1), Ok(Identity::Node("a".to_owned())));
        assert_eq!(peer("system:node:a", 2), Err(Status::unauthorized()));
        assert_eq!(peer("system:node:", 1), Err(Status::unauthorized()));
        assert_eq!(peer("mallory", 1), Err(Status::unauthorized()));
        assert_eq!(
            identities.identify(&none, None, joining, certified),
            Ok(Identity::Anonymous)
        );
    }
}
