//! The network policy of a template. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;

use crate::crd::{SandboxTemplate, TemplateNetworkPolicy};
use crate::names::{label, name_hash, owner_reference};

/// What follows the template's name in the policy's.
const SUFFIX: &str = "-network-policy";
/// Both directions, whether or not they have rules: what has none is denied.
const POLICY_TYPES: [&str; 2] = ["Ingress", "Egress"];
/// The namespace of the router, as every namespace is labelled by itself.
const ROUTER_NAMESPACE: (&str, &str) = ("kubernetes.io/metadata.name", "agent-sandbox-system");
/// The label of the router's pods.
const ROUTER: (&str, &str) = ("app", "sandbox-router");
/// All of IPv4, without private addresses and without link-local ones, where
/// clouds answer with credentials.
const PUBLIC_IPV4: (&str, &[&str]) = (
    "0.0.0.0/0",
    &[
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
    ],
);
/// All of IPv6, without unique local and link-local addresses.
const PUBLIC_IPV6: (&str, &[&str]) = ("::/0", &["fc00::/7", "fe80::/10"]);
/// What a port is for if it does not say.
const TCP: &str = "TCP";

/// The name of a template's policy.
pub(super) fn policy_name(template: &str) -> String {
    format!("{template}{SUFFIX}")
}

/// The name of the template whose policy has this name.
pub(super) fn template_name(policy: &str) -> Option<&str> {
    policy.strip_suffix(SUFFIX)
}

/// The policy that a template wants, and owns.
pub(super) fn policy(template: &SandboxTemplate) -> NetworkPolicy {
    let name = template.name_any();
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(policy_name(&name)),
            namespace: template.namespace(),
            owner_references: owner_reference(template).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(spec(&name, rules(template))),
    }
}

/// What a template lets in and out.
pub fn rules(template: &SandboxTemplate) -> TemplateNetworkPolicy {
    let own = template.spec.network_policy.clone();
    own.unwrap_or_else(default_rules)
}

fn spec(template: &str, rules: TemplateNetworkPolicy) -> NetworkPolicySpec {
    let TemplateNetworkPolicy { ingress, egress } = rules;
    normal(NetworkPolicySpec {
        pod_selector: Some(select((
            label::SANDBOX_TEMPLATE_REF_HASH,
            &name_hash(template),
        ))),
        policy_types: Some(POLICY_TYPES.map(str::to_owned).into()),
        ingress: Some(ingress),
        egress: Some(egress),
    })
}

/// In comes what the router sends; out goes what leads to the public internet.
pub fn default_rules() -> TemplateNetworkPolicy {
    // One peer with two selectors: pods of the router in its namespace. Two
    // peers would let in all of that namespace, and any pod with that label.
    let router = NetworkPolicyPeer {
        namespace_selector: Some(select(ROUTER_NAMESPACE)),
        pod_selector: Some(select(ROUTER)),
        ..NetworkPolicyPeer::default()
    };
    TemplateNetworkPolicy {
        ingress: vec![NetworkPolicyIngressRule {
            from: Some(vec![router]),
            ports: None,
        }],
        egress: vec![NetworkPolicyEgressRule {
            to: Some(vec![block(PUBLIC_IPV4), block(PUBLIC_IPV6)]),
            ports: None,
        }],
    }
}

fn select((key, value): (&str, &str)) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        match_expressions: None,
    }
}

fn block((cidr, except): (&str, &[&str])) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except.iter().map(|&it| it.to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    }
}

/// A specification as the API server gives it back: without empty lists, and
/// with what ports are for. Two that mean the same are then equal, so that
/// nothing is written again and again.
pub(super) fn normal(mut spec: NetworkPolicySpec) -> NetworkPolicySpec {
    for rule in spec.ingress.iter_mut().flatten() {
        normal_rule(&mut rule.from, &mut rule.ports);
    }
    for rule in spec.egress.iter_mut().flatten() {
        normal_rule(&mut rule.to, &mut rule.ports);
    }
    spec.ingress.take_if(|rules| rules.is_empty());
    spec.egress.take_if(|rules| rules.is_empty());
    spec.pod_selector.as_mut().map(normal_selector);
    spec
}

fn normal_rule(
    peers: &mut Option<Vec<NetworkPolicyPeer>>,
    ports: &mut Option<Vec<NetworkPolicyPort>>,
) {
    for port in ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| TCP.to_owned());
    }
    for peer in peers.iter_mut().flatten() {
        peer.namespace_selector.as_mut().map(normal_selector);
        peer.pod_selector.as_mut().map(normal_selector);
        if let Some(block) = &mut peer.ip_block {
            block.except.take_if(|except| except.is_empty());
        }
    }
    peers.take_if(|peers| peers.is_empty());
    ports.take_if(|ports| ports.is_empty());
}

fn normal_selector(selector: &mut LabelSelector) {
    selector.match_labels.take_if(|labels| labels.is_empty());
    selector.match_expressions.take_if(|them| them.is_empty());
}

#[cfg(test)]
mod tests;
