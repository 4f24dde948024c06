//! Ends of shims, as the kernel tells of them: a record is open to write while its shim has the child, and closed then.
//!
//! One thread waits for all of them, and is nobody's: a runtime can stop in the middle of a wait. Why a record was closed,
//! and by whom, is not known here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use nix::errno::Errno;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;
use nix::sys::inotify::InotifyEvent;
use nix::sys::inotify::WatchDescriptor;
use tokio::sync::oneshot;

/// Little, but the allocator too has to begin there. In bytes.
const STACK: usize = 256 * 1024;

/// None where the kernel has nothing to tell with: its limits are used up.
static ENDS: OnceLock<Option<Ends>> = OnceLock::new();

struct Ends {
    changes: Inotify,
    /// None when nothing will be told any more.
    waiting: Mutex<Option<Waiting>>,
}

type Waiting = HashMap<WatchDescriptor, Vec<oneshot::Sender<()>>>;

/// A wait for a record to be closed by somebody who could write.
pub(super) struct Closing {
    ends: &'static Ends,
    record: WatchDescriptor,
    told: oneshot::Receiver<()>,
}

/// Begins to wait; none where that is not told.
pub(super) fn follow(record: &Path) -> Option<Closing> {
    let ends = ENDS.get_or_init(Ends::begin).as_ref()?;
    let mut waiting = ends.waiting();
    let all = waiting.as_mut()?;
    let record = ends
        .changes
        .add_watch(record, AddWatchFlags::IN_CLOSE_WRITE)
        .ok()?;
    let (tell, told) = oneshot::channel();
    all.entry(record).or_default().push(tell);
    Some(Closing { ends, record, told })
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
        let mut waiting = self.ends.waiting();
        let Some(all) = waiting.as_mut() else {
            return;
        };
        if let Some(others) = all.get_mut(&self.record) {
            others.retain(|other| !other.is_closed());
            if others.is_empty() {
                all.remove(&self.record);
                let _ = self.ends.changes.rm_watch(self.record);
            }
        }
    }
}

impl Ends {
    fn begin() -> Option<Ends> {
        let ends = Ends {
            changes: Inotify::init(InitFlags::IN_CLOEXEC).ok()?,
            waiting: Mutex::new(Some(Waiting::new())),
        };
        let thread = std::thread::Builder::new()
            .name("shim-ends".to_owned())
            .stack_size(STACK);
        // It waits for the static to be set.
        thread
            .spawn(|| ENDS.wait().as_ref().map(Ends::listen))
            .ok()?;
        Some(ends)
    }

    fn listen(&self) {
        loop {
            match self.changes.read_events() {
                Err(Errno::EINTR) => {}
                Err(_) => break,
                Ok(events) => {
                    if let Some(all) = self.waiting().as_mut() {
                        for event in &events {
                            tell(all, event);
                        }
                    }
                }
            }
        }
        *self.waiting() = None;
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
        let ends = ENDS.get().and_then(Option::as_ref).unwrap();
        let waiting = ends.waiting();
        waiting.as_ref().unwrap().contains_key(&record)
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
}
