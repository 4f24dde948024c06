//! Content-addressed blobs, bundles and safe archives; no network.
