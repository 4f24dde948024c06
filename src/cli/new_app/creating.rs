//! A blueprint's objects are made, a row each; sources that are here are sent for their first build.

use serde_json::Value;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Typed;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::builds::link::Link;
use crate::cli::builds::packed;
use crate::cli::builds::request;
use crate::cli::new_app::blueprint::Blueprint;
use crate::cli::new_app::blueprint::Build;
use crate::cli::new_app::blueprint::Source;
use crate::cli::objects::writing::DryRun;
use crate::client::WriteOptions;
use crate::client::connection::Connection;

/// What was made so far, and what was refused.
pub(super) struct Creating<'a> {
    context: &'a Context,
    pub link: Link<'a>,
    speaks: bool,
    pub made: Vec<Value>,
    pub failures: Vec<Failure>,
}

impl<'a> Creating<'a> {
    /// Nothing is made yet.
    pub(super) fn new(context: &'a Context, connection: Connection, speaks: bool) -> Creating<'a> {
        Creating {
            context,
            link: Link::new(context, connection),
            speaks,
            made: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Makes the objects; one that is refused does not keep the others from being made.
    pub(super) async fn make(&mut self, objects: &[Value]) -> Result<(), Failure> {
        self.all(objects, &WriteOptions::default(), "").await
    }

    /// Shows what would be made; with `server` each is checked there.
    pub(super) async fn show(&mut self, objects: &[Value], how: DryRun) -> Result<(), Failure> {
        if how == DryRun::Server {
            let options = WriteOptions {
                dry_run: true,
                ..WriteOptions::default()
            };
            return self.all(objects, &options, " (server dry run)").await;
        }
        for object in objects {
            if let Some(kind) = kinds::of(object) {
                self.row(kind, object, " (dry run)")?;
            }
        }
        Ok(())
    }

    async fn all(
        &mut self,
        objects: &[Value],
        options: &WriteOptions,
        suffix: &str,
    ) -> Result<(), Failure> {
        let namespace = self.link.connection.namespace.clone();
        for object in objects {
            let Some(kind) = kinds::of(object) else {
                continue;
            };
            match self.link.create(kind, &namespace, object, options).await {
                Ok(mut made) => {
                    made["kind"] = kind.kind.into();
                    made["apiVersion"] = kind.api_version().into();
                    self.row(kind, &made, suffix)?;
                    self.made.push(made);
                }
                Err(failure) => self.refused(failure)?,
            }
        }
        Ok(())
    }

    fn row(&self, kind: &Kind, object: &Value, suffix: &str) -> Result<(), Failure> {
        if self.speaks {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            self.context.out(format_args!(
                "    {} {name:?} created{suffix}\n",
                kind.prefix()
            ))?;
        }
        Ok(())
    }

    /// A row that failed goes to stderr; a server that is gone ends it all.
    fn refused(&mut self, failure: Failure) -> Result<(), Failure> {
        let crate::cli::failure::Kind::Refused(status) = &failure.kind else {
            return Err(failure);
        };
        let words = match status.causes() {
            [] => status.message.clone(),
            _ => failure.lines().join(" "),
        };
        self.context.say(format_args!("    error: {words}\n"))?;
        self.failures.push(failure);
        Ok(())
    }

    /// Sends what only this machine has, for the first builds of it.
    pub(super) async fn start_builds(&mut self, blueprint: &Blueprint) -> Result<(), Failure> {
        let members = blueprint.groups.iter().flat_map(|group| &group.members);
        for member in members {
            let Some(build) = &member.build else {
                continue;
            };
            let was_made = self.made.iter().any(|object| {
                kinds::BUILD_CONFIG.describes(object)
                    && object["metadata"]["name"] == member.name.as_str()
            });
            if was_made {
                self.start_build(&member.name, build).await?;
            }
        }
        Ok(())
    }

    async fn start_build(&mut self, name: &str, build: &Build) -> Result<(), Failure> {
        let environment = &self.context.environment;
        let packed = match &build.source {
            Source::Directory(path) => packed::directory(path)?,
            Source::LocalGit {
                path, reference, ..
            } => packed::commit(environment, path, reference).await?,
            Source::Binary | Source::Git { .. } => return Ok(()),
        };
        for note in &packed.notes {
            self.context.say(format_args!("warning: {note}\n"))?;
        }
        let namespace = self.link.connection.namespace.clone();
        let config = request::config(&mut self.link, &namespace, name).await?;
        match request::instantiate_binary(&mut self.link, &config, &packed, "").await {
            Ok(build) => {
                let object = build.to_object();
                self.row(&kinds::BUILD, &object, "")?;
                self.made.push(object);
                Ok(())
            }
            Err(failure) => self.refused(failure),
        }
    }

    /// The end of a command that was refused something; its rows are told already unless stdout is for programs.
    pub(super) fn outcome(&self, as_data: bool) -> Result<Exit, Failure> {
        let Some(first) = self.failures.first() else {
            return Ok(Exit::Done);
        };
        if as_data {
            let lines: Vec<String> = self.failures.iter().flat_map(Failure::lines).collect();
            return Err(Failure::ours(lines.join("\n")));
        }
        Ok(first.exit())
    }
}
