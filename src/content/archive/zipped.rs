//! Zip archives, member by member.

use std::io;
use std::io::Read;
use std::io::Seek;
use std::path::Path;

use zip::ZipArchive;
use zip::read::ZipFile;

use crate::content::archive::Content;
use crate::content::archive::Error;
use crate::content::archive::Item;
use crate::content::listing;

/// The longest path a kernel takes; a link's target is the member's content.
const LONGEST_TARGET: u64 = 4096;

pub(super) fn each(
    archive: &Path,
    reader: impl Read + Seek,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |error: zip::result::ZipError| Error::Io {
        what: "read the archive",
        path: archive.to_owned(),
        source: io::Error::other(error),
    };
    let refused = |why| Error::Refused {
        path: archive.to_owned(),
        why,
    };
    let mut zip = ZipArchive::new(reader).map_err(damaged)?;
    for index in 0..zip.len() {
        let raw = zip.by_index_raw(index).map_err(damaged)?;
        if raw.encrypted() {
            return Err(refused(format!("{}: is encrypted", raw.name())));
        }
        drop(raw);
        let mut file = zip.by_index(index).map_err(damaged)?;
        let item = item(index as u64, &mut file)
            .map_err(|error| damaged(error.into()))?
            .map_err(refused)?;
        visit(item, &mut file)?;
    }
    Ok(())
}

fn item<R: Read + ?Sized>(
    index: u64,
    file: &mut ZipFile<'_, R>,
) -> io::Result<Result<Item, String>> {
    let path = match std::str::from_utf8(file.name_raw()) {
        Ok(_) => file.name_raw().to_vec(),
        // Before UTF-8, names were in the first IBM PC's character set.
        Err(_) => file.name().as_bytes().to_vec(),
    };
    let default = if path.ends_with(b"/") {
        0o40_755
    } else {
        0o100_644
    };
    let mode = file.unix_mode().unwrap_or(default);
    let size = file.size();
    let refuse = |why: &str| Ok(Err(format!("{}: {why}", listing::show(&path))));
    let content = match mode & 0o170_000 {
        _ if path.ends_with(b"/") => Content::Folder,
        0o40_000 => Content::Folder,
        0 | 0o100_000 => Content::File,
        0o120_000 if size > LONGEST_TARGET => {
            return refuse("is a link to a path that is too long");
        }
        0o120_000 => {
            let mut target = Vec::new();
            file.take(LONGEST_TARGET).read_to_end(&mut target)?;
            Content::Link(target)
        }
        0o10_000 => return refuse("is a FIFO"),
        0o140_000 => return refuse("is a socket"),
        _ => return refuse("is a device"),
    };
    // A tool that says nothing about permissions leaves zero; a file nobody may read is never meant.
    let mode = if mode.trailing_zeros() >= 9 {
        default
    } else {
        mode
    };
    let size = if matches!(content, Content::File) {
        size
    } else {
        0
    };
    Ok(Ok(Item {
        index,
        path,
        content,
        mode,
        size,
    }))
}
