//! From text to [`AppSpec`]: the document and its top-level keys.

use crate::api::appspec::AppSpec;
use crate::api::appspec::Errors;

/// Reads an appspec (YAML 1.1, JSON included); gives all of it, or everything that is wrong with it.
pub fn parse(file_name: &str, text: &[u8]) -> Result<AppSpec, Errors> {
    let _ = (file_name, text);
    unimplemented!()
}
