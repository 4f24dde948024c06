//! Tar archives, member by member.

use std::io;
use std::io::Read;
use std::path::Path;

use tar::EntryType;

use crate::content::archive::Content;
use crate::content::archive::Error;
use crate::content::archive::Item;
use crate::content::archive::Limits;
use crate::content::listing;

/// Headers and padding of a member, at most.
const OVERHEAD: u64 = 16 << 10;

/// Whether a block is the first of a tar archive: its checksum is right, or it is the end of an empty one.
pub(super) fn is_header(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; 512]>::try_from(block) else {
        return false;
    };
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            u64::from(if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            })
        })
        .sum();
    let digits = block[148..156]
        .iter()
        .filter(|byte| !matches!(byte, 0 | b' '));
    let stored = digits.fold(0, |number, digit| {
        number * 8 + u64::from(digit.wrapping_sub(b'0'))
    });
    stored == sum
}

pub(super) fn each(
    archive: &Path,
    reader: impl Read,
    limits: Limits,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |source| Error::Io {
        what: "read the archive",
        path: archive.to_owned(),
        source,
    };
    let refused = |why| Error::Refused {
        path: archive.to_owned(),
        why,
    };
    let most = limits
        .bytes
        .saturating_add(limits.entries.saturating_mul(OVERHEAD));
    let mut tar = tar::Archive::new(Bounded { reader, left: most });
    for (index, entry) in tar.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        if let Some(item) = item(index as u64, &mut entry)
            .map_err(damaged)?
            .map_err(refused)?
        {
            visit(item, &mut entry)?;
        }
    }
    // The end of the stream holds its checksum.
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}

fn item<R: Read>(
    index: u64,
    entry: &mut tar::Entry<'_, R>,
) -> io::Result<Result<Option<Item>, String>> {
    let path = entry.path_bytes().into_owned();
    let kind = entry.header().entry_type();
    let refuse = |why: &str| Ok(Err(format!("{}: {why}", listing::show(&path))));
    let target = || {
        entry
            .link_name_bytes()
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default()
    };
    let content = match kind {
        EntryType::XGlobalHeader => return Ok(Ok(None)),
        EntryType::Directory => Content::Folder,
        // Archives from before 1988 mark a folder only by the slash at the end of its name.
        EntryType::Regular if path.ends_with(b"/") => Content::Folder,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Content::File,
        EntryType::Symlink => Content::Link(target()),
        EntryType::Link => Content::Same(target()),
        EntryType::Char | EntryType::Block => return refuse("is a device"),
        EntryType::Fifo => return refuse("is a FIFO"),
        other => {
            return refuse(&format!(
                "is of a kind that cannot be unpacked ({:?})",
                char::from(other.as_byte())
            ));
        }
    };
    let is_file = matches!(content, Content::File);
    let mode = entry.header().mode()?;
    let size = if is_file { entry.size() } else { 0 };
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            if extension?.key_bytes().starts_with(b"GNU.sparse.") {
                return Ok(Err(format!(
                    "{}: is a sparse file of a kind that cannot be unpacked",
                    listing::show(&path)
                )));
            }
        }
    }
    Ok(Ok(Some(Item {
        index,
        path,
        content,
        mode,
        size,
    })))
}

/// Ends with an error where a decompressor would go on for ever.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(length as u64)
            .ok_or_else(|| io::Error::other("the archive is larger than allowed"))?;
        Ok(length)
    }
}
