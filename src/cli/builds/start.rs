//! `start-build`: one more build of a build config, from its own source or from one that comes along.
//!
//! Source: facts/oc.md 6.4. A repository on this machine is packed anew, by the commit that it is at now.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;
use serde_json::json;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::builds::git;
use crate::cli::builds::link::Link;
use crate::cli::builds::packed;
use crate::cli::builds::packed::Packed;
use crate::cli::builds::request;
use crate::cli::context::Purpose;
use crate::cli::logs;
use crate::cli::new_app::args::Variables;
use crate::cli::new_app::toolchain;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Meant;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::client;

/// Start a new build
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Build what the repository has now
  upshift start-build shop

  # Build a directory as it is, and watch
  upshift start-build shop --from-dir=./shop --follow

  # The same build once more
  upshift start-build --from-build=shop-1")]
pub struct Args {
    /// The build config
    #[arg(value_name = "BUILDCONFIG")]
    pub words: Vec<String>,
    /// Build this directory as it is
    #[arg(long, value_name = "DIR")]
    pub from_dir: Option<String>,
    /// Build this file alone
    #[arg(long, value_name = "FILE")]
    pub from_file: Option<String>,
    /// Build the commit of this repository (--commit names another than what is checked out)
    #[arg(long, value_name = "DIR")]
    pub from_repo: Option<String>,
    /// Build what is in this archive (tar, tar.gz, zip)
    #[arg(long, value_name = "FILE")]
    pub from_archive: Option<String>,
    /// Repeat this build
    #[arg(long, value_name = "BUILD")]
    pub from_build: Option<String>,
    /// The commit to build
    #[arg(
        long,
        value_name = "COMMIT",
        default_value = "",
        hide_default_value = true
    )]
    pub commit: String,
    /// A variable of this build (can be repeated)
    #[arg(short = 'e', long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Whether to take over what the build before left
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub incremental: Option<bool>,
    /// Print the build's log until it is over
    #[arg(short = 'F', long)]
    pub follow: bool,
    /// Wait until the build is over; a failed one fails
    #[arg(short = 'w', long)]
    pub wait: bool,
    /// name: print only the build's
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
}

/// A source that comes along.
struct Upload {
    packed: Packed,
    /// The name of the file, if it is only one.
    file: String,
    /// `directory "D"`, for the message.
    what: String,
}

/// Runs `start-build`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let name = args.check()?;
    let format = args.format()?;
    let env = Variables::read(&[], &args.env, &[], context)?.list;
    let uploaded = args.uploaded(context).await?;
    let connection = context.connect(Purpose::Reading).await?;
    let namespace = connection.namespace.clone();
    let mut link = Link::new(context, connection);
    let request = args.request(&env);
    let build = match (&args.from_build, uploaded) {
        (Some(build), _) => args.again(&mut link, &namespace, build, request).await?,
        (None, uploaded) => {
            let config = request::config(&mut link, &namespace, &name).await?;
            toolchain::check_config(link.client(), &config).await?;
            let upload = match uploaded {
                Some(upload) => Some(upload),
                None => own(&config, &args, context).await?,
            };
            start(&mut link, &config, upload, request, context).await?
        }
    };
    started(&build, &format, context)?;
    args.to_the_end(&mut link, &build, context).await
}

impl Args {
    /// The build config's name, "" with `--from-build`.
    fn check(&self) -> Result<String, Failure> {
        let uploads = [
            &self.from_dir,
            &self.from_file,
            &self.from_repo,
            &self.from_archive,
        ];
        let count = uploads.iter().filter(|one| one.is_some()).count();
        if count > 1 {
            return Err(Failure::usage(
                "only one of --from-file, --from-repo, --from-archive or --from-dir may be specified",
            ));
        }
        if self.from_build.is_some() {
            if count > 0 {
                return Err(Failure::usage(
                    "cannot use '--from-build' flag with binary builds",
                ));
            }
            if !self.words.is_empty() {
                return Err(Failure::usage(
                    "--from-build names the build; no build config is named beside it",
                ));
            }
            return Ok(String::new());
        }
        match self.words.as_slice() {
            [word] => named(word),
            [word, name] if is_kind(word, &kinds::BUILD_CONFIG) => named(name),
            [] => Err(Failure::usage(
                "Must pass a name of a build config or specify build name with '--from-build' flag.",
            )
            .hint("Use \"oc get buildconfig\" to list all available build configs.")),
            _ => Err(Failure::usage("only one build config can be started at a time")),
        }
    }

