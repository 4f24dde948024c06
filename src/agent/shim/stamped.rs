//! The log of a pod's container: every line with the time it began, in a few files that follow each other.
//!
//! Format, as container runtimes have it: `TIME F TEXT` for a line that ended in a line feed, `TIME P TEXT` for a piece
//! without one. Texts one after the other, with a line feed after each `F`, are exactly what was written. `X.log` is
//! the newest file, `X.log.1` the one before it.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::shim::beside;
use crate::base::clock::Clock;

/// Where the newest file of a log is, and those before it.
pub fn file(log: &Path, age: u32) -> PathBuf {
    if age == 0 {
        return log.to_owned();
    }
    beside(log, &age.to_string())
}

/// One piece of a log: when it came, whether the line ends with it, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub time: &'a str,
    pub is_end: bool,
    pub text: &'a [u8],
}

/// Reads one line of a log file, without its line feed; none when it is torn.
pub fn parse(line: &[u8]) -> Option<Piece<'_>> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?;
    let is_end = match parts.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    let text = parts.next()?;
    Some(Piece { time, is_end, text })
}

/// Writes pieces as they come and begins a new file when one is full.
pub struct Stamped {
    path: PathBuf,
    file: File,
    size: u64,
    /// Of one file.
    limit: u64,
    files: u32,
}

impl Stamped {
    /// Continues the log at `path`.
    pub fn open(path: &Path, limit: u64, files: u32) -> io::Result<Stamped> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Stamped {
            size: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            limit: limit.max(1),
            files: files.max(1),
        })
    }

    /// Takes some output; an error loses it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let time = Clock::System.now().micro();
        let mut out = Vec::with_capacity(bytes.len() + 64);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            out.extend_from_slice(time.as_bytes());
            let (mark, text) = match line.strip_suffix(b"\n") {
                Some(text) => (b" F ", text),
                None => (b" P ", line),
            };
            out.extend_from_slice(mark);
            out.extend_from_slice(text);
            out.push(b'\n');
        }
        if self.size > 0 && self.size + out.len() as u64 > self.limit {
            self.rotate()?;
        }
        self.file.write_all(&out)?;
        self.size += out.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (1..self.files).rev() {
            match fs::rename(file(&self.path, age - 1), file(&self.path, age)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> Vec<u8> {
        let mut text = Vec::new();
        for line in fs::read(path).unwrap().split(|byte| *byte == b'\n') {
            if let Some(piece) = parse(line) {
                text.extend_from_slice(piece.text);
                if piece.is_end {
                    text.push(b'\n');
                }
            }
        }
        text
    }

    #[test]
    fn the_text_is_kept_exactly_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Stamped::open(&path, 10_000, 3).unwrap();
        let raw = b"one\n\ntwo \xff F x\nno end";
        log.write(raw).unwrap();
        log.write(b" yet\n").unwrap();
        assert_eq!(text(&path), b"one\n\ntwo \xff F x\nno end yet\n");
        let mut log = Stamped::open(&path, 120, 3).unwrap();
        for line in 0..20 {
            log.write(format!("line {line}\n").as_bytes()).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(text(&path).ends_with(b"line 19\n"));
        let older = text(&file(&path, 1));
        assert!(older.starts_with(b"line 1"));
    }

    #[test]
    fn a_torn_line_is_no_piece() {
        assert_eq!(parse(b"2026-11-20T20:44"), None);
        assert_eq!(parse(b"2026-11-20T20:44:00Z X y"), None);
        assert_eq!(parse(b"t F ").unwrap().text, b"");
    }
}
