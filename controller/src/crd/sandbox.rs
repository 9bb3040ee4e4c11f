//! A sandbox, and the blueprint it shares with templates.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, PodSpec};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Time, tolerant};

/// One sandbox: what runs in it, whether it runs, and when it ends.
#[allow(
    clippy::duplicated_attributes,
    reason = "each column has a name, a type and a path of its own"
)]
#[derive(CustomResource, Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "agents.x-k8s.io",
    version = "v1beta1",
    kind = "Sandbox",
    plural = "sandboxes",
    shortname = "sandbox",
    namespaced,
    status = "SandboxStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(
        name = "Tier",
        type_ = "string",
        json_path = ".metadata.annotations.mote\\.dev/tier"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates == oldSelf.volumeClaimTemplates)",
    "message": "volumeClaimTemplates is immutable",
}]))]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// What runs.
    #[serde(flatten)]
    pub blueprint: SandboxBlueprint,
    /// When the sandbox expires; never, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown_time: Option<Time>,
    /// What becomes of the object when the sandbox expires.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub shutdown_policy: ShutdownPolicy,
    /// Whether the sandbox runs.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub operating_mode: OperatingMode,
}

/// What a sandbox is made from. Sandboxes and templates have its fields inline.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxBlueprint {
    /// The pod, or what runs in its place.
    pub pod_template: PodTemplate,
    /// Claims for volumes, one set to each sandbox.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
    /// Whether a headless service leads to the sandbox. Absent: one that
    /// exists is kept, none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<bool>,
}

/// A pod to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PodTemplate {
    /// Its labels and annotations.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "PodMetadata::is_empty"
    )]
    pub metadata: PodMetadata,
    /// Its specification.
    #[serde(deserialize_with = "tolerant::embedded")]
    pub spec: PodSpec,
}

/// Labels and annotations for a pod.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PodMetadata {
    /// Labels.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// A persistent volume claim to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct VolumeClaimTemplate {
    /// Its name, labels and annotations.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "VolumeClaimMetadata::is_empty"
    )]
    pub metadata: VolumeClaimMetadata,
    /// Its specification.
    #[serde(deserialize_with = "tolerant::embedded")]
    pub spec: PersistentVolumeClaimSpec,
}

/// Name, labels and annotations for a persistent volume claim.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct VolumeClaimMetadata {
    /// The first part of the claim's name, and the name of the volume it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl VolumeClaimMetadata {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// What becomes of a sandbox object when its sandbox expires. What it owns is
/// removed either way.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ShutdownPolicy {
    /// The object goes too.
    Delete,
    /// The object stays, to be read.
    #[default]
    Retain,
}

/// Whether a sandbox runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OperatingMode {
    /// It runs.
    #[default]
    Running,
    /// It does not run; its volumes and its service stay.
    Suspended,
}

/// What is known of a sandbox.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxStatus {
    /// The name of the headless service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The name under which the cluster's DNS has the service.
    #[serde(
        default,
        rename = "serviceFQDN",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_fqdn: Option<String>,
    /// `Ready`, `Suspended`, `PodScheduled` and `Finished`.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub conditions: Vec<Condition>,
    /// A label selector for the sandbox's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The addresses at which the sandbox answers.
    #[serde(
        default,
        deserialize_with = "tolerant::or_default",
        rename = "podIPs",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pod_ips: Vec<String>,
    /// The node the sandbox is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
}