    fn format(&self) -> Result<Format, Failure> {
        match self.output.as_deref() {
            None | Some("name") => Format::parse(self.output.as_deref(), &["name"]),
            Some(other) => Err(Failure::usage(format!(
                "Unsupported output format: {other}"
            ))),
        }
    }

    fn request(&self, env: &[(String, String)]) -> Value {
        let mut request = json!({
            "apiVersion": kinds::BUILD_CONFIG.api_version(),
            "kind": "BuildRequest",
            "triggeredBy": [{"message": "Manually triggered"}],
        });
        if !env.is_empty() {
            let list: Vec<Value> = env
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect();
            request["env"] = list.into();
        }
        if !self.commit.is_empty() {
            request["revision"] = json!({"type": "Git", "git": {"commit": self.commit}});
        }
        if let Some(incremental) = self.incremental {
            request["sourceStrategyOptions"] = json!({ "incremental": incremental });
        }
        request
    }

    /// The source that was named, packed.
    async fn uploaded(&self, context: &Context) -> Result<Option<Upload>, Failure> {
        let environment = &context.environment;
        let upload = |packed: Packed, what: String| Upload {
            packed,
            file: String::new(),
            what,
        };
        if let Some(folder) = &self.from_dir {
            let path = environment.path(folder);
            if path.is_file() {
                // `oc` takes an archive here as well.
                let what = format!("archive file {folder:?}");
                return Ok(Some(upload(file(&path, folder)?, what)));
            }
            expect_folder(&path, folder)?;
            let what = format!("directory {folder:?}");
            return Ok(Some(upload(packed::directory(&path)?, what)));
        }
        if let Some(name) = &self.from_file {
            let path = environment.path(name);
            let short = path.file_name().unwrap_or_default().to_string_lossy();
            return Ok(Some(Upload {
                file: short.into_owned(),
                ..upload(file(&path, name)?, format!("file {name:?}"))
            }));
        }
        if let Some(name) = &self.from_archive {
            let packed = file(&environment.path(name), name)?;
            return Ok(Some(upload(packed, format!("archive file {name:?}"))));
        }
        if let Some(folder) = &self.from_repo {
            let path = environment.path(folder);
            expect_folder(&path, folder)?;
            if !git::is_repository(&path) {
                return Err(Failure::usage(format!("{folder}: not a git repository")));
            }
            let packed = packed::commit(environment, &path, &self.commit).await?;
            let what = at_commit(folder, &packed);
            return Ok(Some(upload(packed, what)));
        }
        Ok(None)
    }

    /// `--from-build`: the server repeats it.
    async fn again(
        &self,
        link: &mut Link<'_>,
        namespace: &str,
        build: &str,
        mut request: Value,
    ) -> Result<Build, Failure> {
        let name = match build.split_once('/') {
            Some((kind, name)) if is_kind(kind, &kinds::BUILD) => name,
            _ => build,
        };
        request["metadata"] = json!({ "name": name });
        request::clone(link, namespace, name, &request).await
    }

    /// `--follow` and `--wait`.
    async fn to_the_end(
        &self,
        link: &mut Link<'_>,
        build: &Build,
        context: &Context,
    ) -> Result<Exit, Failure> {
        let name = &build.metadata.name;
        if self.follow {
            let printed = logs::follow_build(name, context, &link.connection).await;
            match printed {
                Ok(Exit::Done) => {}
                Ok(other) => return Ok(other),
                Err(failure) => {
                    let program = context.name();
                    context.say(format_args!(
                        "Failed to stream the build logs - to view the logs, run {program} logs build/{name}\n"
                    ))?;
                    for line in failure.lines() {
                        context.say(format_args!("Error: {line}\n"))?;
                    }
                }
            }
        }
        if !self.follow && !self.wait {
            return Ok(Exit::Done);
        }
        let one = Meant {
            kind: &kinds::BUILD,
            key: build.metadata.key(),
        };
        let ended = follow(link.client(), &one, |object| match object {
            None => ControlFlow::Break(None),
            Some(object) => match client::decode::<Build>(object.clone()) {
                Ok(build) if !build.status.phase.is_final() => ControlFlow::Continue(()),
                other => ControlFlow::Break(other.ok()),
            },
        });
        ended_well(ended.await?, &one.key)
    }
}

