//! `status`, `describe` and `logs` against objects made by hand on a server without a node.

use std::process::Output;

use crate::site::Process;
use crate::site::Site;
use crate::site::needs;

const OBJECTS: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: demo, labels: {app: web}}
spec: {containers: [{name: c, image: quay.io/a/web:1, livenessProbe: {tcpSocket: {port: 8080}}}, {name: d, image: x}]}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: demo}
stringData: {password: sesame}
";

/// A server without a node, with objects in a project.
fn site() -> (Site, Process) {
    let site = Site::new();
    let server = site.serve(&["--no-node"], &[]);
    site.ok(&["new-project", "demo", "--display-name", "The demo"]);
    std::fs::write(site.path("objects.yaml"), OBJECTS).expect("a file can be written");
    let file = site.path("objects.yaml").display().to_string();
    site.ok(&["apply", "-f", &file]);
    (site, server)
}

fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn status_shows_a_project_and_what_is_wrong_with_it() {
    let (site, _server) = site();
    let text = site.ok(&["status", "-n", "demo"]);
    let (header, body) = text.split_once('\n').expect("it has a first line");
    assert!(
        header.starts_with("In project The demo (demo) on server https://127.0.0.1:"),
        "{header}"
    );
    assert_eq!(
        body,
        "
svc/web (headless):8080
  pod/web-1 runs quay.io/a/web:1, x

View details with 'upshift describe <resource>/<name>' or list resources with 'upshift get all'.
"
    );
    let text = site.ok(&["status", "-A"]);
    assert!(
        text.starts_with("Showing all projects on server "),
        "{text}"
    );
    assert!(text.contains("\nsvc/web[demo] (headless):8080\n"), "{text}");
    let drawing = site.ok(&["status", "-n", "demo", "-o", "dot"]);
    assert!(drawing.starts_with("digraph \"demo\" {\n"), "{drawing}");
    for (arguments, code, message) in [
        (&["status", "-n", "nosuch"][..], 3, "(NotFound)"),
        (
            &["status", "x"],
            2,
            "error: no arguments should be provided\n",
        ),
        (
            &["status", "-o", "yaml"],
            2,
            "error: invalid output format provided: yaml\n",
        ),
        (
            &["status", "-o", "dot", "--suggest"],
            2,
            "error: cannot provide suggestions when output format is dot\n",
        ),
    ] {
        let (exit, out, err) = parts(&site.run(arguments));
        assert_eq!((exit, out.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
}

#[test]
fn describe_finds_by_prefix_and_shows_no_secret() {
    let (site, _server) = site();
    let text = site.ok(&["describe", "pod", "we", "-n", "demo"]);
    for row in [
        "Name:             web-1\n",
        "Service Account:  default\n",
        "Labels:           app=web\n",
        "  c:\n    Container ID:\n    Image:          quay.io/a/web:1\n",
        "    Liveness:       tcp-socket :8080 delay=0s timeout=1s period=10s #success=1 #failure=3\n",
    ] {
        assert!(text.contains(row), "{row} is not in\n{text}");
    }
    let text = site.ok(&["describe", "secrets", "-n", "demo"]);
    assert!(text.contains("password:"), "{text}");
    assert!(
        !text.contains("sesame") && !text.contains("c2VzYW1l"),
        "{text}"
    );
    let (code, _, err) = parts(&site.run(&["describe", "pod", "other", "-n", "demo"]));
    assert_eq!(code, Some(3));
    assert_eq!(
        err.lines().last(),
        Some("Error from server (NotFound): pods \"other\" not found")
    );
}

#[test]
fn logs_say_what_is_wrong_in_ocs_words() {
    let (site, _server) = site();
    let check = |arguments: &[&str], code: i32, message: &str| {
        let all = [&["logs", "-n", "demo"], arguments].concat();
        let (exit, out, err) = parts(&site.run(&all));
        assert_eq!(
            (exit, out.as_str()),
            (Some(code), ""),
            "{arguments:?}: {err}"
        );
        assert!(err.contains(message), "{arguments:?}: {err}");
    };
    check(
        &[],
        2,
        "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n\
         POD or TYPE/NAME is a required argument for the logs command\n",
    );
    check(
        &["bc/x"],
        3,
        "error: error from server (NotFound): buildconfigs.build.openshift.io \"x\" not found in namespace \"demo\"\n",
    );
    check(
        &["nosuch"],
        3,
        "Error from server (NotFound): pods \"nosuch\" not found\n",
    );
    check(
        &["web-1", "-c", "nosuch"],
        2,
        "error: container nosuch is not valid for pod web-1\n",
    );
    check(&["web-1"], 2, "Defaulted container \"c\" out of: c, d\n");
    check(
        &["build/x", "--version", "2"],
        2,
        "error: cannot specify a version and a build\n",
    );
    check(
        &[
            "web-1",
            "--since",
            "1s",
            "--since-time",
            "2026-11-20T20:44:04Z",
        ],
        2,
        "error: at most one of `sinceTime` or `sinceSeconds` may be specified\n",
    );
    check(
        &["web-1", "-l", "app=web"],
        2,
        "error: only a selector (-l) or a POD name is allowed\n",
    );
    let (code, _, err) = parts(&site.run(&["logs", "-n", "demo", "-l", "app=none"]));
    assert_eq!(
        (code, err.as_str()),
        (Some(0), "No resources found in demo namespace.\n")
    );
}

#[test]
fn several_types_are_several_tables() {
    let (site, _server) = site();
    let text = site.ok(&["get", "pods,svc", "-n", "demo"]);
    let rows: Vec<&str> = text
        .lines()
        .map(|line| line.split_whitespace().next().unwrap_or_default())
        .collect();
    assert_eq!(rows, ["NAME", "pod/web-1", "", "NAME", "service/web"]);
    let all = site.ok(&["get", "all", "-n", "demo"]);
    let names: Vec<&str> = all
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.contains('/'))
        .collect();
    assert_eq!(names, ["pod/web-1", "service/web"]);
}

#[test]
fn kubectl_describes_a_node_with_its_pods() {
    if !needs("kubectl") {
        return;
    }
    let site = Site::new();
    let _server = site.serve(&[], &[]);
    let config = site.data().join("admin.kubeconfig");
    let kubectl = |arguments: &[&str]| {
        let output = std::process::Command::new("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &config)
            .env("HOME", site.path("home"))
            .output();
        parts(&output.expect("kubectl can be started"))
    };
    let (code, text, err) = kubectl(&["describe", "nodes"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for row in [
        "Capacity:",
        "Allocatable:",
        "Non-terminated Pods:",
        "Allocated resources:",
    ] {
        assert!(text.contains(row), "{row} is not in\n{text}");
    }
    // What kubectl makes of a node that does not say what it has.
    assert!(!text.contains("-9223372036854775808"), "{text}");
    assert!(
        site.ok(&["describe", "nodes"])
            .contains("Non-terminated Pods:")
    );
}

/// The words of a run that failed.
fn refused(site: &Site, expect: i32, arguments: &[&str]) -> String {
    let (code, out, said) = parts(&site.run(arguments));
    assert_eq!(code, Some(expect), "{arguments:?}: {out}{said}");
    said
}

#[test]
fn the_second_project_with_a_host_is_told_that_it_is_taken() {
    let site = Site::new();
    let _server = site.serve(&[], &[]);
    for project in ["first", "second"] {
        site.ok(&["new-project", project]);
        let service = format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: {project}}}, \
             spec: {{selector: {{app: web}}, ports: [{{port: 8080}}]}}}}"
        );
        std::fs::write(site.path("web.yaml"), service).expect("a file can be written");
        let file = site.path("web.yaml").display().to_string();
        site.ok(&["create", "-f", &file]);
        // Two routes of one name in two projects; the host is the same.
        site.ok(&[
            "expose",
            "service/web",
            "--hostname=shop.example",
            "-n",
            project,
        ]);
        site.wait("the router's word", || {
            let json = site.ok(&["get", "route", "web", "-n", project, "-o", "json"]);
            json.contains("\"Admitted\"")
        });
    }
    let mine = site.ok(&["get", "route", "web", "-n", "first"]);
    assert!(mine.contains("shop.example"), "{mine}");
    let theirs = site.ok(&["get", "route", "web", "-n", "second"]);
    assert!(theirs.contains("HostAlreadyClaimed"), "{theirs}");
    let described = site.ok(&["describe", "route", "web", "-n", "second"]);
    assert!(
        described.contains("rejected by router default: ")
            && described.contains("HostAlreadyClaimed"),
        "{described}"
    );
    let status = site.ok(&["status", "-n", "second"]);
    assert!(status.contains("HostAlreadyClaimed"), "{status}");
    let again = refused(
        &site,
        8,
        &[
            "expose",
            "service/web",
            "--hostname=other.example",
            "-n",
            "first",
        ],
    );
    assert!(
        again.contains("routes.route.openshift.io \"web\" already exists"),
        "{again}"
    );
}

