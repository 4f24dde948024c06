//! Upshift: deploys applications and upgrades them in place.
//!
//! # Layers
//!
//! ```text
//! main → cli → server → apiserver, controllers, agent, router → client → content → plan → api → base
//!                       apiserver → store → api → base              (nobody else opens the store; server starts it)
//! ```
//!
//! A module uses only what stands to its right. `tests/tidy.rs` holds the table of allowed edges as a test.
//!
//! # Invariants
//!
//! * Decisions travel only in objects: client, controllers and agents never call each other.
//! * Bytes have two roads of their own: blobs by digest through the registry, live streams through the tunnel that
//!   each agent opens outward.
//! * A workflow is a list of steps made before it starts (`plan`); agents run it and never change it.
//! * Everything that chooses is pure (`decide`), everything that touches the world is small (`perform`).
//! * What is acknowledged is on disk; what is acted upon was written down before.
//! * No user code runs in the server: only agents run hooks, each under a shim of its own.

pub mod agent;
pub mod api;
pub mod apiserver;
pub mod base;
pub mod cli;
pub mod client;
pub mod content;
pub mod controllers;
pub mod plan;
pub mod router;
pub mod server;
pub mod store;
