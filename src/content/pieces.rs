//! A packed bundle in pieces that stay the same when what is around them changes.
//!
//! Every piece is a zstd frame of its own, cut where the content says so (`FastCDC`); behind the last one is a frame that
//! decoders skip, with the table of all pieces. So the whole is an ordinary tar.zst for everybody else, and whoever has an
//! earlier bundle asks for the pieces that it lacks. The table comes with the bundle and is no more trusted than it: what
//! was put together counts when the whole has the bundle's digest. Who fetches what is not decided here.
//!
//! ```text
//! piece … piece | magic, length | (length: u32, sha256: 32 bytes) … | count: u32, "upshift1"
//! ```

use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;

use fastcdc::v2020::FastCDC;

use crate::content::blobs::Digest;

/// Sizes of pieces before they are packed: small enough for small changes, large enough to pack well.
const SMALLEST: usize = 32 << 10;
const AVERAGE: usize = 128 << 10;
const LARGEST: usize = 512 << 10;
/// Fast, and small enough for source trees.
const LEVEL: i32 = 3;

/// The mark of a frame that decoders skip.
const SKIPPED: [u8; 4] = 0x184D_2A5B_u32.to_le_bytes();
const HEAD: usize = 8;
const ENTRY: usize = 4 + 32;
const MARK: &[u8; 8] = b"upshift1";
const FOOT: usize = 4 + MARK.len();
/// What a table may say of one piece; more is no table of ours.
const LARGEST_PACKED: u32 = 4 << 20;

/// A part of a blob that can be checked by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub offset: u64,
    pub length: u64,
    pub digest: Digest,
}

/// What the end of a blob says.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    /// Every byte of the blob in pieces; the last one is the table itself.
    Pieces(Vec<Piece>),
    /// There is a table, and it needs so many bytes of the end.
    Needs(u64),
    /// There is no table.
    None,
}

/// How much of a blob's end most likely holds its table.
pub fn tail_of(size: u64) -> u64 {
    // About a third of a piece's size is left of it when it is packed.
    (4096 + size / 512).min(size)
}

/// Reads the table from the last bytes of a blob of that size.
pub fn read(tail: &[u8], size: u64) -> Tail {
    let Some((before, foot)) = tail.split_last_chunk::<FOOT>() else {
        return Tail::None;
    };
    let (count, mark) = foot.split_at(4);
    if mark != MARK {
        return Tail::None;
    }
    let count = number(count) as usize;
    let Some(content) = count.checked_mul(ENTRY).filter(|bytes| *bytes < 1 << 30) else {
        return Tail::None;
    };
    let needed = (HEAD + content + FOOT) as u64;
    if needed > size {
        return Tail::None;
    }
    if needed > tail.len() as u64 {
        return Tail::Needs(needed);
    }
    let (before, entries) = before.split_at(before.len() - content);
    let head = &before[before.len() - HEAD..];
    if head[..4] != SKIPPED || number(&head[4..]) as usize != content + FOOT {
        return Tail::None;
    }
    let mut pieces = Vec::with_capacity(count + 1);
    let mut offset = 0;
    for entry in entries.chunks_exact(ENTRY) {
        let length = number(&entry[..4]);
        if length == 0 || length > LARGEST_PACKED {
            return Tail::None;
        }
        let length = u64::from(length);
        let text = format!("sha256:{}", crate::base::text::hex(&entry[4..]));
        let digest = text.parse().expect("32 bytes are 64 digits");
        pieces.push(Piece {
            offset,
            length,
            digest,
        });
        offset += length;
    }
    if offset + needed != size {
        return Tail::None;
    }
    let table = &tail[tail.len() - (HEAD + content + FOOT)..];
    pieces.push(Piece {
        offset,
        length: needed,
        digest: Digest::of(table),
    });
    Tail::Pieces(pieces)
}

