//! Where progress is written: the live frame on a terminal, lines on stderr, NDJSON on stdout, or nowhere.
//!
//! The live frame is one write, at most ten times a second and only when it changed. The cursor is never hidden and rests
//! below the frame, so nothing but the frame has to be taken back (R6): on every way out it is cleared. Lines on stderr
//! that nobody reads any more are dropped and the work is still followed to its end; NDJSON that nobody reads ends the
//! command.
//!
//! # Decided
//!
//! The frame is drawn here and not by indicatif: it fills lines up to the margin, cannot be told that the screen is not
//! what it was (a stopped job that goes on, a window that became narrower), and its hundred lines of adapter were longer
//! than these.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::base::streams::Streams;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::What;
use crate::cli::progress::json;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::mux::Mux;
use crate::cli::progress::plain;
use crate::cli::progress::state::State;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Size;

/// The shortest time between two frames (R4).
const PAUSE: Duration = Duration::from_millis(100);
/// Nothing is drawn for work that ends sooner.
const FIRST_LINE: Duration = Duration::from_millis(100);
/// Work that takes longer gets its whole frame.
const FIRST_FRAME: Duration = Duration::from_millis(500);

/// One renderer at work.
pub struct Screen {
    streams: Streams,
    look: Look,
    kind: Kind,
}

enum Kind {
    Live(Live),
    Plain(Mux),
    Json,
    Quiet,
}

impl Screen {
    /// The renderer of a mode; NDJSON's first line is there already.
    ///
    /// A terminal that is `synchronized` shows a frame when it is whole.
    pub fn open(mode: Mode, look: Look, streams: Streams, synchronized: bool) -> Screen {
        let kind = match mode {
            Mode::Tty => Kind::Live(Live::new(&streams, synchronized)),
            Mode::Plain => Kind::Plain(Mux::default()),
            Mode::Json => Kind::Json,
            Mode::Quiet => Kind::Quiet,
        };
        Screen {
            streams,
            look,
            kind,
        }
    }

    /// Shows what happened, and the frame as it is now.
    pub fn show(&mut self, events: &[Event], state: &State, at: Duration) -> io::Result<()> {
        let look = self.look;
        let lines = match &mut self.kind {
            Kind::Quiet => return Ok(()),
            Kind::Json => return self.write_json(events),
            Kind::Plain(mux) => plain_lines(mux, events, state, look, at),
            Kind::Live(live) => {
                live.print(live_lines(events, state, look));
                live.draw(state, look, at);
                return Ok(());
            }
        };
        self.say(&lines);
        Ok(())
    }

    /// Something else was written to the terminal: what is there now stays, and a new frame comes below it.
    pub fn forget(&mut self) {
        if let Kind::Live(live) = &mut self.kind {
            live.forget();
        }
    }

    fn write_json(&self, events: &[Event]) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for event in events {
            text.push_str(&json::line(event).to_string());
            text.push('\n');
        }
        self.streams.out(format_args!("{text}"))
    }

    fn say(&self, lines: &[String]) {
        if !lines.is_empty() {
            let _ = self.streams.err(format_args!("{}\n", lines.join("\n")));
        }
    }

    /// Takes the frame away and says the last words.
    pub fn close(mut self, last: &[String]) {
        match &mut self.kind {
            Kind::Live(live) => live.clear(),
            Kind::Plain(mux) => {
                let held = mux.finish();
                self.say(&held);
            }
            Kind::Json | Kind::Quiet => {}
        }
        self.say(last);
    }
}

fn plain_lines(
    mux: &mut Mux,
    events: &[Event],
    state: &State,
    look: Look,
    at: Duration,
) -> Vec<String> {
    let mut lines = mux.pass(at);
    for event in events {
        let Some(line) = plain::line(event, state.total(), look) else {
            continue;
        };
        match &event.what {
            What::Line { place, .. } => lines.extend(mux.push(&place.gear, line, event.moment.at)),
            What::Step { place, .. } | What::Gear { place, .. } => {
                lines.extend(mux.finish_source(&place.gear));
                lines.push(line);
            }
            What::Rollout { .. } => {
                lines.extend(mux.finish());
                lines.push(line);
            }
            _ => lines.push(line),
        }
    }
    lines
}

