//! The stories: deploy, failure, going back, retry, pause, deletion, silent nodes; each undisturbed and disturbed.

use serde_json::json;

use super::*;
use crate::api::upshift::Revision;

pub(super) fn phase(cluster: &Cluster, rollout: &str) -> RolloutPhase {
    cluster
        .get::<Rollout>(&named(rollout))
        .map(|rollout| rollout.status.phase)
        .unwrap_or_default()
}

pub(super) fn contains(picture: &str, lines: &[&str]) {
    for line in lines {
        assert!(picture.contains(line), "{line:?} is not in\n{picture}");
    }
}

#[test]
fn a_deployment_and_the_next_one() {
    let picture = survives(&["a", "b", "c"], &json!({"concurrency": 2}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.deploy(2);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "application shop held by \"\", current \"shop-2\"",
            "rollout shop-1 Succeeded \"\" \"3 of 3 gears done\" 3/0/3",
            "rollout shop-2 Succeeded",
            "gear shop-c wants \"shop-2\" has \"shop-2\"",
        ],
    );
}

#[test]
fn a_failed_deployment_stays_where_it_failed() {
    let picture = survives(&["a", "b", "c"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-b", "shop-2", "ApplicationStart");
        cluster.deploy(2);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-2 Failed \"HookFailed\" \"gear shop-b failed in ApplicationStart (HookFailed): exit code 1\" 1/1/3",
            "gear shop-c wants \"shop-1\" has \"shop-1\"",
            "disk {\"shop-a\": \"shop-2\", \"shop-b\": \"shop-2\", \"shop-c\": \"shop-1\"}",
        ],
    );
}

#[test]
fn a_failed_deployment_goes_back() {
    let picture = survives(
        &["a", "b", "c"],
        &json!({"onFailure": "Rollback"}),
        |cluster| {
            cluster.deploy(1);
            cluster.run();
            cluster.fail("shop-b", "shop-2", "ValidateService");
            cluster.deploy(2);
            cluster.run();
        },
    );
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-2 RolledBack \"HookFailed\"",
            "every gear is back at shop-1",
            "operation shop-2-shop-a-1-back Succeeded",
            "operation shop-2-shop-b-1-back Succeeded",
            "disk {\"shop-a\": \"shop-1\", \"shop-b\": \"shop-1\", \"shop-c\": \"shop-1\"}",
        ],
    );
    assert!(!picture.contains("shop-2-shop-c-1"), "{picture}");
}

#[test]
fn a_failed_first_deployment_removes_what_it_installed() {
    let picture = survives(&["a", "b"], &json!({"onFailure": "Rollback"}), |cluster| {
        cluster.fail("shop-b", "shop-1", "ValidateService");
        cluster.deploy(1);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "current \"\"",
            "rollout shop-1 Failed \"HookFailed\"",
            "what was installed is removed",
            "gear shop-a wants \"\" has \"\"",
            "disk {}",
        ],
    );
}

#[test]
fn a_gear_that_failed_in_its_first_step_does_not_go_back() {
    let picture = survives(&["a"], &json!({"onFailure": "Rollback"}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-a", "shop-2", "DownloadBundle");
        cluster.deploy(2);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-2 RolledBack",
            "gear shop-a wants \"shop-1\" has \"shop-1\"",
        ],
    );
    assert!(!picture.contains("-back"), "{picture}");
}

#[test]
fn a_rollback_by_hand_copies_the_concurrency_and_uses_the_old_cache() {
    let story = |cluster: &mut Cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.deploy(2);
        cluster.run();
        cluster.rollout(3, "shop-1", json!({"action": "Rollback", "undoes": 2}));
        cluster.run();
    };
    let picture = survives(&["a", "b"], &json!({"concurrency": 2}), story);
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-3 Succeeded",
            "gear shop-a wants \"shop-1\" has \"shop-1\"",
        ],
    );
    let mut cluster = Cluster::new(CALM, &["a", "b"], json!({"concurrency": 2}));
    story(&mut cluster);
    let operation: Operation = cluster.get(&named("shop-3-shop-a-1")).unwrap();
    assert_eq!(operation.spec.deployment.deploy_id, 1);
    assert_eq!(operation.spec.steps.len(), 6);
    assert_eq!(operation.spec.deployment.app_id, "demo.shop");
    assert_eq!(operation.spec.deployment.keep, [1, 2]);
}

