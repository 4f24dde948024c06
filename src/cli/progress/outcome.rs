//! From what became of a rollout to an exit code: the one table, the same in every mode (R14).

use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::failure::Kind;

/// How a followed command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub exit: Exit,
    /// One word for programs.
    pub reason: String,
}

impl Outcome {
    /// An outcome that the watching itself has.
    pub fn new(exit: Exit, reason: &str) -> Outcome {
        Outcome {
            exit,
            reason: reason.to_owned(),
        }
    }

    /// What a rollout's end means; none while it is not at its end.
    pub fn of(rollout: &Rollout) -> Option<Outcome> {
        if !is_over(rollout) {
            return None;
        }
        let exit = match rollout.status.phase {
            RolloutPhase::Succeeded => Exit::Done,
            RolloutPhase::PartlyFailed => Exit::Partly,
            RolloutPhase::RolledBack => Exit::RolledBack,
            _ => failed(&rollout.status.reason),
        };
        let reason = match rollout.status.reason.as_str() {
            "" => format!("{:?}", rollout.status.phase),
            reason => reason.to_owned(),
        };
        Some(Outcome { exit, reason })
    }
}

/// The exit code of an attempt that failed or did not begin.
fn failed(reason: &str) -> Exit {
    match reason {
        "Locked" | "Conflict" | "ServiceTaken" => Exit::Locked,
        "NoHosts" | "NothingToRollBackTo" | "NotOnIdleColor" | "ApplicationMissing" => {
            Exit::NotFound
        }
        "NotSupported" | "NoWorkflow" => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// What whoever asked for an attempt that was refused is told.
pub fn refused(rollout: &Rollout) -> Option<Failure> {
    let refused = rollout.refusal()?;
    let kind = match failed(&refused.reason) {
        Exit::Locked => Kind::Locked,
        Exit::NotFound => Kind::NotFound,
        Exit::Usage => Kind::Usage,
        _ => Kind::Ours,
    };
    let message = format!(
        "{} was not retried and is still {:?}: {}",
        rollout.metadata.name, rollout.status.phase, refused.message
    );
    Some(Failure::new(kind, message))
}

/// Whether a rollout's last wanted attempt has come to its end.
pub fn is_over(rollout: &Rollout) -> bool {
    let status = &rollout.status;
    // A refusal before the first attempt began carries no attempt.
    let is_answered = status.attempt == 0 || rollout.answered() >= rollout.spec.attempt;
    status.phase.is_final() && is_answered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::upshift::Refused;

    #[test]
    fn every_phase_has_its_code_and_only_success_is_zero() {
        let check = |phase, reason: &str, expect: Option<(Exit, &str)>| {
            let mut rollout = Rollout::default();
            rollout.status.phase = phase;
            reason.clone_into(&mut rollout.status.reason);
            let outcome = Outcome::of(&rollout);
            let got = outcome.as_ref().map(|one| (one.exit, one.reason.as_str()));
            assert_eq!(got, expect, "{phase:?} {reason}");
        };
        check(RolloutPhase::Pending, "", None);
        check(RolloutPhase::Running, "", None);
        check(RolloutPhase::Paused, "", None);
        check(RolloutPhase::Succeeded, "", Some((Exit::Done, "Succeeded")));
        check(
            RolloutPhase::PartlyFailed,
            "HookFailed",
            Some((Exit::Partly, "HookFailed")),
        );
        check(
            RolloutPhase::Failed,
            "HookFailed",
            Some((Exit::Failed, "HookFailed")),
        );
        check(
            RolloutPhase::Failed,
            "Locked",
            Some((Exit::Locked, "Locked")),
        );
        check(
            RolloutPhase::Failed,
            "NoHosts",
            Some((Exit::NotFound, "NoHosts")),
        );
        check(
            RolloutPhase::RolledBack,
            "HookTimedOut",
            Some((Exit::RolledBack, "HookTimedOut")),
        );
        check(RolloutPhase::Aborted, "", Some((Exit::Failed, "Aborted")));
    }

    #[test]
    fn a_retried_rollout_is_not_over_before_its_new_attempt_is() {
        let mut rollout = Rollout::default();
        rollout.spec.attempt = 2;
        rollout.status.phase = RolloutPhase::Failed;
        rollout.status.attempt = 1;
        assert_eq!(Outcome::of(&rollout), None);
        rollout.status.attempt = 2;
        assert!(Outcome::of(&rollout).is_some());
    }

    #[test]
    fn a_refused_retry_is_told_to_who_asked_and_changes_no_outcome() {
        let mut rollout = Rollout::default();
        "shop-1".clone_into(&mut rollout.metadata.name);
        rollout.status.phase = RolloutPhase::Succeeded;
        (rollout.spec.attempt, rollout.status.attempt) = (2, 1);
        rollout.status.refused = Some(Refused {
            attempt: 2,
            reason: "Locked".to_owned(),
            message: "rollout shop-2 holds the application".to_owned(),
        });
        assert_eq!(Outcome::of(&rollout).unwrap().exit, Exit::Done);
        let failure = refused(&rollout).unwrap();
        assert_eq!(failure.exit(), Exit::Locked);
        assert_eq!(
            failure.message,
            "shop-1 was not retried and is still Succeeded: rollout shop-2 holds the application"
        );
        rollout.spec.attempt = 3;
        assert!(refused(&rollout).is_none() && Outcome::of(&rollout).is_none());
    }
}
