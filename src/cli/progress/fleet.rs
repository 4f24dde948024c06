//! The rows of many gears: what failed on top, what is done in one row, what is at work, what waits.
//!
//! Looks at no more gears than there are rows, however many there are: which ones those are, the tally knows.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::look::pad;
use crate::cli::progress::look::wrap;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Step;
use crate::cli::progress::summary;
use crate::cli::progress::tally::Standing;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Row;

/// Last lines shown below a failed gear.
const LAST_LINES: usize = 3;
/// How wide gears' names and steps are at least, so that rows do not jump.
const LABEL: usize = 12;
const STEP: usize = 18;
/// On a narrower screen they have no width of their own.
const NARROW: usize = 60;

/// What may be used of the screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// How many rows each part gets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shares {
    failed: usize,
    /// Lines below failed gears.
    lines: usize,
    in_flight: usize,
    /// Of the single rows, in their order of weight.
    singles: usize,
}

/// The rows that there is room for.
pub(super) fn rows(state: &State, look: Look, room: Room, at: Duration) -> Vec<Row> {
    let failed = state.tally.count(Standing::Failed) + state.tally.count(Standing::Aborted);
    let in_flight = state.tally.count(Standing::InFlight) + state.tally.count(Standing::Paused);
    let singles = singles(state, look, room.columns, at);
    let shares = share(
        room.rows,
        failed as usize,
        in_flight as usize,
        singles.len(),
    );
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for single in singles.into_iter().take(shares.singles) {
        if single.is_above {
            above.push(single);
        } else {
            below.push(single);
        }
    }
    above.sort_by_key(|single| single.place);
    below.sort_by_key(|single| single.place);
    let drawing = Drawing {
        look,
        is_narrow: room.columns < NARROW,
        at,
    };
    let mut rows = drawing.failed(state, &shares, failed as usize);
    rows.extend(above.into_iter().map(|single| single.row));
    rows.extend(drawing.working(state, &shares, in_flight as usize));
    rows.extend(below.into_iter().map(|single| single.row));
    rows
}

/// First one row for everything that there is, by weight; then failures get half of the rest, and work the other half.
fn share(rows: usize, failed: usize, in_flight: usize, singles: usize) -> Shares {
    let mut left = rows;
    let mut take = |wanted: usize| {
        let got = wanted.min(left);
        left -= got;
        got
    };
    let mut shares = Shares {
        failed: take(failed.min(1)),
        ..Shares::default()
    };
    shares.in_flight = take(in_flight.min(1));
    shares.singles = take(singles);
    let rest = rows - shares.failed - shares.in_flight - shares.singles;
    shares.failed += take((failed - shares.failed).min(rest / 2));
    shares.in_flight += take(in_flight - shares.in_flight);
    shares.failed += take(failed - shares.failed);
    if shares.failed > 0 {
        shares.lines = take(LAST_LINES * shares.failed);
    }
    shares
}

/// A row that stands for many gears, or for none.
struct Single {
    /// Where it stands among those above or below the gears at work.
    place: u8,
    is_above: bool,
    row: Row,
}

/// The single rows there are, those first that are the last to go.
fn singles(state: &State, look: Look, columns: usize, at: Duration) -> Vec<Single> {
    let mut singles = Vec::new();
    let mut put = |place, is_above, row| {
        singles.push(Single {
            place,
            is_above,
            row,
        });
    };
    let message = state.message(at);
    for step in state
        .once
        .iter()
        .filter(|step| step.shown != StepPhase::Waiting)
    {
        put(2, true, tty::step_row(step, LABEL + 1, at));
    }
    // What failed stands on top already.
    let is_told =
        state.tally.count(Standing::Failed) > 0 && !state.rollout.status.reason.is_empty();
    if !message.is_empty() && state.silent.is_empty() && !is_told {
        // What to type to go on stands at its end, so it is shown whole.
        let room = columns.saturating_sub(look.indent()).max(LABEL);
        for (place, line) in wrap(&message, room).into_iter().enumerate() {
            let glyph = if place == 0 {
                Glyph::Waiting
            } else {
                Glyph::None
            };
            put(0, false, Row::new(glyph, line));
        }
    }
    let waiting = state.waiting();
    if waiting > 0 {
        let hosts = text::count(waiting as usize, "host");
        put(1, false, Row::new(Glyph::More, format!("+{hosts} waiting")));
    }
    if state.unreachable() > 0 {
        put(
            0,
            true,
            Row::new(Glyph::Silent, unreachable(state, look, columns)),
        );
    }
    if !state.tally.done().is_empty() {
        put(1, true, Row::new(Glyph::Good, done(state, look, columns)));
    }
    singles
}

/// `web-1..web-6 (6 collapsed, median 8.1s)`.
fn done(state: &State, look: Look, columns: usize) -> String {
    let names = state.tally.done();
    let median = state.tally.median();
    let median = median.filter(|_| columns >= NARROW);
    let median = median.map_or_else(String::new, |time| {
        format!(", median {}", text::elapsed(time))
    });
    let count = format!("({} collapsed{median})", names.len());
    // Two spaces, the sign and a space stand before it.
    let room = columns.saturating_sub(count.width() + 1 + 7);
    let shown = names.show(room, look.glyph(Glyph::More));
    format!("{} {count}", look.fit(&shown, room.max(LABEL)))
}

