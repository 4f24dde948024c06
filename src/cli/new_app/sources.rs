//! Where a source is: a directory or a repository here, or a repository somewhere else; looked at before anything is made.

use std::path::Path;
use std::path::PathBuf;

use crate::base::environment::Environment;
use crate::cli::Failure;
use crate::cli::builds::git;
use crate::cli::builds::git::Git;
use crate::cli::new_app::blueprint::Source;
use crate::cli::new_app::grammar;

/// A source that is there.
#[derive(Clone, Debug)]
pub struct Located {
    pub source: Source,
    /// As it was typed.
    pub typed: String,
    /// What the application may be named after.
    pub name: String,
}

/// How sources are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub environment: &'a Environment,
    /// Directories stand for their remote (`--git`).
    pub remote: bool,
    pub context_dir: &'a str,
}

impl Sources<'_> {
    /// Finds a source and checks that it can be read.
    pub async fn locate(&self, typed: &str) -> Result<Located, Failure> {
        let located = if grammar::is_url(typed) {
            self.url(typed).await?
        } else {
            self.path(typed).await?
        };
        self.check_context_dir(&located).await?;
        Ok(located)
    }

    async fn path(&self, typed: &str) -> Result<Located, Failure> {
        let path = self.environment.path(typed);
        if !path.is_dir() {
            if path.exists() {
                return Err(Failure::usage(format!(
                    "{typed} is a file; a source is a directory or a repository"
                )));
            }
            return Err(grammar::no_directory(typed));
        }
        let path = path
            .canonicalize()
            .map_err(|error| Failure::usage(format!("{typed}: {error}")))?;
        if self.remote {
            return self.remote_of(typed, &path).await;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if git::is_bare(&path) {
            // Its files are only in its commits.
            return self
                .repository(typed, &format!("file://{}", path.display()), "", path)
                .await;
        }
        Ok(Located {
            source: Source::Directory(path),
            typed: typed.to_owned(),
            name,
        })
    }

    /// The repository that a working tree was cloned from.
    async fn remote_of(&self, typed: &str, path: &Path) -> Result<Located, Failure> {
        if !git::is_repository(path) {
            return Err(Failure::usage(format!("{typed}: not a git repository")));
        }
        let origin = Git::new(self.environment).origin(path).await?;
        if grammar::is_url(&origin) {
            return self.url(&origin).await;
        }
        // A path; one that is relative is seen from the working tree.
        let folder = path.join(&origin);
        let uri = format!("file://{}", folder.display());
        self.repository(typed, &uri, "", folder).await
    }

    async fn url(&self, typed: &str) -> Result<Located, Failure> {
        let (uri, reference) = typed.rsplit_once('#').unwrap_or((typed, ""));
        if let Some(folder) = git::folder_of(uri) {
            return self.repository(typed, uri, reference, folder).await;
        }
        if let Some((scheme, _)) = uri.split_once("://")
            && !["http", "https", "git", "ssh", "git+ssh"].contains(&scheme)
        {
            return Err(Failure::usage(format!(
                "{uri}: sources come by https, http, ssh, git or file, not by {scheme}"
            )));
        }
        Git::new(self.environment).look(uri, reference).await?;
        Ok(Located {
            source: Source::Git {
                uri: uri.to_owned(),
                reference: reference.to_owned(),
            },
            typed: typed.to_owned(),
            name: super::naming::of_repository(uri).to_owned(),
        })
    }

    async fn repository(
        &self,
        typed: &str,
        uri: &str,
        reference: &str,
        folder: PathBuf,
    ) -> Result<Located, Failure> {
        if !folder.is_dir() {
            return Err(grammar::no_directory(&folder.display().to_string()));
        }
        if !git::is_repository(&folder) {
            return Err(
                Failure::usage(format!("{}: not a git repository", folder.display())).hint(
                    "A directory without one is named by its path alone, and packed as it is.",
                ),
            );
        }
        Git::new(self.environment)
            .commit(&folder, reference)
            .await?;
        Ok(Located {
            source: Source::LocalGit {
                uri: uri.to_owned(),
                reference: reference.to_owned(),
                path: folder,
            },
            typed: typed.to_owned(),
            name: super::naming::of_repository(uri).to_owned(),
        })
    }

    /// A context directory that can be looked for without fetching anything has to be there.
    async fn check_context_dir(&self, located: &Located) -> Result<(), Failure> {
        if self.context_dir.is_empty() {
            return Ok(());
        }
        let is_there = match &located.source {
            Source::Directory(path) => path.join(self.context_dir.trim_matches('/')).is_dir(),
            Source::LocalGit { .. } => self.names(located).await?.is_some(),
            Source::Git { .. } | Source::Binary => true,
        };
        if is_there {
            return Ok(());
        }
        Err(self.no_context_dir(located))
    }

    fn no_context_dir(&self, located: &Located) -> Failure {
        Failure::usage(format!(
            "supplied context directory '{}' does not exist in '{}'",
            self.context_dir, located.typed
        ))
    }

    /// The names of the files at the source's top, for telling its language.
    pub async fn read(&self, located: &Located) -> Result<Vec<String>, Failure> {
        self.names(located)
            .await?
            .ok_or_else(|| self.no_context_dir(located))
    }

    async fn names(&self, located: &Located) -> Result<Option<Vec<String>>, Failure> {
        let git = Git::new(self.environment);
        match &located.source {
            Source::Directory(path) => {
                let folder = path.join(self.context_dir.trim_matches('/'));
                let entries = std::fs::read_dir(&folder)
                    .map_err(|error| Failure::usage(format!("{}: {error}", folder.display())))?;
                let names = entries.flatten().map(|entry| entry.file_name());
                Ok(Some(
                    names
                        .map(|name| name.to_string_lossy().into_owned())
                        .collect(),
                ))
            }
            Source::LocalGit {
                path, reference, ..
            } => {
                let commit = git.commit(path, reference).await?.commit;
                git.names(path, &commit, self.context_dir)
                    .await
                    .map_err(|trouble| Failure::ours(trouble.why()))
            }
            Source::Git { uri, reference } => git.names_at(uri, reference, self.context_dir).await,
            Source::Binary => Ok(Some(Vec::new())),
        }
    }
}
