//! Requests as they go out, and answers as they come back.

use serde_json::json;

use super::*;
use crate::api::core::Node;
use crate::api::kinds;
use crate::client::fake::Fake;

fn page(names: &[&str], revision: u64, next: &str) -> Value {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"metadata": {"name": name}}))
        .collect();
    json!({"metadata": {"resourceVersion": revision.to_string(), "continue": next}, "items": items})
}

fn expired() -> Value {
    serde_json::to_value(Status::expired("too old")).unwrap()
}

#[tokio::test]
async fn lists_come_in_pages_and_items_are_whole() {
    let (fake, client) = Fake::client();
    fake.json(200, &page(&["a", "b"], 7, "next page"));
    fake.json(200, &page(&["c"], 7, ""));
    let listed = client
        .list_objects(&kinds::NODE, "", &ListOptions::labelled("x=y"))
        .await;
    let listed = listed.unwrap();
    assert_eq!((listed.items.len(), listed.revision), (3, 7));
    assert_eq!(listed.items[2]["kind"], "Node");
    let expected = [
        "GET /api/v1/nodes?labelSelector=x%3Dy&limit=500",
        "GET /api/v1/nodes?labelSelector=x%3Dy&limit=500&continue=next%20page",
    ];
    assert_eq!(fake.asked(), expected);
}

#[tokio::test]
async fn a_list_that_grew_old_starts_over_in_one_piece() {
    let (fake, client) = Fake::client();
    fake.json(200, &page(&["a"], 7, "next"));
    fake.json(410, &expired());
    fake.json(200, &page(&["a", "b", "c"], 9, ""));
    let listed = client
        .list::<Node>("", &ListOptions::default())
        .await
        .unwrap();
    assert_eq!((listed.items.len(), listed.revision), (3, 9));
    assert_eq!(fake.asked()[2], "GET /api/v1/nodes");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_put_off_as_long_as_the_server_asks_and_not_for_ever() {
    let (fake, client) = Fake::client();
    let busy = || fake.answer(429, &[("retry-after", "2")], Body::whole(""));
    busy();
    fake.json(200, &json!({"metadata": {"name": "a"}}));
    let started = tokio::time::Instant::now();
    client.get::<Node>(&Key::new("", "a")).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    for _ in 0..TRIES {
        busy();
    }
    let error = client.get::<Node>(&Key::new("", "a")).await.unwrap_err();
    assert_eq!(error.status().unwrap().code, 429);
    // A write is never sent twice.
    busy();
    let node = Node::default();
    assert!(client.create(&node).await.is_err());
    assert_eq!(
        fake.asked()
            .iter()
            .filter(|line| line.starts_with("POST"))
            .count(),
        1
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (fake, client) = Fake::client();
    let key = Key::new("", "a");
    let status = |status: Status| serde_json::to_value(status).unwrap();
    fake.json(404, &status(Status::not_found(&kinds::NODE, "a")));
    assert!(client.get::<Node>(&key).await.unwrap_err().is_not_found());
    fake.json(401, &status(Status::unauthorized()));
    let error = client.get::<Node>(&key).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "You must be logged in to the server (Unauthorized)"
    );
    fake.answer(502, &[], Body::whole("<html>bad gateway</html>"));
    let error = client.get::<Node>(&key).await.unwrap_err();
    assert!(error.is_passing());
    assert!(error.to_string().contains("bad gateway"), "{error}");
    fake.answer(200, &[], Body::whole("not json"));
    assert!(matches!(
        client.get::<Node>(&key).await,
        Err(Error::Decode(_))
    ));
}

#[tokio::test]
async fn names_that_would_address_something_else_are_not_sent() {
    let (fake, client) = Fake::client();
    for (namespace, name) in [("", ""), ("", ".."), ("..", "a"), (".", "a")] {
        let read = client
            .read(&kinds::SECRET, &Key::new(namespace, name))
            .await;
        assert!(matches!(read, Err(Error::Setup(_))), "{namespace}/{name}");
    }
    assert!(fake.asked().is_empty());
    fake.json(200, &json!({}));
    client
        .read(&kinds::SECRET, &Key::new("a", "b/c?d"))
        .await
        .unwrap();
    assert_eq!(fake.asked(), ["GET /api/v1/namespaces/a/secrets/b%2Fc%3Fd"]);
}

#[tokio::test]
async fn warnings_are_kept_for_whoever_asks() {
    let (fake, client) = Fake::client();
    let text = "299 - \"field \\\"x\\\" is unknown\"";
    fake.answer(200, &[("warning", text)], Body::whole("{}"));
    client.read(&kinds::NODE, &Key::new("", "a")).await.unwrap();
    assert_eq!(client.take_warnings(), ["field \"x\" is unknown"]);
    assert!(client.take_warnings().is_empty());
}
