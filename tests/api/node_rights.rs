//! What the credential of a node reaches, over the wire: every verb on every kind and subresource, on what is its own and on
//! what is another node's. And how long the credential is good for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use http::HeaderMap;
use http::Method;
use serde_json::Value;
use serde_json::json;
use upshift::agent::join;
use upshift::agent::join::Identity as NodeIdentity;
use upshift::agent::join::JoinFile;
use upshift::agent::renewal::Renewing;
use upshift::api::image::REGISTRY;
use upshift::api::kinds;
use upshift::api::kinds::Kind;
use upshift::api::kinds::Scope as Reach;
use upshift::apiserver;
use upshift::apiserver::Api;
use upshift::apiserver::authentication::Identities;
use upshift::apiserver::authentication::Identity;
use upshift::apiserver::in_process::InProcess;
use upshift::apiserver::join::JoinTokens;
use upshift::apiserver::listener::Listener;
use upshift::base::clock::Clock;
use upshift::base::clock::Timestamp;
use upshift::base::scope::Scope;
use upshift::client::Client;
use upshift::client::Error;
use upshift::client::WriteOptions;
use upshift::client::registry::Registry;
use upshift::content::blobs::Blobs;
use upshift::content::blobs::Digest;
use upshift::server::pki;
use upshift::server::pki::Pki;
use upshift::store::Store;

/// An API server with TLS and no controllers: nothing changes but what the test changes.
struct Wire {
    place: tempfile::TempDir,
    api: Api,
    authority: String,
    url: String,
    admin: Client,
    controllers: Client,
    hands: Arc<Mutex<Timestamp>>,
    scope: Scope,
}

/// A moment that certificates can be good at: the present, which TLS looks at, and the server's clock.
fn now() -> Timestamp {
    Clock::System.now()
}

impl Wire {
    async fn new(life: Duration) -> Wire {
        let place = tempfile::tempdir().unwrap();
        let content = place.path().join("content");
        let open = Pki::open(&place.path().join("pki"), &[], now()).unwrap();
        let pki = Arc::new(open.with_node_life(life));
        let hands = Arc::new(Mutex::new(now()));
        let (signs, clock) = (pki.clone(), Clock::Manual(hands.clone()));
        let signing = clock.clone();
        let api = Api::new(apiserver::Options {
            store: Store::in_memory(),
            blobs: Blobs::open(&content).unwrap(),
            content,
            clock,
            identities: Identities::default(),
            join_tokens: JoinTokens::open(place.path().join("pki/join")).unwrap(),
            signer: Arc::new(move |name, request| {
                let signed = signs.sign_node(name, request, signing.now());
                signed.map_err(|error| error.to_string())
            }),
            network: apiserver::admission::ServiceNetwork::of(false),
        });
        for namespace in ["demo", "other", "kube-node-lease"] {
            api.create_namespace(namespace).await.unwrap();
        }
        let scope = Scope::new();
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", socket.local_addr().unwrap());
        let listener = Listener {
            router: api.router(),
            tls: Arc::new(pki.server_config().unwrap()),
            name_of: pki::common_name,
            certificates: api.certificates().clone(),
        };
        listener.start(socket, &scope);
        let client =
            |identity| Client::new(Arc::new(InProcess::new(&api, identity, &scope).unwrap()));
        let (admin, controllers) = (client(Identity::Admin), client(Identity::Controllers));
        Wire {
            place,
            api,
            authority: pki.ca_pem().to_owned(),
            url,
            admin,
            controllers,
            hands,
            scope,
        }
    }

    fn turn(&self, by: i64) {
        let mut hands = self.hands.lock().unwrap();
        *hands = Timestamp::from_second(hands.as_second() + by);
    }

    async fn invite(&self, node: &str) -> std::path::PathBuf {
        let path = format!("/api/v1/nodes/{node}/token");
        let answer = self
            .admin
            .raw(Method::POST, &path, HeaderMap::new(), "")
            .await
            .unwrap();
        let bytes = answer.into_body().bytes().await.unwrap();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let file = JoinFile {
            server: self.url.clone(),
            certificate_authority: self.authority.clone(),
            node: node.to_owned(),
            token: answer["token"].as_str().unwrap().to_owned(),
        };
        let path = self.place.path().join(format!("{node}.join"));
        file.write(&path).unwrap();
        path
    }

