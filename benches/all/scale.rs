//! Thousands of agents: what they cost the server, and what a rollout to all of them costs.
//!
//! The agents are simulated in this process: each has its own key, certificate, TLS connection, caches, lease and tunnel,
//! as a real one, and writes what a real one writes; only the steps take no time and nothing is put on a disk.
//! `UPSHIFT_BENCH_AGENTS` changes their number.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use http::HeaderMap;
use http::Method;
use serde_json::Value;
use serde_json::json;
use upshift::agent::join;
use upshift::agent::join::JoinFile;
use upshift::api::core::Lease;
use upshift::api::core::NODE_LEASES;
use upshift::api::core::Node;
use upshift::api::kinds;
use upshift::api::kinds::Kind;
use upshift::api::meta::Key;
use upshift::api::pod::Pod;
use upshift::api::upshift::Actor;
use upshift::api::upshift::GearState;
use upshift::api::upshift::LABEL_NODE;
use upshift::api::upshift::Operation;
use upshift::api::upshift::OperationPhase;
use upshift::api::upshift::OperationStatus;
use upshift::api::upshift::StepPhase;
use upshift::api::upshift::StepStatus;
use upshift::base::clock::Clock;
use upshift::base::scope::Scope;
use upshift::client::Cache;
use upshift::client::Client;
use upshift::client::ListOptions;
use upshift::client::Patch;
use upshift::client::WriteOptions;
use upshift::client::tunnel;

use crate::Row;
use crate::fixture;
use crate::fixture::Server;

/// How many agents there are.
const AGENTS: usize = 5000;
/// How many of them are in the small fleet that the large one is compared with.
const SMALL: usize = 50;
/// Gears at a time, in both fleets.
const CONCURRENCY: usize = 50;
/// How long a rollout may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn rows() -> Vec<Row> {
    let count = std::env::var("UPSHIFT_BENCH_AGENTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(AGENTS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let server = Server::start(&["--no-node"]);
    runtime.block_on(measure(&server, count))
}

async fn measure(server: &Server, count: usize) -> Vec<Row> {
    let before = server.memory();
    let scope = Scope::new();
    let started = Instant::now();
    let clients = join_all(server, count).await;
    eprint(&format!("{count} joined after {:?}", started.elapsed()));
    let agents: Vec<Arc<Agent>> = clients
        .into_iter()
        .enumerate()
        .map(|(number, client)| Agent::start(name(number), client, &scope))
        .collect();
    let admin = server.connect();
    wait_until_ready(&admin, count).await;
    eprint(&format!("all are ready after {:?}", started.elapsed()));
    // The work of arriving settles.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let connected = server.memory();
    let sockets = descriptors(server);
    eprint(&format!("{connected:.0} MiB, {sockets} descriptors"));
    for number in 0..SMALL.min(count) {
        let labels = json!({"metadata": {"labels": {"fleet": "small"}}});
        let key = Key::new("", name(number));
        patch(&admin, &kinds::NODE, &key, None, labels).await;
    }
    let small = SMALL.min(count);
    let seven = json!({"concurrency": CONCURRENCY});
    application(&admin, "small", &json!({"fleet": "small"}), &seven).await;
    application(&admin, "large", &json!({}), &seven).await;
    let bundle = bundle();
    let mut runs = Vec::new();
    for round in 0..6 {
        let run = rollout(server, &admin, bundle.path(), "small", small).await;
        // The first makes the gears.
        if round > 0 {
            runs.push(run);
        }
    }
    let first = rollout(server, &admin, bundle.path(), "large", count).await;
    eprint(&format!("first large rollout: {first:?}"));
    let large = rollout(server, &admin, bundle.path(), "large", count).await;
    let after = server.memory();
    runs.sort_by_key(|one| one.wall);
    eprint(&format!("small: {runs:#?}\nlarge: {large:?}"));
    let small_run = &runs[runs.len() / 2];
    drop(agents);
    scope.close(Duration::from_secs(5)).await;
    vec![
        Row {
            what: "server memory with simulated agents connected",
            ours: format!("{count}: {connected:.0} MiB"),
            peer: format!("before they came {before:.0} MiB; after two rollouts {after:.0} MiB"),
            note: format!(
                "goal ≤ 400 MB; {:.1} connections an agent",
                f64::from(u32::try_from(sockets).unwrap_or(0)) / wide(count)
            ),
        },
        Row {
            what: "rollout to all of them, instant steps, 50 at a time",
            ours: format!("{:.1} s", large.wall.as_secs_f64()),
            peer: format!(
                "the first one, which makes the gears, {:.1} s",
                first.wall.as_secs_f64()
            ),
            note: "goal ≤ 60 s".to_owned(),
        },
        Row {
            what: "time a gear in it",
            ours: format!("{:.2} ms", large.per_gear(count)),
            peer: format!("in a fleet of {small}: {:.2} ms", small_run.per_gear(small)),
            note: format!(
                "{:.2}×, goal ≤ 1.25×",
                large.per_gear(count) / small_run.per_gear(small)
            ),
        },
        Row {
            what: "server's processor time a gear in it",
            ours: format!("{:.2} ms", large.processor_per_gear(count)),
            peer: format!(
                "in a fleet of {small}: {:.2} ms",
                small_run.processor_per_gear(small)
            ),
            note: String::new(),
        },
        Row {
            what: "writes of Operation and Gear a gear, 7 steps",
            ours: format!("{:.2}", large.writes_per_gear(count)),
            peer: String::new(),
            note: "goal ≤ 8".to_owned(),
        },
    ]
}

