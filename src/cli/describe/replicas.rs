//! What keeps a number of pods: replication controllers, replica sets, deployments, in kubectl's rows.

use crate::api::deployment::Deployment;
use crate::api::deployment::RollingParams;
use crate::api::pod::LabelSelector;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicationController;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::page::joined;
use crate::cli::describe::pod;

/// Writes a replication controller.
pub fn controller(one: &ReplicationController, related: &Related, page: &mut Page) {
    page.name(&one.metadata);
    page.field("Selector", joined(&one.spec.selector));
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    let wanted = one.spec.replicas.unwrap_or(1);
    page.field(
        "Replicas",
        format!("{} current / {wanted} desired", one.status.replicas),
    );
    page.field("Pods Status", pod::counts(&related.pods));
    pod::template(&one.spec.template, page);
}

/// Writes a replica set.
pub fn set(one: &ReplicaSet, related: &Related, page: &mut Page) {
    page.name(&one.metadata);
    page.field("Selector", selector(&one.spec.selector));
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    page.field_if("Controlled By", pod::controlled_by(&one.metadata));
    let wanted = one.spec.replicas.unwrap_or(1);
    page.field(
        "Replicas",
        format!("{} current / {wanted} desired", one.status.replicas),
    );
    page.field("Pods Status", pod::counts(&related.pods));
    pod::template(&one.spec.template, page);
}

/// Writes a deployment.
pub fn deployment(one: &Deployment, related: &Related, page: &mut Page) {
    let (spec, status) = (&one.spec, &one.status);
    page.name(&one.metadata);
    if let Some(created) = one.metadata.creation_timestamp {
        page.field("CreationTimestamp", created.mail());
    }
    page.map("Labels", &one.metadata.labels);
    page.annotations(&one.metadata);
    page.field("Selector", selector(&spec.selector));
    page.field(
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            spec.replicas.unwrap_or(1),
            status.updated_replicas,
            status.replicas,
            status.available_replicas,
            status.unavailable_replicas
        ),
    );
    let strategy = match spec.strategy.kind.as_str() {
        "" => "RollingUpdate",
        kind => kind,
    };
    page.field("StrategyType", strategy);
    page.field("MinReadySeconds", spec.min_ready_seconds.to_string());
    if let Some(rolling) = &spec.strategy.rolling_update {
        page.field("RollingUpdateStrategy", steps(rolling));
    }
    pod::template(&spec.template, page);
    if !status.conditions.is_empty() {
        let rows = status.conditions.iter().map(|condition| {
            let cells = [&condition.kind, &condition.status, &condition.reason];
            cells.into_iter().cloned().collect()
        });
        let rows = rows.collect();
        page.section("Conditions", |page| {
            page.table(&["Type", "Status", "Reason"], rows);
        });
    }
    let mut sets: Vec<&ReplicaSet> = related
        .replica_sets
        .iter()
        .filter(|set| {
            let owners = &set.metadata.owner_references;
            owners.iter().any(|owner| owner.uid == one.metadata.uid)
        })
        .collect();
    sets.sort_by_key(|set| std::cmp::Reverse(revision(set)));
    let newest = sets.first().map_or_else(String::new, |set| created(set));
    let old: Vec<String> = sets.iter().skip(1).map(|set| created(set)).collect();
    page.field("OldReplicaSets", old.join(", "));
    page.field("NewReplicaSet", newest);
}

fn revision(set: &ReplicaSet) -> u64 {
    let revision = set
        .metadata
        .annotations
        .get("deployment.kubernetes.io/revision");
    revision.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn created(set: &ReplicaSet) -> String {
    format!(
        "{} ({}/{} replicas created)",
        set.metadata.name,
        set.status.replicas,
        set.spec.replicas.unwrap_or(1)
    )
}

fn selector(selector: &LabelSelector) -> String {
    joined(&selector.match_labels)
}

fn steps(params: &RollingParams) -> String {
    let text = |value: &Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "25%".to_owned(),
    };
    format!(
        "{} max unavailable, {} max surge",
        text(&params.max_unavailable),
        text(&params.max_surge)
    )
}
