//! Builds and what makes them, in oc's rows.
//!
//! Mimics `BuildConfigDescriber` and `BuildDescriber` of oc's describer.go. Secrets of webhooks stand as `<secret>`.

use std::time::Duration;

use serde_json::Value;

use crate::api::build::BUILD_POD_NAME;
use crate::api::build::Build;
use crate::api::build::BuildConfig;
use crate::api::build::BuildPhase;
use crate::api::build::CommonSpec;
use crate::api::build::ObjectRef;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// How many builds of a config are listed.
const BUILDS: usize = 10;

/// Writes a build config.
pub fn config(one: &BuildConfig, related: &Related, now: Timestamp, page: &mut Page) {
    page.openshift_metadata(&one.metadata, now);
    let version = match one.status.last_version {
        0 => "Never built".to_owned(),
        version => version.to_string(),
    };
    page.field("Latest Version", version);
    common(&one.spec.common, page);
    page.gap();
    let policy = match one.spec.run_policy.as_str() {
        "" => "Serial",
        policy => policy,
    };
    page.field("Build Run Policy", policy);
    triggers(one, related, page);
    let limits = [
        ("Successful", one.spec.successful_builds_history_limit),
        ("Failed", one.spec.failed_builds_history_limit),
    ];
    if limits.iter().any(|(_, limit)| limit.is_some()) {
        page.line("Builds History Limit:");
        for (name, limit) in limits {
            if let Some(limit) = limit {
                page.line(&format!("\t{name}:\t{limit}"));
            }
        }
    }
    let mut builds: Vec<&Build> = related.builds.iter().collect();
    builds.sort_by_key(|build| {
        let number = build
            .metadata
            .name
            .rsplit_once('-')
            .map(|(_, number)| number.parse::<u64>());
        std::cmp::Reverse((
            build.metadata.creation_timestamp,
            number.and_then(Result::ok),
        ))
    });
    if builds.is_empty() {
        return;
    }
    page.gap();
    page.line("Build\tStatus\tDuration\tCreation Time");
    for build in builds.into_iter().take(BUILDS) {
        let created = build.metadata.creation_timestamp;
        page.line(&format!(
            "{} \t{} \t{} \t{}",
            build.metadata.name,
            word(&build.status.phase).to_lowercase(),
            duration(build, now),
            created.map_or_else(String::new, moment)
        ));
    }
}

/// As Go prints a time: `2026-11-20 20:44:04 +0000 UTC`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} +0000 UTC", text.replace('T', " ").trim_end_matches('Z'))
}

fn triggers(one: &BuildConfig, related: &Related, page: &mut Page) {
    let mut labels = Vec::new();
    let mut hooks = Vec::new();
    for trigger in &one.spec.triggers {
        match trigger.kind.as_str() {
            "ConfigChange" => labels.push("Config".to_owned()),
            "ImageChange" => {
                let from = trigger
                    .image_change
                    .as_ref()
                    .and_then(|change| change.from.as_ref());
                labels.push(match from.filter(|from| !from.name.is_empty()) {
                    Some(from) => format!("Image({} {})", from.kind, from.name),
                    None => "ImageChange".to_owned(),
                });
            }
            hook => hooks.push(hook.to_owned()),
        }
    }
    page.field("Triggered by", labels.join(", "));
    for hook in hooks {
        let path = format!(
            "/apis/build.openshift.io/v1/namespaces/{}/buildconfigs/{}/webhooks/<secret>/{}",
            one.metadata.namespace,
            one.metadata.name,
            hook.to_lowercase()
        );
        page.line(&format!("Webhook {hook}:"));
        page.line(&format!("\tURL:\t{}{path}", related.server));
    }
}

/// Writes a build.
pub fn build(one: &Build, now: Timestamp, page: &mut Page) {
    let status = &one.status;
    page.openshift_metadata(&one.metadata, now);
    page.gap();
    let phase = word(&status.phase);
    page.field(
        "Status",
        match status.message.as_str() {
            "" => phase,
            message => format!("{phase} ({message})"),
        },
    );
    if let Some(started) = status.start_timestamp {
        page.field("Started", started.mail().replace("+0000", "UTC"));
    }
    page.field("Duration", duration(one, now));
    for stage in &status.stages {
        let milliseconds = stage["durationMilliseconds"].as_u64().unwrap_or(0);
        let name = stage["name"].as_str().unwrap_or_default();
        page.field(
            &format!("  {name}"),
            format!("  {}", go_duration(Duration::from_millis(milliseconds))),
        );
    }
    page.gap();
    if let Some(config) = &status.config {
        page.field("Build Config", &config.name);
    }
    let pod = one.metadata.annotations.get(BUILD_POD_NAME).cloned();
    page.field(
        "Build Pod",
        pod.unwrap_or_else(|| format!("{}-build", one.metadata.name)),
    );
    let output = status
        .output
        .as_ref()
        .map(|output| &output["to"]["imageDigest"]);
    page.field_if(
        "Image Digest",
        output.and_then(Value::as_str).unwrap_or_default(),
    );
    common(&one.spec.common, page);
    for cause in &one.spec.triggered_by {
        page.gap();
        page.field(
            "Build trigger cause",
            cause["message"].as_str().unwrap_or_default(),
        );
    }
    page.field_if("Log Tail", status.log_snippet.trim_end());
}

