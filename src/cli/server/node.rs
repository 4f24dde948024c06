//! `node`: this machine as a node of a server that runs elsewhere; and the tokens that let machines in.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;

use crate::agent;
use crate::agent::Agent;
use crate::agent::AgentOptions;
use crate::agent::Allow;
use crate::agent::join::Identity;
use crate::agent::join::JoinFile;
use crate::base::scope::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure;
use crate::cli::failure::Kind;
use crate::cli::server::block_on;
use crate::cli::server::downloads;
use crate::cli::server::stop_signal;
use crate::cli::usage;
use crate::client;
use crate::client::connection;
use crate::client::request::escaped;

/// How long the agent's tasks have to end by themselves; hooks go on without it.
const GRACE: Duration = Duration::from_secs(10);

/// Run a node agent on this machine, or let other machines in
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "upshift node ([--join FILE] --allow NAMESPACE=USER... | token create NAME) [options]",
    after_help = "\
Examples:
  # On the server: a file that lets one machine in, under that name
  upshift node token create web-1 -o web-1.join

  # On the machine itself
  upshift node --join web-1.join --allow shop=deploy"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The file that `node token create` wrote; needed once
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// Run the hooks of this namespace, as this user
    #[arg(long, value_name = "NAMESPACE=USER")]
    allow: Vec<String>,
    /// The address that others reach this machine at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: String,
    #[command(flatten)]
    downloads: downloads::Flags,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Tokens that let machines in
    #[command(subcommand, arg_required_else_help = true)]
    Token(Token),
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Token {
    /// Write a file that lets one machine in, once, under that name
    Create {
        /// The node's name
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Where to write it; - for stdout. Default NAME.join
        #[arg(short = 'o', long, value_name = "FILE")]
        output: Option<String>,
    },
}

impl Args {
    /// Whether this is the agent, not a client's command.
    pub fn is_agent(&self) -> bool {
        self.command.is_none()
    }
}

/// Runs the agent.
pub fn serve(args: &Args, context: &Context) -> Result<Exit, Failure> {
    block_on(agent(args, context))
}

/// Runs `node token create`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Some(Command::Token(Token::Create { names, output })) => {
            create(&names, output, context).await
        }
        None => Err(usage::see(context.program, "node", "must specify --join")),
    }
}

async fn create(
    names: &[String],
    output: Option<String>,
    context: &Context,
) -> Result<Exit, Failure> {
    let [name] = names else {
        return Err(usage::see(
            context.program,
            "node token create",
            "exactly one NAME is required",
        ));
    };
    let connection = context.connect(Purpose::Creating).await?;
    let path = format!("/api/v1/nodes/{}/token", escaped(name));
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let response = connection
        .client
        .raw(Method::POST, &path, headers, "{}")
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
        server: connection.server.clone(),
        certificate_authority: authority,
        node: name.clone(),
        token: answer["token"].as_str().unwrap_or_default().to_owned(),
    };
    let target = output.unwrap_or_else(|| format!("{name}.join"));
    if target == "-" {
        let text = serde_json::to_string_pretty(&file).expect("a join file is plain data");
        context.out(format_args!("{text}\n"))?;
        return Ok(Exit::Done);
    }
    file.write(&context.environment.path(&target))
        .map_err(|error| Failure::ours(failure::chain(&error)))?;
    context.say(format_args!(
        "Wrote {target}: it lets one machine in, once. There, as the user that is to run the hooks:\n    \
         {} node --join {target} --allow {}=USER\n",
        context.name(),
        connection.namespace
    ))?;
    Ok(Exit::Done)
}

async fn agent(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let allow = allow(&args.allow)?;
    let flag = context.flags.resolve(context)?.data_dir;
    let nodes = connection::data_dir(flag.as_deref(), &context.environment)?.join("node");
    let able = || {
        allow
            .check()
            .map_err(|error| usage::see(context.program, "node", error.to_string()))
    };
    let (identity, folder) = if let Some(file) = &args.join {
        able()?;
        agent::join::join(&context.environment.path(file), |name| nodes.join(name))
            .await
            .map_err(not_joined)?
    } else {
        let joined = joined_before(&nodes, context)?;
        able()?;
        joined
    };
    let mut options = AgentOptions::new(
        &identity.node,
        folder,
        identity.client().map_err(not_joined)?,
    );
    options.allow = allow;
    options.address.clone_from(&args.address);
    options.downloads = args.downloads.limits();
    let scope = Scope::new();
    let agent =
        Agent::start(options, &scope).map_err(|error| Failure::ours(failure::chain(&error)))?;
    context.say(format_args!(
        "Node {} of {}.\n",
        agent.name(),
        identity.server
    ))?;
    stop_signal().await?;
    match scope.close(GRACE).await {
        0 => Ok(Exit::Done),
        left => Err(Failure::ours(format!(
            "stopped, but {left} tasks did not end in time"
        ))),
    }
}

/// Why a machine is not let in: a file that cannot be used is bad input, a token that was used is no right.
fn not_joined(error: agent::join::Error) -> Failure {
    use agent::join::Error;
    match error {
        Error::Client(error) => error.into(),
        Error::Token(why) => Failure::new(Kind::Unreachable, format!("error: {why}")),
        Error::Refused { .. } => Failure::usage(failure::chain(&error)),
        Error::Io { ref source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Failure::usage(failure::chain(&error))
        }
        error => Failure::ours(failure::chain(&error)),
    }
}

/// The one node that this machine has joined as before.
fn joined_before(nodes: &Path, context: &Context) -> Result<(Identity, PathBuf), Failure> {
    let mut joined = Vec::new();
    for entry in std::fs::read_dir(nodes).into_iter().flatten().flatten() {
        let identity =
            Identity::read(&entry.path()).map_err(|error| Failure::ours(failure::chain(&error)))?;
        joined.extend(identity.map(|identity| (identity, entry.path())));
    }
    match joined.len() {
        1 => Ok(joined.remove(0)),
        _ => Err(usage::see(context.program, "node", "must specify --join")),
    }
}

fn allow(pairs: &[String]) -> Result<Allow, Failure> {
    let mut allowed = BTreeMap::new();
    for pair in pairs {
        match pair.split_once('=') {
            Some((namespace, user)) if !namespace.is_empty() && !user.is_empty() => {
                allowed.insert(namespace.to_owned(), user.to_owned());
            }
            _ => {
                return Err(Failure::usage(format!(
                    "invalid argument {pair:?} for \"--allow\" flag: it is NAMESPACE=USER"
                )));
            }
        }
    }
    Ok(Allow::Only(allowed))
}
