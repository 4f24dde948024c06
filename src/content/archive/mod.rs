//! Archives that cannot do harm: tar, tar.gz, tar.zst and zip, told apart by their content, never by their name.
//!
//! An archive is read twice: first whole, to know every name in it and refuse it before anything is written; then to write.
//! Members are written in three rounds, folders, files, links: while files are written there is no link in the tree that
//! anything could be written through, so unpacking cannot leave its root. The folder must be the caller's alone.
//!
//! Refused: `..` and absolute names, links that lead out, hard links to anything but a file of the archive, devices, FIFOs,
//! sockets, encrypted members, more than the limits. Owners and times are not kept, setuid, setgid and sticky bits neither.

mod tarball;
mod zipped;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::content::blobs::Digest;
use crate::content::blobs::HashingWriter;
use crate::content::listing;
use crate::content::listing::Listing;
use crate::content::listing::Member;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of all its files together, unpacked.
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

/// What is wrong with an archive, or with a directory that is to become one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it says or holds must not be unpacked, or is none of the formats.
    #[error("{}: {why}", .path.display())]
    Refused { path: PathBuf, why: String },
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// Whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Error::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    pub listing: Listing,
    /// Of every file's content.
    pub digests: BTreeMap<Vec<u8>, Digest>,
}

/// One member as the archive has it.
struct Item {
    /// Its place in the archive; tells two of the same name apart.
    index: u64,
    path: Vec<u8>,
    content: Content,
    mode: u32,
    size: u64,
}

enum Content {
    Folder,
    File,
    Link(Vec<u8>),
    /// A hard link: the same file under another name.
    Same(Vec<u8>),
}

/// What a first reading of an archive found.
#[derive(Default)]
struct Scan {
    listing: Listing,
    /// Which item each path's content comes from.
    from: BTreeMap<Vec<u8>, u64>,
    /// Hard links and the files they are.
    same: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: u64,
    bytes: u64,
}

/// Unpacks an archive into an empty folder that only the caller may write to. Refuses before writing anything.
///
/// When everything is in one folder with an appspec in it, that folder's contents are what is unpacked.
pub fn unpack(archive: &Path, into: &Path, limits: Limits) -> Result<Unpacked, Error> {
    let refused = |why: String| Error::Refused {
        path: archive.to_owned(),
        why,
    };
    let mut scan = Scan::default();
    each(archive, limits, &mut |item, _| {
        scan.add(item, limits).map_err(refused)
    })?;
    scan.finish().map_err(refused)?;
    let nest = scan.listing.nest().map(<[u8]>::to_vec);
    let listing = match &nest {
        Some(nest) => scan.listing.below(nest),
        None => scan.listing.clone(),
    };
    let mut writing = Writing {
        into,
        nest,
        scan: &scan,
        digests: BTreeMap::new(),
    };
    writing.folders(&listing)?;
    each(archive, limits, &mut |item, content| {
        writing.file(&item, content)
    })?;
    writing.hard_links()?;
    writing.links_and_modes(&listing)?;
    let digests = writing.digests;
    Ok(Unpacked { listing, digests })
}

fn each(
    archive: &Path,
    limits: Limits,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let io = |source| Error::Io {
        what: "read",
        path: archive.to_owned(),
        source,
    };
    let mut file = fs::File::open(archive).map_err(io)?;
    let mut start = [0; 512];
    let length = read_up_to(&mut file, &mut start).map_err(io)?;
    file.rewind().map_err(io)?;
    let file = BufReader::with_capacity(1 << 16, file);
    match &start[..length] {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => zipped::each(archive, file, visit),
        [0x1f, 0x8b, ..] => tarball::each(
            archive,
            flate2::bufread::MultiGzDecoder::new(file),
            limits,
            visit,
        ),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::Decoder::with_buffer(file).map_err(io)?;
            tarball::each(archive, decoder, limits, visit)
        }
        block if tarball::is_header(block) => tarball::each(archive, file, limits, visit),
        _ => Err(Error::Refused {
            path: archive.to_owned(),
            why: "is neither a directory nor a tar, tar.gz, tar.zst or zip archive".to_owned(),
        }),
    }
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

impl Scan {
    fn add(&mut self, item: Item, limits: Limits) -> Result<(), String> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(item.size);
        if self.entries > limits.entries {
            return Err(format!("holds more than {} members", limits.entries));
        }
        if self.bytes > limits.bytes {
            return Err(format!(
                "holds more than {}",
                crate::base::text::size(limits.bytes)
            ));
        }
        let Some(path) = listing::tidy(&item.path)? else {
            return match item.content {
                Content::Folder => Ok(()),
                _ => Err("a member has no name".to_owned()),
            };
        };
        let member = match item.content {
            Content::Folder => Member::Folder {
                mode: item.mode & 0o777 | 0o700,
            },
            Content::Link(target) if target.is_empty() || target.contains(&0) => {
                return Err(format!("{}: the link leads nowhere", listing::show(&path)));
            }
            Content::Link(target) => Member::Link { target },
            Content::File => Member::File {
                mode: item.mode & 0o777 | 0o400,
                size: item.size,
            },
            Content::Same(target) => return self.add_same(path, &target),
        };
        self.same.remove(&path);
        self.from.insert(path.clone(), item.index);
        self.listing.add(path, member)
    }

    fn add_same(&mut self, path: Vec<u8>, target: &[u8]) -> Result<(), String> {
        let target = listing::tidy(target)?.unwrap_or_default();
        let Some(file @ Member::File { .. }) = self.listing.get(&target).cloned() else {
            return Err(format!(
                "{}: is a hard link to {}, which is no file before it in the archive",
                listing::show(&path),
                listing::show(&target)
            ));
        };
        if path == target {
            return Ok(());
        }
        self.from.remove(&path);
        self.same.insert(path.clone(), target);
        self.listing.add(path, file)
    }

    fn finish(&mut self) -> Result<(), String> {
        self.listing.complete()?;
        for (path, target) in &self.same {
            if !matches!(self.listing.get(target), Some(Member::File { .. })) {
                return Err(format!(
                    "{}: is a hard link to no file",
                    listing::show(path)
                ));
            }
        }
        Ok(())
    }
}

