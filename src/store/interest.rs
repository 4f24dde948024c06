//! What a reader is about, as narrowly as the store can tell without parsing: a namespace, and what every wanted object
//! has (a name, a label, a node).
//!
//! A list reads only what carries the pin, and a change wakes only the watches whose pin it carries or carried. The
//! rest of a selector is the API server's.

use crate::store::Change;
use crate::store::Entry;

/// Something that every wanted object has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pin {
    /// This `metadata.name`.
    Name(String),
    /// This label with this value.
    Label(String, String),
    /// This `spec.nodeName`, of a pod.
    OnNode(String),
}

impl Pin {
    /// Whether an object has it.
    pub fn holds(&self, entry: &Entry) -> bool {
        match self {
            Pin::Name(name) => entry.place.key.name == *name,
            Pin::Label(key, value) => entry.labels.get(key) == Some(value),
            Pin::OnNode(node) => entry.node.as_ref() == Some(node),
        }
    }
}

/// What a list or a watch asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// "" for all.
    pub namespace: String,
    /// All of them hold for what is wanted.
    pub pins: Vec<Pin>,
}

impl Interest {
    /// Whether an object is wanted.
    pub fn takes(&self, entry: &Entry) -> bool {
        (self.namespace.is_empty() || entry.place.key.namespace == self.namespace)
            && self.pins.iter().all(|pin| pin.holds(entry))
    }

    /// Whether a change concerns what is wanted: the object is, or was before.
    pub(super) fn concerns(&self, change: &Change) -> bool {
        let before = change.previous.as_deref();
        self.takes(&change.entry) || before.is_some_and(|before| self.takes(before))
    }
}

impl From<&str> for Interest {
    fn from(namespace: &str) -> Interest {
        Interest {
            namespace: namespace.to_owned(),
            pins: Vec::new(),
        }
    }
}

impl From<&String> for Interest {
    fn from(namespace: &String) -> Interest {
        Interest::from(namespace.as_str())
    }
}

/// Everything under which an object can be found.
pub(super) fn pins(entry: &Entry) -> impl Iterator<Item = Pin> {
    let labels = entry.labels.iter();
    let labels = labels.map(|(key, value)| Pin::Label(key.clone(), value.clone()));
    let node = entry.node.iter().map(|node| Pin::OnNode(node.clone()));
    labels.chain(node)
}
