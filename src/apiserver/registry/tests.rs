//! The registry and its client together, over a transport that breaks when told to.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tower::ServiceExt;

use super::*;
use crate::api::kinds;
use crate::apiserver::Options;
use crate::apiserver::admission::ServiceNetwork;
use crate::apiserver::authentication::Identities;
use crate::apiserver::join::JoinTokens;
use crate::base::clock::Clock;
use crate::base::clock::Timestamp;
use crate::client;
use crate::client::Client;
use crate::client::registry::Error;
use crate::client::registry::Registry;
use crate::content::blobs::Blobs;
use crate::store::Expect;
use crate::store::Place;
use crate::store::Store;
use crate::store::Write;

const SHOP: &str = "demo/shop";

struct World {
    folder: tempfile::TempDir,
    hands: Arc<Mutex<Timestamp>>,
    api: Api,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        // The grace period compares with the disk's own times.
        let hands = Arc::new(Mutex::new(Clock::System.now()));
        let api = Api::new(Options {
            store: Store::in_memory(),
            blobs: Blobs::open(folder.path()).unwrap(),
            content: folder.path().to_owned(),
            clock: Clock::Manual(hands.clone()),
            identities: Identities::default(),
            join_tokens: JoinTokens::in_memory(),
            signer: Arc::new(|_, _| Err("nothing is signed here".to_owned())),
            network: ServiceNetwork::of(false),
        });
        World { folder, hands, api }
    }

    fn registry(&self, identity: Identity, cuts: &[Cut]) -> (Registry, Arc<Wire>) {
        let wire = Arc::new(Wire {
            router: self.api.router(),
            token: self.api.identities().mint(identity).unwrap(),
            cuts: Mutex::new(cuts.to_vec()),
            asked: Mutex::default(),
        });
        (Registry::new(Client::new(wire.clone())), wire)
    }

    async fn put(
        &self,
        kind: &'static crate::api::kinds::Kind,
        name: &str,
        object: serde_json::Value,
    ) {
        let place = Place::new(kind, "demo", name);
        let expect = Expect::Any;
        let object = Some(object);
        self.api
            .store()
            .write(Write {
                place,
                expect,
                object,
            })
            .await
            .unwrap();
    }

    fn incoming(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("incoming"))
            .unwrap()
            .count()
    }
}

/// Breaks the next request of that method after so many bytes of what it carries.
#[derive(Clone)]
struct Cut(Method, usize);

struct Wire {
    router: axum::Router,
    token: String,
    cuts: Mutex<Vec<Cut>>,
    asked: Mutex<Vec<String>>,
}

impl Wire {
    fn cut_of(&self, method: &Method) -> Option<usize> {
        let mut cuts = self.cuts.lock().unwrap();
        let at = cuts.iter().position(|cut| cut.0 == *method)?;
        Some(cuts.remove(at).1)
    }

    fn count(&self, method: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|one| *one == method).count()
    }

    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<client::Body>, client::Error> {
        let broken = || client::Error::Interrupted("cut".into());
        let method = request.method().clone();
        self.asked.lock().unwrap().push(method.to_string());
        let cut = self.cut_of(&method);
        let (mut parts, bytes) = request.into_parts();
        let token = format!("Bearer {}", self.token).parse().unwrap();
        parts.headers.insert(header::AUTHORIZATION, token);
        let body = match cut {
            Some(after) if method != Method::GET => {
                let head = Ok(bytes.slice(..after));
                let tail = Err(std::io::Error::other("cut"));
                Body::from_stream(futures_util::stream::iter([head, tail]))
            }
            _ => Body::from(bytes),
        };
        let request = http::Request::from_parts(parts, body);
        let response = self.router.clone().oneshot(request).await.unwrap();
        match cut {
            None => Ok(response.map(client::Body::of)),
            Some(_) if method != Method::GET => Err(broken()),
            Some(after) => {
                let (parts, body) = response.into_parts();
                let bytes = client::Body::of(body).bytes().await?;
                let head = Ok(bytes.slice(..after.min(bytes.len())));
                let body = futures_util::stream::iter([head, Err(broken())]).boxed();
                Ok(http::Response::from_parts(parts, client::Body::new(body)))
            }
        }
    }
}

