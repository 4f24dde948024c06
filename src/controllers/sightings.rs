//! What was seen of pods and what keeps them, of endpoints, waiting steps, routers and images, and when: on this process' own clock, from first sight.
//!
//! Part of the world. After a restart every wait begins again: a little late is right, a wrong clock is not.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::core::ObjectReference;
use crate::api::deployment::RolloutPhase;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::network::EndpointSlice;
use crate::api::network::Router;
use crate::api::network::RouterKind;
use crate::api::pod::Pod;
use crate::api::pod::Replicated;
use crate::api::upshift::Gear;
use crate::api::upshift::LABEL_APPLICATION;
use crate::api::upshift::Operation;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::plan::step;

/// The moments.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    pods: BTreeMap<Key, PodSeen>,
    leaving: BTreeSet<Key>,
    gears: BTreeMap<Key, String>,
    /// The slices that name an endpoint, by the uid of what stands behind it, and from which version on.
    named: BTreeMap<String, BTreeMap<Key, u64>>,
    /// How a pod or gear left rotation, by uid.
    left: BTreeMap<String, Left>,
    /// The operations whose step is the controllers' to perform.
    turns: BTreeMap<Key, Turn>,
    /// Routers of this program whose object went away, and when.
    gone: BTreeMap<String, Timestamp>,
    sets: BTreeMap<(&'static str, Key), Progress>,
    images: BTreeMap<Key, Timestamp>,
}

/// An operation that waits for the controllers.
#[derive(Clone, Debug, PartialEq)]
struct Turn {
    uid: String,
    step: &'static str,
    application: String,
    gear: String,
    node: String,
    since: Timestamp,
}

/// From which version of the slices on a pod or gear is out of rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    At(u64),
    /// Its slice was deleted after that version, and of a deletion nobody tells the version.
    After(u64),
}

/// Since when a pod is what it is now.
#[derive(Clone, Debug, Default, PartialEq)]
struct PodSeen {
    uid: String,
    ready: Option<Timestamp>,
    leaving: Option<Timestamp>,
    over: Option<Timestamp>,
}

/// How far a set of pods has come, and when it came there.
#[derive(Clone, Debug, PartialEq)]
struct Progress {
    uid: String,
    phase: RolloutPhase,
    replicas: u32,
    available: u32,
    at: Timestamp,
}

impl Sightings {
    /// Takes a pod's present state in.
    pub(super) fn pod(&mut self, key: &Key, pod: Option<&Pod>, now: Timestamp) {
        let Some(pod) = pod else {
            if let Some(seen) = self.pods.remove(key) {
                self.left.remove(&seen.uid);
            }
            self.leaving.remove(key);
            return;
        };
        if pod.metadata.is_deleting() {
            self.leaving.insert(key.clone());
        } else {
            self.leaving.remove(key);
        }
        let before = self.pods.remove(key).unwrap_or_default();
        let before = if before.uid == pod.metadata.uid {
            before
        } else {
            PodSeen::default()
        };
        let since = |is: bool, before: Option<Timestamp>| is.then(|| before.unwrap_or(now));
        let seen = PodSeen {
            uid: pod.metadata.uid.clone(),
            ready: since(pod.is_ready(), before.ready),
            leaving: since(pod.metadata.is_deleting(), before.leaving),
            over: since(pod.is_over(), before.over),
        };
        if seen.ready.is_some() || seen.leaving.is_some() || seen.over.is_some() {
            self.pods.insert(key.clone(), seen);
        }
    }

    /// Takes in that a gear is there, or gone.
    pub(super) fn gear(&mut self, key: &Key, gear: Option<&Gear>) {
        let uid = gear.map(|gear| gear.metadata.uid.clone());
        if self.gears.get(key) == uid.as_ref() {
            return;
        }
        if let Some(old) = self.gears.remove(key) {
            self.left.remove(&old);
        }
        if let Some(uid) = uid {
            self.gears.insert(key.clone(), uid);
        }
    }

    /// Takes an operation's present state in: whether a step of it waits for the controllers.
    pub(super) fn operation(&mut self, key: &Key, operation: Option<&Operation>, now: Timestamp) {
        let waiting = operation.and_then(|operation| Some((operation, turn(operation)?)));
        let Some((operation, step)) = waiting else {
            self.turns.remove(key);
            return;
        };
        let known = self.turns.get(key);
        let uid = &operation.metadata.uid;
        if known.is_some_and(|known| known.uid == *uid && known.step == step) {
            return;
        }
        let application = operation.metadata.labels.get(LABEL_APPLICATION);
        let turn = Turn {
            uid: uid.clone(),
            step,
            application: application.cloned().unwrap_or_default(),
            gear: operation.spec.gear.clone(),
            node: operation.spec.node.clone(),
            since: now,
        };
        self.turns.insert(key.clone(), turn);
    }

    /// Takes in that a silent node is heard again: what waits on it has its whole time again.
    pub(super) fn heard_again(&mut self, node: &str, now: Timestamp) {
        for turn in self.turns.values_mut().filter(|turn| turn.node == node) {
            turn.since = now;
        }
    }

