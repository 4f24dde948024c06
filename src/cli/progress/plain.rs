//! A line per change, for pipes, logs and CI: `+12.3s web-1 Install: done (8ms)`.
//!
//! No frames, no carriage returns, no escapes unless colours were asked for. A step gets one line, at its end; one that
//! did not apply gets none; in a large rollout only failures of steps are told (R7). Counting comes with each gear. What
//! is worth a line, `event` says.

use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::progress::estimate;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::What;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;

/// The line for an event, with its stamp, if it is worth one.
pub fn line(event: &Event, total: u32, look: Look) -> Option<String> {
    let seconds = event.moment.at.as_millis() / 100;
    let stamp = format!("+{}.{}s", seconds / 10, seconds % 10);
    let stamp = look.paint(Color::Dim, &stamp);
    let words = event.what.is_told(total).then(|| told(event, look))?;
    Some(format!("{stamp} {words}"))
}

/// What a hook printed, after its place: `web-1 │ ApplicationStart │ listening`.
pub fn output(label: &str, step: &str, text: &str, look: Look) -> String {
    let bar = look.paint(Color::Dim, look.glyph(Glyph::Bar));
    format!("{label} {bar} {step} {bar} {text}")
}

fn told(event: &Event, look: Look) -> String {
    let name = &event.rollout;
    match &event.what {
        What::Rollout { .. } => rollout(event, look),
        What::Note {
            reason, message, ..
        } => format!(
            "{name} {}",
            because(reason, message).trim_start_matches(": ")
        ),
        What::Gear { .. } => gear(&event.what, look),
        What::Step { .. } => step(&event.what, look),
        What::Progress {
            place,
            step,
            message,
        } => format!("{} {step}: {message}", place.label()),
        What::Line { place, step, text } => output(place.label(), step, text, look),
        What::Waiting {
            silent,
            done,
            total,
            causes,
        } => {
            let left = event.left;
            let left = left.map_or_else(String::new, |left| {
                format!("; ~{} left", estimate::words(left))
            });
            format!(
                "{name} still waiting {}: {done}/{total} done{left}; {}",
                text::elapsed(*silent),
                causes.join("; ")
            )
        }
        What::Lost { why } => format!(
            "{name} no answer from the server ({why}); the work goes on there, trying again"
        ),
        What::Restored { after } => format!(
            "{name} the server answers again after {}",
            text::elapsed(*after)
        ),
    }
}

fn rollout(event: &Event, look: Look) -> String {
    let What::Rollout {
        phase,
        about,
        reason,
        message,
        gears,
    } = &event.what
    else {
        return String::new();
    };
    let revision = &about.revision;
    let color = match phase {
        RolloutPhase::Succeeded => Color::Good,
        RolloutPhase::Pending | RolloutPhase::Running | RolloutPhase::Paused => Color::Busy,
        _ => Color::Bad,
    };
    let word = look.paint(color, &format!("{phase:?}"));
    let about = match phase {
        RolloutPhase::Pending | RolloutPhase::Running if revision.is_empty() => String::new(),
        RolloutPhase::Pending => format!(" (revision {revision})"),
        RolloutPhase::Running if gears.total == 0 => format!(" (revision {revision})"),
        RolloutPhase::Running => format!(
            " (revision {revision}, {})",
            text::count(gears.total as usize, "gear")
        ),
        // The word for it is said.
        RolloutPhase::Aborted if reason == "Aborted" => in_a_word("", message),
        _ => in_a_word(reason, message),
    };
    format!("{} {word}{about}", event.rollout)
}

fn gear(what: &What, look: Look) -> String {
    let What::Gear {
        place,
        phase,
        back,
        reason,
        message,
        took,
        ended,
        total,
        ..
    } = what
    else {
        return String::new();
    };
    let (word, color) = match (phase, back) {
        (OperationPhase::Pending | OperationPhase::Running, _) => ("begun", Color::Busy),
        (OperationPhase::Paused, _) => ("paused", Color::Busy),
        (OperationPhase::Succeeded, false) => ("done", Color::Good),
        (OperationPhase::Succeeded, true) => ("back at the revision before", Color::Good),
        (OperationPhase::Failed, false) => ("FAILED", Color::Bad),
        (OperationPhase::Failed, true) => ("FAILED to go back", Color::Bad),
        (OperationPhase::Aborted, _) => ("aborted", Color::Bad),
    };
    let took = took.map_or_else(String::new, |took| format!(" ({})", text::elapsed(took)));
    let count = if phase.is_final() {
        format!(" [{ended}/{total}]")
    } else {
        String::new()
    };
    let why = match reason.as_str() {
        "Aborted" => String::new(),
        reason => in_a_word(reason, message),
    };
    let word = look.paint(color, word);
    format!("{} {word}{took}{why}{count}", place.label())
}

fn step(what: &What, look: Look) -> String {
    let What::Step {
        place,
        step,
        phase,
        reason,
        message,
        exit_code,
        took,
    } = what
    else {
        return String::new();
    };
    let took = took.map_or_else(String::new, |took| format!(" ({})", text::elapsed(took)));
    let ending = match phase {
        StepPhase::Done => format!("done{took}{}", because("", message)),
        StepPhase::Skipped => "skipped on request".to_owned(),
        StepPhase::Waiting | StepPhase::Running => format!("begun{}", because("", message)),
        StepPhase::Failed => {
            let code = exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            let failed = look.paint(Color::Bad, "FAILED");
            format!("{failed}{code}{took}{}", because(reason, message))
        }
    };
    format!("{} {step}: {ending}", place.label())
}

/// `: REASON`; the message was told by the step, or is told at the end.
fn in_a_word(reason: &str, message: &str) -> String {
    because(reason, if reason.is_empty() { message } else { "" })
}

/// `: REASON: MESSAGE`, as far as there are any.
fn because(reason: &str, message: &str) -> String {
    match (reason, message) {
        ("", "") => String::new(),
        (reason, "") => format!(": {reason}"),
        ("", message) => format!(": {message}"),
        (reason, message) => format!(": {reason}: {message}"),
    }
}
