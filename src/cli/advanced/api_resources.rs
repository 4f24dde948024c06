//! `api-resources`: the kinds that the server serves.

use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::resolve;
use crate::cli::output::summary;

/// Print the supported API resources on the server
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Every kind with its short names
  upshift api-resources

  # Names only, of one group
  upshift api-resources --api-group=upshift.dev -o name")]
pub struct Args {
    /// Only kinds of this group
    #[arg(long, value_name = "GROUP")]
    pub api_group: Option<String>,
    /// Only kinds that live in a namespace (true) or do not (false)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub namespaced: Option<bool>,
    /// name, or wide
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Leave out the header line
    #[arg(long)]
    pub no_headers: bool,
}

/// Runs `api-resources`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let wide = match args.output.as_deref() {
        None | Some("" | "name") => false,
        Some("wide") => true,
        Some(other) => return Err(Failure::usage(format!("--output {other} is not available"))),
    };
    let connection = context.connect(Purpose::Reading).await?;
    let mut kinds = resolve::discover(&connection.client).await?;
    kinds.retain(|kind| {
        args.api_group
            .as_ref()
            .is_none_or(|group| group == kind.group)
            && args
                .namespaced
                .is_none_or(|wanted| wanted == (kind.scope == Scope::Namespaced))
    });
    kinds.sort_by_key(|kind| (kind.group, kind.plural));
    if args.output.as_deref() == Some("name") {
        for kind in kinds {
            context.out(format_args!("{}\n", kind.resource()))?;
        }
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    if !args.no_headers {
        rows.push(
            [
                "NAME",
                "SHORTNAMES",
                "APIVERSION",
                "NAMESPACED",
                "KIND",
                "CATEGORIES",
            ]
            .map(str::to_owned)
            .to_vec(),
        );
    }
    rows.extend(kinds.iter().map(|kind| row(kind)));
    if !wide {
        for row in &mut rows {
            row.truncate(5);
        }
    }
    context.out(format_args!("{}", summary::aligned(&rows, 6)))?;
    Ok(Exit::Done)
}

fn row(kind: &Kind) -> Vec<String> {
    vec![
        kind.plural.to_owned(),
        kind.short_names.join(","),
        kind.api_version(),
        (kind.scope == Scope::Namespaced).to_string(),
        kind.kind.to_owned(),
        kind.categories.join(","),
    ]
}
