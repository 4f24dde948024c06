//! Operations as the controllers make them: complete inputs, so that an agent needs no other object.
//!
//! Pure. Which operation is due is decided by `rollout` and `gears`; what its steps do is the agent's.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::api::core::Node;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::OwnerReference;
use crate::api::meta::Typed;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::DeployedRevision;
use crate::api::upshift::Deployment;
use crate::api::upshift::Desired;
use crate::api::upshift::FINALIZER;
use crate::api::upshift::Gear;
use crate::api::upshift::GearSpec;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_GEAR;
use crate::api::upshift::LABEL_NODE;
use crate::api::upshift::LABEL_ROLLOUT;
use crate::api::upshift::Operation;
use crate::api::upshift::OperationPhase;
use crate::api::upshift::OperationSpec;
use crate::api::upshift::OperationStatus;
use crate::api::upshift::PLAN_VERSION;
use crate::api::upshift::Revision;
use crate::api::upshift::Rollout;
use crate::api::upshift::RolloutPhase;
use crate::api::upshift::Rotation;
use crate::api::upshift::Settings;
use crate::api::upshift::Step;
use crate::api::upshift::StepPhase;
use crate::content::blobs::Digest;
use crate::controllers::world::World;
use crate::plan::step;
use crate::plan::step::StepKind;

/// What a gear listens on when its application names no port.
pub(crate) const DEFAULT_PORT: u16 = 8080;
/// The longest value a label may have.
const LONGEST_LABEL: usize = 63;

/// What an operation is for.
#[derive(Clone, Debug)]
pub(crate) struct Brief<'a> {
    pub(crate) world: &'a World,
    pub(crate) application: &'a Application,
    pub(crate) settings: &'a Settings,
    pub(crate) name: String,
    /// The Rollout, or the Gear of a catch-up or a teardown.
    pub(crate) owner: OwnerReference,
    pub(crate) gear: &'a str,
    /// Whether the gear is in rotation now.
    pub(crate) in_rotation: bool,
    pub(crate) node: &'a str,
    pub(crate) action: Action,
    pub(crate) steps: Vec<Step>,
    /// What is to be in place at the end.
    pub(crate) revision: Option<&'a Revision>,
    pub(crate) deploy_id: u64,
    /// The rollout it is part of.
    pub(crate) rollout: Option<&'a Rollout>,
    pub(crate) ignore_stop_failure: bool,
}

/// Makes the operation.
pub(crate) fn operation(brief: Brief<'_>) -> Operation {
    let application = &brief.application.metadata;
    let mut labels = BTreeMap::from([
        (LABEL_APPLICATION.to_owned(), application.name.clone()),
        (LABEL_NODE.to_owned(), brief.node.to_owned()),
        (LABEL_GEAR.to_owned(), label(brief.gear)),
    ]);
    if let Some(rollout) = brief.rollout {
        labels.insert(LABEL_ROLLOUT.to_owned(), label(&rollout.metadata.name));
    }
    let deployment = deployment(&brief);
    Operation {
        metadata: Metadata {
            name: brief.name,
            namespace: application.namespace.clone(),
            labels,
            owner_references: vec![brief.owner.clone()],
            ..Metadata::default()
        },
        spec: OperationSpec {
            node: brief.node.to_owned(),
            gear: brief.gear.to_owned(),
            owner: format!("{}/{}", brief.owner.kind, brief.owner.name),
            plan_version: PLAN_VERSION,
            steps: brief.steps,
            desired: Desired::Run,
            in_rotation: brief.in_rotation,
            control: BTreeMap::new(),
            deployment,
        },
        status: OperationStatus::default(),
    }
}

fn deployment(brief: &Brief<'_>) -> Deployment {
    let Application { metadata, spec, .. } = brief.application;
    let node = brief.world.node(brief.node);
    let rollout = brief.rollout.map(|rollout| &rollout.spec);
    Deployment {
        application: metadata.name.clone(),
        app_id: spec
            .id
            .clone()
            .unwrap_or_else(|| format!("{}.{}", metadata.namespace, metadata.name)),
        group_id: spec.group.clone().unwrap_or_else(|| "default".to_owned()),
        action: brief.action,
        rollout: brief
            .rollout
            .map_or_else(String::new, |rollout| rollout.metadata.name.clone()),
        deploy_id: brief.deploy_id,
        revision: brief.revision.map(deployed),
        root_dir: spec.root_dir.clone().unwrap_or_default(),
        address: address(node.map(|node| &**node)).to_owned(),
        port: spec.port.unwrap_or(DEFAULT_PORT),
        file_exists: brief.settings.file_exists,
        hook_timeout: Some(brief.settings.hook_timeout),
        gear_timeout: Some(brief.settings.gear_timeout),
        skip_hooks: rollout.map_or_else(Vec::new, |spec| spec.skip_hooks.clone()),
        ignore_stop_failure: brief.ignore_stop_failure,
        reason: rollout.map_or_else(String::new, |spec| spec.reason.clone()),
        keep: kept_caches(brief),
    }
}

/// Where a node's gears are reached.
pub(crate) fn address(node: Option<&Node>) -> &str {
    node.and_then(Node::address).unwrap_or("127.0.0.1")
}

