//! Which repository links which blob: an empty file `repositories/NAMESPACE/NAME/HEX` each.
//!
//! # Decided
//!
//! Nobody deletes blobs by hand. When an upload begins, and at most once an hour, links go that no Revision, no
//! Operation, no Image and no Build (its uploaded source) names any more, and blobs that no repository links. A link that was asked for within the last hour stays:
//! its sender is about to name it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use super::Repository;
use crate::api::build::BUILD_SOURCE;
use crate::api::kinds;
use crate::apiserver::Api;
use crate::base::clock::Timestamp;
use crate::base::crash;
use crate::base::durable;
use crate::content::blobs::Blobs;
use crate::content::blobs::Digest;

/// How long a link stays that nothing names, and how often that is looked at.
const GRACE: Duration = Duration::from_secs(3600);
const PREFIX: &[u8] = b"sha256:";
const HEX: usize = 64;

/// The links; a cheap clone.
#[derive(Clone, Debug)]
pub(in crate::apiserver) struct Repositories {
    folder: PathBuf,
    swept: Arc<Mutex<Option<Timestamp>>>,
}

impl Repositories {
    /// The repositories of a content folder.
    pub(in crate::apiserver) fn new(content: &Path) -> Repositories {
        Repositories {
            folder: content.join("repositories"),
            swept: Arc::default(),
        }
    }

    /// Makes a blob readable through a repository, durably.
    pub(super) fn link(&self, repository: &Repository, digest: &Digest) -> io::Result<()> {
        let path = self.path(repository, digest);
        if let Some(folder) = path.parent()
            && !folder.is_dir()
        {
            fs::create_dir_all(folder)?;
            for made in folder.ancestors().skip(1).take(3) {
                durable::sync_folder(made)?;
            }
        }
        crash::point("registry.link.before");
        durable::write(&path, b"", 0o600)?;
        crash::point("registry.link.after");
        Ok(())
    }

    /// Whether a repository has that blob; if so it stays for another while.
    pub(super) fn touch(&self, repository: &Repository, digest: &Digest, now: Timestamp) -> bool {
        let Ok(file) = fs::File::options()
            .write(true)
            .open(self.path(repository, digest))
        else {
            return false;
        };
        // A link whose time cannot be set is no reason to refuse the blob.
        let _ = file.set_modified(system_time(now));
        true
    }

    /// Whether a repository links that blob.
    pub(super) fn has(&self, repository: &Repository, digest: &Digest) -> bool {
        self.path(repository, digest).is_file()
    }

    fn path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.folder
            .join(&repository.namespace)
            .join(&repository.application)
            .join(digest.hex())
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = swept.is_none_or(|last| now.since(last) >= GRACE);
        if due {
            *swept = Some(now);
        }
        due
    }

    /// Removes the links that nothing names, then the blobs that nothing links.
    fn sweep(&self, blobs: &Blobs, named: &HashSet<String>, now: Timestamp) -> io::Result<usize> {
        let mut linked = HashSet::new();
        for repository in folders(&self.folder)?.iter().map(|path| folders(path)) {
            for application in repository? {
                for link in fs::read_dir(&application)? {
                    let link = link?;
                    let hex = link.file_name().to_string_lossy().into_owned();
                    let fresh = is_fresh(&link.path(), now);
                    if named.contains(&hex) || fresh {
                        linked.insert(hex);
                    } else {
                        fs::remove_file(link.path())?;
                    }
                }
                // Only an empty one goes; an upload may be about to make its first link there.
                let _ = fs::remove_dir(&application);
            }
        }
        let mut removed = 0;
        for digest in blobs.all()? {
            if !linked.contains(digest.hex()) && !is_fresh(&blobs.path(&digest), now) {
                crash::point("registry.sweep.before");
                blobs.remove(&digest)?;
                crash::point("registry.sweep.after");
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Looks for blobs that nobody needs, in the background, unless that was done lately.
pub(super) fn sweep_now_and_then(api: &Api) {
    let now = api.clock().now();
    if !api.repositories().is_due(now) {
        return;
    }
    let api = api.clone();
    tokio::spawn(async move {
        let gate = api.uploads().gate.clone().write_owned().await;
        let swept = tokio::task::spawn_blocking(move || {
            let _gate = gate;
            let named = named(&api);
            api.repositories().sweep(api.blobs(), &named, now)
        });
        match swept.await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "removed blobs that nothing names"),
            Ok(Err(error)) => tracing::warn!(%error, "cannot remove blobs that nothing names"),
            Err(error) => tracing::error!(%error, "looking for old blobs failed"),
        }
    });
}

/// The digests that any object which may name a blob names, as hexadecimal digits.
fn named(api: &Api) -> HashSet<String> {
    let mut found = HashSet::new();
    for kind in [
        &kinds::REVISION,
        &kinds::OPERATION,
        &kinds::GEAR,
        &kinds::IMAGE,
    ] {
        let (entries, _) = api.store().list(kind, "");
        for entry in entries {
            digests(&entry.json, &mut found);
        }
    }
    // A Build names images too, which it must not keep: only its source is its own.
    for entry in api.store().list(&kinds::BUILD, "").0 {
        let source = &entry.object()["metadata"]["annotations"][BUILD_SOURCE];
        digests(source.as_str().unwrap_or("").as_bytes(), &mut found);
    }
    found
}

fn digests(json: &[u8], found: &mut HashSet<String>) {
    let long = PREFIX.len() + HEX;
    for window in json
        .windows(long)
        .filter(|window| window.starts_with(PREFIX))
    {
        let hex = &window[PREFIX.len()..];
        if hex.iter().all(u8::is_ascii_hexdigit) {
            found.insert(String::from_utf8_lossy(hex).into_owned());
        }
    }
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.path()))
            .filter(|path| path.as_ref().is_ok_and(|path| path.is_dir()) || path.is_err())
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_fresh(path: &Path, now: Timestamp) -> bool {
    let modified = fs::metadata(path).and_then(|data| data.modified());
    modified.is_ok_and(|modified| modified + GRACE > system_time(now))
}

fn system_time(now: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_second().unsigned_abs())
}
