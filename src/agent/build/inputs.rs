//! What a build needs from the server, fetched with the node's identity and put where its child may read it.
//!
//! Everything large is checked by digest. Errors that may pass are waited for: the server may be restarting.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::agent::build::Place;
use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::failure::explain;
use crate::agent::shim::User;
use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::BUILD_SOURCE;
use crate::api::build::Build;
use crate::api::image::REGISTRY;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::client;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::content::blobs::Digest;
use crate::content::image;
use crate::content::image::Layout;

/// Fetches all inputs of a build, unless that was done.
pub(super) async fn fetch(place: &Place<'_>, build: &Build) -> Result<(), Failure> {
    let inputs = place.inputs();
    if !inputs.join("prepared").exists() {
        let made = make_anew(&inputs, 0o755);
        made.map_err(Failure::io(
            Reason::FileSystemOperationFailed,
            "cannot make a folder",
        ))?;
        builder(place, build).await?;
        source(place, build).await?;
    }
    // The child of an earlier try may have been in the middle of anything.
    make_anew(&place.work(), 0o700)
        .and_then(|()| give(&place.work(), place.user))
        .map_err(Failure::io(
            Reason::FileSystemOperationFailed,
            "cannot make a folder",
        ))?;
    let build = resolved(place, build).await?;
    secret(place, &build).await?;
    let text = serde_json::to_vec(&build).expect("views are plain data");
    private(&inputs.join("build.json"), &text, place.user)
        .and_then(|()| fs::write(inputs.join("prepared"), ""))
        .map_err(Failure::io(
            Reason::FileSystemOperationFailed,
            "cannot write the inputs",
        ))
}

fn make_anew(folder: &Path, mode: u32) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
}

fn give(path: &Path, user: Option<&User>) -> io::Result<()> {
    match user {
        Some(user) => std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    }
}

/// Writes a file that only the build's user can read.
fn private(path: &Path, bytes: &[u8], user: Option<&User>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    give(path, user)
}

/// Repository and digest of `REGISTRY/NAMESPACE/NAME@sha256:…`.
pub(super) fn locate(reference: &str) -> Result<(String, Digest), String> {
    let Some(rest) = reference.strip_prefix(REGISTRY) else {
        return Err(format!(
            "{reference} is in a registry elsewhere; builders come from the built-in registry only"
        ));
    };
    let (repository, digest) = rest
        .trim_start_matches('/')
        .split_once('@')
        .ok_or_else(|| format!("{reference} names no digest"))?;
    let digest = digest
        .parse()
        .map_err(|_| format!("{reference} names no sha256 digest"))?;
    Ok((repository.to_owned(), digest))
}

async fn builder(place: &Place<'_>, build: &Build) -> Result<(), Failure> {
    let failed = |detail: String| Failure::new(Reason::PullBuilderImageFailed, detail);
    let strategy = build.spec.common.strategy.source_strategy.as_ref();
    let from = strategy.map(|strategy| strategy.from.name.as_str());
    let (repository, digest) = locate(from.unwrap_or_default()).map_err(failed)?;
    let registry = Registry::new(place.client.clone());
    let layout = Layout::at(place.inputs().join("builder"));
    let local = |error: io::Error| failed(explain(&error));
    layout.make().map_err(local)?;
    let manifest = layout.blob(&digest);
    download(&registry, &repository, &digest, &manifest)
        .await
        .map_err(failed)?;
    let manifest = fs::read(&manifest).map_err(local)?;
    let parsed: image::Manifest = image::parse(&manifest).map_err(local)?;
    for blob in std::iter::once(&parsed.config).chain(&parsed.layers) {
        let digest = image::digest(blob).map_err(local)?;
        download(&registry, &repository, &digest, &layout.blob(&digest))
            .await
            .map_err(failed)?;
    }
    layout
        .set_manifest(&parsed.media_type, &manifest)
        .map_err(local)?;
    Ok(())
}

async fn source(place: &Place<'_>, build: &Build) -> Result<(), Failure> {
    let Some(digest) = build.metadata.annotations.get(BUILD_SOURCE) else {
        return Ok(());
    };
    let failed = |detail: String| Failure::new(Reason::FetchSourceFailed, detail);
    let digest: Digest = digest
        .parse()
        .map_err(|_| failed(format!("{digest:?} is no digest")))?;
    let repository = source_repository(build);
    let registry = Registry::new(place.client.clone());
    let path = place.inputs().join("source");
    download(&registry, &repository, &digest, &path)
        .await
        .map_err(failed)
}

/// Where the uploaded sources of a build's config are.
fn source_repository(build: &Build) -> String {
    let config = build.metadata.annotations.get(BUILD_CONFIG_NAME);
    let config = config.unwrap_or(&build.metadata.name);
    format!("{}/{config}", build.metadata.namespace)
}

async fn download(
    registry: &Registry,
    repository: &str,
    digest: &Digest,
    path: &Path,
) -> Result<(), String> {
    loop_while_away(|| async {
        let mut file = File::create(path).map_err(|error| Some(explain(&error)))?;
        file.set_permissions(fs::Permissions::from_mode(0o644))
            .map_err(|error| Some(explain(&error)))?;
        match registry.download(repository, digest, &mut file).await {
            Ok(_) => Ok(()),
            Err(error) => Err(final_message(&error)),
        }
    })
    .await
}