/// What one rollout came to.
#[derive(Debug)]
struct Run {
    wall: Duration,
    processor: Duration,
    writes: usize,
}

impl Run {
    fn per_gear(&self, gears: usize) -> f64 {
        self.wall.as_secs_f64() * 1000.0 / wide(gears)
    }

    fn processor_per_gear(&self, gears: usize) -> f64 {
        self.processor.as_secs_f64() * 1000.0 / wide(gears)
    }

    fn writes_per_gear(&self, gears: usize) -> f64 {
        wide(self.writes) / wide(gears)
    }
}

fn wide(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Says how far it is: this takes minutes.
#[expect(clippy::print_stderr, reason = "a person waits for it")]
pub(crate) fn eprint(text: &str) {
    eprintln!("{text}");
}

fn name(number: usize) -> String {
    format!("host-{number:04}")
}

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id())).map_or(0, Iterator::count)
}

/// Joins that many machines as real ones do; a client for each, with a certificate of its own.
async fn join_all(server: &Server, count: usize) -> Vec<Client> {
    let admin = server.connect();
    let data = server.folder.path();
    let sample = data.join("sample.join");
    server.client(&[
        "node",
        "token",
        "create",
        "sample",
        "-o",
        &sample.display().to_string(),
    ]);
    let sample = JoinFile::read(&sample).expect("it is a join file");
    let folder = data.join("agents");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let joined = stream::iter(0..count).map(|number| {
        let (admin, url, authority) = (
            admin.clone(),
            sample.server.clone(),
            sample.certificate_authority.clone(),
        );
        let folder = folder.clone();
        async move {
            let name = name(number);
            let path = format!("/api/v1/nodes/{name}/token");
            let answer = admin.raw(Method::POST, &path, json_headers(), "{}").await;
            let answer = answer.expect("the server answers").into_body();
            let answer = answer.bytes().await.expect("the answer ends");
            let answer: Value = serde_json::from_slice(&answer).expect("a token is JSON");
            let file = JoinFile {
                server: url,
                certificate_authority: authority,
                node: name.clone(),
                token: answer["token"].as_str().unwrap_or_default().to_owned(),
            };
            let path = folder.join(format!("{name}.join"));
            file.write(&path).expect("a join file can be written");
            let joined = join::join(&path, &BTreeMap::new(), |name| folder.join(name)).await;
            let (identity, _) = joined.expect("the server lets it in");
            let transport = identity.transport().expect("the certificate can be used");
            Client::new(Arc::new(transport))
        }
    });
    joined.buffered(16).collect().await
}

fn json_headers() -> HeaderMap {
    let json = http::HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)])
}

