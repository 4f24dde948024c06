//! Dying on purpose: named points at which a test build kills its own process.
//!
//! `UPSHIFT_CRASH=FILE` in a debug build numbers the points as they are passed and appends `NUMBER NAME` to FILE;
//! `UPSHIFT_CRASH_AT=NUMBER` kills the process (SIGKILL, no unwinding, no flush) when it passes that one. A release
//! build has no points: the function is empty. Tests use it to prove that every multi-step thing survives `kill -9`.

/// Marks a place where the process may die and must be able to go on afterwards.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &str) {}

/// Marks a place where the process may die and must be able to go on afterwards.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    debug::point(name);
}

#[cfg(debug_assertions)]
mod debug {
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering;

    struct Plan {
        log: Option<Mutex<std::fs::File>>,
        at: Option<u64>,
    }

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| {
        let at = std::env::var("UPSHIFT_CRASH_AT")
            .ok()
            .and_then(|number| number.parse().ok());
        let log = std::env::var_os("UPSHIFT_CRASH")
            .and_then(|path| {
                std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .ok()
            })
            .map(Mutex::new);
        (at.is_some() || log.is_some()).then_some(Plan { log, at })
    });

    pub(super) fn point(name: &str) {
        let Some(plan) = &*PLAN else { return };
        let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(log) = &plan.log {
            let mut file = log.lock().expect("writing a line does not panic");
            let _ = writeln!(file, "{number} {name}");
        }
        if plan.at == Some(number) {
            #[cfg(target_os = "linux")]
            let _ =
                nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
            std::process::abort();
        }
    }
}
