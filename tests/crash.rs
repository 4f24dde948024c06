//! `kill -9` at every durable write and every step, then a restart: the same end as undisturbed.
//!
//! A debug build numbers its crash points. One undisturbed run counts them; then each run of the same story dies at one
//! of them. A seeded sample runs always, all of them with `--ignored`: every Nth with `UPSHIFT_CRASH_STRIDE=N`, those at
//! the border of a step with `UPSHIFT_CRASH_POINTS=step.`. `UPSHIFT_SEED=N` repeats a sample.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says its seed or what it lacks"
)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::site::HOOKS;
use crate::site::Process;
use crate::site::Site;

/// How long after the last rollout's end something may still be written.
const LAST_WRITES: Duration = Duration::from_secs(20);

/// Which process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Victim {
    /// Server and agent in one process.
    Both,
    Server,
    Agent,
}

/// What is deployed: without a load balancer, behind one, or to two colours.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tale {
    Plain,
    Balanced,
    /// On the hosts `one` and `two`; only the first of them dies.
    Colors,
}

/// Name and phase of each step.
type Steps = Vec<(String, String)>;

/// What a story leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    installed: BTreeMap<String, String>,
    /// Name, phase, and each step that happens once with its phase.
    rollouts: Vec<(String, String, Steps)>,
    /// Name, phase, and each step with its phase.
    operations: Vec<(String, String, Steps)>,
    /// Name, wanted revision, revision, and the wanted rotation.
    gears: Vec<[String; 4]>,
    /// The colour that serves.
    colors: Vec<String>,
    /// Whoever gets requests.
    endpoints: Vec<String>,
}

/// The processes of a story, the one that is to die started with a crash point.
struct Stage {
    site: Site,
    victim: Victim,
    server: Process,
    agents: BTreeMap<&'static str, Process>,
}

impl Stage {
    fn start(victim: Victim, tale: Tale, variables: &[(&str, &str)]) -> Stage {
        let site = Site::new();
        let none: &[(&str, &str)] = &[];
        let (of_server, of_agent) = if victim == Victim::Agent {
            (none, variables)
        } else {
            (variables, none)
        };
        let server = site.serve(Stage::arguments(victim), of_server);
        let mut stage = Stage {
            site,
            victim,
            server,
            agents: BTreeMap::new(),
        };
        if victim != Victim::Both {
            stage.invite("one", of_agent);
        }
        if tale == Tale::Colors {
            stage.invite("two", none);
            stage.paint();
        }
        if tale != Tale::Plain {
            stage.publish(tale);
        }
        stage
    }

