//! Access control lists and `SELinux` contexts, set by the system's own programs.
//!
//! Whether the programs are there is asked before anything changes; they run with an empty environment and no shell.

use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use crate::agent::install::record::HostPath;
use crate::agent::lent;
use crate::api::appspec::Context;

const FOLDERS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];
/// Arguments of one call, far below any limit of the kernel.
const BATCH: usize = 200;

/// Where the programs are looked for.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folders: Vec<PathBuf>,
}

impl Default for Programs {
    fn default() -> Programs {
        Programs {
            folders: FOLDERS.iter().map(PathBuf::from).collect(),
        }
    }
}

impl Programs {
    #[cfg(test)]
    pub(super) fn only_in(folder: &Path) -> Programs {
        Programs {
            folders: vec![folder.to_owned()],
        }
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    }

    /// What is missing for access control lists, as a sentence.
    pub(super) fn missing_for_acls(&self) -> Option<String> {
        self.find("setfacl").is_none().then(|| {
            "permissions have acls, but this node has no setfacl (install the package acl)"
                .to_owned()
        })
    }

    /// What is missing for `SELinux` contexts, as a sentence.
    pub(super) fn missing_for_contexts(&self) -> Option<String> {
        let missing = ["semanage", "restorecon"]
            .into_iter()
            .find(|name| self.find(name).is_none())?;
        Some(format!(
            "permissions have a context, but this node has no {missing} (install the package policycoreutils, and \
             policycoreutils-python-utils for semanage)"
        ))
    }

    /// Replaces the whole list of several objects by `text`.
    pub(super) fn set_acl(&self, text: &str, paths: &[&HostPath]) -> io::Result<()> {
        for batch in paths.chunks(BATCH) {
            let mut command = self.command("setfacl")?;
            command
                .args(["-P", "--set-file=-", "--"])
                .args(batch.iter().map(|path| path.to_path()));
            run(command, text)?;
        }
        Ok(())
    }

    /// Takes the whole list of one object away; its mode says it all then.
    pub(super) fn clear_acl(&self, path: &HostPath) -> io::Result<()> {
        let mut command = self.command("setfacl")?;
        run(command.args(["-P", "-b", "--"]).arg(path.to_path()), "")
    }

    /// Registers a context for a path and labels what is there.
    pub(super) fn set_context(&self, context: &Context, path: &HostPath) -> io::Result<()> {
        let register = |verb: &str| {
            let mut command = self.command("semanage")?;
            command.args(["fcontext", verb, "-t", &context.kind]);
            if let Some(user) = &context.user {
                command.args(["-s", user]);
            }
            if let Some(range) = &context.range {
                command.args(["-r", range]);
            }
            run(command.arg(expression(path)?), "")
        };
        // Added is refused when it is known already, from an Install that was interrupted.
        if register("-a").is_err() {
            register("-m")?;
        }
        let mut command = self.command("restorecon")?;
        run(command.arg(path.to_path()), "")
    }

    /// Forgets the context of a path.
    pub(super) fn forget_context(&self, path: &HostPath) -> io::Result<()> {
        let mut command = self.command("semanage")?;
        run(command.args(["fcontext", "-d"]).arg(expression(path)?), "")
    }

    fn command(&self, name: &str) -> io::Result<Command> {
        let program = self.find(name).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("this node has no {name}"))
        })?;
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", FOLDERS.join(":"));
        lent::lower(&mut command);
        Ok(command)
    }
}

/// A path as the regular expression that `semanage` wants, meaning itself only.
fn expression(path: &HostPath) -> io::Result<String> {
    let text = std::str::from_utf8(path.as_bytes()).map_err(io::Error::other)?;
    let mut expression = String::new();
    for c in text.chars() {
        if ".^$*+?()[]{}|\\".contains(c) {
            expression.push('\\');
        }
        expression.push(c);
    }
    Ok(expression)
}

fn run(mut command: impl std::borrow::BorrowMut<Command>, input: &str) -> io::Result<()> {
    let command = command.borrow_mut();
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why on its own.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{name}: {}: {}",
        output.status,
        said.trim()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_itself_only() {
        assert_eq!(
            expression(&HostPath::new("/srv/a.b (1)")).unwrap(),
            "/srv/a\\.b \\(1\\)"
        );
    }

    #[test]
    fn missing_programs_are_named_with_their_package() {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs::only_in(folder.path());
        assert!(programs.missing_for_acls().unwrap().contains("package acl"));
        assert!(
            programs
                .missing_for_contexts()
                .unwrap()
                .contains("policycoreutils")
        );
    }
}
