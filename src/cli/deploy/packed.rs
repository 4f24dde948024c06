//! A bundle on its way: one temporary file that goes when it is no longer held.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::BufWriter;
use std::io::Seek;
use std::path::PathBuf;

use crate::base::environment::Environment;
use crate::cli::Failure;
use crate::content::blobs::Digest;
use crate::content::bundle::Bundle;

/// A packed bundle.
#[derive(Debug)]
pub struct Packed {
    pub digest: Digest,
    pub size: u64,
    file: File,
    path: PathBuf,
}

impl Packed {
    /// Packs a bundle into the folder for temporary files.
    pub fn new(bundle: &Bundle, environment: &Environment) -> Result<Packed, Failure> {
        let (mut file, path) = temporary(environment)?;
        let mut out = BufWriter::new(&mut file);
        let packed = bundle.pack(&mut out);
        drop(out);
        let written = packed
            .map_err(|error| error.to_string())
            .and_then(|packed| {
                file.rewind().map_err(|error| error.to_string())?;
                Ok(packed)
            });
        match written {
            Ok(packed) => Ok(Packed {
                digest: packed.digest,
                size: packed.size,
                file,
                path,
            }),
            Err(why) => {
                let _ = std::fs::remove_file(&path);
                Err(Failure::ours(why))
            }
        }
    }

    /// Its bytes, from the beginning.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn temporary(environment: &Environment) -> io::Result<(File, PathBuf)> {
    let names = ["TMPDIR", "TEMP", "TMP"];
    let folder = names.iter().find_map(|name| environment.variable(name));
    let folder = folder.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let number = getrandom::u64().map_err(io::Error::other)?;
    let path = folder.join(format!("upshift-bundle-{number:016x}"));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok((options.open(&path)?, path))
}
