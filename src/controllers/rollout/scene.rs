//! A rollout and everything it is about, as one look finds it: which gears, and how each of them stands.
//!
//! Reads only.

use std::collections::BTreeMap;

use crate::api::meta::Typed;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Desired;
use crate::api::upshift::Gear;
use crate::api::upshift::GearCounts;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::api::upshift::Settings;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::deployment;
use crate::controllers::deployment::Brief;
use crate::controllers::rollout::attempt;
use crate::controllers::world::World;
use crate::plan::PlanInput;
use crate::plan::waves::Limits;
use crate::plan::waves::Standing;
use crate::plan::workflow;
use crate::plan::workflow::Workflow;

/// A rollout that holds its application.
pub(super) struct Scene<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) application: &'a Application,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
    pub(super) workflow: Workflow,
    pub(super) targets: Vec<Target<'a>>,
}

/// One gear of a rollout.
pub(super) struct Target<'a> {
    pub(super) name: String,
    pub(super) node: String,
    pub(super) color: String,
    /// None before it was made.
    pub(super) gear: Option<&'a Gear>,
    pub(super) reachable: bool,
    /// The operation of this attempt.
    pub(super) forward: Option<&'a Operation>,
    /// The operation of the last attempt that had one, this one included, unless it was taken back since.
    pub(super) latest: Option<&'a Operation>,
    /// This attempt's way back.
    pub(super) back: Option<&'a Operation>,
    /// Whether an operation of somebody else is under way on it.
    pub(super) busy: bool,
}

/// The settings that a rollout runs with: a rollback has the concurrency of the rollout it undoes (seed 001).
pub(super) fn settings(rollout: &Rollout, world: &World) -> Settings {
    let mut settings = rollout.spec.settings.clone();
    let undone = rollout.spec.undoes.and_then(|number| {
        let application = crate::api::meta::Key::new(
            rollout.metadata.namespace.clone(),
            rollout.spec.application.clone(),
        );
        world
            .rollouts
            .of_application(&application)
            .find(|other| other.spec.number == number)
    });
    if let (Action::Rollback, Some(undone)) = (rollout.spec.action, undone) {
        settings.concurrency = undone.spec.settings.concurrency;
    }
    settings
}

/// What the plan of a rollout is made from.
pub(super) fn input<'a>(
    rollout: &Rollout,
    application: &'a Application,
    settings: &'a Settings,
    world: &'a World,
) -> PlanInput<'a> {
    PlanInput {
        application,
        action: rollout.spec.action,
        settings,
        nodes: world.nodes.all().map(|node| &**node).collect(),
        gears: world
            .gears
            .of_application(&application.metadata.key())
            .map(|gear| &**gear)
            .collect(),
    }
}

