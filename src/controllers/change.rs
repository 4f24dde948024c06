//! What a decision asks for: writes, events, and when to look again. Plain data.
//!
//! A write carries the version it was decided on, so that a decision taken on an old picture changes nothing. Who
//! performs it (`perform.rs`, or the simulated world of the tests) adds nothing of its own.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::api::core::ObjectReference;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::meta::Metadata;
use crate::api::meta::Typed;
use crate::api::upshift::Gear;
use crate::api::upshift::Operation;

/// What one look at a key came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Performed in this order, those about different gears side by side; the first that fails ends it, and the key is
    /// looked at again.
    pub changes: Vec<Change>,
    /// Written when every change was.
    pub notes: Vec<Note>,
    /// Written when a change fails, the error behind its message.
    pub blame: Option<Note>,
    /// When to look again though nothing has changed.
    pub again: Option<Duration>,
}

impl Decision {
    /// Nothing to do until something changes.
    pub fn nothing() -> Decision {
        Decision::default()
    }

    /// One change.
    pub fn one(change: Change) -> Decision {
        Decision {
            changes: vec![change],
            ..Decision::default()
        }
    }

    /// Adds an event.
    #[must_use]
    pub fn noting(mut self, note: Note) -> Decision {
        self.notes.push(note);
        self
    }

    /// Looks again after that time, or earlier when that was asked for already.
    pub fn look_again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |already| already.min(after)));
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Makes an object; one of that name being there already is fine, because children are named after their owner.
    Create { kind: &'static Kind, object: Value },
    /// Makes an Operation, if at that moment no other one is under way on its gear and the application is held by whom
    /// the decision thought. Asked at the server, one at a time for each gear: several controllers make operations, each
    /// from its own picture.
    Begin {
        operation: Box<Operation>,
        /// The rollout that must hold the application, "" for none; none: no matter.
        holder: Option<String>,
        /// The gear, when the decision rests on its state.
        gear: Option<Target>,
    },
    /// Merges into an object, or into its status, if it still has that version.
    Patch {
        target: Target,
        part: Part,
        merge: Value,
        pace: Pace,
    },
    /// Asks for an object's deletion, if what the decision rests on is still in that version (no version: still absent).
    Delete {
        target: Target,
        decided_on: Vec<Target>,
        grace: Grace,
    },
    /// Deletes an object none of whose owners is there; the owners are asked for at the server first.
    DeleteOrphan { target: Target, owners: Vec<Target> },
    /// Deletes what is in a namespace, kind by kind, and lets the namespace go when nothing is left.
    EmptyNamespace { target: Target, merge: Value },
}

/// The object that a change is about, as it was when it was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub kind: &'static Kind,
    pub key: Key,
    pub uid: String,
    pub version: String,
}

impl Target {
    /// This object in this version.
    pub fn of<T: Typed>(object: &T) -> Target {
        Target::from_metadata(T::KIND, object.metadata())
    }

    /// An object that is not there.
    pub fn absent(kind: &'static Kind, key: Key) -> Target {
        Target {
            kind,
            key,
            uid: String::new(),
            version: String::new(),
        }
    }

    /// The object with this metadata.
    pub fn from_metadata(kind: &'static Kind, metadata: &Metadata) -> Target {
        Target {
            kind,
            key: metadata.key(),
            uid: metadata.uid.clone(),
            version: metadata.resource_version.clone(),
        }
    }
}

/// How a pod that is deleted ends; of other kinds it means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grace {
    /// Its node ends it in its own time.
    #[default]
    Own,
    /// It is gone at once: no node has it any more.
    None,
}

/// Which half of an object a patch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Main,
    Status,
}

/// Whether a write may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Another part waits for it.
    Now,
    /// It only reports: at most about once a second for one object.
    Gentle,
}

impl Change {
    /// Makes an object of a view.
    pub fn create<T: Typed>(object: &T) -> Change {
        Change::Create {
            kind: T::KIND,
            object: object.to_object(),
        }
    }

