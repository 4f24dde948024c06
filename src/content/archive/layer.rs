//! Layers of an image: an archive written over what the layers below it left, with what it takes away.
//!
//! A member is written to where its folder really is, and links on the way are followed as if the tree were a whole
//! file system of its own: nothing that an archive or a lower layer holds leads out of it. `.wh.NAME` takes NAME away and
//! `.wh..wh..opq` all that lower layers put into its folder (OCI image specification, layer.md). Nobody else may write to
//! the tree meanwhile.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::io::Read;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::content::archive::Content;
use crate::content::archive::Error;
use crate::content::archive::Item;
use crate::content::archive::Limits;
use crate::content::archive::copy;
use crate::content::archive::create;
use crate::content::archive::each;
use crate::content::archive::failed;
use crate::content::archive::link;
use crate::content::archive::set_mode;
use crate::content::listing;

const OPAQUE: &str = ".wh..wh..opq";
const WHITEOUT: &str = ".wh.";
/// Links on the way to one file.
const MOST_LINKS: u32 = 40;

/// Writes a layer over the tree at `root`; on an error the tree is of no use.
pub fn apply(archive: &Path, root: &Path, limits: Limits) -> Result<(), Error> {
    let mut layer = Layer {
        archive,
        root,
        limits,
        entries: 0,
        bytes: 0,
        written: BTreeSet::new(),
        modes: Vec::new(),
    };
    each(archive, limits, &mut |item, content| {
        layer.member(&item, content)
    })?;
    layer.set_modes()
}

struct Layer<'a> {
    archive: &'a Path,
    root: &'a Path,
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// What this layer put there.
    written: BTreeSet<PathBuf>,
    modes: Vec<(PathBuf, u32)>,
}

