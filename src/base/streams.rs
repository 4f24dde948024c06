//! Where a command talks: stdout for data, stderr for talk, and whether each is a terminal.
//!
//! The only file that touches the process's own streams, so that commands run in threads of a test. A closed pipe is an
//! error of kind `BrokenPipe`; the command line ends quietly on it.

use std::fmt;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

type Sink = Arc<Mutex<dyn Write + Send>>;

/// A pair of output streams; clones write to the same ones.
#[derive(Clone)]
pub struct Streams {
    out: Sink,
    err: Sink,
    pub out_is_terminal: bool,
    pub err_is_terminal: bool,
    pub in_is_terminal: bool,
}

/// What a test's command wrote.
#[derive(Clone, Default)]
pub struct Captured {
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Streams {
    /// The streams of this process.
    pub fn of_process() -> Streams {
        Streams {
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            in_is_terminal: io::stdin().is_terminal(),
        }
    }

    /// Streams that keep what is written; none is a terminal.
    pub fn captured() -> (Streams, Captured) {
        let captured = Captured::default();
        let streams = Streams {
            out: captured.out.clone(),
            err: captured.err.clone(),
            out_is_terminal: false,
            err_is_terminal: false,
            in_is_terminal: false,
        };
        (streams, captured)
    }

    /// Writes text to stdout: data.
    pub fn out(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        write(&self.out, text.to_string().as_bytes())
    }

    /// Writes text to stderr: talk.
    pub fn err(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        write(&self.err, text.to_string().as_bytes())
    }

    /// Writes bytes to stdout as they are.
    pub fn out_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        write(&self.out, bytes)
    }

    /// Writes bytes to stderr as they are.
    pub fn err_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        write(&self.err, bytes)
    }
}

/// One write and a flush: a line is never torn, and never stays behind.
fn write(sink: &Sink, bytes: &[u8]) -> io::Result<()> {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    sink.write_all(bytes)?;
    sink.flush()
}

impl Captured {
    /// What went to stdout.
    pub fn out(&self) -> String {
        text(&self.out)
    }

    /// What went to stderr.
    pub fn err(&self) -> String {
        text(&self.err)
    }
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_data_and_talk_apart() {
        let (streams, captured) = Streams::captured();
        streams.out(format_args!("data\n")).unwrap();
        streams.err(format_args!("talk {}\n", 1)).unwrap();
        assert_eq!(
            (captured.out(), captured.err()),
            ("data\n".into(), "talk 1\n".into())
        );
    }
}
