//! Kubernetes' own Deployment: one `ReplicaSet` per pod template, exchanged step by step.
//!
//! The arithmetic is [`surge`], as for deployment configs. What differs is Kubernetes' way: a version is found by the hash
//! of its template, numbers are annotations (`deployment.kubernetes.io/revision`), and a rollout that comes no further is
//! reported, not taken back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::api::core::Condition;
use crate::api::deployment::Deployment;
use crate::api::deployment::DeploymentStatus;
use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::OwnerReference;
use crate::api::meta::Typed;
use crate::api::pod;
use crate::api::pod::LabelSelector;
use crate::api::pod::ReplicaSet;
use crate::api::pod::ReplicaSetSpec;
use crate::api::pod::Replicated;
use crate::base::clock::Timestamp;
use crate::controllers::change::Change;
use crate::controllers::change::Decision;
use crate::controllers::change::Note;
use crate::controllers::queue::Controller;
use crate::controllers::queue::Touched;
use crate::controllers::queue::Watch;
use crate::controllers::replicas::Census;
use crate::controllers::replicas::count;
use crate::controllers::replicas::letters;
use crate::controllers::replicas::trouble;
use crate::controllers::world::World;
use crate::plan::surge;
use crate::plan::surge::Crowd;
use crate::plan::surge::Limits;

/// Label of a version's pods, and in its selector.
const LABEL_HASH: &str = "pod-template-hash";
/// Annotation of a Deployment and of its `ReplicaSets`: the number of the version.
const ANNOTATION_REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotation of a Deployment that is no business of its `ReplicaSets`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const DEFAULT_HISTORY: u32 = 10;
const DEFAULT_DEADLINE: u64 = 600;

/// Decides for one Deployment.
#[derive(Debug, Default)]
pub(crate) struct Deployments;

static WATCHES: &[Watch] = &[
    Watch {
        kind: &kinds::DEPLOYMENT,
        keys: Touched::itself,
    },
    Watch {
        kind: &kinds::REPLICA_SET,
        keys: |_, touched| touched.its_controller(&kinds::DEPLOYMENT),
    },
    Watch {
        kind: &kinds::POD,
        keys: |world, touched| {
            let sets = touched.its_controller(&kinds::REPLICA_SET);
            of_sets(world, sets.iter())
        },
    },
    Watch {
        kind: &kinds::NODE,
        keys: |world, touched| {
            let pods = world.pods.on_node(&touched.key.name);
            let sets: Vec<Key> = pods.filter_map(|pod| set_of(&pod.metadata)).collect();
            of_sets(world, sets.iter())
        },
    },
];

/// The `ReplicaSet` that controls a pod.
fn set_of(pod: &Metadata) -> Option<Key> {
    let mut owners = pod.owner_references.iter();
    let owner = owners.find(|one| is_controller(one, "ReplicaSet"))?;
    Some(Key::new(pod.namespace.clone(), owner.name.clone()))
}

fn is_controller(owner: &OwnerReference, kind: &str) -> bool {
    owner.controller == Some(true) && owner.kind == kind
}

/// The Deployments of `ReplicaSets`.
fn of_sets<'k>(world: &World, sets: impl Iterator<Item = &'k Key>) -> Vec<Key> {
    let sets = sets.filter_map(|key| world.replica_sets.find(key));
    let mut keys: Vec<Key> = sets
        .filter_map(|set| {
            let mut owners = set.metadata.owner_references.iter();
            let owner = owners.find(|one| is_controller(one, "Deployment"))?;
            Some(Key::new(set.metadata.namespace.clone(), owner.name.clone()))
        })
        .collect();
    keys.dedup();
    keys
}

impl Controller for Deployments {
    const NAME: &'static str = "deployment";

    fn watches() -> &'static [Watch] {
        WATCHES
    }

    fn decide(&self, key: &Key, world: &World, now: Timestamp) -> Decision {
        let Some(deployment) = world.deployments.find(key) else {
            return Decision::nothing();
        };
        if deployment.metadata.is_deleting() || world.is_ending(&key.namespace) {
            return Decision::nothing();
        }
        Scene::of(deployment, world, now).decide()
    }
}

