//! What a pod has on the node's disk, and what a restarted agent finds there.
//!
//! ```text
//! FOLDER/pods/NAMESPACE/UID/     record.json: which pod, since when, its address
//!   containers/NAME/rootfs/      the image's files, the pod user's own
//!   containers/NAME/ATTEMPT/     one shim's directory; begun.json is written before the shim starts
//!   build/                       of a build pod: agent::build's own
//! ```
//!
//! The folders may be passed by the pod's user, the record and the shims' directories not.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agent::shim::Shim;
use crate::base::clock::Timestamp;
use crate::base::durable;
use crate::content::blobs::Digest;

/// The name of an attempt's own shim in the attempt's folder.
pub(crate) const SHIM: &str = "shim";

/// What is known of a pod without asking anybody: `record.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) start_time: Option<Timestamp>,
    /// Its own address, claimed on this machine.
    pub(crate) address: Option<Ipv4Addr>,
    /// Whether it has a network namespace with that address.
    pub(crate) network: bool,
    /// It may have been in a service's rotation.
    pub(crate) was_ready: bool,
    /// Why it fails although its containers might not: `DeadlineExceeded` …
    pub(crate) failure: Option<(String, String)>,
    /// Every blob of its images.
    pub(crate) blobs: Vec<Digest>,
    /// Nothing of it will run again, and what only a running pod needs is gone.
    pub(crate) released: bool,
}

/// What is known before an attempt starts: `begun.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Begun {
    pub(crate) at: Option<Timestamp>,
    /// Seconds that it waited after the end of the attempt before.
    pub(crate) pause: u64,
    pub(crate) image_id: String,
}

/// One pod's folder.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder of a pod, which may not be there; none for names that are no part of a path.
    pub(crate) fn new(pods: &Path, namespace: &str, uid: &str) -> Option<Folder> {
        let is_name = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        (is_name(namespace) && is_name(uid)).then(|| Folder {
            path: pods.join(namespace).join(uid),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn record(&self) -> io::Result<Option<Record>> {
        read(&self.path.join("record.json"))
    }

    /// Writes the record; the folder is made first.
    pub(crate) fn write_record(&self, record: &Record) -> io::Result<()> {
        make(self.path.parent().unwrap_or(&self.path))?;
        make(&self.path)?;
        write(&self.path.join("record.json"), record)
    }

    /// A container's own folder.
    pub(crate) fn container(&self, name: &str) -> PathBuf {
        self.path.join("containers").join(name)
    }

    pub(crate) fn rootfs(&self, name: &str) -> PathBuf {
        self.container(name).join("rootfs")
    }

    /// What a build pod's build has.
    pub(crate) fn build(&self) -> PathBuf {
        self.path.join("build")
    }

    pub(crate) fn attempt(&self, name: &str, number: u32) -> Attempt {
        Attempt {
            path: self.container(name).join(number.to_string()),
        }
    }

    /// The numbers of a container's attempts, the newest last.
    pub(crate) fn attempts(&self, name: &str) -> Vec<u32> {
        let mut found: Vec<u32> = entries(&self.container(name))
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        found.sort_unstable();
        found
    }

    /// Makes the folders that a container's attempt is in.
    pub(crate) fn make_container(&self, name: &str) -> io::Result<()> {
        make(&self.path.join("containers"))?;
        make(&self.container(name))
    }

    /// Names of the containers that ever began.
    pub(crate) fn containers(&self) -> Vec<String> {
        entries(&self.path.join("containers"))
    }

    /// Removes all of it; what is not there needs no removal.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)?;
        if let Some(namespace) = self.path.parent() {
            // Stays while other pods are in it.
            let _ = fs::remove_dir(namespace);
        }
        Ok(())
    }
}

/// One run of a container.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    path: PathBuf,
}

impl Attempt {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn shim(&self) -> Shim {
        Shim::at(self.path.join(SHIM))
    }

    pub(crate) fn begun(&self) -> io::Result<Option<Begun>> {
        read(&self.path.join("begun.json"))
    }

    pub(crate) fn write_begun(&self, begun: &Begun) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700))?;
        write(&self.path.join("begun.json"), begun)
    }

    /// What is left to do after the end is done, with this result (of a build: its outcome).
    pub(crate) fn finished(&self) -> io::Result<Option<String>> {
        read(&self.path.join("finished.json"))
    }

    pub(crate) fn write_finished(&self, message: &str) -> io::Result<()> {
        write(&self.path.join("finished.json"), &message)
    }

    /// When its end was written down.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        let ended = self.shim().ended_at().ok()??;
        let since = ended.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp::from_second(i64::try_from(since.as_secs()).ok()?))
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

/// Every pod that has a folder here: namespace and uid.
pub(crate) fn found(pods: &Path) -> Vec<(String, String)> {
    entries(pods)
        .into_iter()
        .flat_map(|namespace| {
            entries(&pods.join(&namespace))
                .into_iter()
                .map(move |uid| (namespace.clone(), uid))
        })
        .collect()
}

/// Removes a tree, wherever it stands.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes a folder that others may pass and not read.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o711))
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(content)?;
    durable::write(path, &bytes, 0o600)
}
