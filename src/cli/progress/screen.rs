//! Where progress is written: the live frame on a terminal, lines on stderr, NDJSON on stdout, or nowhere.
//!
//! indicatif draws the live frame through a terminal of ours that collects each frame into one write. The cursor is never
//! hidden, so nothing but the frame has to be taken back: on every way out, a panic included, it is cleared. Lines on
//! stderr that nobody reads any more are dropped and the work is still followed to its end; NDJSON that nobody reads ends
//! the command.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;
use indicatif::TermLike;

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

/// Frames a second, at most.
const RATE: u8 = 10;
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
    pub fn open(mode: Mode, look: Look, streams: Streams) -> Screen {
        let kind = match mode {
            Mode::Tty => Kind::Live(Live::new(&streams)),
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
                live.print(&live_lines(events, state, look));
                live.draw(state, look, at);
                return Ok(());
            }
        };
        self.say(&lines);
        Ok(())
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
    bar: ProgressBar,
    terminal: Terminal,
    shown: String,
}

impl Live {
    fn new(streams: &Streams) -> Live {
        let terminal = Terminal {
            streams: streams.clone(),
            frame: Arc::default(),
        };
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), RATE);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(
            ProgressStyle::with_template("{msg}").expect("the template has one known field"),
        );
        Live {
            bar,
            terminal,
            shown: String::new(),
        }
    }

    fn print(&self, lines: &[String]) {
        if !lines.is_empty() {
            self.bar.println(lines.join("\n"));
        }
    }

    fn draw(&mut self, state: &State, look: Look, at: Duration) {
        if at < FIRST_LINE {
            return;
        }
        let mut lines = tty::frame(state, look, size(), at);
        if at < FIRST_FRAME {
            lines.truncate(1);
        }
        let frame = lines.join("\n");
        if frame != self.shown {
            self.bar.set_message(frame.clone());
            self.shown = frame;
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
        self.terminal.end_line();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
        if std::thread::panicking() {
            // indicatif draws nothing then; what comes next at least starts on a line of its own, in no colour.
            let _ = self.terminal.streams.err(format_args!("\u{1b}[0m\r\n"));
        }
    }
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

/// A terminal that gets each frame in one write.
///
/// indicatif fills every line with spaces up to the margin and lets the terminal wrap. That leaves debris when the window
/// becomes narrower and spaces in what is copied, so the filling becomes "clear to the end of the line", and the wrap a
/// line end before whatever comes next.
#[derive(Clone)]
struct Terminal {
    streams: Streams,
    frame: Arc<Mutex<Frame>>,
}

#[derive(Default)]
struct Frame {
    text: String,
    /// The cursor stands behind a finished line.
    at_margin: bool,
}

impl Terminal {
    fn frame(&self) -> MutexGuard<'_, Frame> {
        self.frame.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, count: usize, direction: char) {
        if count > 0 {
            let mut frame = self.frame();
            frame.at_margin = false;
            for part in ["\u{1b}[", &count.to_string()] {
                frame.text.push_str(part);
            }
            frame.text.push(direction);
        }
    }

    /// Leaves a line that scrolled by for good.
    fn end_line(&self) {
        let left = std::mem::take(&mut self.frame().at_margin);
        if left {
            let _ = self.streams.err(format_args!("\r\n"));
        }
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terminal")
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        u16::try_from(size().columns).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(size().rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.turn(count, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.turn(count, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.turn(count, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.turn(count, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str("\r\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut frame = self.frame();
        if text.starts_with('\r') {
            frame.at_margin = false;
            frame.text.push_str(text);
        } else if text.trim().is_empty() {
            frame.at_margin = true;
            frame.text.push_str("\u{1b}[K");
        } else {
            if std::mem::take(&mut frame.at_margin) {
                frame.text.push_str("\r\n");
            }
            frame.text.push_str(text);
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut self.frame().text);
        if !text.is_empty() {
            // A terminal that went away takes nothing with it: the work is still followed.
            let _ = self.streams.err(format_args!("{text}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_write_and_is_taken_back_on_every_way_out() {
        let (streams, captured) = Streams::captured();
        let mut live = Live::new(&streams);
        let state = State::new(
            crate::api::upshift::Rollout::default(),
            crate::cli::progress::state::Logs::All,
        );
        live.draw(&state, Look::BARE, Duration::from_millis(50));
        assert_eq!(captured.err(), "", "too early to draw anything");
        live.draw(&state, Look::BARE, Duration::from_secs(1));
        assert!(captured.err().contains("Deploying"), "{:?}", captured.err());
        live.print(&["a line".to_owned()]);
        live.clear();
        let text = captured.err();
        assert!(text.ends_with("\u{1b}[2K\u{1b}[1A"), "{text:?}");
        assert!(text.contains("a line\u{1b}[K\r\nDeploying"), "{text:?}");
        assert!(!text.contains("      \r"), "{text:?}");
    }

    #[test]
    fn a_panic_leaves_the_terminal_in_order() {
        let (streams, captured) = Streams::captured();
        let live = Live::new(&streams);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _live = live;
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        assert!(result.is_err());
        assert_eq!(captured.err(), "\u{1b}[0m\r\n");
    }
}
