//! Install, performed: backups, the record of what is about to be, the changes, the record of what is.
//!
//! Every line may be the last one before a crash. Until the first record is written nothing of the host has changed; after
//! it everything that may be there is ours on record, so another Install, of the same revision or of another, starts from it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::agent::install::Error;
use crate::agent::install::Installed;
use crate::agent::install::Outcome;
use crate::agent::install::Place;
use crate::agent::install::access::Programs;
use crate::agent::install::backups::Backups;
use crate::agent::install::disk;
use crate::agent::install::disk::Final;
use crate::agent::install::disk::Walker;
use crate::agent::install::plan::Content;
use crate::agent::install::plan::File;
use crate::agent::install::plan::Plan;
use crate::agent::install::record::Backup;
use crate::agent::install::record::FileEntry;
use crate::agent::install::record::FolderEntry;
use crate::agent::install::record::HostPath;
use crate::agent::install::record::Record;
use crate::agent::lent;
use crate::api::appspec::Acl;
use crate::content::listing;

const FOLDER_MODE: u32 = 0o755;

/// Called before every effect; an error stops there, as a crash would.
pub(super) type Pulse<'a> = &'a mut dyn FnMut(&'static str) -> io::Result<()>;

/// One Install under way.
pub(super) struct Performing<'a> {
    place: &'a Place,
    plan: &'a Plan,
    before: &'a Record,
    programs: &'a Programs,
    pulse: Pulse<'a>,
    backups: Backups,
    /// What the record says while the changes are made.
    during: Record,
    host: Walker,
    bundle: Walker,
    /// Name of what is being written, one in a folder at a time; known to whoever cleans up after a crash.
    beside: Vec<u8>,
    warnings: Vec<String>,
}

fn failed<'p>(what: &'static str, path: &'p HostPath) -> impl FnOnce(io::Error) -> Error + 'p {
    move |source| failure(what, path.to_path(), source)
}

/// A full disk has its own name.
pub(super) fn failure(what: &'static str, path: PathBuf, source: io::Error) -> Error {
    let errno = source.raw_os_error().map(Errno::from_raw);
    if matches!(errno, Some(Errno::ENOSPC | Errno::EDQUOT)) {
        return Error::DiskFull(path);
    }
    Error::Io { what, path, source }
}

