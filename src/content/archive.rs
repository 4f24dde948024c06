//! Unpacking archives.

use std::io;
use std::path::Path;
use std::path::PathBuf;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 16 << 30,
            entries: 1_000_000,
        }
    }
}

/// What is wrong with an archive or a directory that is to become one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {why}", .path.display())]
    Refused { path: PathBuf, why: String },
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Unpacks an archive (tar, tgz, tar.zst or zip by its content) into an empty folder; refuses before writing anything.
pub fn unpack(archive: &Path, into: &Path, limits: Limits) -> Result<(), Error> {
    let _ = (archive, into, limits);
    unimplemented!()
}
