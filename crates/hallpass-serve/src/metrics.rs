//! Counters of what the front door did, in Prometheus's text form.

use hallpass_upstream::Health;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the duration histogram, in seconds.
const BOUNDS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Label sets kept: services times outcomes, far fewer in practice. Beyond, requests count as `other`.
const SERIES_MAX: usize = 2_048;

/// What one request came to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    service: String,
    decision: &'static str,
    status: u16,
}

#[derive(Default)]
struct Series {
    count: u64,
    seconds: f64,
    buckets: [u64; BOUNDS.len()],
}

/// Counts since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Outcome, Series>>,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) running: AtomicI64,
}

/// A request that is counted as running while this lives.
pub(crate) struct UnderWay(pub(crate) Arc<Metrics>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a request as running.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.running.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Counts a request when its answer begins.
    pub(crate) fn count(&self, service: &str, decision: &'static str, status: u16, took: Duration) {
        let service = service.strip_suffix(".amazonaws.com").unwrap_or(service);
        let mut outcome = Outcome {
            service: service.to_owned(),
            decision,
            status,
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= SERIES_MAX && !requests.contains_key(&outcome) {
            outcome.service = "other".to_owned();
        }
        let series = requests.entry(outcome).or_default();
        let seconds = took.as_secs_f64();
        series.count += 1;
        series.seconds += seconds;
        for (bound, bucket) in BOUNDS.iter().zip(&mut series.buckets) {
            if seconds <= *bound {
                *bucket += 1;
            }
        }
    }

    /// Everything, with how the upstreams and the audit log do.
    pub(crate) fn render<'a>(
        &self,
        upstreams: impl Iterator<Item = (&'a str, Health)>,
        audit: &hallpass_audit::Health,
    ) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        head(
            &mut text,
            "hallpass_requests_total",
            "counter",
            "Requests answered.",
        );
        for (outcome, series) in requests.iter() {
            let _ = writeln!(
                text,
                "hallpass_requests_total{{{}}} {}",
                labels(outcome),
                series.count
            );
        }
        let name = "hallpass_request_duration_seconds";
        head(
            &mut text,
            name,
            "histogram",
            "From a request's head to its answer's head.",
        );
        for (outcome, series) in requests.iter() {
            let labels = labels(outcome);
            for (bound, bucket) in BOUNDS.iter().zip(&series.buckets) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {bucket}");
            }
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", series.seconds);
            let _ = writeln!(text, "{name}_count{{{labels}}} {}", series.count);
        }
        drop(requests);
        for (name, kind, help, value) in [
            (
                "hallpass_request_bytes_total",
                "counter",
                "Bytes of request bodies.",
                self.bytes_in.load(Ordering::Relaxed).cast_signed(),
            ),
            (
                "hallpass_response_bytes_total",
                "counter",
                "Bytes of response bodies.",
                self.bytes_out.load(Ordering::Relaxed).cast_signed(),
            ),
            (
                "hallpass_requests_running",
                "gauge",
                "Requests under way.",
                self.running.load(Ordering::Relaxed),
            ),
        ] {
            head(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        head(
            &mut text,
            "hallpass_upstream_up",
            "gauge",
            "Whether the upstream is being asked.",
        );
        let upstreams: Vec<_> = upstreams.collect();
        for (name, health) in &upstreams {
            let _ = writeln!(
                text,
                "hallpass_upstream_up{{upstream=\"{}\"}} {}",
                escaped(name),
                u8::from(health.is_up)
            );
        }
        head(
            &mut text,
            "hallpass_upstream_failures",
            "gauge",
            "Failures to reach the upstream in a row.",
        );
        for (name, health) in &upstreams {
            let _ = writeln!(
                text,
                "hallpass_upstream_failures{{upstream=\"{}\"}} {}",
                escaped(name),
                health.failures
            );
        }
        for (name, kind, help, value) in [
            (
                "hallpass_audit_record",
                "gauge",
                "Number of the newest record.",
                audit.records(),
            ),
            (
                "hallpass_audit_signed_record",
                "gauge",
                "Number of the newest record that a checkpoint signs for.",
                audit.signed(),
            ),
            (
                "hallpass_audit_delivered_record",
                "gauge",
                "Number of the newest record in the bucket.",
                audit.delivered(),
            ),
            (
                "hallpass_audit_delivery_failures",
                "gauge",
                "Failures to deliver in a row.",
                audit.delivery_failures(),
            ),
            (
                "hallpass_audit_lost_records_total",
                "counter",
                "Records that could not be written while requests went on.",
                audit.lost(),
            ),
            (
                "hallpass_audit_failing",
                "gauge",
                "Whether the last record could not be written.",
                u64::from(audit.is_failing()),
            ),
        ] {
            head(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        text
    }
}

fn labels(outcome: &Outcome) -> String {
    format!(
        "service=\"{}\",decision=\"{}\",status=\"{}\"",
        escaped(&outcome.service),
        outcome.decision,
        outcome.status
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_service_decision_and_status() {
        let metrics = Metrics::default();
        metrics.count("s3.amazonaws.com", "served", 200, Duration::from_millis(3));
        metrics.count("s3.amazonaws.com", "served", 200, Duration::from_secs(60));
        metrics.count("sqs.amazonaws.com", "refused", 403, Duration::ZERO);
        let text = metrics.render(
            [(
                "a\"b",
                Health {
                    is_up: false,
                    failures: 7,
                },
            )]
            .into_iter(),
            &hallpass_audit::Health::default(),
        );
        for line in [
            r#"hallpass_requests_total{service="s3",decision="served",status="200"} 2"#,
            r#"hallpass_requests_total{service="sqs",decision="refused",status="403"} 1"#,
            r#"hallpass_request_duration_seconds_bucket{service="s3",decision="served",status="200",le="0.005"} 1"#,
            r#"hallpass_request_duration_seconds_bucket{service="s3",decision="served",status="200",le="+Inf"} 2"#,
            r#"hallpass_upstream_up{upstream="a\"b"} 0"#,
            "hallpass_audit_lost_records_total 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn names_of_strangers_do_not_grow_without_end() {
        let metrics = Metrics::default();
        for number in 0..SERIES_MAX + 10 {
            metrics.count(&format!("made-up-{number}"), "refused", 400, Duration::ZERO);
        }
        let text = metrics.render(std::iter::empty(), &hallpass_audit::Health::default());
        assert!(text.contains("service=\"other\",decision=\"refused\",status=\"400\"} 10"));
    }
}
