//! Where progress is written: the live frame on a terminal, lines on stderr, NDJSON on stdout, or nowhere.
//!
//! The live frame is `live`'s. Lines on stderr that nobody reads any more are dropped and the work is still followed to
//! its end; NDJSON that nobody reads ends the command.

use std::io;
use std::time::Duration;

use crate::base::streams::Streams;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::What;
use crate::cli::progress::json;
use crate::cli::progress::live::Live;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::mux::Mux;
use crate::cli::progress::plain;
use crate::cli::progress::state::State;
use crate::cli::progress::tty::Size;

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

/// How large the screen is that these streams go to.
pub(super) fn size_of(streams: &Streams) -> Size {
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
