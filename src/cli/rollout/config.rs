//! `rollout` of deployment configs: OpenShift's own words for what it does to dc/NAME.
//!
//! Sources: facts/oc.md 5.6 and 5.7; oc's pkg/helpers and openshift-apiserver's status viewer for the order of the cases.

use std::ops::ControlFlow;

use http::HeaderMap;
use http::HeaderValue;
use http::Method;
use http::header;
use serde_json::Value;
use serde_json::json;

use crate::api::core::Condition;
use crate::api::deployment::ANNOTATION_CANCELLED;
use crate::api::deployment::ANNOTATION_CONFIG;
use crate::api::deployment::ANNOTATION_REASON;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::RolloutPhase;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::pod::ReplicationController;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::failure::Kind;
use crate::cli::objects::follow::follow;
use crate::cli::objects::selection::Meant;
use crate::cli::output::Format;
use crate::cli::output::structured;
use crate::client;
use crate::client::Client;
use crate::client::Patch;
use crate::client::WriteOptions;
use crate::plan::deployment_config::version;

/// Start a new rollout of a deployment config with its latest images
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LatestArgs {
    /// The deployment config
    #[arg(value_name = "dc/NAME")]
    target: String,
    /// Keep the images that run, instead of the latest
    #[arg(long)]
    again: bool,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print the deployment config instead of a line: json, yaml, name, jsonpath=TEMPLATE
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
}

/// Bring back an earlier version of a deployment config
#[derive(Clone, Debug, clap::Args)]
pub(super) struct UndoArgs {
    /// The deployment config
    #[arg(value_name = "dc/NAME")]
    target: String,
    /// The number of the version, instead of the last complete one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    to_revision: u64,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
}

/// The name of the deployment config that a word means, if it means one.
pub(super) fn named(word: &str) -> Option<&str> {
    let (kind, name) = word.split_once('/')?;
    let kind = kinds::named(kind)?;
    (*kind == kinds::DEPLOYMENT_CONFIG && !name.is_empty()).then_some(name)
}

/// One deployment config and what it made.
struct Found {
    client: Client,
    config: DeploymentConfig,
    /// Its replication controllers, oldest first.
    controllers: Vec<ReplicationController>,
}

impl Found {
    async fn read(word: &str, context: &Context) -> Result<Found, Failure> {
        let Some(name) = named(word) else {
            return Err(Failure::usage(format!(
                "expected deployment configuration as dc/NAME, got {word:?}"
            )));
        };
        let connection = context.connect(Purpose::Reading).await?;
        let client = connection.client;
        let key = Key::new(connection.namespace, name);
        let config = client.get::<DeploymentConfig>(&key).await?;
        let all = client
            .list::<ReplicationController>(&key.namespace, &client::ListOptions::default())
            .await?;
        let mut controllers = all.items;
        controllers.retain(|one| {
            one.metadata
                .annotations
                .get(ANNOTATION_CONFIG)
                .map(String::as_str)
                == Some(name)
        });
        controllers.sort_by_key(version);
        Ok(Found {
            client,
            config,
            controllers,
        })
    }

    fn name(&self) -> String {
        let prefix = kinds::DEPLOYMENT_CONFIG.prefix();
        format!("{prefix}/{}", self.config.metadata.name)
    }

    fn latest(&self) -> Option<&ReplicationController> {
        let wanted = self.config.status.latest_version;
        self.controllers.iter().find(|one| version(one) == wanted)
    }

    /// Asks a subresource of the config.
    async fn post(&self, subresource: &str, body: &Value) -> Result<Value, Failure> {
        let metadata = &self.config.metadata;
        let path = kinds::DEPLOYMENT_CONFIG.path(&metadata.namespace, &metadata.name);
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::ACCEPT, json.clone());
        headers.insert(header::CONTENT_TYPE, json);
        let path = format!("{path}/{subresource}");
        let answer = self
            .client
            .raw(Method::POST, &path, headers, body.to_string())
            .await?;
        let bytes = client::check(answer).await?.into_body().bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| Failure::ours(error.to_string()))
    }

    async fn patch(&self, body: Value) -> Result<(), Failure> {
        let key = self.config.metadata.key();
        let options = WriteOptions::default();
        let kind = &kinds::DEPLOYMENT_CONFIG;
        self.client
            .patch(kind, &key, None, &Patch::Merge(body), &options)
            .await?;
        Ok(())
    }
}

