//! A Rollout: what it brings where, and every gear's steps with phases, times and reasons.

use crate::api::upshift::Rollout;
use crate::api::upshift::Settings;
use crate::base::text;
use crate::cli::describe::Related;
use crate::cli::describe::operation;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

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
    page.field_if("Asked for by", &spec.requested_by);
    page.field_if("Because", &spec.reason);
    page.field("Desired", word(&spec.desired));
    page.field("Attempt", spec.attempt.to_string());
    page.field("Phase", word(&status.phase));
    page.field_if("Reason", &status.reason);
    page.field_if("Message", &status.message);
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
    });
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
}
