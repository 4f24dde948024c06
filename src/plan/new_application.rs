//! A new application's eleven steps (seed 003), read off the objects that tell of them; an update is the first nine.
//!
//! Nobody performs these steps as such: controllers, nodes and the registry each do their part and write it into their
//! own objects. This file only says how far that has come. The last two are the reader's own: it really asks the route.

use serde_json::Value;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::deployment::ANNOTATION_REASON;
use crate::api::deployment::ANNOTATION_VERSION;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::RolloutPhase;
use crate::api::image::ImageStream;
use crate::api::image::split_tag;
use crate::api::meta::Metadata;
use crate::api::network::Route;
use crate::api::pod::ContainerStatus;
use crate::api::pod::NO_FREE_PORT;
use crate::api::pod::Pod;
use crate::api::pod::PodPhase;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::plan::step;
use crate::plan::step::StepKind;

/// The steps in seed 003's order.
pub static STEPS: [&StepKind; 11] = [
    &step::CREATE_OBJECTS,
    &step::TRIGGER_BUILD,
    &step::INSTANTIATE_BUILD,
    &step::PUSH_IMAGE,
    &step::UPDATE_IMAGE_STREAM,
    &step::TRIGGER_DEPLOYMENT,
    &step::INSTANTIATE_DEPLOYMENT,
    &step::CREATE_REPLICATION_CONTROLLER,
    &step::DEPLOY_PODS,
    &step::REQUEST_ROUTE,
    &step::RETURN_RESPONSE,
];

/// Annotation of a Deployment's `ReplicaSet`: which revision it is.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// What a container waits for in vain: nothing but a change of the application or its image helps.
const HOPELESS: [&str; 7] = [
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerError",
    "CreateContainerConfigError",
    "ContainerCannotRun",
];

/// What is wanted of the application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// It is built from source; the number of the first build that counts.
    pub build: Option<u64>,
    /// It has a route.
    pub route: bool,
}

/// What became of the request that the reader sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Request {
    #[default]
    NotSent,
    Sent,
    /// `200 OK after 3ms`.
    Answered(String),
    Failed(String),
}

/// The objects of one application, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    pub wanted: Wanted,
    pub build_config: Option<BuildConfig>,
    pub builds: Vec<Build>,
    pub image_stream: Option<ImageStream>,
    pub deployment_config: Option<DeploymentConfig>,
    pub replication_controllers: Vec<ReplicationController>,
    pub deployment: Option<Deployment>,
    pub replica_sets: Vec<ReplicaSet>,
    pub pods: Vec<Pod>,
    pub route: Option<Route>,
    pub request: Request,
}

/// The newest version of the pods, from a deployment config or a deployment.
struct Version<'a> {
    /// 0 before the first.
    number: u64,
    controller: Option<Controller<'a>>,
}

/// What keeps the pods of a version.
struct Controller<'a> {
    metadata: &'a Metadata,
    template: &'a Value,
    phase: RolloutPhase,
    reason: String,
    wanted: u32,
}

/// How far one step is, apart from those before it.
struct Stand {
    phase: StepPhase,
    reason: String,
    message: String,
}

impl Stand {
    fn of(phase: StepPhase) -> Stand {
        Stand {
            phase,
            reason: String::new(),
            message: String::new(),
        }
    }

    fn done_if(done: bool) -> Stand {
        Stand::of(if done {
            StepPhase::Done
        } else {
            StepPhase::Running
        })
    }

