//! Starts the parts in order and stops them in reverse.
