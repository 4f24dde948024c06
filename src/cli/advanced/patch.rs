//! `patch`: changes single fields of objects.

use std::fs;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::yaml;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::files::Files;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::selection::Selection;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;
use crate::cli::output::Format;
use crate::client::Client;
use crate::client::Patch;

/// Update fields of a resource
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift patch (TYPE NAME | TYPE/NAME | -f FILE) -p PATCH [options]",
    after_help = "\
Examples:
  # Let a rollout take two gears at a time
  upshift patch app/shop -p '{\"spec\": {\"rollout\": {\"concurrency\": 2}}}'

  # The same in YAML, from a file
  upshift patch app/shop --patch-file change.yaml

  # Replace one value, wherever it stands
  upshift patch app/shop --type=json -p '[{\"op\": \"replace\", \"path\": \"/spec/port\", \"value\": 9000}]'"
)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub writing: Writing,
    /// The patch, in JSON or YAML
    #[arg(short = 'p', long, value_name = "PATCH")]
    pub patch: Option<String>,
    /// A file with the patch
    #[arg(long, value_name = "FILE")]
    pub patch_file: Option<String>,
    /// json, merge or strategic; default strategic for the kinds of Kubernetes, merge for others
    #[arg(long = "type", value_name = "TYPE")]
    pub form: Option<String>,
    /// Patch this part of the object instead: status
    #[arg(long, value_name = "NAME")]
    pub subresource: Option<String>,
}

/// Runs `patch`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    let form = Form::parse(args.form.as_deref())?;
    let body = body(&args, context)?;
    let selection = Selection {
        words: &args.words,
        files: Some(&args.files),
        ..Selection::default()
    };
    selection.check("patch", context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let meant = selection
        .find("patch", context, &connection.client, &connection.namespace)
        .await?;
    let mut failures = Vec::new();
    for one in &meant {
        let patch = form.patch(one.kind, body.clone());
        failures.extend(
            perform(&args, &format, &connection.client, one, &patch, context)
                .await
                .err(),
        );
    }
    Failure::all(failures).map(|()| Exit::Done)
}

#[derive(Clone, Copy)]
enum Form {
    /// What the kind understands best.
    Fitting,
    Json,
    Merge,
    Strategic,
}

impl Form {
    fn parse(typed: Option<&str>) -> Result<Form, Failure> {
        match typed.map(str::to_lowercase).as_deref() {
            None => Ok(Form::Fitting),
            Some("json") => Ok(Form::Json),
            Some("merge") => Ok(Form::Merge),
            Some("strategic") => Ok(Form::Strategic),
            Some(other) => Err(Failure::usage(format!(
                "--type must be one of [json merge strategic], not {other:?}"
            ))),
        }
    }

    fn patch(self, kind: &Kind, body: Value) -> Patch {
        let is_built_in = !kind.group.contains('.') || kind.group.ends_with(".k8s.io");
        match self {
            Form::Json => Patch::Json(body),
            Form::Strategic => Patch::Strategic(body),
            Form::Fitting if is_built_in => Patch::Strategic(body),
            Form::Merge | Form::Fitting => Patch::Merge(body),
        }
    }
}

fn body(args: &Args, context: &Context) -> Result<Value, Failure> {
    let text = match (&args.patch, &args.patch_file) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage(
                "cannot specify --patch and --patch-file together",
            ));
        }
        (Some(text), None) => text.clone(),
        (None, Some(file)) => {
            fs::read_to_string(context.environment.path(file)).map_err(|error| {
                Failure::usage(format!("unable to read patch file: {file}: {error}"))
            })?
        }
        (None, None) => {
            return Err(Failure::usage(
                "must specify --patch or --patch-file containing the contents of the patch",
            ));
        }
    };
    let mut documents = yaml::read(&text)
        .map_err(|error| Failure::usage(format!("unable to parse {text:?}: {error}")))?;
    match documents.pop() {
        Some(document)
            if documents.is_empty()
                && (document.value().is_object() || document.value().is_array()) =>
        {
            Ok(document.into_value())
        }
        _ => Err(Failure::usage(format!(
            "unable to parse {text:?}: a patch is one object or one list"
        ))),
    }
}

async fn perform(
    args: &Args,
    format: &Format,
    client: &Client,
    one: &Meant,
    patch: &Patch,
    context: &Context,
) -> Result<(), Failure> {
    let before = client.read(one.kind, &one.key).await?;
    let after = if args.writing.dry_run == DryRun::Client {
        before.clone()
    } else {
        let subresource = args.subresource.as_deref();
        client
            .patch(
                one.kind,
                &one.key,
                subresource,
                patch,
                &args.writing.options(),
            )
            .await?
    };
    for warning in client.take_warnings() {
        context.say(format_args!("Warning: {warning}\n"))?;
    }
    let is_same = args.writing.dry_run == DryRun::None
        && before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"];
    let done = if is_same {
        "patched (no change)"
    } else {
        "patched"
    };
    args.writing.report(context, format, one.kind, &after, done)
}
