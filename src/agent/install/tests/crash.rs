//! Crashes before every effect, full disks and lost backups: the tree ends the same, and nothing of theirs is lost.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

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
