//! `version`: this program's, and the server's.

use serde_json::Value;
use serde_json::json;

use crate::api::json;
use crate::api::yaml;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::resolve;

/// Print the client and server version information
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # This program and the server
  upshift version

  # This program alone, without asking anybody
  upshift version --client")]
pub struct Args {
    /// Only the client's version; no server is asked
    #[arg(long)]
    pub client: bool,
    /// json or yaml
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
}

/// Prints this program's version; no I/O but the output.
pub fn client_only(args: &Args, context: &Context) -> Result<Exit, Failure> {
    print(args, context, None)
}

/// Prints both versions.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    check(&args)?;
    let answer = async {
        let connection = context.connect(Purpose::Reading).await?;
        resolve::read(&connection.client, "/version").await
    };
    match answer.await {
        Ok(server) => print(&args, context, Some(&server)),
        Err(failure) => {
            print(&args, context, None)?;
            Err(failure)
        }
    }
}

fn check(args: &Args) -> Result<(), Failure> {
    match args.output.as_deref() {
        None | Some("" | "json" | "yaml") => Ok(()),
        Some(_) => Err(Failure::usage("--output must be 'yaml' or 'json'")),
    }
}

fn print(args: &Args, context: &Context, server: Option<&Value>) -> Result<Exit, Failure> {
    check(args)?;
    let own = env!("CARGO_PKG_VERSION");
    let format = args.output.as_deref().unwrap_or_default();
    if format.is_empty() {
        context.out(format_args!("Client Version: {own}\n"))?;
        if let Some(server) = server {
            let version = server["gitVersion"].as_str().unwrap_or("unknown");
            context.out(format_args!("Kubernetes Version: {version}\n"))?;
        }
        return Ok(Exit::Done);
    }
    let mut answer =
        json!({"clientVersion": {"gitVersion": own, "platform": context.environment.platform()}});
    if let Some(server) = server {
        answer["serverVersion"] = server.clone();
    }
    let text = if format == "json" {
        json::print(&answer)
    } else {
        yaml::print(&answer)
    };
    context.out(format_args!("{text}"))?;
    Ok(Exit::Done)
}
