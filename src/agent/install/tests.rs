//! Installs on a real tree: what is there, what comes, what goes and comes back.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::api::appspec;

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
fn disallow_names_every_file_and_changes_nothing() {
    let mut host = Host::new();
    host.install(&host.all(1, &[("a", "1"), ("b", "1")]));
    host.exists = FileExists::Disallow;
    host.write("srv/c", "theirs");
    symlink("none", host.path("srv/d")).unwrap();
    let wanted = host.all(2, &[("a", "2"), ("c", "2"), ("d", "2")]);
    host.refuses(&wanted, "srv/c: exists");
    let error = install(&host.place("shop"), Some(&wanted))
        .unwrap_err()
        .to_string();
    assert_eq!(error.lines().count(), 2, "{error}");
    assert_eq!(host.read("srv/a"), "1", "the old revision is whole");
    let ours = host.all(2, &[("a", "2")]);
    host.install(&ours);
    assert_eq!(
        host.read("srv/a"),
        "2",
        "what is ours does not count as existing"
    );
}

#[test]
fn disallow_sees_what_an_earlier_revision_overwrote() {
    let mut host = Host::new();
    host.write("srv/a", "theirs");
    host.install(&host.all(1, &[("a", "1")]));
    host.exists = FileExists::Disallow;
    host.refuses(&host.all(2, &[("a", "2")]), "srv/a: exists");
    host.exists = FileExists::Retain;
    host.install(&host.all(3, &[("a", "3")]));
    assert_eq!(host.read("srv/a"), "theirs");
}

#[test]
fn retain_leaves_theirs_and_its_permissions_alone() {
    let mut host = Host::new();
    host.exists = FileExists::Retain;
    host.write("srv/a", "theirs");
    fs::set_permissions(host.path("srv/a"), fs::Permissions::from_mode(0o604)).unwrap();
    let spec =
        "files: [{source: /, destination: HOST/srv}]\npermissions: [{object: HOST/srv, mode: 700}]";
    host.install(&host.revision(1, &[("a", "1"), ("b", "1")], spec));
    let tree = host.tree();
    assert_eq!(
        (tree["srv/a"].as_str(), tree["srv/b"].as_str()),
        ("604 theirs", "700 1")
    );
    host.uninstall();
    assert_eq!(host.names(), ["srv", "srv/a"]);
}

#[test]
fn the_appspec_s_word_on_existing_files_wins() {
    let mut host = Host::new();
    host.write("srv/a", "theirs");
    let wanted = |host: &Host, word| {
        let spec =
            format!("file_exists_behavior: {word}\nfiles: [{{source: /, destination: HOST/srv}}]");
        host.revision(1, &[("a", "1")], &spec)
    };
    host.refuses(&wanted(&host, "DISALLOW"), "exists");
    host.exists = FileExists::Disallow;
    host.install(&wanted(&host, "RETAIN"));
    assert_eq!(host.read("srv/a"), "theirs");
    host.install(&wanted(&host, "OVERWRITE"));
    assert_eq!(host.read("srv/a"), "1");
}

#[test]
fn entries_that_clash_are_refused() {
    let host = Host::new();
    let members = [("a/x", "1"), ("b/x", "2"), ("c/x/y", "3")];
    let spec = |one: &str, other: &str| {
        format!(
            "files:\n- {{source: {one}, destination: HOST/srv}}\n- {{source: {other}, destination: HOST/srv}}"
        )
    };
    host.refuses(
        &host.revision(1, &members, &spec("a", "b")),
        "srv/x: two entries of files",
    );
    host.refuses(
        &host.revision(1, &members, &spec("a", "c")),
        "srv/x: one entry of files puts a file there",
    );
    host.refuses(
        &host.revision(1, &members, &spec("c", "a")),
        "srv/x: one entry of files puts a file there",
    );
    host.refuses(
        &host.revision(1, &members, &spec("none", "a")),
        "files[0].source: none is not in the bundle",
    );
    host.install(&host.revision(1, &[("a/d/1", ""), ("b/d/2", "")], &spec("a", "b")));
    assert_eq!(host.names(), ["srv", "srv/d", "srv/d/1", "srv/d/2"]);
}

