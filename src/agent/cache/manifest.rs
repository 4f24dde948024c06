//! What was unpacked, so that damage is found before it is used: `.deploy-D.json` beside `deploy-D/`.
//!
//! Written last: a bundle without a manifest is not there. What is in the folder besides (hooks leave pid files and the like
//! where they run) is neither damage nor part of the bundle; permission bits may change, contents may not.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;

use crate::base::durable;
use crate::content::archive::Unpacked;
use crate::content::blobs;
use crate::content::blobs::Digest;
use crate::content::listing;
use crate::content::listing::Listing;
use crate::content::listing::Member;

/// One unpacked bundle.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Of the packed bundle.
    pub(super) digest: Digest,
    members: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    path: String,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
enum What {
    Folder {
        mode: u32,
    },
    File {
        mode: u32,
        size: u64,
        digest: Digest,
    },
    Link {
        target: String,
    },
}

impl Manifest {
    pub(super) fn of(digest: Digest, unpacked: &Unpacked) -> Manifest {
        let entry = |(path, member): (&[u8], &Member)| {
            let what = match member {
                Member::Folder { mode } => What::Folder { mode: *mode },
                Member::Link { target } => What::Link {
                    target: listing::encode(target),
                },
                Member::File { mode, size } => What::File {
                    mode: *mode,
                    size: *size,
                    digest: unpacked.digests.get(path)?.clone(),
                },
            };
            let path = listing::encode(path);
            Some(Entry { path, what })
        };
        Manifest {
            digest,
            members: unpacked.listing.iter().filter_map(entry).collect(),
        }
    }

    /// Where the manifest of an unpacked bundle is.
    pub(super) fn path(root: &Path) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(root.file_name().unwrap_or_default());
        name.push(".json");
        root.with_file_name(name)
    }

    /// None when there is no manifest.
    pub(super) fn load(root: &Path) -> io::Result<Option<Manifest>> {
        match fs::read(Manifest::path(root)) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Not durable: without it, or with a torn one, the bundle is unpacked again from the packed one.
    pub(super) fn store(&self, root: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self).expect("a manifest is plain data");
        durable::place(&Manifest::path(root), &bytes, 0o600)
    }

    pub(super) fn listing(&self) -> Result<Listing, String> {
        let mut listing = Listing::default();
        for entry in &self.members {
            let path = listing::decode(&entry.path).ok_or("a damaged name")?;
            let member = match &entry.what {
                What::Folder { mode } => Member::Folder { mode: *mode },
                What::File { mode, size, .. } => Member::File {
                    mode: *mode,
                    size: *size,
                },
                What::Link { target } => Member::Link {
                    target: listing::decode(target).ok_or("a damaged link")?,
                },
            };
            listing.add(path, member)?;
        }
        listing.complete()?;
        Ok(listing)
    }

    /// Every member that is not what was unpacked, folders before what is in them.
    pub(super) fn damaged(&self, root: &Path) -> Vec<PathBuf> {
        let is_damaged = |entry: &Entry| {
            let path = listing::os_path(&listing::decode(&entry.path)?);
            (!is_whole(&root.join(&path), &entry.what)).then_some(path)
        };
        self.members.iter().filter_map(is_damaged).collect()
    }
}

fn is_whole(path: &Path, what: &What) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    match what {
        What::Folder { .. } => metadata.is_dir(),
        What::Link { target } => {
            let there = fs::read_link(path).map(|target| listing::bytes_of(&target));
            there.ok() == listing::decode(target)
        }
        What::File { size, digest, .. } => {
            metadata.is_file()
                && metadata.len() == *size
                && fs::File::open(path)
                    .and_then(|mut file| blobs::digest_of(&mut file))
                    .is_ok_and(|(there, _)| there == *digest)
        }
    }
}
