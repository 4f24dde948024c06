//! What is deployed: a directory or an archive that is on this machine by now, with what is said about it; checked before
//! anything is sent.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::api::appspec;
use crate::api::appspec::AppSpec;
use crate::api::upshift::Application;
use crate::api::upshift::FileMapping;
use crate::api::upshift::Scripts;
use crate::base::environment::Environment;
use crate::cli::Failure;
use crate::cli::deploy::brought::Brought;
use crate::cli::deploy::packed::Packed;
use crate::cli::rollouts::target;
use crate::content::archive::Error;
use crate::content::bundle::AppSpecFile;
use crate::content::bundle::Bundle;

/// What a `deploy` is about.
#[derive(Debug)]
pub enum Request {
    /// `--check DIR`.
    Check(Source),
    Bundle(Source),
    /// `app/NAME`.
    Again {
        application: String,
        revision: Option<u64>,
    },
}

/// Form mode's answers, as typed.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub files: Vec<FileMapping>,
    pub scripts: Option<Scripts>,
}

/// Where a bundle lies.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Here(&'a Path),
    Brought(&'a Arc<Brought>),
}

/// A bundle that is to be deployed.
#[derive(Debug)]
pub struct Source {
    pub path: PathBuf,
    /// The application's name.
    pub name: String,
    pub named_appspec: Option<String>,
    pub form: Form,
    pub bundle: Bundle,
    appspec: Option<AppSpecFile>,
    brought: Option<Arc<Brought>>,
}

/// What a Revision says of its hooks and files.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    pub appspec: String,
    pub files: Vec<FileMapping>,
    pub scripts: Option<Scripts>,
    pub spec: AppSpec,
}

impl Source {
    /// Opens it.
    pub fn new(
        place: Place<'_>,
        name: Option<&str>,
        named_appspec: Option<String>,
        form: Form,
    ) -> Result<Source, Failure> {
        let (path, brought) = match place {
            Place::Here(path) => (path, None),
            Place::Brought(brought) => (brought.path.as_path(), Some(brought.clone())),
        };
        let shown = shown(path, brought.as_deref());
        let wrong = |error: &Error| wrong(error, path, &shown);
        let bundle = Bundle::open(path).map_err(|error| wrong(&error))?;
        let appspec = bundle
            .appspec(named_appspec.as_deref())
            .map_err(|error| wrong(&error))?;
        let name = match name {
            Some(name) if target::is_name(name) => name.to_owned(),
            Some(name) => {
                return Err(Failure::usage(format!(
                    "{name:?} cannot be an application's name: lower-case letters, digits and '-'"
                )));
            }
            None => match &brought {
                Some(brought) => named(&brought.name, true, &shown)?,
                None => sanitised(path)?,
            },
        };
        if let (Some(file), true) = (&appspec, form.is_given()) {
            return Err(Failure::usage(format!(
                "the bundle has an {}; --file, --stop, --start and --check are for bundles without one",
                file.name
            )));
        }
        Ok(Source {
            path: path.to_owned(),
            name,
            named_appspec,
            form,
            bundle,
            appspec,
            brought,
        })
    }

    /// Where it came from, as messages name it.
    pub fn shown(&self) -> String {
        shown(&self.path, self.brought.as_deref())
    }

    /// Whether only an application that is there already can say what goes where.
    pub fn needs_application(&self) -> bool {
        self.appspec.is_none() && self.form.files.is_empty()
    }

    /// Checks everything that can be checked here; `application` answers for a form that was not typed again.
    pub fn checked(&self, application: Option<&Application>) -> Result<Settled, Failure> {
        // The application may call its appspec something else.
        let named = application.and_then(|application| application.spec.appspec.as_deref());
        let appspec = match named {
            Some(name) if self.named_appspec.is_none() => self
                .bundle
                .appspec(Some(name))
                .map_err(|error| wrong(&error, &self.path, &self.shown()))?,
            _ => self.appspec.clone(),
        };
        let settled = match &appspec {
            Some(file) => Settled {
                appspec: file.name.clone(),
                spec: appspec::parse(&file.name, &file.text)
                    .map_err(|errors| Failure::usage(errors.to_string()))?,
                ..Settled::default()
            },
            None => self.form_settled(application)?,
        };
        let missing = self.bundle.missing(&settled.spec);
        if !missing.is_empty() {
            let file = if settled.appspec.is_empty() {
                "the form"
            } else {
                &settled.appspec
            };
            let lines: Vec<String> = missing
                .iter()
                .map(|line| format!("{file}: {line}"))
                .collect();
            return Err(Failure::usage(lines.join("\n")));
        }
        Ok(settled)
    }

