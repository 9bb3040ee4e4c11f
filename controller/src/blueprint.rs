//! What a template's sandboxes are made from, and whether two such plans mean
//! the same. Pools and claims share this.

mod meaning;
pub(crate) mod quantity;

use k8s_openapi::api::core::v1::PodSpec;

use crate::crd::{NetworkPolicyManagement, SandboxBlueprint, SandboxTemplateSpec};
use crate::names::name_hash;

pub use meaning::Meaning;

/// The policy by which a pod has the resolvers of its `dnsConfig` alone.
const DNS_POLICY_NONE: &str = "None";
/// Resolvers outside the cluster: the default network policy denies what is
/// inside it, and with it the cluster's own.
const PUBLIC_RESOLVERS: [&str; 2] = ["8.8.8.8", "1.1.1.1"];

/// The blueprint of a template, with what its author left open decided safely:
/// no service account token, and resolvers that the default network policy
/// lets through.
pub fn secure_defaults(template: &SandboxTemplateSpec) -> SandboxBlueprint {
    let mut blueprint = template.blueprint.clone();
    let pod = &mut blueprint.pod_template.spec;
    pod.automount_service_account_token.get_or_insert(false);
    let default_policy = template.network_policy_management == NetworkPolicyManagement::Managed
        && template.network_policy.is_none();
    if default_policy && pod.dns_policy.as_deref().unwrap_or_default().is_empty() {
        resolve_outside(pod);
    }
    blueprint
}

/// Resolvers that the author names stay: the author may run them in public.
fn resolve_outside(pod: &mut PodSpec) {
    pod.dns_policy = Some(DNS_POLICY_NONE.to_owned());
    let dns = pod.dns_config.get_or_insert_default();
    let resolvers = dns.nameservers.get_or_insert_default();
    if resolvers.is_empty() {
        resolvers.extend(PUBLIC_RESOLVERS.map(str::to_owned));
    }
}

/// A short name for a blueprint, to the letter. Two that hash alike are taken
/// for the same; two that do not may still be the [`same`].
pub fn hash(blueprint: &SandboxBlueprint) -> String {
    // A blueprint is always JSON: its maps have texts for keys.
    name_hash(&serde_json::to_string(blueprint).unwrap_or_default())
}

/// Whether two blueprints make the same sandbox. Labels and annotations do not
/// count, nor does what the API server fills in where nothing was said.
pub fn same(one: &SandboxBlueprint, other: &SandboxBlueprint) -> bool {
    Meaning::of(one) == Meaning::of(other)
}

#[cfg(test)]
mod tests;
