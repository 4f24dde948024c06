//! Ten thousand files against `tar`, `cp` and `sync`.

use super::*;

/// Run in release: `cargo test --release --lib ten_thousand -- --ignored`; names both times when it fails.
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
        let place = Place::new(
            folder.path().join(format!("gears{round}")),
            Key::new("demo", "shop"),
        );
        install(&place, Some(&wanted)).unwrap();
        ours.push(start.elapsed());
    }
    theirs.sort();
    ours.sort();
    let (theirs, ours) = (theirs[2], ours[2]);
    assert!(
        ours.as_secs_f64() <= 1.5 * theirs.as_secs_f64(),
        "{ours:?} against {theirs:?}"
    );
}
