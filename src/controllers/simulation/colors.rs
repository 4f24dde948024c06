//! The stories of two colours: one serves, the other takes the next deployment, and the traffic goes over in one step.

use serde_json::json;

use super::tests::contains;
use super::tests::phase;
use super::traffic::survives;
use super::*;

fn settings(more: Value) -> Value {
    let haproxy = json!({"router": "lb-1", "backend": "web"});
    let balancer = json!({"service": "shop", "drainSeconds": 5, "haproxy": haproxy});
    let mut settings = json!({"concurrency": 2, "loadBalancer": balancer});
    merge(&mut settings, more);
    settings
}

/// a and b are blue, c and d are green.
fn paint(cluster: &mut Cluster) {
    for (node, color) in [("a", "blue"), ("b", "blue"), ("c", "green"), ("d", "green")] {
        let at = place(&kinds::NODE, &Key::new("", node));
        let mut object = cluster.objects[&at].clone();
        object["metadata"]["labels"] = json!({"color": color});
        cluster.store(at, Some(object));
    }
    colored(cluster);
    cluster.connect();
    cluster.deliver_all();
}

fn colored(cluster: &mut Cluster) {
    let colors = json!({"blue": {"color": "blue"}, "green": {"color": "green"}});
    let hosts = json!({"hosts": {"blueGreen": colors}});
    cluster.user_spec(&kinds::APPLICATION, &named("shop"), hosts);
    cluster.deliver_all();
}

fn uncolored(cluster: &mut Cluster) {
    let hosts = json!({"hosts": {"blueGreen": null}});
    cluster.user_spec(&kinds::APPLICATION, &named("shop"), hosts);
    cluster.deliver_all();
}

fn back_to(cluster: &mut Cluster, number: u64, revision: &str) {
    cluster.rollout(number, revision, json!({"action": "Rollback"}));
    cluster.run();
}

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

fn deploy(cluster: &mut Cluster, number: u64) {
    cluster.deploy(number);
    cluster.run();
}

/// The second deployment is in its switch to green, which one router does not follow.
fn switch_half_way(cluster: &mut Cluster) {
    cluster.silence("default", true);
    cluster.deploy(2);
    cluster.run_until(|cluster| cluster.picture().contains("green serves"));
}

#[test]
fn a_service_that_is_deleted_in_the_middle_of_a_switch_comes_back_with_one_colour() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        for (number, color) in [(2, "green"), (3, "blue")] {
            cluster.deploy(number);
            cluster.run_until(|cluster| {
                let application: Application = cluster.get(&named("shop")).unwrap();
                application.status.active_color == color
            });
            cluster.user_delete(&kinds::SERVICE, &named("shop"));
            cluster.run();
        }
    });
    contains(
        &picture,
        &[
            "current \"shop-3\", blue serves",
            "rollout shop-2 Succeeded",
            "rollout shop-3 Succeeded",
            "requests go to shop-a shop-b\n",
        ],
    );
}

#[test]
fn deployments_take_turns_and_a_rollback_only_switches() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        contains(&cluster.picture(), &["current \"shop-1\", blue serves"]);
        deploy(cluster, 2);
        contains(&cluster.picture(), &["current \"shop-2\", green serves"]);
        cluster.rollout(3, "shop-1", json!({"action": "Rollback", "undoes": 2}));
        cluster.run();
    });
    contains(
        &picture,
        &[
            "current \"shop-1\", blue serves",
            "rollout shop-2 Succeeded \"\" \"2 of 2 gears done, traffic is on green\" 2/0/2",
            "rollout shop-3 Succeeded \"\" \"traffic is on blue, which holds shop-1\" 0/0/0",
            "gear shop-c wants \"shop-2\" has \"shop-2\"\n",
            "requests go to shop-a shop-b\n",
        ],
    );
    assert!(!picture.contains("operation shop-3"), "{picture}");
}

