//! `node remove`: the machine is a node no longer; what it had under way is given up, and it is not let in again.

use std::ops::ControlFlow;
use std::time::Duration;

use http::HeaderMap;
use http::Method;

use crate::api::duration::Span;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::Operation;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Meant;
use crate::cli::usage;
use crate::client;
use crate::client::Client;
use crate::client::DeleteOptions;
use crate::client::ListOptions;
use crate::client::request::escaped;

/// Remove a node: what is under way there is aborted, its gears are released, its certificate is no longer good
///
/// The applications on the machine itself are left as they are.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A machine that is gone for good
  upshift node remove web-1

  # Without being asked, and without waiting for what it has under way
  upshift node remove web-1 --yes --timeout 1s")]
pub(super) struct Args {
    /// The nodes' names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    /// How long the node may take to end what it has under way; then it is shut out nevertheless
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Span,
}

/// Runs `node remove`.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.names.is_empty() {
        return Err(usage::see(
            context.program,
            "node remove",
            "at least one NAME is required",
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let mut failures = Vec::new();
    for name in &args.names {
        let name = name.strip_prefix("node/").unwrap_or(name);
        let removed = remove(name, &args, &connection.client, context).await;
        failures.extend(removed.err());
    }
    Failure::all(failures).map(|()| Exit::Done)
}

async fn remove(
    name: &str,
    args: &Args,
    client: &Client,
    context: &Context,
) -> Result<(), Failure> {
    let one = Meant {
        kind: &kinds::NODE,
        key: Key::new("", name),
    };
    client.read(one.kind, &one.key).await?;
    let held = Held::of(name, client).await?;
    if let Some(what) = held.in_words() {
        agree(name, &what, args.yes, context)?;
        context.say(format_args!("Releases {what}.\n"))?;
    }
    delete(client, &one).await?;
    let gone = follow(client, &one, |object| match object {
        None => ControlFlow::Break(()),
        Some(_) => ControlFlow::Continue(()),
    });
    let limit = args.timeout.0.max(Duration::from_millis(1));
    let in_time = match tokio::time::timeout(limit, gone).await {
        Ok(ended) => ended.map(|()| true)?,
        Err(_) => false,
    };
    let path = format!("/api/v1/nodes/{}/token", escaped(name));
    let revoked = client
        .raw(Method::DELETE, &path, HeaderMap::new(), "")
        .await?;
    client::check(revoked).await?;
    if !in_time {
        return Err(Failure::new(
            Kind::TimedOut,
            format!(
                "node {name} is not let in any more, but what it held is not released yet after {}: \
                 see '{} describe node {name}'",
                args.timeout,
                context.name()
            ),
        ));
    }
    // An agent that was quicker than we made its object again.
    delete(client, &one).await?;
    context.out(format_args!("node/{name} removed\n"))?;
    Ok(())
}

async fn delete(client: &Client, one: &Meant) -> Result<(), Failure> {
    match client
        .delete(one.kind, &one.key, &DeleteOptions::default())
        .await
    {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// What goes with a node.
struct Held {
    gears: Vec<String>,
    under_way: Vec<String>,
}

impl Held {
    async fn of(name: &str, client: &Client) -> Result<Held, Failure> {
        let ours = ListOptions::labelled(format!("{LABEL_NODE}={name}"));
        let gears = client.list::<Gear>("", &ours).await?.items;
        let operations = client.list::<Operation>("", &ours).await?.items;
        Ok(Held {
            gears: gears.into_iter().map(|gear| gear.metadata.name).collect(),
            under_way: operations
                .into_iter()
                .filter(|operation| !operation.status.phase.is_final())
                .map(|operation| operation.metadata.name)
                .collect(),
        })
    }

    /// None when nothing goes with it.
    fn in_words(&self) -> Option<String> {
        let mut parts = Vec::new();
        if !self.gears.is_empty() {
            let count = text::count(self.gears.len(), "gear");
            parts.push(format!("{count} ({})", listed(&self.gears)));
        }
        if !self.under_way.is_empty() {
            let count = text::count(self.under_way.len(), "operation");
            parts.push(format!(
                "{count} under way ({}), aborted",
                listed(&self.under_way)
            ));
        }
        (!parts.is_empty()).then(|| parts.join(" and "))
    }
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 5;
    let mut text = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST {
        text.push_str(", …");
    }
    text
}

/// Makes sure that it is meant.
fn agree(name: &str, what: &str, yes: bool, context: &Context) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !context.streams.in_is_terminal || !context.streams.err_is_terminal {
        return Err(Failure::usage(format!(
            "node {name} has {what}: add --yes to remove it with them"
        )));
    }
    let question = format!("Node {name} has {what}. Remove it with them?");
    let agreed = dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact()
        .map_err(|error| Failure::ours(format!("cannot ask: {error}")))?;
    if agreed {
        Ok(())
    } else {
        Err(Failure::ours(format!("node {name} stays")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_a_node_is_named() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let held = Held {
            gears: names(&["shop-web-1"]),
            under_way: names(&["shop-3-shop-web-1-1"]),
        };
        assert_eq!(
            held.in_words().unwrap(),
            "1 gear (shop-web-1) and 1 operation under way (shop-3-shop-web-1-1), aborted"
        );
        let held = Held {
            gears: names(&["a", "b", "c", "d", "e", "f"]),
            under_way: Vec::new(),
        };
        assert_eq!(held.in_words().unwrap(), "6 gears (a, b, c, d, e, …)");
        let held = Held {
            gears: Vec::new(),
            under_way: Vec::new(),
        };
        assert_eq!(held.in_words(), None);
    }
}
