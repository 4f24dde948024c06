//! `create`: new objects from files, and the few kinds that are easier typed than written.

use std::fs;

use base64::Engine;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::apps::apply;
use crate::cli::context::Purpose;
use crate::cli::objects::files::Files;
use crate::cli::objects::resolve;
use crate::cli::objects::writing;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;
use crate::cli::output::Format;
use crate::cli::program::Program;
use crate::cli::usage;
use crate::client::connection::Connection;

/// Create a resource from a file or from stdin
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift create (-f FILE | namespace NAME | secret generic NAME | configmap NAME) [options]",
    after_help = "\
Examples:
  # Create what a file describes
  upshift create -f app.yaml

  # See what a folder would create, checked by the server
  upshift create -f manifests/ --dry-run=server

  # Create a namespace
  upshift create namespace shop

  # Create a secret from a value and a file
  upshift create secret generic keys --from-literal=user=admin --from-file=password.txt"
)]
pub struct Args {
    /// namespace NAME, secret generic NAME, configmap NAME
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub writing: Writing,
    /// For secrets and config maps: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub from_literal: Vec<String>,
    /// For secrets and config maps: FILE, or KEY=FILE
    #[arg(long, value_name = "FILE")]
    pub from_file: Vec<String>,
    /// Keep the file's content with the object, so that a later apply can tell what was removed
    #[arg(long)]
    pub save_config: bool,
    /// Refuse unknown fields: strict, warn or ignore
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "strict")]
    pub validate: Option<String>,
}

/// Runs `create`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    let objects = objects(&args, context)?;
    let connection = context.connect(Purpose::Creating).await?;
    let mut failures = Vec::new();
    for (file, object) in objects {
        if let Err(failure) = one(&args, &format, context, &connection, &file, object).await {
            failures.push(failure);
        }
    }
    Failure::all(failures).map(|()| Exit::Done)
}

/// The objects that are wanted, with the file that each comes from ("" when it was typed).
fn objects(args: &Args, context: &Context) -> Result<Vec<(String, Value)>, Failure> {
    if args.words.is_empty() {
        if args.files.is_empty() {
            return Err(usage::see(
                context.program,
                "create",
                "must specify one of -f and a kind to create",
            ));
        }
        let found = args.files.read(context)?;
        if found.is_empty() {
            return Err(Failure::usage("no objects passed to create"));
        }
        return Ok(found
            .into_iter()
            .map(|found| (found.file, found.object))
            .collect());
    }
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    let object = match words.as_slice() {
        ["namespace" | "ns", name] => bare(&kinds::NAMESPACE, name),
        ["secret", "generic", name] => secret(name, &values(args, context)?),
        ["configmap" | "cm", name] => config_map(name, &values(args, context)?)?,
        ["namespace" | "ns" | "configmap" | "cm"] | ["secret", "generic"] => {
            return Err(usage::see(
                context.program,
                "create",
                "exactly one NAME is required, got 0",
            ));
        }
        [word, ..] => {
            return Err(usage::see(
                context.program,
                "create",
                format!(
                    "cannot create {word:?} by name: describe it in a file and pass that with -f"
                ),
            ));
        }
        [] => return Err(Failure::usage("nothing to create")),
    };
    Ok(vec![(String::new(), object)])
}

fn bare(kind: &Kind, name: &str) -> Value {
    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name}})
}

fn secret(name: &str, values: &[(String, Vec<u8>)]) -> Value {
    let mut object = bare(&kinds::SECRET, name);
    object["type"] = "Opaque".into();
    for (key, value) in values {
        object["data"][key] = base64::engine::general_purpose::STANDARD
            .encode(value)
            .into();
    }
    object
}

fn config_map(name: &str, values: &[(String, Vec<u8>)]) -> Result<Value, Failure> {
    let mut object = bare(&kinds::CONFIG_MAP, name);
    for (key, value) in values {
        let text = std::str::from_utf8(value).map_err(|_| {
            Failure::usage(format!(
                "the value of {key:?} is not text; put it in a secret"
            ))
        })?;
        object["data"][key] = text.into();
    }
    Ok(object)
}

/// The keys and values of `--from-literal` and `--from-file`.
fn values(args: &Args, context: &Context) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut values = Vec::new();
    for literal in &args.from_literal {
        let (key, value) = literal.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "invalid literal source {literal}, expected key=value"
            ))
        })?;
        values.push((key.to_owned(), value.as_bytes().to_vec()));
    }
    for source in &args.from_file {
        let (key, file) = if let Some((key, file)) = source.split_once('=') {
            (key.to_owned(), file)
        } else {
            let name = std::path::Path::new(source).file_name();
            (
                name.unwrap_or_default().to_string_lossy().into_owned(),
                source.as_str(),
            )
        };
        let value = fs::read(context.environment.path(file))
            .map_err(|error| Failure::ours(format!("error reading {file}: {error}")))?;
        values.push((key, value));
    }
    Ok(values)
}

async fn one(
    args: &Args,
    format: &Format,
    context: &Context,
    connection: &Connection,
    file: &str,
    mut object: Value,
) -> Result<(), Failure> {
    let client = &connection.client;
    let kind = resolve::object(client, &object, file).await?;
    let namespace = writing::settle(kind, &mut object, &connection.namespace, context)?;
    if args.save_config {
        apply::remember(&mut object);
    }
    if args.writing.dry_run == DryRun::Client {
        return args
            .writing
            .report(context, format, kind, &object, "created");
    }
    let mut options = args.writing.options();
    options.field_validation = field_validation(args.validate.as_deref(), context.program)?;
    let created = client
        .create_object(kind, &namespace, &object, &options)
        .await
        .map_err(|error| {
            let failure = Failure::from(error);
            if file.is_empty() {
                failure
            } else {
                failure.during(format!("error when creating {file:?}"))
            }
        });
    for warning in client.take_warnings() {
        context.say(format_args!("Warning: {warning}\n"))?;
    }
    args.writing
        .report(context, format, kind, &created?, "created")
}

/// `--validate` as the API's `fieldValidation`. Without it a field that nobody knows is refused, for a mistyped one would
/// be left out in silence; `oc` ignores such fields, called so we only warn.
pub fn field_validation(typed: Option<&str>, program: Program) -> Result<String, Failure> {
    match typed {
        None if program == Program::Upshift => Ok("Strict".to_owned()),
        None | Some("warn") => Ok("Warn".to_owned()),
        Some("true" | "strict") => Ok("Strict".to_owned()),
        Some("false" | "ignore") => Ok("Ignore".to_owned()),
        Some(other) => Err(Failure::usage(format!(
            "invalid - validate option {other:?}; must be one of: strict (or true), warn, ignore (or false)"
        ))),
    }
}
