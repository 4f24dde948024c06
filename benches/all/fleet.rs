//! Fifty real agents on this machine: a deployment of no-op scripts in waves of thirteen, beside the same scripts run by
//! a shell loop at that pace, and beside the equivalent playbook of ansible-core over local connections.
//!
//! ansible-core comes from the Python registry into a virtual environment under `target/`, once; without Python or the
//! network it is left out by name.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use upshift::api::appspec::EVENTS;
use upshift::api::kinds;

use crate::Row;
use crate::fixture;
use crate::fixture::Server;
use crate::median;
use crate::scale;
use crate::scale::eprint;
use crate::timed;

const HOSTS: usize = 50;
const WAVE: usize = 13;
const ROUNDS: usize = 5;

/// The agents; they end with the measurement.
struct Agents(Vec<Child>);

impl Drop for Agents {
    fn drop(&mut self) {
        for agent in &mut self.0 {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let server = Server::start(&["--no-node"]);
    let _agents = start_agents(&server);
    let folder =
        tempfile::tempdir_in(fixture::data_parent()).expect("a temporary folder can be made");
    let bundle = bundle(folder.path());
    let steps = prepare(&server, &bundle);
    let hooks: Vec<PathBuf> = if steps == 13 {
        EVENTS.iter().map(|hook| bundle.join(hook)).collect()
    } else {
        EVENTS[2..7].iter().map(|hook| bundle.join(hook)).collect()
    };
    let (mut ours, mut loops) = (Vec::new(), Vec::new());
    let mut writes = 0.0;
    for round in 0..ROUNDS {
        let counting = (round == 0).then(|| Counting::start(&server));
        ours.push(deploy(&server, &bundle));
        if let Some(counting) = counting {
            writes = f64::from(u32::try_from(counting.end()).unwrap_or(0)) / wide(HOSTS);
        }
        loops.push(shell_loop(&hooks));
    }
    eprint(&format!("ours {ours:?}\nloops {loops:?}"));
    let (ours, loops) = (median(ours), median(loops));
    let mut rows = vec![
        Row {
            what: "50 agents, no-op steps in waves of 13, median of 5",
            ours: format!("{steps} steps: {:.2} s", ours.as_secs_f64()),
            peer: format!(
                "the same {} scripts in a shell loop, 13 at a time: {:.2} s",
                hooks.len(),
                loops.as_secs_f64()
            ),
            note: format!(
                "{:.1}×, goal ≤ 3×",
                ours.as_secs_f64() / loops.as_secs_f64()
            ),
        },
        Row {
            what: "writes of Operation and Gear a gear, real agents",
            ours: format!("{steps} steps: {writes:.1}"),
            peer: String::new(),
            note: if steps == 13 {
                "goal ≤ 16"
            } else {
                "goal ≤ 8"
            }
            .to_owned(),
        },
    ];
    rows.push(match ansible(folder.path(), &hooks) {
        Ok(theirs) => Row {
            what: "the same against ansible-core, local connections",
            ours: format!("{:.2} s", ours.as_secs_f64()),
            peer: format!("ansible-playbook {:.1} s", theirs.as_secs_f64()),
            note: format!(
                "1/{:.0}, goal ≤ 1/30",
                theirs.as_secs_f64() / ours.as_secs_f64()
            ),
        },
        Err(why) => Row {
            what: "the same against ansible-core, local connections",
            ours: String::new(),
            peer: why,
            note: String::new(),
        },
    });
    rows
}

fn wide(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The changes of Operations and Gears while it lives.
struct Counting {
    runtime: tokio::runtime::Runtime,
    counts: [scale::Counting; 2],
}

impl Counting {
    fn start(server: &Server) -> Counting {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let counts = runtime.block_on(async {
            let admin = server.connect();
            [
                scale::count_changes(&admin, &kinds::OPERATION).await,
                scale::count_changes(&admin, &kinds::GEAR).await,
            ]
        });
        Counting { runtime, counts }
    }

    fn end(self) -> usize {
        std::thread::sleep(Duration::from_secs(1));
        let total = self.counts.into_iter().map(scale::Counting::end).sum();
        self.runtime.shutdown_background();
        total
    }
}

fn start_agents(server: &Server) -> Agents {
    let user = Command::new("id").arg("-un").output();
    let user = user.expect("id tells who we are").stdout;
    let user = String::from_utf8_lossy(&user).trim().to_owned();
    let mut agents = Agents(Vec::new());
    for number in 1..=HOSTS {
        let name = format!("host-{number}");
        let file = server.folder.path().join(format!("{name}.join"));
        let file = file.display().to_string();
        server.client(&["node", "token", "create", &name, "-o", &file]);
        let child = Command::new(fixture::UPSHIFT)
            .args(["node", "--join", &file, "--allow"])
            .arg(format!("default={user}"))
            .args(["--address", &format!("127.77.0.{number}"), "--data-dir"])
            .arg(server.folder.path().join("agents").join(&name))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program can be started");
        agents.0.push(child);
    }
    let started = Instant::now();
    loop {
        let nodes = server.client(&["get", "nodes", "--no-headers"]);
        let ready = nodes
            .lines()
            .filter(|line| line.split_whitespace().nth(1) == Some("Ready"));
        if ready.count() == HOSTS {
            return agents;
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "not all agents become ready:\n{nodes}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn bundle(folder: &Path) -> PathBuf {
    let bundle = folder.join("fleet");
    fs::create_dir_all(&bundle).expect("a folder can be made");
    let mut appspec = "version: 0.0\nos: linux\nhooks:\n".to_owned();
    for hook in EVENTS {
        let script = bundle.join(hook);
        fs::write(&script, "#!/bin/sh\nexit 0\n").expect("a script can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .expect("its mode can be set");
        write!(appspec, "  {hook}:\n    - location: {hook}\n").expect("a String takes everything");
    }
    fs::write(bundle.join("appspec.yml"), appspec).expect("an appspec can be written");
    bundle
}

/// Makes the application and its gears; how many steps each of them has.
fn prepare(server: &Server, bundle: &Path) -> usize {
    let rollout = json!({"concurrency": WAVE, "loadBalancer": {"service": "fleet"}});
    let application = json!({
        "apiVersion": "upshift.dev/v1", "kind": "Application",
        "metadata": {"name": "fleet", "namespace": "default"},
        "spec": {"hosts": {"selector": {}}, "rollout": rollout},
    });
    let file = bundle.with_extension("json");
    fs::write(&file, application.to_string()).expect("a file can be written");
    server.client(&["apply", "-f", &file.display().to_string()]);
    deploy(server, bundle);
    let operations = server.client(&["get", "operations", "-o", "json"]);
    let operations: Value = serde_json::from_str(&operations).expect("-o json prints JSON");
    let steps = operations["items"][0]["spec"]["steps"].as_array();
    steps.map_or(0, Vec::len)
}

/// A whole `deploy`, from its start until it says that all is done.
fn deploy(server: &Server, bundle: &Path) -> Duration {
    let started = Instant::now();
    let bundle = bundle.display().to_string();
    server.client(&["deploy", &bundle, "--name", "fleet", "--progress=quiet"]);
    started.elapsed()
}

/// The same scripts for as many hosts, at the same pace.
fn shell_loop(hooks: &[PathBuf]) -> Duration {
    let hooks: Vec<String> = hooks
        .iter()
        .map(|hook| hook.display().to_string())
        .collect();
    let script = format!(
        "seq {HOSTS} | xargs -P {WAVE} -I{{}} sh -c 'for hook in {}; do $hook; done'",
        hooks.join(" ")
    );
    timed(Command::new("sh").args(["-c", &script]))
}

/// How long the equivalent playbook takes; why not, when it cannot be had.
fn ansible(folder: &Path, hooks: &[PathBuf]) -> Result<Duration, String> {
    let programs = install_ansible()?;
    let python = programs.join("python");
    let mut inventory = String::new();
    for number in 1..=HOSTS {
        writeln!(
            inventory,
            "host-{number} ansible_connection=local ansible_python_interpreter={}",
            python.display()
        )
        .expect("a String takes everything");
    }
    let mut playbook = format!("- hosts: all\n  gather_facts: false\n  serial: {WAVE}\n  tasks:\n");
    for hook in hooks {
        writeln!(playbook, "    - command: {}", hook.display()).expect("a String takes everything");
    }
    let (hosts, play) = (folder.join("hosts.ini"), folder.join("play.yml"));
    fs::write(&hosts, inventory).expect("a file can be written");
    fs::write(&play, playbook).expect("a file can be written");
    Ok(timed(
        Command::new(programs.join("ansible-playbook"))
            .args(["-f", &WAVE.to_string(), "-i"])
            .arg(&hosts)
            .arg(&play)
            .env("HOME", folder)
            .env("ANSIBLE_LOCALHOST_WARNING", "false"),
    ))
}

/// The folder of ansible's programs, installed when they are not there.
fn install_ansible() -> Result<PathBuf, String> {
    let place = fixture::data_parent().join("ansible-venv");
    let programs = place.join("bin");
    if programs.join("ansible-playbook").exists() {
        return Ok(programs);
    }
    let python = fixture::program("python3").ok_or("python3 is not installed")?;
    let done = |command: &mut Command| {
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !done(Command::new(python).args(["-m", "venv"]).arg(&place)) {
        return Err("python3 cannot make a virtual environment".to_owned());
    }
    if done(Command::new(programs.join("pip")).args(["install", "-q", "ansible-core"])) {
        Ok(programs)
    } else {
        Err("ansible-core cannot be had from the Python registry".to_owned())
    }
}
