//! One story of a deployment, told by every renderer.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::api::upshift::Action;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Step;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::cli::Exit;
use crate::cli::progress::event::Event;
use crate::cli::progress::event::Moment;
use crate::cli::progress::event::What;
use crate::cli::progress::fold::Change;
use crate::cli::progress::json;
use crate::cli::progress::look::Look;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::plain;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::State;
use crate::cli::progress::summary;
use crate::cli::progress::tally::Standing;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Size;
use crate::plan::rolling;

pub(super) const LOOK: Look = Look {
    color: false,
    unicode: true,
};

pub(super) fn moment(milliseconds: u64) -> Moment {
    Moment {
        at: Duration::from_millis(milliseconds),
        time: Timestamp::from_second(1_800_000_000),
    }
}

pub(super) fn rollout(phase: RolloutPhase, total: u32) -> Rollout {
    let mut rollout = Rollout::default();
    rollout.metadata.name = "shop-2".to_owned();
    rollout.metadata.namespace = "default".to_owned();
    rollout.spec.application = "shop".to_owned();
    rollout.spec.revision = "shop-2".to_owned();
    rollout.spec.number = 2;
    rollout.spec.attempt = 1;
    rollout.status.phase = phase;
    rollout.status.attempt = 1;
    rollout.status.previous_revision = "shop-1".to_owned();
    rollout.status.gears.total = total;
    rollout
}

/// An operation whose first steps are done and whose next is in `phase`.
pub(super) fn operation(node: &str, done: usize, phase: StepPhase) -> Operation {
    let mut operation = Operation::default();
    operation.metadata.name = format!("shop-2-shop-{node}-1");
    operation.spec.gear = format!("shop-{node}");
    operation.spec.node = node.to_owned();
    operation.status.phase = OperationPhase::Running;
    for (place, kind) in rolling::steps(Action::Deploy, false)
        .into_iter()
        .enumerate()
    {
        operation.spec.steps.push(Step {
            name: kind.name.to_owned(),
            actor: kind.actor,
        });
        let mut status = StepStatus {
            name: kind.name.to_owned(),
            ..StepStatus::default()
        };
        if place < done {
            status.phase = if kind.name == "ApplicationStop" {
                "FirstDeployment".clone_into(&mut status.reason);
                StepPhase::Skipped
            } else {
                status.milliseconds = Some(40);
                StepPhase::Done
            };
        } else if place == done {
            status.phase = phase;
            if phase == StepPhase::Failed {
                "HookFailed".clone_into(&mut status.reason);
                status.exit_code = Some(3);
                status.milliseconds = Some(2100);
                operation.status.phase = OperationPhase::Failed;
                "HookFailed".clone_into(&mut operation.status.reason);
            }
        }
        operation.status.steps.push(status);
    }
    if done >= 7 {
        operation.status.phase = OperationPhase::Succeeded;
    }
    operation
}

/// Feeds changes at their times, and answers every wish for output with an immediate end unless `held`.
pub(super) fn feed(state: &mut State, at: u64, change: Change) -> Vec<Event> {
    let mut events = state.apply(change, moment(at));
    for wanted in state.take_wanted() {
        if state_is_running(state, &wanted.step) {
            continue;
        }
        let end = Change::LogEnded {
            operation: wanted.operation,
            step: wanted.step,
        };
        events.extend(state.apply(end, moment(at)));
    }
    events
}

fn state_is_running(state: &State, step: &str) -> bool {
    state.runs().any(|(_, run)| {
        let mut steps = run.steps.iter();
        steps.any(|one| one.name == step && one.status.phase == StepPhase::Running)
    })
}

pub(super) fn boxed(operation: Operation) -> Change {
    Change::Operation(Box::new(operation))
}

fn line(step: &str, text: &str) -> Change {
    Change::Line {
        operation: "shop-2-shop-localhost-1".to_owned(),
        step: step.to_owned(),
        text: text.to_owned(),
    }
}

