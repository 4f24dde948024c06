//! Bundles: what is deployed, on its way from a directory or an archive to one file named by its digest.
//!
//! A packed bundle is a tar.zst, sorted by name, without owners and times, so that the same tree gives the same digest
//! whoever packs it, when and from which format. Permission bits stay (without setuid, setgid and sticky). It is made of
//! pieces (`content::pieces`), so that a host with an earlier bundle fetches what changed.
//!
//! # Decided
//!
//! * A directory is packed as it is, `.git` and dot-files included: nothing is left out by guessing.
//! * Links stay links; one that leads out of the bundle is refused, and so are FIFOs, sockets and devices.
//! * When everything is in one folder with an appspec in it, as in the archives of code hosts, that folder is the bundle.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::api::appspec;
use crate::api::appspec::AppSpec;
use crate::base::environment;
use crate::content::archive;
use crate::content::archive::Error;
use crate::content::archive::Limits;
use crate::content::blobs::Digest;
use crate::content::blobs::HashingWriter;
use crate::content::listing;
use crate::content::listing::Destination;
use crate::content::listing::Listing;
use crate::content::listing::Member;
use crate::content::pieces::Packer;

/// An appspec is text that people write; more than this is something else.
const LARGEST_APPSPEC: u64 = 4 << 20;

/// What [`Bundle::pack`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub digest: Digest,
    /// Bytes of the packed bundle.
    pub size: u64,
    pub files: u64,
}

/// An appspec as it stands in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSpecFile {
    /// Its name at the root of the bundle; for `Revision.spec.appspec`.
    pub name: String,
    pub text: Vec<u8>,
}

/// A directory or an archive that is to be deployed; an archive is unpacked to a scratch folder that goes with this.
#[derive(Debug)]
pub struct Bundle {
    root: PathBuf,
    listing: Listing,
    _scratch: Option<Scratch>,
}

impl Bundle {
    /// Looks at a directory, or at a tar, tgz, tar.zst or zip file (by content, not by name).
    pub fn open(source: &Path) -> Result<Bundle, Error> {
        let metadata = fs::metadata(source).map_err(|error| failed("open", source, error))?;
        if metadata.is_dir() {
            return Bundle::of_directory(source);
        }
        if !metadata.is_file() {
            return Err(refused(
                source,
                "is neither a directory nor a file".to_owned(),
            ));
        }
        let scratch = Scratch::new()?;
        let unpacked = archive::unpack(source, &scratch.0, Limits::default())?;
        Ok(Bundle {
            root: scratch.0.clone(),
            listing: unpacked.listing,
            _scratch: Some(scratch),
        })
    }

    fn of_directory(source: &Path) -> Result<Bundle, Error> {
        let listing = list(source)?;
        let (root, listing) = match listing.nest() {
            Some(nest) => (source.join(listing::os_path(nest)), listing.below(nest)),
            None => (source.to_owned(), listing),
        };
        Ok(Bundle {
            root,
            listing,
            _scratch: None,
        })
    }

    /// What is in it.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The appspec: the named one (an error when it is missing), else `appspec.yml`, else `appspec.yaml`, else none.
    pub fn appspec(&self, name: Option<&str>) -> Result<Option<AppSpecFile>, Error> {
        find_appspec(&self.root, name)
    }

    /// Everything that the appspec names and the bundle does not have; each a sentence.
    pub fn missing(&self, spec: &AppSpec) -> Vec<String> {
        let files = spec
            .files
            .iter()
            .enumerate()
            .filter_map(|(index, mapping)| {
                let destination = self.listing.resolve(mapping.source.as_bytes());
                (destination == Destination::Nothing).then(|| {
                    format!(
                        "files[{index}].source: {} is not in the bundle",
                        mapping.source
                    )
                })
            });
        let scripts = spec.hooks.iter().flat_map(|(event, scripts)| {
            scripts
                .iter()
                .enumerate()
                .filter_map(move |(index, script)| {
                    let why = self.why_no_script(&script.location)?;
                    Some(format!(
                        "hooks.{event}[{index}].location: {} {why}",
                        script.location
                    ))
                })
        });
        files.chain(scripts).collect()
    }

