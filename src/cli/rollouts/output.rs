//! What a command that begins or changes a rollout prints on stdout: `rollout.upshift.dev/shop-3 created`.

use serde_json::Value;

use crate::api::meta::Typed;
use crate::api::upshift::Rollout;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::follow;
use crate::cli::progress::json;
use crate::cli::progress::mode::Mode;
use crate::client::Client;

/// `-o` of commands that follow a rollout.
pub const FORMATS: [&str; 6] = [
    "json",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "name",
    "yaml",
];

/// How the rest of a command goes.
pub struct Ending<'a> {
    pub context: &'a Context,
    pub client: Client,
    pub chosen: Chosen,
    pub format: &'a Format,
    /// `--follow`.
    pub follow: bool,
}

impl Ending<'_> {
    /// Says what was done to the rollout, follows it if that is wanted, and prints it if that is.
    pub async fn run(
        &self,
        done: &str,
        rollout: Rollout,
        earlier: &[Rollout],
    ) -> Result<Exit, Failure> {
        if self.format.is_table() && !matches!(self.chosen.mode, Mode::Quiet | Mode::Json) {
            self.context.out(format_args!("{done}\n"))?;
        }
        if !self.follow {
            if self.chosen.mode == Mode::Json && self.format.is_table() {
                let line = json::begun(&rollout);
                self.context.out(format_args!("{line}\n"))?;
            }
            print(self.context, self.format, &rollout.to_object())?;
            return Ok(Exit::Done);
        }
        let client = self.client.clone();
        let ended = follow::follow(self.context, client, rollout, earlier, self.chosen).await?;
        print(self.context, self.format, &ended.rollout.to_object())?;
        Ok(ended.exit)
    }
}

/// Prints an object as `-o` says; nothing without it.
pub fn print(context: &Context, format: &Format, object: &Value) -> Result<(), Failure> {
    if !format.is_table() {
        context.out(format_args!("{}", structured::one(format, object)?))?;
    }
    Ok(())
}

/// Runs the part of a command that talks to a server. In NDJSON mode the first line comes before it, and a failure is the
/// last line like any other end.
pub async fn told(
    context: &Context,
    chosen: Chosen,
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    if chosen.mode != Mode::Json {
        return command.await;
    }
    context.out(format_args!("{}\n", json::version()))?;
    let result = command.await;
    if let Err(failure) = &result {
        let exit = failure.exit();
        let line = json::stopped(exit, &format!("{exit:?}"), &failure.lines().join("\n"));
        context.out(format_args!("{line}\n"))?;
    }
    result
}
