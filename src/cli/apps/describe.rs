//! `describe`: everything that is worth knowing of an object, with what belongs to it and what happened to it.

use serde_json::Value;

use crate::api::build::BUILD_CONFIG_NAME;
use crate::api::core::NODE_LEASES;
use crate::api::deployment::ANNOTATION_CONFIG;
use crate::api::deployment::LABEL_CONFIG;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::network::Endpoints;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_GEAR;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::describe;
use crate::cli::describe::Related;
use crate::cli::objects::files::Files;
use crate::cli::objects::resolve;
use crate::cli::objects::selection;
use crate::cli::objects::selection::Filter;
use crate::cli::objects::selection::Meant;
use crate::cli::objects::words;
use crate::cli::objects::words::Words;
use crate::cli::status::objects::Objects;
use crate::client::Client;
use crate::client::ListOptions;

/// Show details of a specific resource or group of resources
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift describe (TYPE [NAME_PREFIX | -l SELECTOR] | TYPE/NAME | -f FILE) [options]",
    after_help = "\
Examples:
  # An application with its gears, rollouts and revisions
  upshift describe app/shop

  # A rollout with every gear's steps, their times and reasons
  upshift describe rollout/shop-3

  # Every node
  upshift describe nodes"
)]
pub struct Args {
    /// A type, TYPE NAME… or TYPE/NAME…
    #[arg(value_name = "WHAT")]
    pub words: Vec<String>,
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub filter: Filter,
    /// Also what happened to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set, default_value = "true",
          default_missing_value = "true", hide_possible_values = true)]
    pub show_events: bool,
}

/// Runs `describe`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.words.is_empty() && args.files.is_empty() {
        let name = context.name();
        return Err(Failure::usage("Required resource not specified.")
            .hint(format!("See '{name} describe -h' for help and examples")));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let client = &connection.client;
    let (objects, failures) = find(&args, context, client, &connection.namespace).await?;
    if objects.is_empty() && failures.is_empty() {
        context.say(format_args!(
            "No resources found in {} namespace.\n",
            connection.namespace
        ))?;
    }
    for (index, (kind, object)) in objects.iter().enumerate() {
        let related = related(kind, object, client, args.show_events).await?;
        let gap = if index > 0 { "\n\n" } else { "" };
        let text = describe::text(kind, object, &related, context.clock.now());
        context.out(format_args!("{gap}{text}"))?;
    }
    Failure::all(failures).map(|()| Exit::Done)
}

