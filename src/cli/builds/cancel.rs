//! `cancel-build`: builds that are under way end, and may begin anew.
//!
//! Source: facts/oc.md 6.4. The wish is `status.cancelled`; whoever runs the build ends it, and this waits until it did.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::json;

use crate::api::build::Build;
use crate::api::build::BuildPhase;
use crate::api::build::LABEL_BUILD_CONFIG;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::builds::link::Link;
use crate::cli::builds::request;
use crate::cli::context::Purpose;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Meant;
use crate::client;
use crate::client::ListOptions;
use crate::client::Patch;
use crate::client::WriteOptions;

/// How long a build may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Cancel running, pending, or new builds
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Cancel a build
  upshift cancel-build shop-2

  # Cancel what is under way of a build config, and begin anew
  upshift cancel-build bc/shop --restart

  # Only builds that have not begun
  upshift cancel-build bc/shop --state=new")]
pub struct Args {
    /// Builds, or build configs as bc/NAME
    #[arg(value_name = "BUILD|bc/NAME")]
    pub words: Vec<String>,
    /// Only builds in this state: new, pending or running (can be repeated)
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = ["new", "pending", "running"])]
    pub state: Vec<String>,
    /// Print each build's log first
    #[arg(long)]
    pub dump_logs: bool,
    /// Begin each build anew
    #[arg(long)]
    pub restart: bool,
}

/// Runs `cancel-build`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.words.is_empty() {
        return Err(Failure::usage("build or a buildconfig name is required"));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let namespace = connection.namespace.clone();
    let mut cancelling = Cancelling {
        args: &args,
        context,
        link: Link::new(context, connection),
        namespace,
    };
    let mut failures = Vec::new();
    let mut builds = Vec::new();
    for word in &args.words {
        match cancelling.builds(word).await {
            Ok(found) => builds.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    for build in builds.iter().filter(|build| args.wants(build)) {
        failures.extend(cancelling.cancel(build).await.err());
    }
    if !failures.is_empty() {
        failures.push(Failure::ours("failure during the build cancellation"));
    }
    Failure::all(failures).map(|()| Exit::Done)
}

impl Args {
    /// Whether a build is under way, and in a state that was asked for.
    fn wants(&self, build: &Build) -> bool {
        let phase = build.status.phase;
        let name = format!("{phase:?}").to_lowercase();
        !phase.is_final() && (self.state.is_empty() || self.state.contains(&name))
    }
}

struct Cancelling<'a> {
    args: &'a Args,
    context: &'a Context,
    link: Link<'a>,
    namespace: String,
}

impl Cancelling<'_> {
    /// The builds that a word means, the oldest first.
    async fn builds(&mut self, word: &str) -> Result<Vec<Build>, Failure> {
        let (kind, name) = word.split_once('/').unwrap_or(("build", word));
        match kinds::named(kind) {
            Some(kind) if *kind == kinds::BUILD_CONFIG => {
                request::config(&mut self.link, &self.namespace, name).await?;
                let options = ListOptions::labelled(format!("{LABEL_BUILD_CONFIG}={name}"));
                let listed = self.link.client().list::<Build>(&self.namespace, &options);
                let mut builds = listed.await?.items;
                builds.sort_by_key(|build| build.metadata.creation_timestamp);
                Ok(builds)
            }
            Some(kind) if *kind == kinds::BUILD => {
                let key = Key::new(self.namespace.clone(), name);
                match self.link.client().get(&key).await {
                    Ok(build) => Ok(vec![build]),
                    Err(error) if error.is_not_found() => {
                        Err(Failure::not_found(format!("build {key} not found")))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            _ => Err(Failure::usage(format!(
                "{word:?} is neither a build nor a build config"
            ))),
        }
    }

    async fn cancel(&mut self, build: &Build) -> Result<(), Failure> {
        let key = build.metadata.key();
        if self.args.dump_logs {
            self.dump(&key).await?;
        }
        let patch = Patch::Merge(json!({"status": {"cancelled": true}}));
        let options = WriteOptions::default();
        let asked = self
            .link
            .client()
            .patch(&kinds::BUILD, &key, None, &patch, &options);
        asked.await?;
        self.tell(&key, "marked for cancellation, waiting to be cancelled")?;
        let ended = self.wait(&key).await?;
        if ended != BuildPhase::Cancelled {
            return Err(Failure::ours(format!(
                "build {key} failed to cancel: it ended as {ended:?} first"
            )));
        }
        self.tell(&key, "cancelled")?;
        if self.args.restart {
            let request = json!({
                "apiVersion": kinds::BUILD.api_version(),
                "kind": "BuildRequest",
                "metadata": {"name": key.name},
            });
            request::clone(&mut self.link, &self.namespace, &key.name, &request).await?;
            self.tell(&key, "restarted")?;
        }
        Ok(())
    }

    fn tell(&self, key: &Key, what: &str) -> Result<(), Failure> {
        let prefix = kinds::BUILD.prefix();
        self.context
            .out(format_args!("{prefix}/{} {what}\n", key.name))?;
        Ok(())
    }

    async fn dump(&self, key: &Key) -> Result<(), Failure> {
        self.context
            .out(format_args!("==== Build {key} logs ====\n"))?;
        let path = kinds::BUILD.path(&key.namespace, &key.name);
        // A build that has not begun has no log.
        if let Ok(mut body) = self.link.client().open(&format!("{path}/log")).await {
            while let Some(chunk) = body.chunk().await {
                self.context.streams.out_bytes(&chunk?)?;
            }
        }
        Ok(())
    }

    async fn wait(&self, key: &Key) -> Result<BuildPhase, Failure> {
        let one = Meant {
            kind: &kinds::BUILD,
            key: key.clone(),
        };
        let ended = follow(self.link.client(), &one, |object| match object {
            None => ControlFlow::Break(BuildPhase::Cancelled),
            Some(object) => match client::decode::<Build>(object.clone()) {
                Ok(build) if build.status.phase.is_final() => {
                    ControlFlow::Break(build.status.phase)
                }
                _ => ControlFlow::Continue(()),
            },
        });
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(ended) => ended,
            Err(_) => Err(Failure::new(
                crate::cli::failure::Kind::TimedOut,
                format!("build {key} failed to cancel: timed out waiting for the condition"),
            )),
        }
    }
}
