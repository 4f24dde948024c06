//! `node token create`: a file that lets one machine in.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;
use serde_json::json;

use crate::agent::join::JoinFile;
use crate::api::duration::Span;
use crate::api::network::Router;
use crate::api::network::RouterKind;
use crate::api::upshift::LABEL_NODE;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure;
use crate::cli::failure::Kind;
use crate::cli::server::node::pairs;
use crate::cli::usage;
use crate::client;
use crate::client::Client;
use crate::client::request::escaped;

/// Write a file that lets one machine in, once, under that name
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A file that is good for a day
  upshift node token create web-1 --label tier=web

  # A certificate was stolen: nothing that web-1 had is good any more, and this file lets it in again
  upshift node token create web-1 -o web-1.join")]
pub(super) struct Args {
    /// The node's name
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Where to write it; - for stdout. Default NAME.join
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<String>,
    /// Label the node, whatever it says itself: labels choose where applications go
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    label: Vec<String>,
    /// What the machine reaches the server at, when that is not what this command does
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long the file is good for
    #[arg(long, value_name = "TIME", default_value = "24h")]
    ttl: Span,
    /// The node also steers a HAProxy, as this router (can be repeated)
    #[arg(long, value_name = "ROUTER")]
    router: Vec<String>,
}

/// Runs `node token create`.
pub(super) async fn create(args: Args, context: &Context) -> Result<Exit, Failure> {
    let [name] = args.names.as_slice() else {
        return Err(usage::see(
            context.program,
            "node token create",
            "exactly one NAME is required",
        ));
    };
    let labels = pairs(&args.label, "--label", "KEY=VALUE")?;
    if args.ttl.0.as_secs() == 0 {
        return Err(Failure::usage("--ttl must be at least 1s"));
    }
    let connection = context.connect(Purpose::Creating).await?;
    for router in &args.router {
        grant(&connection.client, router, name).await?;
    }
    let path = format!("/api/v1/nodes/{}/token", escaped(name));
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let body = json!({"labels": labels, "lifeSeconds": args.ttl.0.as_secs()});
    let response = connection
        .client
        .raw(Method::POST, &path, headers, body.to_string())
        .await?;
    let bytes = client::check(response).await?.into_body().bytes().await?;
    let answer: Value =
        serde_json::from_slice(&bytes).map_err(|error| client::Error::Decode(error.to_string()))?;
    let authority = connection
        .options
        .certificate_authority
        .as_deref()
        .unwrap_or_default();
    let authority = String::from_utf8(authority.to_vec())
        .map_err(|_| Failure::ours("the server's authority is not PEM"))?;
    let file = JoinFile {
        server: args.url.unwrap_or_else(|| connection.server.clone()),
        certificate_authority: authority,
        node: name.clone(),
        token: answer["token"].as_str().unwrap_or_default().to_owned(),
    };
    if answer["revoked"] == true {
        context.say(format_args!(
            "Node {name} is not let in any more until it joins with the new file.\n"
        ))?;
    }
    let target = args.output.unwrap_or_else(|| format!("{name}.join"));
    if target == "-" {
        let text = serde_json::to_string_pretty(&file).expect("a join file is plain data");
        context.out(format_args!("{text}\n"))?;
        return Ok(Exit::Done);
    }
    file.write(&context.environment.path(&target))
        .map_err(|error| Failure::ours(failure::chain(&error)))?;
    if ["https://127.", "https://localhost", "https://[::1]"]
        .iter()
        .any(|here| file.server.starts_with(here))
    {
        context.say(format_args!(
            "Note: {} is this machine only; for others, start the server with --listen ADDRESS:PORT.\n",
            file.server
        ))?;
    }
    context.say(format_args!(
        "Wrote {target}: it lets one machine in, once, within {}. There, as the user that is to run the hooks:\n    \
         {} node --join {target} --allow {}=USER\n",
        args.ttl,
        context.name(),
        connection.namespace
    ))?;
    Ok(Exit::Done)
}

/// Makes the Router of a HAProxy that a node steers.
async fn grant(client: &Client, router: &str, node: &str) -> Result<(), Failure> {
    let mut object = Router::default();
    router.clone_into(&mut object.metadata.name);
    object.metadata.labels = [(LABEL_NODE.to_owned(), node.to_owned())].into();
    object.spec.kind = RouterKind::HaProxy;
    match client.create(&object).await {
        Err(error) if error.is_already_exists() => {}
        other => return Ok(other.map(drop)?),
    }
    let known: Router = client.get(&object.metadata.key()).await?;
    let is_it = known.spec.kind == RouterKind::HaProxy
        && known.metadata.labels.get(LABEL_NODE).map(String::as_str) == Some(node);
    if is_it {
        return Ok(());
    }
    let whose = known.metadata.labels.get(LABEL_NODE);
    let whose = whose.map_or_else(String::new, |whose| format!(", of node {whose}"));
    Err(Failure::new(
        Kind::Locked,
        format!(
            "error: there is a router {router} already{whose}; delete it first (delete router/{router}), or choose another name"
        ),
    ))
}