/// One version: its `ReplicaSet` and that one's pods.
struct Version<'w> {
    revision: u64,
    set: &'w Arc<ReplicaSet>,
    census: Census<'w>,
}

impl Version<'_> {
    fn crowd(&self) -> Crowd {
        self.census.crowd(self.set.replicas())
    }

    fn is_empty(&self) -> bool {
        self.census.is_empty(self.set.replicas())
    }
}

struct Scene<'w> {
    deployment: &'w Deployment,
    world: &'w World,
    now: Timestamp,
    desired: u32,
    /// The name of the version that is wanted.
    wanted: String,
    hash: String,
    /// Oldest first.
    versions: Vec<Version<'w>>,
    decision: Decision,
}

impl<'w> Scene<'w> {
    fn of(deployment: &'w Deployment, world: &'w World, now: Timestamp) -> Scene<'w> {
        let sets = world
            .replica_sets
            .controlled_by(&deployment.metadata.uid)
            .filter(|set| !set.metadata.is_deleting());
        let mut versions: Vec<Version<'w>> = sets
            .map(|set| Version {
                revision: revision(&set.metadata),
                census: Census::of(&**set, world, now),
                set,
            })
            .collect();
        versions.sort_by_key(|version| version.revision);
        let hash = letters(&pod::essence(&deployment.spec.template).to_string(), 10);
        Scene {
            deployment,
            world,
            now,
            desired: deployment.spec.replicas.unwrap_or(1),
            wanted: format!("{}-{hash}", deployment.metadata.name),
            hash,
            versions,
            decision: Decision::nothing(),
        }
    }

    fn newest(&self) -> Option<usize> {
        let mut names = self.versions.iter().map(|one| &one.set.metadata.name);
        names.position(|name| *name == self.wanted)
    }

    fn others(&self, kept: Option<usize>) -> Vec<usize> {
        let places = 0..self.versions.len();
        places.filter(|place| Some(*place) != kept).collect()
    }

    fn crowds(&self, places: &[usize]) -> Vec<Crowd> {
        let versions = places.iter().map(|place| &self.versions[*place]);
        versions.map(Version::crowd).collect()
    }

    fn limits(&self) -> Limits {
        let params = self.deployment.spec.strategy.rolling_update.as_ref();
        Limits::of(
            params.and_then(|one| one.max_surge.as_ref()),
            params.and_then(|one| one.max_unavailable.as_ref()),
            self.desired,
        )
    }

    fn decide(mut self) -> Decision {
        let new = self.newest();
        match new {
            _ if self.deployment.spec.paused => self.scale_paused(),
            None => self.create(),
            Some(new) => {
                self.number(new);
                self.exchange(new);
            }
        }
        self.report(new);
        self.prune(new);
        self.decision
    }

    /// While paused nothing is exchanged; one version alone still follows the number of pods.
    fn scale_paused(&mut self) {
        let mut busy =
            (0..self.versions.len()).filter(|place| self.versions[*place].set.replicas() > 0);
        if let (Some(only), None) = (busy.next(), busy.next()) {
            self.scale(only, self.desired);
        }
    }

    fn create(&mut self) {
        let others = self.others(None);
        let olds = self.crowds(&others);
        let replicas = if self.is_recreate() {
            0
        } else {
            surge::step(Crowd::default(), &olds, self.desired, self.limits()).new
        };
        let last = self.versions.iter().map(|one| one.revision).max();
        let set = self.set(replicas, last.unwrap_or(0) + 1);
        self.decision.changes.push(Change::create(&set));
        let name = &self.wanted;
        let message = format!("Scaled up replica set {name} to {replicas}");
        self.note("ScalingReplicaSet", message);
        self.decision.blame = Some(Note::warning(
            self.deployment,
            "ReplicaSetCreateError",
            "Failed to create new replica set: ",
        ));
    }

    fn set(&self, replicas: u32, revision: u64) -> ReplicaSet {
        let metadata = &self.deployment.metadata;
        let spec = &self.deployment.spec;
        let mut template = spec.template.clone();
        template["metadata"]["labels"][LABEL_HASH] = self.hash.clone().into();
        let labels = serde_json::from_value(template["metadata"]["labels"].clone());
        let mut selector = spec.selector.clone();
        selector
            .match_labels
            .insert(LABEL_HASH.to_owned(), self.hash.clone());
        let mut annotations = metadata.annotations.clone();
        annotations.remove(LAST_APPLIED);
        annotations.insert(ANNOTATION_REVISION.to_owned(), revision.to_string());
        ReplicaSet {
            metadata: Metadata {
                name: self.wanted.clone(),
                namespace: metadata.namespace.clone(),
                labels: labels.unwrap_or_default(),
                owner_references: vec![self.deployment.as_owner()],
                annotations,
                ..Metadata::default()
            },
            spec: ReplicaSetSpec {
                replicas: Some(replicas),
                selector: LabelSelector { ..selector },
                template,
                min_ready_seconds: spec.min_ready_seconds,
            },
            ..ReplicaSet::default()
        }
    }

    /// The wanted version has the highest number, also when it is an old one that came back; the Deployment says it too.
    fn number(&mut self, new: usize) {
        let others = self.others(Some(new));
        let highest = others
            .iter()
            .map(|place| self.versions[*place].revision)
            .max();
        let known = self.versions[new].revision;
        let number = match highest {
            Some(highest) if highest >= known => highest + 1,
            _ => known.max(1),
        };
        let merge = json!({"metadata": {"annotations": {ANNOTATION_REVISION: number.to_string()}}});
        if known != number {
            let change = Change::patch(&**self.versions[new].set, merge);
            self.decision.changes.push(change);
        } else if revision(&self.deployment.metadata) != number {
            self.decision
                .changes
                .push(Change::patch(self.deployment, merge));
        }
    }

    fn is_recreate(&self) -> bool {
        self.deployment.spec.strategy.kind == "Recreate"
    }

    fn exchange(&mut self, new: usize) {
        let others = self.others(Some(new));
        if self.is_recreate() {
            for place in &others {
                self.scale(*place, 0);
            }
            if others.iter().all(|place| self.versions[*place].is_empty()) {
                self.scale(new, self.desired);
            }
            return;
        }
        let olds = self.crowds(&others);
        let step = surge::step(
            self.versions[new].crowd(),
            &olds,
            self.desired,
            self.limits(),
        );
        self.scale(new, step.new);
        for (place, wanted) in others.into_iter().zip(step.old) {
            self.scale(place, wanted);
        }
    }

    fn scale(&mut self, place: usize, wanted: u32) {
        let set = &**self.versions[place].set;
        let before = set.replicas();
        // A patch of its number goes first; the next look scales it.
        let is_patched = self.decision.changes.iter().any(|change| {
            matches!(change, Change::Patch { target, .. } if target.uid == set.metadata.uid)
        });
        if before == wanted || is_patched {
            return;
        }
        let change = Change::patch(set, json!({"spec": {"replicas": wanted}}));
        let direction = if wanted > before { "up" } else { "down" };
        let name = &set.metadata.name;
        let message = format!("Scaled {direction} replica set {name} to {wanted} from {before}");
        self.decision.changes.push(change);
        self.note("ScalingReplicaSet", message);
    }

    fn note(&mut self, reason: &str, message: String) {
        let note = Note::normal(self.deployment, reason, message);
        self.decision.notes.push(note);
    }

    fn report(&mut self, new: Option<usize>) {
        let known = &self.deployment.status;
        let mut status = DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            conditions: known.conditions.clone(),
            ..DeploymentStatus::default()
        };
        for (place, version) in self.versions.iter().enumerate() {
            let live = count(version.census.live.len());
            status.replicas += live;
            status.ready_replicas += version.census.ready;
            status.available_replicas += version.census.available;
            if Some(place) == new {
                status.updated_replicas = live;
            }
        }
        status.unavailable_replicas = self.desired.saturating_sub(status.available_replicas);
        self.conditions(new, &mut status);
        let known = &self.deployment.status;
        if status == *known {
            return;
        }
        let waited_for = status.conditions != known.conditions
            || status.observed_generation != known.observed_generation;
        let merge = json!(status);
        self.decision.changes.push(if waited_for {
            Change::status(self.deployment, &merge)
        } else {
            Change::report(self.deployment, &merge)
        });
    }

    fn conditions(&mut self, new: Option<usize>, status: &mut DeploymentStatus) {
        let now = self.now;
        let condition =
            move |kind: &str, (status, reason, message): (&str, &str, &str)| Condition {
                kind: kind.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                last_transition_time: Some(now),
            };
        let minimum = self.limits().min_available(self.desired);
        let available = if status.available_replicas >= minimum {
            (
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            (
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        };
        condition("Available", available).put(&mut status.conditions);
        if self.deployment.spec.paused {
            let paused = ("Unknown", "DeploymentPaused", "Deployment is paused");
            condition("Progressing", paused).put(&mut status.conditions);
            return;
        }
        let (is, reason, message) = self.progress(new, status);
        condition("Progressing", (is, reason, &message)).put(&mut status.conditions);
    }

    fn progress(
        &mut self,
        new: Option<usize>,
        status: &DeploymentStatus,
    ) -> (&'static str, &'static str, String) {
        let name = self.wanted.clone();
        let Some(new) = new else {
            let message = format!("Created new replica set {name:?}");
            return ("True", "NewReplicaSetCreated", message);
        };
        let others = self.others(Some(new));
        let version = &self.versions[new];
        if surge::is_done(version.crowd(), &self.crowds(&others), self.desired) {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            return ("True", "NewReplicaSetAvailable", message);
        }
        let deadline = self.deployment.spec.progress_deadline_seconds;
        let deadline = Duration::from_secs(deadline.unwrap_or(DEFAULT_DEADLINE));
        let key = version.set.metadata.key();
        let waited = self
            .world
            .sightings
            .standstill(ReplicaSet::KIND, &key, self.now);
        if waited >= deadline {
            let message = format!("ReplicaSet {name:?} has timed out progressing.");
            return ("False", "ProgressDeadlineExceeded", message);
        }
        let mut message = format!("ReplicaSet {name:?} is progressing.");
        if let Some((reason, cause)) = trouble(&version.census.live) {
            message = format!("{message} {cause}");
            if !status.conditions.iter().any(|one| one.message == message) {
                let note = Note::warning(self.deployment, &reason, cause);
                self.decision.notes.push(note);
            }
        }
        self.decision.look_again(deadline.saturating_sub(waited));
        ("True", "ReplicaSetUpdated", message)
    }

    /// Old versions without pods beyond the limit go, the oldest first.
    fn prune(&mut self, new: Option<usize>) {
        let limit = self.deployment.spec.revision_history_limit;
        let limit = limit.unwrap_or(DEFAULT_HISTORY) as usize;
        let others = self.others(new).into_iter();
        let empty: Vec<usize> = others
            .filter(|place| self.versions[*place].is_empty())
            .collect();
        let surplus = empty.len().saturating_sub(limit);
        for place in empty.into_iter().take(surplus) {
            let change = Change::delete(&**self.versions[place].set);
            self.decision.changes.push(change);
        }
    }
}

fn revision(metadata: &Metadata) -> u64 {
    let text = metadata.annotations.get(ANNOTATION_REVISION);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::world::put;
    use serde_json::Value;

    fn deployment(image: &str, change: &Value) -> Value {
        let mut deployment = json!({
            "metadata": {"name": "web", "namespace": "demo", "uid": "d", "annotations": {"a": "b", LAST_APPLIED: "x"}},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}},
            },
        });
        json_patch::merge(&mut deployment, change);
        deployment
    }

    fn look(world: &World) -> Decision {
        Deployments.decide(&Key::new("demo", "web"), world, Timestamp::from_second(0))
    }

    fn made(decision: &Decision) -> Value {
        let mut changes = decision.changes.iter();
        let made = changes.find_map(|change| match change {
            Change::Create { object, .. } => Some(object.clone()),
            _ => None,
        });
        made.unwrap_or_default()
    }

    /// Stores what was made, as the API server does.
    fn store(world: &mut World, mut set: Value, replicas: u32) {
        set["metadata"]["uid"] = set["metadata"]["name"].clone();
        set["spec"]["replicas"] = replicas.into();
        put::<ReplicaSet>(world, set);
    }

    #[test]
    fn a_version_is_named_after_its_template() {
        let mut world = World::default();
        put::<Deployment>(&mut world, deployment("i", &json!({})));
        let decision = look(&world);
        let set = made(&decision);
        let hash = set["metadata"]["labels"]["pod-template-hash"]
            .as_str()
            .unwrap();
        assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
        assert_eq!(
            set["metadata"]["annotations"],
            json!({"a": "b", ANNOTATION_REVISION: "1"})
        );
        assert_eq!(set["spec"]["replicas"], 3);
        let labels = json!({"app": "web", LABEL_HASH: hash});
        assert_eq!(set["spec"]["selector"]["matchLabels"], labels);
        assert_eq!(set["spec"]["template"]["metadata"]["labels"], labels);
        assert_eq!(made(&look(&world)), set, "the same again after a crash");
        let same = json!({"spec": {"template": {"spec": {"securityContext": {}}}}});
        put::<Deployment>(&mut world, deployment("i", &same));
        assert_eq!(
            made(&look(&world))["metadata"]["name"],
            set["metadata"]["name"]
        );
        put::<Deployment>(&mut world, deployment("other", &json!({})));
        assert_ne!(
            made(&look(&world))["metadata"]["name"],
            set["metadata"]["name"]
        );
    }

    #[test]
    fn a_version_that_comes_back_gets_a_new_number() {
        let mut world = World::default();
        put::<Deployment>(&mut world, deployment("one", &json!({})));
        let first = made(&look(&world));
        store(&mut world, first.clone(), 3);
        put::<Deployment>(&mut world, deployment("two", &json!({})));
        let second = made(&look(&world));
        assert_eq!(second["metadata"]["annotations"][ANNOTATION_REVISION], "2");
        store(&mut world, second, 0);
        put::<Deployment>(&mut world, deployment("one", &json!({})));
        match &look(&world).changes[0] {
            Change::Patch { target, merge, .. } => {
                assert_eq!(target.key.name, first["metadata"]["name"].as_str().unwrap());
                assert_eq!(merge["metadata"]["annotations"][ANNOTATION_REVISION], "3");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn recreate_waits_and_a_paused_one_stays() {
        let mut world = World::default();
        let recreate = json!({"spec": {"strategy": {"type": "Recreate"}}});
        put::<Deployment>(&mut world, deployment("one", &recreate));
        let first = made(&look(&world));
        assert_eq!(first["spec"]["replicas"], 0);
        store(&mut world, first, 3);
        put::<Deployment>(&mut world, deployment("two", &recreate));
        let second = made(&look(&world));
        store(&mut world, second.clone(), 0);
        let scaled: Vec<u64> = look(&world)
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Patch { merge, .. } => merge["spec"]["replicas"].as_u64(),
                _ => None,
            })
            .collect();
        assert_eq!(scaled, [0], "the old one only");
        put::<Deployment>(
            &mut world,
            deployment("three", &json!({"spec": {"paused": true}})),
        );
        assert_eq!(made(&look(&world)), Value::Null);
    }
}
