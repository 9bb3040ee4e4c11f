//! Calls: how many, how long, and what became of them.

use std::time::{Duration, Instant};

use mote_api::{End, Outcome};
use mote_surface::StartError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{self, Surface};
use super::{Metrics, refusal};

/// Upper ends in seconds: from the fastest call, some 100 µs, to the longest
/// that one waits for; three to a decade where most calls are.
const SECONDS: [f64; 17] = [
    50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2, 0.5, 1.0, 5.0,
    20.0, 60.0,
];
/// Upper ends in bytes: from one wasm page to all that a 32-bit memory holds.
const BYTES: [f64; 9] = [
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

pub(super) type Times<L> = Family<L, Histogram, fn() -> Histogram>;

pub(super) fn times<L: Clone + Eq + std::hash::Hash>() -> Times<L> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    surface: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    surface: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Denied {
    /// As a capability prints itself: one of nine words.
    capability: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hit {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    end: &'static str,
}

#[derive(Debug)]
pub(super) struct Calls {
    total: Family<Ended, Counter>,
    running: Family<By, Gauge>,
    duration: Times<By>,
    start: Times<By>,
    peak_memory: Histogram,
    denials: Family<Denied, Counter>,
    limits_hit: Family<Hit, Counter>,
    transactions: Family<Closed, Counter>,
}

impl Calls {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            total: Family::default(),
            running: Family::default(),
            duration: times(),
            start: times(),
            peak_memory: Histogram::new(BYTES),
            denials: Family::default(),
            limits_hit: Family::default(),
            transactions: Family::default(),
        };
        registry.register("calls", "Calls by what became of them", all.total.clone());
        registry.register("calls_running", "Calls that run now", all.running.clone());
        registry.register_with_unit(
            "call_duration",
            "From the request to the end of its program",
            Unit::Seconds,
            all.duration.clone(),
        );
        registry.register_with_unit(
            "call_start",
            "From the request to the start of its program",
            Unit::Seconds,
            all.start.clone(),
        );
        registry.register_with_unit(
            "call_peak_memory",
            "Most memory that a call held at once",
            Unit::Bytes,
            all.peak_memory.clone(),
        );
        all.register_counters(registry);
        all
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register(
            "denials",
            "What programs asked for and were not granted",
            self.denials.clone(),
        );
        registry.register(
            "limits_hit",
            "Calls that came up against a ceiling",
            self.limits_hit.clone(),
        );
        registry.register(
            "transactions",
            "Calls whose changes of files were kept or undone",
            self.transactions.clone(),
        );
    }

    fn count(&self, surface: &'static str, outcome: &'static str) {
        self.total.get_or_create(&Ended { surface, outcome }).inc();
    }

    fn ended(&self, surface: &'static str, outcome: &Outcome, took: Duration) {
        self.count(surface, outcome.end.reason());
        self.took(surface, took);
        self.peak_memory
            .observe(outcome.usage.peak_memory_bytes as f64);
        for denial in &outcome.denied {
            let capability = denial.capability.to_string();
            self.denials
                .get_or_create(&Denied { capability })
                .inc_by(denial.count);
        }
        for name in &outcome.limits_hit {
            let limit = labels::limit(name);
            self.limits_hit.get_or_create(&Hit { limit }).inc();
        }
        if let Some(transaction) = &outcome.transaction {
            let end = if transaction.committed {
                "committed"
            } else {
                "rolled-back"
            };
            self.transactions.get_or_create(&Closed { end }).inc();
        }
    }

    fn took(&self, surface: &'static str, took: Duration) {
        self.duration
            .get_or_create(&By { surface })
            .observe(took.as_secs_f64());
    }
}

/// A call that runs. However it ends, it is counted once.
#[derive(Debug)]
#[must_use = "a call that is not kept is counted as cancelled at once"]
pub(crate) struct CallTimer {
    metrics: Metrics,
    surface: &'static str,
    begun: Instant,
    counted: bool,
}

impl CallTimer {
    pub(super) fn begin(metrics: Metrics, surface: Surface) -> Self {
        let surface = surface.label();
        let running = &metrics.0.calls.running;
        running.get_or_create(&By { surface }).inc();
        Self {
            metrics,
            surface,
            begun: Instant::now(),
            counted: false,
        }
    }

    /// Its program runs.
    pub(crate) fn started(&self) {
        let surface = self.surface;
        let start = &self.metrics.0.calls.start;
        start
            .get_or_create(&By { surface })
            .observe(self.elapsed().as_secs_f64());
    }

    /// How long the call has taken until now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Its program ended.
    pub(crate) fn finish(self, outcome: &Outcome) {
        let took = self.elapsed();
        self.finish_after(outcome, took);
    }

    pub(super) fn finish_after(mut self, outcome: &Outcome, took: Duration) {
        self.counted = true;
        self.metrics.0.calls.ended(self.surface, outcome, took);
    }

    /// Its program did not start. How long that took says nothing of calls.
    pub(crate) fn reject(mut self, error: &StartError) {
        self.counted = true;
        self.metrics.0.calls.count(self.surface, refusal(error));
    }
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        let (calls, surface) = (&self.metrics.0.calls, self.surface);
        if !self.counted {
            calls.count(surface, End::Cancelled.reason());
            calls.took(surface, self.begun.elapsed());
        }
        calls.running.get_or_create(&By { surface }).dec();
    }
}