#[test]
fn image_stream_tags_are_read_described_and_deleted() {
    let site = Site::new();
    let _server = site.serve(&["--no-node", "--no-router"], &[]);
    site.ok(&["new-project", "demo"]);
    let tag = "{apiVersion: image.openshift.io/v1, kind: ImageStreamTag, metadata: {name: 'mine:latest', namespace: demo}, \
               tag: {from: {kind: ImageStreamTag, namespace: openshift, name: 'python:latest'}}}";
    std::fs::write(site.path("tag.yaml"), tag).expect("a file can be written");
    let file = site.path("tag.yaml").display().to_string();
    site.ok(&["create", "-f", &file]);
    let got = site.ok(&["get", "istag", "-n", "demo"]);
    let mut lines = got.lines();
    let head: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(head, ["NAME", "IMAGE", "REFERENCE", "UPDATED"], "{got}");
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("mine:latest ")),
        "{got}"
    );
    let described = site.ok(&["describe", "istag", "mine:latest", "-n", "demo"]);
    assert!(described.contains("sha256:"), "{described}");
    if needs("kubectl") {
        let config = site.data().join("admin.kubeconfig");
        let output = std::process::Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(config)
            .args(["get", "istag", "-n", "demo"])
            .env("HOME", site.path("home"))
            .output()
            .expect("kubectl starts");
        let (code, out, said) = parts(&output);
        assert_eq!(code, Some(0), "{said}");
        assert!(out.contains("mine:latest"), "{out}");
    }
    let gone = site.ok(&["delete", "istag", "mine:latest", "-n", "demo"]);
    assert_eq!(
        gone,
        "imagestreamtag.image.openshift.io \"mine:latest\" deleted\n"
    );
    let said = refused(&site, 3, &["get", "istag", "mine:latest", "-n", "demo"]);
    assert!(
        said.contains("imagestreamtags.image.openshift.io \"mine:latest\" not found"),
        "{said}"
    );
}
