//! A node's bundles, unpacked and ready for hooks: `${rootdir}/app-${appid}/group-${groupid}/deploy-${deployid}/`.
//!
//! That folder is the bundle's root and the hooks' working folder. Beside it are its manifest, the packed bundle and what is
//! on the way in, all with names that begin with a dot. A bundle that differs from its manifest is repaired in place, from
//! the packed one if that is whole, so that what hooks left beside its files stays. It is compared before each Operation
//! that uses it, so only the packed one is made durable. Deployments of one bundle share it, and packed bundles lend what
//! they have in common with later ones, so that little has to be fetched. Who fetches, and when, is decided by the steps.

mod fetch;
mod incoming;
mod manifest;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::cache::fetch::Fetch;
use crate::agent::cache::fetch::Local;
use crate::agent::cache::incoming::Incoming;
use crate::agent::cache::manifest::Manifest;
use crate::api::appspec;
use crate::api::appspec::AppSpec;
use crate::api::upshift::DeployedRevision;
use crate::api::upshift::Deployment;
use crate::base::crash;
use crate::base::durable;
use crate::base::text;
use crate::client::registry;
use crate::content::archive;
use crate::content::archive::Limits;
use crate::content::blobs;
use crate::content::blobs::Digest;
use crate::content::bundle;
use crate::content::listing::Listing;

pub use fetch::Source;
pub use fetch::Transfer;

/// Hook users pass through the folders down to the bundle.
const FOLDER_MODE: u32 = 0o755;

