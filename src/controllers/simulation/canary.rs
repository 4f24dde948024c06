//! The stories with a canary: it waits for a word or for its time, and its failure is the rollout's.

use serde_json::json;

use super::tests::contains;
use super::tests::phase;
use super::*;

fn begun(cluster: &Cluster) -> Vec<String> {
    let operations = cluster.all::<Operation>().into_iter();
    operations
        .map(|operation| operation.metadata.name)
        .collect()
}

#[test]
fn waits_until_it_is_promoted() {
    let settings = json!({"concurrency": 2, "canary": {}});
    let picture = survives(&["a", "b", "c"], &settings, |cluster| {
        cluster.deploy(1);
        cluster.run();
        let rollout: Rollout = cluster.get(&named("shop-1")).unwrap();
        assert_eq!(rollout.status.phase, RolloutPhase::Paused);
        assert_eq!(rollout.status.reason, "");
        assert_eq!(
            rollout.status.message,
            "canary shop-a is up: waits for 'upshift promote shop'"
        );
        assert_eq!(begun(cluster), ["shop-1-shop-a-1"]);
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-1"), json!({"promoted": true}));
        cluster.run();
    });
    contains(
        &picture,
        &["rollout shop-1 Succeeded \"\" \"3 of 3 gears done\" 3/0/3"],
    );
}

#[test]
fn goes_on_when_its_time_is_over() {
    let settings = json!({"canary": {"pause": "10m"}});
    let picture = survives(&["a", "b", "c"], &settings, |cluster| {
        cluster.deploy(1);
        let is_paused = |cluster: &Cluster| phase(cluster, "shop-1") == RolloutPhase::Paused;
        cluster.run_until(is_paused);
        let rollout: Rollout = cluster.get(&named("shop-1")).unwrap();
        assert_eq!(
            rollout.status.message,
            "canary shop-a is up: goes on in 10m, or with 'upshift promote shop'"
        );
        let since = cluster.now;
        cluster.run();
        assert!(cluster.now - since >= 599, "{}", cluster.now - since);
    });
    contains(&picture, &["rollout shop-1 Succeeded"]);
}

#[test]
fn its_failure_is_not_among_those_that_are_tolerated() {
    let settings = json!({"maxFailures": 2, "canary": {}});
    let picture = survives(&["a", "b", "c"], &settings, |cluster| {
        cluster.fail("shop-a", "shop-1", "ValidateService");
        cluster.deploy(1);
        cluster.run();
    });
    contains(&picture, &["rollout shop-1 Failed \"HookFailed\""]);
    assert!(!picture.contains("operation shop-1-shop-b"), "{picture}");
}

#[test]
fn a_silent_one_is_followed_by_another() {
    let settings = json!({"gearTimeout": "60s", "canary": {}});
    let mut cluster = Cluster::new(CALM, &["a", "b", "c"], settings);
    cluster.set_ready("a", false);
    cluster.deploy(1);
    cluster.run();
    assert_eq!(
        phase(&cluster, "shop-1"),
        RolloutPhase::Paused,
        "{}",
        cluster.picture()
    );
    assert_eq!(begun(&cluster), ["shop-1-shop-b-1"]);
}

#[test]
fn one_that_is_lost_in_the_middle_is_followed_by_none() {
    let settings = json!({"gearTimeout": "60s", "maxFailures": 2, "canary": {}});
    let mut cluster = Cluster::new(CALM, &["a", "b", "c"], settings);
    cluster.hang("shop-a", "Install");
    cluster.deploy(1);
    cluster.run();
    cluster.set_ready("a", false);
    cluster.run();
    contains(
        &cluster.picture(),
        &["rollout shop-1 Failed \"NodeSilent\""],
    );
    assert_eq!(begun(&cluster), ["shop-1-shop-a-1"]);
}

#[test]
fn an_abort_or_a_deletion_ends_the_waiting() {
    for delete in [false, true] {
        let mut cluster = Cluster::new(CALM, &["a", "b"], json!({"canary": {}}));
        cluster.deploy(1);
        cluster.run();
        let shop = named("shop-1");
        if delete {
            cluster.user_delete(&kinds::ROLLOUT, &shop);
        } else {
            cluster.user_spec(&kinds::ROLLOUT, &shop, json!({"desired": "Abort"}));
        }
        cluster.run();
        contains(&cluster.picture(), &["held by \"\", current \"\""]);
        if !delete {
            assert_eq!(phase(&cluster, "shop-1"), RolloutPhase::Aborted);
        }
    }
}

#[test]
fn a_retry_goes_on_where_the_canary_was_done() {
    let settings = json!({"canary": {}});
    let picture = survives(&["a", "b"], &settings, |cluster| {
        cluster.fail("shop-b", "shop-1", "Install");
        cluster.deploy(1);
        cluster.run();
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-1"), json!({"promoted": true}));
        cluster.run();
        assert_eq!(phase(cluster, "shop-1"), RolloutPhase::Failed);
        cluster.failing.clear();
        cluster.retry(1, 2);
    });
    contains(
        &picture,
        &[
            "rollout shop-1 Succeeded",
            "operation shop-1-shop-b-2 Succeeded",
        ],
    );
}
