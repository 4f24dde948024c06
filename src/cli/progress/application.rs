//! An application of pods on its way from source to answer: its objects are listened to and told as one gear's steps.
//!
//! What the objects mean is `plan/new_application`'s; this file keeps them together, sends the one request through the
//! route that the last two steps are about, and has the words that differ from a rollout's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::api::build::Build;
use crate::api::build::LABEL_BUILD_CONFIG;
use crate::api::deployment::ANNOTATION_CONFIG;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::BUILT_IN_ROUTER;
use crate::api::network::Route;
use crate::api::network::Router;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Step;
use crate::api::upshift::StepPhase;
use crate::base::scope::Scope;
use crate::base::text;
use crate::cli::progress::fold::Change;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Look;
use crate::cli::progress::state::State;
use crate::cli::progress::summary;
use crate::cli::progress::verdict;
use crate::cli::progress::watching::Listener;
use crate::cli::progress::watching::Told;
use crate::cli::progress::watching::named;
use crate::client::ListOptions;
use crate::plan::new_application;
use crate::plan::new_application::Request;
use crate::plan::new_application::STEPS;
use crate::plan::new_application::Scene;
use crate::plan::new_application::Wanted;
use crate::plan::step;

/// How long a route may go without an answer once the pods are there.
const PATIENCE: Duration = Duration::from_secs(10);
/// For one try.
const ONE_TRY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Lines of a pod's output that explain its failure.
const EXPLAINING: u32 = 50;

/// One application, and what is known of its objects; clones share it.
#[derive(Clone)]
pub struct Watched {
    namespace: String,
    name: String,
    scene: Arc<Mutex<Scene>>,
    /// Says that something was heard.
    news: Arc<watch::Sender<()>>,
    /// `ADDRESS:PORT` of the router; none: the host itself, on port 80.
    router: Option<String>,
}

impl Watched {
    /// The application of that name; `router` is where routes are asked, none for the host's own address.
    pub fn new(namespace: &str, name: &str, wanted: Wanted, router: Option<String>) -> Watched {
        let scene = Scene {
            wanted,
            ..Scene::default()
        };
        Watched {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            scene: Arc::new(Mutex::new(scene)),
            news: Arc::default(),
            router,
        }
    }

    /// Where a server's routes are asked: its built-in router's address.
    pub async fn router_of(client: &crate::client::Client) -> Option<String> {
        let router: Router = client.get(&Key::new("", BUILT_IN_ROUTER)).await.ok()?;
        Some(router.spec.address).filter(|address| !address.is_empty())
    }

    /// Where the application is reached, once its route has a host.
    pub fn url(&self) -> Option<String> {
        let scene = self.scene();
        let route = scene.route.as_ref()?;
        let host = Some(route.spec.host.as_str()).filter(|host| !host.is_empty())?;
        Some(url(host, &route.spec.path, self.router.as_deref()))
    }

    fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole as a rollout of one gear.
    pub fn rollout(&self) -> Rollout {
        let status = self.operation().status;
        let mut rollout = Rollout::default();
        self.metadata_of(&mut rollout.metadata);
        rollout.spec.application.clone_from(&self.name);
        rollout.status.gears.total = 1;
        rollout.status.phase = match status.phase {
            OperationPhase::Succeeded => RolloutPhase::Succeeded,
            OperationPhase::Failed => RolloutPhase::Failed,
            _ => RolloutPhase::Running,
        };
        rollout.status.reason = status.reason;
        rollout.status.message = status.message;
        if rollout.status.phase == RolloutPhase::Succeeded {
            rollout.status.message = self.url().unwrap_or_default();
        }
        rollout
    }

    /// How far it is, as the operation of its one gear.
    pub fn operation(&self) -> Operation {
        let steps = new_application::read(&self.scene());
        let mut operation = Operation::default();
        self.metadata_of(&mut operation.metadata);
        operation.spec.gear.clone_from(&self.name);
        operation.spec.steps = STEPS
            .iter()
            .map(|kind| Step {
                name: kind.name.to_owned(),
                actor: kind.actor,
            })
            .collect();
        let status = &mut operation.status;
        status.phase = OperationPhase::Running;
        if let Some(failed) = steps.iter().find(|one| one.phase == StepPhase::Failed) {
            status.phase = OperationPhase::Failed;
            status.reason.clone_from(&failed.reason);
            status.message.clone_from(&failed.message);
        } else if steps
            .iter()
            .all(|one| matches!(one.phase, StepPhase::Done | StepPhase::Skipped))
        {
            status.phase = OperationPhase::Succeeded;
        }
        status.steps = steps;
        operation
    }

