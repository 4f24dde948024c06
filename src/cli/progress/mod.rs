//! How work under way looks in the terminal: one event stream, four renderers, one exit code.
//!
//! ```text
//! objects, log lines → fold::State::apply → events → tty | plain | json | quiet
//! ```
//!
//! Everything is pure except `follow`, which runs `watching` (listens), `interrupt`, `screen` and `live` (which write), and `playing`,
//! which tells a past rollout again: time, size and look are arguments. The rules are those of facts/field.md C2 (R1–R22).
//! Nothing here asks the server to do anything: watching never changes the work.
//!
//! An event costs what it changes and a frame what it shows, however many gears there are: `tally` keeps the counts.

pub mod event;
pub mod names;
pub mod state;
pub mod tally;

pub mod fold;
pub mod lines;
pub mod outcome;
pub mod settle;

pub mod look;
pub mod mode;

pub mod fleet;
pub mod json;
pub mod live;
pub mod mux;
pub mod plain;
pub mod recorded;
pub mod replay;
pub mod summary;
pub mod tty;
pub mod verdict;

pub mod application;
pub mod estimate;
pub mod flags;
pub mod follow;
pub mod interrupt;
pub mod playing;
pub mod screen;
pub mod watching;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_many;
#[cfg(test)]
mod tests_replay;
