//! How requests reach a server: over HTTPS, or within this process.
//!
//! A transport carries identity and bytes; it knows no object. Everything above it is the same for both.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use crate::client::error::Error;

/// A way to one server under one identity.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request whose URI is path and query only; the answer's body streams.
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Body>, Error>>;

    /// Asks for a byte stream of our own instead of an answer.
    fn tunnel(&self, path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>>;

    /// The server as messages name it: its URL.
    #[expect(
        clippy::unnecessary_literal_bound,
        reason = "other transports answer with what they hold"
    )]
    fn server(&self) -> &str {
        "this process"
    }
}

/// A two-way byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An answer's bytes as they come.
pub struct Body(BoxStream<'static, Result<Bytes, Error>>);

impl Body {
    /// A body of these chunks.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Body {
        Body(chunks.boxed())
    }

    /// A body that is here already.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        Body::new(futures_util::stream::iter([Ok(bytes)]))
    }

    /// Any HTTP body; what it fails with becomes [`Error::Interrupted`].
    pub fn of<B>(body: B) -> Body
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let chunks = http_body_util::BodyDataStream::new(body);
        Body::new(chunks.map(|chunk| chunk.map_err(|error| Error::Interrupted(error.to_string()))))
    }

    /// Everything until the end.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let Some(first) = self.0.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.0.next().await.transpose()? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.0.next().await.transpose()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The next piece; a chunk has no meaning of its own.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, Error>> {
        self.0.next().await
    }

    /// This body as a reader.
    pub fn into_reader(self) -> impl AsyncRead + Send + Unpin {
        tokio_util::io::StreamReader::new(self.0.map(|chunk| chunk.map_err(io::Error::other)))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