impl Layer<'_> {
    fn refused(&self, why: String) -> Error {
        Error::Refused {
            path: self.archive.to_owned(),
            why,
        }
    }

    fn member(&mut self, item: &Item, content: &mut dyn Read) -> Result<(), Error> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(item.size);
        if self.entries > self.limits.entries || self.bytes > self.limits.bytes {
            return Err(self.refused("holds more than an image may".to_owned()));
        }
        let tidy = listing::tidy(&item.path).map_err(|why| self.refused(why))?;
        let Some(path) = tidy else { return Ok(()) };
        let path = listing::os_path(&path);
        let (Some(name), parent) = (path.file_name(), path.parent().unwrap_or(Path::new("")))
        else {
            return Ok(());
        };
        let folder = self
            .folder(parent)
            .map_err(|source| failed("make the folder", &self.root.join(parent), source))?;
        let wrong = |source| failed("write", &folder.join(name), source);
        if name == OsStr::new(OPAQUE) {
            return self.clear(&folder).map_err(wrong);
        }
        if let Some(hidden) = name.to_str().and_then(|name| name.strip_prefix(WHITEOUT)) {
            if matches!(hidden, "" | "." | "..") {
                return Ok(());
            }
            return remove(&folder.join(hidden)).map_err(wrong);
        }
        let place = folder.join(name);
        self.put(item, content, &place)?;
        self.written.insert(place);
        Ok(())
    }

    fn put(&mut self, item: &Item, content: &mut dyn Read, place: &Path) -> Result<(), Error> {
        let wrong = |source| failed("write", place, source);
        match &item.content {
            Content::Folder => {
                if !is_folder(place) {
                    remove(place).map_err(wrong)?;
                    fs::create_dir(place).map_err(wrong)?;
                }
                self.modes
                    .push((place.to_owned(), item.mode & 0o777 | 0o700));
            }
            Content::File => {
                remove(place).map_err(wrong)?;
                let mode = item.mode & 0o777 | 0o400;
                let mut file = create(place, mode).map_err(wrong)?;
                copy(content, &mut file, item.size, place)?;
                set_mode(&file, mode).map_err(wrong)?;
            }
            Content::Link(target) => {
                remove(place).map_err(wrong)?;
                link(target, place).map_err(wrong)?;
            }
            Content::Same(target) => {
                let tidy = listing::tidy(target).map_err(|why| self.refused(why))?;
                let target = listing::os_path(&tidy.unwrap_or_default()).to_owned();
                let folder = self
                    .folder(target.parent().unwrap_or(Path::new("")))
                    .map_err(wrong)?;
                let from = folder.join(target.file_name().unwrap_or_default());
                if !fs::symlink_metadata(&from).is_ok_and(|about| about.is_file()) {
                    let why = format!("{}: is a hard link to no file", listing::show(&item.path));
                    return Err(self.refused(why));
                }
                if from != place {
                    remove(place).map_err(wrong)?;
                    fs::copy(&from, place).map_err(wrong)?;
                }
            }
        }
        Ok(())
    }

    /// Where a folder of the image really is below the root; what is missing of it is made.
    fn folder(&self, path: &Path) -> io::Result<PathBuf> {
        let mut waiting: Vec<PathBuf> = parts(path);
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(part) = waiting.pop() {
            if part == Path::new("..") {
                at.pop();
                continue;
            }
            let next = self.root.join(&at).join(&part);
            match fs::symlink_metadata(&next) {
                Ok(about) if about.is_dir() => at.push(part),
                Ok(about) if about.is_symlink() => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(io::Error::other("links lead in a circle"));
                    }
                    let target = fs::read_link(&next)?;
                    if target.is_absolute() {
                        at = PathBuf::new();
                    }
                    waiting.extend(parts(&target));
                }
                Ok(_) => {
                    fs::remove_file(&next)?;
                    fs::create_dir(&next)?;
                    at.push(part);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir(&next)?;
                    at.push(part);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.root.join(at))
    }

    /// Takes away what lower layers put into a folder.
    fn clear(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_ours = self.written.iter().any(|ours| ours.starts_with(&path));
            if !is_ours {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn set_modes(&self) -> Result<(), Error> {
        #[cfg(unix)]
        for (place, mode) in &self.modes {
            // A later member may have taken it away again.
            if is_folder(place) {
                let permissions = std::os::unix::fs::PermissionsExt::from_mode(*mode);
                fs::set_permissions(place, permissions)
                    .map_err(|source| failed("set the mode of", place, source))?;
            }
        }
        Ok(())
    }
}

/// The names of a path, the last first; the root is left out.
fn parts(path: &Path) -> Vec<PathBuf> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    });
    names.collect()
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if is_folder(path) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(folder: &Path, members: &[(&str, &str)]) -> PathBuf {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            if let Some(target) = content.strip_prefix("-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            } else if let Some(target) = content.strip_prefix("== ") {
                header.set_entry_type(tar::EntryType::Link);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            } else if name.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                tar.append_data(&mut header, name, io::empty()).unwrap();
            } else {
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, name, content.as_bytes())
                    .unwrap();
            }
        }
        let path = folder.join("layer.tar");
        fs::write(&path, tar.into_inner().unwrap()).unwrap();
        path
    }

    fn check(layers: &[&[(&str, &str)]], expect: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        for members in layers {
            apply(&layer(place.path(), members), &root, Limits::default()).unwrap();
        }
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                if is_folder(&path) {
                    folders.push(path);
                } else if let Ok(target) = fs::read_link(&path) {
                    found.push(format!("{name} -> {}", target.display()));
                } else {
                    found.push(format!("{name} {}", fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        assert_eq!(found, expect);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_later_layer_adds_replaces_and_takes_away() {
        check(
            &[
                &[("a/", ""), ("a/x", "1"), ("a/y", "1"), ("b", "1")],
                &[("a/x", "2"), ("a/.wh.y", ""), ("c/d", "2"), ("e", "== b")],
            ],
            &["a/x 2", "b 1", "c/d 2", "e 1"],
        );
        check(
            &[
                &[("a/x", "1"), ("a/b/y", "1")],
                &[("a/new", "2"), ("a/.wh..wh..opq", "")],
            ],
            &["a/new 2"],
        );
    }

    #[test]
    fn links_are_followed_inside_the_image_only() {
        check(
            &[
                &[("lib", "-> usr/lib"), ("conf", "-> /../../etc")],
                &[("lib/x", "2"), ("conf/passwd", "2")],
            ],
            &[
                "conf -> /../../etc",
                "etc/passwd 2",
                "lib -> usr/lib",
                "usr/lib/x 2",
            ],
        );
    }
}
