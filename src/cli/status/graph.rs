//! Which object has to do with which: services with what answers for them, deployments with their images and builds.
//!
//! Pure. Groups are made as OpenShift's `graphview` makes them: first the services with everything behind them, then
//! what no service covers. Nothing here has words; `services`, `workloads`, `builds` and `applications` find them.

use std::collections::BTreeSet;

use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::build::LABEL_BUILD_CONFIG;
use crate::api::build::ObjectRef;
use crate::api::core::selects;
use crate::api::deployment::ANNOTATION_CONFIG;
use crate::api::deployment::ANNOTATION_IMAGE_TRIGGERS;
use crate::api::deployment::ANNOTATION_VERSION;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::image::ImageStream;
use crate::api::image::split_tag;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::network::Route;
use crate::api::network::Service;
use crate::api::pod::Container;
use crate::api::pod::Pod;
use crate::api::pod::PodSpec;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::pod::Template;
use crate::cli::status::objects::Objects;

/// The groups in the order in which they are shown.
#[derive(Debug, Default)]
pub struct Graph<'a> {
    pub services: Vec<ServiceGroup<'a>>,
    pub configs: Vec<ConfigPipeline<'a>>,
    pub deployments: Vec<DeploymentPipeline<'a>>,
    /// Build configs whose image no deployment shown above uses.
    pub images: Vec<BuildPipeline<'a>>,
    pub controllers: Vec<&'a ReplicationController>,
    pub replica_sets: Vec<&'a ReplicaSet>,
    pub pods: Vec<&'a Pod>,
}

/// A service, the routes that lead to it and what answers for it.
#[derive(Debug)]
pub struct ServiceGroup<'a> {
    pub service: &'a Service,
    pub routes: Vec<&'a Route>,
    pub configs: Vec<ConfigPipeline<'a>>,
    pub deployments: Vec<DeploymentPipeline<'a>>,
    pub controllers: Vec<&'a ReplicationController>,
    pub replica_sets: Vec<&'a ReplicaSet>,
    pub pods: Vec<&'a Pod>,
}

/// A deployment config with its images and versions.
#[derive(Debug)]
pub struct ConfigPipeline<'a> {
    pub config: &'a DeploymentConfig,
    pub images: Vec<ImagePipeline<'a>>,
    /// The controller of the newest version, if it is there.
    pub active: Option<&'a ReplicationController>,
    /// The others, newest first.
    pub inactive: Vec<&'a ReplicationController>,
}

/// A deployment with its images and replica sets, the newest first.
#[derive(Debug)]
pub struct DeploymentPipeline<'a> {
    pub deployment: &'a Deployment,
    pub images: Vec<ImagePipeline<'a>>,
    pub sets: Vec<&'a ReplicaSet>,
}

/// An image that something runs, and the build config that makes it.
#[derive(Debug)]
pub struct ImagePipeline<'a> {
    pub image: Image,
    pub build: Option<BuildPipeline<'a>>,
}

/// Where an image is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// `STREAM:TAG` of a namespace.
    Tag(Key),
    /// As it was written.
    Reference(String),
}

/// A build config with its builds.
#[derive(Debug)]
pub struct BuildPipeline<'a> {
    pub config: &'a BuildConfig,
    pub base: Option<Image>,
    pub output: Option<Image>,
    /// Build configs that make the base image.
    pub feeders: Vec<&'a BuildConfig>,
    /// Whether there is a place to push to.
    pub can_push: bool,
    pub succeeded: Option<&'a Build>,
    pub failed: Option<&'a Build>,
    /// New, pending and running ones, newest first.
    pub active: Vec<&'a Build>,
}

