//! Cloning by the `git` program: one commit, without questions, without this machine's or anybody's own settings.
//!
//! Credentials are files in the work folder that only the build's user can read; git asks for them through a helper, for
//! the repository's own host alone. They are never on a command line, in the environment or in the log, and whoever calls
//! removes them before any of the user's code runs. Paths and `file://` are refused: they would be this node's.

use std::fs;
use std::io;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use crate::agent::build::failure::explain;
use crate::agent::build::inside::Work;
use crate::agent::toolchains;
use crate::api::build::GitRevision;
use crate::api::build::Person;
use crate::plan::build::is_local;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Connections slower than a byte a second for this long are given up.
const SLOWEST_SECONDS: &str = "60";

/// A repository elsewhere, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    /// Without name and password.
    url: String,
    /// From the URL, percent signs resolved.
    credentials: Option<(String, String)>,
}

/// A commit that was checked out.
pub(super) struct Commit {
    pub(super) revision: GitRevision,
    pub(super) date: String,
}

impl Remote {
    /// Reads a repository's URL; says why a build cannot clone it.
    pub(super) fn parse(uri: &str) -> Result<Remote, String> {
        let uri = uri.trim();
        if uri.starts_with('-') || uri.chars().any(char::is_control) {
            return Err(format!("{uri:?} is no repository"));
        }
        if is_local(uri) {
            return Err(format!(
                "{} is a path, and a build opens none on its node: start the build where the repository is",
                shown(uri)
            ));
        }
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Ok(Remote::plain(uri));
        };
        match scheme {
            "http" | "https" => {}
            "ssh" | "git" | "git+ssh" | "ssh+git" => return Ok(Remote::plain(uri)),
            _ => return Err(format!("builds cannot clone by {scheme}://")),
        }
        let (authority, path) = split_authority(rest);
        let Some((user, host)) = authority.rsplit_once('@') else {
            return Ok(Remote::plain(uri));
        };
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        Ok(Remote {
            url: format!("{scheme}://{host}{path}"),
            credentials: Some((decoded(name), decoded(password))),
        })
    }

    fn plain(uri: &str) -> Remote {
        Remote {
            url: uri.to_owned(),
            credentials: None,
        }
    }

    /// For people: without credentials.
    pub(super) fn shown(&self) -> &str {
        &self.url
    }

    /// `https://HOST:PORT`, which credentials are for; none where git asks for no password.
    fn origin(&self) -> Option<String> {
        let (scheme, rest) = self.url.split_once("://")?;
        matches!(scheme, "http" | "https")
            .then(|| format!("{scheme}://{}", split_authority(rest).0))
    }
}

fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// A URL without the credentials in it.
pub(super) fn shown(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let (authority, path) = split_authority(rest);
    let is_name = matches!(scheme, "ssh" | "git+ssh" | "ssh+git") && !authority.contains(':');
    match authority.rsplit_once('@') {
        Some((_, host)) if !is_name => format!("{scheme}://{host}{path}"),
        _ => uri.to_owned(),
    }
}

/// `%40` → `@`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = more.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks a repository's branch, tag or commit out into a folder: the default branch when none is named.
pub(super) fn clone(
    work: &Work<'_>,
    remote: &Remote,
    reference: &str,
    into: &Path,
) -> Result<Commit, String> {
    if reference.starts_with('-') || reference.chars().any(char::is_control) {
        return Err(format!("{reference:?} is no branch, tag or commit"));
    }
    let path = work.environment.variable("PATH").unwrap_or_default();
    if toolchains::find(path, "git").is_none() {
        return Err("this node has no program \"git\": apt-get install git".to_owned());
    }
    fs::create_dir_all(into).map_err(|error| explain(&error))?;
    let git = Git::new(work, remote, into).map_err(|error| explain(&error))?;
    git.run(&["init", "--quiet"])?;
    git.run(&["remote", "add", "origin", &remote.url])?;
    let target = git.fetch(reference)?;
    git.run(&["checkout", "--quiet", "--force", "--detach", &target])
        .map_err(|_| not_found(reference))?;
    if into.join(".gitmodules").exists() {
        let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
        let shallow = git.run(&[&update[..], &["--depth", "1"]].concat());
        shallow.or_else(|_| git.run(&update))?;
    }
    git.commit()
}

fn not_found(reference: &str) -> String {
    format!("the repository has no branch, tag or commit {reference:?}")
}

