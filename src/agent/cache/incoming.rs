//! A bundle on its way in: `.deploy-D.incoming` beside its place, always a beginning of the bundle.
//!
//! It grows piece by piece, and a piece that is not what it should be is cut off again at once. What an interrupted agent
//! left is checked and gone on with; bytes of a piece that is not whole yet are taken on trust until it is. Where the bytes
//! come from is decided by `fetch`.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::content::blobs;
use crate::content::blobs::Digest;
use crate::content::blobs::Hasher;
use crate::content::pieces::Piece;

/// What is read of a file at a time.
const STEP: usize = 256 << 10;

/// The file, held by one at a time.
pub(super) struct Incoming {
    pub(super) path: PathBuf,
    file: fs::File,
}

impl Incoming {
    /// Opens it as it was left, once nobody else fills it: an agent that was stopped may still be unpacking.
    pub(super) fn open(path: &Path) -> io::Result<Incoming> {
        loop {
            let file = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            file.lock()?;
            let stands = fs::metadata(path).is_ok_and(|now| {
                let opened = file.metadata();
                opened.is_ok_and(|opened| (opened.dev(), opened.ino()) == (now.dev(), now.ino()))
            });
            if stands {
                let path = path.to_owned();
                return Ok(Incoming { path, file });
            }
        }
    }

    /// How much of it is here.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether it is all here.
    pub(super) fn is(&mut self, digest: &Digest) -> io::Result<bool> {
        if self.length()? == 0 {
            return Ok(false);
        }
        self.file.rewind()?;
        let (found, _) = blobs::digest_of(&mut self.file)?;
        Ok(found == *digest)
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Becomes a durable copy of a file.
    pub(super) fn copy(&mut self, from: &Path) -> io::Result<()> {
        self.clear()?;
        self.file.rewind()?;
        io::copy(&mut fs::File::open(from)?, &mut self.file)?;
        self.sync()
    }

    /// Makes what is here durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Keeps it under another name.
    pub(super) fn keep_as(self, place: &Path) -> io::Result<()> {
        fs::rename(&self.path, place)
    }

    /// Removes it, so that a full disk has its room back.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What a piece or a whole bundle turned out to be.
#[derive(Clone, Debug, thiserror::Error)]
#[error("it is {found}, not {expected}")]
pub(super) struct Damage {
    pub(super) expected: Digest,
    pub(super) found: Digest,
}

/// An incoming bundle of known pieces.
pub(super) struct Assembly {
    pub(super) incoming: Incoming,
    pub(super) pieces: Vec<Piece>,
    /// Pieces before this one are whole.
    pub(super) next: usize,
    /// What is there of that piece.
    pub(super) begun: u64,
    piece: Hasher,
    whole: Hasher,
    /// The same up to the last whole piece.
    whole_before: Hasher,
    /// Why the last piece that ended was cut off.
    damage: Option<Damage>,
}

impl Assembly {
    /// Checks what is there, and cuts off what cannot belong to it. Reads everything: call it off the async threads.
    pub(super) fn start(incoming: Incoming, pieces: Vec<Piece>) -> io::Result<Assembly> {
        let mut assembly = Assembly {
            incoming,
            pieces,
            next: 0,
            begun: 0,
            piece: Hasher::default(),
            whole: Hasher::default(),
            whole_before: Hasher::default(),
            damage: None,
        };
        assembly.incoming.file.rewind()?;
        let mut step = vec![0; STEP];
        while !assembly.is_complete() {
            let most = usize::try_from(assembly.lacking())
                .unwrap_or(STEP)
                .min(STEP);
            let length = assembly.incoming.file.read(&mut step[..most])?;
            if length == 0 {
                return Ok(assembly);
            }
            if !assembly.account(&step[..length]) {
                break;
            }
        }
        // Damaged from here on, or longer than it should be.
        assembly.cut_off()?;
        assembly.damage = None;
        Ok(assembly)
    }

    /// How much of it is here.
    pub(super) fn at(&self) -> u64 {
        let from = self.pieces[..self.next].last();
        from.map_or(0, |piece| piece.offset + piece.length) + self.begun
    }

    /// How much of the next piece is not.
    pub(super) fn lacking(&self) -> u64 {
        let piece = self.pieces.get(self.next);
        piece.map_or(0, |piece| piece.length - self.begun)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.next == self.pieces.len()
    }

    /// Adds bytes; an error when they end a piece that is damaged, which is cut off then.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.is_complete() {
                return Err(io::Error::other("it is longer than it should be"));
            }
            let most = usize::try_from(self.lacking()).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(bytes.len().min(most));
            self.incoming.file.write_all(now)?;
            if !self.account(now) {
                self.cut_off()?;
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Why the last error was one: none when the disk failed.
    pub(super) fn take_damage(&mut self) -> Option<Damage> {
        self.damage.take()
    }

    /// The bundle, if it is the right one.
    pub(super) fn finish(self, expected: &Digest) -> (Incoming, Result<(), Damage>) {
        let found = self.whole.finish();
        let expected = expected.clone();
        let is_right = found == expected;
        let result = is_right.then_some(()).ok_or(Damage { expected, found });
        (self.incoming, result)
    }

    /// Takes note of bytes, at most to the end of a piece; false when that piece is damaged.
    fn account(&mut self, bytes: &[u8]) -> bool {
        self.piece.update(bytes);
        self.whole.update(bytes);
        self.begun += bytes.len() as u64;
        if self.lacking() > 0 {
            return true;
        }
        let found = std::mem::take(&mut self.piece).finish();
        let expected = &self.pieces[self.next].digest;
        if found != *expected {
            let expected = expected.clone();
            self.damage = Some(Damage { expected, found });
            return false;
        }
        self.next += 1;
        self.begun = 0;
        self.whole_before = self.whole.clone();
        true
    }

    /// Goes back to the last whole piece.
    pub(super) fn cut_off(&mut self) -> io::Result<()> {
        self.begun = 0;
        self.piece = Hasher::default();
        self.whole = self.whole_before.clone();
        let at = self.at();
        self.incoming.file.set_len(at)?;
        self.incoming.file.seek(SeekFrom::Start(at)).map(drop)
    }
}
