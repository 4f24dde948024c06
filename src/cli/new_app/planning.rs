//! From what was typed to a blueprint: sources are looked at before a server is asked, images after.

use crate::api::image::split_tag;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::new_app::args;
use crate::cli::new_app::args::Variables;
use crate::cli::new_app::args::Wish;
use crate::cli::new_app::blueprint::Blueprint;
use crate::cli::new_app::blueprint::Build;
use crate::cli::new_app::blueprint::Component;
use crate::cli::new_app::blueprint::Group;
use crate::cli::new_app::blueprint::Input;
use crate::cli::new_app::blueprint::Source;
use crate::cli::new_app::blueprint::Tag;
use crate::cli::new_app::blueprint::Target;
use crate::cli::new_app::detect;
use crate::cli::new_app::grammar;
use crate::cli::new_app::grammar::NamedBy;
use crate::cli::new_app::grammar::Part;
use crate::cli::new_app::grammar::Place;
use crate::cli::new_app::grammar::Typed;
use crate::cli::new_app::images::Images;
use crate::cli::new_app::naming;
use crate::cli::new_app::naming::Taken;
use crate::cli::new_app::objects::Known;
use crate::cli::new_app::sources::Located;
use crate::cli::new_app::sources::Sources;
use crate::cli::new_app::toolchain;
use crate::cli::new_app::trouble;

/// What is known before a server is asked, and what comes to be known by asking.
pub(super) struct Planning<'a> {
    wish: &'a Wish,
    context: &'a Context,
    typed: Typed,
    name: Option<String>,
    env: Vec<(String, String)>,
    build_env: Vec<(String, String)>,
    labels: std::collections::BTreeMap<String, String>,
    located: Vec<Located>,
    /// For stderr, before anything is made.
    pub warnings: Vec<String>,
}

/// An image with the source that it is to build, if any.
struct Found {
    asked: String,
    image: Input,
    source: Option<Located>,
    detected: Option<&'static str>,
}

