//! What is counted and measured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::crowd::Place;
use crate::directory::Directory;

/// In seconds. From 5 ms on they are those of dashboards that are there; the
/// ones below are for sandboxes that answer before a pod would.
const DURATION_BUCKETS: [f64; 20] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0, 30.0, 60.0, 180.0,
];
/// The namespace of a request for one that has no sandbox: whatever a client
/// writes into a header would be a series of its own.
const NO_NAMESPACE: &str = "-";
/// The code of a request whose client left before it was answered.
const LEFT: u16 = 499;

/// What is counted and measured. Copies share what they hold.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram>,
    in_flight: Gauge,
    retries: Family<NamespaceLabels, Counter>,
    upstream_errors: Family<ErrorLabels, Counter>,
    decisions: Family<DecisionLabels, Counter>,
    wakes: Family<WakeLabels, Counter>,
    untaken: Counter<u64, AtomicU64>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    method: &'static str,
    code: u16,
    sandbox_namespace: Arc<str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DurationLabels {
    method: &'static str,
    code: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct NamespaceLabels {
    sandbox_namespace: Arc<str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ErrorLabels {
    sandbox_namespace: Arc<str>,
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DecisionLabels {
    decision: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct WakeLabels {
    result: &'static str,
}

impl Metrics {
    /// Makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            in_flight: Gauge::default(),
            retries: Family::default(),
            upstream_errors: Family::default(),
            decisions: Family::default(),
            wakes: Family::default(),
            untaken: Counter::default(),
        };
        let Self {
            requests,
            durations,
            in_flight,
            retries,
            upstream_errors,
            decisions,
            wakes,
            untaken,
        } = metrics.clone();
        registry.register(
            "sandbox_router_requests",
            "Requests that have ended",
            requests,
        );
        registry.register(
            "sandbox_router_request_duration_seconds",
            "From the head of a request to the end of its response",
            durations,
        );
        registry.register(
            "sandbox_router_inflight_requests",
            "Requests that run, and connections that became another protocol's",
            in_flight,
        );
        registry.register(
            "sandbox_router_upstream_retries",
            "Connections to sandboxes that were tried again",
            retries,
        );
        registry.register(
            "sandbox_router_upstream_errors",
            "Requests that a sandbox did not answer, by reason",
            upstream_errors,
        );
        registry.register(
            "sandbox_router_authz_decisions",
            "Requests by whether their caller was let through",
            decisions,
        );
        registry.register(
            "sandbox_router_wakes",
            "Suspended sandboxes that traffic was to wake, by what came of it",
            wakes,
        );
        registry.register(
            "sandbox_router_untaken_responses",
            "Responses given up because their client did not take them",
            untaken,
        );
        let build = Family::<Vec<(&str, &str)>, Gauge>::default();
        build
            .get_or_create(&vec![("git_version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        registry.register(
            "sandbox_router_build_info",
            "What runs here; always 1",
            build,
        );
        metrics
    }

    /// A request has come.
    pub fn flight(&self, method: &Method) -> Flight {
        self.in_flight.inc();
        Flight {
            metrics: self.clone(),
            began: Instant::now(),
            method: word(method),
            code: LEFT,
            namespace: None,
            place: None,
            measured: false,
        }
    }

    /// Whether a caller was let through.
    pub fn decided(&self, allowed: bool) {
        let decision = if allowed { "allow" } else { "deny" };
        self.decisions
            .get_or_create(&DecisionLabels { decision })
            .inc();
    }

    /// What came of an attempt to wake a sandbox.
    pub fn woke(&self, result: &'static str) {
        self.wakes.get_or_create(&WakeLabels { result }).inc();
    }

    /// Clients did not take so many responses.
    pub fn untaken(&self, count: usize) {
        self.untaken.inc_by(count as u64);
    }
}

/// One request from its head to the end of its response: its place among those
/// that run, and its measure.
#[derive(Debug)]
pub struct Flight {
    metrics: Metrics,
    began: Instant,
    method: &'static str,
    code: u16,
    namespace: Option<Arc<str>>,
    place: Option<Place>,
    measured: bool,
}

impl Flight {
    /// It has one of the places that there are.
    pub fn admitted(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// It is for a sandbox of this namespace, which has one.
    pub fn is_for(&mut self, namespace: Arc<str>) {
        self.namespace = Some(namespace);
    }

    /// It is answered with this status.
    pub fn answered(&mut self, status: StatusCode) {
        self.code = status.as_u16();
    }

    /// A connection to the sandbox is tried again.
    pub fn retried(&self) {
        let sandbox_namespace = self.namespace();
        let labels = NamespaceLabels { sandbox_namespace };
        self.metrics.retries.get_or_create(&labels).inc();
    }

    /// The sandbox did not answer.
    pub fn failed(&self, reason: &'static str) {
        let sandbox_namespace = self.namespace();
        let labels = ErrorLabels {
            sandbox_namespace,
            reason,
        };
        self.metrics.upstream_errors.get_or_create(&labels).inc();
    }

    /// Measures it now, though it goes on.
    pub fn measure(&mut self) {
        if std::mem::replace(&mut self.measured, true) {
            return;
        }
        let (method, code) = (self.method, self.code);
        let labels = RequestLabels {
            method,
            code,
            sandbox_namespace: self.namespace(),
        };
        self.metrics.requests.get_or_create(&labels).inc();
        let labels = DurationLabels { method, code };
        let took = self.began.elapsed().as_secs_f64();
        self.metrics.durations.get_or_create(&labels).observe(took);
    }

    /// The namespace of its sandbox, or what stands for those that have none.
    pub fn namespace(&self) -> Arc<str> {
        self.namespace
            .clone()
            .unwrap_or_else(|| NO_NAMESPACE.into())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.measure();
        self.metrics.in_flight.dec();
    }
}

/// A method's name; a client may make up others without end.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Counts the sandboxes that are known, whenever it is asked.
pub struct Census(pub Directory);

impl fmt::Debug for Census {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Census")
    }
}

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (name, help) = ("sandbox_router_known_sandboxes", "Sandboxes that there are");
        let count = i64::try_from(self.0.len()).unwrap_or(i64::MAX);
        let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(count).encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn page(registry: &Registry) -> String {
        let mut page = String::new();
        encode(&mut page, registry).unwrap();
        page
    }

    #[test]
    fn a_request_is_counted_once_with_its_code_and_namespace() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let mut flight = metrics.flight(&Method::GET);
        assert!(page(&registry).contains("sandbox_router_inflight_requests 1\n"));
        flight.is_for("n".into());
        flight.answered(StatusCode::OK);
        flight.measure();
        drop(flight);
        let page = page(&registry);
        let counted =
            r#"sandbox_router_requests_total{method="GET",code="200",sandbox_namespace="n"} 1"#;
        assert!(page.contains(counted), "{page}");
        assert!(page.contains("sandbox_router_inflight_requests 0\n"));
        assert!(page.contains(r#"_bucket{le="0.0001","#), "{page}");
    }

    #[test]
    fn what_a_client_makes_up_is_no_series() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let method = Method::from_bytes(b"BREW").unwrap();
        drop(metrics.flight(&method));
        let counted = r#"{method="other",code="499",sandbox_namespace="-"} 1"#;
        assert!(page(&registry).contains(counted));
    }
}
