//! What a deployment config's next version is, and how it comes about; pure.
//!
//! Whoever starts a version uses this: the controller on a change, the API server's `instantiate` and `rollback`
//! subresources by hand. Texts and rules: facts/oc.md 5.1, 5.2, 5.6. How pods are exchanged is [`super::surge`].
//!
//! # Decided
//!
//! There is no deployer pod: what OpenShift runs in a pod per rollout is a few decisions of a controller, which survives
//! restarts without one. Lifecycle hooks and custom strategies are kept in the object and do nothing yet.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::api::build::ObjectRef;
use crate::api::deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::DeploymentTrigger;
use crate::api::deployment::RolloutPhase;
use crate::api::image;
use crate::api::image::ImageStream;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::pod;
use crate::api::pod::ReplicationController;
use crate::api::pod::ReplicationControllerSpec;

/// How long a rollout may come no further, unless its strategy says otherwise.
pub const DEFAULT_TIMEOUT: u64 = 600;

/// Why a new version begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    ConfigChange,
    /// The tags whose images are new.
    ImageChange(Vec<ObjectRef>),
    Manual,
}

impl Cause {
    /// In `openshift.io/deployment.status-reason` and in `status.details.message`.
    pub fn message(&self) -> &'static str {
        match self {
            Cause::ConfigChange => "config change",
            Cause::ImageChange(_) => "image change",
            Cause::Manual => "manual change",
        }
    }

    /// As it stands in a deployment config's `status.details`.
    pub fn details(&self) -> Value {
        let causes: Vec<Value> = match self {
            Cause::ConfigChange => vec![json!({"type": "ConfigChange"})],
            Cause::Manual => vec![json!({"type": "Manual"})],
            Cause::ImageChange(tags) => tags
                .iter()
                .map(|from| json!({"type": "ImageChange", "imageTrigger": {"from": from}}))
                .collect(),
        };
        json!({"message": self.message(), "causes": causes})
    }
}

/// Why a version is not started by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("cannot deploy a paused deployment config")]
    Paused,
    #[error("cannot trigger a deployment for {0:?} because it contains unresolved images")]
    Unresolved(String),
    /// Nothing has changed; OpenShift answers this with 204.
    #[error("deployment config {0:?} cannot be instantiated")]
    NothingChanged(String),
    #[error("cannot rollback an undeployed config")]
    Undeployed,
    #[error("no previous deployment exists for \"{0}\"")]
    NoPrevious(Key),
    #[error("version {0} is already the latest")]
    AlreadyLatest(u64),
    #[error("couldn't find deployment for rollback")]
    NoSuchVersion,
    #[error("the deployment config that {0:?} was made from cannot be read")]
    Unreadable(String),
}

/// Whether a new version is due by itself, given the replication controller of the newest one.
pub fn due(config: &DeploymentConfig, latest: Option<&ReplicationController>) -> Option<Cause> {
    if config.spec.paused {
        return None;
    }
    let triggers = triggers(config);
    let follows_config = triggers.iter().any(|one| one.kind == "ConfigChange");
    let automatic = || {
        let images = triggers
            .iter()
            .filter_map(|one| one.image_change_params.as_ref());
        images.filter(|one| one.automatic)
    };
    if config.status.latest_version == 0 {
        let waits = automatic().any(|one| one.last_triggered_image.is_empty());
        let begins = (follows_config || automatic().next().is_some()) && !waits;
        return begins.then_some(Cause::ConfigChange);
    }
    let latest = latest?;
    let running = images(&latest.spec.template);
    let new: Vec<ObjectRef> = automatic()
        .filter(|one| !one.last_triggered_image.is_empty())
        .filter(|one| !running.contains(&one.last_triggered_image.as_str()))
        .map(|one| one.from.clone())
        .collect();
    if !new.is_empty() {
        return Some(Cause::ImageChange(new));
    }
    let before = encoded(latest).map(|config| pod::essence(&config["spec"]["template"]));
    let changed = before.is_some_and(|template| template != pod::essence(&config.spec.template));
    (follows_config && changed).then_some(Cause::ConfigChange)
}