/// Why a bundle is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the bundle is not on this node and cannot be fetched")]
    Fetch(#[source] registry::Error),
    #[error(
        "the disk of this node has no room for the bundle: it needs at least {} in {}, {} are free",
        text::size(*.needed), .path.display(), text::size(*.free)
    )]
    NoRoom {
        path: PathBuf,
        needed: u64,
        free: u64,
    },
    #[error("the bundle that was fetched is damaged: it is {found}, not {expected}")]
    Mismatch { expected: Digest, found: Digest },
    #[error("the bundle cannot be unpacked")]
    Unpack(#[from] archive::Error),
    #[error(transparent)]
    NoAppSpec(archive::Error),
    #[error(transparent)]
    AppSpec(#[from] appspec::Errors),
    #[error("{0}")]
    Refused(String),
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Error {
    /// The step's failure reason in one word.
    pub fn reason(&self) -> &'static str {
        match self {
            Error::Fetch(_) => "BundleMissing",
            Error::NoRoom { .. } => "DiskFull",
            Error::Unpack(error) if error.is_disk_full() => "DiskFull",
            Error::Mismatch { .. } | Error::Unpack(_) => "BundleDamaged",
            Error::AppSpec(_) | Error::NoAppSpec(_) => "BadAppSpec",
            Error::Io { source, .. } if is_full(source) => "DiskFull",
            Error::Refused(_) | Error::Io { .. } => "Io",
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { what, path, source }
}

/// Whether a bundle is ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    Missing,
    /// What differs from what was unpacked.
    Damaged(String),
}

/// The bundle cache of one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    root_dir: PathBuf,
}

impl Cache {
    /// A cache whose `${rootdir}` is `root_dir` unless a Deployment names another.
    pub fn new(root_dir: impl Into<PathBuf>) -> Cache {
        Cache {
            root_dir: root_dir.into(),
        }
    }

    /// `${rootdir}/app-${appid}/group-${groupid}/deploy-${deployid}`: the root of the unpacked bundle, the hooks' cwd.
    pub fn place(&self, deployment: &Deployment) -> Result<PathBuf, Error> {
        Ok(self
            .group(deployment)?
            .join(format!("deploy-{}", deployment.deploy_id)))
    }

    fn group(&self, deployment: &Deployment) -> Result<PathBuf, Error> {
        let root_dir = match deployment.root_dir.as_str() {
            "" => self.root_dir.clone(),
            root_dir => PathBuf::from(root_dir),
        };
        if !root_dir.is_absolute() {
            return Err(Error::Refused(format!(
                "rootDir {} must be an absolute path",
                root_dir.display()
            )));
        }
        let name = |prefix: &str, id: &str| {
            if id.is_empty() || id.len() > 200 || id.contains(['/', '\0']) {
                return Err(Error::Refused(format!(
                    "{prefix}{id:?} cannot name a folder"
                )));
            }
            Ok(format!("{prefix}{id}"))
        };
        Ok(root_dir
            .join(name("app-", &deployment.app_id)?)
            .join(name("group-", &deployment.group_id)?))
    }

    /// Compares the unpacked bundle with what was unpacked. Reads every file: call it off the async threads.
    pub fn check(&self, deployment: &Deployment) -> Result<State, Error> {
        let root = self.place(deployment)?;
        Ok(state(&root, &digest(deployment)?))
    }

    /// The bundle's root, whole: as it is when it is whole, else unpacked or repaired from what is here and what `source` has.
    pub async fn ensure(&self, deployment: &Deployment, source: &Source) -> Result<PathBuf, Error> {
        let root = self.place(deployment)?;
        let digest = digest(deployment)?;
        let (place, wanted) = (root.clone(), digest.clone());
        let opened = blocking(move || {
            let incoming = beside(&place, "incoming");
            if state(&place, &wanted) == State::Whole {
                // A death just after it was unpacked left the packed one half put away.
                let _ = fs::remove_file(&incoming);
                return Ok(None);
            }
            let group = place.parent().unwrap_or(Path::new("/"));
            make_folders(group).map_err(failed("make", group))?;
            let packed = packed_bundles(group);
            if let Some((whole, _held)) = take_whole(&packed, &wanted) {
                let _ = fs::remove_file(&incoming);
                fill(&place, &wanted, whole)?;
                return keep(&place, &wanted, |place| share(whole, place)).map(|()| None);
            }
            let incoming = Incoming::open(&incoming).map_err(failed("write", &incoming))?;
            let local = Local::look(packed.into_iter().map(|(path, _)| path).collect());
            Ok::<_, Error>(Some((incoming, local)))
        });
        let Some((incoming, local)) = opened.await?? else {
            return Ok(root);
        };
        let incoming = Fetch::new(source, &digest, local).run(incoming).await?;
        let place = root.clone();
        blocking(move || {
            let filled = incoming
                .sync()
                .map_err(failed("sync", &incoming.path))
                .and_then(|()| fill(&place, &digest, &incoming.path));
            match filled {
                Ok(()) => keep(&place, &digest, |place| incoming.keep_as(place)),
                Err(error) => {
                    incoming.discard();
                    Err(error)
                }
            }
        })
        .await??;
        Ok(root)
    }

    /// Removes this application's and group's bundles except those of `deployment.deploy_id` and `deployment.keep`.
    pub fn prune(&self, deployment: &Deployment) -> Result<(), Error> {
        let is_kept = |id: u64| id == deployment.deploy_id || deployment.keep.contains(&id);
        remove_bundles(&self.group(deployment)?, is_kept)
    }

    /// Removes every bundle of the application and group, and the folders that are empty then.
    pub fn clear(&self, deployment: &Deployment) -> Result<(), Error> {
        let group = self.group(deployment)?;
        remove_bundles(&group, |_| false)?;
        if fs::remove_dir(&group).is_ok()
            && let Some(application) = group.parent()
        {
            let _ = fs::remove_dir(application);
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| Error::Refused(format!("the bundle could not be looked at: {error}")))
}

fn digest(deployment: &Deployment) -> Result<Digest, Error> {
    let revision = deployment.revision.as_ref();
    let revision = revision.ok_or_else(|| Error::Refused("no revision is wanted".to_owned()))?;
    revision.bundle.digest.parse().map_err(Error::Refused)
}

fn state(root: &Path, digest: &Digest) -> State {
    let manifest = match Manifest::load(root) {
        Ok(Some(manifest)) if root.is_dir() => manifest,
        Ok(_) => return State::Missing,
        Err(error) => return State::Damaged(format!("its manifest: {error}")),
    };
    if manifest.digest != *digest {
        return State::Damaged(format!(
            "it is {}, not {}",
            manifest.digest.short(),
            digest.short()
        ));
    }
    match manifest.damaged(root).as_slice() {
        [] => State::Whole,
        [first] => State::Damaged(first.display().to_string()),
        [first, rest @ ..] => {
            State::Damaged(format!("{} and {} more", first.display(), rest.len()))
        }
    }
}

/// `.deploy-D.WHAT` beside `deploy-D`.
fn beside(root: &Path, what: &str) -> PathBuf {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    root.with_file_name(format!(".{name}.{what}"))
}

fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent)?;
    }
    match fs::create_dir(folder) {
        // Another gear's bundle came at the same time.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => {
            made.and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(FOLDER_MODE)))
        }
    }
}

/// The packed bundle, kept beside its folder.
fn packed(root: &Path, digest: &Digest) -> PathBuf {
    beside(root, &format!("bundle.{}", digest.hex()))
}

/// Every packed bundle of a group.
fn packed_bundles(group: &Path) -> Vec<(PathBuf, Digest)> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let known = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let (_, hex) = name.split_once(".bundle.")?;
        Some((entry.path(), format!("sha256:{hex}").parse().ok()?))
    };
    entries.filter_map(known).collect()
}

/// A packed bundle that is what its name says, held by one at a time: an agent that was stopped may still be unpacking it.
fn take_whole<'p>(
    packed: &'p [(PathBuf, Digest)],
    wanted: &Digest,
) -> Option<(&'p Path, fs::File)> {
    let mut same = packed.iter().filter(|(_, digest)| digest == wanted);
    same.find_map(|(path, _)| {
        let mut file = fs::File::open(path).ok()?;
        file.lock().ok()?;
        let (found, _) = blobs::digest_of(&mut file).ok()?;
        (found == *wanted).then_some((path.as_path(), file))
    })
}

/// Gives a packed bundle to another deployment, too: as the same file where the disk can do that, because nobody ever
/// writes into one.
fn share(whole: &Path, place: &Path) -> io::Result<()> {
    if whole == place || fs::hard_link(whole, place).is_ok() {
        return Ok(());
    }
    let mut copy = Incoming::open(&beside(place, "copy"))?;
    copy.copy(whole)?;
    copy.keep_as(place)
}