/// What scrolls by above the frame: hook output, and what went wrong.
fn live_lines(events: &[Event], state: &State, look: Look) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            What::Line { place, step, text } => {
                Some(plain::output(place.label(), step, text, look))
            }
            What::Lost { .. } | What::Restored { .. } => plain::line(event, state.total(), look),
            _ => None,
        })
        .collect()
}

/// The frame on a terminal.
struct Live {
    streams: Streams,
    synchronized: bool,
    /// The lines that are on the screen, above the cursor.
    shown: Vec<String>,
    /// How wide each is, and how wide the screen was.
    widths: Vec<usize>,
    columns: usize,
    /// Lines that are to scroll by with the next frame.
    passing: Vec<String>,
    drawn: Option<Duration>,
}

impl Live {
    fn new(streams: &Streams, synchronized: bool) -> Live {
        Live {
            streams: streams.clone(),
            synchronized,
            shown: Vec::new(),
            widths: Vec::new(),
            columns: 0,
            passing: Vec::new(),
            drawn: None,
        }
    }

    fn print(&mut self, lines: Vec<String>) {
        self.passing.extend(lines);
    }

    fn draw(&mut self, state: &State, look: Look, at: Duration) {
        let is_early = at < FIRST_LINE && self.passing.is_empty();
        let is_fresh = self.drawn.is_some_and(|drawn| at < drawn + PAUSE);
        if is_early || is_fresh {
            return;
        }
        let size = size_of(&self.streams);
        let mut frame = tty::frame(state, look, size, at);
        if at < FIRST_FRAME {
            frame.truncate(1);
        }
        if frame == self.shown && self.passing.is_empty() && size.columns == self.columns {
            return;
        }
        self.write(frame, size.columns);
        self.drawn = Some(at);
    }

