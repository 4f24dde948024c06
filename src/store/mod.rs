//! Objects, revisions and watch history; durable.
