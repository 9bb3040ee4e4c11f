//! How many node hosts there are, and how it stands with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Fleet;

/// Counts node hosts whenever somebody asks.
struct Census(Arc<Fleet>);

/// How it stands with a node host.
#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Labels {
    /// `heard`, `silent`, or `refused` for one that we do not listen to: it is
    /// of a version that we do not speak with, or has addresses of another.
    pub(super) state: &'static str,
    /// `same`, `other`, or `unknown` where it was never heard or does not show
    /// who it is.
    pub(super) version: &'static str,
}

impl Fleet {
    /// Makes the count of node hosts known to the registry.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(Census(self.clone())));
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Census")
    }
}

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut counts = BTreeMap::<Labels, i64>::new();
        for labels in self.0.census() {
            *counts.entry(labels).or_default() += 1;
        }
        let mut encoder = encoder.encode_descriptor(
            "mote_controller_node_hosts",
            "Node hosts, by whether they are heard and of our version",
            None,
            MetricType::Gauge,
        )?;
        for (labels, count) in counts {
            ConstGauge::new(count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
