//! What a node counts and times, for Prometheus.
//!
//! ```text
//! a call, a file request, a connection ─► a guard that measures ─► families ─┐
//! what is there when it is asked for ─► Snapshot ─► gauges ──────────────────┴─► render
//! ```
//!
//! No label holds what a caller or a guest can choose: each value is a word of
//! ours, so that the number of series is fixed.

mod answer;
mod calls;
mod labels;
mod node;
mod traffic;

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub(crate) use calls::CallTimer;
pub(crate) use labels::{Refused, Surface, refusal};
pub(crate) use node::{Room, Snapshot, resident_bytes};
pub(crate) use traffic::{Connection, FileTimer};

/// The `content-type` of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything a node counts; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    calls: calls::Calls,
    traffic: traffic::Traffic,
    node: node::Node,
    audit_lost: Counter,
    audit_failures: Counter,
}

impl Metrics {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("mote");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs here", version);
        let audit_lost = Counter::default();
        registry.register(
            "audit_lost",
            "Lines that the audit log lacks: its queue was full, or its file could not be written",
            audit_lost.clone(),
        );
        let audit_failures = Counter::default();
        registry.register(
            "audit_failures",
            "Failed attempts to write the audit log",
            audit_failures.clone(),
        );
        Self(Arc::new(Families {
            calls: calls::Calls::register(&mut registry),
            traffic: traffic::Traffic::register(&mut registry),
            node: node::Node::register(&mut registry),
            audit_lost,
            audit_failures,
            registry,
        }))
    }

    /// Times a call from here on. Dropped without a word, it was cancelled.
    pub(crate) fn call(&self, surface: Surface) -> CallTimer {
        CallTimer::begin(self.clone(), surface)
    }

    /// Times a request for files from here on, until the answer that it is to
    /// follow has been sent.
    pub(crate) fn file_request(&self, method: &http::Method) -> FileTimer {
        FileTimer::begin(self.clone(), method)
    }

    /// Counts a connection, which is open until this is dropped.
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(self.clone())
    }

    /// Counts a connection or request that no sandbox has seen.
    pub(crate) fn refused(&self, reason: Refused) {
        self.0.traffic.refused(reason);
    }

    /// Counts the answer to a request, if it tells of an error.
    pub(crate) fn answered(&self, surface: Surface, status: http::StatusCode) {
        self.0.traffic.answered(surface, status);
    }

    pub(crate) fn audit_lost(&self, lines: u64) {
        self.0.audit_lost.inc_by(lines);
    }

    pub(crate) fn audit_failed(&self) {
        self.0.audit_failures.inc();
    }

    /// All of it in the text format of OpenMetrics, with `now` as what is
    /// there.
    pub(crate) fn render(&self, now: &Snapshot) -> String {
        self.0.node.set(now);
        let mut page = String::new();
        // A page without its end is refused by whoever reads it.
        if let Err(error) = text::encode(&mut page, &self.0.registry) {
            tracing::error!(%error, "failed to write the metrics; their page is incomplete");
        }
        page
    }
}

#[cfg(test)]
mod tests;