    /// Starts an operation of a rollout while that holds the application.
    pub fn begin_in_rollout(operation: Operation, rollout: &str) -> Change {
        Change::Begin {
            operation: Box::new(operation),
            holder: Some(rollout.to_owned()),
            gear: None,
        }
    }

    /// Starts an operation that brings a gear up to date while no rollout holds the application.
    pub fn begin_alone(operation: Operation, gear: &Gear) -> Change {
        Change::Begin {
            operation: Box::new(operation),
            holder: Some(String::new()),
            gear: Some(Target::of(gear)),
        }
    }

    /// Starts the operation that removes a gear, whoever holds the application.
    pub fn begin_removal(operation: Operation, gear: &Gear) -> Change {
        Change::Begin {
            operation: Box::new(operation),
            holder: None,
            gear: Some(Target::of(gear)),
        }
    }

    /// Patches spec or metadata.
    pub fn patch<T: Typed>(object: &T, merge: Value) -> Change {
        Change::Patch {
            target: Target::of(object),
            part: Part::Main,
            merge,
            pace: Pace::Now,
        }
    }

    /// Patches the status.
    pub fn status<T: Typed>(object: &T, status: &Value) -> Change {
        Change::Patch {
            target: Target::of(object),
            part: Part::Status,
            merge: json!({ "status": status }),
            pace: Pace::Now,
        }
    }

    /// Patches the status when there is time for it.
    pub fn report<T: Typed>(object: &T, status: &Value) -> Change {
        Change::Patch {
            target: Target::of(object),
            part: Part::Status,
            merge: json!({ "status": status }),
            pace: Pace::Gentle,
        }
    }

    /// Asks for deletion.
    pub fn delete<T: Typed>(object: &T) -> Change {
        Change::delete_if(object, Vec::new())
    }

    /// Asks for deletion if other objects are still as they were.
    pub fn delete_if<T: Typed>(object: &T, decided_on: Vec<Target>) -> Change {
        Change::Delete {
            target: Target::of(object),
            decided_on,
            grace: Grace::Own,
        }
    }

    /// Deletes a pod that no node has any more, if that is still so.
    pub fn delete_at_once<T: Typed>(object: &T, decided_on: Vec<Target>) -> Change {
        Change::Delete {
            target: Target::of(object),
            decided_on,
            grace: Grace::None,
        }
    }

    /// Adds a finalizer.
    pub fn add_finalizer<T: Typed>(object: &T, finalizer: &str) -> Change {
        let mut finalizers = object.metadata().finalizers.clone();
        finalizers.push(finalizer.to_owned());
        Change::patch(object, json!({"metadata": {"finalizers": finalizers}}))
    }

    /// Takes a finalizer away.
    pub fn remove_finalizer<T: Typed>(object: &T, finalizer: &str) -> Change {
        Change::patch(object, without_finalizer(object.metadata(), finalizer))
    }
}

/// The merge patch that takes a finalizer away.
pub fn without_finalizer(metadata: &Metadata, finalizer: &str) -> Value {
    let rest: Vec<&String> = metadata
        .finalizers
        .iter()
        .filter(|one| *one != finalizer)
        .collect();
    json!({"metadata": {"finalizers": rest}})
}

/// An event to be written: what happened to which object.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub about: ObjectReference,
    pub severity: Severity,
    pub reason: String,
    pub message: String,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Normal,
    Warning,
}

impl Note {
    /// Something that went as it should.
    pub fn normal<T: Typed>(about: &T, reason: &str, message: impl Into<String>) -> Note {
        Note::new(about, Severity::Normal, reason, message.into())
    }

    /// Something that somebody should look at.
    pub fn warning<T: Typed>(about: &T, reason: &str, message: impl Into<String>) -> Note {
        Note::new(about, Severity::Warning, reason, message.into())
    }

    fn new<T: Typed>(about: &T, severity: Severity, reason: &str, message: String) -> Note {
        let metadata = about.metadata();
        Note {
            about: ObjectReference {
                api_version: T::KIND.api_version(),
                kind: T::KIND.kind.to_owned(),
                namespace: metadata.namespace.clone(),
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
            },
            severity,
            reason: reason.to_owned(),
            message,
        }
    }
}
