//! Archives that mean well and archives that do not.

use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tar::EntryType;

use super::*;

/// Builds a tar whose headers may say anything.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(
        mut self,
        kind: EntryType,
        name: &[u8],
        target: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Tar {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
        header.as_gnu_mut().unwrap().linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Tar {
        self.entry(
            EntryType::Regular,
            name.as_bytes(),
            b"",
            0o644,
            content.as_bytes(),
        )
    }

    fn link(self, name: &str, target: &str) -> Tar {
        self.entry(
            EntryType::Symlink,
            name.as_bytes(),
            target.as_bytes(),
            0o777,
            b"",
        )
    }

    fn hard(self, name: &str, target: &str) -> Tar {
        self.entry(
            EntryType::Link,
            name.as_bytes(),
            target.as_bytes(),
            0o644,
            b"",
        )
    }

    fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn try_unpack(archive: &[u8], limits: Limits) -> (tempfile::TempDir, Result<Unpacked, Error>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    fs::write(&path, archive).unwrap();
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let outcome = unpack(&path, &into, limits);
    (folder, outcome)
}

#[track_caller]
fn good(archive: &[u8]) -> (tempfile::TempDir, Unpacked) {
    let (folder, outcome) = try_unpack(archive, Limits::default());
    (folder, outcome.unwrap())
}

/// Refused, for a reason with these words, and nothing was written.
#[track_caller]
fn refused(archive: &[u8], words: &str) {
    let (folder, outcome) = try_unpack(archive, Limits::default());
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("into")).unwrap().count(), 0);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(members: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in members {
        let options = zip::write::SimpleFileOptions::default();
        if mode & 0o170_000 == 0o120_000 {
            let target = std::str::from_utf8(content).unwrap();
            writer.add_symlink(*name, target, options).unwrap();
        } else {
            writer
                .start_file(*name, options.unix_permissions(*mode))
                .unwrap();
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn sample() -> Vec<u8> {
    Tar::default()
        .entry(EntryType::Directory, b"./", b"", 0o755, b"")
        .entry(
            EntryType::Regular,
            b"./bin/run",
            b"",
            0o4755,
            b"#!/bin/sh\n",
        )
        .file("a b\né", "x")
        .link("current", "bin/../bin")
        .hard("bin/again", "./bin/run")
        .bytes()
}

#[test]
fn every_format_is_recognised_by_its_content() {
    let tar = sample();
    let zst = zstd::encode_all(tar.as_slice(), 1).unwrap();
    for archive in [tar.clone(), gzip(&tar), zst] {
        let (folder, unpacked) = good(&archive);
        let root = folder.path().join("into");
        let mode = fs::metadata(root.join("bin/run"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755, "setuid is dropped");
        assert_eq!(
            fs::read(root.join("current/again")).unwrap(),
            b"#!/bin/sh\n"
        );
        assert_eq!(
            fs::read_link(root.join("current")).unwrap(),
            Path::new("bin/../bin")
        );
        assert_eq!(unpacked.listing.files(), 3);
        assert_eq!(
            unpacked.digests[&b"bin/again"[..]],
            Digest::of(b"#!/bin/sh\n")
        );
    }
    let zip = zip_of(&[
        ("bin/run", 0o104_755, b"x"),
        ("dark", 0o100_000, b"y"),
        ("link", 0o120_777, b"bin/run"),
    ]);
    let (folder, _) = good(&zip);
    let mode = |name: &str| {
        fs::metadata(folder.path().join("into").join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(
        (mode("bin/run"), mode("dark"), mode("link")),
        (0o755, 0o644, 0o755)
    );
    refused(
        b"#!/bin/sh\necho no archive\n",
        "is neither a directory nor a tar",
    );
    refused(b"", "is neither a directory nor a tar");
}

#[test]
fn names_that_are_not_utf_8_stay_what_they_are() {
    let tar = Tar::default()
        .entry(EntryType::Regular, b"n\xff\xfe", b"", 0o644, b"x")
        .bytes();
    let (_folder, unpacked) = good(&tar);
    assert!(unpacked.listing.get(b"n\xff\xfe").is_some());
}

#[test]
fn names_that_leave_the_root_are_refused() {
    for name in ["../x", "a/../../x", "/etc/x", "a/.."] {
        refused(
            &Tar::default().file("ok", "").file(name, "").bytes(),
            "the name",
        );
        refused(
            &zip_of(&[("ok", 0o100_644, b""), (name, 0o100_644, b"x")]),
            "the name",
        );
    }
}

#[test]
fn links_that_leave_the_root_are_refused() {
    for target in ["/etc", "../..", "d/../../x"] {
        refused(
            &Tar::default()
                .file("ok", "")
                .link("d/l", target)
                .link("l", "../x")
                .bytes(),
            "leads out",
        );
        refused(
            &zip_of(&[("ok", 0o100_644, b""), ("l", 0o120_777, b"../x")]),
            "leads out",
        );
    }
    refused(
        &Tar::default().link("l", ".").file("l/x", "").bytes(),
        "below a file or a link",
    );
    refused(&Tar::default().link("l", "").bytes(), "leads nowhere");
}

#[test]
fn hard_links_are_to_files_of_the_archive() {
    for target in ["/etc/passwd", "../x", "none"] {
        let archive = Tar::default().file("ok", "").hard("h", target).bytes();
        let (folder, outcome) = try_unpack(&archive, Limits::default());
        assert!(outcome.is_err());
        assert_eq!(fs::read_dir(folder.path().join("into")).unwrap().count(), 0);
    }
    refused(
        &Tar::default().link("l", "x").hard("h", "l").bytes(),
        "hard link",
    );
    refused(
        &Tar::default()
            .file("f", "")
            .hard("h", "f")
            .link("f", "g")
            .bytes(),
        "hard link to no file",
    );
    let chain = Tar::default()
        .file("a", "x")
        .hard("b", "a")
        .hard("c", "b")
        .hard("a", "a")
        .bytes();
    assert_eq!(
        fs::read(good(&chain).0.path().join("into/c")).unwrap(),
        b"x"
    );
}

#[test]
fn what_is_neither_file_nor_folder_nor_link_is_refused() {
    for (kind, words) in [
        (EntryType::Fifo, "FIFO"),
        (EntryType::Char, "device"),
        (EntryType::Block, "device"),
    ] {
        let archive = Tar::default()
            .file("ok", "")
            .entry(kind, b"p", b"", 0o644, b"")
            .bytes();
        refused(&archive, words);
    }
    let mut zip = zip_of(&[("p", 0o100_644, b"")]);
    let central = zip
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    zip[central + 38..central + 42].copy_from_slice(&(0o10_644_u32 << 16).to_le_bytes());
    refused(&zip, "FIFO");
}

#[test]
fn the_last_of_two_members_with_one_name_counts() {
    let archive = Tar::default()
        .file("a", "old")
        .link("b", "a")
        .file("a", "new")
        .file("b", "file")
        .bytes();
    let (folder, _) = good(&archive);
    assert_eq!(fs::read(folder.path().join("into/a")).unwrap(), b"new");
    assert!(
        fs::symlink_metadata(folder.path().join("into/b"))
            .unwrap()
            .is_file()
    );
    refused(
        &Tar::default()
            .file("a", "")
            .entry(EntryType::Directory, b"a/", b"", 0o755, b"")
            .bytes(),
        "a folder and something else",
    );
}

#[test]
fn size_and_number_are_limited() {
    let archive = Tar::default()
        .file("a", "0123456789")
        .file("b", "0123456789")
        .bytes();
    let with = |bytes, entries| try_unpack(&archive, Limits { bytes, entries }).1;
    assert!(with(20, 2).is_ok());
    assert!(
        with(19, 2)
            .unwrap_err()
            .to_string()
            .contains("more than 19 B")
    );
    assert!(
        with(20, 1)
            .unwrap_err()
            .to_string()
            .contains("more than 1 members")
    );
    let bomb = gzip(&vec![0; 2 << 20]);
    let (_, outcome) = try_unpack(
        &bomb,
        Limits {
            bytes: 1 << 16,
            entries: 4,
        },
    );
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .contains("cannot read the archive")
    );
}

#[test]
fn a_damaged_archive_is_an_error_and_not_half_a_tree() {
    let whole = gzip(&sample());
    for cut in [20, whole.len() / 2, whole.len() - 9] {
        let (folder, outcome) = try_unpack(&whole[..cut], Limits::default());
        assert!(outcome.is_err(), "cut at {cut}");
        assert_eq!(fs::read_dir(folder.path().join("into")).unwrap().count(), 0);
    }
}

#[test]
fn one_folder_around_everything_is_taken_off() {
    let archive = Tar::default()
        .file("app-1.2/appspec.yml", "os: linux")
        .file("app-1.2/bin/x", "x")
        .hard("app-1.2/bin/y", "app-1.2/bin/x")
        .link("app-1.2/bin/z", "../appspec.yml")
        .bytes();
    let (folder, unpacked) = good(&archive);
    assert_eq!(fs::read(folder.path().join("into/bin/y")).unwrap(), b"x");
    assert_eq!(
        fs::read(folder.path().join("into/bin/z")).unwrap(),
        b"os: linux"
    );
    assert_eq!(unpacked.digests.len(), 3);
}

#[derive(Debug, Clone)]
struct Wild(u8, String, String);

fn wild() -> impl Strategy<Value = Vec<Wild>> {
    let name = "(\\.\\./|/|\\./|a/|b/|l/){0,4}(a|b|l|\\.\\.|c)";
    prop::collection::vec(
        (0..5_u8, name, name).prop_map(|(kind, path, target)| Wild(kind, path, target)),
        1..8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn unpacking_never_leaves_its_root(members in wild()) {
        let outer = tempfile::tempdir().unwrap();
        let base = outer.path().join("x/y");
        fs::create_dir_all(base.join("into")).unwrap();
        fs::write(outer.path().join("x/a"), "mine").unwrap();
        let mut tar = Tar::default();
        for Wild(kind, path, target) in &members {
            tar = match kind {
                0 => tar.link(path, target),
                1 => tar.hard(path, target),
                2 => tar.entry(EntryType::Directory, format!("{path}/").as_bytes(), b"", 0o755, b""),
                _ => tar.file(path, "theirs"),
            };
        }
        fs::write(base.join("archive"), tar.bytes()).unwrap();
        let outcome = unpack(&base.join("archive"), &base.join("into"), Limits::default());
        prop_assert_eq!(fs::read(outer.path().join("x/a")).unwrap(), b"mine");
        prop_assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
        prop_assert_eq!(fs::read_dir(outer.path().join("x")).unwrap().count(), 2);
        prop_assert_eq!(fs::read_dir(&base).unwrap().count(), 2);
        if outcome.is_ok() {
            let root = base.join("into").canonicalize().unwrap();
            let mut folders = vec![root.clone()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if let Ok(real) = path.canonicalize() {
                        prop_assert!(real.starts_with(&root), "{:?} leads to {:?}", path, real);
                    }
                    if fs::symlink_metadata(&path).unwrap().is_dir() {
                        folders.push(path);
                    }
                }
            }
        } else {
            prop_assert_eq!(fs::read_dir(base.join("into")).unwrap().count(), 0);
        }
    }
}
