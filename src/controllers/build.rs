//! Builds: one pod each, when its turn has come; what became of the pod is what became of the build.
//!
//! References are resolved and written down before the pod is made, so that a repetition makes the same pod. The node
//! does the rest (`agent::build`) and says how it ended by an [`Outcome`]. Nothing here knows what a build does.
//!
//! Sources: facts/oc.md 6.1, 6.2; openshift-controller-manager `pkg/build/controller/build/build_controller.go`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::BUILD_NAME;
use crate::api::build::BUILD_POD_NAME;
use crate::api::build::BUILD_POLICY;
use crate::api::build::BUILD_VARIABLE;
use crate::api::build::Build;
use crate::api::build::BuildPhase;
use crate::api::build::ObjectRef;
use crate::api::build::Outcome;
use crate::api::image::REGISTRY;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::image::split_tag;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::pod::Container;
use crate::api::pod::EnvVar;
use crate::api::pod::Pod;
use crate::api::pod::PodPhase;
use crate::api::pod::PodSpec;
use crate::api::pod::RestartPolicy;
use crate::base::clock::Timestamp;
use crate::controllers::build_config;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::build::DEFAULT_POLICY;
use crate::plan::build::pod_name;

/// The name of a build pod's container.
const CONTAINER: &str = "sti-build";
/// The longest value a label may have.
const LONGEST_LABEL: usize = 63;

/// The controller of builds.
pub(crate) struct Builds;

impl Controller for Builds {
    const NAME: &'static str = "build";

    fn watches() -> &'static [Watch] {
        &[
            Watch {
                kind: &kinds::BUILD,
                keys: itself_and_those_behind,
            },
            Watch {
                kind: &kinds::POD,
                keys: its_build,
            },
            Watch {
                kind: &kinds::IMAGE_STREAM,
                keys: unresolved,
            },
        ]
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(build) = world.builds.find(key) else {
            return Decision::nothing();
        };
        if build.metadata.is_deleting() || build.status.phase.is_final() {
            return Decision::nothing();
        }
        let pod = world.pods.find(&pod_key(build)).map(|pod| &**pod);
        if build.status.cancelled {
            return cancel(build, pod, now);
        }
        match build.status.phase {
            BuildPhase::New => begin(build, pod, world, now),
            _ => follow(build, pod, now),
        }
    }
}

/// A build that ended, was cancelled or is new may let another one of its config begin.
fn itself_and_those_behind(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let mut keys = vec![touched.key.clone()];
    if let Some(config) = touched.metadata.annotations.get(BUILD_CONFIG_NAME) {
        let config = Key::new(&touched.key.namespace, config);
        let new = build_config::builds_of(&config, world)
            .into_iter()
            .filter(|build| build.status.phase == BuildPhase::New)
            .map(|build| build.metadata.key());
        keys.extend(new);
    }
    keys
}

fn its_build(_: &World, touched: &Touched<'_>) -> Vec<Key> {
    let name = touched.metadata.annotations.get(BUILD_NAME);
    name.map(|name| Key::new(&touched.key.namespace, name))
        .into_iter()
        .collect()
}

/// Builds that have not begun: a stream may be what they wait for.
fn unresolved(world: &World, touched: &Touched<'_>) -> Vec<Key> {
    let namespace = touched.key.namespace.as_str();
    let builds: Vec<_> = if namespace == SHARED_NAMESPACE {
        world.builds.all().collect()
    } else {
        world.builds.in_namespace(namespace).collect()
    };
    let new = builds
        .into_iter()
        .filter(|build| build.status.phase == BuildPhase::New);
    new.map(|build| build.metadata.key()).collect()
}

fn pod_key(build: &Build) -> Key {
    Key::new(&build.metadata.namespace, pod_name(&build.metadata.name))
}

fn is_own(build: &Build, pod: &Pod) -> bool {
    pod.controller() == Some(build.metadata.uid.as_str())
}

