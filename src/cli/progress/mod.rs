//! How work under way looks in the terminal: one event stream, four renderers, one exit code.
//!
//! ```text
//! objects, log lines → fold::State::apply → events → tty | plain | json | quiet
//! ```
//!
//! Everything is pure except `follow`, which runs `watching` (listens), `interrupt` and `screen` (writes): time, size and look are arguments. The rules are those of
//! facts/field.md C2 (R1–R22). Nothing here asks the server to do anything: watching never changes the work.

pub mod event;
pub mod state;

pub mod fold;
pub mod lines;
pub mod outcome;

pub mod look;
pub mod mode;

pub mod json;
pub mod mux;
pub mod plain;
pub mod summary;
pub mod tty;

pub mod application;
pub mod flags;
pub mod follow;
pub mod interrupt;
pub mod screen;
pub mod watching;

#[cfg(test)]
mod tests;