#[test]
fn a_retry_repeats_only_what_is_not_done() {
    let picture = survives(&["a", "b", "c"], &json!({}), |cluster| {
        cluster.fail("shop-b", "shop-1", "ApplicationStart");
        cluster.deploy(1);
        cluster.run();
        cluster.failing.clear();
        cluster.retry(1, 2);
    });
    contains(
        &picture,
        &[
            "rollout shop-1 Succeeded \"\" \"3 of 3 gears done\" 3/0/3",
            "operation shop-1-shop-a-1 Succeeded",
            "operation shop-1-shop-b-1 Failed",
            "operation shop-1-shop-b-2 Succeeded",
            "operation shop-1-shop-c-2 Succeeded",
        ],
    );
    assert!(!picture.contains("shop-1-shop-a-2"), "{picture}");
}

#[test]
fn a_refused_retry_leaves_what_was_reached() {
    let refused = |cluster: &Cluster| {
        let rollout: Rollout = cluster.get(&named("shop-1")).unwrap();
        let status = rollout.status;
        let refused = status.refused.map(|one| (one.attempt, one.reason));
        (status.phase, status.attempt, refused)
    };
    let desire = |cluster: &mut Cluster, rollout: &str, desired: &str| {
        let spec = json!({ "desired": desired });
        cluster.user_spec(&kinds::ROLLOUT, &named(rollout), spec);
        cluster.run();
    };
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.deploy(2);
        cluster.run_until(|cluster| phase(cluster, "shop-2") == RolloutPhase::Running);
        desire(cluster, "shop-2", "Pause");
        cluster.retry(1, 2);
        let locked = Some((2, "Locked".to_owned()));
        assert_eq!(refused(cluster), (RolloutPhase::Succeeded, 1, locked));
        desire(cluster, "shop-2", "Run");
        assert_eq!(phase(cluster, "shop-2"), RolloutPhase::Succeeded);
        cluster.user_spec(
            &kinds::ROLLOUT,
            &named("shop-1"),
            json!({"desired": "Abort"}),
        );
        cluster.retry(1, 3);
        let aborted = Some((3, "Aborted".to_owned()));
        assert_eq!(refused(cluster), (RolloutPhase::Succeeded, 1, aborted));
        desire(cluster, "shop-1", "Run");
        cluster.retry(1, 4);
        assert_eq!(refused(cluster), (RolloutPhase::Succeeded, 4, None));
    });
    contains(
        &picture,
        &[
            "application shop held by \"\", current \"shop-1\"",
            "rollout shop-1 Succeeded \"\" \"2 of 2 gears done\" 2/0/2",
            "rollout shop-2 Succeeded",
        ],
    );
}

#[test]
fn tolerated_failures_end_partly() {
    let picture = survives(&["a", "b", "c"], &json!({"maxFailures": 1}), |cluster| {
        cluster.fail("shop-a", "shop-1", "Install");
        cluster.deploy(1);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-1 PartlyFailed \"HookFailed\"",
            "2/1/3",
        ],
    );
}

#[test]
fn deleting_in_the_middle_removes_everything() {
    for middle in [0, 1, 4, 7, 11] {
        let picture = survives(&["a", "b"], &json!({}), |cluster| {
            cluster.deploy(1);
            cluster.run();
            cluster.deploy(2);
            cluster.run_until(|cluster| cluster.trace.len() >= 14 + middle);
            cluster.user_delete(&kinds::APPLICATION, &named("shop"));
            cluster.run();
        });
        assert_eq!(picture, "disk {}", "after {middle} steps");
    }
}

#[test]
fn a_silent_node_is_passed_over_and_catches_up() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.set_ready("b", false);
        cluster.deploy(2);
        cluster.run();
        assert_eq!(phase(cluster, "shop-2"), RolloutPhase::Succeeded);
        assert_eq!(cluster.disk["shop-b"], "shop-1");
        cluster.set_ready("b", true);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "operation shop-b-catchup-2-1 Succeeded",
            "gear shop-b wants \"shop-2\" has \"shop-2\"",
        ],
    );
}