/// A build that is not to go on: its pod goes, whatever it is doing. One that made it in time is complete.
fn cancel(build: &Build, pod: Option<&Pod>, now: Timestamp) -> Decision {
    let own = pod.filter(|pod| is_own(build, pod));
    if let Some(pod) = own.filter(|pod| pod.status.phase == PodPhase::Succeeded) {
        return end(build, BuildPhase::Complete, &outcome(pod), now);
    }
    let outcome = Outcome {
        reason: "CancelledBuild".to_owned(),
        message: "The build was cancelled by the user.".to_owned(),
        ..Outcome::default()
    };
    let mut decision = end(build, BuildPhase::Cancelled, &outcome, now);
    if let Some(pod) = own.filter(|pod| !pod.metadata.is_deleting() && !pod.is_over()) {
        decision.changes.insert(0, Change::delete(pod));
    }
    decision
}

/// What stands in the way of a new build.
enum Turn {
    Now,
    Later,
    /// A newer one of its config takes its place.
    Never,
}

fn turn(build: &Build, world: &World) -> Turn {
    let Some(config) = build.metadata.annotations.get(BUILD_CONFIG_NAME) else {
        return Turn::Now;
    };
    let policy = |build: &Build| -> String {
        let label = build.metadata.labels.get(BUILD_POLICY);
        label.map_or(DEFAULT_POLICY, String::as_str).to_owned()
    };
    let own = policy(build);
    let config = Key::new(&build.metadata.namespace, config);
    let others = build_config::builds_of(&config, world);
    let others = others
        .into_iter()
        .filter(|other| other.metadata.uid != build.metadata.uid && !other.status.phase.is_final());
    let (before, after): (Vec<&Build>, Vec<&Build>) =
        others.partition(|other| build_config::number(other) < build_config::number(build));
    let is_new = |other: &&Build| other.status.phase == BuildPhase::New;
    if own == "SerialLatestOnly" && after.iter().any(is_new) {
        return Turn::Never;
    }
    // One that cannot begin whatever happens before it holds up nobody.
    let holds_up = |other: &&Build| {
        let is_stuck = other.status.phase == BuildPhase::New && !other.status.reason.is_empty();
        !is_stuck && (own != "Parallel" || policy(other) != "Parallel")
    };
    let is_running = after.iter().any(|other| !is_new(other) && holds_up(other));
    if is_running || before.iter().any(holds_up) {
        return Turn::Later;
    }
    Turn::Now
}

fn begin(build: &Build, pod: Option<&Pod>, world: &World, now: Timestamp) -> Decision {
    match turn(build, world) {
        Turn::Now => {}
        Turn::Later => return Decision::nothing(),
        Turn::Never => {
            return Decision::one(Change::patch(build, json!({"status": {"cancelled": true}})));
        }
    }
    let resolved = match resolve(build, world) {
        Ok(resolved) => resolved,
        Err((reason, message)) => return stuck(build, reason, &message),
    };
    // Written down before the pod is made: it gets its Build in its environment.
    if let Some(merge) = resolved.merge(build) {
        return Decision::one(Change::patch(build, merge));
    }
    if let Some(foreign) = pod.filter(|pod| !is_own(build, pod)) {
        let outcome = Outcome {
            reason: "BuildPodExists".to_owned(),
            message: format!(
                "The pod {} for this build already exists and is not its own.",
                foreign.metadata.name
            ),
            ..Outcome::default()
        };
        return end(build, BuildPhase::Error, &outcome, now);
    }
    let pending = json!({"status": {
        "phase": BuildPhase::Pending,
        "reason": Value::Null,
        "message": Value::Null,
        "startTimestamp": now,
    }});
    Decision {
        changes: vec![
            Change::create(&make_pod(build)),
            Change::patch(build, pending),
        ],
        ..Decision::default()
    }
}

/// A build that waits for something outside says for what, once.
fn stuck(build: &Build, reason: &str, message: &str) -> Decision {
    if build.status.reason == reason && build.status.message == message {
        return Decision::nothing();
    }
    let merge = json!({"status": {"reason": reason, "message": message}});
    Decision::one(Change::patch(build, merge)).noting(Note::warning(build, reason, message))
}

/// A build's references in full.
struct Resolved {
    from: ObjectRef,
    output: String,
    pod: String,
}

