//! Who may read and write which blobs.
//!
//! People: whoever may update the namespace's applications writes, whoever may read the application reads. A node
//! writes to the applications it has a gear of (logs), and reads what those, or an Operation on it, name.

use http::StatusCode;

use super::Refusal;
use super::Repository;
use crate::api::kinds;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_NODE;
use crate::apiserver::Api;
use crate::apiserver::access::Attempt;
use crate::apiserver::access::Ruling;
use crate::apiserver::access::Verb;
use crate::apiserver::access::rule;
use crate::apiserver::authentication::Identity;
use crate::content::blobs::Digest;

/// Refuses an identity that may not read this blob through this repository.
pub(super) fn check_read(
    api: &Api,
    identity: &Identity,
    repository: &Repository,
    digest: &Digest,
) -> Result<(), Refusal> {
    let allowed = match identity {
        Identity::Node(node) => {
            has_gear(api, node, repository) || has_operation(api, node, repository, digest)
        }
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
        Identity::Node(node) => has_gear(api, node, repository),
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
    let (gears, _) = api.store().list(&kinds::GEAR, &repository.namespace);
    gears.iter().any(|gear| {
        let label = |name: &str| gear.labels.get(name).map(String::as_str);
        label(LABEL_NODE) == Some(node)
            && label(LABEL_APPLICATION) == Some(repository.application.as_str())
    })
}

fn has_operation(api: &Api, node: &str, repository: &Repository, digest: &Digest) -> bool {
    let (operations, _) = api.store().list(&kinds::OPERATION, &repository.namespace);
    operations.iter().any(|operation| {
        let names = || contains(&operation.json, digest.as_str().as_bytes());
        operation.labels.get(LABEL_NODE).map(String::as_str) == Some(node) && names()
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
