//! The plan of one rollout: from an application, its gears and the nodes to step lists and waves; pure.
//!
//! One entry for the rollout controller and for `deploy --dry-run`, so that what is printed is what runs. Refuses what
//! cannot start; whether a workflow can be performed yet is not asked here.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use serde::Serialize;

use crate::api::core::Node;
use crate::api::core::selects;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LoadBalancer;
use crate::api::upshift::Rotation;
use crate::api::upshift::Settings;
use crate::api::upshift::Step;
use crate::plan::blue_green;
use crate::plan::canary;
use crate::plan::rolling;
use crate::plan::step::StepKind;
use crate::plan::waves;
use crate::plan::waves::Limits;
use crate::plan::waves::Next;
use crate::plan::waves::Standing;

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct PlanInput<'a> {
    pub application: &'a Application,
    pub action: Action,
    /// Those of the rollout; in a rollback with the concurrency of the rollout it undoes.
    pub settings: &'a Settings,
    /// Every node there is.
    pub nodes: Vec<&'a Node>,
    /// Every gear of the application.
    pub gears: Vec<&'a Gear>,
}

/// Which of the seed's three deployments an application has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Workflow {
    Rolling,
    RollingBehindLoadBalancer,
    BlueGreen,
}

/// What one rollout does, before anything has failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub workflow: Workflow,
    pub action: Action,
    /// In the order in which they are taken.
    pub gears: Vec<PlannedGear>,
    /// What happens once, after every gear.
    pub once: Vec<Step>,
    /// Names of the gears that are worked on together; unreachable ones are in none.
    pub waves: Vec<Vec<String>>,
}

/// One gear's part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedGear {
    /// `APPLICATION-NODE`.
    pub name: String,
    pub node: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub color: String,
    /// Whether the rollout makes it.
    pub new: bool,
    pub reachable: bool,
    pub steps: Vec<Step>,
}

/// Why a rollout cannot start; `reason` is the word for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("application {application:?} has no hosts: there is no workflow of seed 001 for it")]
    NoWorkflow { application: String },
    #[error("no node matches {selector}")]
    NoHosts { selector: String },
    #[error("every node that matches {selector} is cordoned, and new gears keep away from it")]
    Cordoned { selector: String },
    #[error(
        "node {node:?} is matched by both colours: blue ({blue}) and green ({green}) need hosts of their own"
    )]
    BothColors {
        node: String,
        blue: String,
        green: String,
    },
    #[error(
        "{available} of {total} gears are available and {min_healthy} have to stay so: none can be taken"
    )]
    TooFewHealthy {
        total: usize,
        available: usize,
        min_healthy: usize,
    },
}

impl Refusal {
    /// The reason as it stands in a Rollout's status.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NoWorkflow { .. } => "NoWorkflow",
            Refusal::NoHosts { .. } | Refusal::Cordoned { .. } => "NoHosts",
            Refusal::BothColors { .. } => "BothColors",
            Refusal::TooFewHealthy { .. } => "TooFewHealthy",
        }
    }
}

/// A node that an application is meant to have a gear on.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub node: &'a Node,
    /// `blue` or `green`; empty without colours.
    pub color: &'static str,
}

/// Which deployment of the seed an application has; none without `hosts`.
pub fn workflow(application: &Application, settings: &Settings) -> Option<Workflow> {
    let hosts = application.spec.hosts.as_ref()?;
    Some(match (&hosts.blue_green, &settings.load_balancer) {
        (Some(_), _) => Workflow::BlueGreen,
        (None, Some(_)) => Workflow::RollingBehindLoadBalancer,
        (None, None) => Workflow::Rolling,
    })
}

/// The settings that a deployment goes by: those that were given, and the Service that leads to the gears all the same when
/// they name none.
pub fn in_force<'s>(settings: &Settings, led_by: impl FnOnce() -> Option<&'s str>) -> Settings {
    let mut settings = settings.clone();
    settings.load_balancer = settings.load_balancer.or_else(|| {
        let service = led_by()?.to_owned();
        Some(LoadBalancer {
            service,
            ..LoadBalancer::default()
        })
    });
    settings
}

