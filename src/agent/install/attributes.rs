//! Permissions: which entry of the appspec sets what on which object; pure but for the names of users and programs.
//!
//! Only what this deployment places is touched: its files, and the folders it made. A folder that was there before and was
//! merely merged into stays as it is, and so does the `object` of an entry itself. Links have no permissions of their own.

use std::collections::BTreeMap;
use std::ops::Bound;

use nix::unistd::Group;
use nix::unistd::User;

use crate::agent::install::record::HostPath;
use crate::agent::lent;
use crate::api::appspec::Acl;
use crate::api::appspec::Context;
use crate::api::appspec::Permission;

/// What is set on one object, in this order: owner and group, mode, ACL, `SELinux` context.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attributes {
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) mode: Option<u32>,
    pub(super) acl: Option<Acl>,
    pub(super) context: Option<Context>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
}

/// What was found out about all entries together.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    pub(super) attributes: BTreeMap<HostPath, Attributes>,
    pub(super) conflicts: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Applies the entries in order; each sets what it names, so the last one wins.
pub(super) fn assign(entries: &[Permission], objects: &BTreeMap<HostPath, Kind>) -> Assigned {
    let mut assigned = Assigned::default();
    for entry in entries {
        let found = accounts(entry).and_then(|(owner, group)| {
            let matched = matched(entry, objects)?;
            let has_file = matched.iter().any(|(_, kind)| *kind == Kind::File);
            if has_file && entry.acl.as_ref().is_some_and(Acl::has_defaults) {
                return Err(format!(
                    "permissions (line {}): default access control entries are for directories, and {} is a file",
                    entry.line,
                    matched.iter().find(|(_, kind)| *kind == Kind::File).map_or_else(String::new, |(path, _)| path.to_string()),
                ));
            }
            Ok((owner, group, matched))
        });
        match found {
            Err(conflict) => assigned.conflicts.push(conflict),
            Ok((_, _, matched)) if matched.is_empty() => assigned.warnings.push(format!(
                "permissions (line {}): nothing that this deployment placed is matched below {}",
                entry.line, entry.object
            )),
            Ok((owner, group, matched)) => {
                for (path, _) in matched {
                    let attributes = assigned.attributes.entry(path.clone()).or_default();
                    attributes.take(entry, owner, group);
                }
            }
        }
    }
    assigned
}

impl Attributes {
    fn take(&mut self, entry: &Permission, owner: Option<u32>, group: Option<u32>) {
        self.owner = owner.or(self.owner);
        self.group = group.or(self.group);
        self.mode = entry.mode.or(self.mode);
        self.acl = entry.acl.clone().or(self.acl.take());
        self.context = entry.context.clone().or(self.context.take());
    }
}

fn matched<'a>(
    entry: &Permission,
    objects: &'a BTreeMap<HostPath, Kind>,
) -> Result<Vec<(&'a HostPath, Kind)>, String> {
    let object = HostPath::new(entry.object.as_bytes());
    match objects.get_key_value(&object) {
        Some((path, Kind::File)) if entry.for_files => {
            entry.check_on_file()?;
            return Ok(vec![(path, Kind::File)]);
        }
        Some((_, Kind::File | Kind::Link)) => return Ok(Vec::new()),
        _ => {}
    }
    let start = (Bound::Excluded(&object), Bound::Unbounded);
    let below = objects
        .range(start)
        .take_while(|(path, _)| path.as_bytes().starts_with(object.as_bytes()))
        .filter(|(path, kind)| {
            let is_kind = match kind {
                Kind::File => entry.for_files,
                Kind::Folder => entry.for_folders,
                Kind::Link => false,
            };
            is_kind && path.below(&object).is_some_and(|path| entry.matches(path))
        });
    Ok(below.map(|(path, kind)| (path, *kind)).collect())
}

/// The numbers of an entry's owner and group, when this process may give files to them.
fn accounts(entry: &Permission) -> Result<(Option<u32>, Option<u32>), String> {
    let wrong = |why: String| format!("permissions (line {}): {why}", entry.line);
    let owner = entry
        .owner
        .as_deref()
        .map(|name| owner(name).map_err(wrong))
        .transpose()?;
    let group = entry
        .group
        .as_deref()
        .map(|name| group(name).map_err(wrong))
        .transpose()?;
    Ok((owner, group))
}