struct Git<'a> {
    work: &'a Work<'a>,
    folder: &'a Path,
    /// `-c` settings before every command.
    settings: Vec<String>,
    ssh: String,
}

impl<'a> Git<'a> {
    fn new(work: &'a Work<'a>, remote: &Remote, folder: &'a Path) -> io::Result<Git<'a>> {
        let secret = work.folder.join("secret");
        let mut settings = [
            "core.askPass=",
            "credential.helper=",
            "http.lowSpeedLimit=1",
            "protocol.file.allow=never",
            "protocol.ext.allow=never",
            "advice.detachedHead=false",
            "init.defaultBranch=main",
            "gc.auto=0",
        ]
        .map(str::to_owned)
        .to_vec();
        settings.push(format!("http.lowSpeedTime={SLOWEST_SECONDS}"));
        if let Some((name, password)) = &remote.credentials
            && !secret.join("password").exists()
        {
            fs::create_dir_all(&secret)?;
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o700))?;
            write_private(&secret.join("username"), name)?;
            write_private(&secret.join("password"), password)?;
        }
        if let Some(origin) = remote.origin().filter(|_| helper(&secret).unwrap_or(false)) {
            let program = quoted(&secret.join("helper"));
            settings.push(format!("credential.{origin}.helper=!sh {program}"));
        }
        if secret.join("ca.crt").exists() {
            settings.push(format!(
                "http.sslCAInfo={}",
                secret.join("ca.crt").display()
            ));
        }
        Ok(Git {
            work,
            folder,
            settings,
            ssh: ssh_command(&secret),
        })
    }

    /// Brings what is wanted; says what to check out.
    fn fetch(&self, reference: &str) -> Result<String, String> {
        let wanted = if reference.is_empty() {
            "HEAD"
        } else {
            reference
        };
        let narrow = self.run(&["fetch", "--quiet", "--depth", "1", "origin", wanted]);
        let Err(why) = narrow else {
            return Ok("FETCH_HEAD".to_owned());
        };
        // An abbreviated commit, a commit the server does not hand out, or a server without shallow clones.
        let all = "+refs/heads/*:refs/remotes/origin/*";
        if reference.is_empty() {
            let is_dumb = why.contains("shallow");
            let again = if is_dumb {
                self.run(&["fetch", "--quiet", "origin", "HEAD"])
            } else {
                Err(why)
            };
            return again.map(|()| "FETCH_HEAD".to_owned());
        }
        let hopeless = [
            "Could not resolve host",
            "not found",
            "Authentication failed",
            "could not read",
        ];
        let is_missing_ref = why.contains("find remote ref") || why.contains("not our ref");
        if !is_missing_ref && hopeless.iter().any(|sign| why.contains(sign)) {
            return Err(why);
        }
        self.run(&["fetch", "--quiet", "--tags", "origin", all])?;
        for candidate in [
            format!("refs/remotes/origin/{reference}"),
            reference.to_owned(),
        ] {
            let commit = format!("{candidate}^{{commit}}");
            if self
                .run(&["rev-parse", "--quiet", "--verify", &commit])
                .is_ok()
            {
                return Ok(commit);
            }
        }
        Err(not_found(reference))
    }

    fn commit(&self) -> Result<Commit, String> {
        let format = "--format=%H%x00%an%x00%ae%x00%cn%x00%ce%x00%s%x00%ad";
        let text = self.output(&["log", "-1", format])?;
        let mut fields = text.trim_end().split('\0').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let commit = next();
        let author = Person {
            name: next(),
            email: next(),
        };
        let committer = Person {
            name: next(),
            email: next(),
        };
        Ok(Commit {
            revision: GitRevision {
                commit,
                author,
                committer,
                message: next(),
            },
            date: next(),
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        self.output(arguments).map(drop)
    }

    /// Runs git; its output, or its own last word on what went wrong.
    fn output(&self, arguments: &[&str]) -> Result<String, String> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run git: {error}"))?;
        // Both at once and in memory: a full pipe would hold git up, and a full disk lose what it says about it.
        let (output, errors) = (read(child.stdout.take()), read(child.stderr.take()));
        if wait(&mut child)? {
            return Ok(output.join().unwrap_or_default());
        }
        Err(last_word(&errors.join().unwrap_or_default()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
        // Git's own settings from outside (GIT_DIR and the like) have no say.
        let inherited = self.work.environment.variables.iter();
        command
            .args(arguments)
            .current_dir(self.folder)
            .env_clear()
            .envs(inherited.filter(|(name, _)| !name.starts_with("GIT_")))
            .env("HOME", self.work.folder.join("home"))
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS", "/bin/false")
            .env("GIT_ALLOW_PROTOCOL", "http:https:ssh:git")
            .env("GIT_LFS_SKIP_SMUDGE", "0")
            .env("GIT_SSH_COMMAND", &self.ssh);
        command
    }
}

/// Reads a pipe to its end, beside what else is done.
fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Waits for git, but not for ever.
fn wait(child: &mut Child) -> Result<bool, String> {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() >= end => {
                let _ = child.kill();
                let _ = child.wait();
                let minutes = PATIENCE.as_secs() / 60;
                return Err(format!("git took longer than {minutes} minutes"));
            }
            Ok(None) => std::thread::sleep(pause),
            Err(error) => return Err(error.to_string()),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What git said of an error: its `fatal:` lines, or its last.
fn last_word(errors: &str) -> String {
    let fatal: Vec<&str> = errors
        .lines()
        .filter_map(|line| {
            line.strip_prefix("fatal: ")
                .or(line.strip_prefix("remote: "))
        })
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match fatal.as_slice() {
        [] => {
            let last = errors.lines().rev().find(|line| !line.trim().is_empty());
            last.unwrap_or("git failed and did not say why").to_owned()
        }
        some => some.join("; "),
    }
}

/// Writes git's credential helper, if there is a password; it reads the secret's files when git asks.
fn helper(secret: &Path) -> io::Result<bool> {
    let password = ["password", "token"]
        .iter()
        .find(|name| secret.join(name).exists());
    let Some(password) = password else {
        return Ok(false);
    };
    let text = format!(
        "[ \"$1\" = get ] || exit 0\n\
         cd {} || exit 0\n\
         name=$(cat username 2>/dev/null)\n\
         printf 'username=%s\\npassword=%s\\n' \"${{name:-token}}\" \"$(cat {password})\"\n",
        quoted(secret)
    );
    write_private(&secret.join("helper"), &text)?;
    Ok(true)
}

fn ssh_command(secret: &Path) -> String {
    let mut command = "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=30".to_owned();
    let known = secret.join("known_hosts");
    if known.exists() {
        command.push_str(" -o StrictHostKeyChecking=yes -o UserKnownHostsFile=");
        command.push_str(&quoted(&known));
    } else {
        command.push_str(" -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/dev/null");
    }
    let key = secret.join("ssh-privatekey");
    if key.exists() {
        command.push_str(" -o IdentitiesOnly=yes -i ");
        command.push_str(&quoted(&key));
    }
    command
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// A path for a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let remote = Remote::parse("https://me:p%40ss@git.example.com:8443/a/b.git").unwrap();
        assert_eq!(remote.shown(), "https://git.example.com:8443/a/b.git");
        assert_eq!(remote.origin().unwrap(), "https://git.example.com:8443");
        assert_eq!(
            remote.credentials.unwrap(),
            ("me".to_owned(), "p@ss".to_owned())
        );
        assert_eq!(shown("https://token@h/x?a=@b"), "https://h/x?a=@b");
        assert_eq!(shown("ssh://git@h/x"), "ssh://git@h/x");
        assert_eq!(shown("git@h:x.git"), "git@h:x.git");
        assert_eq!(Remote::parse("git@h:x.git").unwrap().origin(), None);
    }

    #[test]
    fn refuses_what_would_be_this_node_s() {
        for (wrong, why) in [
            ("file:///srv/x", "is a path"),
            ("/srv/x", "is a path"),
            ("--upload-pack=x", "is no repository"),
            ("ext::sh -c x", "is no repository"),
            ("ftp://h/x", "cannot clone by ftp"),
        ] {
            let said = Remote::parse(wrong).err();
            // `ext::…` looks like ssh's `HOST:PATH` and is stopped by git's own list of protocols.
            assert!(said.is_none_or(|said| said.contains(why)), "{wrong}");
        }
        assert!(Remote::parse("file:///srv/x").is_err());
    }

    #[test]
    fn takes_git_s_own_words() {
        let text = "warning: x\nremote: Repository not found.\nfatal: repository 'u' not found\n";
        assert_eq!(
            last_word(text),
            "Repository not found.; repository 'u' not found"
        );
        assert_eq!(last_word("error: pathspec\n\n"), "error: pathspec");
        assert_eq!(quoted(Path::new("/a'b")), "'/a'\\''b'");
        assert_eq!(decoded("a%2Fb%zz%"), "a/b%zz%");
    }
}
