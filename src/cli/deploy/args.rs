//! What can be typed after `deploy`, and what is meant by it.

use std::sync::Arc;

use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::deploy::brought;
use crate::cli::deploy::brought::Brought;
use crate::cli::deploy::source::Form;
use crate::cli::deploy::source::Place;
use crate::cli::deploy::source::Request;
use crate::cli::deploy::source::Source;
use crate::cli::progress::flags::Flags;
use crate::cli::rollouts::behaviour::Behaviour;
use crate::cli::rollouts::form;
use crate::cli::rollouts::target;

/// What a gear listens on when nobody says otherwise.
pub(crate) const PORT: u16 = 8080;

/// Deploy a directory, an archive or a git repository to the hosts of an application
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
A bundle says in its appspec.yml what goes where and which scripts run. Without one, say it here (form mode):
--file SOURCE:DESTINATION, and --stop, --start and --check with a script of the bundle and its arguments, quoted as for
a shell; none runs it.

Examples:
  # Deploy a directory; the application is made when there is none of that name
  upshift deploy ./shop

  # A tag of a git repository, and an archive from the web, which has to be what it was
  upshift deploy https://git.example.com/shop.git#v1.2
  upshift deploy https://example.com/shop-1.2.tar.gz --sha256 2cf24dba5fb0...

  # Only look: is the bundle all right, and what would be done
  upshift deploy --check ./shop
  upshift deploy ./shop --dry-run

  # A directory without an appspec
  upshift deploy ./page --file /:/srv/page --start 'bin/start --fast' --check bin/check

  # One host first; the others ten minutes later, a quarter at a time and never more than a tenth away
  upshift deploy ./shop --canary=10m --concurrency 25% --min-healthy 90%

  # An earlier revision once more
  upshift deploy app/shop --revision 3")]
pub struct Args {
    /// A directory, an archive (tar, tgz, tar.zst, zip), the URL of an archive or of a git repository (URL#REF for a
    /// branch, tag or commit), or app/NAME to deploy a revision again
    #[arg(value_name = "DIR|ARCHIVE|URL|app/NAME")]
    pub what: Option<String>,
    /// With an archive on the web: the digest that it must have; URL#sha256=HEX says the same
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<String>,
    /// With a git repository: the folder of it that is the bundle
    #[arg(long, value_name = "DIR")]
    pub context_dir: Option<String>,
    /// What came from elsewhere, once it is here.
    #[arg(skip)]
    brought: Option<Arc<Brought>>,
    /// The application's name, instead of the directory's
    #[arg(long)]
    pub name: Option<String>,
    /// What the application listens on; scripts get it as PORT [default: 8080 for a new application]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// With app/NAME: the number of the revision, instead of the one in place
    #[arg(long, value_name = "NUMBER")]
    pub revision: Option<u64>,
    /// The appspec's name in the bundle, instead of appspec.yml
    #[arg(long, value_name = "PATH")]
    pub appspec: Option<String>,

    /// Form mode: SOURCE in the bundle goes to the folder DESTINATION (can be repeated)
    #[arg(
        long = "file",
        value_name = "SOURCE:DESTINATION",
        help_heading = "Form mode"
    )]
    pub files: Vec<String>,
    /// Form mode: the script that stops the application, with arguments
    #[arg(long, value_name = "SCRIPT", help_heading = "Form mode")]
    pub stop: Option<String>,
    /// Form mode: the script that starts it
    #[arg(long, value_name = "SCRIPT", help_heading = "Form mode")]
    pub start: Option<String>,
    /// Form mode: the script that checks it. Without anything else to deploy: only look whether DIR is a good bundle
    #[arg(long, value_name = "SCRIPT|DIR", num_args = 0..=1, default_missing_value = "", help_heading = "Form mode")]
    pub check: Option<String>,

    /// Why, for the history
    #[arg(long)]
    pub reason: Option<String>,
    #[command(flatten)]
    pub behaviour: Behaviour,
    /// Leave this hook out (can be repeated)
    #[arg(long, value_name = "HOOK", value_parser = super::hook)]
    pub skip_hook: Vec<String>,
    /// Go on when the stop script of the installed revision fails
    #[arg(long)]
    pub ignore_stop_failure: bool,

    /// Only show the steps: nothing is sent
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client", value_parser = ["client"])]
    pub dry_run: Option<String>,
    /// Print the rollout (or with --dry-run the plan) instead: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Whether to follow the rollout to its end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub follow: bool,
    #[command(flatten)]
    pub progress: Flags,
}

