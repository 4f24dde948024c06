//! The stories behind a load balancer: thirteen steps and twelve, blocked gears, ways back, aborts.

use serde_json::json;

use super::tests::contains;
use super::*;

fn settings(more: serde_json::Value) -> serde_json::Value {
    let mut settings = json!({"loadBalancer": {"service": "shop"}});
    json_patch::merge(&mut settings, &more);
    settings
}

fn steps(cluster: &Cluster, operation: &str) -> Vec<String> {
    let prefix = format!("{operation} ");
    let steps = cluster.trace.iter();
    let of_operation = steps.filter_map(|line| line.strip_prefix(&prefix));
    of_operation.map(str::to_owned).collect()
}

#[test]
fn a_deployment_takes_thirteen_steps_and_a_rollback_twelve() {
    let story = |cluster: &mut Cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.deploy(2);
        cluster.run();
        cluster.rollout(3, "shop-1", json!({"action": "Rollback", "undoes": 2}));
        cluster.run();
    };
    let settings = settings(json!({"concurrency": 2}));
    let picture = survives(&["a", "b", "c"], &settings, story);
    contains(
        &picture,
        &[
            "held by \"\", current \"shop-1\"",
            "rollout shop-1 Succeeded",
            "rollout shop-2 Succeeded",
            "rollout shop-3 Succeeded",
            "gear shop-c wants \"shop-1\" has \"shop-1\"",
        ],
    );
    assert!(!picture.contains("out of rotation"), "{picture}");
    let mut cluster = Cluster::new(CALM, &["a"], settings);
    story(&mut cluster);
    let deploy = steps(&cluster, "shop-2-shop-a-1");
    assert_eq!(deploy.len(), 13);
    assert_eq!(deploy[2], "BlockTraffic");
    assert_eq!(deploy[11], "AllowTraffic");
    assert_eq!(steps(&cluster, "shop-3-shop-a-1"), deploy[1..]);
}

#[test]
fn a_new_gear_is_out_of_rotation_until_its_first_deployment_is_done() {
    let mut cluster = Cluster::new(CALM, &["a"], settings(json!({})));
    cluster.deploy(1);
    cluster.run_until(|cluster| cluster.trace.len() >= 11);
    let gear: Gear = cluster.get(&named("shop-a")).unwrap();
    assert_eq!(gear.spec.rotation, Rotation::Out);
    cluster.run();
    let gear: Gear = cluster.get(&named("shop-a")).unwrap();
    assert_eq!(gear.spec.rotation, Rotation::In);
}

#[test]
fn a_gear_that_fails_while_it_is_blocked_stays_out_and_is_taken_first() {
    let story = |cluster: &mut Cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-a", "shop-2", "ApplicationStart");
        cluster.deploy(2);
        cluster.run();
    };
    let settings = settings(json!({"minHealthy": 1}));
    let picture = survives(&["a", "b"], &settings, story);
    contains(
        &picture,
        &[
            "rollout shop-2 Failed \"HookFailed\"",
            "gear shop-a wants \"shop-2\" has \"shop-2\" out of rotation",
            "gear shop-b wants \"shop-1\" has \"shop-1\"\n",
        ],
    );
    // Only b serves: a is mended before b may be taken.
    let next = |cluster: &mut Cluster| {
        story(cluster);
        cluster.deploy(3);
        cluster.run_until(|cluster| !steps(cluster, "shop-3-shop-a-1").is_empty());
        assert!(steps(cluster, "shop-3-shop-b-1").is_empty());
        cluster.run();
    };
    let picture = survives(&["a", "b"], &settings, next);
    contains(
        &picture,
        &["rollout shop-3 Succeeded \"\" \"2 of 2 gears done\" 2/0/2"],
    );
    assert!(!picture.contains("out of rotation"), "{picture}");
}

#[test]
fn too_few_healthy_counts_what_is_out_of_rotation() {
    let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-a", "shop-2", "ApplicationStart");
        cluster.fail("shop-a", "shop-3", "ApplicationStart");
        cluster.deploy(2);
        cluster.run();
        let shop = named("shop");
        let spec = json!({"rollout": {"minHealthy": 1, "maxFailures": 1}});
        cluster.user_spec(&kinds::APPLICATION, &shop, spec);
        cluster.deploy(3);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-3 Failed \"TooFewHealthy\"",
            "gear shop-b wants \"shop-1\" has \"shop-1\"\n",
        ],
    );
}

