//! Doing a piece of work on the disk with another user's rights, in a process that is root.
//!
//! A thread of its own takes the file system rights of that user (uid, gid, groups), and none of root's: what the user
//! could not write, the work cannot write. What the agent keeps for itself, its records and backups, it touches as
//! itself in between ([`as_agent`]).
//!
//! # Decided
//!
//! * Rights of the file system alone, of one thread alone: the process stays root for everybody else, and the user can
//!   neither trace nor signal it. The kernel takes root's powers over files away with the uid and gives them back with it.

use std::cell::RefCell;
use std::io;
use std::process::Command;

use nix::libc;
use nix::unistd;
use nix::unistd::Gid;
use nix::unistd::Uid;

use crate::agent::shim::User;

thread_local! {
    /// Whose rights this thread has taken.
    static LENT: RefCell<Option<User>> = const { RefCell::new(None) };
}

/// Does `work` with this user's rights, or with the agent's own when there is none; blocks.
pub(crate) fn lend<T: Send>(user: Option<&User>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let Some(user) = user else {
        return Ok(work());
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("lent".to_owned());
        let thread = thread.spawn_scoped(scope, || {
            take(user)?;
            LENT.set(Some(user.clone()));
            Ok(work())
        })?;
        thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the work panicked")))
    })
}

/// Does `work` with the agent's own rights, whoever's this thread has.
pub(crate) fn as_agent<T>(work: impl FnOnce() -> T) -> T {
    let Some(user) = LENT.with_borrow(Clone::clone) else {
        return work();
    };
    set(unistd::geteuid().as_raw(), unistd::getegid().as_raw());
    LENT.set(None);
    let _back = Back(user);
    work()
}

/// Takes the user's rights again, whatever becomes of the work.
struct Back(User);
impl Drop for Back {
    fn drop(&mut self) {
        set(self.0.uid, self.0.gid);
        LENT.set(Some(self.0.clone()));
    }
}

/// Who writes files here: the user whose rights were taken, else whoever this process is.
pub(crate) fn uid() -> Uid {
    LENT.with_borrow(|lent| lent.as_ref().map(|user| Uid::from_raw(user.uid)))
        .unwrap_or_else(Uid::effective)
}

/// The user and group that new files get here.
pub(crate) fn ids() -> (u32, u32) {
    LENT.with_borrow(|lent| lent.as_ref().map(|user| (user.uid, user.gid)))
        .unwrap_or_else(|| (Uid::effective().as_raw(), Gid::effective().as_raw()))
}

/// Whether whoever writes files here is a member of a group.
pub(crate) fn is_member(gid: u32) -> bool {
    LENT.with_borrow(|lent| match lent {
        Some(user) => user.gid == gid || user.groups.contains(&gid),
        None => {
            gid == Gid::effective().as_raw()
                || unistd::getgroups().is_ok_and(|groups| groups.contains(&Gid::from_raw(gid)))
        }
    })
}

/// Makes a program that is about to be started here run as that user wholly.
pub(crate) fn lower(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    LENT.with_borrow(|lent| {
        if let Some(user) = lent {
            // Root's groups go with the uid; the user's other groups are not given to a program.
            command.uid(user.uid).gid(user.gid);
        }
    });
}

/// Takes a user's rights for this thread; fails when any of root's would stay.
fn take(user: &User) -> io::Result<()> {
    if !unistd::geteuid().is_root() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    // The library's call would change every thread of the process; the kernel's changes this one.
    // SAFETY: the pointer and the length are those of one live vector, which the kernel only reads.
    let changed =
        unsafe { libc::syscall(libc::SYS_setgroups, user.groups.len(), user.groups.as_ptr()) };
    if changed != 0 {
        return Err(io::Error::last_os_error());
    }
    set(user.uid, user.gid);
    // It answers with what is in force, and changes nothing for a uid that cannot be.
    let (uid, gid) = (
        unistd::setfsuid(Uid::from_raw(u32::MAX)),
        unistd::setfsgid(Gid::from_raw(u32::MAX)),
    );
    if uid.as_raw() != user.uid || gid.as_raw() != user.gid {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    Ok(())
}

/// Group first: it needs root's powers.
fn set(uid: u32, gid: u32) {
    unistd::setfsgid(Gid::from_raw(gid));
    unistd::setfsuid(Uid::from_raw(uid));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_disk_is_touched_as_the_user_and_the_records_as_root() {
        if !unistd::geteuid().is_root() {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let open = place.path().join("open");
        let ours = place.path().join("ours");
        for (folder, mode) in [(place.path(), 0o755), (&*open, 0o777), (&*ours, 0o700)] {
            fs::create_dir_all(folder).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
        let user = User {
            uid: 12345,
            gid: 12346,
            groups: vec![12347],
        };
        let done = lend(Some(&user), || {
            fs::write(open.join("a"), "a").unwrap();
            let refused = fs::write(ours.join("a"), "a").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(!uid().is_root() && is_member(12347) && !is_member(0));
            as_agent(|| {
                assert!(uid().is_root());
                fs::write(ours.join("b"), "b").unwrap();
            });
            assert!(fs::read(ours.join("b")).is_err());
            let mut id = Command::new("id");
            id.arg("-u");
            lower(&mut id);
            String::from_utf8(id.output().unwrap().stdout).unwrap()
        });
        assert_eq!(done.unwrap().trim(), "12345");
        let about = |path: std::path::PathBuf| {
            let about = fs::metadata(path).unwrap();
            (about.uid(), about.gid())
        };
        assert_eq!(about(open.join("a")), (12345, 12346));
        assert_eq!(about(ours.join("b")), (0, unistd::getegid().as_raw()));
        assert!(uid().is_root());
        fs::write(ours.join("c"), "c").unwrap();
    }
}
