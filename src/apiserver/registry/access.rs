//! Who may read and write which blobs.
//!
//! People: whoever may update the namespace's applications writes, whoever may read the application reads. A node
//! writes to the applications it has a gear of (logs) and to the image stream that a build on it is for; it reads what
//! those, or an Operation on it, name, the images that its pods and builds name in their own namespace, and the shared
//! ones. A pod of one namespace that names an image of another does not open that to its node.

use http::StatusCode;

use super::Refusal;
use super::Repository;
use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::build::BUILD_NAME;
use crate::api::build::BUILD_SOURCE;
use crate::api::build::Build;
use crate::api::image::REGISTRY;
use crate::api::image::SHARED_NAMESPACE;
use crate::api::image::split_tag;
use crate::api::kinds;
use crate::api::pod::Pod;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_NODE;
use crate::apiserver::Api;
use crate::apiserver::access::Attempt;
use crate::apiserver::access::Ruling;
use crate::apiserver::access::Verb;
use crate::apiserver::access::rule;
use crate::apiserver::authentication::Identity;
use crate::content::blobs::Digest;
use crate::store::Interest;
use crate::store::Pin;
use crate::store::Place;

/// Refuses an identity that may not read this blob through this repository.
pub(super) fn check_read(
    api: &Api,
    identity: &Identity,
    repository: &Repository,
    digest: &Digest,
) -> Result<(), Refusal> {
    let allowed = match identity {
        Identity::Node(node) => {
            has_gear(api, node, repository)
                || has_operation(api, node, repository, digest)
                || reads_images(api, node, repository)
                || builds_for(api, node, repository)
        }
        _ => may(identity, Verb::Get, repository),
    };
    allowed
        .then_some(())
        .ok_or_else(|| denied(identity, "read", repository))
}

/// Refuses an identity that may not see the tags of this repository.
pub(super) fn check_stream(
    api: &Api,
    identity: &Identity,
    repository: &Repository,
) -> Result<(), Refusal> {
    let allowed = match identity {
        Identity::Node(node) => reads_images(api, node, repository),
        _ => may(identity, Verb::Get, repository),
    };
    allowed
        .then_some(())
        .ok_or_else(|| denied(identity, "read", repository))
}

/// Refuses an identity that may not bring blobs into this repository.
pub(super) fn check_write(
    api: &Api,
    identity: &Identity,
    repository: &Repository,
) -> Result<(), Refusal> {
    let allowed = match identity {
        Identity::Node(node) => {
            has_gear(api, node, repository) || builds_for(api, node, repository)
        }
        _ => may(identity, Verb::Update, repository),
    };
    allowed
        .then_some(())
        .ok_or_else(|| denied(identity, "write to", repository))
}

fn may(identity: &Identity, verb: Verb, repository: &Repository) -> bool {
    let attempt = Attempt {
        verb,
        kind: &kinds::APPLICATION,
        namespace: &repository.namespace,
        name: &repository.application,
        subresource: "",
        label_selector: "",
        field_selector: "",
    };
    rule(identity, &attempt) == Ruling::Allowed
}

fn has_gear(api: &Api, node: &str, repository: &Repository) -> bool {
    let label = |key: &str, value: &str| Pin::Label(key.to_owned(), value.to_owned());
    let wanted = Interest {
        namespace: repository.namespace.clone(),
        pins: vec![
            label(LABEL_NODE, node),
            label(LABEL_APPLICATION, &repository.application),
        ],
    };
    !api.store().list(&kinds::GEAR, wanted).0.is_empty()
}

fn has_operation(api: &Api, node: &str, repository: &Repository, digest: &Digest) -> bool {
    let on_node = Interest {
        namespace: repository.namespace.clone(),
        pins: vec![Pin::Label(LABEL_NODE.to_owned(), node.to_owned())],
    };
    let (operations, _) = api.store().list(&kinds::OPERATION, on_node);
    operations
        .iter()
        .any(|operation| contains(&operation.json, digest.as_str().as_bytes()))
}

