//! Packing the same thing from everywhere gives the same bundle.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

fn tree(root: &Path) {
    for (path, content, mode) in [
        ("appspec.yml", "os: linux\n", 0o644),
        ("bin/start", "#!/bin/sh\n", 0o755),
        ("bin/a b\n", "", 0o600),
        (".git/HEAD", "ref", 0o644),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir_all(root.join("empty")).unwrap();
    for folder in ["", "bin", ".git", "empty"] {
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::symlink("bin/start", root.join("run")).unwrap();
}

fn packed(source: &Path) -> (Packed, Vec<u8>) {
    let mut out = Vec::new();
    let packed = Bundle::open(source).unwrap().pack(&mut out).unwrap();
    assert_eq!(
        (Digest::of(&out), out.len() as u64),
        (packed.digest.clone(), packed.size)
    );
    (packed, out)
}

#[test]
fn the_same_tree_gives_the_same_digest_from_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    tree(&root);
    let (expect, bytes) = packed(&root);
    assert_eq!(expect.files, 4);
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .output();
        status.is_ok_and(|output| output.status.success())
    };
    assert!(
        run("tar", &["-cf", "1.zip", "-C", "app", "."]),
        "tar is needed"
    );
    assert!(run("tar", &["-czf", "2", "app"]), "tar is needed");
    fs::write(folder.path().join("3.tgz"), &bytes).unwrap();
    let mut names = vec!["1.zip", "2", "3.tgz"];
    if run("zip", &["-qry", "4.tar", "app"]) {
        names.push("4.tar");
    }
    for name in names {
        assert_eq!(packed(&folder.path().join(name)).0, expect, "{name}");
    }
}

#[test]
fn a_packed_bundle_unpacks_to_what_was_packed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("app");
    tree(&root);
    fs::set_permissions(root.join("bin/start"), fs::Permissions::from_mode(0o6755)).unwrap();
    let (_, bytes) = packed(&root);
    let file = folder.path().join("bundle");
    fs::write(&file, bytes).unwrap();
    let again = Bundle::open(&file).unwrap();
    assert_eq!(again.listing(), Bundle::open(&root).unwrap().listing());
    assert_eq!(
        again.listing().get(b"bin/start"),
        Some(&Member::File {
            mode: 0o755,
            size: 10
        })
    );
    assert_eq!(
        again.listing().get(b"bin/a b\n"),
        Some(&Member::File {
            mode: 0o600,
            size: 0
        })
    );
}

#[test]
fn what_cannot_be_a_bundle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| Bundle::open(path).unwrap_err().to_string();
    assert!(refusal(&folder.path().join("none")).contains("cannot open"));
    let root = folder.path().join("app");
    fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink("../x", root.join("out")).unwrap();
    assert!(refusal(&root).contains("out: the link leads out of the bundle"));
    fs::remove_file(root.join("out")).unwrap();
    nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(refusal(&root).contains("is a FIFO"));
    assert!(refusal(&root.join("pipe")).contains("neither a directory nor a file"));
}

#[test]
fn the_appspec_is_found_once_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let name = |wanted: Option<&str>| {
        let bundle = Bundle::open(folder.path()).unwrap();
        bundle
            .appspec(wanted)
            .map(|found| found.map(|file| file.name))
    };
    assert_eq!(name(None).unwrap(), None);
    fs::write(folder.path().join("appspec.yaml"), "").unwrap();
    assert_eq!(name(None).unwrap().as_deref(), Some("appspec.yaml"));
    fs::write(folder.path().join("appspec.yml"), "").unwrap();
    assert_eq!(name(None).unwrap().as_deref(), Some("appspec.yml"));
    assert!(
        name(Some("deploy.yml"))
            .unwrap_err()
            .to_string()
            .contains("has no deploy.yml")
    );
    assert!(name(Some("../appspec.yml")).is_err());
    fs::write(folder.path().join("deploy.yml"), "").unwrap();
    assert_eq!(
        name(Some("deploy.yml")).unwrap().as_deref(),
        Some("deploy.yml")
    );
}

#[test]
fn what_the_appspec_names_and_the_bundle_lacks_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path());
    let spec = appspec::parse(
        "appspec.yml",
        b"files:\n- {source: /, destination: /srv}\n- {source: conf, destination: /etc}\nhooks:\n  ApplicationStop:\n  \
          - location: run\n  - location: bin\n  - location: bin/stop\n  - location: bin/start now\n",
    )
    .unwrap();
    let missing = Bundle::open(folder.path()).unwrap().missing(&spec);
    assert_eq!(
        missing,
        [
            "files[1].source: conf is not in the bundle",
            "hooks.ApplicationStop[1].location: bin is a directory in the bundle, not a script",
            "hooks.ApplicationStop[2].location: bin/stop is not in the bundle",
            "hooks.ApplicationStop[3].location: bin/start now is not in the bundle; what comes after the script's name goes into arguments",
        ]
    );
}
