//! NDJSON for programs, version 1: one object a line, on stdout, alone (R12).
//!
//! The first line is `{"type":"version","schema":"1.0"}`, the last always `{"type":"result","exit":N,…}`, also when the
//! command never got as far as a rollout. Minor versions only add.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::cli::Exit;
use crate::cli::program::Program;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;

/// The first line.
pub fn version() -> Value {
    json!({"type": "version", "schema": "1.0", "program": "upshift", "version": env!("CARGO_PKG_VERSION")})
}

/// The line of an event.
pub fn line(event: &Event) -> Value {
    let mut line = match &event.what {
        What::Rollout {
            phase,
            revision,
            reason,
            message,
            gears,
        } => json!({
            "type": "rollout", "phase": phase, "revision": revision, "reason": reason, "msg": message,
            "done": gears.done, "failed": gears.failed, "total": gears.total,
        }),
        What::Gear {
            place,
            phase,
            back,
            reason,
            message,
            took,
            ended,
            total,
        } => at(
            place,
            json!({
                "type": "gear", "phase": phase, "back": back, "reason": reason, "msg": message,
                "dur_ms": took.map(milliseconds), "done": ended, "total": total,
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
        "ok": state.ended(OperationPhase::Succeeded),
        "failed": state.rollout.status.gears.failed,
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

fn gear(gear: &Gear) -> Value {
    let run = gear.runs.last();
    let status = run.map(|run| &run.operation.status);
    let mut gear = at(
        &gear.place,
        json!({
            "phase": gear.phase(),
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
