//! The `git` program: what a repository has, and one commit of it as an archive.
//!
//! It never asks (no prompts) and never waits for ever. Repositories of other machines are looked at with `ls-remote`, and
//! fetched (one commit, without files where the server can) only to read the names of their files.

mod checkout;

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::api::build::GitRevision;
use crate::api::build::Person;
use crate::base::environment::Environment;
use crate::cli::Failure;
use crate::cli::builds::scratch::Scratch;
use crate::cli::failure::Kind;

pub use checkout::surroundings;

/// How long a repository may take to say what it has; `oc` waits as long.
const ANSWER: Duration = Duration::from_secs(10);
/// How long one commit may take to come, or to be packed.
const TRANSFER: Duration = Duration::from_secs(300);

/// Why git gave no answer.
#[derive(Debug)]
pub enum Trouble {
    NoProgram,
    Slow(Duration),
    /// Its last words.
    Said(String),
}

impl Trouble {
    /// As the end of a sentence.
    pub fn why(&self) -> String {
        match self {
            Trouble::NoProgram => "the program git is not installed".to_owned(),
            Trouble::Slow(time) => format!("no answer within {} s", time.as_secs()),
            Trouble::Said(words) => words.clone(),
        }
    }
}

/// The `git` program in a user's surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Git<'a> {
    environment: &'a Environment,
}

impl<'a> Git<'a> {
    /// Git as that user would run it.
    pub fn new(environment: &'a Environment) -> Git<'a> {
        Git { environment }
    }

    async fn run<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        time: Duration,
    ) -> Result<Vec<u8>, Trouble> {
        self.run_into(arguments, time, Stdio::piped()).await
    }