#[test]
fn a_failure_before_the_switch_leaves_the_traffic_where_it_is() {
    for (on_failure, end) in [("Stop", "Failed"), ("Rollback", "RolledBack")] {
        let settings = settings(json!({"onFailure": on_failure, "concurrency": 1}));
        let picture = survives(&FOUR, &settings, |cluster| {
            paint(cluster);
            deploy(cluster, 1);
            cluster.fail("shop-c", "shop-2", "ValidateService");
            deploy(cluster, 2);
        });
        contains(
            &picture,
            &[
                "current \"shop-1\", blue serves",
                &format!("rollout shop-2 {end} \"HookFailed\""),
                "traffic stays on blue",
                "requests go to shop-a shop-b\n",
            ],
        );
        assert!(!picture.contains("-back"), "{picture}");
    }
}

#[test]
fn a_rollback_to_what_the_other_colour_does_not_hold_is_refused() {
    let mut cluster = Cluster::new(CALM, &FOUR, settings(json!({})));
    paint(&mut cluster);
    for number in 1..=3 {
        deploy(&mut cluster, number);
    }
    cluster.rollout(4, "shop-1", json!({"action": "Rollback", "undoes": 3}));
    cluster.run();
    contains(
        &cluster.picture(),
        &[
            "rollout shop-4 Failed \"NotOnIdleColor\" \"green does not hold shop-1 (gear shop-c holds shop-2): deploy shop-1 to bring it there\"",
            "current \"shop-3\", blue serves",
        ],
    );
}

#[test]
fn a_silent_router_fails_the_switch_and_it_is_taken_back_and_retried_alone() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        cluster.silence("default", true);
        deploy(cluster, 2);
        let rollout: Rollout = cluster.get(&named("shop-2")).unwrap();
        assert_eq!(rollout.status.phase, RolloutPhase::Failed);
        assert_eq!(rollout.status.reason, "RouterSilent");
        contains(&cluster.picture(), &["current \"shop-1\", blue serves"]);
        cluster.silence("default", false);
        cluster.retry(2, 2);
    });
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded",
            "current \"shop-2\", green serves",
            "requests go to shop-c shop-d\n",
        ],
    );
    assert!(!picture.contains("shop-2-shop-c-2"), "{picture}");
}

#[test]
fn a_pause_holds_before_the_switch_and_an_abort_leaves_the_traffic() {
    let mut cluster = Cluster::new(CALM, &FOUR, settings(json!({})));
    paint(&mut cluster);
    deploy(&mut cluster, 1);
    let before = cluster.trace.len();
    cluster.deploy(2);
    cluster.run_until(|cluster| cluster.trace.len() >= before + 12);
    let shop = named("shop-2");
    cluster.user_spec(&kinds::ROLLOUT, &shop, json!({"desired": "Pause"}));
    cluster.run();
    assert_eq!(phase(&cluster, "shop-2"), RolloutPhase::Paused);
    contains(&cluster.picture(), &["current \"shop-1\", blue serves"]);
    cluster.user_spec(&kinds::ROLLOUT, &shop, json!({"desired": "Abort"}));
    cluster.run();
    contains(
        &cluster.picture(),
        &["rollout shop-2 Aborted", "current \"shop-1\", blue serves"],
    );
}

#[test]
fn an_abort_in_the_middle_of_the_switch_takes_it_back() {
    often(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        switch_half_way(cluster);
        let aborted = json!({"desired": "Abort"});
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-2"), aborted);
        cluster.silence("default", false);
        cluster.run();
        contains(
            &cluster.picture(),
            &[
                "rollout shop-2 Aborted \"Aborted\" \"2 of 2 gears done; what is done stays, traffic is on blue\"",
                "held by \"\", current \"shop-1\", blue serves",
                "requests go to shop-a shop-b\n",
            ],
        );
    });
}

#[test]
fn what_failed_in_the_new_colour_gets_no_requests_until_a_retry_mends_it() {
    let picture = survives(&FOUR, &settings(json!({"maxFailures": 1})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        cluster.fail("shop-c", "shop-2", "ValidateService");
        deploy(cluster, 2);
        contains(
            &cluster.picture(),
            &[
                "rollout shop-2 PartlyFailed",
                "current \"shop-2\", green serves",
                "requests go to shop-d\n",
            ],
        );
        cluster.failing.clear();
        cluster.retry(2, 2);
    });
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded",
            "operation shop-2-shop-c-2 Succeeded",
            "requests go to shop-c shop-d\n",
        ],
    );
    assert!(!picture.contains("shop-2-shop-d-2"), "{picture}");
}

