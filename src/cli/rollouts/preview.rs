//! `--dry-run`: the plan that the controllers would make, as a table or as data.

use serde_json::Value;

use crate::api::core::Node;
use crate::api::duration::Amount;
use crate::api::duration::Span;
use crate::api::network::Service;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::LABEL_GEARS_OF;
use crate::api::upshift::OnFailure;
use crate::api::upshift::Settings;
use crate::api::upshift::Step;
use crate::base::text;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::failure::Kind;
use crate::cli::output::Format;
use crate::cli::progress::screen;
use crate::cli::progress::summary;
use crate::cli::rollouts::output;
use crate::client::Client;
use crate::client::ListOptions;
use crate::plan::Plan;
use crate::plan::PlanInput;
use crate::plan::PlannedGear;
use crate::plan::Refusal;
use crate::plan::canary;
use crate::plan::plan;
use crate::plan::step;
use crate::plan::workflow;
use crate::plan::workflow::Workflow;

/// More gears than this are shown wave by wave.
const MANY: usize = 20;

/// What would happen, to whom.
#[derive(Clone, Copy)]
pub struct Preview<'a> {
    pub application: &'a Application,
    pub action: Action,
    pub settings: &'a Settings,
    pub revision: &'a str,
}

/// The hosts and gears that there are; a server that does not run yet will have this machine.
#[derive(Default)]
pub struct Fleet {
    nodes: Vec<Node>,
    gears: Vec<Gear>,
    /// That lead to them.
    services: Vec<Service>,
}

impl Fleet {
    /// Reads them.
    pub async fn read(client: &Client, application: &Application) -> Result<Fleet, Failure> {
        let metadata = &application.metadata;
        let options = ListOptions {
            label_selector: format!("{LABEL_APPLICATION}={}", metadata.name),
            ..ListOptions::default()
        };
        let leading = format!("{LABEL_GEARS_OF}={}", metadata.name);
        let leading = ListOptions::labelled(leading);
        Ok(Fleet {
            services: client.list(&metadata.namespace, &leading).await?.items,
            nodes: client.list("", &ListOptions::default()).await?.items,
            gears: client.list(&metadata.namespace, &options).await?.items,
        })
    }