impl<'a> Graph<'a> {
    /// Sorts everything into groups; each object stands in the first that it belongs to.
    pub fn of(objects: &'a Objects) -> Graph<'a> {
        let mut graph = Graph::default();
        let mut covered = Covered::default();
        for service in sorted(&objects.services, |one| &one.metadata) {
            let group = objects.service_group(service);
            covered.service(&group, objects);
            graph.services.push(group);
        }
        for config in sorted(&objects.configs, |one| &one.metadata) {
            if !covered.has("dc", &config.metadata) {
                let pipeline = objects.config_pipeline(config);
                covered.config(&pipeline);
                graph.configs.push(pipeline);
            }
        }
        for deployment in sorted(&objects.deployments, |one| &one.metadata) {
            if !covered.has("deployment", &deployment.metadata) {
                let pipeline = objects.deployment_pipeline(deployment);
                covered.deployment(&pipeline);
                graph.deployments.push(pipeline);
            }
        }
        let configs = sorted(&objects.build_configs, |one| &one.metadata);
        graph.images = configs
            .into_iter()
            .filter(|config| !covered.has("bc", &config.metadata))
            .map(|config| objects.build_pipeline(config))
            .collect();
        let controllers = sorted(&objects.controllers, |one| &one.metadata).into_iter();
        graph.controllers = controllers
            .filter(|one| !covered.has("rc", &one.metadata))
            .collect();
        let sets = sorted(&objects.replica_sets, |one| &one.metadata).into_iter();
        graph.replica_sets = sets
            .filter(|one| !covered.has("rs", &one.metadata))
            .collect();
        let pods = sorted(&objects.pods, |one| &one.metadata).into_iter();
        graph.pods = pods
            .filter(|one| !covered.has("pod", &one.metadata))
            .filter(|one| objects.keeper(one).is_none())
            .collect();
        graph
    }
}

/// What already stands in a group, by short name of the kind.
#[derive(Debug, Default)]
struct Covered(BTreeSet<(&'static str, Key)>);

impl Covered {
    fn has(&self, kind: &'static str, metadata: &Metadata) -> bool {
        self.0.contains(&(kind, metadata.key()))
    }

    fn add(&mut self, kind: &'static str, metadata: &Metadata) {
        self.0.insert((kind, metadata.key()));
    }

    fn service(&mut self, group: &ServiceGroup, objects: &Objects) {
        for config in &group.configs {
            self.config(config);
        }
        for deployment in &group.deployments {
            self.deployment(deployment);
        }
        for controller in &group.controllers {
            self.add("rc", &controller.metadata);
        }
        for set in &group.replica_sets {
            self.add("rs", &set.metadata);
        }
        for pod in objects.behind(group.service) {
            self.add("pod", &pod.metadata);
        }
    }

    fn config(&mut self, pipeline: &ConfigPipeline) {
        self.add("dc", &pipeline.config.metadata);
        for controller in pipeline.active.iter().chain(&pipeline.inactive) {
            self.add("rc", &controller.metadata);
        }
        self.images(&pipeline.images);
    }

    fn deployment(&mut self, pipeline: &DeploymentPipeline) {
        self.add("deployment", &pipeline.deployment.metadata);
        for set in &pipeline.sets {
            self.add("rs", &set.metadata);
        }
        self.images(&pipeline.images);
    }

    fn images(&mut self, images: &[ImagePipeline]) {
        for build in images.iter().filter_map(|image| image.build.as_ref()) {
            self.add("bc", &build.config.metadata);
        }
    }
}

impl Objects {
    fn service_group<'a>(&'a self, service: &'a Service) -> ServiceGroup<'a> {
        let namespace = &service.metadata.namespace;
        let takes = |metadata: &Metadata, template: &Template| {
            metadata.namespace == *namespace && selects_template(service, template)
        };
        let routes = sorted(&self.routes, |one| &one.metadata).into_iter();
        let configs = sorted(&self.configs, |one| &one.metadata).into_iter();
        let configs: Vec<_> = configs
            .filter(|one| takes(&one.metadata, &one.spec.template))
            .map(|one| self.config_pipeline(one))
            .collect();
        let deployments = sorted(&self.deployments, |one| &one.metadata).into_iter();
        let deployments: Vec<_> = deployments
            .filter(|one| takes(&one.metadata, &one.spec.template))
            .map(|one| self.deployment_pipeline(one))
            .collect();
        let controllers = sorted(&self.controllers, |one| &one.metadata).into_iter();
        let sets = sorted(&self.replica_sets, |one| &one.metadata).into_iter();
        ServiceGroup {
            service,
            routes: routes.filter(|route| leads_to(route, service)).collect(),
            controllers: controllers
                .filter(|one| takes(&one.metadata, &one.spec.template))
                .filter(|one| !configs.iter().any(|of| belongs(of.config, one)))
                .collect(),
            replica_sets: sets
                .filter(|one| takes(&one.metadata, &one.spec.template))
                .filter(|one| !deployments.iter().any(|of| owns(of.deployment, one)))
                .collect(),
            pods: self
                .behind(service)
                .filter(|pod| self.keeper(pod).is_none())
                .collect(),
            configs,
            deployments,
        }
    }

    /// The pods that a service selects.
    fn behind<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Pod> {
        let selector = &service.spec.selector;
        let pods = sorted(&self.pods, |one| &one.metadata).into_iter();
        pods.filter(move |pod| {
            pod.metadata.namespace == service.metadata.namespace
                && !selector.is_empty()
                && selects(selector, &pod.metadata.labels)
        })
    }

    /// The uid of what keeps a pod, if that is there.
    pub fn keeper(&self, pod: &Pod) -> Option<&Metadata> {
        let uid = pod.controller();
        let controllers = self
            .controllers
            .iter()
            .map(|one| (&one.metadata, &one.spec.selector));
        let sets = self
            .replica_sets
            .iter()
            .map(|one| (&one.metadata, &one.spec.selector.match_labels));
        let mut keepers = controllers.chain(sets);
        let found = keepers.find(|(metadata, selector)| {
            metadata.namespace == pod.metadata.namespace
                && match uid {
                    Some(uid) => metadata.uid == uid,
                    None => !selector.is_empty() && selects(selector, &pod.metadata.labels),
                }
        });
        found.map(|(metadata, _)| metadata)
    }

    /// The pods that a controller keeps.
    pub fn pods_of<'a>(&'a self, keeper: &'a Metadata) -> impl Iterator<Item = &'a Pod> {
        self.pods.iter().filter(move |pod| {
            self.keeper(pod)
                .is_some_and(|found| found.key() == keeper.key())
        })
    }

    fn config_pipeline<'a>(&'a self, config: &'a DeploymentConfig) -> ConfigPipeline<'a> {
        let mut versions: Vec<_> = self
            .controllers
            .iter()
            .filter(|one| belongs(config, one))
            .collect();
        versions.sort_by_key(|one| std::cmp::Reverse(version(one)));
        let is_active = versions
            .first()
            .is_some_and(|newest| version(newest) == config.status.latest_version);
        let active = is_active.then(|| versions.remove(0));
        let images = containers(&config.spec.template)
            .iter()
            .map(|container| self.image_pipeline(image_of_config(config, container)))
            .collect();
        ConfigPipeline {
            config,
            images,
            active,
            inactive: versions,
        }
    }

    fn deployment_pipeline<'a>(&'a self, deployment: &'a Deployment) -> DeploymentPipeline<'a> {
        let mut sets: Vec<_> = self
            .replica_sets
            .iter()
            .filter(|one| owns(deployment, one))
            .collect();
        sets.sort_by_key(|one| std::cmp::Reverse(revision(&one.metadata)));
        let images = containers(&deployment.spec.template)
            .iter()
            .map(|container| self.image_pipeline(image_of_deployment(deployment, container)))
            .collect();
        DeploymentPipeline {
            deployment,
            images,
            sets,
        }
    }

    fn image_pipeline(&self, image: Image) -> ImagePipeline<'_> {
        let configs = sorted(&self.build_configs, |one| &one.metadata);
        let build = configs
            .into_iter()
            .find(|config| output(config).as_ref() == Some(&image))
            .map(|config| self.build_pipeline(config));
        ImagePipeline { image, build }
    }

    fn build_pipeline<'a>(&'a self, config: &'a BuildConfig) -> BuildPipeline<'a> {
        let base = input(config);
        let feeders = sorted(&self.build_configs, |one| &one.metadata)
            .into_iter()
            .filter(|other| {
                base.is_some()
                    && output(other) == base
                    && other.metadata.key() != config.metadata.key()
            })
            .collect();
        let builds = self.builds_of(config);
        let newest = |phases: &[BuildPhase]| {
            let mut builds = builds.iter();
            builds
                .find(|build| phases.contains(&build.status.phase))
                .copied()
        };
        let output = output(config);
        let can_push = match &output {
            Some(Image::Tag(tag)) => self
                .stream(tag)
                .is_some_and(|stream| !stream.status.docker_image_repository.is_empty()),
            _ => true,
        };
        BuildPipeline {
            config,
            base,
            output,
            feeders,
            can_push,
            succeeded: newest(&[BuildPhase::Complete]),
            failed: newest(&[BuildPhase::Failed, BuildPhase::Error]),
            active: builds
                .iter()
                .filter(|build| !build.status.phase.is_final())
                .copied()
                .collect(),
        }
    }

    /// The builds of a config, newest first.
    pub fn builds_of<'a>(&'a self, config: &BuildConfig) -> Vec<&'a Build> {
        let mut builds: Vec<&Build> = self
            .builds
            .iter()
            .filter(|build| is_of(build, config))
            .collect();
        builds.sort_by_key(|build| {
            std::cmp::Reverse((
                build.metadata.creation_timestamp,
                trailing_number(&build.metadata.name),
            ))
        });
        builds
    }