#[test]
fn a_catch_up_that_always_fails_is_left_alone_until_somebody_asks() {
    let trouble = |cluster: &Cluster| {
        let gear: Gear = cluster.get(&named("shop-b")).unwrap();
        gear.spec.catch_up
    };
    for step in ["BeforeInstall", "ApplicationStart"] {
        let picture = survives(&["a", "b"], &json!({}), |cluster| {
            cluster.deploy(1);
            cluster.run();
            cluster.set_ready("b", false);
            cluster.deploy(2);
            cluster.run();
            cluster.fail("shop-b", "shop-2", step);
            cluster.set_ready("b", true);
            cluster.run_until(|cluster| trouble(cluster).is_some());
            let first = trouble(cluster).unwrap();
            assert_eq!((first.failures, first.next.is_some()), (1, true));
            cluster.run();
            let last = trouble(cluster).unwrap();
            assert_eq!((last.failures, last.next), (10, None));
            assert_eq!(last.operation, "shop-b-catchup-2-10");
            let told = format!("gear shop-b failed in {step} (HookFailed): exit code 1");
            assert_eq!(last.message, told);
            cluster.failing.clear();
            cluster.run();
            assert_eq!(trouble(cluster), Some(last));
            cluster.retry(2, 2);
            assert_eq!(trouble(cluster), None);
        });
        contains(
            &picture,
            &[
                "rollout shop-2 Succeeded \"\" \"2 of 2 gears done\"",
                "operation shop-2-shop-b-2 Succeeded",
                "gear shop-b wants \"shop-2\" has \"shop-2\"",
            ],
        );
        assert!(!picture.contains("shop-2-shop-a-2"), "{picture}");
    }
}

#[test]
fn a_catch_up_that_fails_at_first_succeeds_later_or_with_the_next_deployment() {
    let story = |is_mended: bool| {
        survives(&["a", "b"], &json!({}), |cluster| {
            cluster.deploy(1);
            cluster.run();
            cluster.set_ready("b", false);
            cluster.deploy(2);
            cluster.run();
            cluster.fail("shop-b", "shop-2", "ApplicationStart");
            cluster.set_ready("b", true);
            cluster.run_until(|cluster| {
                let gear: Gear = cluster.get(&named("shop-b")).unwrap();
                gear.spec.catch_up.is_some_and(|one| one.failures == 3)
            });
            if is_mended {
                cluster.failing.clear();
            } else {
                cluster.deploy(3);
            }
            cluster.run();
            let gear: Gear = cluster.get(&named("shop-b")).unwrap();
            assert_eq!(gear.spec.catch_up, None);
        })
    };
    contains(
        &story(true),
        &[
            "operation shop-b-catchup-2-4 Succeeded",
            "gear shop-b wants \"shop-2\" has \"shop-2\"",
        ],
    );
    contains(&story(false), &["operation shop-3-shop-b-1 Succeeded"]);
}

#[test]
fn a_new_node_gets_the_current_revision() {
    let picture = survives(&["a"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.make(&kinds::NODE, json!({"metadata": {"name": "b"}}));
        cluster.set_ready("b", true);
        cluster.run();
    });
    contains(&picture, &["gear shop-b wants \"shop-1\" has \"shop-1\""]);
}

#[test]
fn a_node_that_no_longer_matches_is_cleaned() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        let mut node = cluster.objects[&place(&kinds::NODE, &Key::new("", "a"))].clone();
        node["metadata"]["labels"] = json!({"tier": "web"});
        cluster.store(place(&kinds::NODE, &Key::new("", "a")), Some(node));
        let selector = json!({"hosts": {"selector": {"tier": "web"}}});
        cluster.user_spec(&kinds::APPLICATION, &named("shop"), selector);
        cluster.run();
    });
    contains(&picture, &["gear shop-a", "disk {\"shop-a\": \"shop-1\"}"]);
    assert!(!picture.contains("gear shop-b"), "{picture}");
}

/// Deploys on two nodes of which the first falls silent in a step, and returns after the end.
fn lost(settings: &Value, step: &'static str) -> String {
    survives(&["a", "b"], settings, |cluster| {
        cluster.hang("shop-a", step);
        cluster.deploy(1);
        cluster.run();
        cluster.set_ready("a", false);
        cluster.run();
        assert!(phase(cluster, "shop-1").is_final());
        cluster.hanging.clear();
        cluster.set_ready("a", true);
        cluster.run();
    })
}

