//! The transport of the server's own parts: the same router and the same checks as over HTTPS, without a socket.
//!
//! Each part has a token of its own, minted in memory. Its tunnel runs over a pipe in memory that is served by the
//! same connection code as a socket.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tower::ServiceExt;

use crate::apiserver::Api;
use crate::apiserver::authentication::Identity;
use crate::apiserver::listener::serve_connection;
use crate::base::scope::Scope;
use crate::client::Body;
use crate::client::Error;
use crate::client::Io;
use crate::client::Transport;
use crate::client::https::TUNNEL_PROTOCOL;

/// How much a tunnel holds in each direction.
const PIPE: usize = 64 * 1024;

/// A way to the API server of this process under one identity.
pub struct InProcess {
    api: Api,
    router: axum::Router,
    authorization: HeaderValue,
    scope: Scope,
}

impl InProcess {
    /// A transport for `identity`; its tunnels end with `scope`.
    pub fn new(api: &Api, identity: Identity, scope: &Scope) -> Result<InProcess, Error> {
        let token = api
            .identities()
            .mint(identity)
            .map_err(|error| unreachable(&error))?;
        let authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .expect("a token is hexadecimal digits");
        Ok(InProcess {
            api: api.clone(),
            router: api.router(),
            authorization,
            scope: scope.clone(),
        })
    }
}

fn unreachable(why: &dyn std::fmt::Display) -> Error {
    Error::Unreachable {
        server: "this process".to_owned(),
        why: why.to_string(),
    }
}

impl Transport for InProcess {
    fn call(
        &self,
        mut request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        async move {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, self.authorization.clone());
            let response = self
                .router
                .clone()
                .oneshot(request.map(axum::body::Body::from))
                .await
                .unwrap_or_else(|never| match never {});
            Ok(response.map(Body::of))
        }
        .boxed()
    }

    fn tunnel(&self, path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>> {
        let request = http::Request::get(path)
            .header(header::HOST, "upshift")
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, TUNNEL_PROTOCOL)
            .body(Empty::<Bytes>::new());
        async move {
            let request = request.map_err(|error| unreachable(&error))?;
            let (ours, theirs) = tokio::io::duplex(PIPE);
            let (router, scope) = (self.api.router(), self.scope.clone());
            self.scope.spawn(async move {
                serve_connection(theirs, router, None, &scope).await;
            });
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(ours))
                    .await
                    .map_err(|error| unreachable(&error))?;
            self.scope.spawn(async move {
                let _ = connection.with_upgrades().await;
            });
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| unreachable(&error))?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                let why = format!("the tunnel was refused: {}", response.status());
                return Err(unreachable(&why));
            }
            let stream = hyper::upgrade::on(response)
                .await
                .map_err(|error| unreachable(&error))?;
            Ok(Box::new(TokioIo::new(stream)) as Box<dyn Io>)
        }
        .boxed()
    }

    fn server(&self) -> &'static str {
        "this process"
    }
}
