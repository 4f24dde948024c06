//! What is wrong with applications on hosts, and what to do about it. Pure.

use crate::api::network::RouterKind;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::base::text;
use crate::cli::rollout::promote;
use crate::cli::status::applications;
use crate::cli::status::gears;
use crate::cli::status::gears::Gears;
use crate::cli::status::markers::Severity;
use crate::cli::status::workloads::Sight;

/// How many hosts or gears are named in one finding.
const NAMED: usize = 5;

/// One finding: how bad it is, what it is, what to type.
pub type Found = (Severity, String, String);

/// Everything about one application.
pub fn find(sight: &Sight, application: &Application, program: &str) -> Vec<Found> {
    let gears = Gears::of(sight, application);
    let rollouts = applications::rollouts(sight, application);
    let newest = rollouts.first().copied();
    let mut found = Vec::new();
    found.extend(newest.and_then(|newest| last_rollout(sight, application, newest, program)));
    found.extend(router(sight, application, program));
    found.extend(silent(sight, application, &gears, program));
    let is_under_way = newest.is_some_and(|newest| !newest.status.phase.is_final());
    if !is_under_way {
        found.extend(behind(sight, application, &gears, program));
        found.extend(out(sight, application, &gears, newest, program));
    }
    found
}

/// A rollout that went wrong, or that waits for somebody.
fn last_rollout(
    sight: &Sight,
    application: &Application,
    newest: &Rollout,
    program: &str,
) -> Option<Found> {
    let name = sight.names.of("rollout", &newest.metadata);
    let app = format!("app/{}", application.metadata.name);
    if promote::is_waiting(newest) {
        let said = match newest.status.message.as_str() {
            "" => " waits with its canary".to_owned(),
            message => format!(": {message}"),
        };
        return Some((
            Severity::Warning,
            format!("{name}{said}."),
            format!("{program} promote {app}"),
        ));
    }
    let retry = format!("{program} rollout retry {app}");
    let has_earlier = !application.status.current_revision.is_empty()
        && application.status.current_revision != newest.spec.revision;
    let (what, suggestion) = match newest.status.phase {
        RolloutPhase::Failed if has_earlier => (
            "has failed",
            format!("{retry}, or go back with '{program} rollback {app}'"),
        ),
        RolloutPhase::Failed => ("has failed", retry),
        RolloutPhase::PartlyFailed => (
            "has partly failed",
            format!("{retry}, or go back with '{program} rollback {app}'"),
        ),
        RolloutPhase::RolledBack => (
            "has failed and was rolled back",
            format!("{program} describe {name}"),
        ),
        _ => return None,
    };
    let why = match newest.status.message.lines().next() {
        Some(message) if !message.is_empty() => format!(": {}", message.trim_end_matches('.')),
        _ => String::new(),
    };
    Some((Severity::Error, format!("{name} {what}{why}."), suggestion))
}

/// A HAProxy that is named and not there, not heard, or in trouble.
fn router(sight: &Sight, application: &Application, program: &str) -> Option<Found> {
    let balancer = application.spec.rollout.load_balancer.as_ref()?;
    let name = &balancer.haproxy.as_ref()?.router;
    let app = sight.names.of("app", &application.metadata);
    let routers = sight.objects.routers.as_ref()?;
    let known = routers
        .iter()
        .find(|router| router.metadata.name == *name && router.spec.kind == RouterKind::HaProxy);
    let Some(router) = known else {
        return Some((
            Severity::Error,
            format!(
                "{app} names the router {name}, and there is none: its hosts neither leave nor enter rotation."
            ),
            format!("{program} node --haproxy {name}=SOCKET"),
        ));
    };
    let node = router.metadata.labels.get(LABEL_NODE);
    let is_silent = node.is_some_and(|name| {
        let mut nodes = sight.objects.nodes.iter();
        nodes.any(|node| node.metadata.name == *name && !node.is_ready())
    });
    if is_silent {
        let node = node.map_or("", String::as_str);
        return Some((
            Severity::Error,
            format!("router/{name} of {app} is silent: nothing is heard of its node {node}."),
            format!("{program} describe node {node}"),
        ));
    }
    let message = router.status.message.trim_end_matches('.');
    (!message.is_empty()).then(|| {
        (
            Severity::Warning,
            format!("router/{name} of {app} does not get on: {message}."),
            format!("{program} describe router {name}"),
        )
    })
}

