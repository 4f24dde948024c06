//! Speed and memory, measured on this machine in one run and printed as the README's table.
//!
//! `cargo bench` runs it. Peers run side by side with ours, in turn, so that a machine that slows down slows both.
//! Nothing here asserts: a number that got worse is for a person to judge.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

#[path = "all/deployment.rs"]
mod deployment;
#[path = "all/fixture.rs"]
mod fixture;
#[path = "all/fleet.rs"]
mod fleet;
#[path = "all/new_app.rs"]
mod new_app;
#[path = "all/router.rs"]
mod router;
#[path = "all/scale.rs"]
mod scale;
#[path = "all/server.rs"]
mod server;

use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

/// One line of the table.
struct Row {
    what: &'static str,
    ours: String,
    peer: String,
    note: String,
}

/// Measures one group of rows.
type Measure = fn() -> Vec<Row>;

fn main() {
    // `cargo test --benches` starts this too; only `cargo bench` passes --bench.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let groups: [(&str, Measure); 7] = [
        ("client", || vec![client_start()]),
        // Before what removes thousands of files: some file systems are slow to make others for minutes after that.
        ("fleet", fleet::rows),
        ("scale", scale::rows),
        ("server", server::rows),
        ("new_app", new_app::rows),
        ("router", router::rows),
        ("deployment", deployment::rows),
    ];
    // `cargo bench -- router` measures only that.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let mut rows = Vec::new();
    for (name, measure) in groups {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            rows.extend(measure());
        }
    }
    println!("| what | Upshift | beside it | |");
    println!("|---|---|---|---|");
    for Row {
        what,
        ours,
        peer,
        note,
    } in rows
    {
        println!("| {what} | {ours} | {peer} | {note} |");
    }
}

/// `version --client` against kubectl's.
fn client_start() -> Row {
    let ours = || timed(Command::new(fixture::UPSHIFT).args(["version", "--client"]));
    let kubectl = fixture::program("kubectl");
    let theirs = || {
        kubectl
            .as_ref()
            .map(|program| timed(Command::new(program).args(["version", "--client"])))
    };
    let (mut own, mut other) = (Vec::new(), Vec::new());
    ours();
    theirs();
    for _ in 0..20 {
        own.push(ours());
        other.extend(theirs());
    }
    let own = median(own);
    let (peer, note) = if other.is_empty() {
        ("kubectl is not installed".to_owned(), String::new())
    } else {
        let other = median(other);
        (
            format!("kubectl {}", milliseconds(other)),
            format!("1/{:.0}", other.as_secs_f64() / own.as_secs_f64()),
        )
    };
    Row {
        what: "client start: `version --client`, median of 20",
        ours: milliseconds(own),
        peer,
        note,
    }
}

/// How long a command runs, its output thrown away.
fn timed(command: &mut Command) -> Duration {
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let time = started.elapsed();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{command:?} failed"
    );
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
