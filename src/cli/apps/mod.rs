//! Application management: the verbs on objects.

pub mod annotate;
pub mod apply;
pub mod create;
pub mod delete;
pub mod describe;
pub mod expose;
pub mod get;
pub mod label;
pub mod scale;