    /// One write: what scrolls by in the place of the old frame, and the new one below it.
    fn write(&mut self, frame: Vec<String>, columns: usize) {
        let mut text = String::new();
        if self.synchronized {
            text.push_str("\u{1b}[?2026h");
        }
        text.push_str(&self.back(columns));
        if !self.passing.is_empty() {
            // Such a line may be wider than the screen: what it goes over must be empty.
            text.push_str("\u{1b}[J");
        }
        for line in self.passing.drain(..) {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        for line in &frame {
            text.push_str(line);
            text.push_str("\u{1b}[K\r\n");
        }
        if frame.len() < self.shown.len() || columns != self.columns {
            text.push_str("\u{1b}[J");
        }
        if self.synchronized {
            text.push_str("\u{1b}[?2026l");
        }
        // A terminal that went away takes nothing with it: the work is still followed.
        let _ = self.streams.err(format_args!("{text}"));
        self.widths = frame.iter().map(|line| width(line)).collect();
        self.shown = frame;
        self.columns = columns;
    }

    /// To the first row of the frame that is there; a window that became narrower has broken its lines.
    fn back(&self, columns: usize) -> String {
        let columns = columns.max(1);
        let rows: usize = self
            .widths
            .iter()
            .map(|width| width.div_ceil(columns).max(1))
            .sum();
        match rows {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A\r"),
        }
    }

    fn forget(&mut self) {
        self.shown.clear();
        self.widths.clear();
        self.drawn = None;
    }

    /// Takes the frame away; what was to scroll by is left.
    fn clear(&mut self) {
        let mut text = self.back(size_of(&self.streams).columns);
        if !text.is_empty() {
            text.push_str("\u{1b}[J");
        }
        for line in self.passing.drain(..) {
            let _ = write!(text, "{line}\r\n");
        }
        self.forget();
        if !text.is_empty() {
            let _ = self.streams.err(format_args!("{text}"));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the panic said stands below the frame: it stays, and what comes next has no colour.
            let _ = self.streams.err(format_args!("\u{1b}[0m"));
        } else {
            self.clear();
        }
    }
}

/// How wide a line is without its colours.
fn width(line: &str) -> usize {
    let mut width = 0;
    let mut parts = line.split("\u{1b}[");
    width += parts.next().unwrap_or_default().width();
    for part in parts {
        width += part.split_once('m').map_or(0, |(_, text)| text.width());
    }
    width
}

fn size_of(streams: &Streams) -> Size {
    streams
        .size()
        .filter(|size| size.rows > 0 && size.columns > 0)
        .map_or(Size::USUAL, |size| Size {
            columns: usize::from(size.columns),
            rows: usize::from(size.rows),
        })
}

/// How large the screen is now.
pub fn size() -> Size {
    console::Term::stderr()
        .size_checked()
        .filter(|(rows, columns)| *rows > 0 && *columns > 0)
        .map_or(Size::USUAL, |(rows, columns)| Size {
            columns: usize::from(columns),
            rows: usize::from(rows),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::Rollout;
    use crate::base::streams;
    use crate::cli::progress::state::Logs;

    fn live(synchronized: bool) -> (Live, crate::base::streams::Captured) {
        let (streams, captured) = Streams::captured();
        let size = streams::Size {
            columns: 80,
            rows: 24,
        };
        (
            Live::new(&streams.with_terminal(size), synchronized),
            captured,
        )
    }

    fn milliseconds(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    #[test]
    fn a_frame_is_one_write_and_is_taken_back_on_every_way_out() {
        let (mut live, captured) = live(false);
        let state = State::new(Rollout::default(), Logs::All);
        live.draw(&state, Look::BARE, milliseconds(50));
        assert_eq!(captured.err(), "", "too early to draw anything");
        live.draw(&state, Look::BARE, milliseconds(1000));
        let first = captured.err();
        assert!(first.starts_with("Deploying"), "{first:?}");
        assert_eq!(first.matches("\r\n").count(), 2, "{first:?}");
        live.print(vec!["a line".to_owned()]);
        live.draw(&state, Look::BARE, milliseconds(1050));
        assert_eq!(captured.err(), first, "at most ten frames a second");
        live.draw(&state, Look::BARE, milliseconds(1100));
        let second = captured.err()[first.len()..].to_owned();
        let expect = "\u{1b}[2A\r\u{1b}[Ja line\r\nDeploying";
        assert!(second.starts_with(expect), "{second:?}");
        live.print(vec!["the last".to_owned()]);
        drop(live);
        let last = captured.err()[first.len() + second.len()..].to_owned();
        assert_eq!(last, "\u{1b}[2A\r\u{1b}[Jthe last\r\n");
    }

    #[test]
    fn a_frame_is_held_together_where_the_terminal_can() {
        let (mut live, captured) = live(true);
        let state = State::new(Rollout::default(), Logs::All);
        live.draw(&state, Look::BARE, milliseconds(1000));
        let text = captured.err();
        assert!(text.starts_with("\u{1b}[?2026hDeploying"), "{text:?}");
        assert!(text.ends_with("\u{1b}[?2026l"), "{text:?}");
    }

    #[test]
    fn what_was_stopped_and_goes_on_gets_a_new_frame() {
        let (mut live, captured) = live(false);
        let state = State::new(Rollout::default(), Logs::All);
        live.draw(&state, Look::BARE, milliseconds(1000));
        let before = captured.err().len();
        live.forget();
        live.draw(&state, Look::BARE, milliseconds(1010));
        let text = captured.err()[before..].to_owned();
        assert!(text.starts_with("Deploying"), "{text:?}");
    }

    #[test]
    fn a_narrower_window_has_broken_the_frame_s_lines() {
        let (mut live, _) = live(false);
        live.write(
            vec!["x".repeat(70), "\u{1b}[31m✗\u{1b}[0m y".to_owned()],
            80,
        );
        assert_eq!(live.back(80), "\u{1b}[2A\r");
        assert_eq!(live.back(30), "\u{1b}[4A\r");
        assert_eq!(live.back(2), "\u{1b}[37A\r");
    }

    #[test]
    fn a_panic_leaves_the_terminal_in_order() {
        let (live, captured) = live(false);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _live = live;
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        assert!(result.is_err());
        assert_eq!(captured.err(), "\u{1b}[0m");
    }
}