#[test]
fn a_host_of_the_serving_colour_that_was_away_catches_up_before_it_gets_requests() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        deploy(cluster, 2);
        cluster.set_ready("a", false);
        deploy(cluster, 3);
        cluster.set_ready("a", true);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "operation shop-a-catchup-3-1 Succeeded",
            "gear shop-a wants \"shop-3\" has \"shop-3\"\n",
            "gear shop-c wants \"shop-2\" has \"shop-2\"\n",
            "requests go to shop-a shop-b\n",
        ],
    );
}

#[test]
fn a_failed_first_deployment_of_a_colour_is_removed() {
    let picture = survives(
        &FOUR,
        &settings(json!({"onFailure": "Rollback"})),
        |cluster| {
            paint(cluster);
            cluster.fail("shop-b", "shop-1", "ValidateService");
            deploy(cluster, 1);
        },
    );
    contains(
        &picture,
        &[
            "rollout shop-1 Failed \"HookFailed\"",
            "what was installed is removed",
            "current \"\"\n",
            "disk {}",
        ],
    );
}

#[test]
fn a_retry_of_what_was_overtaken_never_touches_the_colour_that_serves() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        cluster.expect_at_least(2);
        cluster.fail("shop-c", "shop-2", "Install");
        deploy(cluster, 2);
        cluster.failing.clear();
        deploy(cluster, 3);
        cluster.retry(2, 2);
    });
    contains(
        &picture,
        &[
            "current \"shop-2\", blue serves",
            "requests go to shop-a shop-b\n",
            "gear shop-c wants \"shop-3\" has \"shop-3\"",
        ],
    );
}

#[test]
fn a_rollback_never_leads_to_what_failed() {
    let mut cluster = Cluster::new(CALM, &FOUR, settings(json!({})));
    paint(&mut cluster);
    deploy(&mut cluster, 1);
    cluster.fail("shop-c", "shop-2", "ValidateService");
    cluster.fail("shop-d", "shop-2", "ValidateService");
    deploy(&mut cluster, 2);
    back_to(&mut cluster, 3, "shop-2");
    contains(
        &cluster.picture(),
        &[
            "rollout shop-3 Failed \"NotOnIdleColor\" \"green does not hold shop-2 whole (the last operation of gear shop-c failed): deploy shop-2 to bring it there\"",
            "current \"shop-1\", blue serves",
        ],
    );
}

#[test]
fn nothing_is_stopped_while_a_router_still_leads_there() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        cluster.expect_at_least(2);
        // One router goes over, the other never says so, and the first one falls silent before it is taken back.
        cluster.silence("lb-1", true);
        cluster.deploy(2);
        cluster.run_until(|cluster| {
            let network = cluster.network.as_ref().unwrap();
            network.leads_to("default", "shop-c")
        });
        cluster.silence("default", true);
        cluster.run();
        deploy(cluster, 3);
        contains(
            &cluster.picture(),
            &[
                "rollout shop-3 Failed \"RouterSilent\"",
                "until then nothing of green may be stopped",
            ],
        );
        for router in ["default", "lb-1"] {
            cluster.silence(router, false);
        }
        cluster.retry(3, 2);
    });
    contains(
        &picture,
        &[
            "rollout shop-3 Succeeded",
            "current \"shop-3\", green serves",
        ],
    );
}

#[test]
fn a_fleet_becomes_two_colours_and_one_again_without_a_gap() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        uncolored(cluster);
        deploy(cluster, 1);
        contains(
            &cluster.picture(),
            &["requests go to shop-a shop-b shop-c shop-d\n"],
        );
        cluster.expect_at_least(2);
        colored(cluster);
        deploy(cluster, 2);
        contains(
            &cluster.picture(),
            &["blue serves", "requests go to shop-a shop-b\n"],
        );
        deploy(cluster, 3);
        contains(
            &cluster.picture(),
            &["green serves", "requests go to shop-c shop-d\n"],
        );
        uncolored(cluster);
        cluster.run();
        contains(&cluster.picture(), &["requests go to shop-c shop-d\n"]);
        deploy(cluster, 4);
        contains(
            &cluster.picture(),
            &[
                "current \"shop-4\"\n",
                "requests go to shop-a shop-b shop-c shop-d\n",
            ],
        );
        colored(cluster);
        cluster.run();
        contains(
            &cluster.picture(),
            &["requests go to shop-a shop-b shop-c shop-d\n"],
        );
    });
    assert!(!picture.contains("out of rotation"), "{picture}");
}

