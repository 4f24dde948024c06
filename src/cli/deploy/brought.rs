//! A bundle from elsewhere, brought to this machine before anything is made: out of a git repository, or an archive whose
//! digest is known. It lies in a folder of its own that goes when nobody needs it any more.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use crate::api::upshift::Source as Origins;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::builds::git::Git;
use crate::cli::builds::git::surroundings;
use crate::cli::builds::scratch::Scratch;
use crate::cli::deploy::origin::Origin;
use crate::cli::deploy::origin::Remote;
use crate::cli::failure::Kind;
use crate::client::web;
use crate::content::blobs::Digest;
use crate::content::listing;

/// An archive larger than this is a mistake.
const LARGEST: u64 = 8 << 30;

/// What was brought.
#[derive(Debug)]
pub struct Brought {
    /// The bundle: a directory or an archive.
    pub(super) path: PathBuf,
    /// What a file or a folder of it would be called at home.
    pub(super) name: String,
    /// For the Revision.
    pub(super) origin: Origins,
    _scratch: Scratch,
}

/// Fetches a bundle that is elsewhere; none when it is a path, or no bundle at all.
pub(super) async fn bring(
    what: &str,
    sha256: Option<&str>,
    folder: Option<&str>,
    context: &Context,
) -> Result<Option<Brought>, Failure> {
    let is_here = context.environment.path(what).exists();
    let origin = match Origin::parse(what, sha256)? {
        Origin::Git(remote) if is_here && !remote.url.contains("://") => {
            Origin::Path(what.to_owned())
        }
        other => other,
    };
    if folder.is_some() && !matches!(origin, Origin::Git(_)) {
        return Err(Failure::usage(
            "--context-dir goes with a git repository; of a directory, name the one that is meant",
        ));
    }
    match origin {
        // A `file://` that is an archive comes with another name.
        Origin::Path(path) if path != what => Ok(Some(Brought {
            name: file_name(Path::new(&path)),
            origin: Origins {
                uri: what.to_owned(),
                ..Origins::default()
            },
            path: PathBuf::from(path),
            _scratch: Scratch::new(&context.environment)?,
        })),
        Origin::Path(_) => Ok(None),
        Origin::Git(remote) => clone(&remote, folder, context).await.map(Some),
        Origin::Archive(remote, digest) => download(&remote, &digest, context).await.map(Some),
    }
}

async fn clone(
    remote: &Remote,
    folder: Option<&str>,
    context: &Context,
) -> Result<Brought, Failure> {
    let scratch = Scratch::new(&context.environment)?;
    let into = scratch.path().join("source");
    let site = remote.site();
    let authorization = remote.authorization.as_deref();
    let authorization = authorization.map(|value| (site.as_str(), value));
    let environment = surroundings(&context.environment, &remote.url, authorization);
    let git = Git::new(&environment);
    let commit = git.checkout(&remote.url, &remote.reference, &into).await?;
    Ok(Brought {
        path: below(&into, folder, remote)?,
        name: remote.file_name().to_owned(),
        origin: Origins {
            uri: remote.url.clone(),
            reference: remote.reference.clone(),
            commit,
        },
        _scratch: scratch,
    })
}

/// The folder of a checkout that is the bundle; a link in it cannot lead out.
fn below(root: &Path, folder: Option<&str>, remote: &Remote) -> Result<PathBuf, Failure> {
    let Some(folder) = folder else {
        return Ok(root.to_owned());
    };
    let nothing = || {
        let url = &remote.url;
        Failure::usage(format!("the repository {url} has no folder {folder:?}"))
    };
    let tidy = listing::tidy(folder.as_bytes()).map_err(|_| nothing())?;
    let place = root.join(listing::os_path(&tidy.unwrap_or_default()));
    let real = place.canonicalize().map_err(|_| nothing())?;
    let is_inside = root.canonicalize().is_ok_and(|root| real.starts_with(root));
    if is_inside && real.is_dir() {
        Ok(real)
    } else {
        Err(nothing())
    }
}

async fn download(remote: &Remote, digest: &Digest, context: &Context) -> Result<Brought, Failure> {
    let scratch = Scratch::new(&context.environment)?;
    let path = scratch.path().join("archive");
    let mut file = fs::File::create_new(&path)?;
    let wanted = web::Wanted {
        url: &remote.url,
        authorization: remote.authorization.as_deref(),
        digest,
        largest: LARGEST,
    };
    web::fetch(&wanted, &mut file)
        .await
        .map_err(|error| unfetched(&error))?;
    Ok(Brought {
        path,
        name: remote.file_name().to_owned(),
        origin: Origins {
            uri: remote.url.clone(),
            ..Origins::default()
        },
        _scratch: scratch,
    })
}

fn unfetched(error: &web::Error) -> Failure {
    let message = error.to_string();
    match error {
        web::Error::NotFound(_) => Failure::not_found(message),
        web::Error::Refused { .. } | web::Error::Unreachable { .. } => {
            Failure::new(Kind::Unreachable, format!("error: {message}"))
        }
        web::Error::TooLarge { .. } | web::Error::Mismatch { .. } => {
            Failure::ours(message).hint("Nothing was made or changed.")
        }
        web::Error::Disk { .. } => Failure::ours(message),
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