impl Resolved {
    /// What of it the Build does not say yet.
    fn merge(&self, build: &Build) -> Option<Value> {
        let strategy = build.spec.common.strategy.source_strategy.as_ref()?;
        let is_known = strategy.from == self.from
            && build.status.output_docker_image_reference == self.output
            && build.metadata.annotations.get(BUILD_POD_NAME) == Some(&self.pod);
        let mut from = json!(self.from);
        // A merge keeps what it does not name.
        from["namespace"] = Value::Null;
        (!is_known).then(|| {
            json!({
                "metadata": {"annotations": {BUILD_POD_NAME: self.pod}},
                "spec": {"strategy": {"sourceStrategy": {"from": from}}},
                "status": {"outputDockerImageReference": self.output},
            })
        })
    }
}

fn resolve(build: &Build, world: &World) -> Result<Resolved, (&'static str, String)> {
    let common = &build.spec.common;
    let strategy = common.strategy.source_strategy.as_ref().ok_or_else(|| {
        let message = "Only builds with the strategy Source can be run.";
        ("CannotCreateBuildPodSpec", message.to_owned())
    })?;
    let namespace = &build.metadata.namespace;
    Ok(Resolved {
        from: builder(&strategy.from, namespace, world)?,
        output: match &common.output.to {
            Some(to) => output(to, namespace, world)?,
            None => String::new(),
        },
        pod: pod_name(&build.metadata.name),
    })
}

fn builder(
    from: &ObjectRef,
    namespace: &str,
    world: &World,
) -> Result<ObjectRef, (&'static str, String)> {
    let name = match from.kind.as_str() {
        "DockerImage" => Some(from.name.clone()),
        "ImageStreamImage" => from.name.split_once('@').map(|(stream, digest)| {
            let namespace = or(&from.namespace, namespace);
            format!("{REGISTRY}/{namespace}/{stream}@{digest}")
        }),
        _ => build_config::latest(from, namespace, world),
    };
    let name = name.ok_or_else(|| {
        let message = format!(
            "Referenced image could not be resolved: there is no {} {} in namespace {}.",
            from.kind,
            from.name,
            or(&from.namespace, namespace)
        );
        ("InvalidImageReference", message)
    })?;
    Ok(ObjectRef {
        kind: "DockerImage".to_owned(),
        name,
        namespace: String::new(),
    })
}

