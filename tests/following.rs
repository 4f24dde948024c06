//! Watching work from the command line: what it prints where, how it ends, and that watching never changes the work.

use std::fs;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;

use crate::site::Site;
use crate::site::needs;

fn deploy(site: &Site, more: &[&str]) -> Output {
    let bundle = site.path("bundle").display().to_string();
    site.run(&[&["deploy", &bundle, "--name", "app"], more].concat())
}

/// The exit code, standard output and standard error.
fn parts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Makes the start hook wait until [`release`].
fn hold(site: &Site) {
    let gate = site.path("gate");
    fs::write(&gate, "").expect("a file can be written");
    let body = format!(
        "echo waiting\nwhile [ -e {} ]; do sleep 0.05; done",
        gate.display()
    );
    site.hook("ApplicationStart", &body);
}

fn release(site: &Site) {
    fs::remove_file(site.path("gate")).expect("the gate is there");
}

fn is_started(site: &Site) -> bool {
    site.record()
        .iter()
        .any(|line| line.starts_with("ApplicationStart"))
}

fn phase(site: &Site, rollout: &str) -> String {
    let rollouts = site.objects("rollouts");
    let found = rollouts
        .iter()
        .find(|one| one["metadata"]["name"] == rollout);
    found
        .and_then(|one| one["status"]["phase"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn every_mode_ends_with_the_same_code_and_keeps_its_streams() {
    let (site, _server) = Site::serving();
    for (hook, expect) in [("exit 0", 0), ("echo the cause; exit 7", 1)] {
        site.hook("ValidateService", hook);
        for mode in ["plain", "json", "quiet"] {
            let (code, out, err) = parts(&deploy(&site, &[&format!("--progress={mode}")]));
            assert_eq!(code, Some(expect), "{mode}: {out}{err}");
            match (mode, expect) {
                ("quiet", 0) => assert_eq!((out.as_str(), err.as_str()), ("", "")),
                ("json", _) => assert_ndjson(&out, expect),
                _ => assert!(!err.contains(['\r', '\u{1b}']), "{err}"),
            }
            if mode != "json" && expect == 1 {
                assert!(err.contains("ValidateService"), "{mode}: {err}");
                assert!(err.contains("the cause"), "{mode}: {err}");
                assert!(
                    err.contains("next: upshift logs rollout/app-"),
                    "{mode}: {err}"
                );
            }
        }
    }
}

fn assert_ndjson(out: &str, exit: i32) {
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines[0]["type"], "version");
    assert_eq!(lines[0]["schema"], "1.0");
    let last = lines.last().expect("there are lines");
    assert_eq!(
        (&last["type"], &last["exit"]),
        (&"result".into(), &exit.into())
    );
    let numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["seq"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(
        lines
            .iter()
            .any(|line| line["type"] == "step" && line["step"] == "Install")
    );
}

#[test]
fn what_was_kept_and_what_is_remembered_end_with_the_code_they_ended_with() {
    let (site, _server) = Site::serving();
    site.hook("ApplicationStart", "echo up; sleep 0.1");
    for (hook, expect) in [("exit 0", 0), ("echo the cause; exit 7", 1)] {
        site.hook("ValidateService", hook);
        let (code, kept, err) = parts(&deploy(&site, &["--progress=json"]));
        assert_eq!(code, Some(expect), "{err}");
        let file = site.path("kept.ndjson").display().to_string();
        fs::write(&file, &kept).expect("a file can be written");
        let number = if expect == 0 { "1" } else { "app-2" };
        for from in [&["--from", &file][..], &[number]] {
            for mode in ["plain", "json", "quiet", "auto"] {
                let mode = format!("--progress={mode}");
                let words = [&["rollout", "replay"], from, &[&mode]].concat();
                let (code, out, err) = parts(&site.run(&words));
                assert_eq!(code, Some(expect), "{words:?}: {out}{err}");
                if mode == "--progress=json" {
                    assert_ndjson(&out, expect);
                } else {
                    assert_eq!(out, "", "{words:?}");
                }
                if mode == "--progress=plain" {
                    let line = err.replace('│', "|");
                    assert!(line.contains("ApplicationStart | up"), "{words:?}: {err}");
                    assert!(err.contains("Install: done"), "{words:?}: {err}");
                    assert_eq!(err.contains("the cause"), expect == 1, "{err}");
                }
            }
            if needs("script") {
                let words = [&["rollout", "replay", "--speed", "instant"], from].concat();
                let (code, out) = on_terminal(&site, &words);
                assert_eq!(code, Some(expect), "{words:?}: {out}");
                assert!(!out.contains("?25l"), "the cursor is never hidden: {out:?}");
            }
        }
        // Line by line, too: what was kept gives the lines that were there at the time.
        let (_, again, _) =
            parts(&site.run(&["rollout", "replay", "--from", &file, "--progress=json"]));
        let events = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| line.contains("\"seq\""));
            lines.map(str::to_owned).collect()
        };
        assert_eq!(events(&again), events(&kept));
    }
    let check = |words: &[&str], expect: i32, part: &str| {
        let words = [&["rollout", "replay"], words].concat();
        let (code, out, err) = parts(&site.run(&words));
        assert_eq!(code, Some(expect), "{words:?}: {out}{err}");
        assert!(err.contains(part), "{words:?}: {err}");
    };
    let bundle = site.path("bundle/appspec.yml").display().to_string();
    check(&["--from", &bundle], 2, "line 1 is no JSON object");
    check(&["--from", "nosuch"], 2, "cannot read nosuch");
    check(&["9"], 3, "no rollout has the number 9");
    check(&["nosuch-1"], 3, "not found");
    check(&["1", "--speed", "fast"], 2, "is not a speed");
    check(&[], 2, "required");
}

/// Runs a client command on a terminal of its own; its code and what it wrote.
fn on_terminal(site: &Site, words: &[&str]) -> (Option<i32>, String) {
    let data = site.data().display().to_string();
    let program = env!("CARGO_BIN_EXE_upshift");
    let line = [&[program], words, &["--local", "--data-dir", &data]].concat();
    let output = Command::new("script")
        .args(["-qec", &line.join(" "), "/dev/null"])
        .env("HOME", site.path(""))
        .env("TERM", "xterm-256color")
        .env_remove("CI")
        .stdin(Stdio::null())
        .output()
        .expect("script can be started");
    let (code, out, _) = parts(&output);
    (code, out)
}

/// A terminal that a test types into and looks at.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    pub(crate) fn open(site: &Site, columns: usize, rows: usize) -> Terminal {
        let terminal = Terminal {
            socket: site.path("tmux").display().to_string(),
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let home = site.path("").display().to_string();
        let shell = format!("env -i TERM=tmux LANG=C.UTF-8 HOME={home} PATH={path} PS1='% ' sh -i");
        let (columns, rows) = (columns.to_string(), rows.to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "-u",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            &shell,
        ]);
        terminal
    }

    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.socket]).args(words);
        let output = command.env_remove("TMUX").env("LC_ALL", "C.UTF-8").output();
        parts(&output.expect("tmux can be started")).1
    }

    pub(crate) fn type_in(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    pub(crate) fn resize(&self, columns: usize, rows: usize) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_window_that_changes_its_size_shows_one_frame_and_gets_its_terminal_back() {
    if !needs("tmux") {
        return;
    }
    let (site, _server) = Site::serving();
    hold(&site);
    let terminal = Terminal::open(&site, 80, 24);
    let data = site.data().display().to_string();
    let program = env!("CARGO_BIN_EXE_upshift");
    let bundle = site.path("bundle").display().to_string();
    terminal.type_in(&format!(
        "clear; {program} deploy {bundle} --name app --local --data-dir {data}; echo code $?"
    ));
    site.wait("the frame", || {
        terminal.screen().contains("▸ ApplicationStart")
    });
    // What scrolls out of a window that is lower than the frame is nobody's to take back.
    for (columns, rows) in [(40, 14), (60, 24), (100, 40)] {
        terminal.resize(columns, rows);
        let is_whole = || {
            let screen = terminal.screen();
            let count = |part: &str| screen.matches(part).count();
            // The row of the header, and that of the step, once each.
            count("app #1") == 1 && count("▸ Applicat") == 1
        };
        site.wait(&format!("one frame of {columns}x{rows}"), is_whole);
    }
    terminal.tmux(&["send-keys", "C-z"]);
    site.wait("the shell", || terminal.screen().contains("Stopped"));
    terminal.type_in("fg");
    site.wait("a new frame", || {
        terminal.screen().matches("app #1").count() == 2
    });
    terminal.tmux(&["send-keys", "C-c"]);
    site.wait("the end", || terminal.screen().contains("app-1 continues"));
    // The shell was told of the stop; what it does after it, it is asked.
    terminal.type_in("echo code $?");
    site.wait("its code", || terminal.screen().contains("code 130"));
    let screen = terminal.screen();
    assert_eq!(screen.matches("app #1").count(), 1, "{screen}");
    assert!(
        screen.contains("stopped watching; app-1 continues"),
        "{screen}"
    );
    assert_eq!(
        terminal
            .tmux(&["display-message", "-p", "#{cursor_flag}"])
            .trim(),
        "1"
    );
    release(&site);
    site.ok(&["rollout", "status", "app/app"]);
}

#[test]
fn what_cannot_be_shown_is_a_usage_error_before_anything_happens() {
    let (site, _server) = Site::serving();
    for flags in [
        &["--progress=tty"][..],
        &["--progress=json", "-o", "json"],
        &["--progress=fancy"],
    ] {
        let (code, out, err) = parts(&deploy(&site, flags));
        assert_eq!(code, Some(2), "{flags:?}: {err}");
        assert_eq!(out, "", "{flags:?}");
    }
    assert!(site.objects("applications").is_empty());
    let (code, out, _) = parts(&deploy(&site, &["-o", "json"]));
    let rollout: Value = serde_json::from_str(&out).expect("stdout is one object");
    assert_eq!(
        (code, &rollout["status"]["phase"]),
        (Some(0), &"Succeeded".into())
    );
}

#[test]
fn what_is_past_is_told_in_short_with_its_own_code_and_an_archive_is_as_good_as_a_directory() {
    let (site, _server) = Site::serving();
    let archive = site.path("My App.tgz");
    let mut tar = Command::new("tar");
    tar.arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(site.path("bundle"));
    let packed = tar.arg(".").status();
    assert!(packed.expect("tar runs").success());
    site.ok(&["deploy", &archive.display().to_string()]);
    let (code, out, err) = parts(&site.run(&["rollout", "status", "app/my-app"]));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("my-app-1 is deployed on 1 gear"), "{err}");
    assert!(!err.contains("DownloadBundle"), "{err}");
    // The same tree, from a directory, is the same revision.
    let bundle = site.path("bundle").display().to_string();
    site.ok(&["deploy", &bundle, "--name", "my-app"]);
    assert_eq!(site.objects("revisions").len(), 1);
    let shown = site.ok(&["rollout", "status", "app/my-app", "--watch=false"]);
    assert!(
        shown.starts_with("rollout.upshift.dev/my-app-2 Succeeded: 1 of 1"),
        "{shown}"
    );
}

