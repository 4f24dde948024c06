//! Blobs by digest on a disk: written beside, hashed, synced, renamed; never half there.
//!
//! Layout: `FOLDER/sha256/HEX`, and `FOLDER/incoming/RANDOM` for what is still being written; leftovers there are
//! removed at the next start. Who may read a blob is not decided here.

use std::fmt;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest as _;
use sha2::Sha256;

use crate::base::crash;
use crate::base::durable;

/// `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The 64 digits alone, safe as a file name.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// `sha256:…`
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl FromStr for Digest {
    type Err = String;
    fn from_str(text: &str) -> Result<Digest, String> {
        let is_digest = text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if is_digest {
            Ok(Digest(text.to_owned()))
        } else {
            Err(format!(
                "{text:?} is not a digest (sha256: and 64 lower-case hexadecimal digits)"
            ))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = String;
    fn try_from(text: String) -> Result<Digest, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything taken.
    pub fn finish(self) -> Digest {
        use std::fmt::Write as _;
        let mut text = String::from("sha256:");
        for byte in self.0.finalize() {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        Digest(text)
    }
}

/// Writes to another writer and hashes what went through.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Hashes everything that is written to `inner` from now on.
    pub fn new(inner: W) -> HashingWriter<W> {
        HashingWriter {
            inner,
            hasher: Hasher::default(),
            bytes: 0,
        }
    }

    /// The inner writer, the digest and the number of bytes that went through.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.bytes)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digest and length of everything a reader gives.
pub fn digest_of(reader: &mut impl Read) -> io::Result<(Digest, u64)> {
    let mut writer = HashingWriter::new(io::sink());
    io::copy(reader, &mut writer)?;
    let (_, digest, bytes) = writer.finish();
    Ok((digest, bytes))
}

/// A folder of blobs; clones share it.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// Opens or makes the folder, and removes what an interrupted writer left.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Blobs> {
        let blobs = Blobs {
            folder: folder.into(),
        };
        fs::create_dir_all(blobs.folder.join("sha256"))?;
        let incoming = blobs.folder.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir(&incoming)?;
        Ok(blobs)
    }

    /// Where a blob is, if it is there.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("sha256").join(digest.hex())
    }

    /// Whether a blob is there.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// How many bytes a blob has; an error of kind `NotFound` when it is not there.
    pub fn size(&self, digest: &Digest) -> io::Result<u64> {
        Ok(fs::metadata(self.path(digest))?.len())
    }

    /// Opens a blob for reading; an error of kind `NotFound` when it is not there.
    pub fn open_blob(&self, digest: &Digest) -> io::Result<fs::File> {
        fs::File::open(self.path(digest))
    }

    /// Starts a blob whose digest is known at its end; dropped without [`BlobWriter::commit`], it leaves nothing.
    pub fn writer(&self) -> io::Result<BlobWriter> {
        let name = format!("{:016x}", getrandom::u64().map_err(io::Error::other)?);
        let path = self.folder.join("incoming").join(name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(BlobWriter {
            blobs: self.clone(),
            path,
            file: Some(HashingWriter::new(file)),
        })
    }

    /// Keeps bytes from memory as a blob.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.contains(&digest) {
            let mut writer = self.writer()?;
            writer.write_all(bytes)?;
            writer.commit(Some(&digest)).map_err(io::Error::other)?;
        }
        Ok(digest)
    }

    /// Removes a blob; nothing happens when it is not there.
    pub fn remove(&self, digest: &Digest) -> io::Result<()> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Every blob that is there, in no order.
    pub fn all(&self) -> io::Result<Vec<Digest>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder.join("sha256"))? {
            let name = entry?.file_name();
            found.extend(
                name.to_str()
                    .and_then(|hex| format!("sha256:{hex}").parse().ok()),
            );
        }
        Ok(found)
    }
}

/// Why a blob was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the content is {found}, not {expected}")]
    Mismatch { expected: Digest, found: Digest },
    #[error("cannot write the blob")]
    Disk(#[from] io::Error),
}

/// A blob on its way in.
pub struct BlobWriter {
    blobs: Blobs,
    path: PathBuf,
    /// None once committed.
    file: Option<HashingWriter<fs::File>>,
}

impl BlobWriter {
    /// Keeps what was written under its digest, durably; refuses content that is not the expected one.
    pub fn commit(mut self, expected: Option<&Digest>) -> Result<(Digest, u64), Error> {
        let writer = self
            .file
            .take()
            .expect("commit takes the writer and runs once");
        let (file, digest, bytes) = writer.finish();
        if let Some(expected) = expected.filter(|expected| **expected != digest) {
            let _ = fs::remove_file(&self.path);
            return Err(Error::Mismatch {
                expected: expected.clone(),
                found: digest,
            });
        }
        let kept = (|| {
            crash::point("blob.commit.before");
            file.sync_all()?;
            let place = self.blobs.path(&digest);
            fs::rename(&self.path, &place)?;
            durable::sync_folder(place.parent().unwrap_or(Path::new(".")))?;
            crash::point("blob.commit.after");
            Ok(())
        })();
        if kept.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        kept.map(|()| (digest, bytes)).map_err(Error::Disk)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file
            .as_mut()
            .expect("nothing is written after commit")
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn digests_are_read_strictly() {
        assert_eq!(Digest::of(b"hello").as_str(), HELLO);
        assert_eq!(HELLO.parse::<Digest>().unwrap().short(), "2cf24dba5fb0");
        for wrong in [
            "",
            "sha256:",
            &HELLO[7..],
            &HELLO.to_uppercase(),
            &format!("{HELLO}0"),
            "sha256:../../etc",
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_blob_is_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let hello: Digest = HELLO.parse().unwrap();
        let mut writer = blobs.writer().unwrap();
        writer.write_all(b"hel").unwrap();
        drop(writer);
        let mut writer = blobs.writer().unwrap();
        writer.write_all(b"hullo").unwrap();
        assert!(matches!(
            writer.commit(Some(&hello)),
            Err(Error::Mismatch { .. })
        ));
        assert!(!blobs.contains(&hello));
        let mut writer = blobs.writer().unwrap();
        writer.write_all(b"hello").unwrap();
        assert_eq!(writer.commit(Some(&hello)).unwrap(), (hello.clone(), 5));
        assert_eq!(blobs.put(b"hello").unwrap(), hello);
        assert_eq!(
            (blobs.all().unwrap(), blobs.size(&hello).unwrap()),
            (vec![hello.clone()], 5)
        );
        assert_eq!(
            fs::read_dir(folder.path().join("incoming"))
                .unwrap()
                .count(),
            0
        );
        blobs.remove(&hello).unwrap();
        blobs.remove(&hello).unwrap();
        assert!(!blobs.contains(&hello));
    }

    #[test]
    fn leftovers_of_an_interrupted_writer_are_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        std::mem::forget(blobs.writer().unwrap());
        Blobs::open(folder.path()).unwrap();
        assert_eq!(
            fs::read_dir(folder.path().join("incoming"))
                .unwrap()
                .count(),
            0
        );
    }
}