    async fn join(&self, file: &Path) -> Result<NodeIdentity, join::Error> {
        let nodes = self.place.path().join("nodes");
        let joined = join::join(file, &BTreeMap::new(), |name| nodes.join(name)).await;
        joined.map(|(identity, _)| identity)
    }

    fn renewing(&self, identity: &NodeIdentity) -> Renewing {
        let folder = self.place.path().join("nodes").join(&identity.node);
        Renewing::new(identity.clone(), folder).unwrap()
    }

    async fn node(&self, name: &str) -> Client {
        let file = self.invite(name).await;
        let identity = self.join(&file).await.unwrap();
        self.renewing(&identity).client()
    }

    async fn create(&self, object: Value) {
        let kind = kinds::of(&object).unwrap();
        let namespace = match kind.scope {
            Reach::Cluster => "",
            Reach::Namespaced => object["metadata"]["namespace"].as_str().unwrap(),
        };
        let client = if kind == &kinds::OPERATION {
            &self.controllers
        } else {
            &self.admin
        };
        let options = WriteOptions::default();
        let made = client.create_object(kind, namespace, &object, &options);
        made.await
            .unwrap_or_else(|error| panic!("{object}: {error}"));
    }

    /// Everything that a node has or needs, all of it called by the node's name.
    async fn furnish(&self, node: &str, bundle: &str) {
        let meta = |labels: Value| json!({"name": node, "namespace": "demo", "labels": labels});
        let placed = json!({"upshift.dev/node": node, "upshift.dev/application": node});
        for object in [
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"tier": "web"}}}),
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": node, "namespace": "kube-node-lease"}}),
            json!({"apiVersion": "upshift.dev/v1", "kind": "Application", "metadata": meta(json!({})),
                "spec": {"hosts": {"selector": {}}, "port": 8080}}),
            json!({"apiVersion": "upshift.dev/v1", "kind": "Gear",
                "metadata": {"name": format!("{node}-{node}"), "namespace": "demo", "labels": placed},
                "spec": {"application": node, "node": node}}),
            json!({"apiVersion": "upshift.dev/v1", "kind": "Operation", "metadata": meta(placed.clone()),
                "spec": {"node": node, "gear": format!("{node}-{node}"),
                    "planVersion": upshift::api::upshift::PLAN_VERSION, "steps": [{"name": "DownloadBundle", "actor": "Node"}],
                    "deployment": {"application": node, "revision": {"name": "one", "number": 1, "bundle": {"digest": bundle, "size": 8}}}}}),
            json!({"apiVersion": "upshift.dev/v1", "kind": "Router",
                "metadata": {"name": node, "labels": {"upshift.dev/node": node}}, "spec": {"type": "HAProxy"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta(json!({}))}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(json!({}))}),
            json!({"apiVersion": "v1", "kind": "Event", "metadata": meta(json!({})),
                "involvedObject": {"kind": "Pod", "name": node, "namespace": "demo"},
                "reason": "Started", "source": {"component": "kubelet", "host": node}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta(json!({})),
                "spec": {"nodeName": node, "containers": [{"name": "a", "image": format!("{REGISTRY}/demo/of-{node}:latest"), "envFrom": [
                    {"secretRef": {"name": node}}, {"configMapRef": {"name": node}}]}]}}),
        ] {
            self.create(object).await;
        }
    }
}

/// The kinds of which both nodes have one.
const FURNISHED: [&str; 10] = [
    "Router",
    "Node",
    "Lease",
    "Application",
    "Gear",
    "Operation",
    "Secret",
    "ConfigMap",
    "Event",
    "Pod",
];

/// One request, and whether it was let through: everything but a refusal of who asks.
async fn reaches(client: &Client, method: Method, path: &str) -> bool {
    let mut headers = HeaderMap::new();
    // A status is read before it is looked whose it is.
    let kind = kinds::ALL.iter().rev();
    let kind = kind
        .copied()
        .find(|kind| path.contains(&format!("/{}/", kind.plural)));
    let body = match method {
        Method::GET | Method::DELETE => String::new(),
        Method::PATCH => json!({"metadata": {}}).to_string(),
        Method::PUT if path.ends_with("/status") => {
            json!({"apiVersion": kind.unwrap().api_version(), "kind": kind.unwrap().kind})
                .to_string()
        }
        _ => "nonsense".to_owned(),
    };
    let media_type = match method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    headers.insert("content-type", media_type.parse().unwrap());
    let answer = client.raw(method, path, headers, body).await.unwrap();
    !matches!(answer.status().as_u16(), 401 | 403 | 405) && {
        let is_missing = answer.status() == 404;
        // A path that no kind has is no right; an object that is not there is one. Of what is there, it is a refusal.
        let is_there = kind.is_some_and(|kind| FURNISHED.contains(&kind.kind));
        !is_missing
            || !is_there && {
                let bytes = answer.into_body().bytes().await.unwrap();
                let status: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                status["details"]["name"].is_string()
            }
    }
}

