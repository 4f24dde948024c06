//! An Operation: what one node does for one gear, step by step. The table of steps serves `describe rollout` too.

use std::time::Duration;

use crate::api::upshift::Operation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::text;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

const STEPS: &[&str] = &["STEP", "PHASE", "TIME", "REASON", "MESSAGE"];

/// Writes the whole operation.
pub fn write(operation: &Operation, page: &mut Page) {
    let (spec, status) = (&operation.spec, &operation.status);
    page.metadata(&operation.metadata);
    page.field("Node", &spec.node);
    page.field("Gear", &spec.gear);
    page.field("Owner", &spec.owner);
    page.field("Action", word(&spec.deployment.action));
    let revision = spec.deployment.revision.as_ref();
    page.field(
        "Revision",
        revision.map_or("", |revision| revision.name.as_str()),
    );
    page.field("Desired", word(&spec.desired));
    page.field("Phase", word(&status.phase));
    page.field_if("Reason", &status.reason);
    page.field_if("Message", &status.message);
    times(
        status.started_at.as_ref(),
        status.finished_at.as_ref(),
        page,
    );
    page.section("Steps", |page| steps(operation, page));
}

/// When it began and ended, as far as it did.
pub fn times(
    started: Option<&crate::base::clock::Timestamp>,
    finished: Option<&crate::base::clock::Timestamp>,
    page: &mut Page,
) {
    if let Some(started) = started {
        page.field("Started", started.to_string());
    }
    if let Some(finished) = finished {
        page.field("Finished", finished.to_string());
    }
}

/// A row for each step of the plan, done or not; hook scripts under their step.
pub fn steps(operation: &Operation, page: &mut Page) {
    let mut rows = Vec::new();
    for step in &operation.spec.steps {
        let known = operation
            .status
            .steps
            .iter()
            .find(|status| status.name == step.name);
        match known {
            Some(status) => rows.extend(step_rows(status)),
            None => rows.push(vec![
                step.name.clone(),
                word(&StepPhase::Waiting),
                String::new(),
            ]),
        }
    }
    page.table(STEPS, rows);
}

/// One step as a row, and a row for each of its hook scripts.
pub fn step_rows(step: &StepStatus) -> Vec<Vec<String>> {
    let time = step.milliseconds.map_or_else(String::new, |time| {
        text::elapsed(Duration::from_millis(time))
    });
    let mut rows = vec![vec![
        step.name.clone(),
        word(&step.phase),
        time,
        step.reason.clone(),
        message(&step.message, step.exit_code),
    ]];
    for item in &step.items {
        rows.push(vec![
            format!("  {}", item.name),
            word(&item.phase),
            String::new(),
            String::new(),
            message(&item.message, item.exit_code),
        ]);
    }
    rows
}

fn message(message: &str, exit_code: Option<i32>) -> String {
    let message = message.lines().next().unwrap_or_default();
    match exit_code {
        Some(code) if code != 0 && message.is_empty() => format!("exit code {code}"),
        _ => message.to_owned(),
    }
}
