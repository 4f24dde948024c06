//! What should happen, in which order; pure. A workflow of the seeds is one short list that reads like the seed.
//!
//! A plan is made before anything starts, is stored in the object, printed by `--dry-run`, followed by the terminal and
//! resumed after a restart. Nothing here looks at a clock, a disk or a network.

pub mod blue_green;
pub mod build;
pub mod canary;
pub mod deployment_config;
pub mod new_application;
pub mod rolling;
#[cfg(test)]
pub(crate) mod seed;
pub mod step;
pub mod surge;
pub mod waves;
pub mod workflow;

pub use workflow::Plan;
pub use workflow::PlanInput;
pub use workflow::PlannedGear;
pub use workflow::Refusal;
pub use workflow::plan;
