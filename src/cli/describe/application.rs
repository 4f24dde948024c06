//! An Application: what is wanted, what is in place, its gears, rollouts and revisions.

use crate::api::upshift::Application;
use crate::api::upshift::Rotation;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::page::Page;
use crate::cli::describe::rollout;
use crate::cli::describe::word;

/// How many rollouts and revisions are told of.
const LATEST: usize = 10;

/// Writes the whole application.
pub fn write(application: &Application, related: &Related, now: Timestamp, page: &mut Page) {
    let (spec, status) = (&application.spec, &application.status);
    page.metadata(&application.metadata);
    page.field("Hosts", hosts(application));
    page.field(
        "Port",
        spec.port.map_or_else(String::new, |port| port.to_string()),
    );
    page.field_if("Appspec", spec.appspec.as_deref().unwrap_or_default());
    page.field("Revision", &status.current_revision);
    page.field("Rollout", &status.rollout);
    page.field_if("Active color", &status.active_color);
    page.field_if("Traffic", traffic(application, related));
    for condition in &status.conditions {
        page.field(
            &condition.kind,
            format!(
                "{} {} {}",
                condition.status, condition.reason, condition.message
            )
            .trim_end(),
        );
    }
    rollout::settings(&spec.rollout, page);
    let mut gears: Vec<_> = related.gears.iter().collect();
    gears.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let rows = gears
        .into_iter()
        .map(|gear| {
            vec![
                gear.metadata.name.clone(),
                gear.spec.node.clone(),
                or_none(&gear.spec.color),
                word(&gear.status.state),
                or_none(&gear.status.revision),
                or_none(&gear.spec.revision),
                word(&gear.spec.rotation),
            ]
        })
        .collect();
    page.section("Gears", |page| {
        let header = [
            "NAME", "NODE", "COLOR", "STATE", "REVISION", "WANTED", "ROTATION",
        ];
        page.table(&header, rows);
    });
    page.section("Rollouts", |page| {
        page.table(
            &["NAME", "ACTION", "REVISION", "PHASE", "REASON", "AGE"],
            rollouts(related, now),
        );
    });
    page.section("Revisions", |page| {
        page.table(
            &["NAME", "BUNDLE", "SIZE", "SOURCE", "AGE"],
            revisions(related, now),
        );
    });
}

/// How requests find it: `svc/shop: 9 of 10 gears in rotation`.
fn traffic(application: &Application, related: &Related) -> String {
    let Some(balancer) = &application.spec.rollout.load_balancer else {
        return String::new();
    };
    let service = balancer.service_of(&application.metadata.name);
    let active = application.status.active_color.as_str();
    let takes_turns = application
        .spec
        .hosts
        .as_ref()
        .is_some_and(|hosts| hosts.blue_green.is_some());
    let mut gears: Vec<_> = related.gears.iter().collect();
    if takes_turns {
        if active.is_empty() {
            return format!("svc/{service} leads to neither colour yet");
        }
        gears.retain(|gear| gear.spec.color == active);
    }
    let standing = gears
        .iter()
        .filter(|gear| gear.spec.rotation == Rotation::In && !gear.status.revision.is_empty());
    let color = if takes_turns {
        format!(" {active}")
    } else {
        String::new()
    };
    format!(
        "svc/{service}: {} of {}{color} gears in rotation",
        standing.count(),
        gears.len()
    )
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>" } else { text }.to_owned()
}

fn hosts(application: &Application) -> String {
    let Some(hosts) = &application.spec.hosts else {
        return if application.spec.scaled.is_some() {
            "scaled".to_owned()
        } else {
            String::new()
        };
    };
    let words = |labels: &std::collections::BTreeMap<String, String>| {
        let pairs: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        pairs.join(",")
    };
    match (&hosts.blue_green, &hosts.selector) {
        (Some(colors), _) => format!(
            "blue: {}\ngreen: {}",
            words(&colors.blue),
            words(&colors.green)
        ),
        (None, Some(selector)) if !selector.is_empty() => words(selector),
        _ => "every node".to_owned(),
    }
}

fn age(created: Option<Timestamp>, now: Timestamp) -> String {
    created.map_or_else(
        || "<unknown>".to_owned(),
        |created| text::age(now.since(created)),
    )
}

fn rollouts(related: &Related, now: Timestamp) -> Vec<Vec<String>> {
    let mut rollouts: Vec<_> = related.rollouts.iter().collect();
    rollouts.sort_by_key(|rollout| std::cmp::Reverse(rollout.spec.number));
    rollouts
        .into_iter()
        .take(LATEST)
        .map(|rollout| {
            vec![
                rollout.metadata.name.clone(),
                word(&rollout.spec.action),
                rollout.spec.revision.clone(),
                word(&rollout.status.phase),
                rollout.status.reason.clone(),
                age(rollout.metadata.creation_timestamp, now),
            ]
        })
        .collect()
}

fn revisions(related: &Related, now: Timestamp) -> Vec<Vec<String>> {
    let mut revisions: Vec<_> = related.revisions.iter().collect();
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.spec.number));
    revisions
        .into_iter()
        .take(LATEST)
        .map(|revision| {
            let digest = revision.spec.bundle.digest.trim_start_matches("sha256:");
            vec![
                revision.metadata.name.clone(),
                digest.chars().take(12).collect(),
                text::size(revision.spec.bundle.size),
                revision.spec.source.uri.clone(),
                age(revision.metadata.creation_timestamp, now),
            ]
        })
        .collect()
}