    fn failed(reason: impl Into<String>, message: impl Into<String>) -> Stand {
        Stand {
            phase: StepPhase::Failed,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn running(message: impl Into<String>) -> Stand {
        Stand {
            phase: StepPhase::Running,
            reason: String::new(),
            message: message.into(),
        }
    }

    fn skipped(reason: &str) -> Stand {
        Stand {
            phase: StepPhase::Skipped,
            reason: reason.to_owned(),
            message: String::new(),
        }
    }
}

/// How far every step is. A step begins when all before it are done, and nothing follows one that failed.
pub fn read(scene: &Scene) -> Vec<StepStatus> {
    let mut open = true;
    STEPS
        .iter()
        .map(|kind| {
            let stand = if open {
                stand(scene, kind)
            } else {
                Stand::of(StepPhase::Waiting)
            };
            open = open && matches!(stand.phase, StepPhase::Done | StepPhase::Skipped);
            StepStatus {
                name: kind.name.to_owned(),
                phase: stand.phase,
                reason: stand.reason,
                message: stand.message,
                ..StepStatus::default()
            }
        })
        .collect()
}

fn stand(scene: &Scene, kind: &StepKind) -> Stand {
    let builds = scene.wanted.build.is_some();
    match kind.name {
        "CreateObjects" => Stand::done_if(scene.has_objects()),
        "TriggerBuild" | "InstantiateBuild" | "PushImage" | "UpdateImageStream" if !builds => {
            Stand::skipped("NoBuild")
        }
        "TriggerBuild" => Stand::done_if(scene.is_build_triggered()),
        "InstantiateBuild" => scene.building(),
        "PushImage" => scene.pushing(),
        "UpdateImageStream" => Stand::done_if(scene.is_image_named()),
        "TriggerDeployment" => Stand::done_if(scene.is_deployment_triggered()),
        "InstantiateDeployment" => Stand::done_if(scene.is_version_begun()),
        "CreateReplicationController" => Stand::done_if(scene.controller().is_some()),
        "DeployPods" => scene.deploying(),
        "RequestRoute" | "ReturnResponse" if !scene.wanted.route => Stand::skipped("NoRoute"),
        "RequestRoute" => scene.asking(),
        _ => scene.answering(),
    }
}

impl Scene {
    /// The newest build that counts.
    pub fn build(&self) -> Option<&Build> {
        let first = self.wanted.build?;
        let counts = |build: &&Build| number(build) >= first;
        self.builds
            .iter()
            .filter(counts)
            .max_by_key(|build| number(build))
    }

    /// A pod of the newest version that will not get better by waiting, and why.
    pub fn hopeless_pod(&self) -> Option<(&Pod, String, String)> {
        let why = |pod| hopeless(pod).or_else(|| self.shut_out(pod));
        self.pods_of_version()
            .find_map(|pod| why(pod).map(|(reason, message)| (pod, reason, message)))
    }

    /// Whether another application's pod holds its port on every node; one's own make room.
    fn shut_out(&self, pod: &Pod) -> Option<(String, String)> {
        let why = unscheduled(pod).filter(|why| why.contains(NO_FREE_PORT))?;
        let controllers = self.replication_controllers.iter().map(|one| &one.metadata);
        let controllers = controllers.chain(self.replica_sets.iter().map(|one| &one.metadata));
        let own: Vec<&str> = controllers.map(|one| one.uid.as_str()).collect();
        let mut pods = self.pods.iter();
        let makes_room = why.contains("is ending")
            || pods.any(|pod| {
                let is_named = why.contains(&format!("held by pod {},", pod.metadata.key()));
                is_named && pod.controller().is_some_and(|uid| own.contains(&uid))
            });
        (!makes_room).then(|| ("PortTaken".to_owned(), why))
    }

    fn has_objects(&self) -> bool {
        let workload = self.deployment_config.is_some() || self.deployment.is_some();
        let build = self.wanted.build.is_none() || self.build_config.is_some();
        workload && build && (!self.wanted.route || self.route.is_some())
    }

    fn is_build_triggered(&self) -> bool {
        let first = self.wanted.build.unwrap_or_default();
        let counted = self
            .build_config
            .as_ref()
            .is_some_and(|one| one.status.last_version >= first);
        counted || self.build().is_some()
    }

    fn building(&self) -> Stand {
        let Some(build) = self.build() else {
            return Stand::running("");
        };
        let status = &build.status;
        match status.phase {
            BuildPhase::Complete => Stand::of(StepPhase::Done),
            BuildPhase::New | BuildPhase::Pending | BuildPhase::Running => {
                Stand::running(if status.message.is_empty() {
                    status.reason.clone()
                } else {
                    status.message.clone()
                })
            }
            _ if is_push_failure(build) => Stand::of(StepPhase::Done),
            phase => Stand::failed(or(&status.reason, &format!("{phase:?}")), &status.message),
        }
    }

    fn pushing(&self) -> Stand {
        match self.build() {
            Some(build) if is_push_failure(build) => {
                Stand::failed(&build.status.reason, &build.status.message)
            }
            _ => Stand::of(StepPhase::Done),
        }
    }

    /// The digest of the image that the build made.
    fn digest(&self) -> Option<&str> {
        let output = self.build()?.status.output.as_ref()?;
        output["to"]["imageDigest"]
            .as_str()
            .filter(|digest| !digest.is_empty())
    }

    fn is_image_named(&self) -> bool {
        let (Some(stream), Some(build)) = (&self.image_stream, self.build()) else {
            return false;
        };
        let to = build.spec.common.output.to.as_ref();
        let (_, tag) = split_tag(to.map_or("", |to| to.name.as_str()));
        let mut tags = stream.status.tags.iter();
        let Some(history) = tags.find(|one| one.tag == tag) else {
            return false;
        };
        match self.digest() {
            Some(digest) => history.items.iter().any(|item| item.image == digest),
            None => !history.items.is_empty(),
        }
    }

    /// Whether a template runs the image that was built; a version made by hand may run another, later one.
    fn runs_image(&self, template: &Value) -> bool {
        let Some(digest) = self.digest() else {
            return true;
        };
        let containers = template["spec"]["containers"].as_array();
        containers.into_iter().flatten().any(|one| {
            one["image"]
                .as_str()
                .is_some_and(|image| image.ends_with(digest))
        })
    }

    fn is_deployment_triggered(&self) -> bool {
        match (&self.deployment_config, &self.deployment) {
            (Some(config), _) => self.runs_image(&config.spec.template),
            (None, Some(deployment)) => self.runs_image(&deployment.spec.template),
            (None, None) => false,
        }
    }

    fn version(&self) -> Option<Version<'_>> {
        match (&self.deployment_config, &self.deployment) {
            (Some(config), _) => Some(self.version_of_config(config)),
            (None, Some(deployment)) => Some(self.version_of_deployment(deployment)),
            (None, None) => None,
        }
    }

    fn version_of_config(&self, config: &DeploymentConfig) -> Version<'_> {
        let number = config.status.latest_version;
        let wanted = config.spec.replicas;
        let mut all = self.replication_controllers.iter();
        let found = all.find(|one| annotated(&one.metadata, ANNOTATION_VERSION) == number);
        Version {
            number,
            controller: found.map(|one| Controller {
                metadata: &one.metadata,
                template: &one.spec.template,
                phase: RolloutPhase::of(&one.metadata),
                reason: one
                    .metadata
                    .annotations
                    .get(ANNOTATION_REASON)
                    .cloned()
                    .unwrap_or_default(),
                wanted,
            }),
        }
    }

