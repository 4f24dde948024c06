//! What is said at the end, always: what failed and its last lines, a table of gears, what came of it, what to type next.
//!
//! The same in the live and the plain mode (R10, R13); the quiet one says it only of failures, NDJSON has its `result`.

use std::time::Duration;

use comfy_table::ColumnConstraint;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::TableStyle;
use comfy_table::Width;
use unicode_width::UnicodeWidthStr;

use crate::api::appspec::EVENTS;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::Context;
use crate::cli::progress::application;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Glyph;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::names;
use crate::cli::progress::names::Names;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::screen;
use crate::cli::progress::state::Failed;
use crate::cli::progress::state::Gear;
use crate::cli::progress::state::Run;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Story;
use crate::cli::progress::tally;
use crate::cli::progress::tally::Standing;
use crate::cli::progress::tty;
use crate::cli::progress::verdict;
use crate::plan::step;

/// Failed gears whose output is repeated; the table names the others.
const REPLAYED: usize = 3;
/// Gears that went well are only counted when there are more in all.
const MANY_GEARS: usize = 20;

/// Columns for the names of gears that went well.
const COLLAPSED: usize = 40;
/// Why a gear has no part in it.
const SILENT: &str = "its node is silent; it catches up";
/// Why a gear failed without an end of its own.
pub(super) const LOST: &str = "its node fell silent";

/// How much to say, and where.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub look: Look,
    /// Lines of a failed step's output.
    pub replay: usize,
    /// Columns to stay within, on a terminal.
    pub columns: Option<u16>,
    /// Whether the steps of an application's way are told here: elsewhere each was told when it ended.
    pub steps: bool,
    /// How the program is called.
    pub program: &'static str,
}

impl Wanted {
    /// What a mode wants on the terminal of a command, if it has one.
    pub fn of(context: &Context, look: Look, mode: Mode) -> Wanted {
        let columns = u16::try_from(screen::size().columns).unwrap_or(u16::MAX);
        Wanted {
            look,
            replay: if mode == Mode::Tty { 10 } else { 50 },
            columns: context.streams.err_is_terminal.then_some(columns),
            steps: mode == Mode::Tty,
            program: context.name(),
        }
    }
}

/// Everything that is said once a rollout ended.
pub fn lines(state: &State, outcome: &Outcome, took: Duration, wanted: Wanted) -> Vec<String> {
    let mut lines = Vec::new();
    let failures = state.failures();
    for failed in failures.iter().take(REPLAYED) {
        lines.extend(replay(state, failed, wanted));
    }
    if failures.len() > REPLAYED {
        let more = failures.len() - REPLAYED;
        lines.push(format!("{more} more failed; the table names them"));
    }
    if state.story == Story::Rollout && !state.gears.is_empty() {
        lines.extend(table(state, wanted.columns).lines().map(str::to_owned));
        lines.extend(totals(state));
        lines.extend(out_of_rotation(state));
    }
    if state.story == Story::Application && wanted.steps {
        let columns = usize::from(wanted.columns.unwrap_or(u16::MAX));
        lines.extend(tty::steps(state, wanted.look, columns, took));
    }
    let is_replayed = !failures.is_empty();
    let (verdict, next) = match state.story {
        Story::Rollout => (
            verdict::verdict(state, outcome, took, wanted.look, is_replayed),
            verdict::next(state, outcome, &failures, wanted.program),
        ),
        Story::Application => (
            application::verdict(state, took, wanted.look, is_replayed),
            application::next(state, wanted.program),
        ),
    };
    lines.push(verdict);
    lines.extend(said_next(&next, wanted));
    lines
}

/// `next: COMMAND · COMMAND`; where that is too wide, each on a line of its own, to be copied whole.
fn said_next(next: &[String], wanted: Wanted) -> Vec<String> {
    if next.is_empty() {
        return Vec::new();
    }
    // A comma would be taken for a part of the command.
    let dot = if wanted.look.unicode { " · " } else { "; " };
    let line = format!("next: {}", next.join(dot));
    let columns = wanted.columns.map_or(usize::MAX, usize::from);
    if line.width() <= columns {
        return vec![line];
    }
    let indented = |(place, command): (usize, &String)| match place {
        0 => format!("next: {command}"),
        _ => format!("      {command}"),
    };
    next.iter().enumerate().map(indented).collect()
}

