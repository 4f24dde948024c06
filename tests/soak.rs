//! Something is killed every second while rollouts go on, and every end is told truly.
//!
//! Killed are agents, the server, processes of hooks, and HAProxy. After each command its exit code and its summary are
//! compared with the objects, and the objects with what the hosts really serve. `UPSHIFT_SOAK=SECONDS` says how long
//! (ten minutes), `UPSHIFT_SEED=N` repeats the draws.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use crate::crash::scatter;
use crate::crash::seed;
use crate::fleet::Visitor;
use crate::stand::By;
use crate::stand::COLORS;
use crate::stand::ROLLING;
use crate::stand::Stand;

type Which = (&'static str, u16, &'static str);

/// How many there were of each.
type Counts = BTreeMap<String, usize>;

struct Soak {
    stand: Stand,
    seed: u64,
    draws: u64,
    /// What is down, and until when.
    down: BTreeMap<String, Instant>,
    killed: Counts,
    ended: Counts,
    versions: usize,
    /// Which version each revision holds.
    revisions: BTreeMap<String, String>,
}

impl Soak {
    fn draw(&mut self, below: u64) -> u64 {
        self.draws += 1;
        scatter(self.seed.wrapping_add(self.draws)) % below
    }

    fn kill_something(&mut self) {
        let what = match self.draw(4) {
            0 => "server".to_owned(),
            1 => "haproxy".to_owned(),
            2 => "hook".to_owned(),
            _ => {
                let hosts = u64::try_from(self.stand.fleet.hosts.len()).unwrap_or(1);
                format!("web-{}", 1 + self.draw(hosts))
            }
        };
        let is_down = self.down.contains_key(&what);
        let what_kind = if what.starts_with("web-") {
            "agent"
        } else {
            &what
        };
        if is_down || (what == "hook" && !self.kill_a_hook()) {
            return;
        }
        *self.killed.entry(what_kind.to_owned()).or_default() += 1;
        match what.as_str() {
            "server" => self.stand.fleet.kill_server(),
            "haproxy" => self.stand.balancer.as_mut().expect("it is there").kill(),
            "hook" => return,
            agent => self.stand.fleet.kill(agent),
        }
        let pause = Duration::from_millis(self.draw(1500));
        self.down.insert(what, Instant::now() + pause);
    }

    /// Ends a script of ours that runs now, if any does; a shim above it does not name it.
    fn kill_a_hook(&mut self) -> bool {
        let all = self.stand.fleet.site.processes();
        let scripts: Vec<&String> = all.iter().filter(|line| line.contains("/hooks/")).collect();
        if scripts.is_empty() {
            return false;
        }
        let chosen = self.draw(u64::try_from(scripts.len()).unwrap_or(1));
        let chosen = scripts[usize::try_from(chosen).unwrap_or(0)];
        let pid = chosen.split(' ').next().unwrap_or_default();
        let kill = Command::new("kill")
            .args(["-9", pid])
            .stderr(Stdio::null())
            .status();
        kill.is_ok_and(|status| status.success())
    }

    /// Starts what has been down long enough; everything, when asked to.
    fn revive(&mut self, everything: bool) {
        let now = Instant::now();
        let due: Vec<String> = self
            .down
            .iter()
            .filter(|(_, until)| everything || **until <= now)
            .map(|(what, _)| what.clone())
            .collect();
        for what in due {
            self.down.remove(&what);
            match what.as_str() {
                "server" => self.stand.fleet.start_server(),
                "haproxy" => self.stand.balancer.as_mut().expect("it is there").again(),
                agent => self.stand.fleet.start(agent),
            }
        }
    }

    /// The number of the newest rollout; how many are kept says nothing.
    fn newest(&self, which: Which) -> u64 {
        let all = self.stand.fleet.site.objects("rollouts");
        let own = all
            .iter()
            .filter(|one| one["spec"]["application"] == which.0);
        own.filter_map(|one| {
            let name = one["metadata"]["name"].as_str()?;
            name.rsplit_once('-')?.1.parse().ok()
        })
        .max()
        .unwrap_or(0)
    }

