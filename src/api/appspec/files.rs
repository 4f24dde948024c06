//! `files`, from an appspec or from the Application's form.

use crate::api::appspec::AppSpec;
use crate::api::appspec::Errors;
use crate::api::upshift::FileMapping;
use crate::api::upshift::Scripts;

impl AppSpec {
    /// Form mode: the appspec of a bundle that has none, from the Application's (or Revision's) own fields.
    pub fn from_form(files: &[FileMapping], scripts: &Scripts) -> Result<AppSpec, Errors> {
        let _ = (files, scripts);
        unimplemented!()
    }
}
