//! The last two lines: what came of a rollout, which colour serves, and the commands that make sense now.
//!
//! `summary` says everything before them, `outcome` the exit code.

use std::time::Duration;

use crate::api::upshift::Action;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::StepPhase;
use crate::base::text;
use crate::cli::Exit;
use crate::cli::progress::look::Color;
use crate::cli::progress::look::Look;
use crate::cli::progress::outcome::Outcome;
use crate::cli::progress::state::Failed;
use crate::cli::progress::state::State;
use crate::cli::progress::summary;
use crate::plan::step;

/// What came of it, in one line.
pub(super) fn verdict(
    state: &State,
    outcome: &Outcome,
    took: Duration,
    look: Look,
    is_replayed: bool,
) -> String {
    let said = if state.is_gone() {
        format!("{} was deleted while it was watched", state.name())
    } else {
        told(state, outcome, took, is_replayed)
    };
    let color = if outcome.exit == Exit::Done {
        Color::Good
    } else {
        Color::Bad
    };
    look.paint(color, &said)
}

fn told(state: &State, outcome: &Outcome, took: Duration, is_replayed: bool) -> String {
    let rollout = &state.rollout;
    let (name, revision) = (state.name(), &rollout.spec.revision);
    let time = if took.is_zero() {
        // Only a past rollout's moments can coincide: they have whole seconds.
        "less than a second".to_owned()
    } else {
        text::elapsed(took)
    };
    let counts = &rollout.status.gears;
    let gears = text::count(state.total() as usize, "gear");
    // What is on silent nodes is not deployed there yet: `1 of 2 gears`, and the rollout's words for the others.
    let (reached, later) = match counts.unreachable {
        0 => (gears.clone(), String::new()),
        silent => (
            format!("{} of {gears}", counts.done),
            format!("; {silent} on silent nodes will catch up"),
        ),
    };
    let because = because(state, is_replayed);
    let serving = serving(state).map_or_else(String::new, |serving| format!("; {serving}"));
    match (rollout.status.phase, rollout.spec.action) {
        (RolloutPhase::Succeeded, Action::Deploy) => {
            format!(
                "{name}: revision {revision} is deployed on {reached} in {time}{later}{serving}"
            )
        }
        (RolloutPhase::Succeeded, Action::Rollback) => match color(state) {
            Some((color, _)) => format!("{name}: {color} serves {revision} again, after {time}"),
            None => format!("{name}: rolled back to {revision} on {reached} in {time}{later}"),
        },
        (RolloutPhase::PartlyFailed, _) => format!(
            "{name}: partly failed after {time}: {revision} is on {} of {gears}, {} failed{serving}",
            counts.done, counts.failed
        ),
        (RolloutPhase::RolledBack, _) => {
            let before = match rollout.status.previous_revision.as_str() {
                "" => "nothing is installed, as before".to_owned(),
                before => match color(state) {
                    Some((_, other)) => format!("{other} serves {before}, as before"),
                    None => format!("{before} is in place again"),
                },
            };
            format!("{name}: failed and rolled back after {time}: {before}{because}")
        }
        (RolloutPhase::Aborted, _) => {
            format!("{name}: cancelled after {time}{because}{serving}")
        }
        (RolloutPhase::Failed, _) => format!("{name}: failed after {time}{because}{serving}"),
        (phase, _) => format!("{name}: {phase:?} ({})", outcome.reason),
    }
}

/// The colour that a rollout brings to serve, and the other one; none when there are no colours.
fn color(state: &State) -> Option<(&str, &'static str)> {
    match state.rollout.status.color.as_str() {
        "" => None,
        color @ "blue" => Some((color, "green")),
        color => Some((color, "blue")),
    }
}

/// Which colour takes the requests now; none when no colour does, or there are none.
fn serving(state: &State) -> Option<String> {
    let (color, other) = color(state)?;
    let status = &state.rollout.status;
    let switched = status
        .steps
        .iter()
        .any(|one| one.name == step::SWITCH_TRAFFIC.name && one.phase == StepPhase::Done);
    if switched {
        return Some(format!("{color} serves it now"));
    }
    let before = &status.previous_revision;
    (!before.is_empty()).then(|| format!("{other} serves {before}, as before"))
}

/// The rollout's own reason: a word when the lines above tell what happened, else all that is known.
pub(super) fn because(state: &State, is_replayed: bool) -> String {
    let status = &state.rollout.status;
    match (status.reason.as_str(), status.message.as_str()) {
        ("", "") => String::new(),
        (reason, message) if message.is_empty() || (is_replayed && !reason.is_empty()) => {
            format!(": {reason}")
        }
        (_, message) => format!(": {message}"),
    }
}

