//! What Install is about to do: decided against the disk minus what this gear has on it, before anything changes.
//!
//! # Decided
//!
//! * `destination` is always a folder. It may not be a link itself, and nothing below it may be reached through one. Links
//!   among its ancestors are followed when root or this agent's user made them (`/srv -> /data`), once, here.
//! * What is at a file's place is looked at without following: a dangling link exists, and is replaced or kept as a link.
//! * A folder where a file goes, or anything else where a folder goes, is a conflict under every setting: nobody's tree is
//!   removed to make room. FIFOs, sockets and devices are never overwritten.
//! * A path that another application of this node has is a conflict under every setting, and names the application.
//! * A conflict is found before anything changes, and all of them are named.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::agent::cache;
use crate::agent::install::Error;
use crate::agent::install::Wanted;
use crate::agent::install::access::Programs;
use crate::agent::install::attributes;
use crate::agent::install::attributes::Attributes;
use crate::agent::install::attributes::Kind;
use crate::agent::install::disk;
use crate::agent::install::disk::Found;
use crate::agent::install::record::Claims;
use crate::agent::install::record::HostPath;
use crate::agent::install::record::Record;
use crate::agent::lent;
use crate::api::appspec::Mapping;
use crate::api::upshift::FileExists;
use crate::content::listing;
use crate::content::listing::Destination;
use crate::content::listing::Listing;
use crate::content::listing::Member;

/// Everything that will be done; a path is in at most one of `folders` and `files`.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The bundle's root; empty when nothing is wanted.
    pub(super) source: PathBuf,
    pub(super) folders: BTreeMap<HostPath, Folder>,
    pub(super) files: BTreeMap<HostPath, File>,
    /// Paths of `files` at which something of somebody else's is to be backed up.
    pub(super) foreign: BTreeSet<HostPath>,
    pub(super) warnings: Vec<String>,
}

/// A folder that is ours.
#[derive(Debug)]
pub(super) struct Folder {
    /// Made by another application of this node; its attributes are not ours to set.
    pub(super) shared: bool,
    pub(super) attributes: Attributes,
}

/// A file or link to put in place.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content: Content,
    pub(super) attributes: Attributes,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A file of the bundle and its permission bits.
    File {
        from: Vec<u8>,
        mode: u32,
    },
    Link {
        target: Vec<u8>,
    },
}

/// What a mapping wants at a path.
struct Wish {
    /// The path as the appspec writes it, which links among the ancestors may make another one.
    written: HostPath,
    /// None: a folder.
    content: Option<Content>,
}

/// Decides; a conflict anywhere means that there is no plan.
pub(super) fn plan(
    wanted: Option<&Wanted>,
    before: &Record,
    claims: &Claims,
    programs: &Programs,
) -> Result<Plan, Error> {
    let Some(wanted) = wanted else {
        return Ok(Plan::default());
    };
    let root = || std::fs::canonicalize(&wanted.root);
    let source = lent::as_agent(root).map_err(|source| Error::Io {
        what: "read the bundle in",
        path: wanted.root.clone(),
        source,
    })?;
    let bundle = lent::as_agent(|| cache::listing(&wanted.root)).map_err(|error| Error::Io {
        what: "read the bundle in",
        path: wanted.root.clone(),
        source: io::Error::other(error),
    })?;
    let mut planning = Planning {
        before,
        claims,
        exists: wanted.spec.file_exists.unwrap_or(wanted.exists),
        wishes: BTreeMap::new(),
        absent: BTreeSet::new(),
        conflicts: Vec::new(),
        plan: Plan {
            source,
            ..Plan::default()
        },
    };
    for (index, mapping) in wanted.spec.files.iter().enumerate() {
        planning.mapping(index, mapping, &bundle)?;
    }
    planning.look_at_the_disk()?;
    planning.permissions(wanted, programs);
    if planning.conflicts.is_empty() {
        Ok(planning.plan)
    } else {
        Err(Error::Conflicts(planning.conflicts))
    }
}

struct Planning<'a> {
    before: &'a Record,
    claims: &'a Claims,
    exists: FileExists,
    wishes: BTreeMap<HostPath, Wish>,
    /// Folders that are not there yet: nothing can be in them.
    absent: BTreeSet<HostPath>,
    conflicts: Vec<String>,
    plan: Plan,
}

fn failed(path: &HostPath) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path();
    move |source| Error::Io {
        what: "look at",
        path,
        source,
    }
}

