//! New images of the image streams that a `DeploymentConfig` or a Deployment follows go into its pod template.
//!
//! One patch names the image and remembers that it did; that a new version begins is decided elsewhere. A paused one is
//! left alone. A trigger that is not automatic acts only when somebody starts a version by hand.

use serde_json::Value;
use serde_json::json;

use crate::api::deployment;
use crate::api::deployment::Deployment;
use crate::api::image;
use crate::api::image::ImageStream;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::world::World;
use crate::plan::deployment_config;
use crate::plan::deployment_config::Triggers;

/// Decides for one `DeploymentConfig`.
#[derive(Debug, Default)]
pub(crate) struct ConfigImages;

/// Decides for one Deployment.
#[derive(Debug, Default)]
pub(crate) struct DeploymentImages;

static CONFIG_WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::DEPLOYMENT_CONFIG,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::IMAGE_STREAM,
        keys: |world, touched| {
            let following = world.deployment_configs.following(touched.key);
            following.map(|one| one.metadata.key()).collect()
        },
    },
];

static DEPLOYMENT_WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::DEPLOYMENT,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::IMAGE_STREAM,
        keys: |world, touched| {
            let following = world.deployments.following(touched.key);
            following.map(|one| one.metadata.key()).collect()
        },
    },
];

fn stream(world: &World) -> impl Fn(&Key) -> Option<ImageStream> {
    |key| world.image_streams.find(key).map(|one| (**one).clone())
}

impl Controller for ConfigImages {
    const NAME: &'static str = "image_trigger";

    fn watches() -> &'static [Watch] {
        CONFIG_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(config) = world.deployment_configs.find(key) else {
            return Decision::nothing();
        };
        if config.metadata.is_deleting() || config.spec.paused {
            return Decision::nothing();
        }
        let patch = deployment_config::resolve(config, Triggers::Automatic, &stream(world));
        patch.map_or_else(Decision::nothing, |spec| {
            Decision::one(Change::patch(&**config, json!({"spec": spec})))
        })
    }
}

impl Controller for DeploymentImages {
    const NAME: &'static str = "image_trigger_apps";

    fn watches() -> &'static [Watch] {
        DEPLOYMENT_WATCHES
    }

    fn decide(&self, key: &Key, world: &World, _: Timestamp) -> Decision {
        let Some(deployment) = world.deployments.find(key) else {
            return Decision::nothing();
        };
        if deployment.metadata.is_deleting() || deployment.spec.paused {
            return Decision::nothing();
        }
        let patch = followed(deployment, world);
        patch.map_or_else(Decision::nothing, |containers| {
            let spec = json!({"template": {"spec": {"containers": containers}}});
            Decision::one(Change::patch(&**deployment, json!({"spec": spec})))
        })
    }
}

/// The containers of a Deployment with the newest images; none when they have them.
fn followed(deployment: &Deployment, world: &World) -> Option<Value> {
    let mut containers = deployment.spec.template["spec"]["containers"].clone();
    for trigger in deployment::image_triggers(&deployment.metadata) {
        if trigger.paused == true || trigger.paused == "true" {
            continue;
        }
        let namespace = match trigger.from.namespace.as_str() {
            "" => &deployment.metadata.namespace,
            namespace => namespace,
        };
        let (name, tag) = image::split_tag(&trigger.from.name);
        let stream = world.image_streams.find(&Key::new(namespace, name));
        let Some(item) = stream.and_then(|stream| stream.latest(tag)) else {
            continue;
        };
        if let Some(container) = at(&mut containers, &trigger.field_path) {
            container["image"] = item.docker_image_reference.clone().into();
        }
    }
    (containers != deployment.spec.template["spec"]["containers"]).then_some(containers)
}

