//! What one gear has on the node's disk, durable: `GEARS/NAMESPACE/GEAR/installed.json`.
//!
//! The record is written before the disk is changed, as the union of what was and what will be, and again afterwards. So
//! whatever is on the disk after a crash is in the record, and what is in the record may be removed or replaced: what was
//! somebody else's at such a path was backed up before.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de;

use crate::agent::install::Installed;
use crate::agent::install::Place;
use crate::agent::lent;
use crate::base::durable;
use crate::content::listing;

const NAME: &str = "installed.json";

/// An absolute path of bytes; printed and stored with `%XX` for what is not printable text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(Vec<u8>);

impl HostPath {
    /// Takes a tidy absolute path.
    pub fn new(path: impl Into<Vec<u8>>) -> HostPath {
        HostPath(path.into())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn to_path(&self) -> PathBuf {
        listing::os_path(&self.0)
    }

    pub(super) fn join(&self, name: &[u8]) -> HostPath {
        let mut path = self.0.clone();
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        HostPath(path)
    }

    /// The folder it is in; none for `/`.
    pub(super) fn parent(&self) -> Option<HostPath> {
        match listing::parent(&self.0) {
            _ if self.0 == b"/" => None,
            b"" => Some(HostPath(b"/".to_vec())),
            parent => Some(HostPath(parent.to_vec())),
        }
    }

    pub(super) fn name(&self) -> &[u8] {
        let start = self
            .0
            .iter()
            .rposition(|byte| *byte == b'/')
            .map_or(0, |at| at + 1);
        &self.0[start..]
    }

    /// The path below a folder, without a leading slash.
    pub(super) fn below(&self, folder: &HostPath) -> Option<&[u8]> {
        if folder.0 == b"/" {
            return self.0.strip_prefix(b"/").filter(|rest| !rest.is_empty());
        }
        self.0.strip_prefix(folder.0.as_slice())?.strip_prefix(b"/")
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listing::encode(&self.0))
    }
}

impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&listing::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for HostPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HostPath, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        listing::decode(&text)
            .map(HostPath)
            .ok_or_else(|| de::Error::custom("a path with a damaged escape"))
    }
}

/// What an application has on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// None: nothing is installed, but something may be left to look after (folders that others use).
    pub installed: Option<Installed>,
    /// Whether an Install began and did not end: what is listed may or may not be there.
    pub unfinished: bool,
    /// Files and links.
    pub files: BTreeMap<HostPath, FileEntry>,
    /// Folders that came with this application, also those that could not go because others have something in them.
    pub folders: BTreeMap<HostPath, FolderEntry>,
}

/// A file or link of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileEntry {
    /// What was there before and comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Whether a file context was registered for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub context: bool,
}

/// A folder of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FolderEntry {
    /// Another application of this node made it: whoever leaves last removes it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub context: bool,
    /// Whether it has an access control list of ours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub acl: bool,
}

/// Something of somebody else's, kept in `backup/NUMBER` (a link: here).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    pub number: u64,
    pub was: Was,
}

/// What it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Was {
    File {
        mode: u32,
        uid: u32,
        gid: u32,
        modified: i64,
        modified_nanos: i64,
    },
    Link {
        target: HostPath,
        uid: u32,
        gid: u32,
    },
}

impl Record {
    /// The record of a gear; None when it never installed anything.
    pub(super) fn load(place: &Place) -> io::Result<Option<Record>> {
        match lent::as_agent(|| fs::read(place.folder().join(NAME))) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the record; one that says nothing is removed.
    pub(super) fn store(&self, place: &Place) -> io::Result<()> {
        lent::as_agent(|| self.write(place))
    }

    fn write(&self, place: &Place) -> io::Result<()> {
        let folder = place.folder();
        let path = folder.join(NAME);
        if *self == Record::default() {
            return match fs::remove_file(&path) {
                Ok(()) => durable::sync_folder(&folder),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
        }
        let bytes = serde_json::to_vec(self).expect("a record is plain data with string keys");
        durable::write(&path, &bytes, 0o600)
    }

    /// The highest number of a backup.
    pub(super) fn last_backup(&self) -> u64 {
        let numbers = self
            .files
            .values()
            .filter_map(|entry| Some(entry.backup.as_ref()?.number));
        numbers.max().unwrap_or(0)
    }
}

/// What the other gears of the node have, for conflicts between applications.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Path → application.
    files: BTreeMap<HostPath, String>,
    folders: BTreeMap<HostPath, String>,
}

impl Claims {
    /// Reads every gear's record except one's own; names those that cannot be read.
    pub(super) fn of_others(place: &Place) -> io::Result<(Claims, Vec<String>)> {
        lent::as_agent(|| Claims::read_others(place))
    }

    fn read_others(place: &Place) -> io::Result<(Claims, Vec<String>)> {
        let mut claims = Claims::default();
        let mut warnings = Vec::new();
        for namespace in names(&place.gears)? {
            for gear in names(&place.gears.join(&namespace))? {
                let other = Place::new(
                    place.gears.clone(),
                    crate::api::meta::Key::new(namespace.clone(), gear),
                );
                if other.gear == place.gear {
                    continue;
                }
                match Record::load(&other) {
                    Ok(Some(record)) => claims.take(&other, record),
                    Ok(None) => {}
                    Err(error) => warnings.push(format!(
                        "cannot read what {} has installed: {error}",
                        other.gear
                    )),
                }
            }
        }
        Ok((claims, warnings))
    }

    fn take(&mut self, other: &Place, record: Record) {
        let owner = match &record.installed {
            Some(installed) if !installed.application.is_empty() => {
                format!("{}/{}", other.gear.namespace, installed.application)
            }
            _ => format!("gear {}", other.gear),
        };
        self.files
            .extend(record.files.into_keys().map(|path| (path, owner.clone())));
        self.folders
            .extend(record.folders.into_keys().map(|path| (path, owner.clone())));
    }

    pub(super) fn file(&self, path: &HostPath) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(super) fn has_folder(&self, path: &HostPath) -> bool {
        self.folders.contains_key(path)
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives_the_record() {
        for bytes in [
            &b"/srv/a b"[..],
            b"/n\nl\r\t",
            b"/\xff\xfe%41",
            "/é%".as_bytes(),
            b"/",
            b"/ x ",
        ] {
            let path = HostPath::new(bytes);
            let text = serde_json::to_string(&path).unwrap();
            assert_eq!(
                serde_json::from_str::<HostPath>(&text).unwrap(),
                path,
                "{text}"
            );
            assert!(!text.contains("\\n"), "{text}");
        }
        assert!(serde_json::from_str::<HostPath>("\"/%4\"").is_err());
    }

    #[test]
    fn paths_know_their_folders() {
        let path = HostPath::new("/srv/shop/x");
        assert_eq!(path.parent(), Some(HostPath::new("/srv/shop")));
        assert_eq!(path.below(&HostPath::new("/srv")), Some(&b"shop/x"[..]));
        assert_eq!(path.below(&HostPath::new("/")), Some(&b"srv/shop/x"[..]));
        assert_eq!(path.below(&HostPath::new("/sr")), None);
        assert_eq!(HostPath::new("/srv").parent(), Some(HostPath::new("/")));
        assert_eq!(HostPath::new("/").parent(), None);
        assert_eq!(
            (path.name(), HostPath::new("/").join(b"a")),
            (&b"x"[..], HostPath::new("/a"))
        );
    }
}
