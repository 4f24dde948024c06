//! The live frame on a terminal: `tty` says what is in it, indicatif draws it, and nothing of it stays behind.
//!
//! The frame is one field of an indicatif bar; what scrolls by is printed above that bar, in the same draw. A draw is one
//! write, at most ten times a second and only when something changed. The cursor is never hidden and rests below the
//! frame, so nothing but the frame has to be taken back (R6): on every way out it is cleared.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use indicatif::MultiProgress;
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressState;
use indicatif::ProgressStyle;
use indicatif::TermLike;
use unicode_width::UnicodeWidthStr;

use crate::base::streams::Streams;
use crate::cli::progress::look::Look;
use crate::cli::progress::screen;
use crate::cli::progress::state::State;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Size;

/// Frames a second, at most (R4).
const RATE: u8 = 10;
/// The time between two of them: indicatif's own limit lets the first twenty pass at once.
const PAUSE: Duration = Duration::from_millis(1000 / RATE as u64);
/// Nothing is drawn for work that ends sooner.
const FIRST_LINE: Duration = Duration::from_millis(100);
/// Work that takes longer gets its whole frame.
const FIRST_FRAME: Duration = Duration::from_millis(500);

/// The frame on a terminal.
pub(super) struct Live {
    terminal: Terminal,
    all: MultiProgress,
    bar: ProgressBar,
    /// Lines that are to scroll by with the next frame.
    passing: Vec<String>,
    drawn: Option<Duration>,
}

impl Live {
    /// An empty one; a terminal that is `synchronized` shows a frame when it is whole.
    pub(super) fn new(streams: &Streams, synchronized: bool) -> Live {
        let terminal = Terminal {
            streams: streams.clone(),
            synchronized,
            sheet: Arc::default(),
        };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), RATE);
        let all = MultiProgress::with_draw_target(target);
        // The rows are written over, not wiped first: that would flicker.
        all.set_move_cursor(true);
        let bar = all.add(ProgressBar::no_length());
        let rows = terminal.clone();
        let style = ProgressStyle::with_template("{frame}")
            .expect("the template is well formed")
            .with_key(
                "frame",
                move |_: &ProgressState, to: &mut dyn fmt::Write| {
                    // Writing to memory does not fail.
                    let _ = to.write_str(&rows.sheet().frame.join("\n"));
                },
            );
        bar.set_style(style);
        Live {
            terminal,
            all,
            bar,
            passing: Vec::new(),
            drawn: None,
        }
    }

    /// Lets lines scroll by, above the frame.
    pub(super) fn print(&mut self, lines: Vec<String>) {
        self.passing.extend(lines);
    }

    /// Shows the frame of this moment, if it is time for one and it says something new.
    pub(super) fn draw(&mut self, state: &State, look: Look, at: Duration) {
        let is_early = at < FIRST_LINE && self.passing.is_empty();
        let is_fresh = self.drawn.is_some_and(|drawn| at < drawn + PAUSE);
        if is_early || is_fresh {
            return;
        }
        let size = screen::size_of(&self.terminal.streams);
        let mut frame = tty::frame(state, look, size, at);
        if at < FIRST_FRAME {
            frame.truncate(1);
        }
        if self.passing.is_empty() && self.terminal.sheet().shows(&frame, size) {
            return;
        }
        self.write(frame, size);
        self.drawn = Some(at);
    }

    fn write(&mut self, frame: Vec<String>, size: Size) {
        {
            let mut sheet = self.terminal.sheet();
            sheet.frame = frame;
            sheet.size = size;
        }
        if self.passing.is_empty() {
            self.bar.tick();
        } else {
            let lines = std::mem::take(&mut self.passing);
            self.bar.println(lines.join("\n"));
        }
    }

    /// Something else was written to the terminal: what is there stays, and a new frame comes below it.
    pub(super) fn forget(&mut self) {
        self.terminal.sheet().shown.clear();
        self.drawn = None;
    }

    /// Takes the frame away; what was to scroll by is left.
    pub(super) fn clear(&mut self) {
        let size = screen::size_of(&self.terminal.streams);
        if self.passing.is_empty() {
            self.terminal.sheet().frame.clear();
            self.terminal.sheet().size = size;
            // A terminal that went away takes nothing with it.
            let _ = self.all.clear();
        } else {
            self.write(Vec::new(), size);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the panic said stands below the frame: it stays, and what comes next has no colour.
            let _ = self.terminal.streams.err(format_args!("\u{1b}[0m"));
        } else {
            self.clear();
        }
    }
}

/// What indicatif takes for a terminal.
///
/// It writes each line and then spaces up to the margin, and counts the rows of a screen that is as it left it. Spaces
/// would be copied with the text and break into rows of their own when the window becomes narrower, and others write to
/// a terminal while a job is stopped. So each draw is collected here, and put on the screen as it is now.
#[derive(Clone)]
struct Terminal {
    streams: Streams,
    synchronized: bool,
    sheet: Arc<Mutex<Sheet>>,
}

impl Terminal {
    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        u16::try_from(self.sheet().size.columns).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.sheet().size.rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.sheet().lines.push(text.to_owned());
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.sheet().take(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = self.sheet().lay_out();
        if text.is_empty() {
            return Ok(());
        }
        // A terminal that went away takes nothing with it: the work is still followed.
        let _ = if self.synchronized {
            let whole = format_args!("\u{1b}[?2026h{text}\u{1b}[?2026l");
            self.streams.err(whole)
        } else {
            self.streams.err(format_args!("{text}"))
        };
        Ok(())
    }
}