/// The pieces of a blob in a file; none when it has no table.
pub fn of_file(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<Piece>>> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut wanted = tail_of(size);
    loop {
        file.seek(SeekFrom::Start(size - wanted))?;
        let mut tail = Vec::new();
        file.take(wanted).read_to_end(&mut tail)?;
        match read(&tail, size) {
            Tail::Pieces(pieces) => return Ok(Some(pieces)),
            Tail::Needs(more) if more > wanted => wanted = more,
            Tail::Needs(_) | Tail::None => return Ok(None),
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .try_into()
        .map(u32::from_le_bytes)
        .expect("four bytes were taken")
}

/// Packs what is written to it, piece by piece.
pub struct Packer<W> {
    out: W,
    compressor: zstd::bulk::Compressor<'static>,
    waiting: Vec<u8>,
    table: Vec<u8>,
}

impl<W: Write> Packer<W> {
    /// Packs into `out`.
    pub fn new(out: W) -> io::Result<Packer<W>> {
        Ok(Packer {
            out,
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            waiting: Vec::with_capacity(4 * LARGEST),
            table: Vec::new(),
        })
    }

    /// Packs what is left and writes the table.
    pub fn finish(mut self) -> io::Result<W> {
        self.cut(0)?;
        let too_many = |_| io::Error::other("too much for one bundle");
        let count = u32::try_from(self.table.len() / ENTRY).map_err(too_many)?;
        let length = u32::try_from(self.table.len() + FOOT).map_err(too_many)?;
        self.out.write_all(&SKIPPED)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.table)?;
        self.out.write_all(&count.to_le_bytes())?;
        self.out.write_all(MARK)?;
        Ok(self.out)
    }

    /// Packs whole pieces until less than `keep` waits: where a piece ends is known when the largest one is there.
    fn cut(&mut self, keep: usize) -> io::Result<()> {
        let mut at = 0;
        while self.waiting.len() - at > keep {
            let rest = &self.waiting[at..];
            let (_, length) = FastCDC::new(rest, SMALLEST, AVERAGE, LARGEST).cut(0, rest.len());
            let packed = self.compressor.compress(&rest[..length])?;
            self.out.write_all(&packed)?;
            let size = u32::try_from(packed.len()).expect("a piece is small");
            self.table.extend_from_slice(&size.to_le_bytes());
            self.table.extend_from_slice(&sha256(&packed));
            at += length;
        }
        self.waiting.drain(..at);
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= 4 * LARGEST {
            self.cut(LARGEST)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::noise::noise;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new(Vec::new()).unwrap();
        for part in bytes.chunks(70_001) {
            packer.write_all(part).unwrap();
        }
        packer.finish().unwrap()
    }

    fn pieces(packed: &[u8]) -> Vec<Piece> {
        of_file(&mut io::Cursor::new(packed))
            .unwrap()
            .expect("it has a table")
    }

    #[test]
    fn every_decoder_reads_it_and_the_pieces_are_all_of_it() {
        for length in [0, 1, 5000, 2 << 20] {
            let bytes = noise(1, length);
            let packed = pack(&bytes);
            assert_eq!(zstd::decode_all(packed.as_slice()).unwrap(), bytes);
            let mut at = 0;
            for piece in pieces(&packed) {
                assert_eq!(piece.offset, at);
                let end = usize::try_from(at + piece.length).unwrap();
                let from = usize::try_from(at).unwrap();
                assert_eq!(Digest::of(&packed[from..end]), piece.digest);
                at += piece.length;
            }
            assert_eq!(at, packed.len() as u64);
        }
    }

    #[test]
    fn a_change_in_the_middle_changes_few_pieces() {
        let before = noise(2, 4 << 20);
        let mut after = before.clone();
        after.splice(2_000_000..2_000_010, noise(3, 500));
        let known: BTreeSet<String> = pieces(&pack(&before))
            .iter()
            .map(|piece| piece.digest.to_string())
            .collect();
        let packed = pack(&after);
        let lacking: u64 = pieces(&packed)
            .iter()
            .filter(|piece| !known.contains(piece.digest.as_str()))
            .map(|piece| piece.length)
            .sum();
        let most = packed.len() as u64 / 5;
        assert!(lacking < most, "{lacking} of {}", packed.len());
    }

    #[test]
    fn a_tail_that_says_what_cannot_be_is_no_table() {
        let packed = pack(&noise(4, 1 << 20));
        let size = packed.len() as u64;
        assert!(matches!(read(&packed, size), Tail::Pieces(_)));
        assert!(matches!(
            read(&packed[packed.len() - 20..], size),
            Tail::Needs(_)
        ));
        assert_eq!(read(&packed, size + 1), Tail::None);
        assert_eq!(read(&packed[..packed.len() - 1], size - 1), Tail::None);
        assert_eq!(read(b"", 0), Tail::None);
        for (at, byte) in [(0, 0xff), (3, 0xff), (4, b'X')] {
            let mut wrong = packed.clone();
            let foot = wrong.len() - FOOT;
            wrong[foot + at] = byte;
            assert_eq!(read(&wrong, size), Tail::None, "{at}");
        }
        let mut wrong = packed.clone();
        let entry = packed.len() - FOOT - ENTRY;
        wrong[entry..entry + 4].copy_from_slice(&0_u32.to_le_bytes());
        assert_eq!(read(&wrong, size), Tail::None);
    }
}
