//! Files over HTTP on a bad line: parts of them, cuts, damage, redirects and refusals as a test orders them.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

/// What goes wrong with one answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes of the body.
    Cut(usize),
    /// The byte at this place of the body is another one.
    Damage(usize),
    /// Every so often a few bytes.
    Slow,
    Status(u16),
    Redirect(String),
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    faults: VecDeque<Fault>,
    /// `METHOD PATH RANGE`
    asked: Vec<String>,
    sent: usize,
}

/// A running server; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct WebServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl WebServer {
    pub(crate) fn start() -> WebServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let server = WebServer { port, state };
        let copy = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = copy.clone();
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn file(&self, path: &str, content: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.files.insert(path.to_owned(), content.to_vec());
    }

    /// The next answers with a body go wrong like this.
    pub(crate) fn faults(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults = faults.iter().cloned().collect();
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Bytes of bodies that were sent since the last time.
    pub(crate) fn sent(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().sent)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut out = stream;
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut words = first.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let mut range = String::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            if name.eq_ignore_ascii_case("range") {
                value.clone_into(&mut range);
            }
        }
        let (file, fault) = {
            let mut state = self.state.lock().unwrap();
            state
                .asked
                .push(format!("{method} {path} {range}").trim_end().to_owned());
            let fault = if method == "GET" {
                state.faults.pop_front()
            } else {
                None
            };
            (state.files.get(&path).cloned(), fault)
        };
        let plain = |status: u16, more: &str| {
            format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
        };
        match (&fault, file) {
            (Some(Fault::Status(status)), _) => out.write_all(plain(*status, "").as_bytes()),
            (Some(Fault::Redirect(to)), _) => {
                out.write_all(plain(302, &format!("Location: {to}\r\n")).as_bytes())
            }
            (_, None) => out.write_all(plain(404, "").as_bytes()),
            (fault, Some(file)) => {
                let is_head = method == "HEAD";
                self.body(out, &file, &range, is_head, fault.as_ref())
            }
        }
    }

    fn body(
        &self,
        mut out: &TcpStream,
        file: &[u8],
        range: &str,
        is_head: bool,
        fault: Option<&Fault>,
    ) -> std::io::Result<()> {
        let wanted = range.strip_prefix("bytes=").and_then(|range| {
            let (from, to) = range.split_once('-')?;
            let to = to.parse().map_or(file.len(), |last: usize| last + 1);
            Some(from.parse().ok()?..to.min(file.len()))
        });
        let status = if wanted.is_some() { 206 } else { 200 };
        let mut body = file[wanted.unwrap_or(0..file.len())].to_vec();
        write!(
            out,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )?;
        if is_head {
            return Ok(());
        }
        match fault {
            Some(Fault::Cut(after)) => body.truncate(*after),
            Some(Fault::Damage(at)) if *at < body.len() => body[*at] ^= 1,
            _ => {}
        }
        let is_slow = matches!(fault, Some(Fault::Slow));
        let step = if is_slow {
            body.len().div_ceil(20).max(1)
        } else {
            64 << 10
        };
        for part in body.chunks(step) {
            if is_slow {
                std::thread::sleep(Duration::from_millis(20));
            }
            out.write_all(part)?;
            self.state.lock().unwrap().sent += part.len();
        }
        Ok(())
    }
}
