//! The three standard streams of a command: data on one, talk on the other, and what is connected to them.
//!
//! A command gets its streams from its caller and knows no others, so that tests run commands in threads and read what
//! they said. A reader that went away (`upshift get … | head`) is not an error: the writer stops quietly.

use std::fmt;
use std::io;
use std::io::IsTerminal;
use std::io::Read;
use std::io::Write;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

type Sink = Arc<Mutex<dyn Write + Send>>;
type Source = Arc<Mutex<dyn Read + Send>>;

/// Where a command reads and writes; a cheap clone.
#[derive(Clone)]
pub struct Streams {
    out: Sink,
    err: Sink,
    input: Source,
    /// Whether data goes to a person.
    pub out_is_terminal: bool,
    /// Whether talk goes to a person.
    pub err_is_terminal: bool,
    /// Whether a person can answer a question.
    pub in_is_terminal: bool,
    fixed_size: Option<Size>,
}

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

impl Streams {
    /// The streams of this process.
    pub fn of_process() -> Streams {
        Streams {
            out: Arc::new(Mutex::new(io::stdout())),
            err: Arc::new(Mutex::new(io::stderr())),
            input: Arc::new(Mutex::new(io::stdin())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            in_is_terminal: io::stdin().is_terminal(),
            fixed_size: None,
        }
    }

    /// Streams that end in memory, and what was written to them; nothing is a terminal and the input is empty.
    pub fn captured() -> (Streams, Captured) {
        let captured = Captured::default();
        let streams = Streams {
            out: captured.out.clone(),
            err: captured.err.clone(),
            input: Arc::new(Mutex::new(io::empty())),
            out_is_terminal: false,
            err_is_terminal: false,
            in_is_terminal: false,
            fixed_size: None,
        };
        (streams, captured)
    }

    /// These streams with that input.
    #[must_use]
    pub fn with_input(mut self, bytes: Vec<u8>) -> Streams {
        self.input = Arc::new(Mutex::new(io::Cursor::new(bytes)));
        self
    }

    /// These streams as a terminal of that size would show them.
    #[must_use]
    pub fn with_terminal(mut self, size: Size) -> Streams {
        self.out_is_terminal = true;
        self.err_is_terminal = true;
        self.fixed_size = Some(size);
        self
    }

    /// Writes data; [`is_reader_gone`] tells the error that is none.
    pub fn out(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        write(&self.out, text.to_string().as_bytes())
    }

    /// Writes talk.
    pub fn err(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        write(&self.err, text.to_string().as_bytes())
    }

    /// Writes data that need not be text.
    pub fn out_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        write(&self.out, bytes)
    }

    /// Writes talk that need not be text.
    pub fn err_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        write(&self.err, bytes)
    }

    /// Everything that comes in.
    pub fn read_input(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        lock(&self.input).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The input as a reader, for a thread that waits for it.
    pub fn input_reader(&self) -> Box<dyn Read + Send> {
        Box::new(SharedInput(self.input.clone()))
    }

    /// The data stream as a writer, for code that writes a lot.
    pub fn out_writer(&self) -> Box<dyn Write + Send> {
        Box::new(Shared(self.out.clone()))
    }

    /// The talk stream as a writer.
    pub fn err_writer(&self) -> Box<dyn Write + Send> {
        Box::new(Shared(self.err.clone()))
    }

    /// The size of the terminal that talk goes to, if there is one.
    pub fn size(&self) -> Option<Size> {
        if self.fixed_size.is_some() || !self.err_is_terminal {
            return self.fixed_size;
        }
        let (width, height) = terminal_size::terminal_size_of(io::stderr())?;
        Some(Size {
            columns: width.0,
            rows: height.0,
        })
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("out_is_terminal", &self.out_is_terminal)
            .field("err_is_terminal", &self.err_is_terminal)
            .field("in_is_terminal", &self.in_is_terminal)
            .finish_non_exhaustive()
    }
}

/// Whether an error only says that nobody reads any more, which ends a command quietly and well.
pub fn is_reader_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// One write and a flush: a line is never torn, and never stays behind.
fn write(sink: &Sink, bytes: &[u8]) -> io::Result<()> {
    let mut sink = lock(sink);
    sink.write_all(bytes)?;
    sink.flush()
}

fn lock<T: ?Sized>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Shared(Sink);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        lock(&self.0).flush()
    }
}

struct SharedInput(Source);

impl Read for SharedInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read(buffer)
    }
}

/// What was written to captured streams so far.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    /// The data, as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&lock(&self.out)).into_owned()
    }

    /// The talk, as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&lock(&self.err)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn keeps_data_and_talk_apart() {
        let (streams, captured) = Streams::captured();
        streams.out(format_args!("data {}\n", 1)).unwrap();
        streams.err(format_args!("talk\n")).unwrap();
        streams.out_writer().write_all(b"more\n").unwrap();
        assert_eq!(captured.out(), "data 1\nmore\n");
        assert_eq!(captured.err(), "talk\n");
        assert_eq!(streams.size(), None);
    }

    #[test]
    fn tells_a_reader_that_went_away_from_a_fault() {
        let (mut streams, _) = Streams::captured();
        streams.out = Arc::new(Mutex::new(Gone));
        streams.err = streams.out.clone();
        let error = streams.out(format_args!("x")).unwrap_err();
        assert!(is_reader_gone(&error));
        assert!(is_reader_gone(
            &streams.err_bytes(b"nobody hears this").unwrap_err()
        ));
    }

    #[test]
    fn reads_its_input_once() {
        let streams = Streams::captured().0.with_input(b"kind: Node".to_vec());
        assert_eq!(streams.read_input().unwrap(), b"kind: Node");
        assert_eq!(streams.read_input().unwrap(), b"");
    }
}
