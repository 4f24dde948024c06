//! Pages of OpenShift's kinds: oc's rows, its tabs, and no secret.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::api::kinds;

const NOW: i64 = 1_800_000_000;

fn ago(seconds: i64) -> String {
    Timestamp::from_second(NOW - seconds).to_string()
}

fn page(kind: &Kind, object: &Value, related: &Related) -> String {
    text(kind, object, related, Timestamp::from_second(NOW))
}

/// The rows with tabs as they are, so that columns can be seen.
fn check(page: &str, expect: &str) {
    assert_eq!(page, expect, "\n{page}");
}

#[test]
fn a_build_config_with_its_builds() {
    let object = json!({
        "metadata": {"name": "ruby-ex", "namespace": "demo", "creationTimestamp": ago(7200), "labels": {"app": "ruby-ex"}},
        "spec": {
            "source": {"type": "Git", "git": {"uri": "https://x/ruby-ex.git", "ref": "main"}, "contextDir": "web"},
            "strategy": {"type": "Source", "sourceStrategy": {"from": {"kind": "ImageStreamTag", "namespace": "openshift", "name": "ruby:latest"}}},
            "output": {"to": {"kind": "ImageStreamTag", "name": "ruby-ex:latest"}},
            "triggers": [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChange": {}},
                         {"type": "GitHub", "github": {"secret": "sesame"}}],
            "runPolicy": "Serial",
        },
        "status": {"lastVersion": 2},
    });
    let builds = json!([
        {"metadata": {"name": "ruby-ex-1", "creationTimestamp": ago(3600)},
         "status": {"phase": "Complete", "startTimestamp": ago(3600), "completionTimestamp": ago(3480)}},
        {"metadata": {"name": "ruby-ex-2", "creationTimestamp": ago(30)},
         "status": {"phase": "Running", "startTimestamp": ago(20)}},
    ]);
    let related = Related {
        builds: view(&builds),
        server: "https://s:8443".to_owned(),
        ..Related::default()
    };
    let text = page(&kinds::BUILD_CONFIG, &object, &related);
    check(
        &text,
        "Name:\t\truby-ex
Namespace:\tdemo
Created:\t2 hours ago
Labels:\t\tapp=ruby-ex
Annotations:\t<none>
Latest Version:\t2

Strategy:\tSource
URL:\t\thttps://x/ruby-ex.git
Ref:\t\tmain
ContextDir:\tweb
From Image:\tImageStreamTag openshift/ruby:latest
Output to:\tImageStreamTag ruby-ex:latest

Build Run Policy:\tSerial
Triggered by:\t\tConfig, ImageChange
Webhook GitHub:
\tURL:\thttps://s:8443/apis/build.openshift.io/v1/namespaces/demo/buildconfigs/ruby-ex/webhooks/<secret>/github

Build\t\tStatus\t\tDuration\t\tCreation Time
ruby-ex-2 \trunning \trunning for 20s \t2027-01-15 07:59:30 +0000 UTC
ruby-ex-1 \tcomplete \t2m0s \t\t\t2027-01-15 07:00:00 +0000 UTC

Events:\t<none>
",
    );
    assert!(!text.contains("sesame"));
}

#[test]
fn a_deployment_config_with_its_versions() {
    let object = json!({
        "metadata": {"name": "x", "namespace": "demo", "creationTimestamp": ago(7200)},
        "spec": {"replicas": 1, "test": false, "selector": {"deploymentconfig": "x"}, "strategy": {"type": "Rolling"},
                 "triggers": [{"type": "ConfigChange"}, {"type": "ImageChange", "imageChangeParams":
                     {"automatic": true, "containerNames": ["x"], "from": {"kind": "ImageStreamTag", "name": "x:latest"}}}],
                 "template": {"metadata": {"labels": {"deploymentconfig": "x"}}, "spec": {"containers": [{"name": "x", "image": "i"}]}}},
        "status": {"latestVersion": 2},
    });
    let controller = |number: u64, replicas: u64| {
        json!({
            "metadata": {"name": format!("x-{number}"), "creationTimestamp": ago(600), "annotations": {
                "openshift.io/deployment-config.latest-version": number.to_string(),
                "openshift.io/deployment.phase": "Complete"}},
            "spec": {"replicas": replicas, "selector": {"deployment": format!("x-{number}")}},
            "status": {"replicas": replicas},
        })
    };
    let related = Related {
        controllers: view(&json!([controller(1, 0), controller(2, 1)])),
        pods: view(
            &json!([{"metadata": {"name": "x-2-a", "labels": {"deployment": "x-2"}}, "status": {"phase": "Running"}}]),
        ),
        ..Related::default()
    };
    check(
        &page(&kinds::DEPLOYMENT_CONFIG, &object, &related),
        "Name:\t\tx
Namespace:\tdemo
Created:\t2 hours ago
Labels:\t\t<none>
Annotations:\t<none>
Latest Version:\t2
Selector:\tdeploymentconfig=x
Replicas:\t1
Triggers:\tConfig, Image(x@latest, auto=true)
Strategy:\tRolling
Template:
Pod Template:
  Labels:\tdeploymentconfig=x
  Containers:
   x:
    Image:\t\ti
    Port:\t\t<none>
    Host Port:\t\t<none>
    Environment:\t<none>
    Mounts:\t\t<none>
  Volumes:\t\t<none>
  Node-Selectors:\t<none>
  Tolerations:\t\t<none>

Deployment #2 (latest):
\tName:\t\tx-2
\tCreated:\t10 minutes ago
\tStatus:\t\tComplete
\tReplicas:\t1 current / 1 desired
\tSelector:\tdeployment=x-2
\tLabels:\t\t<none>
\tPods Status:\t1 Running / 0 Waiting / 0 Succeeded / 0 Failed
Deployment #1:
\tCreated:\t10 minutes ago
\tStatus:\t\tComplete
\tReplicas:\t0 current / 0 desired

Events:\t<none>
",
    );
}

