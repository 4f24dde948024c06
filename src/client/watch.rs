//! A watch's answer, read: JSON lines that arrive in pieces become events.
//!
//! Ends when the server ends it; resuming and listing again are the cache's.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::api::status::Status;
use crate::client::error::Error;
use crate::client::transport::Body;

/// What happened to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    Added(Value),
    Modified(Value),
    /// The last state, with the version of the deletion.
    Deleted(Value),
    /// Nothing up to this version; only `metadata.resourceVersion` counts.
    Bookmark(Value),
}

impl WatchEvent {
    /// The object it tells of.
    pub fn object(&self) -> &Value {
        let (WatchEvent::Added(object)
        | WatchEvent::Modified(object)
        | WatchEvent::Deleted(object)
        | WatchEvent::Bookmark(object)) = self;
        object
    }

    /// The version at which it happened.
    pub fn revision(&self) -> u64 {
        revision(self.object())
    }
}

/// The version that an object carries; 0 without one.
pub fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// Events in the order in which they happened; an error is the last item.
pub struct WatchStream(BoxStream<'static, Result<WatchEvent, Error>>);

impl WatchStream {
    /// Reads the events of a watch's answer.
    pub fn new(body: Body) -> WatchStream {
        let events = lines(body).map(|line| line.and_then(|line| event(&line)));
        WatchStream(events.boxed())
    }

    /// The next event; `None` when the server ended the watch.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, Error>> {
        self.0.next().await
    }
}

impl Stream for WatchStream {
    type Item = Result<WatchEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

/// The lines of a body, without their ends; a last line without one counts, empty ones do not.
pub fn lines(body: Body) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    struct Reading {
        body: Body,
        rest: BytesMut,
        /// How far `rest` is known to hold no line end.
        searched: usize,
        ended: bool,
    }
    let start = Reading {
        body,
        rest: BytesMut::new(),
        searched: 0,
        ended: false,
    };
    futures_util::stream::unfold(start, |mut reading| async move {
        loop {
            if let Some(at) = reading.rest[reading.searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let mut line = reading.rest.split_to(reading.searched + at + 1);
                reading.searched = 0;
                line.truncate(line.len() - 1);
                if line.is_empty() {
                    continue;
                }
                return Some((Ok(line.freeze()), reading));
            }
            reading.searched = reading.rest.len();
            if reading.ended {
                reading.searched = 0;
                let line = reading.rest.split().freeze();
                return (!line.is_empty()).then_some((Ok(line), reading));
            }
            match reading.body.chunk().await {
                Some(Ok(chunk)) => reading.rest.extend_from_slice(&chunk),
                Some(Err(error)) => {
                    reading.ended = true;
                    reading.rest.clear();
                    reading.searched = 0;
                    return Some((Err(error), reading));
                }
                None => {
                    reading.ended = true;
                    reading.searched = 0;
                }
            }
        }
    })
}

fn event(line: &[u8]) -> Result<WatchEvent, Error> {
    #[derive(serde::Deserialize)]
    struct Line {
        #[serde(rename = "type")]
        kind: String,
        object: Value,
    }
    let Line { kind, object } =
        serde_json::from_slice(line).map_err(|error| Error::Decode(error.to_string()))?;
    match kind.as_str() {
        "ADDED" => Ok(WatchEvent::Added(object)),
        "MODIFIED" => Ok(WatchEvent::Modified(object)),
        "DELETED" => Ok(WatchEvent::Deleted(object)),
        "BOOKMARK" => Ok(WatchEvent::Bookmark(object)),
        "ERROR" => {
            let status: Status =
                serde_json::from_value(object).map_err(|error| Error::Decode(error.to_string()))?;
            Err(status.into())
        }
        other => Err(Error::Decode(format!("unknown watch event {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(pieces: &[&str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::copy_from_slice(piece.as_bytes())))
            .collect();
        Body::new(futures_util::stream::iter(pieces))
    }

    async fn read(pieces: &[&str]) -> Vec<String> {
        WatchStream::new(chunks(pieces))
            .map(|event| match event {
                Ok(event) => format!("{}", event.revision()),
                Err(error) => error.to_string(),
            })
            .collect()
            .await
    }

    #[tokio::test]
    async fn a_chunk_is_not_a_line() {
        let line = r#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}"#;
        let (head, tail) = line.split_at(20);
        let tail = format!("{tail}\n\n{line}\n{line}");
        assert_eq!(read(&[head, &tail]).await, ["7", "7", "7"]);
        let bytes: Vec<String> = line.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(read(&bytes).await, ["7"]);
    }

    #[tokio::test]
    async fn an_error_event_is_a_status() {
        let line = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        let error = WatchStream::new(chunks(&[line]))
            .next()
            .await
            .unwrap()
            .unwrap_err();
        assert!(error.is_expired());
        assert_eq!(read(&["{\"type\":1}\n"]).await.len(), 1);
    }
}