/// Keeps what was unpacked packed too, in the place of what was there before.
fn keep(
    root: &Path,
    digest: &Digest,
    put: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), Error> {
    let place = packed(root, digest);
    let group = root.parent().unwrap_or(root);
    let mark = beside(root, "bundle.");
    let mark = mark.file_name().unwrap_or_default().to_string_lossy();
    for (other, _) in packed_bundles(group) {
        let name = other.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&*mark) && other != place {
            remove_tree(&other)?;
        }
    }
    put(&place).map_err(failed("keep", &place))?;
    durable::sync_folder(group).map_err(failed("sync", group))?;
    crash::point("cache.kept");
    Ok(())
}

fn fill(root: &Path, digest: &Digest, archive: &Path) -> Result<(), Error> {
    crash::point("cache.unpack");
    let new = beside(root, "new");
    remove_tree(&new)?;
    let mut builder = fs::DirBuilder::new();
    builder
        .mode(0o700)
        .create(&new)
        .map_err(failed("make", &new))?;
    let unpacked = archive::unpack(archive, &new, Limits::default()).inspect_err(|_| {
        let _ = remove_tree(&new);
    })?;
    let manifest = Manifest::of(digest.clone(), &unpacked);
    let known = Manifest::load(root).ok().flatten();
    if known.is_some_and(|known| known.digest == *digest) && root.is_dir() {
        repair(root, &new, &manifest)?;
        remove_tree(&new)?;
    } else {
        replace(root, &new)?;
    }
    crash::point("cache.manifest");
    manifest
        .store(root)
        .map_err(failed("write the manifest of", root))?;
    crash::point("cache.filled");
    Ok(())
}

fn replace(root: &Path, new: &Path) -> Result<(), Error> {
    let manifest = Manifest::path(root);
    match fs::remove_file(&manifest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &manifest)(error));
        }
        _ => {}
    }
    crash::point("cache.replace");
    let old = beside(root, "old");
    remove_tree(&old)?;
    if fs::symlink_metadata(root).is_ok() {
        fs::rename(root, &old).map_err(failed("put aside", root))?;
        remove_tree(&old)?;
    }
    fs::set_permissions(new, fs::Permissions::from_mode(FOLDER_MODE))
        .map_err(failed("open to all", new))?;
    fs::rename(new, root).map_err(failed("put in place", root))
}

/// Moves what is damaged from a fresh copy into place; everything else stays, also what does not belong to the bundle.
fn repair(root: &Path, new: &Path, manifest: &Manifest) -> Result<(), Error> {
    for path in manifest.damaged(root) {
        crash::point("cache.repair");
        let (from, to) = (new.join(&path), root.join(&path));
        let io = |what| failed(what, &to);
        let fresh = fs::symlink_metadata(&from).map_err(io("repair"))?;
        match fs::symlink_metadata(&to) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&to).map_err(io("remove"))?,
            Ok(_) => fs::remove_file(&to).map_err(io("remove"))?,
            Err(_) => {}
        }
        if fresh.is_dir() {
            fs::create_dir(&to).map_err(io("repair"))?;
            fs::set_permissions(&to, fresh.permissions()).map_err(io("repair"))?;
        } else {
            fs::rename(&from, &to).map_err(io("repair"))?;
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn remove_bundles(group: &Path, is_kept: impl Fn(u64) -> bool) -> Result<(), Error> {
    let entries = match fs::read_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed("read", group))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(
            entry
                .map_err(failed("read", group))?
                .file_name()
                .into_string(),
        );
    }
    // Manifests first: a bundle without one is not there, however much of it is left.
    names.sort();
    for name in names {
        let id = name
            .trim_start_matches('.')
            .strip_prefix("deploy-")
            .and_then(|rest| {
                let digits = rest.find('.').map_or(rest, |at| &rest[..at]);
                digits.parse().ok()
            });
        if id.is_some_and(|id| !is_kept(id)) {
            crash::point("cache.prune");
            remove_tree(&group.join(name))?;
        }
    }
    Ok(())
}

/// The appspec of an unpacked bundle: the one the revision names, else the usual names, else the revision's form.
pub fn appspec(root: &Path, revision: &DeployedRevision) -> Result<AppSpec, Error> {
    let name = Some(revision.appspec.as_str()).filter(|name| !name.is_empty());
    match bundle::find_appspec(root, name).map_err(Error::NoAppSpec)? {
        Some(file) => Ok(appspec::parse(&file.name, &file.text)?),
        None => Ok(AppSpec::from_form(
            &revision.files,
            &revision.scripts.clone().unwrap_or_default(),
        )?),
    }
}

/// What an unpacked bundle holds: by its manifest, or by looking for a folder that never had one.
pub(in crate::agent) fn listing(
    root: &Path,
) -> Result<Listing, Box<dyn std::error::Error + Send + Sync>> {
    match Manifest::load(root)? {
        Some(manifest) => Ok(manifest.listing()?),
        None => Ok(bundle::list(root)?),
    }
}

#[cfg(test)]
mod tests;
