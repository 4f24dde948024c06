//! Bundles.

use std::io::Write;
use std::path::Path;

use crate::api::appspec::AppSpec;
use crate::content::archive::Error;
use crate::content::blobs::Digest;

/// What [`Bundle::pack`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub digest: Digest,
    /// Bytes of the packed bundle.
    pub size: u64,
    pub files: u64,
}

/// An appspec as it stands in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSpecFile {
    /// Its name at the root of the bundle; for `Revision.spec.appspec`.
    pub name: String,
    pub text: Vec<u8>,
}

/// A directory or an archive that is to be deployed; an archive is unpacked to a scratch folder that goes with this.
pub struct Bundle {}

impl Bundle {
    /// Looks at a directory, or at a tar, tgz, tar.zst or zip file (by content, not by name).
    pub fn open(source: &Path) -> Result<Bundle, Error> {
        let _ = source;
        unimplemented!()
    }

    /// The appspec: the named one (an error when it is missing), else `appspec.yml`, else `appspec.yaml`, else none.
    pub fn appspec(&self, name: Option<&str>) -> Result<Option<AppSpecFile>, Error> {
        let _ = name;
        unimplemented!()
    }

    /// Everything that the appspec names and the bundle does not have; each a sentence.
    pub fn missing(&self, spec: &AppSpec) -> Vec<String> {
        let _ = spec;
        unimplemented!()
    }

    /// Writes the bundle as a tar.zst whose bytes depend only on names, permission bits and contents.
    pub fn pack(&self, out: &mut dyn Write) -> Result<Packed, Error> {
        let _ = out;
        unimplemented!()
    }
}
