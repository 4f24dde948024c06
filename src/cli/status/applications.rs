//! Applications with hosts, in oc's style: what is deployed where, who gets requests, how the last rollouts went.
//!
//! One that requests come to stands in the block of its service, as a deployment config does; any other in its own.

use crate::api::network::Service;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::text;
use crate::cli::rollout::promote;
use crate::cli::status::gears;
use crate::cli::status::gears::Gears;
use crate::cli::status::gears::Why;
use crate::cli::status::workloads::Sight;

/// How many rollouts of one application are told of.
const ROLLOUTS: usize = 3;
/// How many gears are told of one by one.
const GEARS: usize = 5;

/// The application whose gears are a service's endpoints.
pub fn behind<'a>(sight: &Sight<'a>, service: &Service) -> Option<&'a Application> {
    let owner = service.metadata.labels.get(LABEL_GEARS_OF)?;
    let mut all = sight.objects.applications.iter();
    all.find(|one| {
        one.metadata.namespace == service.metadata.namespace && one.metadata.name == *owner
    })
}

/// Whether an application stands in the block of a service.
pub fn has_service(sight: &Sight, application: &Application) -> bool {
    let mut services = sight.objects.services.iter();
    services.any(|service| {
        behind(sight, service).is_some_and(|one| one.metadata.key() == application.metadata.key())
    })
}

/// An application's block: its title and what stands under it.
pub fn lines(sight: &Sight, application: &Application) -> Vec<String> {
    let gears = Gears::of(sight, application);
    let (title, more) = title(sight, application, &gears);
    let mut lines = vec![title];
    lines.extend(more);
    let rollouts = rollouts(sight, application);
    if rollouts.is_empty() {
        lines.push("not deployed yet".to_owned());
    }
    if rollouts
        .first()
        .is_some_and(|one| !one.status.phase.is_final())
    {
        lines.extend(under_way(&gears));
    }
    let rollouts = rollouts.into_iter().take(ROLLOUTS).enumerate();
    lines.extend(rollouts.map(|(index, one)| rollout(sight, one, index == 0)));
    lines
}

/// What runs where, and how it stands: `app/shop #4 on 10 hosts (tier=web): 9 in rotation, 1 out (web-7: failed in
/// ValidateService 3 minutes ago)`. Several that are out get lines of their own.
fn title(sight: &Sight, application: &Application, gears: &Gears) -> (String, Vec<String>) {
    let name = sight.names.of("app", &application.metadata);
    let revision = match application.status.current_revision.as_str() {
        "" => String::new(),
        revision => format!(" {}", gears::number(revision)),
    };
    let place = match gears.all.len() {
        0 => String::new(),
        count => format!(" on {}", text::count(count, "host")),
    };
    let place = format!("{place}{}", selector(application));
    let balancer = application.spec.rollout.load_balancer.as_ref();
    let service = match balancer {
        Some(balancer) if !has_service(sight, application) => {
            let service = balancer.service_of(&application.metadata.name);
            let namespace = &application.metadata.namespace;
            format!(" behind {}", sight.names.named("svc", namespace, service))
        }
        _ => String::new(),
    };
    let head = format!("{name}{revision}{place}{service}");
    if gears.all.is_empty() {
        return (head, Vec::new());
    }
    let (how, more) = match balancer {
        _ if gears.take_turns() => (colors(application, gears), trouble(gears)),
        Some(_) => rotation(gears),
        None => (spread(application, gears), Vec::new()),
    };
    let how = if how.is_empty() {
        how
    } else {
        format!(": {how}")
    };
    (format!("{head}{how}"), more)
}

/// ` (tier=web)`; nothing where every host is meant.
fn selector(application: &Application) -> String {
    let hosts = application.spec.hosts.as_ref();
    let Some(selector) = hosts.and_then(|hosts| hosts.selector.as_ref()) else {
        return String::new();
    };
    let pairs: Vec<String> = selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    match pairs.as_slice() {
        [] => String::new(),
        pairs => format!(" ({})", pairs.join(",")),
    }
}