const SUBRESOURCES: [&str; 13] = [
    "status",
    "log",
    "scale",
    "instantiate",
    "instantiatebinary",
    "clone",
    "rollback",
    "token",
    "join",
    "renew",
    "exec",
    "tunnel",
    "finalize",
];

/// Everything that a node's client reaches of what is called `name` and selected by it.
async fn rights(client: &Client, kind: &'static Kind, name: &str, selector: &str) -> Vec<String> {
    let namespace = match kind.scope {
        Reach::Cluster => "",
        Reach::Namespaced if kind == &kinds::LEASE => "kube-node-lease",
        Reach::Namespaced => "demo",
    };
    // As the server wants a gear of the application NAME on the node NAME to be called.
    let called = match kind {
        kind if kind == &kinds::GEAR => format!("{name}-{name}"),
        _ => name.to_owned(),
    };
    let all = kind.path(namespace, "");
    let one = kind.path(namespace, &called);
    let mut found = Vec::new();
    let list = format!("{all}?{selector}");
    let watch = format!("{all}?watch=true&{selector}");
    let asks = [
        ("create", Method::POST, &all),
        ("list", Method::GET, &list),
        ("watch", Method::GET, &watch),
        ("deletecollection", Method::DELETE, &list),
        ("get", Method::GET, &one),
        ("update", Method::PUT, &one),
        ("patch", Method::PATCH, &one),
    ];
    for (verb, method, path) in asks {
        if reaches(client, method, path).await {
            found.push(verb.to_owned());
        }
    }
    for subresource in SUBRESOURCES {
        let path = format!("{one}/{subresource}");
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            if reaches(client, method.clone(), &path).await {
                found.push(format!("{subresource}:{method}"));
            }
        }
    }
    // Last, because it may succeed.
    if reaches(client, Method::DELETE, &one).await {
        found.push("delete".to_owned());
    }
    found
}

async fn table(client: &Client, name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in kinds::ALL {
        let selector = if kind == &&kinds::POD {
            format!("fieldSelector=spec.nodeName%3D{name}")
        } else {
            format!("labelSelector=upshift.dev%2Fnode%3D{name}")
        };
        let found = rights(client, kind, name, &selector).await;
        if !found.is_empty() {
            lines.push(format!("{}: {}", kind.plural, found.join(" ")));
        }
    }
    lines
}

/// Of the registry: what an Operation on the node names, and the repositories of its pods' images; of no other, in
/// whatever namespace.
async fn reaches_blobs(wire: &Wire, client: &Client, bytes: &[u8]) {
    let digest = Digest::of(bytes);
    let application = json!({"apiVersion": "upshift.dev/v1", "kind": "Application",
        "metadata": {"name": "web-2", "namespace": "other"},
        "spec": {"hosts": {"selector": {}}, "port": 8080}});
    wire.create(application).await;
    let admin = Registry::new(wire.admin.clone());
    let layer = b"a layer of an image";
    let images = ["demo/of-web-1", "demo/of-web-2", "demo/of-nobody"];
    let bundles = ["demo/web-1", "other/web-2"];
    let bundles = bundles.map(|repository| (repository, bytes));
    for (repository, bytes) in bundles
        .into_iter()
        .chain(images.map(|one| (one, &layer[..])))
    {
        let mut from = std::io::Cursor::new(bytes);
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        let sent = admin.upload(repository, &mut from, &digest, size);
        sent.await.unwrap();
    }
    let own = format!("/v2/demo/web-1/blobs/{}", digest.as_str());
    let foreign = format!("/v2/other/web-2/blobs/{}", digest.as_str());
    let status = |method: Method, path: String| {
        let client = client.clone();
        async move {
            let answer = client.raw(method, &path, HeaderMap::new(), "");
            answer.await.unwrap().status().as_u16()
        }
    };
    assert_eq!(status(Method::GET, own.clone()).await, 200);
    assert_eq!(status(Method::GET, foreign.clone()).await, 403);
    assert_eq!(status(Method::HEAD, foreign).await, 403);
    let upload = "/v2/other/web-2/blobs/uploads/".to_owned();
    assert_eq!(status(Method::POST, upload).await, 403);
    let tags = "/v2/other/web-2/tags/list".to_owned();
    assert_eq!(status(Method::GET, tags).await, 403);
    let layer = Digest::of(layer);
    for (repository, code) in images.into_iter().zip([200, 403, 403]) {
        let blob = format!("/v2/{repository}/blobs/{}", layer.as_str());
        assert_eq!(status(Method::GET, blob.clone()).await, code, "{blob}");
        assert_eq!(status(Method::HEAD, blob.clone()).await, code, "{blob}");
        let upload = format!("/v2/{repository}/blobs/uploads/");
        assert_eq!(status(Method::POST, upload).await, 403, "{repository}");
        for path in ["tags/list", "manifests/latest"] {
            let path = format!("/v2/{repository}/{path}");
            // There is no image yet, which only who may read it is told.
            let is_refused = status(Method::GET, path.clone()).await == 403;
            assert_eq!(is_refused, code == 403, "{path}");
        }
    }
    let shutdown = "/apis/upshift.dev/v1/shutdown".to_owned();
    assert_eq!(status(Method::POST, shutdown).await, 403);
}

