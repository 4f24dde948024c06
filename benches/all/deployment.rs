//! The seven steps of one gear against the same scripts in a shell, and an install of many files against tar and cp.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Row;
use crate::fixture;
use crate::fixture::Server;
use crate::median;
use crate::milliseconds;
use crate::timed;

const HOOKS: [&str; 5] = [
    "ApplicationStop",
    "BeforeInstall",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
];
const FILES: usize = 10_000;

pub(crate) fn rows() -> Vec<Row> {
    let server = Server::start(&[]);
    vec![hooks(&server), install(&server)]
}

/// Five no-op hooks.
fn hooks(server: &Server) -> Row {
    let bundle =
        tempfile::tempdir_in(fixture::data_parent()).expect("a temporary folder can be made");
    let mut appspec = "version: 0.0\nos: linux\nhooks:\n".to_owned();
    for hook in HOOKS {
        let script = bundle.path().join(hook);
        fs::write(&script, "#!/bin/sh\nexit 0\n").expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .expect("its mode can be set");
        write!(appspec, "  {hook}:\n    - location: {hook}\n").expect("a String takes everything");
    }
    fs::write(bundle.path().join("appspec.yml"), appspec).expect("an appspec can be written");
    let path = bundle.path().display().to_string();
    deploy(server, "hooks", &path);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let scripts = format!("for hook in {}; do {path}/$hook; done", HOOKS.join(" "));
    for number in 2..=11 {
        deploy(server, "hooks", &path);
        ours.push(steps(server, "hooks", number, &[]));
        theirs.push(timed(Command::new("sh").args(["-c", &scripts])));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let more = ours.saturating_sub(theirs) / 5;
    Row {
        what: "7 steps of one gear, 5 no-op hooks, median of 10",
        ours: milliseconds(ours),
        peer: format!("shell loop {}", milliseconds(theirs)),
        note: format!("{} more a hook", milliseconds(more)),
    }
}

/// Many files: cached and installed, against unpacked, copied and synced.
fn install(server: &Server) -> Row {
    let folder =
        tempfile::tempdir_in(fixture::data_parent()).expect("a temporary folder can be made");
    let (bundle, destination) = (
        folder.path().join("bundle"),
        folder.path().join("destination"),
    );
    many_files(&bundle);
    fs::write(
        bundle.join("appspec.yml"),
        format!(
            "version: 0.0\nos: linux\nfiles:\n  - {{source: files, destination: {}}}\n",
            destination.display()
        ),
    )
    .expect("an appspec can be written");
    let archive = folder.path().join("files.tar");
    timed(
        Command::new("tar")
            .arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(&bundle)
            .arg("."),
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 1..=5 {
        // A changed file makes a new revision, so that the bundle is fetched and unpacked anew; the application is
        // deleted between the rounds, so that every install is a first one.
        fs::write(bundle.join("files/changed"), number.to_string()).expect("a file can be written");
        deploy(server, "many", &bundle.display().to_string());
        ours.push(steps(server, "many", 1, &["DownloadBundle", "Install"]));
        server.client(&["delete", "app/many"]);
        let place = folder.path().join("peer");
        let script = format!(
            "mkdir -p {0}/cache && tar -xf {1} -C {0}/cache && cp -a {0}/cache/files {0}/installed && sync -f {0}",
            place.display(),
            archive.display()
        );
        theirs.push(timed(Command::new("sh").args(["-c", &script])));
        fs::remove_dir_all(&place).expect("the peer's files can be removed");
    }
    let (ours, theirs) = (median(ours), median(theirs));
    Row {
        what: "10 000 files cached and installed, median of 5",
        ours: milliseconds(ours),
        peer: format!("`tar -x` + `cp -a` + `sync -f` {}", milliseconds(theirs)),
        note: format!("{:.2}×", ours.as_secs_f64() / theirs.as_secs_f64()),
    }
}

fn many_files(bundle: &Path) {
    for number in 0..FILES {
        let folder = bundle.join(format!("files/{:02}", number % 100));
        fs::create_dir_all(&folder).expect("a folder can be made");
        fs::write(
            folder.join(format!("{number}.txt")),
            format!("file {number}\n").repeat(number % 200),
        )
        .expect("a file can be written");
    }
}

fn deploy(server: &Server, name: &str, path: &str) {
    server.client(&["deploy", path, "--name", name, "--progress=quiet"]);
}

/// What the steps of a rollout's one operation took by the node's own clock; all steps when `names` is empty.
fn steps(server: &Server, application: &str, number: u64, names: &[&str]) -> Duration {
    let selector = format!("upshift.dev/rollout={application}-{number}");
    let text = server.client(&["get", "operations", "-l", &selector, "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&text).expect("-o json prints JSON");
    let steps = list["items"][0]["status"]["steps"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        !steps.is_empty(),
        "rollout {application}-{number} has no operation"
    );
    let counted = steps
        .iter()
        .filter(|step| names.is_empty() || names.iter().any(|name| step["name"] == *name));
    Duration::from_millis(
        counted
            .filter_map(|step| step["milliseconds"].as_u64())
            .sum(),
    )
}
