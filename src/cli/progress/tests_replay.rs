//! The same events give the same frames, the same lines and the same exit code, whenever they are told (R22).

use std::time::Duration;

use proptest::prelude::*;

use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::cli::Exit;
use crate::cli::progress::event::Event;
use crate::cli::progress::fold::Change;
use crate::cli::progress::json;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::playing;
use crate::cli::progress::recorded::Wrong;
use crate::cli::progress::replay::Outputs;
use crate::cli::progress::replay::Recording;
use crate::cli::progress::replay::Stage;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::State;
use crate::cli::progress::state::Story;
use crate::cli::progress::state::Wanted;
use crate::cli::progress::tests::LOOK;
use crate::cli::progress::tests::boxed;
use crate::cli::progress::tests::feed;
use crate::cli::progress::tests::moment;
use crate::cli::progress::tests::operation;
use crate::cli::progress::tests::plain_text;
use crate::cli::progress::tests::rollout;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Size;

/// A rollout over some gears, each of which comes as far as it is told; what is said last decides how it ends.
fn story(ways: &[(u8, bool, u8)], end: RolloutPhase) -> (State, Vec<Event>) {
    let total = u32::try_from(ways.len()).unwrap();
    let mut state = State::new(rollout(RolloutPhase::Pending, 0), Logs::Everything);
    state.usual = Some(Duration::from_secs(3));
    let mut events = feed(&mut state, 0, Change::Tick);
    let running = Change::Rollout(Box::new(rollout(RolloutPhase::Running, total)));
    events.extend(feed(&mut state, 100, running));
    let mut at = 200;
    for (host, (steps, fails, lines)) in ways.iter().enumerate() {
        let node = format!("web-{host}");
        for done in 0..=usize::from(*steps).min(7) {
            at += 370;
            let is_last = done == usize::from(*steps).min(6);
            let phase = if *fails && is_last {
                StepPhase::Failed
            } else {
                StepPhase::Running
            };
            let running = boxed(operation(&node, done, StepPhase::Running));
            events.extend(feed(&mut state, at, running));
            for line in 0..*lines {
                let line = Change::Line {
                    operation: format!("shop-2-shop-{node}-1"),
                    step: "AfterInstall".to_owned(),
                    text: format!("line {line}"),
                };
                events.extend(feed(&mut state, at + 10, line));
            }
            if phase == StepPhase::Failed {
                events.extend(feed(
                    &mut state,
                    at + 20,
                    boxed(operation(&node, done, phase)),
                ));
                break;
            }
        }
    }
    at += 25_000;
    events.extend(feed(&mut state, at, Change::Tick));
    let lost = Change::Lost {
        why: "connection refused".to_owned(),
    };
    events.extend(feed(&mut state, at + 100, lost));
    events.extend(feed(&mut state, at + 1100, Change::Restored));
    let mut over = rollout(end, total);
    over.status.gears.failed = 1;
    events.extend(feed(&mut state, at + 2000, Change::Rollout(Box::new(over))));
    for wanted in state.open.clone() {
        let ended = Change::LogEnded {
            operation: wanted.operation,
            step: wanted.step,
        };
        events.extend(feed(&mut state, at + 2000, ended));
    }
    events.extend(feed(&mut state, at + 2000, Change::Complete));
    (state, events)
}

fn written(events: &[Event]) -> String {
    let lines: Vec<String> = events
        .iter()
        .map(|event| json::line(event).to_string())
        .collect();
    format!("{}\n{}\n", json::version(), lines.join("\n"))
}

