//! What was seen of rollouts and operations, and when, on this process's own clock.
//!
//! Pure data, fed by the world. After a restart everything counts from the moment it is found again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::api::meta::Key;
use crate::api::upshift::Operation;
use crate::api::upshift::Rollout;
use crate::api::upshift::StepPhase;
use crate::base::clock::Timestamp;
use crate::controllers::world::Held;
use crate::plan::step;

/// Rollouts and operations as this process met them.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    ended: BTreeMap<Key, Timestamp>,
    /// Which attempt of a rollout is asked for, and since when.
    rollouts_known: BTreeMap<Key, (u32, Timestamp)>,
    switches: BTreeMap<Key, (StepPhase, Timestamp)>,
    under_way: BTreeMap<Key, BTreeSet<Key>>,
}

impl Progress {
    /// How long ago an operation was seen to be over; none when it is not.
    pub(super) fn since_end(&self, operation: &Key, now: Timestamp) -> Option<Duration> {
        self.ended.get(operation).map(|at| now.since(*at))
    }

    /// How long the attempt of a rollout that is asked for is known.
    pub(super) fn rollout_known(&self, rollout: &Key, now: Timestamp) -> Duration {
        self.rollouts_known
            .get(rollout)
            .map_or(Duration::ZERO, |(_, since)| now.since(*since))
    }

    /// How long the switch of a rollout's traffic is in its phase.
    pub(super) fn since_switch(&self, rollout: &Key, now: Timestamp) -> Duration {
        self.switches
            .get(rollout)
            .map_or(Duration::ZERO, |(_, since)| now.since(*since))
    }

    /// The operations of an application's gears that are not over.
    pub(super) fn under_way(&self, application: &Key) -> impl Iterator<Item = &Key> {
        self.under_way.get(application).into_iter().flatten()
    }

    /// Takes an operation's new state in.
    pub(super) fn operation(
        &mut self,
        key: &Key,
        before: Option<&Operation>,
        operation: Option<&Operation>,
        now: Timestamp,
    ) {
        let owner = before.or(operation).and_then(Held::application);
        let owner = owner.map(|name| Key::new(key.namespace.clone(), name));
        let is_over = operation.is_some_and(|operation| operation.status.phase.is_final());
        if is_over {
            self.ended.entry(key.clone()).or_insert(now);
        } else {
            self.ended.remove(key);
        }
        let Some(owner) = owner else {
            return;
        };
        if operation.is_some() && !is_over {
            self.under_way.entry(owner).or_default().insert(key.clone());
        } else if let Some(keys) = self.under_way.get_mut(&owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.under_way.remove(&owner);
            }
        }
    }

    /// Takes a rollout's new state in.
    pub(super) fn rollout(&mut self, key: &Key, rollout: Option<&Rollout>, now: Timestamp) {
        let Some(rollout) = rollout else {
            self.rollouts_known.remove(key);
            self.switches.remove(key);
            return;
        };
        let attempt = rollout.spec.attempt;
        let known = self.rollouts_known.get(key);
        if known.is_none_or(|(seen, _)| *seen != attempt) {
            self.rollouts_known.insert(key.clone(), (attempt, now));
        }
        let switch = rollout.status.steps.iter().find_map(|one| {
            let is_switch = one.name == step::SWITCH_TRAFFIC.name;
            is_switch.then_some(one.phase)
        });
        match (switch, self.switches.get(key)) {
            (None, _) => {
                self.switches.remove(key);
            }
            (Some(phase), Some((seen, _))) if phase == *seen => {}
            (Some(phase), _) => {
                self.switches.insert(key.clone(), (phase, now));
            }
        }
    }
}
