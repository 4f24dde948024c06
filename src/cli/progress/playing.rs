//! Tells a recorded rollout again, at some speed, in any mode: the same fold, screen and summary as when it happened.
//!
//! The only clock here is the player's own. Nothing is asked of a server.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Moment;
use crate::cli::progress::event::What;
use crate::cli::progress::flags::Chosen;
use crate::cli::progress::interrupt::Interrupts;
use crate::cli::progress::interrupt::Signal;
use crate::cli::progress::json;
use crate::cli::progress::look::Look;
use crate::cli::progress::mode::Mode;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::replay::Cue;
use crate::cli::progress::replay::Recording;
use crate::cli::progress::replay::Stage;
use crate::cli::progress::screen::Screen;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Story;
use crate::cli::progress::summary;

/// How long a frame stands while nothing happens.
const FRAME: Duration = Duration::from_millis(100);

/// How fast a story is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Instant,
    /// That many times as fast as it happened.
    Times(f64),
}

impl Speed {
    /// What nobody has to wait for; on a terminal ten times as fast as it was.
    pub fn usual(mode: Mode) -> Speed {
        match mode {
            Mode::Tty => Speed::Times(10.0),
            Mode::Plain | Mode::Json | Mode::Quiet => Speed::Instant,
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "instant" {
            return Ok(Speed::Instant);
        }
        let times = text.strip_suffix('x').unwrap_or(text).parse::<f64>();
        match times {
            Ok(times) if (0.01..=1e6).contains(&times) => Ok(Speed::Times(times)),
            _ => Err(format!(
                "{text:?} is not a speed (write it like 1x, 10x or instant)"
            )),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speed::Instant => f.write_str("instant"),
            Speed::Times(times) => write!(f, "{times}x"),
        }
    }
}

/// Tells it to its end and ends as it ended.
pub async fn play(
    context: &Context,
    recording: &Recording,
    chosen: Chosen,
    speed: Speed,
) -> Result<Exit, Failure> {
    let stage = Stage::new(&recording.name);
    let logs = match chosen.mode {
        Mode::Quiet | Mode::Plain => Logs::All,
        Mode::Tty => Logs::LastLines,
        Mode::Json => Logs::Everything,
    };
    let synchronized = Look::synchronizes(&context.environment);
    let player = Player {
        context,
        chosen,
        speed,
        state: State::new(stage.rollout(), logs),
        stage,
        screen: Screen::open(
            chosen.mode,
            chosen.look,
            context.streams.clone(),
            synchronized,
        ),
        began: Instant::now(),
    };
    player.run(recording).await
}

struct Player<'a> {
    context: &'a Context,
    chosen: Chosen,
    speed: Speed,
    stage: Stage,
    state: State,
    screen: Screen,
    began: Instant,
}

impl Player<'_> {
    async fn run(mut self, recording: &Recording) -> Result<Exit, Failure> {
        let mut interrupts = Interrupts::listen()?;
        for cue in &recording.cues {
            if let Some(exit) = self.wait_for(cue, &mut interrupts).await? {
                self.screen.close(&["stopped replaying".to_owned()]);
                return Ok(exit);
            }
            let events = perform(&mut self.stage, &mut self.state, cue);
            self.screen.show(&events, &self.state, cue.at)?;
        }
        let took = recording.cues.last().map_or(Duration::ZERO, |cue| cue.at);
        let outcome = outcome(&self.state, recording);
        if self.chosen.mode == Mode::Json {
            let result = json::result(&self.state, &outcome, took);
            self.context.out(format_args!("{result}\n"))?;
        }
        let lines = self.last_words(&outcome, took);
        self.screen.close(&lines);
        Ok(outcome.exit)
    }

    /// Waits until its time has come, with a frame now and then; some exit when somebody or something says stop.
    async fn wait_for(
        &mut self,
        cue: &Cue,
        interrupts: &mut Interrupts,
    ) -> Result<Option<Exit>, Failure> {
        let Speed::Times(times) = self.speed else {
            return Ok(None);
        };
        let mut last = Instant::now();
        loop {
            match interrupts.late(&mut last).await {
                Some(Signal::Resumed) => self.screen.forget(),
                Some(Signal::End(exit)) => return Ok(Some(exit)),
                None => {}
            }
            let real = self.began.elapsed();
            if self.chosen.timeout.is_some_and(|timeout| real >= timeout) {
                return Ok(Some(Exit::TimedOut));
            }
            let at = real.mul_f64(times);
            if at >= cue.at {
                return Ok(None);
            }
            self.screen.show(&[], &self.state, at)?;
            let rest = cue.at.saturating_sub(at).div_f64(times).min(FRAME);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                signal = interrupts.heard() => match signal {
                    Signal::Resumed => self.screen.forget(),
                    Signal::End(exit) => return Ok(Some(exit)),
                },
            }
        }
    }

    fn last_words(&self, outcome: &Outcome, took: Duration) -> Vec<String> {
        let is_over = self.state.is_over();
        match self.chosen.mode {
            Mode::Json => Vec::new(),
            Mode::Quiet if outcome.exit == Exit::Done => Vec::new(),
            _ if !is_over => {
                let name = self.state.name();
                vec![format!(
                    "{name}: the recording ends before the rollout does ({})",
                    outcome.reason
                )]
            }
            mode => {
                let wanted = summary::Wanted::of(self.context, self.chosen.look, mode);
                summary::lines(&self.state, outcome, took, wanted)
            }
        }
    }
}

/// One thing happens again.
pub(super) fn perform(stage: &mut Stage, state: &mut State, cue: &Cue) -> Vec<Event> {
    if let What::Rollout { about, .. } = &cue.what {
        state.usual = about.usual;
        if about.number == 0 {
            // Only an application of pods is told without a number.
            state.story = Story::Application;
        }
    }
    let moment = Moment {
        at: cue.at,
        time: cue.time,
    };
    let mut events = Vec::new();
    for change in stage.play(&cue.what) {
        events.extend(state.apply(change, moment));
        // Its output is on the stage already.
        let _ = state.take_wanted();
    }
    events
}

/// How it ended then: as it was recorded, else as the rollout itself did.
pub(super) fn outcome(state: &State, recording: &Recording) -> Outcome {
    let recorded = recording
        .result
        .as_ref()
        .and_then(|(code, reason)| Some(Outcome::new(Exit::of_code(*code)?, reason)));
    recorded
        .or_else(|| Outcome::of(&state.rollout))
        .unwrap_or_else(|| Outcome::new(Exit::Failed, "CutOff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_as_they_are_written() {
        for (text, expect) in [
            ("instant", Speed::Instant),
            ("10x", Speed::Times(10.0)),
            ("0.5x", Speed::Times(0.5)),
            ("3", Speed::Times(3.0)),
        ] {
            assert_eq!(text.parse(), Ok(expect), "{text}");
        }
        for text in ["", "x", "0x", "-1x", "fast", "NaN", "1e9x"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }
}
