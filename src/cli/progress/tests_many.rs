//! Fifty hosts in twenty-four lines, and five thousand without burning the client.

use std::time::Duration;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use crate::api::duration::Span;
use crate::api::upshift::Canary;
use crate::api::upshift::ControlOutcome;
use crate::api::upshift::Desired;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::cli::progress::event::Place;
use crate::cli::progress::event::What;
use crate::cli::progress::fold::Change;
use crate::cli::progress::look::Look;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::plain;
use crate::cli::progress::state::Logs;
use crate::cli::progress::state::State;
use crate::cli::progress::summary;
use crate::cli::progress::tally::Standing;
use crate::cli::progress::tests::LOOK;
use crate::cli::progress::tests::boxed;
use crate::cli::progress::tests::feed;
use crate::cli::progress::tests::frame;
use crate::cli::progress::tests::moment;
use crate::cli::progress::tests::operation;
use crate::cli::progress::tests::plain_text;
use crate::cli::progress::tests::rollout;
use crate::cli::progress::tty;
use crate::cli::progress::tty::Size;

/// The seven steps with the traffic ones around them would say no more here: one step is made a Control step.
fn draining(node: &str, message: &str) -> Operation {
    let mut operation = operation(node, 2, StepPhase::Running);
    let step = &mut operation.spec.steps[2];
    "BlockTraffic".clone_into(&mut step.name);
    "BlockTraffic".clone_into(&mut operation.status.steps[2].name);
    let outcome = ControlOutcome {
        phase: StepPhase::Running,
        message: message.to_owned(),
        ..ControlOutcome::default()
    };
    operation
        .spec
        .control
        .insert("BlockTraffic".to_owned(), outcome);
    operation
}

fn say(state: &mut State, at: u64, node: &str, step: &str, text: &str) {
    let line = Change::Line {
        operation: format!("shop-2-shop-{node}-1"),
        step: step.to_owned(),
        text: text.to_owned(),
    };
    let _ = feed(state, at, line);
}

/// Fifty hosts in every condition.
fn fifty() -> State {
    let mut state = State::new(rollout(RolloutPhase::Running, 50), Logs::LastLines);
    state.usual = Some(Duration::from_secs(2));
    for host in (1..=31).filter(|host| *host != 9) {
        let _ = feed(
            &mut state,
            8000 + host,
            boxed(operation(&format!("web-{host}"), 7, StepPhase::Waiting)),
        );
    }
    let failing = operation("web-9", 6, StepPhase::Running);
    let _ = feed(&mut state, 20_000, boxed(failing));
    for text in [
        "GET /health",
        "curl: (7) refused",
        "not healthy",
        "giving up",
    ] {
        say(&mut state, 20_500, "web-9", "ValidateService", text);
    }
    let _ = feed(
        &mut state,
        21_000,
        boxed(operation("web-9", 6, StepPhase::Failed)),
    );
    let end = Change::LogEnded {
        operation: "shop-2-shop-web-9-1".to_owned(),
        step: "ValidateService".to_owned(),
    };
    let _ = feed(&mut state, 21_000, end);
    let _ = feed(
        &mut state,
        22_000,
        boxed(operation("web-32", 3, StepPhase::Failed)),
    );
    let drain = "router default has 3 requests in flight";
    let _ = feed(&mut state, 58_000, boxed(draining("web-33", drain)));
    let mut download = operation("web-34", 0, StepPhase::Running);
    "12.0 MiB of 40.0 MiB".clone_into(&mut download.status.steps[0].message);
    let _ = feed(&mut state, 59_000, boxed(download));
    let _ = feed(
        &mut state,
        60_000,
        boxed(operation("web-35", 4, StepPhase::Running)),
    );
    say(
        &mut state,
        60_500,
        "web-35",
        "AfterInstall",
        "npm run migrate",
    );
    let _ = feed(
        &mut state,
        61_500,
        boxed(operation("web-36", 5, StepPhase::Running)),
    );
    let mut silent = rollout(RolloutPhase::Running, 50);
    silent.status.gears.unreachable = 2;
    silent.status.message = "waits for silent nodes: web-36".to_owned();
    let _ = feed(&mut state, 62_000, Change::Rollout(Box::new(silent)));
    state
}

