//! Time as an argument: the one place that reads the wall clock.
//!
//! Pure code takes a [`Timestamp`]; only the edges hold a [`Clock`]. Waiting uses tokio's monotonic clock, never this;
//! who decides by how long something has lasted holds a steady one, which no jump of the system's clock reaches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::Serialize;

/// A moment in UTC, printed as Kubernetes prints it: `2026-11-20T20:44:04Z`, whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The moment that many seconds after 1970.
    pub fn from_second(second: i64) -> Timestamp {
        Timestamp(jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Seconds since 1970, cut to whole ones.
    pub fn as_second(self) -> i64 {
        self.0.as_second()
    }

    /// How long `self` is after `earlier`; zero when it is not.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.0.duration_since(earlier.0)).unwrap_or(Duration::ZERO)
    }

    /// The moment so much later, in whole seconds.
    pub fn after(self, time: Duration) -> Timestamp {
        Timestamp::from_second(self.as_second().saturating_add_unsigned(time.as_secs()))
    }

    /// This moment as mails and kubectl write it: `Fri, 20 Nov 2026 20:44:04 +0000`.
    pub fn mail(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }

    /// This moment with microseconds, as Lease and Event carry it: `2026-11-20T20:44:04.000000Z`.
    pub fn micro(self) -> String {
        format!("{:.6}", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Timestamp, jiff::Error> {
        Ok(Timestamp(text.parse()?))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = jiff::Error;
    fn try_from(text: String) -> Result<Timestamp, jiff::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.to_string()
    }
}

/// Where the time comes from: the system, or a test that turns the hands itself.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    Manual(Arc<Mutex<Timestamp>>),
    /// The system's, but it never jumps: made with [`Clock::steady`].
    Steady(Arc<Mutex<Steady>>),
}

/// Where a steady clock was when it was last looked at.
#[derive(Debug)]
pub struct Steady {
    seen: Instant,
    shown: Timestamp,
}

/// A steady clock that differs from the system's goes faster or slower by this part, until it does not.
const SLEW: u32 = 16;

impl Steady {
    /// What it shows that much later, when the system's clock shows `wall`.
    fn show(&mut self, elapsed: Duration, wall: Timestamp) -> Timestamp {
        let most = SignedDuration::try_from(elapsed / SLEW).unwrap_or(SignedDuration::ZERO);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        let expected = self.shown.0.checked_add(elapsed).unwrap_or(self.shown.0);
        let behind = wall.0.duration_since(expected).clamp(-most, most);
        self.shown = Timestamp(expected.checked_add(behind).unwrap_or(expected));
        self.shown
    }
}

impl Clock {
    /// A clock that begins with the system's and then measures by itself, approaching the system's only slowly: a jump
    /// of an hour makes nothing an hour old.
    pub fn steady() -> Clock {
        Clock::Steady(Arc::new(Mutex::new(Steady {
            seen: Instant::now(),
            shown: Clock::System.now(),
        })))
    }

    /// The same, steady if it is the system's.
    pub fn steadied(&self) -> Clock {
        match self {
            Clock::System => Clock::steady(),
            other => other.clone(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp(jiff::Timestamp::now()),
            Clock::Manual(hands) => *hands
                .lock()
                .expect("nothing panics while it holds the hands"),
            Clock::Steady(steady) => {
                let mut steady = steady.lock().expect("nothing panics while it holds this");
                let elapsed = steady.seen.elapsed();
                steady.seen += elapsed;
                steady.show(elapsed, Clock::System.now())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_whole_seconds_and_reads_its_own_text() {
        let moment = Timestamp::from_second(1_800_000_000);
        assert_eq!(moment.to_string(), "2027-01-15T08:00:00Z");
        assert_eq!(moment.mail(), "Fri, 15 Jan 2027 08:00:00 +0000");
        assert_eq!(moment.micro(), "2027-01-15T08:00:00.000000Z");
        assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        assert_eq!(
            Timestamp::from_second(5).since(Timestamp::from_second(2)),
            Duration::from_secs(3)
        );
        assert_eq!(
            Timestamp::from_second(2).since(Timestamp::from_second(5)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_jump_of_the_system_s_clock_is_no_time_that_passed() {
        let at = Timestamp::from_second;
        let mut clock = Steady {
            seen: Instant::now(),
            shown: at(1000),
        };
        let second = Duration::from_secs(1);
        assert_eq!(clock.show(second, at(1001)), at(1001));
        // An hour forward: sixteen seconds are seventeen at most.
        assert_eq!(clock.show(16 * second, at(1017 + 3600)), at(1018));
        // An hour back: they are fifteen, and it never goes back itself.
        assert_eq!(clock.show(16 * second, at(1034 - 3600)), at(1033));
        assert_eq!(clock.show(Duration::ZERO, at(0)), at(1033));
        // Little is made up for at once.
        assert_eq!(clock.show(32 * second, at(1064)), at(1064));
        let steady = Clock::steady();
        let (first, second) = (steady.now(), steady.now());
        assert!(first <= second, "{first:?} {second:?}");
    }
}