impl<'a> Performing<'a> {
    pub(super) fn new(
        place: &'a Place,
        plan: &'a Plan,
        before: &'a Record,
        programs: &'a Programs,
        pulse: Pulse<'a>,
    ) -> Performing<'a> {
        let name = crate::content::blobs::Digest::of(place.folder().as_os_str().as_encoded_bytes());
        Performing {
            place,
            plan,
            before,
            programs,
            pulse,
            backups: Backups {
                folder: place.folder().join("backup"),
            },
            during: before.clone(),
            host: Walker::default(),
            bundle: Walker::default(),
            beside: format!(".upshift.{}", name.short()).into_bytes(),
            warnings: Vec::new(),
        }
    }

    /// Backs up and writes the record of what is about to be, if that is anything; up to its end nothing on the host has
    /// changed.
    pub(super) fn announce(&mut self) -> Result<(), Error> {
        self.during.unfinished = true;
        for (path, folder) in &self.plan.folders {
            let entry = self
                .during
                .folders
                .entry(path.clone())
                .or_insert_with(|| FolderEntry {
                    shared: folder.shared,
                    ..FolderEntry::default()
                });
            entry.context |= folder.attributes.context.is_some();
            entry.acl |= folder.attributes.acl.is_some();
        }
        let mut backups = self.back_up()?;
        for (path, file) in &self.plan.files {
            let entry = self.during.files.entry(path.clone()).or_default();
            entry.context |= file.attributes.context.is_some();
            if let Some(backup) = backups.remove(path) {
                entry.backup = Some(backup);
            }
        }
        self.pulse("install.announce")?;
        if self.during.files.is_empty() && self.during.folders.is_empty() {
            return Ok(());
        }
        match self.store(&self.during) {
            // Of an Install that did not end, everything is on record: room may be made before the next record is.
            Err(Error::DiskFull(_)) if self.before.unfinished => {
                self.remove_stale_files()?;
                self.store(&self.during)
            }
            other => other,
        }
    }

    /// Changes the host and writes the record of what is.
    pub(super) fn change(mut self, installed: Option<Installed>) -> Result<Outcome, Error> {
        self.clean_up()?;
        self.loosen()?;
        self.remove_stale_files()?;
        let kept = self.remove_stale_folders()?;
        self.make_folders()?;
        self.put_files()?;
        self.set_folders()?;
        self.set_access()?;
        self.pulse("install.sync")?;
        let root = HostPath::new("/");
        self.host
            .sync(self.plan.files.len() <= disk::FEW)
            .map_err(failed("sync", &root))?;
        let after = self.after(installed, kept);
        self.pulse("install.finish")?;
        self.store(&after)?;
        self.pulse("install.tidy")?;
        self.backups.drop_unused(&after);
        Ok(Outcome {
            record: after,
            warnings: self.warnings,
        })
    }

    fn pulse(&mut self, name: &'static str) -> Result<(), Error> {
        (self.pulse)(name).map_err(|source| Error::Io {
            what: "go on in",
            path: self.place.folder(),
            source,
        })
    }

    fn store(&self, record: &Record) -> Result<(), Error> {
        record
            .store(self.place)
            .map_err(|source| failure("write the record in", self.place.folder(), source))
    }

    fn back_up(&mut self) -> Result<BTreeMap<HostPath, Backup>, Error> {
        let backups = self.try_back_up();
        if backups.is_err() {
            self.backups.drop_unused(self.before);
        }
        backups
    }

    fn try_back_up(&mut self) -> Result<BTreeMap<HostPath, Backup>, Error> {
        let mut kept = BTreeMap::new();
        if self.plan.foreign.is_empty() {
            return Ok(kept);
        }
        let folder = self.backups.folder.clone();
        let made = self.backups.make_folder();
        made.map_err(|source| failure("make", folder.clone(), source))?;
        let mut number = self.before.last_backup();
        for path in &self.plan.foreign {
            number += 1;
            self.pulse("install.backup")?;
            let backup = self
                .backups
                .keep(&mut self.host, path, number)
                .map_err(failed("back up", path))?;
            kept.insert(path.clone(), backup);
        }
        let synced = self.backups.sync();
        synced.map_err(|source| failure("sync", folder, source))?;
        Ok(kept)
    }

    /// Removes what an interrupted Install was writing when it was interrupted.
    fn clean_up(&mut self) -> Result<(), Error> {
        if !self.before.unfinished {
            return Ok(());
        }
        let parents: BTreeSet<HostPath> = self
            .during
            .files
            .keys()
            .filter_map(HostPath::parent)
            .collect();
        for folder in parents {
            let path = folder.join(&self.beside);
            self.host.remove(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    /// Whoever is not root needs the right to write in the own folders, whatever permissions said.
    fn loosen(&mut self) -> Result<(), Error> {
        if lent::uid().is_root() {
            return Ok(());
        }
        let own = lent::uid().as_raw();
        for (path, entry) in &self.before.folders {
            let Ok(there) = self.host.stat(path) else {
                continue;
            };
            let is_folder = there.st_mode & 0o170_000 == 0o40_000;
            if is_folder && !entry.shared && there.st_uid == own && there.st_mode & 0o700 != 0o700 {
                let mode = there.st_mode & 0o7777 | 0o700;
                self.host
                    .set_folder(path, None, None, mode)
                    .map_err(failed("set the mode of", path))?;
            }
        }
        Ok(())
    }

    /// Removes what is not wanted any more and brings back what it had replaced.
    fn remove_stale_files(&mut self) -> Result<(), Error> {
        let before = self.before;
        for (path, entry) in &before.files {
            if self.plan.files.contains_key(path) {
                continue;
            }
            self.pulse("install.remove")?;
            match &entry.backup {
                Some(backup) => self.restore(path, backup)?,
                None => self.remove(path)?,
            }
            if entry.context {
                self.forget_context(path);
            }
        }
        Ok(())
    }

    /// Removes empty folders that are not wanted any more; gives those that could not go.
    fn remove_stale_folders(&mut self) -> Result<BTreeSet<HostPath>, Error> {
        let mut kept = BTreeSet::new();
        let before = self.before;
        let stale: Vec<(&HostPath, &FolderEntry)> = before
            .folders
            .iter()
            .rev()
            .filter(|(path, _)| !self.plan.folders.contains_key(*path))
            .collect();
        if stale.is_empty() {
            return Ok(kept);
        }
        // Under the lock, and by what the others claim now: one of them may have planned with such a folder since.
        let _lock = super::lock(self.place)?;
        let (claims, _) = super::claims(self.place)?;
        for (path, entry) in stale {
            self.pulse("install.remove-folder")?;
            if entry.context {
                self.forget_context(path);
            }
            // Another application wants it, even empty: whoever leaves last removes it.
            if claims.has_folder(path) {
                continue;
            }
            let is_gone = self
                .host
                .remove_folder(path)
                .map_err(failed("remove", path))?;
            if !is_gone {
                kept.insert(path.clone());
            }
        }
        Ok(kept)
    }

    fn remove(&mut self, path: &HostPath) -> Result<(), Error> {
        let is_removed = self.host.remove(path).map_err(failed("remove", path))?;
        if !is_removed
            && disk::find(path).is_ok_and(|found| found == disk::Found::Folder)
            && !self.plan.folders.contains_key(path)
        {
            self.warnings
                .push(format!("{path}: is a folder now and stays"));
        }
        Ok(())
    }

    fn forget_context(&mut self, path: &HostPath) {
        if let Err(error) = self.programs.forget_context(path) {
            self.warnings.push(format!(
                "{path}: its SELinux context stays registered: {error}"
            ));
        }
    }

    fn restore(&mut self, path: &HostPath, backup: &Backup) -> Result<(), Error> {
        if !self.backups.has(backup) {
            self.warnings.push(format!(
                "{path}: what it replaced is lost (backup {} is gone)",
                backup.number
            ));
            return self.remove(path);
        }
        self.backups
            .give_back(&mut self.host, path, &self.beside, backup)
            .map_err(failed("restore", path))
    }

    fn make_folders(&mut self) -> Result<(), Error> {
        for path in self.plan.folders.keys() {
            self.pulse("install.folder")?;
            self.host
                .make_folder(path)
                .map_err(failed("make the folder", path))?;
        }
        Ok(())
    }

    fn put_files(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        let source = HostPath::new(listing::bytes_of(&plan.source));
        let is_synced = plan.files.len() <= disk::FEW;
        // Folder by folder, so that each is opened once.
        let mut order: Vec<(&[u8], &HostPath, &File)> = plan
            .files
            .iter()
            .map(|(path, file)| (listing::parent(path.as_bytes()), path, file))
            .collect();
        order.sort_by_key(|(folder, path, _)| (*folder, *path));
        for (_, path, file) in order {
            self.pulse("install.file")?;
            match &file.content {
                Content::File { from, mode } => {
                    let from = source.join(from);
                    // The bundle is the agent's, and others may not be able to read all of it.
                    let mut content = lent::as_agent(|| self.bundle.open(&from))
                        .map_err(failed("read", &from))?;
                    let set = Final {
                        owner: file.attributes.owner,
                        group: file.attributes.group,
                        mode: file.attributes.mode.unwrap_or(*mode),
                        modified: None,
                        is_synced,
                    };
                    self.host
                        .put(path, &self.beside, &mut content, &set)
                        .map_err(failed("write", path))?;
                }
                Content::Link { target } => {
                    self.host
                        .put_link(path, &self.beside, target, None)
                        .map_err(failed("write", path))?;
                }
            }
        }
        Ok(())
    }

    /// Last, so that a folder which nobody may write to can be filled first.
    fn set_folders(&mut self) -> Result<(), Error> {
        let (uid, gid) = lent::ids();
        for (path, folder) in self
            .plan
            .folders
            .iter()
            .rev()
            .filter(|(_, folder)| !folder.shared)
        {
            self.pulse("install.set-folder")?;
            let set = &folder.attributes;
            let mode = set.mode.unwrap_or(FOLDER_MODE);
            let (owner, group) = (set.owner.unwrap_or(uid), set.group.unwrap_or(gid));
            self.host
                .set_folder(path, Some(owner), Some(group), mode)
                .map_err(failed("set the permissions of", path))?;
        }
        Ok(())
    }

    fn set_access(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        let files = plan
            .files
            .iter()
            .filter_map(|(path, file)| match &file.content {
                Content::File { mode, .. } => Some((path, &file.attributes, *mode)),
                Content::Link { .. } => None,
            });
        let folders = plan.folders.iter().filter(|(_, folder)| !folder.shared);
        let folders = folders.map(|(path, folder)| (path, &folder.attributes, FOLDER_MODE));
        let mut lists: BTreeMap<String, Vec<&HostPath>> = BTreeMap::new();
        let mut contexts = Vec::new();
        for (path, set, mode) in files.chain(folders) {
            if let Some(acl) = set.acl.as_ref().filter(|acl| **acl != Acl::default()) {
                lists
                    .entry(acl.text(set.mode.unwrap_or(mode)))
                    .or_default()
                    .push(path);
            }
            contexts.extend(set.context.as_ref().map(|context| (path, context)));
        }
        for (path, folder) in &plan.folders {
            let had = self.before.folders.get(path).is_some_and(|entry| entry.acl);
            if had && folder.attributes.acl.is_none() {
                self.programs
                    .clear_acl(path)
                    .map_err(failed("clear the access control list of", path))?;
            }
        }
        for (text, paths) in lists {
            self.pulse("install.acl")?;
            self.programs
                .set_acl(&text, &paths)
                .map_err(failed("set the access control list of", paths[0]))?;
        }
        self.forget_contexts();
        for (path, context) in contexts {
            self.pulse("install.context")?;
            self.programs
                .set_context(context, path)
                .map_err(failed("set the SELinux context of", path))?;
        }
        Ok(())
    }

    /// Contexts of what stays but has none any more.
    fn forget_contexts(&mut self) {
        let (plan, before) = (self.plan, self.before);
        for (path, file) in &plan.files {
            if file.attributes.context.is_none()
                && before.files.get(path).is_some_and(|entry| entry.context)
            {
                self.forget_context(path);
            }
        }
        for (path, folder) in &plan.folders {
            if folder.attributes.context.is_none()
                && before.folders.get(path).is_some_and(|entry| entry.context)
            {
                self.forget_context(path);
            }
        }
    }

    fn after(&self, installed: Option<Installed>, kept: BTreeSet<HostPath>) -> Record {
        let files = self.plan.files.iter().map(|(path, file)| {
            let backup = self
                .during
                .files
                .get(path)
                .and_then(|entry| entry.backup.clone());
            let context = file.attributes.context.is_some();
            (path.clone(), FileEntry { backup, context })
        });
        let wanted = self.plan.folders.iter().map(|(path, folder)| {
            let entry = FolderEntry {
                shared: folder.shared,
                context: folder.attributes.context.is_some(),
                acl: folder.attributes.acl.is_some(),
            };
            (path.clone(), entry)
        });
        let kept = kept.into_iter().map(|path| {
            let shared = self
                .before
                .folders
                .get(&path)
                .is_some_and(|entry| entry.shared);
            let entry = FolderEntry {
                shared,
                ..FolderEntry::default()
            };
            (path, entry)
        });
        Record {
            installed,
            unfinished: false,
            files: files.collect(),
            folders: wanted.chain(kept).collect(),
        }
    }
}
