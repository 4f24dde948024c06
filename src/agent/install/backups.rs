//! What Install replaced and somebody else owns, kept in the gear's own folder until it comes back.
//!
//! Content, mode, owner and times; a link is kept in the record alone. Another file system than the original's is fine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::agent::install::disk;
use crate::agent::install::disk::Final;
use crate::agent::install::disk::Walker;
use crate::agent::install::record::Backup;
use crate::agent::install::record::HostPath;
use crate::agent::install::record::Record;
use crate::agent::install::record::Was;
use crate::agent::lent;
use crate::base::durable;

/// The backups of one gear: files named by their number.
pub(super) struct Backups {
    pub(super) folder: PathBuf,
}

impl Backups {
    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    pub(super) fn make_folder(&self) -> io::Result<()> {
        lent::as_agent(|| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.folder)
        })
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        lent::as_agent(|| durable::sync_folder(&self.folder))
    }

    /// Keeps what is at a path, durably; one of the same number that nothing refers to is replaced.
    pub(super) fn keep(
        &self,
        host: &mut Walker,
        path: &HostPath,
        number: u64,
    ) -> io::Result<Backup> {
        let there = host.stat(path)?;
        let (uid, gid) = (there.st_uid, there.st_gid);
        if there.st_mode & 0o170_000 == 0o120_000 {
            let target = HostPath::new(host.read_link(path)?);
            let was = Was::Link { target, uid, gid };
            return Ok(Backup { number, was });
        }
        let mut file = host.open(path)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut copy = lent::as_agent(|| options.open(self.path(number)))?;
        disk::copy(&mut file, &mut copy)?;
        copy.sync_all()?;
        let was = Was::File {
            mode: there.st_mode & 0o7777,
            uid,
            gid,
            modified: there.st_mtime,
            modified_nanos: there.st_mtime_nsec,
        };
        Ok(Backup { number, was })
    }

    /// Whether there is still something to give back.
    pub(super) fn has(&self, backup: &Backup) -> bool {
        matches!(backup.was, Was::Link { .. })
            || lent::as_agent(|| self.path(backup.number).exists())
    }

    /// Puts it back where it was, with the folder it was in when that is gone.
    pub(super) fn give_back(
        &self,
        host: &mut Walker,
        path: &HostPath,
        beside: &[u8],
        backup: &Backup,
    ) -> io::Result<()> {
        let restored = self.put(host, path, beside, backup);
        match (restored, path.parent()) {
            (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder.to_path())?;
                self.put(host, path, beside, backup)
            }
            (restored, _) => restored,
        }
    }

    fn put(
        &self,
        host: &mut Walker,
        path: &HostPath,
        beside: &[u8],
        backup: &Backup,
    ) -> io::Result<()> {
        match &backup.was {
            Was::Link { target, uid, gid } => {
                host.put_link(path, beside, target.as_bytes(), Some((*uid, *gid)))
            }
            Was::File {
                mode,
                uid,
                gid,
                modified,
                modified_nanos,
            } => {
                let mut file = lent::as_agent(|| fs::File::open(self.path(backup.number)))?;
                let is_root = lent::uid().is_root();
                let set = Final {
                    owner: is_root.then_some(*uid),
                    group: is_root.then_some(*gid),
                    mode: *mode,
                    modified: Some((*modified, *modified_nanos)),
                    is_synced: true,
                };
                host.put(path, beside, &mut file, &set)
            }
        }
    }

    /// Removes those that a record does not refer to; one that cannot be removed now is overwritten later.
    pub(super) fn drop_unused(&self, record: &Record) {
        lent::as_agent(|| self.remove_unused(record));
    }

    fn remove_unused(&self, record: &Record) {
        let backups = record
            .files
            .values()
            .filter_map(|entry| entry.backup.as_ref());
        let live: BTreeSet<String> = backups.map(|backup| backup.number.to_string()).collect();
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| live.contains(name))
            {
                let _ = fs::remove_file(entry.path());
            }
        }
        if live.is_empty() {
            let _ = fs::remove_dir(&self.folder);
        }
    }
}