fn owner(name: &str) -> Result<u32, String> {
    let known = User::from_name(name)
        .ok()
        .flatten()
        .map(|user| user.uid.as_raw());
    let uid = known
        .or_else(|| name.parse().ok())
        .ok_or_else(|| format!("there is no user {name}"))?;
    let own = lent::uid();
    if !own.is_root() && uid != own.as_raw() {
        return Err(format!("only root may give files to {name}"));
    }
    Ok(uid)
}

fn group(name: &str) -> Result<u32, String> {
    let known = Group::from_name(name)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw());
    let gid = known
        .or_else(|| name.parse().ok())
        .ok_or_else(|| format!("there is no group {name}"))?;
    if !lent::uid().is_root() && !lent::is_member(gid) {
        return Err(format!(
            "only root or its members may give files to group {name}"
        ));
    }
    Ok(gid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::appspec;

    fn objects() -> BTreeMap<HostPath, Kind> {
        let objects = [
            ("/srv", Kind::Folder),
            ("/srv/a", Kind::File),
            ("/srv/a-b", Kind::File),
            ("/srv/bin", Kind::Folder),
            ("/srv/bin/x.sh", Kind::File),
            ("/srv/bin/link", Kind::Link),
            ("/srv2", Kind::File),
        ];
        objects
            .into_iter()
            .map(|(path, kind)| (HostPath::new(path), kind))
            .collect()
    }

    fn modes(permissions: &str) -> (String, Assigned) {
        let own = nix::unistd::Gid::effective().to_string();
        let text = format!("permissions:\n{permissions}").replace("GROUP", &own);
        let spec = appspec::parse("appspec.yml", text.as_bytes()).unwrap();
        let assigned = assign(&spec.permissions, &objects());
        let modes = assigned
            .attributes
            .iter()
            .filter_map(|(path, set)| Some(format!("{path}={:o}", set.mode?)));
        (modes.collect::<Vec<_>>().join(" "), assigned)
    }

    #[test]
    fn everything_below_the_object_and_never_the_object() {
        let (modes, _) = modes("- {object: /srv, mode: 600}");
        assert_eq!(
            modes,
            "/srv/a=600 /srv/a-b=600 /srv/bin=600 /srv/bin/x.sh=600"
        );
    }

    #[test]
    fn the_last_entry_wins_so_that_bin_can_differ() {
        let (modes, assigned) = modes(
            "- {object: /srv, type: [directory], mode: 750}\n- {object: /srv, type: [file], mode: 640, group: 'GROUP'}\n\
             - {object: /srv, pattern: 'bin/*', mode: 755}\n",
        );
        assert_eq!(
            modes,
            "/srv/a=640 /srv/a-b=640 /srv/bin=750 /srv/bin/x.sh=755"
        );
        assert_eq!(
            assigned.attributes[&HostPath::new("/srv/bin/x.sh")].group,
            Some(nix::unistd::Gid::effective().as_raw())
        );
    }

    #[test]
    fn one_file_as_object() {
        assert_eq!(modes("- {object: /srv/a, mode: 600}").0, "/srv/a=600");
        let (none, assigned) = modes("- {object: /srv/a, type: [directory], mode: 600}");
        assert_eq!((none.as_str(), assigned.conflicts.len()), ("", 0));
        for wrong in ["pattern: '*'", "except: [x]"] {
            let (_, assigned) = modes(&format!("- {{object: /srv/a, {wrong}}}"));
            assert_eq!(assigned.conflicts.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn what_matches_nothing_is_said_and_what_nobody_is_called_is_refused() {
        let (_, assigned) = modes("- {object: /srv/none, mode: 600}");
        assert!(assigned.warnings[0].contains("nothing that this deployment placed"));
        let (_, assigned) = modes("- {object: /srv, owner: nobody-has-this-name}");
        assert_eq!(
            assigned.conflicts,
            ["permissions (line 2): there is no user nobody-has-this-name"]
        );
        let (_, assigned) = modes("- {object: /srv, acls: ['d:u:root:r']}");
        assert!(
            assigned.conflicts[0].contains("/srv/a is a file"),
            "{:?}",
            assigned.conflicts
        );
        let (_, assigned) = modes("- {object: /srv, type: [directory], acls: ['d:u:root:r']}");
        assert!(assigned.conflicts.is_empty());
    }
}