/// The container that `spec.template.spec.containers[?(@.name=="NAME")].image` or `…containers[0].image` means.
fn at<'c>(containers: &'c mut Value, path: &str) -> Option<&'c mut Value> {
    let (_, rest) = path.split_once("containers[")?;
    let (which, _) = rest.split_once(']')?;
    let list = containers.as_array_mut()?;
    if let Ok(place) = which.parse::<usize>() {
        return list.get_mut(place);
    }
    let name = which.split(['"', '\'']).nth(1)?;
    list.iter_mut().find(|one| one["name"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::deployment::DeploymentConfig;
    use crate::controllers::world::put;

    fn world(image: &str) -> World {
        let mut world = World::default();
        put::<ImageStream>(
            &mut world,
            json!({
                "metadata": {"name": "shop", "namespace": "demo"},
                "status": {"tags": [{"tag": "latest", "items": [{"dockerImageReference": image}]}]},
            }),
        );
        world
    }

    fn merge(decision: Decision) -> Option<Value> {
        match decision.changes.into_iter().next() {
            Some(Change::Patch { merge, .. }) => Some(merge),
            _ => None,
        }
    }

    #[test]
    fn a_deployment_config_gets_its_image() {
        let mut world = world("r@sha256:1");
        let mut config = json!({
            "metadata": {"name": "shop", "namespace": "demo"},
            "spec": {
                "triggers": [{"type": "ImageChange", "imageChangeParams": {
                    "automatic": true, "containerNames": ["shop"],
                    "from": {"kind": "ImageStreamTag", "name": "shop:latest"},
                }}],
                "template": {"spec": {"containers": [{"name": "shop", "image": " "}]}},
            },
        });
        let key = Key::new("demo", "shop");
        let look =
            |world: &World| merge(ConfigImages.decide(&key, world, Timestamp::from_second(0)));
        put::<DeploymentConfig>(&mut world, config.clone());
        let patch = look(&world).unwrap();
        assert_eq!(
            patch["spec"]["template"]["spec"]["containers"][0]["image"],
            "r@sha256:1"
        );
        let params = &patch["spec"]["triggers"][0]["imageChangeParams"];
        assert_eq!(params["lastTriggeredImage"], "r@sha256:1");
        let streams = CONFIG_WATCHES[1].keys;
        let touched = Touched {
            kind: &kinds::IMAGE_STREAM,
            key: &key,
            metadata: &crate::api::meta::Metadata::default(),
            before: None,
            application: None,
            gear: None,
            node: None,
        };
        assert_eq!(streams(&world, &touched), *std::slice::from_ref(&key));
        config["spec"]["triggers"][0]["imageChangeParams"]["automatic"] = false.into();
        put::<DeploymentConfig>(&mut world, config.clone());
        assert_eq!(look(&world), None);
        config["spec"]["triggers"][0]["imageChangeParams"]["automatic"] = true.into();
        config["spec"]["paused"] = true.into();
        put::<DeploymentConfig>(&mut world, config);
        assert_eq!(look(&world), None);
    }

    #[test]
    fn a_deployment_gets_its_image_by_annotation() {
        let mut world = world("r@sha256:1");
        let triggers = json!([{
            "from": {"kind": "ImageStreamTag", "name": "shop:latest"},
            "fieldPath": "spec.template.spec.containers[?(@.name==\"shop\")].image",
        }]);
        let deployment = json!({
            "metadata": {"name": "shop", "namespace": "demo", "annotations": {
                "image.openshift.io/triggers": triggers.to_string(),
            }},
            "spec": {"template": {"spec": {"containers": [{"name": "other", "image": "x"}, {"name": "shop", "image": " "}]}}},
        });
        put::<Deployment>(&mut world, deployment);
        let key = Key::new("demo", "shop");
        let decision = DeploymentImages.decide(&key, &world, Timestamp::from_second(0));
        assert_eq!(
            merge(decision).unwrap()["spec"]["template"]["spec"]["containers"],
            json!([{"name": "other", "image": "x"}, {"name": "shop", "image": "r@sha256:1"}])
        );
    }
}