    /// One host, ready: what an embedded server starts with.
    pub fn of_this_machine() -> Fleet {
        let node = serde_json::json!({
            "metadata": {"name": "localhost"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        Fleet {
            nodes: serde_json::from_value(node).into_iter().collect(),
            ..Fleet::default()
        }
    }

    fn led_by(&self) -> Option<&str> {
        let mut services = self.services.iter();
        let service = services.find(|service| service.spec.selector.is_empty())?;
        Some(&service.metadata.name)
    }
}

impl Preview<'_> {
    /// Prints the plan, or says why there is none.
    pub fn print(&self, context: &Context, fleet: &Fleet, format: &Format) -> Result<(), Failure> {
        let settings = &workflow::in_force(self.settings, || fleet.led_by());
        Preview { settings, ..*self }.show(context, fleet, format)
    }

    fn show(&self, context: &Context, fleet: &Fleet, format: &Format) -> Result<(), Failure> {
        let plan = self.plan(context, fleet)?;
        if let Format::Yaml = format {
            // A plan is a document of ours: nothing of oc's to match.
            let text = serde_yaml::to_string(&self.object(&plan))
                .map_err(|error| Failure::ours(error.to_string()))?;
            context.out(format_args!("{text}"))?;
            return Ok(());
        }
        if !format.is_table() {
            return output::print(context, format, &self.object(&plan));
        }
        let columns = u16::try_from(screen::size().columns).unwrap_or(u16::MAX);
        let columns = context.streams.out_is_terminal.then_some(columns);
        context.out(format_args!("{}\n", self.text(&plan, columns)))?;
        Ok(())
    }

    /// The controllers' plan. When no host matches, a rollout would be refused; its steps are known all the same.
    fn plan(&self, context: &Context, fleet: &Fleet) -> Result<Plan, Failure> {
        let input = PlanInput {
            application: self.application,
            action: self.action,
            settings: self.settings,
            nodes: fleet.nodes.iter().collect(),
            gears: fleet.gears.iter().collect(),
        };
        let refusal = match plan(&input) {
            Ok(plan) => return Ok(plan),
            Err(refusal) => refusal,
        };
        let workflow = workflow::workflow(self.application, self.settings);
        let (Some(workflow), "NoHosts") = (workflow, refusal.reason()) else {
            return Err(refused(&refusal));
        };
        context.say(format_args!(
            "Warning: {refusal}: nothing would be deployed now\n"
        ))?;
        Ok(Plan {
            workflow,
            action: self.action,
            gears: Vec::new(),
            once: workflow::once_steps(workflow),
            waves: Vec::new(),
        })
    }

    fn object(&self, plan: &Plan) -> Value {
        let mut object = serde_json::to_value(plan).expect("a plan is plain data");
        object["apiVersion"] = "upshift.dev/v1".into();
        object["kind"] = "Plan".into();
        object["metadata"] = serde_json::json!({
            "name": self.application.metadata.name,
            "namespace": self.application.metadata.namespace,
        });
        object["revision"] = self.revision.into();
        // Of each gear, also when there is none yet.
        let steps: Vec<Step> = gear_steps(plan).into_iter().map(|(step, _)| step).collect();
        object["steps"] = serde_json::json!(steps);
        object
    }

    fn text(&self, plan: &Plan, columns: Option<u16>) -> String {
        let what = match self.action {
            Action::Deploy => "would deploy",
            Action::Rollback => "would roll back to",
        };
        let gears = text::count(plan.gears.len(), "gear");
        let waves = text::count(plan.waves.len(), "wave");
        let mut head = vec![format!(
            "{what} {} on {gears} in {waves} (dry run)",
            self.revision
        )];
        head.extend(self.notes(plan));
        let mut lines = vec![head.join("\n")];
        if plan.gears.len() > MANY {
            lines.push(wave_table(plan, columns));
        } else if !plan.gears.is_empty() {
            let settings = self.settings;
            let has_canary = canary::begins_with_one(settings, self.action) && plan.waves.len() > 1;
            lines.push(gear_table(plan, has_canary, columns));
        }
        lines.push(step_table(plan, columns));
        lines.join("\n\n")
    }

    /// How it goes on, as far as it is not the plainest way.
    fn notes(&self, plan: &Plan) -> Vec<String> {
        let settings = self.settings;
        let mut notes = Vec::new();
        let mut pace = vec![format!("{} at a time", settings.concurrency)];
        let is_idle = plan.workflow == Workflow::BlueGreen;
        if !is_idle && !matches!(settings.min_healthy, Amount::Count(0) | Amount::Percent(0)) {
            pace.push(format!("{} stay available", settings.min_healthy));
        }
        if settings.max_failures > 0 {
            pace.push(format!("{} may fail", settings.max_failures));
        }
        if settings.on_failure == OnFailure::Rollback && !plan.gears.is_empty() {
            pace.push("all go back when more fail".to_owned());
        }
        if plan.gears.len() > 1 || pace.len() > 1 {
            notes.push(pace.join(", "));
        }
        if let (Some(canary), Action::Deploy) = (&settings.canary, self.action) {
            let name = &self.application.metadata.name;
            notes.push(match canary.pause {
                Some(pause) => format!(
                    "one gear first; the others {pause} later, or when 'promote {name}' says so"
                ),
                None => format!("one gear first; the others when 'promote {name}' says so"),
            });
        }
        notes.extend(self.traffic(plan));
        notes
    }

    /// What becomes of requests.
    fn traffic(&self, plan: &Plan) -> Option<String> {
        let balancer = self.settings.load_balancer.as_ref()?;
        let service = balancer.service_of(&self.application.metadata.name);
        let router = balancer.haproxy.as_ref();
        let router = router.map_or_else(String::new, |haproxy| {
            format!(" and HAProxy {}", haproxy.router)
        });
        let drain = Span::seconds(u64::from(balancer.drain_seconds));
        Some(match plan.workflow {
            Workflow::BlueGreen => {
                let to = workflow::idle_color(self.application);
                match self.application.status.active_color.as_str() {
                    "" => format!("requests of svc/{service}{router} go to {to}"),
                    from => format!(
                        "requests of svc/{service}{router} go from {from} to {to}, with {drain} for those under way"
                    ),
                }
            }
            _ => format!(
                "each gear leaves svc/{service}{router} for its turn, with {drain} for requests under way"
            ),
        })
    }
}

/// One row for each wave of many gears.
fn wave_table(plan: &Plan, columns: Option<u16>) -> String {
    let mut table = summary::plain_table(["WAVE", "GEARS", "NODES"], columns);
    let row = |wave: String, gears: &[&PlannedGear]| {
        let nodes: Vec<&str> = gears.iter().map(|gear| gear.node.as_str()).collect();
        [wave, gears.len().to_string(), nodes.join(" ")]
    };
    for (index, wave) in plan.waves.iter().enumerate() {
        let gears: Vec<&PlannedGear> = plan
            .gears
            .iter()
            .filter(|gear| wave.contains(&gear.name))
            .collect();
        table.add_row(row((index + 1).to_string(), &gears));
    }
    let silent: Vec<&PlannedGear> = plan.gears.iter().filter(|gear| !gear.reachable).collect();
    if !silent.is_empty() {
        table.add_row(row("later".to_owned(), &silent));
    }
    summary::trimmed(&table)
}

fn gear_table(plan: &Plan, has_canary: bool, columns: Option<u16>) -> String {
    let mut table = summary::plain_table(["WAVE", "GEAR", "NODE", "COLOR", "NOTE"], columns);
    for gear in &plan.gears {
        let wave = plan.waves.iter().position(|wave| wave.contains(&gear.name));
        let is_canary = has_canary && wave == Some(0);
        let note = match (gear.new, gear.reachable) {
            (_, false) => "unreachable: catches up when it returns",
            (true, true) if is_canary => "canary, new",
            (false, true) if is_canary => "canary",
            (true, true) => "new",
            (false, true) => "",
        };
        let wave = wave.map_or_else(|| "-".to_owned(), |wave| (wave + 1).to_string());
        table.add_row([wave.as_str(), &gear.name, &gear.node, &gear.color, note]);
    }
    summary::trimmed(&table)
}

/// The steps of the gears, then those that happen once.
fn step_table(plan: &Plan, columns: Option<u16>) -> String {
    let mut table = summary::plain_table(["STEP", "NAME", "BY", "WHERE", "WHAT"], columns);
    let all = plan.gears.len();
    let each = gear_steps(plan).into_iter().map(|(step, gears)| {
        let place = if gears == all {
            "each gear".to_owned()
        } else {
            format!("{gears} of {}", text::count(all, "gear"))
        };
        (step, place)
    });
    let once = plan
        .once
        .iter()
        .map(|step| (step.clone(), "once".to_owned()));
    for (number, (step, place)) in each.chain(once).enumerate() {
        let title = step::named(&step.name).map_or("", |kind| kind.title);
        let by = format!("{:?}", step.actor);
        let number = (number + 1).to_string();
        table.add_row([number.as_str(), &step.name, &by, &place, title]);
    }
    summary::trimmed(&table)
}

/// The steps of the gears, each with how many it is for. A gear that gets requests leaves rotation for its turn, which
/// others need not: the longest list has the steps of all.
fn gear_steps(plan: &Plan) -> Vec<(Step, usize)> {
    let lists = || plan.gears.iter().map(|gear| &gear.steps);
    let longest = lists().max_by_key(|steps| steps.len()).cloned();
    let steps = longest.unwrap_or_else(|| workflow::gear_steps(plan.workflow, plan.action));
    let counted = steps.into_iter().map(|step| {
        let gears = lists().filter(|steps| steps.contains(&step)).count();
        (step, gears)
    });
    counted.collect()
}

fn refused(refusal: &Refusal) -> Failure {
    let kind = match refusal {
        Refusal::NoWorkflow { .. } => Kind::Usage,
        _ => Kind::Ours,
    };
    Failure::new(kind, refusal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::seed;
    use serde_json::json;

    fn application(spec: &Value) -> Application {
        let object = json!({"metadata": {"name": "shop", "namespace": "demo"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn nodes(number: usize) -> Vec<Node> {
        let node = |number: usize| {
            let color = if number.is_multiple_of(2) {
                "green"
            } else {
                "blue"
            };
            serde_json::from_value(json!({
                "metadata": {"name": format!("web-{number}"), "labels": {"tier": "web", "color": color}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }))
            .unwrap()
        };
        (1..=number).map(node).collect()
    }

    fn shown(spec: &Value, action: Action, active: &str, number: usize) -> String {
        shown_beside(spec, action, active, number, &[])
    }

    /// The same where gears on nodes of these numbers hold a revision.
    fn shown_beside(
        spec: &Value,
        action: Action,
        active: &str,
        number: usize,
        installed: &[usize],
    ) -> String {
        let gear = |number: &usize| {
            let object = json!({
                "metadata": {"name": format!("shop-web-{number}"), "namespace": "demo"},
                "spec": {"application": "shop", "node": format!("web-{number}")},
                "status": {"revision": "shop-1"},
            });
            serde_json::from_value(object).unwrap()
        };
        let gears: Vec<Gear> = installed.iter().map(gear).collect();
        let mut application = application(spec);
        active.clone_into(&mut application.status.active_color);
        let preview = Preview {
            application: &application,
            action,
            settings: &application.spec.rollout,
            revision: "shop-2",
        };
        let nodes = nodes(number);
        let plan = plan(&PlanInput {
            application: &application,
            action,
            settings: &application.spec.rollout,
            nodes: nodes.iter().collect(),
            gears: gears.iter().collect(),
        })
        .unwrap();
        preview.text(&plan, None)
    }

    /// The names of the steps that a preview prints, in its order.
    fn steps(spec: &Value, action: Action) -> Vec<String> {
        let text = shown(spec, action, "green", 4);
        let (_, table) = text.rsplit_once("\n\n").unwrap();
        let rows = table.lines().skip(1);
        rows.map(|row| row.split_whitespace().nth(1).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn previews_of_all_six_workflows_are_the_seed_s_lists() {
        let rolling = json!({"hosts": {"selector": {}}});
        assert_eq!(steps(&rolling, Action::Deploy), seed::SEVEN);
        assert_eq!(steps(&rolling, Action::Rollback), seed::SIX);
        let balanced = json!({"hosts": {"selector": {}}, "rollout": {"loadBalancer": {}}});
        assert_eq!(steps(&balanced, Action::Deploy), seed::THIRTEEN);
        assert_eq!(steps(&balanced, Action::Rollback), seed::TWELVE);
        let turns = json!({"hosts": {"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}},
            "rollout": {"loadBalancer": {}}});
        let eight = [&seed::SEVEN[..], &seed::SWITCH].concat();
        assert_eq!(steps(&turns, Action::Deploy), eight);
        assert_eq!(steps(&turns, Action::Rollback), seed::SWITCH);
    }

    #[test]
    fn a_rolling_deployment_shows_its_seven_steps() {
        insta::assert_snapshot!(shown(&json!({"hosts": {}}), Action::Deploy, "", 1), @r"
        would deploy shop-2 on 1 gear in 1 wave (dry run)

        WAVE   GEAR         NODE    COLOR   NOTE
        1      shop-web-1   web-1           new

        STEP   NAME               BY     WHERE       WHAT
        1      DownloadBundle     Node   each gear   cache the bundle
        2      ApplicationStop    Node   each gear   stop the installed revision
        3      BeforeInstall      Node   each gear   before the files change
        4      Install            Node   each gear   put files and permissions in place
        5      AfterInstall       Node   each gear   after the files changed
        6      ApplicationStart   Node   each gear   start the application
        7      ValidateService    Node   each gear   check the application
        ");
    }

    #[test]
    fn a_deployment_behind_a_load_balancer_shows_its_waves_and_thirteen_steps() {
        let spec = json!({"hosts": {"selector": {"tier": "web"}}, "rollout": {
            "concurrency": "50%", "minHealthy": 2, "maxFailures": 1, "onFailure": "Rollback",
            "loadBalancer": {"haproxy": {"router": "lb-1", "backend": "web"}},
        }});
        insta::assert_snapshot!(shown(&spec, Action::Deploy, "", 4), @r"
        would deploy shop-2 on 4 gears in 2 waves (dry run)
        50% at a time, 2 stay available, 1 may fail, all go back when more fail
        each gear leaves svc/shop and HAProxy lb-1 for its turn, with 30s for requests under way

        WAVE   GEAR         NODE    COLOR   NOTE
        1      shop-web-1   web-1           new
        1      shop-web-2   web-2           new
        2      shop-web-3   web-3           new
        2      shop-web-4   web-4           new

        STEP   NAME                 BY        WHERE       WHAT
        1      DownloadBundle       Node      each gear   cache the bundle
        2      BeforeBlockTraffic   Node      each gear   before leaving rotation
        3      BlockTraffic         Control   each gear   leave rotation
        4      AfterBlockTraffic    Node      each gear   after leaving rotation
        5      ApplicationStop      Node      each gear   stop the installed revision
        6      BeforeInstall        Node      each gear   before the files change
        7      Install              Node      each gear   put files and permissions in place
        8      AfterInstall         Node      each gear   after the files changed
        9      ApplicationStart     Node      each gear   start the application
        10     ValidateService      Node      each gear   check the application
        11     BeforeAllowTraffic   Node      each gear   before entering rotation
        12     AllowTraffic         Control   each gear   enter rotation
        13     AfterAllowTraffic    Node      each gear   after entering rotation
        ");
    }

    #[test]
    fn a_blue_green_deployment_goes_to_the_colour_that_does_not_serve() {
        let colors = json!({"hosts": {"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}},
            "rollout": {"concurrency": "100%", "loadBalancer": {"service": "web", "drainSeconds": 90}}});
        insta::assert_snapshot!(shown(&colors, Action::Deploy, "green", 4), @r"
        would deploy shop-2 on 2 gears in 1 wave (dry run)
        100% at a time
        requests of svc/web go from green to blue, with 1m30s for those under way

        WAVE   GEAR         NODE    COLOR   NOTE
        1      shop-web-1   web-1   blue    new
        1      shop-web-3   web-3   blue    new

        STEP   NAME               BY        WHERE       WHAT
        1      DownloadBundle     Node      each gear   cache the bundle
        2      ApplicationStop    Node      each gear   stop the installed revision
        3      BeforeInstall      Node      each gear   before the files change
        4      Install            Node      each gear   put files and permissions in place
        5      AfterInstall       Node      each gear   after the files changed
        6      ApplicationStart   Node      each gear   start the application
        7      ValidateService    Node      each gear   check the application
        8      SwitchTraffic      Control   once        send the service's requests to the other colour
        ");
        insta::assert_snapshot!(shown(&colors, Action::Rollback, "green", 4), @r"
        would roll back to shop-2 on 0 gears in 0 waves (dry run)
        requests of svc/web go from green to blue, with 1m30s for those under way

        STEP   NAME            BY        WHERE   WHAT
        1      SwitchTraffic   Control   once    send the service's requests to the other colour
        ");
    }

    #[test]
    fn a_first_coloured_deployment_shows_who_leaves_rotation() {
        let colors = json!({"hosts": {"blueGreen": {"blue": {"color": "blue"}, "green": {"color": "green"}}},
            "rollout": {"loadBalancer": {}}});
        let table = |installed: &[usize]| {
            let text = shown_beside(&colors, Action::Deploy, "", 4, installed);
            text.rsplit_once("\n\n").unwrap().1.to_owned()
        };
        insta::assert_snapshot!(table(&[1, 2]), @r"
        STEP   NAME               BY        WHERE          WHAT
        1      DownloadBundle     Node      each gear      cache the bundle
        2      BlockTraffic       Control   1 of 2 gears   leave rotation
        3      ApplicationStop    Node      each gear      stop the installed revision
        4      BeforeInstall      Node      each gear      before the files change
        5      Install            Node      each gear      put files and permissions in place
        6      AfterInstall       Node      each gear      after the files changed
        7      ApplicationStart   Node      each gear      start the application
        8      ValidateService    Node      each gear      check the application
        9      AllowTraffic       Control   1 of 2 gears   enter rotation
        10     SwitchTraffic      Control   once           send the service's requests to the other colour
        ");
        let all = table(&[1, 3]);
        assert_eq!(all.lines().count(), 11, "{all}");
        assert!(!all.contains(" of "), "{all}");
        let none = table(&[]);
        assert_eq!(none.lines().count(), 9, "{none}");
    }

    #[test]
    fn a_canary_is_the_first_wave() {
        let spec = json!({"hosts": {}, "rollout": {"concurrency": 2, "canary": {"pause": "10m"}}});
        let text = shown(&spec, Action::Deploy, "", 3);
        let table = text.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n");
        insta::assert_snapshot!(table, @r"
        would deploy shop-2 on 3 gears in 2 waves (dry run)
        2 at a time
        one gear first; the others 10m later, or when 'promote shop' says so

        WAVE   GEAR         NODE    COLOR   NOTE
        1      shop-web-1   web-1           canary, new
        2      shop-web-2   web-2           new
        2      shop-web-3   web-3           new
        ");
        let text = shown(&spec, Action::Rollback, "", 3);
        assert!(
            !text.contains("first") && !text.contains("canary"),
            "{text}"
        );
    }

    #[test]
    fn many_gears_are_shown_wave_by_wave() {
        let text = shown(
            &json!({"hosts": {}, "rollout": {"concurrency": 13}}),
            Action::Deploy,
            "",
            50,
        );
        let table = text.split("\n\n").nth(1).unwrap();
        assert_eq!(table.lines().count(), 5, "{table}");
        assert!(
            table
                .lines()
                .nth(1)
                .unwrap()
                .starts_with("1      13      web-1 web-2 "),
            "{table}"
        );
    }
}
