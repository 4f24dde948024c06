//! The source of a build, whichever way it comes: cloned or uploaded, one folder of it, less what it says to ignore.

use std::fs;
use std::io;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::git;
use crate::agent::build::ignore::Ignored;
use crate::agent::build::inside::Work;
use crate::api::build::BUILD_SOURCE;
use crate::api::build::Build;
use crate::api::build::CommonSpec;
use crate::api::build::GitRevision;
use crate::api::build::SourceRevision;
use crate::content::archive;

/// What was fetched.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    /// The application's source: the context folder, without git's own.
    pub(super) folder: PathBuf,
    pub(super) revision: Option<SourceRevision>,
    /// The commit's date as git says it.
    pub(super) date: String,
}

/// Fetches the source into the work folder.
pub(super) fn fetch(work: &mut Work<'_>, build: &Build) -> Result<Fetched, Failure> {
    let whole = work.folder.join("upload/whole");
    let source = &build.spec.common.source;
    let is_uploaded = build.metadata.annotations.contains_key(BUILD_SOURCE);
    let mut fetched = if is_uploaded {
        unpack(work, build, &whole)?
    } else {
        clone(work, build, &whole)?
    };
    // Git's credentials have done what they are for.
    let _ = fs::remove_dir_all(work.folder.join("secret"));
    fetched.folder = context(&whole, &source.context_dir)?;
    tidy(&fetched.folder).map_err(Failure::io(
        Reason::FetchSourceFailed,
        "cannot leave out what .s2iignore names",
    ))?;
    Ok(fetched)
}

fn clone(work: &mut Work<'_>, build: &Build, into: &Path) -> Result<Fetched, Failure> {
    let failed = |detail: String| Failure::new(Reason::FetchSourceFailed, detail);
    let CommonSpec {
        source, revision, ..
    } = &build.spec.common;
    let Some(git) = source.git.as_ref().filter(|git| !git.uri.is_empty()) else {
        return Err(failed("the build has no source".to_owned()));
    };
    let remote = git::Remote::parse(&git.uri).map_err(failed)?;
    let uri = remote.shown();
    work.output.line(&format!("Cloning \"{uri}\" ..."));
    // A commit that was asked for goes before the branch that it may have left by now.
    let asked = revision.as_ref().and_then(|one| one.git.as_ref());
    let asked = asked.map(|revision| revision.commit.as_str());
    let reference = asked.filter(|commit| !commit.is_empty());
    let reference = reference.unwrap_or(&git.reference);
    let commit = git::clone(work, &remote, reference, into)
        .map_err(|why| failed(format!("{uri}: {why}")))?;
    say(work, &commit.revision, &commit.date);
    Ok(Fetched {
        revision: Some(SourceRevision {
            kind: "Git".to_owned(),
            git: Some(commit.revision),
        }),
        date: commit.date,
        ..Fetched::default()
    })
}

fn say(work: &mut Work<'_>, revision: &GitRevision, date: &str) {
    let subject = revision.message.lines().next().unwrap_or_default();
    work.output
        .line(&format!("\tCommit:\t{} ({subject})", revision.commit));
    let author = &revision.author;
    work.output
        .line(&format!("\tAuthor:\t{} <{}>", author.name, author.email));
    if !date.is_empty() {
        work.output.line(&format!("\tDate:\t{date}"));
    }
}

fn unpack(work: &mut Work<'_>, build: &Build, into: &Path) -> Result<Fetched, Failure> {
    let common = &build.spec.common;
    let upload = work.inputs.join("source");
    let binary = common.source.binary.as_ref();
    let as_file = binary.map_or("", |binary| binary.as_file.as_str());
    let revision = common.revision.as_ref().and_then(|one| one.git.as_ref());
    match (&common.source.git, revision) {
        (Some(git), Some(revision)) if !git.uri.is_empty() => {
            work.output
                .line(&format!("Cloning \"{}\" ...", git::shown(&git.uri)));
            say(work, revision, "");
        }
        _ if as_file.is_empty() => work
            .output
            .line("Receiving source from STDIN as archive ..."),
        _ => work
            .output
            .line(&format!("Receiving source from STDIN as file {as_file}")),
    }
    let made = fs::create_dir_all(into);
    made.map_err(Failure::io(
        Reason::FetchSourceFailed,
        "cannot make a folder",
    ))?;
    if as_file.is_empty() {
        archive::unpack(&upload, into, archive::Limits::default()).map_err(refused)?;
    } else {
        let mut parts = Path::new(as_file).components();
        let (Some(Component::Normal(name)), None) = (parts.next(), parts.next()) else {
            let detail = format!("{as_file:?} is no file name");
            return Err(Failure::new(Reason::FetchSourceFailed, detail));
        };
        fs::copy(&upload, into.join(name)).map_err(Failure::io(
            Reason::FetchSourceFailed,
            "cannot copy the upload",
        ))?;
    }
    Ok(Fetched {
        revision: common.revision.clone(),
        ..Fetched::default()
    })
}