/// The commands that make sense now, the best first.
pub(super) fn next(
    state: &State,
    outcome: &Outcome,
    failures: &[Failed<'_>],
    program: &str,
) -> Vec<String> {
    let namespace = summary::in_namespace(state);
    let application = format!("app/{}{namespace}", state.rollout.spec.application);
    let (rollout, status) = (&state.rollout, &state.rollout.status);
    let before = &status.previous_revision;
    let history = format!("{program} rollout history {application}");
    let describe = format!("{program} describe {application}");
    match (outcome.exit, outcome.reason.as_str()) {
        (Exit::Done, _) => {
            if before.is_empty() {
                vec![format!("{program} get app,rollouts,gears{namespace}")]
            } else if rollout.spec.action == Action::Rollback || *before == rollout.spec.revision {
                vec![history]
            } else {
                vec![format!("{program} rollback {application}"), history]
            }
        }
        (Exit::Locked, "ServiceTaken") | (Exit::Usage, _) => vec![describe],
        (Exit::Locked, _) => vec![
            format!("{program} rollout status -w {application}"),
            format!("{program} rollout cancel {application}"),
        ],
        (Exit::NotFound, "NoHosts") => {
            vec![format!("{program} get nodes --show-labels"), describe]
        }
        (Exit::NotFound, "ApplicationMissing") => vec![format!("{program} get app{namespace}")],
        (Exit::NotFound, _) => vec![history],
        (_, reason) => {
            let mut next = Vec::new();
            match failures.first() {
                Some(failed) if summary::has_log(failed) => {
                    next.push(summary::log_command(state, failed, program));
                }
                Some(_) => next.push(format!(
                    "{program} describe rollout {}{namespace}",
                    state.name()
                )),
                None => {}
            }
            if reason == "RouterSilent" {
                next.push(format!("{program} get routers"));
            }
            if state.is_gone() {
                next.push(format!("{program} get rollouts{namespace}"));
                return next;
            }
            next.push(format!("{program} rollout retry {application}"));
            // Without a switch the colour before still serves, and a rollback that failed is no way back.
            let is_back = outcome.exit == Exit::RolledBack
                || color(state).is_some()
                || rollout.spec.action == Action::Rollback;
            if !before.is_empty() && !is_back {
                next.push(format!("{program} rollback {application}"));
            }
            next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::StepStatus;
    use crate::cli::progress::state::Logs;
    use crate::cli::progress::tests::rollout;

    fn state(phase: RolloutPhase, action: Action, reason: &str) -> State {
        let mut rollout = rollout(phase, 3);
        rollout.spec.action = action;
        rollout.status.gears.done = 3;
        reason.clone_into(&mut rollout.status.reason);
        State::new(rollout, Logs::All)
    }

    /// The last line, and the commands after it.
    fn end(state: &State) -> (String, String) {
        let outcome = Outcome::of(&state.rollout).expect("it is over");
        let took = Duration::from_secs(4);
        (
            verdict(state, &outcome, took, Look::BARE, false),
            next(state, &outcome, &[], "upshift").join(", "),
        )
    }

    #[test]
    fn the_last_line_says_which_colour_serves() {
        let check = |phase, action, switch, previous: &str, expect: &str| {
            let mut state = state(phase, action, "");
            let status = &mut state.rollout.status;
            "green".clone_into(&mut status.color);
            previous.clone_into(&mut status.previous_revision);
            status.steps = vec![StepStatus {
                name: step::SWITCH_TRAFFIC.name.to_owned(),
                phase: switch,
                ..StepStatus::default()
            }];
            assert_eq!(end(&state).0, expect);
        };
        let (deploy, back) = (Action::Deploy, Action::Rollback);
        check(
            RolloutPhase::Succeeded,
            deploy,
            StepPhase::Done,
            "shop-1",
            "shop-2: revision shop-2 is deployed on 3 gears in 4.0s; green serves it now",
        );
        check(
            RolloutPhase::Succeeded,
            back,
            StepPhase::Done,
            "shop-1",
            "shop-2: green serves shop-2 again, after 4.0s",
        );
        check(
            RolloutPhase::Failed,
            deploy,
            StepPhase::Waiting,
            "shop-1",
            "shop-2: failed after 4.0s; blue serves shop-1, as before",
        );
        check(
            RolloutPhase::RolledBack,
            deploy,
            StepPhase::Failed,
            "shop-1",
            "shop-2: failed and rolled back after 4.0s: blue serves shop-1, as before",
        );
        check(
            RolloutPhase::Aborted,
            deploy,
            StepPhase::Waiting,
            "",
            "shop-2: cancelled after 4.0s",
        );
    }

    #[test]
    fn every_end_names_the_commands_that_make_sense() {
        let check = |phase, action, reason: &str, expect: &str| {
            assert_eq!(
                end(&state(phase, action, reason)).1,
                expect,
                "{phase:?} {reason}"
            );
        };
        let (deploy, back) = (Action::Deploy, Action::Rollback);
        let history = "upshift rollout history app/shop";
        let (retry, undo) = (
            "upshift rollout retry app/shop",
            "upshift rollback app/shop",
        );
        let both = format!("{retry}, {undo}");
        check(
            RolloutPhase::Succeeded,
            deploy,
            "",
            &format!("{undo}, {history}"),
        );
        check(RolloutPhase::Succeeded, back, "", history);
        check(RolloutPhase::PartlyFailed, deploy, "HookFailed", &both);
        check(RolloutPhase::Failed, deploy, "HookFailed", &both);
        check(RolloutPhase::Failed, back, "HookFailed", retry);
        check(RolloutPhase::RolledBack, deploy, "HookFailed", retry);
        check(RolloutPhase::Aborted, deploy, "", &both);
        check(
            RolloutPhase::Failed,
            deploy,
            "RouterSilent",
            &format!("upshift get routers, {both}"),
        );
        check(
            RolloutPhase::Failed,
            deploy,
            "NoHosts",
            "upshift get nodes --show-labels, upshift describe app/shop",
        );
        check(RolloutPhase::Failed, back, "NotOnIdleColor", history);
        check(
            RolloutPhase::Failed,
            deploy,
            "Locked",
            "upshift rollout status -w app/shop, upshift rollout cancel app/shop",
        );
        check(
            RolloutPhase::Failed,
            deploy,
            "ServiceTaken",
            "upshift describe app/shop",
        );
    }
}
