//! A group of tasks that stop together: a cancellation token and a task tracker.
//!
//! Stopping is: cancel, then wait for every task under a limit; who is left is counted, never forgotten.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where the tasks of one service live.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Scope {
    /// A scope of its own.
    pub fn new() -> Scope {
        Scope::default()
    }

    /// A scope that stops with this one and can stop alone; [`Scope::close`] of the parent does not wait for it.
    pub fn child(&self) -> Scope {
        Scope {
            token: self.token.child_token(),
            tasks: TaskTracker::new(),
        }
    }

    /// Runs a task that is dropped at its next await when the scope is cancelled.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        self.tasks.spawn(async move {
            token.run_until_cancelled(task).await;
        });
    }

    /// Runs a task that looks at [`Scope::cancelled`] itself and finishes what it must.
    pub fn spawn_graceful(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Tells every task to stop.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Waits until the scope is told to stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Whether the scope was told to stop.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Tells every task to stop and waits for them; returns how many are still running after `grace`.
    pub async fn close(&self, grace: Duration) -> usize {
        self.token.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        self.tasks.len()
    }
}
