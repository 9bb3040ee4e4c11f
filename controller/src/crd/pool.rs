//! A warm pool: sandboxes that run before somebody wants them.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::tolerant;

/// How many sandboxes a pool keeps if it does not say.
const DEFAULT_REPLICAS: i32 = 1;

/// How many sandboxes of which template to keep warm.
#[allow(
    clippy::duplicated_attributes,
    reason = "each column has a name, a type and a path of its own"
)]
#[derive(CustomResource, Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxWarmPool",
    plural = "sandboxwarmpools",
    shortname = "swp",
    namespaced,
    status = "SandboxWarmPoolStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxWarmPoolSpec {
    /// How many sandboxes to keep.
    #[serde(default = "default_replicas", deserialize_with = "replicas")]
    #[schemars(range(min = 0))]
    pub replicas: i32,
    /// The template they are made from.
    pub sandbox_template_ref: SandboxTemplateRef,
    /// What becomes of them when the template changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<PoolUpdateStrategy>,
}

/// The name of a template in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SandboxTemplateRef {
    /// The name.
    pub name: String,
}

/// What becomes of a pool's sandboxes when their template changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PoolUpdateStrategy {
    /// Which of the ways.
    #[serde(default, rename = "type", deserialize_with = "tolerant::or_default")]
    pub type_: PoolUpdateStrategyType,
}

/// The ways to replace a pool's sandboxes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum PoolUpdateStrategyType {
    /// At once.
    Recreate,
    /// As they are used up.
    #[default]
    OnReplenish,
}

/// What is known of a pool.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxWarmPoolStatus {
    /// How many sandboxes there are.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub replicas: i32,
    /// How many of them are ready.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub ready_replicas: i32,
    /// A label selector for the pods of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The generation of the pool that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

impl SandboxWarmPoolSpec {
    /// What becomes of the sandboxes when the template changes.
    pub fn update_strategy_type(&self) -> PoolUpdateStrategyType {
        self.update_strategy.unwrap_or_default().type_
    }
}

fn default_replicas() -> i32 {
    DEFAULT_REPLICAS
}

fn replicas<'de, D: Deserializer<'de>>(value: D) -> Result<i32, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or(DEFAULT_REPLICAS))
}