/// The second reading.
struct Writing<'a> {
    into: &'a Path,
    nest: Option<Vec<u8>>,
    scan: &'a Scan,
    digests: BTreeMap<Vec<u8>, Digest>,
}

impl Writing<'_> {
    fn inner<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        match &self.nest {
            None => Some(path),
            Some(nest) => path.strip_prefix(nest.as_slice())?.strip_prefix(b"/"),
        }
    }

    fn folders(&self, listing: &Listing) -> Result<(), Error> {
        for (path, member) in listing.iter() {
            if let Member::Folder { .. } = member {
                let place = self.into.join(listing::os_path(path));
                fs::create_dir(&place)
                    .map_err(|source| failed("make the folder", &place, source))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, item: &Item, content: &mut dyn Read) -> Result<(), Error> {
        let tidy = listing::tidy(&item.path).ok().flatten();
        let Some(path) = tidy.filter(|path| self.scan.from.get(path) == Some(&item.index)) else {
            return Ok(());
        };
        let Some(Member::File { mode, size }) = self.scan.listing.get(&path) else {
            return Ok(());
        };
        let Some(inner) = self.inner(&path) else {
            return Ok(());
        };
        let place = self.into.join(listing::os_path(inner));
        let write = |source| failed("write", &place, source);
        let file = create(&place, *mode).map_err(write)?;
        let mut writer = HashingWriter::new(file);
        copy(content, &mut writer, *size, &place)?;
        let (file, digest, _) = writer.finish();
        set_mode(&file, *mode).map_err(write)?;
        self.digests.insert(inner.to_vec(), digest);
        Ok(())
    }

    fn hard_links(&mut self) -> Result<(), Error> {
        let mut waiting: Vec<(&Vec<u8>, &Vec<u8>)> = self.scan.same.iter().collect();
        // A hard link may be to a hard link; every round settles at least the first of a chain.
        while !waiting.is_empty() {
            let (ready, rest): (Vec<_>, Vec<_>) = waiting
                .iter()
                .partition(|(_, target)| !waiting.iter().any(|(path, _)| path == target));
            if ready.is_empty() {
                return Err(failed(
                    "unpack",
                    self.into,
                    io::Error::other("hard links in a circle"),
                ));
            }
            for (path, target) in ready {
                let (Some(path), Some(target)) = (self.inner(path), self.inner(target)) else {
                    continue;
                };
                let place = self.into.join(listing::os_path(path));
                fs::copy(self.into.join(listing::os_path(target)), &place)
                    .map_err(|source| failed("write", &place, source))?;
                if let Some(digest) = self.digests.get(target).cloned() {
                    self.digests.insert(path.to_vec(), digest);
                }
            }
            waiting = rest;
        }
        Ok(())
    }

    fn links_and_modes(&self, listing: &Listing) -> Result<(), Error> {
        for (path, member) in listing.iter() {
            let place = self.into.join(listing::os_path(path));
            if let Member::Link { target } = member {
                link(target, &place).map_err(|source| failed("make the link", &place, source))?;
            }
        }
        #[cfg(unix)]
        for (path, member) in listing.iter() {
            if let Member::Folder { mode } = member {
                let place = self.into.join(listing::os_path(path));
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(*mode);
                fs::set_permissions(&place, permissions)
                    .map_err(|source| failed("set the mode of", &place, source))?;
            }
        }
        Ok(())
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Copies exactly `size` bytes: fewer is a damaged archive, more is a lie about the size.
fn copy(
    content: &mut dyn Read,
    out: &mut impl Write,
    size: u64,
    place: &Path,
) -> Result<(), Error> {
    let copied = io::copy(&mut content.take(size.saturating_add(1)), out)
        .map_err(|source| failed("write", place, source))?;
    if copied == size {
        return Ok(());
    }
    let wrong = io::Error::other("the content is not as long as the archive says");
    Err(failed("unpack", place, wrong))
}

fn create(place: &Path, mode: u32) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(place)
}

/// Whatever the umask made of it.
fn set_mode(file: &fs::File, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = (file, mode);
    Ok(())
}

fn link(target: &[u8], place: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(listing::os_path(target), place);
    #[cfg(not(unix))]
    {
        let _ = (target, place);
        Err(io::Error::other("links cannot be unpacked on this system"))
    }
}

#[cfg(test)]
mod tests;