/// Hosts that nothing is heard of.
fn silent(sight: &Sight, application: &Application, gears: &Gears, program: &str) -> Option<Found> {
    let all = gears.all.iter().copied();
    let silent: Vec<&Gear> = all.filter(|gear| gears.is_silent(gear)).collect();
    let first = silent.first()?;
    let app = sight.names.of("app", &application.metadata);
    let (verb, they) = match silent.len() {
        1 => ("is", "it returns"),
        _ => ("are", "they return"),
    };
    Some((
        Severity::Warning,
        format!(
            "{} of {app} {verb} silent and will catch up when {they}: {}.",
            text::count(silent.len(), "host"),
            nodes(&silent)
        ),
        format!("{program} describe node {}", first.spec.node),
    ))
}

/// Gears that hold something else than is wanted, with nobody at work on it.
fn behind(sight: &Sight, application: &Application, gears: &Gears, program: &str) -> Option<Found> {
    let behind = gears.behind();
    let first = behind.first()?;
    let app = sight.names.of("app", &application.metadata);
    let words = |gear: &&Gear| {
        let has = match gear.status.revision.as_str() {
            "" => "nothing".to_owned(),
            revision => gears::number(revision),
        };
        let wanted = gears::number(&gear.spec.revision);
        format!("{} has {has} instead of {wanted}", gear.spec.node)
    };
    let named: Vec<String> = behind.iter().take(NAMED).map(words).collect();
    let mut troubles = behind.iter().filter_map(|gear| gear.spec.catch_up.as_ref());
    let why = troubles.next().map_or_else(String::new, |trouble| {
        let failures = text::count(trouble.failures as usize, "failure");
        format!("; {} ({failures})", trouble.message)
    });
    let more = more(behind.len());
    let verb = if behind.len() == 1 { "is" } else { "are" };
    Some((
        Severity::Warning,
        format!(
            "{} of {app} {verb} behind: {}{more}{why}.",
            text::count(behind.len(), "gear"),
            named.join(", ")
        ),
        format!("{program} describe gear {}", first.metadata.name),
    ))
}

/// Gears that get no requests though no rollout is at work on them, and no failed one explains it.
fn out(
    sight: &Sight,
    application: &Application,
    gears: &Gears,
    newest: Option<&Rollout>,
    program: &str,
) -> Option<Found> {
    application.spec.rollout.load_balancer.as_ref()?;
    let went_well = newest.is_some_and(|newest| newest.status.phase == RolloutPhase::Succeeded);
    let mut out = gears.out();
    out.retain(|gear| !gears.is_silent(gear) && !gear.status.revision.is_empty());
    let first = out.first().filter(|_| went_well)?;
    let app = sight.names.of("app", &application.metadata);
    let verb = if out.len() == 1 { "is" } else { "are" };
    Some((
        Severity::Warning,
        format!(
            "{} of {app} {verb} out of rotation: {}.",
            text::count(out.len(), "gear"),
            nodes(&out)
        ),
        format!("{program} describe gear {}", first.metadata.name),
    ))
}

fn nodes(gears: &[&Gear]) -> String {
    let named = gears.iter().take(NAMED);
    let named: Vec<&str> = named.map(|gear| gear.spec.node.as_str()).collect();
    format!("{}{}", named.join(", "), more(gears.len()))
}

fn more(all: usize) -> String {
    match all.checked_sub(NAMED) {
        Some(more @ 1..) => format!(" and {more} more"),
        _ => String::new(),
    }
}
