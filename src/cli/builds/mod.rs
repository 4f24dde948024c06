//! Builds from the terminal: sources on their way to the server, and the builds made of them.
//!
//! `new-app`, `new-build` and `start-build` share what is here: the `git` program, a source packed as an archive, and the
//! request that turns one into a Build. Building itself is the node's.

pub mod cancel;
pub mod git;
pub mod link;
pub mod packed;
pub mod request;
pub mod scratch;
pub mod start;
