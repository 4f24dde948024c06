//! Images on the node: fetched by digest from the built-in registry, kept as blobs, laid out for one container.
//!
//! `FOLDER/images/` holds manifests, configurations and layers under their digests. Who may pull is the server's
//! decision. A blob that no pod names goes after an hour.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use serde::Deserialize;

use crate::agent::pod::Trouble;
use crate::api::image::REGISTRY;
use crate::base::crash;
use crate::client::Client;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::content::blobs::Blobs;
use crate::content::blobs::Digest;
use crate::content::image::Limits;
use crate::content::image::Settings;
use crate::content::image::unpack_layer;

/// How long a blob stays that no pod names.
const KEPT: Duration = Duration::from_secs(3600);

/// `REGISTRY/NAMESPACE/NAME@DIGEST` or `…:TAG`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// `NAMESPACE/NAME`.
    pub(crate) repository: String,
    pub(crate) version: Version,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Digest(Digest),
    Tag(String),
}

impl Reference {
    /// Takes a container's image apart; only the built-in registry's can be run.
    pub(crate) fn parse(text: &str) -> Result<Reference, Trouble> {
        let invalid = || {
            let why = format!("couldn't parse image reference {text:?}: invalid reference format");
            Trouble::new("InvalidImageName", why)
        };
        let (host, path) = text.split_once('/').ok_or_else(invalid)?;
        let is_host = host.contains(['.', ':']) || host == "localhost";
        if host != REGISTRY {
            let host = if is_host { host } else { "docker.io" };
            let why = format!(
                "this node runs images of the built-in registry ({REGISTRY}), not of {host}"
            );
            return Err(Trouble::new("ErrImagePull", why));
        }
        let (repository, version) = match path.split_once('@') {
            Some((repository, digest)) => {
                let digest = digest.parse().map_err(|_| invalid())?;
                // A tag beside a digest says nothing.
                let repository = repository.split(':').next().unwrap_or_default();
                (repository, Version::Digest(digest))
            }
            None => match path.split_once(':') {
                Some((repository, tag)) => (repository, Version::Tag(tag.to_owned())),
                None => (path, Version::Tag("latest".to_owned())),
            },
        };
        let is_name = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let is_tag = match &version {
            Version::Digest(_) => true,
            Version::Tag(tag) => is_name(tag),
        };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().all(|part| is_name(part)) || !is_tag {
            return Err(invalid());
        }
        Ok(Reference {
            repository: repository.to_owned(),
            version,
        })
    }
}

/// An image that is on the node.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Of the manifest.
    pub(crate) digest: Digest,
    pub(crate) config: Settings,
    pub(crate) layers: Vec<Digest>,
    /// Every blob it needs, its manifest and configuration too.
    pub(crate) blobs: Vec<Digest>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    /// Of an index: one manifest for each platform.
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
struct Descriptor {
    digest: Digest,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    config: Option<Settings>,
}

/// The images of one node.
#[derive(Debug)]
pub(crate) struct Images {
    blobs: Blobs,
    registry: Registry,
    /// Since when nobody names a blob, as far as this process has seen.
    unused: Mutex<BTreeMap<Digest, Instant>>,
}

impl Images {
    /// Opens the node's images.
    pub(crate) fn open(folder: &Path, client: &Client) -> io::Result<Images> {
        Ok(Images {
            blobs: Blobs::open(folder)?,
            registry: Registry::new(client.clone()),
            unused: Mutex::default(),
        })
    }

    /// Makes sure that an image is here; says whether anything had to be fetched.
    pub(crate) async fn fetch(&self, reference: &Reference) -> Result<(Image, bool), Trouble> {
        let repository = &reference.repository;
        let mut fetched = false;
        let mut digest = match &reference.version {
            Version::Digest(digest) => digest.clone(),
            Version::Tag(tag) => self.resolve(repository, tag).await?,
        };
        fetched |= self.blob(repository, &digest).await?;
        let mut manifest: Manifest = self.read(&digest)?;
        if manifest.config.is_none() && !manifest.manifests.is_empty() {
            digest = ours(&manifest.manifests).ok_or_else(|| {
                pull_failed("the image has no variant for this node's platform".to_owned())
            })?;
            fetched |= self.blob(repository, &digest).await?;
            manifest = self.read(&digest)?;
        }
        let Some(config) = manifest.config else {
            return Err(pull_failed(
                "its manifest names no configuration".to_owned(),
            ));
        };
        let mut blobs = vec![digest.clone(), config.digest.clone()];
        blobs.extend(manifest.layers.iter().map(|layer| layer.digest.clone()));
        for blob in &blobs {
            fetched |= self.blob(repository, blob).await?;
        }
        let configuration: Configuration = self.read(&config.digest)?;
        let image = Image {
            digest,
            config: configuration.config.unwrap_or_default(),
            layers: manifest
                .layers
                .into_iter()
                .map(|layer| layer.digest)
                .collect(),
            blobs,
        };
        Ok((image, fetched))
    }

