//! What can be typed after `new-app` and `new-build`.

use std::collections::BTreeMap;

use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::new_app::blueprint::Target;
use crate::cli::new_app::grammar;
use crate::cli::new_app::hosts::flags::HostFlags;
use crate::cli::objects::writing::DryRun;
use crate::cli::progress::flags::Flags;

/// Create a new application from source code or an image
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
A source is a directory, which is packed as it is, or a git repository; the builder for it is named as BUILDER~SOURCE, or
found by the files of the source. Builders that are always there: python, nodejs, ruby, php, perl, static.

With --hosts, or --blue and --green, nothing is built: the source is a bundle with scripts of its own, as for `deploy`, and
is installed on hosts. Scripts are quoted as for a shell, but none runs them.

Examples:
  # The application in a directory, named after it, to the answered request
  upshift new-app ./shop --wait

  # A repository, with the builder named
  upshift new-app python~https://github.com/openshift/django-ex.git

  # A branch of a repository on this machine, under another name
  upshift new-app 'ruby~file:///srv/git/shop.git#next' --name shop-next

  # Only show what would be made
  upshift new-app python~./shop --dry-run
  upshift new-app python~./shop -o yaml

  # On every host with tier=web, a quarter at a time, each out of service shop for its turn
  upshift new-app ./shop --hosts tier=web --load-balancer shop --concurrency 25% --on-failure Rollback

  # A folder without appspec.yml, said here what goes where and which scripts run
  upshift new-app ./page --hosts all --file /:/srv/page --stop bin/stop --start 'bin/start --fast' --check bin/check

  # Two groups of hosts that take turns, behind a HAProxy
  upshift new-app ./shop --blue color=blue --green color=green \
    --haproxy router=lb-1,map=/etc/haproxy/colors.map,key=shop")]
pub struct AppArgs {
    #[command(flatten)]
    pub common: Common,
    /// Whether a deployment config runs the application; a Kubernetes Deployment otherwise
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub as_deployment_config: bool,
    /// Make no route: the application is reached from within only, until `expose`
    #[arg(long)]
    pub no_route: bool,
    /// Follow the application from its objects to the first answered request
    #[arg(short = 'w', long)]
    pub wait: bool,
    #[command(flatten)]
    pub hosts: HostFlags,
    #[command(flatten)]
    pub progress: Flags,
}

/// Create a new build configuration from source code
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A build of a repository, with the builder named
  upshift new-build python~https://github.com/openshift/django-ex.git

  # A build that waits for its source: start-build NAME --from-dir=DIR
  upshift new-build python --binary --name shop")]
pub struct BuildArgs {
    #[command(flatten)]
    pub common: Common,
    /// The image stream tag that the image goes to, instead of NAME:latest
    #[arg(long, value_name = "NAME[:TAG]")]
    pub to: Option<String>,
}

/// The flags of both.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Common {
    /// Sources, images, builders with their source, variables
    #[arg(value_name = "SOURCE|IMAGE|IMAGE~SOURCE|NAME=VALUE")]
    pub words: Vec<String>,
    /// An image that is part of the application (can be repeated)
    #[arg(long, visible_alias = "docker-image", value_name = "IMAGE")]
    pub image: Vec<String>,
    /// An image stream that is part of the application (can be repeated)
    #[arg(short = 'i', long, value_name = "[PROJECT/]NAME[:TAG]")]
    pub image_stream: Vec<String>,
    /// A source that is part of the application (can be repeated)
    #[arg(long, value_name = "SOURCE")]
    pub code: Vec<String>,
    /// The name of everything that is made, instead of the source's or the image's
    #[arg(long)]
    pub name: Option<String>,
    /// How it is built: source; docker and pipeline are not there yet
    #[arg(long, value_name = "STRATEGY", value_parser = strategy)]
    pub strategy: Option<String>,
    /// The folder of the source that is taken
    #[arg(
        long,
        value_name = "PATH",
        default_value = "",
        hide_default_value = true
    )]
    pub context_dir: String,
    /// A variable of the application (can be repeated)
    #[arg(short = 'e', long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// A file with a variable on each line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// A variable of the build (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_env: Vec<String>,
    /// A file with variables of the build; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub build_env_file: Vec<String>,
    /// Labels of everything that is made
    #[arg(
        short = 'l',
        long,
        value_name = "NAME=VALUE,…",
        default_value = "",
        hide_default_value = true
    )]
    pub labels: String,
    /// The secret with the credentials for the repository
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub source_secret: String,
    /// The source comes later, with start-build
    #[arg(long)]
    pub binary: bool,
    /// Take a directory's remote repository instead of the directory as it is
    #[arg(long)]
    pub git: bool,
    /// Accept images that nobody knows yet
    #[arg(long)]
    pub allow_missing_images: bool,
    /// Accept image streams that have no such tag yet
    #[arg(long)]
    pub allow_missing_imagestream_tags: bool,
    /// Only list what an application can be made of
    #[arg(short = 'L', long)]
    pub list: bool,
    /// Only search what an application can be made of, by the names typed
    #[arg(short = 'S', long)]
    pub search: bool,
    /// Only show what would be made
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client", value_parser = DryRun::parse)]
    pub dry_run: DryRun,
    /// Print the objects instead of making them: json, yaml, name
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub output: Option<String>,
}

/// One command of the two, settled as far as the words go.
#[derive(Clone, Debug)]
pub struct Wish {
    pub command: &'static str,
    pub target: Target,
    pub route: bool,
    pub wait: bool,
    pub to: Option<String>,
    pub common: Common,
    pub progress: Flags,
}

