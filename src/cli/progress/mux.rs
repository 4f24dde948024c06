//! Lines of several gears take turns: one source keeps the word while it speaks, and none waits long (R9).
//!
//! Only plain text needs this: a frame shows every gear at once, and programs sort for themselves.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How long one source may keep the others waiting.
const LONGEST_TURN: Duration = Duration::from_secs(5);
/// A source that is silent this long gives up the word.
const PAUSE: Duration = Duration::from_millis(300);

/// Decides whose lines come next.
#[derive(Clone, Debug, Default)]
pub struct Mux {
    turn: Option<Turn>,
    held: BTreeMap<String, VecDeque<String>>,
    order: VecDeque<String>,
}

#[derive(Clone, Debug)]
struct Turn {
    source: String,
    began: Duration,
    spoke: Duration,
}

impl Mux {
    /// Takes a line and returns those that may be shown now.
    pub fn push(&mut self, source: &str, line: String, at: Duration) -> Vec<String> {
        let mut shown = self.pass(at);
        match &mut self.turn {
            Some(turn) if turn.source == source => {
                turn.spoke = at;
                shown.push(line);
            }
            Some(_) => {
                if !self.held.contains_key(source) {
                    self.order.push_back(source.to_owned());
                }
                self.held
                    .entry(source.to_owned())
                    .or_default()
                    .push_back(line);
            }
            None => {
                self.turn = Some(Turn {
                    source: source.to_owned(),
                    began: at,
                    spoke: at,
                });
                shown.push(line);
            }
        }
        shown
    }

    /// The lines of whoever waited, when the present speaker is silent or had its time.
    pub fn pass(&mut self, at: Duration) -> Vec<String> {
        let over = self.turn.as_ref().is_some_and(|turn| {
            let waited = !self.order.is_empty() && at.saturating_sub(turn.began) >= LONGEST_TURN;
            waited || at.saturating_sub(turn.spoke) >= PAUSE
        });
        if !over {
            return Vec::new();
        }
        self.turn = None;
        let Some(source) = self.order.pop_front() else {
            return Vec::new();
        };
        let lines = self.held.remove(&source).unwrap_or_default();
        self.turn = Some(Turn {
            source,
            began: at,
            spoke: at,
        });
        lines.into()
    }

    /// Every line that still waits, source by source.
    pub fn finish(&mut self) -> Vec<String> {
        self.turn = None;
        let mut lines = Vec::new();
        while let Some(source) = self.order.pop_front() {
            lines.extend(self.held.remove(&source).unwrap_or_default());
        }
        lines
    }

    /// What one source still has waiting: it is about to say something that comes after it.
    pub fn finish_source(&mut self, source: &str) -> Vec<String> {
        self.order.retain(|one| one != source);
        self.held.remove(source).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_speaker_keeps_the_word_until_it_pauses() {
        let mut mux = Mux::default();
        assert_eq!(mux.push("a", "a1".into(), at(0)), ["a1"]);
        assert!(mux.push("b", "b1".into(), at(10)).is_empty());
        assert_eq!(mux.push("a", "a2".into(), at(20)), ["a2"]);
        assert!(mux.pass(at(300)).is_empty());
        assert_eq!(mux.pass(at(320)), ["b1"]);
        assert_eq!(mux.push("b", "b2".into(), at(330)), ["b2"]);
    }

    #[test]
    fn nobody_starves() {
        let mut mux = Mux::default();
        let mut shown = Vec::new();
        for now in (0..6000).step_by(100) {
            shown.extend(mux.push("loud", format!("loud {now}"), at(now)));
            if now == 100 {
                assert!(mux.push("soft", "soft".into(), at(now)).is_empty());
            }
        }
        let place = shown.iter().position(|line| line == "soft").expect("shown");
        assert_eq!(shown[place - 1], "loud 4900");
        shown.extend(mux.finish());
        assert_eq!(shown.len(), 61, "every line once");
    }
}
