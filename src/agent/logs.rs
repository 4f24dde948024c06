//! Logs.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::api::meta::Key;
use crate::api::upshift::OperationStatus;

/// The Operations under way and how far each is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<Mutex<HashMap<Key, watch::Sender<OperationStatus>>>>);

impl Live {
    /// Says how far an Operation is.
    pub(crate) fn set(&self, key: &Key, status: &OperationStatus) {
        let mut live = self.lock();
        match live.get(key) {
            Some(sender) => {
                sender.send_replace(status.clone());
            }
            None => {
                live.insert(key.clone(), watch::Sender::new(status.clone()));
            }
        }
    }

    /// The Operation is over; those that follow it see the end.
    pub(crate) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Follows an Operation under way.
    pub(crate) fn follow(&self, key: &Key) -> Option<watch::Receiver<OperationStatus>> {
        self.lock().get(key).map(watch::Sender::subscribe)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, watch::Sender<OperationStatus>>> {
        self.0
            .lock()
            .expect("nothing panics while it holds the list")
    }
}