#[test]
fn the_first_deployment_with_colours_goes_back_to_everybody() {
    let picture = survives(
        &FOUR,
        &settings(json!({"onFailure": "Rollback"})),
        |cluster| {
            paint(cluster);
            uncolored(cluster);
            deploy(cluster, 1);
            cluster.expect_at_least(2);
            colored(cluster);
            cluster.fail("shop-b", "shop-2", "ValidateService");
            deploy(cluster, 2);
        },
    );
    contains(
        &picture,
        &[
            "rollout shop-2 RolledBack \"HookFailed\"",
            "every gear is back at shop-1",
            "requests go to shop-a shop-b shop-c shop-d\n",
            "disk {\"shop-a\": \"shop-1\", \"shop-b\": \"shop-1\", \"shop-c\": \"shop-1\", \"shop-d\": \"shop-1\"}",
        ],
    );
    assert!(!picture.contains("out of rotation"), "{picture}");
}

#[test]
fn a_router_that_somebody_deletes_in_the_switch_holds_nobody() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        switch_half_way(cluster);
        cluster.user_delete(&kinds::ROUTER, &Key::new("", "default"));
        cluster.lose("default");
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded",
            "green serves",
            "requests go to shop-c shop-d\n",
        ],
    );
}

#[test]
fn an_application_that_goes_in_the_switch_takes_everything_with_it() {
    let picture = survives(&FOUR, &settings(json!({})), |cluster| {
        paint(cluster);
        deploy(cluster, 1);
        switch_half_way(cluster);
        cluster.user_delete(&kinds::APPLICATION, &named("shop"));
        cluster.silence("default", false);
        cluster.run();
    });
    contains(&picture, &["disk {}"]);
    assert!(!picture.contains("application shop"), "{picture}");
}

#[test]
fn a_canary_is_in_the_colour_that_does_not_serve() {
    let mut cluster = Cluster::new(CALM, &FOUR, settings(json!({"canary": {}})));
    paint(&mut cluster);
    cluster.deploy(1);
    cluster.run();
    let promoted = json!({"promoted": true});
    cluster.user_spec(&kinds::ROLLOUT, &named("shop-1"), promoted.clone());
    cluster.run();
    deploy(&mut cluster, 2);
    assert_eq!(phase(&cluster, "shop-2"), RolloutPhase::Paused);
    contains(
        &cluster.picture(),
        &[
            "canary shop-c is up",
            "blue serves",
            "requests go to shop-a shop-b\n",
        ],
    );
    cluster.user_spec(&kinds::ROLLOUT, &named("shop-2"), promoted);
    cluster.run();
    contains(
        &cluster.picture(),
        &["rollout shop-2 Succeeded", "green serves"],
    );
}

/// Anything at any time, with two colours.
struct Fate {
    cluster: Cluster,
    chance: Chance,
    rollouts: u64,
}

impl Fate {
    fn new(seed: u64, crashes: usize) -> Fate {
        let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        let on_failure = ["Stop", "Rollback"][chance.below(2)];
        let settings = settings(json!({
            "concurrency": 1 + chance.below(2),
            "maxFailures": chance.below(2),
            "gearTimeout": "120s",
            "onFailure": on_failure,
        }));
        let how = Disturbance {
            seed,
            crashes,
            lag: 4,
        };
        let mut cluster = Cluster::new(how, &FOUR, settings);
        paint(&mut cluster);
        Fate {
            cluster,
            chance,
            rollouts: 0,
        }
    }

    fn latest(&self) -> Option<Rollout> {
        let rollouts = self.cluster.all::<Rollout>().into_iter();
        rollouts.max_by_key(|rollout| rollout.spec.number)
    }

    fn happen(&mut self) {
        let node = FOUR[self.chance.below(4)];
        let router = ["default", "lb-1"][self.chance.below(2)];
        match self.chance.below(10) {
            0 => self.cluster.set_ready(node, false),
            1 => self.cluster.set_ready(node, true),
            2 => self.cluster.silence(router, true),
            3 => self.cluster.silence(router, false),
            4 | 5 => self.steer(),
            _ => self.begin(),
        }
    }

