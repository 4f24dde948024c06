//! `new-app --hosts …`: an Application that installs a bundle with its own hooks on hosts, and the Route that leads to it.
//!
//! The Service between the two is made by the controllers. With a source it is deployed at once, as `deploy` does it.
//! Everything that can be wrong with what was typed and with the bundle is found before anything is made.
//!
//! # Decided
//!
//! * Typed again after a death in the middle it goes on: an application that says the same is this one. One that says
//!   something else is refused, as `new-app` refuses every object that is there.
//! * The Route belongs to the Application and goes with it.

pub mod flags;
mod report;

use serde_json::Value;
use serde_json::json;

use crate::api::core::Node;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::api::network::Route;
use crate::api::network::Router;
use crate::api::network::Service;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::LoadBalancer;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::builds::link;
use crate::cli::builds::link::Link;
use crate::cli::context::Purpose;
use crate::cli::deploy;
use crate::cli::deploy::First;
use crate::cli::failure::Kind as Fault;
use crate::cli::new_app::args;
use crate::cli::new_app::args::AppArgs;
use crate::cli::new_app::objects;
use crate::cli::objects::writing::DryRun;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::cli::progress::application;
use crate::cli::progress::application::Watched;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::mode::Mode;
use crate::cli::rollouts::output;
use crate::cli::rollouts::preview::Fleet;
use crate::cli::rollouts::preview::Preview;
use crate::cli::rollouts::target;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::WriteOptions;
use crate::client::connection::Connection;
use crate::plan::workflow;

/// Runs `new-app` onto hosts.
pub async fn run(args: AppArgs, context: &Context) -> Result<Exit, Failure> {
    check(&args)?;
    let format = Format::parse(args.common.output.as_deref(), &["json", "name", "yaml"])?;
    let chosen = args.progress.choose(context, !format.is_table())?;
    let (application, first) = described(&args, context).await?;
    if chosen.mode == Mode::Json && (first.is_none() || args.common.dry_run != DryRun::None) {
        return Err(Failure::usage(
            "--progress=json follows a deployment: it goes with a source, and without --dry-run",
        ));
    }
    let command = Command {
        dry_run: args.common.dry_run,
        has_route: application.spec.rollout.load_balancer.is_some() && !args.no_route,
        application,
        context,
        chosen,
        format,
    };
    output::told(context, chosen, Box::pin(command.run(first))).await
}

/// Flags that an application on hosts has no use for.
fn check(args: &AppArgs) -> Result<(), Failure> {
    let common = &args.common;
    let foreign = [
        (!common.image.is_empty(), "--image"),
        (!common.image_stream.is_empty(), "--image-stream"),
        (!common.code.is_empty(), "--code"),
        (common.strategy.is_some(), "--strategy"),
        (!common.env.is_empty(), "--env"),
        (!common.env_file.is_empty(), "--env-file"),
        (!common.build_env.is_empty(), "--build-env"),
        (!common.build_env_file.is_empty(), "--build-env-file"),
        (!common.source_secret.is_empty(), "--source-secret"),
        (common.binary, "--binary"),
        (common.git, "--git"),
        (common.allow_missing_images, "--allow-missing-images"),
        (
            common.allow_missing_imagestream_tags,
            "--allow-missing-imagestream-tags",
        ),
        (common.list, "--list"),
        (common.search, "--search"),
        (!args.as_deployment_config, "--as-deployment-config"),
    ];
    if let Some((_, flag)) = foreign.iter().find(|(is_given, _)| *is_given) {
        return Err(Failure::usage(format!(
            "{flag} is for applications in pods; an application on hosts installs a bundle with its own scripts"
        )));
    }
    if args.wait && (common.dry_run != DryRun::None || common.output.is_some()) {
        return Err(Failure::usage(
            "--wait follows what is made; with --dry-run and -o nothing is",
        ));
    }
    if let [_, second, ..] = common.words.as_slice() {
        return Err(Failure::usage(format!(
            "one source is deployed to hosts; what is {second:?}?"
        )));
    }
    Ok(())
}

