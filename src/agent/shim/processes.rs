//! What `/proc` says about processes: descendants and sessions. The only file that ends foreign processes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The parts of `/proc/PID/stat` that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) session: i32,
    zombie: bool,
}

/// The identity of this boot of the machine; read once in a process and those that it forks.
pub(super) fn boot() -> &'static str {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    });
    &BOOT
}

/// One process, if it is there.
fn process(pid: i32) -> Option<Process> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Process> {
    // The name in parentheses may contain anything, so the fields count from the last one.
    let (head, tail) = stat.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        zombie: matches!(fields.first(), Some(&("Z" | "X"))),
    })
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// Everything below a process, zombies left out.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all() {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            next.push(child.pid);
            if !child.zombie {
                found.push(child.pid);
            }
        }
    }
    found
}

/// Sends a signal; a process that is gone needs none.
pub(super) fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Ends every process of a session: TERM, `grace`, KILL. Returns how many there were.
pub(super) fn end_session(session: i32, grace: Duration) -> usize {
    let members = || -> Vec<i32> {
        all()
            .into_iter()
            .filter(|process| process.session == session && !process.zombie)
            .map(|process| process.pid)
            .collect()
    };
    let found = members();
    if session <= 1 || found.is_empty() {
        return 0;
    }
    for pid in &found {
        send(*pid, Signal::SIGTERM);
    }
    // They are not our children any more, so nothing tells us when they end.
    let end = Instant::now() + grace;
    while Instant::now() < end && !members().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    for _ in 0..200 {
        let left = members();
        if left.is_empty() {
            break;
        }
        for pid in left {
            send(pid, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    found.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_whose_name_is_hostile() {
        let stat = "42 (a) R 1 (b) S 7 42 40 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 9876 0 0";
        let process = parse(stat).unwrap();
        assert_eq!((process.pid, process.parent, process.session), (42, 7, 40));
        assert!(super::process(1).is_some());
    }
}
