//! Who may read and write which blobs.
//!
//! People: whoever may update the namespace's applications writes, whoever may read the application reads. A node
//! writes to the applications it has a gear of (logs) and to the image stream that a build on it is for; it reads what
//! those, or an Operation on it, name, and whatever is in a namespace that it has a pod in, or in the shared one.

use http::StatusCode;

use super::Refusal;
use super::Repository;
use crate::api::build::BUILD_NAME;
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

/// Whether a node may pull: the shared images, and those of a namespace that it has a pod in.
fn reads_images(api: &Api, node: &str, repository: &Repository) -> bool {
    let namespace = &repository.namespace;
    namespace == SHARED_NAMESPACE || !pods_of(api, node, namespace).is_empty()
}

fn pods_of(api: &Api, node: &str, namespace: &str) -> Vec<Pod> {
    let on_node = Interest {
        namespace: namespace.to_owned(),
        pins: vec![Pin::OnNode(node.to_owned())],
    };
    let (pods, _) = api.store().list(&kinds::POD, on_node);
    pods.iter()
        .filter_map(|pod| serde_json::from_slice(&pod.json).ok())
        .collect()
}

/// Whether a build that is under way on the node makes an image for this repository.
fn builds_for(api: &Api, node: &str, repository: &Repository) -> bool {
    let builds = pods_of(api, node, "")
        .into_iter()
        .filter(|pod| !pod.is_over());
    builds.into_iter().any(|pod| {
        let namespace = &pod.metadata.namespace;
        let Some(name) = pod.metadata.labels.get(BUILD_NAME) else {
            return false;
        };
        let place = Place::new(&kinds::BUILD, namespace, name);
        let build = api.store().entry(&place);
        let build = build.and_then(|entry| serde_json::from_slice::<Build>(&entry.json).ok());
        build.is_some_and(|build| output_of(&build).as_ref() == Some(repository))
    })
}

/// The repository that a build's image goes to.
fn output_of(build: &Build) -> Option<Repository> {
    let to = build.spec.common.output.to.as_ref()?;
    let name = match to.kind.as_str() {
        "DockerImage" => {
            let path = to.name.strip_prefix(REGISTRY)?.strip_prefix('/')?;
            let (namespace, name) = path.split_once('/')?;
            return Some(Repository {
                namespace: namespace.to_owned(),
                application: split_tag(name).0.to_owned(),
            });
        }
        _ => split_tag(&to.name).0.to_owned(),
    };
    let namespace = if to.namespace.is_empty() {
        build.metadata.namespace.clone()
    } else {
        to.namespace.clone()
    };
    Some(Repository {
        namespace,
        application: name,
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