#[test]
fn a_timeout_ends_the_watching_and_not_the_work() {
    let (site, _server) = Site::serving();
    hold(&site);
    let status = [
        "rollout",
        "status",
        "app/app",
        "--timeout",
        "1s",
        "--progress=quiet",
    ];
    let (deployed, asked) = (deploy(&site, &["--timeout", "2s"]), site.run(&status));
    for (output, after) in [(deployed, "2."), (asked, "1.")] {
        let (code, _, err) = parts(&output);
        assert_eq!(code, Some(4), "{err}");
        let begin = format!("error: timed out after {after}");
        let said = err.lines().find(|line| line.starts_with(&begin));
        assert!(
            said.is_some_and(|said| said.contains(": ApplicationStart ")),
            "{err}"
        );
        assert!(err.contains("app-1 continues"), "{err}");
    }
    release(&site);
    site.ok(&["rollout", "status", "app/app"]);
    assert_eq!(phase(&site, "app-1"), "Succeeded");
}

#[test]
fn an_interruption_says_how_to_go_on_and_leaves_the_work_alone() {
    let (site, _server) = Site::serving();
    hold(&site);
    let bundle = site.path("bundle").display().to_string();
    for (signal, expect) in [("-INT", 130), ("-TERM", 143)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upshift"));
        let words = match expect {
            130 => vec!["deploy", &bundle, "--name", "app"],
            _ => vec!["rollout", "status", "-w", "app/app"],
        };
        let child = command
            .args(words)
            .args(["--local", "--data-dir"])
            .arg(site.data())
            .env("HOME", site.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        site.wait("the hook", || is_started(&site));
        // It listens for signals once it has said that the rollout runs.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let kill = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(kill.expect("kill runs").success());
        let (code, _, err) = parts(&child.wait_with_output().expect("it ends"));
        assert_eq!(code, Some(expect), "{err}");
        assert!(
            err.ends_with(
                "stopped watching; app-1 continues\n  \
                 watch again: upshift rollout status -w app/app\n  \
                 cancel it:   upshift rollout cancel app/app\n"
            ),
            "{err}"
        );
    }
    release(&site);
    site.ok(&["rollout", "status", "app/app"]);
    assert_eq!(phase(&site, "app-1"), "Succeeded");
}

#[test]
fn a_server_that_comes_back_elsewhere_is_found_again() {
    let (site, server) = Site::serving();
    hold(&site);
    let bundle = site.path("bundle").display().to_string();
    let child = Command::new(env!("CARGO_BIN_EXE_upshift"))
        .args(["deploy", &bundle, "--name", "app", "--local", "--data-dir"])
        .arg(site.data())
        .env("HOME", site.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    site.wait("the hook", || is_started(&site));
    drop(server);
    let _server = site.serve(&[], &[]);
    release(&site);
    let (code, _, err) = parts(&child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(0), "{err}\nserver: {}", site.log());
    assert!(err.contains("no answer from the server"), "{err}");
    assert!(!err.contains("https://docs.rs"), "{err}");
    assert!(err.contains("the server answers again"), "{err}");
    assert_eq!(
        err.matches("│ waiting").count() + err.matches("| waiting").count(),
        1,
        "{err}"
    );
}

#[test]
fn hooks_output_is_kept_byte_for_byte_and_shown_safely() {
    let (site, _server) = Site::serving();
    site.hook(
        "AfterInstall",
        "printf 'one\\n\\033[31mred\\033[0m \\377\\nlast'",
    );
    let (code, _, err) = parts(&deploy(&site, &[]));
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("AfterInstall | red \u{fffd}") || err.contains("AfterInstall │ red \u{fffd}"),
        "{err}"
    );
    assert!(!err.contains('\u{1b}'), "{err}");
    let kept = site.run(&["logs", "rollout/app-1", "--hook", "AfterInstall"]);
    assert_eq!(kept.stdout, b"one\n\x1b[31mred\x1b[0m \xff\nlast");
    let (code, _, err) = parts(&site.run(&["logs", "rollout/app-1", "--hook", "ApplicationStop"]));
    assert_eq!(code, Some(3), "{err}");
}

#[test]
fn what_cannot_be_done_says_why_in_one_line_and_writes_nothing() {
    let (site, _server) = Site::serving();
    let no_appspec = site.path("page");
    fs::create_dir(&no_appspec).expect("a folder can be made");
    fs::write(no_appspec.join("index.html"), "hello").expect("a file can be written");
    let page = no_appspec.display().to_string();
    let check = |words: &[&str], expect: i32, part: &str| {
        let (code, out, err) = parts(&site.run(words));
        assert_eq!(code, Some(expect), "{words:?}: {out}{err}");
        assert!(err.contains(part), "{words:?}: {err}");
    };
    check(&["deploy"], 2, "nothing to deploy");
    check(&["deploy", "nosuch"], 2, "no such directory or archive");
    check(&["deploy", &page], 2, "--file SOURCE:DESTINATION");
    check(
        &["deploy", &page, "--file", "index.html"],
        2,
        "SOURCE:DESTINATION",
    );
    check(&["deploy", &page, "--file", "nosuch:/srv/x"], 2, "nosuch");
    check(
        &["deploy", &page, "--file", "/:relative"],
        2,
        "begins with '/'",
    );
    check(
        &[
            "deploy",
            &page,
            "--file",
            "/:/srv/x",
            "--start",
            "bin/start x",
        ],
        2,
        "bin/start",
    );
    check(
        &["deploy", &page, "--file", "/:/srv/x", "--port", "0"],
        2,
        "--port",
    );
    check(
        &[
            "deploy",
            &page,
            "--file",
            "/:/srv/x",
            "--name",
            "Not/A/Name",
        ],
        2,
        "Not/A/Name",
    );
    check(&["deploy", "app/nosuch"], 3, "not found");
    check(&["rollback", "app/nosuch"], 3, "not found");
    check(&["rollout", "status", "app/nosuch"], 3, "not found");
    check(&["rollout", "status", "pods/x"], 2, "pod");
    check(&["logs", "rollout/nosuch-1"], 3, "not found");
    assert!(site.objects("applications").is_empty());
    assert!(site.objects("revisions").is_empty());
    deploy(&site, &["-q"]);
    check(&["rollback", "app/app"], 3, "Revisions: 1 (succeeded)");
    check(
        &["rollback", "app/app", "--to-revision", "9"],
        3,
        "no revision 9",
    );
    check(
        &["rollout", "pause", "app/app"],
        3,
        "no rollout of \"app\" is in progress",
    );
    check(
        &["rollout", "retry", "app/app"],
        1,
        "only failed deployments can be retried",
    );
    assert!(
        site.ok(&["rollout", "cancel", "app/app"])
            .contains("No rollout is in progress")
    );
    assert_eq!(site.objects("rollouts").len(), 1);
}

#[test]
fn pause_resume_cancel_and_history_follow_the_rollout() {
    let (site, _server) = Site::serving();
    hold(&site);
    let (code, out, err) = parts(&deploy(&site, &["--follow=false", "--reason", "first try"]));
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "rollout.upshift.dev/app-1 created\n"),
        "{err}"
    );
    site.wait("the hook", || is_started(&site));
    site.ok(&["rollout", "pause", "app/app"]);
    let (code, _, err) = parts(&site.run(&["rollout", "pause", "app/app"]));
    assert_eq!(
        (code, err.as_str()),
        (
            Some(1),
            "error: applications.upshift.dev \"app\" is already paused\n"
        )
    );
    assert_eq!(
        site.ok(&["rollout", "resume", "app/app"]),
        "application.upshift.dev/app resumed\n"
    );
    assert_eq!(
        site.ok(&["rollout", "cancel", "app/app"]),
        "application.upshift.dev/app cancelling\n"
    );
    release(&site);
    let (code, _, err) = parts(&site.run(&["rollout", "status", "app/app"]));
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(phase(&site, "app-1"), "Aborted");
    let described = site.ok(&["describe", "rollout", "app-1"]);
    assert!(described.contains(" of 1 done, 0 failed\n"), "{described}");
    let history = site.ok(&["rollout", "history", "app/app"]);
    for word in ["NUMBER", "USER", "Deploy 1", "Aborted", "first try"] {
        assert!(history.contains(word), "{word}: {history}");
    }
    let history = site.ok(&["rollout", "history", "app/app", "-o", "wide"]);
    for word in ["app-1", "file://"] {
        assert!(history.contains(word), "{word}: {history}");
    }
    site.ok(&["rollout", "retry", "app/app"]);
    assert_eq!(phase(&site, "app-1"), "Succeeded");
    // A second run of the same bundle makes no second revision.
    deploy(&site, &["-q"]);
    assert_eq!(site.objects("revisions").len(), 1);
    assert_eq!(site.objects("rollouts").len(), 2);
}

