//! `cordon` and `uncordon`: whether a node gets new gears and pods; what is there stays either way.

use serde_json::json;

use crate::api::core::Node;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::usage;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::Patch;
use crate::client::WriteOptions;

/// Mark nodes as unschedulable: no new gear or pod goes there
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift cordon (NODE... | -l SELECTOR) [options]",
    after_help = "\
Examples:
  # Before a machine is worked on
  upshift cordon web-1"
)]
pub struct CordonArgs {
    #[command(flatten)]
    which: Which,
}

/// Mark nodes as schedulable
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift uncordon (NODE... | -l SELECTOR) [options]",
    after_help = "\
Examples:
  # It takes gears and pods again
  upshift uncordon web-1"
)]
pub struct UncordonArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Clone, Debug, clap::Args)]
struct Which {
    /// The nodes' names
    #[arg(value_name = "NODE")]
    names: Vec<String>,
    /// The nodes with these labels: a=b,c!=d,e in (x,y),!f
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
}

/// Runs `cordon`.
pub async fn cordon(args: CordonArgs, context: &Context) -> Result<Exit, Failure> {
    mark(&args.which, "cordon", true, context).await
}

/// Runs `uncordon`.
pub async fn uncordon(args: UncordonArgs, context: &Context) -> Result<Exit, Failure> {
    mark(&args.which, "uncordon", false, context).await
}

async fn mark(
    which: &Which,
    command: &str,
    unschedulable: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    let name = context.name();
    match (&which.selector, which.names.as_slice()) {
        (Some(_), [_, ..]) => {
            return Err(Failure::usage(
                "error: cannot specify both a node name and a --selector option",
            ));
        }
        (None, []) => {
            let usage = format!("USAGE: {name} {command} NODE [options]");
            return Err(usage::see(context.program, command, usage));
        }
        _ => {}
    }
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let names = match &which.selector {
        Some(selector) => selected(client, selector).await?,
        None => which.names.clone(),
    };
    if names.is_empty() {
        context.say(format_args!("No resources found\n"))?;
    }
    let mut failures = Vec::new();
    for name in &names {
        let name = ["node/", "nodes/", "no/"]
            .iter()
            .find_map(|kind| name.strip_prefix(kind))
            .unwrap_or(name);
        match set(client, name, unschedulable).await {
            Ok(changed) => {
                let already = if changed { "" } else { "already " };
                context.out(format_args!("node/{name} {already}{command}ed\n"))?;
            }
            Err(failure) => failures.push(failure),
        }
    }
    Failure::all(failures).map(|()| Exit::Done)
}

async fn selected(client: &Client, selector: &str) -> Result<Vec<String>, Failure> {
    let nodes = client
        .list::<Node>("", &ListOptions::labelled(selector))
        .await?;
    let names = nodes.items.into_iter().map(|node| node.metadata.name);
    Ok(names.collect())
}

/// Whether that changed anything.
async fn set(client: &Client, name: &str, unschedulable: bool) -> Result<bool, Failure> {
    let key = Key::new("", name);
    let node: Node = client.get(&key).await?;
    if node.spec.unschedulable == unschedulable {
        return Ok(false);
    }
    // As kubectl does: a node that takes everything says nothing about it.
    let value = unschedulable.then_some(true);
    let patch = Patch::Merge(json!({"spec": {"unschedulable": value}}));
    client
        .patch(&kinds::NODE, &key, None, &patch, &WriteOptions::default())
        .await?;
    Ok(true)
}
