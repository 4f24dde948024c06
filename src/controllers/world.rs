//! What the controllers know: one table per kind, kept current by the watches, and what was seen when on our own clock.
//!
//! Pure data with indexes (by application, node, owner, followed image stream), so that no decision scans all objects.
//! Only the queue writes it. A decision never compares timestamps of other machines: how long a node is silent, or since
//! when an operation is over, counts from the moment this process saw it; of pods and what keeps them, [`Sightings`].

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::ObjectRef;
use crate::api::core::Lease;
use crate::api::core::Namespace;
use crate::api::core::Node;
use crate::api::core::typed;
use crate::api::deployment;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::image;
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
use crate::api::pod::Template;
use crate::api::pod::controller;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Operation;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::base::clock::Timestamp;
use crate::controllers::progress::Progress;
use crate::controllers::sightings::Sightings;

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
    /// The node it is on; "" for what waits for one.
    fn node(&self) -> Option<&str> {
        None
    }
    /// The gear that it is work on, in its own namespace.
    fn gear(&self) -> Option<&str> {
        None
    }
    /// The image streams that bring it new images.
    fn streams(&self) -> Vec<Key> {
        Vec::new()
    }
    /// The images that it names by digest.
    fn images(&self) -> Vec<String> {
        Vec::new()
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
    fn gear(&self) -> Option<&str> {
        Some(&self.spec.gear)
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
        Some(&self.spec.node_name)
    }
    fn images(&self) -> Vec<String> {
        let containers = self.spec.containers.iter();
        let digests = containers.filter_map(|one| image::digest(&one.image));
        digests.map(str::to_owned).collect()
    }
}
impl Held for ReplicationController {
    fn images(&self) -> Vec<String> {
        of_template(&self.spec.template)
    }
}
impl Held for ReplicaSet {
    fn images(&self) -> Vec<String> {
        of_template(&self.spec.template)
    }
}
impl Held for Deployment {
    fn streams(&self) -> Vec<Key> {
        let followed = deployment::image_triggers(&self.metadata);
        let keys = followed.iter().map(|one| stream(&self.metadata, &one.from));
        keys.collect()
    }
    fn images(&self) -> Vec<String> {
        of_template(&self.spec.template)
    }
}
impl Held for DeploymentConfig {
    fn streams(&self) -> Vec<Key> {
        let triggers = self.spec.triggers.iter().flatten();
        let followed = triggers.filter_map(|one| one.image_change_params.as_ref());
        let keys = followed.map(|one| stream(&self.metadata, &one.from));
        keys.collect()
    }
    fn images(&self) -> Vec<String> {
        of_template(&self.spec.template)
    }
}
impl Held for ImageStream {
    fn images(&self) -> Vec<String> {
        let items = self.status.tags.iter().flat_map(|tag| &tag.items);
        items.map(|item| item.image.clone()).collect()
    }
}
impl Held for Build {
    fn images(&self) -> Vec<String> {
        let from = self.spec.common.strategy.source_strategy.as_ref();
        let from = from.and_then(|source| image::digest(&source.from.name));
        let output = self.status.output.as_ref();
        let output = output.and_then(|output| output["to"]["imageDigest"].as_str());
        from.into_iter().chain(output).map(str::to_owned).collect()
    }
}

/// The stream of an `ImageStreamTag` that an object names.
fn stream(metadata: &Metadata, from: &ObjectRef) -> Key {
    let namespace = match from.namespace.as_str() {
        "" => &metadata.namespace,
        namespace => namespace,
    };
    Key::new(namespace, image::split_tag(&from.name).0)
}

/// The images that the containers of a template name by digest.
fn of_template(template: &Template) -> Vec<String> {
    let containers = template["spec"]["containers"].as_array();
    let images = containers.into_iter().flatten();
    let digests = images.filter_map(|one| image::digest(one["image"].as_str()?));
    digests.map(str::to_owned).collect()
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
    ServiceAccount,
    Image,
    BuildConfig,
);

/// Every object of one kind.
#[derive(Clone, Debug)]
pub struct Table<T> {
    objects: BTreeMap<Key, Arc<T>>,
    by_application: Index<Key, T>,
    by_gear: Index<Key, T>,
    by_node: Index<String, T>,
    by_owner: Index<String, T>,
    by_stream: Index<Key, T>,
    by_image: Index<String, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            objects: BTreeMap::new(),
            by_application: Index::default(),
            by_gear: Index::default(),
            by_node: Index::default(),
            by_owner: Index::default(),
            by_stream: Index::default(),
            by_image: Index::default(),
        }
    }
}

/// Objects by something that they name, in key order.
#[derive(Clone, Debug)]
struct Index<N, T>(BTreeMap<N, BTreeMap<Key, Arc<T>>>);

impl<N, T> Default for Index<N, T> {
    fn default() -> Index<N, T> {
        Index(BTreeMap::new())
    }
}

impl<N: Ord, T> Index<N, T> {
    fn add(&mut self, name: N, key: &Key, object: &Arc<T>) {
        let named = self.0.entry(name).or_default();
        named.insert(key.clone(), object.clone());
    }

