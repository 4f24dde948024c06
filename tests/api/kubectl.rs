//! Real kubectl, unmodified, against a real server.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::sync::OnceLock;

use super::World;
use super::application;

/// Whether kubectl is not installed. Without it the test says so by name, or fails where tools are required.
#[expect(clippy::print_stdout, reason = "a test that does not run says so")]
fn is_missing() -> bool {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let required = upshift::base::environment::Environment::of_process()
        .variable("UPSHIFT_REQUIRE_TOOLS")
        .is_some();
    assert!(found || !required, "kubectl is not installed");
    if !found {
        println!("skipped: kubectl is not installed");
    }
    !found
}

/// Whether this kubectl is the distribution's 1.20 or of its age: it reads OpenAPI only as protobuf, which is not
/// served, so that it checks nothing itself, and knows no `auth whoami`.
fn is_old() -> bool {
    static OLD: OnceLock<bool> = OnceLock::new();
    *OLD.get_or_init(|| {
        let answer = Command::new("kubectl")
            .args(["version", "--client", "-o", "json"])
            .output()
            .unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        let minor = answer["clientVersion"]["minor"]
            .as_str()
            .unwrap_or_default();
        minor
            .trim_end_matches('+')
            .parse::<u32>()
            .is_ok_and(|minor| minor < 27)
    })
}

/// Says why a test of newer kubectls does not run with this one.
#[expect(clippy::print_stdout, reason = "a test that does not run says so")]
fn is_too_old() -> bool {
    if is_old() {
        println!("skipped: this kubectl is older than 1.27");
    }
    is_old()
}

fn kubectl(world: &World) -> Command {
    let mut command = Command::new("kubectl");
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", world.folder.path())
        .env(
            "KUBECONFIG",
            world.server.data_dir().join("admin.kubeconfig"),
        );
    command
}

