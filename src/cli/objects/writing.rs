//! What commands that change objects share: dry runs, result lines, and the namespace a file's object goes to.

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::client::WriteOptions;

/// Whether a command only shows what it would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DryRun {
    #[default]
    None,
    /// Nothing is sent.
    Client,
    /// The server checks everything and keeps nothing.
    Server,
}

impl DryRun {
    /// `none`, `client` or `server`, as clap's parser.
    pub fn parse(text: &str) -> Result<DryRun, String> {
        match text {
            "none" | "false" => Ok(DryRun::None),
            "client" | "true" => Ok(DryRun::Client),
            "server" => Ok(DryRun::Server),
            _ => Err("must be \"none\", \"server\", or \"client\"".to_owned()),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            DryRun::None => "",
            DryRun::Client => " (dry run)",
            DryRun::Server => " (server dry run)",
        }
    }
}

/// The flags of every command that writes objects.
#[derive(Clone, Debug, clap::Args)]
pub struct Writing {
    /// Only show what would be done: none, client (nothing is sent) or server (checked there, not kept)
    #[arg(
        long,
        value_name = "WHERE",
        num_args = 0..=1,
        require_equals = true,
        default_value = "none",
        default_missing_value = "client",
        value_parser = DryRun::parse
    )]
    pub dry_run: DryRun,
    /// Print the object instead of a line: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
}

impl Writing {
    /// The formats that a writing command prints.
    pub fn format(&self) -> Result<Format, Failure> {
        Format::parse(self.output.as_deref(), &Format::WRITERS)
    }

    /// How requests are sent.
    pub fn options(&self) -> WriteOptions {
        WriteOptions {
            dry_run: self.dry_run == DryRun::Server,
            ..WriteOptions::default()
        }
    }

    /// Says what became of an object: `application.upshift.dev/shop created (dry run)`, or prints it.
    pub fn report(
        &self,
        context: &Context,
        format: &Format,
        kind: &Kind,
        object: &Value,
        done: &str,
    ) -> Result<(), Failure> {
        if matches!(format, Format::Table { .. }) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let suffix = self.dry_run.suffix();
            context.out(format_args!("{}/{name} {done}{suffix}\n", kind.prefix()))?;
        } else {
            context.out(format_args!("{}", structured::one(format, object)?))?;
        }
        Ok(())
    }
}

/// Puts an object of a file into the namespace of this call; one that says another is refused when `-n` was given.
pub fn settle(
    kind: &Kind,
    object: &mut Value,
    namespace: &str,
    context: &Context,
) -> Result<String, Failure> {
    if kind.scope == Scope::Cluster {
        return Ok(String::new());
    }
    let own = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if own.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
        return Ok(namespace.to_owned());
    }
    if context.flags.namespace.is_some() && own != namespace {
        return Err(Failure::usage(format!(
            "the namespace from the provided object {own:?} does not match the namespace {namespace:?}. You must pass \
             '--namespace={own}' to perform this operation."
        )));
    }
    Ok(own)
}
