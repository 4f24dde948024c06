//! A rollout and everything it is about, as one look finds it: which gears, and how each of them stands.
//!
//! Reads only, once for each gear: a look at thousands of them copies nothing and searches nothing twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

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
use crate::api::upshift::Rotation;
use crate::api::upshift::Settings;
use crate::api::upshift::StepPhase;
use crate::api::upshift::StepStatus;
use crate::base::clock::Timestamp;
use crate::controllers::balanced_service;
use crate::controllers::change::Change;
use crate::controllers::deployment;
use crate::controllers::deployment::Brief;
use crate::controllers::rollout::attempt;
use crate::controllers::rollout::desired;
use crate::controllers::world::World;
use crate::plan::PlanInput;
use crate::plan::canary;
use crate::plan::canary::Canary;
use crate::plan::step;
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
    /// How each of them stands on the way forward, in the same order.
    pub(super) standings: Vec<Standing>,
}

/// One gear of a rollout.
pub(super) struct Target<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) node: &'a str,
    pub(super) color: &'a str,
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
pub(super) fn settings(rollout: &Rollout, application: &Application, world: &World) -> Settings {
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
    balanced_service::in_force(&settings, application, world)
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
        let settings = settings(rollout, application, world);
        let workflow = performed(rollout, application, &settings)?;
        let targets = targets(rollout, application, workflow, world);
        let color = &rollout.status.color;
        let goal = Goal {
            revision: &rollout.spec.revision,
            workflow,
            application,
            world,
            serves: !color.is_empty() && application.status.active_color == *color,
            is_cancelled: desired(rollout, application) == Desired::Abort,
        };
        let standings = targets.iter().map(|target| target.standing(&goal));
        let standings = standings.collect();
        Some(Scene {
            rollout,
            application,
            world,
            now,
            settings,
            workflow,
            targets,
            standings,
        })
    }

    pub(super) fn limits(&self) -> Limits {
        workflow::limits(&self.settings, self.workflow, self.targets.len())
    }

    /// Where the rollout stands with its first gear.
    pub(super) fn canary(&self) -> Canary {
        let spec = &self.rollout.spec;
        let since = || {
            let mut done = self.targets.iter().zip(&self.standings);
            let (canary, _) = done.find(|(_, standing)| **standing == Standing::Done)?;
            let key = canary.latest?.metadata.key();
            self.world.since_end(&key, self.now)
        };
        if !canary::begins_with_one(&self.settings, spec.action) {
            return Canary::Over;
        }
        let progress = canary::Progress {
            begun: self
                .targets
                .iter()
                .zip(&self.standings)
                .filter(|(target, standing)| {
                    target.latest.is_some() && **standing != Standing::Unreachable
                })
                .count(),
            promoted: spec.promoted,
            since: since().unwrap_or(Duration::ZERO),
        };
        canary::standing(&self.settings, spec.action, progress, &self.standings)
    }

    /// What happens once: the switch of the traffic, when there is one.
    pub(super) fn switch(&self) -> Option<&'a StepStatus> {
        let steps = &self.rollout.status.steps;
        steps
            .iter()
            .find(|step| step.name == step::SWITCH_TRAFFIC.name)
    }

    /// The revision that the rollout brings.
    pub(super) fn wanted(&self) -> Option<&'a Revision> {
        deployment::revision(self.world, self.application, &self.rollout.spec.revision)
    }

    pub(super) fn counts(&self) -> GearCounts {
        let count = |standing| {
            number(
                self.standings
                    .iter()
                    .filter(|one| **one == standing)
                    .count(),
            )
        };
        GearCounts {
            total: number(self.standings.len()),
            done: count(Standing::Done),
            failed: count(Standing::Failed),
            unreachable: number(self.passed_over()),
        }
    }

    /// Gears on silent nodes; one that was told to stop is not silent.
    fn passed_over(&self) -> usize {
        let is_aborted = self.rollout.spec.desired == Desired::Abort;
        self.targets
            .iter()
            .zip(&self.standings)
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
            in_rotation: target.gear.is_some_and(|gear| {
                gear.spec.rotation == Rotation::In
                    && !workflow::is_left_color(self.application, gear)
            }),
            node: target.node,
            action: heading.action,
            steps: match heading.revision {
                Some(_) if heading.back => workflow::way_back_steps(self.workflow),
                Some(_) => {
                    workflow::steps_of(self.workflow, heading.action, self.application, target.gear)
                }
                None => workflow::removal_steps(self.workflow),
            },
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

/// What a rollout wants of each of its gears.
struct Goal<'a> {
    revision: &'a str,
    workflow: Workflow,
    application: &'a Application,
    world: &'a World,
    /// Whether its colour serves already: what is in rotation there is done, whoever brought it.
    serves: bool,
    /// Whether it was told to stop: what was not done then has not failed.
    is_cancelled: bool,
}

