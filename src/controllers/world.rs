//! What the controllers know: one table per kind, kept current by the watches, and what was seen when on our own clock.
//!
//! Pure data with indexes by application and by node, so that no decision scans all objects. Only the queue writes it.
//! A decision never compares timestamps of other machines: how long a node is silent, or since when an operation is
//! over, counts from the moment this process saw it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::core::Lease;
use crate::api::core::Namespace;
use crate::api::core::Node;
use crate::api::core::typed;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::OwnerReference;
use crate::api::meta::Typed;
use crate::api::network::EndpointSlice;
use crate::api::network::Endpoints;
use crate::api::network::Route;
use crate::api::network::Router;
use crate::api::network::Service;
use crate::api::pod::Pod;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::api::pod::ServiceAccount;
use crate::api::pod::controller;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Operation;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::base::clock::Timestamp;

macro_rules! bare {
    ($($view:ident = $kind:expr, $doc:literal;)*) => {
        $(#[doc = $doc]
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $view {
            pub metadata: Metadata,
        }
        typed!($view, $kind);
        impl Held for $view {})*
    };
}

bare! {
    Secret = kinds::SECRET, "A Secret's metadata: all that owner references need.";
    ConfigMap = kinds::CONFIG_MAP, "A `ConfigMap`'s metadata.";
}

/// How an object is found besides by its name.
pub trait Held: Typed {
    /// The application it belongs to, in its own namespace.
    fn application(&self) -> Option<&str> {
        None
    }
    /// The node it is on.
    fn node(&self) -> Option<&str> {
        None
    }
}

impl Held for Application {
    fn application(&self) -> Option<&str> {
        Some(&self.metadata.name)
    }
}
impl Held for Revision {
    fn application(&self) -> Option<&str> {
        Some(&self.spec.application)
    }
}
impl Held for Rollout {
    fn application(&self) -> Option<&str> {
        Some(&self.spec.application)
    }
}
impl Held for Gear {
    fn application(&self) -> Option<&str> {
        Some(&self.spec.application)
    }
    fn node(&self) -> Option<&str> {
        Some(&self.spec.node)
    }
}
impl Held for Operation {
    fn application(&self) -> Option<&str> {
        self.metadata
            .labels
            .get(LABEL_APPLICATION)
            .map(String::as_str)
    }
    fn node(&self) -> Option<&str> {
        Some(&self.spec.node)
    }
}
impl Held for Node {
    fn node(&self) -> Option<&str> {
        Some(&self.metadata.name)
    }
}
impl Held for Lease {
    fn node(&self) -> Option<&str> {
        Some(&self.metadata.name)
    }
}
impl Held for Pod {
    fn node(&self) -> Option<&str> {
        let node = self.spec.node_name.as_str();
        Some(node).filter(|node| !node.is_empty())
    }
}

macro_rules! held {
    ($($view:ty),* $(,)?) => { $(impl Held for $view {})* };
}

held!(
    Namespace,
    Service,
    EndpointSlice,
    Endpoints,
    Route,
    Router,
    ReplicationController,
    ReplicaSet,
    ServiceAccount,
    Deployment,
    DeploymentConfig,
    ImageStream,
    Image,
    BuildConfig,
    Build,
);

/// Every object of one kind.
#[derive(Clone, Debug)]
pub struct Table<T> {
    objects: BTreeMap<Key, Arc<T>>,
    by_application: BTreeMap<Key, BTreeSet<Key>>,
    by_node: BTreeMap<String, BTreeSet<Key>>,
    by_controller: BTreeMap<String, BTreeSet<Key>>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            objects: BTreeMap::new(),
            by_application: BTreeMap::new(),
            by_node: BTreeMap::new(),
            by_controller: BTreeMap::new(),
        }
    }
}

impl<T: Held> Table<T> {
    /// The object of that name.
    pub fn find(&self, key: &Key) -> Option<&Arc<T>> {
        self.objects.get(key)
    }