fn replay(state: &State, failed: &Failed<'_>, wanted: Wanted) -> Vec<String> {
    let look = wanted.look;
    let status = &failed.run.operation.status;
    let error = look.paint(Color::Bad, "error:");
    let (name, place) = (state.name(), failed.place.label());
    let Some(step) = failed.step else {
        let why = reason(&status.reason, &status.message);
        return vec![format!("{error} {name} failed on {place}: {why}")];
    };
    let why = match (step.status.exit_code, step.status.message.as_str()) {
        (_, message) if !message.is_empty() => reason(&step.status.reason, message),
        (Some(code), _) => format!("exit code {code}"),
        _ => reason(&status.reason, &status.message),
    };
    let place = match state.story {
        Story::Rollout => format!(" on {place}"),
        Story::Application => String::new(),
    };
    let mut lines = vec![format!(
        "{error} {name} failed{place}: {}: {why}",
        step.name
    )];
    let bar = look.paint(Color::Dim, look.glyph(Glyph::Bar));
    let skipped = step.tail.len().saturating_sub(wanted.replay);
    lines.extend(
        step.tail
            .iter()
            .skip(skipped)
            .map(|line| format!("  {bar} {line}")),
    );
    if has_log(failed) {
        let command = log_command(state, failed, wanted.program);
        lines.push(format!("  full log: {command}"));
    }
    lines
}

/// Whether scripts ran in what failed: the other steps print nothing.
pub(super) fn has_log(failed: &Failed<'_>) -> bool {
    failed
        .step
        .is_some_and(|step| EVENTS.contains(&step.name.as_str()))
}

pub(super) fn log_command(state: &State, failed: &Failed<'_>, program: &str) -> String {
    let step = failed
        .step
        .map_or_else(String::new, |step| format!(" --hook {}", step.name));
    let gear = if state.gears.len() > 1 {
        format!(" --gear {}", failed.place.gear)
    } else {
        String::new()
    };
    let namespace = in_namespace(state);
    format!(
        "{program} logs rollout/{}{step}{gear}{namespace}",
        state.name()
    )
}

/// `-n NAMESPACE`, unless it is the one that is used without.
pub fn in_namespace(state: &State) -> String {
    match state.rollout.metadata.namespace.as_str() {
        "" | "default" => String::new(),
        namespace => format!(" -n {namespace}"),
    }
}

fn table(state: &State, columns: Option<u16>) -> String {
    let mut table = plain_table(["GEAR", "NODE", "RESULT", "TIME", "REASON"], columns);
    let is_collapsed = state.gears.len() > MANY_GEARS;
    let (mut back, mut back_times) = (Names::default(), Vec::new());
    let mut waiting = 0;
    let mut gears: Vec<&Gear> = state.gears.values().collect();
    gears.sort_by_cached_key(|gear| names::order(&gear.place.gear));
    for gear in gears {
        let took = gear.runs.last().and_then(Run::took);
        let is_told = gear.standing() != Standing::Unreachable && gear.lost_in().is_none();
        let took = took.filter(|_| is_told);
        match gear.standing() {
            Standing::Done if is_collapsed => {
                if is_back(gear, state) {
                    back.insert(gear.place.label());
                    back_times.extend(took);
                }
            }
            Standing::Waiting if is_collapsed => waiting += 1,
            _ => {
                table.add_row([
                    gear.place.gear.clone(),
                    gear.place.node.clone(),
                    result_word(gear, state),
                    took.map_or_else(String::new, text::elapsed),
                    gear_reason(gear),
                ]);
            }
        }
    }
    let nameless = state.unreachable() as usize - state.tally.unreachable().len();
    if nameless > 0 {
        let count = format!("({})", text::count(nameless, "more gear"));
        table.add_row([count.as_str(), "", "Unreachable", "", SILENT]);
    }
    if is_collapsed {
        let mut done = state.tally.done().clone();
        back.each_name(|name| done.remove(name));
        let median = if back.is_empty() {
            state.tally.median()
        } else {
            None
        };
        for (names, word, median) in [
            (&done, "Succeeded", median),
            (&back, "RolledBack", tally::median(back_times)),
        ] {
            if !names.is_empty() {
                let count = format!("({})", text::count(names.len(), "gear"));
                let median =
                    median.map_or_else(String::new, |time| format!("~{}", text::elapsed(time)));
                let names = names.show(COLLAPSED, "..");
                table.add_row([count, names, word.to_owned(), median, String::new()]);
            }
        }
        if waiting > 0 {
            let count = format!("({})", text::count(waiting, "gear"));
            table.add_row([count.as_str(), "", "NotBegun", "", ""]);
        }
    }
    // Where nothing went wrong its column is empty, and a narrow terminal has no room for that.
    let mut reasons = table.row_iter().filter_map(|row| row.cell_iter().last());
    if reasons.all(|reason| reason.content().is_empty())
        && let Some(column) = table.column_iter_mut().last()
    {
        column.set_constraint(ColumnConstraint::Hidden);
    }
    trimmed(&table)
}

