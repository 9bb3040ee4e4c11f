//! What is counted of sandboxes. Names and labels are what dashboards know.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::report::is_marked_expired;
use crate::cache::Cache;
use crate::condition::{self, READY};
use crate::context::Guarded;
use crate::crd::Sandbox;
use crate::names::{EXTENSIONS_GROUP, annotation, controller_of, created_by, label};

/// In milliseconds. From 50 on they are the ones of old; those below are for
/// sandboxes that need no pod.
const CREATION_BUCKETS: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
    10_000.0, 30_000.0, 60_000.0, 120_000.0, 240_000.0, 300_000.0, 600_000.0,
];
/// The template of a sandbox that names none, in the histogram.
const NO_TEMPLATE: &str = "__unknown__";
/// The same in the gauge, where it has always been another word.
const NO_TEMPLATE_IN_CENSUS: &str = "unknown";

/// What is measured in passes.
#[derive(Clone, Debug)]
pub struct SandboxMetrics {
    creation: Family<CreationLabels, Histogram>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CreationLabels {
    namespace: String,
    launch_type: &'static str,
    sandbox_template: String,
}

impl SandboxMetrics {
    /// Makes it known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            creation: Family::new_with_constructor(|| Histogram::new(CREATION_BUCKETS)),
        };
        registry.register(
            "agent_sandbox_creation_latency_ms",
            "From the creation of a Sandbox until it was ready for the first time, in milliseconds",
            metrics.creation.clone(),
        );
        metrics
    }

    /// A sandbox was ready for the first time.
    pub fn first_ready(&self, sandbox: &Sandbox, took: Duration) {
        let labels = CreationLabels {
            namespace: sandbox.metadata.namespace.clone().unwrap_or_default(),
            launch_type: launch_type(sandbox),
            sandbox_template: template(sandbox, NO_TEMPLATE),
        };
        self.creation
            .get_or_create(&labels)
            .observe(took.as_secs_f64() * 1_000.0);
    }
}

/// Counts the sandboxes whenever it is asked.
pub struct Census(Cache<Guarded<Sandbox>>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CensusLabels {
    namespace: String,
    ready_condition: &'static str,
    expired: &'static str,
    launch_type: &'static str,
    sandbox_template: String,
    owned_by: &'static str,
    created_by: &'static str,
}

impl fmt::Debug for Census {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Census")
    }
}

impl Census {
    /// Makes the count of these sandboxes known to the registry.
    pub fn register(registry: &mut Registry, sandboxes: Cache<Guarded<Sandbox>>) {
        registry.register_collector(Box::new(Self(sandboxes)));
    }
}

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sandboxes = self.0.all();
        let counts = count(
            sandboxes
                .iter()
                .filter_map(|sandbox| sandbox.0.as_ref().ok()),
        );
        let mut encoder = encoder.encode_descriptor(
            "agent_sandboxes",
            "Sandboxes that there are",
            None,
            MetricType::Gauge,
        )?;
        for (labels, count) in counts {
            ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn count<'a>(sandboxes: impl Iterator<Item = &'a Sandbox>) -> HashMap<CensusLabels, i64> {
    let mut counts = HashMap::new();
    for sandbox in sandboxes {
        *counts.entry(CensusLabels::of(sandbox)).or_default() += 1;
    }
    counts
}

impl CensusLabels {
    fn of(sandbox: &Sandbox) -> Self {
        let yes_no = |yes: bool| if yes { "true" } else { "false" };
        let conditions = sandbox
            .status
            .as_ref()
            .map_or(&[][..], |status| &status.conditions);
        let asked_by = label_of(sandbox, label::CREATED_BY);
        Self {
            namespace: sandbox.metadata.namespace.clone().unwrap_or_default(),
            ready_condition: yes_no(condition::is_true(conditions, READY)),
            expired: yes_no(is_marked_expired(sandbox)),
            launch_type: launch_type(sandbox),
            sandbox_template: template(sandbox, NO_TEMPLATE_IN_CENSUS),
            owned_by: owned_by(sandbox),
            created_by: created_by(asked_by).unwrap_or("unknown"),
        }
    }
}

fn label_of<'a>(sandbox: &'a Sandbox, key: &str) -> Option<&'a str> {
    sandbox
        .metadata
        .labels
        .as_ref()?
        .get(key)
        .map(String::as_str)
}

fn launch_type(sandbox: &Sandbox) -> &'static str {
    if label_of(sandbox, label::LAUNCH_TYPE) == Some("warm") {
        "warm"
    } else {
        "cold"
    }
}

fn template(sandbox: &Sandbox, none: &str) -> String {
    let annotations = sandbox.metadata.annotations.as_ref();
    let template =
        annotations.and_then(|annotations| annotations.get(annotation::SANDBOX_TEMPLATE_REF));
    template
        .filter(|template| !template.is_empty())
        .map_or_else(|| none.to_owned(), Clone::clone)
}

fn owned_by(sandbox: &Sandbox) -> &'static str {
    let owner = controller_of(&sandbox.metadata);
    let owner = owner.filter(|owner| owner.api_version.split('/').next() == Some(EXTENSIONS_GROUP));
    match owner.map(|owner| owner.kind.as_str()) {
        Some("SandboxClaim") => "SandboxClaim",
        Some("SandboxWarmPool") => "SandboxWarmPool",
        Some(_) | None => "None",
    }
}

#[cfg(test)]
mod tests;