impl client::Transport for Wire {
    fn call(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<client::Body>, client::Error>> {
        self.send(request).boxed()
    }

    fn tunnel(&self, _: &str) -> BoxFuture<'_, Result<Box<dyn client::Io>, client::Error>> {
        unreachable!("blobs need no tunnel")
    }
}

fn blob(size: usize) -> (Vec<u8>, Digest) {
    let bytes: Vec<u8> = (0..size)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let digest = Digest::of(&bytes);
    (bytes, digest)
}

async fn upload(registry: &Registry, bytes: &[u8], digest: &Digest) -> Result<bool, Error> {
    let size = bytes.len() as u64;
    registry
        .upload(SHOP, &mut Cursor::new(bytes), digest, size)
        .await
}

#[tokio::test(start_paused = true)]
async fn blobs_go_up_once_and_come_down_whole() {
    let world = World::new();
    let (registry, wire) = world.registry(Identity::Admin, &[]);
    for size in [0, 1, (17 << 20) + 3] {
        let (bytes, digest) = blob(size);
        assert!(upload(&registry, &bytes, &digest).await.unwrap());
        assert!(!upload(&registry, &bytes, &digest).await.unwrap());
        let mut back = Vec::new();
        assert_eq!(
            registry.download(SHOP, &digest, &mut back).await.unwrap(),
            size as u64
        );
        assert!(back == bytes);
        // Another application does not see it.
        assert!(!registry.contains("demo/other", &digest).await.unwrap());
    }
    assert_eq!(wire.count("PATCH"), 1 + 3);
    let missing = registry
        .download(SHOP, &Digest::of(b"?"), &mut Vec::new())
        .await;
    assert!(matches!(missing, Err(Error::Missing(_))));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_goes_on_where_it_broke() {
    let world = World::new();
    let cuts = [
        Cut(Method::POST, 0),
        Cut(Method::PATCH, 5 << 20),
        Cut(Method::PATCH, 0),
        Cut(Method::PUT, 0),
    ];
    let (registry, wire) = world.registry(Identity::Admin, &cuts);
    let (bytes, digest) = blob(9 << 20);
    assert!(upload(&registry, &bytes, &digest).await.unwrap());
    assert!(wire.cuts.lock().unwrap().is_empty());
    let mut back = Vec::new();
    registry.download(SHOP, &digest, &mut back).await.unwrap();
    assert!(back == bytes);
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_goes_on_and_is_checked() {
    let world = World::new();
    let (bytes, digest) = blob(100_000);
    let (registry, _) = world.registry(Identity::Admin, &[]);
    upload(&registry, &bytes, &digest).await.unwrap();
    let cuts: Vec<Cut> = [10, 20_000, 0, 79_990]
        .map(|after| Cut(Method::GET, after))
        .to_vec();
    let (registry, wire) = world.registry(Identity::Admin, &cuts);
    let mut back = Vec::new();
    registry.download(SHOP, &digest, &mut back).await.unwrap();
    assert!(back == bytes);
    assert_eq!(wire.count("GET"), 5);
    std::fs::write(world.api.blobs().path(&digest), b"rotten").unwrap();
    let error = registry.download(SHOP, &digest, &mut Vec::new()).await;
    assert!(matches!(error, Err(Error::Damaged(_))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_is_given_up() {
    let world = World::new();
    let cuts = vec![Cut(Method::GET, 0); 20];
    let (registry, wire) = world.registry(Identity::Admin, &[]);
    let (bytes, digest) = blob(10);
    upload(&registry, &bytes, &digest).await.unwrap();
    *wire.cuts.lock().unwrap() = cuts;
    let error = registry.download(SHOP, &digest, &mut Vec::new()).await;
    assert!(matches!(error, Err(Error::Client(_))), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn content_that_is_not_what_it_says_leaves_nothing() {
    let world = World::new();
    let (registry, _) = world.registry(Identity::Admin, &[]);
    let wrong = Digest::of(b"else");
    let error = upload(&registry, b"this", &wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing of it was kept"), "{error}");
    assert_eq!(world.incoming(), 0);
    assert!(world.api.blobs().all().unwrap().is_empty());
    let (registry, _) = world.registry(Identity::Admin, &[Cut(Method::PUT, 0)]);
    let shorter = registry
        .upload(SHOP, &mut Cursor::new(b"abc"), &wrong, 4)
        .await;
    assert!(matches!(shorter, Err(Error::Local { .. })), "{shorter:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_sees_only_what_it_has_to_do_with() {
    let world = World::new();
    let (admin, _) = world.registry(Identity::Admin, &[]);
    let (bytes, digest) = blob(10);
    upload(&admin, &bytes, &digest).await.unwrap();
    let (node, _) = world.registry(Identity::Node("a".into()), &[]);
    let refused = |result: &Result<bool, Error>| match result {
        Err(Error::Client(error)) => error.is_forbidden(),
        _ => false,
    };
    assert!(refused(&node.contains(SHOP, &digest).await));
    let labels = |node: &str| json!({"upshift.dev/node": node, "upshift.dev/application": "shop"});
    let operation = json!({"metadata": {"name": "o", "namespace": "demo", "labels": labels("a")},
        "spec": {"revision": {"bundle": {"digest": digest.to_string()}}}});
    world.put(&kinds::OPERATION, "o", operation).await;
    assert!(node.contains(SHOP, &digest).await.unwrap());
    let (log, log_digest) = blob(20);
    assert!(refused(&upload(&node, &log, &log_digest).await));
    let gear = json!({"metadata": {"name": "g", "namespace": "demo", "labels": labels("a")}});
    world.put(&kinds::GEAR, "g", gear).await;
    assert!(upload(&node, &log, &log_digest).await.unwrap());
    let (other, _) = world.registry(Identity::Node("b".into()), &[]);
    assert!(refused(&other.contains(SHOP, &log_digest).await));
}

#[tokio::test]
async fn blobs_that_nothing_names_go_after_a_while() {
    let world = World::new();
    let (registry, _) = world.registry(Identity::Admin, &[]);
    let (kept, kept_digest) = blob(10);
    let (old, old_digest) = blob(20);
    for (bytes, digest) in [(&kept, &kept_digest), (&old, &old_digest)] {
        upload(&registry, bytes, digest).await.unwrap();
    }
    let revision = json!({"metadata": {"name": "r", "namespace": "demo"},
        "spec": {"bundle": {"digest": kept_digest.to_string()}}});
    world.put(&kinds::REVISION, "r", revision).await;
    let later = world.hands.lock().unwrap().as_second() + 2 * 3600;
    *world.hands.lock().unwrap() = Timestamp::from_second(later);
    repositories::sweep_now_and_then(&world.api);
    while world.api.blobs().contains(&old_digest) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!registry.contains(SHOP, &old_digest).await.unwrap());
    assert!(registry.contains(SHOP, &kept_digest).await.unwrap());
}

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes the blobs of an image with that one layer; the answer is its manifest.
async fn image(registry: &Registry, repository: &str, layer: &[u8]) -> Vec<u8> {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Env": ["A=b"]}});
    let config = config.to_string().into_bytes();
    let mut described = Vec::new();
    for bytes in [&config[..], layer] {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        registry
            .upload(repository, &mut Cursor::new(bytes), &digest, size)
            .await
            .unwrap();
        described.push(json!({"mediaType": "x", "digest": digest.as_str(), "size": size}));
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": described[0],
        "layers": [described[1]],
    });
    manifest.to_string().into_bytes()
}

impl World {
    async fn with_namespace(self) -> World {
        let namespace = json!({"metadata": {"name": "demo"}});
        let write = Write {
            place: Place::new(&kinds::NAMESPACE, "", "demo"),
            expect: Expect::Any,
            object: Some(namespace),
        };
        self.api.store().write(write).await.unwrap();
        self
    }

    fn stream(&self) -> crate::api::image::ImageStream {
        let place = Place::new(&kinds::IMAGE_STREAM, "demo", "shop");
        let entry = self.api.store().entry(&place).unwrap();
        serde_json::from_value(entry.object()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_pushed_image_is_an_object_and_the_newest_of_its_tag() {
    let world = World::new().with_namespace().await;
    let (registry, _) = world.registry(Identity::Admin, &[]);
    let first = image(&registry, SHOP, b"one").await;
    let push = async |manifest: &[u8], tag: &str| {
        let bytes = Bytes::copy_from_slice(manifest);
        registry.push_manifest(SHOP, tag, OCI, bytes).await
    };
    let digest = push(&first, "latest").await.unwrap();
    assert_eq!(digest, Digest::of(&first));
    push(&first, "latest").await.unwrap();
    let back = registry.manifest(SHOP, "latest").await.unwrap();
    assert_eq!(
        (&back.bytes[..], back.media_type.as_str()),
        (&first[..], OCI)
    );
    let second = image(&registry, SHOP, b"two").await;
    let newest = push(&second, "latest").await.unwrap();
    let stream = world.stream();
    let images: Vec<&str> = stream.status.tags[0]
        .items
        .iter()
        .map(|item| item.image.as_str())
        .collect();
    assert_eq!(images, [newest.as_str(), digest.as_str()]);
    assert_eq!(
        stream.latest("latest").unwrap().docker_image_reference,
        format!("image-registry.openshift-image-registry.svc:5000/demo/shop@{newest}")
    );
    let by_digest = registry.manifest(SHOP, digest.as_str()).await.unwrap();
    assert_eq!(by_digest.bytes, first);
    let place = Place::new(&kinds::IMAGE, "", digest.as_str());
    let object = world.api.store().entry(&place).unwrap().object();
    assert_eq!(object["dockerImageMetadata"]["Config"]["Env"][0], "A=b");
    assert_eq!(object["dockerImageLayers"][0]["size"], 3);
    let elsewhere = registry.manifest("demo/other", digest.as_str()).await;
    assert!(matches!(elsewhere, Err(Error::NoImage(_))), "{elsewhere:?}");
    let missing = registry.manifest(SHOP, "nosuch").await;
    assert!(matches!(missing, Err(Error::NoImage(_))), "{missing:?}");
}

#[tokio::test(start_paused = true)]
async fn a_manifest_without_its_blobs_or_under_a_wrong_name_is_refused() {
    let world = World::new().with_namespace().await;
    let (registry, _) = world.registry(Identity::Admin, &[]);
    let manifest = image(&registry, "demo/other", b"one").await;
    for (repository, name, expect) in [
        (SHOP, "latest", "the repository has no blob"),
        ("demo/other", "-x", "is not a tag"),
        ("demo/other", Digest::of(b"?").as_str(), "the manifest is"),
    ] {
        let bytes = Bytes::from(manifest.clone());
        let refused = registry.push_manifest(repository, name, OCI, bytes).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    }
    let blob = Digest::of(b"one");
    assert!(!registry.contains(SHOP, &blob).await.unwrap());
    assert!(registry.mount(SHOP, &blob, "demo/other").await.unwrap());
    assert!(registry.contains(SHOP, &blob).await.unwrap());
    let nosuch = Digest::of(b"nosuch");
    assert!(!registry.mount(SHOP, &nosuch, "demo/other").await.unwrap());
    assert_eq!(world.incoming(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_pulls_for_its_pods_and_pushes_for_its_builds() {
    let world = World::new().with_namespace().await;
    let (admin, _) = world.registry(Identity::Admin, &[]);
    let manifest = Bytes::from(image(&admin, SHOP, b"one").await);
    admin
        .push_manifest(SHOP, "latest", OCI, manifest.clone())
        .await
        .unwrap();
    let (node, _) = world.registry(Identity::Node("a".into()), &[]);
    assert!(node.manifest(SHOP, "latest").await.is_err());
    let pod = |labels: serde_json::Value, image: &str| {
        json!({"metadata": {"name": "p", "namespace": "demo", "labels": labels},
            "spec": {"nodeName": "a", "containers": [{"name": "c", "image": image}]}})
    };
    let registry = crate::api::image::REGISTRY;
    // A pod in the namespace is not enough, nor a name that begins like the repository's, nor one that is elsewhere.
    for image in ["demo/other", "demo/shop-2:latest", "other/shop:latest"] {
        let pod = pod(json!({}), &format!("{registry}/{image}"));
        world.put(&kinds::POD, "p", pod).await;
        assert!(node.manifest(SHOP, "latest").await.is_err(), "{image}");
    }
    let elsewhere = pod(json!({}), "docker.io/demo/shop:latest");
    world.put(&kinds::POD, "p", elsewhere).await;
    assert!(node.manifest(SHOP, "latest").await.is_err());
    let digest = Digest::of(&manifest);
    for version in [":latest".to_owned(), format!("@{digest}"), String::new()] {
        let pod = pod(json!({}), &format!("{registry}/{SHOP}{version}"));
        world.put(&kinds::POD, "p", pod).await;
        node.manifest(SHOP, "latest").await.unwrap();
        let mut into = Vec::new();
        let one = Digest::of(b"one");
        node.download(SHOP, &one, &mut into).await.unwrap();
    }
    let push = async || {
        node.push_manifest(SHOP, "latest", OCI, manifest.clone())
            .await
    };
    assert!(push().await.is_err());
    let build = json!({"metadata": {"name": "b", "namespace": "demo"},
        "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}}}});
    world.put(&kinds::BUILD, "b", build).await;
    let mut building = pod(json!({"openshift.io/build.name": "b"}), "builder");
    world.put(&kinds::POD, "p", building.clone()).await;
    push().await.unwrap();
    // What it is built from, and the source that came with the request.
    image(&admin, "demo/builder", b"two").await;
    let two = Digest::of(b"two");
    assert!(node.contains("demo/builder", &two).await.is_err());
    let build = |annotations: serde_json::Value, from: &str| {
        json!({"metadata": {"name": "b", "namespace": "demo", "annotations": annotations},
            "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "shop:latest"}},
                "strategy": {"sourceStrategy": {"from": {"kind": "DockerImage", "name": from}}}}})
    };
    let from = format!("{registry}/demo/builder@{two}");
    let sent =
        json!({"upshift.dev/source": two.to_string(), "openshift.io/build-config.name": "builder"});
    for build in [build(json!({}), &from), build(sent, "")] {
        world.put(&kinds::BUILD, "b", build).await;
        assert!(node.contains("demo/builder", &two).await.unwrap());
    }
    let other = node
        .push_manifest("demo/other", "latest", OCI, manifest.clone())
        .await;
    assert!(other.is_err());
    building["status"] = json!({"phase": "Succeeded"});
    world.put(&kinds::POD, "p", building).await;
    assert!(push().await.is_err(), "it is over");
    assert!(node.contains("demo/builder", &two).await.is_err());
}

#[tokio::test]
async fn images_and_uploaded_sources_keep_their_blobs() {
    let world = World::new().with_namespace().await;
    let (registry, _) = world.registry(Identity::Admin, &[]);
    let manifest = image(&registry, SHOP, b"layer").await;
    let bytes = Bytes::from(manifest);
    let pushed = registry
        .push_manifest(SHOP, "latest", OCI, bytes)
        .await
        .unwrap();
    let (source, source_digest) = blob(10);
    let (old, old_digest) = blob(20);
    for (bytes, digest) in [(&source, &source_digest), (&old, &old_digest)] {
        upload(&registry, bytes, digest).await.unwrap();
    }
    let annotations = json!({"upshift.dev/source": source_digest.as_str()});
    let build = json!({"metadata": {"name": "b", "namespace": "demo", "annotations": annotations},
        "status": {"output": {"to": {"imageDigest": old_digest.as_str()}}}});
    world.put(&kinds::BUILD, "b", build).await;
    let later = world.hands.lock().unwrap().as_second() + 2 * 3600;
    *world.hands.lock().unwrap() = Timestamp::from_second(later);
    repositories::sweep_now_and_then(&world.api);
    while world.api.blobs().contains(&old_digest) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for kept in [&pushed, &source_digest, &Digest::of(b"layer")] {
        assert!(registry.contains(SHOP, kept).await.unwrap(), "{kept}");
    }
}

#[tokio::test]
async fn built_in_builders_are_put_there_once() {
    let world = World::new();
    world.api.create_namespace("openshift").await.unwrap();
    world.api.seed_builders().await.unwrap();
    let revision = world.api.store().revision();
    world.api.seed_builders().await.unwrap();
    assert_eq!(world.api.store().revision(), revision, "nothing is written");
    let (streams, _) = world.api.store().list(&kinds::IMAGE_STREAM, "openshift");
    let names: Vec<&str> = streams
        .iter()
        .map(|stream| stream.place.key.name.as_str())
        .collect();
    assert_eq!(names, ["nodejs", "perl", "php", "python", "ruby", "static"]);
    let python = &streams[3].object()["spec"]["tags"][0];
    assert_eq!(python["annotations"]["tags"], "builder,python");
    // A node without any pod may pull them.
    let (node, _) = world.registry(Identity::Node("a".into()), &[]);
    let manifest = node.manifest("openshift/python", "latest").await.unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let config: Digest = manifest["config"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut bytes = Vec::new();
    node.download("openshift/python", &config, &mut bytes)
        .await
        .unwrap();
    let lost = world.api.blobs().path(&config);
    std::fs::remove_file(&lost).unwrap();
    world.api.seed_builders().await.unwrap();
    assert!(lost.is_file(), "a lost blob comes back");
}

#[test]
fn a_full_disk_is_said_as_such() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert_eq!(disk(&full).status, StatusCode::INSUFFICIENT_STORAGE);
}

#[tokio::test]
async fn an_upload_that_says_it_cannot_fit_is_refused_before_it_is_read() {
    let world = World::new();
    let request = http::Request::post("/v2/demo/shop/blobs/uploads/")
        .header(header::CONTENT_LENGTH, u64::MAX)
        .body(Body::empty())
        .unwrap();
    let answer = serve(&world.api, &Identity::Admin, request).await;
    assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
    let body = axum::body::to_bytes(answer.into_body(), 1000)
        .await
        .unwrap();
    let body = String::from_utf8_lossy(&body);
    assert!(
        body.contains("image too large for the server's disk: "),
        "{body}"
    );
    let helps = " free, of which 64.0 MiB stay free; make room and try again";
    assert!(body.contains(helps), "{body}");
}

#[test]
fn ranges_are_read_as_http_has_them() {
    for (header, expected) in [
        (None, Wanted::All),
        (Some("bytes=0-"), Wanted::Part(0, 10)),
        (Some("bytes=3-5"), Wanted::Part(3, 6)),
        (Some("bytes=3-99"), Wanted::Part(3, 10)),
        (Some("bytes=-4"), Wanted::Part(6, 10)),
        (Some("bytes=10-"), Wanted::Nothing),
        (Some("bytes=5-3"), Wanted::All),
        (Some("bytes=0-1,3-4"), Wanted::All),
        (Some("lines=1-2"), Wanted::All),
    ] {
        assert_eq!(wanted(header, 10), expected, "{header:?}");
    }
}

#[test]
fn names_cannot_leave_their_folder() {
    for path in [
        "/v2/../x/blobs/uploads/",
        "/v2/a/.b/blobs/y",
        "/v2/a/B/blobs/y",
        "/v2/a/b/c",
        "/v2/a//blobs/y",
    ] {
        assert_eq!(target(path), Target::Nothing, "{path}");
    }
    assert_eq!(target("/v2/"), Target::Ping);
    assert!(matches!(
        target("/v2/a/b/blobs/uploads/1"),
        Target::Upload(_, "1")
    ));
}