type Found = Vec<(&'static Kind, Value)>;

async fn find(
    args: &Args,
    context: &Context,
    client: &Client,
    namespace: &str,
) -> Result<(Found, Vec<Failure>), Failure> {
    let named = if args.files.is_empty() {
        match words::read(context.name(), "describe", &args.words)? {
            Words::Types(types) => {
                return Ok((listed(args, &types, client, namespace).await?, Vec::new()));
            }
            Words::Named(named) => {
                let mut meant = Vec::new();
                for (word, name) in named {
                    for kind in resolve::words(client, &word).await? {
                        meant.push(Meant {
                            kind,
                            key: selection::place(kind, namespace, &name),
                        });
                    }
                }
                meant
            }
        }
    } else {
        let selection = selection::Selection {
            files: Some(&args.files),
            ..selection::Selection::default()
        };
        selection
            .find("describe", context, client, namespace)
            .await?
    };
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for one in named {
        match client.read(one.kind, &one.key).await {
            Ok(object) => found.push((one.kind, object)),
            Err(error) if error.is_not_found() => match starting_with(client, &one).await? {
                some if some.is_empty() => failures.push(error.into()),
                some => found.extend(some),
            },
            Err(error) => failures.push(error.into()),
        }
    }
    Ok((found, failures))
}

async fn listed(
    args: &Args,
    types: &[String],
    client: &Client,
    namespace: &str,
) -> Result<Found, Failure> {
    let options = args.filter.options();
    let namespace = if args.filter.all_namespaces {
        ""
    } else {
        namespace
    };
    let mut found = Vec::new();
    for word in types {
        for kind in resolve::words(client, word).await? {
            let place = selection::place(kind, namespace, "");
            let list = client
                .list_objects(kind, &place.namespace, &options)
                .await?;
            found.extend(list.items.into_iter().map(|object| (kind, object)));
        }
    }
    Ok(found)
}

/// A name that is not there is a prefix of those that are.
async fn starting_with(client: &Client, one: &Meant) -> Result<Found, Failure> {
    let list = client
        .list_objects(one.kind, &one.key.namespace, &ListOptions::default())
        .await?;
    let found = list.items.into_iter().filter(|object| {
        object["metadata"]["name"]
            .as_str()
            .is_some_and(|name| name.starts_with(&one.key.name))
    });
    Ok(found.map(|object| (one.kind, object)).collect())
}

/// What is told along with an object.
async fn related(
    kind: &Kind,
    object: &Value,
    client: &Client,
    with_events: bool,
) -> Result<Related, Failure> {
    let Key { namespace, name } = selection::key(object);
    let mut related = Related::default();
    match kind.kind {
        "Application" => {
            let selector = format!("{LABEL_APPLICATION}={name}");
            related.gears = list(client, &namespace, &selector).await?;
            related.rollouts = list(client, &namespace, &selector).await?;
            related.revisions = list(client, &namespace, &selector).await?;
        }
        "Rollout" => {
            related.operations =
                list(client, &namespace, &format!("{LABEL_ROLLOUT}={name}")).await?;
        }
        "Gear" => {
            related.operations = list(client, &namespace, &format!("{LABEL_GEAR}={name}")).await?;
        }
        "Node" => {
            let ours = format!("{LABEL_NODE}={name}");
            related.gears = list(client, "", &ours).await?;
            related.operations = list(client, "", &ours).await?;
            related.routers = list(client, "", &ours).await?;
            let lease = client.get(&Key::new(NODE_LEASES, name.clone())).await;
            related.leases.extend(lease.ok());
            let options = ListOptions {
                field_selector: format!("spec.nodeName={name}"),
                ..ListOptions::default()
            };
            related.pods = client.list("", &options).await?.items;
        }
        "BuildConfig" => {
            let selector = format!("{BUILD_CONFIG_NAME}={name}");
            related.builds = list(client, &namespace, &selector).await?;
            client.server().clone_into(&mut related.server);
        }
        "DeploymentConfig" => {
            let selector = format!("{ANNOTATION_CONFIG}={name}");
            related.controllers = list(client, &namespace, &selector).await?;
            let selector = format!("{LABEL_CONFIG}={name}");
            related.pods = list(client, &namespace, &selector).await?;
        }
        "ReplicationController" | "ReplicaSet" => {
            if let Some(selector) = selection::pods(object) {
                related.pods = list(client, &namespace, &selector).await?;
            }
        }
        "Deployment" => {
            if let Some(selector) = selection::pods(object) {
                related.replica_sets = list(client, &namespace, &selector).await?;
            }
        }
        "Service" => related.endpoints = endpoints(client, &namespace, [name.as_str()]).await?,
        "Route" => {
            let spec = &object["spec"];
            let others = spec["alternateBackends"].as_array().into_iter().flatten();
            let targets = std::iter::once(&spec["to"]).chain(others);
            let names = targets.filter_map(|target| target["name"].as_str());
            related.endpoints = endpoints(client, &namespace, names).await?;
            related.router_port = Objects::router_port(client).await?;
        }
        _ => {}
    }
    if with_events {
        // What happened to another object that had the name before is not told. A node's events may know it by its name
        // only.
        let uid = match object["metadata"]["uid"].as_str() {
            Some(uid) if kind != &kinds::NODE => format!(",involvedObject.uid={uid}"),
            _ => String::new(),
        };
        let options = ListOptions {
            field_selector: format!(
                "involvedObject.name={name},involvedObject.kind={}{uid}",
                kind.kind
            ),
            ..ListOptions::default()
        };
        // A server that keeps no events, or shows them to others only, is no reason to say nothing.
        if let Ok(events) = client
            .list_objects(&kinds::EVENT, &namespace, &options)
            .await
        {
            related.events = events.items;
        }
    }
    Ok(related)
}

/// The endpoints of these services, of those that have some.
async fn endpoints<'a>(
    client: &Client,
    namespace: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Endpoints>, Failure> {
    let mut found = Vec::new();
    for name in names {
        match client.get(&Key::new(namespace, name)).await {
            Ok(endpoints) => found.push(endpoints),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

async fn list<T: Typed>(
    client: &Client,
    namespace: &str,
    selector: &str,
) -> Result<Vec<T>, Failure> {
    Ok(client
        .list(namespace, &ListOptions::labelled(selector))
        .await?
        .items)
}