/// Tells a recording again.
fn told(recording: &Recording, logs: Logs) -> (State, Vec<Event>) {
    let mut stage = Stage::new(&recording.name);
    let mut state = State::new(stage.rollout(), logs);
    let mut events = Vec::new();
    for cue in &recording.cues {
        events.extend(playing::perform(&mut stage, &mut state, cue));
    }
    (state, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_kept_tells_the_same_story(
        ways in prop::collection::vec((0..8_u8, any::<bool>(), 0..3_u8), 1..30),
        end in prop::sample::select(vec![
            RolloutPhase::Succeeded, RolloutPhase::Failed, RolloutPhase::PartlyFailed,
            RolloutPhase::RolledBack, RolloutPhase::Aborted,
        ]),
    ) {
        let (state, events) = story(&ways, end);
        let text = written(&events);
        let recording = Recording::of_text(&text).unwrap();
        let (again, same) = told(&recording, Logs::Everything);
        prop_assert_eq!(written(&same), text);
        let at = Duration::from_secs(60);
        for (columns, rows) in [(80, 24), (40, 10)] {
            let size = Size { columns, rows };
            prop_assert_eq!(
                tty::frame(&again, LOOK, size, at),
                tty::frame(&state, LOOK, size, at)
            );
        }
        for logs in [Logs::All, Logs::LastLines, Logs::OfFailures] {
            let (other, _) = told(&recording, logs);
            prop_assert!(other.is_finished());
            let expect = Outcome::of(&state.rollout).unwrap().exit;
            prop_assert_eq!(playing::outcome(&other, &recording).exit, expect);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(text in "(\\{\"type\":\"(version|rollout|gear|step|log|result)\"[^\n]{0,40}\n?){0,6}") {
        let _ = Recording::of_text(&text);
    }
}

#[test]
fn a_file_that_is_no_recording_says_why() {
    let check = |text: &str, expect: &str| {
        let wrong = Recording::of_text(text).map(|_| ()).unwrap_err();
        assert_eq!(wrong.to_string(), expect, "{text}");
    };
    let version = json::version().to_string();
    check("", &Wrong::NoVersion.to_string());
    check("hello\n", "line 1 is no JSON object");
    check("{\"a\":1}", &Wrong::NoVersion.to_string());
    check(
        "{\"type\":\"version\",\"schema\":\"2.0\"}",
        "it has version \"2.0\"; this program reads 1.x",
    );
    check(&version, "it tells of no rollout");
    let stopped = json::stopped(Exit::Unreachable, "Unreachable", "no server");
    check(
        &format!("{version}\n{stopped}\n"),
        "it tells of no rollout, only: no server",
    );
    check(
        &format!("{version}\nxx\n{stopped}\n"),
        "line 2 is no JSON object",
    );
}

#[test]
fn what_was_cut_off_is_told_as_far_as_it_goes() {
    let (_, events) = story(&[(3, false, 1)], RolloutPhase::Succeeded);
    let text = written(&events[..4]);
    let recording = Recording::of_text(&format!("{text}{{\"type\":\"st")).unwrap();
    let (state, same) = told(&recording, Logs::Everything);
    assert_eq!(same.len(), 4);
    assert_eq!(playing::outcome(&state, &recording).exit, Exit::Failed);
    let stopped = "{\"type\":\"result\",\"exit\":4,\"reason\":\"TimedOut\"}";
    let recording = Recording::of_text(&format!("{text}{stopped}\n")).unwrap();
    let (state, _) = told(&recording, Logs::Everything);
    assert_eq!(playing::outcome(&state, &recording).exit, Exit::TimedOut);
}

#[test]
fn a_gear_that_was_seen_at_its_end_only_is_told_whole() {
    let mut state = State::new(rollout(RolloutPhase::Running, 1), Logs::Everything);
    let mut events = feed(&mut state, 0, Change::Tick);
    let done = boxed(operation("web-1", 7, StepPhase::Waiting));
    events.extend(state.apply(done, moment(100)));
    for (at, step) in (200..).step_by(100).zip([
        "BeforeInstall",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
    ]) {
        let operation = "shop-2-shop-web-1-1".to_owned();
        let text = format!("output of {step}");
        let step = step.to_owned();
        let line = Change::Line {
            operation: operation.clone(),
            step: step.clone(),
            text,
        };
        events.extend(state.apply(line, moment(at)));
        events.extend(state.apply(Change::LogEnded { operation, step }, moment(at + 50)));
    }
    let text = written(&events);
    assert_eq!(text.matches("output of").count(), 4);
    let (_, same) = told(&Recording::of_text(&text).unwrap(), Logs::Everything);
    assert_eq!(written(&same), text);
}

#[test]
fn an_application_of_pods_is_told_again_as_one() {
    let mut over = Rollout::default();
    over.metadata.name = "app".to_owned();
    over.spec.application = "app".to_owned();
    over.status.phase = RolloutPhase::Running;
    over.status.gears.total = 1;
    let mut state = State::new(over.clone(), Logs::Everything);
    state.story = Story::Application;
    let mut one = operation("", 4, StepPhase::Running);
    one.metadata.name = "app".to_owned();
    one.spec.gear = "app".to_owned();
    let mut events = feed(&mut state, 0, boxed(one.clone()));
    for step in &mut one.status.steps {
        step.phase = StepPhase::Done;
        step.milliseconds = Some(5);
    }
    one.status.phase = OperationPhase::Succeeded;
    events.extend(feed(&mut state, 2000, boxed(one)));
    let end = Change::LogEnded {
        operation: "app".to_owned(),
        step: "AfterInstall".to_owned(),
    };
    events.extend(feed(&mut state, 2000, end));
    over.status.phase = RolloutPhase::Succeeded;
    events.extend(feed(&mut state, 2000, Change::Rollout(Box::new(over))));
    events.extend(feed(&mut state, 2000, Change::Complete));
    let text = written(&events);
    let (again, same) = told(&Recording::of_text(&text).unwrap(), Logs::Everything);
    assert_eq!(written(&same), text);
    assert_eq!(again.story, Story::Application);
    assert_eq!(again.gears.len(), 1);
}

#[test]
fn a_hostile_file_cannot_speak_to_the_terminal() {
    let (_, events) = story(&[(7, false, 1)], RolloutPhase::Succeeded);
    let text = written(&events).replace("line 0", "\\u001b]0;title\\u0007\\u001b[31mred");
    let (state, same) = told(&Recording::of_text(&text).unwrap(), Logs::All);
    let shown = plain_text(&state, &same, LOOK);
    assert!(shown.contains("│ red"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

/// A finished operation as it is kept: with times of the server and of its node.
fn kept(node: &str, made: i64, began: i64) -> Operation {
    let mut operation = operation(node, 7, StepPhase::Waiting);
    operation.metadata.creation_timestamp = Some(Timestamp::from_second(made));
    operation.status.started_at = Some(Timestamp::from_second(began));
    for (second, step) in (0..).zip(&mut operation.status.steps) {
        step.started_at = Some(Timestamp::from_second(began + second));
    }
    operation
}

#[test]
fn objects_tell_their_story_without_comparing_clocks() {
    let mut over: Rollout = rollout(RolloutPhase::Succeeded, 2);
    over.status.gears.done = 2;
    over.status.started_at = Some(Timestamp::from_second(1000));
    over.status.finished_at = Some(Timestamp::from_second(1020));
    over.status.steps = vec![StepStatus {
        name: "SwitchTraffic".to_owned(),
        phase: StepPhase::Done,
        started_at: Some(Timestamp::from_second(1015)),
        finished_at: Some(Timestamp::from_second(1017)),
        ..StepStatus::default()
    }];
    // The second node's clock is a day ahead.
    let operations = vec![kept("web-2", 1008, 90_000), kept("web-1", 1001, 1001)];
    let mut outputs = Outputs::new();
    let wanted = Wanted {
        operation: "shop-2-shop-web-1-1".to_owned(),
        step: "ApplicationStart".to_owned(),
    };
    outputs.insert(wanted, vec!["listening".to_owned()]);
    let recording = Recording::of_objects(&over, operations, &outputs);
    let (state, events) = told(&recording, Logs::All);
    insta::assert_snapshot!(plain_text(&state, &events, LOOK), @r"
+0.0s shop-2 Running (revision shop-2, 2 gears)
+1.0s web-1 DownloadBundle: done (40ms)
+3.0s web-1 BeforeInstall: done (40ms)
+4.0s web-1 Install: done (40ms)
+5.0s web-1 AfterInstall: done (40ms)
+6.0s web-1 │ ApplicationStart │ listening
+6.0s web-1 ApplicationStart: done (40ms)
+7.0s web-1 ValidateService: done (40ms)
+7.0s web-1 done (240ms) [1/2]
+8.0s web-2 DownloadBundle: done (40ms)
+10.0s web-2 BeforeInstall: done (40ms)
+11.0s web-2 Install: done (40ms)
+12.0s web-2 AfterInstall: done (40ms)
+13.0s web-2 ApplicationStart: done (40ms)
+14.0s web-2 ValidateService: done (40ms)
+14.0s web-2 done (240ms) [2/2]
+15.0s shop-2 SwitchTraffic: begun
+17.0s shop-2 SwitchTraffic: done (2.0s)
+20.0s shop-2 Succeeded
");
    assert!(state.is_finished());
    // And what it tells can be kept and told again.
    let text = written(&events);
    let (_, same) = told(&Recording::of_text(&text).unwrap(), Logs::Everything);
    assert_eq!(written(&same), text);
}
