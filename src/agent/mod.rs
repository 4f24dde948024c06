//! One node: runs Operations, keeps a journal of them, and puts every child under a shim.

pub mod cache;
pub mod install;
