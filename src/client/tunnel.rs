//! The agent's end of the tunnel: one outward connection on which the server asks and the agent answers.
//!
//! The agent connects and upgrades; then the server speaks HTTP/2 as a client and the agent serves. A connection that
//! breaks is made again with growing pauses. Stops with its scope: running answers are told to end, then cut off.

use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::time::Instant;

use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::Io;

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const PING: Duration = Duration::from_secs(20);
const PING_ANSWER: Duration = Duration::from_secs(10);
/// How long answers may still run when the scope is cancelled.
const GRACE: Duration = Duration::from_millis(500);

/// Keeps a tunnel at `path` open and answers on it with `router`, until the scope is cancelled.
pub fn serve(client: Client, path: String, router: axum::Router, scope: &Scope) {
    let inner = scope.clone();
    scope.spawn_graceful(async move {
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures = 0;
        while !inner.is_cancelled() {
            let opened = tokio::select! {
                opened = client.tunnel(&path) => opened,
                () = inner.cancelled() => return,
            };
            match opened {
                Ok(io) => {
                    failures = 0;
                    let since = Instant::now();
                    answer(io, router.clone(), &inner).await;
                    if since.elapsed() > LONGEST_PAUSE {
                        pauses.reset();
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(path, %error, "no tunnel to the server; trying again");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pauses.next(backoff::chance())) => {}
                () = inner.cancelled() => return,
            }
        }
    });
}

/// Serves one connection until it ends.
async fn answer(io: Box<dyn Io>, router: axum::Router, scope: &Scope) {
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING_ANSWER)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = scope.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "the tunnel broke");
    }
}
