//! `deploy`: a directory or an archive becomes a Revision, and a Rollout brings it to every host.
//!
//! Everything that can be wrong with what was typed and with the bundle is found before anything is written. The order of
//! writes: Application (when there is none), bundle, Revision (unless there is the same), Rollout. Each may be there
//! already: a command that died in the middle is simply typed again.

mod args;
mod brought;
mod check;
mod origin;
mod packed;
mod source;

use std::collections::BTreeMap;

use crate::api::meta::Key;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::ApplicationSpec;
use crate::api::upshift::Bundle;
use crate::api::upshift::Hosts;
use crate::api::upshift::Revision;
use crate::api::upshift::RevisionSpec;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutSpec;
use crate::api::upshift::Settings;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::output::Format;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::mode::Mode;
use crate::cli::rollouts::begin;
use crate::cli::rollouts::known;
use crate::cli::rollouts::known::Known;
use crate::cli::rollouts::output;
use crate::cli::rollouts::output::Ending;
use crate::cli::rollouts::preview::Fleet;
use crate::cli::rollouts::preview::Preview;
use crate::client::Client;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::client::connection::Connection;
use crate::client::registry;
use crate::client::registry::Registry;
use crate::plan::step;

pub use args::Args;
pub(crate) use args::PORT;

use packed::Packed;
use source::Request;
use source::Source;

/// Runs `deploy`.
pub async fn run(mut args: Args, context: &Context) -> Result<Exit, Failure> {
    args.bring(context).await?;
    let request = args.request(context)?;
    if let Request::Check(source) = &request {
        return check::run(source, context);
    }
    let format = Format::parse(args.output.as_deref(), &output::FORMATS)?;
    let chosen = args.progress.choose(context, !format.is_table())?;
    let command = Command {
        args: &args,
        context,
        chosen,
        format,
        purpose: Purpose::Creating,
    };
    if chosen.mode == Mode::Json && args.dry_run.is_some() {
        return Err(Failure::usage(
            "--progress=json follows a rollout; for a plan as data use -o json",
        ));
    }
    output::told(context, chosen, Box::pin(command.run(request))).await
}

/// The first bundle of an application that `new-app` makes: looked at before, deployed after.
pub(crate) struct First {
    args: Args,
    source: Source,
}

impl First {
    /// Opens the bundle that the arguments name; one from elsewhere is brought here.
    pub(crate) async fn open(mut args: Args, context: &Context) -> Result<First, Failure> {
        args.bring(context).await?;
        match args.request(context)? {
            Request::Bundle(source) => Ok(First { args, source }),
            Request::Check(_) | Request::Again { .. } => {
                Err(Failure::usage("give a directory or an archive to deploy"))
            }
        }
    }

    /// What the application is called.
    pub(crate) fn name(&self) -> &str {
        &self.source.name
    }

    /// Where the bundle comes from.
    pub(crate) fn uri(&self) -> String {
        self.source.uri()
    }

    /// Checks the bundle against the application.
    pub(crate) fn check(&self, application: &Application) -> Result<(), Failure> {
        self.source.checked(Some(application)).map(|_| ())
    }

    /// Deploys it to the application, which is there by now; the server was named already.
    pub(crate) async fn run(self, context: &Context, chosen: Chosen) -> Result<Exit, Failure> {
        let command = Command {
            args: &self.args,
            context,
            chosen,
            format: Format::Table { wide: false },
            purpose: Purpose::Reading,
        };
        Box::pin(command.deploy(self.source)).await
    }
}

struct Command<'a> {
    args: &'a Args,
    context: &'a Context,
    chosen: Chosen,
    format: Format,
    /// Of connecting: whether the server may be started, and is named.
    purpose: Purpose,
}

