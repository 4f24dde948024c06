//! What an agent remembers of a gear between Operations: `gear.json` in the gear's folder.
//!
//! Enough to run the stop hooks of what is installed, and to fetch its bundle again, without asking anybody. Which files
//! are in place is `install`'s own record, beside this one.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::Serialize;

use crate::api::upshift::Deployment;
use crate::api::upshift::GearState;
use crate::base::crash;
use crate::base::durable;

/// The revision whose Install last succeeded here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gear {
    /// As the Operation that installed it said; `revision` is always there.
    pub deployment: Deployment,
    /// The name of the revision before it.
    pub previous: String,
    /// Where its files are.
    pub destinations: Vec<String>,
    pub state: GearState,
}

impl Gear {
    /// The name of the revision in place.
    pub fn revision(&self) -> &str {
        self.deployment
            .revision
            .as_ref()
            .map_or("", |revision| revision.name.as_str())
    }

    /// What is remembered in a gear's folder.
    pub fn read(folder: &Path) -> io::Result<Option<Gear>> {
        match fs::read(folder.join("gear.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Remembers it.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let bytes = serde_json::to_vec(self)?;
        crash::point("gear.write.before");
        durable::write(&folder.join("gear.json"), &bytes, 0o600)?;
        crash::point("gear.write.after");
        Ok(())
    }

    /// Forgets it.
    pub fn remove(folder: &Path) -> io::Result<()> {
        match fs::remove_file(folder.join("gear.json")) {
            Ok(()) => durable::sync_folder(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
