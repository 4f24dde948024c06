//! The page for projects by hand: oc's own fixtures (facts/oc.md 8.3) and ours.

mod fleet;

use std::fmt::Write;

use serde_json::Value;

use super::*;
use crate::api::yaml;
use crate::base::clock::Timestamp;

const NOW: i64 = 1_800_000_000;

/// Objects of YAML; `AGO(n)` is the moment n seconds ago.
fn objects(text: &str) -> Objects {
    let mut dated = String::new();
    let mut parts = text.split("AGO(");
    dated.push_str(parts.next().unwrap());
    for part in parts {
        let (seconds, rest) = part.split_once(')').unwrap();
        let moment = Timestamp::from_second(NOW - seconds.parse::<i64>().unwrap());
        let _ = write!(dated, "{moment}{rest}");
    }
    let mut objects = Objects::default();
    for document in yaml::read(&dated).unwrap() {
        let mut object = document.into_value();
        object["metadata"]["namespace"] = "example".into();
        add(object, &mut objects);
    }
    objects
}

fn add(object: Value, objects: &mut Objects) {
    fn view<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }
    match object["kind"].as_str().unwrap() {
        "Service" => objects.services.push(view(object)),
        "ReplicationController" => objects.controllers.push(view(object)),
        "Pod" => objects.pods.push(view(object)),
        "Deployment" => objects.deployments.push(view(object)),
        "ReplicaSet" => objects.replica_sets.push(view(object)),
        "BuildConfig" => objects.build_configs.push(view(object)),
        "Build" => objects.builds.push(view(object)),
        "ImageStream" => objects.streams.push(view(object)),
        "DeploymentConfig" => objects.configs.push(view(object)),
        "Route" => objects.routes.push(view(object)),
        "Application" => objects.applications.push(view(object)),
        "Rollout" => objects.rollouts.push(view(object)),
        "Gear" => objects.gears.push(view(object)),
        "Operation" => objects.operations.push(view(object)),
        "Node" => objects.nodes.push(view(object)),
        "Router" => objects.routers.get_or_insert_default().push(view(object)),
        other => panic!("{other}"),
    }
}

fn page(objects: &Objects, suggest: bool) -> String {
    let sight = Sight {
        objects,
        names: Names { here: "example" },
        now: Timestamp::from_second(NOW),
    };
    let subject = Subject {
        header: "In project example on server https://example.com:8443",
        program: "oc",
        suggest,
    };
    page::text(&sight, &subject, |_| true)
}

fn check(text: &str, expect: &str) {
    let page = page(&objects(text), false);
    let body = page.strip_prefix("In project example on server https://example.com:8443\n");
    assert_eq!(body.unwrap(), expect, "{page}");
}

const STREAM: &str = "
kind: ImageStream
metadata: {name: ruby-ex}
status: {dockerImageRepository: registry/example/ruby-ex, tags: [{tag: latest, items: [{image: 'sha256:0'}]}]}
---
";

/// What `new-app` makes, with a build and a deployment that are done.
const RUBY: &str = "
kind: Service
metadata: {name: ruby-ex}
spec: {clusterIP: 172.30.1.2, selector: {deploymentconfig: ruby-ex}, ports: [{name: 8080-tcp, port: 8080, targetPort: 8080}]}
---
kind: Route
metadata: {name: ruby-ex}
spec: {host: ruby-ex-example.apps.localhost, to: {kind: Service, name: ruby-ex}, port: {targetPort: 8080-tcp}}
status: {ingress: [{host: ruby-ex-example.apps.localhost, routerName: default, conditions: [{type: Admitted, status: 'True'}]}]}
---
kind: BuildConfig
metadata: {name: ruby-ex}
spec:
  source: {type: Git, git: {uri: 'https://github.com/openshift/ruby-ex.git'}}
  strategy: {type: Source, sourceStrategy: {from: {kind: ImageStreamTag, name: 'ruby:latest', namespace: openshift}}}
  output: {to: {kind: ImageStreamTag, name: 'ruby-ex:latest'}}
---
kind: DeploymentConfig
metadata: {name: ruby-ex}
spec:
  replicas: 1
  triggers:
  - {type: ConfigChange}
  - {type: ImageChange, imageChangeParams: {automatic: true, containerNames: [ruby-ex], from: {kind: ImageStreamTag, name: 'ruby-ex:latest'}}}
  template: {metadata: {labels: {deploymentconfig: ruby-ex}}, spec: {containers: [{name: ruby-ex, image: ' '}]}}
status: {latestVersion: 1}
---
";

