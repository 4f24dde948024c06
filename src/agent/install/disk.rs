//! The only hand on the host's tree: every effect goes through an open folder, reached without following a link.
//!
//! A path was resolved when the plan was made; whoever may write in a folder above cannot turn it into a link and have
//! something written elsewhere. New content is written beside and renamed, so no program ever sees half a file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl;
use nix::fcntl::AtFlags;
use nix::fcntl::OFlag;
use nix::sys::stat;
use nix::sys::stat::FchmodatFlags;
use nix::sys::stat::FileStat;
use nix::sys::stat::Mode;
use nix::sys::stat::SFlag;
use nix::sys::time::TimeSpec;
use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Uid;
use nix::unistd::UnlinkatFlags;

use crate::agent::install::record::HostPath;
use crate::content::listing;

/// Files up to this size are read and written in one piece; the kernel copies larger ones.
const SMALL: usize = 256 << 10;
/// Up to so many files or folders are made durable one by one; for more, the whole file system is asked once.
pub(super) const FEW: usize = 16;
const READ_FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
/// Good enough for names in it, and possible without the right to read it.
const NAME_FOLDER: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What is at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Folder,
    File,
    Link {
        owner: u32,
    },
    /// A FIFO, a socket or a device.
    Special,
}

/// What is at a path.
pub(super) fn find(path: &HostPath) -> io::Result<Found> {
    use std::os::unix::fs::MetadataExt;
    match fs::symlink_metadata(path.to_path()) {
        Ok(metadata) => Ok(match metadata.file_type() {
            kind if kind.is_dir() => Found::Folder,
            kind if kind.is_file() => Found::File,
            kind if kind.is_symlink() => Found::Link {
                owner: metadata.uid(),
            },
            _ => Found::Special,
        }),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Found::Nothing)
        }
        Err(error) => Err(error),
    }
}

/// Opens folders one after the other, keeping the last one: work goes folder by folder.
#[derive(Debug, Default)]
pub(super) struct Walker {
    current: Option<(HostPath, OwnedFd)>,
    /// One open folder of every file system that was written to.
    touched: BTreeMap<u64, OwnedFd>,
    /// Every folder that was written to, up to a few more than [`FEW`].
    folders: BTreeSet<HostPath>,
}

impl Walker {
    fn folder(&mut self, path: &HostPath) -> io::Result<&OwnedFd> {
        let is_current = self
            .current
            .as_ref()
            .is_some_and(|(current, _)| current == path);
        if !is_current {
            self.current = None;
            let fd = open_folder(path)?;
            self.current = Some((path.clone(), fd));
        }
        Ok(&self.current.as_ref().expect("it was just set").1)
    }

    fn parent(&mut self, path: &HostPath) -> io::Result<&OwnedFd> {
        let parent = path
            .parent()
            .ok_or_else(|| io::Error::other("the root has no folder"))?;
        self.folder(&parent)
    }

    /// Remembers the folder just worked in, and its file system.
    fn touch(&mut self) -> io::Result<()> {
        let Some((path, fd)) = &self.current else {
            return Ok(());
        };
        if self.folders.contains(path) {
            return Ok(());
        }
        if self.folders.len() <= FEW {
            self.folders.insert(path.clone());
        }
        let device = stat::fstat(fd)?.st_dev;
        if let std::collections::btree_map::Entry::Vacant(entry) = self.touched.entry(device) {
            // A folder nobody may read cannot be synced through; another one of its file system will do.
            if let Ok(readable) = fcntl::openat(fd, ".", READ_FOLDER, Mode::empty()) {
                entry.insert(readable);
            }
        }
        Ok(())
    }

    /// Makes everything durable that was done through this walker, whose files are durable already when `files_are`.
    ///
    /// A few folders one by one, so that a small application does not wait for everything else on a busy disk.
    pub(super) fn sync(&mut self, files_are: bool) -> io::Result<()> {
        if files_are && self.folders.len() <= FEW && self.sync_folders().is_ok() {
            return Ok(());
        }
        for folder in self.touched.values() {
            unistd::syncfs(folder)?;
        }
        Ok(())
    }