    /// All of them, in key order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values()
    }

    /// The names of all of them.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Those that belong to an application.
    pub fn of_application(&self, application: &Key) -> impl Iterator<Item = &Arc<T>> {
        self.by_application
            .get(application)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Those of a namespace, in the order of their names.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        self.objects
            .range(Key::new(namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// Those whose controlling owner has this uid.
    pub fn controlled_by(&self, uid: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_controller
            .get(uid)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Those that are on a node.
    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_node
            .get(node)
            .into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    /// Puts an object's new state in place of the old one, which it returns; none: the object is gone.
    pub fn put(&mut self, key: &Key, object: Option<Arc<T>>) -> Option<Arc<T>> {
        let before = self.objects.remove(key);
        if let Some(before) = &before {
            self.unlist(key, before);
        }
        if let Some(object) = object {
            if let Some(application) = object.application() {
                let owner = Key::new(key.namespace.clone(), application);
                self.by_application
                    .entry(owner)
                    .or_default()
                    .insert(key.clone());
            }
            if let Some(node) = object.node() {
                self.by_node
                    .entry(node.to_owned())
                    .or_default()
                    .insert(key.clone());
            }
            if let Some(uid) = controller(object.metadata()) {
                self.by_controller
                    .entry(uid.to_owned())
                    .or_default()
                    .insert(key.clone());
            }
            self.objects.insert(key.clone(), object);
        }
        before
    }

    fn unlist(&mut self, key: &Key, object: &T) {
        if let Some(application) = object.application() {
            let owner = Key::new(key.namespace.clone(), application);
            if let Some(keys) = self.by_application.get_mut(&owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_application.remove(&owner);
                }
            }
        }
        if let Some(node) = object.node()
            && let Some(keys) = self.by_node.get_mut(node)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_node.remove(node);
            }
        }
        if let Some(uid) = controller(object.metadata())
            && let Some(keys) = self.by_controller.get_mut(uid)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_controller.remove(uid);
            }
        }
    }
}

/// A lease's last renewal as this process saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    pub renew_time: String,
    pub seen: Timestamp,
    /// Whether it was seen to change, not only found.
    pub renewed: bool,
}

/// Everything the controllers look at.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub applications: Table<Application>,
    pub revisions: Table<Revision>,
    pub rollouts: Table<Rollout>,
    pub gears: Table<Gear>,
    pub operations: Table<Operation>,
    pub nodes: Table<Node>,
    pub namespaces: Table<Namespace>,
    pub leases: Table<Lease>,
    pub secrets: Table<Secret>,
    pub config_maps: Table<ConfigMap>,
    pub services: Table<Service>,
    pub endpoint_slices: Table<EndpointSlice>,
    pub endpoints: Table<Endpoints>,
    pub routes: Table<Route>,
    pub routers: Table<Router>,
    pub pods: Table<Pod>,
    pub replication_controllers: Table<ReplicationController>,
    pub replica_sets: Table<ReplicaSet>,
    pub service_accounts: Table<ServiceAccount>,
    pub deployments: Table<Deployment>,
    pub deployment_configs: Table<DeploymentConfig>,
    pub image_streams: Table<ImageStream>,
    pub images: Table<Image>,
    pub build_configs: Table<BuildConfig>,
    pub builds: Table<Build>,
    signs: BTreeMap<Key, Sign>,
    silent: BTreeMap<String, Timestamp>,
    ended: BTreeMap<Key, Timestamp>,
    nodes_known: BTreeMap<String, Timestamp>,
    rollouts_known: BTreeMap<Key, Timestamp>,
}

/// A kind with a table of its own in the world.
pub trait Tabled: Held + Sized {
    /// Its table.
    fn table(world: &World) -> &Table<Self>;
    /// Its table, to be changed.
    fn table_mut(world: &mut World) -> &mut Table<Self>;
    /// Keeps in mind when something was seen.
    fn observe(_world: &mut World, _key: &Key, _object: Option<&Self>, _now: Timestamp) {}
}

macro_rules! tabled {
    ($($view:ty = $field:ident $(, $observe:ident)?;)*) => {
        $(impl Tabled for $view {
            fn table(world: &World) -> &Table<$view> {
                &world.$field
            }
            fn table_mut(world: &mut World) -> &mut Table<$view> {
                &mut world.$field
            }
            $(fn observe(world: &mut World, key: &Key, object: Option<&$view>, now: Timestamp) {
                world.$observe(key, object, now);
            })?
        })*

        impl World {
            /// The names of every object of a kind.
            pub fn keys(&self, kind: &Kind) -> Vec<Key> {
                $(if *kind == *<$view as Typed>::KIND {
                    return self.$field.keys().cloned().collect();
                })*
                Vec::new()
            }

            /// An object's metadata, whatever its kind.
            pub fn metadata(&self, kind: &Kind, key: &Key) -> Option<&Metadata> {
                $(if *kind == *<$view as Typed>::KIND {
                    return self.$field.find(key).map(|object| object.metadata());
                })*
                None
            }
        }

        /// Every kind that has a table.
        pub static KINDS: &[&Kind] = &[$(<$view as Typed>::KIND),*];
    };
}

tabled! {
    Application = applications;
    Revision = revisions;
    Rollout = rollouts, observe_rollout;
    Gear = gears;
    Operation = operations, observe_operation;
    Node = nodes, observe_node;
    Namespace = namespaces;
    Lease = leases, observe_lease;
    Secret = secrets;
    ConfigMap = config_maps;
    Service = services;
    EndpointSlice = endpoint_slices;
    Endpoints = endpoints;
    Route = routes;
    Router = routers;
    Pod = pods;
    ReplicationController = replication_controllers;
    ReplicaSet = replica_sets;
    ServiceAccount = service_accounts;
    Deployment = deployments;
    DeploymentConfig = deployment_configs;
    ImageStream = image_streams;
    Image = images;
    BuildConfig = build_configs;
    Build = builds;
}

