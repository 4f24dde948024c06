//! `router`: a router alone, in front of the endpoints of a server that runs elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::base::scope::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure;
use crate::cli::failure::Kind;
use crate::cli::server::Threads;
use crate::cli::server::block_on;
use crate::cli::server::stop_signal;
use crate::router;
use crate::router::Router;

/// How long requests under way have to end.
const GRACE: Duration = Duration::from_secs(10);

/// Run a router alone: it serves the routes of a server that runs elsewhere
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A second way to the applications of the current context's server
  upshift router --name edge-1 --listen 0.0.0.0:80")]
pub struct Args {
    /// Where to take requests for routes
    #[arg(long, value_name = "ADDR:PORT", default_value_t = router::DEFAULT_ADDRESS)]
    listen: SocketAddr,
    /// The name of its Router object; each router has its own
    #[arg(long, value_name = "NAME", default_value = "router")]
    name: String,
}

/// Runs it until it is told to stop.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    block_on(Threads::Cores, serve(args, context))
}

async fn serve(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let address = args.listen;
    let socket = TcpListener::bind(address).await.map_err(|error| {
        let text = format!("cannot listen on {address}: {error}; choose another with --listen");
        Failure::new(Kind::Locked, text)
    })?;
    let scope = Scope::new();
    let options = router::Options {
        name: args.name.clone(),
        fronts: false,
        ..router::Options::new(connection.client.clone(), socket)
    };
    let router = Router::start(options, &scope)
        .await
        .map_err(|error| Failure::ours(failure::chain(&error)))?;
    router.ready().await;
    context.say(format_args!(
        "Routes of {} are served at http://{}.\n",
        connection.server,
        router.address()
    ))?;
    stop_signal().await?;
    let left = scope.close(GRACE).await;
    // Nobody is to wait for a router that has stopped; one that was killed is waited for.
    if let Err(error) = router::unregister(&connection.client, &args.name).await {
        tracing::warn!(%error, "the Router object stays");
    }
    match left {
        0 => Ok(Exit::Done),
        left => Err(Failure::ours(format!(
            "stopped, but {left} tasks did not end in time"
        ))),
    }
}
