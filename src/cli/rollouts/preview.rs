//! `--dry-run`: the plan that the controllers would make, as a table or as data.

use serde_json::Value;

use crate::api::core::Node;
use crate::api::upshift::Action;
use crate::api::upshift::Application;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Settings;
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
use crate::plan::Refusal;
use crate::plan::plan;
use crate::plan::step;
use crate::plan::workflow;

/// What would happen, to whom.
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
}

impl Fleet {
    /// Reads them.
    pub async fn read(client: &Client, application: &Application) -> Result<Fleet, Failure> {
        let metadata = &application.metadata;
        let options = ListOptions {
            label_selector: format!("{LABEL_APPLICATION}={}", metadata.name),
            ..ListOptions::default()
        };
        Ok(Fleet {
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
            gears: Vec::new(),
        }
    }
}

impl Preview<'_> {
    /// Prints the plan, or says why there is none.
    pub fn print(&self, context: &Context, fleet: &Fleet, format: &Format) -> Result<(), Failure> {
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
        object["steps"] = serde_json::json!(workflow::gear_steps(plan.workflow, plan.action));
        object
    }

    fn text(&self, plan: &Plan, columns: Option<u16>) -> String {
        let what = match self.action {
            Action::Deploy => "would deploy",
            Action::Rollback => "would roll back to",
        };
        let gears = text::count(plan.gears.len(), "gear");
        let waves = text::count(plan.waves.len(), "wave");
        let mut lines = vec![format!(
            "{what} {} on {gears} in {waves} (dry run)",
            self.revision
        )];
        if !plan.gears.is_empty() {
            lines.push(gear_table(plan, columns));
        }
        lines.push(step_table(plan, columns));
        lines.join("\n\n")
    }
}

fn gear_table(plan: &Plan, columns: Option<u16>) -> String {
    let mut table = summary::plain_table(["WAVE", "GEAR", "NODE", "COLOR", "NOTE"], columns);
    for gear in &plan.gears {
        let wave = plan.waves.iter().position(|wave| wave.contains(&gear.name));
        let note = match (gear.new, gear.reachable) {
            (_, false) => "unreachable: catches up when it returns",
            (true, true) => "new",
            (false, true) => "",
        };
        let wave = wave.map_or_else(|| "-".to_owned(), |wave| (wave + 1).to_string());
        table.add_row([wave.as_str(), &gear.name, &gear.node, &gear.color, note]);
    }
    summary::trimmed(&table)
}

/// The steps, which are the same for every gear, and those that happen once.
fn step_table(plan: &Plan, columns: Option<u16>) -> String {
    let mut table = summary::plain_table(["STEP", "NAME", "BY", "WHERE", "WHAT"], columns);
    let each = workflow::gear_steps(plan.workflow, plan.action);
    let each = each.iter().map(|step| (step, "each gear"));
    let steps = each.chain(plan.once.iter().map(|step| (step, "once")));
    for (number, (step, place)) in steps.enumerate() {
        let title = step::named(&step.name).map_or("", |kind| kind.title);
        let by = format!("{:?}", step.actor);
        let number = (number + 1).to_string();
        table.add_row([number.as_str(), &step.name, &by, place, title]);
    }
    summary::trimmed(&table)
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
    use serde_json::json;

    fn application(spec: &Value) -> Application {
        let object = json!({"metadata": {"name": "shop", "namespace": "demo"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    fn shown(spec: &Value, action: Action) -> String {
        let application = application(spec);
        let preview = Preview {
            application: &application,
            action,
            settings: &application.spec.rollout,
            revision: "shop-2",
        };
        let fleet = Fleet::of_this_machine();
        let plan = plan(&PlanInput {
            application: &application,
            action,
            settings: &application.spec.rollout,
            nodes: fleet.nodes.iter().collect(),
            gears: Vec::new(),
        })
        .unwrap();
        preview.text(&plan, None)
    }

    #[test]
    fn a_rolling_deployment_shows_its_seven_steps() {
        insta::assert_snapshot!(shown(&json!({"hosts": {}}), Action::Deploy), @r"
        would deploy shop-2 on 1 gear in 1 wave (dry run)

        WAVE   GEAR             NODE        COLOR   NOTE
        1      shop-localhost   localhost           new

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
    fn a_blue_green_rollback_is_one_step() {
        let colors = json!({"hosts": {"blueGreen": {"blue": {}, "green": {"a": "b"}}}});
        insta::assert_snapshot!(shown(&colors, Action::Rollback), @r"
        would roll back to shop-2 on 0 gears in 0 waves (dry run)

        STEP   NAME            BY        WHERE   WHAT
        1      SwitchTraffic   Control   once    send the service's requests to the other colour
        ");
    }
}
