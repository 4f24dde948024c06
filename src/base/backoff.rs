//! How long to wait before trying again: doubling from a floor to a ceiling, spread by chance.
//!
//! Decides only; the caller sleeps. Chance is an argument so that tests can fix it.

use std::time::Duration;

/// A growing pause between tries.
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts at `floor` and doubles up to `ceiling`.
    pub fn new(floor: Duration, ceiling: Duration) -> Backoff {
        Backoff {
            floor,
            ceiling,
            tries: 0,
        }
    }

    /// The next pause: between half and all of the doubled one, by `chance` in 0..=1.
    pub fn next(&mut self, chance: f64) -> Duration {
        let whole = self
            .floor
            .saturating_mul(1 << self.tries.min(20))
            .min(self.ceiling);
        self.tries = self.tries.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }

    /// Whether nothing failed since the start or the last [`Backoff::reset`].
    pub fn is_fresh(&self) -> bool {
        self.tries == 0
    }

    /// Forgets the failures: the next pause is the first again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// A number in 0..1 from the system's randomness.
pub fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_ceiling_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<u128> = (0..5).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 50);
    }
}
