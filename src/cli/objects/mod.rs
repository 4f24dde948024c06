//! What commands on objects share: which objects are meant, what kind a word names, what a file holds.
//!
//! Reading words and files is pure; only [`resolve`] asks the server, and only for a word that names no kind of ours.

pub mod fetch;
pub mod files;
pub mod follow;
pub mod resolve;
pub mod selection;
pub mod words;
pub mod writing;
