//! Who a hook runs as: the agent's own user, or a lesser one that an appspec names.
//!
//! # Decided
//!
//! * `runas` only lowers: an agent that is root may run a hook as anybody, any other only as itself.
//! * A joined node serves a namespace as the user named for it, and no program or file of the namespace has more rights
//!   than that user: hooks, Install ([`lent`](crate::agent::lent)), pods, and what administrators run there. Only an agent
//!   that is root can be somebody else than itself.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Uid;

use crate::agent::Allow;
use crate::agent::shim;

/// Who a container of a root agent runs as whose pod names nobody.
pub(crate) const NOBODY: u32 = 65534;

/// A user as hooks see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    /// What the shim changes to; none: it stays the agent's own user.
    pub(crate) become_user: Option<shim::User>,
}

/// The user that this process runs as.
pub(crate) fn own() -> Account {
    let uid = unistd::geteuid();
    match unistd::User::from_uid(uid) {
        Ok(Some(user)) => Account {
            name: user.name,
            home: user.dir,
            become_user: None,
        },
        _ => Account {
            name: uid.to_string(),
            home: PathBuf::from("/"),
            become_user: None,
        },
    }
}

/// The account that a hook with this `runas` gets, or why it gets none.
pub(crate) fn account(own: &Account, runas: Option<&str>) -> Result<Account, String> {
    let Some(name) = runas.filter(|name| *name != own.name) else {
        return Ok(own.clone());
    };
    if own.become_user.is_some() {
        return Err(format!(
            "runas {name:?}: this node serves the namespace as {:?} and nobody else",
            own.name
        ));
    }
    if !unistd::geteuid().is_root() {
        return Err(format!(
            "runas {name:?}: the agent runs as {:?}, not as root, and can run hooks only as itself",
            own.name
        ));
    }
    look_up(name).map_err(|why| format!("runas {name:?}: {why}"))
}

/// The account of that name, to be taken by a process that is root.
fn look_up(name: &str) -> Result<Account, String> {
    let user = match unistd::User::from_name(name) {
        Ok(Some(user)) => user,
        Ok(None) => return Err("there is no such user on this node".to_owned()),
        Err(errno) => return Err(errno.desc().to_owned()),
    };
    let groups = groups(&user.name, user.gid)
        .map_err(|errno| format!("cannot find its groups: {}", errno.desc()))?;
    Ok(Account {
        home: user.dir,
        become_user: Some(shim::User {
            uid: Uid::as_raw(user.uid),
            gid: user.gid.as_raw(),
            groups,
        }),
        name: user.name,
    })
}

fn groups(name: &str, gid: Gid) -> nix::Result<Vec<u32>> {
    let name = CString::new(name).map_err(|_| nix::errno::Errno::EINVAL)?;
    Ok(unistd::getgrouplist(&name, gid)?
        .into_iter()
        .map(Gid::as_raw)
        .collect())
}

/// Why this process cannot keep what `--allow` says.
pub(crate) fn check(allow: &Allow, own: &Account) -> Result<(), String> {
    let Allow::Only(namespaces) = allow else {
        return Ok(());
    };
    let mut others = namespaces.iter().filter(|(_, user)| **user != own.name);
    if unistd::geteuid().is_root() {
        return others.try_for_each(|(namespace, user)| {
            look_up(user)
                .map(drop)
                .map_err(|why| format!("--allow {namespace}={user}: {why}"))
        });
    }
    match others.next() {
        None => Ok(()),
        Some((namespace, user)) => Err(format!(
            "--allow {namespace}={user}: this agent runs as {:?} and can serve a namespace only as that user; \
             start it as {user:?}, or as root",
            own.name
        )),
    }
}

/// Who a namespace's programs run as here, and whose rights its files are written with; or why it is not served.
pub(crate) fn serving(own: &Account, allow: &Allow, namespace: &str) -> Result<Account, String> {
    if let Some(why) = refusal(allow, namespace) {
        return Err(why);
    }
    match allow {
        Allow::Only(namespaces) => match namespaces.get(namespace) {
            Some(user) if *user != own.name => {
                look_up(user).map_err(|why| format!("--allow {namespace}={user}: {why}"))
            }
            _ => Ok(own.clone()),
        },
        Allow::Everything => Ok(own.clone()),
    }
}

/// Why a user that is served cannot come to the folder of the bundles.
pub(crate) fn barred(allow: &Allow, own: &Account, root: &Path) -> Option<String> {
    let Allow::Only(namespaces) = allow else {
        return None;
    };
    namespaces.iter().find_map(|(namespace, user)| {
        let user_of = serving(own, allow, namespace).ok()?.become_user?;
        let why = unpassable(root, &user_of)?;
        Some(format!("--allow {namespace}={user}: {why}"))
    })
}

/// Why the bundles of a namespace that is served as another user cannot lie in a folder of its choice.
///
/// The agent unpacks them as root: whoever can rename a folder on the way could lead it anywhere.
pub(crate) fn unsafe_root(root_dir: &str, account: &Account) -> Option<String> {
    if root_dir.is_empty() || account.become_user.is_none() {
        return None;
    }
    Path::new(root_dir).ancestors().find_map(|part| {
        let about = fs::symlink_metadata(part).ok()?;
        let is_root_s = about.uid() == 0 && about.mode() & 0o022 == 0 && about.is_dir();
        (!is_root_s).then(|| {
            format!(
                "rootDir {root_dir}: {} can be changed by others than root, and this node unpacks as root for {:?}",
                part.display(),
                account.name
            )
        })
    })
}

