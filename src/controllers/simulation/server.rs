//! What stands for the API server: objects get versions, finalizers and times, and changes are taken or refused.

use super::*;

impl Cluster {
    pub(super) fn make(&mut self, kind: &'static Kind, mut object: Value) {
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let key = Key::new(namespace, object["metadata"]["name"].as_str().unwrap());
        object["metadata"]["uid"] = format!("uid-{}", self.revision + 1).into();
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.into();
        object["metadata"]["creationTimestamp"] =
            Timestamp::from_second(self.now).to_string().into();
        if kind.has_status {
            object["status"] = json!({});
        }
        self.store(place(kind, &key), Some(object));
    }

    pub(crate) fn user_spec(&mut self, kind: &'static Kind, key: &Key, spec: Value) {
        let at = place(kind, key);
        let mut object = self.objects[&at].clone();
        merge(&mut object["spec"], spec);
        self.store(at, Some(object));
    }

    pub(super) fn user_status(&mut self, kind: &'static Kind, key: &Key, status: Value) {
        let at = place(kind, key);
        let mut object = self.objects[&at].clone();
        merge(&mut object["status"], status);
        self.store(at, Some(object));
    }

    pub(crate) fn user_delete(&mut self, kind: &'static Kind, key: &Key) {
        let at = place(kind, key);
        let Some(mut object) = self.objects.get(&at).cloned() else {
            return;
        };
        if object["metadata"]["deletionTimestamp"].is_string() {
            return;
        }
        if has_finalizers(&object) || pods::ends_gracefully(kind, &object) {
            object["metadata"]["deletionTimestamp"] =
                Timestamp::from_second(self.now).to_string().into();
            self.store(at, Some(object));
        } else {
            self.store(at, None);
        }
    }

    pub(super) fn store(&mut self, at: Place, object: Option<Value>) {
        self.revision += 1;
        let object = object.and_then(|mut object| {
            object["metadata"]["resourceVersion"] = self.revision.to_string().into();
            let gone = object["metadata"]["deletionTimestamp"].is_string()
                && at.0 != kinds::POD.plural
                && !has_finalizers(&object);
            (!gone).then_some(object)
        });
        match &object {
            Some(object) => self.objects.insert(at.clone(), object.clone()),
            None => self.objects.remove(&at),
        };
        let delivery = Delivery {
            place: at.clone(),
            revision: self.revision,
            object,
        };
        self.deliveries.entry(at.0).or_default().push_back(delivery);
        self.check_invariants();
    }

    #[expect(clippy::too_many_lines, reason = "one arm per kind of change")]
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), &'static str> {
        match change {
            Change::Create { kind, object } => {
                let key = Key::new(
                    object["metadata"]["namespace"].as_str().unwrap_or_default(),
                    object["metadata"]["name"].as_str().unwrap(),
                );
                let namespace = place(&kinds::NAMESPACE, &Key::new("", key.namespace.clone()));
                let ending = self.objects.get(&namespace).is_some_and(|namespace| {
                    namespace["metadata"]["deletionTimestamp"].is_string()
                });
                if ending && *kind != &kinds::OPERATION {
                    return Err("the namespace is being terminated");
                }
                if !self.objects.contains_key(&place(kind, &key)) {
                    self.make(kind, object.clone());
                }
                Ok(())
            }
            Change::Begin {
                operation,
                holder,
                gear,
            } => {
                if let Some(gear) = gear {
                    self.still_as_seen(gear)?;
                }
                self.begin(operation, holder.as_deref())
            }
            Change::Patch {
                target,
                part,
                merge: patch,
                ..
            } => {
                let mut object = self.current(target)?;
                match part {
                    Part::Main => {
                        let status = object["status"].clone();
                        merge(&mut object, patch.clone());
                        object["status"] = status;
                    }
                    Part::Status => merge(&mut object["status"], patch["status"].clone()),
                }
                if object != self.objects[&place(target.kind, &target.key)] {
                    self.store(place(target.kind, &target.key), Some(object));
                }
                Ok(())
            }
            Change::Delete {
                target,
                decided_on,
                grace,
            } => {
                for other in decided_on {
                    self.still_as_seen(other)?;
                }
                if !self.objects.contains_key(&place(target.kind, &target.key)) {
                    return Ok(());
                }
                self.current(target)?;
                match grace {
                    Grace::Own => self.user_delete(target.kind, &target.key),
                    Grace::None => self.store(place(target.kind, &target.key), None),
                }
                Ok(())
            }
            Change::DeleteOrphan { target, owners } => {
                let is_there = |owner: &Target| {
                    let object = self.objects.get(&place(owner.kind, &owner.key));
                    object.is_some_and(|object| object["metadata"]["uid"] == owner.uid.as_str())
                };
                if owners.iter().any(is_there)
                    || !self.objects.contains_key(&place(target.kind, &target.key))
                {
                    return Ok(());
                }
                self.current(target)?;
                self.user_delete(target.kind, &target.key);
                Ok(())
            }
            Change::EmptyNamespace {
                target,
                merge: patch,
            } => {
                let inside: Vec<Place> = self
                    .objects
                    .keys()
                    .filter(|(_, key)| key.namespace == target.key.name)
                    .cloned()
                    .collect();
                let kind =
                    |at: &Place| *kinds::ALL.iter().find(|kind| kind.plural == at.0).unwrap();
                let (last, first): (Vec<Place>, Vec<Place>) =
                    inside.iter().cloned().partition(|at| goes_last(kind(at)));
                for at in if first.is_empty() { last } else { first } {
                    self.user_delete(kind(&at), &at.1);
                }
                if !inside.is_empty() {
                    return Err("not yet");
                }
                let mut object = self.current(target)?;
                merge(&mut object, patch.clone());
                self.store(place(target.kind, &target.key), Some(object));
                Ok(())
            }
        }
    }

    pub(super) fn begin(
        &mut self,
        operation: &Operation,
        holder: Option<&str>,
    ) -> Result<(), &'static str> {
        let application: Application = self
            .get(&named(&operation.spec.deployment.application))
            .ok_or("application gone")?;
        if holder.is_some_and(|holder| application.status.rollout != holder) {
            return Err("not yet");
        }
        let busy = self.live().iter().any(|other| {
            other.spec.gear == operation.spec.gear && other.metadata.name != operation.metadata.name
        });
        if busy {
            return Err("not yet");
        }
        self.apply(&Change::create(operation))
    }

    pub(super) fn still_as_seen(&self, target: &Target) -> Result<(), &'static str> {
        let object = self.objects.get(&place(target.kind, &target.key));
        let version = object.map_or("", |object| {
            object["metadata"]["resourceVersion"].as_str().unwrap()
        });
        if version == target.version {
            Ok(())
        } else {
            Err("not yet")
        }
    }

    pub(super) fn current(&self, target: &Target) -> Result<Value, &'static str> {
        let object = self
            .objects
            .get(&place(target.kind, &target.key))
            .ok_or("gone")?;
        let same = object["metadata"]["resourceVersion"] == target.version.as_str()
            && object["metadata"]["uid"] == target.uid.as_str();
        if same {
            Ok(object.clone())
        } else {
            Err("conflict")
        }
    }
}
