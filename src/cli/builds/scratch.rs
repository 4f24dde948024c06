//! A folder for one command's temporary files, gone with it.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::base::environment;
use crate::base::environment::Environment;

/// A folder of our own among the temporary files.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one that only this user can enter.
    pub fn new(environment: &Environment) -> io::Result<Scratch> {
        let named = ["TMPDIR", "TEMP", "TMP"]
            .iter()
            .find_map(|name| environment.variable(name));
        let base = named.map_or_else(environment::scratch_folder, PathBuf::from);
        let number = getrandom::u64().map_err(io::Error::other)?;
        let path = base.join(format!("upshift-source-{number:016x}"));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