/// The nodes that an application is meant to have a gear on, cordoned ones included.
pub fn places<'a>(application: &Application, nodes: &[&'a Node]) -> Vec<Place<'a>> {
    let Some(hosts) = &application.spec.hosts else {
        return Vec::new();
    };
    let every = BTreeMap::new();
    let colors: Vec<(&'static str, &BTreeMap<String, String>)> = match &hosts.blue_green {
        Some(colors) => vec![("blue", &colors.blue), ("green", &colors.green)],
        None => vec![("", hosts.selector.as_ref().unwrap_or(&every))],
    };
    nodes
        .iter()
        .filter(|node| !node.metadata.is_deleting())
        .filter_map(|node| {
            let (color, _) = colors
                .iter()
                .find(|(_, selector)| selects(selector, &node.metadata.labels))?;
            Some(Place { node, color })
        })
        .collect()
}

/// The name of an application's gear on a node.
pub fn gear_name(application: &str, node: &str) -> String {
    format!("{application}-{node}")
}

/// The steps of each gear.
pub fn gear_steps(workflow: Workflow, action: Action) -> Vec<Step> {
    listed(&match workflow {
        Workflow::Rolling => rolling::steps(action, false),
        Workflow::RollingBehindLoadBalancer => rolling::steps(action, true),
        Workflow::BlueGreen => blue_green::steps(action),
    })
}

/// The steps of a gear as it stands. One that has something installed from a time without colours gets requests until
/// its turn: it leaves rotation first.
pub fn steps_of(
    workflow: Workflow,
    action: Action,
    application: &Application,
    gear: Option<&Gear>,
) -> Vec<Step> {
    let is_installed = gear.is_some_and(|gear| !gear.status.revision.is_empty());
    let may_serve = workflow == Workflow::BlueGreen
        && action == Action::Deploy
        && application.status.active_color.is_empty()
        && is_installed;
    if may_serve {
        catch_up_steps(workflow)
    } else {
        gear_steps(workflow, action)
    }
}

/// The steps that bring a gear back to the revision before a failed deployment. Of two colours the one that was deployed
/// gets no requests, and a rollback of its own has no steps.
pub fn way_back_steps(workflow: Workflow) -> Vec<Step> {
    match workflow {
        Workflow::BlueGreen => listed(&rolling::steps(Action::Rollback, false)),
        Workflow::Rolling | Workflow::RollingBehindLoadBalancer => {
            gear_steps(workflow, Action::Rollback)
        }
    }
}

/// The steps that take back what a failed first deployment installed on a host.
pub fn removal_steps(workflow: Workflow) -> Vec<Step> {
    listed(&rolling::removal(
        workflow == Workflow::RollingBehindLoadBalancer,
    ))
}

/// The steps that bring one gear up to date outside a rollout.
pub fn catch_up_steps(workflow: Workflow) -> Vec<Step> {
    listed(&match workflow {
        Workflow::Rolling => rolling::steps(Action::Deploy, false),
        Workflow::RollingBehindLoadBalancer => rolling::steps(Action::Deploy, true),
        Workflow::BlueGreen => blue_green::CATCH_UP.to_vec(),
    })
}

/// What happens once, in the Rollout, after every gear.
pub fn once_steps(workflow: Workflow) -> Vec<Step> {
    match workflow {
        Workflow::BlueGreen => listed(&blue_green::once()),
        Workflow::Rolling | Workflow::RollingBehindLoadBalancer => Vec::new(),
    }
}

/// The steps that remove what an application installed on a host.
pub fn teardown_steps(in_rotation: bool) -> Vec<Step> {
    listed(&rolling::TEARDOWN[usize::from(!in_rotation)..])
}

fn listed(kinds: &[&StepKind]) -> Vec<Step> {
    kinds
        .iter()
        .map(|kind| Step {
            name: kind.name.to_owned(),
            actor: kind.actor,
        })
        .collect()
}

