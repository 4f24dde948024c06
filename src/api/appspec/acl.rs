//! Access control lists of an appspec: `user:alice:rw-`, `d:g:ops:7`, `mask:r`.
//!
//! Whom the names belong to, and whether a file system keeps them, is found out where they are set.

/// Everything `acls` says about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    pub entries: Vec<Entry>,
}

/// One line: who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether it is for what will be made in a folder later, not for the object itself.
    pub is_default: bool,
    pub tag: Tag,
    /// Read 4, write 2, execute 1.
    pub bits: u8,
}

/// Whom an entry is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    User(String),
    Group(String),
    Mask,
    Other,
}
