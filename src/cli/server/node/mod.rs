//! `node`: this machine as a node of a server that runs elsewhere; the tokens that let machines in, and their removal.

mod remove;
mod token;
mod unit;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent;
use crate::agent::Agent;
use crate::agent::AgentOptions;
use crate::agent::Allow;
use crate::agent::join::Identity;
use crate::agent::join::JoinFile;
use crate::agent::renewal::Renewing;
use crate::base::scope::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::failure;
use crate::cli::failure::Kind;
use crate::cli::server::Threads;
use crate::cli::server::block_on;
use crate::cli::server::downloads;
use crate::cli::server::stop_signal;
use crate::cli::usage;
use crate::client::connection;
use crate::router::haproxy;
use crate::router::haproxy::Beside;

/// How long the agent's tasks have to end by themselves; hooks go on without it.
const GRACE: Duration = Duration::from_secs(10);

/// Run a node agent on this machine, or let other machines in
#[derive(Clone, Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    override_usage = "upshift node ([--join FILE] --allow NAMESPACE=USER... | token create NAME | remove NAME...) [options]",
    after_help = "\
Examples:
  # On the server: a file that lets one machine in, under that name, with that label
  upshift node token create web-1 --label tier=web -o web-1.join

  # On the machine itself, as the user that is to run the hooks; or as root, for other users
  upshift node --join web-1.join --allow shop=deploy

  # The same, started by systemd from now on
  upshift node --join web-1.join --allow shop=deploy --print-unit > /etc/systemd/system/upshift-node.service

  # A machine that steers its HAProxy: on the server, then on the machine
  upshift node token create lb-1 --router lb-1
  upshift node --join lb-1.join --haproxy lb-1=/run/haproxy/admin.sock

  # On the server: the machine is a node no longer
  upshift node remove web-1"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The file that `node token create` wrote; needed once
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,
    /// Which node this is, on a machine that joined as several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Run the programs of this namespace, as this user; an agent that is not root can only be itself
    #[arg(long, value_name = "NAMESPACE=USER")]
    allow: Vec<String>,
    /// The address that others reach this machine at
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: String,
    #[command(flatten)]
    downloads: downloads::Flags,
    /// Steer the HAProxy with this runtime API socket (a path, or tcp:HOST:PORT), as the router NAME
    #[arg(long, value_name = "NAME=SOCKET")]
    haproxy: Vec<Beside>,
    /// Keep bundles here, unless their application says where; one agent a folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Label the node; only when it joins, and only if its token gives it no labels
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',')]
    label: Vec<String>,
    /// Print a systemd unit that runs this agent, and do nothing else
    #[arg(long)]
    print_unit: bool,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Command {
    /// Tokens that let machines in
    #[command(subcommand, arg_required_else_help = true)]
    Token(Token),
    Remove(remove::Args),
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Token {
    Create(token::Args),
}

impl Args {
    /// Whether this is the agent, not a client's command.
    pub fn is_agent(&self) -> bool {
        self.command.is_none()
    }
}

/// Runs the agent.
pub fn serve(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if args.print_unit {
        return unit::print(args, context);
    }
    block_on(Threads::One, agent(args, context))
}

/// Runs `node token create` and `node remove`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Some(Command::Token(Token::Create(args))) => token::create(args, context).await,
        Some(Command::Remove(args)) => remove::run(args, context).await,
        None => Err(usage::see(context.program, "node", "must specify --join")),
    }
}

