//! What the server did, in numbers: counted with a few relaxed atomics a request and no lock, told to Prometheus
//! when it asks.

use std::array;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// HTTP has the statuses from 100 to 599.
const STATUSES: usize = 500;
/// Upper ends of the buckets, in microseconds; one more has no end.
const BUCKETS: [u64; 13] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000];

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By digest.
    Image,
    /// In place of a proxy.
    Wrapper,
    /// By whoever has the [pages](crate::serve::Site::with_pages).
    Page,
    Health,
    /// What is none of these, and what could not be understood.
    Other,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Image, "image"),
    (Kind::Wrapper, "wrapper"),
    (Kind::Page, "page"),
    (Kind::Health, "health"),
    (Kind::Other, "other"),
];

/// Counts since the start of the process.
#[derive(Debug)]
pub struct Metrics {
    /// By kind and status.
    requests: [[AtomicU64; STATUSES]; KINDS.len()],
    sent: AtomicU64,
    connections: AtomicI64,
    /// Those that took no longer than the bucket's end, and longer than the end of the one before.
    durations: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0))),
            sent: AtomicU64::new(0),
            connections: AtomicI64::new(0),
            durations: array::from_fn(|_| AtomicU64::new(0)),
            microseconds: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// Adds all of it to `registry`: `imgkeep_http_requests`, `…_request_duration_seconds`, `…_sent_bytes` and
    /// `…_connections`.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(self)));
    }

    pub(super) fn answered(&self, kind: Kind, status: StatusCode) {
        let status = usize::from(status.as_u16()).saturating_sub(100);
        if let Some(count) = self.requests[kind as usize].get(status) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From the head of a request to the end of its answer.
    pub(super) fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|end| *end < time);
        self.durations[bucket].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(time, Ordering::Relaxed);
    }

    /// Bytes that the system took, heads and all.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut requests = encoder.encode_descriptor(
            "imgkeep_http_requests",
            "Requests that were answered, by kind of answer and status",
            None,
            MetricType::Counter,
        )?;
        for ((_, kind), statuses) in KINDS.iter().zip(&self.requests) {
            for (status, count) in (100_u16..).zip(statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("kind", (*kind).to_owned()), ("status", status.to_string())];
                    ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
                }
            }
        }

        let counts: Vec<u64> = self.durations.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let ends = BUCKETS.iter().map(|end| *end as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = ends.zip(counts.iter().copied()).collect();
        let sum = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let mut durations = encoder.encode_descriptor(
            "imgkeep_http_request_duration_seconds",
            "From the head of a request to the end of its answer",
            None,
            MetricType::Histogram,
        )?;
        durations.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)?;

        let sent = encoder.encode_descriptor(
            "imgkeep_http_sent_bytes",
            "Bytes sent, heads and all",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(self.sent.load(Ordering::Relaxed)).encode(sent)?;
        let connections = encoder.encode_descriptor(
            "imgkeep_http_connections",
            "Connections that are open",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.connections.load(Ordering::Relaxed)).encode(connections)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Arc::new(Metrics::default());
        for (kind, status) in [
            (Kind::Image, 200),
            (Kind::Image, 200),
            (Kind::Image, 304),
            (Kind::Other, 599),
            (Kind::Page, 999),
        ] {
            metrics.answered(kind, StatusCode::from_u16(status).unwrap());
        }
        for micros in [50, 51, 20_000_000] {
            metrics.took(Duration::from_micros(micros));
        }
        metrics.sent(1000);
        metrics.connected();
        metrics.connected();
        metrics.disconnected();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut told = String::new();
        text::encode(&mut told, &registry).unwrap();
        for line in [
            "imgkeep_http_requests_total{kind=\"image\",status=\"200\"} 2",
            "imgkeep_http_requests_total{kind=\"image\",status=\"304\"} 1",
            "imgkeep_http_requests_total{kind=\"other\",status=\"599\"} 1",
            "imgkeep_http_request_duration_seconds_bucket{le=\"0.00005\"} 1",
            "imgkeep_http_request_duration_seconds_bucket{le=\"0.0001\"} 2",
            "imgkeep_http_request_duration_seconds_bucket{le=\"10.0\"} 2",
            "imgkeep_http_request_duration_seconds_bucket{le=\"+Inf\"} 3",
            "imgkeep_http_request_duration_seconds_count 3",
            "imgkeep_http_sent_bytes_total 1000",
            "imgkeep_http_connections 1",
        ] {
            assert!(told.lines().any(|other| other == line), "{line} is not in\n{told}");
        }
        assert_eq!(told.matches("imgkeep_http_requests_total").count(), 3);
    }
}
