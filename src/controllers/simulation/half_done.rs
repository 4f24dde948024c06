//! The stories of fleets whose gears differ: what is current then, and what retry, rollback and the next deployment do.

use serde_json::json;

use super::tests::contains;
use super::tests::phase;
use super::*;

const THREE: [&str; 3] = ["a", "b", "c"];

impl Cluster {
    fn roll_back(&mut self, number: u64, revision: &str) {
        let spec = json!({"action": "Rollback", "undoes": number - 1});
        self.rollout(number, revision, spec);
        self.run();
    }
}

/// a has 2, b failed with it, c was not reached: 1 is current.
fn failed(cluster: &mut Cluster) {
    cluster.deploy(1);
    cluster.run();
    cluster.fail("shop-b", "shop-2", "ApplicationStart");
    cluster.deploy(2);
    cluster.run();
}

#[test]
fn after_a_failure_the_revision_before_is_current_and_nobody_is_touched() {
    let picture = survives(&THREE, &json!({}), |cluster| {
        failed(cluster);
        cluster.set_ready("c", false);
        cluster.set_ready("c", true);
        cluster.run();
    });
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "disk {\"shop-a\": \"shop-2\", \"shop-b\": \"shop-2\", \"shop-c\": \"shop-1\"}",
        ],
    );
    assert!(!picture.contains("catchup"), "{picture}");
}

#[test]
fn a_retry_a_rollback_or_the_next_deployment_makes_them_one_again() {
    let one = |revision: &str| {
        format!(
            "disk {{\"shop-a\": \"{revision}\", \"shop-b\": \"{revision}\", \"shop-c\": \"{revision}\"}}"
        )
    };
    let picture = survives(&THREE, &json!({}), |cluster| {
        failed(cluster);
        cluster.failing.clear();
        cluster.retry(2, 2);
    });
    contains(&picture, &["current \"shop-2\"", &one("shop-2")]);
    assert!(!picture.contains("shop-2-shop-a-2"), "{picture}");
    let picture = survives(&THREE, &json!({}), |cluster| {
        failed(cluster);
        cluster.roll_back(3, "shop-1");
    });
    contains(&picture, &["current \"shop-1\"", &one("shop-1")]);
    let picture = survives(&THREE, &json!({}), |cluster| {
        failed(cluster);
        cluster.deploy(3);
        cluster.run();
    });
    contains(&picture, &["current \"shop-3\"", &one("shop-3")]);
}

#[test]
fn what_succeeded_partly_is_current_and_its_retry_takes_only_what_failed() {
    let settings = json!({"maxFailures": 1});
    let story = |cluster: &mut Cluster| {
        failed(cluster);
        assert_eq!(phase(cluster, "shop-2"), RolloutPhase::PartlyFailed);
        cluster.failing.clear();
        cluster.retry(2, 2);
    };
    let picture = survives(&THREE, &settings, story);
    contains(
        &picture,
        &[
            "current \"shop-2\"",
            "rollout shop-2 Succeeded \"\" \"3 of 3 gears done\"",
        ],
    );
    for untouched in ["shop-2-shop-a-2", "shop-2-shop-c-2"] {
        assert!(!picture.contains(untouched), "{picture}");
    }
}

#[test]
fn a_retry_that_goes_back_takes_everybody_back_and_the_current_revision_with_them() {
    let settings = json!({"maxFailures": 1});
    let picture = survives(&THREE, &settings, |cluster| {
        failed(cluster);
        let stricter = json!({"settings": {"maxFailures": 0, "onFailure": "Rollback"}});
        cluster.user_spec(&kinds::ROLLOUT, &named("shop-2"), stricter);
        cluster.retry(2, 2);
    });
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-2 RolledBack",
            "disk {\"shop-a\": \"shop-1\", \"shop-b\": \"shop-1\", \"shop-c\": \"shop-1\"}",
        ],
    );
}

#[test]
fn a_rollback_leads_to_any_revision_that_is_named() {
    let picture = survives(&["a", "b"], &json!({}), |cluster| {
        for number in 1..=3 {
            cluster.deploy(number);
            cluster.run();
        }
        cluster.roll_back(4, "shop-1");
    });
    contains(
        &picture,
        &[
            "current \"shop-1\"",
            "rollout shop-4 Succeeded",
            "disk {\"shop-a\": \"shop-1\", \"shop-b\": \"shop-1\"}",
        ],
    );
}

#[test]
fn where_a_rollback_would_lead_is_kept_behind_any_number_of_failures() {
    let mut cluster = Cluster::new(CALM, &["a"], json!({}));
    let limit = json!({"revisionHistoryLimit": 1});
    cluster.user_spec(&kinds::APPLICATION, &named("shop"), limit);
    for number in 1..=2 {
        cluster.deploy(number);
        cluster.run();
    }
    for number in 3..=7 {
        let revision = format!("shop-{number}");
        cluster.fail("shop-a", &revision, "DownloadBundle");
        cluster.deploy(number);
        cluster.run();
    }
    // Undoing 7 leads to 2, and undoing 2 to 1.
    for kept in [1, 2, 7] {
        let name = format!("shop-{kept}");
        let revision: Option<crate::api::upshift::Revision> = cluster.get(&named(&name));
        assert!(revision.is_some(), "{name}");
    }
    let revisions = cluster.all::<crate::api::upshift::Revision>();
    assert!(revisions.len() <= 5, "{}", revisions.len());
}

#[test]
fn a_host_that_was_away_during_a_rollout_that_went_back_follows_it() {
    let settings = json!({"onFailure": "Rollback", "gearTimeout": "60s"});
    often(&THREE, &settings, |cluster| {
        cluster.deploy(1);
        cluster.run();
        cluster.fail("shop-b", "shop-2", "ApplicationStart");
        cluster.deploy(2);
        let is_installed = |cluster: &Cluster| {
            cluster
                .disk
                .get("shop-a")
                .is_some_and(|one| one == "shop-2")
        };
        cluster.run_until(is_installed);
        cluster.set_ready("a", false);
        cluster.run();
        cluster.set_ready("a", true);
        cluster.run();
        contains(
            &cluster.picture(),
            &[
                "current \"shop-1\"",
                "rollout shop-2 RolledBack",
                "gear shop-a wants \"shop-1\" has \"shop-1\"",
            ],
        );
    });
}