#[test]
fn fifty_hosts_in_twenty_four_lines() {
    let state = fifty();
    insta::assert_snapshot!(frame(&state, 80, 24, 62_000, LOOK), @r"
    Deploying shop #2  32/50 hosts · 3 in flight · 2 failed · 2 unreachable   1m02s
      ✗ web-9        ValidateService    HookFailed
        │ curl: (7) refused
        │ not healthy
        │ giving up
      ✗ web-32       Install            HookFailed
      ? web-36       unreachable (+1)
      ✓ web-1..web-8, web-10..web-31 (30 collapsed, median 240ms)
      ▸ web-33       BlockTraffic       4.0s    drain: router default has 3 reques…
      ▸ web-34       DownloadBundle     3.0s    12.0 MiB of 40.0 MiB
      ▸ web-35       AfterInstall       2.0s    npm run migrate
      … +13 hosts waiting
    ");
    insta::assert_snapshot!(frame(&state, 40, 10, 62_000, LOOK), @r"
    shop #2 32/50 · 2 failed · 2 unreachab…
      ✗ web-9 ValidateService HookFailed
      ? web-36       unreachable (+1)
      ✓ web-1..web-8, … (30 collapsed)
      ▸ web-33 BlockTraffic 4.0s drain: ro…
      … +2 more in flight
      … +13 hosts waiting
    ");
    insta::assert_snapshot!(frame(&state, 20, 5, 62_000, LOOK), @r"
    shop #2 32/50 · 2 …
      ✗ web-9 Validate…
      ▸ web-33 BlockTr…
    ");
    insta::assert_snapshot!(frame(&state, 80, 24, 62_000, Look::BARE), @r"
    Deploying shop #2  32/50 hosts, 3 in flight, 2 failed, 2 unreachable      1m02s
      FAIL web-9        ValidateService    HookFailed
           | curl: (7) refused
           | not healthy
           | giving up
      FAIL web-32       Install            HookFailed
      ?    web-36       unreachable (+1)
      ok   web-1..web-8, web-10..web-31 (30 collapsed, median 240ms)
      >    web-33       BlockTraffic       4.0s    drain: router default has 3 re..
      >    web-34       DownloadBundle     3.0s    12.0 MiB of 40.0 MiB
      >    web-35       AfterInstall       2.0s    npm run migrate
      ..   +13 hosts waiting
    ");
}

#[test]
fn a_canary_counts_down_and_a_switch_is_a_line_of_its_own() {
    let mut waiting = rollout(RolloutPhase::Paused, 20);
    waiting.spec.settings.canary = Some(Canary {
        pause: Some(Span::seconds(600)),
    });
    waiting.status.message =
        "canary shop-web-1 is up: goes on in 10m, or with 'upshift promote shop'".to_owned();
    let mut state = State::new(rollout(RolloutPhase::Running, 20), Logs::All);
    let mut events = feed(&mut state, 0, Change::Tick);
    let canary = boxed(operation("web-1", 7, StepPhase::Waiting));
    events.extend(feed(&mut state, 1000, canary));
    events.extend(feed(
        &mut state,
        2000,
        Change::Rollout(Box::new(waiting.clone())),
    ));
    for second in 3..=13 {
        events.extend(feed(&mut state, second * 1000, Change::Tick));
    }
    insta::assert_snapshot!(frame(&state, 100, 24, 72_000, LOOK), @r"
    Deploying shop #2 (canary)  1/20 hosts · 0 in flight · 0 failed                               1m12s
      ✓ web-1 (1 collapsed, median 240ms)
      · canary shop-web-1 is up: goes on in 8m50s, or with 'upshift promote shop'
      … +19 hosts waiting
    ");
    // The controller's own countdown is no news.
    waiting.status.message = waiting.status.message.replace("10m", "9m");
    let news = feed(&mut state, 62_000, Change::Rollout(Box::new(waiting)));
    assert_eq!(news, []);
    let mut switching = rollout(RolloutPhase::Running, 20);
    let mut switch = StepStatus {
        name: "SwitchTraffic".to_owned(),
        phase: StepPhase::Running,
        message: "green, router default has 2 requests in flight".to_owned(),
        ..StepStatus::default()
    };
    switching.status.steps = vec![switch.clone()];
    let running = Change::Rollout(Box::new(switching.clone()));
    events.extend(feed(&mut state, 70_000, running));
    insta::assert_snapshot!(frame(&state, 100, 24, 72_000, LOOK), @r"
    Deploying shop #2  1/20 hosts · 0 in flight · 0 failed                                        1m12s
      ✓ web-1 (1 collapsed, median 240ms)
      ▸ SwitchTraffic 2.0s    green, router default has 2 requests in flight
      … +19 hosts waiting
    ");
    switch.phase = StepPhase::Done;
    switch.message = String::new();
    switching.status.steps = vec![switch];
    events.extend(feed(
        &mut state,
        73_000,
        Change::Rollout(Box::new(switching)),
    ));
    insta::assert_snapshot!(plain_text(&state, &events, LOOK), @r"
    +0.0s shop-2 Running (revision shop-2, 20 gears)
    +1.0s web-1 DownloadBundle: done (40ms)
    +1.0s web-1 BeforeInstall: done (40ms)
    +1.0s web-1 Install: done (40ms)
    +1.0s web-1 AfterInstall: done (40ms)
    +1.0s web-1 ApplicationStart: done (40ms)
    +1.0s web-1 ValidateService: done (40ms)
    +1.0s web-1 done (240ms) [1/20]
    +2.0s shop-2 Paused: canary shop-web-1 is up: goes on in 10m, or with 'upshift promote shop'
    +12.0s shop-2 still waiting 10.0s: 1/20 done; canary shop-web-1 is up: goes on in 9m50s, or with 'upshift promote shop'
    +70.0s shop-2 Running (revision shop-2, 20 gears)
    +70.0s shop-2 SwitchTraffic: begun: green, router default has 2 requests in flight
    +73.0s shop-2 SwitchTraffic: done (3.0s)
    ");
}

#[test]
fn what_a_step_says_of_itself_is_told_now_and_then() {
    let mut state = State::new(rollout(RolloutPhase::Running, 2), Logs::All);
    let mut events = feed(&mut state, 0, Change::Tick);
    for second in 1..=12 {
        let message = format!("router default has {} requests in flight", 20 - second);
        let change = boxed(draining("web-1", &message));
        events.extend(feed(&mut state, second * 1000, change));
    }
    insta::assert_snapshot!(plain_text(&state, &events, LOOK), @r"
    +0.0s shop-2 Running (revision shop-2, 2 gears)
    +1.0s web-1 DownloadBundle: done (40ms)
    +1.0s web-1 BlockTraffic: router default has 19 requests in flight
    +6.0s web-1 BlockTraffic: router default has 14 requests in flight
    +11.0s web-1 BlockTraffic: router default has 9 requests in flight
    ");
}

#[test]
fn silence_is_measured_by_what_is_told() {
    let mut state = State::new(rollout(RolloutPhase::Running, 100), Logs::All);
    let mut told = Vec::new();
    for second in 0..200_u64 {
        // Steps of many gears go on all the time, and none of them has a line.
        let node = format!("web-{}", second / 7);
        let step = usize::try_from(second % 7).unwrap();
        told.extend(feed(
            &mut state,
            second * 1000,
            boxed(operation(&node, step, StepPhase::Running)),
        ));
        told.extend(feed(&mut state, second * 1000, Change::Tick));
    }
    let mut before = 0;
    let mut lines = 0;
    for event in &told {
        if plain::line(event, state.total(), LOOK).is_some() {
            let at = event.moment.at.as_secs();
            assert!(at - before <= 30, "silent from {before} to {at}");
            before = at;
            lines += 1;
        }
    }
    assert!(lines > 5 && 200 - before <= 30, "{lines} lines");
    assert!(
        told.iter()
            .any(|event| matches!(event.what, What::Waiting { .. }))
    );
}

#[test]
fn a_heartbeat_has_an_estimate_and_names_the_longest_at_work() {
    let mut state = State::new(rollout(RolloutPhase::Running, 50), Logs::All);
    state.usual = Some(Duration::from_secs(3));
    for host in [5, 3, 4, 2, 1] {
        let change = boxed(operation(&format!("web-{host}"), 4, StepPhase::Running));
        let _ = feed(&mut state, 1000 * (10 - host), change);
    }
    let beat = feed(&mut state, 30_000, Change::Tick);
    insta::assert_snapshot!(plain_text(&state, &beat, LOOK), @r"+30.0s shop-2 still waiting 25.0s: 0/50 done; ~2m00s left; web-5: AfterInstall 25.0s; web-4: AfterInstall 24.0s; web-3: AfterInstall 23.0s; +2 more");
}

#[test]
fn of_many_gears_only_what_explains_a_failure_is_told_and_asked_for() {
    let mut state = State::new(rollout(RolloutPhase::Running, 50), Logs::All);
    let _ = state.apply(Change::Tick, moment(0));
    let _ = state.apply(boxed(operation("web-1", 6, StepPhase::Running)), moment(1));
    assert_eq!(state.take_wanted(), [], "nobody reads it");
    let _ = state.apply(boxed(operation("web-1", 6, StepPhase::Failed)), moment(2));
    let wanted = state.take_wanted();
    assert_eq!(wanted.len(), 1);
    for line in 0..30 {
        say(
            &mut state,
            3,
            "web-1",
            "ValidateService",
            &format!("line {line}"),
        );
    }
    let end = Change::LogEnded {
        operation: wanted[0].operation.clone(),
        step: wanted[0].step.clone(),
    };
    let text = plain_text(&state, &state.clone().apply(end, moment(4)), LOOK);
    assert_eq!(text.matches("line ").count(), 10, "{text}");
    assert!(text.contains("line 29"), "{text}");
    // A screen samples those at work.
    let mut state = State::new(rollout(RolloutPhase::Running, 50), Logs::LastLines);
    for host in 0..40 {
        let change = boxed(operation(&format!("web-{host}"), 4, StepPhase::Running));
        let _ = state.apply(change, moment(1));
    }
    assert_eq!(state.take_wanted().len(), 16);
}

#[test]
fn the_summary_lists_what_went_wrong_and_collapses_the_rest() {
    let mut state = fifty();
    for host in 36..=49 {
        let _ = feed(
            &mut state,
            80_000,
            boxed(operation(&format!("web-{host}"), 7, StepPhase::Waiting)),
        );
    }
    let end = Change::LogEnded {
        operation: "shop-2-shop-web-36-1".to_owned(),
        step: "ApplicationStart".to_owned(),
    };
    let _ = feed(&mut state, 80_000, end);
    let (lost, not_begun) = ((4, StepPhase::Running), (0, StepPhase::Waiting));
    for (host, (done, phase)) in [(33, lost), (34, not_begun), (35, not_begun)] {
        let mut given_up = operation(&format!("web-{host}"), done, phase);
        given_up.spec.desired = Desired::Abort;
        given_up.status.phase = OperationPhase::Aborted;
        let _ = feed(&mut state, 81_000, boxed(given_up));
    }
    let mut over = rollout(RolloutPhase::PartlyFailed, 50);
    over.status.gears.done = 44;
    over.status.gears.failed = 3;
    over.status.gears.unreachable = 3;
    let _ = feed(&mut state, 82_000, Change::Rollout(Box::new(over)));
    let silent = Place {
        gear: "shop-db".to_owned(),
        node: "db".to_owned(),
    };
    let _ = feed(&mut state, 82_000, Change::PassedOver(vec![silent]));
    let _ = feed(&mut state, 82_000, Change::Complete);
    let outcome = Outcome::of(&state.rollout).unwrap();
    let wanted = summary::Wanted {
        steps: false,
        look: LOOK,
        replay: 2,
        columns: None,
        program: "upshift",
    };
    let lines = summary::lines(&state, &outcome, Duration::from_secs(82), wanted);
    insta::assert_snapshot!(lines.join("\n"), @r"
    error: shop-2 failed on web-9: ValidateService: exit code 3
      │ not healthy
      │ giving up
      full log: upshift logs rollout/shop-2 --hook ValidateService --gear shop-web-9
    error: shop-2 failed on web-32: Install: exit code 3
    GEAR          NODE                               RESULT        TIME     REASON
    shop-db       db                                 Unreachable            its node is silent; it catches up
    shop-web-9    web-9                              Failed        2.3s     ValidateService: HookFailed
    shop-web-32   web-32                             Failed        2.1s     Install: HookFailed
    shop-web-33   web-33                             Failed                 AfterInstall: its node fell silent
    shop-web-34   web-34                             Unreachable            its node is silent; it catches up
    shop-web-35   web-35                             Unreachable            its node is silent; it catches up
    (44 gears)    web-1..web-8, web-10..web-31, ..   Succeeded     ~240ms
    44 done, 3 failed, 3 unreachable of 50 gears
    shop-2: partly failed after 1m22s: shop-2 is on 44 of 50 gears, 3 failed
    next: upshift logs rollout/shop-2 --hook ValidateService --gear shop-web-9 · upshift rollout retry app/shop · upshift rollback app/shop
    ");
}

#[test]
fn every_gear_is_in_the_heap_that_it_belongs_to() {
    let state = fifty();
    let count = |standing| state.tally.count(standing);
    let got = [
        count(Standing::Done),
        count(Standing::Failed),
        count(Standing::InFlight),
        count(Standing::Unreachable),
        state.waiting(),
    ];
    assert_eq!(got, [30, 2, 3, 1, 13]);
    assert_eq!(state.all_ended(), 32);
}

/// Something that may happen to one of forty gears.
fn happening() -> impl Strategy<Value = (u8, u8, u8, String)> {
    (0..40_u8, 0..8_u8, 0..9_u8, ".{0,90}")
}

/// What is told of it.
fn change(state: &State, (host, done, kind, text): (u8, u8, u8, String)) -> Change {
    let node = format!("{}web-{host}", if host % 3 == 0 { "滚动-" } else { "" });
    let done = usize::from(done);
    let name = format!("shop-2-shop-{node}-1");
    match kind {
        0 => boxed(operation(&node, done, StepPhase::Running)),
        1 => boxed(operation(&node, done.min(6), StepPhase::Failed)),
        2 => boxed(operation(&node, 7, StepPhase::Waiting)),
        3 => {
            let mut paused = operation(&node, done.min(6), StepPhase::Waiting);
            paused.status.phase = OperationPhase::Paused;
            boxed(paused)
        }
        4 => Change::Line {
            operation: name,
            step: "AfterInstall".to_owned(),
            text: crate::cli::progress::lines::clean(&text),
        },
        5 => {
            let mut rollout = state.rollout.clone();
            rollout.status.message = crate::cli::progress::lines::clean(&text);
            rollout.status.gears.unreachable = u32::from(host) / 10;
            rollout.status.gears.total = u32::from(host);
            rollout.status.phase = match done {
                0 => RolloutPhase::Paused,
                1 => RolloutPhase::Failed,
                _ => RolloutPhase::Running,
            };
            if done == 2 {
                rollout.spec.attempt += 1;
            }
            Change::Rollout(Box::new(rollout))
        }
        6 => {
            let mut given_up = operation(&node, done.min(6), StepPhase::Running);
            given_up.spec.desired = Desired::Abort;
            boxed(given_up)
        }
        7 if done == 0 => Change::Lost { why: text },
        7 => Change::Restored,
        _ => Change::Tick,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_frame_never_exceeds_the_screen(
        happened in prop::collection::vec(happening(), 0..60),
        sizes in prop::collection::vec((1..130_usize, 1..50_usize, any::<bool>()), 8),
        lines in prop::bool::ANY,
    ) {
        let logs = if lines { Logs::LastLines } else { Logs::All };
        let mut state = State::new(rollout(RolloutPhase::Running, 3), logs);
        state.usual = Some(Duration::from_secs(7));
        for (second, one) in (0..).zip(happened) {
            let change = change(&state, one);
            let _ = feed(&mut state, second * 700, change);
        }
        for (columns, rows, unicode) in sizes {
            let look = Look { color: false, unicode };
            let size = Size { columns, rows };
            let lines = tty::frame(&state, look, size, Duration::from_secs(60));
            let most = rows.saturating_sub(2).min((rows * 2).div_ceil(3)).max(1);
            prop_assert!(lines.len() <= most, "{columns}x{rows}: {lines:#?}");
            for line in lines {
                prop_assert!(line.width() < columns.max(2), "{columns}x{rows}: {line:?}");
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }

    #[test]
    fn counts_are_what_counting_gives(
        happened in prop::collection::vec(happening(), 0..80),
    ) {
        let mut state = State::new(rollout(RolloutPhase::Running, 3), Logs::OfFailures);
        for (second, one) in (0..).zip(happened) {
            let change = change(&state, one);
            let _ = feed(&mut state, second * 700, change);
            let (mut finals, mut heaps) = (0, [0_u32; 7]);
            for gear in state.gears.values() {
                finals += u32::from(gear.phase().is_final());
                heaps[gear.standing() as usize] += 1;
            }
            prop_assert_eq!(finals, state.all_ended());
            for standing in [
                Standing::Waiting,
                Standing::InFlight,
                Standing::Paused,
                Standing::Done,
                Standing::Failed,
                Standing::Aborted,
                Standing::Unreachable,
            ] {
                prop_assert_eq!(heaps[standing as usize], state.tally.count(standing));
            }
        }
    }
}

/// Lists of thousands are folded and drawn in a time that nobody notices; linear costs would make this minutes.
#[test]
fn five_thousand_hosts_cost_what_changes() {
    let mut state = State::new(rollout(RolloutPhase::Running, 5000), Logs::All);
    let mut drawn = 0;
    for host in 0..5000_u64 {
        for done in [0, 4, 7] {
            let change = boxed(operation(&format!("web-{host}"), done, StepPhase::Running));
            let _ = state.apply(change, moment(host));
        }
        let _ = state.apply(Change::Tick, moment(host));
        if host % 10 == 0 {
            let at = Duration::from_millis(host);
            drawn += tty::frame(&state, LOOK, Size::USUAL, at).len();
        }
    }
    assert!(drawn > 500);
    assert_eq!(state.tally.done().show(80, "…"), "web-0..web-4999");
}