/// Makes the plan of a rollout, or says why it cannot start.
pub fn plan(input: &PlanInput<'_>) -> Result<Plan, Refusal> {
    let application = input.application;
    let workflow = workflow(application, input.settings).ok_or_else(|| Refusal::NoWorkflow {
        application: application.metadata.name.clone(),
    })?;
    expect_disjoint(application, &input.nodes)?;
    let color = idle_color(application);
    let gears = planned_gears(input, workflow, color)?;
    let waves = wave_names(input, workflow, &gears)?;
    Ok(Plan {
        workflow,
        action: input.action,
        gears,
        once: once_steps(workflow),
        waves,
    })
}

/// The settings' limits for that many gears; a colour that serves nothing has no minimum to keep.
pub fn limits(settings: &Settings, workflow: Workflow, total: usize) -> Limits {
    let limits = Limits::of(settings, total);
    match workflow {
        Workflow::BlueGreen => Limits {
            min_healthy: 0,
            ..limits
        },
        Workflow::Rolling | Workflow::RollingBehindLoadBalancer => limits,
    }
}

/// Whether no node belongs to both colours.
fn expect_disjoint(application: &Application, nodes: &[&Node]) -> Result<(), Refusal> {
    let hosts = application.spec.hosts.as_ref();
    let Some(colors) = hosts.and_then(|hosts| hosts.blue_green.as_ref()) else {
        return Ok(());
    };
    let both = nodes.iter().find(|node| {
        selects(&colors.blue, &node.metadata.labels)
            && selects(&colors.green, &node.metadata.labels)
    });
    both.map_or(Ok(()), |node| {
        Err(Refusal::BothColors {
            node: node.metadata.name.clone(),
            blue: pairs(&colors.blue),
            green: pairs(&colors.green),
        })
    })
}

/// The gears that a rollout works on, in its order; blue/green: those of that colour.
fn planned_gears(
    input: &PlanInput<'_>,
    workflow: Workflow,
    color: &str,
) -> Result<Vec<PlannedGear>, Refusal> {
    let application = input.application;
    let matching: Vec<Place<'_>> = places(application, &input.nodes)
        .into_iter()
        .filter(|place| workflow != Workflow::BlueGreen || place.color == color)
        .collect();
    if matching.is_empty() {
        return Err(Refusal::NoHosts {
            selector: selector_text(application),
        });
    }
    let existing: HashMap<&str, &Gear> = input
        .gears
        .iter()
        .map(|gear| (gear.spec.node.as_str(), *gear))
        .collect();
    let gears: Vec<PlannedGear> = matching
        .into_iter()
        .filter_map(|place| {
            let gear = existing.get(place.node.metadata.name.as_str()).copied();
            let steps = steps_of(workflow, input.action, application, gear);
            planned_gear(application, place, gear, steps)
        })
        .collect();
    if gears.is_empty() {
        return Err(Refusal::Cordoned {
            selector: selector_text(application),
        });
    }
    if workflow == Workflow::BlueGreen && input.action == Action::Rollback {
        return Ok(Vec::new());
    }
    Ok(gears)
}

/// Whether a rollout works on the gear of a place: not when it would be new and its node is cordoned, not when it is
/// being removed, and not when it still serves the other colour (it is removed when nothing runs).
pub fn is_taken(place: &Place<'_>, gear: Option<&Gear>) -> bool {
    match gear {
        Some(gear) => !gear.metadata.is_deleting() && has_color(gear, place),
        None => !place.node.spec.unschedulable,
    }
}

/// Whether a gear has the colour of its place; one from a time without colours may take any.
pub fn has_color(gear: &Gear, place: &Place<'_>) -> bool {
    let color = gear.spec.color.as_str();
    color.is_empty() || place.color.is_empty() || color == place.color
}

/// Whether an earlier failure left a gear out of rotation; one that never had anything installed is only new. So are
/// those of the colour that did not serve when an application gave its colours up.
pub fn is_blocked(workflow: Workflow, application: &Application, gear: &Gear) -> bool {
    let is_out = gear.spec.rotation == Rotation::Out || is_left_color(application, gear);
    workflow == Workflow::RollingBehindLoadBalancer && is_out && !gear.status.revision.is_empty()
}