    /// The stream of a tag.
    pub fn stream(&self, tag: &Key) -> Option<&ImageStream> {
        let (name, _) = split_tag(&tag.name);
        self.streams
            .iter()
            .find(|one| one.metadata.namespace == tag.namespace && one.metadata.name == name)
    }

    /// Whether a tag has an image.
    pub fn has_image(&self, tag: &Key) -> bool {
        let (_, name) = split_tag(&tag.name);
        self.stream(tag)
            .is_some_and(|stream| stream.latest(name).is_some())
    }
}

fn sorted<T>(items: &[T], metadata: impl Fn(&T) -> &Metadata) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_by_key(|one| metadata(one).key());
    items
}

fn selects_template(service: &Service, template: &Template) -> bool {
    let labels = serde_json::from_value(template["metadata"]["labels"].clone());
    let selector = &service.spec.selector;
    !selector.is_empty() && labels.is_ok_and(|labels| selects(selector, &labels))
}

fn leads_to(route: &Route, service: &Service) -> bool {
    let mut targets = std::iter::once(&route.spec.to).chain(&route.spec.alternate_backends);
    route.metadata.namespace == service.metadata.namespace
        && targets.any(|target| target.name == service.metadata.name)
}

/// Whether a replication controller is a version of a deployment config.
pub fn belongs(config: &DeploymentConfig, controller: &ReplicationController) -> bool {
    let metadata = &controller.metadata;
    metadata.namespace == config.metadata.namespace
        && metadata.annotations.get(ANNOTATION_CONFIG) == Some(&config.metadata.name)
}

