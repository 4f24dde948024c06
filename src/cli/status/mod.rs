//! `status`: a project at a glance: what is reachable under which name, what it runs, how its last versions went.
//!
//! Texts: facts/oc.md sections 2.6 and 8. `objects` reads everything in one go; the rest is pure: `graph` sorts it into
//! groups, `services`, `workloads`, `builds`, `applications` and `gears` find the words, `markers` and `fleet` what is
//! wrong, `page` puts them together.
//!
//! # Decided
//!
//! OpenShift 4's words: the seeds show none of 3's. A route's URL carries the router's port, since it is there to be
//! clicked. A project that does not exist is refused, not shown as empty.

pub mod applications;
pub mod builds;
pub mod dot;
pub mod fleet;
pub mod gears;
pub mod graph;
pub mod markers;
pub mod names;
pub mod objects;
pub mod page;
pub mod services;
#[cfg(test)]
mod tests;
pub mod workloads;

use serde_json::Value;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::status::names::Names;
use crate::cli::status::objects::Objects;
use crate::cli::status::page::Subject;
use crate::cli::status::workloads::Sight;
use crate::cli::tree;
use crate::cli::usage;
use crate::client::Client;

/// Show an overview of the current project
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift status [-A | -o dot | --suggest] [options]",
    after_help = "\
Examples:
  # See an overview of the current project
  upshift status

  # What is wrong with it, and what to do about it
  upshift status --suggest

  # Draw it
  upshift status -o dot | dot -Tpng > project.png"
)]
pub struct Args {
    #[arg(hide = true)]
    words: Vec<String>,
    /// All projects
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Everything that was found, with what to do about it
    #[arg(long)]
    suggest: bool,
    /// dot: a graph for Graphviz
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Runs `status`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    check(&args, context)?;
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let namespace = if args.all_namespaces {
        ""
    } else {
        connection.namespace.as_str()
    };
    let (header, objects) =
        tokio::try_join!(header(client, namespace), Objects::read(client, namespace))?;
    let names = Names { here: namespace };
    let text = if args.output.is_some() {
        let project = if namespace.is_empty() {
            "all"
        } else {
            namespace
        };
        dot::text(&objects, names, project)
    } else {
        let sight = Sight {
            objects: &objects,
            names,
            now: context.clock.now(),
        };
        let subject = Subject {
            header: &header,
            program: context.name(),
            suggest: args.suggest,
        };
        let root = tree::command(context.program);
        page::text(&sight, &subject, |name| {
            root.find_subcommand(name).is_some()
        })
    };
    context.out(format_args!("{text}"))?;
    Ok(Exit::Done)
}

/// What is typed wrong regardless of the server.
fn check(args: &Args, context: &Context) -> Result<(), Failure> {
    let wrong = match args.output.as_deref() {
        _ if !args.words.is_empty() => "no arguments should be provided".to_owned(),
        Some("dot") if args.suggest => {
            "cannot provide suggestions when output format is dot".to_owned()
        }
        None | Some("dot") => return Ok(()),
        Some(other) => format!("invalid output format provided: {other}"),
    };
    Err(usage::see(context.program, "status", wrong))
}

/// `In project DISPLAY (NAME) on server URL`.
async fn header(client: &Client, namespace: &str) -> Result<String, Failure> {
    let server = client.server();
    if namespace.is_empty() {
        return Ok(format!("Showing all projects on server {server}"));
    }
    let project = match client.read(&kinds::PROJECT, &Key::new("", namespace)).await {
        Ok(project) => project,
        // A server without projects has namespaces all the same.
        Err(error) if error.is_not_found() && !error.to_string().contains(namespace) => Value::Null,
        Err(error) => return Err(error.into()),
    };
    let display = project["metadata"]["annotations"]["openshift.io/display-name"].as_str();
    Ok(
        match display.filter(|name| !name.is_empty() && *name != namespace) {
            Some(display) => format!("In project {display} ({namespace}) on server {server}"),
            None => format!("In project {namespace} on server {server}"),
        },
    )
}