/// Whether a gear is of the colour that did not serve when its application gave its colours up.
pub fn is_left_color(application: &Application, gear: &Gear) -> bool {
    let hosts = application.spec.hosts.as_ref();
    let active = application.status.active_color.as_str();
    let color = gear.spec.color.as_str();
    let has_colors = hosts.is_some_and(|hosts| hosts.blue_green.is_some());
    !has_colors && !active.is_empty() && !color.is_empty() && color != active
}

/// The gear of a place, if the rollout takes it.
fn planned_gear(
    application: &Application,
    place: Place<'_>,
    gear: Option<&Gear>,
    steps: Vec<Step>,
) -> Option<PlannedGear> {
    let node = &place.node.metadata.name;
    is_taken(&place, gear).then(|| PlannedGear {
        name: gear_name(&application.metadata.name, node),
        node: node.clone(),
        color: place.color.to_owned(),
        new: gear.is_none(),
        reachable: place.node.is_ready(),
        steps,
    })
}

fn wave_names(
    input: &PlanInput<'_>,
    workflow: Workflow,
    gears: &[PlannedGear],
) -> Result<Vec<Vec<String>>, Refusal> {
    if gears.is_empty() {
        return Ok(Vec::new());
    }
    let blocked: HashSet<&str> = input
        .gears
        .iter()
        .filter(|gear| is_blocked(workflow, input.application, gear))
        .map(|gear| gear.metadata.name.as_str())
        .collect();
    let standings = gears
        .iter()
        .map(|gear| match gear.reachable {
            true if blocked.contains(gear.name.as_str()) => Standing::Blocked,
            true => Standing::Waiting,
            false => Standing::Unreachable,
        })
        .collect();
    let settings = input.settings;
    let has_canary = canary::begins_with_one(settings, input.action);
    let limits = limits(settings, workflow, gears.len());
    match waves::preview(&limits, has_canary, standings) {
        Ok(waves) => Ok(waves
            .into_iter()
            .map(|wave| {
                wave.into_iter()
                    .map(|place| gears[place].name.clone())
                    .collect()
            })
            .collect()),
        Err(Next::TooFewHealthy {
            available,
            min_healthy,
        }) => Err(Refusal::TooFewHealthy {
            total: gears.len(),
            available,
            min_healthy,
        }),
        Err(_) => unreachable!("a preview in which nothing fails stops for nothing else"),
    }
}

/// The colour that takes the next deployment; the first one goes to blue.
pub fn idle_color(application: &Application) -> &'static str {
    match application.status.active_color.as_str() {
        "blue" => "green",
        _ => "blue",
    }
}

/// How an application chooses its hosts, for messages: `tier=web`, `every node`.
pub fn selector_text(application: &Application) -> String {
    let Some(hosts) = &application.spec.hosts else {
        return "no selector".to_owned();
    };
    let selector = match &hosts.blue_green {
        Some(colors) if idle_color(application) == "blue" => {
            return format!("{} (blue)", pairs(&colors.blue));
        }
        Some(colors) => return format!("{} (green)", pairs(&colors.green)),
        None => match &hosts.selector {
            Some(selector) if !selector.is_empty() => selector,
            _ => return "the empty selector (every node)".to_owned(),
        },
    };
    pairs(selector)
}

