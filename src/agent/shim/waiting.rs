//! Threads that wait for the locks of shims: as many as there are locks to wait for, and a little longer.
//!
//! They are nobody's: a runtime, or the whole program, can stop in the middle of a wait.

use std::collections::VecDeque;
use std::io;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

/// How long a thread stays for the next wait.
const REST: Duration = Duration::from_secs(10);
/// Little, but the allocator too has to begin there. In bytes.
const STACK: usize = 256 * 1024;

type Wait = Box<dyn FnOnce() + Send>;

static WAITS: Mutex<Waits> = Mutex::new(Waits {
    next: VecDeque::new(),
    resting: 0,
});
static MORE: Condvar = Condvar::new();

struct Waits {
    next: VecDeque<Wait>,
    /// Threads without one; some may have been told already that there is one.
    resting: usize,
}

/// Waits on a thread of its own.
pub(super) fn begin(wait: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut waits = waits();
    if waits.resting > waits.next.len() {
        waits.next.push_back(Box::new(wait));
        MORE.notify_one();
        return Ok(());
    }
    drop(waits);
    let thread = std::thread::Builder::new()
        .name("shim-wait".to_owned())
        .stack_size(STACK);
    thread.spawn(move || {
        wait();
        while let Some(wait) = next() {
            wait();
        }
    })?;
    Ok(())
}

fn next() -> Option<Wait> {
    let mut waits = waits();
    waits.resting += 1;
    let rested = MORE.wait_timeout_while(waits, REST, |waits| waits.next.is_empty());
    let (mut waits, _) = rested.unwrap_or_else(PoisonError::into_inner);
    waits.resting -= 1;
    waits.next.pop_front()
}

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}
