//! One decision each: turns, resolving, following the pod, ends.

use std::sync::Arc;

use super::*;
use crate::api::build::BUILD_NUMBER;
use crate::api::build::SourceStrategy;
use crate::api::image::ImageStream;
use crate::api::image::TagHistory;
use crate::api::image::TagItem;
use crate::api::pod::ContainerState;
use crate::api::pod::ContainerStatus;
use crate::api::pod::Terminated;

const BUILDER: &str = "r/openshift/python@sha256:1";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000)
}

fn build(number: u64, policy: &str) -> Build {
    let mut build = Build::default();
    build.metadata.name = format!("x-{number}");
    build.metadata.namespace = "p".to_owned();
    build.metadata.uid = format!("uid-{number}");
    build.metadata.labels = BTreeMap::from([(BUILD_POLICY.to_owned(), policy.to_owned())]);
    build.metadata.annotations = BTreeMap::from([
        (BUILD_CONFIG_NAME.to_owned(), "x".to_owned()),
        (BUILD_NUMBER.to_owned(), number.to_string()),
    ]);
    build.spec.common.strategy.source_strategy = Some(SourceStrategy {
        from: reference("python:latest", SHARED_NAMESPACE),
        ..SourceStrategy::default()
    });
    build.spec.common.output.to = Some(reference("x:latest", ""));
    build
}

fn reference(name: &str, namespace: &str) -> ObjectRef {
    ObjectRef {
        kind: "ImageStreamTag".to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    }
}

fn resolved(number: u64, phase: BuildPhase) -> Build {
    let mut build = build(number, "Serial");
    build
        .spec
        .common
        .strategy
        .source_strategy
        .as_mut()
        .unwrap()
        .from = ObjectRef {
        kind: "DockerImage".to_owned(),
        name: BUILDER.to_owned(),
        namespace: String::new(),
    };
    build.status.output_docker_image_reference = format!("{REGISTRY}/p/x:latest");
    let pod = pod_name(&build.metadata.name);
    build
        .metadata
        .annotations
        .insert(BUILD_POD_NAME.to_owned(), pod);
    build.status.phase = phase;
    build.status.start_timestamp = Some(Timestamp::from_second(1_799_999_990));
    build
}

fn pod(build: &Build, phase: PodPhase, message: &str) -> Pod {
    let mut pod = make_pod(build);
    pod.status.phase = phase;
    pod.status.container_statuses = vec![ContainerStatus {
        state: ContainerState {
            terminated: Some(Terminated {
                message: message.to_owned(),
                ..Terminated::default()
            }),
            ..ContainerState::default()
        },
        ..ContainerStatus::default()
    }];
    pod
}

fn streams(world: &mut World) {
    for (namespace, name) in [(SHARED_NAMESPACE, "python"), ("p", "x")] {
        let mut stream = ImageStream::default();
        stream.status.tags = vec![TagHistory {
            tag: "latest".to_owned(),
            items: vec![TagItem {
                docker_image_reference: BUILDER.to_owned(),
                ..TagItem::default()
            }],
            ..TagHistory::default()
        }];
        world.put(&Key::new(namespace, name), Some(Arc::new(stream)), now());
    }
}

fn world(builds: &[Build], pods: &[Pod]) -> World {
    let mut world = World::default();
    for build in builds {
        world.put(&build.metadata.key(), Some(Arc::new(build.clone())), now());
    }
    for pod in pods {
        world.put(&pod.metadata.key(), Some(Arc::new(pod.clone())), now());
    }
    world
}

fn decide(world: &World, name: &str) -> Decision {
    Builds.decide(&Key::new("p", name), world, now())
}

