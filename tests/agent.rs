//! A node's agent against the real API in this process: whole operations, pauses, aborts, restarts, logs.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use upshift::agent::Agent;
use upshift::agent::AgentOptions;
use upshift::agent::Allow;
use upshift::agent::shim::Shim;
use upshift::api::duration::Span;
use upshift::api::kinds;
use upshift::api::meta::Key;
use upshift::api::upshift::Action;
use upshift::api::upshift::Actor;
use upshift::api::upshift::Bundle as BundleReference;
use upshift::api::upshift::ControlOutcome;
use upshift::api::upshift::DeployedRevision;
use upshift::api::upshift::Deployment;
use upshift::api::upshift::Gear;
use upshift::api::upshift::GearState;
use upshift::api::upshift::LABEL_APPLICATION;
use upshift::api::upshift::LABEL_GEAR;
use upshift::api::upshift::LABEL_NODE;
use upshift::api::upshift::Operation;
use upshift::api::upshift::OperationPhase;
use upshift::api::upshift::OperationStatus;
use upshift::api::upshift::PLAN_VERSION;
use upshift::api::upshift::Step;
use upshift::api::upshift::StepPhase;
use upshift::apiserver;
use upshift::apiserver::Api;
use upshift::apiserver::authentication::Identities;
use upshift::apiserver::authentication::Identity;
use upshift::apiserver::in_process::InProcess;
use upshift::apiserver::join::JoinTokens;
use upshift::base::clock::Clock;
use upshift::base::scope::Scope;
use upshift::client::Client;
use upshift::client::Patch;
use upshift::client::WriteOptions;
use upshift::client::registry::Registry;
use upshift::content::blobs::Blobs;
use upshift::content::bundle::Bundle;
use upshift::plan::rolling;
use upshift::store::Store;

use crate::site::HOOKS;

const PATIENCE: Duration = Duration::from_secs(60);

/// An API server, and a folder for bundles, nodes and what they install.
struct World {
    place: tempfile::TempDir,
    api: Api,
    admin: Client,
    controllers: Client,
}

/// An agent that can be stopped as a crash stops it: at once, its hooks going on.
struct Running {
    _agent: Agent,
    scope: Scope,
}

impl Running {
    async fn stop(self) {
        self.scope.close(Duration::from_secs(5)).await;
    }
}

