//! Builds in words: what a build config makes from what, and how its last builds went.
//!
//! Mimics `describeBuildInPipeline` and `describeAdditionalBuildDetail` of oc's projectstatus.go.

use std::fmt::Write;

use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::build::SourceRevision;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::status::graph::BuildPipeline;
use crate::cli::status::names::Names;

/// Whether an older success is told of when something newer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    Shown,
    /// Only beside a build that is under way.
    AsContext,
}

/// `bc/x source builds URL on openshift/python:latest`, without the space that oc leaves at its end.
pub fn makes(names: Names, pipeline: &BuildPipeline) -> String {
    let config = pipeline.config;
    let local = Names {
        here: &config.metadata.namespace,
    };
    let name = names.of("bc", &config.metadata);
    let strategy = strategy(config);
    if strategy == "jenkinspipeline" {
        return format!("{name} is a Jenkins Pipeline");
    }
    let (Some(source), false) = (source(config), strategy.is_empty()) else {
        return format!("{name} unconfigured {strategy} build");
    };
    let mut line = format!("{name} {strategy} builds {source}");
    if let Some(base) = &pipeline.base {
        let _ = write!(line, " on {}", local.image(base));
    }
    if !pipeline.feeders.is_empty() {
        let feeders: Vec<String> = pipeline
            .feeders
            .iter()
            .map(|config| format!("bc/{}", config.metadata.name))
            .collect();
        let _ = write!(line, " (from {})", feeders.join(", "));
    }
    line
}

fn strategy(config: &BuildConfig) -> String {
    let strategy = &config.spec.common.strategy;
    match strategy.kind.as_str() {
        "" if strategy.source_strategy.is_some() => "source".to_owned(),
        kind => kind.to_lowercase(),
    }
}

fn source(config: &BuildConfig) -> Option<String> {
    let source = &config.spec.common.source;
    if let Some(git) = &source.git {
        return Some(match git.reference.as_str() {
            "" => git.uri.clone(),
            reference => format!("{}#{reference}", git.uri),
        });
    }
    match source.kind.as_str() {
        "Dockerfile" => Some("Dockerfile".to_owned()),
        _ if source.binary.is_some() => Some("uploaded code".to_owned()),
        "Binary" => Some("uploaded code".to_owned()),
        "Image" => Some("contents in other images".to_owned()),
        _ => None,
    }
}

/// A build config that nothing shown above uses, a line for it and one for where its image goes.
pub fn alone(names: Names, pipeline: &BuildPipeline) -> Vec<String> {
    let mut lines = vec![format!("{} ", makes(names, pipeline))];
    if let Some(output) = &pipeline.output {
        let local = Names {
            here: &pipeline.config.metadata.namespace,
        };
        lines.push(format!("-> {}", local.image(output)));
    }
    lines
}

/// A line for each build worth knowing of.
pub fn details(pipeline: &BuildPipeline, older: Older, now: Timestamp) -> Vec<String> {
    let line = |build: &Build| phase(build, pipeline, now);
    let passed = pipeline.succeeded.and_then(moment);
    let failed = pipeline.failed.and_then(moment);
    let mut finished = Vec::new();
    if let Some(build) = pipeline.succeeded
        && (older == Older::Shown || !pipeline.active.is_empty())
    {
        finished.push(line(build));
    }
    if let Some(build) = pipeline.failed
        && passed < failed
    {
        finished.push(line(build));
    }
    let active: Vec<String> = pipeline.active.iter().map(|build| line(build)).collect();
    let newest = pipeline.active.first().and_then(|build| moment(build));
    let mut lines = if newest < passed.max(failed) {
        [finished, active].concat()
    } else {
        [active, finished].concat()
    };
    if lines.is_empty() && pipeline.succeeded.is_none() {
        lines.push("not built yet".to_owned());
    }
    lines
}

/// When a build ended, else began, else was asked for.
fn moment(build: &Build) -> Option<Timestamp> {
    let status = &build.status;
    status
        .completion_timestamp
        .or(status.start_timestamp)
        .or(build.metadata.creation_timestamp)
}

fn phase(build: &Build, pipeline: &BuildPipeline, now: Timestamp) -> String {
    let config = &pipeline.config.metadata.name;
    let name = &build.metadata.name;
    let number = name
        .strip_prefix(config)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|number| number.parse::<u64>().ok());
    let name = match number {
        Some(number) => format!("build #{number}"),
        None => format!("build/{name}"),
    };
    let time = moment(build).map_or_else(
        || "<unknown>".to_owned(),
        |moment| text::about(now.since(moment)).to_lowercase(),
    );
    let commit = commit(build.spec.common.revision.as_ref());
    let stuck = match build.spec.common.output.to {
        Some(_) if !pipeline.can_push => " (can't push to image)",
        _ => "",
    };
    let how = match build.status.phase {
        BuildPhase::Complete => format!("succeeded {time} ago"),
        BuildPhase::Error => format!("stopped with an error {time} ago"),
        BuildPhase::Failed => format!("failed {time} ago"),
        BuildPhase::New => format!("new for {time}"),
        BuildPhase::Pending => format!("pending for {time}"),
        BuildPhase::Running => format!("running for {time}"),
        BuildPhase::Cancelled => format!("cancelled for {time}"),
    };
    format!("{name} {how}{commit}{stuck}")
}

/// ` - 7a4f354: MESSAGE (AUTHOR <MAIL>)`, or nothing.
fn commit(revision: Option<&SourceRevision>) -> String {
    let Some(git) = revision.and_then(|revision| revision.git.as_ref()) else {
        return String::new();
    };
    let who = [&git.author, &git.committer].map(|person| {
        match (person.name.as_str(), person.email.as_str()) {
            ("", mail) => mail.to_owned(),
            (name, "") => name.to_owned(),
            (name, mail) => format!("{name} <{mail}>"),
        }
    });
    let who = who.into_iter().find(|who| !who.is_empty());
    let who = who.map_or_else(String::new, |who| format!(" ({who})"));
    let commit: String = git.commit.chars().take(7).collect();
    // A message may have a body; the line has room for its subject.
    let subject = git.message.lines().next().unwrap_or_default();
    format!(" - {commit}: {subject}{who}")
}