    fn sync_folders(&mut self) -> io::Result<()> {
        for path in std::mem::take(&mut self.folders) {
            let fd = match self.folder(&path) {
                // It was removed; the folder it was in is here too.
                Err(error) if is_gone(&error) => continue,
                other => other?,
            };
            let readable = fcntl::openat(fd, ".", READ_FOLDER, Mode::empty())?;
            unistd::fsync(readable)?;
        }
        Ok(())
    }

    /// Opens a file for reading.
    pub(super) fn open(&mut self, path: &HostPath) -> io::Result<fs::File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = fs::File::from(fcntl::openat(
            self.parent(path)?,
            path.name(),
            flags,
            Mode::empty(),
        )?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("is not a file any more"));
        }
        Ok(file)
    }

    /// What is at a path, with everything the kernel knows.
    pub(super) fn stat(&mut self, path: &HostPath) -> io::Result<FileStat> {
        Ok(stat::fstatat(
            self.parent(path)?,
            path.name(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?)
    }

    pub(super) fn read_link(&mut self, path: &HostPath) -> io::Result<Vec<u8>> {
        let target = fcntl::readlinkat(self.parent(path)?, path.name())?;
        Ok(listing::bytes_of(Path::new(&target)))
    }

    /// Makes a folder; fine when it is there.
    pub(super) fn make_folder(&mut self, path: &HostPath) -> io::Result<()> {
        let made = stat::mkdirat(
            self.parent(path)?,
            path.name(),
            Mode::from_bits_truncate(0o755),
        );
        match made {
            Err(Errno::EEXIST) => {
                let there = self.stat(path)?;
                if !is_kind(&there, SFlag::S_IFDIR) {
                    return Err(io::Error::from(Errno::ENOTDIR));
                }
            }
            other => other?,
        }
        self.touch()
    }

    /// Puts a file in place, whole: content, then owner, then mode, then the name.
    pub(super) fn put(
        &mut self,
        path: &HostPath,
        beside: &[u8],
        file: &mut fs::File,
        set: &Final,
    ) -> io::Result<()> {
        let folder = self.parent(path)?;
        let new = fs::File::from(create(folder, beside)?);
        let written = write(new, file, set);
        if written.is_err() {
            // A full disk needs every block.
            let _ = unistd::unlinkat(folder, beside, UnlinkatFlags::NoRemoveDir);
        }
        written?;
        rename(folder, beside, path.name())?;
        self.touch()
    }

    /// Puts a link in place.
    pub(super) fn put_link(
        &mut self,
        path: &HostPath,
        beside: &[u8],
        target: &[u8],
        owner: Option<(u32, u32)>,
    ) -> io::Result<()> {
        let folder = self.parent(path)?;
        match unistd::symlinkat(target, folder, beside) {
            Err(Errno::EEXIST) => {
                unistd::unlinkat(folder, beside, UnlinkatFlags::NoRemoveDir)?;
                unistd::symlinkat(target, folder, beside)?;
            }
            other => other?,
        }
        if let Some((uid, gid)) = owner {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            let set = unistd::fchownat(
                folder,
                beside,
                Some(uid),
                Some(gid),
                AtFlags::AT_SYMLINK_NOFOLLOW,
            );
            // A link's owner means nothing; whoever is not root cannot give it away.
            let _ = set;
        }
        rename(folder, beside, path.name())?;
        self.touch()
    }

    /// Removes a file or link; false when there is none, or a folder instead.
    pub(super) fn remove(&mut self, path: &HostPath) -> io::Result<bool> {
        let folder = match self.parent(path) {
            Err(error) if is_gone(&error) => return Ok(false),
            other => other?,
        };
        match unistd::unlinkat(folder, path.name(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT | Errno::EISDIR) => Ok(false),
            // POSIX's word for a folder where Linux says EISDIR.
            Err(Errno::EPERM)
                if self
                    .stat(path)
                    .is_ok_and(|there| is_kind(&there, SFlag::S_IFDIR)) =>
            {
                Ok(false)
            }
            other => {
                other?;
                self.touch()?;
                Ok(true)
            }
        }
    }

    /// Removes a folder when it is empty; true when it is gone.
    pub(super) fn remove_folder(&mut self, path: &HostPath) -> io::Result<bool> {
        if self
            .current
            .as_ref()
            .is_some_and(|(current, _)| current == path)
        {
            self.current = None;
        }
        let folder = match self.parent(path) {
            Err(error) if is_gone(&error) => return Ok(true),
            other => other?,
        };
        match unistd::unlinkat(folder, path.name(), UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(true),
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::EBUSY) => Ok(false),
            other => {
                other?;
                self.touch()?;
                Ok(true)
            }
        }
    }

    /// Sets owner, then mode of a folder.
    pub(super) fn set_folder(
        &mut self,
        path: &HostPath,
        owner: Option<u32>,
        group: Option<u32>,
        mode: u32,
    ) -> io::Result<()> {
        let parent = self.parent(path)?;
        let there = stat::fstatat(parent, path.name(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let is_owned = owner.is_none_or(|uid| uid == there.st_uid)
            && group.is_none_or(|gid| gid == there.st_gid);
        if is_owned && there.st_mode & 0o7777 == mode && is_kind(&there, SFlag::S_IFDIR) {
            return Ok(());
        }
        let fd = match fcntl::openat(parent, path.name(), READ_FOLDER, Mode::empty()) {
            Err(Errno::EACCES) => {
                // Ours, but not readable: make it so by name first. Nobody else could have swapped it: the sticky cases
                // where they could need root, and root is never refused.
                stat::fchmodat(
                    parent,
                    path.name(),
                    Mode::S_IRWXU,
                    FchmodatFlags::FollowSymlink,
                )?;
                fcntl::openat(parent, path.name(), READ_FOLDER, Mode::empty())?
            }
            other => other?,
        };
        if !is_owned {
            unistd::fchown(&fd, owner.map(Uid::from_raw), group.map(Gid::from_raw))?;
        }
        stat::fchmod(&fd, Mode::from_bits_truncate(mode))?;
        if self.folders.len() <= FEW {
            self.folders.insert(path.clone());
        }
        self.touch()
    }
}

/// What a file gets besides its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Final {
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) mode: u32,
    /// Seconds and nanoseconds; none: now.
    pub(super) modified: Option<(i64, i64)>,
    /// Whether the content is durable before the name is there.
    pub(super) is_synced: bool,
}

