//! Why a command did not do what was asked: a kind, a message in `oc`'s wording, and hints as data.
//!
//! The last border of three: `store::Error → Status`, `Status → Failure`, `Failure → exit code`.

use std::io;

use crate::api::status::Status;
use crate::base::streams::Streams;
use crate::cli::exit::Exit;
use crate::client;
use crate::client::connection;
use crate::client::kubeconfig;

/// A command's failure; prints itself on stderr.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    /// One sentence, without `error:`.
    pub message: String,
    /// Next commands to type, or where to look; a line each.
    pub hints: Vec<String>,
    /// Further failures of the same command, when it had several things to do.
    pub others: Vec<Failure>,
}

/// Whose fault it was, as far as exit codes and prefixes tell.
#[derive(Debug)]
pub enum Kind {
    Usage,
    /// The server's own answer; `message` is empty unless it says more than the Status.
    Refused(Box<Status>),
    Unreachable,
    NotFound,
    TimedOut,
    Locked,
    RolledBack,
    Partly,
    Interrupted,
    /// Anything else that went wrong on this side.
    Ours,
    /// Nobody reads our output any more; nothing is said and that is no failure.
    BrokenPipe,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            hints: Vec::new(),
            others: Vec::new(),
        }
    }

    /// What was typed makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Usage, message)
    }

    /// Something on this side went wrong.
    pub fn ours(message: impl Into<String>) -> Failure {
        Failure::new(Kind::Ours, message)
    }

    /// What was named is not there.
    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(Kind::NotFound, message)
    }

    /// The server said no.
    pub fn refused(status: Status) -> Failure {
        Failure::new(Kind::Refused(Box::new(status)), "")
    }

    /// Adds a line that says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Several failures as one: `Ok` when there is none.
    pub fn all(failures: Vec<Failure>) -> Result<(), Failure> {
        let mut failures = failures.into_iter();
        match failures.next() {
            None => Ok(()),
            Some(mut first) => {
                first.others.extend(failures);
                Err(first)
            }
        }
    }

    /// Says what was being done when the server refused: `error when creating "F"`.
    #[must_use]
    pub fn during(mut self, doing: impl Into<String>) -> Failure {
        match &self.kind {
            Kind::Refused(_) => self.message = doing.into(),
            Kind::BrokenPipe => {}
            _ => self.message = format!("{}: {}", doing.into(), self.message),
        }
        self
    }

    /// The refusal's reason, "" when it is none.
    pub fn reason(&self) -> &str {
        match &self.kind {
            Kind::Refused(status) => &status.reason,
            _ => "",
        }
    }

    /// Whether the version asked for is no longer kept.
    pub fn is_expired(&self) -> bool {
        matches!(&self.kind, Kind::Refused(status) if status.code == 410)
    }

    /// The lines that stderr gets.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = match &self.kind {
            Kind::BrokenPipe => return Vec::new(),
            Kind::Refused(status) => refusal(status, &self.message),
            Kind::Unreachable => vec![self.message.clone()],
            _ => vec![format!(
                "error: {}",
                self.message
                    .strip_prefix("error: ")
                    .unwrap_or(&self.message)
            )],
        };
        lines.extend(self.hints.iter().cloned());
        lines.extend(self.others.iter().flat_map(Failure::lines));
        lines
    }

    /// Says it on stderr.
    pub fn print(&self, streams: &Streams) {
        for line in self.lines() {
            // When stderr is gone too there is nobody left to tell.
            let _ = streams.err(format_args!("{line}\n"));
        }
    }

    /// The exit code's name for it.
    pub fn exit(&self) -> Exit {
        match &self.kind {
            Kind::Usage => Exit::Usage,
            Kind::Refused(status) => match (status.code, status.reason.as_str()) {
                (400 | 413 | 415 | 422, _) => Exit::Usage,
                (404, _) => Exit::NotFound,
                (401 | 403 | 503, _) => Exit::Unreachable,
                (409, _) => Exit::Locked,
                (504, _) | (_, "Timeout" | "ServerTimeout") => Exit::TimedOut,
                _ => Exit::Failed,
            },
            Kind::Unreachable => Exit::Unreachable,
            Kind::NotFound => Exit::NotFound,
            Kind::TimedOut => Exit::TimedOut,
            Kind::Locked => Exit::Locked,
            Kind::RolledBack => Exit::RolledBack,
            Kind::Partly => Exit::Partly,
            Kind::Interrupted => Exit::Interrupted,
            Kind::Ours => Exit::Failed,
            Kind::BrokenPipe => Exit::Done,
        }
    }
}