/// Runs `rollout latest`.
pub(super) async fn latest(args: &LatestArgs, context: &Context) -> Result<Exit, Failure> {
    let format = Format::parse(args.output.as_deref(), &Format::WRITERS)?;
    if named(&args.target).is_none() && args.target.contains('/') {
        return Err(Failure::usage(format!(
            "expected deployment configuration, got {:?}",
            args.target
        )));
    }
    let word = match args.target.split_once('/') {
        Some(_) => args.target.clone(),
        None => format!("dc/{}", args.target),
    };
    let found = Found::read(&word, context).await?;
    if found.config.spec.paused {
        return Err(Failure::ours("cannot deploy a paused deployment config"));
    }
    if let Some(latest) = found.latest() {
        let phase = RolloutPhase::of(&latest.metadata);
        if !phase.is_final() {
            let number = found.config.status.latest_version;
            return Err(Failure::new(
                Kind::Locked,
                format!("#{number} is already in progress ({}).", phase.name()),
            )
            .hint(format!(
                "Optionally, you can cancel this deployment using '{} rollout cancel {word}'.",
                context.name()
            )));
        }
    }
    if args.dry_run {
        context.out(format_args!("{} rolled out (dry run)\n", found.name()))?;
        return Ok(Exit::Done);
    }
    let request = json!({
        "apiVersion": kinds::DEPLOYMENT_CONFIG.api_version(),
        "kind": "DeploymentRequest",
        "name": found.config.metadata.name,
        "latest": !args.again,
        "force": true,
    });
    let config = found.post("instantiate", &request).await?;
    if format.is_table() {
        context.out(format_args!("{} rolled out\n", found.name()))?;
    } else {
        context.out(format_args!("{}", structured::one(&format, &config)?))?;
    }
    Ok(Exit::Done)
}

/// How a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Waiting(String),
    Done(String),
    Failed(String),
}

/// Runs `rollout status`.
pub(super) async fn status(
    word: &str,
    revision: Option<u64>,
    watch: bool,
    context: &Context,
) -> Result<Exit, Failure> {
    let found = Found::read(word, context).await?;
    if !watch {
        let (text, exit) = match standing(&found.config, revision, context.name()) {
            Standing::Waiting(text) | Standing::Done(text) => (text, Exit::Done),
            Standing::Failed(text) => return Err(Failure::ours(text)),
        };
        context.out(format_args!("{text}\n"))?;
        return Ok(exit);
    }
    let one = Meant {
        kind: &kinds::DEPLOYMENT_CONFIG,
        key: found.config.metadata.key(),
    };
    let mut said = String::new();
    let end = follow(&found.client, &one, |object| {
        let Some(object) = object else {
            return ControlFlow::Break(Standing::Failed(format!("{} is gone", found.name())));
        };
        let Ok(config) = client::decode::<DeploymentConfig>(object.clone()) else {
            return ControlFlow::Continue(());
        };
        match standing(&config, revision, context.name()) {
            Standing::Waiting(text) => {
                if text != said {
                    // A reader that went away ends the next write that matters.
                    let _ = context.out(format_args!("{text}\n"));
                    said = text;
                }
                ControlFlow::Continue(())
            }
            end => ControlFlow::Break(end),
        }
    });
    match end.await? {
        Standing::Failed(text) => Err(Failure::ours(text)),
        Standing::Done(text) | Standing::Waiting(text) => {
            context.out(format_args!("{text}\n"))?;
            Ok(Exit::Done)
        }
    }
}

fn standing(config: &DeploymentConfig, revision: Option<u64>, program: &str) -> Standing {
    let (name, status, spec) = (&config.metadata.name, &config.status, &config.spec);
    if status.latest_version == 0 {
        let triggers = spec.triggers.as_deref();
        if triggers.is_some_and(|all| all.iter().any(|one| one.kind == "ImageChange")) {
            return Standing::Waiting(format!(
                "Deployment config {name:?} waiting on image update"
            ));
        }
        if triggers.is_some_and(<[_]>::is_empty) {
            return Standing::Failed(format!(
                "Deployment config {name:?} waiting on manual update (use '{program} rollout latest {name}')"
            ));
        }
    }
    if let Some(wanted) = revision.filter(|wanted| *wanted > 0 && *wanted != status.latest_version)
    {
        return Standing::Failed(format!(
            "desired revision ({wanted}) is different from the running revision ({})",
            status.latest_version
        ));
    }
    let progressing: Option<&Condition> = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing");
    let message = progressing
        .map(|one| one.message.clone())
        .unwrap_or_default();
    let waiting =
        |text: String| Standing::Waiting(format!("Waiting for rollout to finish: {text}..."));
    if config.metadata.generation > status.observed_generation {
        return Standing::Waiting(
            "Waiting for latest deployment config spec to be observed by the controller loop..."
                .to_owned(),
        );
    }
    match progressing.map_or("", |one| one.reason.as_str()) {
        "NewReplicationControllerAvailable" => Standing::Done(message),
        "ProgressDeadlineExceeded" | "RolloutCancelled" => Standing::Failed(message),
        "DeploymentConfigPaused" => Standing::Failed(format!(
            "Deployment config {name:?} is paused. Resume to continue watching the status of the rollout."
        )),
        _ if status.updated_replicas < spec.replicas => waiting(format!(
            "{} out of {} new replicas have been updated",
            status.updated_replicas, spec.replicas
        )),
        _ if status.replicas > status.updated_replicas => waiting(format!(
            "{} old replicas are pending termination",
            status.replicas - status.updated_replicas
        )),
        _ if status.available_replicas < spec.replicas => waiting(format!(
            "{} of {} updated replicas are available",
            status.available_replicas, spec.replicas
        )),
        _ => Standing::Waiting(
            "Waiting for latest deployment config spec to be observed by the controller loop..."
                .to_owned(),
        ),
    }
}

