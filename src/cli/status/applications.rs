//! Applications with hosts, in the same style: what is deployed where, the last rollouts, who is out of rotation.

use std::collections::BTreeSet;

use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Rotation;
use crate::base::text;
use crate::cli::status::workloads::Sight;

/// How many rollouts of one application are told of.
const ROLLOUTS: usize = 3;

/// An application's block: its title and what stands under it.
pub fn lines(sight: &Sight, application: &Application) -> Vec<String> {
    let gears = gears(sight, application);
    let mut lines = vec![title(sight, application, &gears)];
    let rollouts = rollouts(sight, application);
    if rollouts.is_empty() {
        lines.push("not deployed yet".to_owned());
    }
    let rollouts = rollouts.into_iter().take(ROLLOUTS).enumerate();
    lines.extend(rollouts.map(|(index, one)| rollout(sight, one, index == 0)));
    for gear in gears {
        if gear.spec.rotation == Rotation::Out {
            lines.push(format!(
                "gear/{} on {} is out of rotation",
                gear.metadata.name, gear.spec.node
            ));
        }
    }
    lines
}

fn title(sight: &Sight, application: &Application, gears: &[&Gear]) -> String {
    let name = sight.names.of("app", &application.metadata);
    let nodes: BTreeSet<&str> = gears.iter().map(|gear| gear.spec.node.as_str()).collect();
    let place = match nodes.len() {
        0 => String::new(),
        number => format!(" on {}", text::count(number, "node")),
    };
    let color = match application.status.active_color.as_str() {
        "" => String::new(),
        color => format!(" ({color} serves)"),
    };
    match application.status.current_revision.as_str() {
        "" => format!("{name}{place}{color}"),
        revision => format!("{name}{place} deploys revision {revision}{color}"),
    }
}

fn gears<'a>(sight: &Sight<'a>, application: &Application) -> Vec<&'a Gear> {
    let key = application.metadata.key();
    let all = sight.objects.gears.iter();
    let mut gears: Vec<&Gear> = all
        .filter(|gear| gear.metadata.namespace == key.namespace)
        .filter(|gear| gear.spec.application == key.name)
        .collect();
    gears.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    gears
}

/// The rollouts of an application, newest first.
pub fn rollouts<'a>(sight: &Sight<'a>, application: &Application) -> Vec<&'a Rollout> {
    let key = application.metadata.key();
    let all = sight.objects.rollouts.iter();
    let mut rollouts: Vec<&Rollout> = all
        .filter(|rollout| rollout.metadata.namespace == key.namespace)
        .filter(|rollout| rollout.spec.application == key.name)
        .collect();
    rollouts.sort_by_key(|rollout| std::cmp::Reverse(rollout.spec.number));
    rollouts
}

fn rollout(sight: &Sight, rollout: &Rollout, is_first: bool) -> String {
    let (spec, status) = (&rollout.spec, &rollout.status);
    let created = rollout.metadata.creation_timestamp;
    let began = sight.ago(status.started_at.or(created));
    let ended = sight.ago(status.finished_at.or(status.started_at).or(created));
    let reason = match status.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let how = match status.phase {
        RolloutPhase::Pending => format!("pending for {began}"),
        RolloutPhase::Running => format!("running for {began}"),
        RolloutPhase::Paused => format!("paused for {began}"),
        RolloutPhase::Succeeded => format!("succeeded {ended} ago"),
        RolloutPhase::PartlyFailed => format!("partly failed {ended} ago{reason}"),
        RolloutPhase::Failed => format!("failed {ended} ago{reason}"),
        RolloutPhase::RolledBack => format!("failed and was rolled back {ended} ago{reason}"),
        RolloutPhase::Aborted => format!("was cancelled {ended} ago"),
    };
    let what = match spec.action {
        Action::Deploy => String::new(),
        Action::Rollback => format!(" (back to {})", spec.revision),
    };
    let is_plain_success = status.phase == RolloutPhase::Succeeded && !is_first;
    let gears = match (&status.gears, is_plain_success) {
        (_, true) => String::new(),
        (gears, false) if gears.total == 0 => String::new(),
        (gears, false) if gears.done == gears.total => {
            let count = usize::try_from(gears.total).unwrap_or(usize::MAX);
            format!(" - {}", text::count(count, "gear"))
        }
        (gears, false) => format!(" - {}/{} gears", gears.done, gears.total),
    };
    format!("rollout #{}{what} {how}{gears}", spec.number)
}
