//! Anything at any time: hosts that fall silent, return, go and come, hooks that fail, people who pause, abort, retry,
//! delete, deploy and roll back, and controllers that die at their writes. What must hold: everything comes to rest, the
//! limits are kept (`check_invariants`), nothing is held or under way at the end, and every rollout tells the truth.

use serde_json::json;

use super::*;

const NODES: [&str; 4] = ["a", "b", "c", "d"];
const STEPS: [&str; 4] = [
    "DownloadBundle",
    "ApplicationStop",
    "Install",
    "ValidateService",
];

/// One run.
struct Fate {
    cluster: Cluster,
    chance: Chance,
    rollouts: u64,
    gone: Vec<&'static str>,
}

impl Fate {
    fn new(seed: u64, crashes: usize) -> Fate {
        let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        let mut settings = json!({
            "concurrency": 1 + chance.below(3),
            "minHealthy": chance.below(3),
            "maxFailures": chance.below(2),
            "gearTimeout": "120s",
        });
        if chance.below(2) == 0 {
            settings["loadBalancer"] = json!({"service": "shop"});
        }
        if chance.below(2) == 0 {
            settings["onFailure"] = "Rollback".into();
        }
        if chance.below(3) == 0 {
            settings["canary"] = json!({"pause": "30s"});
        }
        let how = Disturbance {
            seed,
            crashes,
            lag: 4,
        };
        Fate {
            cluster: Cluster::new(how, &NODES, settings),
            chance,
            rollouts: 0,
            gone: Vec::new(),
        }
    }

    fn latest(&self) -> Option<Rollout> {
        let mut rollouts = self.cluster.all::<Rollout>();
        rollouts.sort_by_key(|rollout| rollout.spec.number);
        rollouts.pop()
    }

    fn happen(&mut self) {
        let node = NODES[self.chance.below(NODES.len())];
        let key = Key::new("", node);
        let is_there = !self.gone.contains(&node);
        match self.chance.below(12) {
            0 | 1 if is_there => self.cluster.set_ready(node, false),
            2 | 3 if is_there => self.cluster.set_ready(node, true),
            4 if is_there && self.gone.is_empty() => {
                self.cluster.user_delete(&kinds::NODE, &key);
                self.gone.push(node);
            }
            5 if !is_there => self.join(node),
            6 | 7 => self.steer(),
            8 => {
                let running = self.latest().filter(|one| !one.status.phase.is_final());
                if let (Some(rollout), 0) = (running, self.chance.below(3)) {
                    let key = rollout.metadata.key();
                    self.cluster.user_delete(&kinds::ROLLOUT, &key);
                }
            }
            _ => self.begin(),
        }
    }

    fn join(&mut self, node: &'static str) {
        let object = json!({"metadata": {"name": node}});
        self.cluster.make(&kinds::NODE, object);
        self.cluster.set_ready(node, true);
        self.gone.retain(|one| *one != node);
    }

    /// Somebody asks something of the last rollout.
    fn steer(&mut self) {
        let Some(rollout) = self.latest() else {
            return;
        };
        let spec = match self.chance.below(5) {
            0 => json!({"desired": "Pause"}),
            1 => json!({"desired": "Abort"}),
            2 => json!({"promoted": true}),
            3 => json!({"desired": "Run"}),
            _ if rollout.status.phase.is_final() => {
                json!({"desired": "Run", "attempt": rollout.answered() + 1})
            }
            _ => return,
        };
        let key = rollout.metadata.key();
        self.cluster.user_spec(&kinds::ROLLOUT, &key, spec);
    }

    /// Somebody deploys or rolls back.
    fn begin(&mut self) {
        self.rollouts += 1;
        let number = self.rollouts;
        let revisions = self.cluster.all::<crate::api::upshift::Revision>();
        let back = self.chance.below(3) == 0 && !revisions.is_empty();
        if back {
            let revision = &revisions[self.chance.below(revisions.len())];
            let spec = json!({"action": "Rollback"});
            let name = revision.metadata.name.clone();
            self.cluster.rollout(number, &name, spec);
            return;
        }
        if self.chance.below(3) == 0 {
            let gear = format!("shop-{}", NODES[self.chance.below(NODES.len())]);
            let step = STEPS[self.chance.below(STEPS.len())];
            self.cluster.fail(&gear, &format!("shop-{number}"), step);
        }
        self.cluster.deploy(number);
    }

    fn tell(mut self) {
        for _ in 0..14 {
            self.cluster.run_turns(self.chance.below(120));
            self.happen();
        }
        self.cluster.failing.clear();
        self.cluster.catch_up_anew();
        for node in self.gone.clone() {
            self.join(node);
        }
        for node in NODES {
            self.cluster.set_ready(node, true);
        }
        for rollout in self.cluster.all::<Rollout>() {
            if rollout.spec.desired == Desired::Pause {
                let run = json!({"desired": "Run"});
                let key = rollout.metadata.key();
                self.cluster.user_spec(&kinds::ROLLOUT, &key, run);
            }
        }
        self.cluster.run();
        self.check_the_end();
    }

    fn check_the_end(&self) {
        let cluster = &self.cluster;
        let how = cluster.how;
        let picture = cluster.picture();
        let application: Application = cluster.get(&named("shop")).unwrap();
        assert_eq!(application.status.rollout, "", "{how:?}\n{picture}");
        for operation in cluster.all::<Operation>() {
            let is_over = operation.status.phase.is_final();
            assert!(is_over, "{how:?}\n{picture}");
        }
        for rollout in cluster.all::<Rollout>() {
            let is_over = rollout.status.phase.is_final();
            assert!(is_over, "{how:?}\n{picture}");
        }
        let current = &application.status.current_revision;
        let Some(last) = self.last_that_began() else {
            return;
        };
        for gear in cluster.all::<Gear>() {
            let name = &gear.metadata.name;
            let is_on_disk = cluster.disk.get(name).map_or("", String::as_str);
            assert_eq!(
                gear.status.revision, is_on_disk,
                "{how:?} {name}\n{picture}"
            );
            // Everybody is heard: who could be brought there has been.
            if last.status.phase == RolloutPhase::Succeeded {
                assert_eq!(*current, last.spec.revision, "{how:?}\n{picture}");
                assert_eq!(gear.status.revision, *current, "{how:?} {name}\n{picture}");
                assert_eq!(
                    gear.spec.rotation,
                    Rotation::In,
                    "{how:?} {name}\n{picture}"
                );
            }
        }
    }

    /// The rollout that touched the gears last; a retry may be of an old one.
    fn last_that_began(&self) -> Option<Rollout> {
        let mut rollouts = self.cluster.all::<Rollout>();
        rollouts.retain(|rollout| rollout.status.started_at.is_some());
        rollouts.sort_by_key(|rollout| (rollout.status.finished_at, rollout.spec.number));
        rollouts.pop()
    }
}

#[test]
fn whatever_happens_it_comes_to_rest_and_tells_the_truth() {
    for seed in 1..=6 {
        Fate::new(seed, 0).tell();
        Fate::new(seed + 100, 60).tell();
    }
}
