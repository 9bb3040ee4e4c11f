//! What every controller is given.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Client;
use kube::core::DeserializeGuard;
use prometheus_client::registry::Registry;

use crate::cache::Cache;
use crate::claim::Ledger;
use crate::claim::metrics::ClaimMetrics;
use crate::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use crate::driver::ReconcileMetrics;
use crate::event::Events;
use crate::freshness::Freshness;
use crate::pool;
use crate::sandbox::metrics::SandboxMetrics;
use crate::settings::Settings;
use crate::wasm::Wasm;
use crate::write::WriteMetrics;

/// A kind of ours: an object that cannot be read is still seen.
pub type Guarded<K> = DeserializeGuard<K>;

/// The hands and the eyes of the controllers. One for the whole process.
pub struct Context {
    /// The API server. Writes go through the methods of `write.rs`.
    pub client: Client,
    /// What was seen of the cluster.
    pub caches: Caches,
    /// What the operator decided.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// The story for people.
    pub events: Events,
    /// What claims know before the caches do.
    pub ledger: Ledger,
    /// What was written and not seen yet.
    pub freshness: Freshness,
    /// What pools asked for and have not seen yet.
    pub pools: pool::Memories,
    /// The wasm tier, where it is on.
    pub wasm: Option<Wasm>,
}

/// One cache a kind. Those of the extensions stay empty where they are off.
#[derive(Clone, Debug)]
pub struct Caches {
    /// Sandboxes, by controller and by pool.
    pub sandboxes: Cache<Guarded<Sandbox>>,
    /// Pods of sandboxes, trimmed, by controller.
    pub pods: Cache<Pod>,
    /// Services of sandboxes.
    pub services: Cache<Service>,
    /// Claims.
    pub claims: Cache<Guarded<SandboxClaim>>,
    /// Pools.
    pub pools: Cache<Guarded<SandboxWarmPool>>,
    /// Templates.
    pub templates: Cache<Guarded<SandboxTemplate>>,
    /// Network policies that a template controls.
    pub policies: Cache<NetworkPolicy>,
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// About sandboxes.
    pub sandboxes: SandboxMetrics,
    /// About claims.
    pub claims: ClaimMetrics,
    /// About passes of the controllers.
    pub reconciles: ReconcileMetrics,
    /// About requests to the API server.
    pub writes: WriteMetrics,
}

impl Metrics {
    /// Makes all of them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            sandboxes: SandboxMetrics::register(registry),
            claims: ClaimMetrics::register(registry),
            reconciles: ReconcileMetrics::register(registry),
            writes: WriteMetrics::register(registry),
        }
    }
}