#[test]
fn a_silent_node_in_the_middle_is_given_up_after_the_gear_s_time() {
    let settings = json!({"gearTimeout": "60s", "maxFailures": 1});
    for step in ["DownloadBundle", "ApplicationStart"] {
        let told = format!(
            "rollout shop-1 PartlyFailed \"NodeSilent\" \"1 of 2 gears done; 1 on silent nodes will catch up; \
             gear shop-a was lost in {step}: node a fell silent\" 1/1/2"
        );
        contains(
            &lost(&settings, step),
            &[
                &told,
                "operation shop-1-shop-a-1 Aborted",
                "gear shop-a wants \"shop-1\" has \"shop-1\"",
            ],
        );
    }
}

#[test]
fn a_node_that_is_lost_in_the_middle_counts_against_what_may_fail() {
    let picture = lost(&json!({"gearTimeout": "60s"}), "BeforeInstall");
    contains(
        &picture,
        &[
            "rollout shop-1 Failed \"NodeSilent\" \"gear shop-a was lost in BeforeInstall: node a fell silent\" 0/1/2",
            "operation shop-1-shop-a-1 Aborted",
        ],
    );
    assert!(!picture.contains("shop-1-shop-b"), "{picture}");
}

#[test]
fn a_node_that_falls_silent_before_it_began_is_passed_over() {
    let picture = lost(&json!({"gearTimeout": "60s"}), "");
    contains(
        &picture,
        &[
            "rollout shop-1 Succeeded \"\" \"1 of 2 gears done; 1 on silent nodes will catch up\" 1/0/2",
            "gear shop-a wants \"shop-1\" has \"shop-1\"",
        ],
    );
}

#[test]
fn pause_holds_and_resume_goes_on() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run_until(|cluster| cluster.trace.len() >= 3);
        cluster.user_spec(
            &kinds::ROLLOUT,
            &named("shop-1"),
            json!({"desired": "Pause"}),
        );
        cluster.run();
        assert_eq!(phase(cluster, "shop-1"), RolloutPhase::Paused);
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-1"), json!({"desired": "Run"}));
        cluster.run();
    });
    contains(&picture, &["rollout shop-1 Succeeded"]);
}

#[test]
fn abort_ends_and_leaves_what_is_done() {
    for middle in [0, 3, 9] {
        let mut cluster = Cluster::new(CALM, &["a", "b"], json!({}));
        cluster.deploy(1);
        cluster.run_until(|cluster| cluster.trace.len() >= middle);
        cluster.user_spec(
            &kinds::ROLLOUT,
            &named("shop-1"),
            json!({"desired": "Abort"}),
        );
        cluster.run();
        contains(
            &cluster.picture(),
            &["rollout shop-1 Aborted", "held by \"\", current \"\""],
        );
    }
}

#[test]
fn the_second_of_two_rollouts_is_locked_out() {
    for seed in 1..20 {
        let how = Disturbance {
            seed,
            crashes: 30,
            lag: 5,
        };
        let mut cluster = Cluster::new(how, &["a", "b"], json!({}));
        cluster.deploy(1);
        cluster.deploy(2);
        cluster.run();
        let phases = [phase(&cluster, "shop-1"), phase(&cluster, "shop-2")];
        assert!(
            phases.contains(&RolloutPhase::Succeeded),
            "{how:?}: {}",
            cluster.picture()
        );
        let reasons: Vec<String> = cluster
            .all::<Rollout>()
            .into_iter()
            .map(|rollout| rollout.status.reason)
            .collect();
        let both = phases == [RolloutPhase::Succeeded; 2];
        assert!(
            both || reasons.contains(&"Locked".to_owned()),
            "{how:?}: {}",
            cluster.picture()
        );
    }
}

