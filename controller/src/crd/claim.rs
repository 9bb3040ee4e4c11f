//! A claim: somebody wants a sandbox out of a pool.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, PodMetadata, VolumeClaimTemplate, tolerant};

/// A wish for one sandbox, and for how long.
#[allow(
    clippy::duplicated_attributes,
    reason = "each column has a name, a type and a path of its own"
)]
#[derive(CustomResource, Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "extensions.agents.x-k8s.io",
    version = "v1beta1",
    kind = "SandboxClaim",
    plural = "sandboxclaims",
    shortname = "sandboxclaim",
    namespaced,
    status = "SandboxClaimStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Sandbox", type_ = "string", json_path = ".status.sandbox.name"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct SandboxClaimSpec {
    /// The pool the sandbox comes from, or whose template it is made from.
    pub warm_pool_ref: WarmPoolRef,
    /// When the claim ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<ClaimLifecycle>,
    /// Labels and annotations to add to the sandbox's pod.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "PodMetadata::is_empty"
    )]
    pub additional_pod_metadata: PodMetadata,
    /// Environment variables to add, if the template allows it.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub env: Vec<ClaimEnvVar>,
    /// Volume claim templates to add, if the template allows it.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
}

/// The name of a pool in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct WarmPoolRef {
    /// The name.
    pub name: String,
}

/// When a claim ends, and what then becomes of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLifecycle {
    /// When the claim expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_time: Option<Time>,
    /// How long after its sandbox has finished the claim expires, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,
    /// What becomes of the claim when it expires.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub shutdown_policy: ClaimShutdownPolicy,
}

/// What becomes of a claim when it expires. Its sandbox goes either way.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ClaimShutdownPolicy {
    /// The claim goes too.
    Delete,
    /// The claim goes once all it owns has gone.
    DeleteForeground,
    /// The claim stays, to be read.
    #[default]
    Retain,
}

/// One environment variable of a claim.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimEnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The container it is for; the first, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
}

/// What is known of a claim.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SandboxClaimStatus {
    /// `Ready`, and `Finished` once it is.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub conditions: Vec<Condition>,
    /// The sandbox the claim has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<AssignedSandbox>,
}

/// The sandbox a claim has.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct AssignedSandbox {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The addresses at which it answers.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        rename = "podIPs",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pod_ips: Vec<String>,
}
