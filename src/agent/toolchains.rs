//! Which of the programs that builders need are on this machine.
//!
//! Builds and pods look for programs where this file says, so that what was there for `assemble` is there for `run`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use crate::base::environment::Environment;

/// Programs that builders ask for; the node says which it has by an annotation.
const KNOWN: [&str; 5] = ["node", "perl", "php", "python3", "ruby"];
/// Searched after the agent's own `PATH`.
const USUAL: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Annotation of a Node: the toolchains found on it, `node,perl,php,python3,ruby`.
pub const ANNOTATION: &str = "upshift.dev/toolchains";

/// The `PATH` of builds and pods: the agent's own, and the usual folders.
pub(crate) fn search_path() -> String {
    let environment = Environment::of_process();
    let mut folders: Vec<&str> = Vec::new();
    let own = environment.variable("PATH").unwrap_or_default();
    for folder in own.split(':').chain(USUAL.split(':')) {
        if folder.starts_with('/') && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders.join(":")
}

/// Where a program is, if it is in one of the folders of `path`.
pub(crate) fn find(path: &str, program: &str) -> Option<PathBuf> {
    let mut places = path
        .split(':')
        .map(|folder| Path::new(folder).join(program));
    places.find(|place| {
        place
            .metadata()
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    })
}

/// The toolchains of this machine, as the annotation says them.
pub(crate) fn found() -> String {
    let path = search_path();
    let found: Vec<&str> = KNOWN
        .into_iter()
        .filter(|program| find(&path, program).is_some())
        .collect();
    found.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_and_not_other_files() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().to_str().unwrap();
        std::fs::write(place.path().join("plain"), "").unwrap();
        let path = format!("{folder}:{}", search_path());
        assert_eq!(find(&path, "plain"), None);
        assert!(find(&path, "sh").is_some());
        assert!(search_path().split(':').any(|folder| folder == "/usr/bin"));
    }
}