/// `9 in rotation, 1 out (…)`.
fn rotation(gears: &Gears) -> (String, Vec<String>) {
    let out = gears.out();
    let standing = format!("{} in rotation", gears.serving().len() - out.len());
    match out.as_slice() {
        [] => (standing, Vec::new()),
        [one] => {
            let why = match gears.why_out(one) {
                // What is under way has a line of its own.
                Why::AtWork(_) | Why::Unknown => String::new(),
                why => format!(": {why}"),
            };
            let node = &one.spec.node;
            (format!("{standing}, 1 out ({node}{why})"), Vec::new())
        }
        several => (format!("{standing}, {} out", several.len()), trouble(gears)),
    }
}

/// A line for each reason why gears get no requests, with their hosts.
fn trouble(gears: &Gears) -> Vec<String> {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for gear in gears.out() {
        let why = match gears.why_out(gear) {
            Why::AtWork(_) => continue,
            why => why.to_string(),
        };
        let node = gear.spec.node.as_str();
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, nodes)) => nodes.push(node),
            None => reasons.push((why, vec![node])),
        }
    }
    let line = |(reason, nodes): (String, Vec<&str>)| {
        let shown = nodes.iter().take(GEARS).copied();
        let shown: Vec<&str> = shown.collect();
        let more = match nodes.len().checked_sub(GEARS) {
            Some(more @ 1..) => format!(" and {more} more"),
            _ => String::new(),
        };
        format!("{}{more}: {reason}", shown.join(", "))
    };
    reasons.into_iter().map(line).collect()
}

/// `blue serves #4 (5 hosts), green holds #3 (4 hosts) and nothing (1 host)`.
fn colors(application: &Application, gears: &Gears) -> String {
    let active = application.status.active_color.as_str();
    let mut colors = ["blue", "green"];
    if active == "green" {
        colors.reverse();
    }
    let words = |color: &str| {
        let of: Vec<&Gear> = gears
            .all
            .iter()
            .copied()
            .filter(|gear| gear.spec.color == color)
            .collect();
        let held: Vec<String> = Gears::held(&of)
            .into_iter()
            .map(|(revision, count)| format!("{revision} ({})", text::count(count, "host")))
            .collect();
        let held = match held.as_slice() {
            [] => "no host yet".to_owned(),
            held => held.join(" and "),
        };
        let verb = if color == active { "serves" } else { "holds" };
        format!("{color} {verb} {held}")
    };
    let both = colors.map(words).join(", ");
    if active.is_empty() {
        return format!("no colour serves yet, {both}");
    }
    both
}

/// Without a load balancer: who holds something else than the others.
fn spread(application: &Application, gears: &Gears) -> String {
    let current = gears::number(&application.status.current_revision);
    let held = Gears::held(&gears.all);
    match held.as_slice() {
        [(revision, _)] if *revision == current || current.is_empty() => String::new(),
        held => {
            let words: Vec<String> = held
                .iter()
                .map(|(revision, count)| format!("{count} with {revision}"))
                .collect();
            words.join(", ")
        }
    }
}

/// `now web-4 in BlockTraffic (router default has 3 requests in flight), web-5 in Install`.
fn under_way(gears: &Gears) -> Option<String> {
    let now = gears.now();
    let shown = now.iter().take(GEARS).cloned();
    let mut shown: Vec<String> = shown.collect();
    if let Some(more @ 1..) = now.len().checked_sub(GEARS) {
        shown.push(format!("and {more} more"));
    }
    (!shown.is_empty()).then(|| format!("now {}", shown.join(", ")))
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
        RolloutPhase::Paused if promote::is_waiting(rollout) => "waits with its canary".to_owned(),
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
    let silent = match (status.gears.unreachable, is_plain_success) {
        (0, _) | (_, true) => String::new(),
        (count, false) => format!(", {count} unreachable"),
    };
    format!("rollout #{}{what} {how}{gears}{silent}", spec.number)
}
