//! What stands for the agents of a story without routers: steps succeed, fail or hang as the story says.

use super::*;

impl Cluster {
    /// One step of one operation on a node that is there; whether there was one.
    pub(super) fn agents(&mut self) -> bool {
        if self.site.is_some() {
            return self.site_step();
        }
        if self.network.is_some() {
            return self.network_step();
        }
        let live = self.at_work();
        if live.is_empty() {
            return false;
        }
        let chosen = self.chance.below(live.len());
        let mut operation: Operation = self.get(&live[chosen]).unwrap();
        let before = operation.status.clone();
        self.agent_step(&mut operation);
        if operation.status == before {
            return false;
        }
        let key = operation.metadata.key();
        self.user_status(
            &kinds::OPERATION,
            &key,
            serde_json::to_value(&operation.status).unwrap(),
        );
        true
    }

    pub(super) fn agent_step(&mut self, operation: &mut Operation) {
        let status = &mut operation.status;
        let hangs_in = self.hanging.get(&operation.spec.gear);
        let hangs = hangs_in.is_some_and(|step| {
            let mut begun = status.steps.iter().rev();
            let last = begun.find(|step| step.phase != StepPhase::Waiting);
            last.map_or("", |last| &last.name) == *step
        });
        if hangs && operation.spec.desired == Desired::Run {
            return;
        }
        if status.steps.is_empty() {
            status.steps = operation
                .spec
                .steps
                .iter()
                .map(|step| StepStatus {
                    name: step.name.clone(),
                    ..StepStatus::default()
                })
                .collect();
        }
        let next = status
            .steps
            .iter()
            .position(|step| step.phase == StepPhase::Waiting);
        match (operation.spec.desired, next) {
            (Desired::Abort, _) => status.phase = OperationPhase::Aborted,
            (Desired::Pause, _) => status.phase = OperationPhase::Paused,
            (Desired::Run, Some(next)) => {
                status.phase = OperationPhase::Running;
                self.perform_step(operation, next);
            }
            (Desired::Run, None) => status.phase = OperationPhase::Succeeded,
        }
        if operation.status.phase.is_final() {
            self.report_gear(operation);
        }
    }

    pub(super) fn perform_step(&mut self, operation: &mut Operation, place: usize) {
        let gear = operation.spec.gear.clone();
        let revision = operation
            .spec
            .deployment
            .revision
            .as_ref()
            .map(|one| one.name.clone());
        let step = &mut operation.status.steps[place];
        self.trace
            .push(format!("{} {}", operation.metadata.name, step.name));
        let fails = revision
            .as_ref()
            .and_then(|revision| self.failing.get(&(gear.clone(), revision.clone())))
            .is_some_and(|failing| *failing == step.name);
        if fails {
            step.phase = StepPhase::Failed;
            step.message = "exit code 1".to_owned();
            operation.status.phase = OperationPhase::Failed;
            operation.status.reason = "HookFailed".to_owned();
            return;
        }
        if self.hanging.get(&gear) == Some(&&*step.name) {
            step.phase = StepPhase::Running;
            return;
        }
        step.phase = StepPhase::Done;
        // As the rotation controller does it.
        let rotation = match step.name.as_str() {
            "BlockTraffic" => Some("Out"),
            "AllowTraffic" => Some("In"),
            _ => None,
        };
        if let Some(rotation) = rotation {
            let spec = json!({ "rotation": rotation });
            self.user_spec(&kinds::GEAR, &named(&gear), spec);
            return;
        }
        if step.name == "Install" {
            match revision {
                Some(revision) => self.disk.insert(gear, revision),
                None => self.disk.remove(&gear),
            };
            self.report_gear(operation);
        }
    }

    pub(super) fn report_gear(&mut self, operation: &Operation) {
        let key = named(&operation.spec.gear);
        if self.get::<Gear>(&key).is_some() {
            let installed = self
                .disk
                .get(&operation.spec.gear)
                .cloned()
                .unwrap_or_default();
            let status = json!({"revision": installed, "operation": operation.metadata.name});
            self.user_status(&kinds::GEAR, &key, status);
        }
    }
}
