//! `label` and, over the same lines, `annotate`: key by key, never over somebody else's value unasked.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::files::Files;
use crate::cli::objects::selection::Filter;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;
use crate::cli::output::Format;
use crate::client::Client;
use crate::client::Patch;

/// Update the labels on a resource
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift label (TYPE NAME | TYPE/NAME | TYPE --all | -f FILE) KEY=VALUE... KEY-... [options]",
    after_help = "\
Examples:
  # Give a node a label
  upshift label node/web-1 tier=web

  # Change it
  upshift label node/web-1 tier=db --overwrite

  # Remove it
  upshift label node/web-1 tier-"
)]
pub struct Args {
    #[command(flatten)]
    pub change: Change,
    /// Print the labels instead of changing them
    #[arg(long)]
    pub list: bool,
}

/// What `label` and `annotate` share.
#[derive(Clone, Debug, clap::Args)]
pub struct Change {
    /// What to change, then KEY=VALUE to set and KEY- to remove
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub writing: Writing,
    /// Replace values that are there
    #[arg(long)]
    pub overwrite: bool,
    /// All objects of the type
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub filter: Filter,
    /// Only if the object still has this version
    #[arg(long, value_name = "VERSION")]
    pub resource_version: Option<String>,
}

/// The two maps of metadata that people edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    Labels,
    Annotations,
}

impl Map {
    fn field(self) -> &'static str {
        match self {
            Map::Labels => "labels",
            Map::Annotations => "annotations",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Map::Labels => "label",
            Map::Annotations => "annotate",
        }
    }
}

/// Keys to set, and keys to remove.
type Edits = BTreeMap<String, Option<String>>;

/// Runs `label`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    change(&args.change, Map::Labels, args.list, context).await
}

/// Changes or lists one map of the selected objects.
pub async fn change(
    args: &Change,
    map: Map,
    list: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    let (words, edits) = split(&args.words, map)?;
    if edits.is_empty() && !list {
        return Err(Failure::usage(format!(
            "at least one {} update is required",
            map.command()
        )));
    }
    let selection = args
        .filter
        .of(&words, &args.files, args.all || (list && words.len() == 1));
    selection.check(map.command(), context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let meant = selection
        .find(map.command(), context, client, &connection.namespace)
        .await?;
    let mut failures = Vec::new();
    for one in &meant {
        let outcome = if list {
            print(client, one, map, context).await
        } else {
            edit(args, &format, client, one, map, &edits, context).await
        };
        failures.extend(outcome.err());
    }
    Failure::all(failures).map(|()| Exit::Done)
}

/// Parts the words that name objects from the edits.
fn split(words: &[String], map: Map) -> Result<(Vec<String>, Edits), Failure> {
    let mut objects = Vec::new();
    let mut edits = Edits::new();
    for word in words {
        let edit = match (word.split_once('='), word.strip_suffix('-')) {
            (Some((key, value)), _) if !key.is_empty() => Some((key, Some(value.to_owned()))),
            (None, Some(key)) if !key.is_empty() => Some((key, None)),
            _ => None,
        };
        match edit {
            None if !edits.is_empty() => {
                return Err(Failure::usage(format!(
                    "all resources must be specified before {} changes: {word}",
                    map.command()
                )));
            }
            None => objects.push(word.clone()),
            Some((key, value)) => {
                if edits.insert(key.to_owned(), value).is_some() {
                    return Err(Failure::usage(format!(
                        "can not both modify and remove a {} in the same command",
                        map.command()
                    )));
                }
            }
        }
    }
    Ok((objects, edits))
}

async fn print(client: &Client, one: &Meant, map: Map, context: &Context) -> Result<(), Failure> {
    let object = client.read(one.kind, &one.key).await?;
    for (key, value) in object["metadata"][map.field()]
        .as_object()
        .into_iter()
        .flatten()
    {
        context.out(format_args!(
            "{key}={}\n",
            value.as_str().unwrap_or_default()
        ))?;
    }
    Ok(())
}

async fn edit(
    args: &Change,
    format: &Format,
    client: &Client,
    one: &Meant,
    map: Map,
    edits: &Edits,
    context: &Context,
) -> Result<(), Failure> {
    let object = client.read(one.kind, &one.key).await?;
    let present = &object["metadata"][map.field()];
    check(present, edits, args.overwrite)?;
    for key in edits
        .iter()
        .filter(|(key, value)| value.is_none() && present[key.as_str()].is_null())
    {
        context.say(format_args!("{} {:?} not found.\n", map.command(), key.0))?;
    }
    let changed = edits
        .iter()
        .any(|(key, value)| present[key.as_str()].as_str() != value.as_deref());
    let done = outcome(map, edits, changed);
    if !changed || args.writing.dry_run == DryRun::Client {
        return args
            .writing
            .report(context, format, one.kind, &object, done);
    }
    let mut body = json!({"metadata": {map.field(): edits}});
    if let Some(version) = &args.resource_version {
        body["metadata"]["resourceVersion"] = version.as_str().into();
    }
    let options = args.writing.options();
    let after = client
        .patch(one.kind, &one.key, None, &Patch::Merge(body), &options)
        .await?;
    args.writing.report(context, format, one.kind, &after, done)
}

/// Refuses to replace a value that is there, unless told to.
fn check(present: &Value, edits: &Edits, overwrite: bool) -> Result<(), Failure> {
    if overwrite {
        return Ok(());
    }
    let taken = edits.iter().find_map(|(key, value)| {
        let there = present[key.as_str()].as_str()?;
        let wanted = value.as_deref()?;
        (there != wanted)
            .then(|| format!("'{key}' already has a value ({there}), and --overwrite is false"))
    });
    taken.map_or(Ok(()), |message| Err(Failure::ours(message)))
}

fn outcome(map: Map, edits: &Edits, changed: bool) -> &'static str {
    match map {
        Map::Annotations => "annotated",
        Map::Labels if !changed => "not labeled",
        Map::Labels if edits.values().all(Option::is_none) => "unlabeled",
        Map::Labels => "labeled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_objects_from_edits() {
        let words = ["node", "a", "tier=web", "old-"].map(str::to_owned);
        let (objects, edits) = split(&words, Map::Labels).unwrap();
        assert_eq!(objects, ["node", "a"]);
        assert_eq!(edits["tier"].as_deref(), Some("web"));
        assert_eq!(edits["old"], None);
        assert!(split(&["a=b", "node"].map(str::to_owned), Map::Labels).is_err());
        assert!(split(&["node/a", "a=b", "a-"].map(str::to_owned), Map::Labels).is_err());
    }

    #[test]
    fn does_not_overwrite_unasked() {
        let edits = Edits::from([("tier".to_owned(), Some("db".to_owned()))]);
        let failure = check(&json!({"tier": "web"}), &edits, false).unwrap_err();
        assert_eq!(
            failure.message,
            "'tier' already has a value (web), and --overwrite is false"
        );
        check(&json!({"tier": "web"}), &edits, true).unwrap();
        check(&json!({"tier": "db"}), &edits, false).unwrap();
    }
}
