//! The shim with real processes: how children end, what stays of them, and what their output becomes.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::future::Future as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;

use upshift::agent::shim::Exit;
use upshift::agent::shim::Launcher;
use upshift::agent::shim::Reason;
use upshift::agent::shim::Shim;
use upshift::agent::shim::Spec;

const PROGRAM: &str = env!("CARGO_BIN_EXE_upshift");

/// A folder with one script and the shim's record for it.
struct Place {
    folder: tempfile::TempDir,
    launcher: Launcher,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        Place {
            launcher: Launcher::new(PROGRAM, folder.path()),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, text: &str) -> PathBuf {
        let path = self.path("script");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn spec(&self, program: &Path) -> Spec {
        Spec {
            argv: vec![program.to_str().unwrap().to_owned()],
            cwd: self.folder.path().to_str().unwrap().to_owned(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            user: None,
            timeout_milliseconds: 60_000,
            grace_milliseconds: 5000,
            log_limit: 10 << 20,
            ..Spec::default()
        }
    }

    fn shim(&self) -> Shim {
        Shim::at(self.path("shim"))
    }

    fn run_spec(&self, spec: &Spec) -> Exit {
        let shim = self.shim();
        shim.start(&self.launcher, spec).unwrap();
        ended(&shim).expect("a shim that ends leaves a record")
    }

    fn run(&self, text: &str) -> (Exit, String) {
        let script = self.script(text);
        let exit = self.run_spec(&self.spec(&script));
        (exit, self.log())
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.shim().log()).unwrap_or_default()).into_owned()
    }
}

