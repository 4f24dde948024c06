//! How many requests, with which outcome, and how many are under way; one set a worker, summed when somebody reads.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use http::StatusCode;

/// The code under which requests are counted whose client went away first, as nginx numbers it.
const CLIENT_LEFT: u16 = 499;
const FIRST: u16 = 100;

/// The counters of one worker; on cache lines of their own because they are written by every request.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Counters {
    codes: Vec<AtomicU64>,
    in_flight: AtomicI64,
    retries: AtomicU64,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            codes: (FIRST..600).map(|_| AtomicU64::new(0)).collect(),
            in_flight: AtomicI64::new(0),
            retries: AtomicU64::new(0),
        }
    }
}

impl Counters {
    /// Counts a request that begins; it ends when the answer is dropped.
    pub(crate) fn begin(self: &Arc<Counters>) -> Request {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Request {
            counters: self.clone(),
            code: CLIENT_LEFT,
        }
    }

    /// Counts a request that was sent a second time.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Request {
    counters: Arc<Counters>,
    code: u16,
}

impl Request {
    /// Notes how it was answered.
    pub(crate) fn answered(&mut self, code: StatusCode) {
        self.code = code.as_u16();
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = self.counters.codes.get(usize::from(self.code - FIRST)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// All numbers as Prometheus reads them.
pub(crate) fn render(workers: &[Arc<Counters>]) -> String {
    let mut text = String::from("# TYPE upshift_router_requests_total counter\n");
    for code in FIRST..600 {
        let one = |counters: &Arc<Counters>| {
            counters.codes[usize::from(code - FIRST)].load(Ordering::Relaxed)
        };
        let count: u64 = workers.iter().map(one).sum();
        if count > 0 {
            writeln!(
                text,
                "upshift_router_requests_total{{code=\"{code}\"}} {count}"
            )
            .expect("writing to a String cannot fail");
        }
    }
    let in_flight: i64 = workers
        .iter()
        .map(|counters| counters.in_flight.load(Ordering::Relaxed))
        .sum();
    let retries: u64 = workers
        .iter()
        .map(|counters| counters.retries.load(Ordering::Relaxed))
        .sum();
    writeln!(
        text,
        "# TYPE upshift_router_requests_in_flight gauge\nupshift_router_requests_in_flight {in_flight}\n\
         # TYPE upshift_router_retries_total counter\nupshift_router_retries_total {retries}"
    )
    .expect("writing to a String cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_how_it_ended() {
        let workers = [Arc::new(Counters::default()), Arc::new(Counters::default())];
        for worker in &workers {
            worker.begin().answered(StatusCode::OK);
        }
        drop(workers[0].begin());
        let open = workers[1].begin();
        let text = render(&workers);
        assert!(text.contains("requests_total{code=\"200\"} 2\n"), "{text}");
        assert!(text.contains("requests_total{code=\"499\"} 1\n"), "{text}");
        assert!(text.contains("in_flight 1\n"), "{text}");
        drop(open);
    }
}
