//! Watches: order, selectors, bookmarks, old revisions, and the end.

use serde_json::json;
use upshift::api::kinds;
use upshift::client::DeleteOptions;
use upshift::client::ListOptions;
use upshift::client::Patch;
use upshift::client::WatchEvent;
use upshift::client::WatchStream;
use upshift::client::WriteOptions;

use super::World;
use super::config_map;
use super::key;

/// `ADDED a`, …; waits for the next event.
async fn next(watch: &mut WatchStream) -> String {
    let event = watch.next().await.expect("the watch goes on").unwrap();
    let name = event.object()["metadata"]["name"].as_str().unwrap_or("");
    let word = match &event {
        WatchEvent::Added(_) => "ADDED",
        WatchEvent::Modified(_) => "MODIFIED",
        WatchEvent::Deleted(_) => "DELETED",
        WatchEvent::Bookmark(_) => "BOOKMARK",
    };
    format!("{word} {name}")
}

async fn label(world: &World, name: &str, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"x": value}}}));
    world
        .client
        .patch(
            &kinds::CONFIG_MAP,
            &key(name),
            None,
            &patch,
            &WriteOptions::default(),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_watch_tells_what_was_and_what_comes() {
    let world = World::start().await;
    world.create(&config_map("a", "1")).await.unwrap();
    let mut watch = world
        .client
        .watch(&kinds::CONFIG_MAP, "default", &ListOptions::default())
        .await
        .unwrap();
    assert_eq!(next(&mut watch).await, "ADDED a");
    world.create(&config_map("b", "1")).await.unwrap();
    assert_eq!(next(&mut watch).await, "ADDED b");
    label(&world, "b", "y").await;
    assert_eq!(next(&mut watch).await, "MODIFIED b");
    world
        .client
        .delete(&kinds::CONFIG_MAP, &key("b"), &DeleteOptions::default())
        .await
        .unwrap();
    assert_eq!(next(&mut watch).await, "DELETED b");
    world.stop().await;
    assert!(watch.next().await.is_none(), "the server ends it orderly");
}

#[tokio::test]
async fn objects_come_into_and_go_out_of_a_selection() {
    let world = World::start().await;
    let options = ListOptions::labelled("x=y");
    let mut watch = world
        .client
        .watch(&kinds::CONFIG_MAP, "default", &options)
        .await
        .unwrap();
    world.create(&config_map("a", "1")).await.unwrap();
    label(&world, "a", "y").await;
    assert_eq!(next(&mut watch).await, "ADDED a");
    label(&world, "a", "z").await;
    assert_eq!(next(&mut watch).await, "DELETED a");
    world.stop().await;
}

#[tokio::test]
async fn a_watch_resumes_where_it_was_and_not_before_the_server() {
    let world = World::start().await;
    let made = world.create(&config_map("a", "1")).await.unwrap();
    world.create(&config_map("b", "1")).await.unwrap();
    let after = |version: &str| ListOptions {
        resource_version: version.to_owned(),
        ..ListOptions::default()
    };
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = world
        .client
        .watch(&kinds::CONFIG_MAP, "", &after(version))
        .await
        .unwrap();
    assert_eq!(next(&mut watch).await, "ADDED b");
    let data_dir = world.server.data_dir().to_owned();
    world.server.stop(upshift::server::GRACE).await;
    let server = super::start_in(&data_dir).await;
    let client = super::client_of(&data_dir);
    let mut watch = client
        .watch(&kinds::CONFIG_MAP, "", &after(version))
        .await
        .unwrap();
    let expired = super::refusal(watch.next().await.unwrap());
    assert_eq!(expired.code, 410);
    assert!(watch.next().await.is_none());
    let kept = client.read(&kinds::CONFIG_MAP, &key("a")).await.unwrap();
    assert_eq!(kept, made, "objects outlive the process");
    server.stop(upshift::server::GRACE).await;
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout_and_can_begin_with_everything() {
    let world = World::start().await;
    world.create(&config_map("a", "1")).await.unwrap();
    let path = format!(
        "{}?watch=1&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true\
         &resourceVersionMatch=NotOlderThan",
        kinds::CONFIG_MAP.path("default", "")
    );
    let body = world.client.open(&path).await.unwrap();
    let mut watch = WatchStream::new(body);
    assert_eq!(next(&mut watch).await, "ADDED a");
    let bookmark = watch.next().await.unwrap().unwrap();
    assert_eq!(
        bookmark.object()["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    assert!(watch.next().await.is_none());
    world.stop().await;
}