fn ended(shim: &Shim) -> Option<Exit> {
    runtime().block_on(shim.wait()).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().build().unwrap()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(pid: &str) {
    let killed = std::process::Command::new("kill")
        .args(["-9", pid])
        .status();
    assert!(killed.unwrap().success());
}

fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

#[test]
fn records_codes_signals_and_both_streams() {
    let (exit, log) = Place::new().run("#!/bin/sh\necho out\necho err >&2\nexit 7\n");
    assert_eq!((exit.code, exit.reason), (Some(7), Reason::Exited));
    assert_eq!(log, "out\nerr\n");
    assert!(!exit.output_open);
    assert_eq!(exit.output_bytes, 8);
    let (exit, _) = Place::new().run("#!/bin/sh\nkill -9 $$\n");
    assert_eq!((exit.signal, exit.shell_code()), (Some(9), Some(137)));
}

#[test]
fn gives_the_child_its_folder_arguments_environment_and_nothing_else() {
    let place = Place::new();
    let script = place.script("#!/bin/sh\npwd\necho \"$1|$2\"\nenv\ncat\nls /proc/self/fd\n");
    let mut spec = place.spec(&script);
    spec.argv.extend(["a b".to_owned(), "$(x);".to_owned()]);
    spec.env.insert("KEY".to_owned(), "a b".to_owned());
    assert!(place.run_spec(&spec).is_success());
    let folder = place.folder.path().display();
    let log = place.log();
    let mut lines: Vec<&str> = log.lines().collect();
    lines[2..5].sort_unstable();
    let (first, pwd) = (folder.to_string(), format!("PWD={folder}"));
    // The shell keeps its script at 10, ls the folder it lists at 3.
    lines.retain(|line| *line != "10");
    assert_eq!(
        lines,
        [
            &first,
            "a b|$(x);",
            "KEY=a b",
            "PATH=/usr/bin:/bin",
            &pwd,
            "0",
            "1",
            "2",
            "3"
        ]
    );
}

#[test]
fn a_script_without_a_first_line_runs_by_the_shell_with_its_path_as_an_argument() {
    let (exit, log) = Place::new().run("echo plain $0\n");
    assert!(exit.is_success(), "{exit:?}");
    assert!(log.starts_with("plain /"), "{log}");
}

#[test]
fn says_why_a_program_cannot_be_started() {
    let (exit, _) = Place::new().run("#!/no/such/interpreter -x\n");
    assert_eq!(exit.reason, Reason::SpawnFailed);
    assert!(
        exit.message
            .contains("the interpreter \"/no/such/interpreter\" of /"),
        "{exit:?}"
    );
    let (exit, _) = Place::new().run("#!/bin/sh\r\necho hi\r\n");
    assert!(exit.message.contains("Windows line ends"), "{exit:?}");
    let place = Place::new();
    let exit = place.run_spec(&place.spec(Path::new("/no/such/file")));
    assert_eq!(exit.reason, Reason::SpawnFailed);
    assert!(exit.message.contains("/no/such/file"), "{exit:?}");
    let place = Place::new();
    let script = place.script("#!/bin/sh\n");
    let mut spec = place.spec(&script);
    spec.cwd = "/no/such/folder".to_owned();
    let exit = place.run_spec(&spec);
    assert!(
        exit.message.contains("cannot enter /no/such/folder"),
        "{exit:?}"
    );
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    let exit = place.run_spec(&place.spec(&script));
    assert!(exit.message.contains("may not be executed"), "{exit:?}");
}

#[test]
fn a_hook_that_ignores_term_is_killed_after_the_grace() {
    let place = Place::new();
    let script = place.script("#!/bin/sh\ntrap '' TERM\necho on\nwhile :; do sleep 1; done\n");
    let mut spec = place.spec(&script);
    spec.timeout_milliseconds = 300;
    spec.grace_milliseconds = 200;
    let exit = place.run_spec(&spec);
    assert_eq!((exit.reason, exit.signal), (Reason::TimedOut, Some(9)));
    assert!(exit.milliseconds >= 500, "{exit:?}");
    assert!(exit.message.contains("300ms"), "{exit:?}");
}

#[test]
fn a_timeout_ends_even_a_grandchild_with_a_session_of_its_own() {
    let place = Place::new();
    let script = place.script(
        "#!/bin/sh\nsetsid sh -c 'trap \"\" TERM; echo $$ > far; while :; do sleep 1; done' >/dev/null 2>&1 &\nsleep 100\n",
    );
    let mut spec = place.spec(&script);
    spec.timeout_milliseconds = 500;
    spec.grace_milliseconds = 100;
    let exit = place.run_spec(&spec);
    assert_eq!((exit.reason, exit.signal), (Reason::TimedOut, Some(15)));
    let pid = fs::read_to_string(place.path("far")).unwrap();
    until("the grandchild is gone", || !is_alive(&pid));
}

#[test]
fn a_daemon_that_keeps_the_output_open_lives_on_and_is_still_heard() {
    let place = Place::new();
    let (exit, log) = place.run(
        "#!/bin/sh\n(while [ ! -e go ]; do sleep 0.05; done; echo later; while [ ! -e end ]; do sleep 0.05; done) &\necho $! > pid\necho started\n",
    );
    assert!(exit.is_success(), "{exit:?}");
    assert!(exit.output_open);
    assert_eq!(log, "started\n");
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    assert!(is_alive(&pid));
    assert!(!place.shim().is_running().unwrap(), "the lock is free");
    fs::write(place.path("go"), "").unwrap();
    until("the daemon is heard", || place.log() == "started\nlater\n");
    fs::write(place.path("end"), "").unwrap();
    until("the daemon ends", || !is_alive(&pid));
}

#[test]
fn a_daemon_with_its_streams_elsewhere_costs_no_waiting() {
    let place = Place::new();
    let (exit, _) = place.run("#!/bin/sh\nsleep 30 >/dev/null 2>&1 &\necho $! > pid\n");
    assert!(exit.is_success() && !exit.output_open, "{exit:?}");
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    assert!(is_alive(&pid), "the group is left alone");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid.trim().parse().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn a_hundred_megabytes_are_counted_and_ten_kept() {
    let place = Place::new();
    let (exit, _) = place.run("#!/bin/sh\nhead -c 104857600 /dev/zero\necho end >&2\n");
    assert!(exit.is_success(), "{exit:?}");
    assert_eq!(exit.output_bytes, 104_857_600 + 4);
    let log = fs::read(place.shim().log()).unwrap();
    let marker = b"\n[upshift: output above 10.0 MiB is not kept]\n";
    assert_eq!(log.len(), (10 << 20) + marker.len());
    assert!(log.ends_with(marker));
}

#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let place = Place::new();
    place.run("#!/bin/sh\nprintf '\\377\\000\\376'\n");
    assert_eq!(fs::read(place.shim().log()).unwrap(), b"\xff\x00\xfe");
}

#[test]
fn a_request_ends_a_running_child() {
    let place = Place::new();
    let script = place.script(
        "#!/bin/sh\ntrap 'echo bye; exit 3' TERM\necho ready\nwhile :; do sleep 0.05; done\n",
    );
    let shim = place.shim();
    shim.start(&place.launcher, &place.spec(&script)).unwrap();
    until("it runs", || place.log() == "ready\n");
    assert!(shim.is_running().unwrap());
    assert!(shim.start(&place.launcher, &place.spec(&script)).is_err());
    shim.kill().unwrap();
    let exit = ended(&shim).unwrap();
    assert_eq!((exit.reason, exit.code), (Reason::Killed, Some(3)));
    assert!(place.log().ends_with("bye\n"));
}

#[test]
fn shims_outlive_what_forked_them_and_a_lost_launcher_is_started_again() {
    let mut place = Place::new();
    let script = place.script("#!/bin/sh\necho ready\nwhile [ ! -e go ]; do sleep 0.01; done\n");
    let first = place.shim();
    first.start(&place.launcher, &place.spec(&script)).unwrap();
    until("it runs", || place.log() == "ready\n");
    let shim = first.started().unwrap().unwrap().shim;
    let stat = fs::read_to_string(format!("/proc/{shim}/stat")).unwrap();
    let launcher = stat.rsplit_once(')').unwrap().1.split(' ').nth(2).unwrap();
    kill(launcher);
    until("the launcher is gone", || !is_alive(launcher));
    let second = Shim::at(place.path("second"));
    second.start(&place.launcher, &place.spec(&script)).unwrap();
    until("the second runs", || second.started().unwrap().is_some());
    // The agent's end.
    place.launcher = Launcher::new(PROGRAM, place.folder.path());
    assert!(first.is_running().unwrap() && second.is_running().unwrap());
    fs::write(place.path("go"), "").unwrap();
    for shim in [first, second] {
        assert!(ended(&shim).unwrap().is_success());
    }
}

#[test]
fn who_waits_already_sees_the_end_whatever_it_was() {
    for end in ["a request", "a loss"] {
        let place = Place::new();
        let script = place.script("#!/bin/sh\nexec sleep 300\n");
        let shim = place.shim();
        shim.start(&place.launcher, &place.spec(&script)).unwrap();
        until("the child runs", || shim.started().unwrap().is_some());
        let exit = runtime().block_on(async {
            let mut waiting = std::pin::pin!(shim.wait());
            let begun = std::future::poll_fn(|context| {
                Poll::Ready(waiting.as_mut().poll(context).is_pending())
            });
            assert!(begun.await);
            match end {
                "a request" => shim.kill().unwrap(),
                _ => kill(&shim.started().unwrap().unwrap().shim.to_string()),
            }
            waiting.await.unwrap()
        });
        assert_eq!(
            exit.map(|exit| exit.reason),
            (end == "a request").then_some(Reason::Killed)
        );
        shim.end_leftovers(Duration::ZERO).unwrap();
    }
}

#[test]
fn a_shim_with_nothing_left_below_it_takes_the_next_child() {
    let place = Place::new();
    let shim_of = |script: &str| {
        place.run(script);
        place.shim().started().unwrap().unwrap().shim
    };
    // On a busy machine a fresh one may be quicker.
    until("a shim takes a second child", || {
        let first = shim_of("#!/bin/sh\nexit 3\n");
        shim_of("#!/bin/sh\n/bin/true & wait\n") == first
    });
    let left = "#!/bin/sh\nsleep 300 >/dev/null 2>&1 &\necho $! >pid\n";
    let busy = shim_of(left);
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    assert!(is_alive(&pid));
    for _ in 0..3 {
        assert_ne!(shim_of("#!/bin/sh\n"), busy);
    }
    assert!(is_alive(&pid), "what a hook left is not the next one's");
    kill(pid.trim());
}

#[test]
fn a_shim_that_makes_room_for_a_fresh_one_takes_no_child_with_it() {
    let place = Place::new();
    place.script("#!/bin/sh\n");
    let spec = place.spec(&place.path("script"));
    let shims: BTreeSet<i32> = (0..300)
        .map(|number| {
            let shim = Shim::at(place.path(&format!("shim-{number}")));
            shim.start(&place.launcher, &spec).unwrap();
            let exit = ended(&shim).expect("no child is lost");
            assert!(exit.is_success());
            shim.started().unwrap().unwrap().shim
        })
        .collect();
    assert!((2..300).contains(&shims.len()), "{shims:?}");
}

#[test]
fn shims_that_wait_can_be_lost() {
    let place = Place::new();
    place.run("#!/bin/sh\n");
    let shim = place.shim().started().unwrap().unwrap().shim.to_string();
    until("it rests", || {
        fs::read_to_string(format!("/proc/{shim}/wchan")).is_ok_and(|at| at.contains("poll"))
    });
    kill(&shim);
    assert_eq!(place.run("#!/bin/sh\nexit 4\n").0.code, Some(4));
}

#[test]
fn what_a_lost_shim_left_is_ended_and_the_log_is_continued() {
    let place = Place::new();
    let script = place.script(
        "#!/bin/sh\necho try >> tries\necho said\nif [ ! -e second ]; then echo $$ > pid; trap '' TERM; while :; do sleep 0.05; done; fi\n",
    );
    let shim = place.shim();
    shim.start(&place.launcher, &place.spec(&script)).unwrap();
    until("it runs", || {
        place.path("pid").exists() && place.log() == "said\n"
    });
    kill(&shim.started().unwrap().unwrap().shim.to_string());
    assert_eq!(ended(&shim), None);
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    assert!(shim.end_leftovers(Duration::from_millis(100)).unwrap() >= 1);
    assert!(!is_alive(&pid));
    fs::write(place.path("second"), "").unwrap();
    assert!(place.run_spec(&place.spec(&script)).is_success());
    assert_eq!(place.log(), "said\nsaid\n");
}

#[test]
fn the_child_runs_as_the_user_that_was_named() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = place.script("#!/bin/sh\nid -u; id -g; id -G\n");
    let mut spec = place.spec(&script);
    spec.user = Some(upshift::agent::shim::User {
        uid: 65534,
        gid: 65534,
        groups: vec![65534, 4],
    });
    assert!(place.run_spec(&spec).is_success());
    assert_eq!(place.log(), "65534\n65534\n65534 4\n");
    fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let exit = place.run_spec(&spec);
    assert!(exit.message.contains("cannot enter"), "{exit:?}");
}