#[test]
fn nothing_of_somebody_else_s_is_removed_to_make_room() {
    let mut host = Host::new();
    host.write("srv/folder/x", "theirs");
    host.write("srv/file", "theirs");
    fs::create_dir(host.path("srv/empty")).unwrap();
    nix::unistd::mkfifo(&host.path("srv/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let place = host.path("srv/pipe");
    host.exists = FileExists::Overwrite;
    let refuses = |members: &[(&str, &str)], words: &str| {
        let wanted = host.all(1, members);
        let error = check(&host.place("shop"), Some(&wanted))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    refuses(
        &[("folder", "1")],
        "srv/folder: is a folder where a file goes",
    );
    refuses(
        &[("empty", "1")],
        "srv/empty: is a folder where a file goes",
    );
    refuses(
        &[("file/x", "1")],
        "srv/file: is a file where a folder goes",
    );
    refuses(&[("pipe", "1")], "srv/pipe: is a FIFO");
    fs::remove_file(place).unwrap();
    host.install(&host.all(1, &[("mine/x", "1")]));
    host.write("srv/mine/user", "theirs");
    host.refuses(&host.all(2, &[("mine", "2")]), "srv/mine/user is in it");
}

#[test]
fn a_destination_that_is_a_link_elsewhere_is_refused_and_a_link_above_it_followed() {
    let host = Host::new();
    fs::create_dir_all(host.path("data/elsewhere")).unwrap();
    symlink("data", host.path("link")).unwrap();
    symlink("data/elsewhere", host.path("srv")).unwrap();
    host.refuses(
        &host.all(1, &[("a", "1")]),
        "srv is a link to data/elsewhere; name the real folder",
    );
    let spec = "files: [{source: /, destination: HOST/link/app}]\npermissions: [{object: HOST/link/app, mode: 600}]";
    host.install(&host.revision(1, &[("a", "1")], spec));
    assert_eq!(host.tree()["data/app/a"], "600 1");
    fs::create_dir_all(host.path("data/app/sub-target")).unwrap();
    symlink("../elsewhere", host.path("data/app/sub")).unwrap();
    host.refuses(
        &host.revision(2, &[("sub/x", "2")], spec),
        "data/app/sub: is a link where a folder goes",
    );
    symlink("none", host.path("dangling")).unwrap();
    let spec = "files: [{source: /, destination: HOST/dangling/app}]";
    host.refuses(
        &host.revision(2, &[("x", "2")], spec),
        "dangling is a link that leads to no folder",
    );
    if is_root() {
        nix::unistd::fchownat(
            nix::fcntl::AT_FDCWD,
            &host.path("link"),
            Some(12345.into()),
            None,
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .unwrap();
        let spec = "files: [{source: /, destination: HOST/link/other}]";
        host.refuses(
            &host.revision(2, &[("x", "2")], spec),
            "is a link of another user",
        );
    }
}

#[test]
fn two_applications_cannot_have_one_file_but_may_share_a_folder() {
    let host = Host::new();
    let shop = host.all(1, &[("both/a", "shop"), ("file", "shop")]);
    host.install(&shop);
    let other = |members: &[(&str, &str)]| {
        let mut wanted = host.all(1, members);
        wanted.installed.application = "blog".into();
        install(&host.place("blog"), Some(&wanted))
    };
    let error = other(&[("file", "blog")]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("srv/file: belongs to application demo/shop"),
        "{error}"
    );
    assert!(
        other(&[("file/x", "blog")])
            .unwrap_err()
            .to_string()
            .contains("belongs to application demo/shop")
    );
    other(&[("both/b", "blog"), ("shared", "/")]).unwrap();
    host.uninstall();
    assert_eq!(
        host.names(),
        ["srv", "srv/both", "srv/both/b", "srv/shared"]
    );
    install(&host.place("blog"), None).unwrap();
    assert_eq!(
        host.names(),
        Vec::<String>::new(),
        "whoever leaves last removes the folders"
    );
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

use std::os::unix::ffi::OsStringExt;

#[test]
fn permissions_come_after_copies_and_owner_before_mode() {
    let host = Host::new();
    let owner = if is_root() {
        "owner: '12345', group: '12345', "
    } else {
        ""
    };
    let spec = format!(
        "files: [{{source: /, destination: HOST/srv}}]\npermissions:\n- {{object: HOST/srv, type: [directory], mode: 550}}\n\
         - {{object: HOST/srv, type: [file], mode: 640}}\n- {{object: HOST/srv, pattern: 'bin/*', {owner}mode: 4755}}\n"
    );
    let members = [
        ("bin/start", "1"),
        ("a", "1"),
        ("bin/sub/x", "1"),
        ("l", "->a"),
    ];
    let wanted = host.revision(1, &members, &spec);
    host.install(&wanted);
    let tree = host.tree();
    assert_eq!(
        tree["srv/bin/start"], "4755 1",
        "the owner does not take the setuid bit away"
    );
    assert_eq!(
        (tree["srv/a"].as_str(), tree["srv/bin"].as_str()),
        ("640 1", "550/")
    );
    assert_eq!(
        (tree["srv/bin/sub"].as_str(), tree["srv"].as_str()),
        ("4755/", "755/")
    );
    if is_root() {
        assert_eq!(
            fs::metadata(host.path("srv/bin/start")).unwrap().uid(),
            12345
        );
    }
    host.install(&host.revision(2, &members, &spec));
    assert_eq!(host.tree(), tree, "again, into folders nobody may write to");
    host.install(&host.all(3, &members));
    assert_eq!(
        host.tree()["srv/bin"],
        "755/",
        "permissions of a revision go with it"
    );
    host.uninstall();
    assert_eq!(host.names(), Vec::<String>::new());
}

#[test]
fn a_folder_that_was_there_before_keeps_its_permissions() {
    let host = Host::new();
    fs::create_dir_all(host.path("srv/conf")).unwrap();
    fs::set_permissions(host.path("srv/conf"), fs::Permissions::from_mode(0o711)).unwrap();
    let spec =
        "files: [{source: /, destination: HOST/srv}]\npermissions: [{object: HOST/srv, mode: 700}]";
    host.install(&host.revision(1, &[("conf/a", ""), ("new/a", "")], spec));
    let tree = host.tree();
    assert_eq!(
        (
            tree["srv/conf"].as_str(),
            tree["srv/conf/a"].as_str(),
            tree["srv/new"].as_str()
        ),
        ("711/", "700 ", "700/")
    );
}

#[test]
fn wrong_owners_and_missing_programs_are_found_before_anything_changes() {
    let host = Host::new();
    let spec = |rest: &str| {
        format!(
            "files: [{{source: /, destination: HOST/srv}}]\npermissions: [{{object: HOST/srv, {rest}}}]"
        )
    };
    host.refuses(
        &host.revision(1, &[("a", "")], &spec("owner: no-such-user-here")),
        "there is no user",
    );
    let none = Programs::only_in(host.folder.path());
    let pulse: Pulse<'_> = &mut |_| Ok(());
    for (rest, words) in [
        ("acls: ['u:root:r']", "no setfacl"),
        ("context: {type: t}", "no semanage"),
    ] {
        let wanted = host.revision(1, &[("a", "")], &spec(rest));
        let error = install_with(&host.place("shop"), Some(&wanted), &none, pulse).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(host.names(), Vec::<String>::new());
    }
}

/// Programs that write down how they were called.
fn recording(host: &Host) -> Programs {
    let folder = host.folder.path().join("programs");
    fs::create_dir_all(&folder).unwrap();
    for name in ["setfacl", "semanage", "restorecon"] {
        let log = host.folder.path().join("log");
        let script = format!(
            "#!/bin/sh\necho {name} \"$@\" >> {0}\n[ {name} = setfacl ] && cat >> {0}\nexit 0\n",
            log.display()
        );
        let path = folder.join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Programs::only_in(&folder)
}

#[test]
fn lists_and_contexts_are_set_by_the_system_s_programs_and_taken_back() {
    let host = Host::new();
    let spec = "files: [{source: /, destination: HOST/srv}]\npermissions:\n\
                - {object: HOST/srv, mode: 640, acls: ['u:alice:rw'], context: {user: system_u, type: httpd_t, range: s0}}\n";
    let programs = recording(&host);
    let pulse: Pulse<'_> = &mut |_| Ok(());
    let wanted = host.revision(1, &[("a.b", ""), ("c", "")], spec);
    install_with(&host.place("shop"), Some(&wanted), &programs, pulse).unwrap();
    install_with(&host.place("shop"), None, &programs, pulse).unwrap();
    let log = fs::read_to_string(host.folder.path().join("log")).unwrap();
    let log = log.replace(host.path("srv").to_str().unwrap(), "SRV");
    let root = host
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .replace('.', "\\.");
    let log = log.replace(&format!("{root}/srv"), "SRV");
    assert_eq!(
        log,
        "setfacl -P --set-file=- -- SRV/a.b SRV/c\nuser::rw-\ngroup::r--\nother::---\nuser:alice:rw-\nmask::r--\n\
         semanage fcontext -a -t httpd_t -s system_u -r s0 SRV/a\\.b\nrestorecon SRV/a.b\n\
         semanage fcontext -a -t httpd_t -s system_u -r s0 SRV/c\nrestorecon SRV/c\n\
         semanage fcontext -d SRV/a\\.b\nsemanage fcontext -d SRV/c\n"
    );
}

#[test]
fn a_list_on_a_real_file_system() {
    let programs = Programs::default();
    let host = Host::new();
    let Some(missing) = programs.missing_for_acls() else {
        let spec = "files: [{source: /, destination: HOST/srv}]\npermissions: [{object: HOST/srv, mode: 640, acls: ['u:12345:rw', 'mask:rw']}]";
        host.install(&host.revision(1, &[("a", "")], spec));
        let listed = std::process::Command::new("getfacl")
            .arg("-n")
            .arg(host.path("srv/a"))
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(
            listed.contains("user:12345:rw-\n") && listed.contains("mask::rw-\n"),
            "{listed}"
        );
        return;
    };
    let is_required = crate::base::environment::Environment::of_process()
        .variable("UPSHIFT_REQUIRE_TOOLS")
        .is_some();
    assert!(!is_required, "{missing}");
}

#[test]
fn a_full_disk_is_named_and_the_way_back_is_open() {
    let host = Host::new();
    host.write("srv/conf", "theirs");
    let first = host.all(1, &[("conf", "1"), ("a", "1")]);
    host.install(&first);
    let tree = host.tree();
    let second = host.all(2, &[("a", "2"), ("b", "2"), ("c/d", "2")]);
    let mut files = 0;
    let full: Pulse<'_> = &mut |name| {
        files += u32::from(name == "install.file");
        if files == 2 {
            Err(io::Error::from_raw_os_error(
                nix::errno::Errno::ENOSPC as i32,
            ))
        } else {
            Ok(())
        }
    };
    install_with(
        &host.place("shop"),
        Some(&second),
        &Programs::default(),
        full,
    )
    .unwrap_err();
    let record = installed(&host.place("shop")).unwrap().unwrap();
    assert!(record.unfinished);
    assert_eq!(
        record.installed.unwrap().number,
        1,
        "the revision that was whole last"
    );
    host.install(&first);
    assert_eq!(host.tree(), tree);
    let error = perform::failure(
        "write",
        PathBuf::from("/x"),
        io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32),
    );
    assert_eq!(
        (error.reason(), error.to_string().as_str()),
        ("DiskFull", "the disk is full: cannot write /x")
    );
}

#[test]
fn a_disk_that_is_really_full() {
    use nix::mount;
    for shares_the_disk in [false, true] {
        let host = Host::new();
        let disk = host.path("srv");
        fs::create_dir(&disk).unwrap();
        if mount::mount(
            Some("tmpfs"),
            &disk,
            Some("tmpfs"),
            mount::MsFlags::empty(),
            Some("size=256k"),
        )
        .is_err()
        {
            // Only root may mount, and not everywhere.
            return;
        }
        let gears = if shares_the_disk {
            disk.join("gears")
        } else {
            host.folder.path().join("gears")
        };
        let place = Place::new(gears, Key::new("demo", "shop"));
        let spec = "files: [{source: /, destination: HOST/srv/app}]";
        let big = "x".repeat(90_000);
        let first = host.revision(1, &[("a", "1"), ("b", &big)], spec);
        let second = host.revision(2, &[("c", &big), ("d", &big), ("e", &big)], spec);
        install(&place, Some(&first)).unwrap();
        let before = tree(&disk.join("app"));
        let error = install(&place, Some(&second)).unwrap_err();
        assert_eq!(error.reason(), "DiskFull", "{error}");
        install(&place, Some(&first)).unwrap();
        assert_eq!(tree(&disk.join("app")), before);
        install(&place, None).unwrap();
        assert!(!disk.join("app").exists());
        mount::umount(&disk).unwrap();
    }
}

#[test]
fn many_conflicts_are_a_short_message() {
    let error = Error::Conflicts((0..500).map(|number| number.to_string()).collect());
    assert_eq!(error.to_string().lines().count(), 21);
    assert!(error.to_string().ends_with("and 480 more"));
}

#[test]
fn a_lost_backup_does_not_keep_the_application_for_ever() {
    let host = Host::new();
    host.write("srv/a", "theirs");
    host.install(&host.all(1, &[("a", "1")]));
    fs::remove_dir_all(host.place("shop").folder().join("backup")).unwrap();
    assert!(host.uninstall().warnings[0].contains("what it replaced is lost"));
    assert_eq!(host.names(), ["srv"]);
}

/// Stops before the effect of that number, as a crash would; says whether it came so far.
fn crash_at(host: &Host, wanted: Option<&Wanted>, number: usize) -> bool {
    let mut passed = 0;
    let pulse: Pulse<'_> = &mut |_| {
        passed += 1;
        if passed > number {
            Err(io::Error::other("crash"))
        } else {
            Ok(())
        }
    };
    install_with(&host.place("shop"), wanted, &Programs::default(), pulse).is_err()
}

#[test]
fn a_crash_before_every_effect_ends_in_the_same_tree() {
    let first = [("conf", "1"), ("a/x", "1"), ("turns", "1"), ("l", "->conf")];
    let second = [("other", "2"), ("a/y", "2"), ("turns/z", "2"), ("l/m", "2")];
    let prepare = || {
        let host = Host::new();
        host.write("srv/conf", "theirs");
        host.write("srv/other", "theirs");
        host.install(&host.all(1, &first));
        host
    };
    let plain = prepare();
    plain.install(&plain.all(2, &second));
    let expect = plain.tree();
    plain.install(&plain.all(1, &first));
    let back = plain.tree();
    plain.uninstall();
    let clean = plain.tree();
    let mut number = 0;
    loop {
        let host = prepare();
        if !crash_at(&host, Some(&host.all(2, &second)), number) {
            break;
        }
        host.install(&host.all(2, &second));
        assert_eq!(
            host.tree(),
            expect,
            "again after a crash before effect {number}"
        );
        for (wanted, expect) in [(Some(host.all(1, &first)), &back), (None, &clean)] {
            let host = prepare();
            assert!(crash_at(&host, Some(&host.all(2, &second)), number));
            let wanted = wanted.map(|_| host.all(1, &first));
            install(&host.place("shop"), wanted.as_ref()).unwrap();
            assert_eq!(
                &host.tree(),
                expect,
                "back after a crash before effect {number}"
            );
        }
        number += 1;
    }
    assert!(number > 15, "{number} effects");
}

#[test]
fn a_crash_in_a_removal_ends_in_the_same_tree() {
    let mut number = 0;
    loop {
        let host = Host::new();
        host.write("srv/conf", "theirs");
        let before = host.tree();
        host.install(&host.all(1, &[("conf", "1"), ("a/b/c", "1")]));
        if !crash_at(&host, None, number) {
            break;
        }
        host.uninstall();
        assert_eq!(host.tree(), before, "crash before effect {number}");
        number += 1;
    }
    assert!(number > 5, "{number} effects");
}

/// A file of theirs that was there before is never lost, whatever is interrupted how often.
#[test]
fn interrupted_backups_lose_nothing() {
    for number in 0..12 {
        let host = Host::new();
        host.write("srv/a", "theirs a");
        host.write("srv/b", "theirs b");
        let before = host.tree();
        crash_at(&host, Some(&host.all(1, &[("a", "1"), ("b", "1")])), number);
        crash_at(
            &host,
            Some(&host.all(2, &[("b", "2"), ("c", "2")])),
            number / 2,
        );
        host.uninstall();
        assert_eq!(host.tree(), before, "{number}");
    }
}

fn small_tree() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = "[ab](/[ab]){0,2}";
    prop::collection::btree_map(name, "[xyz]{0,2}", 0..6).prop_map(|wild| {
        let mut tree: BTreeMap<String, String> = BTreeMap::new();
        for (path, content) in wild {
            // Sorted: a path below one that is a file is left out.
            if !tree
                .keys()
                .any(|known| path.starts_with(&format!("{known}/")))
            {
                tree.insert(path, content);
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn installs_and_a_removal_restore_the_tree_exactly(
        theirs in small_tree(),
        revisions in prop::collection::vec((small_tree(), any::<bool>(), 0..40_usize), 1..4),
    ) {
        let mut host = Host::new();
        fs::create_dir(host.path("srv")).unwrap();
        for (path, content) in &theirs {
            host.write(&format!("srv/{path}"), content);
        }
        let before = host.tree();
        for (number, (members, retain, crash)) in revisions.iter().enumerate() {
            host.exists = if *retain { FileExists::Retain } else { FileExists::Overwrite };
            let members: Vec<(&str, &str)> = members.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
            let wanted = host.all(number as u64, &members);
            if *crash < 20 {
                crash_at(&host, Some(&wanted), *crash);
            }
            match install(&host.place("shop"), Some(&wanted)) {
                Ok(_) => {
                    for (path, content) in &members {
                        let there = host.read(&format!("srv/{path}"));
                        prop_assert!(there == *content || (*retain && Some(&there) == theirs.get(*path)));
                    }
                }
                Err(error) => prop_assert_eq!(error.reason(), "PlanConflict"),
            }
        }
        host.uninstall();
        prop_assert_eq!(host.tree(), before);
    }
}

/// Run in release: `cargo test --release --lib ten_thousand -- --ignored --nocapture`; names both times when it fails.
#[test]
#[ignore = "measures; needs an idle machine and a release build"]
fn ten_thousand_files_take_at_most_half_as_long_again_as_tar_and_cp() {
    use std::process::Command;
    use std::time::Instant;
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let source = folder.path().join("source");
    let content: String = "0123456789abcdef".repeat(128);
    for number in 0..10_000 {
        let path = source.join(format!("d{}/e{}/f{number}", number / 1000, number / 100));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{number}{content}")).unwrap();
    }
    let bundle = folder.path().join("bundle");
    let mut out = fs::File::create(&bundle).unwrap();
    crate::content::bundle::Bundle::open(&source)
        .unwrap()
        .pack(&mut out)
        .unwrap();
    out.sync_all().unwrap();
    let tar = folder.path().join("plain.tar");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(status.success(), "{program}");
    };
    run("tar", &["-cf", tar.to_str().unwrap(), "-C", "source", "."]);
    run("sync", &[]);
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let names = [format!("unpacked{round}"), format!("installed{round}")];
        let start = Instant::now();
        run("mkdir", &[&names[0]]);
        run("tar", &["-xf", "plain.tar", "-C", &names[0]]);
        run("cp", &["-a", &names[0], &names[1]]);
        run("sync", &["-f", &names[1]]);
        theirs.push(start.elapsed());
        let start = Instant::now();
        let root = folder.path().join(format!("cache{round}"));
        fs::create_dir(&root).unwrap();
        crate::content::archive::unpack(&bundle, &root, crate::content::archive::Limits::default())
            .unwrap();
        let spec = format!(
            "files: [{{source: /, destination: {}/ours{round}}}]",
            folder.path().display()
        );
        let wanted = Wanted {
            root,
            spec: appspec::parse("appspec.yml", spec.as_bytes()).unwrap(),
            exists: FileExists::Overwrite,
            installed: Installed::default(),
        };
        let unpacked = start.elapsed();
        let place = Place::new(
            folder.path().join(format!("gears{round}")),
            Key::new("demo", "shop"),
        );
        install(&place, Some(&wanted)).unwrap();
        ours.push(start.elapsed());
        theirs.sort();
        ours.sort();
        let line = format!(
            "round {round}: tar, cp, sync {:?}; unpack {unpacked:?}, whole {:?}\n",
            theirs[0], ours[0]
        );
        fs::write("/dev/stderr", line).unwrap();
    }
    let (theirs, ours) = (theirs[2], ours[2]);
    assert!(
        ours.as_secs_f64() <= 1.5 * theirs.as_secs_f64(),
        "{ours:?} against {theirs:?}"
    );
}
