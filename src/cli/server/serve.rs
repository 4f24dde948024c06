//! `serve`: the whole backend in this process, until it is asked to stop.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::failure;
use crate::cli::failure::Kind;
use crate::cli::server::Threads;
use crate::cli::server::block_on;
use crate::cli::server::downloads;
use crate::client::connection;
use crate::router::haproxy::Beside;
use crate::server::Listen;
use crate::server::Options;
use crate::server::Server;
use crate::server::background;

/// How long the parts have to end by themselves.
const GRACE: Duration = Duration::from_secs(10);

/// Run the embedded server: API, registry, controllers, a router and a node
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The server of this machine, in the foreground
  upshift serve

  # Another one beside it
  upshift serve --data-dir ./other --listen 127.0.0.1:9443 --router-listen 127.0.0.1:9880

  # Stop the one that runs, wherever it was started
  upshift serve --stop")]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where to take requests for routes
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "no_router")]
    pub router_listen: Option<SocketAddr>,
    /// Serve no routes and no service addresses
    #[arg(long)]
    pub no_router: bool,
    /// This machine is no node of the server
    #[arg(long)]
    pub no_node: bool,
    #[command(flatten)]
    pub downloads: downloads::Flags,
    /// Steer the HAProxy with this runtime API socket (a path, or tcp:HOST:PORT), as the router NAME
    #[arg(long, value_name = "NAME=SOCKET")]
    pub haproxy: Vec<Beside>,
    /// Stop the server that runs in the data dir
    #[arg(long)]
    pub stop: bool,
}

/// Runs `serve`.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if args.stop {
        return block_on(Threads::One, stop(context));
    }
    block_on(Threads::Cores, serve(args, context))
}

async fn stop(context: &Context) -> Result<Exit, Failure> {
    let flag = context.flags.resolve(context)?.data_dir;
    let data_dir = connection::data_dir(flag.as_deref(), &context.environment)?;
    let stopped = background::stop(&data_dir)
        .await
        .map_err(|error| Failure::ours(failure::chain(&error)))?;
    if stopped {
        context.say(format_args!(
            "Stopped the server in {}.\n",
            data_dir.display()
        ))?;
    } else {
        context.say(format_args!("No server runs in {}.\n", data_dir.display()))?;
    }
    Ok(Exit::Done)
}

async fn serve(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let flag = context.flags.resolve(context)?.data_dir;
    let mut options = Options::new(connection::data_dir(flag.as_deref(), &context.environment)?);
    options.listen = args.listen.map_or(Listen::Default, Listen::At);
    let routes = args.router_listen.map_or(Listen::Default, Listen::At);
    options.router = (!args.no_router).then_some(routes);
    options.node = !args.no_node;
    options.downloads = args.downloads.limits();
    options.haproxies.clone_from(&args.haproxy);
    let data_dir = options.data_dir.clone();
    let server = Server::start(options)
        .await
        .map_err(|error| start_failure(&error))?;
    context.say(format_args!(
        "Serving {} (data in {}).\n",
        server.url(),
        data_dir.display()
    ))?;
    if let Some(address) = server.router() {
        context.say(format_args!("Routes are served at http://{address}.\n"))?;
    }
    server
        .asked_to_stop()
        .await
        .map_err(|error| Failure::ours(failure::chain(&error)))?;
    let left = server.stop(GRACE).await;
    if left.is_empty() {
        return Ok(Exit::Done);
    }
    Err(Failure::ours(format!(
        "stopped, but these parts did not end in time: {}",
        left.join(", ")
    )))
}

/// A port or folder that is taken is a lock; the rest is a plain failure.
fn start_failure(error: &crate::server::Error) -> Failure {
    let kind = match error {
        crate::server::Error::AddressTaken { .. }
        | crate::server::Error::DataFolder(crate::server::data_folder::Error::InUse { .. }) => {
            Kind::Locked
        }
        _ => Kind::Ours,
    };
    Failure::new(kind, failure::chain(error))
}