    /// How long an operation's step has waited for the controllers; none when none does.
    pub fn turn(&self, operation: &Key, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.turns.get(operation)?.since))
    }

    /// The operations that wait for the controllers.
    pub fn turns(&self) -> impl Iterator<Item = &Key> {
        self.turns.keys()
    }

    /// Those of an application.
    pub fn turns_of(&self, application: &Key) -> impl Iterator<Item = &Key> {
        let turns = self.turns.range(Key::new(&*application.namespace, "")..);
        turns
            .take_while(|(key, _)| key.namespace == application.namespace)
            .filter(|(_, turn)| turn.application == application.name)
            .map(|(key, _)| key)
    }

    /// Those of a gear.
    pub fn turns_of_gear(&self, gear: &Key) -> impl Iterator<Item = &Key> {
        let turns = self.turns.range(Key::new(&*gear.namespace, "")..);
        turns
            .take_while(|(key, _)| key.namespace == gear.namespace)
            .filter(|(_, turn)| turn.gear == gear.name)
            .map(|(key, _)| key)
    }

    /// Takes a router's old and new state in: whether it is there.
    pub(super) fn router(
        &mut self,
        before: Option<&Router>,
        after: Option<&Router>,
        now: Timestamp,
    ) {
        match (before, after) {
            (_, Some(router)) => {
                self.gone.remove(&router.metadata.name);
            }
            (Some(router), None) if router.spec.kind == RouterKind::BuiltIn => {
                self.gone.insert(router.metadata.name.clone(), now);
            }
            _ => {}
        }
    }

    /// A router of this program whose object went away less than `lately` ago: it may serve and say so again.
    pub fn router_gone(&self, lately: Duration, now: Timestamp) -> Option<&str> {
        let mut gone = self.gone.iter();
        let (name, _) = gone.find(|(_, at)| now.since(**at) < lately)?;
        Some(name)
    }

    /// Takes a slice's old and new state in: whom it names, and who left it at which version.
    pub(super) fn slice(
        &mut self,
        key: &Key,
        before: Option<&EndpointSlice>,
        after: Option<&EndpointSlice>,
    ) {
        let stays: BTreeSet<&str> = uids(after).collect();
        for uid in &stays {
            let slices = self.named.entry((*uid).to_owned()).or_default();
            let version = after.map_or(0, |after| after.metadata.revision());
            slices.entry(key.clone()).or_insert(version);
        }
        let Some(before) = before else { return };
        let version = after.map_or(Left::After(before.metadata.revision()), |after| {
            Left::At(after.metadata.revision())
        });
        for one in targets(before).filter(|one| !stays.contains(&*one.uid)) {
            if let Some(slices) = self.named.get_mut(&one.uid) {
                slices.remove(key);
                if slices.is_empty() {
                    self.named.remove(&one.uid);
                }
            }
            let key = Key::new(one.namespace.clone(), one.name.clone());
            let pod = self.pods.get(&key).map(|seen| &seen.uid);
            if pod == Some(&one.uid) || self.gears.get(&key) == Some(&one.uid) {
                self.left.insert(one.uid.clone(), version);
            }
        }
    }

    /// A slice that names an endpoint, by the uid of what stands behind it.
    pub fn slice_of(&self, uid: &str) -> Option<&Key> {
        self.named.get(uid)?.keys().next()
    }

    /// The slices that name an endpoint, each with the version from which on it does, as far as this process knows.
    pub fn slices_of(&self, uid: &str) -> impl Iterator<Item = (&Key, u64)> {
        let slices = self.named.get(uid).into_iter().flatten();
        slices.map(|(key, version)| (key, *version))
    }

    /// The version of its slice at which a pod or gear left rotation; none when this process has not seen that.
    pub fn left(&self, uid: &str) -> Option<Left> {
        self.left.get(uid).copied()
    }

    /// Takes a replication controller's or replica set's present state in. Only more counts as progress, so that a pod
    /// that comes and goes does not hold a timeout up.
    pub(super) fn set<T: Replicated>(&mut self, key: &Key, set: Option<&T>, now: Timestamp) {
        let place = (T::KIND.plural, key.clone());
        let Some(set) = set else {
            self.sets.remove(&place);
            return;
        };
        let phase = RolloutPhase::of(set.metadata());
        let (replicas, available) = (set.replicas(), set.counts().available_replicas);
        match self.sets.get_mut(&place) {
            Some(seen) if seen.uid == set.metadata().uid && seen.phase == phase => {
                if replicas > seen.replicas || available > seen.available {
                    seen.at = now;
                }
                seen.replicas = seen.replicas.max(replicas);
                seen.available = seen.available.max(available);
            }
            _ => {
                let seen = Progress {
                    uid: set.metadata().uid.clone(),
                    phase,
                    replicas,
                    available,
                    at: now,
                };
                self.sets.insert(place, seen);
            }
        }
    }

    /// Takes in whether an image is there.
    pub(super) fn image(&mut self, key: &Key, is_there: bool, now: Timestamp) {
        if is_there {
            self.images.entry(key.clone()).or_insert(now);
        } else {
            self.images.remove(key);
        }
    }

    /// How long a pod has been ready without a break; none when it is not.
    pub fn ready(&self, pod: &Key, now: Timestamp) -> Option<Duration> {
        self.of_pod(pod, now, |seen| seen.ready)
    }

    /// How long a pod's end has been asked for; none when it was not.
    pub fn leaving(&self, pod: &Key, now: Timestamp) -> Option<Duration> {
        self.of_pod(pod, now, |seen| seen.leaving)
    }

    /// How long a pod has been over; none when it is not.
    pub fn over(&self, pod: &Key, now: Timestamp) -> Option<Duration> {
        self.of_pod(pod, now, |seen| seen.over)
    }

    /// The pods whose end was asked for.
    pub fn all_leaving(&self) -> impl Iterator<Item = &Key> {
        self.leaving.iter()
    }

    /// How long a set of pods has come no further.
    pub fn standstill(&self, kind: &'static Kind, set: &Key, now: Timestamp) -> Duration {
        self.sets
            .get(&(kind.plural, set.clone()))
            .map_or(Duration::ZERO, |seen| now.since(seen.at))
    }

    /// How long an image has been known.
    pub fn image_known(&self, image: &Key, now: Timestamp) -> Duration {
        self.images
            .get(image)
            .map_or(Duration::ZERO, |since| now.since(*since))
    }

    fn of_pod(
        &self,
        pod: &Key,
        now: Timestamp,
        moment: impl Fn(&PodSeen) -> Option<Timestamp>,
    ) -> Option<Duration> {
        let since = moment(self.pods.get(pod)?)?;
        Some(now.since(since))
    }
}

