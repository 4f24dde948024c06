//! `new-project`: asks for a project and moves there.

use serde_json::json;

use crate::api::kinds;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::basic::place;
use crate::cli::context::Purpose;
use crate::cli::usage;
use crate::client::WriteOptions;

/// Request a new project
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift new-project NAME [options]",
    after_help = "\
Examples:
  # A project of that name, which becomes the current one
  upshift new-project shop

  # With words for people
  upshift new-project shop --display-name='The shop' --description='All of it'"
)]
pub struct Args {
    /// The project's name
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// What people call it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub display_name: String,
    /// What it is for
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub description: String,
    /// Leave the kubeconfig as it is
    #[arg(long)]
    pub skip_config_write: bool,
}

/// Runs `new-project`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let [name] = args.names.as_slice() else {
        return Err(usage::see(
            context.program,
            "new-project",
            "must have exactly one argument",
        ));
    };
    let connection = context.connect(Purpose::Creating).await?;
    let kind = &kinds::PROJECT_REQUEST;
    let request = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {"name": name},
        "displayName": args.display_name,
        "description": args.description,
    });
    connection
        .client
        .create_object(kind, "", &request, &WriteOptions::default())
        .await?;
    let (program, server) = (context.name(), &connection.server);
    if args.skip_config_write {
        context.out(format_args!(
            "Project {name:?} created on server {server:?}.\n\n\
             To switch to this project and start adding applications, use:\n\n    {program} project {name}\n"
        ))?;
        return Ok(Exit::Done);
    }
    place::switch(context, &connection, name).await?;
    context.out(format_args!(
        "Now using project {name:?} on server {server:?}.\n\n\
         You can add applications to this project with the 'new-app' command. For example, try:\n\n    \
         {program} new-app ruby~https://github.com/openshift/ruby-ex.git\n\n\
         to build a new example application in Ruby.\n"
    ))?;
    Ok(Exit::Done)
}