    fn arguments(victim: Victim) -> &'static [&'static str] {
        if victim == Victim::Both {
            &[]
        } else {
            &["--no-node"]
        }
    }

    /// Lets a host in and starts its agent.
    fn invite(&mut self, name: &'static str, variables: &[(&str, &str)]) {
        self.revive();
        let join = self.site.path(name).display().to_string();
        self.persist(&["node", "token", "create", name, "-o", &join], || {
            fs::metadata(&join).is_ok()
        });
        let agent = self.start_agent(name, variables);
        self.agents.insert(name, agent);
    }

    /// Makes the second host green and the other, whatever it is called, blue.
    fn paint(&mut self) {
        let started = std::time::Instant::now();
        let mut painted = BTreeSet::new();
        while painted.len() < 2 {
            self.revive();
            for node in self.site.objects("nodes") {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                let color = if name == "two" { "green" } else { "blue" };
                let (node, label) = (format!("node/{name}"), format!("color={color}"));
                let paint = ["label", &node, &label, "--overwrite"];
                if self.site.run_from_afar(&paint).status.success() {
                    painted.insert(name.to_owned());
                }
            }
            assert!(
                started.elapsed() < crate::site::PATIENCE,
                "the hosts do not come up\n{}",
                self.site.log()
            );
        }
    }

    /// Makes the application, behind the built-in router.
    fn publish(&mut self, tale: Tale) {
        let hosts = if tale == Tale::Colors {
            json!({"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}})
        } else {
            json!({"selector": {}})
        };
        let application = json!({
            "apiVersion": "upshift.dev/v1", "kind": "Application",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"hosts": hosts, "rollout": {"loadBalancer": {"drainSeconds": 5}}},
        });
        let file = self.site.path("app.json");
        fs::write(&file, application.to_string()).unwrap();
        let file = file.display().to_string();
        let started = std::time::Instant::now();
        loop {
            self.revive();
            let output = self.site.run_from_afar(&["apply", "-f", &file]);
            if output.status.success() {
                return;
            }
            assert!(started.elapsed() < crate::site::PATIENCE, "{output:?}");
        }
    }

    fn start_agent(&self, name: &str, variables: &[(&str, &str)]) -> Process {
        // Named so that the site ends what runs in it.
        let folder = self.site.path(&format!("data-{name}"));
        let (join, folder) = (self.site.path(name), folder.display().to_string());
        let join = join.display().to_string();
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
            self.server = self.site.serve(Stage::arguments(self.victim), &[]);
        }
        let mut agents = self.agents.iter_mut();
        let dead = agents.find_map(|(name, agent)| (!agent.is_alive()).then_some(*name));
        if let Some(name) = dead {
            let agent = self.start_agent(name, &[]);
            self.agents.insert(name, agent);
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
        let phase = |object: &Value| text(&object["status"]["phase"]);
        let steps = |object: &Value| -> Steps {
            let steps = object["status"]["steps"].as_array().into_iter().flatten();
            steps
                .map(|step| (text(&step["name"]), text(&step["phase"])))
                .collect()
        };
        let all = |kind: &str| self.site.objects(kind).into_iter();
        let whole = |object: &Value| (named(object), phase(object), steps(object));
        let gear = |gear: Value| {
            [
                named(&gear),
                text(&gear["spec"]["revision"]),
                text(&gear["status"]["revision"]),
                text(&gear["spec"]["rotation"]),
            ]
        };
        let endpoints = |slice: Value| {
            let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
            endpoints
                .into_iter()
                .map(|one| text(&one["targetRef"]["name"]))
                .collect::<Vec<_>>()
        };
        End {
            installed: self.site.tree("installed"),
            rollouts: all("rollouts").map(|one| whole(&one)).collect(),
            operations: all("operations").map(|one| whole(&one)).collect(),
            gears: all("gears").map(gear).collect(),
            colors: all("applications")
                .map(|one| text(&one["status"]["activeColor"]))
                .collect(),
            endpoints: all("endpointslices").flat_map(endpoints).collect(),
        }
    }
}

/// Two deployments, a third that fails and goes back, and a rollback by hand; colours go back before that fails.
fn story(stage: &mut Stage, tale: Tale) {
    let bundle = stage.site.path("bundle").display().to_string();
    let deploy = |stage: &mut Stage, number: usize, more: &[&str]| {
        let arguments = [
            &["deploy", &bundle, "--name", "app", "--follow=false"],
            more,
        ]
        .concat();
        stage.rollout(number, &arguments);
    };
    let back = ["rollback", "app", "--to-revision", "1", "--follow=false"];
    make_bundle(&stage.site, tale, "1");
    deploy(stage, 1, &[]);
    make_bundle(&stage.site, tale, "2");
    deploy(stage, 2, &[]);
    if tale == Tale::Colors {
        stage.rollout(3, &back);
    }
    make_bundle(&stage.site, tale, "3");
    stage.site.hook("ValidateService", "exit 1");
    let failing = if tale == Tale::Colors { 4 } else { 3 };
    deploy(stage, failing, &["--on-failure", "Rollback"]);
    if tale != Tale::Colors {
        stage.rollout(4, &back);
    }
}

/// The site's bundle; with the hooks around rotation, and for hosts that share a disk without files.
fn make_bundle(site: &Site, tale: Tale, version: &str) {
    site.bundle(version);
    if tale == Tale::Plain {
        return;
    }
    let path = site.path("bundle/appspec.yml");
    let mut appspec = fs::read_to_string(&path).unwrap();
    for hook in [
        "BeforeBlockTraffic",
        "AfterBlockTraffic",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ] {
        appspec = format!("{appspec}  {hook}:\n    - location: hooks/{hook}\n");
        site.hook(hook, "exit 0");
    }
    if tale == Tale::Colors {
        let (before, hooks) = appspec.split_once("files:").unwrap();
        let hooks = hooks.split_once("hooks:").unwrap().1;
        appspec = format!("{before}hooks:{hooks}");
    }
    fs::write(&path, appspec).unwrap();
}

/// How often each hook of each revision ran, with how many attempt keys.
fn runs(record: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in record {
        *counts.entry(line.clone()).or_default() += 1;
    }
    counts
}

