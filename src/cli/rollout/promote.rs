//! `promote`: the canary is good, the other gears follow.
//!
//! Only a rollout that waits for it can be promoted: anything else is refused with how it stands, so that nobody takes a
//! promotion that came too early for one that did something.

use serde_json::json;

use crate::api::upshift::Desired;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::progress::outcome;
use crate::cli::rollout::Found;
use crate::cli::rollout::steer;
use crate::cli::rollout::steer::Onward;

/// Let the other gears follow the canary, and follow the rollout
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
A rollout with a canary deploys to one gear and then waits, for a time or for this.

Examples:
  # One host first, then have a look, then the others
  upshift deploy ./shop --canary --follow=false
  upshift status
  upshift promote shop")]
pub struct Args {
    #[command(flatten)]
    onward: Onward,
}

/// Runs `promote`.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let wish = |found: &Found| {
        expect_waiting(&found.rollout, context.name())?;
        Ok(json!({"promoted": true}))
    };
    steer::go_on(&args.onward, context, "promoted", wish).await
}

/// Whether a rollout waits with its canary up.
pub fn is_waiting(rollout: &Rollout) -> bool {
    let spec = &rollout.spec;
    rollout.status.phase == RolloutPhase::Paused
        && spec.settings.canary.is_some()
        && spec.desired == Desired::Run
        && !spec.promoted
}

/// Refuses what does not wait.
fn expect_waiting(rollout: &Rollout, program: &str) -> Result<(), Failure> {
    if is_waiting(rollout) {
        return Ok(());
    }
    let (spec, status) = (&rollout.spec, &rollout.status);
    let (name, number) = (&spec.application, spec.number);
    if outcome::is_over(rollout) {
        return Err(Failure::not_found(format!(
            "no rollout of {name:?} is in progress (latest rollout #{number} {:?}): nothing waits for a promotion",
            status.phase
        )));
    }
    if spec.settings.canary.is_none() {
        return Err(Failure::ours(format!(
            "rollout #{number} of {name:?} has no canary: nothing waits for a promotion"
        )));
    }
    if spec.promoted {
        return Err(Failure::ours(format!(
            "rollout #{number} of {name:?} was promoted already"
        )));
    }
    if spec.desired == Desired::Pause {
        return Err(
            Failure::ours(format!("rollout #{number} of {name:?} is paused")).hint(format!(
                "Let it go on with '{program} rollout resume app/{name}'."
            )),
        );
    }
    let gears = &status.gears;
    Err(Failure::ours(format!(
        "rollout #{number} of {name:?} does not wait for a promotion: {:?}, {} of {} gears done",
        status.phase, gears.done, gears.total
    ))
    .hint(format!(
        "Watch it with '{program} rollout status app/{name}'."
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn check(spec: &Value, phase: &str, expect: Result<(), (Exit, &str)>) {
        let mut object = json!({"spec": spec, "status": {"phase": phase, "attempt": 1}});
        object["spec"]["application"] = "shop".into();
        object["spec"]["number"] = 3.into();
        let rollout: Rollout = serde_json::from_value(object).unwrap();
        let got = expect_waiting(&rollout, "upshift");
        match (got, expect) {
            (Ok(()), Ok(())) => assert!(is_waiting(&rollout)),
            (Err(failure), Err((exit, words))) => {
                assert_eq!(failure.exit(), exit, "{words}");
                assert!(failure.message.contains(words), "{}", failure.message);
            }
            (got, _) => panic!("{got:?}"),
        }
    }

    #[test]
    fn only_a_canary_that_waits_is_promoted() {
        let canary = json!({"settings": {"canary": {}}});
        let with = |field: &str, value: Value| {
            let mut spec = canary.clone();
            spec[field] = value;
            spec
        };
        check(&canary, "Paused", Ok(()));
        let failed = Exit::Failed;
        check(
            &canary.clone(),
            "Running",
            Err((failed, "Running, 0 of 0 gears done")),
        );
        check(
            &canary.clone(),
            "Succeeded",
            Err((Exit::NotFound, "nothing waits")),
        );
        check(&json!({}), "Paused", Err((failed, "has no canary")));
        check(
            &with("promoted", true.into()),
            "Running",
            Err((failed, "promoted already")),
        );
        check(
            &with("desired", "Pause".into()),
            "Paused",
            Err((failed, "is paused")),
        );
    }
}