async fn wait_until_ready(admin: &Client, count: usize) {
    let started = Instant::now();
    loop {
        let nodes = admin.list::<Node>("", &ListOptions::default()).await;
        let ready = nodes.map_or(0, |nodes| {
            nodes.items.iter().filter(|node| node.is_ready()).count()
        });
        if ready >= count {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "only {ready} nodes are ready");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn application(admin: &Client, name: &str, selector: &Value, settings: &Value) {
    let object = json!({
        "apiVersion": "upshift.dev/v1", "kind": "Application",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": {"selector": selector}, "rollout": settings},
    });
    let options = WriteOptions::default();
    admin
        .create_object(&kinds::APPLICATION, "default", &object, &options)
        .await
        .expect("the application can be made");
}

/// A bundle of which nothing is ever run.
fn bundle() -> tempfile::TempDir {
    let folder =
        tempfile::tempdir_in(fixture::data_parent()).expect("a temporary folder can be made");
    fs::write(
        folder.path().join("appspec.yml"),
        "version: 0.0\nos: linux\n",
    )
    .expect("an appspec can be written");
    folder
}

/// Deploys to a fleet and waits for the end, as an administrator who watches the Rollout.
async fn rollout(
    server: &Server,
    admin: &Client,
    bundle: &std::path::Path,
    name: &str,
    gears: usize,
) -> Run {
    let path = bundle.display().to_string();
    // The earlier one's aftermath settles.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let operations = count_changes(admin, &kinds::OPERATION).await;
    let changed = count_changes(admin, &kinds::GEAR).await;
    let (processor, started) = (server.processor_time(), Instant::now());
    let made = tokio::task::block_in_place(|| {
        server.client(&[
            "deploy",
            &path,
            "--name",
            name,
            "--follow=false",
            "-o",
            "json",
        ])
    });
    let made: Value = serde_json::from_str(&made).expect("-o json prints JSON");
    let rollout = made["metadata"]["name"].as_str().unwrap_or_default();
    let key = Key::new("default", rollout);
    let end = loop {
        let state = admin.read(&kinds::ROLLOUT, &key).await;
        let state = state.expect("the rollout is there");
        let phase = state["status"]["phase"].as_str().unwrap_or_default();
        if !["", "Pending", "Running"].contains(&phase) {
            break state;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{rollout} hangs: {}",
            state["status"]
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let (wall, processor) = (
        started.elapsed(),
        server.processor_time().saturating_sub(processor),
    );
    assert_eq!(end["status"]["phase"], "Succeeded", "{}", end["status"]);
    assert_eq!(end["status"]["gears"]["done"], gears, "{}", end["status"]);
    // What was written last is told in a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Run {
        wall,
        processor,
        writes: operations.end() + changed.end(),
    }
}

/// Counts the changes of a kind from now on, until it is aborted.
pub(crate) async fn count_changes(admin: &Client, kind: &'static Kind) -> Counting {
    let none = ListOptions::labelled("none=none");
    let list = admin.list_objects(kind, "default", &none).await;
    let revision = list.expect("the server answers").revision;
    let path = kind.path("default", "");
    let path = format!("{path}?watch=true&resourceVersion={revision}&timeoutSeconds=3600");
    let mut body = admin.open(&path).await.expect("a watch can be opened");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let task = tokio::spawn(async move {
        while let Some(Ok(chunk)) = body.chunk().await {
            let lines = chunk.split(|byte| *byte == b'\n').count() - 1;
            counted.fetch_add(lines, Ordering::Relaxed);
        }
    });
    Counting { count, task }
}

pub(crate) struct Counting {
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Counting {
    pub(crate) fn end(self) -> usize {
        self.task.abort();
        self.count.load(Ordering::Relaxed)
    }
}

async fn patch(
    client: &Client,
    kind: &'static Kind,
    key: &Key,
    part: Option<&str>,
    patch: Value,
) -> bool {
    let options = WriteOptions::default();
    let patch = Patch::Merge(patch);
    client
        .patch(kind, key, part, &patch, &options)
        .await
        .is_ok()
}

/// One simulated agent.
struct Agent {
    name: String,
    client: Client,
}

impl Agent {
    fn start(name: String, client: Client, scope: &Scope) -> Arc<Agent> {
        let agent = Arc::new(Agent { name, client });
        let own = agent.clone();
        let tasks = scope.clone();
        scope.spawn(async move { own.run(&tasks).await });
        agent
    }

    async fn run(self: Arc<Agent>, scope: &Scope) {
        let ours = ListOptions::labelled(format!("{LABEL_NODE}={}", self.name));
        let operations: Cache<Operation> = Cache::start(self.client.clone(), "", ours, scope);
        let ours = ListOptions {
            field_selector: format!("spec.nodeName={}", self.name),
            ..ListOptions::default()
        };
        let pods: Cache<Pod> = Cache::start(self.client.clone(), "", ours, scope);
        let path = format!("/api/v1/nodes/{}/tunnel", self.name);
        tunnel::serve(self.client.clone(), path, axum::Router::new(), scope);
        let own = self.clone();
        scope.spawn(async move { own.keep().await });
        pods.synced().await;
        let mut changes = operations.changes();
        let mut accepted: BTreeMap<Key, (String, usize)> = BTreeMap::new();
        while let Some((key, _)) = changes.recv().await {
            let Some(operation) = operations.get(&key) else {
                accepted.remove(&key);
                continue;
            };
            if operation.status.phase.is_final() {
                continue;
            }
            self.look(&key, &operation, &mut accepted).await;
        }
    }

    /// Does what can be done now: everything up to a step that is not the node's.
    async fn look(
        &self,
        key: &Key,
        operation: &Operation,
        accepted: &mut BTreeMap<Key, (String, usize)>,
    ) {
        let uid = &operation.metadata.uid;
        let known = accepted.get(key).filter(|(known, _)| known == uid);
        let mut at = if let Some((_, at)) = known {
            *at
        } else {
            self.report(key, operation, 0, OperationPhase::Running)
                .await;
            0
        };
        while let Some(step) = operation.spec.steps.get(at) {
            let is_control = step.actor == Actor::Control;
            if is_control {
                let outcome = operation.spec.control.get(&step.name);
                let is_over = outcome.is_some_and(|outcome| {
                    matches!(outcome.phase, StepPhase::Done | StepPhase::Failed)
                });
                let handed_over = known.is_some_and(|(_, known)| *known == at);
                if !is_over {
                    if !handed_over {
                        self.report(key, operation, at, OperationPhase::Running)
                            .await;
                    }
                    accepted.insert(key.clone(), (uid.clone(), at));
                    return;
                }
                at += 1;
                self.report(key, operation, at, OperationPhase::Running)
                    .await;
                continue;
            }
            at += 1;
        }
        accepted.insert(key.clone(), (uid.clone(), at));
        let revision = operation.spec.deployment.revision.as_ref();
        let gear = Key::new(key.namespace.clone(), operation.spec.gear.clone());
        let status = json!({"status": {
            "state": GearState::Started,
            "revision": revision.map(|revision| revision.name.as_str()),
            "operation": key.name,
        }});
        self.write(&kinds::GEAR, &gear, status).await;
        self.report(key, operation, at, OperationPhase::Succeeded)
            .await;
    }

    /// The Operation's status when so many steps are done.
    async fn report(&self, key: &Key, operation: &Operation, done: usize, phase: OperationPhase) {
        let now = Clock::System.now();
        let steps = operation
            .spec
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| {
                let is_done = place < done;
                let is_running = place == done && step.actor == Actor::Control;
                StepStatus {
                    name: step.name.clone(),
                    phase: match (is_done, is_running) {
                        (true, _) => StepPhase::Done,
                        (_, true) => StepPhase::Running,
                        _ => StepPhase::Waiting,
                    },
                    started_at: (is_done || is_running).then_some(now),
                    finished_at: is_done.then_some(now),
                    milliseconds: is_done.then_some(0),
                    ..StepStatus::default()
                }
            });
        let status = OperationStatus {
            phase,
            steps: steps.collect(),
            started_at: Some(now),
            finished_at: phase.is_final().then_some(now),
            ..OperationStatus::default()
        };
        self.write(&kinds::OPERATION, key, json!({ "status": status }))
            .await;
    }

    async fn write(&self, kind: &'static Kind, key: &Key, status: Value) {
        if !patch(&self.client, kind, key, Some("status"), status).await {
            eprint(&format!("{}: {key} could not be written", self.name));
        }
    }

    /// Registers the node and renews its lease for ever.
    async fn keep(&self) {
        let mut node = Node::default();
        node.metadata.name.clone_from(&self.name);
        let label = ("kubernetes.io/hostname".to_owned(), self.name.clone());
        node.metadata.labels.extend([label]);
        let key = Key::new("", &self.name);
        while self.client.create(&node).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        }});
        patch(&self.client, &kinds::NODE, &key, Some("status"), status).await;
        let mut lease = Lease::default();
        lease.metadata.name.clone_from(&self.name);
        NODE_LEASES.clone_into(&mut lease.metadata.namespace);
        lease.spec.holder_identity.clone_from(&self.name);
        lease.spec.lease_duration_seconds = 40;
        lease.spec.renew_time = Clock::System.now().micro();
        let made = self.client.create(&lease).await;
        made.expect("a node may make its lease");
        let key = Key::new(NODE_LEASES, &self.name);
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let renewed = json!({"spec": {"renewTime": Clock::System.now().micro()}});
            patch(&self.client, &kinds::LEASE, &key, None, renewed).await;
        }
    }
}
