//! Operations.
mod decide;
