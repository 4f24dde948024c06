//! `apply`: makes objects what files say, and removes what an earlier version of the files had.
//!
//! Client-side: the last applied content is kept in an annotation, and the patch is worked out from three versions.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::patch;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::apps::create;
use crate::cli::context::Purpose;
use crate::cli::objects::files::Files;
use crate::cli::objects::files::Found;
use crate::cli::objects::resolve;
use crate::cli::objects::selection;
use crate::cli::objects::writing;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;
use crate::cli::output::Format;
use crate::cli::usage;
use crate::client::connection::Connection;

/// Where the last applied content is kept; `kubectl` and `oc` know the same place.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often a patch is worked out anew because somebody else was faster.
const TRIES: u32 = 5;

/// Apply a configuration to a resource by file name or stdin
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift apply -f FILE [options]",
    after_help = "\
Examples:
  # Make the application what the file says
  upshift apply -f app.yaml

  # All files of a folder and the folders in it
  upshift apply -f manifests/ -R

  # From another program
  generate | upshift apply -f -"
)]
pub struct Args {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub writing: Writing,
    /// Refuse unknown fields: strict, warn or ignore
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "strict")]
    pub validate: Option<String>,
}

/// Runs `apply`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    if args.files.is_empty() {
        return Err(usage::see(context.program, "apply", "must specify -f"));
    }
    let found = args.files.read(context)?;
    if found.is_empty() {
        return Err(Failure::usage("no objects passed to apply"));
    }
    let connection = context.connect(Purpose::Creating).await?;
    let mut failures = Vec::new();
    for object in found {
        if let Err(failure) = one(&args, &format, context, &connection, object).await {
            failures.push(failure);
        }
    }
    Failure::all(failures).map(|()| Exit::Done)
}

async fn one(
    args: &Args,
    format: &Format,
    context: &Context,
    connection: &Connection,
    found: Found,
) -> Result<(), Failure> {
    let Found { file, mut object } = found;
    let client = &connection.client;
    let kind = resolve::object(client, &object, &file).await?;
    let namespace = writing::settle(kind, &mut object, &connection.namespace, context)?;
    let name = selection::key(&object).name;
    if name.is_empty() {
        return Err(Failure::ours(format!(
            "error when applying {file:?}: resource name may not be empty"
        )));
    }
    remember(&mut object);
    let applying = Applying {
        args,
        context,
        connection,
        kind,
        key: Key::new(namespace, name),
    };
    let outcome = applying.perform(&object).await;
    for warning in client.take_warnings() {
        context.say(format_args!("Warning: {warning}\n"))?;
    }
    let (result, done) =
        outcome.map_err(|failure| failure.during(format!("error when applying {file:?}")))?;
    args.writing.report(context, format, kind, &result, done)
}

struct Applying<'a> {
    args: &'a Args,
    context: &'a Context,
    connection: &'a Connection,
    kind: &'static Kind,
    key: Key,
}

impl Applying<'_> {
    async fn perform(&self, wanted: &Value) -> Result<(Value, &'static str), Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.attempt(wanted).await {
                Err(failure)
                    if tries < TRIES
                        && matches!(failure.reason(), "Conflict" | "AlreadyExists") => {}
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, wanted: &Value) -> Result<(Value, &'static str), Failure> {
        let client = &self.connection.client;
        let mut options = self.args.writing.options();
        options.field_validation =
            create::field_validation(self.args.validate.as_deref(), self.context.program)?;
        let current = match client.read(self.kind, &self.key).await {
            Ok(current) => current,
            Err(error) if error.is_not_found() => {
                if self.args.writing.dry_run == DryRun::Client {
                    return Ok((wanted.clone(), "created"));
                }
                let created = client
                    .create_object(self.kind, &self.key.namespace, wanted, &options)
                    .await?;
                return Ok((created, "created"));
            }
            Err(error) => return Err(error.into()),
        };
        let last = last_applied(&current);
        if last.is_none() {
            self.warn_of_missing_annotation()?;
        }
        let patch = patch::three_way(self.kind, last.as_ref(), wanted, &current)
            .map_err(|error| Failure::ours(error.to_string()))?;
        if patch
            .body()
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
        {
            return Ok((current, "unchanged"));
        }
        if self.args.writing.dry_run == DryRun::Client {
            let after = patch::apply(self.kind, &current, &patch)
                .map_err(|error| Failure::ours(error.to_string()))?;
            return Ok((after, "configured"));
        }
        let after = client
            .patch(self.kind, &self.key, None, &patch, &options)
            .await?;
        let unchanged = after["metadata"]["resourceVersion"]
            == current["metadata"]["resourceVersion"]
            && self.args.writing.dry_run == DryRun::None;
        Ok((after, if unchanged { "unchanged" } else { "configured" }))
    }

    fn warn_of_missing_annotation(&self) -> Result<(), Failure> {
        let (plural, name, program) = (self.kind.plural, &self.key.name, self.context.name());
        self.context.say(format_args!(
            "Warning: resource {plural}/{name} is missing the {LAST_APPLIED} annotation which is required by {program} \
             apply. {program} apply should only be used on resources created declaratively by either {program} create \
             --save-config or {program} apply. The missing annotation will be patched automatically.\n"
        ))?;
        Ok(())
    }
}

/// Puts the object's own content into its annotation.
pub fn remember(object: &mut Value) {
    let mut content = object.clone();
    if let Some(annotations) = content["metadata"]["annotations"].as_object_mut() {
        annotations.remove(LAST_APPLIED);
    }
    if content["metadata"]["annotations"].is_null() {
        content["metadata"]["annotations"] = json!({});
    }
    if let Some(object) = content.as_object_mut() {
        object.remove("status");
    }
    object["metadata"]["annotations"][LAST_APPLIED] = format!("{content}\n").into();
}

fn last_applied(object: &Value) -> Option<Value> {
    let text = object["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_content_without_itself() {
        let mut object = json!({"metadata": {"name": "a"}, "spec": {"x": 1}, "status": {"y": 2}});
        remember(&mut object);
        let first = object["metadata"]["annotations"][LAST_APPLIED].clone();
        remember(&mut object);
        assert_eq!(object["metadata"]["annotations"][LAST_APPLIED], first);
        let last = last_applied(&object).unwrap();
        assert_eq!(
            last,
            json!({"metadata": {"name": "a", "annotations": {}}, "spec": {"x": 1}})
        );
    }
}
