//! `new-app` and `new-build`: from a source or an image to the objects of an application.
//!
//! Applications on hosts, which build nothing, are made in [`hosts`].
//!
//! Words are sorted out ([`grammar`]), sources looked at ([`sources`]), images found ([`images`], [`mod@reference`]) and
//! builders chosen ([`detect`]); that gives a [`blueprint`], and a blueprint gives [`objects`] and what is said about them
//! ([`report`]). Everything that can be wrong is found before anything is made.
//!
//! # Decided
//!
//! * A directory is packed as it is and sent with the request for its first build; its build config has no triggers. A
//!   repository on this machine (`file://`) is packed by its commit, for neither server nor builds open paths of requests.
//! * Templates, docker and pipeline builds are not there and are refused by name; a Dockerfile beside a known language is
//!   left alone, and said so.
//! * An object whose row failed does not keep the others from being made, as in `oc`; the exit code is that of the first.

pub mod args;
pub mod blueprint;
pub mod catalogue;
mod creating;
pub mod detect;
#[cfg(test)]
mod example;
pub mod grammar;
pub mod hosts;
pub mod images;
pub mod naming;
pub mod objects;
mod planning;
pub mod reference;
pub mod report;
pub mod sources;
pub mod toolchain;
pub mod trouble;

use serde_json::Value;
use serde_json::json;

use crate::api::meta::Key;
use crate::api::network::BUILT_IN_ROUTER;
use crate::api::network::Router;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::new_app::args::Wish;
use crate::cli::new_app::blueprint::Blueprint;
use crate::cli::new_app::blueprint::Source;
use crate::cli::new_app::creating::Creating;
use crate::cli::new_app::images::Images;
use crate::cli::new_app::planning::Planning;
use crate::cli::objects::writing::DryRun;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::cli::progress::application::Watched;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::follow;
use crate::cli::progress::mode::Mode;
use crate::cli::rollouts::output;
use crate::client::Client;
use crate::plan::new_application::Wanted;

pub use args::AppArgs;
pub use args::BuildArgs;

/// Runs `new-app`: into pods, or onto hosts.
pub async fn app(args: AppArgs, context: &Context) -> Result<Exit, Failure> {
    if args.hosts.is_meant() {
        return hosts::run(args, context).await;
    }
    if let Some(flag) = args.hosts.stray() {
        return Err(Failure::usage(format!(
            "{flag} is for applications on hosts: it goes with --hosts, or with --blue and --green"
        )));
    }
    run(args.into(), context).await
}

/// Runs `new-build`, and `new-app` into pods.
pub async fn run(wish: Wish, context: &Context) -> Result<Exit, Failure> {
    wish.check()?;
    let format = Format::parse(wish.common.output.as_deref(), &["json", "name", "yaml"])?;
    let chosen = wish.progress.choose(context, !format.is_table())?;
    if chosen.mode == Mode::Json && !wish.wait {
        return Err(Failure::usage("--progress=json goes with --wait"));
    }
    let command = Command {
        wish: &wish,
        context,
        chosen,
        format,
    };
    output::told(context, chosen, Box::pin(command.run())).await
}

struct Command<'a> {
    wish: &'a Wish,
    context: &'a Context,
    chosen: Chosen,
    format: Format,
}

impl Command<'_> {
    async fn run(&self) -> Result<Exit, Failure> {
        let common = &self.wish.common;
        if common.list || common.search {
            return catalogue::run(self.wish, self.context).await;
        }
        let mut planning = Planning::new(self.wish, self.context).await?;
        let makes = common.dry_run == DryRun::None && self.format.is_table();
        let connection = self
            .context
            .connect_as(purpose(makes), self.chosen.silent)
            .await?;
        let (client, project) = (connection.client.clone(), connection.namespace.clone());
        let images = Images::read(&client, &project, self.context.program).await?;
        let blueprint = planning.blueprint(&images).await?;
        for warning in &planning.warnings {
            self.context.say(format_args!("warning: {warning}\n"))?;
        }
        let known = planning::known(&images, &project);
        let objects = objects::of(&blueprint, &known);
        if !self.format.is_table() {
            return self.print(objects);
        }
        let now = self.context.clock.now();
        self.tell(&report::beginning(&blueprint, self.context.name(), now))?;
        let mut creating = Creating::new(self.context, connection, self.speaks());
        if common.dry_run != DryRun::None {
            creating.show(&objects, common.dry_run).await?;
            return self.finish_dry_run(&creating);
        }
        creating.make(&objects).await?;
        creating.start_builds(&blueprint).await?;
        if !creating.failures.is_empty() {
            self.tell("--> Failed\n")?;
            return creating.outcome(self.chosen.mode == Mode::Json);
        }
        let port = router_port(&creating.link.connection.client).await;
        self.tell(&report::end(
            &blueprint,
            &creating.made,
            self.context.name(),
            port,
        ))?;
        if !self.wish.wait {
            return Ok(Exit::Done);
        }
        let client = creating.link.connection.client.clone();
        self.follow(client, &blueprint).await
    }

    fn finish_dry_run(&self, creating: &Creating<'_>) -> Result<Exit, Failure> {
        if creating.failures.is_empty() {
            self.tell("--> Success (dry run)\n")?;
            return Ok(Exit::Done);
        }
        self.tell("--> Failed (dry run)\n")?;
        creating.outcome(false)
    }

    /// Whether stdout is for people.
    fn speaks(&self) -> bool {
        !matches!(self.chosen.mode, Mode::Json | Mode::Quiet)
    }

    fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.speaks() {
            self.context.out(format_args!("{text}"))?;
        }
        Ok(())
    }

    fn print(&self, objects: Vec<Value>) -> Result<Exit, Failure> {
        let text = if matches!(self.format, Format::Name) {
            structured::many(&self.format, objects, false)?
        } else {
            let list =
                json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}});
            structured::one(&self.format, &list)?
        };
        self.context.out(format_args!("{text}"))?;
        Ok(Exit::Done)
    }

    /// Follows the application until its route answers.
    async fn follow(&self, client: Client, blueprint: &Blueprint) -> Result<Exit, Failure> {
        let Some(group) = blueprint.groups.first() else {
            return Ok(Exit::Done);
        };
        let builds = |source: &Source| *source != Source::Binary;
        let built = group
            .members
            .iter()
            .filter_map(|member| member.build.as_ref());
        let wanted = Wanted {
            build: built
                .clone()
                .any(|build| builds(&build.source))
                .then_some(1),
            route: blueprint.route && !objects::ports(group).is_empty(),
        };
        let router = Watched::router_of(&client).await;
        let watched = Watched::new(&blueprint.namespace, &group.name, wanted, router);
        let ended = follow::follow_application(self.context, client, watched.clone(), self.chosen);
        let exit = ended.await?.exit;
        if let (Exit::Done, true, Some(url)) = (exit, self.speaks(), watched.url()) {
            self.context.out(format_args!("{url}\n"))?;
        }
        Ok(exit)
    }
}

fn purpose(makes: bool) -> Purpose {
    if makes {
        Purpose::Creating
    } else {
        Purpose::Reading
    }
}

/// Where the built-in router listens.
async fn router_port(client: &Client) -> Option<u16> {
    let router: Router = client.get(&Key::new("", BUILT_IN_ROUTER)).await.ok()?;
    router.spec.address.rsplit_once(':')?.1.parse().ok()
}
