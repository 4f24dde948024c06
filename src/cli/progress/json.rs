//! NDJSON for programs, version 1: one object a line, on stdout, alone (R12).
//!
//! The first line is `{"type":"version","schema":"1.0"}`, the last always `{"type":"result","exit":N,…}`, also when the
//! command never got as far as a rollout. Minor versions only add.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::upshift::GearCounts;
use crate::api::upshift::Rollout;
use crate::cli::Exit;
use crate::cli::program::Program;
use crate::cli::progress::event::About;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;
use crate::cli::progress::tally::Standing;

/// The first line.
pub fn version() -> Value {
    json!({"type": "version", "schema": "1.0", "program": "upshift", "version": env!("CARGO_PKG_VERSION")})
}

/// The line of an event.
pub fn line(event: &Event) -> Value {
    let mut line = match &event.what {
        What::Rollout {
            phase,
            about,
            reason,
            message,
            gears,
        } => {
            let mut line = counted("rollout", reason, message, gears);
            line["phase"] = json!(phase);
            describe(&mut line, about);
            line
        }
        What::Note {
            reason,
            message,
            gears,
        } => counted("note", reason, message, gears),
        What::Gear {
            place,
            phase,
            back,
            reason,
            message,
            took,
            ended,
            total,
            steps,
        } => at(
            place,
            json!({
                "type": "gear", "phase": phase, "back": back, "reason": reason, "msg": message,
                "dur_ms": took.map(milliseconds), "done": ended, "total": total,
                "steps": (!steps.is_empty()).then_some(steps),
            }),
        ),
        What::Step {
            place,
            step,
            phase,
            reason,
            message,
            exit_code,
            took,
        } => at(
            place,
            json!({
                "type": "step", "step": step, "phase": phase, "reason": reason, "msg": message,
                "exit": exit_code, "dur_ms": took.map(milliseconds),
            }),
        ),
        What::Progress {
            place,
            step,
            message,
        } => at(
            place,
            json!({"type": "progress", "step": step, "msg": message}),
        ),
        What::Line { place, step, text } => {
            at(place, json!({"type": "log", "step": step, "msg": text}))
        }
        What::Waiting {
            silent,
            done,
            total,
            causes,
        } => json!({
            "type": "waiting", "msg": causes.join("; "), "causes": causes, "dur_ms": milliseconds(*silent),
            "done": done, "total": total,
        }),
        What::Lost { why } => json!({"type": "connection", "phase": "Lost", "msg": why}),
        What::Restored { after } => {
            json!({"type": "connection", "phase": "Restored", "dur_ms": milliseconds(*after)})
        }
    };
    line["ts"] = event.moment.time.to_string().into();
    line["at_ms"] = milliseconds(event.moment.at).into();
    line["op"] = event.rollout.as_str().into();
    if let Some(left) = event.left {
        line["eta_ms"] = milliseconds(left).into();
    }
    line["seq"] = event.sequence.into();
    prune(&mut line);
    line
}

/// The last line of a followed rollout.
pub fn result(state: &State, outcome: &Outcome, took: Duration) -> Value {
    let gears: Vec<Value> = state.gears.values().map(gear).collect();
    let mut line = json!({
        "type": "result",
        "op": state.name(),
        "application": state.rollout.spec.application,
        "action": state.rollout.spec.action,
        "revision": state.rollout.spec.revision,
        "exit": outcome.exit.code(Program::Upshift),
        "reason": outcome.reason,
        "phase": state.rollout.status.phase,
        "msg": state.rollout.status.message,
        "ok": state.tally.count(Standing::Done),
        "failed": state.rollout.status.gears.failed,
        "unreachable": state.unreachable(),
        "total": state.total(),
        "dur_ms": milliseconds(took),
        "gears": gears,
    });
    prune(&mut line);
    line
}

/// The last line of a command that ended without following a rollout.
pub fn stopped(exit: Exit, reason: &str, message: &str) -> Value {
    json!({"type": "result", "exit": exit.code(Program::Upshift), "reason": reason, "msg": message})
}

/// The last line of a command that only looks at a rollout.
pub fn standing(rollout: &Rollout) -> Value {
    let outcome = Outcome::of(rollout).unwrap_or_else(|| Outcome::new(Exit::Done, "Running"));
    let mut line = begun(rollout);
    line["exit"] = outcome.exit.code(Program::Upshift).into();
    line["reason"] = outcome.reason.into();
    line
}

/// The last line of a command that began a rollout and does not follow it.
pub fn begun(rollout: &Rollout) -> Value {
    json!({
        "type": "result", "op": rollout.metadata.name, "application": rollout.spec.application,
        "action": rollout.spec.action, "revision": rollout.spec.revision,
        "exit": 0, "reason": "Started", "phase": rollout.status.phase,
    })
}

fn counted(kind: &str, reason: &str, message: &str, gears: &GearCounts) -> Value {
    json!({
        "type": kind, "reason": reason, "msg": message,
        "done": gears.done, "failed": gears.failed, "unreachable": gears.unreachable, "total": gears.total,
    })
}

/// What a rollout is: enough to tell its story again from its events alone.
fn describe(line: &mut Value, about: &About) {
    line["namespace"] = about.namespace.as_str().into();
    line["application"] = about.application.as_str().into();
    line["number"] = about.number.into();
    line["action"] = json!(about.action);
    line["revision"] = about.revision.as_str().into();
    line["previous"] = about.previous.as_str().into();
    line["attempt"] = about.attempt.into();
    line["wanted"] = about.wanted.into();
    line["color"] = about.color.as_str().into();
    line["usual_ms"] = about.usual.map(milliseconds).into();
}

fn gear(gear: &Gear) -> Value {
    let run = gear.runs.last();
    let status = run.map(|run| &run.operation.status);
    let mut gear = at(
        &gear.place,
        json!({
            "phase": gear.phase(),
            "unreachable": (gear.standing() == Standing::Unreachable).then_some(true),
            "lost": gear.lost_in().map(|_| true),
            "reason": status.map(|status| &status.reason),
            "msg": status.map(|status| &status.message),
            "dur_ms": run.and_then(Run::took).map(milliseconds),
        }),
    );
    prune(&mut gear);
    gear
}

fn at(place: &Place, mut line: Value) -> Value {
    line["object"] = place.gear.as_str().into();
    line["host"] = place.node.as_str().into();
    line
}

/// Leaves out what is not known, so that a field that is there says something.
fn prune(line: &mut Value) {
    if let Some(fields) = line.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value != "");
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
