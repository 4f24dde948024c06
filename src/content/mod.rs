//! Content-addressed blobs, bundles and safe archives; no network.

pub mod archive;
pub mod blobs;
pub mod builders;
pub mod bundle;
pub mod image;
pub mod listing;
pub mod pieces;
