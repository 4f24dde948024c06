//! `whoami`: who the server takes the caller for, or what the caller would tell it.

use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::client::Client;
use crate::client::WriteOptions;

/// Return information about the current session
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The user's name, as the server knows it
  upshift whoami

  # The token of this session, for another program
  upshift whoami -t")]
pub struct Args {
    /// Print the token that this session uses
    #[arg(short = 't', long)]
    pub show_token: bool,
    /// Print the name of the current context
    #[arg(short = 'c', long)]
    pub show_context: bool,
    /// Print the server's address
    #[arg(long)]
    pub show_server: bool,
    /// Words that `oc` accepts and ignores
    #[arg(hide = true)]
    pub words: Vec<String>,
}

/// Runs `whoami`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.show_context {
        let config = super::config::load(context)?;
        let name = match &context.flags.context {
            Some(name) => name.clone(),
            None => config.current_context(),
        };
        if name.is_empty() {
            return Err(Failure::ours("no context has been set"));
        }
        context.out(format_args!("{name}\n"))?;
        return Ok(Exit::Done);
    }
    let connection = context.connect(Purpose::Reading).await?;
    if args.show_token {
        let Some(token) = &connection.options.token else {
            return Err(Failure::ours(
                "no token is currently in use for this session",
            ));
        };
        context.out(format_args!("{token}\n"))?;
        return Ok(Exit::Done);
    }
    if args.show_server {
        context.out(format_args!("{}\n", connection.server))?;
        return Ok(Exit::Done);
    }
    context.out(format_args!("{}\n", user(&connection.client).await?))?;
    Ok(Exit::Done)
}

/// The caller's name: by a review of its own, else by OpenShift's `users/~`.
pub async fn user(client: &Client) -> Result<String, Failure> {
    let kind = &kinds::SELF_SUBJECT_REVIEW;
    let review = json!({"apiVersion": kind.api_version(), "kind": kind.kind});
    let name = match client
        .create_object(kind, "", &review, &WriteOptions::default())
        .await
    {
        Ok(answer) => answer["status"]["userInfo"]["username"].clone(),
        Err(error) if error.is_not_found() => {
            client.read(&kinds::USER, &Key::new("", "~")).await?["metadata"]["name"].clone()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(name.as_str().unwrap_or_default().to_owned())
}