/// Runs `rollout history`.
pub(super) async fn history(
    word: &str,
    revision: Option<u64>,
    context: &Context,
) -> Result<Exit, Failure> {
    let found = Found::read(word, context).await?;
    if let Some(wanted) = revision {
        let one = found.controllers.iter().find(|one| version(one) == wanted);
        let Some(one) = one else {
            return Err(Failure::not_found("unable to find the specified revision"));
        };
        let containers = one.spec.template["spec"]["containers"].as_array();
        let containers: Vec<String> = containers
            .into_iter()
            .flatten()
            .map(|container| {
                let text = |field: &str| container[field].as_str().unwrap_or_default();
                format!("   {}:\n    Image:\t{}\n", text("name"), text("image"))
            })
            .collect();
        context.out(format_args!(
            "{} with revision #{wanted}\nPod Template:\n  Containers:\n{}\n",
            found.name(),
            containers.concat()
        ))?;
        return Ok(Exit::Done);
    }
    if found.controllers.is_empty() {
        context.out(format_args!("No rollout history found.\n"))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 3]> = found
        .controllers
        .iter()
        .map(|one| {
            let cause = one.metadata.annotations.get(ANNOTATION_REASON);
            [
                version(one).to_string(),
                RolloutPhase::of(&one.metadata).name().to_owned(),
                cause.map_or("<unknown>", String::as_str).to_owned(),
            ]
        })
        .collect();
    context.out(format_args!("{} \n{}\n", found.name(), table(&rows)))?;
    Ok(Exit::Done)
}

/// Columns at stops of eight, set with tabs as `oc` sets them.
fn table(rows: &[[String; 3]]) -> String {
    let header = ["REVISION", "STATUS", "CAUSE"].map(str::to_owned);
    let all: Vec<&[String; 3]> = std::iter::once(&header).chain(rows).collect();
    let stop = |column: usize| {
        let widest = all.iter().map(|row| row[column].chars().count()).max();
        widest.unwrap_or(0) / 8 + 1
    };
    let stops = [stop(0), stop(1)];
    let lines: Vec<String> = all
        .iter()
        .map(|row| {
            let cell = |column: usize| {
                let tabs = stops[column] - row[column].chars().count() / 8;
                format!("{}{}", row[column], "\t".repeat(tabs))
            };
            format!("{}{}{}\n", cell(0), cell(1), row[2])
        })
        .collect();
    lines.concat()
}

/// Runs `rollout pause` and `rollout resume`.
pub(super) async fn pause(word: &str, paused: bool, context: &Context) -> Result<Exit, Failure> {
    let found = Found::read(word, context).await?;
    if found.config.spec.paused == paused {
        let how = if paused {
            "already paused"
        } else {
            "not paused"
        };
        return Err(Failure::ours(format!(
            "deploymentconfigs.apps.openshift.io {:?} is {how}",
            found.config.metadata.name
        )));
    }
    found.patch(json!({"spec": {"paused": paused}})).await?;
    let done = if paused { "paused" } else { "resumed" };
    context.out(format_args!("{} {done}\n", found.name()))?;
    Ok(Exit::Done)
}

