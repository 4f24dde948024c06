//! Unpacking one layer onto a folder: whiteouts obeyed, nothing outside touched.
//!
//! The folder must be the caller's alone while this runs. Owners, times and special mode bits are not kept; devices,
//! sockets and pipes are refused. A member below a link is refused too: it could lead anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use crate::content::listing;

/// How much a layer may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes: u64,
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 30,
            entries: 4_000_000,
        }
    }
}

/// The name that empties a folder of what lower layers put there.
const OPAQUE: &[u8] = b".wh..wh..opq";
const WHITEOUT: &[u8] = b".wh.";

/// Unpacks a layer (tar, gzip or zstd, told apart by content) onto what lower layers left in `into`.
pub fn unpack_layer(layer: impl Read, into: &Path, limits: Limits) -> io::Result<()> {
    let mut layer = BufReader::with_capacity(1 << 16, layer);
    let start = layer.fill_buf()?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return members(flate2::bufread::MultiGzDecoder::new(layer), into, limits);
    }
    if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return members(zstd::Decoder::with_buffer(layer)?, into, limits);
    }
    members(layer, into, limits)
}

fn members(layer: impl Read, into: &Path, limits: Limits) -> io::Result<()> {
    let mut unpacking = Unpacking {
        into,
        written: BTreeSet::new(),
        folders: Vec::new(),
    };
    let mut archive = tar::Archive::new(layer);
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    for entry in archive.entries()? {
        let mut entry = entry?;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if entries > limits.entries || bytes > limits.bytes {
            return Err(refused("the layer is larger than allowed", b""));
        }
        unpacking.member(&mut entry)?;
    }
    unpacking.set_folder_modes()
}

struct Unpacking<'a> {
    into: &'a Path,
    /// What this layer wrote: an opaque whiteout spares it.
    written: BTreeSet<PathBuf>,
    /// Modes are set last, so that a read-only folder can be filled.
    folders: Vec<(PathBuf, u32)>,
}

impl Unpacking<'_> {
    fn member<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> io::Result<()> {
        let name = entry.path_bytes().into_owned();
        let stripped = name.strip_prefix(b"/").unwrap_or(&name);
        let Some(path) = listing::tidy(stripped).map_err(|why| refused(&why, &name))? else {
            return Ok(());
        };
        let relative = listing::os_path(&path);
        let place = self.into.join(&relative);
        self.make_parents(&relative, &name)?;
        let file_name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if file_name == OPAQUE {
            return self.empty(place.parent().unwrap_or(self.into));
        }
        if let Some(hidden) = file_name.strip_prefix(WHITEOUT) {
            if hidden.is_empty() || hidden == b"." || hidden == b".." {
                return Err(refused("a whiteout of nothing", &name));
            }
            return remove(&place.with_file_name(listing::os_path(hidden)));
        }
        self.written.insert(place.clone());
        let mode = entry.header().mode()? & 0o777;
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                if !is_folder(&place) {
                    remove(&place)?;
                    fs::create_dir(&place)?;
                }
                self.folders.push((place, mode | 0o700));
                Ok(())
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                remove(&place)?;
                let mut file = fs::File::options()
                    .write(true)
                    .create_new(true)
                    .open(&place)?;
                io::copy(entry, &mut file)?;
                set_mode(&place, mode | 0o400)
            }
            tar::EntryType::Symlink => {
                let target = target(entry, &name)?;
                remove(&place)?;
                link(&target, &place)
            }
            tar::EntryType::Link => self.hard_link(&target(entry, &name)?, &place, &name),
            tar::EntryType::XGlobalHeader => Ok(()),
            _ => Err(refused("is a device, a pipe or something unknown", &name)),
        }
    }

    fn hard_link(&mut self, target: &[u8], place: &Path, name: &[u8]) -> io::Result<()> {
        let target = target.strip_prefix(b"/").unwrap_or(target);
        let tidy = listing::tidy(target).map_err(|why| refused(&why, name))?;
        let Some(target) = tidy else {
            return Err(refused("is a hard link to nothing", name));
        };
        let relative = listing::os_path(&target);
        self.check_parents(&relative, name)?;
        let source = self.into.join(relative);
        if !fs::symlink_metadata(&source)?.is_file() {
            return Err(refused("is a hard link to something that is no file", name));
        }
        if source == place {
            return Ok(());
        }
        remove(place)?;
        fs::hard_link(&source, place)
    }

    /// Makes the folders above a member that are not there; none of them may be a link.
    fn make_parents(&self, relative: &Path, name: &[u8]) -> io::Result<()> {
        let mut place = self.into.to_owned();
        for part in relative.parent().unwrap_or(Path::new("")).components() {
            place.push(part);
            match fs::symlink_metadata(&place) {
                Ok(about) if about.is_dir() => {}
                Ok(about) if about.is_symlink() => {
                    return Err(refused("lies below a symbolic link", name));
                }
                Ok(_) => return Err(refused("lies below a file", name)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn check_parents(&self, relative: &Path, name: &[u8]) -> io::Result<()> {
        let mut place = self.into.to_owned();
        for part in relative.parent().unwrap_or(Path::new("")).components() {
            place.push(part);
            if !is_folder(&place) {
                return Err(refused("is a hard link to something below no folder", name));
            }
        }
        Ok(())
    }

    /// Removes what lower layers left in a folder.
    fn empty(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let place = entry?.path();
            let ours = self.written.range(place.clone()..).next();
            if ours.is_none_or(|ours| !ours.starts_with(&place)) {
                remove(&place)?;
            }
        }
        Ok(())
    }

    fn set_folder_modes(self) -> io::Result<()> {
        for (place, mode) in self.folders {
            if is_folder(&place) {
                set_mode(&place, mode)?;
            }
        }
        Ok(())
    }
}

fn target<R: Read>(entry: &tar::Entry<'_, R>, name: &[u8]) -> io::Result<Vec<u8>> {
    match entry.link_name_bytes() {
        Some(target) if !target.is_empty() && !target.contains(&0) => Ok(target.into_owned()),
        _ => Err(refused("the link leads nowhere", name)),
    }
}

fn is_folder(place: &Path) -> bool {
    fs::symlink_metadata(place).is_ok_and(|about| about.is_dir())
}

/// Removes whatever is there, and never what a link leads to.
fn remove(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(place),
        Ok(_) => fs::remove_file(place),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_mode(place: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    return fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    {
        let _ = (place, mode);
        Ok(())
    }
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

fn refused(why: &str, name: &[u8]) -> io::Error {
    let name = listing::show(name);
    io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {why}"))
}