impl Goal<'_> {
    /// How a gear stands whose operation was given up. One that was lost in the middle has failed, whether its agent
    /// could still say so or not; one that had not begun is as it was, and one whose node was removed is nobody's loss.
    fn given_up(&self, operation: &Operation) -> Standing {
        let is_removed = self.world.node(&operation.spec.node).is_none();
        if self.is_cancelled || is_removed || operation.status.reached().is_none() {
            Standing::Unreachable
        } else {
            Standing::Failed
        }
    }
}

impl Target<'_> {
    /// How the gear stands on the way forward.
    fn standing(&self, goal: &Goal<'_>) -> Standing {
        if let Some(operation) = self.forward {
            return match operation.status.phase {
                OperationPhase::Succeeded => Standing::Done,
                OperationPhase::Failed => Standing::Failed,
                OperationPhase::Aborted => goal.given_up(operation),
                _ if !self.is_live(operation) => goal.given_up(operation),
                _ => Standing::Running,
            };
        }
        if !self.reachable {
            return Standing::Unreachable;
        }
        if self.busy {
            return Standing::Running;
        }
        let Some(gear) = self.gear else {
            return Standing::Waiting;
        };
        let has_succeeded = self
            .latest
            .is_some_and(|operation| operation.status.phase == OperationPhase::Succeeded);
        let serves = goal.serves && gear.spec.rotation == Rotation::In;
        // What could not catch up since has its files at most.
        let is_there = gear.status.revision == goal.revision && gear.spec.catch_up.is_none();
        if is_there && (has_succeeded || serves) {
            Standing::Done
        } else if workflow::is_blocked(goal.workflow, goal.application, gear) {
            Standing::Blocked
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

/// The deployment of the seed that a rollout performs: blue/green or not is fixed when it claims its application.
fn performed(
    rollout: &Rollout,
    application: &Application,
    settings: &Settings,
) -> Option<Workflow> {
    application.spec.hosts.as_ref()?;
    Some(match (&rollout.status.color, &settings.load_balancer) {
        (color, _) if !color.is_empty() => Workflow::BlueGreen,
        (_, Some(_)) => Workflow::RollingBehindLoadBalancer,
        (_, None) => Workflow::Rolling,
    })
}

/// The gears of a rollout, by name: those that are planned, and those it has already begun with.
fn targets<'a>(
    rollout: &'a Rollout,
    application: &'a Application,
    workflow: Workflow,
    world: &'a World,
) -> Vec<Target<'a>> {
    let is_switch_alone =
        workflow == Workflow::BlueGreen && rollout.spec.action == Action::Rollback;
    if is_switch_alone {
        return Vec::new();
    }
    let color = rollout.status.color.as_str();
    let is_ours = |other: &str| workflow != Workflow::BlueGreen || other == color;
    let key = application.metadata.key();
    let mut gears: HashMap<&str, &'a Gear> = world
        .gears
        .of_application(&key)
        .map(|gear| (gear.spec.node.as_str(), &**gear))
        .collect();
    let works = works(rollout, world);
    let busy: HashSet<&str> = world
        .under_way(&key)
        .filter(|operation| !is_owned_by(operation, rollout))
        .map(|operation| operation.spec.gear.as_str())
        .collect();
    let nodes: Vec<_> = world.nodes.all().map(|node| &**node).collect();
    let mut targets = Vec::with_capacity(gears.len());
    for place in workflow::places(application, &nodes) {
        let node = &place.node.metadata.name;
        let gear = gears.remove(node.as_str());
        if !is_ours(place.color) || !workflow::is_taken(&place, gear) {
            continue;
        }
        let name = match gear {
            Some(gear) => Cow::Borrowed(gear.metadata.name.as_str()),
            None => Cow::Owned(workflow::gear_name(&application.metadata.name, node)),
        };
        targets.push(Target {
            name,
            node,
            color: place.color,
            gear,
            reachable: place.node.is_ready(),
            forward: None,
            latest: None,
            back: None,
            busy: false,
        });
    }
    let begun = gears.into_values().filter(|gear| {
        !gear.metadata.is_deleting()
            && is_ours(&gear.spec.color)
            && works.contains_key(gear.metadata.name.as_str())
    });
    for gear in begun {
        targets.push(Target {
            name: Cow::Borrowed(&gear.metadata.name),
            node: &gear.spec.node,
            color: &gear.spec.color,
            gear: Some(gear),
            reachable: world.is_reachable(&gear.spec.node),
            forward: None,
            latest: None,
            back: None,
            busy: false,
        });
    }
    targets.sort_by(|one, other| one.name.cmp(&other.name));
    for target in &mut targets {
        target.busy = busy.contains(&*target.name);
        if let Some(work) = works.get(&*target.name) {
            work.fill(target);
        }
    }
    targets
}

