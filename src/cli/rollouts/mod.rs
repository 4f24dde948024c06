//! What `deploy`, `rollback`, `rollout` and `logs` share: naming, reading and beginning rollouts, and showing plans.

pub mod begin;
pub mod behaviour;
pub mod form;
pub mod known;
pub mod output;
pub mod preview;
pub mod target;
