//! Install: puts a revision's files and permissions in place, and takes away what an earlier one left.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::api::appspec::AppSpec;
use crate::api::meta::Key;
use crate::api::upshift::FileExists;

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

/// Which revision is in place, enough to run its hooks without asking anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installed {
    pub application: String,
    pub revision: String,
    pub number: u64,
    pub digest: String,
    pub deploy_id: u64,
}

/// What an application has on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// None: nothing is installed, but something may be left to look after (folders that others use).
    pub installed: Option<Installed>,
}

/// Why nothing, or not everything, was put in place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}", .0.join("\n"))]
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

impl Error {
    /// The step's failure reason in one word: `PlanConflict`, `DiskFull`, `Io`.
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
    /// For the step's log: entries that matched nothing, files that were kept, …
    pub warnings: Vec<String>,
}

/// What is in place now; None when this gear never installed anything.
pub fn installed(place: &Place) -> Result<Option<Record>, Error> {
    let _ = place;
    unimplemented!()
}

/// Brings the disk from whatever this gear has on it to `wanted` (None: to nothing). Run again after any failure or crash,
/// it ends the same; a [`Error::Conflicts`] means that nothing has changed. Blocks: call it off the async threads.
pub fn install(place: &Place, wanted: Option<&Wanted>) -> Result<Outcome, Error> {
    let _ = (place, wanted);
    unimplemented!()
}

/// Finds every conflict without changing anything.
pub fn check(place: &Place, wanted: Option<&Wanted>) -> Result<(), Error> {
    let _ = (place, wanted, Path::new(""));
    unimplemented!()
}
