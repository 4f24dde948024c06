//! `projects`: what there is to switch to.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::basic::place;
use crate::cli::context::Purpose;
use crate::cli::usage;

/// Display existing projects
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # List the projects, the current one marked
  upshift projects")]
pub struct Args {
    /// Print only names
    #[arg(short = 'q', long, visible_alias = "quiet")]
    pub short: bool,
    /// None
    #[arg(hide = true)]
    pub words: Vec<String>,
}

/// Runs `projects`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if !args.words.is_empty() {
        return Err(usage::see(
            context.program,
            "projects",
            "no arguments should be passed",
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let projects = place::projects(&connection.client).await?;
    if args.short {
        for project in projects {
            context.out(format_args!("{}\n", project.name))?;
        }
        return Ok(Exit::Done);
    }
    let name = context.name();
    match projects.as_slice() {
        [] => context.out(format_args!("{NONE}\n"))?,
        [only] => context.out(format_args!(
            "You have one project on this server: {:?}.\n",
            only.title()
        ))?,
        several => {
            context.out(format_args!(
                "You have access to the following projects and can switch between them with '{name} project \
                 <projectname>':\n\n"
            ))?;
            for project in several {
                let mark = if project.name == connection.namespace {
                    "*"
                } else {
                    " "
                };
                let title = match project.display_name.as_str() {
                    "" => project.name.clone(),
                    title => format!("{} - {title}", project.name),
                };
                context.out(format_args!("  {mark} {title}\n"))?;
            }
        }
    }
    if !projects.is_empty() {
        let (namespace, server) = (&connection.namespace, &connection.server);
        context.out(format_args!(
            "\nUsing project {namespace:?} on server {server:?}.\n"
        ))?;
    }
    Ok(Exit::Done)
}

/// What is said when there is no project.
pub const NONE: &str = "You are not a member of any projects. You can request a project to be created with the 'new-project' command.";
