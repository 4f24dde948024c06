//! Installs on a real tree: what is there, what comes, what goes and comes back.

use super::*;
use crate::api::appspec;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;

mod conflict;
mod crash;
mod permissions;
mod speed;

/// In memory where that is possible: these tests ask for durability very often.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// A host of its own: `host/` is its tree, `gears/` the node's records, `bundles/` the cache.
struct Host {
    folder: tempfile::TempDir,
    exists: FileExists,
}

impl Host {
    fn new() -> Host {
        let folder = scratch();
        fs::create_dir(folder.path().join("host")).unwrap();
        Host {
            folder,
            exists: FileExists::Overwrite,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder
            .path()
            .canonicalize()
            .unwrap()
            .join("host")
            .join(path)
    }

    fn place(&self, gear: &str) -> Place {
        Place::new(self.folder.path().join("gears"), Key::new("demo", gear))
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| format!("{error}"))
    }

    /// A revision of files (`content`, `->target` for a link, `/` for a folder), installed as its appspec says; `HOST`
    /// in the appspec is the host's root.
    fn revision(&self, number: u64, members: &[(&str, &str)], spec: &str) -> Wanted {
        let root = self.folder.path().join(format!(
            "bundles/{number}-{:08x}",
            getrandom::u32().unwrap()
        ));
        fs::create_dir_all(&root).unwrap();
        for (path, content) in members {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match content.strip_prefix("->") {
                Some(target) => symlink(target, path).unwrap(),
                None if *content == "/" => fs::create_dir_all(path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
        let spec = spec.replace("HOST", self.path("").to_str().unwrap());
        Wanted {
            root,
            spec: appspec::parse("appspec.yml", spec.as_bytes())
                .unwrap_or_else(|errors| panic!("{errors}")),
            exists: self.exists,
            installed: Installed {
                application: "shop".into(),
                revision: format!("shop-{number}"),
                number,
                ..Installed::default()
            },
        }
    }

    /// The usual: everything to `srv`.
    fn all(&self, number: u64, members: &[(&str, &str)]) -> Wanted {
        self.revision(
            number,
            members,
            "files: [{source: /, destination: HOST/srv}]",
        )
    }

    fn install(&self, wanted: &Wanted) -> Outcome {
        install(&self.place("shop"), Some(wanted)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn uninstall(&self) -> Outcome {
        install(&self.place("shop"), None).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Refused with these words, and nothing has changed.
    #[track_caller]
    fn refuses(&self, wanted: &Wanted, words: &str) {
        let before = (self.tree(), installed(&self.place("shop")).unwrap());
        let error = install(&self.place("shop"), Some(wanted)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.reason(), "PlanConflict");
        assert_eq!(
            (self.tree(), installed(&self.place("shop")).unwrap()),
            before
        );
        assert!(check(&self.place("shop"), Some(wanted)).is_err());
    }

    /// Every path with its kind, mode and content.
    fn tree(&self) -> BTreeMap<String, String> {
        tree(&self.path(""))
    }

    fn names(&self) -> Vec<String> {
        self.tree().into_keys().collect()
    }
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                format!("{:o}/", metadata.mode() & 0o7777)
            } else {
                format!(
                    "{:o} {}",
                    metadata.mode() & 0o7777,
                    String::from_utf8_lossy(&fs::read(&path).unwrap())
                )
            };
            tree.insert(
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
                what,
            );
        }
    }
    tree
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

#[test]
fn files_folders_and_links_arrive_and_leave_again() {
    let host = Host::new();
    let wanted = host.all(
        1,
        &[
            ("bin/start", "#!"),
            ("empty", "/"),
            (".dot", ""),
            ("run", "->bin/start"),
            ("gone", "->none"),
        ],
    );
    fs::set_permissions(
        wanted.root.join("bin/start"),
        fs::Permissions::from_mode(0o4755),
    )
    .unwrap();
    let outcome = host.install(&wanted);
    assert_eq!(outcome.record.installed, Some(wanted.installed.clone()));
    let tree = host.tree();
    assert_eq!(
        tree["srv/bin/start"], "755 #!",
        "a bundle sets no setuid bit"
    );
    assert_eq!(
        (tree["srv"].as_str(), tree["srv/empty"].as_str()),
        ("755/", "755/")
    );
    assert_eq!(
        (tree["srv/run"].as_str(), tree["srv/gone"].as_str()),
        ("-> bin/start", "-> none")
    );
    let age = fs::metadata(host.path("srv/bin/start"))
        .unwrap()
        .modified()
        .unwrap()
        .elapsed();
    assert!(
        age.is_ok_and(|age| age.as_secs() < 600),
        "files are as old as their installation"
    );
    host.uninstall();
    assert_eq!(host.names(), Vec::<String>::new());
    assert_eq!(installed(&host.place("shop")).unwrap(), None);
    host.uninstall();
}

#[test]
fn a_destination_is_always_a_folder() {
    let host = Host::new();
    let spec = "files:\n- {source: conf/app.conf, destination: HOST/etc/app.conf}\n- {source: lib/, destination: HOST/opt/a/b/}\n\
                - {source: current/x, destination: HOST/opt/c}\n";
    let members = [
        ("conf/app.conf", "c"),
        ("lib/y/z", "z"),
        ("v1/x", "x"),
        ("current", "->v1"),
        ("other", ""),
    ];
    host.install(&host.revision(1, &members, spec));
    assert_eq!(host.read("etc/app.conf/app.conf"), "c");
    assert_eq!(
        (host.read("opt/a/b/y/z"), host.read("opt/c/x")),
        ("z".to_owned(), "x".to_owned())
    );
    assert!(!host.path("opt/a/b/other").exists());
    host.uninstall();
    assert_eq!(host.names(), Vec::<String>::new());
}

#[test]
fn no_files_is_an_empty_plan_that_takes_the_old_ones_away() {
    let host = Host::new();
    host.install(&host.all(1, &[("a", "1")]));
    let outcome = host.install(&host.revision(2, &[], "files: []"));
    assert_eq!(outcome.record.installed.unwrap().number, 2);
    assert_eq!(host.names(), Vec::<String>::new());
}

#[test]
fn a_next_revision_leaves_only_what_is_its_own() {
    let host = Host::new();
    host.write("srv/theirs", "t");
    host.install(&host.all(
        1,
        &[
            ("old/a", "1"),
            ("both", "1"),
            ("turns", "file"),
            ("folds/x", "1"),
            ("link", "->both"),
        ],
    ));
    host.install(&host.all(
        2,
        &[
            ("new/a", "2"),
            ("both", "2"),
            ("turns/into", "folder"),
            ("folds", "file"),
            ("link/x", "2"),
        ],
    ));
    assert_eq!(
        host.names(),
        [
            "srv",
            "srv/both",
            "srv/folds",
            "srv/link",
            "srv/link/x",
            "srv/new",
            "srv/new/a",
            "srv/theirs",
            "srv/turns",
            "srv/turns/into"
        ]
    );
    host.uninstall();
    assert_eq!(host.names(), ["srv", "srv/theirs"]);
}

#[test]
fn what_is_overwritten_is_backed_up_and_comes_back() {
    let host = Host::new();
    host.write("srv/conf", "theirs");
    fs::set_permissions(host.path("srv/conf"), fs::Permissions::from_mode(0o640)).unwrap();
    let modified = fs::metadata(host.path("srv/conf"))
        .unwrap()
        .modified()
        .unwrap();
    symlink("/nowhere", host.path("srv/link")).unwrap();
    let before = host.tree();
    host.install(&host.all(1, &[("conf", "1"), ("link", "1")]));
    assert_eq!(
        (host.read("srv/conf"), host.read("srv/link")),
        ("1".to_owned(), "1".to_owned())
    );
    assert!(
        !Path::new("/nowhere").exists(),
        "a dangling link is replaced, not written through"
    );
    host.install(&host.all(2, &[("conf", "2"), ("x", "2")]));
    assert_eq!(
        host.tree()["srv/link"],
        "-> /nowhere",
        "a revision without the file brings the original back"
    );
    assert_eq!(host.read("srv/conf"), "2");
    host.uninstall();
    assert_eq!(host.tree(), before);
    assert_eq!(
        fs::metadata(host.path("srv/conf"))
            .unwrap()
            .modified()
            .unwrap(),
        modified
    );
    assert!(!host.place("shop").folder().join("backup").exists());
}

#[test]
fn a_folder_with_a_user_s_file_stays_and_is_removed_when_it_is_empty() {
    let host = Host::new();
    host.install(&host.all(1, &[("logs/a", "1")]));
    host.write("srv/logs/user.log", "x");
    host.install(&host.all(2, &[("b", "2")]));
    assert_eq!(
        host.names(),
        ["srv", "srv/b", "srv/logs", "srv/logs/user.log"]
    );
    host.install(&host.all(3, &[("b", "3")]));
    fs::remove_file(host.path("srv/logs/user.log")).unwrap();
    host.install(&host.all(4, &[("b", "4")]));
    assert_eq!(host.names(), ["srv", "srv/b"]);
}

#[test]
fn odd_names_do_not_hurt_the_record() {
    let host = Host::new();
    host.install(&host.all(
        1,
        &[
            ("a\nb", "1"),
            (" blank ", "1"),
            ("100%25", "1"),
            ("-rf", "1"),
        ],
    ));
    let odd = std::ffi::OsString::from_vec(b"n\xff".to_vec());
    let wanted = host.all(2, &[]);
    fs::write(wanted.root.join(&odd), "2").unwrap();
    host.install(&wanted);
    assert!(host.path("srv").join(&odd).exists());
    host.uninstall();
    assert_eq!(host.names(), Vec::<String>::new());
}