#[test]
fn an_image_stream_with_its_tags() {
    let object = json!({
        "metadata": {"name": "ruby", "namespace": "demo", "creationTimestamp": ago(7200)},
        "spec": {"tags": [{"name": "old", "from": {"kind": "ImageStreamTag", "name": "latest"}}]},
        "status": {"dockerImageRepository": "registry/demo/ruby", "tags": [
            {"tag": "latest", "items": [
                {"created": ago(60), "dockerImageReference": "registry/demo/ruby@sha256:b", "image": "sha256:b"},
                {"created": ago(7200), "dockerImageReference": "registry/demo/ruby@sha256:a", "image": "sha256:a"}]}]},
    });
    check(
        &page(&kinds::IMAGE_STREAM, &object, &Related::default()),
        "Name:\t\t\truby
Namespace:\t\tdemo
Created:\t\t2 hours ago
Labels:\t\t\t<none>
Annotations:\t\t<none>
Image Repository:\tregistry/demo/ruby
Image Lookup:\t\tlocal=false
Unique Images:\t\t2
Tags:\t\t\t2

latest
  no spec tag

  * registry/demo/ruby@sha256:b
      about a minute ago
    registry/demo/ruby@sha256:a
      2 hours ago

old
  tagged from latest

  ~ importing latest image ...

Events:\t<none>
",
    );
}

#[test]
fn a_route_with_its_endpoints() {
    let object = json!({
        "metadata": {"name": "web", "namespace": "demo", "creationTimestamp": ago(7200)},
        "spec": {"host": "web-demo.apps.localhost", "to": {"kind": "Service", "name": "web"}, "port": {"targetPort": "8080-tcp"}},
        "status": {"ingress": [{"host": "web-demo.apps.localhost", "routerName": "default", "conditions": [
            {"type": "Admitted", "status": "True", "lastTransitionTime": ago(120)}]}]},
    });
    let endpoints = json!([{"metadata": {"name": "web"}, "subsets": [{
        "addresses": [{"ip": "10.88.0.2"}, {"ip": "10.88.0.3"}, {"ip": "10.88.0.4"}, {"ip": "10.88.0.5"}],
        "ports": [{"name": "8080-tcp", "port": 8080}]}]}]);
    let related = Related {
        endpoints: view(&endpoints),
        router_port: 8880,
        ..Related::default()
    };
    check(
        &page(&kinds::ROUTE, &object, &related),
        "Name:\t\t\tweb
Namespace:\t\tdemo
Created:\t\t2 hours ago
Labels:\t\t\t<none>
Annotations:\t\t<none>
Requested Host:\t\tweb-demo.apps.localhost
\t\t\t  exposed on router default 2 minutes ago
URL:\t\t\thttp://web-demo.apps.localhost:8880
Path:\t\t\t<none>
TLS Termination:\t<none>
Insecure Policy:\t<none>
Endpoint Port:\t\t8080-tcp

Service:\tweb
Weight:\t\t100 (100%)
Endpoints:\t10.88.0.2:8080, 10.88.0.3:8080, 10.88.0.4:8080 + 1 more...

Events:\t<none>
",
    );
}

#[test]
fn a_build_that_failed() {
    let object = json!({
        "metadata": {"name": "x-1", "namespace": "demo", "creationTimestamp": ago(100)},
        "spec": {"source": {"type": "Git", "git": {"uri": "https://x/x.git"}}, "strategy": {"type": "Source", "sourceStrategy": {}},
                 "revision": {"type": "Git", "git": {"commit": "7a4f354123", "message": "Fix\n\nbody", "author": {"name": "Ann"}, "committer": {"name": "Ann"}}},
                 "triggeredBy": [{"message": "Build configuration change"}]},
        "status": {"phase": "Failed", "reason": "AssembleFailed", "message": "Assemble script failed.", "startTimestamp": ago(90),
                   "completionTimestamp": ago(30), "logSnippet": "one\ntwo\n"},
    });
    check(
        &page(&kinds::BUILD, &object, &Related::default()),
        "Name:\t\tx-1
Namespace:\tdemo
Created:\tabout a minute ago
Labels:\t\t<none>
Annotations:\t<none>

Status:\t\tFailed (Assemble script failed.)
Started:\tFri, 15 Jan 2027 07:58:30 UTC
Duration:\t1m0s

Build Pod:\tx-1-build

Strategy:\t\tSource
URL:\t\t\thttps://x/x.git
Commit:\t\t\t7a4f354 (Fix)
Author/Committer:\tAnn

Build trigger cause:\tBuild configuration change
Log Tail:\t\tone
\t\t\ttwo

Events:\t<none>
",
    );
}
