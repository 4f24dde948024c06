//! One commit's files from a repository anywhere, with its submodules and without its history.
//!
//! Git runs as the user would run it: with their keys and credential helpers, without hooks, and without ever asking.
//! Credentials that came with the URL reach git through its environment, for that host alone.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::ANSWER;
use super::Git;
use super::Trouble;
use super::no_reference;
use super::unreadable;
use super::within;
use crate::base::environment::Environment;
use crate::cli::Failure;

/// How long a repository may take to come; a silent one is given up sooner.
const COMING: Duration = Duration::from_secs(1800);

/// What git is told besides the user's own settings.
const SETTINGS: [(&str, &str); 6] = [
    ("core.hooksPath", "/dev/null"),
    ("protocol.ext.allow", "never"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("advice.detachedHead", "false"),
    ("gc.auto", "0"),
];

/// Where git was called from has no say in what it does for us.
const ELSEWHERE: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// A user's surroundings for [`Git::checkout`]: `authorization` is an HTTP header's value for `site` (`https://HOST/`).
pub fn surroundings(
    environment: &Environment,
    uri: &str,
    authorization: Option<(&str, &str)>,
) -> Environment {
    let mut changed = environment.clone();
    let variables = &mut changed.variables;
    for name in ELSEWHERE {
        variables.remove(name);
    }
    let counted = variables.get("GIT_CONFIG_COUNT");
    let mut count: usize = counted.and_then(|count| count.parse().ok()).unwrap_or(0);
    let header = authorization.map(|(site, value)| {
        let name = format!("http.{site}.extraHeader");
        (name, format!("Authorization: {value}"))
    });
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for (name, value) in settings.into_iter().chain(header) {
        variables.insert(format!("GIT_CONFIG_KEY_{count}"), name);
        variables.insert(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    variables.insert("GIT_CONFIG_COUNT".to_owned(), count.to_string());
    // A repository of this machine may have submodules here; one of another must not lead here.
    let here = if uri.starts_with("file://") {
        ":file"
    } else {
        ""
    };
    variables
        .entry("GIT_ALLOW_PROTOCOL".to_owned())
        .or_insert_with(|| format!("https:http:ssh:git{here}"));
    changed
}

impl Git<'_> {
    /// Puts the files of a branch, tag or commit ("" for what is checked out there) into a new folder; answers the commit.
    pub async fn checkout(
        &self,
        uri: &str,
        reference: &str,
        into: &Path,
    ) -> Result<String, Failure> {
        let failed = |trouble: Trouble| unreadable(uri, &trouble);
        let run = async |arguments: &[&str]| self.run(&within(into, arguments), COMING).await;
        fs::create_dir(into)?;
        run(&["init", "-q", "--template="]).await.map_err(failed)?;
        run(&["remote", "add", "origin", uri])
            .await
            .map_err(failed)?;
        let target = self.bring(uri, reference, into).await?;
        run(&["checkout", "-q", "--force", "--detach", &target])
            .await
            .map_err(failed)?;
        if into.join(".gitmodules").exists() {
            let update = ["submodule", "-q", "update", "--init", "--recursive"];
            let shallow = [&update[..], &["--depth", "1"]].concat();
            if run(&shallow).await.is_err() {
                run(&update).await.map_err(|trouble| {
                    Failure::ours(format!(
                        "cannot read a submodule of the repository {uri}: {}",
                        trouble.why()
                    ))
                })?;
            }
        }
        let commit = within(into, &["rev-parse", "HEAD"]);
        let commit = self.run(&commit, ANSWER).await.map_err(failed)?;
        forget_history(into)?;
        Ok(String::from_utf8_lossy(&commit).trim().to_owned())
    }

    /// Fetches one commit, or everything where only that finds it; answers what to check out.
    async fn bring(&self, uri: &str, reference: &str, into: &Path) -> Result<String, Failure> {
        let wanted = if reference.is_empty() {
            "HEAD"
        } else {
            reference
        };
        let narrow = ["fetch", "-q", "--depth=1", "--no-tags", "origin", wanted];
        let words = match self.run(&within(into, &narrow), COMING).await {
            Ok(_) => return Ok("FETCH_HEAD".to_owned()),
            Err(Trouble::Said(words)) => words,
            Err(trouble) => return Err(unreadable(uri, &trouble)),
        };
        let may_be_deeper = [
            "find remote ref",
            "not our ref",
            "unadvertised object",
            "shallow",
            "dumb http",
        ];
        if !may_be_deeper.iter().any(|sign| words.contains(sign)) {
            return Err(unreadable(uri, &Trouble::Said(words)));
        }
        // An abbreviated commit, one that the server does not hand out, or a server without shallow fetches.
        let heads = "+refs/heads/*:refs/remotes/origin/*";
        let all = [
            "fetch",
            "-q",
            "--tags",
            "origin",
            heads,
            "+HEAD:refs/upshift",
        ];
        self.run(&within(into, &all), COMING)
            .await
            .map_err(|trouble| unreadable(uri, &trouble))?;
        let candidates = match reference {
            "" => vec!["refs/upshift".to_owned()],
            reference => vec![
                format!("refs/remotes/origin/{reference}"),
                format!("refs/tags/{reference}"),
                reference.to_owned(),
            ],
        };
        for candidate in candidates {
            let commit = format!("{candidate}^{{commit}}");
            let verify = ["rev-parse", "-q", "--verify", "--end-of-options", &commit];
            if self.run(&within(into, &verify), ANSWER).await.is_ok() {
                return Ok(commit);
            }
        }
        Err(no_reference(uri, reference))
    }
}

/// Removes what git keeps for itself, also in submodules: it differs from one fetch to the next.
fn forget_history(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        match (entry.file_name() == ".git", is_folder) {
            (true, true) => fs::remove_dir_all(entry.path())?,
            (true, false) => fs::remove_file(entry.path())?,
            (false, true) => forget_history(&entry.path())?,
            (false, false) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_one_site_and_beside_the_user_s_own_settings() {
        let mut environment = Environment::default();
        for (name, value) in [("GIT_CONFIG_COUNT", "1"), ("GIT_DIR", "/elsewhere")] {
            environment
                .variables
                .insert(name.to_owned(), value.to_owned());
        }
        let authorization = Some(("https://h/", "Basic eA=="));
        let changed = surroundings(&environment, "https://h/a", authorization);
        let said = |name: &str| changed.variables.get(name).map(String::as_str);
        assert_eq!(said("GIT_DIR"), None);
        assert_eq!(said("GIT_CONFIG_COUNT"), Some("8"));
        assert_eq!(
            said("GIT_CONFIG_KEY_7"),
            Some("http.https://h/.extraHeader")
        );
        assert_eq!(
            said("GIT_CONFIG_VALUE_7"),
            Some("Authorization: Basic eA==")
        );
        assert_eq!(said("GIT_ALLOW_PROTOCOL"), Some("https:http:ssh:git"));
        let local = surroundings(&environment, "file:///srv/a", None);
        assert!(local.variables["GIT_ALLOW_PROTOCOL"].ends_with(":file"));
    }
}