/// The triggers; a config without the field follows its own changes.
fn triggers(config: &DeploymentConfig) -> Vec<DeploymentTrigger> {
    config.spec.triggers.clone().unwrap_or_else(|| {
        vec![DeploymentTrigger {
            kind: "ConfigChange".to_owned(),
            image_change_params: None,
        }]
    })
}

fn images(template: &Value) -> Vec<&str> {
    let containers = template["spec"]["containers"].as_array();
    let all = containers.into_iter().flatten();
    all.filter_map(|one| one["image"].as_str()).collect()
}

/// The deployment config that a replication controller was made from.
pub fn encoded(controller: &ReplicationController) -> Option<Value> {
    let annotations = &controller.metadata.annotations;
    let text = annotations.get(deployment::ANNOTATION_ENCODED_CONFIG)?;
    serde_json::from_str(text).ok()
}

/// Which version a replication controller is.
pub fn version(controller: &ReplicationController) -> u64 {
    let annotations = &controller.metadata.annotations;
    let text = annotations.get(deployment::ANNOTATION_VERSION);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The replication controller of a config's newest version, without pods yet.
pub fn replication_controller(config: &DeploymentConfig) -> ReplicationController {
    let version = config.status.latest_version;
    let name = deployment::replication_controller_name(&config.metadata.name, version);
    let mut labels = config.metadata.labels.clone();
    labels.insert(
        deployment::ANNOTATION_CONFIG.to_owned(),
        config.metadata.name.clone(),
    );
    ReplicationController {
        metadata: Metadata {
            annotations: annotations(config),
            labels,
            namespace: config.metadata.namespace.clone(),
            owner_references: vec![config.as_owner()],
            name: name.clone(),
            ..Metadata::default()
        },
        spec: ReplicationControllerSpec {
            replicas: Some(0),
            selector: selector(config, &name),
            template: template(config, &name),
            min_ready_seconds: config.spec.min_ready_seconds,
        },
        ..ReplicationController::default()
    }
}

fn annotations(config: &DeploymentConfig) -> BTreeMap<String, String> {
    let details = config.status.details.as_ref();
    let reason = details.and_then(|details| details["message"].as_str());
    let encoded = serde_json::to_string(&config.to_object()).unwrap_or_default();
    let pairs = [
        (deployment::ANNOTATION_CONFIG, config.metadata.name.clone()),
        (
            deployment::ANNOTATION_VERSION,
            config.status.latest_version.to_string(),
        ),
        (deployment::ANNOTATION_ENCODED_CONFIG, encoded),
        (
            deployment::ANNOTATION_PHASE,
            RolloutPhase::New.name().to_owned(),
        ),
        (
            deployment::ANNOTATION_DESIRED,
            config.spec.replicas.to_string(),
        ),
        (
            deployment::ANNOTATION_REASON,
            reason.unwrap_or_default().to_owned(),
        ),
    ];
    let filled = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    filled
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn selector(config: &DeploymentConfig, name: &str) -> BTreeMap<String, String> {
    let mut selector = config.spec.selector.clone();
    if selector.is_empty() {
        let labels = config.spec.template["metadata"]["labels"].clone();
        selector = serde_json::from_value(labels).unwrap_or_default();
    }
    selector.insert(deployment::LABEL_DEPLOYMENT.to_owned(), name.to_owned());
    selector.insert(
        deployment::LABEL_CONFIG.to_owned(),
        config.metadata.name.clone(),
    );
    selector
}

fn template(config: &DeploymentConfig, name: &str) -> Value {
    let mut template = config.spec.template.clone();
    if !template.is_object() {
        template = json!({});
    }
    let metadata = &mut template["metadata"];
    metadata["labels"][deployment::LABEL_DEPLOYMENT] = name.into();
    metadata["labels"][deployment::LABEL_CONFIG] = config.metadata.name.clone().into();
    metadata["annotations"][deployment::ANNOTATION_CONFIG] = config.metadata.name.clone().into();
    metadata["annotations"][deployment::ANNOTATION_DEPLOYMENT] = name.into();
    metadata["annotations"][deployment::ANNOTATION_VERSION] =
        config.status.latest_version.to_string().into();
    template
}

/// Fills in what image streams say: the patch of a config's spec, none when all is as it should be.
///
/// Only automatic triggers count, unless somebody asks by hand for the latest images.
pub fn resolve(
    config: &DeploymentConfig,
    which: Triggers,
    stream: &dyn Fn(&Key) -> Option<ImageStream>,
) -> Option<Value> {
    let mut triggers = config.spec.triggers.clone()?;
    let mut template = config.spec.template.clone();
    for trigger in &mut triggers {
        let Some(params) = &mut trigger.image_change_params else {
            continue;
        };
        if !params.automatic && which == Triggers::Automatic {
            continue;
        }
        let namespace = match params.from.namespace.as_str() {
            "" => &config.metadata.namespace,
            namespace => namespace,
        };
        let (name, tag) = image::split_tag(&params.from.name);
        let Some(stream) = stream(&Key::new(namespace, name)) else {
            continue;
        };
        let Some(item) = stream.latest(tag) else {
            continue;
        };
        params
            .last_triggered_image
            .clone_from(&item.docker_image_reference);
        set_image(
            &mut template,
            &params.container_names,
            &item.docker_image_reference,
        );
    }
    if Some(&triggers) == config.spec.triggers.as_ref() && template == config.spec.template {
        return None;
    }
    let mut patch = json!({"triggers": triggers});
    for list in ["containers", "initContainers"] {
        if template["spec"][list].is_array() {
            patch["template"]["spec"][list] = template["spec"][list].clone();
        }
    }
    Some(patch)
}

/// Which image triggers act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triggers {
    Automatic,
    All,
}

fn set_image(template: &mut Value, names: &[String], image: &str) {
    for list in ["containers", "initContainers"] {
        let containers = template["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let named = container["name"].as_str();
            if names.iter().any(|name| Some(name.as_str()) == named) {
                container["image"] = image.into();
            }
        }
    }
}

/// A config after a start by hand (`DeploymentRequest{latest, force, excludeTriggers}`): its whole new state, `status`
/// included.
pub fn instantiate(
    config: &Value,
    request: &Value,
    stream: &dyn Fn(&Key) -> Option<ImageStream>,
    latest: Option<&ReplicationController>,
) -> Result<Value, Refusal> {
    let mut config = config.clone();
    let excluded = |kind: &str| {
        let names = request["excludeTriggers"].as_array();
        names.into_iter().flatten().any(|one| one == kind)
    };
    let view = read(&config)?;
    if view.spec.paused {
        return Err(Refusal::Paused);
    }
    if request["latest"] == true
        && !excluded("ImageChange")
        && let Some(patch) = resolve(&view, Triggers::All, stream)
    {
        json_patch::merge(&mut config["spec"], &patch);
    }
    let view = read(&config)?;
    let unresolved = view.spec.triggers.iter().flatten().any(|trigger| {
        let params = trigger.image_change_params.as_ref();
        params.is_some_and(|one| one.last_triggered_image.is_empty())
    });
    if unresolved {
        return Err(Refusal::Unresolved(view.metadata.name));
    }
    let cause = if request["force"] == true {
        Cause::Manual
    } else {
        due(&view, latest).ok_or_else(|| Refusal::NothingChanged(view.metadata.name.clone()))?
    };
    config["status"]["latestVersion"] = (view.status.latest_version + 1).into();
    config["status"]["details"] = cause.details();
    Ok(config)
}

/// The name of the replication controller that a `DeploymentConfigRollback` means; revision 0 is the one before the latest.
pub fn rollback_target(config: &Value, request: &Value) -> Result<String, Refusal> {
    let view = read(config)?;
    let latest = view.status.latest_version;
    let version = match request["spec"]["revision"].as_u64() {
        Some(version) if version > 0 => version,
        _ => latest.saturating_sub(1),
    };
    if latest == 0 {
        return Err(Refusal::Undeployed);
    }
    if version == 0 {
        return Err(Refusal::NoPrevious(view.metadata.key()));
    }
    if version == latest {
        return Err(Refusal::AlreadyLatest(version));
    }
    Ok(deployment::replication_controller_name(
        &view.metadata.name,
        version,
    ))
}

/// A config that goes back to what a replication controller was made from: the template always, the rest if asked for.
/// Image triggers stop acting by themselves; the version counts one up. Nothing is stored: the client puts it.
pub fn rollback(
    config: &Value,
    request: &Value,
    target: &ReplicationController,
) -> Result<Value, Refusal> {
    let from = encoded(target)
        .filter(|from| from["spec"]["template"].is_object())
        .ok_or_else(|| Refusal::Unreadable(target.metadata.name.clone()))?;
    let mut config = config.clone();
    let mut take = |fields: &[&str]| {
        for field in fields {
            config["spec"][*field] = from["spec"][*field].clone();
        }
    };
    take(&["template"]);
    if request["spec"]["includeTriggers"] == true {
        take(&["triggers"]);
    }
    if request["spec"]["includeStrategy"] == true {
        take(&["strategy"]);
    }
    if request["spec"]["includeReplicationMeta"] == true {
        take(&["replicas", "selector"]);
    }
    let triggers = config["spec"]
        .get_mut("triggers")
        .and_then(Value::as_array_mut);
    for trigger in triggers.into_iter().flatten() {
        if trigger["imageChangeParams"].is_object() {
            trigger["imageChangeParams"]["automatic"] = false.into();
        }
    }
    if let Some(added) = request["updatedAnnotations"].as_object() {
        for (name, value) in added {
            config["metadata"]["annotations"][name] = value.clone();
        }
    }
    let latest = config["status"]["latestVersion"].as_u64().unwrap_or(0);
    config["status"]["latestVersion"] = (latest + 1).into();
    config["status"]["details"] = json!({
        "message": format!("rolled back to {}", target.metadata.name),
        "causes": [{"type": "Manual"}],
    });
    Ok(config)
}

fn read(config: &Value) -> Result<DeploymentConfig, Refusal> {
    let name = config["metadata"]["name"].as_str().unwrap_or_default();
    serde_json::from_value(config.clone()).map_err(|_| Refusal::Unreadable(name.to_owned()))
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use super::*;

    fn config(change: Value) -> Value {
        let mut config = json!({
            "apiVersion": "apps.openshift.io/v1",
            "kind": "DeploymentConfig",
            "metadata": {"name": "shop", "namespace": "demo", "uid": "u", "labels": {"app": "shop"}},
            "spec": {
                "replicas": 2,
                "selector": {"app": "shop"},
                "strategy": {"type": "Rolling", "rollingParams": {"pre": {"failurePolicy": "Abort"}}},
                "triggers": [
                    {"type": "ConfigChange"},
                    {"type": "ImageChange", "imageChangeParams": {
                        "automatic": true,
                        "containerNames": ["shop"],
                        "from": {"kind": "ImageStreamTag", "name": "shop:latest"},
                    }},
                ],
                "template": {
                    "metadata": {"labels": {"app": "shop"}},
                    "spec": {"containers": [{"name": "shop", "image": " ", "x": 1}]},
                },
            },
            "status": {"latestVersion": 0},
        });
        json_patch::merge(&mut config, &change);
        config
    }

    fn view(config: &Value) -> DeploymentConfig {
        serde_json::from_value(config.clone()).unwrap()
    }

    fn stream(image: &str) -> impl Fn(&Key) -> Option<ImageStream> {
        let stream: ImageStream = serde_json::from_value(json!({
            "metadata": {"name": "shop", "namespace": "demo"},
            "status": {"tags": [{"tag": "latest", "items": [{"dockerImageReference": image}]}]},
        }))
        .unwrap();
        move |key| (*key == Key::new("demo", "shop")).then(|| stream.clone())
    }

    fn resolved(mut config: Value, image: &str) -> Value {
        let patch = resolve(&view(&config), Triggers::Automatic, &stream(image)).unwrap();
        json_patch::merge(&mut config["spec"], &patch);
        config
    }

    #[test]
    fn the_first_version_waits_for_its_image() {
        let waiting = config(json!({}));
        assert_eq!(due(&view(&waiting), None), None);
        let ready = resolved(waiting, "r@sha256:1");
        assert_eq!(
            ready["spec"]["template"]["spec"]["containers"][0],
            json!({"name": "shop", "image": "r@sha256:1", "x": 1})
        );
        assert_eq!(due(&view(&ready), None), Some(Cause::ConfigChange));
        assert_eq!(
            resolve(&view(&ready), Triggers::Automatic, &stream("r@sha256:1")),
            None
        );
    }

    #[test]
    fn by_hand_only_means_never_by_itself() {
        let manual = config(json!({"spec": {"triggers": []}}));
        assert_eq!(due(&view(&manual), None), None);
        let absent = config(json!({"spec": {"triggers": null}}));
        assert_eq!(due(&view(&absent), None), Some(Cause::ConfigChange));
        let paused = config(json!({"spec": {"triggers": null, "paused": true}}));
        assert_eq!(due(&view(&paused), None), None);
    }

    fn deployed() -> (Value, ReplicationController) {
        let mut config = resolved(config(json!({})), "r@sha256:1");
        config["status"] = json!({"latestVersion": 1, "details": Cause::ConfigChange.details()});
        let controller = replication_controller(&view(&config));
        (config, controller)
    }

    #[test]
    fn a_change_of_image_or_template_is_due_once() {
        let (config, first) = deployed();
        assert_eq!(due(&view(&config), Some(&first)), None);
        let image = resolved(config.clone(), "r@sha256:2");
        let from = view(&config).spec.triggers.unwrap()[1]
            .image_change_params
            .clone()
            .unwrap()
            .from;
        assert_eq!(
            due(&view(&image), Some(&first)),
            Some(Cause::ImageChange(vec![from]))
        );
        let mut template = config.clone();
        template["spec"]["template"]["spec"]["containers"][0]["env"] =
            json!([{"name": "A", "value": "b"}]);
        assert_eq!(
            due(&view(&template), Some(&first)),
            Some(Cause::ConfigChange)
        );
        let mut same = config.clone();
        same["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        same["spec"]["template"]["spec"]["securityContext"] = json!({});
        assert_eq!(due(&view(&same), Some(&first)), None);
        template["spec"]["replicas"] = 5.into();
        assert_eq!(
            due(&view(&template), None),
            None,
            "its controller is not there yet"
        );
    }

    #[test]
    fn a_replication_controller_says_what_it_is() {
        let (config, controller) = deployed();
        let metadata = &controller.metadata;
        assert_eq!(metadata.name, "shop-1");
        assert_eq!(metadata.labels["app"], "shop");
        assert_eq!(
            metadata.labels["openshift.io/deployment-config.name"],
            "shop"
        );
        assert_eq!(metadata.annotations["openshift.io/deployment.phase"], "New");
        assert_eq!(
            metadata.annotations["openshift.io/deployment.status-reason"],
            "config change"
        );
        assert_eq!(
            metadata.annotations["kubectl.kubernetes.io/desired-replicas"],
            "2"
        );
        assert_eq!(controller.spec.replicas, Some(0));
        let labels = json!({"app": "shop", "deployment": "shop-1", "deploymentconfig": "shop"});
        assert_eq!(
            serde_json::to_value(&controller.spec.selector).unwrap(),
            labels
        );
        assert_eq!(controller.spec.template["metadata"]["labels"], labels);
        assert_eq!(
            controller.spec.template["metadata"]["annotations"],
            json!({
                "openshift.io/deployment-config.name": "shop",
                "openshift.io/deployment-config.latest-version": "1",
                "openshift.io/deployment.name": "shop-1",
            })
        );
        assert_eq!(version(&controller), 1);
        let encoded = encoded(&controller).unwrap();
        for field in ["template", "strategy", "triggers", "selector"] {
            assert_eq!(
                encoded["spec"][field], config["spec"][field],
                "with unknown fields"
            );
        }
    }

    #[test]
    fn a_start_by_hand_counts_up_and_says_so() {
        let (config, first) = deployed();
        let again = instantiate(
            &config,
            &json!({"force": true}),
            &stream("r@sha256:2"),
            Some(&first),
        )
        .unwrap();
        assert_eq!(again["status"]["latestVersion"], 2);
        assert_eq!(again["status"]["details"]["message"], "manual change");
        assert_eq!(again["spec"], config["spec"]);
        let latest = json!({"force": true, "latest": true});
        let latest = instantiate(&config, &latest, &stream("r@sha256:2"), Some(&first)).unwrap();
        assert_eq!(
            latest["spec"]["template"]["spec"]["containers"][0]["image"],
            "r@sha256:2"
        );
        assert_eq!(
            instantiate(&config, &json!({}), &stream("r@sha256:1"), Some(&first)),
            Err(Refusal::NothingChanged("shop".to_owned()))
        );
    }

    #[test]
    fn what_cannot_be_started_is_refused() {
        let force = json!({"force": true});
        let unresolved = instantiate(&config(json!({})), &force, &|_| None, None);
        assert_eq!(
            unresolved.unwrap_err().to_string(),
            "cannot trigger a deployment for \"shop\" because it contains unresolved images"
        );
        let paused = config(json!({"spec": {"paused": true}}));
        assert_eq!(
            instantiate(&paused, &force, &|_| None, None),
            Err(Refusal::Paused)
        );
    }

    #[test]
    fn going_back_takes_the_template_and_stops_the_triggers() {
        let (mut config, first) = deployed();
        config["spec"]["replicas"] = 7.into();
        config["spec"]["template"]["spec"]["containers"][0]["image"] = "r@sha256:2".into();
        config["status"]["latestVersion"] = 2.into();
        assert_eq!(
            rollback_target(&config, &json!({"spec": {}})),
            Ok("shop-1".to_owned())
        );
        let back = rollback(&config, &json!({"spec": {"revision": 1}}), &first).unwrap();
        assert_eq!(
            back["spec"]["template"]["spec"]["containers"][0]["image"],
            "r@sha256:1"
        );
        assert_eq!(back["spec"]["replicas"], 7);
        assert_eq!(
            back["spec"]["triggers"][1]["imageChangeParams"]["automatic"],
            false
        );
        assert_eq!(back["status"]["latestVersion"], 3);
        let scale = json!({"spec": {"includeReplicationMeta": true}});
        assert_eq!(
            rollback(&config, &scale, &first).unwrap()["spec"]["replicas"],
            2
        );
    }

    #[test]
    fn there_must_be_something_to_go_back_to() {
        let target = |latest: u64, revision: u64| {
            let config = config(json!({"status": {"latestVersion": latest}}));
            rollback_target(&config, &json!({"spec": {"revision": revision}}))
                .map_err(|refusal| refusal.to_string())
        };
        assert_eq!(
            target(0, 0),
            Err("cannot rollback an undeployed config".to_owned())
        );
        assert_eq!(
            target(1, 0),
            Err("no previous deployment exists for \"demo/shop\"".to_owned())
        );
        assert_eq!(
            target(2, 2),
            Err("version 2 is already the latest".to_owned())
        );
        assert_eq!(target(3, 1), Ok("shop-1".to_owned()));
    }
}
