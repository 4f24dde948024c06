//! A Rollout: what it brings where, and every gear's steps with phases, times and reasons.

use crate::api::duration::Span;
use crate::api::upshift::Canary;
use crate::api::upshift::LoadBalancer;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::Settings;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::operation;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

/// Of more operations than this only those are shown whole that did not succeed.
const MANY: usize = 10;

/// Writes the whole rollout.
pub fn write(rollout: &Rollout, related: &Related, page: &mut Page) {
    let (spec, status) = (&rollout.spec, &rollout.status);
    page.metadata(&rollout.metadata);
    page.field("Application", &spec.application);
    page.field("Number", spec.number.to_string());
    page.field("Action", word(&spec.action));
    page.field("Revision", &spec.revision);
    if let Some(undone) = spec.undoes {
        page.field("Undoes", undone.to_string());
    }
    page.field_if("Previous revision", &status.previous_revision);
    page.field_if("Color", &status.color);
    page.field_if("Asked for by", &spec.requested_by);
    page.field_if("Because", &spec.reason);
    page.field("Desired", word(&spec.desired));
    page.field("Attempt", spec.attempt.to_string());
    if let Some(canary) = &spec.settings.canary {
        page.field("Canary", canary_words(canary, spec.promoted));
    }
    page.field("Phase", word(&status.phase));
    page.field_if("Reason", &status.reason);
    page.field_if("Message", &status.message);
    if let Some(refused) = rollout.refusal() {
        let words = format!("{}: {}", refused.reason, refused.message);
        page.field("Not retried", words);
    }
    operation::times(
        status.started_at.as_ref(),
        status.finished_at.as_ref(),
        page,
    );
    if let (Some(started), Some(finished)) = (status.started_at, status.finished_at) {
        // Moments have whole seconds: what is shorter is not known.
        let took = finished.since(started);
        let took = match took.as_secs() {
            0 => "less than a second".to_owned(),
            _ => text::elapsed(took),
        };
        page.field("Took", took);
    }
    let gears = &status.gears;
    let unreachable = match gears.unreachable {
        0 => String::new(),
        number => format!(", {number} unreachable"),
    };
    page.field(
        "Gears",
        format!(
            "{} of {} done, {} failed{unreachable}",
            gears.done, gears.total, gears.failed
        ),
    );
    settings(&spec.settings, page);
    if !status.steps.is_empty() {
        let rows = status.steps.iter().flat_map(operation::step_rows).collect();
        page.section("Once", |page| {
            page.table(&["STEP", "PHASE", "TIME", "REASON", "MESSAGE"], rows);
        });
    }
    let mut operations: Vec<_> = related.operations.iter().collect();
    operations.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    if operations.len() > MANY {
        // Of many, what went well is only counted: what did not would be lost in it.
        let all = operations.len();
        operations.retain(|one| one.status.phase != OperationPhase::Succeeded);
        let succeeded = text::count(all - operations.len(), "operation");
        page.line(&format!(
            "{succeeded} succeeded, with their steps in 'describe operation NAME'."
        ));
    }
    for one in operations {
        let phase = word(&one.status.phase);
        let reason = match one.status.reason.as_str() {
            "" => phase,
            reason => format!("{phase} ({reason})"),
        };
        page.section(
            &format!("Gear {} on {}", one.spec.gear, one.spec.node),
            |page| {
                page.field("Operation", &one.metadata.name);
                page.field("Phase", reason);
                page.field_if("Message", &one.status.message);
                operation::steps(one, page);
            },
        );
    }
}

fn canary_words(canary: &Canary, is_promoted: bool) -> String {
    match (canary.pause, is_promoted) {
        (_, true) => "promoted".to_owned(),
        (Some(pause), false) => format!("one gear first, the others after {pause} or 'promote'"),
        (None, false) => "one gear first, the others after 'promote'".to_owned(),
    }
}

/// How a rollout behaves.
pub fn settings(settings: &Settings, page: &mut Page) {
    page.section("Settings", |page| {
        page.field("Concurrency", word(&settings.concurrency));
        page.field("Min healthy", word(&settings.min_healthy));
        page.field("Max failures", settings.max_failures.to_string());
        page.field("On failure", word(&settings.on_failure));
        page.field("File exists", word(&settings.file_exists));
        page.field("Hook timeout", settings.hook_timeout.to_string());
        page.field("Gear timeout", settings.gear_timeout.to_string());
        if let Some(canary) = &settings.canary {
            page.field("Canary", canary_words(canary, false));
        }
        if let Some(balancer) = &settings.load_balancer {
            page.field("Load balancer", balancer_words(balancer));
        }
    });
}