/// The application, and the bundle that is deployed to it.
async fn described(
    args: &AppArgs,
    context: &Context,
) -> Result<(Application, Option<First>), Failure> {
    let common = &args.common;
    let name = common.name.as_deref();
    if let Some(name) = name.filter(|name| !target::is_name(name)) {
        return Err(Failure::usage(format!(
            "{name:?} cannot be an application's name: lower-case letters, digits and '-'"
        )));
    }
    let flags = &args.hosts;
    let folder = Some(&common.context_dir).filter(|folder| !folder.is_empty());
    let Some(source) = common.words.first() else {
        if folder.is_some() {
            return Err(Failure::usage(
                "--context-dir is a folder of the source, and none is named",
            ));
        }
        let name = name.ok_or_else(|| {
            Failure::usage("say what the application is called: --name NAME, or give its source")
        })?;
        return Ok((labelled(flags.application(name)?, args)?, None));
    };
    // Where it runs is looked at first: it costs nothing.
    let described = flags.application(name.unwrap_or("x"))?;
    let mut deploying = deploy::Args::bundle(source);
    deploying.name.clone_from(&common.name);
    deploying.context_dir = folder.cloned();
    deploying.appspec.clone_from(&flags.appspec);
    deploying.files.clone_from(&flags.files);
    deploying.stop.clone_from(&flags.stop);
    deploying.start.clone_from(&flags.start);
    deploying.check.clone_from(&flags.check);
    deploying.follow = flags.follow || args.wait;
    deploying.progress = args.progress.clone();
    let first = First::open(deploying, context).await?;
    let mut application = labelled(described, args)?;
    first.name().clone_into(&mut application.metadata.name);
    first.check(&application)?;
    Ok((application, Some(first)))
}

fn labelled(mut application: Application, args: &AppArgs) -> Result<Application, Failure> {
    application.metadata.labels = args::labels(&args.common.labels)?;
    Ok(application)
}

struct Command<'a> {
    application: Application,
    has_route: bool,
    dry_run: DryRun,
    context: &'a Context,
    chosen: Chosen,
    format: Format,
}

