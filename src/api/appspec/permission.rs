//! One entry of `permissions`.

use crate::api::appspec::Acl;
use crate::api::appspec::Context;
use crate::api::appspec::Pattern;

/// What is set on the objects that an entry matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Permission {
    /// Absolute path of an installed file, or of a folder whose contents are meant.
    pub object: String,
    pub pattern: Pattern,
    pub except: Vec<Pattern>,
    pub for_files: bool,
    pub for_folders: bool,
    /// A name, or a number.
    pub owner: Option<String>,
    pub group: Option<String>,
    pub mode: Option<u32>,
    pub acl: Option<Acl>,
    pub context: Option<Context>,
    /// Where the entry stands in the file.
    pub line: usize,
}