impl<'a> Scene<'a> {
    /// Looks at a rollout; none when its application has no workflow any more.
    pub(super) fn set(
        rollout: &'a Rollout,
        application: &'a Application,
        world: &'a World,
        now: Timestamp,
    ) -> Option<Scene<'a>> {
        let settings = settings(rollout, world);
        let workflow = workflow::workflow(application, &settings)?;
        let targets = targets(rollout, application, &settings, workflow, world);
        Some(Scene {
            rollout,
            application,
            world,
            now,
            settings,
            workflow,
            targets,
        })
    }

    pub(super) fn limits(&self) -> Limits {
        workflow::limits(&self.settings, self.workflow, self.targets.len())
    }

    /// The revision that the rollout brings.
    pub(super) fn wanted(&self) -> Option<&'a Revision> {
        deployment::revision(self.world, self.application, &self.rollout.spec.revision)
    }

    /// How every gear stands, in the order of the targets.
    pub(super) fn standings(&self) -> Vec<Standing> {
        self.targets
            .iter()
            .map(|target| target.standing(&self.rollout.spec.revision))
            .collect()
    }

    pub(super) fn counts(&self) -> GearCounts {
        let standings = self.standings();
        let count = |standing| {
            u32::try_from(standings.iter().filter(|one| **one == standing).count())
                .unwrap_or(u32::MAX)
        };
        GearCounts {
            total: u32::try_from(standings.len()).unwrap_or(u32::MAX),
            done: count(Standing::Done),
            failed: count(Standing::Failed),
            unreachable: u32::try_from(self.passed_over(&standings)).unwrap_or(u32::MAX),
        }
    }

    /// Gears on silent nodes; one that was told to stop is not silent.
    fn passed_over(&self, standings: &[Standing]) -> usize {
        let is_aborted = self.rollout.spec.desired == Desired::Abort;
        self.targets
            .iter()
            .zip(standings)
            .filter(|(_, standing)| **standing == Standing::Unreachable)
            .filter(|(target, _)| !(is_aborted && target.reachable))
            .count()
    }

    /// The rollout's operations that their nodes are still at work on, and have not been given up.
    pub(super) fn live(&self) -> impl Iterator<Item = (&Target<'a>, &'a Operation)> {
        self.targets.iter().flat_map(|target| {
            [target.forward, target.back]
                .into_iter()
                .flatten()
                .filter(|operation| target.is_live(operation))
                .map(move |operation| (target, operation))
        })
    }

    /// The start of an operation of this rollout on a gear.
    pub(super) fn begin(&self, target: &Target<'_>, heading: &Heading<'a>) -> Change {
        let holder = self.rollout.metadata.name.as_str();
        Change::begin_in_rollout(self.operation(target, heading), holder)
    }

    fn operation(&self, target: &Target<'_>, heading: &Heading<'a>) -> Operation {
        let rollout = self.rollout;
        let suffix = if heading.back { "-back" } else { "" };
        let deploy_id = self.deploy_id(heading);
        deployment::operation(Brief {
            world: self.world,
            application: self.application,
            settings: &self.settings,
            name: format!(
                "{}-{}-{}{suffix}",
                rollout.metadata.name,
                target.name,
                attempt(rollout)
            ),
            owner: rollout.as_owner(),
            gear: &target.name,
            node: &target.node,
            action: heading.action,
            steps: workflow::gear_steps(self.workflow, heading.action),
            revision: heading.revision,
            deploy_id,
            rollout: Some(rollout),
            ignore_stop_failure: rollout.spec.ignore_stop_failure,
        })
    }

    /// `<deployid>` of the cache: a deployment's own number, otherwise that of the deployment that brought the revision.
    fn deploy_id(&self, heading: &Heading<'a>) -> u64 {
        let own = self.rollout.spec.number;
        match (heading.action, heading.revision) {
            (Action::Rollback, Some(revision)) => {
                let application = self.application.metadata.key();
                deployment::last_deploy(self.world, &application, &revision.metadata.name)
                    .unwrap_or(own)
            }
            _ => own,
        }
    }
}

/// Where an operation of a rollout leads.
pub(super) struct Heading<'a> {
    pub(super) action: Action,
    pub(super) revision: Option<&'a Revision>,
    /// Whether it is the way back of a failed deployment.
    pub(super) back: bool,
}

impl Target<'_> {
    /// How the gear stands on the way forward.
    pub(super) fn standing(&self, wanted: &str) -> Standing {
        if let Some(operation) = self.forward {
            return match operation.status.phase {
                OperationPhase::Succeeded => Standing::Done,
                OperationPhase::Failed => Standing::Failed,
                OperationPhase::Aborted => Standing::Unreachable,
                _ if !self.is_live(operation) => Standing::Unreachable,
                _ => Standing::Running,
            };
        }
        if !self.reachable {
            return Standing::Unreachable;
        }
        if self.busy {
            return Standing::Running;
        }
        let stands = self
            .latest
            .is_some_and(|operation| operation.status.phase == OperationPhase::Succeeded)
            && self.gear.is_some_and(|gear| gear.status.revision == wanted);
        if stands {
            Standing::Done
        } else {
            Standing::Waiting
        }
    }

    /// How the gear stands on the way back.
    pub(super) fn standing_back(&self) -> Standing {
        match self.back {
            Some(operation) => match operation.status.phase {
                OperationPhase::Succeeded => Standing::Done,
                OperationPhase::Failed => Standing::Failed,
                OperationPhase::Aborted => Standing::Unreachable,
                _ if !self.is_live(operation) => Standing::Unreachable,
                _ => Standing::Running,
            },
            None if !self.reachable => Standing::Unreachable,
            None if self.busy => Standing::Running,
            None => Standing::Waiting,
        }
    }

    /// Whether something is under way; what was aborted on a silent node is given up.
    pub(super) fn is_live(&self, operation: &Operation) -> bool {
        !operation.status.phase.is_final()
            && (self.reachable || operation.spec.desired != Desired::Abort)
    }

    /// Whether the rollout has changed something on the gear's node, as far as can be known.
    pub(super) fn is_past_first_step(&self) -> bool {
        let Some(operation) = self.latest else {
            return false;
        };
        if operation.status.reason == "JournalLost" {
            return true;
        }
        operation
            .status
            .steps
            .iter()
            .skip(1)
            .any(|step| step.phase != StepPhase::Waiting)
    }
}

