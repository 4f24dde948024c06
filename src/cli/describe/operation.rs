//! An Operation: what one node does for one gear, step by step. The table of steps serves `describe rollout` too.

use std::time::Duration;

use crate::api::upshift::Operation;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::text;
use crate::cli::describe::page::Page;
use crate::cli::describe::word;

const STEPS: &[&str] = &["STEP", "PHASE", "TIME", "REASON", "MESSAGE"];
/// The place of the message among them.
const MESSAGE: usize = 4;

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
        let before = rows.len();
        match known {
            Some(status) => rows.extend(step_rows(status)),
            None => rows.push(vec![
                step.name.clone(),
                word(&StepPhase::Waiting),
                String::new(),
            ]),
        }
        // What the controllers say of their own step: what it waits for, or what was cut off.
        if let (Some(outcome), row) = (operation.spec.control.get(&step.name), &mut rows[before])
            && row.get(MESSAGE).is_none_or(String::is_empty)
            && !outcome.message.is_empty()
        {
            row.resize(STEPS.len(), String::new());
            row[MESSAGE] = message(&outcome.message, None);
        }
    }
    page.table(STEPS, rows);
}

/// The step that an operation under way is at, with what the controllers say of it: `BlockTraffic (router default has 3
/// requests in flight)`.
pub fn now(operation: &Operation) -> String {
    let steps = &operation.status.steps;
    let Some(step) = steps.iter().find(|step| step.phase == StepPhase::Running) else {
        return String::new();
    };
    let outcome = operation.spec.control.get(&step.name);
    let said = outcome.map_or("", |outcome| outcome.message.as_str());
    match (step.message.as_str(), said) {
        ("", "") => step.name.clone(),
        ("", message) | (message, _) => format!("{} ({})", step.name, self::message(message, None)),
    }
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
