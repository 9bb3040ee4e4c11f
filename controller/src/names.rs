//! The names of the Agent Sandbox API: groups, labels, annotations, owners.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

/// Under this name the controller's writes are recorded in `managedFields`.
pub const FIELD_MANAGER: &str = "sandbox-controller";
/// The group of `Sandbox`.
pub const CORE_GROUP: &str = "agents.x-k8s.io";
/// The group of `SandboxTemplate`, `SandboxClaim` and `SandboxWarmPool`.
pub const EXTENSIONS_GROUP: &str = "extensions.agents.x-k8s.io";

/// Keys of labels.
pub mod label {
    /// On pods, services and volume claims: [`name_hash`](super::name_hash) of the sandbox's name.
    pub const SANDBOX_NAME_HASH: &str = "agents.x-k8s.io/sandbox-name-hash";
    /// On sandboxes and pods of a pool: the hash of the pool's name.
    pub const WARM_POOL_SANDBOX: &str = "agents.x-k8s.io/warm-pool-sandbox";
    /// On sandboxes, pods and the template itself: the hash of the template's name.
    pub const SANDBOX_TEMPLATE_REF_HASH: &str = "agents.x-k8s.io/sandbox-template-ref-hash";
    /// On sandboxes of a pool: the hash of the blueprint they were made from.
    pub const SANDBOX_TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-template-hash";
    /// An older name of [`SANDBOX_TEMPLATE_HASH`].
    pub const SANDBOX_POD_TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-pod-template-hash";
    /// On sandboxes: `warm` or `cold`.
    pub const LAUNCH_TYPE: &str = "agents.x-k8s.io/launch-type";
    /// On claims, sandboxes and pods: which client asked, see [`created_by`](super::created_by).
    pub const CREATED_BY: &str = "agents.x-k8s.io/created-by";
    /// On sandboxes and pods: the UID of the claim that has them.
    pub const CLAIM_UID: &str = "agents.x-k8s.io/claim-uid";
    /// On objects that were there before: `true` permits a sandbox to adopt them.
    pub const ADOPTABLE: &str = "agents.x-k8s.io/adoptable";
    /// On claims, deprecated: the assigned sandbox.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
}

/// Keys of annotations.
pub mod annotation {
    /// On sandboxes: the pod that serves them.
    pub const POD_NAME: &str = "agents.x-k8s.io/pod-name";
    /// On claims: the assigned sandbox, written before the sandbox is touched.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
    /// On sandboxes: the template they were made from.
    pub const SANDBOX_TEMPLATE_REF: &str = "agents.x-k8s.io/sandbox-template-ref";
    /// On pods: the labels that came from the sandbox, with commas between.
    pub const PROPAGATED_LABELS: &str = "agents.x-k8s.io/propagated-labels";
    /// On pods: the annotations that came from the sandbox, with commas between.
    pub const PROPAGATED_ANNOTATIONS: &str = "agents.x-k8s.io/propagated-annotations";
    /// On claims: when the client first asked.
    pub const CLIENT_FIRST_REQUESTED_AT: &str = "agents.x-k8s.io/client-first-requested-at";
    /// On claims: when the controller first saw them.
    pub const CONTROLLER_FIRST_OBSERVED_AT: &str = "agents.x-k8s.io/controller-first-observed-at";
    /// On claims: when an admission webhook first saw them.
    pub const WEBHOOK_FIRST_OBSERVED_AT: &str = "agents.x-k8s.io/webhook-first-observed-at";
    /// On claims: when they were first ready, or `unknown`.
    pub const CLAIM_FIRST_READY_AT: &str = "agents.x-k8s.io/claim-first-ready-at";
    /// On claims and sandboxes: the W3C trace they belong to, as JSON.
    pub const TRACE_CONTEXT: &str = "opentelemetry.io/trace-context";
    /// On sandboxes with a choice of tiers: `wasm` or `pod`.
    pub const TIER: &str = "mote.dev/tier";
    /// On sandboxes that could have been wasm: why they are pods.
    pub const TIER_REASON: &str = "mote.dev/tier-reason";
    /// On pods: whether the cluster autoscaler may evict them.
    pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
}

/// FNV-1a, 32 bits, as eight hexadecimal digits: names are up to 253
/// characters long and label values only 63. It keeps names apart in
/// selectors; it is no proof of ownership, which owner references are.
pub fn name_hash(name: &str) -> String {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = name.bytes().fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:08x}")
}

/// Whether only the controller may write a label or annotation of this key on
/// what it makes: users' templates never bring one of these to a pod.
pub fn is_reserved(key: &str) -> bool {
    key == annotation::TRACE_CONTEXT
        || key
            .split_once('/')
            .is_some_and(|(domain, _)| domain == CORE_GROUP || domain == EXTENSIONS_GROUP)
}

/// The value of [`label::CREATED_BY`] as it may go into metrics and onto pods:
/// one of the known clients, or `unknown`. Absent stays absent.
pub fn created_by(value: Option<&str>) -> Option<&'static str> {
    Some(match value? {
        "go-client" => "go-client",
        "python-client" => "python-client",
        "controller" => "controller",
        _ => "unknown",
    })
}

/// The owner that controls an object.
pub fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| owner.controller == Some(true))
}

/// Whether the object is controlled by the owner with this UID. An empty UID
/// controls nothing.
pub fn is_controlled_by(metadata: &ObjectMeta, uid: &str) -> bool {
    !uid.is_empty() && controller_of(metadata).is_some_and(|owner| owner.uid == uid)
}

/// A reference that makes `owner` the controller of another object and keeps
/// it until that object is gone. `None` for an owner the API server has not
/// named yet.
pub fn owner_reference<K: Resource<DynamicType = ()>>(owner: &K) -> Option<OwnerReference> {
    Some(OwnerReference {
        block_owner_deletion: Some(true),
        ..owner.controller_owner_ref(&())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_hashed_as_fnv_1a() {
        // The published test vectors of FNV-1a, 32 bits.
        assert_eq!(name_hash(""), "811c9dc5");
        assert_eq!(name_hash("a"), "e40c292c");
        assert_eq!(name_hash("foobar"), "bf9cf968");
    }

    #[test]
    fn both_groups_and_the_trace_are_reserved() {
        for key in [
            "agents.x-k8s.io/anything",
            "extensions.agents.x-k8s.io/x",
            annotation::TRACE_CONTEXT,
        ] {
            assert!(is_reserved(key), "{key}");
        }
        for key in [
            "app",
            "example.com/agents.x-k8s.io",
            "x.agents.x-k8s.io/y",
            "agents.x-k8s.io",
        ] {
            assert!(!is_reserved(key), "{key}");
        }
    }

    #[test]
    fn unknown_clients_have_one_name() {
        assert_eq!(created_by(Some("python-client")), Some("python-client"));
        assert_eq!(created_by(Some("me")), Some("unknown"));
        assert_eq!(created_by(Some("")), Some("unknown"));
        assert_eq!(created_by(None), None);
    }

    #[test]
    fn an_empty_uid_controls_nothing() {
        let owned = ObjectMeta {
            owner_references: Some(vec![OwnerReference {
                controller: Some(true),
                ..Default::default()
            }]),
            ..Default::default()
        };
        assert!(!is_controlled_by(&owned, ""));
    }
}