fn unreachable(state: &State, look: Look, columns: usize) -> String {
    let (all, names) = (state.unreachable(), state.tally.unreachable());
    let rest = (all as usize).saturating_sub(names.len());
    let room = columns.saturating_sub("unreachable (99999 more)".len() + 8);
    let shown = names.show(room, look.glyph(Glyph::More));
    match (names.len(), rest) {
        (0, _) => format!("{} unreachable", text::count(all as usize, "host")),
        (_, 0) => format!("{} unreachable", pad(&shown, LABEL)),
        (_, rest) => format!("{} unreachable (+{rest})", pad(&shown, LABEL)),
    }
}

/// How rows of single gears are drawn.
struct Drawing {
    look: Look,
    is_narrow: bool,
    at: Duration,
}

impl Drawing {
    fn failed(&self, state: &State, shares: &Shares, all: usize) -> Vec<Row> {
        let gears = [Standing::Failed, Standing::Aborted]
            .into_iter()
            .flat_map(|standing| state.gears_that(standing));
        let shown = named(shares.failed, all);
        let mut lines = shares.lines;
        let mut rows = Vec::new();
        for gear in gears.take(shown) {
            rows.push(self.gear(gear, Glyph::Bad));
            let Some(step) = failed_step(gear) else {
                continue;
            };
            let count = step.tail.len().min(LAST_LINES).min(lines);
            lines -= count;
            let bar = self.look.glyph(Glyph::Bar);
            for line in step.tail.iter().skip(step.tail.len() - count) {
                rows.push(Row::new(Glyph::None, format!("{bar} {line}")));
            }
        }
        if shown < shares.failed {
            rows.push(Row::new(
                Glyph::More,
                format!("+{} more failed", all - shown),
            ));
        }
        rows
    }

    fn working(&self, state: &State, shares: &Shares, all: usize) -> Vec<Row> {
        let running = state.gears_that(Standing::InFlight);
        let running = running.map(|gear| self.gear(gear, Glyph::Busy));
        let paused = state.gears_that(Standing::Paused);
        let paused = paused.map(|gear| self.gear(gear, Glyph::Waiting));
        let shown = named(shares.in_flight, all);
        let mut rows: Vec<Row> = running.chain(paused).take(shown).collect();
        if shown < shares.in_flight {
            let more = format!("+{} more in flight", all - shown);
            rows.push(Row::new(Glyph::More, more));
        }
        rows
    }

    fn gear(&self, gear: &Gear, glyph: Glyph) -> Row {
        let label = self.pad(gear.place.label(), LABEL);
        let words = match (gear.standing(), gear.runs.last()) {
            (Standing::Failed | Standing::Aborted, Some(run)) => {
                let status = &run.operation.status;
                let (name, reason, message) = match (failed_step(gear), gear.lost_in()) {
                    // The operation's own message names the step again.
                    (Some(step), _) => (&*step.name, &*step.status.reason, &*step.status.message),
                    (None, Some(step)) => (step, "", summary::LOST),
                    (None, None) => ("", &*status.reason, &*status.message),
                };
                format!("{} {reason} {message}", self.pad(name, STEP))
            }
            (Standing::Paused, _) => "paused".to_owned(),
            (_, Some(run)) => match run.coming_step() {
                Some(step) if step.is_running() => {
                    let name = self.pad(&step.name, STEP);
                    let words = format!("{name} {}", tty::running(step, self.at));
                    if self.is_narrow {
                        words.split_whitespace().collect::<Vec<_>>().join(" ")
                    } else {
                        words
                    }
                }
                Some(step) => step.name.clone(),
                None => String::new(),
            },
            (_, None) => String::new(),
        };
        Row::new(glyph, format!("{label} {words}"))
    }

    fn pad(&self, text: &str, columns: usize) -> String {
        pad(text, if self.is_narrow { 0 } else { columns })
    }
}

/// Of the rows that a part got, the last one counts the gears that have none.
fn named(rows: usize, all: usize) -> usize {
    if rows < all && rows > 1 {
        rows - 1
    } else {
        rows
    }
}

fn failed_step(gear: &Gear) -> Option<&Step> {
    let steps = &gear.runs.last()?.steps;
    steps.iter().find(|step| step.shown == StepPhase::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_first_and_nobody_is_left_out_while_there_is_room() {
        let check = |rows, (failed, in_flight, singles), expect: (usize, usize, usize, usize)| {
            let shares = share(rows, failed, in_flight, singles);
            let got = (
                shares.failed,
                shares.lines,
                shares.in_flight,
                shares.singles,
            );
            assert_eq!(got, expect, "{rows} {failed} {in_flight} {singles}");
            assert!(got.0 + got.1 + got.2 + got.3 <= rows);
        };
        check(0, (3, 3, 3), (0, 0, 0, 0));
        check(1, (3, 3, 3), (1, 0, 0, 0));
        check(3, (3, 3, 3), (1, 0, 1, 1));
        check(15, (1, 2, 2), (1, 3, 2, 2));
        check(15, (0, 50, 2), (0, 0, 13, 2));
        check(15, (50, 50, 3), (6, 0, 6, 3));
        check(15, (50, 0, 2), (13, 0, 0, 2));
        check(15, (2, 4, 2), (2, 6, 4, 2));
    }
}