#[test]
fn the_applications_of_the_tests_are_good_bundles() {
    let site = Site::new();
    let apps = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");
    for app in ["shop", "recorder", "failing"] {
        let shown = site.ok(&["deploy", "--check", &format!("{apps}/{app}")]);
        assert!(shown.contains("a good bundle (appspec.yml"), "{shown}");
    }
    let form = format!("{apps}/form");
    let shown = site.ok(&[
        "deploy",
        &form,
        "--check",
        "--file",
        "/public:/srv/form",
        "--start",
        "bin/start a b",
    ]);
    assert!(shown.contains("bin/start a b"), "{shown}");
    let bad = site.path("bad");
    fs::create_dir(&bad).expect("a folder can be made");
    fs::write(
        bad.join("appspec.yml"),
        "version: 0.0\nfiels: []\nhooks:\n  Nosuch: []\n",
    )
    .expect("a file can be written");
    let (code, _, err) = parts(&site.run(&["deploy", "--check", &bad.display().to_string()]));
    assert_eq!(code, Some(2));
    assert!(err.contains("appspec.yml:2: fiels:"), "{err}");
    assert!(err.contains("appspec.yml:4: hooks.Nosuch:"), "{err}");
    assert!(!site.data().exists(), "nothing was started");
}

#[test]
fn the_recorder_and_form_mode_run_on_a_node() {
    let (site, _server) = Site::serving();
    let apps = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps");
    let place = site.path("place").display().to_string();
    copy(
        &format!("{apps}/recorder"),
        &site,
        "recorder",
        "/var/tmp/upshift-recorder",
        &place,
    );
    let recorder = site.path("recorder").display().to_string();
    site.ok(&["deploy", &recorder]);
    let record = fs::read_to_string(site.path("place/record")).expect("hooks wrote it");
    let events: Vec<&str> = record
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        events,
        [
            "BeforeInstall",
            "AfterInstall",
            "ApplicationStart",
            "ValidateService"
        ]
    );
    let form = site.path("form").display().to_string();
    let destination = format!("/public:{}", site.path("page").display());
    copy(&format!("{apps}/form"), &site, "form", "", "");
    let words = [
        "deploy",
        &form,
        "--file",
        &destination,
        "--start",
        "bin/start a b",
        "--stop",
        "bin/stop",
        "--check",
        "bin/check 2 x y",
    ];
    site.ok(&words);
    let page = site.path("page/hello.txt");
    assert_eq!(
        fs::read_to_string(page).expect("it is installed"),
        "hello\n"
    );
    // The application remembers the form.
    site.ok(&["deploy", &form]);
    assert!(site.ok(&["logs", "app/form"]).contains("check with: x y"));
}

/// Copies an application, with one text in the place of another.
fn copy(from: &str, site: &Site, to: &str, what: &str, by: &str) {
    let copied = Command::new("cp")
        .args(["-r", from])
        .arg(site.path(to))
        .status();
    assert!(copied.expect("cp runs").success());
    if !what.is_empty() {
        let appspec = site.path(to).join("appspec.yml");
        let text = fs::read_to_string(&appspec).expect("there is one");
        fs::write(&appspec, text.replace(what, by)).expect("it can be written");
    }
}