fn deployed(revision: &Revision) -> DeployedRevision {
    let spec = &revision.spec;
    DeployedRevision {
        name: revision.metadata.name.clone(),
        number: spec.number,
        bundle: spec.bundle.clone(),
        appspec: spec.appspec.clone(),
        files: spec.files.clone(),
        scripts: spec.scripts.clone(),
    }
}

/// The caches of every revision that one can still go back to, and the operation's own.
fn kept_caches(brief: &Brief<'_>) -> Vec<u64> {
    let application = brief.application.metadata.key();
    let mut keep: BTreeSet<u64> = brief
        .world
        .revisions
        .of_application(&application)
        .filter_map(|revision| last_deploy(brief.world, &application, &revision.metadata.name))
        .collect();
    keep.insert(brief.deploy_id);
    keep.into_iter().collect()
}

/// The number of the last succeeded deployment of a revision: where its bundle is cached.
pub(crate) fn last_deploy(world: &World, application: &Key, revision: &str) -> Option<u64> {
    world
        .rollouts
        .of_application(application)
        .filter(|rollout| {
            rollout.spec.action == Action::Deploy
                && rollout.spec.revision == revision
                && matches!(
                    rollout.status.phase,
                    RolloutPhase::Succeeded | RolloutPhase::PartlyFailed
                )
        })
        .map(|rollout| rollout.spec.number)
        .max()
}

/// The revision of that name in an application's namespace.
pub(crate) fn revision<'a>(
    world: &'a World,
    application: &Application,
    name: &str,
) -> Option<&'a Revision> {
    world
        .revisions
        .find(&Key::new(application.metadata.namespace.clone(), name))
        .map(|revision| &**revision)
}

/// `gear shop-a failed in ApplicationStart (HookFailed): exit code 1`.
pub(crate) fn describe(operation: &Operation) -> String {
    let status = &operation.status;
    if status.phase != OperationPhase::Failed {
        let place = status.reached().map_or("", |step| step.name.as_str());
        let (gear, node) = (&operation.spec.gear, &operation.spec.node);
        return format!("gear {gear} was lost in {place}: node {node} fell silent");
    }
    let step = status
        .steps
        .iter()
        .find(|step| step.phase == StepPhase::Failed);
    let place = step.map_or_else(String::new, |step| format!(" in {}", step.name));
    let message = match (status.message.as_str(), step) {
        ("", Some(step)) => step.message.as_str(),
        (message, _) => message,
    };
    // The agent's message may name the step, too.
    let message = step
        .and_then(|step| message.strip_prefix(&step.name)?.strip_prefix(": "))
        .unwrap_or(message);
    let mut text = format!("gear {} failed{place}", operation.spec.gear);
    if !status.reason.is_empty() {
        text = format!("{text} ({})", status.reason);
    }
    if message.is_empty() {
        text
    } else {
        format!("{text}: {message}")
    }
}

/// The rotation that an operation leaves its gear in, now that it is over: a gear whose application was not stopped is
/// where it was, one that was about to enter is in, and one that failed while it was out stays out.
pub(crate) fn settled(operation: &Operation) -> Rotation {
    let phase = |kind: &StepKind| {
        let steps = operation.status.steps.iter();
        let mut found = steps.filter(|step| step.name == kind.name);
        found.next().map(|step| step.phase)
    };
    let begun = |kind| phase(kind).is_some_and(|phase| phase != StepPhase::Waiting);
    let is_out = operation.status.phase == OperationPhase::Failed
        && phase(&step::BLOCK_TRAFFIC) == Some(StepPhase::Done);
    let leaves = phase(&step::BLOCK_TRAFFIC).is_some() && phase(&step::ALLOW_TRAFFIC).is_none();
    let is_through = operation.status.phase == OperationPhase::Succeeded && !leaves;
    if is_through || begun(&step::ALLOW_TRAFFIC) {
        Rotation::In
    } else if is_out || begun(&step::APPLICATION_STOP) || !operation.spec.in_rotation {
        Rotation::Out
    } else {
        Rotation::In
    }
}

/// A gear as it is made: on its node, belonging to its application, torn down before it goes.
pub(crate) fn gear(
    application: &Application,
    name: &str,
    node: &str,
    color: &str,
    rotation: Rotation,
    revision: &str,
) -> Gear {
    Gear {
        metadata: Metadata {
            name: name.to_owned(),
            namespace: application.metadata.namespace.clone(),
            labels: BTreeMap::from([
                (
                    LABEL_APPLICATION.to_owned(),
                    application.metadata.name.clone(),
                ),
                (LABEL_NODE.to_owned(), node.to_owned()),
            ]),
            owner_references: vec![application.as_owner()],
            finalizers: vec![FINALIZER.to_owned()],
            ..Metadata::default()
        },
        spec: GearSpec {
            application: application.metadata.name.clone(),
            node: node.to_owned(),
            color: color.to_owned(),
            revision: revision.to_owned(),
            rotation,
            ..GearSpec::default()
        },
        ..Gear::default()
    }
}

/// A name as a label's value; one that is too long is cut and told apart by a hash.
fn label(name: &str) -> String {
    if name.len() <= LONGEST_LABEL {
        return name.to_owned();
    }
    let digest = Digest::of(name.as_bytes());
    let hash = &digest.hex()[..8];
    let start: String = name.chars().take(LONGEST_LABEL - 9).collect();
    format!("{start}-{hash}")
}
