//! Connections, requests for files, and what was refused.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use super::calls::{Times, times};
use super::labels::{self, Refused, Surface};

/// The value of the label `status` of an answer that was not sent to its end.
const CUT_OFF: &str = "cut-off";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    surface: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

#[derive(Debug)]
pub(super) struct Traffic {
    files: Family<Answered, Counter>,
    file_duration: Times<Method>,
    errors: Family<Failed, Counter>,
    refused: Family<Why, Counter>,
    connections: Counter,
    open: Gauge,
}

impl Traffic {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            files: Family::default(),
            file_duration: times(),
            errors: Family::default(),
            refused: Family::default(),
            connections: Counter::default(),
            open: Gauge::default(),
        };
        registry.register(
            "file_requests",
            "Requests for files by method and class of the answer",
            all.files.clone(),
        );
        registry.register_with_unit(
            "file_request_duration",
            "From the head of a request for files to the end of its answer",
            Unit::Seconds,
            all.file_duration.clone(),
        );
        registry.register(
            "http_errors",
            "Answers of class 4xx and 5xx",
            all.errors.clone(),
        );
        registry.register(
            "refused",
            "Connections and requests that no sandbox has seen",
            all.refused.clone(),
        );
        let help = "Connections that were accepted";
        registry.register("connections", help, all.connections.clone());
        let help = "Connections that are open now";
        registry.register("connections_open", help, all.open.clone());
        all
    }

    pub(super) fn refused(&self, reason: Refused) {
        let reason = reason.label();
        self.refused.get_or_create(&Why { reason }).inc();
    }

    pub(super) fn answered(&self, surface: Surface, status: http::StatusCode) {
        if status.is_client_error() || status.is_server_error() {
            let failed = Failed {
                surface: surface.label(),
                status: labels::status(status),
            };
            self.errors.get_or_create(&failed).inc();
        }
    }
}

/// A request for files that is served.
#[derive(Debug)]
#[must_use = "a request that is not kept is counted as cut off at once"]
pub(crate) struct FileTimer {
    metrics: Metrics,
    method: &'static str,
    status: &'static str,
    begun: Instant,
}

impl FileTimer {
    pub(super) fn begin(metrics: Metrics, method: &http::Method) -> Self {
        Self {
            metrics,
            method: labels::method(method),
            status: CUT_OFF,
            begun: Instant::now(),
        }
    }

    /// Whether the answer is a head alone.
    pub(super) fn is_head(&self) -> bool {
        self.method == "head"
    }

    /// The answer has this status and has been sent.
    pub(super) fn finish(mut self, status: http::StatusCode) {
        self.status = labels::status(status);
    }
}

impl Drop for FileTimer {
    fn drop(&mut self) {
        let Self {
            metrics,
            method,
            status,
            begun,
        } = self;
        let (method, status) = (*method, *status);
        let traffic = &metrics.0.traffic;
        traffic
            .files
            .get_or_create(&Answered { method, status })
            .inc();
        traffic
            .file_duration
            .get_or_create(&Method { method })
            .observe(begun.elapsed().as_secs_f64());
    }
}

/// An open connection.
#[derive(Debug)]
#[must_use = "a connection that is not kept is counted as closed at once"]
pub(crate) struct Connection(Metrics);

impl Connection {
    pub(super) fn open(metrics: Metrics) -> Self {
        let traffic = &metrics.0.traffic;
        traffic.connections.inc();
        traffic.open.inc();
        Self(metrics)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.0.traffic.open.dec();
    }
}