fn refused(error: archive::Error) -> Failure {
    let detail = match error {
        archive::Error::Io { source, .. } => {
            return Failure::io(Reason::FetchSourceFailed, "cannot unpack the upload")(source);
        }
        archive::Error::Refused { why, .. } => format!("the upload {why}"),
    };
    Failure::new(Reason::FetchSourceFailed, detail)
}

/// The folder of the source that is built, which must not lead out of it.
fn context(whole: &Path, context: &str) -> Result<PathBuf, Failure> {
    let context = context.trim_matches('/');
    let failed = |why: &str| {
        let detail = format!("{context:?} {why}");
        Failure::new(Reason::InvalidContextDirectory, detail)
    };
    if context.is_empty() || context == "." {
        return Ok(whole.to_owned());
    }
    let inside = fs::canonicalize(whole).and_then(|root| {
        let place = fs::canonicalize(whole.join(context))?;
        Ok(place.starts_with(&root).then_some(place))
    });
    match inside {
        Ok(Some(place)) if place.is_dir() => Ok(place),
        Ok(Some(_)) => Err(failed("is no directory")),
        Ok(None) => Err(failed("leads out of the source")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(failed("is not in the source"))
        }
        Err(error) => Err(failed(&error.to_string())),
    }
}

/// Removes git's folder and what `.s2iignore` names.
fn tidy(folder: &Path) -> io::Result<()> {
    let ignored = match fs::read_to_string(folder.join(".s2iignore")) {
        Ok(text) => Ignored::parse(&text),
        Err(_) => Ignored::default(),
    };
    remove(&folder.join(".git"))?;
    if ignored.is_empty() {
        return Ok(());
    }
    leave_out(folder, Path::new(""), &ignored)
}

fn leave_out(root: &Path, below: &Path, ignored: &Ignored) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if ignored.matches(&path.to_string_lossy()) {
            remove(&root.join(&path))?;
        } else if entry.file_type()?.is_dir() {
            leave_out(root, &path, ignored)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_stays_in_the_source() {
        let place = tempfile::tempdir().unwrap();
        let whole = place.path().join("whole");
        fs::create_dir_all(whole.join("app/inner")).unwrap();
        fs::write(whole.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/", whole.join("out")).unwrap();
        assert_eq!(context(&whole, "").unwrap(), whole);
        assert!(
            context(&whole, "/app/inner/")
                .unwrap()
                .ends_with("app/inner")
        );
        for (wrong, why) in [
            ("nowhere", "is not in the source"),
            ("file", "is no directory"),
            ("out/etc", "leads out of the source"),
            ("../..", "leads out of the source"),
        ] {
            let failure = context(&whole, wrong).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidContextDirectory);
            assert!(failure.detail.contains(why), "{}", failure.detail);
        }
    }

    #[test]
    fn leaves_out_what_the_source_says() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        for folder in ["logs", "docs", ".git"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        for file in [
            "logs/a.log",
            "logs/keep.log",
            "docs/x",
            "README.md",
            "a.md",
            ".git/HEAD",
        ] {
            fs::write(root.join(file), "").unwrap();
        }
        fs::write(
            root.join(".s2iignore"),
            "# x\nlogs/*.log\n!logs/keep.log\ndocs\n*.md\n!README.md\n",
        )
        .unwrap();
        tidy(root).unwrap();
        let there = [
            "logs/a.log",
            "logs/keep.log",
            "docs",
            "README.md",
            "a.md",
            ".git",
        ]
        .map(|name| root.join(name).exists());
        assert_eq!(there, [false, true, false, true, false, false]);
    }
}
