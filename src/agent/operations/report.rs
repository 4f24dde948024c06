//! The journal's projection: an Operation's status on the server, never behind for longer than it must and never written
//! more than about once a second, except at the turns that somebody waits for.
//!
//! The reporter tries for ever while the server is away, and always writes the newest status. It ends with its handle.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::kinds;
use crate::api::kinds::Kind;
use crate::api::meta::Key;
use crate::api::upshift::OperationStatus;
use crate::base::backoff;
use crate::base::backoff::Backoff;
use crate::base::crash;
use crate::client::Client;
use crate::client::Error;
use crate::client::Patch;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long the first status waits for more to tell: short steps are many, and nobody sees the difference.
const FIRST: Duration = Duration::from_millis(100);

/// How soon a status has to be on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody waits for it.
    Now,
    /// With the next one, at most a second later; the first a tenth of that.
    Soon,
}

#[derive(Clone, Debug, Default)]
struct Report {
    status: OperationStatus,
    /// Counts statuses; 0 is none.
    number: u64,
    /// The last one that must not wait.
    urgent: u64,
}

/// A handle to one Operation's reporter.
#[derive(Debug)]
pub(crate) struct Reporter {
    sender: watch::Sender<Report>,
    written: watch::Receiver<u64>,
}

impl Reporter {
    /// Starts the reporter of an Operation.
    pub(crate) fn start(client: Client, key: Key) -> Reporter {
        let (sender, reports) = watch::channel(Report::default());
        let (done, written) = watch::channel(0);
        tokio::spawn(run(client, key, reports, done));
        Reporter { sender, written }
    }

    /// Hands over the newest status.
    pub(crate) fn report(&self, status: &OperationStatus, urgency: Urgency) {
        self.sender.send_if_modified(|report| {
            let is_new = report.number == 0 || report.status != *status;
            if is_new {
                report.status.clone_from(status);
                report.number += 1;
            }
            let is_hurried = urgency == Urgency::Now && report.urgent < report.number;
            if is_hurried {
                report.urgent = report.number;
            }
            is_new || is_hurried
        });
    }

    /// Waits until everything handed over is on the server, or the server will never take it.
    pub(crate) async fn flushed(&mut self) {
        let number = self.sender.borrow().number;
        let _ = self.written.wait_for(|written| *written >= number).await;
    }
}

async fn run(
    client: Client,
    key: Key,
    mut reports: watch::Receiver<Report>,
    done: watch::Sender<u64>,
) {
    let mut next = Instant::now() + FIRST;
    while reports.changed().await.is_ok() {
        if reports.borrow().number <= *done.borrow() {
            // Hurried after it was written.
            continue;
        }
        while Instant::now() < next && reports.borrow().urgent <= *done.borrow() {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                changed = reports.changed() => if changed.is_err() { break },
            }
        }
        let number = write(&client, &key, &mut reports).await;
        next = Instant::now() + INTERVAL;
        done.send_replace(number);
    }
}

/// Writes the newest status, again and again until the server has answered; returns its number.
async fn write(client: &Client, key: &Key, reports: &mut watch::Receiver<Report>) -> u64 {
    let mut pause = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let report = reports.borrow_and_update().clone();
        let patch = json!({ "status": report.status });
        match patch_status(client, &kinds::OPERATION, key, patch).await {
            Ok(()) => return report.number,
            Err(error) if is_final(&error) => {
                if !error.is_not_found() {
                    tracing::warn!(operation = %key, %error, "its status cannot be written");
                }
                return report.number;
            }
            Err(error) => tracing::debug!(operation = %key, %error, "its status waits"),
        }
        let pause = pause.next(backoff::chance());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // The handle is gone: nobody waits, and the journal keeps what was not told.
            () = closed(reports) => return report.number,
        }
    }
}

async fn closed(reports: &watch::Receiver<Report>) {
    let mut reports = reports.clone();
    while reports.changed().await.is_ok() {}
}

