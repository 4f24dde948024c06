//! Connections to endpoints: made, kept for the next request, and dropped when their endpoint leaves.
//!
//! One pool a worker, so that no lock is ever waited for. A connection is driven by the task of the request that uses it, not by a
//! task of its own: a request then wakes one task and not two. While it lies in the pool nobody drives it; whoever
//! takes it out looks first whether the other side has closed it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body::Frame;
use http_body::SizeHint;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::Builder;
use hyper::client::conn::http1::Connection;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a connection may take to be made when there is no other endpoint.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The same when another endpoint can be tried: a host that is dead answers nothing, and no request is to wait for it.
const CONNECT_SOON: Duration = Duration::from_secs(1);
/// How long a connection lies idle before it is closed.
const IDLE: Duration = Duration::from_secs(30);
/// How long it may lie idle and still carry a request that must not be sent twice: servers close idle connections
/// after a second at the earliest, and such a request lost on a connection just closed is an error for the client.
const FRESH: Duration = Duration::from_millis(500);
/// Idle connections to one endpoint that a worker keeps.
const KEPT: usize = 256;
/// The largest head of an answer.
const LARGEST_HEAD: usize = 256 << 10;

/// The body of a request on its way to an endpoint.
#[derive(Debug)]
pub(crate) enum Upload {
    Empty,
    Stream(Incoming, Moved),
}

/// When a body last moved.
#[derive(Clone, Debug)]
pub(crate) struct Moved(Arc<(Instant, AtomicU64)>);

impl Moved {
    /// It moves now.
    pub(crate) fn now() -> Moved {
        Moved(Arc::new((Instant::now(), AtomicU64::new(0))))
    }

    fn moves(&self) {
        let (start, after) = &*self.0;
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        after.store(milliseconds, Ordering::Relaxed);
    }

    /// The moment itself.
    pub(crate) fn at(&self) -> Instant {
        let (start, after) = &*self.0;
        *start + Duration::from_millis(after.load(Ordering::Relaxed))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Upload::Empty => Poll::Ready(None),
            Upload::Stream(body, moved) => {
                let polled = Pin::new(body).poll_frame(context);
                if polled.is_ready() {
                    moved.moves();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Empty => true,
            Upload::Stream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Stream(body, _) => body.size_hint(),
        }
    }
}

/// A connection to an endpoint with nothing or one request on it.
pub(crate) struct Upstream {
    sender: SendRequest<Upload>,
    connection: Connection<TokioIo<TcpStream>, Upload>,
    over: bool,
}

impl Upstream {
    /// Connects to an endpoint, soon when another one can be tried.
    pub(crate) async fn connect(address: SocketAddr, has_other: bool) -> io::Result<Box<Upstream>> {
        let stream = dial(address, has_other).await?;
        let (sender, connection) = Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        Ok(Box::new(Upstream {
            sender,
            connection,
            over: false,
        }))
    }

    /// Lets the connection do what it can.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        if !self.over {
            self.over = Pin::new(&mut self.connection).poll(context).is_ready();
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<Upload>,
    ) -> Result<http::Response<Incoming>, TrySendError<http::Request<Upload>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|context| {
            if !self.over {
                self.over = Pin::new(&mut self.connection).poll(context).is_ready();
            }
            answer.as_mut().poll(context)
        })
        .await
    }

    /// Whether it can take a request now.
    fn is_ready(&self) -> bool {
        !self.over && self.sender.is_ready()
    }

    /// Both halves, to be driven by a task of its own: a connection that is to be switched to another protocol.
    pub(crate) fn into_parts(
        self,
    ) -> (SendRequest<Upload>, Connection<TokioIo<TcpStream>, Upload>) {
        (self.sender, self.connection)
    }
}

/// A stream to an endpoint, made in time.
pub(crate) async fn dial(address: SocketAddr, has_other: bool) -> io::Result<TcpStream> {
    let within = if has_other {
        CONNECT_SOON
    } else {
        CONNECT_WITHIN
    };
    let connecting = tokio::time::timeout(within, TcpStream::connect(address));
    let stream = connecting.await.map_err(io::Error::from)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The idle connections of one worker.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Idle>);

type Idle = HashMap<SocketAddr, Vec<(Box<Upstream>, Instant)>>;

impl Pool {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection to that endpoint that is still open, the one used last first.
    pub(crate) fn take(&self, address: SocketAddr, may_repeat: bool) -> Option<Box<Upstream>> {
        let mut idle = self.idle();
        let own = idle.get_mut(&address)?;
        let limit = if may_repeat { IDLE } else { FRESH };
        while let Some((mut upstream, since)) = own.pop() {
            if since.elapsed() > limit {
                // What lies below it is older still.
                own.push((upstream, since));
                return None;
            }
            upstream.drive(&mut Context::from_waker(Waker::noop()));
            if upstream.is_ready() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose answer is complete, if it can be used again.
    pub(crate) fn put(&self, address: SocketAddr, mut upstream: Box<Upstream>) {
        upstream.drive(&mut Context::from_waker(Waker::noop()));
        if !upstream.is_ready() {
            return;
        }
        let mut idle = self.idle();
        let own = idle.entry(address).or_default();
        if own.len() < KEPT {
            own.push((upstream, Instant::now()));
        }
    }

    /// Closes every idle connection to an endpoint that left.
    pub(crate) fn forget(&self, address: SocketAddr) {
        self.idle().remove(&address);
    }

    /// Closes what has lain idle for too long, or was closed by the other side.
    pub(crate) fn sweep(&self) {
        self.idle().retain(|_, own| {
            own.retain_mut(|(upstream, since)| {
                upstream.drive(&mut Context::from_waker(Waker::noop()));
                since.elapsed() < IDLE && upstream.is_ready()
            });
            !own.is_empty()
        });
    }
}