impl Command<'_> {
    async fn run(&self, request: Request) -> Result<Exit, Failure> {
        match request {
            Request::Check(source) => check::run(&source, self.context),
            Request::Again {
                application,
                revision,
            } => Box::pin(self.again(&application, revision)).await,
            Request::Bundle(source) if self.args.dry_run.is_some() => self.preview(&source).await,
            Request::Bundle(source) => Box::pin(self.deploy(source)).await,
        }
    }

    /// Prints the steps; sends nothing but questions.
    async fn preview(&self, source: &Source) -> Result<Exit, Failure> {
        let connection = self.context.connect(Purpose::Reading).await.ok();
        let (known, namespace) = match &connection {
            Some(connection) => {
                let (client, namespace) = (&connection.client, &connection.namespace);
                (
                    Known::read(client, namespace, &source.name).await?,
                    namespace.clone(),
                )
            }
            None => (
                Known::default(),
                self.context.flags.namespace.clone().unwrap_or_default(),
            ),
        };
        source.checked(known.application.as_ref())?;
        let application = match &known.application {
            Some(application) => application.clone(),
            None => self.new_application(source, &namespace),
        };
        let fleet = if let Some(connection) = &connection {
            Fleet::read(&connection.client, &application).await?
        } else {
            let said = "no server runs yet; shown for this machine alone";
            self.context.say(format_args!("{said}\n"))?;
            Fleet::of_this_machine()
        };
        let number = known.revisions.last().map_or(0, |last| last.spec.number) + 1;
        Preview {
            application: &application,
            action: Action::Deploy,
            settings: &self.settings(&application),
            revision: &format!("{} as {}-{number}", source.uri(), source.name),
        }
        .print(self.context, &fleet, &self.format)?;
        Ok(Exit::Done)
    }

    async fn deploy(&self, source: Source) -> Result<Exit, Failure> {
        if source.needs_application() {
            self.expect_form(&source).await?;
        } else {
            source.checked(None)?;
        }
        let packed = source.pack(&self.context.environment)?;
        let connection = self.connect(self.purpose).await?;
        let client = &connection.client;
        let mut known = Known::read(client, &connection.namespace, &source.name).await?;
        source.checked(known.application.as_ref())?;
        if let Some(application) = &known.application {
            known::expect_performable(application)?;
        }
        known.expect_idle(self.context.name())?;
        let application = self.application(&connection, &source, &known).await?;
        let revision = self
            .revision(client, &application, &known, &source, packed)
            .await?;
        self.begin(client, &application, &mut known, &revision)
            .await
    }

    /// The server; named on stderr unless silence was asked for.
    async fn connect(&self, purpose: Purpose) -> Result<Connection, Failure> {
        self.context.connect_as(purpose, self.chosen.silent).await
    }

    /// A bundle without an appspec needs an application that says what goes where; none is started to find that out.
    async fn expect_form(&self, source: &Source) -> Result<(), Failure> {
        let Ok(connection) = self.context.connect(Purpose::Reading).await else {
            return source.checked(None).map(|_| ());
        };
        let key = Key::new(connection.namespace, source.name.clone());
        match connection.client.get::<Application>(&key).await {
            Ok(application) => source.checked(Some(&application)).map(|_| ()),
            Err(error) if error.is_not_found() => source.checked(None).map(|_| ()),
            Err(error) => Err(error.into()),
        }
    }

    fn new_application(&self, source: &Source, namespace: &str) -> Application {
        let mut application = Application {
            spec: ApplicationSpec {
                hosts: Some(Hosts {
                    // Empty: every node.
                    selector: Some(BTreeMap::new()),
                    blue_green: None,
                }),
                port: Some(self.args.port.unwrap_or(args::PORT)),
                files: source.form.files.clone(),
                scripts: source.form.scripts.clone(),
                appspec: source.named_appspec.clone(),
                ..ApplicationSpec::default()
            },
            ..Application::default()
        };
        source.name.clone_into(&mut application.metadata.name);
        namespace.clone_into(&mut application.metadata.namespace);
        application
    }

    /// The application, made or changed where the flags say something else.
    async fn application(
        &self,
        connection: &Connection,
        source: &Source,
        known: &Known,
    ) -> Result<Application, Failure> {
        let client = &connection.client;
        let Some(application) = &known.application else {
            let wanted = self.new_application(source, &connection.namespace);
            return match client.create(&wanted).await {
                Err(error) if error.is_already_exists() => {
                    Ok(client.get(&wanted.metadata.key()).await?)
                }
                other => Ok(other?),
            };
        };
        let mut spec = serde_json::Map::new();
        if let Some(port) = self
            .args
            .port
            .filter(|port| application.spec.port != Some(*port))
        {
            spec.insert("port".to_owned(), port.into());
        }
        if !source.form.files.is_empty() {
            spec.insert("files".to_owned(), serde_json::json!(source.form.files));
            spec.insert("scripts".to_owned(), serde_json::json!(source.form.scripts));
        }
        if spec.is_empty() {
            return Ok(application.clone());
        }
        let patch = Patch::Merge(serde_json::json!({ "spec": spec }));
        let key = application.metadata.key();
        let options = WriteOptions::default();
        let kind = &crate::api::kinds::APPLICATION;
        let changed = client.patch(kind, &key, None, &patch, &options).await?;
        serde_json::from_value(changed).map_err(|error| Failure::ours(error.to_string()))
    }

    /// Brings the bundle up, unless the registry has it.
    async fn upload(
        &self,
        client: &Client,
        application: &Application,
        packed: &mut Packed,
    ) -> Result<Bundle, Failure> {
        let registry = Registry::new(client.clone());
        let metadata = &application.metadata;
        let repository = format!("{}/{}", metadata.namespace, metadata.name);
        let (digest, size) = (packed.digest.clone(), packed.size);
        let is_there = registry.contains(&repository, &digest).await;
        if !is_there.map_err(untransferred)? {
            registry
                .upload(&repository, packed.file(), &digest, size)
                .await
                .map_err(untransferred)?;
        }
        Ok(Bundle {
            digest: digest.as_str().to_owned(),
            size,
        })
    }

    /// The revision of this bundle: the one there is, or a new one.
    async fn revision(
        &self,
        client: &Client,
        application: &Application,
        known: &Known,
        source: &Source,
        mut packed: Packed,
    ) -> Result<Revision, Failure> {
        let settled = source.checked(Some(application))?;
        let mut spec = RevisionSpec {
            application: application.metadata.name.clone(),
            number: 0,
            bundle: self.upload(client, application, &mut packed).await?,
            appspec: settled.appspec,
            files: settled.files,
            scripts: settled.scripts,
            source: source.origin(),
        };
        if let Some(there) = known
            .revisions
            .iter()
            .rev()
            .find(|one| is_alike(one, &spec))
        {
            return Ok(there.clone());
        }
        // Somebody else may take the number meanwhile.
        let first = known.revisions.last().map_or(0, |last| last.spec.number) + 1;
        for number in first..first + 20 {
            spec.number = number;
            let revision = Revision {
                metadata: begin::child(application, number),
                spec: spec.clone(),
            };
            match client.create(&revision).await {
                Err(error) if error.is_already_exists() => {}
                other => return Ok(other?),
            }
        }
        let message = "others keep making revisions of this application; try again";
        Err(Failure::new(Kind::Locked, message))
    }

    /// Deploys a revision that is there.
    async fn again(&self, name: &str, revision: Option<u64>) -> Result<Exit, Failure> {
        let preview = self.args.dry_run.is_some();
        let purpose = if preview {
            Purpose::Reading
        } else {
            Purpose::Creating
        };
        let connection = self.connect(purpose).await?;
        let client = &connection.client;
        let (application, mut known) = Known::of(client, &connection.namespace, name).await?;
        let revision = wanted(&application, &known, revision)?.clone();
        if preview {
            let fleet = Fleet::read(client, &application).await?;
            Preview {
                application: &application,
                action: Action::Deploy,
                settings: &self.settings(&application),
                revision: &revision.metadata.name,
            }
            .print(self.context, &fleet, &self.format)?;
            return Ok(Exit::Done);
        }
        known::expect_performable(&application)?;
        self.begin(client, &application, &mut known, &revision)
            .await
    }

    async fn begin(
        &self,
        client: &Client,
        application: &Application,
        known: &mut Known,
        revision: &Revision,
    ) -> Result<Exit, Failure> {
        let spec = RolloutSpec {
            action: Action::Deploy,
            revision: revision.metadata.name.clone(),
            settings: self.settings(application),
            reason: self.args.reason.clone().unwrap_or_default(),
            skip_hooks: self.args.skip_hook.clone(),
            ignore_stop_failure: self.args.ignore_stop_failure,
            ..RolloutSpec::default()
        };
        let rollout = begin::begin(client, application, known, spec, self.context.name()).await?;
        let done = format!("rollout.upshift.dev/{} created", rollout.metadata.name);
        let earlier: &[Rollout] = &known.rollouts;
        Ending {
            context: self.context,
            client: client.clone(),
            chosen: self.chosen,
            format: &self.format,
            follow: self.args.follow,
        }
        .run(&done, rollout, earlier)
        .await
    }

    /// The application's settings with what the flags change for this once.
    fn settings(&self, application: &Application) -> Settings {
        self.args
            .behaviour
            .applied(application.spec.rollout.clone())
    }
}