fn ended(step: &str) -> Change {
    Change::LogEnded {
        operation: "shop-2-shop-localhost-1".to_owned(),
        step: step.to_owned(),
    }
}

/// One gear whose check fails.
fn failing() -> (State, Vec<Event>) {
    let mut state = State::new(rollout(RolloutPhase::Pending, 0), Logs::All);
    let mut events = feed(&mut state, 0, Change::Tick);
    let mut tell = |at, change| events.extend(feed(&mut state, at, change));
    let running = || Change::Rollout(Box::new(rollout(RolloutPhase::Running, 1)));
    tell(100, running());
    tell(200, boxed(operation("localhost", 0, StepPhase::Running)));
    tell(400, boxed(operation("localhost", 5, StepPhase::Running)));
    tell(500, line("ApplicationStart", "listening on 127.0.0.1:8080"));
    // The step is over for its node before its last line is here.
    tell(900, boxed(operation("localhost", 6, StepPhase::Running)));
    tell(950, line("ApplicationStart", "ready"));
    tell(960, ended("ApplicationStart"));
    tell(1000, line("ValidateService", "GET / → 500"));
    tell(3000, boxed(operation("localhost", 6, StepPhase::Failed)));
    tell(3010, ended("ValidateService"));
    let mut failed = rollout(RolloutPhase::Failed, 1);
    failed.status.gears.failed = 1;
    "HookFailed".clone_into(&mut failed.status.reason);
    tell(3020, Change::Rollout(Box::new(failed)));
    tell(3030, Change::Complete);
    (state, events)
}

pub(super) fn plain_text(state: &State, events: &[Event], look: Look) -> String {
    let lines: Vec<String> = events
        .iter()
        .filter_map(|event| plain::line(event, state.total(), look))
        .collect();
    lines.join("\n")
}

