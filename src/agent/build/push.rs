//! Sends a finished image to the registry with the node's identity.
//!
//! What the child left is hostile: user code ran with its rights. Blobs are opened without following any link on the
//! way, must be plain files, and are checked by digest by the registry.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use bytes::Bytes;
use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use nix::fcntl::OFlag;
use nix::fcntl::OpenHow;
use nix::fcntl::ResolveFlag;
use nix::fcntl::openat2;
use serde_json::json;

use crate::agent::build::Place;
use crate::agent::build::failure::Failure;
use crate::agent::build::failure::Reason;
use crate::agent::build::inputs::final_message;
use crate::agent::build::inputs::loop_while_away;
use crate::agent::build::inside::Result as Built;
use crate::api::build::Build;
use crate::api::build::Outcome;
use crate::api::image::REGISTRY;
use crate::base::clock::Clock;
use crate::client;
use crate::client::Client;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::content::blobs::Digest;
use crate::content::image;
use crate::content::image::Descriptor;
use crate::content::image::Layout;
use crate::content::image::Manifest;

/// The largest manifest that is read.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// Pushes the image and says how the build ended.
pub(super) async fn push(
    place: &Place<'_>,
    build: &Build,
    result: Built,
    say: &mut (dyn FnMut(&str) + Send),
) -> Outcome {
    let began = Clock::System.now();
    let clock = std::time::Instant::now();
    let mut outcome = result.outcome.clone();
    if let Some(reference) =
        Some(&build.status.output_docker_image_reference).filter(|reference| !reference.is_empty())
    {
        say("");
        say(&format!("Pushing image {reference} ..."));
        if let Err(failure) = send(place, &result, reference, say).await {
            say(&format!("error: build error: {}", failure.message()));
            let failed = failure.outcome();
            outcome.reason = failed.reason;
            outcome.message = failed.message;
            return outcome;
        }
        say("Push successful");
        let milliseconds = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.stages.push(json!({
            "name": "PushImage",
            "startTime": began,
            "durationMilliseconds": milliseconds,
            "steps": [{"name": "PushDockerImage", "startTime": began, "durationMilliseconds": milliseconds}],
        }));
    }
    outcome.image_digest = result.manifest;
    outcome
}

async fn send(
    place: &Place<'_>,
    result: &Built,
    reference: &str,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Failure> {
    let (repository, tag) = target(reference)?;
    let failed = |detail: String| Failure::new(Reason::PushImageToRegistryFailed, detail);
    let sources = Sources::new(place).map_err(Failure::io(
        Reason::PushImageToRegistryFailed,
        "cannot read the image",
    ))?;
    let digest: Digest = result
        .manifest
        .parse()
        .map_err(|_| failed(format!("{:?} is no digest", result.manifest)))?;
    let manifest = sources.manifest(&digest).map_err(Failure::io(
        Reason::PushImageToRegistryFailed,
        "cannot read the image's manifest",
    ))?;
    let parsed: Manifest = image::parse(&manifest).map_err(Failure::io(
        Reason::PushImageToRegistryFailed,
        "the image's manifest is damaged",
    ))?;
    let registry = Registry::new(place.client.clone());
    let all = parsed.layers.len();
    for (number, layer) in parsed.layers.iter().enumerate() {
        upload(&registry, &sources, &repository, layer)
            .await
            .map_err(failed)?;
        let done = number + 1;
        say(&format!(
            "Pushed {done}/{all} layers, {}% complete",
            done * 100 / all
        ));
    }
    upload(&registry, &sources, &repository, &parsed.config)
        .await
        .map_err(failed)?;
    loop_while_away(|| put_manifest(place.client, &repository, &tag, manifest.clone()))
        .await
        .map_err(failed)
}

async fn upload(
    registry: &Registry,
    sources: &Sources,
    repository: &str,
    blob: &Descriptor,
) -> Result<(), String> {
    let digest = image::digest(blob).map_err(|error| error.to_string())?;
    loop_while_away(|| async {
        let mut file = sources
            .open(&digest)
            .map_err(|error| Some(error.to_string()))?;
        let size = file
            .metadata()
            .map_err(|error| Some(error.to_string()))?
            .len();
        match registry.upload(repository, &mut file, &digest, size).await {
            Ok(_) => Ok(()),
            Err(error) => Err(final_message(&error)),
        }
    })
    .await
}

async fn put_manifest(
    client: &Client,
    repository: &str,
    tag: &str,
    manifest: Vec<u8>,
) -> Result<(), Option<String>> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(image::MANIFEST),
    );
    let path = format!("/v2/{repository}/manifests/{tag}");
    let sent = async {
        let response = client
            .raw(Method::PUT, &path, headers, Bytes::from(manifest))
            .await?;
        client::check(response).await
    };
    match sent.await {
        Ok(_) => Ok(()),
        Err(error) => Err(final_message(&registry::Error::Client(error))),
    }
}

/// Repository and tag of `REGISTRY/NAMESPACE/NAME:TAG`.
fn target(reference: &str) -> Result<(String, String), Failure> {
    let wrong = || {
        let detail = format!("{reference} is not in the built-in registry");
        Failure::new(Reason::InvalidOutputReference, detail)
    };
    let rest = reference
        .strip_prefix(REGISTRY)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(wrong)?;
    let (repository, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
    Ok((repository.to_owned(), tag.to_owned()))
}

/// Where an image's blobs are: what the child made, or what the builder brought.
struct Sources {
    work: File,
    owner: Option<u32>,
    builder: Layout,
}

impl Sources {
    fn new(place: &Place<'_>) -> io::Result<Sources> {
        Ok(Sources {
            work: File::open(place.work())?,
            owner: place.user.map(|user| user.uid),
            builder: Layout::at(place.inputs().join("builder")),
        })
    }

    fn open(&self, digest: &Digest) -> io::Result<File> {
        match File::open(self.builder.blob(digest)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let path = Path::new("oci/blobs/sha256").join(digest.hex());
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let file = File::from(openat2(self.work.as_fd(), &path, how)?);
        let about = file.metadata()?;
        let owner = std::os::unix::fs::MetadataExt::uid(&about);
        if !about.is_file() || self.owner.is_some_and(|wanted| wanted != owner) {
            return Err(io::Error::other("is no plain file of the build's user"));
        }
        Ok(file)
    }

    fn manifest(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open(digest)?;
        io::Read::read_to_end(&mut io::Read::take(file, LARGEST_MANIFEST), &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_output_references_apart() {
        let reference = format!("{REGISTRY}/p/ruby-ex:latest");
        let (repository, tag) = target(&reference).unwrap();
        assert_eq!((repository.as_str(), tag.as_str()), ("p/ruby-ex", "latest"));
        assert_eq!(
            target("docker.io/p/x:1").unwrap_err().reason,
            Reason::InvalidOutputReference
        );
    }
}
