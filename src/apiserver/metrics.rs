//! A few numbers about this server, in the text format of Prometheus.

use std::fmt::Write;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Counters of requests, by the first digit of their code.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    codes: [AtomicU64; 6],
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn count(&self, code: http::StatusCode) {
        let class = usize::from(code.as_u16() / 100).min(self.codes.len() - 1);
        self.codes[class].fetch_add(1, Ordering::Relaxed);
    }

    /// All numbers as text.
    pub(crate) fn render(&self, revision: u64, tunnels: usize) -> String {
        let mut text = String::from("# TYPE upshift_requests_total counter\n");
        for (class, count) in self.codes.iter().enumerate().skip(1) {
            let count = count.load(Ordering::Relaxed);
            writeln!(text, "upshift_requests_total{{code=\"{class}xx\"}} {count}")
                .expect("writing to a String cannot fail");
        }
        writeln!(
            text,
            "# TYPE upshift_revision gauge\nupshift_revision {revision}\n\
             # TYPE upshift_tunnels gauge\nupshift_tunnels {tunnels}"
        )
        .expect("writing to a String cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_class() {
        let metrics = Metrics::default();
        metrics.count(http::StatusCode::NOT_FOUND);
        let text = metrics.render(7, 1);
        assert!(text.contains("upshift_requests_total{code=\"4xx\"} 1\n"));
        assert!(text.contains("upshift_revision 7\n"));
    }
}