    fn version_of_deployment(&self, deployment: &Deployment) -> Version<'_> {
        let newest = self
            .replica_sets
            .iter()
            .max_by_key(|one| annotated(&one.metadata, REVISION));
        let wanted = deployment.spec.replicas.unwrap_or(1);
        let status = &deployment.status;
        let seen = status.observed_generation >= deployment.metadata.generation;
        let is_complete = seen
            && status.updated_replicas >= wanted
            && status.available_replicas >= wanted
            && status.replicas == status.updated_replicas;
        let failed = status
            .conditions
            .iter()
            .find(|one| one.kind == "Progressing" && one.status == "False");
        Version {
            number: newest.map_or(0, |one| annotated(&one.metadata, REVISION).max(1)),
            controller: newest.map(|one| Controller {
                metadata: &one.metadata,
                template: &one.spec.template,
                phase: match (is_complete, failed) {
                    (true, _) => RolloutPhase::Complete,
                    (false, Some(_)) => RolloutPhase::Failed,
                    (false, None) => RolloutPhase::Running,
                },
                reason: failed.map_or_else(String::new, |one| one.message.clone()),
                wanted,
            }),
        }
    }

    fn is_version_begun(&self) -> bool {
        self.version().is_some_and(|version| {
            let of_another_image = version
                .controller
                .as_ref()
                .is_some_and(|one| !self.runs_image(one.template));
            version.number > 0 && !of_another_image
        })
    }

    /// What keeps the pods of the image that was built.
    fn controller(&self) -> Option<Controller<'_>> {
        self.version()?
            .controller
            .filter(|one| self.runs_image(one.template))
    }

    fn pods_of_version(&self) -> impl Iterator<Item = &Pod> {
        let uid = self.controller().map(|one| one.metadata.uid.clone());
        self.pods
            .iter()
            .filter(move |pod| uid.is_some() && pod.controller() == uid.as_deref())
    }

    fn deploying(&self) -> Stand {
        let Some(controller) = self.controller() else {
            return Stand::running("");
        };
        if controller.phase == RolloutPhase::Complete {
            return Stand::of(StepPhase::Done);
        }
        if let Some((pod, reason, message)) = self.hopeless_pod() {
            return Stand::failed(reason, format!("pod/{}: {message}", pod.metadata.name));
        }
        if controller.phase == RolloutPhase::Failed {
            return Stand::failed(
                "DeploymentFailed",
                or(&controller.reason, "the rollout failed"),
            );
        }
        let ready = self.pods_of_version().filter(|pod| pod.is_ready()).count();
        let unplaced = self.pods_of_version().find_map(|pod| {
            unscheduled(pod).map(|why| format!("pod/{} has no node: {why}", pod.metadata.name))
        });
        let silent = self.pods_of_version().find_map(|pod| {
            let why = pod.not_listening()?;
            Some(format!(": pod/{}: {why}", pod.metadata.name))
        });
        Stand::running(unplaced.unwrap_or_else(|| {
            let why = silent.unwrap_or_default();
            format!("{ready} of {} ready{why}", controller.wanted)
        }))
    }

    fn asking(&self) -> Stand {
        let Some(route) = &self.route else {
            return Stand::running("");
        };
        let refused = route
            .status
            .ingress
            .iter()
            .flat_map(|one| &one.conditions)
            .find(|one| one.kind == "Admitted" && one.status == "False");
        match (&self.request, refused) {
            (_, Some(why)) if !route.is_admitted() => Stand::failed(&why.reason, &why.message),
            _ if !route.is_admitted() => Stand::running("no router has taken the route yet"),
            (Request::NotSent, _) => Stand::running(""),
            _ => Stand::of(StepPhase::Done),
        }
    }

    fn answering(&self) -> Stand {
        match &self.request {
            Request::Answered(what) => Stand {
                phase: StepPhase::Done,
                reason: String::new(),
                message: what.clone(),
            },
            Request::Failed(why) => Stand::failed("NoAnswer", why),
            Request::NotSent | Request::Sent => Stand::running(""),
        }
    }
}