const RUBY_DEPLOYED: &str = "
kind: Build
metadata: {name: ruby-ex-1, labels: {buildconfig: ruby-ex}, creationTimestamp: AGO(400)}
spec: {output: {to: {kind: ImageStreamTag, name: 'ruby-ex:latest'}}}
status: {phase: Complete, completionTimestamp: AGO(300)}
---
kind: ReplicationController
metadata:
  name: ruby-ex-1
  uid: u1
  creationTimestamp: AGO(240)
  annotations: {openshift.io/deployment-config.name: ruby-ex, openshift.io/deployment-config.latest-version: '1', openshift.io/deployment.phase: Complete}
spec: {replicas: 1, selector: {deployment: ruby-ex-1}, template: {metadata: {labels: {deploymentconfig: ruby-ex}}, spec: {}}}
status: {replicas: 1, readyReplicas: 1}
---
kind: Pod
metadata:
  name: ruby-ex-1-abcde
  labels: {deployment: ruby-ex-1, deploymentconfig: ruby-ex}
  ownerReferences: [{kind: ReplicationController, name: ruby-ex-1, uid: u1, controller: true, apiVersion: v1}]
spec: {containers: [{name: ruby-ex, image: x}]}
status: {phase: Running}
---
kind: Pod
metadata: {name: ruby-ex-1-build, labels: {openshift.io/build.name: ruby-ex-1}, ownerReferences: [{kind: Build, name: ruby-ex-1, uid: b1, controller: true, apiVersion: v1}]}
spec: {containers: [{name: sti-build, image: x}]}
status: {phase: Running}
";

#[test]
fn an_empty_project_says_how_to_begin() {
    check(
        "",
        "\nYou have no services, deployment configs, or build configs.\n\
         Run 'oc new-app' to create an application.\n",
    );
}

#[test]
fn a_new_application_is_one_block() {
    check(
        &format!("{STREAM}{RUBY}{RUBY_DEPLOYED}"),
        "
http://ruby-ex-example.apps.localhost to pod port 8080-tcp (svc/ruby-ex)
  dc/ruby-ex deploys istag/ruby-ex:latest <-
    bc/ruby-ex source builds https://github.com/openshift/ruby-ex.git on openshift/ruby:latest\u{20}
    deployment #1 deployed 4 minutes ago - 1 pod


2 infos identified, use 'oc status --suggest' to see details.
",
    );
}

#[test]
fn the_url_has_the_routers_port() {
    let mut objects = objects(&format!("{STREAM}{RUBY}{RUBY_DEPLOYED}"));
    objects.router_port = 8880;
    let text = page(&objects, false);
    let line = "http://ruby-ex-example.apps.localhost:8880 to pod port 8080-tcp (svc/ruby-ex)\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn suggestions_follow_what_was_found() {
    let mut objects = objects(&format!("{STREAM}{RUBY}{RUBY_DEPLOYED}"));
    let text = page(&objects, true);
    let (_, end) = text.split_once("1 pod\n").unwrap();
    assert_eq!(
        end,
        "
Info:
  * dc/ruby-ex has no liveness probe to verify pods are still running.
    try: oc set probe dc/ruby-ex --liveness ...
  * dc/ruby-ex has no readiness probe to verify pods are ready to accept traffic or ensure deployment is successful.
    try: oc set probe dc/ruby-ex --readiness ...

View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
"
    );
    objects.pods[0].status.container_statuses = serde_json::from_value(serde_json::json!([
        {"name": "ruby-ex", "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2027-01-15T07:59:00Z"}}}]))
    .unwrap();
    let text = page_of_errors(&objects);
    assert_eq!(
        text,
        "\
    deployment #1 deployed 4 minutes ago - 1 pod (warning: 7 restarts)

Errors:
  * pod/ruby-ex-1-abcde is crash-looping

1 error, 2 infos identified, use 'oc status --suggest' to see details.
"
    );
}

fn page_of_errors(objects: &Objects) -> String {
    let text = page(objects, false);
    let at = text.find("deployment #1").unwrap();
    text[at..].to_owned()
}