/// The gears of a rollout: those that are planned, and those it has already begun with.
fn targets<'a>(
    rollout: &'a Rollout,
    application: &'a Application,
    settings: &Settings,
    workflow: Workflow,
    world: &'a World,
) -> Vec<Target<'a>> {
    let input = input(rollout, application, settings, world);
    let gears: BTreeMap<&str, &'a Gear> = world
        .gears
        .of_application(&application.metadata.key())
        .filter(|gear| !gear.metadata.is_deleting())
        .map(|gear| (gear.metadata.name.as_str(), &**gear))
        .collect();
    let mut places: BTreeMap<String, (String, String)> = workflow::planned_gears(&input, workflow)
        .unwrap_or_default()
        .into_iter()
        .map(|gear| (gear.name, (gear.node, gear.color)))
        .collect();
    let owner = format!("Rollout/{}", rollout.metadata.name);
    let mut by_gear: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in world.operations.of_application(&application.metadata.key()) {
        by_gear
            .entry(operation.spec.gear.as_str())
            .or_default()
            .push(operation);
        if operation.spec.owner == owner
            && let Some(gear) = gears.get(operation.spec.gear.as_str())
        {
            places
                .entry(gear.metadata.name.clone())
                .or_insert_with(|| (gear.spec.node.clone(), gear.spec.color.clone()));
        }
    }
    places
        .into_iter()
        .map(|(name, (node, color))| {
            let operations = by_gear.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let gear = gears.get(name.as_str()).copied();
            let reachable = world.is_reachable(&node);
            target(
                rollout,
                &owner,
                name,
                operations,
                Target {
                    name: String::new(),
                    node,
                    color,
                    gear,
                    reachable,
                    forward: None,
                    latest: None,
                    back: None,
                    busy: false,
                },
            )
        })
        .collect()
}

/// Fills in the operations of a gear.
fn target<'a>(
    rollout: &Rollout,
    owner: &str,
    name: String,
    operations: &[&'a Operation],
    mut target: Target<'a>,
) -> Target<'a> {
    let prefix = format!("{}-{name}-", rollout.metadata.name);
    let attempt = attempt(rollout);
    let mut latest: Option<(u32, &Operation)> = None;
    let mut last_back = 0;
    for operation in operations {
        let own = (operation.spec.owner == owner)
            .then(|| operation.metadata.name.strip_prefix(&prefix))
            .flatten()
            .and_then(turn);
        match own {
            Some((number, false)) => {
                if number == attempt {
                    target.forward = Some(operation);
                }
                if number != attempt && !operation.status.phase.is_final() {
                    target.busy = true;
                }
                if latest.is_none_or(|(last, _)| last < number) {
                    latest = Some((number, operation));
                }
            }
            Some((number, true)) => {
                if number == attempt {
                    target.back = Some(operation);
                } else {
                    last_back = last_back.max(number);
                    target.busy |= !operation.status.phase.is_final();
                }
            }
            None => target.busy |= !operation.status.phase.is_final(),
        }
    }
    target.latest = latest
        .filter(|(number, _)| *number > last_back)
        .map(|(_, operation)| operation);
    target.name = name;
    target
}

/// The attempt and the direction in the rest of an operation's name: `2`, `2-back`.
fn turn(rest: &str) -> Option<(u32, bool)> {
    match rest.strip_suffix("-back") {
        Some(number) => Some((number.parse().ok()?, true)),
        None => Some((rest.parse().ok()?, false)),
    }
}