/// `45 done, 3 failed, 2 unreachable of 50`, when there is more than one to count.
fn totals(state: &State) -> Option<String> {
    let tally = &state.tally;
    let done = state.gears_that(Standing::Done);
    let back = done.filter(|gear| is_back(gear, state)).count();
    let back = u32::try_from(back).unwrap_or(u32::MAX);
    let counts = [
        (tally.count(Standing::Done).saturating_sub(back), "done"),
        (back, "rolled back"),
        (tally.count(Standing::Failed), "failed"),
        (tally.count(Standing::Aborted), "cancelled"),
        (state.unreachable(), "unreachable"),
        (
            tally.count(Standing::InFlight) + tally.count(Standing::Paused),
            "unfinished",
        ),
        (state.waiting(), "not begun"),
    ];
    let words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let total = text::count(state.total() as usize, "gear");
    (state.total() > 1 && !words.is_empty()).then(|| format!("{} of {total}", words.join(", ")))
}

/// Gears that were taken out of rotation and not brought back: they get no requests until something is done.
fn out_of_rotation(state: &State) -> Option<String> {
    let mut names = Names::default();
    for gear in state.gears.values() {
        let Some(run) = gear.runs.last() else {
            continue;
        };
        let is_done = |name: &str| {
            let step = run.steps.iter().find(|step| step.name == name);
            step.map(|step| step.status.phase == StepPhase::Done)
        };
        let is_out = is_done(step::BLOCK_TRAFFIC.name) == Some(true)
            && is_done(step::ALLOW_TRAFFIC.name) == Some(false);
        if is_out {
            names.insert(gear.place.label());
        }
    }
    (!names.is_empty()).then(|| {
        let shown = names.show(COLLAPSED, "..");
        let hosts = text::count(names.len(), "host");
        format!("{hosts} out of rotation: {shown}")
    })
}

fn is_back(gear: &Gear, state: &State) -> bool {
    let run = gear.runs.last();
    run.is_some_and(|run| run.is_return(&state.rollout))
}

fn result_word(gear: &Gear, state: &State) -> String {
    match (gear.standing(), is_back(gear, state)) {
        (Standing::Unreachable, _) => "Unreachable".to_owned(),
        (Standing::Failed, _) => "Failed".to_owned(),
        (Standing::Done, true) => "RolledBack".to_owned(),
        _ => format!("{:?}", gear.phase()),
    }
}

/// Why it failed; for a gear that is back, why the first run did.
fn gear_reason(gear: &Gear) -> String {
    if gear.standing() == Standing::Unreachable {
        return SILENT.to_owned();
    }
    if let Some(step) = gear.lost_in() {
        return format!("{step}: {LOST}");
    }
    let told = gear
        .runs
        .iter()
        .find(|run| run.shown == OperationPhase::Failed);
    told.map_or_else(String::new, |run| {
        let status = &run.operation.status;
        let failed = run
            .steps
            .iter()
            .find(|step| step.shown == StepPhase::Failed);
        match failed {
            Some(step) => format!("{}: {}", step.name, reason(&step.status.reason, "")),
            None => reason(&status.reason, &status.message),
        }
    })
}

fn reason(reason: &str, message: &str) -> String {
    match (reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// The narrowest that a table's last column is wrapped to; a terminal too small for that breaks the lines itself.
const LAST_COLUMN: u16 = 24;

/// A table without borders, as `oc` lays out its own; within `columns` only the last column is wrapped.
pub fn plain_table<const N: usize>(header: [&str; N], columns: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(header);
    if let Some(columns) = columns {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(columns);
    }
    table.force_no_tty();
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
        column.set_constraint(if column.index + 1 == N {
            ColumnConstraint::LowerBoundary(Width::Fixed(LAST_COLUMN))
        } else {
            ColumnConstraint::ContentWidth
        });
    }
    table
}

/// A table's text without spaces at line ends.
pub fn trimmed(table: &Table) -> String {
    table.trim_fmt()
}
