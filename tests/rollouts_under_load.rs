//! Rollouts of every kind and outcome while visitors ask without a break: no request fails.

#![expect(
    clippy::print_stdout,
    reason = "a long test says its seed and how much it did"
)]

use serde_json::Value;
use serde_json::json;

use crate::crash::scatter;
use crate::crash::seed;
use crate::stand::By;
use crate::stand::COLORS;
use crate::stand::ROLLING;
use crate::stand::Stand;

/// One of the two applications, and what it should serve.
struct Play<'a> {
    stand: &'a Stand,
    which: (&'static str, u16, &'static str),
    /// What visitors are answered now, without the host.
    serves: String,
    rollouts: usize,
    versions: usize,
}

impl Play<'_> {
    fn color(&self) -> String {
        let application = self.stand.object("applications", self.which.0);
        let color = application["status"]["activeColor"].as_str();
        color.unwrap_or_default().to_owned()
    }

    /// The rollout that was brought about last ended so, and visitors get what they should.
    fn check(&mut self, phase: &str, serves: &str) {
        self.rollouts += 1;
        serves.clone_into(&mut self.serves);
        let name = format!("{}-{}", self.which.0, self.rollouts);
        let rollout = self.stand.object("rollouts", &name);
        assert_eq!(rollout["status"]["phase"], phase, "{rollout}");
        let color = self.color();
        let versions = self.stand.versions(self.which, &color);
        if phase == "Failed" || phase == "PartlyFailed" {
            // The host that failed is out of rotation, with what failed on it.
            assert!(versions.iter().any(|one| one == serves) || self.which == COLORS);
        } else {
            assert_eq!(versions, [serves], "after {name} ({phase})");
        }
    }

    fn next(&mut self) -> String {
        self.versions += 1;
        format!("v{}", self.versions)
    }

    fn deploys(&mut self) {
        let version = self.next();
        self.stand.fleet.bundle(&version);
        let output = self.stand.deploy(self.which, &[]);
        self.stand.expect(&output, 0);
        self.check("Succeeded", &version);
    }

    /// A version whose check fails everywhere; visitors keep the old one.
    fn fails(&mut self) {
        let version = self.next();
        self.stand.fleet.bundle(&version);
        self.stand.fleet.hook("ValidateService", "exit 9");
        let output = self.stand.deploy(self.which, &[]);
        self.stand.expect(&output, 1);
        let serves = self.serves.clone();
        self.check("Failed", &serves);
    }

    /// The same, and it goes back by itself.
    fn fails_and_goes_back(&mut self) {
        let version = self.next();
        self.stand.fleet.bundle(&version);
        self.stand.fleet.hook("ValidateService", "exit 9");
        let more = ["--on-failure", "Rollback"];
        let output = self.stand.deploy(self.which, &more);
        self.stand.expect(&output, 5);
        let serves = self.serves.clone();
        self.check("RolledBack", &serves);
    }

    /// Two versions, and back to the first of them.
    fn goes_back(&mut self) {
        self.deploys();
        let before = self.serves.clone();
        self.deploys();
        let site = &self.stand.fleet.site;
        let output = site.run(&["rollback", self.which.0, "--progress=plain"]);
        self.stand.expect(&output, 0);
        self.check("Succeeded", &before);
    }
}

/// That many rollouts or some more, of both applications in turn, each with its own visitors.
fn play(by: By, hosts: usize, rollouts: usize) {
    let Some(stand) = Stand::new(by, hosts) else {
        return;
    };
    let mut plays = [ROLLING, COLORS].map(|which| {
        stand.publish(which, &json!({"concurrency": "50%", "maxFailures": 0}));
        let mut play = Play {
            stand: &stand,
            which,
            serves: String::new(),
            rollouts: 0,
            versions: 0,
        };
        play.deploys();
        play
    });
    let loads = [ROLLING, COLORS].map(|which| stand.load(which));
    let seed = seed();
    println!("UPSHIFT_SEED={seed}");
    let started = std::time::Instant::now();
    for round in 0.. {
        let done: usize = plays.iter().map(|play| play.rollouts).sum();
        if done >= rollouts {
            break;
        }
        for play in &mut plays {
            // The first round has everything once, in this order; then as it comes.
            match round {
                0 => {
                    play.fails_and_goes_back();
                    play.fails();
                    play.goes_back();
                }
                _ => match scatter(seed.wrapping_add(round)) % 4 {
                    0 => play.deploys(),
                    1 => play.fails(),
                    2 => play.fails_and_goes_back(),
                    _ => play.goes_back(),
                },
            }
        }
        let failed: usize = loads.iter().map(|load| load.so_far().failed.len()).sum();
        assert_eq!(failed, 0, "{:?}", loads.map(|load| load.so_far().failed));
    }
    let asked: Vec<u64> = loads
        .into_iter()
        .map(|load| {
            let counts = load.stop();
            counts.check();
            counts.total()
        })
        .collect();
    let done: usize = plays.iter().map(|play| play.rollouts).sum();
    println!(
        "{by:?}: {done} rollouts on {hosts} hosts in {:?}, {asked:?} requests, none failed",
        started.elapsed()
    );
    let both: Vec<Value> = stand.fleet.site.objects("gears");
    assert_eq!(both.len(), 2 * hosts);
}

#[test]
fn rollouts_behind_the_router_lose_no_request() {
    play(By::BuiltIn, 2, 12);
}

#[test]
fn rollouts_behind_haproxy_lose_no_request() {
    play(By::HaProxy, 2, 12);
}

#[test]
#[ignore = "a hundred rollouts: minutes"]
fn a_hundred_rollouts_behind_the_router_lose_no_request() {
    play(By::BuiltIn, 4, 100);
}

#[test]
#[ignore = "a hundred rollouts: minutes"]
fn a_hundred_rollouts_behind_haproxy_lose_no_request() {
    play(By::HaProxy, 4, 100);
}