/// What a person is told of an error that does not pass by itself; none for the others.
pub(super) fn final_message(error: &registry::Error) -> Option<String> {
    match error {
        registry::Error::Client(error) if error.is_passing() => None,
        registry::Error::Local { source, .. } => Some(explain(source)),
        error => Some(error.to_string()),
    }
}

/// Tries until it works or fails for good; a server that is away is waited for.
pub(super) async fn loop_while_away<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, Option<String>>>,
{
    let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(Some(message)) => return Err(message),
            Err(None) => tokio::time::sleep(pause.next(backoff::chance())).await,
        }
    }
}

/// The source secret's files, for git alone; gone before any of the user's code runs.
async fn secret(place: &Place<'_>, build: &Build) -> Result<(), Failure> {
    let common = &build.spec.common;
    let Some(name) = common
        .source
        .source_secret
        .as_ref()
        .map(|secret| &secret.name)
    else {
        return Ok(());
    };
    if name.is_empty() || build.metadata.annotations.contains_key(BUILD_SOURCE) {
        return Ok(());
    }
    let failed = |detail: String| Failure::new(Reason::FetchSourceFailed, detail);
    let key = Key::new(&build.metadata.namespace, name);
    let object = read(place.client, &kinds::SECRET, &key)
        .await
        .map_err(|why| failed(format!("the source secret {name:?}: {why}")))?;
    let folder = place.work().join("secret");
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    made.and_then(|()| give(&folder, place.user))
        .map_err(Failure::io(
            Reason::FetchSourceFailed,
            "cannot write the source secret",
        ))?;
    for (name, value) in object["data"].as_object().into_iter().flatten() {
        let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
        // A secret's keys cannot hold a slash; a name that is no plain file's would be somebody's trick.
        let plain = !name.contains('/') && name != "." && name != "..";
        let (Some(bytes), true) = (bytes, plain) else {
            continue;
        };
        private(&folder.join(name), &bytes, place.user).map_err(Failure::io(
            Reason::FetchSourceFailed,
            "cannot write the source secret",
        ))?;
    }
    Ok(())
}

/// The build with the values of its variables that are kept in secrets and config maps.
async fn resolved(place: &Place<'_>, build: &Build) -> Result<Build, Failure> {
    let mut build = build.clone();
    let namespace = build.metadata.namespace.clone();
    let failed = |detail: String| Failure::new(Reason::UnresolvableEnvironmentVariable, detail);
    let strategy = &mut build.spec.common.strategy.source_strategy;
    for variable in strategy.iter_mut().flat_map(|strategy| &mut strategy.env) {
        let Some(from) = variable.value_from.take() else {
            continue;
        };
        let name = variable.name.clone();
        let value = value_of(place.client, &namespace, &from).await;
        variable.value = value.map_err(|why| failed(format!("{name}: {why}")))?;
    }
    Ok(build)
}

async fn value_of(
    client: &client::Client,
    namespace: &str,
    from: &Value,
) -> Result<String, String> {
    let (kind, reference, is_secret): (&'static Kind, &Value, bool) = if from["secretKeyRef"]
        .is_object()
    {
        (&kinds::SECRET, &from["secretKeyRef"], true)
    } else if from["configMapKeyRef"].is_object() {
        (&kinds::CONFIG_MAP, &from["configMapKeyRef"], false)
    } else {
        return Err("only secretKeyRef and configMapKeyRef can be resolved in a build".to_owned());
    };
    let text = |name: &str| reference[name].as_str().unwrap_or_default().to_owned();
    let object = read(client, kind, &Key::new(namespace, text("name"))).await?;
    let value = object["data"][text("key")].as_str();
    let decoded = match (value, is_secret) {
        (Some(value), false) => Some(value.to_owned()),
        (Some(value), true) => STANDARD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok()),
        (None, _) => None,
    };
    match decoded {
        Some(value) => Ok(value),
        None if reference["optional"] == true => Ok(String::new()),
        None => Err(format!(
            "{} has no text under {:?}",
            text("name"),
            text("key")
        )),
    }
}

async fn read(client: &client::Client, kind: &'static Kind, key: &Key) -> Result<Value, String> {
    loop_while_away(|| async {
        client
            .read(kind, key)
            .await
            .map_err(|error| (!error.is_passing()).then(|| error.to_string()))
    })
    .await
}

/// A small file that must be there and be no link.
pub(super) fn read_plain(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_references_of_the_built_in_registry_apart() {
        let digest = Digest::of(b"x");
        let (repository, found) = locate(&format!("{REGISTRY}/openshift/python@{digest}")).unwrap();
        assert_eq!((repository.as_str(), found), ("openshift/python", digest));
        for wrong in [
            "docker.io/library/python@sha256:0",
            "",
            &format!("{REGISTRY}/a/b:latest"),
        ] {
            assert!(locate(wrong).is_err(), "{wrong}");
        }
    }
}
