//! What every command has: surroundings, streams, global flags, and the way to a server.

use std::fmt;
use std::io;

use crate::base::clock::Clock;
use crate::base::environment::Environment;
use crate::base::streams::Streams;
use crate::cli::Failure;
use crate::cli::failure;
use crate::cli::flags::Flags;
use crate::cli::program::Program;
use crate::client::connection;
use crate::client::connection::Announcement;
use crate::client::connection::Choice;
use crate::client::connection::Connection;
use crate::client::connection::Target;
use crate::server::background;
use crate::server::background::Outcome;
use crate::server::data_folder;

/// The surroundings of one command.
#[derive(Clone)]
pub struct Context {
    pub program: Program,
    pub environment: Environment,
    pub streams: Streams,
    pub flags: Flags,
    pub clock: Clock,
}

/// Whether a command may start the embedded server to do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It reads or changes what is there: an embedded server that does not run has nothing for it.
    Reading,
    /// It creates something: an embedded server is started in the background and named on stderr.
    Creating,
}

impl Context {
    /// What messages call this program.
    pub fn name(&self) -> &'static str {
        self.program.name()
    }

    /// Prints to stdout, where data goes.
    pub fn out(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.streams.out(text)
    }

    /// Prints to stderr, where talk goes.
    pub fn say(&self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.streams.err(text)
    }

    /// The server that flags, variables and kubeconfig name; nothing is sent.
    pub fn choose(&self) -> Result<Choice, Failure> {
        let choice = connection::choose(&self.flags.resolve(self)?, &self.environment)?;
        for warning in &choice.warnings {
            self.say(format_args!("Warning: {warning}\n"))?;
        }
        Ok(choice)
    }

    /// A client of that server. For a creating command it is started when it is the embedded one, and named on stderr.
    pub async fn connect(&self, purpose: Purpose) -> Result<Connection, Failure> {
        let choice = self.choose()?;
        if purpose == Purpose::Reading {
            let connection = choice.connect().map_err(|error| self.not_running(error))?;
            if let Target::Embedded { data_dir } = choice.target
                && !data_folder::is_held(&data_dir)
            {
                // A killed server leaves its address behind.
                return Err(self.not_running(connection::Error::NotRunning { data_dir }));
            }
            self.check_version(&connection)?;
            return Ok(connection);
        }
        let started = self.start(&choice).await?;
        let connection = choice.connect().map_err(|error| self.not_running(error))?;
        self.check_version(&connection)?;
        let how = if started { "started the " } else { "" };
        self.say(format_args!("{how}{}\n", connection.describe()))?;
        if started && let Some(router) = router_elsewhere(&connection) {
            self.say(format_args!(
                "routes are served at http://{router}, because {} is taken\n",
                crate::router::DEFAULT_ADDRESS
            ))?;
        }
        Ok(connection)
    }

    /// The same, named on stderr unless silence was asked for.
    pub async fn connect_as(&self, purpose: Purpose, silent: bool) -> Result<Connection, Failure> {
        if !silent {
            return self.connect(purpose).await;
        }
        let (streams, _) = Streams::captured();
        let silent = Context {
            streams,
            ..self.clone()
        };
        silent.connect(purpose).await
    }

    /// Starts the embedded server in the background if that is what was chosen; whether this call did.
    async fn start(&self, choice: &Choice) -> Result<bool, Failure> {
        let Target::Embedded { data_dir } = &choice.target else {
            return Ok(false);
        };
        let outcome = background::ensure(data_dir, &self.environment)
            .await
            .map_err(|error| Failure::ours(failure::chain(&error)))?;
        Ok(outcome == Outcome::Started)
    }

    /// Client and server may differ by one minor version.
    fn check_version(&self, connection: &Connection) -> Result<(), Failure> {
        let Some(server) = connection.data_dir.as_deref().and_then(Announcement::read) else {
            return Ok(());
        };
        let own = env!("CARGO_PKG_VERSION");
        let (Some(theirs), Some(ours)) = (minor(&server.version), minor(own)) else {
            return Ok(());
        };
        if theirs.0 == ours.0 && theirs.1.abs_diff(ours.1) <= 1 {
            return Ok(());
        }
        let name = self.name();
        let (older, command) = if theirs < ours {
            (
                "server",
                format!("restart it: {name} serve --stop, then {name} serve"),
            )
        } else {
            ("client", format!("use {name} {}", server.version))
        };
        Err(Failure::ours(format!(
            "this is {name} {own}, the {older} is too old for the other: {} runs {}; {command}",
            connection.server, server.version
        )))
    }

    /// Says how to start an embedded server that does not run.
    fn not_running(&self, error: connection::Error) -> Failure {
        let is_embedded = matches!(error, connection::Error::NotRunning { .. });
        let failure = Failure::from(error);
        if !is_embedded {
            return failure;
        }
        let name = self.name();
        failure.hint(format!(
            "Start it with '{name} serve', or name another with --server, --kubeconfig or --context."
        ))
    }
}

/// Where the embedded server's router listens, when that is not the usual address.
fn router_elsewhere(connection: &Connection) -> Option<String> {
    let announcement = Announcement::read(connection.data_dir.as_deref()?)?;
    let is_usual = announcement.router == crate::router::DEFAULT_ADDRESS.to_string();
    (!is_usual && !announcement.router.is_empty()).then_some(announcement.router)
}

/// `(0, 1)` of `0.1.0`, `v0.1.0` or `v0.1.0+x`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_minor_version() {
        assert_eq!(minor("0.1.0"), Some((0, 1)));
        assert_eq!(minor("v1.31.2+x"), Some((1, 31)));
        assert_eq!(minor("x"), None);
    }
}