/// Why this node does not serve a namespace.
pub(crate) fn refusal(allow: &Allow, namespace: &str) -> Option<String> {
    match allow {
        Allow::Only(namespaces) if !namespaces.contains_key(namespace) => Some(format!(
            "this node does not serve namespace {namespace:?}; it was not started with --allow {namespace}=USER"
        )),
        _ => None,
    }
}

/// Why a user cannot come to a folder that is ours, with what helps; what is not there yet is in nobody's way.
pub(crate) fn unpassable(folder: &Path, user: &shim::User) -> Option<String> {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut parts: Vec<&Path> = whole.ancestors().collect();
    parts.reverse();
    parts.into_iter().find_map(|part| {
        let about = fs::metadata(part).ok()?;
        let mode = about.mode();
        let bit = if about.uid() == user.uid {
            0o100
        } else if about.gid() == user.gid || user.groups.contains(&about.gid()) {
            0o010
        } else {
            0o001
        };
        let (part, mode, uid) = (part.display(), mode & 0o7777, user.uid);
        (mode & bit == 0).then(|| {
            format!(
                "{part} has mode {mode:04o}, so that user {uid} cannot pass it: chmod o+x {part}, \
                 or start the server with another --data-dir"
            )
        })
    })
}

/// Why the pods of an agent that is root, which run as others, cannot come to its folder.
pub(crate) fn unpassable_for_pods(folder: &Path) -> Option<String> {
    let nobody = shim::User {
        uid: NOBODY,
        gid: NOBODY,
        groups: Vec::new(),
    };
    let is_root = unistd::geteuid().is_root();
    is_root.then(|| unpassable(folder, &nobody))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_a_user_cannot_pass_is_named() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let about = fs::metadata(&inner).unwrap();
        let user = |uid, gid, groups| shim::User { uid, gid, groups };
        let stranger = user(about.uid() + 1, about.gid() + 1, Vec::new());
        let colleague = user(about.uid() + 1, about.gid() + 1, vec![about.gid()]);
        let owner = user(about.uid(), about.gid() + 1, Vec::new());
        let a = place.path().join("a");
        for (mode, expect) in [
            (0o755, [false, false, false]),
            (0o710, [true, false, false]),
            (0o700, [true, true, false]),
            (0o677, [false, false, true]),
        ] {
            fs::set_permissions(&a, fs::Permissions::from_mode(mode)).unwrap();
            // Not asked of folders that we could not look into ourselves.
            let found = [&stranger, &colleague, &owner].map(|user| unpassable(&a, user));
            assert_eq!(found.clone().map(|one| one.is_some()), expect, "{mode:o}");
            for why in found.into_iter().flatten() {
                assert!(why.starts_with(&format!("{} has mode {mode:04o}", a.display())));
            }
        }
        fs::set_permissions(&a, fs::Permissions::from_mode(0o755)).unwrap();
    }
    use std::collections::BTreeMap;

    #[test]
    fn a_namespace_is_served_only_as_the_agent_s_own_user() {
        let own = own();
        let only = |user: &str| Allow::Only(BTreeMap::from([("demo".to_owned(), user.to_owned())]));
        assert!(check(&only(&own.name), &own).is_ok());
        assert!(check(&only("somebody-else"), &own).is_err());
        assert!(serving(&own, &only(&own.name), "other").is_err());
        assert_eq!(serving(&own, &only(&own.name), "demo"), Ok(own.clone()));
        if unistd::geteuid().is_root() {
            check(&only("nobody"), &own).unwrap();
            let nobody = serving(&own, &only("nobody"), "demo").unwrap();
            assert!(nobody.become_user.is_some());
            assert!(account(&nobody, Some("root")).is_err());
            assert_eq!(account(&nobody, Some("nobody")), Ok(nobody.clone()));
            assert_eq!(unsafe_root("", &nobody), None);
            assert_eq!(unsafe_root("/usr/lib/shop", &nobody), None);
            assert!(unsafe_root("/tmp/shop", &nobody).is_some());
            assert_eq!(unsafe_root("/tmp/shop", &own), None);
        }
        // An agent beside a HAProxy runs nothing; whether any other may be without is the command's to say.
        assert!(check(&Allow::Only(BTreeMap::new()), &own).is_ok());
        assert_eq!(refusal(&only("x"), "demo"), None);
        assert!(refusal(&only("x"), "other").is_some());
        assert_eq!(refusal(&Allow::Everything, "other"), None);
    }

    #[test]
    fn a_hook_s_user_is_looked_up_or_refused_in_words() {
        let own = own();
        assert_eq!(account(&own, None), Ok(own.clone()));
        assert_eq!(account(&own, Some(&own.name)), Ok(own.clone()));
        let error = account(&own, Some("no-such-user")).unwrap_err();
        assert!(error.contains("no-such-user"), "{error}");
        if unistd::geteuid().is_root() {
            let nobody = account(&own, Some("nobody")).unwrap();
            assert!(nobody.become_user.unwrap().uid > 0);
        }
    }
}
