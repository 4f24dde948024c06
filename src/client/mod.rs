//! The only way to the API, and to blobs and streams.