    fn metadata_of(&self, metadata: &mut Metadata) {
        metadata.name.clone_from(&self.name);
        metadata.namespace.clone_from(&self.namespace);
    }

    /// Where the output of a step is read; none when there is none.
    ///
    /// That a build was made is also counted on its build config, and the two are listened to apart: its step may have
    /// begun before the build itself is heard of, which is waited for.
    pub(super) async fn log_path(&self, step: &str) -> Option<String> {
        let mut news = self.news.subscribe();
        while step == step::INSTANTIATE_BUILD.name && self.scene().build().is_none() {
            news.changed().await.ok()?;
        }
        self.path_now(step)
    }

    fn path_now(&self, step: &str) -> Option<String> {
        let scene = self.scene();
        if step == step::INSTANTIATE_BUILD.name {
            let build = &scene.build()?.metadata.name;
            let path = kinds::BUILD.path(&self.namespace, build);
            return Some(format!("{path}/log?follow=true"));
        }
        let (pod, _, _) = scene.hopeless_pod()?;
        let path = kinds::POD.path(&self.namespace, &pod.metadata.name);
        // A container that waits to be started again has said what matters before.
        let previous = pod
            .status
            .container_statuses
            .iter()
            .any(|one| one.state.waiting.is_some() && one.last_state.terminated.is_some());
        Some(format!(
            "{path}/log?tailLines={EXPLAINING}&previous={previous}"
        ))
    }

    /// Listens to every object of the application.
    pub(super) fn start(&self, listener: &Listener, scope: &Scope) {
        let name = &self.name;
        let labelled = |label: &str| ListOptions::labelled(format!("{label}={name}"));
        self.one(listener, scope, |scene, found| scene.build_config = found);
        self.one(listener, scope, |scene, found| scene.image_stream = found);
        self.one(listener, scope, |scene, found| {
            scene.deployment_config = found;
        });
        self.one(listener, scope, |scene, found| scene.deployment = found);
        self.one(listener, scope, |scene, found| scene.route = found);
        self.many::<Build>(listener, scope, labelled(LABEL_BUILD_CONFIG), |scene| {
            &mut scene.builds
        });
        self.many::<ReplicationController>(listener, scope, labelled(ANNOTATION_CONFIG), |scene| {
            &mut scene.replication_controllers
        });
        // What a Deployment makes carries the labels of its template.
        self.many::<ReplicaSet>(listener, scope, labelled("deployment"), |scene| {
            &mut scene.replica_sets
        });
        self.many::<Pod>(listener, scope, ListOptions::default(), |scene| {
            &mut scene.pods
        });
    }

    fn one<T: Typed>(&self, listener: &Listener, scope: &Scope, put: fn(&mut Scene, Option<T>)) {
        let (watched, own, tasks) = (self.clone(), listener.clone(), scope.clone());
        let name = self.name.clone();
        scope.spawn(async move {
            let told = |told: Told<T>| {
                let found = match told {
                    Told::Is(object) => Some(object),
                    Told::Was(_) | Told::Nothing => None,
                };
                put(&mut watched.scene(), found);
                watched.told(&own, &tasks)
            };
            own.pursue(named(&name), told).await;
        });
    }

    fn many<T: Typed>(
        &self,
        listener: &Listener,
        scope: &Scope,
        options: ListOptions,
        place: fn(&mut Scene) -> &mut Vec<T>,
    ) {
        let (watched, own, tasks) = (self.clone(), listener.clone(), scope.clone());
        scope.spawn(async move {
            let told = |told: Told<T>| {
                let mut scene = watched.scene();
                let known = place(&mut scene);
                match told {
                    Told::Is(object) => {
                        known.retain(|one| one.metadata().name != object.metadata().name);
                        known.push(object);
                    }
                    Told::Was(object) => {
                        known.retain(|one| one.metadata().name != object.metadata().name);
                    }
                    Told::Nothing => known.clear(),
                }
                drop(scene);
                watched.told(&own, &tasks)
            };
            own.pursue(options, told).await;
        });
    }

    /// The whole as it is now; sends the request when its turn has come.
    fn told(&self, listener: &Listener, scope: &Scope) -> Vec<Change> {
        self.news.send_replace(());
        let operation = self.operation();
        self.ask_if_due(&operation, listener, scope);
        vec![
            Change::Operation(Box::new(operation)),
            Change::Rollout(Box::new(self.rollout())),
        ]
    }

