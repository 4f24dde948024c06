//! A server with a router in a folder of its own, and endpoints that the test holds in its hands.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::client::Client;
use upshift::client::WriteOptions;
use upshift::server::GRACE;
use upshift::server::Listen;
use upshift::server::Options;
use upshift::server::Server;

use crate::fleet::network;

pub(crate) const NAMESPACE: &str = "shop";
const PATIENCE: Duration = Duration::from_secs(20);

/// An HTTP server that says its name; closed with all its connections when dropped.
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Backend {
    /// Answers `/slow` after half a second, `/echo` with the request's body, `/head` with its head, switches protocols
    /// when asked to and then echoes, breaks off at `/break`, and says its name otherwise.
    pub(crate) async fn start(name: &str) -> Backend {
        // An address of its own: once it has gone, no other test's server is found at its port.
        let own = format!("{}.1:0", network());
        let socket = TcpListener::bind(own).await.unwrap();
        let address = socket.local_addr().unwrap();
        let (requests, connections) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (owned, counted, open) = (name.to_owned(), requests.clone(), connections.clone());
        let task = tokio::spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                let (name, counted) = (owned.clone(), counted.clone());
                let open = open.clone();
                tasks.spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    let service = service_fn(|request| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        answer(name.clone(), request)
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Backend {
            name: name.to_owned(),
            address,
            requests,
            connections,
            task,
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Answer = Result<Response<BoxBody<Bytes, hyper::Error>>, std::io::Error>;

async fn answer(name: String, mut request: Request<Incoming>) -> Answer {
    let text = |text: String| {
        let body = http_body_util::Full::new(Bytes::from(text));
        Ok(Response::new(
            body.map_err(|never: Infallible| match never {}).boxed(),
        ))
    };
    if request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let Ok(stream) = upgrade.await else { return };
            let (mut read, mut write) = tokio::io::split(TokioIo::new(stream));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let response = Response::builder()
            .status(101)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(
                http_body_util::Empty::new()
                    .map_err(|never| match never {})
                    .boxed(),
            );
        return Ok(response.unwrap());
    }
    match request.uri().path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            text(name)
        }
        "/echo" => Ok(Response::new(request.into_body().boxed())),
        "/head" => text(format!(
            "{} {}\n{:?}",
            request.method(),
            request.uri(),
            request.headers()
        )),
        "/break" => Err(std::io::Error::other("as asked")),
        _ => text(name),
    }
}

/// A server without a node, and what is asked of it.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) client: Client,
    http: reqwest::Client,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let world = World::start_in(folder).await;
        let namespace =
            json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}});
        world.create(&namespace).await;
        world
    }

    async fn start_in(folder: tempfile::TempDir) -> World {
        let server = serve(&folder.path().join("data")).await;
        World {
            client: server.client().unwrap(),
            server,
            http: reqwest::Client::new(),
            folder,
        }
    }

    pub(crate) async fn restart(self) -> World {
        let left = self.server.stop(GRACE).await;
        assert_eq!(left, Vec::<String>::new(), "every part ends in time");
        World::start_in(self.folder).await
    }

    pub(crate) async fn stop(self) {
        let left = self.server.stop(GRACE).await;
        assert_eq!(left, Vec::<String>::new(), "every part ends in time");
    }

    pub(crate) async fn create(&self, object: &Value) -> Value {
        let kind = kinds::of(object).unwrap();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let options = WriteOptions::default();
        let made = self.client.create_object(kind, namespace, object, &options);
        made.await.unwrap()
    }

    /// Makes a service without a selector, port 8000 (an ordinary user may not listen on 80) named `http`, with these endpoints.
    pub(crate) async fn service(&self, name: &str, backends: &[&Backend]) -> Value {
        let service = json!({
            "kind": "Service", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"ports": [{"name": "http", "port": 8000, "targetPort": 8080}]},
        });
        let made = self.create(&service).await;
        let mut revision = 0;
        for backend in backends {
            revision = self.enter(name, backend).await;
        }
        self.applied(revision).await;
        made
    }

    /// Takes an endpoint into rotation; the version at which it is.
    pub(crate) async fn enter(&self, service: &str, backend: &Backend) -> u64 {
        let slice = json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": format!("{service}-{}", backend.name), "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [backend.address.ip()], "conditions": {"ready": true}}],
            "ports": [{"name": "http", "protocol": "TCP", "port": backend.address.port()}],
        });
        revision(&self.create(&slice).await)
    }

    /// Takes an endpoint out of rotation; the version at which it is out.
    pub(crate) async fn leave(&self, service: &str, backend: &Backend) -> u64 {
        let key = Key::new(NAMESPACE, format!("{service}-{}", backend.name));
        let none = upshift::client::Patch::Merge(json!({"endpoints": []}));
        let (kind, options) = (&kinds::ENDPOINT_SLICE, WriteOptions::default());
        let patched = self.client.patch(kind, &key, None, &none, &options).await;
        revision(&patched.unwrap())
    }

    /// Makes a route and waits until it is admitted.
    pub(crate) async fn route(&self, name: &str, spec: Value) {
        let route = json!({
            "kind": "Route", "apiVersion": "route.openshift.io/v1",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        });
        self.create(&route).await;
        let (key, host) = (Key::new(NAMESPACE, name), spec["host"].as_str().unwrap());
        self.wait("the route to be admitted", async || {
            let route = self.client.read(&kinds::ROUTE, &key).await.unwrap();
            route["status"]["ingress"][0]["conditions"][0]["status"] == "True"
        })
        .await;
        let path = spec["path"].as_str().unwrap_or("/");
        self.wait("the route to be served", async || {
            !self.get(host, path).await.1.contains("No route leads here")
        })
        .await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.router().unwrap())
    }

    /// A request for a host: the answer's code and text.
    pub(crate) async fn get(&self, host: &str, path: &str) -> (u16, String) {
        let request = self.http.get(self.url(path)).header("host", host);
        sent(request).await
    }

    /// The same, under way.
    pub(crate) fn get_later(&self, host: &str, path: &str) -> JoinHandle<(u16, String)> {
        let request = self.http.get(self.url(path)).header("host", host);
        tokio::spawn(sent(request))
    }

    pub(crate) async fn post(&self, host: &str, path: &str, body: String) -> (u16, String) {
        let request = self.http.post(self.url(path)).header("host", host);
        sent(request.body(body)).await
    }

    async fn status(&self) -> Value {
        let key = Key::new("", "default");
        self.client.read(&kinds::ROUTER, &key).await.unwrap()["status"].clone()
    }

    /// What the router says is still in flight on endpoints that left.
    pub(crate) async fn draining(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.status().await["draining"].clone()).unwrap_or_default()
    }

    /// Waits until the router says that it follows that version.
    pub(crate) async fn applied(&self, revision: u64) {
        self.wait("the router to follow", async || {
            self.status().await["applied"].as_u64() >= Some(revision)
        })
        .await;
    }

    pub(crate) async fn wait(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !done().await {
            assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn serve(data_dir: &Path) -> Server {
    let anywhere = Listen::At("127.0.0.1:0".parse().unwrap());
    let options = Options {
        listen: anywhere,
        router: Some(anywhere),
        node: false,
        ..Options::new(data_dir)
    };
    Server::start(options).await.unwrap()
}

async fn sent(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}