/// Whether a node may pull: the shared images, and what its pods of the repository's namespace name.
fn reads_images(api: &Api, node: &str, repository: &Repository) -> bool {
    let namespace = &repository.namespace;
    namespace == SHARED_NAMESPACE
        || pods_of(api, node, namespace).iter().any(|pod| {
            runs_image_of(pod, repository)
                || build_of(api, pod).is_some_and(|build| builds_from(&build, repository))
        })
}

/// Whether a pod has a container whose image is in the repository.
fn runs_image_of(pod: &Pod, repository: &Repository) -> bool {
    let mut containers = pod.spec.containers.iter();
    containers.any(|container| repository_of(&container.image).as_ref() == Some(repository))
}

/// Whether a build needs what is in the repository: its builder, or the source that came with the request for it.
fn builds_from(build: &Build, repository: &Repository) -> bool {
    let meta = &build.metadata;
    let strategy = build.spec.common.strategy.source_strategy.as_ref();
    let builder = strategy.and_then(|strategy| repository_of(&strategy.from.name));
    let config = meta.annotations.get(BUILD_CONFIG_NAME);
    let source = meta.annotations.get(BUILD_SOURCE).map(|_| Repository {
        namespace: meta.namespace.clone(),
        application: config.unwrap_or(&meta.name).clone(),
    });
    builder.as_ref() == Some(repository) || source.as_ref() == Some(repository)
}

/// The repository of `REGISTRY/NAMESPACE/NAME` with a tag, a digest or both; none for an image elsewhere.
fn repository_of(reference: &str) -> Option<Repository> {
    let path = reference.strip_prefix(REGISTRY)?.strip_prefix('/')?;
    let (namespace, name) = path.split('@').next()?.split_once('/')?;
    Some(Repository {
        namespace: namespace.to_owned(),
        application: split_tag(name).0.to_owned(),
    })
}

/// The pods on a node that are not over; of every namespace when none is named.
fn pods_of(api: &Api, node: &str, namespace: &str) -> Vec<Pod> {
    let on_node = Interest {
        namespace: namespace.to_owned(),
        pins: vec![Pin::OnNode(node.to_owned())],
    };
    let (pods, _) = api.store().list(&kinds::POD, on_node);
    pods.iter()
        .filter_map(|pod| serde_json::from_slice::<Pod>(&pod.json).ok())
        .filter(|pod| !pod.is_over())
        .collect()
}

/// The build that a pod is for.
fn build_of(api: &Api, pod: &Pod) -> Option<Build> {
    let name = pod.metadata.labels.get(BUILD_NAME)?;
    let place = Place::new(&kinds::BUILD, &pod.metadata.namespace, name);
    let entry = api.store().entry(&place)?;
    serde_json::from_slice(&entry.json).ok()
}

/// Whether a build that is under way on the node makes an image for this repository.
fn builds_for(api: &Api, node: &str, repository: &Repository) -> bool {
    let pods = pods_of(api, node, "");
    let mut builds = pods.iter().filter_map(|pod| build_of(api, pod));
    builds.any(|build| output_of(&build).as_ref() == Some(repository))
}

/// The repository that a build's image goes to.
fn output_of(build: &Build) -> Option<Repository> {
    let to = build.spec.common.output.to.as_ref()?;
    if to.kind == "DockerImage" {
        return repository_of(&to.name);
    }
    let namespace = if to.namespace.is_empty() {
        &build.metadata.namespace
    } else {
        &to.namespace
    };
    Some(Repository {
        namespace: namespace.clone(),
        application: split_tag(&to.name).0.to_owned(),
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn denied(identity: &Identity, what: &str, repository: &Repository) -> Refusal {
    let message = format!(
        "{} may not {what} {}/{}",
        identity.user(),
        repository.namespace,
        repository.application
    );
    Refusal::new(StatusCode::FORBIDDEN, "DENIED", message)
}
