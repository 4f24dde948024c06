//! A child's output on its way from the pipe to `log`: whole up to a limit, then one line that says so, then counted.
//!
//! A full disk loses output and never stops the child.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::shim::Spec;
use crate::agent::shim::stamped::Stamped;
use crate::base::text;

/// The pipe's reading end and the file it is drained into.
pub(super) struct Output {
    pipe: Option<File>,
    log: Log,
    /// All bytes that came in this run.
    pub(super) total: u64,
}

enum Log {
    /// Whole up to a limit: what a hook says.
    Whole(Whole),
    /// The newest part, for ever: what a pod says.
    Newest(Stamped),
}

struct Whole {
    path: PathBuf,
    /// Made with the first byte: most hooks say nothing.
    file: Option<File>,
    limit: u64,
    kept: u64,
    full: bool,
    line_open: bool,
}

impl Output {
    /// Continues the log at `path`; `pipe` must not block.
    pub(super) fn new(pipe: OwnedFd, path: &Path, spec: &Spec) -> io::Result<Output> {
        let log = if spec.log_files > 0 {
            Log::Newest(Stamped::open(path, spec.log_limit, spec.log_files)?)
        } else {
            Log::Whole(Whole::open(path, spec.log_limit)?)
        };
        Ok(Output {
            pipe: Some(File::from(pipe)),
            log,
            total: 0,
        })
    }

    /// The pipe, as long as somebody may still write to it.
    pub(super) fn pipe(&self) -> Option<&File> {
        self.pipe.as_ref()
    }

    /// Takes what is in the pipe now, at most a few hundred blocks so that signals get their turn.
    pub(super) fn drain(&mut self) {
        // Small, because a new process pays for each page that it touches, and most hooks say little.
        let mut buffer = [0_u8; 8 * 1024];
        for _ in 0..256 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => self.keep(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        match &mut self.log {
            Log::Whole(log) => log.keep(bytes),
            Log::Newest(log) => drop(log.write(bytes)),
        }
    }
}

impl Whole {
    fn open(path: &Path, limit: u64) -> io::Result<Whole> {
        let kept = match fs::metadata(path) {
            Ok(log) => log.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Whole {
            path: path.to_owned(),
            file: None,
            limit,
            kept,
            full: kept >= limit,
            line_open: false,
        })
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.full {
            return;
        }
        let room = usize::try_from(self.limit - self.kept).unwrap_or(usize::MAX);
        let part = &bytes[..bytes.len().min(room)];
        let _ = self.write(part);
        self.kept += part.len() as u64;
        if let Some(last) = part.last() {
            self.line_open = *last != b'\n';
        }
        if part.len() < bytes.len() {
            self.full = true;
            let open = if self.line_open { "\n" } else { "" };
            let limit = text::size(self.limit);
            let more = format!("{open}[upshift: output above {limit} is not kept]\n");
            let _ = self.write(more.as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = File::options().create(true).append(true).open(&self.path)?;
                none.insert(file)
            }
        };
        file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_up_to_the_limit_and_says_once_that_more_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let spec = Spec {
            log_limit: 10,
            ..Spec::default()
        };
        let (reading, mut writing) = io::pipe().unwrap();
        let mut output = Output::new(reading.into(), &path, &spec).unwrap();
        writing.write_all(b"12345\n\xff\xfe8901234\n").unwrap();
        writing.write_all(b"more\n").unwrap();
        drop(writing);
        output.drain();
        assert!(output.pipe().is_none());
        assert_eq!(output.total, 21);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"12345\n\xff\xfe89\n[upshift: output above 10 B is not kept]\n"
        );
    }
}