fn output(
    to: &ObjectRef,
    namespace: &str,
    world: &World,
) -> Result<String, (&'static str, String)> {
    if to.kind == "DockerImage" {
        return Ok(to.name.clone());
    }
    let namespace = or(&to.namespace, namespace);
    let (stream, tag) = split_tag(&to.name);
    let key = Key::new(namespace, stream);
    if world.image_streams.find(&key).is_none() {
        let message = format!(
            "Output image could not be resolved: there is no image stream {stream} in namespace {namespace}."
        );
        return Err(("InvalidOutputReference", message));
    }
    Ok(format!("{REGISTRY}/{namespace}/{stream}:{tag}"))
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn make_pod(build: &Build) -> Pod {
    let name = &build.metadata.name;
    let common = &build.spec.common;
    let strategy = common.strategy.source_strategy.as_ref();
    let label = &name[..name.len().min(LONGEST_LABEL)];
    let label = label.trim_end_matches(['-', '.']).to_owned();
    Pod {
        metadata: Metadata {
            name: pod_name(name),
            namespace: build.metadata.namespace.clone(),
            labels: BTreeMap::from([(BUILD_NAME.to_owned(), label)]),
            annotations: BTreeMap::from([(BUILD_NAME.to_owned(), name.clone())]),
            owner_references: vec![build.as_owner()],
            ..Metadata::default()
        },
        spec: PodSpec {
            containers: vec![Container {
                name: CONTAINER.to_owned(),
                image: strategy.map_or_else(String::new, |one| one.from.name.clone()),
                env: vec![EnvVar {
                    name: BUILD_VARIABLE.to_owned(),
                    value: build.to_object().to_string(),
                    value_from: None,
                }],
                ..Container::default()
            }],
            restart_policy: RestartPolicy::Never,
            host_network: Some(true),
            service_account_name: common.service_account.clone(),
            active_deadline_seconds: common.completion_deadline_seconds,
            node_selector: common.node_selector.clone().unwrap_or_default(),
            ..PodSpec::default()
        },
        ..Pod::default()
    }
}

/// A build whose pod was made.
fn follow(build: &Build, pod: Option<&Pod>, now: Timestamp) -> Decision {
    let Some(pod) = pod.filter(|pod| is_own(build, pod)) else {
        return pod_deleted(build, now);
    };
    match pod.status.phase {
        PodPhase::Succeeded => end(build, BuildPhase::Complete, &outcome(pod), now),
        _ if pod.metadata.is_deleting() => pod_deleted(build, now),
        PodPhase::Failed => end(build, BuildPhase::Failed, &outcome(pod), now),
        PodPhase::Running if build.status.phase != BuildPhase::Running => {
            let merge = json!({"status": {"phase": BuildPhase::Running}});
            let message = format!("Build {} is now running", build.metadata.key());
            Decision::one(Change::patch(build, merge)).noting(Note::normal(
                build,
                "BuildStarted",
                message,
            ))
        }
        _ => Decision::nothing(),
    }
}

fn pod_deleted(build: &Build, now: Timestamp) -> Decision {
    let outcome = Outcome {
        reason: "BuildPodDeleted".to_owned(),
        message: "The pod for this build was deleted before the build completed.".to_owned(),
        ..Outcome::default()
    };
    end(build, BuildPhase::Error, &outcome, now)
}

/// How a pod that is over says its build ended.
fn outcome(pod: &Pod) -> Outcome {
    let mut statuses = pod.status.container_statuses.iter();
    let terminated = statuses.find_map(|one| one.state.terminated.as_ref());
    let told = terminated.and_then(|one| serde_json::from_str::<Outcome>(&one.message).ok());
    let is_failed = pod.status.phase == PodPhase::Failed;
    match told {
        Some(told) if !(is_failed && told.reason.is_empty()) => told,
        _ if !is_failed => Outcome::default(),
        _ => untold(pod, terminated.map_or("", |one| one.reason.as_str())),
    }
}

/// A failure that the build itself could not tell of.
fn untold(pod: &Pod, reason: &str) -> Outcome {
    let (reason, message) = match (reason, pod.status.reason.as_str()) {
        ("OOMKilled", _) => (
            "OutOfMemoryKilled",
            "The build pod was killed due to an out of memory condition.".to_owned(),
        ),
        ("DeadlineExceeded", _) | (_, "DeadlineExceeded") => (
            "GenericBuildFailed",
            "The build took longer than its completionDeadlineSeconds.".to_owned(),
        ),
        (_, "Evicted") => (
            "BuildPodEvicted",
            "The pod for this build was evicted.".to_owned(),
        ),
        _ if pod.status.message.is_empty() => (
            "GenericBuildFailed",
            "Generic Build failure - check logs for details.".to_owned(),
        ),
        _ => ("GenericBuildFailed", pod.status.message.clone()),
    };
    Outcome {
        reason: reason.to_owned(),
        message,
        ..Outcome::default()
    }
}

/// The last thing that happens to a build.
fn end(build: &Build, phase: BuildPhase, outcome: &Outcome, now: Timestamp) -> Decision {
    let start = build.status.start_timestamp;
    let duration = start.map_or(Duration::ZERO, |start| now.since(start));
    let mut status = json!({
        "phase": phase,
        "reason": or_null(&outcome.reason),
        "message": or_null(&outcome.message),
        "startTimestamp": start.unwrap_or(now),
        "completionTimestamp": now,
        "duration": u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        "stages": outcome.stages,
        "logSnippet": or_null(&outcome.log_snippet),
    });
    if !outcome.image_digest.is_empty() {
        status["output"] = json!({"to": {"imageDigest": outcome.image_digest}});
    }
    let mut merge = json!({ "status": status });
    // What was really built says more than the commit that was asked for.
    if outcome.revision.is_some() && build.spec.common.revision != outcome.revision {
        merge["spec"] = json!({"revision": outcome.revision});
    }
    Decision::one(Change::patch(build, merge)).noting(ended(build, phase))
}

fn or_null(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

fn ended(build: &Build, phase: BuildPhase) -> Note {
    let name = build.metadata.key();
    match phase {
        BuildPhase::Complete => Note::normal(
            build,
            "BuildCompleted",
            format!("Build {name} completed successfully"),
        ),
        BuildPhase::Cancelled => Note::normal(
            build,
            "BuildCancelled",
            format!("Build {name} has been cancelled"),
        ),
        _ => Note::warning(build, "BuildFailed", format!("Build {name} failed")),
    }
}

#[cfg(test)]
mod tests;
