//! Content-addressed blobs, bundles and safe archives; no network.

pub mod blobs;
