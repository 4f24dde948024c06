//! `kill -9` at every durable write and every step, then a restart: the same end as undisturbed.
//!
//! A debug build numbers its crash points. One undisturbed run counts them; then each run of the same story dies at one
//! of them. A seeded sample runs always, all of them with `--ignored`. `UPSHIFT_SEED=N` repeats a sample.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says its seed or what it lacks"
)]

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::site::HOOKS;
use crate::site::Process;
use crate::site::Site;

/// Which process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    /// Server and agent in one process.
    Both,
    Server,
    Agent,
}

/// Name and phase of each step.
type Steps = Vec<(String, String)>;

/// What a story leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    installed: BTreeMap<String, String>,
    rollouts: Vec<(String, String)>,
    /// Name, phase, and each step with its phase.
    operations: Vec<(String, String, Steps)>,
    gears: Vec<(String, String, String)>,
}

/// The processes of a story, the one that is to die started with a crash point.
struct Stage {
    site: Site,
    victim: Victim,
    server: Process,
    agent: Option<Process>,
}

impl Stage {
    fn start(victim: Victim, variables: &[(&str, &str)]) -> Stage {
        let site = Site::new();
        let none: &[(&str, &str)] = &[];
        if victim == Victim::Both {
            let server = site.serve(&[], variables);
            return Stage {
                site,
                victim,
                server,
                agent: None,
            };
        }
        let (of_server, of_agent) = if victim == Victim::Server {
            (variables, none)
        } else {
            (none, variables)
        };
        let server = site.serve(&["--no-node"], of_server);
        let mut stage = Stage {
            site,
            victim,
            server,
            agent: None,
        };
        stage.revive();
        let join = stage.site.path("join");
        let join = join.display().to_string();
        stage.persist(&["node", "token", "create", "one", "-o", &join], || {
            fs::metadata(&join).is_ok()
        });
        stage.agent = Some(stage.start_agent(of_agent));
        stage
    }