impl Command<'_> {
    async fn run(mut self, first: Option<First>) -> Result<Exit, Failure> {
        if !self.format.is_table() {
            return self.print();
        }
        if self.dry_run != DryRun::None {
            return self.show(first).await;
        }
        let silent = self.chosen.silent;
        let connection = self.context.connect_as(Purpose::Creating, silent).await?;
        let client = connection.client.clone();
        let namespace = connection.namespace.clone();
        self.application.metadata.namespace.clone_from(&namespace);
        let seen = Seen::read(&client, &self.application).await?;
        seen.expect_free(&self.application)?;
        self.tell(&report::beginning(&self.application, &seen.nodes))?;
        let mut link = Link::new(self.context, connection);
        let made = self.make_application(&mut link).await?;
        let route = self.make_route(&mut link, &made).await?;
        for warning in seen.warnings(&made, self.context.name()) {
            self.context.say(format_args!("warning: {warning}\n"))?;
        }
        let router = Watched::router_of(link.client()).await;
        let url = route.map(|route| application::url(&route.spec.host, "", router.as_deref()));
        let Some(first) = first else {
            let program = self.context.name();
            self.tell(&report::end(&made, url.as_deref(), program))?;
            return Ok(Exit::Done);
        };
        let exit = Box::pin(first.run(self.context, self.chosen)).await?;
        if let (Exit::Done, Some(url)) = (exit, url) {
            self.tell(&format!("{url}\n"))?;
        }
        Ok(exit)
    }

    /// The objects as data.
    fn print(&self) -> Result<Exit, Failure> {
        let mut items = vec![application_object(&self.application)];
        if self.has_route {
            items.push(self.route(None));
        }
        let text = if matches!(self.format, Format::Name) {
            structured::many(&self.format, items, false)?
        } else {
            let list = json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {}});
            structured::one(&self.format, &list)?
        };
        self.context.out(format_args!("{text}"))?;
        Ok(Exit::Done)
    }

    /// What would be made, and the plan of the first deployment.
    async fn show(&self, first: Option<First>) -> Result<Exit, Failure> {
        let connection = self.context.connect(Purpose::Reading).await.ok();
        let mut application = self.application.clone();
        let fleet = if let Some(connection) = &connection {
            let namespace = &connection.namespace;
            application.metadata.namespace.clone_from(namespace);
            let seen = Seen::read(&connection.client, &application).await?;
            seen.expect_free(&application)?;
            self.tell(&report::beginning(&application, &seen.nodes))?;
            if self.dry_run == DryRun::Server {
                self.ask(connection, &application).await?;
            }
            Fleet::read(&connection.client, &application).await?
        } else {
            self.tell(&report::beginning(&application, &[]))?;
            let said = "no server runs yet; shown for this machine alone";
            self.context.say(format_args!("{said}\n"))?;
            Fleet::of_this_machine()
        };
        self.row(&kinds::APPLICATION, " (dry run)")?;
        if self.has_route {
            self.row(&kinds::ROUTE, " (dry run)")?;
        }
        self.tell("--> Success (dry run)\n")?;
        let Some(first) = first else {
            return Ok(Exit::Done);
        };
        self.tell("\n")?;
        Preview {
            application: &application,
            action: Action::Deploy,
            settings: &application.spec.rollout,
            revision: &format!("{} as {}-1", first.uri(), application.metadata.name),
        }
        .print(self.context, &fleet, &self.format)?;
        Ok(Exit::Done)
    }

    /// Has the server check the objects.
    async fn ask(&self, connection: &Connection, application: &Application) -> Result<(), Failure> {
        let options = WriteOptions {
            dry_run: true,
            ..WriteOptions::default()
        };
        let (client, namespace) = (&connection.client, &connection.namespace);
        let object = application_object(application);
        client
            .create_object(&kinds::APPLICATION, namespace, &object, &options)
            .await?;
        if self.has_route {
            let route = self.route(None);
            client
                .create_object(&kinds::ROUTE, namespace, &route, &options)
                .await?;
        }
        Ok(())
    }

    async fn make_application(&self, link: &mut Link<'_>) -> Result<Application, Failure> {
        let metadata = &self.application.metadata;
        let object = application_object(&self.application);
        let options = WriteOptions::default();
        let made = link
            .create(&kinds::APPLICATION, &metadata.namespace, &object, &options)
            .await;
        let (made, word) = match made {
            Err(failure) if failure.reason() == "AlreadyExists" => {
                let there = link.read(&kinds::APPLICATION, &metadata.key()).await?;
                if !link::says(&there, &object) {
                    return Err(self.taken());
                }
                (there, " (it was there already)")
            }
            made => (made?, ""),
        };
        self.row(&kinds::APPLICATION, word)?;
        serde_json::from_value(made).map_err(|error| Failure::ours(error.to_string()))
    }

    fn taken(&self) -> Failure {
        let (name, program) = (&self.application.metadata.name, self.context.name());
        Failure::new(
            Fault::Locked,
            format!("application {name:?} is there already, and is described differently"),
        )
        .hint(format!(
            "Deploy to it with '{program} deploy SOURCE --name {name}', or look at it with '{program} describe app/{name}'."
        ))
    }

    async fn make_route(
        &self,
        link: &mut Link<'_>,
        application: &Application,
    ) -> Result<Option<Route>, Failure> {
        if !self.has_route {
            return Ok(None);
        }
        let metadata = &application.metadata;
        let route = self.route(Some(application));
        let options = WriteOptions::default();
        let made = link
            .create(&kinds::ROUTE, &metadata.namespace, &route, &options)
            .await;
        let (made, word) = match made {
            Err(failure) if failure.reason() == "AlreadyExists" => {
                let there = link.read(&kinds::ROUTE, &metadata.key()).await?;
                if there["spec"]["to"]["name"] != route["spec"]["to"]["name"] {
                    return Err(failure.hint(
                        "It leads to another service: use another --name, or leave the route out with --no-route.",
                    ));
                }
                (there, " (it was there already)")
            }
            made => (made?, ""),
        };
        self.row(&kinds::ROUTE, word)?;
        let route = serde_json::from_value(made);
        route
            .map(Some)
            .map_err(|error| Failure::ours(error.to_string()))
    }

    /// The route to the service that the controllers make.
    fn route(&self, owner: Option<&Application>) -> Value {
        let application = &self.application;
        let name = &application.metadata.name;
        let port = application.spec.port.unwrap_or(deploy::PORT);
        let balancer = application.spec.rollout.load_balancer.clone();
        let balancer = balancer.unwrap_or_default();
        let mut route = objects::route_body(balancer.service_of(name), &port.into());
        let kind = &kinds::ROUTE;
        route["apiVersion"] = kind.api_version().into();
        route["kind"] = kind.kind.into();
        route["metadata"] = json!({ "name": name });
        if !application.metadata.labels.is_empty() {
            route["metadata"]["labels"] = json!(application.metadata.labels);
        }
        if let Some(owner) = owner {
            route["metadata"]["ownerReferences"] = json!([owner.as_owner()]);
        }
        route
    }

    fn row(&self, kind: &Kind, suffix: &str) -> Result<(), Failure> {
        let name = &self.application.metadata.name;
        self.tell(&format!("    {} {name:?} created{suffix}\n", kind.prefix()))
    }

    /// What stdout gets, unless programs read it.
    fn tell(&self, text: &str) -> Result<(), Failure> {
        if !matches!(self.chosen.mode, Mode::Json | Mode::Quiet) {
            self.context.out(format_args!("{text}"))?;
        }
        Ok(())
    }
}