    fn form_settled(&self, application: Option<&Application>) -> Result<Settled, Failure> {
        let (files, scripts) = match application {
            Some(application) if !self.form.is_given() => (
                application.spec.files.clone(),
                application.spec.scripts.clone(),
            ),
            _ => (self.form.files.clone(), self.form.scripts.clone()),
        };
        if files.is_empty() {
            return Err(self.neither());
        }
        let spec = AppSpec::from_form(&files, &scripts.clone().unwrap_or_default())
            .map_err(|errors| Failure::usage(errors.to_string()))?;
        Ok(Settled {
            appspec: String::new(),
            files,
            scripts,
            spec,
        })
    }

    fn neither(&self) -> Failure {
        Failure::usage(format!(
            "{} has no appspec.yml, and nothing says what goes where",
            self.shown()
        ))
        .hint("Either put an appspec.yml at its root (files: what goes where; hooks: which scripts run when),")
        .hint("or say it here: --file SOURCE:DESTINATION, and if wanted --stop, --start and --check SCRIPT.")
    }

    /// Packs it.
    pub fn pack(&self, environment: &Environment) -> Result<Packed, Failure> {
        Packed::new(&self.bundle, environment)
    }

    /// Where it came from.
    pub fn uri(&self) -> String {
        if let Some(brought) = &self.brought {
            return brought.origin.uri.clone();
        }
        let path = self
            .path
            .canonicalize()
            .unwrap_or_else(|_| self.path.clone());
        format!("file://{}", path.display())
    }

    /// Where it came from, with the commit when it is a working tree.
    pub fn origin(&self) -> crate::api::upshift::Source {
        if let Some(brought) = &self.brought {
            return brought.origin.clone();
        }
        let (reference, commit) = commit(&self.path).unwrap_or_default();
        crate::api::upshift::Source {
            uri: self.uri(),
            reference,
            commit,
        }
    }
}

impl Form {
    fn is_given(&self) -> bool {
        !self.files.is_empty() || self.scripts.is_some()
    }
}

fn shown(path: &Path, brought: Option<&Brought>) -> String {
    match brought {
        Some(brought) => brought.origin.uri.clone(),
        None => path.display().to_string(),
    }
}

/// What is wrong with a bundle, by the name that the user gave it.
fn wrong(error: &Error, path: &Path, shown: &str) -> Failure {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Failure::usage(message.replace(&path.display().to_string(), shown))
}

/// A directory's or archive's name as an application's.
fn sanitised(path: &Path) -> Result<String, Failure> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    named(&name, real.is_file(), &path.display().to_string())
}

/// An application's name: lower case, without an archive's ending, everything else becomes `-`.
fn named(name: &str, is_archive: bool, shown: &str) -> Result<String, Failure> {
    let name = name.to_lowercase();
    let suffixes = [".tar.gz", ".tar.zst", ".tar", ".tgz", ".tzst", ".zip"];
    let stem = match suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        Some(stem) if is_archive => stem,
        _ => &name,
    };
    let mapped: String = stem
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let mut trimmed = mapped.trim_matches('-');
    // Names of gears and operations are longer: NAME-NODE, NAME-NUMBER-NAME-NODE-ATTEMPT.
    trimmed = trimmed[..trimmed.len().min(40)].trim_end_matches('-');
    if trimmed.is_empty() {
        return Err(Failure::usage(format!(
            "{shown} gives no name for the application; say it with --name"
        )));
    }
    Ok(trimmed.to_owned())
}

/// Branch and commit of a git working tree, read from its files.
fn commit(path: &Path) -> Option<(String, String)> {
    let git = path.join(".git");
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else {
        return Some((String::new(), head.to_owned()));
    };
    let branch = reference.rsplit('/').next()?.to_owned();
    if let Ok(commit) = std::fs::read_to_string(git.join(reference)) {
        return Some((branch, commit.trim().to_owned()));
    }
    let packed = std::fs::read_to_string(git.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(reference))?;
    Some((branch, line.split(' ').next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_s_name_becomes_an_application_s() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, expect: Option<&str>| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            assert_eq!(sanitised(&path).ok().as_deref(), expect, "{name}");
        };
        check("shop", Some("shop"));
        check("My Shop_2", Some("my-shop-2"));
        check("v1.zip", Some("v1-zip"));
        check("---", None);
        check("滚动", None);
        let archive = folder.path().join("shop-1.2.tar.gz");
        std::fs::write(&archive, b"").unwrap();
        assert_eq!(sanitised(&archive).unwrap(), "shop-1-2");
    }

    #[test]
    fn the_commit_of_a_working_tree_is_read_without_git() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(commit(folder.path()), None);
        let git = folder.path().join(".git");
        std::fs::create_dir_all(git.join("refs/heads")).unwrap();
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(git.join("packed-refs"), "# pack\nabc refs/heads/main\n").unwrap();
        assert_eq!(commit(folder.path()), Some(("main".into(), "abc".into())));
        std::fs::write(git.join("refs/heads/main"), "def\n").unwrap();
        assert_eq!(commit(folder.path()), Some(("main".into(), "def".into())));
    }
}