fn number(build: &Build) -> u64 {
    annotated(&build.metadata, crate::api::build::BUILD_NUMBER)
}

fn annotated(metadata: &Metadata, annotation: &str) -> u64 {
    let text = metadata.annotations.get(annotation);
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn is_push_failure(build: &Build) -> bool {
    build.status.phase.is_final() && build.status.reason == "PushImageToRegistryFailed"
}

fn or(text: &str, other: &str) -> String {
    if text.is_empty() { other } else { text }.to_owned()
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let mut conditions = pod.status.conditions.iter();
    conditions
        .find(|one| one.kind == "PodScheduled" && one.status == "False")
        .map(|one| one.message.clone())
}

/// Why a pod will not get better by waiting.
fn hopeless(pod: &Pod) -> Option<(String, String)> {
    if pod.status.phase == PodPhase::Failed {
        let reason = or(&pod.status.reason, "PodFailed");
        return Some((reason, or(&pod.status.message, "it failed")));
    }
    pod.status.container_statuses.iter().find_map(stuck)
}

fn stuck(container: &ContainerStatus) -> Option<(String, String)> {
    let ended = container
        .state
        .terminated
        .as_ref()
        .or(container.last_state.terminated.as_ref());
    let why = ended.map_or_else(String::new, |ended| match ended.signal {
        Some(signal) => format!("ended by signal {signal}"),
        // The node knows the cause; the application's own last lines follow it.
        None if ended.reason == "PortTaken" => {
            let mut lines = ended.message.lines();
            lines.next().unwrap_or_default().to_owned()
        }
        None => format!("ended with exit code {}", ended.exit_code),
    });
    if let Some(waiting) = &container.state.waiting
        && HOPELESS.contains(&waiting.reason.as_str())
    {
        let message = if ended.is_some() {
            why
        } else {
            waiting.message.clone()
        };
        return Some((waiting.reason.clone(), message));
    }
    // Started again and ended again: the back-off is only a moment away.
    let again = container.state.terminated.is_some() && container.restart_count > 0;
    again.then(|| ("CrashLoopBackOff".to_owned(), why))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    fn view<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }

    const DIGEST: &str = "sha256:abc";

    fn template(image: &str) -> Value {
        json!({"spec": {"containers": [{"name": "app", "image": image}]}})
    }

    /// A scene in which the first `steps` steps are done.
    pub(crate) fn scene(steps: usize) -> Scene {
        let mut scene = Scene {
            wanted: Wanted {
                build: Some(1),
                route: true,
            },
            ..Scene::default()
        };
        let at_least = |step| steps >= step;
        if at_least(1) {
            scene.build_config = Some(BuildConfig::default());
            scene.deployment_config = Some(view(
                json!({"spec": {"replicas": 1, "template": template(" ")}}),
            ));
            scene.route = Some(Route::default());
            scene.image_stream = Some(ImageStream::default());
        }
        if at_least(2) {
            scene.build_config = Some(view(json!({"status": {"lastVersion": 1}})));
        }
        if at_least(3) {
            scene.builds = vec![view(json!({
                "metadata": {"annotations": {"openshift.io/build.number": "1"}},
                "spec": {"output": {"to": {"kind": "ImageStreamTag", "name": "app:latest"}}},
                "status": {"phase": "Complete", "output": {"to": {"imageDigest": DIGEST}}},
            }))];
        }
        if at_least(5) {
            scene.image_stream = Some(view(json!({
                "status": {"tags": [{"tag": "latest", "items": [{"image": DIGEST}]}]},
            })));
        }
        let image = format!("registry/ns/app@{DIGEST}");
        if at_least(6) {
            scene.deployment_config = Some(view(json!({
                "spec": {"replicas": 1, "template": template(&image)},
                "status": {"latestVersion": i32::from(at_least(7))},
            })));
        }
        if at_least(8) {
            let phase = if at_least(9) { "Complete" } else { "Running" };
            scene.replication_controllers = vec![view(json!({
                "metadata": {"uid": "u", "annotations": {
                    "openshift.io/deployment-config.latest-version": "1",
                    "openshift.io/deployment.phase": phase,
                }},
                "spec": {"template": template(&image)},
            }))];
        }
        if at_least(10) {
            let admitted = json!({"type": "Admitted", "status": "True"});
            scene.route = Some(view(
                json!({"status": {"ingress": [{"conditions": [admitted]}]}}),
            ));
            scene.request = Request::Sent;
        }
        if at_least(11) {
            scene.request = Request::Answered("200 OK after 3ms".to_owned());
        }
        scene
    }

    fn done(scene: &Scene) -> usize {
        let steps = read(scene);
        steps
            .iter()
            .filter(|one| one.phase == StepPhase::Done)
            .count()
    }

    #[test]
    fn the_steps_are_those_of_the_seed_and_end_one_after_the_other() {
        for steps in 0..=11 {
            // A finished build has pushed its image.
            let expect = if steps == 3 { 4 } else { steps };
            assert_eq!(done(&scene(steps)), expect, "{steps}");
            let read = read(&scene(steps));
            let running = read.iter().filter(|one| one.phase == StepPhase::Running);
            assert_eq!(running.count(), usize::from(steps < 11), "{steps}");
        }
    }

    #[test]
    fn a_failed_build_is_where_it_ends() {
        for (reason, step) in [("AssembleFailed", 2), ("PushImageToRegistryFailed", 3)] {
            let mut scene = scene(3);
            scene.builds[0].status.phase = BuildPhase::Failed;
            reason.clone_into(&mut scene.builds[0].status.reason);
            let read = read(&scene);
            assert_eq!(read[step].phase, StepPhase::Failed, "{reason}");
            assert_eq!(read[step].reason, reason);
            assert!(
                read[step + 1..]
                    .iter()
                    .all(|one| one.phase == StepPhase::Waiting)
            );
        }
    }

    #[test]
    fn a_pod_that_cannot_run_ends_it_with_the_cause() {
        let mut scene = scene(8);
        scene.pods = vec![view(json!({
            "metadata": {"name": "app-1-abcde", "ownerReferences": [{"uid": "u", "controller": true}]},
            "status": {"phase": "Running", "containerStatuses": [{
                "restartCount": 1,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
            }]},
        }))];
        let read = read(&scene);
        assert_eq!(
            (
                read[8].phase,
                read[8].reason.as_str(),
                read[8].message.as_str()
            ),
            (
                StepPhase::Failed,
                "CrashLoopBackOff",
                "pod/app-1-abcde: ended with exit code 3"
            )
        );
    }

    #[test]
    fn a_port_that_another_application_holds_ends_it_and_one_s_own_pod_does_not() {
        let pod = |name: &str, owner: &str, more: Value| -> Pod {
            view(json!({
                "metadata": {"name": name, "namespace": "ns",
                             "ownerReferences": [{"uid": owner, "controller": true}]},
                "status": more,
            }))
        };
        let mut scene = scene(8);
        let why = format!(
            "0/1 nodes are available: 1 {NO_FREE_PORT} (port 8080 is held by pod ns/other, which listens on every \
             address)."
        );
        let unplaced = json!({"type": "PodScheduled", "status": "False", "message": why});
        scene.pods = vec![
            pod("app-1-a", "u", json!({"conditions": [unplaced]})),
            pod("other", "v", json!({})),
        ];
        let step = &read(&scene)[8];
        assert_eq!(
            (step.phase, step.reason.as_str()),
            (StepPhase::Failed, "PortTaken")
        );
        assert!(step.message.contains("ns/other"), "{}", step.message);
        scene.pods[1] = pod("other", "u", json!({}));
        assert_eq!(read(&scene)[8].phase, StepPhase::Running);
    }

    #[test]
    fn a_version_of_the_image_before_does_not_count() {
        let mut scene = scene(9);
        let output = json!({"to": {"imageDigest": "sha256:new"}});
        scene.builds[0].status.output = Some(output);
        assert_eq!(
            done(&scene),
            4,
            "the stream does not have the new image yet"
        );
    }

    #[test]
    fn what_is_not_wanted_is_skipped() {
        let mut scene = scene(9);
        scene.wanted = Wanted::default();
        scene.builds.clear();
        let read = read(&scene);
        let skipped: Vec<&str> = read
            .iter()
            .filter(|one| one.phase == StepPhase::Skipped)
            .map(|one| one.reason.as_str())
            .collect();
        assert_eq!(
            skipped,
            [
                "NoBuild", "NoBuild", "NoBuild", "NoBuild", "NoRoute", "NoRoute"
            ]
        );
        assert!(read.iter().all(|one| one.phase != StepPhase::Running));
    }
}
