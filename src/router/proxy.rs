//! One request on its way: to an endpoint by the table of that moment, and its answer back.
//!
//! Bodies stream both ways and are never held. What can be sent again is sent again, elsewhere: a request of which
//! nothing was written, and one without a body whose method may be repeated, when no answer came. A client that goes
//! away drops the request, which closes the connection to the endpoint. hyper reads and writes the messages: a request
//! that could be read in two ways does not come this far.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderValue;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::Uri;
use http::Version;
use http::header;
use http::uri::PathAndQuery;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::router::counters;
use crate::router::counters::Counters;
use crate::router::headers;
use crate::router::headers::Peer;
use crate::router::pages::Failure;
use crate::router::table::Endpoint;
use crate::router::table::Table;
use crate::router::upstream::Moved;
use crate::router::upstream::Pool;
use crate::router::upstream::Upload;
use crate::router::upstream::Upstream;
use crate::router::upstream::dial;

/// How often a request is sent again at most.
const RETRIES: usize = 3;
/// How often it is looked whether a suspect is back.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most endpoints that one request tries.
const TRIES: usize = 5;

/// What all workers and fronts share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    /// Told when the last request on an endpoint that has left ends.
    pub(crate) drained: Notify,
    /// Endpoints that could not be connected to and have not been tried since.
    suspects: Mutex<Vec<Arc<Endpoint>>>,
}

impl Shared {
    /// Looks for ever which suspects can be connected to again: requests go there only when there is no other.
    pub(crate) async fn look_after_suspects(self: Arc<Shared>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let suspects = std::mem::take(&mut *self.suspects());
            let looks = suspects.into_iter().map(async |endpoint| {
                if endpoint.is_gone() || dial(endpoint.address, true).await.is_ok() {
                    endpoint.suspect(false);
                } else {
                    self.suspects().push(endpoint);
                }
            });
            futures_util::future::join_all(looks).await;
        }
    }

    fn suspects(&self) -> MutexGuard<'_, Vec<Arc<Endpoint>>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request or connection on an endpoint; ends when dropped.
pub(crate) struct Flight {
    endpoint: Arc<Endpoint>,
    shared: Arc<Shared>,
}