/// Whether the server will say the same next time.
pub(crate) fn is_final(error: &Error) -> bool {
    matches!(error, Error::Status(_)) && !error.is_passing()
}

/// One write of a status that this node owns.
pub(crate) async fn patch_status(
    client: &Client,
    kind: &'static Kind,
    key: &Key,
    patch: serde_json::Value,
) -> Result<(), Error> {
    crash::point("status.patch.before");
    client.patch_status(kind, key, &Patch::Merge(patch)).await?;
    crash::point("status.patch.after");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::Mutex;

    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use crate::client::Body;
    use crate::client::Io;
    use crate::client::Transport;

    /// A server that notes when it was written to, and fails as often as it is told to.
    #[derive(Clone, Default)]
    struct Server {
        writes: Arc<Mutex<Vec<(u128, String)>>>,
        failures: Arc<Mutex<u32>>,
        start: Option<Instant>,
    }

    impl Transport for Server {
        fn call(
            &self,
            request: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
            async move {
                let mut failures = self.failures.lock().unwrap();
                if *failures > 0 {
                    *failures -= 1;
                    return Err(Error::Interrupted("on purpose".to_owned()));
                }
                let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
                let message = body["status"]["message"].as_str().unwrap().to_owned();
                let at = self.start.unwrap().elapsed().as_millis();
                self.writes.lock().unwrap().push((at, message));
                Ok(http::Response::new(Body::whole("{}")))
            }
            .boxed()
        }

        fn tunnel(&self, _path: &str) -> BoxFuture<'_, Result<Box<dyn Io>, Error>> {
            unreachable!("nobody opens a tunnel here")
        }
    }

    fn server() -> (Server, Reporter) {
        let server = Server {
            start: Some(Instant::now()),
            ..Server::default()
        };
        let client = Client::new(Arc::new(server.clone()));
        (server, Reporter::start(client, Key::new("demo", "one")))
    }

    fn status(message: &str) -> OperationStatus {
        OperationStatus {
            message: message.to_owned(),
            ..OperationStatus::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn writes_once_a_second_and_at_once_when_somebody_waits() {
        let (server, mut reporter) = server();
        for number in 0..25 {
            reporter.report(&status(&number.to_string()), Urgency::Soon);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        reporter.report(&status("control"), Urgency::Now);
        reporter.flushed().await;
        let writes = server.writes.lock().unwrap().clone();
        let times: Vec<u128> = writes.iter().map(|(at, _)| *at).collect();
        assert!(times.len() == 4, "{writes:?}");
        assert!((100..110).contains(&times[0]), "{writes:?}");
        assert!(
            times[1] - times[0] >= 1000 && times[2] - times[1] >= 1000,
            "{writes:?}"
        );
        assert_eq!(writes.last().unwrap().1, "control");
        assert!(times[3] <= 2510, "{writes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_is_written_once_and_hurried_only_while_it_waits() {
        let (server, mut reporter) = server();
        for message in ["one", "two"] {
            reporter.report(&status(message), Urgency::Soon);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..3 {
            reporter.report(&status("two"), Urgency::Now);
            reporter.flushed().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let writes = server.writes.lock().unwrap().clone();
        assert_eq!(writes, [(20, "two".to_owned())]);
    }

    #[tokio::test(start_paused = true)]
    async fn tries_until_the_server_is_back_and_then_writes_the_newest() {
        let (server, mut reporter) = server();
        *server.failures.lock().unwrap() = 5;
        reporter.report(&status("old"), Urgency::Now);
        tokio::time::sleep(Duration::from_millis(50)).await;
        reporter.report(&status("new"), Urgency::Now);
        reporter.flushed().await;
        let writes = server.writes.lock().unwrap();
        assert_eq!(writes.last().unwrap().1, "new");
        assert_eq!(writes.len(), 1, "{writes:?}");
    }
}