#[tokio::test]
async fn a_node_reaches_its_own_and_of_another_s_nothing() {
    let wire = Wire::new(pki::NODE_LIFE).await;
    let client = wire.node("web-1").await;
    let bytes = b"a bundle".to_vec();
    let digest = Digest::of(&bytes);
    wire.furnish("web-1", digest.as_str()).await;
    wire.furnish("web-2", digest.as_str()).await;
    wire.node("web-2").await;

    // Of another's, before its own may go.
    let others = table(&client, "web-2").await;
    assert_eq!(
        others,
        [
            // The name of what is made stands in the body, and is checked there.
            "nodes: create",
            "services: list watch get",
            "events: create",
            "leases: create",
            "images: get",
            "selfsubjectreviews: create",
            "selfsubjectaccessreviews: create",
        ]
    );
    for (kind, namespace) in [(&kinds::NODE, ""), (&kinds::LEASE, "kube-node-lease")] {
        let object = json!({"apiVersion": kind.api_version(), "kind": kind.kind,
            "metadata": {"name": "web-3", "namespace": namespace}});
        let options = WriteOptions::default();
        let made = client.create_object(kind, namespace, &object, &options);
        assert!(made.await.unwrap_err().is_forbidden(), "{}", kind.plural);
    }
    // A list that does not say whose.
    for kind in [&kinds::GEAR, &kinds::OPERATION, &kinds::POD] {
        for watch in ["", "?watch=true"] {
            let path = format!("{}{watch}", kind.path("demo", ""));
            assert!(!reaches(&client, Method::GET, &path).await, "{path}");
        }
    }

    reaches_blobs(&wire, &client, &bytes).await;

    let mine = table(&client, "web-1").await;
    assert_eq!(
        mine,
        [
            "nodes: create get update patch status:GET status:PUT status:PATCH renew:POST tunnel:GET tunnel:POST",
            "secrets: get",
            "configmaps: get",
            "services: list watch get",
            "events: create patch",
            "pods: list watch get status:GET status:PUT status:PATCH",
            "leases: create get update patch",
            "images: get",
            "selfsubjectreviews: create",
            "selfsubjectaccessreviews: create",
            "gears: list watch get status:GET status:PUT status:PATCH",
            "operations: list watch get status:GET status:PUT status:PATCH",
            "routers: get status:GET status:PATCH",
        ]
    );
    wire.scope.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_node_does_not_say_where_code_and_secrets_go() {
    let wire = Wire::new(pki::NODE_LIFE).await;
    let client = wire.node("web-1").await;
    wire.furnish("web-1", Digest::of(b"a bundle").as_str())
        .await;
    let path = kinds::NODE.path("", "web-1");
    let patch = |body: Value| {
        let (client, path) = (client.clone(), path.clone());
        async move {
            let mut headers = HeaderMap::new();
            let merge = "application/merge-patch+json";
            headers.insert("content-type", merge.parse().unwrap());
            let answer = client.raw(Method::PATCH, &path, headers, body.to_string());
            answer.await.unwrap().status().as_u16()
        }
    };
    for (body, code) in [
        (
            json!({"metadata": {"labels": {"kubernetes.io/os": "linux"}}}),
            200,
        ),
        (
            json!({"metadata": {"annotations": {"example.com/a": "b"}}}),
            200,
        ),
        (json!({"metadata": {"labels": {"tier": "db"}}}), 403),
        (json!({"metadata": {"labels": {"tier": null}}}), 403),
        (
            json!({"metadata": {"labels": {"node-role.kubernetes.io/x": ""}}}),
            403,
        ),
        (
            json!({"metadata": {"finalizers": ["example.com/stay"]}}),
            403,
        ),
        (json!({"spec": {"unschedulable": true}}), 403),
    ] {
        assert_eq!(patch(body.clone()).await, code, "{body}");
    }
    wire.scope.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_token_that_is_too_old_says_so() {
    let wire = Wire::new(pki::NODE_LIFE).await;
    let file = wire.invite("web-1").await;
    wire.turn(24 * 3600);
    let error = wire.join(&file).await.unwrap_err().to_string();
    assert!(
        error.contains("the token for node \"web-1\" has expired; make a new one"),
        "{error}"
    );
    let file = wire.invite("web-1").await;
    // A clock that was put back makes nothing worse.
    wire.turn(-24 * 3600);
    wire.join(&file).await.unwrap();
    wire.scope.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_certificate_is_renewed_while_streams_stay_open() {
    let wire = Wire::new(pki::NODE_LIFE).await;
    let file = wire.invite("web-1").await;
    let first = wire.join(&file).await.unwrap();
    wire.furnish("web-1", Digest::of(b"a bundle").as_str())
        .await;
    let renewing = wire.renewing(&first);
    let client = renewing.client();
    let watch = "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dweb-1";
    let mut stream = client.open(watch).await.unwrap();
    renewing.renew().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"web-1\"") {
        let chunk = stream.chunk().await.unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    // The new one is written down, and its first use was the end of the old one.
    let second = wire.join(&file).await.unwrap();
    assert_ne!(second.certificate, first.certificate);
    assert_ne!(second.key, first.key);
    let own = kinds::NODE.path("", "web-1");
    client.open(&own).await.unwrap();
    let error = wire.renewing(&first).client().open(&own).await.unwrap_err();
    assert!(error.is_refused_identity(), "{error}");
    assert!(matches!(error, Error::Unauthorized(_)), "{error:?}");
    // Whoever holds an old one gets no new one for it.
    assert!(wire.renewing(&first).renew().await.is_err());

    // A removal ends what is open.
    let mut stream = client.open(watch).await.unwrap();
    let path = "/api/v1/nodes/web-1/token";
    let answer = wire
        .admin
        .raw(Method::DELETE, path, HeaderMap::new(), "")
        .await;
    assert_eq!(answer.unwrap().status(), 200);
    while let Some(Ok(_)) = stream.chunk().await {}
    assert!(client.open(&own).await.unwrap_err().is_refused_identity());
    wire.scope.close(Duration::from_secs(5)).await;
    drop(wire.api);
}

#[tokio::test]
async fn an_expired_certificate_is_told_from_a_server_that_is_away() {
    let wire = Wire::new(Duration::from_secs(600)).await;
    wire.turn(-3600);
    let file = wire.invite("web-1").await;
    let identity = wire.join(&file).await.unwrap();
    let own = kinds::NODE.path("", "web-1");
    let error = wire
        .renewing(&identity)
        .client()
        .open(&own)
        .await
        .unwrap_err();
    assert!(error.is_refused_identity(), "{error}");
    assert!(error.to_string().ends_with("CertificateExpired"), "{error}");
    // The file was used: the way back in is a new one.
    wire.turn(3600);
    let file = wire.invite("web-1").await;
    let identity = wire.join(&file).await.unwrap();
    let answer = wire.renewing(&identity).client().open(&own).await;
    assert!(answer.unwrap_err().is_not_found());

    // Another server in the place of ours.
    let other = Wire::new(Duration::from_secs(600)).await;
    let moved = NodeIdentity {
        server: other.url.clone(),
        ..identity
    };
    let error = wire.renewing(&moved).client().open(&own).await.unwrap_err();
    assert!(error.is_refused_identity(), "{error}");
    wire.scope.close(Duration::from_secs(5)).await;
    other.scope.close(Duration::from_secs(5)).await;
}
