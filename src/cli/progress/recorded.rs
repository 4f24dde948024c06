//! NDJSON of version 1 read back: what `json` wrote becomes events again.
//!
//! Lines of a kind that this version does not know are passed over: minor versions only add. A file is somebody else's
//! text: control characters go, and what does not parse is named with its line.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::upshift::GearCounts;
use crate::base::clock::Timestamp;
use crate::cli::progress::event::About;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::lines;
use crate::cli::progress::replay::Cue;
use crate::cli::progress::replay::Recording;

/// Why a text is no recording.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A line is no JSON object; counted from 1.
    NoObject { line: usize },
    /// Its first line does not say what it is.
    NoVersion,
    /// Another major version.
    Schema(String),
    /// Not a word about a rollout; why, as far as it says.
    NoRollout(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::NoObject { line } => write!(f, "line {line} is no JSON object"),
            Wrong::NoVersion => f.write_str(
                "its first line is not {\"type\":\"version\",…}: keep what --progress=json prints",
            ),
            Wrong::Schema(schema) => {
                write!(f, "it has version {schema:?}; this program reads 1.x")
            }
            Wrong::NoRollout(why) if why.is_empty() => f.write_str("it tells of no rollout"),
            Wrong::NoRollout(why) => write!(f, "it tells of no rollout, only: {why}"),
        }
    }
}

impl Recording {
    /// The story that kept NDJSON tells; what comes after its `result` is not part of it.
    pub fn of_text(text: &str) -> Result<Recording, Wrong> {
        let mut recording = Recording {
            name: String::new(),
            cues: Vec::new(),
            result: None,
        };
        let mut is_version = true;
        let mut why = String::new();
        let lines = text.trim_end().lines().count();
        for (place, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let value = match serde_json::from_str::<Value>(line) {
                Ok(value) if value.is_object() => value,
                // What was being written when it was cut off.
                _ if place + 1 == lines && !is_version => break,
                _ => return Err(Wrong::NoObject { line: place + 1 }),
            };
            if std::mem::take(&mut is_version) {
                check_version(&value)?;
                continue;
            }
            if value["type"] == "result" {
                recording.result = value["exit"]
                    .as_u64()
                    .map(|exit| (exit, said(&value, "reason")));
                why = said(&value, "msg");
                break;
            }
            let Some(what) = event(&value) else { continue };
            let earliest = recording
                .cues
                .last()
                .map_or(Duration::ZERO, |cue: &Cue| cue.at);
            let time = value["ts"].as_str().and_then(|time| time.parse().ok());
            recording.name = said(&value, "op");
            recording.cues.push(Cue {
                at: time_of(&value, "at_ms").unwrap_or_default().max(earliest),
                time: time.unwrap_or(Timestamp::from_second(0)),
                what,
            });
        }
        match (is_version, recording.cues.is_empty()) {
            (true, _) => Err(Wrong::NoVersion),
            (false, true) => Err(Wrong::NoRollout(why)),
            (false, false) => Ok(recording),
        }
    }
}

fn check_version(value: &Value) -> Result<(), Wrong> {
    let schema = value["schema"].as_str().unwrap_or_default();
    match (value["type"].as_str(), schema.split('.').next()) {
        (Some("version"), Some("1")) => Ok(()),
        (Some("version"), _) => Err(Wrong::Schema(lines::clean(schema))),
        _ => Err(Wrong::NoVersion),
    }
}

/// The event of a line; none for one that this version does not know.
fn event(value: &Value) -> Option<What> {
    let place = || Place {
        gear: said(value, "object"),
        node: said(value, "host"),
    };
    let (reason, message) = (said(value, "reason"), said(value, "msg"));
    Some(match value["type"].as_str()? {
        "rollout" => What::Rollout {
            phase: word(value, "phase")?,
            about: Box::new(about(value)),
            reason,
            message,
            gears: counts(value),
        },
        "note" => What::Note {
            reason,
            message,
            gears: counts(value),
        },
        "gear" => What::Gear {
            place: place(),
            phase: word(value, "phase")?,
            back: value["back"] == true,
            reason,
            message,
            took: time_of(value, "dur_ms"),
            ended: number(value, "done"),
            total: number(value, "total"),
            steps: words(value, "steps"),
        },
        "step" => What::Step {
            place: place(),
            step: said(value, "step"),
            phase: word(value, "phase")?,
            reason,
            message,
            exit_code: value["exit"].as_i64().and_then(|code| code.try_into().ok()),
            took: time_of(value, "dur_ms"),
        },
        "progress" => What::Progress {
            place: place(),
            step: said(value, "step"),
            message,
        },
        "log" => What::Line {
            place: place(),
            step: said(value, "step"),
            text: message,
        },
        "waiting" => What::Waiting {
            silent: time_of(value, "dur_ms").unwrap_or_default(),
            done: number(value, "done"),
            total: number(value, "total"),
            causes: words(value, "causes"),
        },
        "connection" if value["phase"] == "Lost" => What::Lost { why: message },
        "connection" => What::Restored {
            after: time_of(value, "dur_ms").unwrap_or_default(),
        },
        _ => return None,
    })
}

fn about(value: &Value) -> About {
    About {
        namespace: said(value, "namespace"),
        application: said(value, "application"),
        number: value["number"].as_u64().unwrap_or_default(),
        action: word(value, "action").unwrap_or_default(),
        revision: said(value, "revision"),
        previous: said(value, "previous"),
        attempt: number(value, "attempt"),
        wanted: number(value, "wanted"),
        color: said(value, "color"),
        usual: time_of(value, "usual_ms"),
    }
}

fn counts(value: &Value) -> GearCounts {
    GearCounts {
        total: number(value, "total"),
        done: number(value, "done"),
        failed: number(value, "failed"),
        unreachable: number(value, "unreachable"),
    }
}

fn said(value: &Value, field: &str) -> String {
    lines::clean(value[field].as_str().unwrap_or_default())
}

fn words(value: &Value, field: &str) -> Vec<String> {
    let words = value[field].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(lines::clean).collect()
}

fn number(value: &Value, field: &str) -> u32 {
    value[field]
        .as_u64()
        .and_then(|number| number.try_into().ok())
        .unwrap_or_default()
}

fn time_of(value: &Value, field: &str) -> Option<Duration> {
    value[field].as_u64().map(Duration::from_millis)
}

fn word<T: DeserializeOwned>(value: &Value, field: &str) -> Option<T> {
    serde_json::from_value(value[field].clone()).ok()
}