    fn ask_if_due(&self, operation: &Operation, listener: &Listener, scope: &Scope) {
        let mut scene = self.scene();
        let due = operation
            .status
            .steps
            .iter()
            .any(|one| one.name == step::REQUEST_ROUTE.name && one.phase == StepPhase::Running);
        let Some(route) = scene.route.clone().filter(Route::is_admitted) else {
            return;
        };
        if !due || scene.request != Request::NotSent {
            return;
        }
        scene.request = Request::Sent;
        drop(scene);
        let (watched, listener, tasks) = (self.clone(), listener.clone(), scope.clone());
        scope.spawn(async move {
            let answer = ask_until_answered(&route, watched.router.as_deref()).await;
            watched.scene().request = answer;
            for change in watched.told(&listener, &tasks) {
                listener.tell(change).await;
            }
        });
    }
}

/// `http://HOST[:PORT]/PATH` through a router.
pub fn url(host: &str, path: &str, router: Option<&str>) -> String {
    let port = router
        .and_then(|address| address.rsplit_once(':'))
        .map_or("80", |(_, port)| port);
    let port = match port {
        "80" => String::new(),
        port => format!(":{port}"),
    };
    let path = if path.is_empty() { "/" } else { path };
    format!("http://{host}{port}{path}")
}

/// Asks a route; while nothing behind it answers, again for a moment.
async fn ask_until_answered(route: &Route, router: Option<&str>) -> Request {
    let end = Instant::now() + PATIENCE;
    loop {
        let began = Instant::now();
        let asked = tokio::time::timeout(ONE_TRY, ask(route, router)).await;
        let why = match asked {
            Ok(Ok(status)) if !is_the_routers(status) => {
                let took = text::elapsed(began.elapsed());
                return Request::Answered(format!("{status} after {took}"));
            }
            Ok(Ok(status)) => format!("the route answers {status}"),
            Ok(Err(why)) => why,
            Err(_) => format!("nothing within {}", text::elapsed(ONE_TRY)),
        };
        if Instant::now() >= end {
            let host = &route.spec.host;
            return Request::Failed(format!("{host}: {why}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the router answered itself because nothing behind it did.
fn is_the_routers(status: http::StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

async fn ask(route: &Route, router: Option<&str>) -> Result<http::StatusCode, String> {
    let host = &route.spec.host;
    let socket = match router.map(str::parse::<SocketAddr>) {
        Some(Ok(mut address)) => {
            if address.ip().is_unspecified() {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            TcpStream::connect(address).await
        }
        _ => TcpStream::connect((host.as_str(), 80)).await,
    };
    let socket = socket.map_err(|error| error.to_string())?;
    let path = match route.spec.path.as_str() {
        "" => "/",
        path => path,
    };
    let request = http::Request::get(path)
        .header(http::header::HOST, host)
        .header(http::header::USER_AGENT, "upshift")
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| error.to_string())?;
    let connection = async move {
        // How the connection ends after its one answer does not matter.
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer,
        () = connection => unreachable!("it is pending for ever"),
    };
    answer
        .map(|answer| answer.status())
        .map_err(|error| error.to_string())
}

/// What came of it, in a line.
pub(super) fn verdict(state: &State, took: Duration, look: Look, is_replayed: bool) -> String {
    let (name, time) = (state.name(), text::elapsed(took));
    let status = &state.rollout.status;
    if status.phase != RolloutPhase::Succeeded {
        let why = verdict::because(state, is_replayed);
        return look.paint(Color::Bad, &format!("{name}: failed after {time}{why}"));
    }
    let said = match status.message.as_str() {
        "" => format!("{name}: its pods run, after {time}"),
        url => format!("{name}: {url} answers, after {time}"),
    };
    look.paint(Color::Good, &said)
}

/// What to type next.
pub(super) fn next(state: &State, program: &str) -> Vec<String> {
    let (name, namespace) = (state.name(), summary::in_namespace(state));
    let failed = state
        .failures()
        .first()
        .and_then(|failed| failed.step.map(|step| step.name.clone()));
    match failed.as_deref() {
        None => vec![
            format!("{program} status{namespace}"),
            format!("{program} start-build {name} --follow{namespace}"),
        ],
        Some("InstantiateBuild" | "PushImage") => vec![
            format!("{program} logs bc/{name}{namespace}"),
            format!("{program} start-build {name} --follow{namespace}"),
        ],
        Some(_) => vec![
            format!("{program} logs dc/{name}{namespace}"),
            format!("{program} describe dc {name}{namespace}"),
        ],
    }
}

/// How to look at it again after the watching ended.
pub(super) fn continues(state: &State, what: &str, program: &str) -> [String; 3] {
    let (name, namespace) = (state.name(), summary::in_namespace(state));
    [
        format!("{what}; {name} continues"),
        format!("  look:      {program} status{namespace}"),
        format!("  its build: {program} logs -f bc/{name}{namespace}"),
    ]
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::api::duration::Span;
    use crate::base::clock::Timestamp;
    use crate::cli::progress::event::Moment;
    use crate::cli::progress::json;
    use crate::cli::progress::plain;
    use crate::cli::progress::state::Logs;
    use crate::cli::progress::state::Story;
    use crate::plan::new_application::tests::scene;

    /// What is told while the steps are done one after the other, as lines and as NDJSON.
    fn told() -> (Vec<String>, Vec<serde_json::Value>) {
        let watched = Watched::new("demo", "app", Wanted::default(), None);
        let mut state = State::new(watched.rollout(), Logs::OfFailures);
        state.story = Story::Application;
        let (mut lines, mut objects) = (Vec::new(), Vec::new());
        for steps in 0..=11_u64 {
            *watched.scene() = scene(usize::try_from(steps).unwrap());
            let now = Moment {
                at: Span::seconds(steps).0,
                time: Timestamp::from_second(0),
            };
            let mut events = state.apply(Change::Operation(Box::new(watched.operation())), now);
            events.extend(state.apply(Change::Rollout(Box::new(watched.rollout())), now));
            events.extend(state.apply(Change::Complete, now));
            for event in &events {
                lines.extend(plain::line(event, 1, Look::BARE));
                objects.push(json::line(event));
            }
        }
        (lines, objects)
    }

    #[test]
    fn eleven_steps_are_told_in_the_order_of_the_seed() {
        let (lines, objects) = told();
        insta::assert_snapshot!(lines.join("\n"), @r"
        +0.0s app Running
        +1.0s app CreateObjects: done (1.0s)
        +2.0s app TriggerBuild: done (1.0s)
        +3.0s app InstantiateBuild: done (1.0s)
        +3.0s app PushImage: done
        +5.0s app UpdateImageStream: done (2.0s)
        +6.0s app TriggerDeployment: done (1.0s)
        +7.0s app InstantiateDeployment: done (1.0s)
        +8.0s app CreateReplicationController: done (1.0s)
        +9.0s app DeployPods: done (1.0s)
        +10.0s app RequestRoute: done (1.0s)
        +11.0s app ReturnResponse: done (1.0s): 200 OK after 3ms
        +11.0s app Succeeded
        ");
        let ended: Vec<&str> = objects
            .iter()
            .filter(|one| one["type"] == "step" && one["phase"] == "Done")
            .filter_map(|one| one["step"].as_str())
            .collect();
        let expect: Vec<&str> = STEPS.iter().map(|kind| kind.name).collect();
        assert_eq!(ended, expect);
    }

    #[tokio::test]
    async fn the_output_of_a_build_is_read_that_is_heard_of_after_its_number() {
        let wanted = Wanted {
            build: Some(1),
            ..Wanted::default()
        };
        let watched = Watched::new("demo", "app", wanted, None);
        watched.scene().build_config = scene(2).build_config;
        let step = step::INSTANTIATE_BUILD.name;
        let mut path = Box::pin(watched.log_path(step));
        assert_eq!(path.as_mut().now_or_never(), None, "there is none yet");
        let mut build = scene(3).builds.remove(0);
        "app-1".clone_into(&mut build.metadata.name);
        watched.scene().builds = vec![build];
        watched.news.send_replace(());
        let found = path.await.unwrap();
        assert!(
            found.ends_with("/namespaces/demo/builds/app-1/log?follow=true"),
            "{found}"
        );
        assert_eq!(watched.log_path("DeployPods").await, None);
    }

    #[test]
    fn a_url_names_the_port_unless_it_is_the_usual_one() {
        for (router, path, expect) in [
            (Some("127.0.0.1:8880"), "", "http://a.b:8880/"),
            (Some("127.0.0.1:80"), "/x", "http://a.b/x"),
            (None, "", "http://a.b/"),
        ] {
            assert_eq!(url("a.b", path, router), expect);
        }
    }
}
