//! Objects in, changes out: what is wanted becomes Operations, what was done becomes status.
//!
//! One `decide` per file, each a pure function from the [`world`] to [`change`]s for one key; [`queue`] owns everything
//! else once. Controllers never read the clock, never talk to an agent or to each other, and keep nothing in memory that
//! a restart would miss. Who calls: the server, which starts them with a client of their own identity.

mod caches;
pub mod change;
mod events;
mod perform;
mod progress;
pub mod queue;
mod sightings;
pub mod world;

mod application;
mod balanced_service;
mod build;
mod build_config;
mod deployment;
mod deployment_apps;
mod deployment_config;
mod endpoints;
mod garbage;
mod gear_endpoints;
mod gears;
mod history;
mod image_pruning;
mod image_trigger;
mod namespace;
mod nodes;
mod operations;
mod placement;
mod replicas;
mod rollout;
mod rotation;
mod route_status;
mod scheduling;
mod service_accounts;
mod slices;

#[cfg(test)]
mod simulation;

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::controllers::queue::Line;
use crate::controllers::queue::Queue;

/// The running controllers. They stop with their scope; what they were about to write is decided again at the next start.
#[derive(Clone)]
pub struct Controllers {
    queue: Arc<Queue>,
    scope: Scope,
}

impl Controllers {
    /// Starts all controllers under the client's identity.
    pub fn start(client: Client, scope: &Scope, clock: Clock) -> Controllers {
        let scope = scope.child();
        let lines = vec![
            Line::new(nodes::Nodes),
            Line::new(rollout::Rollouts),
            Line::new(gears::Gears),
            Line::new(placement::Placement),
            Line::new(operations::Operations),
            Line::new(application::Applications),
            Line::new(history::History),
            Line::new(image_trigger::ConfigImages),
            Line::new(image_trigger::DeploymentImages),
            Line::new(deployment_config::DeploymentConfigs),
            Line::new(deployment_apps::Deployments),
            Line::new(replicas::ReplicationControllers),
            Line::new(replicas::ReplicaSets),
            Line::new(scheduling::Scheduling),
            Line::new(endpoints::EndpointSlices),
            Line::new(balanced_service::BalancedServices),
            Line::new(gear_endpoints::GearEndpoints),
            Line::new(rotation::Rotation),
            Line::new(rotation::GearRotation),
            Line::new(service_accounts::ServiceAccounts),
            Line::new(image_pruning::Tags),
            Line::new(image_pruning::Images),
            Line::new(build_config::BuildConfigs),
            Line::new(build::Builds),
            Line::new(garbage::Garbage),
            Line::new(namespace::Namespaces),
            Line::new(route_status::Routes),
        ];
        Controllers {
            queue: Queue::start(client, &scope, clock, lines),
            scope,
        }
    }

    /// Waits until they have seen the world once and decide.
    pub async fn synced(&self) {
        self.queue.synced().await;
    }

    /// Stops them; returns how many tasks are left after `grace`.
    pub async fn close(&self, grace: Duration) -> usize {
        self.scope.close(grace).await
    }

    /// What they did since the start, as Prometheus reads it.
    pub fn metrics(&self) -> String {
        self.queue.metrics()
    }
}
