//! From a git repository to the first answer, against the bare time of cloning, assembling and starting by hand.

use std::fs;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use crate::Row;
use crate::fixture;
use crate::fixture::Server;
use crate::median;
use crate::milliseconds;

const ROUNDS: usize = 5;
const SAMPLE: &str = "tests/apps/python-hello";

pub(crate) fn rows() -> Vec<Row> {
    let what = "`new-app python~file://REPO --wait`: git to first answer, median of 5";
    if fixture::program("git").is_none() || fixture::program("python3").is_none() {
        return vec![Row {
            what,
            ours: String::new(),
            peer: "git or python3 is not installed".to_owned(),
            note: String::new(),
        }];
    }
    let folder =
        tempfile::tempdir_in(fixture::data_parent()).expect("a temporary folder can be made");
    let repository = folder.path().join("repo");
    make_repository(&repository);
    let server = Server::start(&[]);
    let without = server.memory();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(by_upshift(&server, &repository, round));
        theirs.push(by_hand(
            &repository,
            &folder.path().join(format!("hand-{round}")),
        ));
    }
    let with = server.memory();
    for round in 0..ROUNDS {
        server.client(&["delete", "all", "-l", &format!("app=hello-{round}")]);
    }
    // They would outlive the server.
    let deleted = Instant::now();
    while !server.client(&["get", "pods", "-o", "name"]).is_empty() {
        assert!(deleted.elapsed() < Duration::from_secs(60), "pods stay");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    vec![
        Row {
            what,
            ours: milliseconds(ours),
            peer: format!("git clone + assemble + start {}", milliseconds(theirs)),
            note: format!(
                "{} more, goal ≤ 1 s",
                milliseconds(ours.saturating_sub(theirs))
            ),
        },
        Row {
            what: "memory of the whole server, router and node included, before and after five applications",
            ours: format!("{without:.1} MiB, {with:.1} MiB"),
            peer: String::new(),
            note: "goal ≤ 80 MB".to_owned(),
        },
    ]
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"])
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "git {arguments:?}"
    );
}

fn make_repository(repository: &Path) {
    fs::create_dir_all(repository).expect("a folder can be made");
    for entry in fs::read_dir(SAMPLE).expect("the sample is there").flatten() {
        fs::copy(entry.path(), repository.join(entry.file_name())).expect("a file can be copied");
    }
    git(repository, &["init", "-q", "-b", "main"]);
    git(repository, &["add", "-A"]);
    git(repository, &["commit", "-q", "-m", "the sample"]);
}

fn by_upshift(server: &Server, repository: &Path, round: usize) -> Duration {
    let source = format!("python~file://{}", repository.display());
    let name = format!("hello-{round}");
    let started = Instant::now();
    server.client(&[
        "new-app",
        &source,
        "--name",
        &name,
        "--wait",
        "--progress=quiet",
    ]);
    started.elapsed()
}

/// What the built-in builder does for this sample, typed by a person: clone, copy, start, ask until it answers.
fn by_hand(repository: &Path, place: &Path) -> Duration {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|socket| socket.local_addr())
        .expect("a free port can be found")
        .port();
    fs::create_dir_all(place).expect("a folder can be made");
    let started = Instant::now();
    let url = format!("file://{}", repository.display());
    git(place, &["clone", "-q", "--depth", "1", &url, "source"]);
    let copied = Command::new("cp")
        .args(["-a", "source", "app"])
        .current_dir(place)
        .status();
    assert!(copied.is_ok_and(|status| status.success()), "cp failed");
    let mut app = Command::new("python3")
        .arg("app.py")
        .current_dir(place.join("app"))
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 can be started");
    while !answers(port) {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the sample does not answer"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = started.elapsed();
    let _ = app.kill();
    let _ = app.wait();
    took
}

fn answers(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = String::new();
    let asked = write!(
        socket,
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    asked.is_ok() && socket.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}
