//! A watch's answer, read: JSON lines that arrive in pieces become events.
//!
//! Ends when the server ends it; resuming and listing again are the cache's.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;

use bytes::Bytes;
use bytes::BytesMut;
use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::status::Status;
use crate::client::error::Error;
use crate::client::transport::Body;

/// What happened to one object: the object parsed, or its text ([`RawValue`]) for who parses it into something else.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent<O = Value> {
    Added(O),
    Modified(O),
    /// The last state, with the version of the deletion.
    Deleted(O),
    /// Nothing up to this version; only `metadata.resourceVersion` counts.
    Bookmark(O),
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
pub struct WatchStream<O = Value>(BoxStream<'static, Result<WatchEvent<O>, Error>>);

impl<O: DeserializeOwned + 'static> WatchStream<O> {
    /// Reads the events of a watch's answer.
    pub fn new(body: Body) -> WatchStream<O> {
        let events = lines(body).map(|line| line.and_then(|line| event(&line)));
        WatchStream(events.boxed())
    }

    /// The next event; `None` when the server ended the watch.
    pub async fn next(&mut self) -> Option<Result<WatchEvent<O>, Error>> {
        self.0.next().await
    }
}

impl<O> Stream for WatchStream<O> {
    type Item = Result<WatchEvent<O>, Error>;

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

fn event<O: DeserializeOwned>(line: &[u8]) -> Result<WatchEvent<O>, Error> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    let wrong = |error: serde_json::Error| Error::Decode(error.to_string());
    let Line { kind, object } = serde_json::from_slice(line).map_err(wrong)?;
    let parsed = || serde_json::from_str(object.get()).map_err(wrong);
    match &*kind {
        "ADDED" => Ok(WatchEvent::Added(parsed()?)),
        "MODIFIED" => Ok(WatchEvent::Modified(parsed()?)),
        "DELETED" => Ok(WatchEvent::Deleted(parsed()?)),
        "BOOKMARK" => Ok(WatchEvent::Bookmark(parsed()?)),
        "ERROR" => {
            let status: Status = serde_json::from_str(object.get()).map_err(wrong)?;
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
        let error = WatchStream::<Value>::new(chunks(&[line]))
            .next()
            .await
            .unwrap()
            .unwrap_err();
        assert!(error.is_expired());
        assert_eq!(read(&["{\"type\":1}\n"]).await.len(), 1);
    }
}