impl World {
    async fn new() -> World {
        let place = tempfile::tempdir().unwrap();
        let content = place.path().join("content");
        let api = Api::new(apiserver::Options {
            store: Store::in_memory(),
            blobs: Blobs::open(&content).unwrap(),
            content,
            clock: Clock::System,
            identities: Identities::default(),
            join_tokens: JoinTokens::in_memory(),
            signer: Arc::new(|_, _| Err("no certificates here".to_owned())),
            network: apiserver::admission::ServiceNetwork::of(false),
        });
        for namespace in ["demo", "kube-node-lease"] {
            api.create_namespace(namespace).await.unwrap();
        }
        let scope = Scope::new();
        let client =
            |identity| Client::new(Arc::new(InProcess::new(&api, identity, &scope).unwrap()));
        let (admin, controllers) = (client(Identity::Admin), client(Identity::Controllers));
        let application = json!({
            "apiVersion": "upshift.dev/v1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "demo"},
            "spec": {"hosts": {"selector": {}}, "port": 8080},
        });
        admin
            .create_object(
                &kinds::APPLICATION,
                "demo",
                &application,
                &WriteOptions::default(),
            )
            .await
            .unwrap();
        World {
            place,
            api,
            admin,
            controllers,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn agent(&self) -> Running {
        self.agent_with(Allow::Everything).await
    }

    async fn agent_with(&self, allow: Allow) -> Running {
        let scope = Scope::new();
        let identity = Identity::Node("a".to_owned());
        let transport = InProcess::new(&self.api, identity, &scope).unwrap();
        let client = Client::new(Arc::new(transport));
        let options = AgentOptions {
            allow,
            program: PathBuf::from(env!("CARGO_BIN_EXE_upshift")),
            ..AgentOptions::new("a", self.path("node/a"), client)
        };
        let agent = Agent::start(options, &scope).unwrap();
        agent.ready().await;
        Running {
            _agent: agent,
            scope,
        }
    }

    /// A bundle whose hooks write the record and then do what is said here.
    async fn bundle(&self, version: u64, bodies: &[(&str, &str)]) -> DeployedRevision {
        let source = self.path(&format!("source-{version}"));
        fs::create_dir_all(source.join("hooks")).unwrap();
        fs::write(source.join("page"), version.to_string()).unwrap();
        let mut appspec = format!(
            "files:\n  - source: page\n    destination: {}\nhooks:\n",
            self.path("installed").display()
        );
        for event in HOOKS {
            let body = bodies
                .iter()
                .find(|(name, _)| *name == event)
                .map_or("", |(_, body)| body);
            if body == "absent" {
                continue;
            }
            write!(appspec, "  {event}:\n    - location: hooks/{event}\n").unwrap();
            let script = source.join("hooks").join(event);
            let text = format!(
                "#!/bin/sh\necho \"$LIFECYCLE_EVENT {version} $UPSHIFT_ATTEMPT\" >> {}\necho \"{event} of {version}\"\n{body}\n",
                self.path("record").display()
            );
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(source.join("appspec.yml"), appspec).unwrap();
        let mut packed = Vec::new();
        let about = Bundle::open(&source).unwrap().pack(&mut packed).unwrap();
        Registry::new(self.admin.clone())
            .upload(
                "demo/shop",
                &mut std::io::Cursor::new(packed),
                &about.digest,
                about.size,
            )
            .await
            .unwrap();
        DeployedRevision {
            name: format!("shop-{version}"),
            number: version,
            bundle: BundleReference {
                digest: about.digest.as_str().to_owned(),
                size: about.size,
            },
            appspec: "appspec.yml".to_owned(),
            ..DeployedRevision::default()
        }
    }

    fn deployment(revision: Option<DeployedRevision>, number: u64) -> Deployment {
        Deployment {
            application: "shop".to_owned(),
            app_id: "demo.shop".to_owned(),
            group_id: "default".to_owned(),
            rollout: format!("shop-{number}"),
            deploy_id: number,
            revision,
            address: "127.0.0.1".to_owned(),
            port: 8080,
            hook_timeout: Some(Span::seconds(60)),
            gear_timeout: Some(Span::seconds(600)),
            ..Deployment::default()
        }
    }

    async fn gear(&self) {
        let gear = json!({
            "apiVersion": "upshift.dev/v1", "kind": "Gear",
            "metadata": {"name": "shop-a", "namespace": "demo",
                "labels": {LABEL_NODE: "a", LABEL_APPLICATION: "shop"}},
            "spec": {"application": "shop", "node": "a"},
        });
        let _ = self
            .controllers
            .create_object(&kinds::GEAR, "demo", &gear, &WriteOptions::default())
            .await;
    }

    /// Makes an Operation of these steps.
    async fn begin(&self, name: &str, steps: Vec<Step>, deployment: Deployment) {
        self.gear().await;
        let mut operation = Operation::default();
        name.clone_into(&mut operation.metadata.name);
        "demo".clone_into(&mut operation.metadata.namespace);
        operation.metadata.labels = [
            (LABEL_NODE, "a"),
            (LABEL_GEAR, "shop-a"),
            (LABEL_APPLICATION, "shop"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        "a".clone_into(&mut operation.spec.node);
        "shop-a".clone_into(&mut operation.spec.gear);
        operation.spec.owner = format!("Rollout/{}", deployment.rollout);
        operation.spec.plan_version = PLAN_VERSION;
        operation.spec.steps = steps;
        operation.spec.deployment = deployment;
        self.controllers.create(&operation).await.unwrap();
    }

    async fn deploy(&self, name: &str, revision: DeployedRevision, number: u64) -> OperationStatus {
        let deployment = World::deployment(Some(revision), number);
        self.begin(name, deploy_steps(), deployment).await;
        self.ended(name).await
    }

    async fn read(&self, name: &str) -> Operation {
        self.admin.get(&Key::new("demo", name)).await.unwrap()
    }

    async fn until(&self, name: &str, what: &str, is: impl Fn(&Operation) -> bool) -> Operation {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let operation = self.read(name).await;
            if is(&operation) {
                return operation;
            }
            assert!(
                tokio::time::Instant::now() < end,
                "never: {what}; {:#?}",
                operation.status
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ended(&self, name: &str) -> OperationStatus {
        let operation = self.until(name, "the end", |operation| {
            operation.status.phase.is_final()
        });
        operation.await.status
    }

    async fn patch(&self, name: &str, patch: Value) {
        let key = Key::new("demo", name);
        let patch = Patch::Merge(patch);
        self.controllers
            .patch(
                &kinds::OPERATION,
                &key,
                None,
                &patch,
                &WriteOptions::default(),
            )
            .await
            .unwrap();
    }

    async fn gear_status(&self) -> upshift::api::upshift::GearStatus {
        let gear: Gear = self.admin.get(&Key::new("demo", "shop-a")).await.unwrap();
        gear.status
    }

    fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("record")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn record_has(&self, line: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !self.record().iter().any(|one| one.starts_with(line)) {
            assert!(
                tokio::time::Instant::now() < end,
                "never: {line}; {:?}",
                self.record()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn log(&self, name: &str, query: &str) -> Result<Vec<u8>, upshift::client::Error> {
        let path = format!("/apis/upshift.dev/v1/namespaces/demo/operations/{name}/log?{query}");
        Ok(self.admin.open(&path).await?.bytes().await?.to_vec())
    }
}

fn steps_of(action: Action, behind_load_balancer: bool) -> Vec<Step> {
    rolling::steps(action, behind_load_balancer)
        .into_iter()
        .map(|kind| Step {
            name: kind.name.to_owned(),
            actor: kind.actor,
        })
        .collect()
}

fn deploy_steps() -> Vec<Step> {
    steps_of(Action::Deploy, false)
}

/// `STEP PHASE REASON`, a line a step.
fn phases(status: &OperationStatus) -> Vec<String> {
    status
        .steps
        .iter()
        .map(|step| {
            format!("{} {:?} {}", step.name, step.phase, step.reason)
                .trim()
                .to_owned()
        })
        .collect()
}

fn page(world: &World) -> String {
    fs::read_to_string(world.path("installed/page")).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_updates_rolls_back_and_tears_down() {
    let world = World::new().await;
    let agent = world.agent().await;
    let one = world.bundle(1, &[]).await;
    let status = world.deploy("one", one.clone(), 1).await;
    assert_eq!(status.phase, OperationPhase::Succeeded, "{status:#?}");
    assert_eq!(
        phases(&status),
        [
            "DownloadBundle Done",
            "ApplicationStop Skipped FirstDeployment",
            "BeforeInstall Done",
            "Install Done",
            "AfterInstall Done",
            "ApplicationStart Done",
            "ValidateService Done",
        ]
    );
    assert_eq!(page(&world), "1");
    let gear = world.gear_status().await;
    assert_eq!(
        (gear.state, gear.revision.as_str()),
        (GearState::Started, "shop-1")
    );
    assert_eq!(gear.endpoints, ["127.0.0.1:8080"]);
    assert_eq!(gear.operation, "one");

    let two = world.bundle(2, &[("AfterInstall", "absent")]).await;
    let status = world.deploy("two", two, 2).await;
    assert_eq!(status.phase, OperationPhase::Succeeded, "{status:#?}");
    assert_eq!(phases(&status)[4], "AfterInstall Skipped NoHook");
    assert_eq!(page(&world), "2");
    assert!(
        world
            .record()
            .contains(&"ApplicationStop 1 two/ApplicationStop/0".to_owned())
    );

    let mut back = World::deployment(Some(one), 3);
    back.action = Action::Rollback;
    back.deploy_id = 1;
    world
        .begin("back", steps_of(Action::Rollback, false), back)
        .await;
    let status = world.ended("back").await;
    assert_eq!(status.phase, OperationPhase::Succeeded, "{status:#?}");
    assert_eq!(page(&world), "1");
    let gear = world.gear_status().await;
    assert_eq!(
        (gear.revision.as_str(), gear.previous_revision.as_str()),
        ("shop-1", "shop-2")
    );

    world
        .begin("gone", deploy_steps(), World::deployment(None, 4))
        .await;
    let status = world.ended("gone").await;
    assert_eq!(status.phase, OperationPhase::Succeeded, "{status:#?}");
    assert_eq!(
        phases(&status),
        [
            "DownloadBundle Skipped NothingWanted",
            "ApplicationStop Done",
            "BeforeInstall Skipped NothingWanted",
            "Install Done",
            "AfterInstall Skipped NothingWanted",
            "ApplicationStart Skipped NothingWanted",
            "ValidateService Skipped NothingWanted",
        ]
    );
    assert_eq!(page(&world), "");
    assert_eq!(world.gear_status().await.revision, "");
    assert!(!world.path("node/a/deployments/app-demo.shop").exists());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_hook_ends_the_operation_with_its_code_and_its_log() {
    let world = World::new().await;
    let agent = world.agent().await;
    let bundle = world
        .bundle(1, &[("ValidateService", "echo broken >&2; exit 7")])
        .await;
    let status = world.deploy("one", bundle, 1).await;
    assert_eq!(status.phase, OperationPhase::Failed);
    assert_eq!(status.reason, "HookFailed");
    assert_eq!(
        status.message,
        "ValidateService: hooks/ValidateService exited with code 7"
    );
    let step = &status.steps[6];
    assert_eq!((step.phase, step.exit_code), (StepPhase::Failed, Some(7)));
    assert_eq!(step.items[0].phase, StepPhase::Failed);
    assert_eq!(
        world.gear_status().await.revision,
        "shop-1",
        "its Install succeeded"
    );
    let log = world.log("one", "step=ValidateService").await.unwrap();
    assert_eq!(log, b"ValidateService of 1\nbroken\n");
    assert!(step.log.starts_with("sha256:"), "{step:?}");
    agent.stop().await;
    let log = world.log("one", "step=ValidateService").await.unwrap();
    assert_eq!(log, b"ValidateService of 1\nbroken\n", "from the registry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_followed_while_it_comes() {
    let world = World::new().await;
    let agent = world.agent().await;
    let go = world.path("go");
    let body = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; echo last",
        go.display()
    );
    let bundle = world.bundle(1, &[("ApplicationStart", &body)]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    world.record_has("ApplicationStart").await;
    let path =
        "/apis/upshift.dev/v1/namespaces/demo/operations/one/log?step=ApplicationStart&follow=true";
    let mut body = world.admin.open(path).await.unwrap();
    let first = body.chunk().await.unwrap().unwrap();
    assert_eq!(first, "ApplicationStart of 1\n");
    fs::write(&go, "").unwrap();
    let rest = tokio::time::timeout(PATIENCE, body.bytes())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, "last\n");
    world.ended("one").await;
    let all = world.log("one", "step=&follow=true").await.unwrap();
    let all = String::from_utf8(all).unwrap();
    assert_eq!(
        all,
        "BeforeInstall of 1\nAfterInstall of 1\nApplicationStart of 1\nlast\nValidateService of 1\n"
    );
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_waits_at_control_steps_and_when_paused() {
    let world = World::new().await;
    let agent = world.agent().await;
    let bundle = world.bundle(1, &[]).await;
    let deployment = World::deployment(Some(bundle), 1);
    let steps = steps_of(Action::Deploy, true);
    assert_eq!(steps[2].actor, Actor::Control);
    world.begin("one", steps, deployment).await;
    let operation = world
        .until("one", "the controller's turn", |operation| {
            operation
                .status
                .steps
                .get(2)
                .is_some_and(|step| step.phase == StepPhase::Running)
        })
        .await;
    assert_eq!(operation.status.steps[1].reason, "FirstDeployment");
    world
        .patch("one", json!({"spec": {"desired": "Pause"}}))
        .await;
    let outcome = ControlOutcome {
        phase: StepPhase::Done,
        message: "out".to_owned(),
        ..ControlOutcome::default()
    };
    world
        .patch(
            "one",
            json!({"spec": {"control": {"BlockTraffic": outcome}}}),
        )
        .await;
    let operation = world
        .until("one", "the pause", |operation| {
            operation.status.phase == OperationPhase::Paused
        })
        .await;
    assert_eq!(operation.status.steps[2].message, "out");
    assert!(world.record().is_empty());
    world
        .patch("one", json!({"spec": {"desired": "Run"}}))
        .await;
    world.record_has("ValidateService").await;
    let outcome = ControlOutcome {
        phase: StepPhase::Failed,
        reason: "RouterSilent".to_owned(),
        message: "no router".to_owned(),
    };
    world
        .patch(
            "one",
            json!({"spec": {"control": {"AllowTraffic": outcome}}}),
        )
        .await;
    let status = world.ended("one").await;
    assert_eq!(status.phase, OperationPhase::Failed);
    assert_eq!(status.reason, "RouterSilent");
    assert_eq!(status.message, "AllowTraffic: no router");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_ends_the_hook_under_way() {
    let world = World::new().await;
    let agent = world.agent().await;
    let bundle = world.bundle(1, &[("BeforeInstall", "sleep 1000")]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    world.record_has("BeforeInstall").await;
    world
        .patch("one", json!({"spec": {"desired": "Abort"}}))
        .await;
    let status = world.ended("one").await;
    assert_eq!(
        (status.phase, status.reason.as_str()),
        (OperationPhase::Aborted, "Aborted")
    );
    assert_eq!(
        phases(&status)[2..4],
        ["BeforeInstall Failed Aborted", "Install Waiting"]
    );
    assert_eq!(page(&world), "");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_deleted_ends_its_hook_and_leaves_nothing() {
    let world = World::new().await;
    let agent = world.agent().await;
    let body = format!("echo $$ > {}; sleep 1000", world.path("pid").display());
    let bundle = world.bundle(1, &[("BeforeInstall", &body)]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    world.record_has("BeforeInstall").await;
    let options = upshift::client::DeleteOptions::default();
    let key = Key::new("demo", "one");
    world
        .controllers
        .delete(&kinds::OPERATION, &key, &options)
        .await
        .unwrap();
    let folder = world.path("node/a/operations/demo/one");
    wait_until("the folder is gone", || !folder.exists()).await;
    let pid = fs::read_to_string(world.path("pid")).unwrap();
    assert!(!is_alive(&pid));
    agent.stop().await;
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

async fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !is() {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_returns_finds_its_hook_and_starts_no_second_one() {
    let world = World::new().await;
    let agent = world.agent().await;
    let go = world.path("go");
    let body = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; exit 3",
        go.display()
    );
    let bundle = world.bundle(1, &[("ApplicationStart", &body)]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    world.record_has("ApplicationStart").await;
    agent.stop().await;
    let again = world.agent().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    again.stop().await;
    fs::write(&go, "").unwrap();
    let last = world.agent().await;
    let status = world.ended("one").await;
    assert_eq!(phases(&status)[5], "ApplicationStart Failed HookFailed");
    assert_eq!(status.steps[5].exit_code, Some(3));
    let starts = world
        .record()
        .iter()
        .filter(|line| line.starts_with("ApplicationStart"))
        .count();
    assert_eq!(starts, 1);
    last.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_without_its_journal_says_so() {
    let world = World::new().await;
    let agent = world.agent().await;
    let bundle = world.bundle(1, &[("BeforeInstall", "sleep 1")]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    world.record_has("BeforeInstall").await;
    world
        .until("one", "accepted", |operation| {
            operation.status.phase == OperationPhase::Running
        })
        .await;
    agent.stop().await;
    fs::remove_dir_all(world.path("node/a/operations")).unwrap();
    let agent = world.agent().await;
    let status = world.ended("one").await;
    assert_eq!(
        (status.phase, status.reason.as_str()),
        (OperationPhase::Failed, "JournalLost")
    );
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_does_not_know_or_serve_fails() {
    let world = World::new().await;
    let only = std::collections::BTreeMap::from([(
        "other".to_owned(),
        nix::unistd::User::from_uid(nix::unistd::geteuid())
            .unwrap()
            .unwrap()
            .name,
    )]);
    let agent = world.agent_with(Allow::Only(only)).await;
    let bundle = world.bundle(1, &[]).await;
    let status = world.deploy("one", bundle.clone(), 1).await;
    assert_eq!(
        (status.phase, status.reason.as_str()),
        (OperationPhase::Failed, "NotAllowed")
    );
    agent.stop().await;
    let agent = world.agent().await;
    let mut deployment = World::deployment(Some(bundle), 2);
    deployment.revision.as_mut().unwrap().bundle.digest = format!("sha256:{}", "0".repeat(64));
    deployment.deploy_id = 2;
    world.begin("missing", deploy_steps(), deployment).await;
    let status = world.ended("missing").await;
    assert_eq!(status.steps[0].reason, "BundleMissing", "{status:#?}");
    assert!(world.record().is_empty());
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_for_all_steps_of_a_gear_ends_the_hook_under_way() {
    let world = World::new().await;
    let agent = world.agent().await;
    let bundle = world.bundle(1, &[("BeforeInstall", "sleep 1000")]).await;
    let mut deployment = World::deployment(Some(bundle), 1);
    deployment.gear_timeout = Some(Span::seconds(2));
    world.begin("one", deploy_steps(), deployment).await;
    let status = world.ended("one").await;
    assert_eq!(
        (status.phase, status.reason.as_str()),
        (OperationPhase::Failed, "GearTimedOut")
    );
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_whose_shim_is_killed_is_repeated_with_the_same_key() {
    let world = World::new().await;
    let agent = world.agent().await;
    let body = format!(
        "[ -e {0} ] || {{ touch {0}; echo $$ > {1}; exec sleep 1000; }}",
        world.path("second").display(),
        world.path("pid").display()
    );
    let bundle = world.bundle(1, &[("AfterInstall", &body)]).await;
    let deployment = World::deployment(Some(bundle), 1);
    world.begin("one", deploy_steps(), deployment).await;
    let shim = Shim::at(world.path("node/a/operations/demo/one/AfterInstall-0"));
    wait_until("the hook runs", || world.path("pid").exists()).await;
    let shim = shim.started().unwrap().unwrap().shim;
    let kill = nix::sys::signal::Signal::SIGKILL;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(shim), kill).unwrap();
    let status = world.ended("one").await;
    assert_eq!(status.phase, OperationPhase::Succeeded, "{status:#?}");
    let tries: Vec<String> = world
        .record()
        .into_iter()
        .filter(|line| line.starts_with("AfterInstall"))
        .collect();
    assert_eq!(tries, ["AfterInstall 1 one/AfterInstall/0"; 2]);
    let pid = fs::read_to_string(world.path("pid")).unwrap();
    assert!(!is_alive(&pid));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_in_the_same_folder_is_refused() {
    let world = World::new().await;
    let agent = world.agent().await;
    let scope = Scope::new();
    let options = AgentOptions::new("a", world.path("node/a"), world.admin.clone());
    let error = Agent::start(options, &scope).unwrap_err().to_string();
    assert!(error.contains("another agent"), "{error}");
    agent.stop().await;
    world.agent().await.stop().await;
}

/// What must be the same however often the agent was stopped.
fn essence(status: &OperationStatus) -> Value {
    let steps: Vec<Value> = status
        .steps
        .iter()
        .map(|step| {
            json!([
                step.name,
                step.phase,
                step.reason,
                step.exit_code,
                step.items,
                step.log
            ])
        })
        .collect();
    json!([status.phase, status.reason, status.message, steps])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_after_any_line_of_its_journal_an_operation_ends_the_same() {
    let undisturbed = run_stopped_after(0).await;
    assert!(
        undisturbed.1.len() == 5 && undisturbed.2 >= 6,
        "{undisturbed:?}"
    );
    for lines in 1..=undisturbed.2 {
        let (status, record, _) = run_stopped_after(lines).await;
        assert_eq!(status, undisturbed.0, "after line {lines}");
        let mut keys: Vec<String> = record.clone();
        keys.dedup();
        assert_eq!(keys, undisturbed.1, "after line {lines}");
        assert!(
            record.len() <= undisturbed.1.len() + 1,
            "after line {lines}: {record:?}"
        );
    }
}

/// Deploys over an installed revision, the agent stopped once when its journal has so many lines (0: never).
async fn run_stopped_after(lines: usize) -> (Value, Vec<String>, usize) {
    let world = World::new().await;
    let mut agent = world.agent().await;
    let one = world.bundle(1, &[]).await;
    world.deploy("one", one, 1).await;
    fs::remove_file(world.path("record")).unwrap();
    let two = world.bundle(2, &[("ValidateService", "exit 4")]).await;
    let deployment = World::deployment(Some(two), 2);
    let journal = world.path("node/a/operations/demo/two/journal");
    let count = || {
        let text = fs::read_to_string(&journal).unwrap_or_default();
        text.matches('\n').count()
    };
    world.begin("two", deploy_steps(), deployment).await;
    if lines > 0 {
        wait_until("the journal grows", || count() >= lines).await;
        agent.stop().await;
        agent = world.agent().await;
    }
    let status = world.ended("two").await;
    assert_eq!(page(&world), "2", "after line {lines}: {status:?}");
    assert_eq!(world.gear_status().await.revision, "shop-2");
    let files = fs::read_dir(journal.parent().unwrap()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    assert_eq!(
        paths.filter(|path| path.extension().is_none()).count(),
        1 + 5,
        "the journal and a record for each hook"
    );
    agent.stop().await;
    (essence(&status), world.record(), count())
}
