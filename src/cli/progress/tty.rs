//! The frame that a terminal shows: a pure function of the state, the time and the screen (R5, R11).
//!
//! Never wider or higher than the screen: what is done collapses to a line, what does not fit is counted. Drawing it is
//! `screen`'s work.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::api::upshift::Action;
use crate::api::upshift::Desired;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::progress::estimate;
use crate::cli::progress::fleet;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::look::pad;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Step;
use crate::cli::progress::state::Story;
use crate::cli::progress::tally::Standing;
use crate::plan::step;

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
            let said =
                format!("no answer from the server for {silent} ({why}); the work goes on there");
            vec![Row::new(Glyph::Bad, said)]
        }
        (None, 0) => vec![Row::new(Glyph::Waiting, state.causes(at).join("; "))],
        (None, 1) if state.total() == 1 => shorten(one_gear(state, at), room),
        (None, _) => fleet::rows(
            state,
            look,
            fleet::Room {
                rows: room,
                columns,
            },
            at,
        ),
    };
    let shown = body.iter().take(room);
    rows.extend(shown.map(|row| row.draw(look, columns)));
    rows
}

/// The first of these that fits: whole sentences, then fewer words, then numbers alone.
fn header(state: &State, look: Look, columns: usize, at: Duration) -> String {
    let time = text::elapsed(at);
    let left = state.left(at);
    let left = left.map(|left| format!("{time}  ~{} left", estimate::words(left)));
    let (long, short) = match state.story {
        Story::Application => {
            let words = application_header(state);
            (words.clone(), words)
        }
        Story::Rollout => rollout_header(state, look),
    };
    let left = left.as_deref().unwrap_or(&time);
    let tries = [(&long, left), (&long, &time), (&short, &time), (&short, "")];
    for (words, right) in tries {
        let gap = if right.is_empty() { 0 } else { 2 };
        if words.width() + gap + right.width() <= columns {
            return match right {
                "" => words.clone(),
                right => format!("{}{right}", pad(words, columns - right.width())),
            };
        }
    }
    look.fit(&short, columns)
}

fn rollout_header(state: &State, look: Look) -> (String, String) {
    let spec = &state.rollout.spec;
    let verb = match spec.action {
        Action::Deploy => "Deploying",
        Action::Rollback => "Rolling back",
    };
    let dot = look.dot();
    let how = match state.rollout.status.phase {
        RolloutPhase::Paused if spec.desired == Desired::Pause => " (paused)",
        // Nobody asked for a pause: it waits for a word on the first gear.
        RolloutPhase::Paused => " (canary)",
        RolloutPhase::Running if state.goes_back() => " (going back)",
        RolloutPhase::Running if !state.rollout.status.reason.is_empty() => " (failing)",
        _ => "",
    };
    let (ended, total) = (state.all_ended(), state.total());
    let failed = state.tally.count(Standing::Failed);
    let silent = match state.unreachable() {
        0 => String::new(),
        silent => format!("{dot}{silent} unreachable"),
    };
    let (name, number) = (&spec.application, spec.number);
    let running = state.tally.count(Standing::InFlight);
    let long = format!(
        "{verb} {name} #{number}{how}  {ended}/{total} hosts{dot}{running} in flight{dot}{failed} failed{silent}"
    );
    (
        long,
        format!("{name} #{number} {ended}/{total}{dot}{failed} failed{silent}"),
    )
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
pub(super) struct Row {
    glyph: Glyph,
    text: String,
    /// Rows that say most are the last to go when there is no room.
    weight: u8,
}

impl Row {
    pub(super) fn new(glyph: Glyph, text: impl AsRef<str>) -> Row {
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
        let sign = pad(look.glyph(self.glyph), look.indent() - 3);
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
    let once = state
        .once
        .iter()
        .filter(|step| step.shown != StepPhase::Waiting);
    let mut rows: Vec<Row> = run
        .steps
        .iter()
        .chain(once)
        .map(|step| step_row(step, width, at))
        .collect();
    if !state.message(at).is_empty() && state.story == Story::Rollout {
        rows.push(Row::new(Glyph::Waiting, state.message(at)));
    }
    rows
}

pub(super) fn step_row(step: &Step, width: usize, at: Duration) -> Row {
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

/// How long a step has been going on, and the last that is known of it.
pub(super) fn running(step: &Step, at: Duration) -> String {
    let since = step.since(at);
    let time = if since >= WORTH_TIMING {
        text::elapsed(since)
    } else {
        String::new()
    };
    let message = step.status.message.as_str();
    let said = match (step.tail.back(), message) {
        (Some(line), _) => line.clone(),
        (None, "") => return time,
        (None, message) if step.name == step::BLOCK_TRAFFIC.name => format!("drain: {message}"),
        (None, message) => message.to_owned(),
    };
    let part = match part(step) {
        Some((now, all)) => format!("{now}/{all} "),
        None => String::new(),
    };
    format!("{}  {part}{said}", pad(&time, 6))
}

/// Which of a step's several scripts runs.
fn part(step: &Step) -> Option<(usize, usize)> {
    let items = &step.status.items;
    let now = items
        .iter()
        .position(|item| item.phase == StepPhase::Running)?;
    (items.len() > 1).then_some((now + 1, items.len()))
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