impl<'a> Planning<'a> {
    /// Reads the words and looks at every source.
    pub(super) async fn new(wish: &'a Wish, context: &'a Context) -> Result<Planning<'a>, Failure> {
        let common = &wish.common;
        let look = |word: &str| {
            let path = context.environment.path(word);
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => Place::Directory,
                Ok(_) => Place::File,
                Err(_) => Place::Nothing,
            }
        };
        let mut typed = grammar::read(&common.words, &look, context.program, wish.command)?;
        for (list, named_by) in [
            (&common.image, NamedBy::Image),
            (&common.image_stream, NamedBy::ImageStream),
        ] {
            for word in list {
                let part = grammar::component(word)?;
                typed.groups.push(vec![Part { named_by, ..part }]);
            }
        }
        typed.sources.extend(common.code.iter().cloned());
        if typed.groups.is_empty() && typed.sources.is_empty() {
            return Err(trouble::no_input(context.program, wish.command));
        }
        let env = Variables::read(&typed.env, &common.env, &common.env_file, context)?;
        let files = &common.build_env_file;
        let build_env = Variables::read(&[], &common.build_env, files, context)?;
        let mut planning = Planning {
            wish,
            context,
            name: common.name.as_deref().map(naming::given).transpose()?,
            env: env.list,
            build_env: build_env.list,
            labels: args::labels(&common.labels)?,
            located: Vec::new(),
            warnings: [env.warnings, build_env.warnings].concat(),
            typed,
        };
        planning.locate().await?;
        Ok(planning)
    }

    fn sources(&self) -> Sources<'a> {
        Sources {
            environment: &self.context.environment,
            remote: self.wish.common.git,
            context_dir: &self.wish.common.context_dir,
        }
    }

    async fn locate(&mut self) -> Result<(), Failure> {
        let parts = self.typed.groups.iter().flatten();
        let mut words: Vec<String> = parts.filter_map(|part| part.source.clone()).collect();
        words.extend(self.typed.sources.iter().cloned());
        if self.wish.common.binary && !words.is_empty() {
            return Err(Failure::usage(
                "specifying binary builds and source repositories at the same time is not allowed",
            ));
        }
        if self.wish.common.strategy.is_some() && words.is_empty() && !self.wish.common.binary {
            return Err(Failure::usage(
                "--strategy is specified and none of the arguments provided could be classified as a source code location",
            ));
        }
        for word in words {
            let located = self.sources().locate(&word).await?;
            self.located.push(located);
        }
        Ok(())
    }

    fn located(&self, word: &str) -> Option<Located> {
        self.located.iter().find(|one| one.typed == word).cloned()
    }

    /// Finds every image and settles every name.
    pub(super) async fn blueprint(&mut self, images: &Images<'_>) -> Result<Blueprint, Failure> {
        let groups = self.found(images).await?;
        let several = groups.len() > 1;
        if several && self.name.is_some() {
            return Err(Failure::usage(
                "only one component or source repository can be used when specifying a name",
            ));
        }
        let mut taken = Taken::default();
        let mut blueprint = Blueprint {
            namespace: images.project.to_owned(),
            target: self.wish.target,
            labels: self.labels.clone(),
            env: self.env.clone(),
            route: self.wish.route,
            ..Blueprint::default()
        };
        for group in groups {
            let mut members = Vec::new();
            for found in group {
                members.push(self.component(found, images, &mut taken).await?);
            }
            let name = members
                .first()
                .map_or_else(String::new, |first: &Component| first.name.clone());
            blueprint.groups.push(Group { name, members });
        }
        if let Some(first) = blueprint.groups.first() {
            blueprint.app.clone_from(&first.name);
        }
        Ok(blueprint)
    }

    async fn found(&mut self, images: &Images<'_>) -> Result<Vec<Vec<Found>>, Failure> {
        let mut builders = Vec::new();
        for part in self.typed.groups.iter().flatten() {
            if !self.wish.common.binary && images.is_builder(part).await {
                builders.push(part.image.clone());
            }
        }
        let typed = self.typed.clone();
        let explicit = self.wish.common.strategy.is_some();
        let has_source = !typed.sources.is_empty();
        let needs = |part: &Part| builders.contains(&part.image) || (explicit && has_source);
        let paired = grammar::pair(typed, &needs)?;
        let mut groups = Vec::new();
        for group in paired.groups {
            let mut members = Vec::new();
            for part in group {
                members.push(self.part(&part, images).await?);
            }
            groups.push(members);
        }
        for source in paired.alone {
            groups.push(vec![self.detected(&source, images).await?]);
        }
        Ok(groups)
    }

    async fn part(&self, part: &Part, images: &Images<'_>) -> Result<Found, Failure> {
        let image = images.find(part, self.wish).await?;
        let source = part.source.as_deref().and_then(|word| self.located(word));
        let builds = image.details.is_builder
            || image.missing.is_some()
            || self.wish.common.strategy.is_some();
        if let (Some(source), false) = (&source, builds) {
            let (program, command) = (self.context.program, self.wish.command);
            return Err(trouble::no_builder(
                &part.image,
                &source.typed,
                program,
                command,
            ));
        }
        Ok(Found {
            asked: part.image.clone(),
            image,
            source,
            detected: None,
        })
    }

    /// A source alone: its builder is found by its files.
    async fn detected(&mut self, word: &str, images: &Images<'_>) -> Result<Found, Failure> {
        let located = self
            .located(word)
            .ok_or_else(|| Failure::ours(format!("{word} was not looked at")))?;
        let names = self.sources().read(&located).await?;
        let languages = detect::language(&names);
        let (program, command) = (self.context.program, self.wish.command);
        let Some(language) = languages.first() else {
            if detect::has(&names, "Dockerfile") {
                return Err(Failure::usage(format!(
                    "{word} has a Dockerfile, and docker builds are not there yet; name a builder: [builder-image]~{word}"
                )));
            }
            return Err(trouble::no_language(word, program, command));
        };
        if detect::has(&names, "Dockerfile") {
            self.warnings.push(format!(
                "the Dockerfile of {word} is not used: docker builds are not there yet, {language} is built from source"
            ));
        }
        let (asked, image) = images.builder(languages, self.wish).await?;
        Ok(Found {
            asked,
            image,
            source: Some(located),
            detected: Some(language),
        })
    }

    async fn component(
        &mut self,
        found: Found,
        images: &Images<'_>,
        taken: &mut Taken,
    ) -> Result<Component, Failure> {
        let is_binary = self.wish.common.binary && self.typed.groups.len() == 1;
        let name = match (&self.name, &found.source) {
            // Names of one group's further members are their own.
            (Some(name), _) => taken.unique(name.clone()),
            (None, Some(source)) => taken.unique(naming::made_up(&source.name)?),
            (None, None) => taken.unique(naming::made_up(&found.image.tag.stream)?),
        };
        let source = match &found.source {
            Some(located) => Some(located.source.clone()),
            None if is_binary => Some(Source::Binary),
            None if self.wish.target == Target::Build => {
                return Err(Failure::usage(format!(
                    "no source code was given for the image {:?}",
                    found.asked
                ))
                .hint("Name a directory or a repository, or make a build that waits for one with --binary."));
            }
            None => None,
        };
        let build = match source {
            Some(source) => {
                toolchain::check(images.client, &found.asked, &found.image.details).await?;
                Some(self.build(source, &name, &found)?)
            }
            None => None,
        };
        Ok(Component {
            name,
            asked: found.asked,
            image: found.image,
            build,
        })
    }

    fn build(&mut self, source: Source, name: &str, found: &Found) -> Result<Build, Failure> {
        let (stream, tag) = split_tag(self.wish.to.as_deref().unwrap_or(name));
        let output = Tag {
            namespace: String::new(),
            stream: stream.to_owned(),
            tag: tag.to_owned(),
        };
        if output == found.image.tag {
            let clash = format!(
                "output image of {:?} should be different than input",
                output.name()
            );
            if self.name.is_none() {
                return Err(Failure::usage(format!(
                    "{clash}, override artifact names with --name"
                )));
            }
            self.context.say(format_args!("--> WARNING: {clash}\n"))?;
        }
        Ok(Build {
            source,
            context_dir: self.wish.common.context_dir.trim_matches('/').to_owned(),
            secret: self.wish.common.source_secret.clone(),
            env: self.build_env.clone(),
            output,
            detected: found.detected,
            webhooks: [secret()?, secret()?],
        })
    }
}

/// Twenty random characters for a webhook's URL.
fn secret() -> Result<String, Failure> {
    let mut bytes = [0_u8; 10];
    getrandom::fill(&mut bytes).map_err(|error| Failure::ours(error.to_string()))?;
    Ok(text::hex(&bytes))
}

/// The image streams that the project has, with their tags; a stream is known even when it has none.
pub(super) fn known(images: &Images<'_>, project: &str) -> Known {
    let own = images
        .streams
        .iter()
        .filter(|stream| stream.metadata.namespace == project);
    own.map(|stream| {
        let spec = stream.spec.tags.iter().map(|tag| tag.name.clone());
        let status = stream.status.tags.iter().map(|tag| tag.tag.clone());
        let mut tags: Vec<String> = spec.chain(status).collect();
        tags.push(String::new());
        (stream.metadata.name.clone(), tags)
    })
    .collect()
}
