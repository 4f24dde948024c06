//! How work under way looks in the terminal: one event stream, four renderers, one exit code.
//!
//! ```text
//! objects, log lines → fold::State::apply → events → tty | plain | json | quiet
//! ```
//!
//! Everything here except `follow` and `screen` is pure: time, size and look are arguments. The rules are those of
//! facts/field.md C2 (R1–R22). Nothing here asks the server to do anything: watching never changes the work.

pub mod event;
pub mod fold;
pub mod json;
pub mod lines;
pub mod look;
pub mod mode;
pub mod mux;
pub mod outcome;
pub mod plain;
pub mod state;
pub mod summary;
pub mod tty;

#[cfg(test)]
mod tests;
