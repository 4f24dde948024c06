//! What is somebody else's: refused, kept, or left alone, and never removed to make room.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;

use super::*;

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
fn many_conflicts_are_a_short_message() {
    let error = Error::Conflicts((0..500).map(|number| number.to_string()).collect());
    assert_eq!(error.to_string().lines().count(), 21);
    assert!(error.to_string().ends_with("and 480 more"));
}
