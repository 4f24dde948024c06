//! What holds after every write, and what counts at the end.

use super::*;

impl Cluster {
    /// What counts at the end, without versions and times.
    pub(crate) fn picture(&self) -> String {
        let mut lines = Vec::new();
        for application in self.all::<Application>() {
            let color = match application.status.active_color.as_str() {
                "" => String::new(),
                color => format!(", {color} serves"),
            };
            lines.push(format!(
                "application {} held by {:?}, current {:?}{color}",
                application.metadata.name,
                application.status.rollout,
                application.status.current_revision
            ));
        }
        for rollout in self.all::<Rollout>() {
            let status = rollout.status;
            lines.push(format!(
                "rollout {} {:?} {:?} {:?} {}/{}/{}",
                rollout.metadata.name,
                status.phase,
                status.reason,
                status.message,
                status.gears.done,
                status.gears.failed,
                status.gears.total
            ));
        }
        for gear in self.all::<Gear>() {
            let rotation = match gear.spec.rotation {
                Rotation::In => "",
                Rotation::Out => " out of rotation",
            };
            lines.push(format!(
                "gear {} wants {:?} has {:?}{rotation}",
                gear.metadata.name, gear.spec.revision, gear.status.revision
            ));
        }
        for operation in self.all::<Operation>() {
            lines.push(format!(
                "operation {} {:?}",
                operation.metadata.name, operation.status.phase
            ));
        }
        if self.site.is_some() {
            return self.site_picture();
        }
        if self.network.is_some() {
            lines.push(self.led_to());
        }
        lines.push(format!("disk {:?}", self.disk));
        lines.join("\n")
    }

    /// Never more gears at a time than the rollout allows, without those that were given up.
    pub(super) fn check_pace(&self, rollout: &Value) {
        let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
        let owner = format!("Rollout/{name}");
        let at_work = self
            .raw(&kinds::OPERATION)
            .filter(|object| {
                let node = object["spec"]["node"].as_str().unwrap_or_default();
                let is_there = |node| {
                    self.objects
                        .contains_key(&place(&kinds::NODE, &Key::new("", node)))
                };
                is_live(object)
                    && is_there(node)
                    && object["spec"]["owner"] == owner.as_str()
                    && object["spec"]["desired"] != "Abort"
            })
            .count();
        let total = self.raw(&kinds::NODE).count();
        let pace = Amount::deserialize(&rollout["spec"]["settings"]["concurrency"]);
        let pace = pace.map_or(1, |pace| pace.floor(total).max(1));
        assert!(
            at_work <= pace,
            "{:?}: {at_work} gears at a time, {pace} allowed:\n{}",
            self.how,
            self.picture()
        );
    }

    pub(super) fn check_invariants(&self) {
        if let Some(site) = &self.site {
            return self.check_site(site);
        }
        if let Some(network) = &self.network {
            self.check_network(network);
        }
        let mut live: Vec<(&Value, &Value)> = Vec::new();
        for operation in self.raw(&kinds::OPERATION).filter(|object| is_live(object)) {
            let (gear, name) = (&operation["spec"]["gear"], &operation["metadata"]["name"]);
            if let Some((_, other)) = live.iter().find(|(one, _)| *one == gear) {
                panic!(
                    "{:?}: {other} and {name} are under way on {gear}:\n{}",
                    self.how,
                    self.picture()
                );
            }
            live.push((gear, name));
        }
        let is_running = |object: &&Value| {
            let phase = object["status"]["phase"].as_str().unwrap_or_default();
            ["Running", "Paused"].contains(&phase)
        };
        let running: Vec<&Value> = self.raw(&kinds::ROLLOUT).filter(is_running).collect();
        assert!(
            running.len() <= 1,
            "{:?}: two rollouts run:\n{}",
            self.how,
            self.picture()
        );
        let Some(rollout) = running.first() else {
            return;
        };
        self.check_pace(rollout);
        if let Some(application) = self
            .objects
            .get(&place(&kinds::APPLICATION, &named("shop")))
        {
            assert_eq!(
                application["status"]["rollout"], rollout["metadata"]["name"],
                "{:?}: runs without a claim",
                self.how
            );
        }
    }
}
