//! A source as one compressed archive: a directory as it is, or a commit of a repository.
//!
//! A directory is packed without `.git` and without what its `.s2iignore` says (the build does that, not we). Links that
//! lead out of it are left out and named: nothing outside of it may come along. The archive is held whole in memory.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::api::build::GitRevision;
use crate::base::environment::Environment;
use crate::cli::Failure;
use crate::cli::builds::git::Git;
use crate::cli::builds::scratch::Scratch;
use crate::content::blobs::Digest;

/// What is sent to a binary build.
#[derive(Clone, Debug)]
pub struct Packed {
    /// A tar archive, compressed by gzip.
    pub bytes: Bytes,
    pub digest: Digest,
    /// The commit that it is, if it is one.
    pub revision: Option<GitRevision>,
    /// What did not come along, a sentence each.
    pub notes: Vec<String>,
}

impl Packed {
    /// Bytes as they are: an archive that somebody else made, or a single file.
    pub fn of_bytes(bytes: Vec<u8>) -> Packed {
        Packed {
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
            revision: None,
            notes: Vec::new(),
        }
    }
}

/// Packs a directory.
pub fn directory(root: &Path) -> Result<Packed, Failure> {
    let mut walk = Walk {
        root,
        tar: tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())),
        notes: Vec::new(),
    };
    walk.tar.follow_symlinks(false);
    walk.folder(Path::new(""))?;
    let done = walk.tar.into_inner().and_then(GzEncoder::finish);
    let bytes = done.map_err(|error| failed(root, &error))?;
    Ok(Packed {
        notes: walk.notes,
        ..Packed::of_bytes(bytes)
    })
}

/// Packs the commit that a reference of a repository here means.
pub async fn commit(
    environment: &Environment,
    repository: &Path,
    reference: &str,
) -> Result<Packed, Failure> {
    let git = Git::new(environment);
    let revision = git.commit(repository, reference).await?;
    let scratch = Scratch::new(environment)?;
    let path = scratch.path().join("source.tar");
    let into = fs::File::create(&path).map_err(|error| failed(&path, &error))?;
    git.archive(repository, &revision.commit, into).await?;
    let bytes = compressed(&path).map_err(|error| failed(&path, &error))?;
    let submodules = git.submodules(repository, &revision.commit).await;
    let notes = match submodules.as_slice() {
        [] => Vec::new(),
        names => vec![format!(
            "submodules do not come along, their folders are empty: {}",
            names.join(", ")
        )],
    };
    Ok(Packed {
        revision: Some(revision),
        notes,
        ..Packed::of_bytes(bytes)
    })
}

fn compressed(path: &Path) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut file = fs::File::open(path)?;
    file.rewind()?;
    io::copy(&mut file, &mut encoder)?;
    encoder.finish()
}

struct Walk<'a, W: Write> {
    root: &'a Path,
    tar: tar::Builder<W>,
    notes: Vec<String>,
}

impl<W: Write> Walk<'_, W> {
    fn folder(&mut self, below: &Path) -> Result<(), Failure> {
        let folder = self.root.join(below);
        let list = || -> io::Result<Vec<fs::DirEntry>> { fs::read_dir(&folder)?.collect() };
        let mut entries = list().map_err(|error| failed(&folder, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_name() == ".git" {
                continue;
            }
            self.entry(&below.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &Path) -> Result<(), Failure> {
        let path = self.root.join(name);
        let failure = |error: io::Error| failed(&path, &error);
        let metadata = fs::symlink_metadata(&path).map_err(failure)?;
        let kind = metadata.file_type();
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&metadata, tar::HeaderMode::Deterministic);
        if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failure)?;
            if leads_out(name, &target) {
                self.note(name, "is a link that leads out of the directory");
                return Ok(());
            }
            header.set_size(0);
            return self
                .tar
                .append_link(&mut header, name, &target)
                .map_err(failure);
        }
        if kind.is_dir() {
            header.set_size(0);
            self.tar
                .append_data(&mut header, name, io::empty())
                .map_err(failure)?;
            return self.folder(name);
        }
        if !kind.is_file() {
            self.note(name, "is neither a file, a folder nor a link");
            return Ok(());
        }
        let file = fs::File::open(&path).map_err(failure)?;
        header.set_size(metadata.len());
        // A file that grows meanwhile is cut, one that shrinks is filled up: the archive stays readable.
        let exact = file.take(metadata.len()).chain(io::repeat(0));
        self.tar
            .append_data(&mut header, name, exact.take(metadata.len()))
            .map_err(failure)
    }

    fn note(&mut self, name: &Path, why: &str) {
        self.notes
            .push(format!("{} {why}; it is left out", name.display()));
    }
}

/// Whether a link at `name` leaves the folder that names are seen from.
fn leads_out(name: &Path, target: &Path) -> bool {
    let mut at: PathBuf = name.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.components() {
        match part {
            Component::Prefix(_) | Component::RootDir => return true,
            Component::ParentDir if !at.pop() => return true,
            Component::CurDir | Component::ParentDir => {}
            Component::Normal(part) => at.push(part),
        }
    }
    false
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::ours(format!("cannot pack {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_directory_is_packed_without_git_and_without_links_that_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("sub/.git")).unwrap();
        fs::write(root.join(".git/HEAD"), "x").unwrap();
        fs::write(root.join("sub/app.py"), "hello").unwrap();
        std::os::unix::fs::symlink("sub/app.py", root.join("inside")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("outside")).unwrap();
        std::os::unix::fs::symlink("../../x", root.join("sub/above")).unwrap();
        let packed = directory(root).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&packed.bytes[..]));
        let mut found = BTreeMap::new();
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.insert(entry.path().unwrap().display().to_string(), text);
        }
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["inside", "sub", "sub/app.py"]);
        assert_eq!(found["sub/app.py"], "hello");
        assert_eq!(
            packed.notes,
            [
                "outside is a link that leads out of the directory; it is left out",
                "sub/above is a link that leads out of the directory; it is left out"
            ]
        );
    }
}
