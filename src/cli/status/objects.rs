//! What `status` looks at, read in one go.
//!
//! A kind that the server does not have, or does not show to this caller, counts as none of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::core::Node;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::image::ImageStream;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::network::BUILT_IN_ROUTER;
use crate::api::network::Route;
use crate::api::network::Router;
use crate::api::network::Service;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::api::upshift::Operation;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::cli::Failure;
use crate::client;
use crate::client::Client;
use crate::client::ListOptions;

/// Everything of one project, or of all.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub services: Vec<Service>,
    pub controllers: Vec<ReplicationController>,
    pub pods: Vec<Pod>,
    pub deployments: Vec<Deployment>,
    pub replica_sets: Vec<ReplicaSet>,
    pub build_configs: Vec<BuildConfig>,
    pub builds: Vec<Build>,
    pub streams: Vec<ImageStream>,
    pub configs: Vec<DeploymentConfig>,
    pub routes: Vec<Route>,
    pub applications: Vec<Application>,
    pub rollouts: Vec<Rollout>,
    pub gears: Vec<Gear>,
    /// Those of each application's newest rollout; the others explain nothing.
    pub operations: Vec<Operation>,
    pub nodes: Vec<Node>,
    /// None when they are not shown to this caller.
    pub routers: Option<Vec<Router>>,
    /// Where the built-in router listens; 0 if there is none.
    pub router_port: u16,
    /// Secrets that pods name and that are not there.
    pub missing_secrets: BTreeSet<Key>,
}

impl Objects {
    /// Reads all kinds side by side; `namespace` "" means everywhere.
    pub async fn read(client: &Client, namespace: &str) -> Result<Objects, Failure> {
        let workloads = async {
            tokio::try_join!(
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
            )
        };
        let images = async {
            tokio::try_join!(
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
            )
        };
        let applications = async {
            tokio::try_join!(
                all(client, namespace),
                all(client, namespace),
                all(client, namespace),
                all(client, ""),
                routers(client),
            )
        };
        let (workloads, images, applications, router_port) = tokio::try_join!(
            workloads,
            images,
            applications,
            Objects::router_port(client)
        )?;
        let (services, controllers, pods, deployments, replica_sets, configs) = workloads;
        let (build_configs, builds, streams, routes) = images;
        let (applications, rollouts, gears, nodes, routers) = applications;
        let mut objects = Objects {
            services,
            controllers,
            pods,
            deployments,
            replica_sets,
            build_configs,
            builds,
            streams,
            configs,
            routes,
            applications,
            rollouts,
            gears,
            operations: Vec::new(),
            nodes,
            routers,
            router_port,
            missing_secrets: BTreeSet::new(),
        };
        objects.operations = objects.newest_operations(client, namespace).await?;
        objects.missing_secrets = missing(client, objects.secrets()).await;
        Ok(objects)
    }

    /// What was done in each application's newest rollout; nothing is asked where all is well and nothing under way.
    async fn newest_operations(
        &self,
        client: &Client,
        namespace: &str,
    ) -> Result<Vec<Operation>, Failure> {
        let mut newest: BTreeMap<Key, &Rollout> = BTreeMap::new();
        for rollout in &self.rollouts {
            let application = rollout.spec.application.as_str();
            let key = Key::new(rollout.metadata.namespace.clone(), application);
            let known = newest.entry(key).or_insert(rollout);
            if rollout.spec.number > known.spec.number {
                *known = rollout;
            }
        }
        let mut names: Vec<&str> = newest
            .values()
            .filter(|rollout| rollout.status.phase != RolloutPhase::Succeeded)
            .map(|rollout| rollout.metadata.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let selector = format!("{LABEL_ROLLOUT} in ({})", names.join(","));
        some(client, namespace, &ListOptions::labelled(&selector)).await
    }

    /// Where the built-in router listens; 0 if there is none.
    pub async fn router_port(client: &Client) -> Result<u16, Failure> {
        match client.get::<Router>(&Key::new("", BUILT_IN_ROUTER)).await {
            Ok(router) => Ok(port_of(&router.spec.address)),
            Err(error) if is_hidden(&error) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The secrets that pods mount.
    fn secrets(&self) -> BTreeSet<Key> {
        let mut named = BTreeSet::new();
        for pod in &self.pods {
            for name in secrets_of(&pod.spec.volumes) {
                named.insert(Key::new(&pod.metadata.namespace, name));
            }
        }
        for (metadata, template) in self.templates() {
            let volumes = template["spec"]["volumes"].as_array();
            for name in secrets_of(volumes.map_or(&[], Vec::as_slice)) {
                named.insert(Key::new(&metadata.namespace, name));
            }
        }
        named
    }

    /// What pods are made from, with the metadata of whoever makes them.
    pub fn templates(&self) -> impl Iterator<Item = (&Metadata, &Value)> {
        let controllers = self.controllers.iter();
        let controllers = controllers.map(|one| (&one.metadata, &one.spec.template));
        let deployments = self.deployments.iter();
        let deployments = deployments.map(|one| (&one.metadata, &one.spec.template));
        let configs = self.configs.iter();
        let configs = configs.map(|one| (&one.metadata, &one.spec.template));
        controllers.chain(deployments).chain(configs)
    }
}

/// The names of the secrets that volumes need.
pub fn secrets_of(volumes: &[Value]) -> Vec<String> {
    let secrets = volumes.iter().filter_map(|volume| {
        let secret = &volume["secret"];
        let is_needed = secret["optional"] != true;
        secret["secretName"].as_str().filter(|_| is_needed)
    });
    secrets.map(str::to_owned).collect()
}

/// Which of these secrets are not there; their values stay on the server unless they are.
async fn missing(client: &Client, named: BTreeSet<Key>) -> BTreeSet<Key> {
    let asked = named.into_iter().map(|key| async move {
        match client.read(&kinds::SECRET, &key).await {
            Err(error) if error.is_not_found() => Some(key),
            _ => None,
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    answers.into_iter().flatten().collect()
}

async fn all<T: Typed>(client: &Client, namespace: &str) -> Result<Vec<T>, Failure> {
    some(client, namespace, &ListOptions::default()).await
}

async fn routers(client: &Client) -> Result<Option<Vec<Router>>, Failure> {
    match client.list("", &ListOptions::default()).await {
        Ok(list) => Ok(Some(list.items)),
        Err(error) if is_hidden(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn some<T: Typed>(
    client: &Client,
    namespace: &str,
    options: &ListOptions,
) -> Result<Vec<T>, Failure> {
    match client.list_objects(T::KIND, namespace, options).await {
        Ok(list) => Ok(list
            .items
            .into_iter()
            .filter_map(|object| serde_json::from_value(object).ok())
            .collect()),
        Err(error) if is_hidden(&error) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn is_hidden(error: &client::Error) -> bool {
    error
        .status()
        .is_some_and(|status| matches!(status.code, 403 | 404))
}

/// `8880` of `127.0.0.1:8880` and of `[::1]:8880`; 0 of anything else.
fn port_of(address: &str) -> u16 {
    let port = address.rsplit_once(':').map(|(_, port)| port.parse());
    port.and_then(Result::ok).unwrap_or(0)
}
