//! Destination trees: two Operations never install below the same folder at once.
//!
//! One Operation takes all its trees in one go, once, so that two can never wait for each other.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Inner {
    taken: Mutex<Vec<(u64, Vec<PathBuf>)>>,
    freed: Notify,
}

/// The trees of one node that are being installed into; a cheap clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Inner>);

/// Trees held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    places: Places,
    number: u64,
}

impl Places {
    /// Waits until none of these folders, nothing above and nothing below them is held, and holds them.
    pub(crate) async fn hold(&self, folders: Vec<PathBuf>) -> Held {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(held) = self.try_hold(&folders) {
                return held;
            }
            freed.await;
        }
    }

    fn try_hold(&self, folders: &[PathBuf]) -> Option<Held> {
        let mut taken = self.taken();
        let free = taken
            .iter()
            .flat_map(|(_, others)| others)
            .all(|other| folders.iter().all(|one| !overlap(one, other)));
        let number = taken.last().map_or(0, |(number, _)| number + 1);
        free.then(|| {
            taken.push((number, folders.to_vec()));
            Held {
                places: self.clone(),
                number,
            }
        })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Vec<PathBuf>)>> {
        self.0
            .taken
            .lock()
            .expect("nothing panics while it holds the list")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places
            .taken()
            .retain(|(number, _)| *number != self.number);
        self.places.0.freed.notify_waiters();
    }
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[tokio::test]
    async fn trees_that_overlap_wait_for_each_other() {
        let places = Places::default();
        let held = places.hold(folders(&["/srv/a", "/etc/a"])).await;
        let beside = places.hold(folders(&["/srv/ab"])).await;
        assert!(places.try_hold(&folders(&["/srv/a/deeper"])).is_none());
        assert!(places.try_hold(&folders(&["/srv"])).is_none());
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.hold(folders(&["/srv/a/x"])).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap();
        drop(beside);
        assert!(places.taken().is_empty());
    }
}