/// A refusal in `oc`'s words (facts/oc.md 1.4); `context` is woven in: `error when creating "F"`.
fn refusal(status: &Status, context: &str) -> Vec<String> {
    let message = if context.is_empty() {
        status.message.clone()
    } else {
        format!("{context}: {}", status.message)
    };
    match status.reason.as_str() {
        "Unauthorized" => vec![format!(
            "error: You must be logged in to the server ({message})"
        )],
        "Invalid" if context.is_empty() => invalid(status),
        "" => vec![format!("Error from server: {message}")],
        reason => vec![format!("Error from server ({reason}): {message}")],
    }
}

fn invalid(status: &Status) -> Vec<String> {
    let Some(details) = &status.details else {
        return vec![format!("The request is invalid: {}", status.message)];
    };
    let subject = if details.name.is_empty() {
        format!("The {}", details.kind)
    } else {
        format!("The {} {:?}", details.kind, details.name)
    };
    match details.causes.as_slice() {
        [] => vec![format!("{subject} is invalid: {}", status.message)],
        [cause] => vec![format!(
            "{subject} is invalid: {}: {}",
            cause.field, cause.message
        )],
        causes => std::iter::once(format!("{subject} is invalid: "))
            .chain(
                causes
                    .iter()
                    .map(|cause| format!("* {}: {}", cause.field, cause.message)),
            )
            .collect(),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::refused(status)
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Failure {
        let message = error.to_string();
        match error {
            client::Error::Status(status) => Failure::refused(*status),
            client::Error::Unauthorized(message) => Failure::refused(Status {
                message,
                ..Status::unauthorized()
            }),
            client::Error::Refused { .. }
            | client::Error::Unreachable { .. }
            | client::Error::TimedOut { .. } => Failure::new(Kind::Unreachable, message),
            client::Error::Interrupted(_) | client::Error::Decode(_) | client::Error::Setup(_) => {
                Failure::ours(message)
            }
        }
    }
}

impl From<connection::Error> for Failure {
    fn from(error: connection::Error) -> Failure {
        match error {
            connection::Error::NotRunning { .. } => {
                Failure::new(Kind::Unreachable, format!("error: {error}"))
            }
            connection::Error::Client(error) => error.into(),
            connection::Error::Kubeconfig(error) => error.into(),
            connection::Error::Usage(_) | connection::Error::Invalid(_) => {
                Failure::usage(chain(&error))
            }
        }
    }
}

impl From<kubeconfig::Error> for Failure {
    /// A file that cannot be used is bad input, found before anything was done.
    fn from(error: kubeconfig::Error) -> Failure {
        Failure::new(Kind::Usage, format!("error: {}", chain(&error)))
    }
}

/// An error and what it came from, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let kind = match error.kind() {
            io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::Ours,
        };
        Failure::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::kinds;
    use crate::api::status::Cause;

    fn check(status: Status, lines: &[&str], exit: Exit) {
        let failure = Failure::refused(status);
        assert_eq!(failure.lines(), lines);
        assert_eq!(failure.exit(), exit);
    }

    #[test]
    fn says_what_oc_says() {
        check(
            Status::not_found(&kinds::NODE, "a"),
            &["Error from server (NotFound): nodes \"a\" not found"],
            Exit::NotFound,
        );
        check(
            Status::unauthorized(),
            &["error: You must be logged in to the server (Unauthorized)"],
            Exit::Unreachable,
        );
        check(
            Status::invalid(
                &kinds::APPLICATION,
                "a",
                vec![Cause::required("spec.hosts", "")],
            ),
            &["The Application \"a\" is invalid: spec.hosts: Required value"],
            Exit::Usage,
        );
        check(
            Status::invalid(
                &kinds::NODE,
                "a",
                vec![
                    Cause::required("spec.x", ""),
                    Cause::forbidden("spec.y", "no"),
                ],
            ),
            &[
                "The Node \"a\" is invalid: ",
                "* spec.x: Required value",
                "* spec.y: Forbidden: no",
            ],
            Exit::Usage,
        );
    }

    #[test]
    fn prefix_is_not_doubled_and_a_broken_pipe_is_quiet() {
        assert_eq!(Failure::ours("error: x").lines(), ["error: x"]);
        let pipe = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(pipe.lines().is_empty());
        assert_eq!(pipe.exit(), Exit::Done);
    }
}
