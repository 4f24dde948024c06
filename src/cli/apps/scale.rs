//! `scale`: how many pods a workload is to have.

use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::selection::Selection;
use crate::cli::objects::writing::DryRun;
use crate::cli::objects::writing::Writing;
use crate::cli::output::Format;
use crate::client::Client;
use crate::client::Patch;

/// What has replicas.
const SCALED: [&Kind; 4] = [
    &kinds::DEPLOYMENT_CONFIG,
    &kinds::REPLICATION_CONTROLLER,
    &kinds::DEPLOYMENT,
    &kinds::REPLICA_SET,
];

/// Set a new size for a deployment, replica set, or replication controller
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift scale --replicas=COUNT (TYPE NAME | TYPE/NAME…) [options]",
    after_help = "\
Examples:
  # Three pods
  upshift scale dc/shop --replicas=3

  # Three, but only if there are two now
  upshift scale dc/shop --current-replicas=2 --replicas=3"
)]
pub struct Args {
    /// TYPE NAME or TYPE/NAME: dc, rc, deploy, rs
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    /// How many pods
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub replicas: Option<i64>,
    /// Only if it is to have so many now
    #[arg(long, value_name = "COUNT")]
    pub current_replicas: Option<u32>,
    /// Only if the object still has this version
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "",
        hide_default_value = true
    )]
    pub resource_version: String,
    /// Only objects with these labels
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub selector: String,
    /// All objects of the type
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub writing: Writing,
}

/// Runs `scale`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let format = args.writing.format()?;
    let replicas = args.replicas.and_then(|count| u32::try_from(count).ok());
    let Some(replicas) = replicas else {
        return Err(Failure::usage(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0",
        ));
    };
    let selection = Selection {
        words: &args.words,
        selector: &args.selector,
        all: args.all,
        ..Selection::default()
    };
    selection.check("scale", context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let meant = selection
        .find("scale", context, client, &connection.namespace)
        .await?;
    let mut failures = Vec::new();
    for one in &meant {
        let scaled = scale(&args, one, replicas, client, context, &format);
        failures.extend(scaled.await.err());
    }
    Failure::all(failures).map(|()| Exit::Done)
}

async fn scale(
    args: &Args,
    one: &Meant,
    replicas: u32,
    client: &Client,
    context: &Context,
    format: &Format,
) -> Result<(), Failure> {
    if !SCALED.contains(&one.kind) {
        return Err(Failure::usage(format!(
            "cannot scale {}: only dc, rc, deploy and rs have replicas",
            one.kind.resource()
        )));
    }
    let mut object = client.read(one.kind, &one.key).await?;
    expect(args, &object, one)?;
    let mut body = json!({"spec": {"replicas": replicas}});
    if args.current_replicas.is_some() || !args.resource_version.is_empty() {
        // What was looked at is what is changed.
        body["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    }
    if args.writing.dry_run == DryRun::Client {
        object["spec"]["replicas"] = replicas.into();
    } else {
        let patch = Patch::Merge(body);
        let options = args.writing.options();
        let patched = client.patch(one.kind, &one.key, None, &patch, &options);
        object = patched.await?;
    }
    args.writing
        .report(context, format, one.kind, &object, "scaled")
}

fn expect(args: &Args, object: &Value, one: &Meant) -> Result<(), Failure> {
    let there = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let conflict = |message: String| Err(Failure::new(failure::Kind::Locked, message));
    if let Some(wanted) = args.current_replicas
        && u64::from(wanted) != there
    {
        return conflict(format!("Expected replicas to be {wanted}, was {there}"));
    }
    let version = object["metadata"]["resourceVersion"].as_str();
    if !args.resource_version.is_empty() && version != Some(args.resource_version.as_str()) {
        return conflict(format!(
            "{} {:?} has another version: {}",
            one.kind.singular,
            one.key.name,
            version.unwrap_or_default()
        ));
    }
    Ok(())
}