/// What a rollout did on one gear.
#[derive(Default)]
struct Work<'a> {
    forward: Option<&'a Operation>,
    back: Option<&'a Operation>,
    latest: Option<(u32, &'a Operation)>,
    last_back: u32,
    /// Whether an operation of another attempt is under way.
    lingers: bool,
}

impl<'a> Work<'a> {
    fn add(&mut self, operation: &'a Operation, attempt: u32, number: u32, is_back: bool) {
        let is_current = number == attempt;
        self.lingers |= !is_current && !operation.status.phase.is_final();
        match (is_back, is_current) {
            (true, true) => self.back = Some(operation),
            (true, false) => self.last_back = self.last_back.max(number),
            (false, _) => {
                if is_current {
                    self.forward = Some(operation);
                }
                if self.latest.is_none_or(|(last, _)| last < number) {
                    self.latest = Some((number, operation));
                }
            }
        }
    }

    fn fill(&self, target: &mut Target<'a>) {
        target.forward = self.forward;
        target.back = self.back;
        target.latest = self
            .latest
            .filter(|(number, _)| *number > self.last_back)
            .map(|(_, operation)| operation);
        target.busy |= self.lingers;
    }
}

/// What a rollout did, by gear.
fn works<'a>(rollout: &Rollout, world: &'a World) -> HashMap<&'a str, Work<'a>> {
    let attempt = attempt(rollout);
    let mut works: HashMap<&str, Work<'_>> = HashMap::new();
    for operation in world.operations.owned_by(&rollout.metadata.uid) {
        let gear = operation.spec.gear.as_str();
        let name = operation.metadata.name.as_str();
        let rest = name
            .strip_prefix(rollout.metadata.name.as_str())
            .and_then(|rest| {
                rest.strip_prefix('-')?
                    .strip_prefix(gear)?
                    .strip_prefix('-')
            });
        if let Some((number, is_back)) = rest.and_then(turn) {
            let work = works.entry(gear).or_default();
            work.add(operation, attempt, number, is_back);
        }
    }
    works
}

fn is_owned_by(operation: &Operation, rollout: &Rollout) -> bool {
    let owners = &operation.metadata.owner_references;
    owners.iter().any(|owner| owner.uid == rollout.metadata.uid)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The attempt and the direction in the rest of an operation's name: `2`, `2-back`.
fn turn(rest: &str) -> Option<(u32, bool)> {
    match rest.strip_suffix("-back") {
        Some(number) => Some((number.parse().ok()?, true)),
        None => Some((rest.parse().ok()?, false)),
    }
}