/// An application as it is sent: what the server writes is left out.
fn application_object(application: &Application) -> Value {
    let mut object = application.to_object();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}

/// What is there already that the application has to do with.
struct Seen {
    /// The nodes that it would run on.
    nodes: Vec<String>,
    service: Option<Service>,
    routers: Vec<Router>,
}

impl Seen {
    async fn read(client: &Client, application: &Application) -> Result<Seen, Failure> {
        let all: Vec<Node> = client.list("", &ListOptions::default()).await?.items;
        let places = workflow::places(application, &all.iter().collect::<Vec<_>>());
        let balancer = application.spec.rollout.load_balancer.as_ref();
        let metadata = &application.metadata;
        let service = match balancer {
            Some(balancer) => {
                let name = balancer.service_of(&metadata.name);
                let key = Key::new(metadata.namespace.clone(), name);
                match client.get(&key).await {
                    Ok(service) => Some(service),
                    Err(error) if error.is_not_found() => None,
                    Err(error) => return Err(error.into()),
                }
            }
            None => None,
        };
        let has_haproxy = balancer.is_some_and(|balancer| balancer.haproxy.is_some());
        let routers = if has_haproxy {
            client.list("", &ListOptions::default()).await?.items
        } else {
            Vec::new()
        };
        Ok(Seen {
            nodes: places
                .iter()
                .map(|place| place.node.metadata.name.clone())
                .collect(),
            service,
            routers,
        })
    }

    /// A service that somebody else uses cannot be this application's.
    fn expect_free(&self, application: &Application) -> Result<(), Failure> {
        let Some(service) = &self.service else {
            return Ok(());
        };
        let name = &service.metadata.name;
        let taken = |why: String| {
            Err(Failure::new(
                Fault::Locked,
                format!("service {name:?} is there already and {why}"),
            )
            .hint("Name another with --load-balancer SERVICE."))
        };
        let owner = service.metadata.labels.get(LABEL_GEARS_OF);
        match owner {
            _ if !service.spec.selector.is_empty() => taken("selects pods".to_owned()),
            Some(other) if *other != application.metadata.name => {
                taken(format!("belongs to application {other:?}"))
            }
            _ => Ok(()),
        }
    }

    /// What is missing yet, and does not keep the application from being made.
    fn warnings(&self, application: &Application, program: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.nodes.is_empty() {
            let selector = workflow::selector_text(application);
            warnings.push(format!(
                "no node matches {selector} yet: '{program} get nodes --show-labels', '{program} label node NODE KEY=VALUE'"
            ));
        }
        let balancer = application.spec.rollout.load_balancer.as_ref();
        if let Some(LoadBalancer {
            haproxy: Some(haproxy),
            ..
        }) = balancer
            && !self
                .routers
                .iter()
                .any(|router| router.metadata.name == haproxy.router)
        {
            let name = &haproxy.router;
            warnings.push(format!(
                "there is no router {name}: start one with '{program} node --haproxy {name}=SOCKET'"
            ));
        }
        warnings
    }
}