    /// Brings one blob here, unless it is.
    async fn blob(&self, repository: &str, digest: &Digest) -> Result<bool, Trouble> {
        if self.blobs.contains(digest) {
            return Ok(false);
        }
        let mut writer = self.blobs.writer().map_err(|error| disk(&error))?;
        self.registry
            .download(repository, digest, &mut writer)
            .await
            .map_err(|error| match error {
                registry::Error::Local { source, .. } => disk(&source),
                error => pull_failed(error.to_string()),
            })?;
        crash::point("pod.image.before");
        writer
            .commit(Some(digest))
            .map_err(|error| pull_failed(error.to_string()))?;
        Ok(true)
    }

    /// What a tag is now.
    async fn resolve(&self, repository: &str, tag: &str) -> Result<Digest, Trouble> {
        let manifest = self.registry.manifest(repository, tag).await;
        let manifest =
            manifest.map_err(|error| pull_failed(format!("{repository}:{tag}: {error}")))?;
        let bytes = manifest.bytes;
        self.blobs.put(&bytes).map_err(|error| disk(&error))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, digest: &Digest) -> Result<T, Trouble> {
        let bytes = fs::read(self.blobs.path(digest)).map_err(|error| disk(&error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| pull_failed(format!("{digest} cannot be read: {error}")))
    }

    /// Writes an image's files into an empty folder; blocks.
    pub(crate) fn unpack(&self, image: &Image, into: &Path) -> Result<(), Trouble> {
        for digest in &image.layers {
            let layer = self.blobs.open_blob(digest).map_err(|error| disk(&error))?;
            unpack_layer(layer, into, Limits::default()).map_err(|error| disk(&error))?;
        }
        Ok(())
    }

    /// Removes what no pod names and nobody has named for a while; `all`: at once.
    pub(crate) fn prune(&self, named: &BTreeSet<Digest>, now: Instant, all: bool) {
        let Ok(found) = self.blobs.all() else { return };
        let mut unused = self
            .unused
            .lock()
            .expect("nothing panics while it holds the list");
        unused.retain(|digest, _| !named.contains(digest));
        for digest in found.into_iter().filter(|digest| !named.contains(digest)) {
            let since = *unused.entry(digest.clone()).or_insert(now);
            if all || now.duration_since(since) >= KEPT {
                if let Err(error) = self.blobs.remove(&digest) {
                    tracing::warn!(%digest, %error, "an unused blob stays");
                }
                unused.remove(&digest);
            }
        }
    }
}

/// The manifest for this machine.
fn ours(manifests: &[Descriptor]) -> Option<Digest> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |platform: &Platform| {
        platform.os == std::env::consts::OS && platform.architecture == architecture
    };
    manifests
        .iter()
        .find(|one| one.platform.as_ref().is_none_or(fits))
        .map(|one| one.digest.clone())
}

fn pull_failed(why: String) -> Trouble {
    Trouble::new("ErrImagePull", why)
}

fn full() -> Trouble {
    let why = "no space left on the node's disk";
    Trouble::new("CreateContainerError", why)
}

/// What a fault of the node's disk means for a container.
pub(crate) fn disk(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(),
        _ => Trouble::new("CreateContainerError", error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(&str, &str), &str>) {
        let text = text.replace("REGISTRY", REGISTRY);
        let found = Reference::parse(&text);
        let found = found.as_ref().map(|reference| {
            let version = match &reference.version {
                Version::Digest(digest) => digest.as_str(),
                Version::Tag(tag) => tag,
            };
            (reference.repository.as_str(), version)
        });
        assert_eq!(found.map_err(|trouble| trouble.reason.as_str()), expect);
    }

    #[test]
    fn references_are_taken_apart_or_refused() {
        let digest = Digest::of(b"x");
        check("REGISTRY/shop/web:v1", Ok(("shop/web", "v1")));
        check("REGISTRY/shop/web", Ok(("shop/web", "latest")));
        for text in ["REGISTRY/shop/web@", "REGISTRY/shop/web:v1@"] {
            let text = format!("{text}{digest}");
            check(&text, Ok(("shop/web", digest.as_str())));
        }
        check("docker.io/library/nginx", Err("ErrImagePull"));
        check("library/nginx", Err("ErrImagePull"));
        for text in [
            " ",
            "",
            "REGISTRY/shop",
            "REGISTRY/../web",
            "REGISTRY/shop/web@sha256:12",
            "REGISTRY/shop/web:a b",
            "REGISTRY/a/b/c",
        ] {
            check(text, Err("InvalidImageName"));
        }
    }
}