    fn remove(&mut self, name: &N, key: &Key) {
        if let Some(named) = self.0.get_mut(name) {
            named.remove(key);
            if named.is_empty() {
                self.0.remove(name);
            }
        }
    }

    fn get<Q: Ord + ?Sized>(&self, name: &Q) -> impl Iterator<Item = &Arc<T>>
    where
        N: Borrow<Q>,
    {
        self.0.get(name).into_iter().flat_map(BTreeMap::values)
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
        self.by_application.get(application)
    }

    /// Those that are work on a gear.
    pub fn of_gear(&self, gear: &Key) -> impl Iterator<Item = &Arc<T>> {
        self.by_gear.get(gear)
    }

    /// Those of a namespace, in the order of their names.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        self.objects
            .range(Key::new(namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, object)| object)
    }

    /// Those that have an owner with this uid.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_owner.get(uid)
    }

    /// Those whose controlling owner has this uid.
    pub fn controlled_by(&self, uid: &str) -> impl Iterator<Item = &Arc<T>> {
        self.owned_by(uid)
            .filter(move |object| controller(object.metadata()) == Some(uid))
    }

    /// Those that are on a node; "": those that wait for one.
    pub fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_node.get(node)
    }

    /// Those that get new images from an image stream.
    pub fn following(&self, stream: &Key) -> impl Iterator<Item = &Arc<T>> {
        self.by_stream.get(stream)
    }

    /// Those that name an image by its digest.
    pub fn naming_image(&self, digest: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_image.get(digest)
    }

    /// Puts an object's new state in place of the old one, which it returns; none: the object is gone.
    pub fn put(&mut self, key: &Key, object: Option<Arc<T>>) -> Option<Arc<T>> {
        let before = self.objects.remove(key);
        if let Some(before) = &before {
            self.unlist(key, before);
        }
        if let Some(object) = object {
            self.list(key, &object);
            self.objects.insert(key.clone(), object);
        }
        before
    }

    fn list(&mut self, key: &Key, object: &Arc<T>) {
        if let Some(application) = object.application() {
            let owner = Key::new(key.namespace.clone(), application);
            self.by_application.add(owner, key, object);
        }
        if let Some(gear) = object.gear() {
            self.by_gear
                .add(Key::new(key.namespace.clone(), gear), key, object);
        }
        if let Some(node) = object.node() {
            self.by_node.add(node.to_owned(), key, object);
        }
        for owner in &object.metadata().owner_references {
            self.by_owner.add(owner.uid.clone(), key, object);
        }
        for stream in object.streams() {
            self.by_stream.add(stream, key, object);
        }
        for image in object.images() {
            self.by_image.add(image, key, object);
        }
    }

    fn unlist(&mut self, key: &Key, object: &T) {
        if let Some(application) = object.application() {
            let owner = Key::new(key.namespace.clone(), application);
            self.by_application.remove(&owner, key);
        }
        if let Some(gear) = object.gear() {
            self.by_gear
                .remove(&Key::new(key.namespace.clone(), gear), key);
        }
        if let Some(node) = object.node() {
            self.by_node.remove(&node.to_owned(), key);
        }
        for owner in &object.metadata().owner_references {
            self.by_owner.remove(&owner.uid, key);
        }
        for stream in object.streams() {
            self.by_stream.remove(&stream, key);
        }
        for image in object.images() {
            self.by_image.remove(&image, key);
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
    pub sightings: Sightings,
    progress: Progress,
    hosts: BTreeMap<String, BTreeSet<Key>>,
    signs: BTreeMap<Key, Sign>,
    silent: BTreeMap<String, Timestamp>,
    nodes_known: BTreeMap<String, Timestamp>,
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

        impl World {
            /// What has an owner with this uid, of whatever kind.
            pub fn dependents(&self, uid: &str) -> Vec<(&'static Kind, Key)> {
                let mut dependents = Vec::new();
                $(for object in self.$field.owned_by(uid) {
                    dependents.push((<$view as Typed>::KIND, object.metadata().key()));
                })*
                dependents
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
    Gear = gears, observe_gear;
    Operation = operations, observe_operation;
    Node = nodes, observe_node;
    Namespace = namespaces;
    Lease = leases, observe_lease;
    Secret = secrets;
    ConfigMap = config_maps;
    Service = services;
    EndpointSlice = endpoint_slices, observe_endpoint_slice;
    Endpoints = endpoints;
    Route = routes, observe_route;
    Router = routers, observe_router;
    Pod = pods, observe_pod;
    ReplicationController = replication_controllers, observe_replication_controller;
    ReplicaSet = replica_sets, observe_replica_set;
    ServiceAccount = service_accounts;
    Deployment = deployments;
    DeploymentConfig = deployment_configs;
    ImageStream = image_streams;
    Image = images, observe_image;
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

    /// The routes that name a host, whoever may have it.
    pub fn routes_of_host(&self, host: &str) -> impl Iterator<Item = &Arc<Route>> {
        let keys = self.hosts.get(&host.to_ascii_lowercase());
        keys.into_iter()
            .flatten()
            .filter_map(|key| self.routes.find(key))
    }

    fn observe_route(&mut self, key: &Key, route: Option<&Route>, _now: Timestamp) {
        let host = |route: &Route| route.spec.host.to_ascii_lowercase();
        if let Some(old) = self.routes.find(key).map(|old| host(old))
            && let Some(keys) = self.hosts.get_mut(&old)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.hosts.remove(&old);
            }
        }
        if let Some(route) = route {
            let keys = self.hosts.entry(host(route)).or_default();
            keys.insert(key.clone());
        }
    }

    /// Whether a node is there and its agent was heard lately.
    pub fn is_reachable(&self, node: &str) -> bool {
        self.node(node).is_some_and(|node| node.is_ready())
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.find(&Key::new("", name))
    }

    /// Whether a namespace is on its way out: nothing new begins in it.
    pub fn is_ending(&self, namespace: &str) -> bool {
        let namespace = self.namespaces.find(&Key::new("", namespace));
        namespace.is_some_and(|namespace| namespace.metadata.is_deleting())
    }

    /// How long this process has known a node to be silent; none when it is not.
    pub fn silence(&self, node: &str, now: Timestamp) -> Option<Duration> {
        self.silent.get(node).map(|since| now.since(*since))
    }

    /// How long ago this process saw that an operation is over; none when it is not.
    pub fn since_end(&self, operation: &Key, now: Timestamp) -> Option<Duration> {
        self.progress.since_end(operation, now)
    }

    /// How long the switch of a rollout's traffic is in its phase, as this process saw it.
    pub fn since_switch(&self, rollout: &Key, now: Timestamp) -> Duration {
        self.progress.since_switch(rollout, now)
    }

    /// The operations of an application's gears that are not over.
    pub fn under_way(&self, application: &Key) -> impl Iterator<Item = &Arc<Operation>> {
        let keys = self.progress.under_way(application);
        keys.filter_map(|key| self.operations.find(key))
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

    /// How long this process has known of the attempt of a rollout that is asked for.
    pub fn rollout_known(&self, rollout: &Key, now: Timestamp) -> Duration {
        self.progress.rollout_known(rollout, now)
    }

    /// Whether an owner that a reference names is there, the very same one; none: we hold no objects of its kind.
    pub fn has_owner(&self, namespace: &str, reference: &OwnerReference) -> Option<bool> {
        let kind = owner_kind(reference)?;
        let metadata = self.metadata(kind, &owner_key(kind, namespace, reference));
        Some(metadata.is_some_and(|owner| owner.uid == reference.uid))
    }

    fn observe_pod(&mut self, key: &Key, object: Option<&Pod>, now: Timestamp) {
        self.sightings.pod(key, object, now);
    }

    fn observe_endpoint_slice(&mut self, key: &Key, slice: Option<&EndpointSlice>, _: Timestamp) {
        let before = self.endpoint_slices.find(key).cloned();
        let before = before.as_deref();
        self.sightings.slice(key, before, slice);
    }

    fn observe_replication_controller(
        &mut self,
        key: &Key,
        object: Option<&ReplicationController>,
        now: Timestamp,
    ) {
        self.sightings.set(key, object, now);
    }

    fn observe_replica_set(&mut self, key: &Key, object: Option<&ReplicaSet>, now: Timestamp) {
        self.sightings.set(key, object, now);
    }

    fn observe_image(&mut self, key: &Key, object: Option<&Image>, now: Timestamp) {
        self.sightings.image(key, object.is_some(), now);
    }

    fn observe_gear(&mut self, key: &Key, object: Option<&Gear>, _: Timestamp) {
        self.sightings.gear(key, object);
    }

    fn observe_router(&mut self, key: &Key, object: Option<&Router>, now: Timestamp) {
        let before = self.routers.find(key).cloned();
        self.sightings.router(before.as_deref(), object, now);
    }

    fn observe_operation(&mut self, key: &Key, object: Option<&Operation>, now: Timestamp) {
        self.sightings.operation(key, object, now);
        let before = self.operations.find(key).cloned();
        self.progress.operation(key, before.as_deref(), object, now);
    }

    fn observe_rollout(&mut self, key: &Key, object: Option<&Rollout>, now: Timestamp) {
        self.progress.rollout(key, object, now);
    }

    fn observe_node(&mut self, key: &Key, object: Option<&Node>, now: Timestamp) {
        let Some(node) = object else {
            self.nodes_known.remove(&key.name);
            self.silent.remove(&key.name);
            return;
        };
        self.nodes_known.entry(key.name.clone()).or_insert(now);
        if node.is_ready() {
            if self.silent.remove(&key.name).is_some() {
                self.sightings.heard_again(&key.name, now);
            }
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

/// Takes in an object that a test writes as JSON, at the second 0.
#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test reads better with json!(…) than with &json!(…)"
)]
pub(crate) fn put<T: Tabled>(world: &mut World, object: serde_json::Value) {
    let object = T::deserialize(&object).expect("a test's object fits its view");
    let key = object.metadata().key();
    world.put(&key, Some(Arc::new(object)), Timestamp::from_second(0));
}

#[cfg(test)]
mod tests;
