//! One node: what runs there, written down before it is done.

pub mod cache;
pub mod install;
pub mod shim;