    fn why_no_script(&self, location: &str) -> Option<&'static str> {
        match self.listing.resolve(location.as_bytes()) {
            Destination::Member(_, Member::File { .. }) => None,
            Destination::Root | Destination::Member(..) => {
                Some("is a directory in the bundle, not a script")
            }
            Destination::Outside => Some("is not in the bundle"),
            Destination::Nothing => {
                let first = location.split(' ').next().unwrap_or_default();
                match self.listing.resolve(first.as_bytes()) {
                    Destination::Member(_, Member::File { .. }) if first != location => Some(
                        "is not in the bundle; what comes after the script's name goes into arguments",
                    ),
                    _ => Some("is not in the bundle"),
                }
            }
        }
    }

    /// Writes the bundle as a tar.zst whose bytes depend only on names, permission bits and contents.
    pub fn pack(&self, out: &mut dyn Write) -> Result<Packed, Error> {
        let write = |error| failed("pack", &self.root, error);
        let hashing = HashingWriter::new(out);
        let packer = Packer::new(hashing).map_err(write)?;
        let mut tar = tar::Builder::new(packer);
        for (path, member) in self.listing.iter() {
            self.append(&mut tar, path, member)?;
        }
        let packer = tar.into_inner().map_err(write)?;
        let hashing = packer.finish().map_err(write)?;
        let (out, digest, size) = hashing.finish();
        out.flush().map_err(write)?;
        Ok(Packed {
            digest,
            size,
            files: self.listing.files(),
        })
    }

    fn append(
        &self,
        tar: &mut tar::Builder<impl Write>,
        path: &[u8],
        member: &Member,
    ) -> Result<(), Error> {
        let name = listing::os_path(path);
        let place = self.root.join(&name);
        let pack = |error| failed("pack", &place, error);
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        match member {
            Member::Folder { mode } => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                tar.append_data(&mut header, name, io::empty())
                    .map_err(pack)
            }
            Member::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                tar.append_link(&mut header, name, listing::os_path(target))
                    .map_err(pack)
            }
            Member::File { mode, size } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                header.set_size(*size);
                let file = fs::File::open(&place).map_err(pack)?;
                let now = file.metadata().map_err(pack)?;
                if !now.is_file() || now.len() != *size {
                    return Err(refused(&place, "changed while it was packed".to_owned()));
                }
                let exact = Exact { file, left: *size };
                tar.append_data(&mut header, name, exact).map_err(pack)
            }
        }
    }
}

/// The appspec at the root of a bundle on disk: the named one (an error when it is missing), else the usual names.
pub fn find_appspec(root: &Path, name: Option<&str>) -> Result<Option<AppSpecFile>, Error> {
    let candidates = match &name {
        Some(name) => std::slice::from_ref(name),
        None => &appspec::NAMES[..],
    };
    for candidate in candidates {
        let tidy = listing::tidy(candidate.as_bytes()).map_err(|why| refused(root, why))?;
        let path = root.join(listing::os_path(&tidy.unwrap_or_default()));
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|error| failed("read", &path, error))?,
        };
        let mut text = Vec::new();
        file.take(LARGEST_APPSPEC + 1)
            .read_to_end(&mut text)
            .map_err(|error| failed("read", &path, error))?;
        if text.len() as u64 > LARGEST_APPSPEC {
            return Err(refused(&path, "is too large for an appspec".to_owned()));
        }
        return Ok(Some(AppSpecFile {
            name: (*candidate).to_owned(),
            text,
        }));
    }
    match name {
        Some(name) => Err(refused(root, format!("has no {name} (the appspec)"))),
        None => Ok(None),
    }
}

/// What is in a folder, as a bundle would have it.
pub fn list(root: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    walk(root, &mut Vec::new(), &mut listing)?;
    listing.complete().map_err(|why| refused(root, why))?;
    Ok(listing)
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

fn refused(path: &Path, why: String) -> Error {
    Error::Refused {
        path: path.to_owned(),
        why,
    }
}

fn walk(root: &Path, at: &mut Vec<u8>, listing: &mut Listing) -> Result<(), Error> {
    let folder = root.join(listing::os_path(at));
    let entries = fs::read_dir(&folder).map_err(|error| failed("read", &folder, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", &folder, error))?;
        let before = at.len();
        if !at.is_empty() {
            at.push(b'/');
        }
        at.extend(listing::bytes_of(Path::new(&entry.file_name())));
        let member = member(&entry.path())?;
        let is_folder = matches!(member, Member::Folder { .. });
        listing
            .add(at.clone(), member)
            .map_err(|why| refused(root, why))?;
        if is_folder {
            walk(root, at, listing)?;
        }
        at.truncate(before);
    }
    Ok(())
}

fn member(path: &Path) -> Result<Member, Error> {
    let metadata = fs::symlink_metadata(path).map_err(|error| failed("read", path, error))?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(path).map_err(|error| failed("read", path, error))?;
        return Ok(Member::Link {
            target: listing::bytes_of(&target),
        });
    }
    if kind.is_dir() {
        return Ok(Member::Folder {
            mode: mode(&metadata) | 0o700,
        });
    }
    if kind.is_file() {
        return Ok(Member::File {
            mode: mode(&metadata) | 0o400,
            size: metadata.len(),
        });
    }
    Err(refused(
        path,
        "is a FIFO, a socket or a device; a bundle holds files, folders and links".to_owned(),
    ))
}

fn mode(metadata: &fs::Metadata) -> u32 {
    #[cfg(unix)]
    return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    #[cfg(not(unix))]
    return if metadata.is_dir() { 0o755 } else { 0o644 };
}

/// Gives exactly as many bytes as the header says, or an error.
struct Exact {
    file: fs::File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let length = self.file.read(&mut buffer[..most])?;
        if length == 0 && most > 0 {
            return Err(io::Error::other(
                "the file became shorter while it was packed",
            ));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// A folder of our own among the system's temporary files.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Error> {
        let base = environment::scratch_folder();
        let number =
            getrandom::u64().map_err(|error| failed("make", &base, io::Error::other(error)))?;
        let path = base.join(format!("upshift-{number:016x}"));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&path)
            .map_err(|error| failed("make", &path, error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
