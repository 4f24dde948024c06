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
                self.context.out(format_args!(
                    "{}\n{}\n",
                    json::version(),
                    json::begun(&rollout)
                ))?;
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

/// In NDJSON mode a failure is the last line, too.
pub fn tell_failure(
    context: &Context,
    chosen: &Chosen,
    result: &Result<Exit, Failure>,
) -> Result<(), Failure> {
    if let (Mode::Json, Err(failure)) = (chosen.mode, result) {
        let message = failure.lines().join("\n");
        let line = json::stopped(failure.exit(), &format!("{:?}", failure.exit()), &message);
        context.out(format_args!("{line}\n"))?;
    }
    Ok(())
}