impl World {
    /// Takes an object's new state in; none: it is gone. Returns the old state.
    pub fn put<T: Tabled>(
        &mut self,
        key: &Key,
        object: Option<Arc<T>>,
        now: Timestamp,
    ) -> Option<Arc<T>> {
        T::observe(self, key, object.as_deref(), now);
        T::table_mut(self).put(key, object)
    }

    /// Whether a node is there and its agent was heard lately.
    pub fn is_reachable(&self, node: &str) -> bool {
        self.node(node).is_some_and(|node| node.is_ready())
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.find(&Key::new("", name))
    }

    /// How long this process has known a node to be silent; none when it is not.
    pub fn silence(&self, node: &str, now: Timestamp) -> Option<Duration> {
        self.silent.get(node).map(|since| now.since(*since))
    }

    /// How long ago this process saw that an operation is over; none when it is not.
    pub fn since_end(&self, operation: &Key, now: Timestamp) -> Option<Duration> {
        self.ended.get(operation).map(|at| now.since(*at))
    }

    /// The last renewal of a node's lease.
    pub fn sign(&self, lease: &Key) -> Option<&Sign> {
        self.signs.get(lease)
    }

    /// How long this process has known a node.
    pub fn acquaintance(&self, node: &str, now: Timestamp) -> Duration {
        self.nodes_known
            .get(node)
            .map_or(Duration::ZERO, |since| now.since(*since))
    }

    /// How long this process has known a rollout.
    pub fn rollout_known(&self, rollout: &Key, now: Timestamp) -> Duration {
        self.rollouts_known
            .get(rollout)
            .map_or(Duration::ZERO, |since| now.since(*since))
    }

    /// Whether an owner that a reference names is there, the very same one; none: we hold no objects of its kind.
    pub fn has_owner(&self, namespace: &str, reference: &OwnerReference) -> Option<bool> {
        let kind = owner_kind(reference)?;
        let metadata = self.metadata(kind, &owner_key(kind, namespace, reference));
        Some(metadata.is_some_and(|owner| owner.uid == reference.uid))
    }

    fn observe_operation(&mut self, key: &Key, object: Option<&Operation>, now: Timestamp) {
        match object {
            Some(operation) if operation.status.phase.is_final() => {
                self.ended.entry(key.clone()).or_insert(now);
            }
            _ => {
                self.ended.remove(key);
            }
        }
    }

    fn observe_rollout(&mut self, key: &Key, object: Option<&Rollout>, now: Timestamp) {
        if object.is_some() {
            self.rollouts_known.entry(key.clone()).or_insert(now);
        } else {
            self.rollouts_known.remove(key);
        }
    }

    fn observe_node(&mut self, key: &Key, object: Option<&Node>, now: Timestamp) {
        let Some(node) = object else {
            self.nodes_known.remove(&key.name);
            self.silent.remove(&key.name);
            return;
        };
        self.nodes_known.entry(key.name.clone()).or_insert(now);
        if node.is_ready() {
            self.silent.remove(&key.name);
        } else {
            self.silent.entry(key.name.clone()).or_insert(now);
        }
    }

    fn observe_lease(&mut self, key: &Key, object: Option<&Lease>, now: Timestamp) {
        let Some(lease) = object else {
            self.signs.remove(key);
            return;
        };
        match self.signs.get_mut(key) {
            Some(sign) if sign.renew_time == lease.spec.renew_time => {}
            Some(sign) => {
                *sign = Sign {
                    renew_time: lease.spec.renew_time.clone(),
                    seen: now,
                    renewed: true,
                };
            }
            None => {
                let sign = Sign {
                    renew_time: lease.spec.renew_time.clone(),
                    seen: now,
                    renewed: false,
                };
                self.signs.insert(key.clone(), sign);
            }
        }
    }
}

/// The kind that an owner reference names, if we hold its objects.
pub fn owner_kind(reference: &OwnerReference) -> Option<&'static Kind> {
    KINDS
        .iter()
        .copied()
        .find(|kind| kind.kind == reference.kind && kind.api_version() == reference.api_version)
}

/// Where an owner is: in the dependent's namespace, or in none when its kind has none.
pub fn owner_key(kind: &Kind, namespace: &str, reference: &OwnerReference) -> Key {
    match kind.scope {
        kinds::Scope::Cluster => Key::new("", reference.name.clone()),
        kinds::Scope::Namespaced => Key::new(namespace, reference.name.clone()),
    }
}
