//! A deployment config and its newest versions, in oc's rows (facts/oc.md 5.8).

use crate::api::deployment::ANNOTATION_VERSION;
use crate::api::deployment::DeploymentConfig;
use crate::api::deployment::DeploymentConfigSpec;
use crate::api::deployment::LABEL_DEPLOYMENT;
use crate::api::deployment::RolloutPhase;
use crate::api::deployment::replication_controller_name;
use crate::api::image::split_tag;
use crate::api::pod::ReplicationController;
use crate::base::clock::Timestamp;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::page::ago;
use crate::cli::describe::page::joined;
use crate::cli::describe::pod;

/// How many versions are told of.
const VERSIONS: usize = 4;

/// Writes a deployment config.
pub fn write(one: &DeploymentConfig, related: &Related, now: Timestamp, page: &mut Page) {
    page.openshift_metadata(&one.metadata, now);
    let version = match one.status.latest_version {
        0 => "Not deployed".to_owned(),
        version => version.to_string(),
    };
    page.field("Latest Version", version);
    spec(&one.spec, page);
    page.gap();
    let latest = replication_controller_name(&one.metadata.name, one.status.latest_version);
    let mut versions: Vec<&ReplicationController> = related.controllers.iter().collect();
    versions.sort_by_key(|one| std::cmp::Reverse(number(one)));
    if one.status.latest_version > 0 && !versions.iter().any(|one| one.metadata.name == latest) {
        page.field("Latest Deployment", "<none>");
    }
    for version in versions.into_iter().take(VERSIONS) {
        if version.metadata.name == latest {
            page.line(&format!("Deployment #{} (latest):", number(version)));
            page.line(&format!("\tName:\t{}", version.metadata.name));
            summary(version, now, page);
            details(version, related, page);
        } else {
            page.line(&format!("Deployment #{}:", number(version)));
            summary(version, now, page);
        }
    }
}

fn spec(spec: &DeploymentConfigSpec, page: &mut Page) {
    page.field("Selector", joined(&spec.selector));
    let test = if spec.test {
        " (test, will be scaled down between deployments)"
    } else {
        ""
    };
    page.field("Replicas", format!("{}{test}", spec.replicas));
    if spec.paused {
        page.field("Paused", "yes");
    }
    page.field("Triggers", triggers(spec));
    let strategy = match spec.strategy.kind.as_str() {
        "" => "Rolling",
        kind => kind,
    };
    page.field("Strategy", strategy);
    if spec.min_ready_seconds > 0 {
        page.field("MinReadySeconds", spec.min_ready_seconds.to_string());
    }
    page.line("Template:");
    pod::template(&spec.template, page);
}

/// `Config, Image(ruby-ex@latest, auto=true)`.
fn triggers(spec: &DeploymentConfigSpec) -> String {
    let labels: Vec<String> = spec
        .triggers
        .iter()
        .flatten()
        .filter_map(|trigger| match &trigger.image_change_params {
            _ if trigger.kind == "ConfigChange" => Some("Config".to_owned()),
            Some(params) if !params.from.name.is_empty() => {
                let (stream, tag) = split_tag(&params.from.name);
                Some(format!("Image({stream}@{tag}, auto={})", params.automatic))
            }
            _ => None,
        })
        .collect();
    labels.join(", ")
}

fn number(one: &ReplicationController) -> u64 {
    let version = one.metadata.annotations.get(ANNOTATION_VERSION);
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

fn summary(one: &ReplicationController, now: Timestamp, page: &mut Page) {
    let created = one.metadata.creation_timestamp;
    let created = created.map_or_else(|| "<unknown>".to_owned(), |at| ago(at, now));
    page.line(&format!("\tCreated:\t{created}"));
    page.line(&format!(
        "\tStatus:\t{}",
        RolloutPhase::of(&one.metadata).name()
    ));
    page.line(&format!(
        "\tReplicas:\t{} current / {} desired",
        one.status.replicas,
        one.spec.replicas.unwrap_or(1)
    ));
}

fn details(one: &ReplicationController, related: &Related, page: &mut Page) {
    page.line(&format!("\tSelector:\t{}", joined(&one.spec.selector)));
    page.line(&format!("\tLabels:\t{}", joined(&one.metadata.labels)));
    let pods = related.pods.iter();
    let pods =
        pods.filter(|pod| pod.metadata.labels.get(LABEL_DEPLOYMENT) == Some(&one.metadata.name));
    page.line(&format!("\tPods Status:\t{}", pod::counts(pods)));
}
