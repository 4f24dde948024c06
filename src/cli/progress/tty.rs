//! The frame that a terminal shows: a pure function of the state, the time and the screen (R5, R11).
//!
//! Never wider or higher than the screen: what is done collapses to a line, what does not fit is counted. Drawing it is
//! `screen`'s work.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::api::upshift::Action;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::look::pad;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Step;
use crate::cli::progress::state::Story;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

impl Size {
    /// What a terminal that does not tell its size is taken for.
    pub const USUAL: Size = Size {
        columns: 80,
        rows: 24,
    };

    /// How many rows a frame may have: two stay free, and a third of the screen for what scrolls by.
    fn frame_rows(self) -> usize {
        self.rows
            .saturating_sub(2)
            .min((self.rows * 2).div_ceil(3))
            .max(1)
    }
}

/// Timers are shown for what takes longer than this (R20).
const WORTH_TIMING: Duration = Duration::from_secs(1);

/// The lines to show now.
pub fn frame(state: &State, look: Look, size: Size, at: Duration) -> Vec<String> {
    // The last column stays free: some terminals wrap when it is written to.
    let columns = size.columns.saturating_sub(1).max(1);
    let mut rows = vec![header(state, look, columns, at)];
    let room = size.frame_rows().saturating_sub(1);
    let body = match (&state.lost, state.gears.len()) {
        (Some((since, why)), _) => {
            let silent = text::elapsed(at.saturating_sub(*since));
            vec![Row::new(
                Glyph::Bad,
                format!("no answer from the server for {silent} ({why}); the work goes on there"),
            )]
        }
        (None, 0) => vec![Row::new(Glyph::Waiting, state.causes(at).join("; "))],
        (None, 1) if state.total() == 1 => one_gear(state, at),
        (None, _) => many_gears(state, look, at),
    };
    let shown = shorten(body, room);
    rows.extend(shown.iter().map(|row| row.draw(look, columns)));
    rows
}

fn header(state: &State, look: Look, columns: usize, at: Duration) -> String {
    let verb = match state.rollout.spec.action {
        Action::Deploy => "Deploying",
        Action::Rollback => "Rolling back to",
    };
    let failed = state.ended(OperationPhase::Failed);
    let running = state.ended(OperationPhase::Running);
    let dot = look.glyph(Glyph::Dot);
    let left = match state.story {
        Story::Application => application_header(state),
        Story::Rollout => format!(
            "{verb} {}  {}/{} gears {dot} {running} in flight {dot} {failed} failed",
            state.rollout.spec.revision,
            state.all_ended(),
            state.total(),
        ),
    };
    let mut right = text::elapsed(at);
    if let Some(rest) = state.usual.and_then(|usual| usual.checked_sub(at)) {
        right = format!("{right}  ~{} left", text::age(rest));
    }
    if left.width() + right.width() + 2 > columns {
        return look.fit(&left, columns);
    }
    format!("{}{right}", pad(&left, columns - right.width()))
}

fn application_header(state: &State) -> String {
    let ended = |step: &&Step| matches!(step.shown, StepPhase::Done | StepPhase::Skipped);
    let (mut done, mut all) = (0, 0);
    for (_, run) in state.runs() {
        done += run.steps.iter().filter(ended).count();
        all += run.steps.len();
    }
    format!("Bringing up {}  {done}/{all} steps", state.name())
}

/// The steps of an application's way, as the last frame showed them or would have: a short way ends before the first.
pub(super) fn steps(state: &State, look: Look, columns: usize, at: Duration) -> Vec<String> {
    let rows = one_gear(state, at).into_iter();
    rows.map(|row| row.draw(look, columns)).collect()
}

/// One line below the header.
struct Row {
    glyph: Glyph,
    text: String,
    /// Rows that say most are the last to go when there is no room.
    weight: u8,
}

impl Row {
    fn new(glyph: Glyph, text: impl AsRef<str>) -> Row {
        let text = text.as_ref().trim_end().to_owned();
        let weight = match glyph {
            Glyph::Bad => 3,
            Glyph::Busy => 2,
            Glyph::Good | Glyph::Skipped => 0,
            _ => 1,
        };
        Row {
            glyph,
            text,
            weight,
        }
    }

    fn draw(&self, look: Look, columns: usize) -> String {
        let width = if look.unicode { 1 } else { 4 };
        let sign = pad(look.glyph(self.glyph), width);
        let plain = look.fit(&format!("  {sign} {}", self.text), columns);
        let color = match self.glyph {
            Glyph::Good => Color::Good,
            Glyph::Bad => Color::Bad,
            Glyph::Busy => Color::Busy,
            _ => Color::Dim,
        };
        let painted = 2 + sign.len();
        match (plain.get(2..painted), plain.get(painted..)) {
            (Some(sign), Some(rest)) => format!("  {}{rest}", look.paint(color, sign)),
            _ => plain,
        }
    }
}

/// Keeps the rows that say most, in their order, and counts the others.
fn shorten(mut rows: Vec<Row>, room: usize) -> Vec<Row> {
    if rows.len() <= room {
        return rows;
    }
    let mut dropped = 0;
    while rows.len() > room.saturating_sub(1) {
        let Some(place) = lightest(&rows) else { break };
        rows.remove(place);
        dropped += 1;
    }
    if room > 0 {
        rows.push(Row::new(Glyph::Waiting, format!("+{dropped} more")));
    }
    rows
}

