//! Basic commands: the project one works in.

pub mod new_project;
pub mod place;
pub mod project;
pub mod projects;
