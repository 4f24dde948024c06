//! A copy of one kind's objects, kept current by list and watch; controllers and commands read it instead of the server.
//!
//! It resumes from the last version it saw, lists again when that is gone, and tries for ever with growing pauses. It
//! ends with its scope. It never writes. An object that does not fit the view is reported and left out.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::api::meta::Key;
use crate::api::meta::Typed;
use crate::base::scope::Scope;
use crate::client::Client;
use crate::client::request::ListOptions;

/// The objects of a kind as last seen; a cheap clone.
pub struct Cache<T: Typed>(PhantomData<T>);

/// A way to find objects by something else than their key, kept up to date.
pub struct Index<T> {
    pub name: &'static str,
    /// The values under which an object is found.
    pub values: fn(&T) -> Vec<String>,
}

/// What every reader shares at one moment.
pub type Snapshot<T> = Arc<BTreeMap<Key, Arc<T>>>;

impl<T: Typed> Cache<T> {
    /// Starts to follow the selected objects; `namespace` "" means everywhere.
    pub fn start(
        _client: Client,
        _namespace: &str,
        _options: ListOptions,
        _scope: &Scope,
    ) -> Cache<T> {
        unimplemented!()
    }

    /// The same, with indexes.
    pub fn indexed(
        _client: Client,
        _namespace: &str,
        _options: ListOptions,
        _scope: &Scope,
        _indexes: Vec<Index<T>>,
    ) -> Cache<T> {
        unimplemented!()
    }

    /// Waits for the first complete list.
    pub async fn synced(&self) {
        unimplemented!()
    }

    /// Waits until it has seen that version of its kind (a write answers with one).
    pub async fn at_least(&self, _revision: u64) {
        unimplemented!()
    }

    /// The object of that name.
    pub fn get(&self, _key: &Key) -> Option<Arc<T>> {
        unimplemented!()
    }

    /// Every object, in the order of keys.
    pub fn all(&self) -> Vec<Arc<T>> {
        unimplemented!()
    }

    /// The objects an index finds under `value`, in the order of keys.
    pub fn by(&self, _index: &'static str, _value: &str) -> Vec<Arc<T>> {
        unimplemented!()
    }

    /// All objects at one moment; readers of it are not affected by what comes after.
    pub fn snapshot(&self) -> Snapshot<T> {
        unimplemented!()
    }

    /// The version it has seen everything up to.
    pub fn revision(&self) -> u64 {
        unimplemented!()
    }

    /// Everything there is now, then each change: key and new (or, after a deletion, last) state.
    pub fn changes(&self) -> mpsc::UnboundedReceiver<(Key, Arc<T>)> {
        unimplemented!()
    }
}

impl<T: Typed> Clone for Cache<T> {
    fn clone(&self) -> Cache<T> {
        Cache(PhantomData)
    }
}