fn balancer_words(balancer: &LoadBalancer) -> String {
    let service = match balancer.service.as_str() {
        "" => "the service of the application's name".to_owned(),
        service => format!("svc/{service}"),
    };
    let drain = Span::seconds(u64::from(balancer.drain_seconds));
    let mut words = format!("{service}, {drain} for requests under way");
    if let Some(haproxy) = &balancer.haproxy {
        let mut parts = Vec::new();
        for (name, value) in [
            ("backend", &haproxy.backend),
            ("map", &haproxy.map),
            ("key", &haproxy.key),
        ] {
            if !value.is_empty() {
                parts.push(format!("{name} {value}"));
            }
        }
        words = format!("{words}\nHAProxy {}: {}", haproxy.router, parts.join(", "));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::Operation;

    #[test]
    fn shows_each_gears_steps() {
        let rollout: Rollout = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "shop-2", "namespace": "demo"},
            "spec": {"application": "shop", "number": 2, "revision": "shop-2", "attempt": 1},
            "status": {"phase": "Failed", "reason": "HookFailed", "gears": {"total": 1, "failed": 1}},
        }))
        .unwrap();
        let operation: Operation = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "shop-2-shop-a-1"},
            "spec": {"gear": "shop-a", "node": "a", "steps": [
                {"name": "DownloadBundle"}, {"name": "ApplicationStop"}, {"name": "BeforeInstall"},
            ]},
            "status": {"phase": "Failed", "reason": "HookFailed", "steps": [
                {"name": "DownloadBundle", "phase": "Done", "milliseconds": 850},
                {"name": "ApplicationStop", "phase": "Failed", "reason": "HookFailed", "milliseconds": 12_300,
                 "exitCode": 3, "items": [{"name": "bin/stop", "phase": "Failed", "exitCode": 3}]},
            ]},
        }))
        .unwrap();
        let related = Related {
            operations: vec![operation],
            ..Related::default()
        };
        let mut page = Page::default();
        write(&rollout, &related, &mut page);
        let text = page.text();
        let from = text.find("Gear shop-a on a:").unwrap();
        assert_eq!(
            &text[from..],
            "Gear shop-a on a:\n  \
               Operation:  shop-2-shop-a-1\n  \
               Phase:      Failed (HookFailed)\n  \
               STEP             PHASE    TIME   REASON      MESSAGE\n  \
               ----             -----    ----   ------      -------\n  \
               DownloadBundle   Done     850ms\n  \
               ApplicationStop  Failed   12.3s  HookFailed  exit code 3\n  \
               \u{20} bin/stop       Failed                      exit code 3\n  \
               BeforeInstall    Waiting\n"
        );
    }

    #[test]
    fn shows_traffic_and_what_a_control_step_waits_for() {
        let rollout: Rollout = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "shop-2"},
            "spec": {"application": "shop", "settings": {"canary": {"pause": "10m"},
                "loadBalancer": {"service": "web", "haproxy": {"router": "lb-1", "backend": "b"}}}},
            "status": {"phase": "Running", "color": "green"},
        }))
        .unwrap();
        let operation: Operation = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "shop-2-shop-a-1"},
            "spec": {"gear": "shop-a", "node": "a", "steps": [
                {"name": "DownloadBundle"}, {"name": "BlockTraffic", "actor": "Control"}, {"name": "Install"},
            ], "control": {"BlockTraffic": {"phase": "Running", "message": "router default has 3 requests in flight"}}},
            "status": {"phase": "Running", "steps": [
                {"name": "DownloadBundle", "phase": "Done", "milliseconds": 850},
                {"name": "BlockTraffic", "phase": "Running"},
            ]},
        }))
        .unwrap();
        assert_eq!(
            operation::now(&operation),
            "BlockTraffic (router default has 3 requests in flight)"
        );
        let related = Related {
            operations: vec![operation],
            ..Related::default()
        };
        let mut page = Page::default();
        write(&rollout, &related, &mut page);
        let text = page.text();
        for line in [
            "Canary:       one gear first, the others after 10m or 'promote'\n",
            "Color:        green\n",
            "  Load balancer:  svc/web, 30s for requests under way\n                  HAProxy lb-1: backend b\n",
            "  BlockTraffic    Running                 router default has 3 requests in flight\n",
            "  Install         Waiting\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
