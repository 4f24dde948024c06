//! Kubeconfig files: several read as one, each written alone.
//!
//! Source: facts/oc.md 1.3 and 2.2. First wins, missing files are skipped, a change goes to the file that owns the key.

use std::path::Path;
use std::path::PathBuf;

use serde_json::Value;

use crate::base::environment::Environment;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Invalid(String),
}

/// Kubeconfig files read as one.
#[derive(Clone, Debug)]
pub struct Config {
    files: Vec<(PathBuf, Value)>,
}

impl Config {
    /// Reads `--kubeconfig FILE` (must exist), else every file of `$KUBECONFIG`, else `~/.kube/config`.
    pub fn load(_explicit: Option<&Path>, _environment: &Environment) -> Result<Config, Error> {
        unimplemented!()
    }

    /// All files as one document, as `config view` shows it before hiding secrets.
    pub fn merged(&self) -> Value {
        let _ = &self.files;
        unimplemented!()
    }

    /// The context in use, "" if none.
    pub fn current_context(&self) -> String {
        unimplemented!()
    }

    /// The part named `name` of `clusters`, `users` or `contexts`: its `cluster`, `user` or `context`.
    pub fn entry(&self, _section: Section, _name: &str) -> Option<Value> {
        unimplemented!()
    }

    /// Sets an entry, in the file that owns it or the one new entries go to; [`Config::save`] writes it.
    pub fn set_entry(&mut self, _section: Section, _name: &str, _entry: Value) {
        unimplemented!()
    }

    /// Makes a context the current one.
    pub fn set_current_context(&mut self, _name: &str) {
        unimplemented!()
    }

    /// Writes the files that changed, each whole, readable by the user alone.
    pub fn save(&mut self) -> Result<(), Error> {
        unimplemented!()
    }
}

/// The three lists of a kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Clusters,
    Users,
    Contexts,
}