impl From<AppArgs> for Wish {
    fn from(args: AppArgs) -> Wish {
        Wish {
            command: "new-app",
            target: if args.as_deployment_config {
                Target::DeploymentConfig
            } else {
                Target::Deployment
            },
            route: !args.no_route,
            wait: args.wait,
            to: None,
            common: args.common,
            progress: args.progress,
        }
    }
}

impl From<BuildArgs> for Wish {
    fn from(args: BuildArgs) -> Wish {
        Wish {
            command: "new-build",
            target: Target::Build,
            route: false,
            wait: false,
            to: args.to,
            common: args.common,
            progress: Flags::default(),
        }
    }
}

/// Variables of flags and files, and what has to be said about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    pub list: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

impl Variables {
    /// Reads flags and then files; a file does not change what was typed.
    pub fn read(
        words: &[(String, String)],
        flags: &[String],
        files: &[String],
        context: &Context,
    ) -> Result<Variables, Failure> {
        let mut found = Variables::default();
        for (name, value) in words {
            found.typed(name, value);
        }
        for flag in flags {
            let (name, value) = grammar::assignment(flag)?;
            if looks_like_a_list(&value) {
                found.warnings.push(format!(
                    "--env no longer accepts comma-separated lists of values. {flag:?} will be treated as a single key-value pair."
                ));
            }
            found.typed(&name, &value);
        }
        for file in files {
            let text = if file == "-" {
                String::from_utf8_lossy(&context.streams.read_input()?).into_owned()
            } else {
                std::fs::read_to_string(context.environment.path(file))
                    .map_err(|error| Failure::usage(format!("{file}: {error}")))?
            };
            found.file(file, &text)?;
        }
        Ok(found)
    }

    fn typed(&mut self, name: &str, value: &str) {
        if self.list.iter().any(|(known, _)| known == name) {
            self.warnings
                .push(format!("Environment variable {name:?} was overwritten"));
        }
        self.list.push((name.to_owned(), value.to_owned()));
    }

    fn file(&mut self, file: &str, text: &str) -> Result<(), Failure> {
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = grammar::assignment(line)?;
            if self.list.iter().any(|(known, _)| *known == name) {
                self.warnings.push(format!(
                    "Environment variable {name:?} already defined, ignoring value from file {file:?}"
                ));
            } else {
                self.list.push((name, value));
            }
        }
        Ok(())
    }
}

/// `3,C=4`: several variables were meant.
fn looks_like_a_list(value: &str) -> bool {
    value
        .split_once(',')
        .is_some_and(|(_, rest)| rest.contains('='))
}

/// `a=b,c=d`.
pub fn labels(text: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    for one in text.split(',').filter(|one| !one.is_empty()) {
        let (name, value) = one
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                Failure::usage(format!(
                    "unexpected label format {one:?}: write it as NAME=VALUE"
                ))
            })?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(labels)
}

fn strategy(text: &str) -> Result<String, String> {
    match text {
        "source" | "docker" | "pipeline" => Ok(text.to_owned()),
        _ => Err(format!(
            "invalid strategy: {text}. Must be 'docker', 'pipeline' or 'source'."
        )),
    }
}

impl Wish {
    /// What contradicts itself, whatever there is to work with.
    pub fn check(&self) -> Result<(), Failure> {
        let common = &self.common;
        let has_code = !common.code.is_empty();
        let wrong = match common.strategy.as_deref() {
            Some("docker") => Some(
                "docker builds are not there yet: this version builds from source with a builder image",
            ),
            Some("pipeline") => Some(
                "pipeline builds are not there: this version builds from source with a builder image",
            ),
            _ if common.binary && has_code => Some(
                "specifying binary builds and source repositories at the same time is not allowed",
            ),
            _ if common.binary && self.wait => {
                Some("--wait follows a build, and with --binary none is started")
            }
            _ if common.list && common.search => Some("--list and --search can't be used together"),
            _ if common.search && has_code => Some("--search can't be used with source code"),
            _ if common.search && !common.env.is_empty() => {
                Some("--search can't be used with --env")
            }
            _ if common.search && !common.build_env.is_empty() => {
                Some("--search can't be used with --build-env")
            }
            _ if common.search && common.allow_missing_images => {
                Some("--allow-missing-images and --search are mutually exclusive.")
            }
            _ if common.list
                && !(common.words.is_empty()
                    && common.image.is_empty()
                    && common.image_stream.is_empty()) =>
            {
                Some("--list can't be used with arguments")
            }
            _ if self.wait && (common.dry_run != DryRun::None || common.output.is_some()) => {
                Some("--wait follows what is made; with --dry-run and -o nothing is")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Failure::usage(wrong));
        }
        let secret = &common.source_secret;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if !secret.chars().all(fits) {
            return Err(Failure::usage(format!(
                "source secret name {secret:?} is invalid"
            )));
        }
        let context_dir = &common.context_dir;
        if context_dir.starts_with('/') || context_dir.split('/').any(|part| part == "..") {
            return Err(Failure::usage(format!(
                "--context-dir {context_dir:?} must be a path within the source"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_variables_the_first_counts_and_the_second_is_said() {
        let mut found = Variables::default();
        found.typed("A", "1");
        found.typed("A", "2");
        found.file("f", "# no\nA=3\nB=4\n").unwrap();
        assert_eq!(
            found.warnings,
            [
                "Environment variable \"A\" was overwritten",
                "Environment variable \"A\" already defined, ignoring value from file \"f\""
            ]
        );
        let kept = super::super::blueprint::variables(&found.list);
        assert_eq!(kept["A"], "1");
        assert_eq!(kept["B"], "4");
        assert!(looks_like_a_list("3,C=4"));
    }

    #[test]
    fn labels_are_pairs() {
        assert_eq!(labels("a=b,c=").unwrap().len(), 2);
        assert!(labels("a").is_err());
        assert!(labels("=b").is_err());
    }
}