fn patched(decision: &Decision) -> &Value {
    match decision.changes.last() {
        Some(Change::Patch { merge, .. }) => merge,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_build_is_resolved_then_gets_its_pod() {
    let mut around = world(&[build(1, "Serial")], &[]);
    streams(&mut around);
    let decision = decide(&around, "x-1");
    let merge = patched(&decision);
    assert_eq!(
        merge["spec"]["strategy"]["sourceStrategy"]["from"]["name"],
        BUILDER
    );
    assert_eq!(
        merge["status"]["outputDockerImageReference"],
        format!("{REGISTRY}/p/x:latest")
    );
    let mut around = world(&[resolved(1, BuildPhase::New)], &[]);
    streams(&mut around);
    let decision = decide(&around, "x-1");
    let Change::Create { object, .. } = &decision.changes[0] else {
        panic!("{decision:?}")
    };
    assert_eq!(object["metadata"]["name"], "x-1-build");
    assert_eq!(object["metadata"]["labels"][BUILD_NAME], "x-1");
    assert_eq!(object["spec"]["restartPolicy"], "Never");
    let told = object["spec"]["containers"][0]["env"][0]["value"]
        .as_str()
        .unwrap();
    let told: Build = serde_json::from_str(told).unwrap();
    assert_eq!(told.metadata.name, "x-1");
    assert_eq!(patched(&decision)["status"]["phase"], "Pending");
}

#[test]
fn what_cannot_be_resolved_is_said_once_and_holds_up_nobody() {
    let around = world(&[build(1, "Serial")], &[]);
    let decision = decide(&around, "x-1");
    assert_eq!(
        patched(&decision)["status"]["reason"],
        "InvalidImageReference"
    );
    let message = patched(&decision)["status"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(message.contains("no ImageStreamTag python:latest in namespace openshift"));
    let mut told = build(1, "Serial");
    told.status.reason = "InvalidImageReference".to_owned();
    told.status.message = message;
    let around = world(&[told, resolved(2, BuildPhase::New)], &[]);
    assert_eq!(decide(&around, "x-1"), Decision::nothing());
    assert!(!decide(&around, "x-2").changes.is_empty());
}

#[test]
fn builds_of_a_config_take_turns() {
    let running = |policy: &str| {
        let mut running = build(1, policy);
        running.status.phase = BuildPhase::Running;
        running
    };
    for (policy, others, expected) in [
        ("Serial", vec![], "goes"),
        ("Serial", vec![running("Serial")], "waits"),
        ("Serial", vec![build(1, "Serial")], "waits"),
        ("Serial", vec![build(3, "Serial")], "goes"),
        ("Parallel", vec![running("Parallel")], "goes"),
        ("Parallel", vec![running("Serial")], "waits"),
        (
            "SerialLatestOnly",
            vec![build(3, "SerialLatestOnly")],
            "never",
        ),
        (
            "SerialLatestOnly",
            vec![running("SerialLatestOnly")],
            "waits",
        ),
    ] {
        let mut builds = others;
        builds.push(build(2, policy));
        let came = match turn(&build(2, policy), &world(&builds, &[])) {
            Turn::Now => "goes",
            Turn::Later => "waits",
            Turn::Never => "never",
        };
        assert_eq!(came, expected, "{policy} {builds:?}");
    }
}

#[test]
fn the_pod_s_end_is_the_build_s() {
    let running = resolved(1, BuildPhase::Running);
    let told = r#"{"imageDigest":"sha256:2","revision":{"type":"Git","git":{"commit":"c",
        "author":{"name":"a","email":"e"},"committer":{"name":"a","email":"e"},"message":"m"}}}"#;
    let done = pod(&running, PodPhase::Succeeded, told);
    let decision = decide(&world(std::slice::from_ref(&running), &[done]), "x-1");
    let merge = patched(&decision);
    assert_eq!(merge["status"]["phase"], "Complete");
    assert_eq!(merge["status"]["duration"], 10_000_000_000_u64);
    assert_eq!(merge["status"]["output"]["to"]["imageDigest"], "sha256:2");
    assert_eq!(merge["spec"]["revision"]["git"]["commit"], "c");
    assert_eq!(
        decision.notes[0].message,
        "Build p/x-1 completed successfully"
    );

    let told = r#"{"reason":"AssembleFailed","message":"m","logSnippet":"l"}"#;
    let failed = pod(&running, PodPhase::Failed, told);
    let decision = decide(&world(std::slice::from_ref(&running), &[failed]), "x-1");
    let status = &patched(&decision)["status"];
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&json!("Failed"), &json!("AssembleFailed"))
    );
    assert_eq!(status["logSnippet"], "l");

    let silent = pod(&running, PodPhase::Failed, "");
    let decision = decide(&world(std::slice::from_ref(&running), &[silent]), "x-1");
    assert_eq!(patched(&decision)["status"]["reason"], "GenericBuildFailed");

    let decision = decide(&world(&[running], &[]), "x-1");
    let status = &patched(&decision)["status"];
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&json!("Error"), &json!("BuildPodDeleted"))
    );
}

#[test]
fn a_cancelled_build_takes_its_pod_along() {
    let mut cancelled = resolved(1, BuildPhase::Running);
    cancelled.status.cancelled = true;
    let running = pod(&cancelled, PodPhase::Running, "");
    let decision = decide(&world(std::slice::from_ref(&cancelled), &[running]), "x-1");
    assert!(matches!(decision.changes[0], Change::Delete { .. }));
    assert_eq!(patched(&decision)["status"]["phase"], "Cancelled");
    assert_eq!(patched(&decision)["status"]["reason"], "CancelledBuild");
    let done = pod(&cancelled, PodPhase::Succeeded, "{}");
    let decision = decide(&world(&[cancelled.clone()], &[done]), "x-1");
    assert_eq!(patched(&decision)["status"]["phase"], "Complete");
    let decision = decide(&world(&[cancelled], &[]), "x-1");
    assert_eq!(decision.changes.len(), 1);
}

#[test]
fn a_pod_of_somebody_else_is_left_alone() {
    let new = resolved(1, BuildPhase::New);
    let mut foreign = pod(&new, PodPhase::Running, "");
    foreign.metadata.owner_references.clear();
    let mut around = world(&[new], &[foreign]);
    streams(&mut around);
    let decision = decide(&around, "x-1");
    let status = &patched(&decision)["status"];
    assert_eq!(
        (&status["phase"], &status["reason"]),
        (&json!("Error"), &json!("BuildPodExists"))
    );
}
