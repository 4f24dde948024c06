//! The HTTPS side: accepting, TLS, HTTP/1.1 and HTTP/2 with upgrades, and an orderly end.
//!
//! The same connection code serves the in-process tunnel, without TLS. On stop no connection is accepted any more,
//! those that are there finish the request under way.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::apiserver::authentication::Peer;
use crate::apiserver::certificates;
use crate::apiserver::certificates::Certificates;
use crate::base::scope::Scope;

/// How long a client may take to finish the TLS handshake, or to send the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the common name out of a verified client certificate (DER).
pub type NameOf = fn(&[u8]) -> Option<String>;

/// What a listener serves.
#[derive(Clone)]
pub struct Listener {
    pub router: axum::Router,
    pub tls: Arc<rustls::ServerConfig>,
    pub name_of: NameOf,
    /// A connection ends when its node is no longer let in.
    pub certificates: Certificates,
}

impl Listener {
    /// Serves what is accepted on `socket` until `scope` is cancelled.
    pub fn start(self, socket: TcpListener, scope: &Scope) {
        let connections = scope.clone();
        scope.spawn(async move {
            loop {
                match socket.accept().await {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        let (listener, scope) = (self.clone(), connections.clone());
                        connections.spawn_graceful(async move {
                            listener.connection(stream, &scope).await;
                        });
                    }
                    // Out of descriptors or the like: other connections must end first.
                    Err(error) => {
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }

    async fn connection(&self, stream: TcpStream, scope: &Scope) {
        let stream = tokio::select! {
            shaken = Box::pin(self.handshake(stream)) => match shaken {
                Some(stream) => stream,
                None => return,
            },
            () = scope.cancelled() => return,
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|chain| chain.first());
        // A certificate of ours without a name we know is somebody, but nobody with rights.
        let peer = certificate.map(|one| Peer {
            name: (self.name_of)(one).unwrap_or_default(),
            print: certificates::print(one),
        });
        let node = peer
            .as_ref()
            .and_then(|peer| peer.name.strip_prefix("system:node:"));
        let revoked = node.map(|node| self.certificates.revocation(node));
        let revoked = revoked.unwrap_or_default();
        let served = Box::pin(serve_connection(stream, self.router.clone(), peer, scope));
        revoked.run_until_cancelled(served).await;
    }

    /// In a box, as what comes after it: each is large, there are thousands, and every future around would have room for it.
    async fn handshake(&self, stream: TcpStream) -> Option<Box<TlsStream<TcpStream>>> {
        let handshake = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream);
        match tokio::time::timeout(PATIENCE, handshake).await {
            Ok(Ok(stream)) => Some(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

/// Serves one connection to its end; when the scope is cancelled, to the end of the request under way.
pub async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: axum::Router,
    peer: Option<Peer>,
    scope: &Scope,
) {
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        // In a box: it goes when the head of the answer is there, and a watch's stream, of which there are thousands, stays.
        Box::pin(router.clone().oneshot(request.map(axum::body::Body::new)))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = scope.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
