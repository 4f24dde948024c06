//! Owners, modes, access control lists and contexts, on a real tree.

use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;

use super::*;

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