async fn agent(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let allow = Allow::Only(pairs(&args.allow, "--allow", "NAMESPACE=USER")?);
    let labels = pairs(&args.label, "--label", "KEY=VALUE")?;
    let nodes = nodes_folder(context)?;
    let able = || {
        if args.allow.is_empty() && args.haproxy.is_empty() {
            let nobody =
                "a node needs at least one --allow NAMESPACE=USER: it serves nobody otherwise";
            return Err(usage::see(context.program, "node", nobody));
        }
        allow
            .check()
            .map_err(|error| usage::see(context.program, "node", error.to_string()))
    };
    let (identity, folder) = if let Some(file) = join_file(args, context, &nodes)? {
        able()?;
        agent::join::join(&file, &labels, |name| nodes.join(name))
            .await
            .map_err(not_joined)?
    } else {
        let joined = joined_before(&nodes, args.name.as_deref(), context)?;
        able()?;
        joined
    };
    if !labels.is_empty() && labels != identity.labels {
        context.say(format_args!(
            "Warning: a node is labelled when it joins, and {node} joined before; \
             an administrator changes labels with '{} label node/{node}'\n",
            context.name(),
            node = identity.node
        ))?;
    }
    let renewing = Renewing::new(identity.clone(), folder.clone()).map_err(not_joined)?;
    let mut options = AgentOptions::new(&identity.node, folder.clone(), renewing.client());
    let client = options.client.clone();
    options.allow = allow;
    options.address.clone_from(&args.address);
    options.downloads = args.downloads.limits();
    options.root = args
        .root
        .as_ref()
        .map(|root| context.environment.path(root));
    options.renewing = Some(renewing);
    let scope = Scope::new();
    let agent =
        Agent::start(options, &scope).map_err(|error| Failure::ours(failure::chain(&error)))?;
    for beside in &args.haproxy {
        let options = haproxy::Options {
            beside: beside.clone(),
            client: client.clone(),
            folder: folder.clone(),
            registers: false,
        };
        haproxy::start(options, agent.name(), &scope)
            .await
            .map_err(|error| Failure::ours(failure::chain(&error)))?;
    }
    context.say(format_args!(
        "Node {} of {}.\n",
        agent.name(),
        identity.server
    ))?;
    let refused = tokio::select! {
        stopped = stop_signal() => {
            stopped?;
            None
        }
        why = agent.refused() => Some(why),
    };
    let left = scope.close(GRACE).await;
    match (refused, left) {
        (Some(why), _) => Err(no_longer_let_in(&identity, &why, context)),
        (None, 0) => Ok(Exit::Done),
        (None, left) => Err(Failure::ours(format!(
            "stopped, but {left} tasks did not end in time"
        ))),
    }
}

fn no_longer_let_in(identity: &Identity, why: &str, context: &Context) -> Failure {
    let (name, node) = (context.name(), &identity.node);
    let why = if why.ends_with("CertificateExpired") {
        "its certificate has expired"
    } else {
        why
    };
    Failure::new(
        Kind::Unreachable,
        format!(
            "error: node {node} is not let in by {}: {why}; to join again, make a file there with \
             '{name} node token create {node}' and start this with --join",
            identity.server
        ),
    )
}

/// Where the nodes are that this machine joined as.
fn nodes_folder(context: &Context) -> Result<PathBuf, Failure> {
    let flag = context.flags.resolve(context)?.data_dir;
    Ok(connection::data_dir(flag.as_deref(), &context.environment)?.join("node"))
}

/// The join file, unless it did its work and went away.
fn join_file(args: &Args, context: &Context, nodes: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(file) = &args.join else {
        return Ok(None);
    };
    let path = context.environment.path(file);
    if !path.exists() && joined_before(nodes, args.name.as_deref(), context).is_ok() {
        return Ok(None);
    }
    let node = JoinFile::read(&path).map_err(not_joined)?.node;
    match &args.name {
        Some(name) if *name != node => Err(Failure::usage(format!(
            "{} lets a machine in as node {node:?}, not as {name:?}",
            file.display()
        ))),
        _ => Ok(Some(path)),
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

/// The node that this machine has joined as before: the named one, or the only one.
fn joined_before(
    nodes: &Path,
    name: Option<&str>,
    context: &Context,
) -> Result<(Identity, PathBuf), Failure> {
    let mut joined = Vec::new();
    for entry in std::fs::read_dir(nodes).into_iter().flatten().flatten() {
        let identity =
            Identity::read(&entry.path()).map_err(|error| Failure::ours(failure::chain(&error)))?;
        joined.extend(identity.map(|identity| (identity, entry.path())));
    }
    let all: Vec<String> = joined.iter().map(|(one, _)| one.node.clone()).collect();
    if let Some(name) = name {
        joined.retain(|(identity, _)| identity.node == name);
    }
    match (joined.len(), name) {
        (1, _) => Ok(joined.remove(0)),
        (0, Some(name)) => Err(Failure::usage(format!(
            "this machine has not joined as {name:?}: specify --join"
        ))),
        (0, None) => Err(usage::see(context.program, "node", "must specify --join")),
        _ => Err(Failure::usage(format!(
            "this machine joined as several nodes, choose one with --name: {}",
            all.join(", ")
        ))),
    }
}

/// `KEY=VALUE` flags as a map.
fn pairs(typed: &[String], flag: &str, form: &str) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = typed.iter().map(|pair| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() && (!value.is_empty() || flag == "--label") => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(Failure::usage(format!(
            "invalid argument {pair:?} for \"{flag}\" flag: it is {form}"
        ))),
    });
    pairs.collect()
}
