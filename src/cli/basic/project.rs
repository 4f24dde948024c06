//! `project`: says which project is the current one, or makes another one it.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::basic::place;
use crate::cli::basic::projects;
use crate::cli::context::Purpose;
use crate::cli::settings::config;
use crate::cli::usage;
use crate::client::connection::Connection;
use crate::client::kubeconfig::Config;
use crate::client::kubeconfig::Section;

/// Switch to another project
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift project [NAME] [options]",
    after_help = "\
Examples:
  # Which project is it?
  upshift project

  # Switch to another one
  upshift project shop"
)]
pub struct Args {
    /// The project, or a context of the kubeconfig
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print only the name
    #[arg(short = 'q', long, visible_alias = "quiet")]
    pub short: bool,
}

/// Runs `project`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.names.as_slice() {
        [] => show(&args, context).await,
        [name] => select(name, &args, context).await,
        _ => {
            let message = "Only one argument is supported (project name or context name).";
            Err(usage::see(context.program, "project", message))
        }
    }
}

async fn show(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let (name, server) = (&connection.namespace, &connection.server);
    if name.is_empty() {
        if args.short {
            return Err(Failure::ours("no project has been set"));
        }
        context.out(format_args!(
            "No project has been set. Pass a project name to make that the default.\n"
        ))?;
        return Ok(Exit::Done);
    }
    if let Err(error) = place::exists(&connection.client, name).await {
        return Err(if error.is_not_found() || error.is_forbidden() {
            Failure::not_found(format!(
                "you do not have rights to view project {name:?} specified in your config or the project doesn't exist"
            ))
        } else {
            error.into()
        });
    }
    if args.short {
        context.out(format_args!("{name}\n"))?;
        return Ok(Exit::Done);
    }
    let config = config::load(context)?;
    let own = connection.context.clone().unwrap_or_default();
    if own.is_empty() || generated(&config, &own) {
        context.out(format_args!(
            "Using project {name:?} on server {server:?}.\n"
        ))?;
    } else {
        context.out(format_args!(
            "Using project {name:?} from context named {own:?} on server {server:?}.\n"
        ))?;
    }
    Ok(Exit::Done)
}

/// Whether a context has the name that this program or `oc` makes for it: `PROJECT/CLUSTER/USER`.
fn generated(config: &Config, name: &str) -> bool {
    let Some(entry) = config.entry(Section::Contexts, name) else {
        return true;
    };
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let user = text("user");
    let user = user.split('/').next().unwrap_or_default();
    name == format!("{}/{}/{user}", text("namespace"), text("cluster"))
}

async fn select(name: &str, args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut config = config::load(context)?;
    if let Some(entry) = config.entry(Section::Contexts, name) {
        config.set_current_context(name);
        config.save()?;
        let cluster = entry["cluster"].as_str().unwrap_or_default();
        let server = config
            .entry(Section::Clusters, cluster)
            .and_then(|entry| entry["server"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let message = match entry["namespace"].as_str() {
            Some(project) if !project.is_empty() => {
                format!(
                    "Now using project {project:?} from context named {name:?} on server {server:?}."
                )
            }
            _ => format!("Now using context named {name:?} on server {server:?}."),
        };
        return said(args, context, name, &message);
    }
    let connection = context.connect(Purpose::Reading).await?;
    if let Err(error) = place::exists(&connection.client, name).await {
        return Err(unknown(name, error, &connection, context).await);
    }
    let server = connection.server.clone();
    if connection.namespace == name && !config.current_context().is_empty() {
        return said(
            args,
            context,
            name,
            &format!("Already on project {name:?} on server {server:?}."),
        );
    }
    place::switch(context, &connection, name).await?;
    said(
        args,
        context,
        name,
        &format!("Now using project {name:?} on server {server:?}."),
    )
}

fn said(args: &Args, context: &Context, name: &str, message: &str) -> Result<Exit, Failure> {
    let text = if args.short { name } else { message };
    context.out(format_args!("{text}\n"))?;
    Ok(Exit::Done)
}

/// Why there is no going there, and where one can go.
async fn unknown(
    name: &str,
    error: crate::client::Error,
    connection: &Connection,
    context: &Context,
) -> Failure {
    let server = &connection.server;
    let message = if error.is_not_found() {
        format!("A project named {name:?} does not exist on {server:?}.")
    } else if error.is_forbidden() {
        format!("You are not a member of project {name:?}.")
    } else {
        return error.into();
    };
    let failure = Failure::not_found(message);
    let Ok(others) = place::projects(&connection.client).await else {
        return failure;
    };
    let failure = match others.as_slice() {
        [] => failure.hint(projects::NONE),
        [only] => failure.hint(format!(
            "You have one project on this server: {}",
            only.title()
        )),
        several => several
            .iter()
            .fold(failure.hint("Your projects are:"), |failure, project| {
                failure.hint(format!("* {}", project.title()))
            }),
    };
    let servers = config::load(context).map_or(0, |config| {
        config.merged()["clusters"].as_array().map_or(0, Vec::len)
    });
    if servers > 1 {
        return failure.hint("To see projects on another server, pass '--server=<server>'.");
    }
    failure
}