    fn start_agent(&self, variables: &[(&str, &str)]) -> Process {
        let (join, folder) = (self.site.path("join"), self.site.path("agent"));
        let (join, folder) = (join.display().to_string(), folder.display().to_string());
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())
            .unwrap()
            .unwrap()
            .name;
        let allow = format!("default={user}");
        self.site.start_with_folder(
            &["node", "--join", &join, "--allow", &allow],
            &folder,
            variables,
        )
    }

    /// Starts again, without a crash point, whatever has died.
    fn revive(&mut self) {
        if !self.server.is_alive() {
            let arguments: &[&str] = if self.victim == Victim::Both {
                &[]
            } else {
                &["--no-node"]
            };
            self.server = self.site.serve(arguments, &[]);
        }
        if self.agent.as_mut().is_some_and(|agent| !agent.is_alive()) {
            self.agent = Some(self.start_agent(&[]));
        }
    }

    /// Runs a client command until it has taken effect, reviving whatever died under it.
    fn persist(&mut self, arguments: &[&str], done: impl Fn() -> bool) {
        for _ in 0..5 {
            self.revive();
            if done() {
                return;
            }
            self.site.run_from_afar(arguments);
        }
        assert!(
            done(),
            "{arguments:?} does not take effect\n{}",
            self.site.log()
        );
    }

    /// Brings about rollout number `number` and waits for its end.
    fn rollout(&mut self, number: usize, arguments: &[&str]) {
        for _ in 0..5 {
            self.revive();
            if self.site.objects("rollouts").len() >= number {
                break;
            }
            self.site.run_from_afar(arguments);
        }
        let started = std::time::Instant::now();
        loop {
            self.revive();
            let rollouts = self.site.objects("rollouts");
            let phase = rollouts
                .get(number - 1)
                .map(|rollout| rollout["status"]["phase"].clone());
            let done = [
                "Succeeded",
                "Failed",
                "RolledBack",
                "PartlyFailed",
                "Aborted",
            ];
            if phase.is_some_and(|phase| done.iter().any(|done| phase == *done)) {
                return;
            }
            assert!(
                started.elapsed() < crate::site::PATIENCE,
                "rollout {number} does not end\n{}",
                self.site.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn end(&self) -> End {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = |object: &Value| text(&object["metadata"]["name"]);
        End {
            installed: self.site.tree("installed"),
            rollouts: (self.site.objects("rollouts").iter())
                .map(|rollout| (named(rollout), text(&rollout["status"]["phase"])))
                .collect(),
            operations: (self.site.objects("operations").iter())
                .map(|operation| {
                    let steps = operation["status"]["steps"]
                        .as_array()
                        .cloned()
                        .unwrap_or_default();
                    let steps = steps
                        .iter()
                        .map(|step| (text(&step["name"]), text(&step["phase"])))
                        .collect();
                    (named(operation), text(&operation["status"]["phase"]), steps)
                })
                .collect(),
            gears: (self.site.objects("gears").iter())
                .map(|gear| {
                    (
                        named(gear),
                        text(&gear["spec"]["revision"]),
                        text(&gear["status"]["revision"]),
                    )
                })
                .collect(),
        }
    }
}

/// Two deployments, a third that fails and goes back, and a rollback by hand.
fn story(stage: &mut Stage) {
    let bundle = stage.site.path("bundle").display().to_string();
    let deploy = |stage: &mut Stage, number: usize, more: &[&str]| {
        let arguments = [
            &["deploy", &bundle, "--name", "app", "--follow=false"],
            more,
        ]
        .concat();
        stage.rollout(number, &arguments);
    };
    stage.site.bundle("1");
    deploy(stage, 1, &[]);
    stage.site.bundle("2");
    deploy(stage, 2, &[]);
    stage.site.bundle("3");
    stage.site.hook("ValidateService", "exit 1");
    deploy(stage, 3, &["--on-failure", "Rollback"]);
    stage.rollout(
        4,
        &["rollback", "app", "--to-revision", "1", "--follow=false"],
    );
}

/// How often each hook of each revision ran, with how many attempt keys.
fn runs(record: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in record {
        *counts.entry(line.clone()).or_default() += 1;
    }
    counts
}

fn undisturbed(victim: Victim) -> (u64, End, BTreeMap<String, usize>) {
    let counted = tempfile::tempdir().unwrap();
    let log = counted.path().join("points").display().to_string();
    let mut stage = Stage::start(victim, &[("UPSHIFT_CRASH", &log)]);
    story(&mut stage);
    let (end, record) = (stage.end(), stage.site.record());
    drop(stage);
    let points = fs::read_to_string(&log).unwrap().lines().count() as u64;
    (points, end, runs(&record))
}

/// Dies at one point, goes on, and compares.
fn disturbed(victim: Victim, point: u64, end: &End, record: &BTreeMap<String, usize>) {
    let number = point.to_string();
    let mut stage = Stage::start(victim, &[("UPSHIFT_CRASH_AT", &number)]);
    story(&mut stage);
    let context = format!("{victim:?} killed at point {point}");
    assert_eq!(&stage.end(), end, "{context}\n{}", stage.site.log());
    for (line, count) in runs(&stage.site.record()) {
        let allowed = record
            .get(&line)
            .unwrap_or_else(|| panic!("{context}: {line} ran, undisturbed it does not"));
        assert!(
            count <= allowed + 1,
            "{context}: {line} ran {count} times, undisturbed {allowed}"
        );
    }
    for line in record.keys() {
        assert!(
            runs(&stage.site.record()).contains_key(line),
            "{context}: {line} never ran"
        );
    }
    let leftovers: Vec<String> = stage
        .site
        .processes()
        .into_iter()
        .filter(|line| line.contains("__shim"))
        .collect();
    assert_eq!(
        leftovers,
        Vec::<String>::new(),
        "{context}: shims left over"
    );
}

fn sample(victim: Victim, size: u64) {
    let seed = seed();
    let (points, end, record) = undisturbed(victim);
    assert!(points > 20, "only {points} crash points were passed");
    assert_eq!(record.len(), expected_runs(), "{record:?}");
    for round in 0..size {
        let point = 1 + scatter(seed.wrapping_add(round)) % points;
        eprintln!("UPSHIFT_SEED={seed}: {victim:?} dies at point {point} of {points}");
        disturbed(victim, point, &end, &record);
    }
}

/// Lines of an undisturbed record: the first deployment has no stop hook to run, the failed one runs all and goes back.
fn expected_runs() -> usize {
    (HOOKS.len() - 1) + HOOKS.len() + HOOKS.len() + HOOKS.len() + HOOKS.len()
}

/// `UPSHIFT_SEED`, or one by chance.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("UPSHIFT_SEED").ok();
    asked
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) * 1_000_003)
}

/// Spreads neighbouring numbers widely (the finaliser of `SplitMix64`).
pub(crate) fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn a_sample_of_crashes_of_the_whole_ends_as_undisturbed() {
    sample(Victim::Both, 6);
}

#[test]
fn a_sample_of_crashes_of_the_server_ends_as_undisturbed() {
    sample(Victim::Server, 3);
}

#[test]
fn a_sample_of_crashes_of_the_agent_ends_as_undisturbed() {
    sample(Victim::Agent, 4);
}

#[test]
#[ignore = "every crash point: many minutes"]
fn every_crash_ends_as_undisturbed() {
    for victim in [Victim::Both, Victim::Server, Victim::Agent] {
        let (points, end, record) = undisturbed(victim);
        for point in 1..=points {
            disturbed(victim, point, &end, &record);
        }
    }
}
