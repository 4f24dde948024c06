//! How much of a host and of its line downloads may take: so many at once, so many bytes a second together.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

/// What a line that was idle may catch up on at once.
const BURST: Duration = Duration::from_millis(100);

/// The limits that all downloads of one registry client share.
#[derive(Debug)]
pub struct Limits {
    places: Semaphore,
    /// Bytes a second; none for as fast as it goes.
    rate: Option<u64>,
    /// When the line is free again.
    free: Mutex<Instant>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::new(None, Semaphore::MAX_PERMITS)
    }
}

impl Limits {
    /// At most `rate` bytes a second, in at most `downloads` at once.
    pub fn new(rate: Option<u64>, downloads: usize) -> Limits {
        Limits {
            places: Semaphore::new(downloads.clamp(1, Semaphore::MAX_PERMITS)),
            rate: rate.filter(|rate| *rate > 0),
            free: Mutex::new(Instant::now()),
        }
    }

    /// Bytes a second.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Waits for a place among the downloads.
    pub(super) async fn place(&self) -> SemaphorePermit<'_> {
        let place = self.places.acquire().await;
        place.expect("nobody closes it")
    }

    /// Waits until so many more bytes may have come.
    pub(super) async fn took(&self, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let time = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate);
        let until = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            *free = (*free).max(earliest) + time;
            *free
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn several_downloads_share_the_line() {
        let limits = Arc::new(Limits::new(Some(1000), 8));
        let began = Instant::now();
        let one = |limits: Arc<Limits>| async move {
            for _ in 0..10 {
                limits.took(250).await;
            }
        };
        tokio::join!(one(limits.clone()), one(limits.clone()));
        let took = began.elapsed();
        let expect = Duration::from_secs(5);
        assert!(took <= expect && took + BURST * 2 >= expect, "{took:?}");
    }

    #[tokio::test]
    async fn there_are_so_many_places_and_no_more() {
        let limits = Limits::new(None, 1);
        let first = limits.place().await;
        let second = tokio::time::timeout(Duration::ZERO, limits.place()).await;
        assert!(second.is_err());
        drop(first);
        drop(limits.place().await);
        limits.took(1 << 40).await;
    }
}
