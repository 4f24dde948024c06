//! Who gets in, over the wire: tokens, certificates, nobody; and how a machine becomes a node.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::client::Client;
use upshift::client::Error;
use upshift::client::ListOptions;
use upshift::client::Patch;
use upshift::client::WriteOptions;
use upshift::client::https::Https;
use upshift::client::https::Options;
use upshift::server::pki;

use super::World;
use super::application;
use super::key;
use super::refusal;

/// A client of the world's server with these credentials only.
fn client(world: &World, token: Option<&str>, identity: Option<(Vec<u8>, Vec<u8>)>) -> Client {
    let options = Options {
        server: world.server.url().to_owned(),
        insecure_skip_tls_verify: true,
        token: token.map(ToOwned::to_owned),
        identity,
        ..Options::default()
    };
    Client::new(Arc::new(Https::new(options).unwrap()))
}

async fn json_of(response: http::Response<upshift::client::Body>) -> Value {
    serde_json::from_slice(&response.into_body().bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn nobody_gets_health_and_version() {
    let world = World::start().await;
    let nobody = client(&world, None, None);
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        nobody.open(path).await.unwrap();
    }
    for path in [
        "/api",
        "/apis",
        "/api/v1/nodes",
        "/metrics",
        "/openapi/v3",
        "/v2/",
        "/nosuch",
    ] {
        let refused = nobody.open(path).await.unwrap_err();
        assert!(
            matches!(refused, Error::Unauthorized(_)),
            "{path}: {refused:?}"
        );
    }
    let wrong = client(&world, Some("wrong"), None);
    let refused = wrong.open("/version").await.unwrap_err();
    assert!(matches!(refused, Error::Unauthorized(_)));
    world.stop().await;
}

#[tokio::test]
async fn an_operation_is_made_by_controllers_only() {
    let world = World::start().await;
    let operation = json!({
        "apiVersion": "upshift.dev/v1",
        "kind": "Operation",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"node": "n"},
    });
    let refused = refusal(world.create(&operation).await);
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message,
        "operations.upshift.dev is forbidden: User \"admin\" cannot create resource \"operations\" \
         in API group \"upshift.dev\" in the namespace \"default\""
    );
    world.stop().await;
}

#[tokio::test]
async fn a_machine_joins_once_and_is_that_node_only() {
    let world = World::start().await;
    let none = http::HeaderMap::new;
    let answer = world
        .client
        .raw(http::Method::POST, "/api/v1/nodes/web1/token", none(), "")
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    let token = json_of(answer).await["token"].as_str().unwrap().to_owned();
    let joining = client(&world, Some(&token), None);
    assert!(joining.open("/api").await.is_err());
    let (key_pem, request) = pki::node_request("web1").unwrap();
    let join = |path: &'static str| {
        let (joining, request) = (joining.clone(), request.clone());
        async move {
            joining
                .raw(http::Method::POST, path, http::HeaderMap::new(), request)
                .await
                .unwrap()
        }
    };
    assert_eq!(join("/api/v1/nodes/web2/join").await.status(), 403);
    let signed = join("/api/v1/nodes/web1/join").await;
    assert_eq!(signed.status(), 200);
    let certificate = signed.into_body().bytes().await.unwrap();
    assert_eq!(join("/api/v1/nodes/web1/join").await.status(), 401, "once");

    let identity = Some((certificate.to_vec(), key_pem.into_bytes()));
    let node = client(&world, None, identity);
    let register =
        |name: &str| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    let options = WriteOptions::default();
    let foreign = node
        .create_object(&kinds::NODE, "", &register("web2"), &options)
        .await;
    assert_eq!(refusal(foreign).code, 403);
    node.create_object(&kinds::NODE, "", &register("web1"), &options)
        .await
        .unwrap();
    let everything = node
        .list_objects(&kinds::GEAR, "", &ListOptions::default())
        .await;
    assert_eq!(refusal(everything).code, 403);
    let own = ListOptions::labelled("upshift.dev/node=web1");
    node.list_objects(&kinds::GEAR, "", &own).await.unwrap();
    let secrets = node
        .list_objects(&kinds::SECRET, "", &ListOptions::default())
        .await;
    assert_eq!(refusal(secrets).code, 403);
    world.stop().await;
}

#[tokio::test]
async fn a_gear_is_reported_by_its_node_only() {
    let world = World::start().await;
    let mut gear = application("a-web1");
    gear["kind"] = "Gear".into();
    gear["metadata"]["labels"] = json!({"upshift.dev/node": "web1"});
    gear["spec"] = json!({"application": "a", "node": "web1"});
    world.create(&gear).await.unwrap();
    let status = Patch::Merge(json!({"status": {"state": "started"}}));
    let options = WriteOptions::default();
    let by_admin = world
        .client
        .patch(
            &kinds::GEAR,
            &key("a-web1"),
            Some("status"),
            &status,
            &options,
        )
        .await;
    assert_eq!(refusal(by_admin).code, 403);
    let read = world
        .client
        .read(&kinds::GEAR, &Key::new("default", "a-web1"))
        .await
        .unwrap();
    assert!(
        read["status"]
            .get("state")
            .is_none_or(|state| state == "new")
    );
    world.stop().await;
}