#[test]
fn plain_tells_changes_in_the_order_of_each_gear() {
    let (state, events) = failing();
    insta::assert_snapshot!(plain_text(&state, &events, LOOK), @r"
    +0.0s shop-2 Pending (revision shop-2)
    +0.1s shop-2 Running (revision shop-2, 1 gear)
    +0.4s localhost DownloadBundle: done (40ms)
    +0.4s localhost BeforeInstall: done (40ms)
    +0.4s localhost Install: done (40ms)
    +0.4s localhost AfterInstall: done (40ms)
    +0.5s localhost │ ApplicationStart │ listening on 127.0.0.1:8080
    +0.9s localhost │ ApplicationStart │ ready
    +0.9s localhost ApplicationStart: done (40ms)
    +1.0s localhost │ ValidateService │ GET / → 500
    +3.0s localhost ValidateService: FAILED with exit code 3 (2.1s): HookFailed
    +3.0s localhost FAILED (2.3s): HookFailed [1/1]
    +3.0s shop-2 Failed: HookFailed
    ");
    assert!(!plain_text(&state, &events, LOOK).contains(['\r', '\u{1b}']));
    assert!(
        plain_text(&state, &events, Look::BARE).contains("localhost | ApplicationStart | ready")
    );
}

fn wanted(columns: Option<u16>) -> summary::Wanted {
    summary::Wanted {
        steps: false,
        look: LOOK,
        replay: 10,
        columns,
        program: "upshift",
    }
}

#[test]
fn the_end_says_what_failed_shows_its_last_lines_and_names_the_next_command() {
    let (state, _) = failing();
    let outcome = Outcome::of(&state.rollout).unwrap();
    let wanted = wanted(None);
    let lines = summary::lines(&state, &outcome, Duration::from_millis(3020), wanted);
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: shop-2 failed on localhost: ValidateService: exit code 3
      │ GET / → 500
      full log: upshift logs rollout/shop-2 --hook ValidateService
    GEAR             NODE        RESULT   TIME   REASON
    shop-localhost   localhost   Failed   2.3s   ValidateService: HookFailed
    shop-2: failed after 3.0s: HookFailed
    next: upshift logs rollout/shop-2 --hook ValidateService · upshift rollout retry app/shop · upshift rollback app/shop
    ");
}

#[test]
fn a_step_without_scripts_has_no_log_and_nothing_is_said_three_times() {
    let (mut state, _) = failing();
    state.rollout.status.message =
        "gear shop-localhost failed in Install (DiskFull): the disk is full".into();
    state.rollout.status.reason = "DiskFull".into();
    for gear in state.gears.values_mut() {
        for step in gear.runs.iter_mut().flat_map(|run| &mut run.steps) {
            if step.name == "ValidateService" {
                step.name = "Install".into();
                step.tail.clear();
                step.status.exit_code = None;
                step.status.reason = "DiskFull".into();
                step.status.message = "the disk is full".into();
            }
        }
    }
    let outcome = Outcome::of(&state.rollout).unwrap();
    let wanted = wanted(Some(40));
    let lines = summary::lines(&state, &outcome, Duration::from_millis(3020), wanted);
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: shop-2 failed on localhost: Install: DiskFull: the disk is full
    GEAR             NODE        RESULT   TIME   REASON
    shop-localhost   localhost   Failed   2.3s   Install: DiskFull
    shop-2: failed after 3.0s: DiskFull
    next: upshift describe rollout shop-2
          upshift rollout retry app/shop
          upshift rollback app/shop
    ");
}

#[test]
fn success_does_not_count_gears_on_silent_nodes() {
    let mut state = State::new(rollout(RolloutPhase::Succeeded, 2), Logs::All);
    state.rollout.status.gears.done = 1;
    state.rollout.status.gears.unreachable = 1;
    let outcome = Outcome::of(&state.rollout).unwrap();
    let wanted = wanted(None);
    let lines = summary::lines(&state, &outcome, Duration::from_millis(900), wanted);
    assert_eq!(
        lines[0],
        "shop-2: revision shop-2 is deployed on 1 of 2 gears in 900ms; 1 on silent nodes will catch up"
    );
}

#[test]
fn a_success_fits_a_narrow_terminal() {
    let mut state = State::new(rollout(RolloutPhase::Succeeded, 1), Logs::OfFailures);
    let _ = feed(&mut state, 0, boxed(operation("vm", 6, StepPhase::Running)));
    let _ = feed(&mut state, 900, boxed(operation("vm", 7, StepPhase::Done)));
    state.rollout.status.gears.done = 1;
    let outcome = Outcome::of(&state.rollout).unwrap();
    let wanted = wanted(Some(40));
    let lines = summary::lines(&state, &outcome, Duration::from_millis(900), wanted);
    insta::assert_snapshot!(lines[..2].join("\n"), @r"
    GEAR      NODE   RESULT      TIME
    shop-vm   vm     Succeeded   240ms
    ");
}

#[test]
fn a_gear_pauses_after_the_step_before() {
    let mut state = State::new(rollout(RolloutPhase::Running, 1), Logs::OfFailures);
    let _ = feed(&mut state, 0, boxed(operation("a", 5, StepPhase::Running)));
    let mut paused = operation("a", 6, StepPhase::Waiting);
    paused.status.phase = OperationPhase::Paused;
    let events = feed(&mut state, 9, boxed(paused));
    let order: Vec<&What> = events.iter().map(|event| &event.what).collect();
    assert!(
        matches!(order.as_slice(), [What::Step { .. }, What::Gear { .. }]),
        "{order:?}"
    );
}

#[test]
fn ndjson_numbers_every_event_and_ends_with_the_result() {
    let (state, events) = failing();
    let sequence: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequence, (1..=events.len() as u64).collect::<Vec<_>>());
    let failed = events
        .iter()
        .rfind(|event| matches!(event.what, What::Step { .. }))
        .unwrap();
    insta::assert_snapshot!(json::line(failed), @r#"{"at_ms":3010,"dur_ms":2100,"exit":3,"host":"localhost","object":"shop-localhost","op":"shop-2","phase":"Failed","reason":"HookFailed","seq":16,"step":"ValidateService","ts":"2027-01-15T08:00:00Z","type":"step"}"#);
    let outcome = Outcome::of(&state.rollout).unwrap();
    insta::assert_snapshot!(json::result(&state, &outcome, Duration::from_millis(3020)), @r#"{"action":"Deploy","application":"shop","dur_ms":3020,"exit":1,"failed":1,"gears":[{"dur_ms":2300,"host":"localhost","object":"shop-localhost","phase":"Failed","reason":"HookFailed"}],"ok":0,"op":"shop-2","phase":"Failed","reason":"HookFailed","revision":"shop-2","total":1,"type":"result","unreachable":0}"#);
    insta::assert_snapshot!(json::stopped(Exit::Unreachable, "Unreachable", "no server"), @r#"{"exit":7,"msg":"no server","reason":"Unreachable","type":"result"}"#);
}

/// Ten gears in every condition.
fn fleet() -> State {
    let mut state = State::new(rollout(RolloutPhase::Running, 12), Logs::All);
    state.usual = Some(Duration::from_secs(20));
    for node in 1..=6 {
        let _ = feed(
            &mut state,
            8000,
            boxed(operation(&format!("web-{node}"), 7, StepPhase::Waiting)),
        );
    }
    let _ = feed(
        &mut state,
        58_000,
        boxed(operation("web-7", 5, StepPhase::Running)),
    );
    let _ = feed(
        &mut state,
        60_000,
        boxed(operation("web-8", 4, StepPhase::Running)),
    );
    let migrate = Change::Line {
        operation: "shop-2-shop-web-8-1".to_owned(),
        step: "AfterInstall".to_owned(),
        text: "npm run migrate 滚动部署 滚动部署 滚动部署 滚动部署 滚动部署 滚动部署".to_owned(),
    };
    let _ = feed(&mut state, 61_000, migrate);
    let _ = feed(
        &mut state,
        62_000,
        boxed(operation("web-9", 3, StepPhase::Failed)),
    );
    state
}

pub(super) fn frame(state: &State, columns: usize, rows: usize, at: u64, look: Look) -> String {
    let size = Size { columns, rows };
    let lines = tty::frame(state, look, size, Duration::from_millis(at));
    assert!(
        lines.len() <= rows.saturating_sub(2).max(1),
        "{columns}x{rows}: {lines:#?}"
    );
    for line in &lines {
        assert!(line.width() < columns, "{columns}x{rows}: {line:?}");
    }
    lines.join("\n")
}

#[test]
fn frames_fit_their_screens() {
    let state = fleet();
    insta::assert_snapshot!(frame(&state, 20, 5, 62_000, LOOK), @r"
    shop #2 7/12 · 1 f…
      ✗ web-9 Install …
      ▸ web-7 Applicat…
    ");
    insta::assert_snapshot!(frame(&state, 40, 10, 62_000, LOOK), @r"
    shop #2 7/12 · 1 failed           1m02s
      ✗ web-9 Install HookFailed
      ✓ web-1..web-6 (6 collapsed)
      ▸ web-7 ApplicationStart 4.0s
      ▸ web-8 AfterInstall 2.0s npm run mi…
      … +3 hosts waiting
    ");
    insta::assert_snapshot!(frame(&state, 80, 24, 62_000, LOOK), @r"
    Deploying shop #2  7/12 hosts · 2 in flight · 1 failed       1m02s  ~1m40s left
      ✗ web-9        Install            HookFailed
      ✓ web-1..web-6 (6 collapsed, median 240ms)
      ▸ web-7        ApplicationStart   4.0s
      ▸ web-8        AfterInstall       2.0s    npm run migrate 滚动部署 滚动部署 …
      … +3 hosts waiting
    ");
    insta::assert_snapshot!(frame(&state, 300, 100, 62_000, LOOK), @r"
    Deploying shop #2  7/12 hosts · 2 in flight · 1 failed                                                                                                                                                                                                                                   1m02s  ~1m40s left
      ✗ web-9        Install            HookFailed
      ✓ web-1..web-6 (6 collapsed, median 240ms)
      ▸ web-7        ApplicationStart   4.0s
      ▸ web-8        AfterInstall       2.0s    npm run migrate 滚动部署 滚动部署 滚动部署 滚动部署 滚动部署 滚动部署
      … +3 hosts waiting
    ");
    insta::assert_snapshot!(frame(&state, 80, 24, 62_000, Look::BARE), @r"
    Deploying shop #2  7/12 hosts, 2 in flight, 1 failed         1m02s  ~1m40s left
      FAIL web-9        Install            HookFailed
      ok   web-1..web-6 (6 collapsed, median 240ms)
      >    web-7        ApplicationStart   4.0s
      >    web-8        AfterInstall       2.0s    npm run migrate 滚动部署 滚动..
      ..   +3 hosts waiting
    ");
    for columns in 2..90 {
        for rows in 1..30 {
            frame(&state, columns, rows.max(3), 62_000, LOOK);
            frame(&state, columns, rows.max(3), 62_000, Look::BARE);
        }
    }
}

#[test]
fn a_single_gear_shows_its_steps() {
    let mut state = State::new(rollout(RolloutPhase::Running, 1), Logs::All);
    let _ = feed(
        &mut state,
        0,
        boxed(operation("localhost", 5, StepPhase::Running)),
    );
    let _ = feed(
        &mut state,
        10,
        line("ApplicationStart", "listening on 127.0.0.1:8080"),
    );
    insta::assert_snapshot!(frame(&state, 80, 24, 4200, LOOK), @r"
    Deploying shop #2  0/1 hosts · 1 in flight · 0 failed                      4.2s
      ✓ DownloadBundle     40ms
      - ApplicationStop    nothing was installed
      ✓ BeforeInstall      40ms
      ✓ Install            40ms
      ✓ AfterInstall       40ms
      ▸ ApplicationStart   4.2s    listening on 127.0.0.1:8080
      · ValidateService
    ");
    let _ = feed(
        &mut state,
        5000,
        Change::Lost {
            why: "connection refused".to_owned(),
        },
    );
    insta::assert_snapshot!(frame(&state, 80, 24, 7000, LOOK), @r"
    Deploying shop #2  0/1 hosts · 1 in flight · 0 failed                      7.0s
      ✗ no answer from the server for 2.0s (connection refused); the work goes on …
    ");
}

#[test]
fn silence_is_broken_by_its_cause_and_never_longer_than_half_a_minute() {
    let mut state = State::new(rollout(RolloutPhase::Running, 2), Logs::All);
    let _ = feed(
        &mut state,
        0,
        boxed(operation("web-1", 5, StepPhase::Running)),
    );
    let mut pending = operation("web-2", 0, StepPhase::Waiting);
    pending.status.phase = OperationPhase::Pending;
    let _ = feed(&mut state, 0, boxed(pending));
    let mut told = Vec::new();
    for second in 1..=120 {
        told.extend(feed(&mut state, second * 1000, Change::Tick));
    }
    insta::assert_snapshot!(plain_text(&state, &told, LOOK), @r"
    +10.0s shop-2 still waiting 10.0s: 0/2 done; web-1: ApplicationStart 10.0s; web-2: not accepted by its node yet
    +20.0s shop-2 still waiting 20.0s: 0/2 done; web-1: ApplicationStart 20.0s; web-2: not accepted by its node yet
    +30.0s shop-2 still waiting 30.0s: 0/2 done; web-1: ApplicationStart 30.0s; web-2: not accepted by its node yet
    +45.0s shop-2 still waiting 45.0s: 0/2 done; web-1: ApplicationStart 45.0s; web-2: not accepted by its node yet
    +68.0s shop-2 still waiting 1m08s: 0/2 done; web-1: ApplicationStart 1m08s; web-2: not accepted by its node yet
    +98.0s shop-2 still waiting 1m38s: 0/2 done; web-1: ApplicationStart 1m38s; web-2: not accepted by its node yet
    ");
    let mut before = 0;
    for event in &told {
        assert!(event.moment.at.as_secs() - before <= 30);
        before = event.moment.at.as_secs();
    }
}

#[test]
fn a_hundred_gears_take_no_more_than_six_lines_each() {
    let mut state = State::new(rollout(RolloutPhase::Running, 100), Logs::All);
    let mut events = Vec::new();
    for node in 0..100 {
        for done in 0..=7 {
            let change = boxed(operation(&format!("web-{node}"), done, StepPhase::Running));
            events.extend(feed(&mut state, done as u64, change));
            for step in rolling::DEPLOY {
                let end = Change::LogEnded {
                    operation: format!("shop-2-shop-web-{node}-1"),
                    step: step.name.to_owned(),
                };
                events.extend(state.apply(end, moment(done as u64)));
            }
        }
    }
    let lines = plain_text(&state, &events, LOOK).lines().count();
    assert!(lines <= 600, "{lines} lines");
    assert_eq!(state.all_ended(), 100);
}

#[test]
fn an_earlier_attempt_is_known_but_no_news() {
    let mut now = rollout(RolloutPhase::Running, 1);
    now.spec.attempt = 2;
    now.status.attempt = 2;
    let mut state = State::new(now, Logs::All);
    let _ = feed(&mut state, 0, Change::Tick);
    let news = feed(
        &mut state,
        10,
        boxed(operation("localhost", 6, StepPhase::Failed)),
    );
    assert_eq!(news, []);
    assert!(state.failures().is_empty());
    assert_eq!(state.all_ended(), 0, "it will be tried again");
    let mut second = operation("localhost", 7, StepPhase::Waiting);
    "shop-2-shop-localhost-2".clone_into(&mut second.metadata.name);
    let news = feed(&mut state, 20, boxed(second));
    assert!(!news.is_empty());
    assert_eq!(state.tally.count(Standing::Done), 1);
}

#[test]
fn what_a_later_step_printed_waits_for_the_earlier_one() {
    let mut state = State::new(rollout(RolloutPhase::Running, 1), Logs::All);
    let mut events = Vec::new();
    let mut tell = |change| events.extend(state.apply(change, moment(1)));
    tell(boxed(operation("localhost", 7, StepPhase::Waiting)));
    tell(line("ValidateService", "the page is there"));
    tell(line("ApplicationStart", "serving"));
    for step in [
        "ValidateService",
        "BeforeInstall",
        "AfterInstall",
        "ApplicationStart",
    ] {
        tell(ended(step));
    }
    let lines: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Line { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(lines, ["serving", "the page is there"]);
}

#[test]
fn the_end_waits_for_the_last_line_of_output() {
    let mut state = State::new(rollout(RolloutPhase::Running, 1), Logs::All);
    let _ = state.apply(
        boxed(operation("localhost", 6, StepPhase::Running)),
        moment(1),
    );
    let _ = state.apply(
        boxed(operation("localhost", 7, StepPhase::Waiting)),
        moment(2),
    );
    let over = Change::Rollout(Box::new(rollout(RolloutPhase::Succeeded, 1)));
    let _ = state.apply(over, moment(3));
    let _ = state.apply(Change::Complete, moment(4));
    assert!(!state.is_finished());
    let wanted: Vec<String> = state
        .take_wanted()
        .into_iter()
        .map(|one| one.step)
        .collect();
    assert_eq!(wanted.len(), 4, "{wanted:?}");
    let mut events = Vec::new();
    for step in wanted {
        events.extend(state.apply(ended(&step), moment(5)));
    }
    assert!(state.is_finished());
    let last = &events.last().unwrap().what;
    assert!(
        matches!(
            last,
            What::Rollout {
                phase: RolloutPhase::Succeeded,
                ..
            }
        ),
        "{last:?}"
    );
}