    /// Runs a command while things die; its end and what it said.
    fn run(&mut self, arguments: &[&str]) -> (ExitStatus, String) {
        let said = self.stand.fleet.site.path("said");
        let file = fs::File::create(&said).expect("a file can be made");
        let mut command = self.stand.fleet.site.distant_client(arguments);
        command.stdout(Stdio::null()).stderr(file);
        let mut child = command.spawn().expect("the program starts");
        let (started, mut next) = (Instant::now(), Instant::now() + Duration::from_millis(300));
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return (status, fs::read_to_string(&said).unwrap_or_default());
            }
            if started.elapsed() > Duration::from_secs(240) {
                let _ = child.kill();
                let told = fs::read_to_string(&said).unwrap_or_default();
                panic!(
                    "{arguments:?} does not end: {told}\n{}",
                    self.stand.fleet.site.log()
                );
            }
            if Instant::now() >= next {
                next += Duration::from_secs(1);
                self.kill_something();
            }
            self.revive(false);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One rollout of some kind, and whether everything about its end is true.
    fn round(&mut self) {
        let which = if self.draw(2) == 0 { ROLLING } else { COLORS };
        let before = self.newest(which);
        let (kind, on_failure) = (self.draw(4), self.draw(2));
        let version = format!("v{}", self.versions + 1);
        let mut arguments = vec![
            "rollback".to_owned(),
            which.0.to_owned(),
            "--progress=plain".to_owned(),
        ];
        if kind > 0 || before < 2 {
            self.versions += 1;
            self.stand.fleet.bundle(&version);
            // So that there is something to kill.
            self.stand.fleet.hook("AfterInstall", "sleep 0.4");
            if kind == 1 {
                self.stand.fleet.hook("ValidateService", "exit 9");
            }
            arguments = self.stand.deployment(which);
            if on_failure == 1 {
                arguments.extend(["--on-failure", "Rollback"].map(str::to_owned));
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, said) = self.run(&arguments);
        self.revive(true);
        let code = status.code();
        let after = self.newest(which);
        let context = format!(
            "UPSHIFT_SEED={}, {arguments:?} ended with {code:?}\n{said}",
            self.seed
        );
        if after == before {
            // Nothing came of it: the server was away, or there is nothing to go back to.
            assert!(matches!(code, Some(3 | 7 | 8)), "{context}");
            *self
                .ended
                .entry(format!("no rollout ({})", code.unwrap_or(-1)))
                .or_default() += 1;
            return;
        }
        assert_eq!(after, before + 1, "{context}");
        let name = format!("{}-{}", which.0, before + 1);
        let rollout = self.ended(&name, &context);
        if rollout["spec"]["action"] == "Deploy" {
            let revision = rollout["spec"]["revision"].as_str().unwrap_or_default();
            self.revisions.insert(revision.to_owned(), version);
        }
        let phase = rollout["status"]["phase"].as_str().unwrap_or_default();
        self.check_told(&rollout, code, &said, &context);
        self.check_served(which, &rollout, &context);
        let told = format!("{phase} ({})", code.unwrap_or(-1));
        *self.ended.entry(told).or_default() += 1;
    }

    /// The rollout when it is over; nothing is killed meanwhile.
    fn ended(&self, name: &str, context: &str) -> Value {
        let started = Instant::now();
        loop {
            let rollout = self.stand.object("rollouts", name);
            let phase = rollout["status"]["phase"].as_str().unwrap_or_default();
            if !matches!(phase, "" | "Pending" | "Running") {
                return rollout;
            }
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "{name} is not over: {rollout}\n{context}\n{}",
                self.stand.fleet.site.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Exit code and last words are those of the object.
    fn check_told(&self, rollout: &Value, code: Option<i32>, said: &str, context: &str) {
        let phase = rollout["status"]["phase"].as_str().unwrap_or_default();
        // Who lost the server for too long says so, and nothing about the rollout.
        if code == Some(7) {
            return;
        }
        let reason = rollout["status"]["reason"].as_str().unwrap_or_default();
        let (expected, words) = match phase {
            "Succeeded" if rollout["spec"]["action"] == "Rollback" => {
                let is_colored = rollout["spec"]["application"] == COLORS.0;
                (
                    0,
                    if is_colored {
                        " again, after "
                    } else {
                        "rolled back to"
                    },
                )
            }
            "Succeeded" => (0, "is deployed on"),
            "PartlyFailed" => (6, "partly failed"),
            "RolledBack" => (5, "failed and rolled back"),
            _ if reason == "NotOnIdleColor" || reason == "NothingToRollBackTo" => (3, ""),
            "Failed" => (1, "failed after"),
            _ => (-1, ""),
        };
        assert_eq!(code, Some(expected), "{rollout}\n{context}");
        assert!(said.contains(words), "{rollout}\n{context}");
        let started = |operation: &Value| operation["status"]["phase"] == "Running";
        let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
        let operations = self.stand.fleet.operations(name);
        let running: Vec<_> = operations.values().filter(|one| started(one)).collect();
        assert!(running.is_empty(), "{running:?}\n{context}");
    }

    /// Hosts answer what their gears say, and visitors are answered what the rollout says.
    fn check_served(&self, which: Which, rollout: &Value, context: &str) {
        let phase = rollout["status"]["phase"].as_str().unwrap_or_default();
        let revision = rollout["spec"]["revision"].as_str().unwrap_or_default();
        let started = Instant::now();
        loop {
            let wrong = self.wrong(which, phase, revision);
            if wrong.is_empty() {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "after {phase}: {wrong:?}\n{rollout}\n{context}\n{}",
                self.stand.fleet.site.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn wrong(&self, which: Which, phase: &str, revision: &str) -> Vec<String> {
        let site = &self.stand.fleet.site;
        let application = self.stand.object("applications", which.0);
        let active = application["status"]["activeColor"].as_str().unwrap_or("");
        let operations = site.objects("operations");
        let mut wrong = Vec::new();
        for gear in site.objects("gears") {
            if gear["spec"]["application"] != which.0 {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (name, node) = (text(&gear["metadata"]["name"]), text(&gear["spec"]["node"]));
            let (holds, last) = (
                text(&gear["status"]["revision"]),
                text(&gear["status"]["operation"]),
            );
            let operation = operations
                .iter()
                .find(|one| one["metadata"]["name"] == last.as_str());
            let done = operation.is_some_and(|one| one["status"]["phase"] == "Succeeded");
            let serves = gear["spec"]["color"].as_str().unwrap_or("") == active;
            if phase == "Succeeded" && serves && holds != revision {
                wrong.push(format!("{name} holds {holds} instead of {revision}"));
            }
            if phase == "Succeeded" && serves && gear["spec"]["rotation"] != "In" {
                wrong.push(format!("{name} is not in rotation"));
            }
            let version = self.revisions.get(&holds).cloned().unwrap_or_default();
            let answer = self.stand.fleet.answer_at(&node, which.1);
            // After a first deployment that went back there is nothing to answer.
            let expected = (!holds.is_empty()).then(|| format!("{version} {node}"));
            if done && answer != expected {
                wrong.push(format!("{name} holds {version} and answers {answer:?}"));
            }
        }
        if phase == "Succeeded" {
            let version = self.revisions.get(revision).cloned().unwrap_or_default();
            for _ in 0..4 {
                let answer = Visitor::new(self.stand.front(), which.2).ask(false);
                if !matches!(&answer, Ok((200, body)) if body.starts_with(&format!("{version} "))) {
                    wrong.push(format!(
                        "a visitor is answered {answer:?} instead of {version}"
                    ));
                }
            }
        }
        wrong
    }
}

#[test]
#[ignore = "ten minutes, or UPSHIFT_SOAK=SECONDS"]
fn whatever_is_killed_every_end_is_told_truly() {
    let length = std::env::var("UPSHIFT_SOAK").ok();
    let length = length.and_then(|text| text.parse().ok()).unwrap_or(600);
    let Some(stand) = Stand::new(By::HaProxy, 4) else {
        return;
    };
    for which in [ROLLING, COLORS] {
        stand.publish(which, &json!({"concurrency": "50%", "maxFailures": 1}));
    }
    let mut soak = Soak {
        stand,
        seed: seed(),
        draws: 0,
        down: BTreeMap::new(),
        killed: Counts::new(),
        ended: Counts::new(),
        versions: 0,
        revisions: BTreeMap::new(),
    };
    println!("UPSHIFT_SEED={}", soak.seed);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(length) {
        soak.round();
    }
    println!(
        "{:?}: killed {:?}; rollouts and exit codes {:?}",
        started.elapsed(),
        soak.killed,
        soak.ended
    );
}