/// What a build config hands on to its builds.
fn common(spec: &CommonSpec, page: &mut Page) {
    let (source, strategy) = (&spec.source, &spec.strategy);
    page.gap();
    let kind = match strategy.kind.as_str() {
        "" => "Source",
        kind => kind,
    };
    page.field("Strategy", kind);
    if let Some(git) = &source.git {
        page.field("URL", &git.uri);
        page.field_if("Ref", &git.reference);
        page.field_if("ContextDir", &source.context_dir);
        let secret = source.source_secret.as_ref();
        page.field_if(
            "Source Secret",
            secret.map_or("", |secret| secret.name.as_str()),
        );
        commit(spec, page);
    }
    if let Some(from) = &strategy.source_strategy {
        page.field_if("From Image", reference(&from.from));
        page.field_if("Scripts", &from.scripts);
        if from.incremental == Some(true) {
            page.field("Incremental Build", "yes");
        }
        for variable in &from.env {
            let value = match variable.value_from {
                Some(_) => "<set from elsewhere>",
                None => variable.value.as_str(),
            };
            page.field("Environment", format!("{}={value}", variable.name));
        }
    }
    if let Some(to) = &spec.output.to {
        page.field("Output to", reference(to));
    }
    if let Some(binary) = &source.binary {
        page.field(
            "Binary",
            match binary.as_file.as_str() {
                "" => "provided on build".to_owned(),
                file => format!("provided as file {file:?} on build"),
            },
        );
    }
    if source.git.is_none() && source.binary.is_none() && source.kind != "Dockerfile" {
        page.field("Empty Source", "no input source provided");
    }
    if let Some(hook) = &spec.post_commit {
        let list = |field: &str| {
            let words = hook[field].as_array();
            words.map(|words| {
                words
                    .iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        let script = hook["script"].as_str().map(str::to_owned);
        let text = list("command").or(script).or_else(|| list("args"));
        page.field_if("Post Commit Hook", text.unwrap_or_default());
    }
    if let Some(seconds) = spec.completion_deadline_seconds {
        page.field("Fail Build After", text::span(Duration::from_secs(seconds)));
    }
}

fn commit(spec: &CommonSpec, page: &mut Page) {
    let Some(git) = spec
        .revision
        .as_ref()
        .and_then(|revision| revision.git.as_ref())
    else {
        return;
    };
    let commit: String = git.commit.chars().take(7).collect();
    let subject = git.message.lines().next().unwrap_or_default();
    page.field("Commit", format!("{commit} ({subject})"));
    if git.author == git.committer {
        page.field_if("Author/Committer", &git.author.name);
    } else {
        page.field_if("Author", &git.author.name);
        page.field_if("Committer", &git.committer.name);
    }
}

/// `ImageStreamTag openshift/ruby:latest`, or nothing.
fn reference(reference: &ObjectRef) -> String {
    match (reference.namespace.as_str(), reference.name.as_str()) {
        (_, "") => String::new(),
        ("", name) => format!("{} {name}", reference.kind),
        (namespace, name) => format!("{} {namespace}/{name}", reference.kind),
    }
}

/// How long a build took, has taken, or waits.
fn duration(build: &Build, now: Timestamp) -> String {
    let status = &build.status;
    let created = build.metadata.creation_timestamp.unwrap_or(now);
    let span = |to: Timestamp, from: Timestamp| text::span(to.since(from));
    match (status.start_timestamp, status.completion_timestamp) {
        (Some(started), Some(ended)) => span(ended, started),
        (Some(started), None) => format!("running for {}", span(now, started)),
        (None, Some(ended)) => format!("waited for {}", span(ended, created)),
        (None, None) if status.phase == BuildPhase::Cancelled => "<none>".to_owned(),
        (None, None) => format!("waiting for {}", span(now, created)),
    }
}

/// `850ms`, `2m0s`.
fn go_duration(time: Duration) -> String {
    match time.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds}ms"),
        _ => text::span(time),
    }
}
