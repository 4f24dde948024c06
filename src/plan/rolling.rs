//! Rolling deployments of seed 001, without and with a load balancer, and the rollbacks of both.
//!
//! A rollback is its deployment without the first step: one list and a filter (facts/codedeploy.md 1.3, point 11).

use crate::api::upshift::Action;
use crate::plan::step;
use crate::plan::step::StepKind;

/// 滚动部署(不使用负载均衡): seven steps.
pub static DEPLOY: [&StepKind; 7] = [
    &step::DOWNLOAD_BUNDLE,
    &step::APPLICATION_STOP,
    &step::BEFORE_INSTALL,
    &step::INSTALL,
    &step::AFTER_INSTALL,
    &step::APPLICATION_START,
    &step::VALIDATE_SERVICE,
];

/// 滚动部署(使用负载均衡): thirteen steps.
pub static DEPLOY_BEHIND_LOAD_BALANCER: [&StepKind; 13] = [
    &step::DOWNLOAD_BUNDLE,
    &step::BEFORE_BLOCK_TRAFFIC,
    &step::BLOCK_TRAFFIC,
    &step::AFTER_BLOCK_TRAFFIC,
    &step::APPLICATION_STOP,
    &step::BEFORE_INSTALL,
    &step::INSTALL,
    &step::AFTER_INSTALL,
    &step::APPLICATION_START,
    &step::VALIDATE_SERVICE,
    &step::BEFORE_ALLOW_TRAFFIC,
    &step::ALLOW_TRAFFIC,
    &step::AFTER_ALLOW_TRAFFIC,
];

/// What removes an application from a host: it leaves rotation (behind a load balancer), its own stop script, its files.
pub static TEARDOWN: [&StepKind; 3] = [
    &step::BLOCK_TRAFFIC,
    &step::APPLICATION_STOP,
    &step::INSTALL,
];

/// The steps of each gear.
pub fn steps(action: Action, behind_load_balancer: bool) -> Vec<&'static StepKind> {
    let deploy: &[&StepKind] = if behind_load_balancer {
        &DEPLOY_BEHIND_LOAD_BALANCER
    } else {
        &DEPLOY
    };
    deploy
        .iter()
        .copied()
        .filter(|step| action == Action::Deploy || **step != step::DOWNLOAD_BUNDLE)
        .collect()
}

/// The steps that take back what a first deployment installed: nothing enters rotation at their end.
pub fn removal(behind_load_balancer: bool) -> Vec<&'static StepKind> {
    steps(Action::Rollback, behind_load_balancer)
        .into_iter()
        .filter(|step| {
            ![
                &step::BEFORE_ALLOW_TRAFFIC,
                &step::ALLOW_TRAFFIC,
                &step::AFTER_ALLOW_TRAFFIC,
            ]
            .contains(step)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::seed;

    fn names(action: Action, behind_load_balancer: bool) -> Vec<&'static str> {
        steps(action, behind_load_balancer)
            .iter()
            .map(|step| step.name)
            .collect()
    }

    #[test]
    fn the_seed_s_four_lists() {
        assert_eq!(names(Action::Deploy, false), seed::SEVEN);
        assert_eq!(names(Action::Rollback, false), seed::SIX);
        assert_eq!(names(Action::Deploy, true), seed::THIRTEEN);
        assert_eq!(names(Action::Rollback, true), seed::TWELVE);
    }

    #[test]
    fn a_rolling_rollback_drops_the_first_step_and_nothing_else() {
        for behind_load_balancer in [false, true] {
            let deploy = names(Action::Deploy, behind_load_balancer);
            assert_eq!(names(Action::Rollback, behind_load_balancer), deploy[1..]);
        }
    }

    #[test]
    fn the_bundle_is_fetched_before_the_host_leaves_rotation() {
        let deploy = names(Action::Deploy, true);
        let at = |name| deploy.iter().position(|step| *step == name).unwrap();
        assert!(at("DownloadBundle") < at("BlockTraffic"));
        assert!(at("DownloadBundle") < at("ApplicationStop"));
    }

    #[test]
    fn the_check_runs_while_the_host_takes_no_traffic() {
        let deploy = names(Action::Deploy, true);
        let at = |name| deploy.iter().position(|step| *step == name).unwrap();
        assert!(at("BlockTraffic") < at("ValidateService"));
        assert!(at("ValidateService") < at("BeforeAllowTraffic"));
        assert!(at("ValidateService") < at("AllowTraffic"));
    }
}
