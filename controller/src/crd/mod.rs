//! The kinds of the Agent Sandbox API, `v1beta1`, as Rust types.
//!
//! The types are what the controller reads and writes. They also make the
//! definitions in `deploy/crds`, which [`generate`] writes.

mod claim;
mod generate;
mod pool;
mod sandbox;
mod schema;
mod template;
mod tolerant;

pub use claim::{
    AssignedSandbox, ClaimEnvVar, ClaimLifecycle, ClaimShutdownPolicy, SandboxClaim,
    SandboxClaimSpec, SandboxClaimStatus, WarmPoolRef,
};
pub use generate::{GenerateError, generate};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
pub use pool::{
    PoolUpdateStrategy, PoolUpdateStrategyType, SandboxTemplateRef, SandboxWarmPool,
    SandboxWarmPoolSpec, SandboxWarmPoolStatus,
};
pub use sandbox::{
    OperatingMode, PodMetadata, PodTemplate, Sandbox, SandboxBlueprint, SandboxSpec, SandboxStatus,
    ShutdownPolicy, VolumeClaimMetadata, VolumeClaimTemplate,
};
pub use template::{
    EnvVarsInjectionPolicy, NetworkPolicyManagement, SandboxTemplate, SandboxTemplateSpec,
    TemplateNetworkPolicy, VolumeClaimTemplatesPolicy,
};

#[cfg(test)]
mod tests;
