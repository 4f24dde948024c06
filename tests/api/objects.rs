//! The verbs: what is kept, what the server owns, what is refused.

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::client::DeleteOptions;
use upshift::client::ListOptions;
use upshift::client::Patch;
use upshift::client::WriteOptions;

use super::World;
use super::application;
use super::config_map;
use super::key;
use super::refusal;

#[tokio::test]
async fn an_object_lives_and_dies() {
    let world = World::start().await;
    let client = &world.client;
    let options = WriteOptions::default();
    let made = world.create(&config_map("a", "1")).await.unwrap();
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert!(made["metadata"]["creationTimestamp"].is_string());
    let again = refusal(world.create(&config_map("a", "1")).await);
    assert_eq!((again.code, again.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(again.message, "configmaps \"a\" already exists");

    let read = client.read(&kinds::CONFIG_MAP, &key("a")).await.unwrap();
    assert_eq!(read, made);
    let mut changed = read.clone();
    changed["data"]["key"] = "2".into();
    let replaced = client
        .replace(&kinds::CONFIG_MAP, &key("a"), &changed, &options)
        .await
        .unwrap();
    assert_eq!(replaced["data"]["key"], "2");
    assert_eq!(replaced["metadata"]["uid"], made["metadata"]["uid"]);
    let stale = refusal(
        client
            .replace(&kinds::CONFIG_MAP, &key("a"), &changed, &options)
            .await,
    );
    assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
    assert!(stale.message.contains("the object has been modified"));

    let gone = client
        .delete(&kinds::CONFIG_MAP, &key("a"), &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(gone["status"], "Success");
    let missing = refusal(client.read(&kinds::CONFIG_MAP, &key("a")).await);
    assert_eq!(missing.message, "configmaps \"a\" not found");
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_changed_is_not_written() {
    let world = World::start().await;
    let made = world.create(&config_map("a", "1")).await.unwrap();
    let patch = Patch::Merge(json!({"data": {"key": "1"}}));
    let same = world
        .client
        .patch(
            &kinds::CONFIG_MAP,
            &key("a"),
            None,
            &patch,
            &WriteOptions::default(),
        )
        .await
        .unwrap();
    assert_eq!(same, made);
    world.stop().await;
}

#[tokio::test]
async fn unknown_fields_are_kept_and_named() {
    let world = World::start().await;
    let mut object = application("a");
    object["spec"]["nosuch"] = json!({"deep": [1, 2]});
    let strict = WriteOptions {
        field_validation: "Strict".to_owned(),
        ..WriteOptions::default()
    };
    let create = |options: WriteOptions| {
        let (client, object) = (world.client.clone(), object.clone());
        async move {
            client
                .create_object(&kinds::APPLICATION, "default", &object, &options)
                .await
        }
    };
    let refused = refusal(create(strict).await);
    assert_eq!(refused.code, 400);
    assert!(
        refused
            .message
            .ends_with("strict decoding error: unknown field \"spec.nosuch\""),
        "{}",
        refused.message
    );
    world.client.take_warnings();
    let made = create(WriteOptions::default()).await.unwrap();
    assert_eq!(made["spec"]["nosuch"], object["spec"]["nosuch"]);
    assert_eq!(
        world.client.take_warnings(),
        ["unknown field \"spec.nosuch\""]
    );
    world.stop().await;
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let world = World::start().await;
    let mut object = application("a");
    object["spec"]["port"] = 0.into();
    object["spec"]["rollout"] = json!({"onFailure": "Explode"});
    let refused = refusal(world.create(&object).await);
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    let fields: Vec<&str> = refused
        .causes()
        .iter()
        .map(|cause| cause.field.as_str())
        .collect();
    assert!(fields.contains(&"spec.port"), "{fields:?}");
    assert!(fields.contains(&"spec.rollout.onFailure"), "{fields:?}");
    world.stop().await;
}

#[tokio::test]
async fn too_large_is_413() {
    let world = World::start().await;
    for size in [1 << 21, 1 << 23] {
        let refused = refusal(world.create(&config_map("a", &"x".repeat(size))).await);
        assert_eq!(refused.code, 413, "{size}");
    }
    world.stop().await;
}

#[tokio::test]
async fn patches_retry_unless_they_name_a_version() {
    let world = World::start().await;
    world.create(&config_map("a", "0")).await.unwrap();
    let patches = (0..16).map(|number| {
        let client = world.client.clone();
        async move {
            let patch = Patch::Merge(json!({"data": {format!("k{number}"): "x"}}));
            let options = WriteOptions::default();
            client
                .patch(&kinds::CONFIG_MAP, &key("a"), None, &patch, &options)
                .await
        }
    });
    for patched in futures_util::future::join_all(patches).await {
        patched.unwrap();
    }
    let all = world
        .client
        .read(&kinds::CONFIG_MAP, &key("a"))
        .await
        .unwrap();
    assert_eq!(all["data"].as_object().unwrap().len(), 17);
    let versioned = Patch::Merge(json!({"metadata": {"resourceVersion": "1"}, "data": {"x": "y"}}));
    let refused = refusal(
        world
            .client
            .patch(
                &kinds::CONFIG_MAP,
                &key("a"),
                None,
                &versioned,
                &WriteOptions::default(),
            )
            .await,
    );
    assert_eq!(refused.code, 409);
    world.stop().await;
}

#[tokio::test]
async fn patch_forms_are_told_apart() {
    let world = World::start().await;
    world.create(&application("a")).await.unwrap();
    world.create(&config_map("a", "0")).await.unwrap();
    let options = WriteOptions::default();
    let strategic = Patch::Strategic(json!({"metadata": {"labels": {"x": "y"}}}));
    let refused = refusal(
        world
            .client
            .patch(&kinds::APPLICATION, &key("a"), None, &strategic, &options)
            .await,
    );
    assert_eq!(refused.code, 415);
    let patched = world
        .client
        .patch(&kinds::CONFIG_MAP, &key("a"), None, &strategic, &options)
        .await
        .unwrap();
    assert_eq!(patched["metadata"]["labels"]["x"], "y");
    let json = Patch::Json(json!([{"op": "replace", "path": "/spec/port", "value": 9090}]));
    let patched = world
        .client
        .patch(&kinds::APPLICATION, &key("a"), None, &json, &options)
        .await
        .unwrap();
    assert_eq!(patched["spec"]["port"], 9090);
    assert_eq!(patched["metadata"]["generation"], 2);
    let mut headers = http::HeaderMap::new();
    headers.insert(
        "content-type",
        "application/apply-patch+yaml".parse().unwrap(),
    );
    let path = kinds::APPLICATION.path("default", "a");
    let answer = world
        .client
        .raw(http::Method::PATCH, &path, headers, "spec: {}")
        .await
        .unwrap();
    assert_eq!(answer.status(), 415);
    world.stop().await;
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let world = World::start().await;
    let options = WriteOptions::default();
    let mut object = application("a");
    object["status"] = json!({"currentRevision": "made up"});
    let made = world.create(&object).await.unwrap();
    assert_ne!(made["status"]["currentRevision"], "made up");
    let both = Patch::Merge(json!({
        "spec": {"port": 1},
        "status": {"activeColor": "blue"},
        "metadata": {"labels": {"x": "y"}},
    }));
    let status = world
        .client
        .patch(
            &kinds::APPLICATION,
            &key("a"),
            Some("status"),
            &both,
            &options,
        )
        .await
        .unwrap();
    assert_eq!(status["status"]["activeColor"], "blue");
    assert_eq!(status["spec"]["port"], 8080);
    assert!(status["metadata"]["labels"].get("x").is_none());
    let spec = world
        .client
        .patch(
            &kinds::APPLICATION,
            &key("a"),
            None,
            &Patch::Merge(json!({"spec": {"port": 2}, "status": null})),
            &options,
        )
        .await
        .unwrap();
    assert_eq!(spec["status"]["activeColor"], "blue");
    assert_eq!(spec["spec"]["port"], 2);
    world.stop().await;
}

#[tokio::test]
async fn finalizers_hold_and_let_go() {
    let world = World::start().await;
    let mut object = config_map("a", "1");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    world.create(&object).await.unwrap();
    let delete = || {
        let client = world.client.clone();
        async move {
            client
                .delete(&kinds::CONFIG_MAP, &key("a"), &DeleteOptions::default())
                .await
                .unwrap()
        }
    };
    let marked = delete().await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(delete().await, marked, "asking again changes nothing");
    let let_go = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world
        .client
        .patch(
            &kinds::CONFIG_MAP,
            &key("a"),
            None,
            &let_go,
            &WriteOptions::default(),
        )
        .await
        .unwrap();
    let missing = refusal(world.client.read(&kinds::CONFIG_MAP, &key("a")).await);
    assert_eq!(missing.code, 404);
    world.stop().await;
}

#[tokio::test]
async fn preconditions_protect_from_deleting_another() {
    let world = World::start().await;
    world.create(&config_map("a", "1")).await.unwrap();
    let other = DeleteOptions {
        uid: "00000000-0000-4000-8000-000000000000".to_owned(),
        ..DeleteOptions::default()
    };
    let refused = refusal(
        world
            .client
            .delete(&kinds::CONFIG_MAP, &key("a"), &other)
            .await,
    );
    assert_eq!(refused.code, 409);
    let dry = DeleteOptions {
        dry_run: true,
        ..DeleteOptions::default()
    };
    world
        .client
        .delete(&kinds::CONFIG_MAP, &key("a"), &dry)
        .await
        .unwrap();
    world
        .client
        .read(&kinds::CONFIG_MAP, &key("a"))
        .await
        .unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_dry_run_keeps_nothing() {
    let world = World::start().await;
    let dry = WriteOptions {
        dry_run: true,
        ..WriteOptions::default()
    };
    let would = world
        .client
        .create_object(&kinds::CONFIG_MAP, "default", &config_map("a", "1"), &dry)
        .await
        .unwrap();
    assert!(would["metadata"]["uid"].is_string());
    assert_eq!(
        refusal(world.client.read(&kinds::CONFIG_MAP, &key("a")).await).code,
        404
    );
    world.stop().await;
}

#[tokio::test]
async fn names_are_generated() {
    let world = World::start().await;
    let mut object = config_map("", "1");
    object["metadata"] = json!({"generateName": "a-", "namespace": "default"});
    let first = world.create(&object).await.unwrap();
    let second = world.create(&object).await.unwrap();
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&first).starts_with("a-") && name(&first).len() == 7);
    assert_ne!(name(&first), name(&second));
    world.stop().await;
}

#[tokio::test]
async fn lists_select_and_page() {
    let world = World::start().await;
    for number in 0..5 {
        let mut object = config_map(&format!("a{number}"), "1");
        object["metadata"]["labels"] =
            json!({"parity": if number % 2 == 0 { "even" } else { "odd" }});
        world.create(&object).await.unwrap();
    }
    let list = |options: ListOptions| {
        let client = world.client.clone();
        async move {
            client
                .list_objects(&kinds::CONFIG_MAP, "default", &options)
                .await
        }
    };
    let even = list(ListOptions::labelled("parity=even")).await.unwrap();
    assert_eq!(even.items.len(), 3);
    let named = list(ListOptions {
        field_selector: "metadata.name=a3".to_owned(),
        ..ListOptions::default()
    });
    assert_eq!(named.await.unwrap().items.len(), 1);
    let page = |continue_: String| ListOptions {
        limit: 2,
        continue_,
        ..ListOptions::default()
    };
    let first = list(page(String::new())).await.unwrap();
    assert_eq!(first.items.len(), 2);
    // What is made while somebody reads pages is not in them.
    world.create(&config_map("a22", "new")).await.unwrap();
    let second = list(page(first.continue_.clone())).await.unwrap();
    let third = list(page(second.continue_.clone())).await.unwrap();
    assert_eq!((second.items.len(), third.items.len()), (2, 1));
    assert_eq!(third.revision, first.revision);
    assert_eq!(third.continue_, "");
    let wrong = refusal(list(page("bm8".to_owned())).await);
    assert_eq!(wrong.code, 400);
    let old = refusal(list(page("OTk5LzE".to_owned())).await);
    assert_eq!((old.code, old.reason.as_str()), (410, "Expired"));
    world.stop().await;
}

#[tokio::test]
async fn a_revision_is_immutable() {
    let world = World::start().await;
    let revision = json!({
        "apiVersion": "upshift.dev/v1",
        "kind": "Revision",
        "metadata": {"name": "a-1", "namespace": "default"},
        "spec": {
            "application": "a",
            "number": 1,
            "bundle": {"digest": format!("sha256:{}", "0".repeat(64)), "size": 1},
            "source": {},
        },
    });
    world.create(&revision).await.unwrap();
    let change = Patch::Merge(json!({"spec": {"number": 2}}));
    let refused = refusal(
        world
            .client
            .patch(
                &kinds::REVISION,
                &key("a-1"),
                None,
                &change,
                &WriteOptions::default(),
            )
            .await,
    );
    assert_eq!(refused.code, 422);
    world.stop().await;
}

#[tokio::test]
async fn bodies_may_be_yaml() {
    let world = World::start().await;
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", "application/yaml".parse().unwrap());
    let path = kinds::CONFIG_MAP.path("default", "");
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  k: v\n";
    let answer = world
        .client
        .raw(http::Method::POST, &path, headers, yaml)
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    world.stop().await;
}
