//! Install: puts a revision's files and permissions in place, and takes away what an earlier one left.
//!
//! [`plan`] decides against the disk minus what this gear has on it, [`perform`] changes the host, [`record`] remembers.
//! First Install, the next one, one after a crash, a rollback and a removal are the same lines: what is wanted, from whatever
//! the record says is there.
//!
//! # Decided
//!
//! * What is overwritten is backed up (content, mode, owner, times; not hard links and extended attributes) and comes back
//!   when the application leaves the place: with a revision without that file, a rollback to nothing, or a removal.
//! * Files get the time they were put in place: a bundle has no times, and equal times would make a web server's validators
//!   equal for different contents.
//! * A folder of ours that has somebody else's files in it stays, is remembered, and goes when it is empty at last. A folder
//!   that two applications of the node share is removed by whoever leaves last.
//! * New folders have mode 0755 whatever the umask; a setuid bit comes from `permissions` only, never from a bundle.
//! * What is installed is what the bundle holds: things that hooks left in the bundle's folder are not.

mod access;
mod attributes;
mod backups;
mod disk;
mod perform;
mod plan;
mod record;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::agent::install::access::Programs;
use crate::agent::install::perform::Performing;
use crate::agent::install::perform::Pulse;
use crate::agent::install::record::Claims;
use crate::agent::lent;
use crate::api::appspec::AppSpec;
use crate::api::meta::Key;
use crate::api::upshift::FileExists;
use crate::base::crash;

pub use record::Backup;
pub use record::FileEntry;
pub use record::FolderEntry;
pub use record::HostPath;
pub use record::Record;
pub use record::Was;

/// Where one gear's record is, among those of all gears of the node.
#[derive(Clone, Debug)]
pub struct Place {
    gears: PathBuf,
    gear: Key,
}

impl Place {
    /// The gear's own folder is `GEARS/NAMESPACE/GEAR`.
    pub fn new(gears: impl Into<PathBuf>, gear: Key) -> Place {
        Place {
            gears: gears.into(),
            gear,
        }
    }

    /// The gear's own folder.
    pub fn folder(&self) -> PathBuf {
        self.gears.join(&self.gear.namespace).join(&self.gear.name)
    }
}

/// A revision that is to be in place.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The bundle's root in the cache.
    pub root: PathBuf,
    pub spec: AppSpec,
    /// The Application's setting; the appspec's own wins.
    pub exists: FileExists,
    pub installed: Installed,
}

/// Which revision is in place, enough to find its hooks without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installed {
    pub application: String,
    pub revision: String,
    pub number: u64,
    pub digest: String,
    pub deploy_id: u64,
}

/// Why nothing, or not everything, was put in place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has changed; every conflict is a sentence.
    #[error("{}", first_of(.0))]
    Conflicts(Vec<String>),
    #[error("the disk is full: cannot write {}", .0.display())]
    DiskFull(PathBuf),
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Enough for people and small enough for a status.
fn first_of(conflicts: &[String]) -> String {
    const MOST: usize = 20;
    let mut text = conflicts[..conflicts.len().min(MOST)].join("\n");
    if conflicts.len() > MOST {
        text.extend(["\nand ", &(conflicts.len() - MOST).to_string(), " more"]);
    }
    text
}

impl Error {
    /// The step's failure reason in one word.
    pub fn reason(&self) -> &'static str {
        match self {
            Error::Conflicts(_) => "PlanConflict",
            Error::DiskFull(_) => "DiskFull",
            Error::Io { .. } => "Io",
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub record: Record,
    /// For the step's log: entries that matched nothing, folders that stay, …
    pub warnings: Vec<String>,
}

/// What is in place now; None when there is nothing of this gear on the node.
pub fn installed(place: &Place) -> Result<Option<Record>, Error> {
    Record::load(place)
        .map_err(|source| perform::failure("read the record in", place.folder(), source))
}

/// Brings the host from whatever this gear has on it to `wanted` (None: to nothing). Run again after any failure or crash,
/// it ends the same; a [`Error::Conflicts`] means that nothing has changed. Blocks: call it off the async threads.
pub fn install(place: &Place, wanted: Option<&Wanted>) -> Result<Outcome, Error> {
    let pulse: Pulse<'_> = &mut |name| {
        crash::point(name);
        Ok(())
    };
    install_with(place, wanted, &Programs::default(), pulse)
}

/// Finds every conflict without changing anything.
pub fn check(place: &Place, wanted: Option<&Wanted>) -> Result<(), Error> {
    let before = installed(place)?.unwrap_or_default();
    let (claims, _) = claims(place)?;
    plan::plan(wanted, &before, &claims, &Programs::default()).map(drop)
}

fn install_with(
    place: &Place,
    wanted: Option<&Wanted>,
    programs: &Programs,
    pulse: Pulse<'_>,
) -> Result<Outcome, Error> {
    let lock = lock(place)?;
    let before = installed(place)?.unwrap_or_default();
    let (claims, mut warnings) = claims(place)?;
    let plan = plan::plan(wanted, &before, &claims, programs)?;
    let mut performing = Performing::new(place, &plan, &before, programs, pulse);
    performing.announce()?;
    // From here on our claims are on record, and others may plan.
    drop(lock);
    let mut outcome = performing.change(wanted.map(|wanted| wanted.installed.clone()))?;
    warnings.extend(plan.warnings);
    warnings.append(&mut outcome.warnings);
    outcome.warnings = warnings;
    Ok(outcome)
}

fn claims(place: &Place) -> Result<(Claims, Vec<String>), Error> {
    Claims::of_others(place)
        .map_err(|source| perform::failure("read the records in", place.gears.clone(), source))
}

/// One gear of a node plans at a time, so that two do not claim one path at once.
fn lock(place: &Place) -> Result<fs::File, Error> {
    lent::as_agent(|| take_lock(place))
}

fn take_lock(place: &Place) -> Result<fs::File, Error> {
    let folder = place.folder();
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.map_err(|source| perform::failure("make", folder, source))?;
    let path = place.gears.join("claims.lock");
    let open = || {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|source| perform::failure("lock", path.clone(), source))
}

#[cfg(test)]
mod tests;
