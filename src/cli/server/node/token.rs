//! `node token create`: a file that lets one machine in.

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;
use serde_json::json;

use crate::agent::join::JoinFile;
use crate::api::duration::Span;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure;
use crate::cli::server::node::pairs;
use crate::cli::usage;
use crate::client;
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
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// What the machine reaches the server at, when that is not what this command does
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long the file is good for
    #[arg(long, value_name = "TIME", default_value = "24h")]
    ttl: Span,
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
