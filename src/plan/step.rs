//! The one table of steps: name, who performs it, which hook it runs and from which revision.
//!
//! Source: seed 001; facts/codedeploy.md 1.1 and 2.7. A step that is not in this table fails and is never skipped.

use crate::api::upshift::Actor;

/// A step of seed 001's workflows, by its name in the seed's `hooks`.
#[derive(Debug, PartialEq, Eq)]
pub struct StepKind {
    pub name: &'static str,
    pub actor: Actor,
    /// What the step does beside ordering: nothing, one event's hook scripts, or a piece of the agent.
    pub work: Work,
    /// What people read: `cache the bundle`.
    pub title: &'static str,
}

/// What performing a step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `agent/bundle`: the bundle is fetched, verified and unpacked into the cache.
    Download,
    /// `agent/hooks`: the scripts of the event of the same name, of this revision.
    Hook(Whose),
    /// `agent/install`: files and permissions.
    Install,
    /// `controllers/rotation`, `router`: taken out of or put into rotation.
    Traffic,
    /// Nobody performs it as a step: it is read off the objects that tell of it (`plan/new_application`).
    Watched(Output),
}

/// Whether somebody who watches a step wants to see what was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It has none.
    None,
    /// As it comes.
    Followed,
    /// Only to explain a failure.
    OfFailure,
}

/// Which revision a hook's scripts come from (DESIGN 4.2, last paragraph on workflows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The one installed on the host now; none on a first deployment, and the step is Skipped.
    Installed,
    /// The one that is being brought.
    Wanted,
}

macro_rules! steps {
    ($($constant:ident = $name:literal, $actor:ident, $work:expr, $title:literal;)*) => {
        $(pub const $constant: StepKind =
            StepKind { name: $name, actor: Actor::$actor, work: $work, title: $title };)*
        /// Every step there is.
        pub static ALL: &[&StepKind] = &[$(&$constant),*];
    };
}

steps! {
    DOWNLOAD_BUNDLE = "DownloadBundle", Node, Work::Download, "cache the bundle";
    BEFORE_BLOCK_TRAFFIC = "BeforeBlockTraffic", Node, Work::Hook(Whose::Installed), "before leaving rotation";
    BLOCK_TRAFFIC = "BlockTraffic", Control, Work::Traffic, "leave rotation";
    AFTER_BLOCK_TRAFFIC = "AfterBlockTraffic", Node, Work::Hook(Whose::Installed), "after leaving rotation";
    APPLICATION_STOP = "ApplicationStop", Node, Work::Hook(Whose::Installed), "stop the installed revision";
    BEFORE_INSTALL = "BeforeInstall", Node, Work::Hook(Whose::Wanted), "before the files change";
    INSTALL = "Install", Node, Work::Install, "put files and permissions in place";
    AFTER_INSTALL = "AfterInstall", Node, Work::Hook(Whose::Wanted), "after the files changed";
    APPLICATION_START = "ApplicationStart", Node, Work::Hook(Whose::Wanted), "start the application";
    VALIDATE_SERVICE = "ValidateService", Node, Work::Hook(Whose::Wanted), "check the application";
    BEFORE_ALLOW_TRAFFIC = "BeforeAllowTraffic", Node, Work::Hook(Whose::Wanted), "before entering rotation";
    ALLOW_TRAFFIC = "AllowTraffic", Control, Work::Traffic, "enter rotation";
    AFTER_ALLOW_TRAFFIC = "AfterAllowTraffic", Node, Work::Hook(Whose::Wanted), "after entering rotation";
    SWITCH_TRAFFIC = "SwitchTraffic", Control, Work::Traffic, "send the service's requests to the other colour";

    CREATE_OBJECTS = "CreateObjects", Control, Work::Watched(Output::None), "make the application's objects";
    TRIGGER_BUILD = "TriggerBuild", Control, Work::Watched(Output::None), "ask for a build";
    INSTANTIATE_BUILD = "InstantiateBuild", Control, Work::Watched(Output::Followed), "build the source";
    PUSH_IMAGE = "PushImage", Control, Work::Watched(Output::None), "push the image to the registry";
    UPDATE_IMAGE_STREAM = "UpdateImageStream", Control, Work::Watched(Output::None), "point the image stream at it";
    TRIGGER_DEPLOYMENT = "TriggerDeployment", Control, Work::Watched(Output::None), "see that the image is new";
    INSTANTIATE_DEPLOYMENT = "InstantiateDeployment", Control, Work::Watched(Output::None), "begin a new version";
    CREATE_REPLICATION_CONTROLLER = "CreateReplicationController", Control, Work::Watched(Output::None), "make its replication controller";
    DEPLOY_PODS = "DeployPods", Control, Work::Watched(Output::OfFailure), "start its pods, end the old ones";
    REQUEST_ROUTE = "RequestRoute", Control, Work::Watched(Output::None), "ask the route for the application";
    RETURN_RESPONSE = "ReturnResponse", Control, Work::Watched(Output::None), "get its answer";
}

/// The step of that name.
pub fn named(name: &str) -> Option<&'static StepKind> {
    ALL.iter().copied().find(|step| step.name == name)
}

/// The events that an appspec may give scripts for: every step that runs hooks.
pub fn hook_events() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .filter(|step| matches!(step.work, Work::Hook(_)))
        .map(|step| step.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_events_take_scripts_and_form_mode_fills_three_of_them() {
        let events: Vec<&str> = hook_events().collect();
        assert_eq!(events, crate::api::appspec::EVENTS);
        assert_eq!(events.len(), 9);
        for event in ["ApplicationStop", "ApplicationStart", "ValidateService"] {
            assert!(events.contains(&event));
        }
        for step in [
            "DownloadBundle",
            "Install",
            "BlockTraffic",
            "AllowTraffic",
            "SwitchTraffic",
        ] {
            assert!(!events.contains(&step), "{step} takes no script");
        }
    }

    #[test]
    fn only_stop_and_block_hooks_come_from_the_installed_revision() {
        let installed: Vec<&str> = ALL
            .iter()
            .filter(|step| step.work == Work::Hook(Whose::Installed))
            .map(|step| step.name)
            .collect();
        assert_eq!(
            installed,
            ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"]
        );
    }
}
