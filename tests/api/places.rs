//! Namespaces, projects, and the answers about oneself.

use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::client::DeleteOptions;
use upshift::client::ListOptions;
use upshift::client::WatchEvent;
use upshift::client::WriteOptions;

use super::World;
use super::config_map;
use super::refusal;

#[tokio::test]
async fn a_namespace_must_be_there_and_goes_with_what_is_in_it() {
    let world = World::start().await;
    let mut object = config_map("a", "1");
    object["metadata"]["namespace"] = "demo".into();
    let refused = refusal(world.create(&object).await);
    assert_eq!(refused.message, "namespaces \"demo\" not found");
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"},
    });
    let made = world.create(&namespace).await.unwrap();
    assert_eq!(made["status"]["phase"], "Active");
    let mut held = object.clone();
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(&held).await.unwrap();

    let demo = Key::new("", "demo");
    let options = ListOptions {
        field_selector: "metadata.name=demo".to_owned(),
        ..ListOptions::default()
    };
    let mut watch = world
        .client
        .watch(&kinds::NAMESPACE, "", &options)
        .await
        .unwrap();
    let marked = world
        .client
        .delete(&kinds::NAMESPACE, &demo, &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(marked["status"]["phase"], "Terminating");
    object["metadata"]["name"] = "b".into();
    let refused = refusal(world.create(&object).await);
    assert_eq!(refused.code, 403);
    assert!(
        refused.message.ends_with(
            "unable to create new content in namespace demo because it is being terminated"
        ),
        "{}",
        refused.message
    );
    let let_go = upshift::client::Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world
        .client
        .patch(
            &kinds::CONFIG_MAP,
            &Key::new("demo", "a"),
            None,
            &let_go,
            &WriteOptions::default(),
        )
        .await
        .unwrap();
    loop {
        let event = watch.next().await.unwrap().unwrap();
        if matches!(event, WatchEvent::Deleted(_)) {
            break;
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn the_servers_own_namespaces_stay() {
    let world = World::start().await;
    for name in ["default", "kube-node-lease", "upshift", "openshift"] {
        let refused = refusal(
            world
                .client
                .delete(
                    &kinds::NAMESPACE,
                    &Key::new("", name),
                    &DeleteOptions::default(),
                )
                .await,
        );
        assert_eq!(refused.code, 403);
    }
    world.stop().await;
}

#[tokio::test]
async fn projects_are_requested_and_seen() {
    let world = World::start().await;
    let request = json!({
        "apiVersion": "project.openshift.io/v1",
        "kind": "ProjectRequest",
        "metadata": {"name": "demo"},
        "displayName": "Demo",
        "description": "for a test",
    });
    let project = world.create(&request).await.unwrap();
    assert_eq!(project["metadata"]["name"], "demo");
    let annotations = &project["metadata"]["annotations"];
    assert_eq!(annotations["openshift.io/display-name"], "Demo");
    assert_eq!(annotations["openshift.io/requester"], "admin");
    let again = refusal(world.create(&request).await);
    assert_eq!(
        again.message,
        "project.project.openshift.io \"demo\" already exists"
    );
    let demo = Key::new("", "demo");
    let seen = world.client.read(&kinds::PROJECT, &demo).await.unwrap();
    assert_eq!(seen["kind"], "Project");
    assert_eq!(seen["status"]["phase"], "Active");
    let all = world
        .client
        .list_objects(&kinds::PROJECT, "", &ListOptions::default())
        .await
        .unwrap();
    assert_eq!(all.items.len(), 5);
    world
        .client
        .delete(&kinds::PROJECT, &demo, &DeleteOptions::default())
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn one_is_told_who_one_is() {
    let world = World::start().await;
    let user = world
        .client
        .read(&kinds::USER, &Key::new("", "~"))
        .await
        .unwrap();
    assert_eq!(user["metadata"]["name"], "admin");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "verb": "create", "group": "upshift.dev", "resource": "operations", "namespace": "default",
        }},
    });
    let answer = world.create(&review).await.unwrap();
    assert_eq!(answer["status"]["allowed"], false);
    world.stop().await;
}
