//! Advanced commands: object plumbing and discovery.

pub mod api_resources;
pub mod api_versions;
pub mod cordon;
pub mod patch;
pub mod wait;
