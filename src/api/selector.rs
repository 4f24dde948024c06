//! Label selectors (`a=b,c!=d,e in (x,y),!f`) and field selectors (`metadata.name=a`), parsed and matched.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use crate::api::kinds::Kind;

/// Why a selector is refused, in the words of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// What labels must look like; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels;

impl FromStr for Labels {
    type Err = Error;
    fn from_str(_text: &str) -> Result<Labels, Error> {
        unimplemented!()
    }
}

impl Labels {
    /// The selector `key=value`.
    pub fn equal(_key: &str, _value: &str) -> Labels {
        unimplemented!()
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// Whether labels satisfy all of it.
    pub fn matches(&self, _labels: &BTreeMap<String, String>) -> bool {
        unimplemented!()
    }

    /// Whether an object's labels satisfy all of it.
    pub fn matches_object(&self, _object: &Value) -> bool {
        unimplemented!()
    }

    /// Whether only objects with exactly `key=value` can match.
    pub fn pins(&self, _key: &str, _value: &str) -> bool {
        unimplemented!()
    }
}

/// What fields must equal or differ from; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields;

impl Fields {
    /// Parses `metadata.name=a,status.phase!=Running`; refuses fields that the kind does not offer.
    pub fn parse(_kind: &Kind, _text: &str) -> Result<Fields, Error> {
        unimplemented!()
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    /// Whether an object satisfies all of it.
    pub fn matches(&self, _object: &Value) -> bool {
        unimplemented!()
    }

    /// The value that a field must have, if there is exactly one.
    pub fn exact(&self, _field: &str) -> Option<&str> {
        unimplemented!()
    }
}
