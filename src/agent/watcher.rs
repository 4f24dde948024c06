//! The kernel's notices about files (inotify), awaited on a runtime.

use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;
use nix::sys::inotify::InotifyEvent;
use nix::sys::inotify::WatchDescriptor;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One instance; the runtime that it was made on wakes who awaits it.
pub(crate) struct Watcher(AsyncFd<Instance>);

struct Instance(Inotify);

impl AsRawFd for Instance {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watcher {
    /// None where the kernel has no more of them: a user has 128 by default. Panics outside of a runtime.
    pub(crate) fn new() -> Option<Watcher> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let instance = Instance(Inotify::init(flags).ok()?);
        // SAFETY: the value owns its descriptor and names the same one for as long as it lives.
        let awaited = unsafe { AsyncFd::register_with_interest(instance, Interest::READABLE) };
        awaited.ok().map(Watcher)
    }

    pub(crate) fn add(&self, path: &Path, what: AddWatchFlags) -> nix::Result<WatchDescriptor> {
        self.0.get_ref().0.add_watch(path, what)
    }

    pub(crate) fn remove(&self, watch: WatchDescriptor) {
        // It goes by itself with what it watches.
        let _ = self.0.get_ref().0.rm_watch(watch);
    }

    /// What came, at least one; an error when nothing will come any more.
    pub(crate) async fn events(&self) -> std::io::Result<Vec<InotifyEvent>> {
        loop {
            let mut ready = self.0.readable().await?;
            match self.0.get_ref().0.read_events() {
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                events => return Ok(events?),
            }
        }
    }
}