impl Planning<'_> {
    fn mapping(&mut self, index: usize, mapping: &Mapping, bundle: &Listing) -> Result<(), Error> {
        let written = HostPath::new(mapping.destination.as_bytes());
        let Some(real) = self.destination(index, &written)? else {
            return Ok(());
        };
        let source = mapping.source.as_bytes();
        match bundle.resolve(source) {
            Destination::Root => self.contents(&real, &written, b"", bundle),
            Destination::Member(path, Member::Folder { .. }) => {
                self.contents(&real, &written, &path, bundle);
            }
            Destination::Member(path, member) => {
                let name = source.rsplit(|byte| *byte == b'/').next().unwrap_or(source);
                self.wish(real.join(name), written.join(name), content(&path, member));
            }
            Destination::Nothing | Destination::Outside => {
                self.conflicts.push(format!(
                    "files[{index}].source: {} is not in the bundle",
                    mapping.source
                ));
            }
        }
        Ok(())
    }

    fn contents(&mut self, real: &HostPath, written: &HostPath, folder: &[u8], bundle: &Listing) {
        for (path, member) in bundle.iter() {
            let inner = match folder {
                b"" => Some(path),
                folder => path
                    .strip_prefix(folder)
                    .and_then(|rest| rest.strip_prefix(b"/")),
            };
            if let Some(inner) = inner {
                self.wish(real.join(inner), written.join(inner), content(path, member));
            }
        }
    }

    fn wish(&mut self, real: HostPath, written: HostPath, content: Option<Content>) {
        let conflict = match (self.wishes.get(&real), &content) {
            (None, _) => None,
            (Some(Wish { content: None, .. }), None) => return,
            (
                Some(Wish {
                    content: Some(_), ..
                }),
                Some(_),
            ) => Some("two entries of files put a file there"),
            (Some(_), _) => Some("one entry of files puts a file there and another a folder"),
        };
        match conflict {
            Some(why) => self.conflicts.push(format!("{real}: {why}")),
            None => {
                self.wishes.insert(real, Wish { written, content });
            }
        }
    }

    /// The real path of a destination; wishes for it and for its missing ancestors.
    fn destination(&mut self, index: usize, written: &HostPath) -> Result<Option<HostPath>, Error> {
        let mut real = HostPath::new("/");
        let mut so_far = HostPath::new("/");
        let mut is_absent = false;
        let names: Vec<&[u8]> = written
            .as_bytes()
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .collect();
        for (at, name) in names.iter().enumerate() {
            let is_last = at + 1 == names.len();
            real = real.join(name);
            so_far = so_far.join(name);
            let is_ours = self
                .before
                .files
                .get(&real)
                .is_some_and(|entry| entry.backup.is_none());
            let found = if is_absent || is_ours {
                Found::Nothing
            } else {
                disk::find(&real).map_err(failed(&real))?
            };
            match found {
                Found::Nothing => {
                    is_absent = true;
                    self.wish(real.clone(), so_far.clone(), None);
                }
                Found::Folder
                    if is_last
                        || self.before.folders.contains_key(&real)
                        || self.claims.has_folder(&real) =>
                {
                    self.wish(real.clone(), so_far.clone(), None);
                }
                Found::Folder => {}
                Found::Link { owner } if !is_last && is_trusted(owner) => {
                    let Some(folder) = follow(&real) else {
                        self.conflicts.push(format!(
                            "files[{index}].destination: {so_far} is a link that leads to no folder"
                        ));
                        return Ok(None);
                    };
                    real = folder;
                }
                Found::Link { .. } => {
                    let what = if is_last {
                        "is a link"
                    } else {
                        "is a link of another user"
                    };
                    self.conflicts.push(format!(
                        "files[{index}].destination: {so_far} {what} to {}; name the real folder",
                        std::fs::read_link(real.to_path())
                            .unwrap_or_default()
                            .display()
                    ));
                    return Ok(None);
                }
                Found::File | Found::Special => {
                    self.conflicts.push(format!(
                        "files[{index}].destination: {so_far} is not a folder"
                    ));
                    return Ok(None);
                }
            }
        }
        Ok(Some(real))
    }

    fn look_at_the_disk(&mut self) -> Result<(), Error> {
        for (path, wish) in std::mem::take(&mut self.wishes) {
            if let Some(owner) = self.claims.file(&path) {
                self.conflicts
                    .push(format!("{path}: belongs to application {owner}"));
                continue;
            }
            let ours = self.before.files.get(&path);
            let is_absent = path
                .parent()
                .is_some_and(|parent| self.absent.contains(&parent));
            // Ours goes away, and what it replaced is back: that is the disk the plan is made for.
            let found = match ours {
                Some(entry) if entry.backup.is_none() => Found::Nothing,
                Some(_) => Found::File,
                None if is_absent => Found::Nothing,
                None => disk::find(&path).map_err(failed(&path))?,
            };
            match wish.content {
                None => self.folder(path, wish.written, &found, ours.is_some()),
                Some(content) => self.file(path, wish.written, content, &found, ours.is_some())?,
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: HostPath, written: HostPath, found: &Found, is_ours: bool) {
        let is_known = self.before.folders.get(&path);
        let shared = match found {
            Found::Nothing => false,
            Found::Folder => match is_known {
                Some(known) => known.shared,
                None if self.claims.has_folder(&path) => true,
                // Somebody else's: merged into, and otherwise left alone.
                None => return,
            },
            Found::Link { .. } => {
                return self
                    .conflicts
                    .push(format!("{path}: is a link where a folder goes"));
            }
            Found::File if is_ours => {
                return self.conflicts.push(format!(
                    "{path}: what was there before comes back where a folder goes"
                ));
            }
            Found::File | Found::Special => {
                return self
                    .conflicts
                    .push(format!("{path}: is a file where a folder goes"));
            }
        };
        if *found == Found::Nothing {
            self.absent.insert(path.clone());
        }
        let folder = Folder {
            shared,
            attributes: Attributes::default(),
        };
        self.plan.folders.insert(path.clone(), folder);
        self.written(path, written);
    }

    fn file(
        &mut self,
        path: HostPath,
        written: HostPath,
        content: Content,
        found: &Found,
        is_ours: bool,
    ) -> Result<(), Error> {
        match (found, self.exists) {
            (Found::Nothing, _) => {}
            (Found::Folder, _)
                if self.before.folders.contains_key(&path) && !self.claims.has_folder(&path) =>
            {
                if let Some(inside) = self.foreign_inside(&path)? {
                    self.conflicts.push(format!(
                        "{path}: is a folder where a file goes, and {inside} is in it"
                    ));
                    return Ok(());
                }
            }
            (Found::Folder, _) => {
                self.conflicts
                    .push(format!("{path}: is a folder where a file goes"));
                return Ok(());
            }
            (_, FileExists::Retain) => return Ok(()),
            (Found::Special, _) => {
                self.conflicts.push(format!(
                    "{path}: is a FIFO, a socket or a device where a file goes"
                ));
                return Ok(());
            }
            (_, FileExists::Disallow) => {
                self.conflicts
                    .push(format!("{path}: exists (fileExists is Disallow)"));
                return Ok(());
            }
            (Found::File | Found::Link { .. }, FileExists::Overwrite) => {
                if !is_ours {
                    self.plan.foreign.insert(path.clone());
                }
            }
        }
        let file = File {
            content,
            attributes: Attributes::default(),
        };
        self.plan.files.insert(path.clone(), file);
        self.written(path, written);
        Ok(())
    }

    /// Remembers under which name an object is known to the appspec; `wishes` is done with and holds it.
    fn written(&mut self, path: HostPath, written: HostPath) {
        self.wishes.insert(
            path,
            Wish {
                written,
                content: None,
            },
        );
    }

    /// Something in a folder of ours that is not ours, or is wanted to stay.
    fn foreign_inside(&self, folder: &HostPath) -> Result<Option<HostPath>, Error> {
        let entries = std::fs::read_dir(folder.to_path()).map_err(failed(folder))?;
        for entry in entries {
            let entry = entry.map_err(failed(folder))?;
            let path = folder.join(&listing::bytes_of(std::path::Path::new(&entry.file_name())));
            match self.before.files.get(&path) {
                Some(ours) if ours.backup.is_none() => continue,
                Some(_) => return Ok(Some(path)),
                None => {}
            }
            if !self.before.folders.contains_key(&path)
                || disk::find(&path).map_err(failed(&path))? != Found::Folder
            {
                return Ok(Some(path));
            }
            if let Some(inside) = self.foreign_inside(&path)? {
                return Ok(Some(inside));
            }
        }
        Ok(None)
    }

    fn permissions(&mut self, wanted: &Wanted, programs: &Programs) {
        let mut real: BTreeMap<HostPath, HostPath> = BTreeMap::new();
        let mut objects = BTreeMap::new();
        for (path, wish) in std::mem::take(&mut self.wishes) {
            let kind = match (self.plan.files.get(&path), self.plan.folders.get(&path)) {
                (
                    Some(File {
                        content: Content::File { .. },
                        ..
                    }),
                    _,
                ) => Kind::File,
                (Some(_), _) => Kind::Link,
                (None, Some(folder)) if !folder.shared => Kind::Folder,
                _ => continue,
            };
            objects.insert(wish.written.clone(), kind);
            real.insert(wish.written, path);
        }
        let assigned = attributes::assign(&wanted.spec.permissions, &objects);
        self.conflicts.extend(assigned.conflicts);
        self.plan.warnings.extend(assigned.warnings);
        let has = |wants: fn(&Attributes) -> bool| assigned.attributes.values().any(wants);
        if has(|set| set.acl.is_some()) {
            self.conflicts.extend(programs.missing_for_acls());
        }
        if has(|set| set.context.is_some()) {
            self.conflicts.extend(programs.missing_for_contexts());
        }
        for (written, set) in assigned.attributes {
            let path = &real[&written];
            if let Some(file) = self.plan.files.get_mut(path) {
                file.attributes = set;
            } else if let Some(folder) = self.plan.folders.get_mut(path) {
                folder.attributes = set;
            }
        }
    }
}

fn content(path: &[u8], member: &Member) -> Option<Content> {
    match member {
        Member::Folder { .. } => None,
        Member::File { mode, .. } => Some(Content::File {
            from: path.to_vec(),
            mode: *mode,
        }),
        Member::Link { target } => Some(Content::Link {
            target: target.clone(),
        }),
    }
}

fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == nix::unistd::Uid::effective().as_raw()
}

fn follow(link: &HostPath) -> Option<HostPath> {
    let real = std::fs::canonicalize(link.to_path()).ok()?;
    real.is_dir()
        .then(|| HostPath::new(listing::bytes_of(&real)))
}
