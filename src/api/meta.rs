//! What every object carries: names, versions, owners, labels.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::kinds::Kind;
use crate::base::clock::Timestamp;

/// `metadata` of an object, as far as we interpret it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// What a pod that is being deleted gets between TERM and KILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Metadata {
    /// The object's place among its kind.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// The version as a number; 0 for an object that was never stored.
    pub fn revision(&self) -> u64 {
        self.resource_version.parse().unwrap_or(0)
    }

    /// Whether deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// Who an object belongs to; when the last owner is gone, so is the object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_owner_deletion: Option<bool>,
}

/// Names one object of a kind; the namespace is empty for cluster-scoped kinds. Printed `NAMESPACE/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    /// The object of that name in that namespace ("" for cluster-scoped kinds).
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Key {
        Key {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// A struct that is a view of one kind's objects. Unknown fields are left out of the view, never out of the object.
pub trait Typed: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// The kind whose JSON this reads.
    const KIND: &'static Kind;

    /// The object's own metadata.
    fn metadata(&self) -> &Metadata;

    /// The reference that makes another object belong to this one.
    fn as_owner(&self) -> OwnerReference {
        OwnerReference {
            api_version: Self::KIND.api_version(),
            kind: Self::KIND.kind.to_owned(),
            name: self.metadata().name.clone(),
            uid: self.metadata().uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// This view as a whole object with `apiVersion` and `kind`.
    fn to_object(&self) -> serde_json::Value {
        let mut object = serde_json::to_value(self).expect("views are plain data with string keys");
        object["apiVersion"] = Self::KIND.api_version().into();
        object["kind"] = Self::KIND.kind.into();
        object
    }
}
