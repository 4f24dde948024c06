//! Two streams of pieces, one each way, as one two-way byte stream: a tunnel inside an HTTP/2 request and its answer.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;
use tokio_util::sync::PollSender;

/// How many pieces may wait to be sent.
const PIECES: usize = 8;

/// Reads what one stream brings, writes what another takes away.
pub struct Duplex {
    read: StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>,
    write: PollSender<Bytes>,
}

impl Duplex {
    /// Reads from `incoming`; what is written comes out of the stream beside it.
    pub fn new<E: std::fmt::Display>(
        incoming: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> (Duplex, impl Stream<Item = Bytes> + Send + 'static) {
        let (half, outgoing) = Half::new();
        (half.reading(incoming), outgoing)
    }

    /// Waits until nobody takes away what is written any more; reads nothing.
    pub async fn closed(&mut self) {
        if let Some(sender) = self.write.get_ref() {
            sender.closed().await;
        }
    }
}

/// What goes out, before there is anything to read: an answer comes only after its request has begun.
pub struct Half(mpsc::Sender<Bytes>);

impl Half {
    /// What will be written comes out of the stream.
    pub fn new() -> (Half, impl Stream<Item = Bytes> + Send + 'static) {
        let (sender, mut receiver) = mpsc::channel(PIECES);
        let outgoing = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        (Half(sender), outgoing)
    }

    /// The whole, now that there is something to read.
    pub fn reading<E: std::fmt::Display>(
        self,
        incoming: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Duplex {
        let incoming =
            incoming.map(|piece| piece.map_err(|error| io::Error::other(error.to_string())));
        Duplex {
            read: StreamReader::new(incoming.boxed()),
            write: PollSender::new(self.0),
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(context, buffer)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.write.poll_reserve(context)).map_err(gone)?;
        let piece = Bytes::copy_from_slice(bytes);
        self.write.send_item(piece).map_err(gone)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.close();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_one_end_writes_the_other_reads_to_its_end() {
        let (half, out) = Half::new();
        let (mut far, back) = Duplex::new(out.map(Ok::<Bytes, io::Error>));
        let mut near = half.reading(back.map(Ok::<Bytes, io::Error>));
        let text = "x".repeat(100_000);
        let (ours, theirs) = tokio::join!(
            async {
                near.write_all(text.as_bytes()).await.unwrap();
                near.shutdown().await.unwrap();
                let mut answer = String::new();
                near.read_to_string(&mut answer).await.unwrap();
                answer
            },
            async {
                let mut asked = String::new();
                far.read_to_string(&mut asked).await.unwrap();
                far.write_all(b"heard").await.unwrap();
                far.shutdown().await.unwrap();
                asked
            }
        );
        assert_eq!((ours.as_str(), theirs.len()), ("heard", text.len()));
        drop(near);
        far.closed().await;
        let error = far.write_all(b"late").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