/// Which version of its deployment config a controller is.
pub fn version(controller: &ReplicationController) -> u64 {
    let version = controller.metadata.annotations.get(ANNOTATION_VERSION);
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// Which revision of its deployment a replica set is.
pub fn revision(metadata: &Metadata) -> u64 {
    let revision = metadata
        .annotations
        .get("deployment.kubernetes.io/revision");
    revision.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn owns(deployment: &Deployment, set: &ReplicaSet) -> bool {
    let owners = &set.metadata.owner_references;
    set.metadata.namespace == deployment.metadata.namespace
        && owners
            .iter()
            .any(|owner| owner.kind == "Deployment" && owner.name == deployment.metadata.name)
}

/// The containers of a template.
pub fn containers(template: &Template) -> Vec<Container> {
    let spec = serde_json::from_value::<PodSpec>(template["spec"].clone());
    spec.unwrap_or_default().containers
}

/// The tag that an image trigger follows.
pub fn tag(reference: &ObjectRef, namespace: &str) -> Option<Key> {
    let namespace = match reference.namespace.as_str() {
        "" => namespace,
        own => own,
    };
    (reference.kind == "ImageStreamTag").then(|| Key::new(namespace, &reference.name))
}

fn image_of_config(config: &DeploymentConfig, container: &Container) -> Image {
    let triggers = config.spec.triggers.iter().flatten();
    let mut params = triggers.filter_map(|one| one.image_change_params.as_ref());
    params
        .find(|params| params.container_names.contains(&container.name))
        .and_then(|params| tag(&params.from, &config.metadata.namespace))
        .map_or_else(|| Image::Reference(container.image.clone()), Image::Tag)
}

fn image_of_deployment(deployment: &Deployment, container: &Container) -> Image {
    let annotation = deployment
        .metadata
        .annotations
        .get(ANNOTATION_IMAGE_TRIGGERS);
    let triggers: serde_json::Value = annotation
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let named = format!("\"{}\"", container.name);
    let mut triggers = triggers.as_array().into_iter().flatten();
    triggers
        .find(|one| {
            one["fieldPath"]
                .as_str()
                .is_some_and(|path| path.contains(&named))
        })
        .and_then(|one| serde_json::from_value::<ObjectRef>(one["from"].clone()).ok())
        .and_then(|from| tag(&from, &deployment.metadata.namespace))
        .map_or_else(|| Image::Reference(container.image.clone()), Image::Tag)
}

/// What a build config's builds start from.
pub fn input(config: &BuildConfig) -> Option<Image> {
    let from = &config.spec.common.strategy.source_strategy.as_ref()?.from;
    image(from, &config.metadata.namespace)
}

/// Where a build config's images go.
pub fn output(config: &BuildConfig) -> Option<Image> {
    let to = config.spec.common.output.to.as_ref()?;
    image(to, &config.metadata.namespace)
}

fn image(reference: &ObjectRef, namespace: &str) -> Option<Image> {
    match tag(reference, namespace) {
        Some(tag) => Some(Image::Tag(tag)),
        None if reference.name.is_empty() => None,
        None => Some(Image::Reference(reference.name.clone())),
    }
}

fn is_of(build: &Build, config: &BuildConfig) -> bool {
    let labels = &build.metadata.labels;
    let label = labels
        .get(BUILD_CONFIG_NAME)
        .or(labels.get(LABEL_BUILD_CONFIG));
    let named = label.map(String::as_str).or_else(|| {
        let config = build.status.config.as_ref()?;
        Some(config.name.as_str())
    });
    build.metadata.namespace == config.metadata.namespace && named == Some(&config.metadata.name)
}

fn trailing_number(name: &str) -> u64 {
    let number = name.rsplit_once('-').map(|(_, number)| number.parse());
    number.and_then(Result::ok).unwrap_or(0)
}
