//! Layers that are the same whenever and wherever they are made, and hostile ones that stay where they belong.

use super::*;

fn layer(members: impl Fn(&mut LayerWriter<Vec<u8>>) -> io::Result<()>) -> (Vec<u8>, Layer) {
    let mut writer = LayerWriter::new(Vec::new());
    members(&mut writer).unwrap();
    writer.finish().unwrap()
}

/// A tar whose names are taken as they are.
fn raw(members: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, text) in members {
        let is_file = *kind == tar::EntryType::Regular;
        let mut header = header(*kind, 0o644, if is_file { text.len() as u64 } else { 0 });
        let bytes = header.as_old_mut();
        bytes.name[..name.len()].copy_from_slice(name.as_bytes());
        if !is_file {
            bytes.linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_cksum();
        let content = if is_file { text.as_bytes() } else { b"" };
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn unpack(layer: &[u8], into: &Path) -> io::Result<()> {
    unpack_layer(layer, into, Limits::default())
}

#[test]
fn the_same_tree_makes_the_same_layer() {
    let made = ["one", "two"].map(|_| {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::create_dir_all(root.join("opt/app-root/src")).unwrap();
        fs::write(root.join("opt/app-root/src/b"), "b").unwrap();
        fs::write(root.join("opt/app-root/src/a"), "a").unwrap();
        std::os::unix::fs::symlink(root.join("opt/app-root/src/a"), root.join("opt/app-root/l"))
            .unwrap();
        fs::write(root.join("outside"), "o").unwrap();
        layer(|writer| writer.tree(root, Path::new("opt/app-root")))
    });
    assert_eq!(made[0], made[1]);
    let (bytes, written) = &made[0];
    assert_eq!(written.digest, Digest::of(bytes));
    let place = tempfile::tempdir().unwrap();
    unpack(bytes, place.path()).unwrap();
    let root = place.path().join("opt/app-root");
    assert_eq!(fs::read_to_string(root.join("src/b")).unwrap(), "b");
    // The link works where it is now, not where it was.
    assert_eq!(fs::read_to_string(root.join("l")).unwrap(), "a");
    assert!(!place.path().join("outside").exists());
}

#[test]
fn whiteouts_hide_what_lower_layers_have() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let file = tar::EntryType::Regular;
    let lower = [
        ("d/old", file, "1"),
        ("d/kept", file, "2"),
        ("e/x/y", file, "3"),
    ];
    unpack(&raw(&lower), root).unwrap();
    let upper = [
        ("d/.wh.old", file, ""),
        ("e/new", file, "4"),
        ("e/.wh..wh..opq", file, ""),
    ];
    unpack(&raw(&upper), root).unwrap();
    let there = ["d/old", "d/kept", "e/x", "e/new"].map(|name| root.join(name).exists());
    assert_eq!(there, [false, true, false, true]);
}

#[test]
fn nothing_leaves_the_folder() {
    let place = tempfile::tempdir().unwrap();
    let outside = place.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "safe").unwrap();
    let (file, link, hard) = (
        tar::EntryType::Regular,
        tar::EntryType::Symlink,
        tar::EntryType::Link,
    );
    for (number, hostile) in [
        vec![("../outside/new", file, "x")],
        vec![("l", link, "../outside"), ("l/file", file, "x")],
        vec![("l", link, "../outside"), ("h", hard, "l/file")],
        vec![("h", hard, "../outside/file")],
        vec![("d/.wh...", file, "")],
        vec![("l", link, "../outside"), ("l/.wh.file", file, "")],
        vec![("c", tar::EntryType::Char, "")],
    ]
    .into_iter()
    .enumerate()
    {
        let into = place.path().join(format!("into-{number}"));
        fs::create_dir(&into).unwrap();
        assert!(unpack(&raw(&hostile), &into).is_err(), "{hostile:?}");
    }
    // A member in place of a link replaces the link and leaves alone what it leads to.
    let into = place.path().join("into");
    fs::create_dir(&into).unwrap();
    let replaced = [("l", link, "../outside/file"), ("l", file, "mine")];
    unpack(&raw(&replaced), &into).unwrap();
    assert_eq!(fs::read_to_string(into.join("l")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "safe");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_layout_is_read_as_it_was_written() {
    let (bytes, written) = layer(|writer| writer.file(Path::new("x"), 0o644, 1, &b"x"[..]));
    let settings = Settings {
        env: vec!["A=1".to_owned()],
        ..Settings::default()
    };
    let image = Image::new(settings, (written, bytes), "1970-01-01T00:00:00Z", "test");
    let place = tempfile::tempdir().unwrap();
    let layout = Layout::at(place.path().join("oci"));
    assert!(layout.manifest_digest().is_err());
    layout.make().unwrap();
    for blob in &image.blobs {
        layout.put(blob).unwrap();
    }
    let digest = layout.set_manifest(MANIFEST, &image.manifest).unwrap();
    assert_eq!(digest, image.digest);
    let manifest = layout.manifest().unwrap();
    assert_eq!(
        layout.configuration(&manifest).unwrap(),
        image.configuration
    );
    let into = place.path().join("rootfs");
    layout.unpack(&manifest, &into, Limits::default()).unwrap();
    assert_eq!(fs::read(into.join("x")).unwrap(), b"x");
}

#[test]
fn reads_what_docker_writes() {
    let text = r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":["x"],
        "Entrypoint":null,"ExposedPorts":{"80/tcp":{},"53/udp":{}},"Labels":null,"WorkingDir":"/w"},
        "rootfs":{"type":"layers","diff_ids":[]}}"#;
    let mut configuration: Configuration = parse(text.as_bytes()).unwrap();
    assert_eq!(configuration.config.ports(), [80]);
    configuration.config.set_variable("A", "1");
    configuration.config.set_variable("A", "2");
    assert_eq!(configuration.config.env, ["A=2"]);
}
