//! What an operator decides by flags.

use std::path::PathBuf;
use std::time::Duration;

/// Where the list of label domains that claims may use is mounted.
pub const ALLOWED_LABEL_DOMAINS: &str = "/etc/sandbox-config/allowed-label-domains";

/// How the controllers behave. The defaults are those of the flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether templates, claims and pools are served beside sandboxes.
    pub extensions: bool,
    /// The last part of the names of services.
    pub cluster_domain: String,
    /// Sandboxes reconciled at once.
    pub sandbox_workers: u16,
    /// Claims reconciled at once.
    pub claim_workers: u16,
    /// Pools reconciled at once.
    pub pool_workers: u16,
    /// Templates reconciled at once.
    pub template_workers: u16,
    /// Sandboxes that a pool creates in one pass, at most.
    pub pool_batch: usize,
    /// How long a pool waits before it replaces what was claimed.
    pub pool_replenish_delay: Duration,
    /// Sandboxes that a pool creates in a second; zero for as many as it can.
    pub pool_refill_rate: f64,
    /// How long a pool leaves a sandbox that is not ready.
    pub pool_readiness_grace: Duration,
    /// How often a pool looks again at sandboxes that no node can take.
    pub pool_unschedulable_recheck: Duration,
    /// Whether the pods of pools carry permission to be evicted.
    pub pool_eviction: bool,
    /// Whether claims have events.
    pub claim_events: bool,
    /// Whether claims have annotations that say when they were seen and ready.
    pub claim_observability_annotations: bool,
    /// The file with the label domains that claims may use, one a line.
    pub allowed_label_domains: PathBuf,
    /// Whether objects are given the trace they belong to.
    pub tracing: bool,
    /// Whether sandboxes may be wasm sessions on node hosts.
    pub wasm: bool,
    /// How long a node host may be silent before sandboxes without files go
    /// elsewhere.
    pub node_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            extensions: false,
            cluster_domain: "cluster.local".to_owned(),
            sandbox_workers: 100,
            claim_workers: 50,
            pool_workers: 1,
            template_workers: 1,
            pool_batch: 300,
            pool_replenish_delay: Duration::ZERO,
            pool_refill_rate: 0.0,
            pool_readiness_grace: Duration::from_secs(5 * 60),
            pool_unschedulable_recheck: Duration::from_secs(60),
            pool_eviction: true,
            claim_events: true,
            claim_observability_annotations: true,
            allowed_label_domains: PathBuf::from(ALLOWED_LABEL_DOMAINS),
            tracing: false,
            wasm: false,
            // A node host that restarts is back in a tenth of it.
            node_grace: Duration::from_secs(30),
        }
    }
}