fn ended_well(build: Option<Build>, key: &Key) -> Result<Exit, Failure> {
    let Some(build) = build else {
        return Err(Failure::not_found(format!("the build {key} is gone")));
    };
    if build.status.phase == BuildPhase::Complete {
        return Ok(Exit::Done);
    }
    let mut failure = Failure::ours(format!(
        "the build {key} status is \"{:?}\"",
        build.status.phase
    ));
    if !build.status.message.is_empty() {
        failure = failure.hint(format!("{}: {}", build.status.reason, build.status.message));
    }
    Err(failure)
}

/// What has to come along although nothing was named: a repository that only this machine has.
async fn own(
    config: &BuildConfig,
    args: &Args,
    context: &Context,
) -> Result<Option<Upload>, Failure> {
    let source = &config.spec.common.source;
    let Some(git) = &source.git else {
        let metadata = &config.metadata;
        if source.binary.is_some() || source.kind == "Binary" || source.kind.is_empty() {
            return Err(no_source(metadata));
        }
        return Ok(None);
    };
    let Some(folder) = git::folder_of(&git.uri) else {
        return Ok(None);
    };
    if !folder.is_dir() {
        return Err(Failure::ours(format!(
            "{}: no such directory; the repository of this build config is on the machine that made it",
            folder.display()
        )));
    }
    let reference = if args.commit.is_empty() {
        &git.reference
    } else {
        &args.commit
    };
    let packed = packed::commit(&context.environment, &folder, reference).await?;
    Ok(Some(Upload {
        what: at_commit(&git.uri, &packed),
        packed,
        file: String::new(),
    }))
}

fn at_commit(place: &str, packed: &Packed) -> String {
    let commit = packed.revision.as_ref().map(|revision| &revision.commit);
    let commit = commit.map_or("HEAD", |commit| &commit[..commit.len().min(12)]);
    format!("{place:?} at commit {commit:?}")
}

fn no_source(metadata: &Metadata) -> Failure {
    Failure::usage(format!(
        "build configuration {} has no valid source inputs, if this is a binary build you must specify one of \
         '--from-dir', '--from-repo', or '--from-file'",
        metadata.key()
    ))
}

async fn start(
    link: &mut Link<'_>,
    config: &BuildConfig,
    upload: Option<Upload>,
    mut request: Value,
    context: &Context,
) -> Result<Build, Failure> {
    let Some(Upload { packed, file, what }) = upload else {
        request["metadata"] = json!({ "name": config.metadata.name });
        return request::instantiate(link, config, &request).await;
    };
    if request["env"].is_array() {
        return Err(Failure::usage(
            "specifying environment variables with binary builds is not supported.",
        ));
    }
    for note in &packed.notes {
        context.say(format_args!("warning: {note}\n"))?;
    }
    context.say(format_args!(
        "Uploading {what} as binary input for the build ...\n"
    ))?;
    let build = request::instantiate_binary(link, config, &packed, &file).await?;
    context.say(format_args!("Uploading finished\n"))?;
    Ok(build)
}

fn started(build: &Build, format: &Format, context: &Context) -> Result<(), Failure> {
    if format.is_table() {
        let name = &build.metadata.name;
        context.out(format_args!("{}/{name} started\n", kinds::BUILD.prefix()))?;
    } else {
        context.out(format_args!(
            "{}",
            structured::one(format, &build.to_object())?
        ))?;
    }
    Ok(())
}

/// `NAME` or `bc/NAME`.
fn named(word: &str) -> Result<String, Failure> {
    match word.split_once('/') {
        None => Ok(word.to_owned()),
        Some((kind, name)) if is_kind(kind, &kinds::BUILD_CONFIG) && !name.is_empty() => {
            Ok(name.to_owned())
        }
        Some((kind, _)) if is_kind(kind, &kinds::BUILD) => {
            Err(Failure::usage("use --from-build to rerun your builds"))
        }
        Some(_) => Err(Failure::usage(format!(
            "{word:?} is no build config: name it as NAME or bc/NAME"
        ))),
    }
}

fn is_kind(word: &str, kind: &Kind) -> bool {
    kinds::named(word).is_some_and(|found| found == kind)
}

fn expect_folder(path: &Path, typed: &str) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(format!("{typed}: no such directory")))
}

fn file(path: &Path, typed: &str) -> Result<Packed, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::usage(format!("{typed}: {error}")))?;
    Ok(Packed::of_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_configs_are_named_with_and_without_their_kind() {
        for word in ["shop", "bc/shop", "buildconfig.build.openshift.io/shop"] {
            assert_eq!(named(word).unwrap(), "shop", "{word}");
        }
        let build = named("build/shop-1").unwrap_err();
        assert_eq!(build.message, "use --from-build to rerun your builds");
        assert!(named("dc/shop").is_err());
    }
}
