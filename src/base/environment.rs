//! What surrounds a process: arguments, variables, working folder. Read once, handed down.
//!
//! The only file that reads the process's own environment, so that commands run in threads of a test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The surroundings a command was typed in.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// What was typed; the first is the program's own name.
    pub arguments: Vec<OsString>,
    /// Variables that are valid UTF-8.
    pub variables: BTreeMap<String, String>,
    /// The working folder.
    pub folder: PathBuf,
}

impl Environment {
    /// The surroundings of this process.
    pub fn of_process() -> Environment {
        Environment {
            arguments: std::env::args_os().collect(),
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// What this program was built for, as Go names platforms: `linux/amd64`.
    pub fn platform(&self) -> String {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        format!("{}/{architecture}", std::env::consts::OS)
    }

    /// The user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// `path` as typed, seen from the working folder.
    pub fn path(&self, path: impl Into<PathBuf>) -> PathBuf {
        self.folder.join(path.into())
    }
}

/// Where short-lived files go on this system.
pub fn scratch_folder() -> PathBuf {
    std::env::temp_dir()
}