fn pairs(selector: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a case reads better with json!(…) than with &json!(…)"
)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::*;

    fn application(spec: Value) -> Application {
        let object = json!({"metadata": {"name": "shop", "namespace": "demo"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn node(name: &str, labels: Value, ready: bool, cordoned: bool) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {"unschedulable": cordoned},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "Unknown" }}]},
        }))
        .unwrap()
    }

    fn made(spec: Value, action: Action, nodes: &[Node]) -> Result<Plan, Refusal> {
        let application = application(spec);
        plan(&PlanInput {
            application: &application,
            action,
            settings: &application.spec.rollout,
            nodes: nodes.iter().collect(),
            gears: Vec::new(),
        })
    }

    fn two() -> Vec<Node> {
        vec![
            node("a", json!({"tier": "web"}), true, false),
            node("b", json!({"tier": "db"}), true, false),
        ]
    }

    /// Steps of each gear and once-steps, counted.
    fn check(spec: Value, action: Action, gears: usize, steps: usize, once: usize) {
        let plan = made(spec, action, &two()).unwrap();
        assert_eq!(plan.gears.len(), gears);
        for gear in &plan.gears {
            assert_eq!(gear.steps.len(), steps);
        }
        assert_eq!(plan.once.len(), once);
        assert_eq!(plan.waves.concat().len(), gears);
    }

    #[test]
    fn all_six_workflows_have_the_seed_s_number_of_steps() {
        let rolling = json!({"hosts": {}});
        check(rolling.clone(), Action::Deploy, 2, 7, 0);
        check(rolling, Action::Rollback, 2, 6, 0);
        let balanced = json!({"hosts": {}, "rollout": {"loadBalancer": {"service": "shop"}}});
        check(balanced.clone(), Action::Deploy, 2, 13, 0);
        check(balanced, Action::Rollback, 2, 12, 0);
        let colors =
            json!({"hosts": {"blueGreen": {"blue": {"tier": "web"}, "green": {"tier": "db"}}}});
        check(colors.clone(), Action::Deploy, 1, 7, 1);
        check(colors, Action::Rollback, 0, 0, 1);
    }

    #[test]
    fn a_deployment_goes_to_the_idle_colour() {
        let mut application = application(
            json!({"hosts": {"blueGreen": {"blue": {"tier": "web"}, "green": {"tier": "db"}}}}),
        );
        for (active, node) in [("", "a"), ("green", "a"), ("blue", "b")] {
            application.status.active_color = active.to_owned();
            let nodes = two();
            let plan = plan(&PlanInput {
                application: &application,
                action: Action::Deploy,
                settings: &application.spec.rollout,
                nodes: nodes.iter().collect(),
                gears: Vec::new(),
            })
            .unwrap();
            assert_eq!(plan.gears[0].node, node, "active {active:?}");
        }
    }

    #[test]
    fn refusals_name_what_is_missing() {
        let refused = |spec: Value, nodes: &[Node]| {
            let refusal = made(spec, Action::Deploy, nodes).unwrap_err();
            (refusal.reason(), refusal.to_string())
        };
        let lost = json!({"hosts": {"selector": {"tier": "cache"}}});
        assert_eq!(
            refused(lost, &two()),
            ("NoHosts", "no node matches tier=cache".to_owned())
        );
        let cordoned = [node("a", json!({}), true, true)];
        assert_eq!(refused(json!({"hosts": {}}), &cordoned).0, "NoHosts");
        let strict = json!({"hosts": {}, "rollout": {"minHealthy": "95%"}});
        assert_eq!(refused(strict, &two()).0, "TooFewHealthy");
        assert_eq!(refused(json!({}), &two()).0, "NoWorkflow");
    }

    #[test]
    fn the_colours_need_hosts_of_their_own() {
        let colors = |blue: Value, green: Value| json!({"hosts": {"blueGreen": {"blue": blue, "green": green}}});
        let refused = |spec: Value| {
            let refusal = made(spec, Action::Deploy, &two()).unwrap_err();
            (refusal.reason(), refusal.to_string())
        };
        assert_eq!(
            refused(colors(json!({"tier": "web"}), json!({}))),
            (
                "BothColors",
                "node \"a\" is matched by both colours: blue (tier=web) and green () need hosts of their own"
                    .to_owned()
            )
        );
        assert_eq!(
            refused(colors(json!({"tier": "cache"}), json!({"tier": "db"}))),
            ("NoHosts", "no node matches tier=cache (blue)".to_owned())
        );
    }

    #[test]
    fn unreachable_gears_are_planned_and_in_no_wave() {
        let nodes = [
            node("a", json!({}), true, false),
            node("b", json!({}), false, false),
            node("c", json!({}), true, false),
        ];
        let plan = made(json!({"hosts": {}}), Action::Deploy, &nodes).unwrap();
        assert_eq!(plan.gears.len(), 3);
        assert_eq!(plan.waves, [["shop-a"], ["shop-c"]]);
    }
}