/// The step of an operation that its agent has handed over and the controllers have not decided.
pub(crate) fn turn(operation: &Operation) -> Option<&'static str> {
    if operation.status.phase.is_final() {
        return None;
    }
    let mut steps = operation.status.steps.iter();
    let running = steps.find(|step| step.phase == StepPhase::Running)?;
    let traffic = [step::BLOCK_TRAFFIC.name, step::ALLOW_TRAFFIC.name];
    let step = traffic.into_iter().find(|name| running.name == *name)?;
    let outcome = operation.spec.control.get(step);
    let is_decided = outcome.is_some_and(|outcome| {
        matches!(
            outcome.phase,
            StepPhase::Done | StepPhase::Failed | StepPhase::Skipped
        )
    });
    (!is_decided).then_some(step)
}

fn targets(slice: &EndpointSlice) -> impl Iterator<Item = &ObjectReference> {
    let endpoints = slice.endpoints.iter();
    endpoints.filter_map(|one| one.target_ref.as_ref())
}

fn uids(slice: Option<&EndpointSlice>) -> impl Iterator<Item = &str> {
    slice
        .into_iter()
        .flat_map(targets)
        .map(|target| &*target.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second)
    }

    #[test]
    fn a_pod_that_was_ready_before_is_ready_from_now() {
        let key = Key::new("demo", "a");
        let mut seen = Sightings::default();
        let mut tell = |second: i64, uid: &str, ready: &str| {
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {"name": "a", "namespace": "demo", "uid": uid},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap();
            seen.pod(&key, Some(&pod), at(second));
            seen.ready(&key, at(second)).map(|since| since.as_secs())
        };
        assert_eq!(tell(0, "1", "False"), None);
        assert_eq!(tell(5, "1", "True"), Some(0));
        assert_eq!(tell(9, "1", "True"), Some(4));
        assert_eq!(tell(10, "1", "False"), None);
        assert_eq!(tell(12, "1", "True"), Some(0));
        assert_eq!(tell(20, "2", "True"), Some(0), "another pod of that name");
    }

    #[test]
    fn only_more_is_progress() {
        use crate::api::meta::Typed;
        use crate::api::pod::ReplicationController;
        let key = Key::new("demo", "a-1");
        let mut seen = Sightings::default();
        let mut tell = |second: i64, phase: &str, replicas: u32, available: u32| {
            let set: ReplicationController = serde_json::from_value(json!({
                "metadata": {"name": "a-1", "uid": "1", "annotations": {"openshift.io/deployment.phase": phase}},
                "spec": {"replicas": replicas},
                "status": {"availableReplicas": available},
            }))
            .unwrap();
            seen.set(&key, Some(&set), at(second));
            seen.standstill(ReplicationController::KIND, &key, at(second))
                .as_secs()
        };
        assert_eq!(tell(0, "New", 0, 0), 0);
        assert_eq!(tell(10, "Running", 1, 0), 0);
        assert_eq!(tell(20, "Running", 1, 1), 0);
        assert_eq!(tell(30, "Running", 1, 0), 10);
        assert_eq!(tell(40, "Running", 1, 1), 20, "it was there before");
        assert_eq!(tell(50, "New", 1, 1), 0, "a retry begins again");
    }
}
