//! Every gear in its heap: how many are how far, which ones, and how long it took them.
//!
//! `fold` moves a gear from heap to heap when something about it changed, so that counting costs nothing that grows with
//! the fleet and a frame looks only at the gears that it shows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cli::progress::names::Names;

/// How a gear stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Its turn has not come, or its node has not accepted it.
    #[default]
    Waiting,
    InFlight,
    Paused,
    Done,
    Failed,
    Aborted,
    /// Its node is silent; it catches up when it returns.
    Unreachable,
}

/// What is counted of one gear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) standing: Standing,
    /// Since when it stands so, as far as was seen.
    pub(super) since: Duration,
    /// Whether its last run is at its end.
    pub(super) is_final: bool,
    /// The time of a run that went well.
    pub(super) took: Option<Duration>,
}

/// All heaps.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    heaps: [BTreeSet<(Duration, String)>; 7],
    /// Of those that are done, and those that cannot be reached.
    done: Names,
    unreachable: Names,
    /// How long those took that are done, in order.
    times: Vec<Duration>,
    finals: u32,
}

impl Tally {
    /// How many gears stand so.
    pub fn count(&self, standing: Standing) -> u32 {
        u32::try_from(self.heaps[standing as usize].len()).unwrap_or(u32::MAX)
    }

    /// The gears that stand so, those first that do so longest.
    pub fn gears(&self, standing: Standing) -> impl Iterator<Item = &str> {
        self.heaps[standing as usize]
            .iter()
            .map(|(_, gear)| gear.as_str())
    }

    /// How many have a last run that is at its end.
    pub fn finals(&self) -> u32 {
        self.finals
    }

    /// Those that are done.
    pub fn done(&self) -> &Names {
        &self.done
    }

    /// Those that are known not to be reached.
    pub fn unreachable(&self) -> &Names {
        &self.unreachable
    }

    /// The usual time of those that are done.
    pub fn median(&self) -> Option<Duration> {
        self.times.get(self.times.len() / 2).copied()
    }

    /// Moves a gear from one heap to another.
    pub(super) fn shift(&mut self, gear: &str, label: &str, old: Option<&Entry>, new: &Entry) {
        if old == Some(new) {
            return;
        }
        if let Some(old) = old {
            self.take(gear, label, old);
        }
        self.heaps[new.standing as usize].insert((new.since, gear.to_owned()));
        self.finals += u32::from(new.is_final);
        match new.standing {
            Standing::Done => {
                self.done.insert(label);
                if let Some(took) = new.took {
                    let place = self.times.partition_point(|one| *one < took);
                    self.times.insert(place, took);
                }
            }
            Standing::Unreachable => self.unreachable.insert(label),
            _ => {}
        }
    }

    fn take(&mut self, gear: &str, label: &str, old: &Entry) {
        self.heaps[old.standing as usize].remove(&(old.since, gear.to_owned()));
        self.finals -= u32::from(old.is_final);
        match old.standing {
            Standing::Done => {
                self.done.remove(label);
                if let Some(place) = old
                    .took
                    .and_then(|took| self.times.binary_search(&took).ok())
                {
                    self.times.remove(place);
                }
            }
            Standing::Unreachable => self.unreachable.remove(label),
            _ => {}
        }
    }
}

/// The middle one.
pub fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gear_is_in_one_heap() {
        let mut tally = Tally::default();
        let entry = |standing, seconds| Entry {
            standing,
            since: Duration::from_secs(seconds),
            is_final: standing == Standing::Done,
            took: (standing == Standing::Done).then(|| Duration::from_secs(seconds)),
        };
        let running = entry(Standing::InFlight, 1);
        let done = entry(Standing::Done, 2);
        tally.shift("a", "web-1", None, &running);
        tally.shift("b", "web-2", None, &entry(Standing::InFlight, 0));
        let order: Vec<&str> = tally.gears(Standing::InFlight).collect();
        assert_eq!(order, ["b", "a"], "the longest first");
        tally.shift("a", "web-1", Some(&running), &done);
        assert_eq!((tally.count(Standing::InFlight), tally.finals()), (1, 1));
        assert_eq!(tally.median(), Some(Duration::from_secs(2)));
        assert_eq!(tally.done().show(80, "…"), "web-1");
        tally.shift("a", "web-1", Some(&done), &running);
        assert_eq!((tally.count(Standing::Done), tally.finals()), (0, 0));
        assert_eq!(tally.median(), None);
        assert!(tally.done().is_empty());
    }
}
