//! Patterns of `permissions`.

/// A pattern for paths below an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);
