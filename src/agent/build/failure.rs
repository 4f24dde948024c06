//! Why a build failed, in OpenShift's reasons and a person's words.
//!
//! Sources: facts/oc.md 6.2; the sentences are those of openshift/api build/v1 (consts of `StatusMessage…`).

use std::fmt;
use std::io;

use crate::api::build::Outcome;

/// `status.reason` of a build that failed on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    FetchSourceFailed,
    InvalidContextDirectory,
    PullBuilderImageFailed,
    FetchScriptsFailed,
    AssembleFailed,
    ContainerCommitFailed,
    PostCommitHookFailed,
    PushImageToRegistryFailed,
    InvalidOutputReference,
    UnresolvableEnvironmentVariable,
    OutOfMemoryKilled,
    FileSystemOperationFailed,
    GenericS2IBuildFailed,
    GenericBuildFailed,
}

impl Reason {
    fn sentence(self) -> &'static str {
        match self {
            Reason::FetchSourceFailed => "Failed to fetch the input source",
            Reason::InvalidContextDirectory => "The supplied context directory does not exist",
            Reason::PullBuilderImageFailed => "Failed pulling builder image",
            Reason::FetchScriptsFailed => "Failed to fetch specified scripts",
            Reason::AssembleFailed => "Assemble script failed",
            Reason::ContainerCommitFailed => "Failed to commit container",
            Reason::PostCommitHookFailed => "Build failed because of post commit hook",
            Reason::PushImageToRegistryFailed => "Failed to push the image to the registry",
            Reason::InvalidOutputReference => "Output image could not be resolved",
            Reason::UnresolvableEnvironmentVariable => {
                "Unable to resolve build environment variable reference"
            }
            Reason::OutOfMemoryKilled => {
                "The build pod was killed due to an out of memory condition"
            }
            Reason::FileSystemOperationFailed => "Failed to perform filesystem operation",
            Reason::GenericS2IBuildFailed => "Generic S2I Build failure",
            Reason::GenericBuildFailed => "Generic Build failure",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A build's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

impl Failure {
    /// A failure with what exactly went wrong.
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Failure {
        Failure {
            reason,
            detail: detail.into(),
        }
    }

    /// For `map_err`: a failed call, with what was attempted; a full disk is named as what it is.
    pub(crate) fn io(reason: Reason, what: impl fmt::Display) -> impl FnOnce(io::Error) -> Failure {
        move |error| Failure::new(reason, format!("{what}: {}", explain(&error)))
    }

    /// The whole sentence for `status.message`.
    pub(crate) fn message(&self) -> String {
        match self.detail.as_str() {
            "" => format!("{}.", self.reason.sentence()),
            detail => format!("{}: {detail}", self.reason.sentence()),
        }
    }

    /// What the build's pod ends with.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            reason: self.reason.to_string(),
            message: self.message(),
            ..Outcome::default()
        }
    }
}

/// An error in words, with what helps against a full disk.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            "the disk of the node is full: free some space and start the build again".to_owned()
        }
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_happened_and_names_a_full_disk() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::io(Reason::FetchSourceFailed, "cannot write x")(full);
        let outcome = failure.outcome();
        assert_eq!(outcome.reason, "FetchSourceFailed");
        assert_eq!(
            outcome.message,
            "Failed to fetch the input source: cannot write x: the disk of the node is full: \
             free some space and start the build again"
        );
        let bare = Failure::new(Reason::AssembleFailed, "");
        assert_eq!(bare.message(), "Assemble script failed.");
    }
}
