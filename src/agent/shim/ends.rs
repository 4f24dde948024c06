//! Ends of shims, as the kernel tells of them: a record is open to write while its shim has the child, and closed then.
//!
//! One task of each runtime waits for all of them, and ends with it. Why a record was closed, and by whom, is not known
//! here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InotifyEvent;
use nix::sys::inotify::WatchDescriptor;
use tokio::runtime::Handle;
use tokio::runtime::Id;
use tokio::sync::oneshot;

use crate::agent::watcher::Watcher;

/// Those that are listened for, by the runtime that does.
static ENDS: LazyLock<Mutex<HashMap<Id, Arc<Ends>>>> = LazyLock::new(Mutex::default);

struct Ends {
    watcher: Watcher,
    waiting: Mutex<Waiting>,
}

type Waiting = HashMap<WatchDescriptor, Vec<oneshot::Sender<()>>>;

/// A wait for a record to be closed by somebody who could write.
pub(super) struct Closing {
    ends: Arc<Ends>,
    record: WatchDescriptor,
    told: oneshot::Receiver<()>,
}

/// Begins to wait, on a runtime; none where that is not told, because the limits of the kernel are used up.
pub(super) fn follow(record: &Path) -> Option<Closing> {
    let ends = of_this_runtime()?;
    let (tell, told) = oneshot::channel();
    let mut waiting = lock(&ends.waiting);
    let record = ends
        .watcher
        .add(record, AddWatchFlags::IN_CLOSE_WRITE)
        .ok()?;
    waiting.entry(record).or_default().push(tell);
    drop(waiting);
    Some(Closing { ends, record, told })
}

fn of_this_runtime() -> Option<Arc<Ends>> {
    let runtime = Handle::current();
    let ends = {
        let mut all = lock(&ENDS);
        if let Some(ends) = all.get(&runtime.id()) {
            return Some(ends.clone());
        }
        let ends = Arc::new(Ends {
            watcher: Watcher::new()?,
            waiting: Mutex::default(),
        });
        all.insert(runtime.id(), ends.clone());
        ends
    };
    let listener = Listener {
        ends: ends.clone(),
        runtime: runtime.id(),
    };
    runtime.spawn(listener.listen());
    Some(ends)
}

impl Closing {
    /// Ends with the first close since the wait began, or when nothing will be told of it.
    pub(super) async fn happened(mut self) {
        let _ = (&mut self.told).await;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.told.close();
        let mut waiting = lock(&self.ends.waiting);
        if let Some(others) = waiting.get_mut(&self.record) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                waiting.remove(&self.record);
                self.ends.watcher.remove(self.record);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the task of a runtime has, until it is dropped.
struct Listener {
    ends: Arc<Ends>,
    runtime: Id,
}

impl Listener {
    async fn listen(self) {
        while let Ok(events) = self.ends.watcher.events().await {
            let mut waiting = lock(&self.ends.waiting);
            for event in &events {
                tell(&mut waiting, event);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&ENDS).remove(&self.runtime);
        // Who still waits is told so, and looks otherwise.
        lock(&self.ends.waiting).clear();
    }
}

fn tell(all: &mut Waiting, event: &InotifyEvent) {
    let told: Vec<_> = if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
        all.values_mut().flat_map(std::mem::take).collect()
    } else {
        all.get_mut(&event.wd).map_or_else(Vec::new, std::mem::take)
    };
    for waiting in told {
        let _ = waiting.send(());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::Context;
    use std::task::Waker;

    use super::*;

    fn is_waited_for(record: WatchDescriptor) -> bool {
        lock(&of_this_runtime().unwrap().waiting).contains_key(&record)
    }

    #[tokio::test]
    async fn everyone_who_waits_is_told_when_the_writer_is_gone_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        assert!(follow(&path).is_none(), "there is nothing to follow");
        let writer = File::create(&path).unwrap();
        let [one, two, given_up] = [(); 3].map(|()| follow(&path).unwrap());
        let record = one.record;
        drop(given_up);
        File::open(&path).unwrap();
        let mut one = pin!(one.happened());
        let mut context = Context::from_waker(Waker::noop());
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(is_waited_for(record));
        drop(writer);
        one.await;
        two.happened().await;
        assert!(!is_waited_for(record));
    }

    #[tokio::test]
    async fn a_record_that_is_removed_is_told_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        drop(File::create(&path).unwrap());
        let closing = follow(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        closing.happened().await;
    }

    #[test]
    fn a_wait_ends_with_the_runtime_that_would_have_been_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let writer = File::create(&path).unwrap();
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap()
        };
        let (one, other) = (runtime(), runtime());
        let closing = one.block_on(async { follow(&path).unwrap() });
        let told = other.block_on(async { follow(&path).unwrap() });
        drop(one);
        other.block_on(closing.happened());
        drop(writer);
        other.block_on(told.happened());
    }
}
