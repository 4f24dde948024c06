//! Settings, and what the program says about itself.

pub mod completion;
pub mod config;
pub mod options;
pub mod version;
pub mod whoami;
