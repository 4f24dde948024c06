//! Subresources: builds and rollouts started by hand, webhooks, sources uploaded, numbers of pods.

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use serde_json::json;
use upshift::api::kinds;
use upshift::api::kinds::Kind;

use super::World;
use super::key;

/// A build config that builds by hand only.
fn build_config(name: &str, uri: &str) -> Value {
    json!({
        "apiVersion": "build.openshift.io/v1",
        "kind": "BuildConfig",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "source": {"type": "Git", "git": {"uri": uri}},
            "strategy": {"type": "Source", "sourceStrategy": {
                "from": {"kind": "ImageStreamTag", "name": "nosuch:latest"},
            }},
            "output": {"to": {"kind": "ImageStreamTag", "name": format!("{name}:latest")}},
            "triggers": [
                {"type": "Generic", "generic": {"secret": "open-sesame"}},
                {"type": "GitHub", "github": {"secret": "hub"}},
            ],
        },
    })
}

impl World {
    /// Sends a body to a subresource; the answer's code and content.
    async fn send(
        &self,
        method: Method,
        (kind, name): (&'static Kind, &str),
        part: &str,
        body: impl Into<Bytes>,
    ) -> (u16, Value) {
        let path = format!("{}/{part}", kind.path("default", name));
        let mut headers = http::HeaderMap::new();
        let media_type = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        headers.insert("content-type", media_type.parse().unwrap());
        let answer = self.client.raw(method, &path, headers, body).await.unwrap();
        let code = answer.status().as_u16();
        let bytes = answer.into_body().bytes().await.unwrap();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn post(&self, about: (&'static Kind, &str), part: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, about, part, body.to_string()).await
    }
}

#[tokio::test]
async fn builds_are_numbered_and_cloned() {
    let world = World::start().await;
    let config = (&kinds::BUILD_CONFIG, "shop");
    world
        .create(&build_config("shop", "https://example.com/x.git"))
        .await
        .unwrap();
    let request = json!({"kind": "BuildRequest", "metadata": {"name": "shop"},
        "env": [{"name": "A", "value": "b"}]});
    let (code, build) = world.post(config, "instantiate", request).await;
    assert_eq!(code, 201, "{build}");
    assert_eq!(build["kind"], "Build");
    assert_eq!(build["metadata"]["name"], "shop-1");
    let (_, build) = world.post(config, "instantiate", json!({})).await;
    assert_eq!(build["metadata"]["name"], "shop-2");
    let counted = world
        .client
        .read(&kinds::BUILD_CONFIG, &key("shop"))
        .await
        .unwrap();
    assert_eq!(counted["status"]["lastVersion"], 2);
    let (_, again) = world
        .post((&kinds::BUILD, "shop-1"), "clone", json!({}))
        .await;
    assert_eq!(again["metadata"]["name"], "shop-3");
    let strategy = &again["spec"]["strategy"]["sourceStrategy"];
    assert_eq!(strategy["env"][0]["value"], "b");
    let (code, _) = world
        .post((&kinds::BUILD_CONFIG, "nosuch"), "instantiate", json!({}))
        .await;
    assert_eq!(code, 404);
    let (code, refused) = world
        .post(config, "instantiate", json!({"lastVersion": 1}))
        .await;
    assert_eq!(code, 409, "{refused}");
    world.stop().await;
}

#[tokio::test]
async fn an_uploaded_source_becomes_a_blob_of_its_build() {
    let world = World::start().await;
    let config = (&kinds::BUILD_CONFIG, "local");
    world
        .create(&build_config("local", "file:///srv/repo"))
        .await
        .unwrap();
    let (code, refused) = world.post(config, "instantiate", json!({})).await;
    assert_eq!(code, 400, "{refused}");
    let source = Bytes::from(vec![7_u8; 3 << 20]);
    let part = "instantiatebinary?revision.commit=abc&revision.message=first";
    let (code, build) = world.send(Method::POST, config, part, source.clone()).await;
    assert_eq!(code, 201, "{build}");
    let digest = upshift::content::blobs::Digest::of(&source);
    let annotations = &build["metadata"]["annotations"];
    assert_eq!(annotations["upshift.dev/source"], digest.as_str());
    assert_eq!(build["spec"]["revision"]["git"]["commit"], "abc");
    let registry = upshift::client::registry::Registry::new(world.client.clone());
    assert!(registry.contains("default/local", &digest).await.unwrap());
    world.stop().await;
}

#[tokio::test]
async fn a_webhook_needs_its_secret_and_nothing_else() {
    let world = World::start().await;
    world
        .create(&build_config("shop", "https://example.com/x.git"))
        .await
        .unwrap();
    let options = upshift::client::https::Options {
        server: world.server.url().to_owned(),
        insecure_skip_tls_verify: true,
        ..upshift::client::https::Options::default()
    };
    let transport = upshift::client::https::Https::new(options).unwrap();
    let nobody = upshift::client::Client::new(std::sync::Arc::new(transport));
    let call = async |name: &str, tail: &str| {
        let path = kinds::BUILD_CONFIG.path("default", name);
        let path = format!("{path}/webhooks/{tail}");
        let answer = nobody
            .raw(Method::POST, &path, http::HeaderMap::new(), "")
            .await;
        answer.unwrap().status().as_u16()
    };
    assert_eq!(call("shop", "wrong/generic").await, 401);
    assert_eq!(call("nosuch", "open-sesame/generic").await, 401);
    assert_eq!(call("shop", "hub/generic").await, 401, "of another form");
    assert_eq!(call("shop", "open-sesame/generic").await, 200);
    let build = world
        .client
        .read(&kinds::BUILD, &key("shop-1"))
        .await
        .unwrap();
    assert_eq!(
        build["spec"]["triggeredBy"][0]["message"],
        "Generic WebHook"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_workload_is_scaled_through_its_scale() {
    let world = World::start().await;
    let config = json!({
        "apiVersion": "apps.openshift.io/v1",
        "kind": "DeploymentConfig",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "triggers": [],
            "selector": {"app": "shop"},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "shop", "image": "x"}]},
            },
        },
    });
    world.create(&config).await.unwrap();
    let shop = (&kinds::DEPLOYMENT_CONFIG, "shop");
    let (code, mut scale) = world.send(Method::GET, shop, "scale", "").await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(1)));
    scale["spec"]["replicas"] = 3.into();
    scale["metadata"]["resourceVersion"] = Value::Null;
    let (code, scale) = world
        .send(Method::PUT, shop, "scale", scale.to_string())
        .await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(3)));
    let patch = json!({"spec": {"replicas": 2}}).to_string();
    let (code, scale) = world.send(Method::PATCH, shop, "scale", patch).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(2)));
    let (code, _) = world
        .send(Method::PATCH, shop, "scale", "{\"spec\":{\"replicas\":-1}}")
        .await;
    assert_eq!(code, 422);

    let request = json!({"kind": "DeploymentRequest", "name": "shop", "force": true});
    let (code, started) = world.post(shop, "instantiate", request).await;
    assert_eq!(
        (code, &started["status"]["latestVersion"]),
        (201, &json!(1)),
        "{started}"
    );
    let back = json!({"kind": "DeploymentConfigRollback", "name": "shop", "spec": {"revision": 1}});
    let (code, refused) = world.post(shop, "rollback", back).await;
    assert_eq!(code, 422);
    assert_eq!(refused["message"], "version 1 is already the latest");
    world.stop().await;
}

#[tokio::test]
async fn an_exec_that_is_posted_is_told_what_stands_in_its_way() {
    let world = World::start().await;
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "two", "namespace": "default"},
        "spec": {"nodeName": "", "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]},
    });
    world.create(&pod).await.unwrap();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "away"}});
    world.create(&node).await.unwrap();
    let check = async |about: (&'static Kind, &str), query: &str, expect: (u16, &str)| {
        let part = format!("exec?command=true{query}");
        let (code, refused) = world.post(about, &part, json!({})).await;
        assert_eq!(
            (code, refused["message"].as_str()),
            (expect.0, Some(expect.1))
        );
    };
    let nobody = "pods \"none\" not found";
    check((&kinds::POD, "none"), "", (404, nobody)).await;
    let homeless = "pod two does not have a host assigned";
    check((&kinds::POD, "two"), "&container=b", (400, homeless)).await;
    let away = "node \"away\" is not connected";
    check((&kinds::NODE, "away"), "", (503, away)).await;
    world.stop().await;
}