#[test]
fn what_is_not_built_yet_says_what_it_waits_for() {
    let text = page(&objects(RUBY), false);
    for line in [
        "  dc/ruby-ex deploys istag/ruby-ex:latest <-\n",
        "      not built yet\n",
        "    deployment #1 pending on image or update\n",
        "  * bc/ruby-ex is pushing to istag/ruby-ex:latest, but the image stream for that tag does not exist.\n",
        "  * The image trigger for dc/ruby-ex will have no effect because is/ruby-ex does not exist.\n",
        "2 errors, 1 warning, 2 infos identified",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let waiting = RUBY.replace("latestVersion: 1", "latestVersion: 0");
    let text = page(&objects(&waiting), false);
    assert!(
        text.contains("    deployment #1 waiting on image or update\n"),
        "{text}"
    );
}

#[test]
fn a_build_under_way_shows_its_commit() {
    let build = "
kind: Build
metadata: {name: ruby-ex-1, labels: {openshift.io/build-config.name: ruby-ex}, creationTimestamp: AGO(70)}
spec:
  output: {to: {kind: ImageStreamTag, name: 'ruby-ex:latest'}}
  revision: {type: Git, git: {commit: 7a4f354123, message: Prepare v1 Template types, author: {name: Roy Programmer, email: someguy@outhere.com}}}
status: {phase: Running, startTimestamp: AGO(60)}
";
    let stream = STREAM.replace(", tags: [{tag: latest, items: [{image: 'sha256:0'}]}]", "");
    check(
        &format!("{stream}{}{build}", RUBY.replace("latestVersion: 1", "latestVersion: 0")),
        "
http://ruby-ex-example.apps.localhost to pod port 8080-tcp (svc/ruby-ex)
  dc/ruby-ex deploys istag/ruby-ex:latest <-
    bc/ruby-ex source builds https://github.com/openshift/ruby-ex.git on openshift/ruby:latest\u{20}
      build #1 running for about a minute - 7a4f354: Prepare v1 Template types (Roy Programmer <someguy@outhere.com>)
    deployment #1 waiting on image or update


2 infos identified, use 'oc status --suggest' to see details.
",
    );
}

#[test]
fn a_failed_build_is_an_error_with_a_way_to_look_at_it() {
    let build = "
kind: Build
metadata: {name: ruby-ex-2, labels: {buildconfig: ruby-ex}, creationTimestamp: AGO(70)}
status: {phase: Failed, completionTimestamp: AGO(7200)}
";
    let stream = STREAM.replace(", tags: [{tag: latest, items: [{image: 'sha256:0'}]}]", "");
    let text = page(&objects(&format!("{stream}{RUBY}{build}")), true);
    for line in [
        "      build #2 failed 2 hours ago\n",
        "  * build/ruby-ex-2 has failed.\n    try: Inspect the build failure with 'oc logs -f bc/ruby-ex'\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

/// A replication controller of `dc/NAME`.
fn controller(name: &str, number: u64, phase: &str, ago: u64, pods: &str, more: &str) -> String {
    format!(
        "
---
kind: ReplicationController
metadata:
  name: {name}-{number}
  creationTimestamp: AGO({ago})
  annotations: {{openshift.io/deployment-config.name: {name}, openshift.io/deployment-config.latest-version: '{number}', openshift.io/deployment.phase: {phase}{more}}}
{pods}
"
    )
}

fn config(name: &str, version: u64, test: bool) -> String {
    format!(
        "
---
kind: DeploymentConfig
metadata: {{name: {name}}}
spec:
  replicas: 1
  test: {test}
  triggers: [{{type: ImageChange, imageChangeParams: {{from: {{kind: ImageStreamTag, name: 'x:latest'}}}}}}]
  template: {{spec: {{containers: [{{name: c, image: 'openshift/deployment-example:v1', livenessProbe: {{}}, readinessProbe: {{}}}}]}}}}
status: {{latestVersion: {version}}}
"
    )
}

#[test]
fn versions_say_how_they_went() {
    let half = "spec: {replicas: 1}\nstatus: {replicas: 1, readyReplicas: 0}";
    let none = "spec: {replicas: 0}\nstatus: {replicas: 0, readyReplicas: 0}";
    let failed = ", openshift.io/deployment.status-reason: unable to contact server";
    let text = [
        config("a", 2, false),
        controller("a", 2, "Failed", 0, half, failed),
        controller("a", 1, "Complete", 0, none, ""),
        config("b", 3, false),
        config("t", 2, true),
        controller(
            "t",
            2,
            "Running",
            7,
            "spec: {replicas: 1}\nstatus: {replicas: 2, readyReplicas: 2}",
            "",
        ),
        controller("t", 1, "Complete", 8, none, ""),
        config("u", 2, false),
        controller(
            "u",
            2,
            "Running",
            30,
            half,
            ", openshift.io/deployment.cancelled: 'true'",
        ),
        controller(
            "u",
            1,
            "Complete",
            72,
            "spec: {replicas: 2}\nstatus: {replicas: 1, readyReplicas: 1}",
            "",
        ),
        config("z", 1, false),
        controller("z", 1, "Complete", 72, none, ""),
    ]
    .concat();
    let text = page(&objects(&text), false);
    for block in [
        "\n\
dc/a deploys docker.io/openshift/deployment-example:v1\u{20}
  deployment #2 failed less than a second ago: unable to contact server - 0/1 pods
  deployment #1 deployed less than a second ago
",
        "\n\
dc/b deploys docker.io/openshift/deployment-example:v1\u{20}
  deployment #3 pending on image
",
        "\n\
dc/t test deploys docker.io/openshift/deployment-example:v1\u{20}
  test deployment #2 running for 7 seconds - 2/1 pods reducing to 1
  test deployment #1 deployed 8 seconds ago
",
        "\n\
dc/u deploys docker.io/openshift/deployment-example:v1\u{20}
  deployment #2 running (cancelling) for 30 seconds - 0/1 pods
  deployment #1 deployed about a minute ago - 1/2 pods growing to 2
",
        "\n  deployment #1 deployed about a minute ago - 0 pods\n",
    ] {
        assert!(text.contains(block), "{block} is not in\n{text}");
    }
}

#[test]
fn services_routes_and_what_answers() {
    let text = "
kind: Service
metadata: {name: frontend}
spec: {clusterIP: 172.30.17.1, selector: {name: frontend}, ports: [{port: 5432, targetPort: 8080}]}
---
kind: Route
metadata: {name: frontend}
spec: {host: frontend-example.router.default.svc.cluster.local, to: {name: frontend}, port: {targetPort: 8080}}
---
kind: Route
metadata: {name: www}
spec: {host: www.test.com, to: {name: frontend}, port: {targetPort: 8080}, tls: {termination: edge, insecureEdgeTerminationPolicy: Redirect}}
status: {ingress: [{host: www.test.com, conditions: [{type: Admitted, status: 'True'}]}]}
---
kind: Service
metadata: {name: database}
spec: {clusterIP: 172.30.17.240, ports: [{port: 5434, targetPort: 3306}]}
---
kind: Service
metadata: {name: database-external}
spec: {type: NodePort, clusterIP: 172.30.17.241, ports: [{port: 5434, targetPort: 3306, nodePort: 31000}]}
---
kind: Service
metadata: {name: galera}
spec: {clusterIP: None, ports: [{port: 3306, targetPort: 3306}]}
---
kind: Service
metadata: {name: empty-service}
spec: {selector: {nothing: here}, ports: [{port: 5432}]}
---
kind: Service
metadata: {name: several}
spec: {clusterIP: 172.30.0.9, ports: [{port: 80, targetPort: 8080}, {port: 443, targetPort: 443}]}
---
kind: Service
metadata: {name: external-name-service}
spec: {type: ExternalName, externalName: external.com}
---
kind: ReplicationController
metadata: {name: database-rc-1, uid: r, creationTimestamp: AGO(0)}
spec: {replicas: 1, selector: {name: database}, template: {metadata: {labels: {name: database}}, spec: {containers: [{name: c, image: mysql}]}}}
---
kind: Pod
metadata: {name: frontend-app}
spec: {containers: [{name: c, image: a}, {name: d, image: b}]}
";
    let labelled = text.replace(
        "metadata: {name: frontend-app}",
        "metadata: {name: frontend-app, labels: {name: frontend}}",
    );
    check(
        &labelled,
        "
svc/database - 172.30.17.240:5434 -> 3306

svc/database-external (all nodes):31000 -> 3306

svc/empty-service <initializing>:5432

svc/external-name-service - external.com

https://www.test.com (redirects) to pod port 8080 (svc/frontend)
http://frontend-example.router.default.svc.cluster.local to pod port 8080 (!)
  pod/frontend-app runs a, b

svc/galera (headless):3306

svc/several - 172.30.0.9 ports 80->8080, 443

rc/database-rc-1 runs mysql
  rc/database-rc-1 created less than a second ago - 0/1 pods growing to 1


1 warning, 2 infos identified, use 'oc status --suggest' to see details.
",
    );
}

#[test]
fn a_lonely_pod_is_shown_and_a_finished_one_is_not() {
    let text = "
kind: Pod
metadata: {name: lonely-pod}
spec: {containers: [{name: c, image: openshift/hello-openshift, livenessProbe: {}}]}
status: {phase: Running}
---
kind: Pod
metadata: {name: over}
spec: {containers: [{name: c, image: x, livenessProbe: {}}]}
status: {phase: Succeeded}
";
    check(
        text,
        "
pod/lonely-pod runs openshift/hello-openshift

You have no services, deployment configs, or build configs.
Run 'oc new-app' to create an application.
",
    );
}

#[test]
fn a_deployment_counts_its_revisions() {
    let set = |number: u64, ago: u64, replicas: u64| {
        format!(
            "
---
kind: ReplicaSet
metadata:
  name: web-{number}
  creationTimestamp: AGO({ago})
  annotations: {{deployment.kubernetes.io/revision: '{number}'}}
  ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}}]
spec: {{replicas: {replicas}, selector: {{matchLabels: {{x: '{number}'}}}}}}
status: {{replicas: {replicas}, readyReplicas: {replicas}}}
"
        )
    };
    let text = format!(
        "
kind: Deployment
metadata: {{name: web}}
spec: {{template: {{spec: {{containers: [{{name: c, image: 'quay.io/a/web:1', livenessProbe: {{}}}}]}}}}}}
{}{}",
        set(1, 7200, 0),
        set(2, 180, 1)
    );
    check(
        &text,
        "
deployment/web deploys quay.io/a/web:1
  deployment #2 running for 3 minutes - 1 pod
  deployment #1 deployed 2 hours ago

View details with 'oc describe <resource>/<name>' or list resources with 'oc get all'.
",
    );
}

