//! The stories of hosts that come and go: removed in the middle, joined again, relabelled, cordoned.

use serde_json::json;

use super::tests::contains;
use super::tests::phase;
use super::*;

impl Cluster {
    fn join(&mut self, name: &str) {
        self.make(&kinds::NODE, json!({"metadata": {"name": name}}));
        self.set_ready(name, true);
    }

    fn remove(&mut self, name: &str) {
        self.user_delete(&kinds::NODE, &Key::new("", name));
    }

    fn relabel(&mut self, name: &str, labels: Value) {
        let at = place(&kinds::NODE, &Key::new("", name));
        let mut node = self.objects[&at].clone();
        node["metadata"]["labels"] = labels;
        self.store(at, Some(node));
    }
}

fn nothing_is_held(cluster: &Cluster) {
    let picture = cluster.picture();
    let how = cluster.how;
    contains(&picture, &["held by \"\""]);
    for operation in cluster.all::<Operation>() {
        let is_over = operation.status.phase.is_final();
        assert!(is_over, "{how:?}\n{picture}");
    }
}

#[test]
fn a_node_that_is_removed_in_any_step_holds_nothing_and_the_rollout_goes_on() {
    for (settings, steps) in [
        (json!({}), 7),
        (json!({"loadBalancer": {"service": "shop"}}), 13),
    ] {
        for middle in 0..=steps {
            let how = Disturbance {
                seed: 7 + middle as u64,
                crashes: 30,
                lag: 4,
            };
            let mut cluster = Cluster::new(how, &["a", "b"], settings.clone());
            cluster.deploy(1);
            cluster.run();
            let before = cluster.trace.len();
            cluster.deploy(2);
            cluster.run_until(|cluster| cluster.trace.len() >= before + middle);
            cluster.remove("a");
            cluster.run();
            let picture = cluster.picture();
            nothing_is_held(&cluster);
            assert_eq!(
                phase(&cluster, "shop-2"),
                RolloutPhase::Succeeded,
                "{picture}"
            );
            contains(&picture, &["gear shop-b wants \"shop-2\" has \"shop-2\"\n"]);
            assert!(!picture.contains("gear shop-a"), "{middle}: {picture}");
        }
    }
}

#[test]
fn a_node_that_was_removed_and_joins_again_gets_what_is_current() {
    often(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run_until(|cluster| cluster.trace.len() >= 3);
        cluster.remove("a");
        cluster.run();
        cluster.join("a");
        cluster.run();
        contains(
            &cluster.picture(),
            &[
                "rollout shop-1 Succeeded",
                "operation shop-a-catchup-1-1 Succeeded",
                "gear shop-a wants \"shop-1\" has \"shop-1\"",
            ],
        );
    });
}

#[test]
fn without_any_node_left_a_rollout_fails_and_says_so() {
    let mut cluster = Cluster::new(CALM, &["a"], json!({}));
    cluster.deploy(1);
    cluster.run_until(|cluster| cluster.trace.len() >= 3);
    cluster.remove("a");
    cluster.run();
    nothing_is_held(&cluster);
    assert_eq!(phase(&cluster, "shop-1"), RolloutPhase::Failed);
}

#[test]
fn a_node_that_joins_in_the_middle_is_taken_along() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        cluster.deploy(1);
        cluster.run_until(|cluster| cluster.trace.len() >= 3);
        cluster.join("c");
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-1 Succeeded \"\" \"3 of 3 gears done\"",
            "gear shop-c wants \"shop-1\" has \"shop-1\"",
        ],
    );
}

#[test]
fn a_node_that_loses_its_label_keeps_its_gear_until_the_rollout_is_over() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        let selector = json!({"hosts": {"selector": {"tier": "web"}}});
        cluster.user_spec(&kinds::APPLICATION, &named("shop"), selector);
        cluster.relabel("a", json!({"tier": "web"}));
        cluster.relabel("b", json!({"tier": "web"}));
        cluster.deploy(1);
        cluster.run();
        cluster.deploy(2);
        let before = cluster.trace.len();
        cluster.run_until(|cluster| cluster.trace.len() >= before + 3);
        cluster.relabel("a", json!({}));
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded",
            "operation shop-2-shop-a-1 Succeeded",
            "disk {\"shop-b\": \"shop-2\"}",
        ],
    );
}

#[test]
fn a_cordoned_node_keeps_its_gear_and_gets_no_new_one() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        let cordon = json!({"unschedulable": true});
        cluster.user_spec(&kinds::NODE, &Key::new("", "b"), cordon.clone());
        cluster.deploy(1);
        cluster.run();
        cluster.user_spec(&kinds::NODE, &Key::new("", "a"), cordon);
        cluster.deploy(2);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "rollout shop-2 Succeeded \"\" \"1 of 1 gear done\"",
            "disk {\"shop-a\": \"shop-2\"}",
        ],
    );
}