/// Whether a folder on the way is missing or is something else.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP))
}

fn is_kind(there: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(there.st_mode & SFlag::S_IFMT.bits()) == kind
}

fn open_folder(path: &HostPath) -> io::Result<OwnedFd> {
    let mut fd = fcntl::open("/", NAME_FOLDER, Mode::empty())?;
    for name in path
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
    {
        fd = fcntl::openat(&fd, name, NAME_FOLDER, Mode::empty())?;
    }
    Ok(fd)
}

fn create(folder: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = || fcntl::openat(folder, name, flags, Mode::S_IRUSR | Mode::S_IWUSR);
    match open() {
        Err(Errno::EEXIST) => {
            unistd::unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)?;
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

fn rename(folder: impl AsFd, from: &[u8], to: &[u8]) -> io::Result<()> {
    let renamed = fcntl::renameat(folder.as_fd(), from, folder.as_fd(), to);
    if renamed.is_err() {
        let _ = unistd::unlinkat(folder.as_fd(), from, UnlinkatFlags::NoRemoveDir);
    }
    Ok(renamed?)
}

fn write(mut new: fs::File, content: &mut fs::File, set: &Final) -> io::Result<()> {
    copy(content, &mut new)?;
    if set.owner.is_some() || set.group.is_some() {
        unistd::fchown(
            &new,
            set.owner.map(Uid::from_raw),
            set.group.map(Gid::from_raw),
        )?;
    }
    stat::fchmod(&new, Mode::from_bits_truncate(set.mode))?;
    if let Some((seconds, nanos)) = set.modified {
        let time = TimeSpec::new(seconds, nanos);
        stat::futimens(&new, &time, &time)?;
    }
    if set.is_synced {
        new.sync_all()?;
    }
    Ok(())
}

/// Copies everything; in one read and one write when it is small.
pub(super) fn copy(from: &mut fs::File, to: &mut fs::File) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= SMALL {
                to.write_all(&buffer)?;
                io::copy(from, to)?;
                return Ok(());
            }
            buffer.resize(SMALL, 0);
        }
        match from.read(&mut buffer[length..])? {
            0 => return to.write_all(&buffer[..length]),
            more => length += more,
        }
    }
}