#[test]
fn builds_on_their_own_and_in_circles() {
    let build = |name: &str, from: &str, to: &str| {
        format!(
            "
---
kind: BuildConfig
metadata: {{name: {name}}}
spec:
  source: {{type: Git, git: {{uri: 'https://x/{name}', ref: v1}}}}
  strategy: {{type: Source, sourceStrategy: {{from: {{kind: ImageStreamTag, name: '{from}:latest'}}}}}}
  output: {{to: {{kind: ImageStreamTag, name: '{to}:latest'}}}}
"
        )
    };
    let text = [build("a", "two", "one"), build("b", "one", "two")].concat();
    let text = page(&objects(&text), true);
    for line in [
        "bc/a source builds https://x/a#v1 on istag/two:latest (from bc/b) \n  -> istag/one:latest\n  not built yet\n",
        "  * Cycle detected in build configurations: bc/b -> istag/two:latest -> bc/a -> istag/one:latest -> bc/b\n",
        "  * istag/one:latest needs to be imported or created by a build.\n    try: oc start-build a\n",
        "  * bc/a builds from istag/two:latest, but the image stream tag does not exist.\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn secrets_that_are_missing_and_controllers_that_compete() {
    let text = "
kind: ReplicationController
metadata: {name: one, uid: u1}
spec: {replicas: 1, selector: {x: z}, template: {}}
---
kind: ReplicationController
metadata: {name: two, uid: u2}
spec: {replicas: 1, selector: {x: z}, template: {}}
---
kind: Pod
metadata: {name: p, labels: {x: z}, ownerReferences: [{apiVersion: v1, kind: ReplicationController, name: one, uid: u1, controller: true}]}
---
kind: Pod
metadata: {name: q}
spec: {volumes: [{name: v, secret: {secretName: s}}], containers: [{name: c, image: x, livenessProbe: {}}]}
";
    let mut objects = objects(text);
    objects.missing_secrets.insert(Key::new("example", "s"));
    let text = page(&objects, true);
    for line in [
        "  * rc/two is competing for pod/p with rc/one\n",
        "  * pod/q is attempting to mount a missing secret secret/s\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_drawing_is_a_digraph() {
    let objects = objects(&format!("{STREAM}{RUBY}{RUBY_DEPLOYED}"));
    let text = dot::text(&objects, Names { here: "example" }, "example");
    assert!(text.starts_with("digraph \"example\" {\n"), "{text}");
    for edge in [
        "  \"route/ruby-ex\" -> \"svc/ruby-ex\" [label=\"exposed\"];\n",
        "  \"bc/ruby-ex\" -> \"istag/ruby-ex:latest\" [label=\"builds\"];\n",
    ] {
        assert!(text.contains(edge), "{edge} is not in\n{text}");
    }
}

#[test]
fn names_of_other_namespaces_say_so() {
    let mut objects = objects(RUBY);
    objects.routes.clear();
    let sight = Sight {
        objects: &objects,
        names: Names { here: "" },
        now: Timestamp::from_second(NOW),
    };
    let subject = Subject {
        header: "Showing all projects on server https://example.com:8443",
        program: "oc",
        suggest: false,
    };
    let text = page::text(&sight, &subject, |_| true);
    assert!(
        text.contains("svc/ruby-ex[example] - 172.30.1.2:8080\n  dc/ruby-ex deploys "),
        "{text}"
    );
}