/// Runs kubectl to its end without holding up the server.
async fn run(world: &World, arguments: &[&str]) -> Output {
    let mut command = kubectl(world);
    command.args(arguments);
    if is_old() && matches!(arguments[0], "create" | "apply") {
        command.arg("--validate=false");
    }
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// What kubectl prints when it succeeds.
async fn ok(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What kubectl says when it fails.
async fn fails(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments).await;
    assert!(!output.status.success(), "kubectl {arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

fn file(world: &World, name: &str, text: &str) -> String {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_makes_shows_changes_and_deletes() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    let manifest = file(&world, "a.json", &application("shop").to_string());
    let create = ["create", "-f", &manifest];
    assert_eq!(
        ok(&world, &create).await,
        "application.upshift.dev/shop created\n"
    );
    let again = fails(&world, &create).await;
    assert!(again.contains("(AlreadyExists)"), "{again}");

    let table = ok(&world, &["get", "app"]).await;
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][0], "NAME", "{table}");
    assert_eq!(lines[1][0], "shop", "{table}");
    let json = ok(&world, &["get", "app/shop", "-o", "json"]).await;
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["spec"]["port"], 8080);
    let described = ok(&world, &["describe", "application", "shop"]).await;
    assert!(described.starts_with("Name:         shop\n"), "{described}");

    ok(&world, &["label", "app", "shop", "stage=test"]).await;
    let labelled = ok(&world, &["get", "app", "-l", "stage=test", "-o", "name"]).await;
    assert_eq!(labelled, "application.upshift.dev/shop\n");
    ok(&world, &["annotate", "app", "shop", "note=x"]).await;
    let merge = [
        "patch",
        "app",
        "shop",
        "--type=merge",
        "-p",
        "{\"spec\":{\"port\":9090}}",
    ];
    ok(&world, &merge).await;
    let port = ok(
        &world,
        &["get", "app", "shop", "-o", "jsonpath={.spec.port}"],
    )
    .await;
    assert_eq!(port, "9090");

    let deleted = ok(&world, &["delete", "app", "shop"]).await;
    assert_eq!(deleted, "application.upshift.dev \"shop\" deleted\n");
    let missing = fails(&world, &["get", "app", "shop"]).await;
    assert_eq!(
        missing,
        "Error from server (NotFound): applications.upshift.dev \"shop\" not found\n"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_built_in_kinds_and_our_own() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    let config = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{k: {value}}}\n")
    };
    let mut ours = application("shop");
    let first = file(&world, "c.yaml", &config("one"));
    let second = file(&world, "a.json", &ours.to_string());
    let apply = ["apply", "-f", &first, "-f", &second];
    assert_eq!(
        ok(&world, &apply).await,
        "configmap/c created\napplication.upshift.dev/shop created\n"
    );
    assert_eq!(
        ok(&world, &apply).await,
        "configmap/c unchanged\napplication.upshift.dev/shop unchanged\n"
    );
    file(&world, "c.yaml", &config("two"));
    ours["spec"]["port"] = 9091.into();
    file(&world, "a.json", &ours.to_string());
    assert_eq!(
        ok(&world, &apply).await,
        "configmap/c configured\napplication.upshift.dev/shop configured\n"
    );
    let strategic = ["patch", "configmap", "c", "-p", "{\"data\":{\"k2\":\"v\"}}"];
    ok(&world, &strategic).await;
    let data = ok(&world, &["get", "cm", "c", "-o", "jsonpath={.data}"]).await;
    assert_eq!(data, "{\"k\":\"two\",\"k2\":\"v\"}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_makes_built_in_kinds_from_its_flags() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    ok(&world, &["create", "namespace", "demo"]).await;
    let raw = world.folder.path().join("raw");
    std::fs::write(&raw, b"\xff\0\x80").unwrap();
    let raw = format!("--from-file=raw={}", raw.display());
    let port = ["--tcp=80:8080", "--node-port=30080"];
    let headless = ["--clusterip=None", "--tcp=80:http"];
    let elsewhere = "--external-name=example.com";
    let check = async |kind: &str, name: &str, flags: &[&str], path: &str, expect: &str| {
        let place = ["-n", "demo"];
        let words: Vec<&str> = kind.split(' ').collect();
        ok(
            &world,
            &[&["create"], &words[..], &[name], flags, &place].concat(),
        )
        .await;
        let path = format!("jsonpath={path}");
        let shown = ok(
            &world,
            &[&["get", words[0], name, "-o", &path], &place[..]].concat(),
        )
        .await;
        assert_eq!(shown, expect, "{kind}");
    };
    let settings = ["--from-literal=a=b", &raw];
    let data = "{\"a\":\"b\"} {\"raw\":\"/wCA\"}";
    check("configmap", "c", &settings, "{.data} {.binaryData}", data).await;
    let data = "Opaque {\"a\":\"Yg==\",\"raw\":\"/wCA\"}";
    check("secret generic", "s", &settings, "{.type} {.data}", data).await;
    let ports =
        "{.spec.type} {.spec.clusterIP} {.spec.ports[0].targetPort} {.spec.ports[0].nodePort}";
    check(
        "service nodeport",
        "n",
        &port,
        &ports.replace(" {.spec.clusterIP}", ""),
        "NodePort 8080 30080",
    )
    .await;
    check(
        "service clusterip",
        "h",
        &headless,
        ports,
        "ClusterIP None http ",
    )
    .await;
    let name = "{.spec.type} {.spec.externalName}";
    let expect = "ExternalName example.com";
    check("service externalname", "e", &[elsewhere], name, expect).await;
    let again = fails(&world, &["create", "namespace", "demo"]).await;
    assert!(again.contains("(AlreadyExists)"), "{again}");
    let of_nothing = fails(&world, &["create", "configmap", "c", "-n", "nosuch"]).await;
    assert!(of_nothing.contains("\"nosuch\" not found"), "{of_nothing}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_is_told_about_unknown_and_wrong_fields() {
    if is_missing() || is_too_old() {
        return;
    }
    let world = World::start().await;
    let mut object = application("shop");
    object["spec"]["nosuch"] = 1.into();
    let unknown = file(&world, "u.json", &object.to_string());
    let refused = fails(&world, &["create", "-f", &unknown]).await;
    assert!(
        refused.contains("strict decoding error: unknown field \"spec.nosuch\""),
        "{refused}"
    );
    let mut object = application("shop");
    object["spec"]["port"] = 70_000.into();
    let wrong = file(&world, "w.json", &object.to_string());
    let refused = fails(&world, &["create", "-f", &wrong]).await;
    assert!(refused.contains("spec.port"), "{refused}");
    let explained = ok(&world, &["explain", "application.spec.port"]).await;
    assert!(explained.contains("port"), "{explained}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_watches() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    let mut child = kubectl(&world)
        .args(["get", "app", "-w", "-o", "name"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let manifest = file(&world, "a.json", &application("shop").to_string());
    ok(&world, &["create", "-f", &manifest]).await;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        line
    });
    assert_eq!(line.await.unwrap(), "application.upshift.dev/shop\n");
    child.kill().unwrap();
    child.wait().unwrap();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_finds_its_way_around() {
    if is_missing() || is_too_old() {
        return;
    }
    let world = World::start().await;
    let resources = ok(&world, &["api-resources", "--no-headers"]).await;
    for name in ["applications", "rollouts", "namespaces", "leases"] {
        let line = resources.lines().find(|line| line.starts_with(name));
        assert!(line.is_some(), "{name}: {resources}");
    }
    let versions = ok(&world, &["version", "-o", "json"]).await;
    let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
    let server = versions["serverVersion"]["gitVersion"].as_str().unwrap();
    assert!(server.starts_with("v1.32."), "{server}");
    let who = ok(
        &world,
        &[
            "auth",
            "whoami",
            "-o",
            "jsonpath={.status.userInfo.username}",
        ],
    )
    .await;
    assert_eq!(who, "admin");
    assert_eq!(
        ok(&world, &["auth", "can-i", "create", "applications"]).await,
        "yes\n"
    );
    ok(&world, &["create", "namespace", "demo"]).await;
    for made in [
        ["create", "configmap", "c", "--from-literal=a=b"].as_slice(),
        &["create", "secret", "generic", "s", "--from-literal=a=b"],
        &["create", "service", "clusterip", "svc", "--tcp=80:http"],
    ] {
        ok(&world, &[made, &["-n", "demo"]].concat()).await;
    }
    let secret = [
        "get",
        "secret",
        "s",
        "-n",
        "demo",
        "-o",
        "jsonpath={.type} {.data.a}",
    ];
    assert_eq!(ok(&world, &secret).await, "Opaque Yg==");
    ok(&world, &["get", "all", "-A"]).await;
    ok(
        &world,
        &["get", "ns,nodes,cm,secrets,svc,events", "-A", "-o", "wide"],
    )
    .await;
    ok(&world, &["delete", "namespace", "demo"]).await;
    world.stop().await;
}

/// One of each kind that an application on pods is made of.
const WORKLOADS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec:
  containers:
  - name: web
    image: example.com/web:1
    ports: [{containerPort: 80, name: http}]
    env: [{name: A, value: b}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {requests: {cpu: 0.5, memory: 64Mi}, limits: {cpu: 1, memory: 128Mi}}
    livenessProbe: {httpGet: {path: /healthz, port: http}}
    readinessProbe: {tcpSocket: {port: 80}}
    lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}, {name: c, configMap: {name: c, optional: true}}]
  tolerations: [{key: k, operator: Exists}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 0
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: web, image: "web:1"}, {name: side, image: "side:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: d}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: r}
spec:
  replicas: 0
  template:
    metadata: {labels: {app: r}}
    spec: {containers: [{name: web, image: "web:1"}]}
---
apiVersion: apps.openshift.io/v1
kind: DeploymentConfig
metadata: {name: dc}
spec:
  replicas: 0
  triggers: []
  template:
    metadata: {labels: {app: dc}}
    spec: {containers: [{name: web, image: "web:1"}]}
---
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: rt}
spec: {to: {kind: Service, name: s}, port: {targetPort: http}}
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: bc}
spec:
  source: {git: {uri: "https://example.com/x.git", ref: main}}
  strategy: {sourceStrategy: {from: {kind: ImageStreamTag, name: "python:latest", namespace: openshift}}}
  output: {to: {kind: ImageStreamTag, name: "is:latest"}}
---
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: is}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_applies_lists_and_describes_workloads() {
    if is_missing() {
        return;
    }
    let world = World::start().await;
    let manifest = file(&world, "w.yaml", WORKLOADS);
    let apply = ["apply", "-f", &manifest];
    let names = [
        "pod/p",
        "deployment.apps/d",
        "service/s",
        "replicationcontroller/r",
        "deploymentconfig.apps.openshift.io/dc",
        "route.route.openshift.io/rt",
        "buildconfig.build.openshift.io/bc",
        "imagestream.image.openshift.io/is",
    ];
    let lines = |word: &str| names.map(|name| format!("{name} {word}\n")).concat();
    assert_eq!(ok(&world, &apply).await, lines("created"));
    assert_eq!(ok(&world, &apply).await, lines("unchanged"));
    let all = ok(&world, &["get", "all", "-o", "name"]).await;
    for name in names {
        assert!(all.lines().any(|line| line == name), "{name}: {all}");
    }
    let fields = |table: &str| -> Vec<String> {
        let lines = table.lines();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<&str>>().join(" "))
            .collect()
    };
    let table = fields(&ok(&world, &["get", "pods", "-o", "wide"]).await);
    assert_eq!(table[0], "NAME READY STATUS RESTARTS AGE IP NODE");
    assert!(table[1].starts_with("p 0/1 Pending 0 "), "{}", table[1]);
    let table = fields(&ok(&world, &["get", "deploy"]).await);
    assert_eq!(table[0], "NAME READY UP-TO-DATE AVAILABLE AGE");
    assert!(table[1].starts_with("d 0/0 0 0 "), "{}", table[1]);
    let table = fields(&ok(&world, &["get", "bc"]).await);
    assert_eq!(table, ["NAME TYPE FROM LATEST", "bc Source Git@main 0"]);
    for (kind, name, expect) in [
        (
            "pod",
            "p",
            "Liveness:   http-get http://:http/healthz delay=0s timeout=1s period=10s #success=1 #failure=3",
        ),
        ("rc", "r", "Replicas:     0 current / 0 desired"),
        (
            "deploy",
            "d",
            "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
        ),
        ("svc", "s", "TargetPort:               http/TCP"),
    ] {
        let page = ok(&world, &["describe", kind, name]).await;
        assert!(page.contains(expect), "{page}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_makes_and_changes_workloads_from_its_flags() {
    if is_missing() || is_too_old() {
        return;
    }
    let world = World::start().await;
    let deployment = ["create", "deployment", "d", "--image=web:1", "--replicas=0"];
    let check = async |arguments: &[&str], expect: &str| {
        let said = ok(&world, arguments).await;
        assert_eq!(said, format!("{expect}\n"), "{arguments:?}");
    };
    check(&deployment, "deployment.apps/d created").await;
    check(&["create", "sa", "robot"], "serviceaccount/robot created").await;
    check(
        &["expose", "deployment", "d", "--port=80"],
        "service/d exposed",
    )
    .await;
    check(
        &["run", "one", "--image=web:1", "--env=A=b"],
        "pod/one created",
    )
    .await;
    let image = ["set", "image", "deployment/d", "web=web:2"];
    check(&image, "deployment.apps/d image updated").await;
    let variable = ["set", "env", "deployment/d", "A=b"];
    check(&variable, "deployment.apps/d env updated").await;
    let scale = ["scale", "deployment", "d", "--replicas=0"];
    check(&scale, "deployment.apps/d scaled").await;
    let path = "jsonpath={.spec.template.spec.containers}";
    let containers = ok(&world, &["get", "deploy", "d", "-o", path]).await;
    let containers: serde_json::Value = serde_json::from_str(&containers).unwrap();
    assert_eq!(containers[0]["image"], "web:2");
    assert_eq!(
        containers[0]["env"],
        serde_json::json!([{"name": "A", "value": "b"}])
    );
    let explained = ok(
        &world,
        &["explain", "pod.spec.containers.livenessProbe.httpGet"],
    )
    .await;
    assert!(
        explained.contains("FIELD: httpGet <HTTPGetAction>"),
        "{explained}"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_is_told_what_is_wrong_with_workloads() {
    if is_missing() || is_too_old() {
        return;
    }
    let world = World::start().await;
    let check = async |kind: &str, spec: &str, expect: &str| {
        let text = format!("{kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
        let manifest = file(&world, "x.yaml", &text);
        let refused = fails(&world, &["create", "-f", &manifest]).await;
        assert!(refused.contains(expect), "{refused}");
    };
    let pod = "apiVersion: v1\nkind: Pod";
    check(
        pod,
        "{containers: [{name: c, image: x, imagePolicy: y}]}",
        "unknown field \"spec.containers[0].imagePolicy\"",
    )
    .await;
    check(
        pod,
        "{containers: [{name: C}]}",
        "spec.containers[0].image: Required value",
    )
    .await;
    check(
        "apiVersion: apps/v1\nkind: Deployment",
        "{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: x}]}}}",
        "`selector` does not match template `labels`",
    )
    .await;
    check(
        "apiVersion: route.openshift.io/v1\nkind: Route",
        "{to: {name: s}, path: x}",
        "spec.path: Invalid value: \"x\": path must begin with /",
    )
    .await;
    world.stop().await;
}