/// The first of the lightest rows; of waiting ones, the last.
fn lightest(rows: &[Row]) -> Option<usize> {
    let weight = rows.iter().map(|row| row.weight).min()?;
    if weight == 0 {
        rows.iter().position(|row| row.weight == weight)
    } else {
        rows.iter().rposition(|row| row.weight == weight)
    }
}

/// Every step of the only gear.
fn one_gear(state: &State, at: Duration) -> Vec<Row> {
    let Some(gear) = state.gears.values().next() else {
        return Vec::new();
    };
    let Some(run) = gear.runs.last() else {
        return Vec::new();
    };
    if run.shown == OperationPhase::Pending {
        return vec![Row::new(Glyph::Waiting, state.causes(at).join("; "))];
    }
    let longest = run.steps.iter().map(|step| step.name.len()).max();
    let width = longest.unwrap_or_default().max(18);
    let rows = run.steps.iter().map(|step| step_row(step, width, at));
    rows.collect()
}

fn step_row(step: &Step, width: usize, at: Duration) -> Row {
    let name = pad(&step.name, width);
    let took = step.took.map_or_else(String::new, text::elapsed);
    match step.shown {
        StepPhase::Waiting => Row::new(Glyph::Waiting, step.name.clone()),
        StepPhase::Running => Row::new(Glyph::Busy, format!("{name} {}", running(step, at))),
        StepPhase::Done => Row::new(
            Glyph::Good,
            format!("{name} {} {}", pad(&took, 6), step.status.message),
        ),
        StepPhase::Skipped => Row::new(
            Glyph::Skipped,
            format!("{name} {}", skipped(&step.status.reason)),
        ),
        StepPhase::Failed => Row::new(
            Glyph::Bad,
            format!("{name} {} {}", step.status.reason, step.status.message),
        ),
    }
}

fn running(step: &Step, at: Duration) -> String {
    let since = step
        .began
        .map_or(Duration::ZERO, |began| at.saturating_sub(began));
    let time = if since >= WORTH_TIMING {
        text::elapsed(since)
    } else {
        String::new()
    };
    let message = Some(&step.status.message).filter(|message| !message.is_empty());
    match step.tail.back().or(message) {
        Some(line) => format!("{}  {line}", pad(&time, 6)),
        None => time,
    }
}

/// Why a step had nothing to do, in words.
fn skipped(reason: &str) -> &str {
    match reason {
        "NoHook" => "no script",
        "FirstDeployment" => "nothing was installed",
        "OnRequest" => "skipped on request",
        "NoBuild" => "nothing is built",
        "NoRoute" => "no route is wanted",
        "NothingWanted" => "nothing is wanted here",
        reason => reason,
    }
}

/// Finished gears in one row, a row for each at work or failed, the rest counted.
fn many_gears(state: &State, look: Look, at: Duration) -> Vec<Row> {
    let in_phase = |phase| {
        state
            .gears
            .values()
            .filter(move |gear: &&Gear| gear.phase() == phase)
    };
    let mut rows = Vec::new();
    let done: Vec<&Gear> = in_phase(OperationPhase::Succeeded).collect();
    if !done.is_empty() {
        let names: Vec<&str> = done.iter().take(3).map(|gear| gear.place.label()).collect();
        let more = if look.unicode { ", …" } else { ", .." };
        let more = if done.len() > 3 { more } else { "" };
        let times = done
            .iter()
            .filter_map(|gear| gear.runs.last()?.took())
            .collect();
        let usual = median(times).map_or_else(String::new, |time| {
            format!(" (median {})", text::elapsed(time))
        });
        let count = done.len();
        rows.push(Row::new(
            Glyph::Good,
            format!("{count} done: {}{more}{usual}", names.join(", ")),
        ));
    }
    rows.extend(in_phase(OperationPhase::Failed).map(|gear| gear_row(gear, Glyph::Bad, at)));
    rows.extend(in_phase(OperationPhase::Aborted).map(|gear| gear_row(gear, Glyph::Bad, at)));
    rows.extend(in_phase(OperationPhase::Running).map(|gear| gear_row(gear, Glyph::Busy, at)));
    rows.extend(in_phase(OperationPhase::Paused).map(|gear| gear_row(gear, Glyph::Waiting, at)));
    let seen_working = state
        .gears
        .values()
        .filter(|gear| gear.phase() != OperationPhase::Pending);
    let waiting = (state.total() as usize).saturating_sub(seen_working.count());
    if waiting > 0 {
        rows.push(Row::new(Glyph::Waiting, format!("{waiting} waiting")));
    }
    rows
}

fn gear_row(gear: &Gear, glyph: Glyph, at: Duration) -> Row {
    let label = pad(gear.place.label(), 12);
    let words = match gear.runs.last() {
        Some(run) if run.shown.is_final() => ending(run),
        Some(run) => match run.current_step() {
            Some(step) => format!("{} {}", pad(&step.name, 18), running(step, at)),
            None => String::new(),
        },
        None => String::new(),
    };
    Row::new(glyph, format!("{label} {words}"))
}

fn ending(run: &Run) -> String {
    let failed = run
        .steps
        .iter()
        .find(|step| step.shown == StepPhase::Failed);
    let step = failed.map_or("", |step| step.name.as_str());
    let status = &run.operation.status;
    format!("{} {} {}", pad(step, 18), status.reason, status.message)
}

/// The middle one.
pub fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
