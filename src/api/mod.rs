//! Formats as plain data: metadata, the kinds, selectors, patches, status, the files that people write.
//!
//! No I/O and no clock. The typed structs are views of what we interpret; the server keeps an object's JSON whole.

pub mod appspec;
pub mod build;
pub mod core;
pub mod defaults;
pub mod deployment;
pub mod duration;
pub mod image;
pub mod json;
pub mod jsonpath;
pub mod kinds;
pub mod meta;
pub mod network;
pub mod patch;
pub mod pod;
pub mod protobuf;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;
pub mod upshift;
pub mod validate;
pub mod yaml;
