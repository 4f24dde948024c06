//! What every layer may use: time, the process's surroundings, stopping, retrying, text.
//!
//! Nothing here knows an object, a file format or a protocol.

pub mod backoff;
pub mod clock;
pub mod crash;
pub mod durable;
pub mod environment;
pub mod network;
#[cfg(test)]
pub(crate) mod noise;
pub mod scope;
pub mod streams;
pub mod text;