    /// Somebody asks something of a rollout.
    fn steer(&mut self) {
        let rollouts = self.cluster.all::<Rollout>();
        let Some(rollout) = rollouts.get(self.chance.below(rollouts.len())) else {
            return;
        };
        let is_over = rollout.status.phase.is_final();
        let spec = match self.chance.below(4) {
            _ if is_over => json!({"desired": "Run", "attempt": rollout.answered() + 1}),
            0 => json!({"desired": "Pause"}),
            1 => json!({"desired": "Abort"}),
            _ => json!({"desired": "Run"}),
        };
        let key = rollout.metadata.key();
        self.cluster.user_spec(&kinds::ROLLOUT, &key, spec);
    }

    fn begin(&mut self) {
        self.rollouts += 1;
        let number = self.rollouts;
        let current = self.latest().filter(|_| self.chance.below(3) == 0);
        if let Some(current) = current {
            let back = self.chance.below(2) == 0;
            let revision = match current.status.previous_revision {
                previous if back && !previous.is_empty() => previous,
                _ => current.spec.revision,
            };
            return self
                .cluster
                .rollout(number, &revision, json!({"action": "Rollback"}));
        }
        if self.chance.below(3) == 0 {
            let gear = format!("shop-{}", FOUR[self.chance.below(4)]);
            let step = ["DownloadBundle", "Install", "ValidateService"][self.chance.below(3)];
            self.cluster.fail(&gear, &format!("shop-{number}"), step);
        }
        self.cluster.deploy(number);
    }

    fn tell(mut self) {
        self.cluster.deploy(0);
        self.cluster.run();
        // Once it served, nothing that happens here may cost a request.
        self.cluster.expect_at_least(1);
        for _ in 0..12 {
            self.cluster.run_turns(self.chance.below(100));
            self.happen();
        }
        self.cluster.failing.clear();
        self.cluster.catch_up_anew();
        for node in FOUR {
            self.cluster.set_ready(node, true);
        }
        for router in ["default", "lb-1"] {
            self.cluster.silence(router, false);
        }
        for rollout in self.cluster.all::<Rollout>() {
            if rollout.spec.desired == Desired::Pause {
                let key = rollout.metadata.key();
                let run = json!({"desired": "Run"});
                self.cluster.user_spec(&kinds::ROLLOUT, &key, run);
            }
        }
        self.cluster.run();
        self.check_the_end();
    }

    fn check_the_end(&self) {
        let cluster = &self.cluster;
        let told = format!("{:?}\n{}", cluster.how, cluster.picture());
        let application: Application = cluster.get(&named("shop")).unwrap();
        let status = &application.status;
        assert_eq!(status.rollout, "", "{told}");
        for operation in cluster.all::<Operation>() {
            assert!(operation.status.phase.is_final(), "{told}");
        }
        for rollout in cluster.all::<Rollout>() {
            let status = &rollout.status;
            assert!(status.phase.is_final(), "{told}");
            let is_done = status
                .steps
                .iter()
                .any(|step| step.phase == StepPhase::Done);
            let served = match status.phase {
                RolloutPhase::Succeeded | RolloutPhase::PartlyFailed => true,
                // A retry that is refused keeps what the attempt before it did.
                RolloutPhase::Failed | RolloutPhase::RolledBack if status.attempt == 1 => false,
                _ => continue,
            };
            assert_eq!(
                is_done, served,
                "{}: {status:?}\n{told}",
                rollout.metadata.name
            );
        }
        // Whom the requests go to is of the colour that serves, and holds what is current.
        let led_to = cluster.led_to();
        let led_to: Vec<&str> = led_to.split_whitespace().skip(3).collect();
        assert!(!led_to.is_empty(), "{told}");
        for gear in cluster.all::<Gear>() {
            if led_to.contains(&&*gear.metadata.name) {
                assert_eq!(gear.spec.color, status.active_color, "{told}");
                assert_eq!(gear.status.revision, status.current_revision, "{told}");
            }
        }
    }
}

#[test]
fn whatever_happens_requests_have_one_whole_colour() {
    for seed in 1..=3 {
        Fate::new(seed, 0).tell();
        Fate::new(seed + 100, 60).tell();
    }
}
