//! What the server decides of services, pods and routes, and how a pod ends.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::client::DeleteOptions;
use upshift::client::Patch;
use upshift::client::WriteOptions;

use super::World;
use super::key;
use super::refusal;

fn service(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": address, "ports": [{"port": 80}]},
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [{"name": "a", "image": "x"}],
            "terminationGracePeriodSeconds": 7,
        },
    })
}

impl World {
    async fn merge(
        &self,
        kind: &'static kinds::Kind,
        name: &str,
        part: Option<&str>,
        patch: Value,
    ) {
        let options = WriteOptions::default();
        self.client
            .patch(kind, &key(name), part, &Patch::Merge(patch), &options)
            .await
            .unwrap();
    }

    async fn delete_pod(&self, name: &str, grace: Option<u32>) -> Value {
        let options = DeleteOptions {
            grace_seconds: grace,
            ..DeleteOptions::default()
        };
        self.client
            .delete(&kinds::POD, &key(name), &options)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn services_made_at_once_get_addresses_of_their_own() {
    let world = World::start().await;
    let names: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
    let objects: Vec<Value> = names.iter().map(|name| service(name, "")).collect();
    let made = futures_util::future::join_all(objects.iter().map(|one| world.create(one))).await;
    let addresses: BTreeSet<String> = made
        .into_iter()
        .map(|made| {
            made.unwrap()["spec"]["clusterIP"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(addresses.len(), 20);
    let one = addresses.first().unwrap();
    let refused = refusal(world.create(&service("again", one)).await);
    assert_eq!(
        refused.message,
        format!(
            "Service \"again\" is invalid: spec.clusterIPs: Invalid value: []string{{\"{one}\"}}: \
             failed to allocate IP {one}: provided IP is already allocated"
        )
    );
    let headless = world.create(&service("none", "None")).await.unwrap();
    assert_eq!(headless["spec"]["clusterIP"], "None");
    world.stop().await;
}

#[tokio::test]
async fn an_address_stays_and_is_free_again_afterwards() {
    let world = World::start().await;
    let made = world.create(&service("a", "")).await.unwrap();
    let address = made["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let mut without = made.clone();
    without["spec"].as_object_mut().unwrap().remove("clusterIP");
    without["spec"]["ports"][0]["port"] = 81.into();
    let options = WriteOptions::default();
    let kept = world
        .client
        .replace(&kinds::SERVICE, &key("a"), &without, &options)
        .await
        .unwrap();
    assert_eq!(kept["spec"]["clusterIP"], address.as_str());
    let other = Patch::Merge(json!({"spec": {"clusterIP": "None"}}));
    let refused = refusal(
        world
            .client
            .patch(&kinds::SERVICE, &key("a"), None, &other, &options)
            .await,
    );
    assert!(refused.message.ends_with("may not change once set"));
    let delete = DeleteOptions::default();
    world
        .client
        .delete(&kinds::SERVICE, &key("a"), &delete)
        .await
        .unwrap();
    let again = world.create(&service("b", &address)).await.unwrap();
    assert_eq!(again["spec"]["clusterIP"], address.as_str());
    world.stop().await;
}

#[tokio::test]
async fn a_pod_that_runs_is_marked_and_goes_when_its_node_says_so() {
    let world = World::start().await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    world.create(&node).await.unwrap();
    let made = world.create(&pod("a")).await.unwrap();
    assert_eq!(made["status"]["phase"], "Pending");
    let namespace = world
        .client
        .read(&kinds::NAMESPACE, &Key::new("", "default"))
        .await
        .unwrap();
    let range = namespace["metadata"]["annotations"]["openshift.io/sa.scc.uid-range"]
        .as_str()
        .unwrap();
    let user = made["spec"]["securityContext"]["runAsUser"].to_string();
    assert!(range.starts_with(&format!("{user}/")), "{user} of {range}");
    world
        .merge(&kinds::POD, "a", None, json!({"spec": {"nodeName": "n"}}))
        .await;
    let marked = world.delete_pod("a", None).await;
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 7);
    let annotated = json!({"metadata": {"annotations": {"upshift.dev/drained": "true"}}});
    world.merge(&kinds::POD, "a", None, annotated).await;
    let still = world.client.read(&kinds::POD, &key("a")).await.unwrap();
    assert!(still["metadata"]["deletionTimestamp"].is_string());
    let gone = world.delete_pod("a", Some(0)).await;
    assert_eq!(gone["status"], "Success");
    assert!(world.client.read(&kinds::POD, &key("a")).await.is_err());

    world.create(&pod("never-ran")).await.unwrap();
    assert_eq!(
        world.delete_pod("never-ran", None).await["status"],
        "Success"
    );
    world.create(&pod("over")).await.unwrap();
    world
        .merge(
            &kinds::POD,
            "over",
            None,
            json!({"spec": {"nodeName": "n"}}),
        )
        .await;
    let status = json!({"status": {"phase": "Succeeded"}});
    world
        .merge(&kinds::POD, "over", Some("status"), status)
        .await;
    assert_eq!(world.delete_pod("over", None).await["status"], "Success");
    world.stop().await;
}

#[tokio::test]
async fn a_pod_may_not_run_as_somebody_else() {
    let world = World::start().await;
    let mut root = pod("root");
    root["spec"]["securityContext"] = json!({"runAsUser": 0});
    let refused = refusal(world.create(&root).await);
    assert_eq!(refused.code, 403);
    assert!(
        refused.message.starts_with(
            "pods \"root\" is forbidden: unable to validate against any security context constraint: \
             [spec.securityContext.runAsUser: Invalid value: 0: must be in the ranges: ["
        ),
        "{}",
        refused.message
    );
    let mut nobody = pod("nobody");
    nobody["spec"]["serviceAccountName"] = "nosuch".into();
    let refused = refusal(world.create(&nobody).await);
    assert_eq!(
        refused.message,
        "pods \"nobody\" is forbidden: error looking up service account default/nosuch: \
         serviceaccount \"nosuch\" not found"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_route_gets_a_host_and_a_stream_its_repository() {
    let world = World::start().await;
    let route = json!({
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"to": {"kind": "Service", "name": "shop"}},
    });
    let made = world.create(&route).await.unwrap();
    assert_eq!(made["spec"]["host"], "shop-default.apps.localhost");
    assert_eq!(
        made["metadata"]["annotations"]["openshift.io/host.generated"],
        "true"
    );
    let stream = json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "shop", "namespace": "default"},
    });
    let made = world.create(&stream).await.unwrap();
    assert_eq!(
        made["status"]["dockerImageRepository"],
        "image-registry.openshift-image-registry.svc:5000/default/shop"
    );
    world.stop().await;
}