/// What is on the screen, and what is to be.
#[derive(Debug)]
struct Sheet {
    /// The rows of the frame that is to be shown.
    frame: Vec<String>,
    size: Size,
    /// What indicatif wrote since the last flush: lines that scroll by, then the frame.
    lines: Vec<String>,
    /// A line was written, what fills it up to the margin was not.
    is_open: bool,
    /// The rows that are on the screen, above the cursor, and how wide it was.
    shown: Vec<String>,
    columns: usize,
}

impl Default for Sheet {
    fn default() -> Sheet {
        Sheet {
            frame: Vec::new(),
            size: Size::USUAL,
            lines: Vec::new(),
            is_open: false,
            shown: Vec::new(),
            columns: Size::USUAL.columns,
        }
    }
}

impl Sheet {
    fn shows(&self, frame: &[String], size: Size) -> bool {
        self.shown == frame && self.columns == size.columns
    }

    /// A line, or what fills it; a draw begins with a carriage return.
    fn take(&mut self, text: &str) {
        if text == "\r" {
            self.is_open = false;
            return;
        }
        if !self.is_open {
            self.lines.push(text.to_owned());
        }
        self.is_open = !self.is_open;
    }

    /// What puts the collected lines in the place of the old frame, in one write; nothing when nothing is to be done.
    fn lay_out(&mut self) -> String {
        let columns = self.size.columns;
        let lines = std::mem::take(&mut self.lines);
        self.is_open = false;
        let (passing, frame) = lines.split_at(lines.len().saturating_sub(self.frame.len()));
        let mut text = self.back();
        if !passing.is_empty() && !self.shown.is_empty() {
            // Such a line may be wider than the screen: what it goes over must be empty.
            text.push_str("\u{1b}[J");
        }
        for line in passing {
            text.push_str(line);
            text.push_str("\r\n");
        }
        for line in frame {
            text.push_str(line);
            text.push_str("\u{1b}[K\r\n");
        }
        let is_smaller = frame.len() < self.shown.len() && passing.is_empty();
        if is_smaller || columns != self.columns {
            text.push_str("\u{1b}[J");
        }
        self.shown = frame.to_vec();
        self.columns = columns;
        text
    }

    /// To the first row of the frame that is there; a window that became narrower has broken its lines.
    fn back(&self) -> String {
        let columns = self.size.columns.max(1);
        let rows: usize = self
            .shown
            .iter()
            .map(|line| width(line).div_ceil(columns).max(1))
            .sum();
        match rows {
            0 => String::new(),
            rows => format!("\u{1b}[{rows}A\r"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::Rollout;
    use crate::base::streams;
    use crate::base::streams::Captured;
    use crate::cli::progress::state::Logs;

    fn live(synchronized: bool) -> (Live, Captured) {
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
        live.draw(&state, Look::BARE, milliseconds(61_000));
        let first = captured.err();
        assert!(first.starts_with("Deploying"), "{first:?}");
        assert_eq!(first.matches("\r\n").count(), 2, "{first:?}");
        assert!(!first.contains("  \u{1b}[K"), "not filled: {first:?}");
        live.print(vec!["a line".to_owned()]);
        live.draw(&state, Look::BARE, milliseconds(61_050));
        assert_eq!(captured.err(), first, "at most ten frames a second");
        live.draw(&state, Look::BARE, milliseconds(61_100));
        let second = captured.err()[first.len()..].to_owned();
        let expect = "\u{1b}[2A\r\u{1b}[Ja line\r\nDeploying";
        assert!(second.starts_with(expect), "{second:?}");
        assert_eq!(second.matches("Deploying").count(), 1, "one draw");
        live.draw(&state, Look::BARE, milliseconds(61_200));
        assert_eq!(captured.err().len(), first.len() + second.len(), "no news");
        live.print(vec!["the last".to_owned()]);
        drop(live);
        let last = captured.err()[first.len() + second.len()..].to_owned();
        assert_eq!(last, "\u{1b}[2A\r\u{1b}[Jthe last\r\n");
    }

    #[test]
    fn a_frame_without_news_is_wiped_at_the_end() {
        let (mut live, captured) = live(false);
        let state = State::new(Rollout::default(), Logs::All);
        live.draw(&state, Look::BARE, milliseconds(1000));
        let first = captured.err();
        drop(live);
        assert_eq!(captured.err()[first.len()..], *"\u{1b}[2A\r\u{1b}[J");
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
        let (mut live, captured) = live(false);
        let rows = vec!["w".repeat(70), "\u{1b}[31m✗\u{1b}[0m y".to_owned()];
        let size = |columns| Size { columns, rows: 99 };
        live.write(rows.clone(), size(80));
        let check = |live: &mut Live, columns: usize, expect: &str| {
            let before = captured.err().len();
            live.write(rows.clone(), size(columns));
            let text = captured.err()[before..].to_owned();
            assert!(text.starts_with(expect), "{columns}: {text:?}");
            assert!(text.ends_with("\u{1b}[J"), "{columns}: {text:?}");
        };
        check(&mut live, 30, "\u{1b}[4A\rwww");
        check(&mut live, 2, "\u{1b}[37A\rwww");
    }

    #[test]
    fn lines_of_any_width_scroll_by_whole() {
        let (mut live, captured) = live(false);
        let size = Size {
            columns: 10,
            rows: 24,
        };
        for width in [0, 9, 10, 11, 20, 25] {
            live.print(vec!["y".repeat(width) + ".", "z".to_owned()]);
            let before = captured.err().len();
            live.write(vec!["one".to_owned(), String::new()], size);
            let text = captured.err()[before..].to_owned();
            let expect = format!("{}.\r\nz\r\none\u{1b}[K\r\n\u{1b}[K\r\n", "y".repeat(width));
            assert!(text.contains(&expect), "{width}: {text:?}");
        }
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
