//! `annotate`: as `label`, for annotations.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::apps::label;
use crate::cli::apps::label::Change;
use crate::cli::apps::label::Map;

/// Update the annotations on a resource
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift annotate (TYPE NAME | TYPE/NAME | TYPE --all | -f FILE) KEY=VALUE... KEY-... [options]",
    after_help = "\
Examples:
  # Write down who looks after an application
  upshift annotate app/shop owner=ann

  # Remove it
  upshift annotate app/shop owner-"
)]
pub struct Args {
    #[command(flatten)]
    pub change: Change,
    /// Print the annotations instead of changing them
    #[arg(long)]
    pub list: bool,
}

/// Runs `annotate`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    label::change(&args.change, Map::Annotations, args.list, context).await
}
