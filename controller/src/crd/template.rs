//! A template: a blueprint, and what claims may add to it.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SandboxBlueprint, tolerant};

/// What sandboxes are made from, and what a claim may change in them.
#[derive(CustomResource, Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxTemplate",
    plural = "sandboxtemplates",
    shortname = "sandboxtemplate",
    namespaced,
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxTemplateSpec {
    /// What runs.
    #[serde(flatten)]
    pub blueprint: SandboxBlueprint,
    /// The network policy of the template's sandboxes. Absent: the default,
    /// which denies what is inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<TemplateNetworkPolicy>,
    /// Whether the controller keeps the network policy.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub network_policy_management: NetworkPolicyManagement,
    /// Whether a claim may set environment variables.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub env_vars_injection_policy: EnvVarsInjectionPolicy,
    /// Whether a claim may bring volume claim templates.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub volume_claim_templates_policy: VolumeClaimTemplatesPolicy,
}

/// Who may reach a template's sandboxes, and whom they may reach. A direction
/// without a rule is denied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TemplateNetworkPolicy {
    /// What may come in.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ingress: Vec<NetworkPolicyIngressRule>,
    /// What may go out.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub egress: Vec<NetworkPolicyEgressRule>,
}

/// Whether the controller keeps a template's network policy.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum NetworkPolicyManagement {
    /// It does.
    #[default]
    Managed,
    /// Someone else does.
    Unmanaged,
}

/// Whether a claim may set environment variables.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum EnvVarsInjectionPolicy {
    /// It may add variables.
    Allowed,
    /// It may add variables and change the template's.
    Overrides,
    /// It may do neither.
    #[default]
    Disallowed,
}

/// Whether a claim may bring volume claim templates.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum VolumeClaimTemplatesPolicy {
    /// It may not.
    #[default]
    Disallowed,
    /// It may add some.
    Allowed,
    /// It may add some and replace the template's.
    Overrides,
}
