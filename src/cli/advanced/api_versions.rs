//! `api-versions`: the groups and versions that the server serves.

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::objects::resolve;

/// Print the supported API versions on the server, in the form of "group/version"
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `api-versions`.
pub async fn run(_args: Args, context: &Context) -> Result<Exit, Failure> {
    let connection = context.connect(Purpose::Reading).await?;
    let core = resolve::read(&connection.client, "/api").await?;
    let groups = resolve::read(&connection.client, "/apis").await?;
    let mut versions: Vec<String> = core["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|version| version.as_str().map(str::to_owned))
        .collect();
    for group in groups["groups"].as_array().into_iter().flatten() {
        let served = group["versions"].as_array().into_iter().flatten();
        versions.extend(
            served.filter_map(|version| version["groupVersion"].as_str().map(str::to_owned)),
        );
    }
    versions.sort();
    for version in versions {
        context.out(format_args!("{version}\n"))?;
    }
    Ok(Exit::Done)
}
