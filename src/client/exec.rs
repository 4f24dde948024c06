//! A program that runs on a node or beside a pod's container, and its streams: what the two ends say to each other.
//!
//! The bytes go from the caller through the API server and the agent to the process beside the program, and back; those
//! in between only copy. A frame is a channel, a length of four bytes, and that many bytes. Whoever loses the other end
//! ends: a program does not outlive its caller's connection.

use std::io;
use std::io::Read;
use std::io::Write;

use serde::Deserialize;
use serde::Serialize;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;

use crate::api::status::Status;

/// The longest content of a frame.
pub const LONGEST: usize = 64 * 1024;

/// The header in which a node says which number a program has: `DELETE /exec/NUMBER` tells it that the caller is gone,
/// beside streams on which that may not get through.
pub const NUMBER: &str = "upshift-exec-number";

/// Columns and rows of a terminal that does not say them.
pub const TERMINAL_SIZE: (u16, u16) = (80, 24);

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Input of the program; an empty frame is its end.
    Input,
    Output,
    Error,
    /// How it ended ([`End`] as JSON); nothing follows.
    End,
    /// One byte: a signal for the program.
    Signal,
    /// What is to run, from the agent to the process beside the program.
    Spec,
    /// The size of the caller's terminal: columns and rows, two bytes each.
    Resize,
}

/// The content of a [`Channel::Resize`].
pub fn size_to_bytes(columns: u16, rows: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (columns.to_be_bytes(), rows.to_be_bytes());
    [a, b, c, d]
}

/// Columns and rows; none when it is something else.
pub fn size_of_bytes(content: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *content else { return None };
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// As a shell shows it: 128 + signal when a signal ended it.
    pub code: u8,
    /// Why it could not be started; empty for one that ran.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Channel {
    const ALL: [Channel; 7] = [
        Channel::Input,
        Channel::Output,
        Channel::Error,
        Channel::End,
        Channel::Signal,
        Channel::Spec,
        Channel::Resize,
    ];

    fn number(self) -> u8 {
        match self {
            Channel::Input => 0,
            Channel::Output => 1,
            Channel::Error => 2,
            Channel::End => 3,
            Channel::Signal => 4,
            Channel::Spec => 5,
            Channel::Resize => 6,
        }
    }
}

/// The refusal of a program beside a container that does not run.
pub fn not_running(container: &str, pod: &str) -> Status {
    Status::bad_request(format!(
        "container {container:?} in pod {pod:?} does not run"
    ))
}

/// One frame as it goes over the wire; longer content than [`LONGEST`] is the caller's to cut.
pub fn frame(channel: Channel, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(content.len() + 5);
    bytes.push(channel.number());
    bytes.extend(length.to_be_bytes());
    bytes.extend(content);
    bytes
}

fn head(bytes: [u8; 5]) -> io::Result<(Channel, usize)> {
    let [channel, length @ ..] = bytes;
    let known = Channel::ALL.into_iter().find(|one| one.number() == channel);
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    match known {
        Some(channel) if length <= LONGEST => Ok((channel, length)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the other end does not speak this protocol",
        )),
    }
}

/// The next frame; none at the end.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Channel, Vec<u8>)>> {
    let mut start = [0; 5];
    match from.read_exact(&mut start).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (channel, length) = head(start)?;
    let mut content = vec![0; length];
    from.read_exact(&mut content).await?;
    Ok(Some((channel, content)))
}

/// Sends a frame.
pub async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    channel: Channel,
    content: &[u8],
) -> io::Result<()> {
    to.write_all(&frame(channel, content)).await?;
    to.flush().await
}

/// The next frame, for a process without a runtime; none at the end.
pub fn read_here(from: &mut impl Read) -> io::Result<Option<(Channel, Vec<u8>)>> {
    let mut start = [0; 5];
    match from.read_exact(&mut start) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (channel, length) = head(start)?;
    let mut content = vec![0; length];
    from.read_exact(&mut content)?;
    Ok(Some((channel, content)))
}

/// Sends a frame, for a process without a runtime.
pub fn write_here(to: &mut impl Write, channel: Channel, content: &[u8]) -> io::Result<()> {
    to.write_all(&frame(channel, content))?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let mut wire = Vec::new();
        for channel in Channel::ALL {
            write_here(&mut wire, channel, b"abc").unwrap();
        }
        write_here(&mut wire, Channel::Input, b"").unwrap();
        let mut from = wire.as_slice();
        for channel in Channel::ALL {
            let frame = read_here(&mut from).unwrap();
            assert_eq!(frame, Some((channel, b"abc".to_vec())));
        }
        assert_eq!(
            read_here(&mut from).unwrap(),
            Some((Channel::Input, Vec::new()))
        );
        assert_eq!(read_here(&mut from).unwrap(), None);
    }

    #[test]
    fn a_size_is_read_as_it_was_written() {
        let bytes = size_to_bytes(132, 43);
        assert_eq!(size_of_bytes(&bytes), Some((132, 43)));
        assert_eq!(size_of_bytes(&bytes[1..]), None);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for wire in [b"HTTP/1.1 400".as_slice(), &[1, 0xff, 0, 0, 0, 0]] {
            assert!(read_here(&mut &wire[..]).is_err());
        }
    }
}