/// Runs `rollout cancel`.
pub(super) async fn cancel(word: &str, context: &Context) -> Result<Exit, Failure> {
    let found = Found::read(word, context).await?;
    let Some(newest) = found.controllers.last() else {
        return Err(Failure::not_found(format!(
            "there have been no replication controllers for {}",
            found.config.metadata.key()
        )));
    };
    let running = found
        .controllers
        .iter()
        .filter(|one| !RolloutPhase::of(&one.metadata).is_final());
    let mut cancelled = false;
    for one in running {
        let body = json!({"metadata": {"annotations": {
            ANNOTATION_CANCELLED: "true",
            ANNOTATION_REASON: "cancelled by the user",
        }}});
        let (key, options) = (one.metadata.key(), WriteOptions::default());
        let kind = &kinds::REPLICATION_CONTROLLER;
        found
            .client
            .patch(kind, &key, None, &Patch::Merge(body), &options)
            .await?;
        cancelled = true;
    }
    if cancelled {
        context.out(format_args!("{} cancelling\n", found.name()))?;
        return Ok(Exit::Done);
    }
    let age = newest
        .metadata
        .creation_timestamp
        .map_or_else(String::new, |made| {
            let spoken = text::about(context.clock.now().since(made));
            format!(" {} ago", lowered(&spoken))
        });
    context.out(format_args!(
        "No rollout is in progress (latest rollout #{} {}{age})\n",
        version(newest),
        RolloutPhase::of(&newest.metadata).name().to_lowercase()
    ))?;
    Ok(Exit::Done)
}

/// `About an hour` in the middle of a sentence.
fn lowered(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_lowercase(), letters.as_str())
    })
}

/// Runs `rollout undo`.
pub(super) async fn undo(args: &UndoArgs, context: &Context) -> Result<Exit, Failure> {
    let found = Found::read(&args.target, context).await?;
    let name = &found.config.metadata.name;
    if found.config.spec.paused {
        return Err(Failure::ours(format!(
            "cannot rollback a paused config; resume it first with 'rollout resume dc/{name}' and try again"
        )));
    }
    let latest = found.config.status.latest_version;
    let target = found.controllers.iter().rev().find(|one| {
        if args.to_revision > 0 {
            return version(one) == args.to_revision;
        }
        version(one) < latest && RolloutPhase::of(&one.metadata) == RolloutPhase::Complete
    });
    let Some(target) = target else {
        return Err(Failure::not_found("couldn't find deployment for rollback"));
    };
    if args.dry_run {
        context.out(format_args!(
            "{} rolled back to {} (dry run)\n",
            found.name(),
            target.metadata.name
        ))?;
        return Ok(Exit::Done);
    }
    let request = json!({
        "apiVersion": kinds::DEPLOYMENT_CONFIG.api_version(),
        "kind": "DeploymentConfigRollback",
        "name": name,
        "spec": {
            "from": {"name": target.metadata.name},
            "includeTemplate": true,
            "includeTriggers": false,
            "includeStrategy": false,
            "includeReplicationMeta": false,
            "revision": version(target),
        },
    });
    let config = found.post("rollback", &request).await?;
    let (key, options) = (found.config.metadata.key(), WriteOptions::default());
    let kind = &kinds::DEPLOYMENT_CONFIG;
    found.client.replace(kind, &key, &config, &options).await?;
    context.out(format_args!("{} rolled back\n", found.name()))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: Value, expect: &Standing) {
        let config: DeploymentConfig = serde_json::from_value(config).unwrap();
        assert_eq!(standing(&config, None, "oc"), *expect);
    }

    #[test]
    fn a_rollout_stands_as_its_conditions_say() {
        let with = |version: u64, reason: &str, updated: u32| {
            json!({
                "metadata": {"name": "x"},
                "spec": {"replicas": 3, "triggers": []},
                "status": {
                    "latestVersion": version,
                    "updatedReplicas": updated,
                    "replicas": updated,
                    "conditions": [{"type": "Progressing", "reason": reason, "message": "why"}],
                },
            })
        };
        let text = str::to_owned;
        check(
            with(0, "", 0),
            &Standing::Failed(text(
                "Deployment config \"x\" waiting on manual update (use 'oc rollout latest x')",
            )),
        );
        check(
            with(1, "NewReplicationControllerAvailable", 3),
            &Standing::Done(text("why")),
        );
        check(
            with(1, "ProgressDeadlineExceeded", 1),
            &Standing::Failed(text("why")),
        );
        check(
            with(1, "", 1),
            &Standing::Waiting(text(
                "Waiting for rollout to finish: 1 out of 3 new replicas have been updated...",
            )),
        );
        check(
            with(1, "", 3),
            &Standing::Waiting(text(
                "Waiting for rollout to finish: 0 of 3 updated replicas are available...",
            )),
        );
    }

    #[test]
    fn columns_stand_at_tab_stops() {
        let row = ["1", "Complete", "config change"].map(str::to_owned);
        assert_eq!(
            table(&[row]),
            "REVISION\tSTATUS\t\tCAUSE\n1\t\tComplete\tconfig change\n"
        );
    }

    #[test]
    fn only_deployment_configs_are_named() {
        assert_eq!(named("dc/x"), Some("x"));
        assert_eq!(named("deploymentconfig.apps.openshift.io/x"), Some("x"));
        assert_eq!(named("app/x"), None);
        assert_eq!(named("x"), None);
    }
}