/// The revision to deploy again: by number, else the one in place, else the last there is.
fn wanted<'a>(
    application: &Application,
    known: &'a Known,
    number: Option<u64>,
) -> Result<&'a Revision, Failure> {
    let name = &application.metadata.name;
    match number {
        Some(number) => known.revision(number).ok_or_else(|| {
            Failure::not_found(format!("application {name:?} has no revision {number}"))
                .hint(format!("Revisions: {}", known.listing()))
        }),
        None => known
            .revision_named(&application.status.current_revision)
            .or(known.revisions.last())
            .ok_or_else(|| {
                Failure::not_found(format!("application {name:?} has no revision yet"))
                    .hint("Deploy a directory or an archive first.")
            }),
    }
}

/// Whether a revision does what that spec says, whoever made it and from where.
fn is_alike(revision: &Revision, spec: &RevisionSpec) -> bool {
    let there = &revision.spec;
    there.bundle == spec.bundle
        && there.appspec == spec.appspec
        && there.files == spec.files
        && there.scripts == spec.scripts
}

fn untransferred(error: registry::Error) -> Failure {
    match error {
        registry::Error::Client(error) => error.into(),
        error => Failure::ours(error.to_string()),
    }
}

/// A hook that may be left out.
pub(crate) fn hook(text: &str) -> Result<String, String> {
    if step::hook_events().any(|event| event == text) {
        return Ok(text.to_owned());
    }
    let events: Vec<&str> = step::hook_events().collect();
    Err(format!("must be one of {}", events.join(", ")))
}
