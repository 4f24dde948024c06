//! A joined node's certificate, renewed at two thirds of its life while everything goes on.
//!
//! The agent's one client sends over whatever connection this holds; a new certificate takes the place of the old one
//! between two requests. Streams that are open stay open.
//!
//! # Decided
//!
//! * Written down before it is used: the server lets the old one go when it sees the new one.
//! * A certificate's times are looked at on this machine's clock, as TLS does; a clock that jumps makes one renewal early
//!   or late, and not more than one an hour.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::RwLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::FromDer;
use x509_parser::prelude::X509Certificate;

use crate::agent::join;
use crate::agent::join::Error;
use crate::agent::join::Identity;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::client;
use crate::client::Body;
use crate::client::Client;
use crate::client::Io;
use crate::client::Transport;
use crate::client::https::Https;

/// How often the clock is looked at: a machine may have slept.
const LOOK: Duration = Duration::from_secs(3600);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// The way to the server under an identity that changes. A cheap handle.
#[derive(Clone)]
pub struct Renewing(Arc<Parts>);

struct Parts {
    server: String,
    folder: PathBuf,
    current: RwLock<(Identity, Arc<Https>)>,
}

impl std::fmt::Debug for Renewing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewing")
            .field("server", &self.0.server)
            .finish_non_exhaustive()
    }
}

impl Renewing {
    /// A way for the identity that is kept in that folder.
    pub fn new(identity: Identity, folder: PathBuf) -> Result<Renewing, Error> {
        let https = Arc::new(identity.transport()?);
        Ok(Renewing(Arc::new(Parts {
            server: identity.server.clone(),
            folder,
            current: RwLock::new((identity, https)),
        })))
    }

    /// A client that always has the newest certificate.
    pub fn client(&self) -> Client {
        Client::new(Arc::new(self.clone()))
    }

    /// Asks for a further certificate, writes it down, and goes on with it.
    pub async fn renew(&self) -> Result<(), Error> {
        let identity = self.identity();
        let renewed = join::renew(&identity, &self.client()).await?;
        let https = Arc::new(renewed.transport()?);
        renewed.write(&self.0.folder)?;
        *self.held_to_write() = (renewed, https);
        // The first use is the end of the old one; nobody needs the answer.
        let path = format!("/api/v1/nodes/{}", identity.node);
        let _ = self.client().open(&path).await;
        Ok(())
    }

    /// Renews whenever two thirds of a certificate's life are over, and never ends by itself.
    pub(crate) async fn keep(self, clock: Clock) {
        let mut pauses = Backoff::new(Duration::from_secs(1), LONGEST_PAUSE);
        loop {
            let identity = self.identity();
            let Some((wait, life)) = left(&identity.certificate, clock.now()) else {
                tracing::warn!(
                    node = identity.node,
                    "the certificate cannot be read and is not renewed"
                );
                return;
            };
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(LOOK)).await;
                continue;
            }
            match self.renew().await {
                Ok(()) => {
                    tracing::info!(node = identity.node, "the certificate was renewed");
                    pauses.reset();
                    tokio::time::sleep((life / 4).min(LOOK)).await;
                }
                Err(error) => {
                    tracing::warn!(node = identity.node, %error, "the certificate is not renewed yet");
                    tokio::time::sleep(pauses.next(backoff::chance())).await;
                }
            }
        }
    }

    fn identity(&self) -> Identity {
        self.held().0.clone()
    }

    fn https(&self) -> Arc<Https> {
        self.held().1.clone()
    }

    fn held(&self) -> std::sync::RwLockReadGuard<'_, (Identity, Arc<Https>)> {
        self.0
            .current
            .read()
            .expect("nothing panics while it holds the identity")
    }

    fn held_to_write(&self) -> std::sync::RwLockWriteGuard<'_, (Identity, Arc<Https>)> {
        self.0
            .current
            .write()
            .expect("nothing panics while it holds the identity")
    }
}

impl Transport for Renewing {
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, client::Error>> {
        let https = self.https();
        async move { https.call(request).await }.boxed()
    }

    fn tunnel(&self, path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, client::Error>> {
        let (https, path) = (self.https(), path.to_owned());
        async move { https.tunnel(&path).await }.boxed()
    }

    fn server(&self) -> &str {
        &self.0.server
    }
}

/// How long until a certificate is to be renewed, and its whole life.
fn left(certificate: &str, now: Timestamp) -> Option<(Duration, Duration)> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    let (begin, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let life = end.saturating_sub(begin);
    let due = Timestamp::from_second(begin + life / 3 * 2 + life % 3 * 2 / 3);
    let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
    Some((due.since(now), life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_of_a_life_are_waited_for() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        let pem = params.self_signed(&key).unwrap().pem();
        let day = |day: i64| Timestamp::from_second(1_767_225_600 + day * 86_400);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(left(&pem, day(0)), Some((days(20), days(30))));
        assert_eq!(left(&pem, day(19)), Some((days(1), days(30))));
        assert_eq!(left(&pem, day(25)), Some((Duration::ZERO, days(30))));
        assert_eq!(left("nonsense", day(0)), None);
    }
}