/// The names of the points that are passed, what is left, and what ran.
fn undisturbed(victim: Victim, tale: Tale) -> (Vec<String>, End, BTreeMap<String, usize>) {
    let counted = tempfile::tempdir().unwrap();
    let log = counted.path().join("points").display().to_string();
    let mut stage = Stage::start(victim, tale, &[("UPSHIFT_CRASH", &log)]);
    story(&mut stage, tale);
    let (end, record) = (stage.end(), stage.site.record());
    drop(stage);
    let points = fs::read_to_string(&log).unwrap();
    let names = points.lines().map(|line| line.split_once(' ').unwrap().1);
    (names.map(ToOwned::to_owned).collect(), end, runs(&record))
}

/// Dies at one point, goes on, and compares.
fn disturbed(
    (victim, tale): (Victim, Tale),
    point: u64,
    end: &End,
    record: &BTreeMap<String, usize>,
) {
    let number = point.to_string();
    let mut stage = Stage::start(victim, tale, &[("UPSHIFT_CRASH_AT", &number)]);
    story(&mut stage, tale);
    let context = format!("{tale:?}: {victim:?} killed at point {point}");
    let mut left = stage.end();
    let started = std::time::Instant::now();
    // It may have died after everything was over, or be about to write the last of it.
    while &left != end && started.elapsed() < LAST_WRITES {
        stage.revive();
        left = stage.end();
    }
    assert_eq!(&left, end, "{context}\n{}", stage.site.log());
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
    // A shim lets go of its lock before its process ends.
    stage
        .site
        .wait("the last shims to go", || stage.site.shims().is_empty());
}

fn sample(victim: Victim, tale: Tale, size: u64) {
    let seed = seed();
    let (points, end, record) = undisturbed(victim, tale);
    let points = points.len() as u64;
    assert!(points > 20, "only {points} crash points were passed");
    if tale == Tale::Plain {
        assert_eq!(record.len(), expected_runs(), "{record:?}");
    }
    for round in 0..size {
        let point = 1 + scatter(seed.wrapping_add(round)) % points;
        eprintln!("UPSHIFT_SEED={seed}: {tale:?}: {victim:?} dies at point {point} of {points}");
        disturbed((victim, tale), point, &end, &record);
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
    sample(Victim::Both, Tale::Plain, 6);
}

#[test]
fn a_sample_of_crashes_of_the_server_ends_as_undisturbed() {
    sample(Victim::Server, Tale::Plain, 3);
}

#[test]
fn a_sample_of_crashes_of_the_agent_ends_as_undisturbed() {
    sample(Victim::Agent, Tale::Plain, 4);
}

#[test]
fn a_sample_of_crashes_behind_a_load_balancer_ends_as_undisturbed() {
    sample(Victim::Both, Tale::Balanced, 1);
    sample(Victim::Agent, Tale::Balanced, 1);
}

#[test]
fn a_sample_of_crashes_between_two_colors_ends_as_undisturbed() {
    sample(Victim::Both, Tale::Colors, 1);
    sample(Victim::Server, Tale::Colors, 1);
}

/// Every point of a story, or those that are asked for; all that end otherwise are told at the end.
fn every(tale: Tale) {
    let asked = |name: &str| std::env::var(name).ok();
    let stride = asked("UPSHIFT_CRASH_STRIDE").and_then(|text| text.parse().ok());
    let wanted = asked("UPSHIFT_CRASH_POINTS").unwrap_or_default();
    let mut wrong = Vec::new();
    for victim in [Victim::Both, Victim::Server, Victim::Agent] {
        let (points, end, record) = undisturbed(victim, tale);
        let chosen = (1..).zip(&points);
        let chosen = chosen.filter(|(_, name)| name.starts_with(&wanted));
        for (point, name) in chosen.step_by(stride.unwrap_or(1)) {
            let all = points.len();
            eprintln!("{tale:?}: {victim:?} dies at point {point} of {all}: {name}");
            let run = || disturbed((victim, tale), point, &end, &record);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                wrong.push(format!("{victim:?} at {point}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "{tale:?}");
}

#[test]
#[ignore = "every crash point: many minutes"]
fn every_crash_ends_as_undisturbed() {
    every(Tale::Plain);
}

#[test]
#[ignore = "every crash point: many minutes"]
fn every_crash_behind_a_load_balancer_ends_as_undisturbed() {
    every(Tale::Balanced);
}

#[test]
#[ignore = "every crash point: many minutes"]
fn every_crash_between_two_colors_ends_as_undisturbed() {
    every(Tale::Colors);
}
