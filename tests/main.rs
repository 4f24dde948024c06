//! One binary for every test that needs the whole program; a file an area.

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod agent;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod api;
mod application;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod build_flow;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod builds;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod bundles;
mod cli;
mod controllers;
mod crash;
mod deployment;
mod durability;
mod faults;
mod fleet;
mod following;
mod generated;
mod haproxy;
mod host_faults;
mod hosts;
mod new_app;
mod nodes;
#[path = "../src/base/noise.rs"]
mod noise;

#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod git_server;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod pods;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod ports;
mod rollouts_under_load;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod router;
#[path = "../src/plan/seed.rs"]
mod seed;
mod service_addresses;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod shim;
mod site;
mod soak;
mod stand;
mod status;
mod tidy;
mod traffic;
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod web_server;
mod workflows;