    async fn run_into<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        time: Duration,
        out: Stdio,
    ) -> Result<Vec<u8>, Trouble> {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .envs(&self.environment.variables)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .current_dir(&self.environment.folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if self.environment.variable("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
        }
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::NoProgram,
            _ => Trouble::Said(format!("git cannot be started: {error}")),
        })?;
        let output = match tokio::time::timeout(time, child.wait_with_output()).await {
            Err(_) => return Err(Trouble::Slow(time)),
            Ok(Err(error)) => return Err(Trouble::Said(error.to_string())),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Trouble::Said(last_words(&output.stderr)))
        }
    }

    /// Whether a repository of another machine answers, and has that branch, tag or commit ("" for what it has checked
    /// out).
    pub async fn look(&self, uri: &str, reference: &str) -> Result<(), Failure> {
        let listed = self.run(&["ls-remote", "--", uri], ANSWER).await;
        let listed = listed.map_err(|trouble| unreadable(uri, &trouble))?;
        if reference.is_empty() || has(&String::from_utf8_lossy(&listed), reference) {
            return Ok(());
        }
        Err(no_reference(uri, reference))
    }

    /// The names at the top of a folder of a repository of another machine; `None` when there is no such folder.
    pub async fn names_at(
        &self,
        uri: &str,
        reference: &str,
        folder: &str,
    ) -> Result<Option<Vec<String>>, Failure> {
        let scratch = Scratch::new(self.environment)?;
        let at = scratch.path().as_os_str();
        let text = OsStr::new;
        let failed = |trouble: Trouble| unreadable(uri, &trouble);
        self.run(&[text("init"), text("-q"), text("--bare"), at], ANSWER)
            .await
            .map_err(failed)?;
        let wanted = if reference.is_empty() {
            "HEAD"
        } else {
            reference
        };
        let fetch = [
            text("-C"),
            at,
            text("fetch"),
            text("-q"),
            text("--depth=1"),
            text("--filter=blob:none"),
            text("--"),
            text(uri),
            text(wanted),
        ];
        self.run(&fetch, TRANSFER).await.map_err(failed)?;
        self.names(scratch.path(), "FETCH_HEAD", folder)
            .await
            .map_err(failed)
    }

    /// The names at the top of a folder of a commit of a repository here.
    pub async fn names(
        &self,
        repository: &Path,
        commit: &str,
        folder: &str,
    ) -> Result<Option<Vec<String>>, Trouble> {
        let tree = format!("{commit}:{}", folder.trim_matches('/'));
        let arguments = within(repository, &["ls-tree", "--name-only", "-z", &tree]);
        match self.run(&arguments, ANSWER).await {
            Ok(listed) => Ok(Some(
                String::from_utf8_lossy(&listed)
                    .split_terminator('\0')
                    .map(str::to_owned)
                    .collect(),
            )),
            Err(Trouble::Said(words)) if is_no_object(&words) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The commit that a reference of a repository here means ("" for what is checked out).
    pub async fn commit(&self, repository: &Path, reference: &str) -> Result<GitRevision, Failure> {
        let uri = repository.display().to_string();
        let wanted = if reference.is_empty() {
            "HEAD"
        } else {
            reference
        };
        let format = "--format=%H%x00%an%x00%ae%x00%cn%x00%ce%x00%B";
        let commit = format!("{wanted}^{{commit}}");
        let arguments = within(
            repository,
            &["log", "-1", format, "--end-of-options", &commit],
        );
        let said = match self.run(&arguments, ANSWER).await {
            Ok(said) => String::from_utf8_lossy(&said).into_owned(),
            Err(Trouble::Said(words)) if is_no_object(&words) && reference.is_empty() => {
                return Err(Failure::usage(format!(
                    "{uri}: the repository has no commit yet"
                )));
            }
            Err(Trouble::Said(words)) if is_no_object(&words) => {
                return Err(no_reference(&uri, reference));
            }
            Err(trouble) => return Err(unreadable(&uri, &trouble)),
        };
        let mut parts = said.splitn(6, '\0').map(|part| part.trim().to_owned());
        let mut next = || parts.next().unwrap_or_default();
        Ok(GitRevision {
            commit: next(),
            author: Person {
                name: next(),
                email: next(),
            },
            committer: Person {
                name: next(),
                email: next(),
            },
            message: next(),
        })
    }

    /// Folders of a commit that are repositories of their own; an archive holds them empty.
    pub async fn submodules(&self, repository: &Path, commit: &str) -> Vec<String> {
        let arguments = within(repository, &["ls-tree", "-r", "-z", commit]);
        let listed = self.run(&arguments, TRANSFER).await.unwrap_or_default();
        String::from_utf8_lossy(&listed)
            .split_terminator('\0')
            .filter(|line| line.starts_with("160000 "))
            .filter_map(|line| Some(line.split_once('\t')?.1.to_owned()))
            .collect()
    }

    /// Writes a commit as a tar archive.
    pub async fn archive(
        &self,
        repository: &Path,
        commit: &str,
        into: fs::File,
    ) -> Result<(), Failure> {
        let arguments = within(repository, &["archive", "--format=tar", commit]);
        let out = Stdio::from(into);
        let packed = self.run_into(&arguments, TRANSFER, out).await;
        packed
            .map(|_| ())
            .map_err(|trouble| unreadable(&repository.display().to_string(), &trouble))
    }

    /// The URL of `origin` of a working tree.
    pub async fn origin(&self, tree: &Path) -> Result<String, Failure> {
        let arguments = within(tree, &["remote", "get-url", "origin"]);
        match self.run(&arguments, ANSWER).await {
            Ok(said) => Ok(String::from_utf8_lossy(&said).trim().to_owned()),
            Err(Trouble::Said(_)) => Err(Failure::usage(format!(
                "{}: the repository has no remote \"origin\"; without --git the directory is packed as it is",
                tree.display()
            ))),
            Err(trouble) => Err(unreadable(&tree.display().to_string(), &trouble)),
        }
    }
}

/// Arguments that make git look at this repository.
fn within(repository: &Path, arguments: &[&str]) -> Vec<OsString> {
    let mut all = vec![OsString::from("-C"), repository.into()];
    all.extend(arguments.iter().map(OsString::from));
    all
}

/// Whether a folder is a repository itself (not only part of one): a working tree, or a bare one.
pub fn is_repository(folder: &Path) -> bool {
    folder.join(".git").exists() || is_bare(folder)
}

/// Whether a folder is a repository without files of its own.
pub fn is_bare(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// The folder that a `file://` URL names.
pub fn folder_of(uri: &str) -> Option<PathBuf> {
    let path = uri.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let bytes = path.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    Some(crate::content::listing::os_path(&plain))
}

/// A repository that cannot be read; a place that does not answer counts as unreachable.
fn unreadable(uri: &str, trouble: &Trouble) -> Failure {
    let message = format!("cannot read the repository {uri}: {}", trouble.why());
    match trouble {
        Trouble::NoProgram => Failure::ours(message),
        Trouble::Said(words) if is_no_repository(words) => Failure::usage(message),
        Trouble::Slow(_) | Trouble::Said(_) => {
            Failure::new(Kind::Unreachable, format!("error: {message}"))
        }
    }
}

fn no_reference(uri: &str, reference: &str) -> Failure {
    Failure::usage(format!(
        "the repository {uri} has no branch, tag or commit {reference:?}"
    ))
}

fn is_no_repository(words: &str) -> bool {
    words.contains("not found")
        || words.contains("not appear to be a git repository")
        || words.contains("not a git repository")
        || words.contains("is not valid")
        || words.contains("does not exist")
}

fn is_no_object(words: &str) -> bool {
    [
        "Not a valid object name",
        "unknown revision",
        "bad revision",
        "not a tree object",
        "does not exist in",
        "Needed a single revision",
        "does not have any commits",
        "ambiguous argument",
    ]
    .iter()
    .any(|known| words.contains(known))
}

/// Whether the answer of `ls-remote` names a reference; a commit need not be the head of anything.
fn has(listed: &str, reference: &str) -> bool {
    let is_commit = reference.len() >= 7 && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit
        || listed.lines().any(|line| {
            let name = line.split('\t').nth(1).unwrap_or_default();
            name == reference
                || name.strip_prefix("refs/") == Some(reference)
                || name.strip_prefix("refs/heads/") == Some(reference)
                || name.strip_prefix("refs/tags/") == Some(reference)
        })
}

/// What git said was wrong, in one line and without its `fatal:`.
fn last_words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = lines()
        .find(|line| line.starts_with("fatal: "))
        .or(lines().find(|line| line.starts_with("error: ")))
        .or(lines().next_back());
    let line = found.unwrap_or("git ended with an error and said nothing");
    let line = line
        .strip_prefix("fatal: ")
        .or(line.strip_prefix("error: "));
    line.map_or_else(|| found.unwrap_or_default().to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_url_names_a_folder() {
        let check = |uri: &str, expect: Option<&str>| {
            assert_eq!(folder_of(uri), expect.map(PathBuf::from), "{uri}");
        };
        check("file:///srv/a%20b.git", Some("/srv/a b.git"));
        check("file://localhost/srv/a", Some("/srv/a"));
        check("file:///srv/100%", Some("/srv/100%"));
        check("https://x/y", None);
    }

    #[test]
    fn references_are_looked_for_by_every_name_they_have() {
        let listed = "1f\tHEAD\n1f\trefs/heads/main\n2f\trefs/tags/v1\n";
        for reference in ["main", "v1", "refs/heads/main", "heads/main", "abcdef0"] {
            assert!(has(listed, reference), "{reference}");
        }
        for reference in ["ain", "v2", "abcdefg"] {
            assert!(!has(listed, reference), "{reference}");
        }
    }

    #[test]
    fn git_s_last_words_are_one_line() {
        let said = b"Cloning...\nfatal: repository 'https://x/' not found\n";
        assert_eq!(last_words(said), "repository 'https://x/' not found");
        assert_eq!(last_words(b"  Hm \n"), "Hm");
    }
}