#[test]
fn what_cannot_begin_says_why() {
    let ended = |nodes: &[&str],
                 settings: serde_json::Value,
                 spec: serde_json::Value,
                 revision: &str| {
        let mut cluster = Cluster::new(CALM, nodes, settings);
        cluster.make(
            &kinds::REVISION,
            json!({"metadata": {"name": "shop-1", "namespace": DEMO}, "spec": {"application": "shop", "number": 1}}),
        );
        cluster.rollout(1, revision, spec);
        cluster.run();
        let rollout: Rollout = cluster.get(&named("shop-1")).unwrap();
        assert!(rollout.metadata.finalizers.is_empty());
        assert_eq!(rollout.status.phase, RolloutPhase::Failed);
        assert_eq!(
            cluster
                .get::<Application>(&named("shop"))
                .unwrap()
                .status
                .rollout,
            ""
        );
        rollout.status.reason
    };
    let deploy = || json!({"action": "Deploy"});
    assert_eq!(
        ended(&["a"], json!({}), json!({"action": "Rollback"}), ""),
        "NothingToRollBackTo"
    );
    assert_eq!(
        ended(&["a"], json!({}), deploy(), "shop-9"),
        "RevisionMissing"
    );
    assert_eq!(ended(&[], json!({}), deploy(), "shop-1"), "NoHosts");
    assert_eq!(
        ended(&["a"], json!({"minHealthy": 1}), deploy(), "shop-1"),
        "TooFewHealthy"
    );
}

#[test]
fn deleting_a_running_rollout_aborts_it_and_frees_the_application() {
    for seed in 1..10 {
        let how = Disturbance {
            seed,
            crashes: 50,
            lag: 5,
        };
        let mut cluster = Cluster::new(how, &["a", "b"], json!({}));
        cluster.deploy(1);
        cluster.run_until(|cluster| cluster.trace.len() >= 3);
        cluster.user_delete(&kinds::ROLLOUT, &named("shop-1"));
        cluster.run();
        let picture = cluster.picture();
        assert!(
            !picture.contains("rollout") && !picture.contains("operation"),
            "{how:?}\n{picture}"
        );
        contains(&picture, &["held by \"\""]);
    }
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    for seed in 1..8 {
        let how = Disturbance {
            seed,
            crashes: 50,
            lag: 5,
        };
        let mut cluster = Cluster::new(how, &["a", "b"], json!({}));
        cluster.make(
            &kinds::NAMESPACE,
            json!({"metadata": {"name": DEMO, "finalizers": ["kubernetes"]}}),
        );
        cluster.make(
            &kinds::SECRET,
            json!({"metadata": {"name": "s", "namespace": DEMO}}),
        );
        cluster.deploy(1);
        cluster.run();
        cluster.user_delete(&kinds::NAMESPACE, &Key::new("", DEMO));
        cluster.run();
        assert_eq!(
            cluster.objects.len(),
            2,
            "{how:?}\n{:?}",
            cluster.objects.keys()
        );
        assert!(cluster.disk.is_empty());
    }
}

#[test]
fn a_deleted_node_is_given_up() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.set_ready("b", false);
        cluster.user_delete(&kinds::APPLICATION, &named("shop"));
        cluster.run();
        assert!(cluster.get::<Application>(&named("shop")).is_some());
        cluster.user_delete(&kinds::NODE, &Key::new("", "b"));
        cluster.run();
    });
    assert_eq!(picture, "disk {\"shop-b\": \"shop-1\"}");
}

#[test]
fn old_history_goes_and_what_is_named_stays() {
    let mut cluster = Cluster::new(CALM, &["a"], json!({}));
    cluster.user_spec(
        &kinds::APPLICATION,
        &named("shop"),
        json!({"revisionHistoryLimit": 2}),
    );
    for number in 1..=7 {
        cluster.deploy(number);
        cluster.run();
    }
    let revisions: Vec<u64> = cluster
        .all::<Revision>()
        .iter()
        .map(|one| one.spec.number)
        .collect();
    assert!(
        revisions.contains(&7) && revisions.contains(&6) && !revisions.contains(&1),
        "{revisions:?}"
    );
    assert!(revisions.len() <= 4, "{revisions:?}");
    for operation in cluster.all::<Operation>() {
        let owner = operation
            .spec
            .owner
            .strip_prefix("Rollout/")
            .unwrap()
            .to_owned();
        assert!(cluster.get::<Rollout>(&named(&owner)).is_some());
    }
}
