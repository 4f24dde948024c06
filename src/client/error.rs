//! What can go wrong between a caller and the API, in the words a user sees.
//!
//! Source of the wording: facts/oc.md 1.4. The prefix (`error:`, `Error from server (…)`) is the command line's.

use crate::api::status::Status;

/// Why a request got no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server understood and said no.
    #[error("{0}")]
    Status(Box<Status>),
    /// Nobody listens there.
    #[error(
        "The connection to the server {server} was refused - did you specify the right host or port?"
    )]
    Refused { server: String },
    /// The server cannot be reached or trusted.
    #[error("Unable to connect to the server: {why}")]
    Unreachable { server: String, why: String },
    /// The server does not know the caller.
    #[error("You must be logged in to the server ({0})")]
    Unauthorized(String),
    /// No answer within the time that the caller gave.
    #[error("Unable to connect to the server: no answer from {server} within {seconds}s")]
    TimedOut { server: String, seconds: u64 },
    /// The answer broke off in the middle.
    #[error("the connection to the server broke off: {0}")]
    Interrupted(String),
    /// The answer is not what the API promises.
    #[error("the server's answer cannot be read: {0}")]
    Decode(String),
    /// The request cannot be made with what the caller was given: a bad URL, certificate or token file.
    #[error("{0}")]
    Setup(String),
}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        if status.code == 401 {
            Error::Unauthorized(status.message)
        } else {
            Error::Status(Box::new(status))
        }
    }
}

impl Error {
    /// The refusal, if it is one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Error::Status(status) => Some(status),
            _ => None,
        }
    }

    fn is_because(&self, reason: &str) -> bool {
        self.status().is_some_and(|status| status.reason == reason)
    }

    /// Whether there is no such object.
    pub fn is_not_found(&self) -> bool {
        self.is_because("NotFound")
    }

    /// Whether the write was decided on an old version.
    pub fn is_conflict(&self) -> bool {
        self.is_because("Conflict")
    }

    /// Whether there is such an object already.
    pub fn is_already_exists(&self) -> bool {
        self.is_because("AlreadyExists")
    }

    /// Whether the version asked for is no longer kept (410).
    pub fn is_expired(&self) -> bool {
        self.status().is_some_and(|status| status.code == 410)
    }

    /// Whether the caller may not do that.
    pub fn is_forbidden(&self) -> bool {
        self.is_because("Forbidden")
    }

    /// Whether the server, or what answers in its place, does not take who we are, or is not who we knew: a certificate
    /// that was revoked, replaced or has expired, or another authority.
    pub fn is_refused_identity(&self) -> bool {
        match self {
            Error::Unauthorized(_) => true,
            Error::Unreachable { why, .. } => {
                why.contains("signed by unknown authority") || is_about_certificates(why)
            }
            // The handshake is over for us before the server looks at our certificate.
            Error::Interrupted(why) => is_about_certificates(why),
            _ => false,
        }
    }

    /// Whether the same request may well succeed later: no connection, a broken one, or a server that is busy.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Status(status) => matches!(status.code, 429 | 500 | 502..=504),
            Error::Refused { .. }
            | Error::Unreachable { .. }
            | Error::TimedOut { .. }
            | Error::Interrupted(_) => true,
            Error::Unauthorized(_) | Error::Decode(_) | Error::Setup(_) => false,
        }
    }
}

/// Whether a TLS alert, as its last word names it, is about our certificate.
fn is_about_certificates(why: &str) -> bool {
    let alert = why.rsplit(' ').next().unwrap_or_default();
    why.contains("alert")
        && (alert.starts_with("Certificate") || ["UnknownCA", "BadCertificate"].contains(&alert))
        || why.contains("remote error: tls: Certificate")
}
