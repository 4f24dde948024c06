//! The list-and-watch caches behind the world, one per kind.
//!
//! A table of fields and nothing else: what a cache does is `client/cache.rs`, what a change wakes is `queue.rs`.

use std::sync::Arc;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::core::Lease;
use crate::api::core::Namespace;
use crate::api::core::Node;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentConfig;
use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
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
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::base::scope::Scope;
use crate::client::Cache;
use crate::client::Client;
use crate::client::ListOptions;
use crate::controllers::queue::Queue;
use crate::controllers::world::ConfigMap;
use crate::controllers::world::Secret;
use crate::controllers::world::Tabled;

macro_rules! caches {
    ($($field:ident: $view:ty,)*) => {
        /// One cache per kind that the world has a table for.
        pub(crate) struct Caches {
            $($field: Cache<$view>,)*
        }

        impl Caches {
            /// Starts every list and watch.
            pub(crate) fn start(client: &Client, scope: &Scope) -> Caches {
                Caches {
                    $($field: Cache::start(client.clone(), "", ListOptions::default(), scope),)*
                }
            }

            /// Waits until each has listed once.
            pub(crate) async fn synced(&self) {
                $(self.$field.synced().await;)*
            }

            /// Hands every change to the queue.
            pub(crate) fn follow(&self, queue: &Arc<Queue>, scope: &Scope) {
                $(scope.spawn(follow(queue.clone(), self.$field.clone()));)*
            }

            /// Hands everything there is to the queue.
            pub(crate) fn load(&self, queue: &Queue) {
                $(for key in self.$field.snapshot().keys() {
                    queue.take(key, || self.$field.get(key));
                })*
            }

            /// Waits until the cache of a kind has seen that version.
            pub(crate) async fn at_least(&self, kind: &Kind, revision: u64) {
                $(if *kind == *<$view as Typed>::KIND {
                    return self.$field.at_least(revision).await;
                })*
            }

            /// Hands one object's present state to the queue.
            pub(crate) fn refresh(&self, queue: &Queue, kind: &Kind, key: &Key) {
                $(if *kind == *<$view as Typed>::KIND {
                    return queue.take(key, || self.$field.get(key));
                })*
            }
        }
    };
}

caches! {
    applications: Application,
    revisions: Revision,
    rollouts: Rollout,
    gears: Gear,
    operations: Operation,
    nodes: Node,
    namespaces: Namespace,
    leases: Lease,
    secrets: Secret,
    config_maps: ConfigMap,
    services: Service,
    endpoint_slices: EndpointSlice,
    endpoints: Endpoints,
    routes: Route,
    routers: Router,
    pods: Pod,
    replication_controllers: ReplicationController,
    replica_sets: ReplicaSet,
    service_accounts: ServiceAccount,
    deployments: Deployment,
    deployment_configs: DeploymentConfig,
    image_streams: ImageStream,
    images: Image,
    build_configs: BuildConfig,
    builds: Build,
}

async fn follow<T: Tabled>(queue: Arc<Queue>, cache: Cache<T>) {
    let mut changes = cache.changes();
    while let Some((key, _)) = changes.recv().await {
        queue.take(&key, || cache.get(&key));
    }
}
