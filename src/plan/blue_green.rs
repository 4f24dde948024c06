//! Blue/green deployments of seed 001 and their rollback.
//!
//! Deploying: seven steps on each gear of the idle colour, then one that happens once. Rolling back: that one alone.

use crate::api::upshift::Action;
use crate::plan::rolling;
use crate::plan::step;
use crate::plan::step::StepKind;

/// The steps of each gear of the idle colour; none in a rollback.
pub fn steps(action: Action) -> Vec<&'static StepKind> {
    match action {
        Action::Deploy => rolling::DEPLOY.to_vec(),
        Action::Rollback => Vec::new(),
    }
}

/// What happens once, in the Rollout, after every gear.
pub fn once() -> Vec<&'static StepKind> {
    vec![&step::SWITCH_TRAFFIC]
}

/// The steps that bring a gear of the serving colour up to date outside a rollout: it leaves rotation for its turn,
/// without hooks for that, which do not exist here.
pub static CATCH_UP: [&StepKind; 9] = [
    &step::DOWNLOAD_BUNDLE,
    &step::BLOCK_TRAFFIC,
    &step::APPLICATION_STOP,
    &step::BEFORE_INSTALL,
    &step::INSTALL,
    &step::AFTER_INSTALL,
    &step::APPLICATION_START,
    &step::VALIDATE_SERVICE,
    &step::ALLOW_TRAFFIC,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::seed;

    fn names(action: Action) -> Vec<&'static str> {
        steps(action)
            .into_iter()
            .chain(once())
            .map(|step| step.name)
            .collect()
    }

    #[test]
    fn the_seed_s_two_lists() {
        let eight = [&seed::SEVEN[..], &seed::SWITCH].concat();
        assert_eq!(names(Action::Deploy), eight);
        assert_eq!(names(Action::Rollback), seed::SWITCH);
    }

    #[test]
    fn a_rollback_drops_everything_except_the_last_step() {
        assert_eq!(names(Action::Rollback), names(Action::Deploy)[7..]);
    }

    #[test]
    fn no_traffic_hook_and_no_gear_s_own_traffic_step_but_the_stale_application_is_stopped() {
        let deploy = names(Action::Deploy);
        for absent in [
            "BeforeBlockTraffic",
            "BlockTraffic",
            "AfterBlockTraffic",
            "BeforeAllowTraffic",
            "AllowTraffic",
            "AfterAllowTraffic",
        ] {
            assert!(!deploy.contains(&absent), "{absent}");
        }
        assert!(deploy.contains(&"ApplicationStop"));
    }

    #[test]
    fn a_catch_up_is_a_deployment_out_of_rotation() {
        let own: Vec<&str> = CATCH_UP
            .iter()
            .map(|step| step.name)
            .filter(|name| !["BlockTraffic", "AllowTraffic"].contains(name))
            .collect();
        assert_eq!(own, names(Action::Deploy)[..7]);
    }

    #[test]
    fn the_check_comes_before_the_switch_and_nothing_comes_after_it() {
        let deploy = names(Action::Deploy);
        assert_eq!(deploy[6..], ["ValidateService", "SwitchTraffic"]);
    }
}