impl Flight {
    /// Begins on an endpoint unless it has left.
    pub(crate) fn begin(endpoint: &Arc<Endpoint>, shared: &Arc<Shared>) -> Option<Flight> {
        endpoint.begin().then(|| Flight {
            endpoint: endpoint.clone(),
            shared: shared.clone(),
        })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Notes that the endpoint does not answer.
    pub(crate) fn suspect(&self) {
        if self.endpoint.suspect(true) {
            self.shared.suspects().push(self.endpoint.clone());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.endpoint.end() {
            self.shared.drained.notify_one();
        }
    }
}

/// Where a request goes.
struct Chosen {
    flight: Flight,
    /// How long the answer may take to begin.
    within: Duration,
    /// Whether there is another endpoint to try.
    has_other: bool,
}

/// What one worker thread proxies with.
pub(crate) struct Proxy {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    pub(crate) counters: Arc<Counters>,
}

impl Proxy {
    /// Answers one request, whatever happens.
    pub(crate) async fn answer(
        self: Arc<Proxy>,
        peer: Arc<Peer>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Infallible> {
        let mut counted = self.counters.begin();
        let answer = self.forward(&peer, request).await;
        let response = match answer {
            Ok((response, body)) => {
                counted.answered(response.status());
                response.map(|()| Answer { body, counted })
            }
            Err(failure) => {
                counted.answered(failure.code());
                failure.page().map(|page| Answer {
                    body: Source::Page(page),
                    counted,
                })
            }
        };
        Ok(response)
    }

    async fn forward(
        self: &Arc<Proxy>,
        peer: &Peer,
        mut request: Request<Incoming>,
    ) -> Result<(Response<()>, Source), Failure> {
        if request.method() == Method::CONNECT {
            return Err(Failure::NotAProxy);
        }
        name_the_host(&mut request)?;
        let upgrade = headers::upgrade(request.headers());
        headers::of_request(request.headers_mut(), peer, upgrade.clone());
        *request.version_mut() = Version::HTTP_11;
        match upgrade {
            Some(protocol) => self.switch(protocol, request).await,
            None => self.exchange(request).await,
        }
    }

    /// An endpoint in rotation at this moment.
    fn choose<B>(&self, request: &Request<B>, tried: &[SocketAddr]) -> Result<Chosen, Failure> {
        let host = headers::host(request.headers()).ok_or(Failure::BadRequest)?;
        let lower;
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            &lower
        } else {
            host
        };
        // An endpoint that leaves between the choice and the count is not in the next table.
        loop {
            let table = self.shared.table.load();
            let rule = table.rule(host, request.uri().path());
            let rule = rule.ok_or(Failure::NoRoute)?;
            let endpoint = rule.choose(tried).ok_or(Failure::NotAvailable)?;
            if let Some(flight) = Flight::begin(endpoint, &self.shared) {
                return Ok(Chosen {
                    flight,
                    within: rule.answer_within,
                    has_other: rule.has_other(endpoint.address, tried),
                });
            }
        }
    }

    async fn exchange(
        self: &Arc<Proxy>,
        request: Request<Incoming>,
    ) -> Result<(Response<()>, Source), Failure> {
        let (mut request, moved) = with_upload(request);
        let copy = may_repeat(&request).then(|| copy(&request));
        let mut tried = Vec::new();
        let mut retries = 0;
        loop {
            let Chosen {
                flight,
                within,
                has_other,
            } = match self.choose(&request, &tried) {
                // There is no other endpoint to try: what the last one did is the answer.
                Err(Failure::NotAvailable) if retries > 0 => return Err(Failure::Broken),
                chosen => chosen?,
            };
            let address = flight.endpoint().address;
            // After a failure no connection is trusted that might be as dead as the first.
            let pooled = (retries == 0)
                .then(|| self.pool.take(address, copy.is_some()))
                .flatten();
            let is_pooled = pooled.is_some();
            let mut upstream = match pooled {
                Some(upstream) => upstream,
                None => match Upstream::connect(address, has_other).await {
                    Ok(upstream) => {
                        flight.endpoint().suspect(false);
                        upstream
                    }
                    Err(error) => {
                        tracing::debug!(%address, %error, "cannot connect to an endpoint");
                        flight.suspect();
                        tried.push(address);
                        if tried.len() > TRIES {
                            return Err(Failure::NotAvailable);
                        }
                        continue;
                    }
                },
            };
            let sent = in_time(upstream.send(request), within, moved.as_ref()).await;
            let Some(sent) = sent else {
                flight.suspect();
                return Err(Failure::Late);
            };
            let mut error = match sent {
                Ok(response) => return self.relay(response, upstream, flight),
                Err(error) => error,
            };
            let unsent = error.take_message();
            let error = error.into_error();
            tracing::debug!(%address, %error, is_pooled, "an endpoint did not answer");
            if error.is_user() {
                // The client's body broke off in the middle.
                return Err(Failure::BadRequest);
            }
            let again = unsent.or_else(|| copy.as_ref().map(self::copy));
            request = again.filter(|_| retries < RETRIES).ok_or(Failure::Broken)?;
            retries += 1;
            self.counters.retried();
            if !is_pooled {
                tried.push(address);
            }
        }
    }

    fn relay(
        self: &Arc<Proxy>,
        response: Response<Incoming>,
        upstream: Box<Upstream>,
        flight: Flight,
    ) -> Result<(Response<()>, Source), Failure> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::Broken);
        }
        let (mut parts, body) = response.into_parts();
        headers::of_answer(&mut parts.headers, None);
        parts.version = Version::HTTP_11;
        let mut relay = Relay {
            body,
            carrier: Some((upstream, flight)),
            proxy: self.clone(),
        };
        let body = if relay.body.is_end_stream() {
            relay.finish();
            Source::Nothing
        } else {
            Source::Relay(relay)
        };
        Ok((Response::from_parts(parts, ()), body))
    }

    /// A request to go on in another protocol: a connection of its own, and copying once both sides agree.
    async fn switch(
        self: &Arc<Proxy>,
        protocol: HeaderValue,
        mut request: Request<Incoming>,
    ) -> Result<(Response<()>, Source), Failure> {
        let client = hyper::upgrade::on(&mut request);
        let (request, moved) = with_upload(request);
        let mut tried = Vec::new();
        let (flight, within, upstream) = loop {
            let chosen = self.choose(&request, &tried)?;
            let flight = chosen.flight;
            let address = flight.endpoint().address;
            if let Ok(upstream) = Upstream::connect(address, chosen.has_other).await {
                break (flight, chosen.within, upstream);
            }
            flight.suspect();
            tried.push(address);
        };
        let (mut sender, connection) = upstream.into_parts();
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an endpoint broke");
            }
        });
        let sent = in_time(sender.send_request(request), within, moved.as_ref()).await;
        let mut response = sent.ok_or(Failure::Late)?.map_err(|_| Failure::Broken)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (mut parts, body) = response.into_parts();
            headers::of_answer(&mut parts.headers, None);
            let source = Source::Driven(body, flight);
            return Ok((Response::from_parts(parts, ()), source));
        }
        let endpoint = hyper::upgrade::on(&mut response);
        let agreed = response.headers().get(header::UPGRADE).cloned();
        let (mut parts, _) = response.into_parts();
        headers::of_answer(&mut parts.headers, Some(agreed.unwrap_or(protocol)));
        tokio::spawn(async move {
            let _flight = flight;
            let Ok((client, endpoint)) = tokio::try_join!(client, endpoint) else {
                return;
            };
            let (mut client, mut endpoint) = (TokioIo::new(client), TokioIo::new(endpoint));
            let copied = tokio::io::copy_bidirectional(&mut client, &mut endpoint).await;
            if let Err(error) = copied {
                tracing::debug!(%error, "a switched connection broke");
            }
        });
        Ok((Response::from_parts(parts, ()), Source::Nothing))
    }
}

