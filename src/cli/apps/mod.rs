//! Application management: the verbs on objects.

pub mod annotate;
pub mod apply;
pub mod create;
pub mod delete;
pub mod describe;
pub mod get;
pub mod label;
