//! The runtime API of a HAProxy: one command over its socket, one answer, within a time.
//!
//! A connection for each command: HAProxy closes it after the answer, nothing is left half read, and a HAProxy that was
//! restarted is simply the next one that answers. What commands mean is said elsewhere.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::UnixStream;

/// How long one command may take, connecting included.
const WITHIN: Duration = Duration::from_secs(3);
/// More than any answer has: thousands of servers with all their counters.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Where the runtime API is: `PATH`, or `tcp:HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Unix(PathBuf),
    Tcp(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let Some(address) = text.strip_prefix("tcp:") else {
            return match text {
                "" => Err("it names no socket".to_owned()),
                path => Ok(Place::Unix(path.into())),
            };
        };
        match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Place::Tcp(address.to_owned()))
            }
            _ => Err(format!("{text:?} is not tcp:HOST:PORT")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "{}", path.display()),
            Place::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// Why there is no answer; one line that names the socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("HAProxy cannot be reached at {place}: {source}")]
    Connect {
        place: Place,
        source: std::io::Error,
    },
    #[error("HAProxy at {place} broke off its answer to `{command}`: {source}")]
    Broken {
        place: Place,
        command: String,
        source: std::io::Error,
    },
    #[error("HAProxy at {place} did not answer `{command}` within {}s", WITHIN.as_secs())]
    Slow { place: Place, command: String },
    #[error("what listens at {place} is no HAProxy that can be used: {why}")]
    Unfit { place: Place, why: String },
}

impl Place {
    /// Sends a command; its whole answer without the blank line at the end.
    pub(super) async fn ask(&self, command: &str) -> Result<String, Error> {
        let answer = tokio::time::timeout(WITHIN, self.exchange(command));
        answer.await.unwrap_or_else(|_| {
            Err(Error::Slow {
                place: self.clone(),
                command: command.to_owned(),
            })
        })
    }

    async fn exchange(&self, command: &str) -> Result<String, Error> {
        let unreachable = |source| Error::Connect {
            place: self.clone(),
            source,
        };
        let answer = match self {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                talk(stream, command).await
            }
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                talk(stream, command).await
            }
        };
        answer.map_err(|source| Error::Broken {
            place: self.clone(),
            command: command.to_owned(),
            source,
        })
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    command: &str,
) -> std::io::Result<String> {
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut bytes).await?;
    if bytes.is_empty() {
        // Even a command without an answer ends with an empty line.
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address() {
        let place = |text: &str| text.parse::<Place>().map(|place| place.to_string());
        assert_eq!(place("/run/h.sock"), Ok("/run/h.sock".to_owned()));
        assert_eq!(place("tcp:lb:9999"), Ok("tcp:lb:9999".to_owned()));
        assert_eq!(place("tcp:[::1]:9999"), Ok("tcp:[::1]:9999".to_owned()));
        assert!(place("tcp:9999").is_err());
        assert!(place("tcp:lb:http").is_err());
        assert!(place("").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let place = Place::Unix(path.clone());
        let gone = place.ask("show info").await.unwrap_err().to_string();
        assert!(gone.starts_with("HAProxy cannot be reached at "), "{gone}");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let slow = place.ask("show info").await.unwrap_err().to_string();
        assert!(
            slow.ends_with("did not answer `show info` within 3s"),
            "{slow}"
        );
        drop(listener);
    }
}