#[test]
fn a_failed_deployment_goes_back_through_rotation() {
    let story = |cluster: &mut Cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-b", "shop-2", "ValidateService");
        cluster.deploy(2);
        cluster.run();
    };
    let settings = settings(json!({"onFailure": "Rollback"}));
    let picture = survives(&["a", "b", "c"], &settings, story);
    contains(
        &picture,
        &[
            "rollout shop-2 RolledBack \"HookFailed\"",
            "operation shop-2-shop-a-1-back Succeeded",
            "operation shop-2-shop-b-1-back Succeeded",
            "disk {\"shop-a\": \"shop-1\", \"shop-b\": \"shop-1\", \"shop-c\": \"shop-1\"}",
        ],
    );
    assert!(!picture.contains("out of rotation"), "{picture}");
    let mut cluster = Cluster::new(CALM, &["a", "b"], settings);
    story(&mut cluster);
    let back = steps(&cluster, "shop-2-shop-b-1-back");
    assert_eq!(back.len(), 12);
    assert!(back.contains(&"BlockTraffic".to_owned()) && back.contains(&"AllowTraffic".to_owned()));
}

#[test]
fn a_failed_first_deployment_is_removed_and_enters_nothing() {
    let settings = settings(json!({"onFailure": "Rollback"}));
    let picture = survives(&["a", "b"], &settings, |cluster| {
        cluster.fail("shop-b", "shop-1", "ValidateService");
        cluster.deploy(1);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-1 Failed \"HookFailed\"",
            "what was installed is removed",
            "gear shop-a wants \"\" has \"\" out of rotation",
            "disk {}",
        ],
    );
}

#[test]
fn a_host_that_was_away_catches_up_through_rotation() {
    let story = |cluster: &mut Cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.set_ready("b", false);
        for number in 2..=4 {
            cluster.deploy(number);
            cluster.run();
        }
        cluster.set_ready("b", true);
        cluster.run();
    };
    let picture = survives(&["a", "b"], &settings(json!({})), story);
    contains(
        &picture,
        &[
            "operation shop-b-catchup-4-1 Succeeded",
            "gear shop-b wants \"shop-4\" has \"shop-4\"",
        ],
    );
    for skipped in ["catchup-2", "catchup-3", "out of rotation"] {
        assert!(!picture.contains(skipped), "{picture}");
    }
    let mut cluster = Cluster::new(CALM, &["a", "b"], settings(json!({})));
    story(&mut cluster);
    assert_eq!(steps(&cluster, "shop-b-catchup-4-1").len(), 13);
}

#[test]
fn what_goes_leaves_rotation_first() {
    let mut cluster = Cluster::new(CALM, &["a"], settings(json!({})));
    cluster.deploy(1);
    cluster.run();
    cluster.user_delete(&kinds::APPLICATION, &named("shop"));
    cluster.run();
    assert_eq!(
        steps(&cluster, "shop-a-teardown"),
        ["BlockTraffic", "ApplicationStop", "Install"]
    );
    assert!(cluster.disk.is_empty());
}

#[test]
fn a_service_that_leads_elsewhere_is_refused_before_anything_is_touched() {
    for (labels, spec) in [
        (json!({}), json!({"selector": {"app": "other"}})),
        (json!({"upshift.dev/gears-of": "other"}), json!({})),
    ] {
        let mut cluster = Cluster::new(CALM, &["a"], settings(json!({})));
        cluster.make(
            &kinds::SERVICE,
            json!({"metadata": {"name": "shop", "namespace": DEMO, "labels": labels}, "spec": spec}),
        );
        cluster.deploy(1);
        cluster.run();
        contains(
            &cluster.picture(),
            &["rollout shop-1 Failed \"ServiceTaken\""],
        );
        assert!(cluster.trace.is_empty());
    }
}

#[test]
fn what_was_left_out_gets_requests_again_when_the_load_balancer_is_given_up() {
    let picture = survives(&["a", "b"], &settings(json!({})), |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-a", "shop-2", "ApplicationStart");
        cluster.deploy(2);
        cluster.run();
        contains(&cluster.picture(), &["has \"shop-2\" out of rotation"]);
        cluster.failing.clear();
        let spec = json!({"rollout": {"loadBalancer": null}});
        cluster.user_spec(&kinds::APPLICATION, &named("shop"), spec);
        cluster.deploy(3);
        cluster.run();
    });
    contains(
        &picture,
        &["rollout shop-3 Succeeded", "gear shop-a wants \"shop-3\""],
    );
    assert!(!picture.contains("out of rotation"), "{picture}");
}
