//! Tags of image streams as objects of their own.

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::client::DeleteOptions;
use upshift::client::ListOptions;
use upshift::client::WriteOptions;
use upshift::client::registry::Registry;

use super::World;
use super::key;
use super::refusal;

fn tag(name: &str, from: &Value) -> Value {
    json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamTag",
        "metadata": {"name": name, "namespace": "default"},
        "tag": {"from": from},
    })
}

#[tokio::test]
async fn a_tag_is_made_seen_followed_and_deleted() {
    let world = World::start().await;
    let python = world
        .client
        .read(
            &kinds::IMAGE_STREAM_TAG,
            &Key::new("openshift", "python:latest"),
        )
        .await
        .unwrap();
    assert_eq!(python["tag"]["annotations"]["tags"], "builder,python");
    let digest = python["image"]["metadata"]["name"].as_str().unwrap();
    let from = json!({"kind": "ImageStreamTag", "namespace": "openshift", "name": "python:latest"});
    let mine = world.create(&tag("mine:latest", &from)).await.unwrap();
    assert_eq!(mine["image"]["metadata"]["name"], digest);
    let again = refusal(world.create(&tag("mine:latest", &from)).await);
    assert_eq!(again.reason, "AlreadyExists");
    let registry = Registry::new(world.client.clone());
    let manifest = registry.manifest("default/mine", "latest").await.unwrap();
    assert_eq!(
        manifest.digest.as_str(),
        digest,
        "it can be pulled from here"
    );

    let own = json!({"kind": "ImageStreamTag", "name": "mine:latest"});
    let alias = world.create(&tag("mine:prod", &own)).await.unwrap();
    assert_eq!(alias["image"]["metadata"]["name"], digest);
    let other = json!({"kind": "ImageStreamTag", "namespace": "openshift", "name": "ruby:latest"});
    let options = WriteOptions::default();
    world
        .client
        .replace(
            &kinds::IMAGE_STREAM_TAG,
            &key("mine:latest"),
            &tag("mine:latest", &other),
            &options,
        )
        .await
        .unwrap();
    let listed = world
        .client
        .list_objects(&kinds::IMAGE_STREAM_TAG, "default", &ListOptions::default())
        .await
        .unwrap();
    let images: Vec<(&Value, &Value)> = listed
        .items
        .iter()
        .map(|one| (&one["metadata"]["name"], &one["image"]["metadata"]["name"]))
        .collect();
    assert_eq!(images[0].0, "mine:latest");
    assert_ne!(images[0].1, digest);
    assert_eq!(images[1], (&json!("mine:prod"), images[0].1), "it follows");

    let short = format!("mine@{}", &digest["sha256:".len()..][..12]);
    let image = world
        .client
        .read(&kinds::IMAGE_STREAM_IMAGE, &key(&short))
        .await
        .unwrap();
    assert_eq!(image["image"]["metadata"]["name"], digest);
    let gone = DeleteOptions::default();
    world
        .client
        .delete(&kinds::IMAGE_STREAM_TAG, &key("mine:prod"), &gone)
        .await
        .unwrap();
    let missing = world
        .client
        .read(&kinds::IMAGE_STREAM_TAG, &key("mine:prod"))
        .await;
    assert_eq!(
        refusal(missing).message,
        "imagestreamtags.image.openshift.io \"mine:prod\" not found"
    );
    world.stop().await;
}

#[tokio::test]
async fn images_from_elsewhere_are_refused_in_words() {
    let world = World::start().await;
    let foreign = json!({"kind": "DockerImage", "name": "docker.io/library/mysql:latest"});
    world.create(&tag("mysql:latest", &foreign)).await.unwrap();
    let stream = world
        .client
        .read(&kinds::IMAGE_STREAM, &key("mysql"))
        .await
        .unwrap();
    let condition = &stream["status"]["tags"][0]["conditions"][0];
    assert_eq!(condition["type"], "ImportSuccess");
    assert_eq!(condition["status"], "False");
    let import = json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStreamImport",
        "metadata": {"name": "newapp", "namespace": "default"},
        "spec": {"import": false, "images": [
            {"from": foreign},
            {"from": {"kind": "ImageStreamTag", "namespace": "openshift", "name": "python:latest"}},
        ]},
    });
    let answer = world.create(&import).await.unwrap();
    let images = &answer["status"]["images"];
    assert_eq!(images[0]["status"]["status"], "Failure");
    let said = images[0]["status"]["message"].as_str().unwrap();
    assert!(
        said.starts_with("docker.io/library/mysql:latest: "),
        "{said}"
    );
    assert_eq!(images[1]["status"]["status"], "Success");
    world.stop().await;
}