impl Args {
    /// A bundle with nothing else said about it.
    pub fn bundle(what: &str) -> Args {
        Args {
            what: Some(what.to_owned()),
            ..Args::default()
        }
    }

    /// Brings a bundle that is elsewhere to this machine; nothing is made anywhere.
    pub async fn bring(&mut self, context: &Context) -> Result<(), Failure> {
        let check = self.check.as_deref().filter(|folder| !folder.is_empty());
        let sha256 = self.sha256.as_deref();
        let folder = self.context_dir.as_deref();
        if let Some(what) = self.what.as_deref().or(check) {
            let brought = brought::bring(what, sha256, folder, context).await?;
            self.brought = brought.map(Arc::new);
        }
        Ok(())
    }

    /// What is meant; a bundle from elsewhere has been brought.
    pub fn request(&self, context: &Context) -> Result<Request, Failure> {
        match (&self.what, self.check.as_deref()) {
            (None, Some("") | None) => Err(Failure::usage("nothing to deploy").hint(
                "Name a directory or an archive, or an application that is there: app/NAME.",
            )),
            (None, Some(folder)) => Ok(Request::Check(self.source(folder, None, context)?)),
            (Some(what), Some("")) => Ok(Request::Check(self.source(what, None, context)?)),
            (Some(what), check) => self.deployment(what, check, context),
        }
    }

    fn deployment(
        &self,
        what: &str,
        check: Option<&str>,
        context: &Context,
    ) -> Result<Request, Failure> {
        let is_there = self.brought.is_some() || context.environment.path(what).exists();
        if !is_there
            && let Some((kind, _)) = what.split_once('/')
            && crate::api::kinds::named(kind).is_some()
        {
            return self.again(what);
        }
        if !is_there {
            let program = context.name();
            return Err(
                Failure::usage(format!("{what}: no such directory or archive")).hint(format!(
                    "To deploy a revision again: {program} deploy app/NAME"
                )),
            );
        }
        if self.revision.is_some() {
            return Err(Failure::usage(
                "--revision goes with app/NAME, not with a directory or an archive",
            ));
        }
        Ok(Request::Bundle(self.source(what, check, context)?))
    }

    fn again(&self, what: &str) -> Result<Request, Failure> {
        let extra = [
            (!self.files.is_empty(), "--file"),
            (self.stop.is_some(), "--stop"),
            (self.start.is_some(), "--start"),
            (self.check.is_some(), "--check"),
            (self.name.is_some(), "--name"),
            (self.appspec.is_some(), "--appspec"),
            (self.port.is_some(), "--port"),
        ];
        if let Some((_, flag)) = extra.iter().find(|(given, _)| *given) {
            return Err(Failure::usage(format!(
                "{flag} goes with a directory or an archive, not with app/NAME"
            )));
        }
        Ok(Request::Again {
            application: target::application(what)?,
            revision: self.revision,
        })
    }

    fn source(
        &self,
        what: &str,
        check: Option<&str>,
        context: &Context,
    ) -> Result<Source, Failure> {
        let form = Form {
            files: form::files(&self.files)?,
            scripts: form::scripts(self.stop.as_deref(), self.start.as_deref(), check)?,
        };
        let path = context.environment.path(what);
        Source::new(
            self.brought
                .as_ref()
                .map_or(Place::Here(&path), Place::Brought),
            self.name.as_deref(),
            self.appspec.clone(),
            form,
        )
    }
}