/// Puts the host into the head where everybody looks for it, and the path alone into the first line.
fn name_the_host(request: &mut Request<Incoming>) -> Result<(), Failure> {
    if request.uri().scheme().is_none() && request.uri().authority().is_none() {
        return Ok(());
    }
    let uri = std::mem::take(request.uri_mut());
    let authority = uri.authority().ok_or(Failure::BadRequest)?;
    // RFC 9112 section 3.2.2: the first line wins.
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Failure::BadRequest)?;
    request.headers_mut().insert(header::HOST, host);
    let path = uri.into_parts().path_and_query;
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Ok(())
}

fn with_upload(request: Request<Incoming>) -> (Request<Upload>, Option<Moved>) {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return (Request::from_parts(parts, Upload::Empty), None);
    }
    let moved = Moved::now();
    let upload = Upload::Stream(body, moved.clone());
    (Request::from_parts(parts, upload), Some(moved))
}

fn may_repeat(request: &Request<Upload>) -> bool {
    matches!(request.body(), Upload::Empty) && request.method().is_idempotent()
}

fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// What the future comes to, unless nothing moves for that long.
async fn in_time<T>(
    future: impl Future<Output = T>,
    within: Duration,
    moved: Option<&Moved>,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut end = Instant::now() + within;
    loop {
        if let Ok(done) = tokio::time::timeout_at(end, future.as_mut()).await {
            return Some(done);
        }
        let later = moved.map(Moved::at)? + within;
        if later <= end {
            return None;
        }
        end = later;
    }
}

/// The body of an answer on its way to the client.
pub(crate) struct Answer {
    body: Source,
    #[expect(dead_code, reason = "the request is under way until this is dropped")]
    counted: counters::Request,
}

enum Source {
    Nothing,
    Page(Bytes),
    Relay(Relay),
    /// From a connection that has a task of its own.
    Driven(
        Incoming,
        #[expect(dead_code, reason = "held to the end")] Flight,
    ),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().body {
            Source::Nothing => Poll::Ready(None),
            Source::Page(page) if page.is_empty() => Poll::Ready(None),
            Source::Page(page) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(page))))),
            Source::Relay(relay) => relay.poll(context),
            Source::Driven(body, _) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Source::Nothing => true,
            Source::Page(page) => page.is_empty(),
            Source::Relay(relay) => relay.body.is_end_stream(),
            Source::Driven(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Source::Nothing => SizeHint::with_exact(0),
            Source::Page(page) => SizeHint::with_exact(page.len() as u64),
            Source::Relay(relay) => relay.body.size_hint(),
            Source::Driven(body, _) => body.size_hint(),
        }
    }
}

/// A body that comes through a connection which is driven by whoever reads it.
struct Relay {
    body: Incoming,
    carrier: Option<(Box<Upstream>, Flight)>,
    proxy: Arc<Proxy>,
}

impl Relay {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending()
            && let Some((upstream, _)) = &mut self.carrier
        {
            upstream.drive(context);
            polled = Pin::new(&mut self.body).poll_frame(context);
        }
        match &polled {
            Poll::Ready(Some(Err(_))) => self.carrier = None,
            Poll::Ready(None) => self.finish(),
            // hyper does not ask again for what it knows to be complete.
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.finish(),
            _ => {}
        }
        polled
    }

    /// The answer is complete: the connection is free for the next request.
    fn finish(&mut self) {
        let Some((upstream, flight)) = self.carrier.take() else {
            return;
        };
        if !flight.endpoint().is_gone() {
            self.proxy.pool.put(flight.endpoint().address, upstream);
        }
    }
}
