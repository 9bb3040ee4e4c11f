//! What a template's network policy lets in, as far as that can be told
//! without looking at the cluster. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::core::Selector;
use mote_rpc::v1::Policy;
use mote_rpc::v1::policy::{Peer, Ports, Rule};

use crate::crd::{NetworkPolicyManagement, SandboxTemplate};
use crate::template;

/// Most prefixes, rules and ports of one policy: no more than a node host
/// takes, which would refuse all policies for one that is too large. What is
/// beyond lets nobody in.
pub(super) const MAX_PREFIXES: usize = 4_096;
pub(super) const MAX_RULES: usize = 256;
pub(super) const MAX_PORTS: usize = 256;

/// A policy whose pods are not looked up yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Draft(Vec<Way>);

/// One rule. What Kubernetes does not understand lets nobody in.
#[derive(Clone, Debug, PartialEq)]
struct Way {
    /// `None` for everybody.
    from: Option<Vec<Origin>>,
    /// `None` for every port.
    to: Option<Vec<Ports>>,
    /// Whether there are peers that mean nobody.
    has_nobody: bool,
}

/// A policy, and what of it lets in nobody.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) policy: Policy,
    /// Whether there is more than a node host takes.
    pub(super) is_cut: bool,
    /// Whether there are peers that mean nobody.
    pub(super) has_nobody: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Origin {
    Block(Peer),
    Pods(Selection),
}

/// Pods whose addresses are to be known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    /// Their labels, as the API server reads selectors.
    pub(super) pods: String,
    /// Their namespaces.
    pub(super) within: Within,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Within {
    /// This one.
    Namespace(String),
    /// Those with such labels.
    Labelled(Selector),
}

impl Draft {
    /// The policy of a template's sandboxes. Where somebody else sees to
    /// policies, everybody is let in.
    pub(super) fn of(template: &SandboxTemplate) -> Self {
        if template.spec.network_policy_management == NetworkPolicyManagement::Unmanaged {
            return Self(vec![Way {
                from: None,
                to: None,
                has_nobody: false,
            }]);
        }
        let namespace = template.namespace().unwrap_or_default();
        let rules = template::rules(template).ingress;
        let names = port_names(template);
        let ways = rules.iter().map(|rule| Way::of(rule, &namespace, &names));
        Self(ways.collect())
    }

    /// Who is let in where a template is gone and its sandboxes are not: the
    /// same as by default.
    pub(super) fn default_rules() -> Self {
        let rules = template::default_rules().ingress;
        let none = BTreeMap::new();
        let ways = rules.iter().map(|rule| Way::of(rule, "", &none));
        Self(ways.collect())
    }

    /// The pods that have to be looked up for it.
    pub(super) fn selections(&self) -> impl Iterator<Item = &Selection> {
        let origins = self.0.iter().filter_map(|way| way.from.as_ref()).flatten();
        origins.filter_map(|origin| match origin {
            Origin::Pods(selection) => Some(selection),
            Origin::Block(_) => None,
        })
    }

    /// The policy, by the addresses of what it selects.
    pub(super) fn resolve(
        &self,
        name: &str,
        mut addresses: impl FnMut(&Selection) -> BTreeSet<IpAddr>,
    ) -> Resolved {
        let (mut room, mut ports_left) = (MAX_PREFIXES, MAX_PORTS);
        let mut is_cut = false;
        let rules = self.0.iter().filter_map(|way| {
            let peers = match &way.from {
                None => Vec::new(),
                Some(origins) => {
                    let peers = origins.iter();
                    let peers = peers.flat_map(|origin| origin.peers(&mut addresses));
                    let fits = |peer: &Peer| {
                        let left = room.checked_sub(1 + peer.except.len());
                        room = left.unwrap_or(room);
                        is_cut |= left.is_none();
                        left.is_some()
                    };
                    let peers: Vec<Peer> = peers.filter(fits).collect();
                    // No peers would mean everybody.
                    if peers.is_empty() {
                        return None;
                    }
                    peers
                }
            };
            let Some(to) = &way.to else {
                let ports = Vec::new();
                return Some(Rule { peers, ports });
            };
            let ports: Vec<Ports> = to.iter().take(ports_left).copied().collect();
            ports_left -= ports.len();
            is_cut |= ports.len() < to.len();
            // No ports would mean every one.
            (!ports.is_empty()).then_some(Rule { peers, ports })
        });
        let mut rules: Vec<Rule> = rules.collect();
        is_cut |= rules.len() > MAX_RULES;
        rules.truncate(MAX_RULES);
        Resolved {
            policy: Policy {
                name: name.to_owned(),
                rules,
            },
            is_cut,
            has_nobody: self.0.iter().any(|way| way.has_nobody),
        }
    }
}

impl Way {
    fn of(rule: &NetworkPolicyIngressRule, namespace: &str, names: &BTreeMap<String, i32>) -> Self {
        let from = rule.from.as_ref().filter(|from| !from.is_empty());
        let to = rule.ports.as_ref().filter(|ports| !ports.is_empty());
        let from = from.map(|from| {
            let origins = from.iter().filter_map(|peer| Origin::of(peer, namespace));
            (origins.collect::<Vec<_>>(), from.len())
        });
        Self {
            has_nobody: from.as_ref().is_some_and(|(known, all)| known.len() < *all),
            from: from.map(|(known, _)| known),
            to: to.map(|to| {
                let known = to.iter().filter_map(|port| ports(port, names));
                // One more than there can be: enough to see that there are too many.
                known.take(MAX_PORTS + 1).collect()
            }),
        }
    }
}

impl Origin {
    /// `None` for what means nobody.
    fn of(peer: &NetworkPolicyPeer, namespace: &str) -> Option<Self> {
        let NetworkPolicyPeer {
            ip_block,
            namespace_selector,
            pod_selector,
        } = peer;
        match (ip_block, namespace_selector, pod_selector) {
            (Some(block), None, None) => self::block(block).map(Self::Block),
            (None, None, Some(pods)) => Some(Self::Pods(Selection {
                pods: selector(pods)?.to_string(),
                within: Within::Namespace(namespace.to_owned()),
            })),
            (None, Some(namespaces), pods) => Some(Self::Pods(Selection {
                pods: selector(&pods.clone().unwrap_or_default())?.to_string(),
                within: Within::Labelled(selector(namespaces)?),
            })),
            _ => None,
        }
    }

    fn peers(&self, addresses: &mut impl FnMut(&Selection) -> BTreeSet<IpAddr>) -> Vec<Peer> {
        match self {
            Self::Block(peer) => vec![peer.clone()],
            Self::Pods(selection) => {
                let found = addresses(selection).into_iter();
                let peers = found.map(|address| Peer {
                    prefix: IpNet::from(address).to_string(),
                    except: Vec::new(),
                });
                peers.collect()
            }
        }
    }
}

/// One that is malformed, or whose exceptions are or are no part of it, means
/// nobody: Kubernetes takes no such policy, and a node host none besides it.
fn block(block: &IPBlock) -> Option<Peer> {
    let prefix = |text: &String| {
        let net = text.parse::<IpNet>().ok()?.trunc();
        // To a node host that is an IPv4 address, and no part of any of IPv6.
        let mapped = matches!(net, IpNet::V6(net) if net.addr().to_ipv4_mapped().is_some());
        (!mapped).then_some(net)
    };
    let cidr = prefix(&block.cidr)?;
    let except = block.except.iter().flatten();
    let except = except.map(|text| prefix(text).filter(|net| cidr.contains(net)));
    let except = except.map(|net| net.map(|net| net.to_string()));
    Some(Peer {
        prefix: cidr.to_string(),
        except: except.collect::<Option<_>>()?,
    })
}

fn selector(labels: &LabelSelector) -> Option<Selector> {
    labels.clone().try_into().ok()
}

/// Only TCP is spoken; a port for another protocol leads nowhere, and neither
/// do numbers that no port has or that are the wrong way round.
fn ports(port: &NetworkPolicyPort, names: &BTreeMap<String, i32>) -> Option<Ports> {
    let tcp = matches!(port.protocol.as_deref(), None | Some("TCP"));
    if !tcp {
        return None;
    }
    let first = match &port.port {
        None => {
            return Some(Ports {
                first: 1,
                last: u16::MAX.into(),
            });
        }
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => *names.get(name)?,
    };
    let last = port.end_port.unwrap_or(first);
    let number = |port: i32| NonZeroU16::try_from(u16::try_from(port).ok()?).ok();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then(|| Ports {
        first: first.get().into(),
        last: last.get().into(),
    })
}

/// The ports of the template's containers that have names.
fn port_names(template: &SandboxTemplate) -> BTreeMap<String, i32> {
    let pod = &template.spec.blueprint.pod_template.spec;
    let ports = pod
        .containers
        .iter()
        .flat_map(|it| it.ports.iter().flatten());
    let named = ports.filter_map(|port| Some((port.name.clone()?, port.container_port)));
    named.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn draft(spec: Value) -> Draft {
        let mut whole = json!({ "podTemplate": { "spec": { "containers": [
            { "name": "c", "ports": [{ "containerPort": 8888, "name": "http" }] }] } } });
        let fields = whole.as_object_mut().unwrap();
        fields.extend(spec.as_object().unwrap().clone());
        let template = serde_json::from_value(json!({
            "apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxTemplate",
            "metadata": { "name": "t", "namespace": "ns" }, "spec": whole,
        }));
        Draft::of(&template.unwrap())
    }

    fn ingress(rules: Value) -> Draft {
        draft(json!({ "networkPolicy": { "ingress": rules } }))
    }

    /// The rules where every selection finds this one address.
    fn told(draft: &Draft) -> Vec<String> {
        let resolved = draft.resolve("p", |_| ["10.0.0.7".parse().unwrap()].into());
        let policy = resolved.policy;
        let rules = policy.rules.iter().map(|rule| {
            let peers = rule.peers.iter().map(|peer| match peer.except.as_slice() {
                [] => peer.prefix.clone(),
                except => format!("{}-{}", peer.prefix, except.join("-")),
            });
            let ports = rule
                .ports
                .iter()
                .map(|it| format!("{}..{}", it.first, it.last));
            let joined = |words: Vec<String>| match words.as_slice() {
                [] => "any".to_owned(),
                words => words.join(","),
            };
            format!("{} {}", joined(peers.collect()), joined(ports.collect()))
        });
        rules.collect()
    }

    #[test]
    fn by_default_the_router_is_let_in_and_nobody_else() {
        let default = draft(json!({}));
        let [selection] = default.selections().collect::<Vec<_>>()[..] else {
            panic!("{default:?}")
        };
        assert_eq!(selection.pods, "app=sandbox-router");
        assert!(matches!(selection.within, Within::Labelled(_)));
        assert_eq!(told(&default), ["10.0.0.7/32 any"]);
        assert_eq!(default, Draft::default_rules());
        let Resolved {
            policy,
            is_cut,
            has_nobody,
        } = default.resolve("p", |_| BTreeSet::new());
        assert!(policy.rules.is_empty(), "without a router, nobody");
        assert!(!is_cut && !has_nobody);
    }

    #[test]
    fn who_is_let_in_and_where_is_as_in_a_network_policy() {
        for (rule, lets_in) in [
            (json!({}), vec!["any any"]),
            (json!({ "from": [], "ports": [] }), vec!["any any"]),
            (
                json!({ "from": [{ "ipBlock": { "cidr": "10.1.2.3/8", "except": ["10.9.0.0/16"] } }] }),
                vec!["10.0.0.0/8-10.9.0.0/16 any"],
            ),
            (
                json!({ "from": [{ "podSelector": {} }], "ports": [{ "port": 8080, "endPort": 9090 }, { "port": "http" }] }),
                vec!["10.0.0.7/32 8080..9090,8888..8888"],
            ),
            (json!({ "ports": [{}] }), vec!["any 1..65535"]),
            // What means nobody, or nothing that is spoken here.
            (json!({ "from": [{}] }), vec![]),
            (
                json!({ "from": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["x"] } }] }),
                vec![],
            ),
            (
                json!({ "from": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"] } }] }),
                vec![],
            ),
            (
                json!({ "from": [{ "ipBlock": { "cidr": "::/0", "except": ["::ffff:10.0.0.0/104"] } }] }),
                vec![],
            ),
            (
                json!({ "from": [{ "ipBlock": { "cidr": "::/0" }, "podSelector": {} }] }),
                vec![],
            ),
            (
                json!({ "from": [{ "podSelector": { "matchExpressions": [{ "key": "a", "operator": "Like" }] } }] }),
                vec![],
            ),
            (
                json!({ "ports": [{ "port": 8080, "protocol": "UDP" }] }),
                vec![],
            ),
            (
                json!({ "ports": [{ "port": "nameless" }, { "port": 70000 }, { "port": 0 }] }),
                vec![],
            ),
            (
                json!({ "ports": [{ "port": 9090, "endPort": 8080 }, { "port": 0, "endPort": 80 }] }),
                vec![],
            ),
        ] {
            assert_eq!(told(&ingress(json!([rule]))), lets_in, "{rule}");
        }
        assert!(told(&ingress(json!([]))).is_empty());
    }

    #[test]
    fn selectors_of_namespaces_and_pods_are_one_peer() {
        let both = ingress(json!([{ "from": [
            { "podSelector": { "matchLabels": { "a": "b" } } },
            { "namespaceSelector": { "matchLabels": { "team": "x" } } },
        ] }]));
        let selections: Vec<_> = both.selections().collect();
        assert_eq!(selections[0].pods, "a=b");
        assert_eq!(selections[0].within, Within::Namespace("ns".to_owned()));
        assert_eq!(selections[1].pods, "");
        assert!(
            matches!(&selections[1].within, Within::Labelled(it) if it.to_string() == "team=x")
        );
    }

    #[test]
    fn where_someone_else_sees_to_policies_everybody_is_let_in() {
        let unmanaged = draft(json!({ "networkPolicyManagement": "Unmanaged" }));
        assert_eq!(told(&unmanaged), ["any any"]);
    }

    #[test]
    fn a_policy_has_no_more_peers_than_a_node_takes() {
        let everybody = ingress(
            json!([{ "from": [{ "podSelector": {} }] }, { "from": [{ "podSelector": {} }] }]),
        );
        let many = |_: &Selection| {
            (0..5_000u32)
                .map(|n| IpAddr::from(n.to_be_bytes()))
                .collect()
        };
        let Resolved { policy, is_cut, .. } = everybody.resolve("p", many);
        assert!(is_cut);
        let peers: usize = policy.rules.iter().map(|rule| rule.peers.len()).sum();
        assert_eq!((peers, policy.rules.len()), (MAX_PREFIXES, 1));
    }

    #[test]
    fn the_ports_of_all_rules_of_a_policy_are_no_more_than_a_node_takes() {
        let ports: Vec<_> = (1..=200).map(|port| json!({ "port": port })).collect();
        let rules = vec![json!({ "ports": ports }); 3];
        let Resolved { policy, is_cut, .. } =
            ingress(json!(rules)).resolve("p", |_| BTreeSet::new());
        assert!(is_cut);
        let counts = policy.rules.iter().map(|rule| rule.ports.len());
        assert_eq!(counts.collect::<Vec<_>>(), [200, 56]);
    }

    #[test]
    fn what_is_cut_off_and_who_is_nobody_is_told() {
        let resolve = |rules: Value| ingress(rules).resolve("p", |_| BTreeSet::new());
        let rules = |count| resolve(json!(vec![json!({ "ports": [{ "port": 80 }] }); count]));
        assert!(!rules(256).is_cut && rules(257).is_cut);
        assert_eq!(rules(257).policy.rules.len(), 256);
        let from = |cidr| resolve(json!([{ "from": [{ "ipBlock": { "cidr": cidr } }] }]));
        assert!(!from("10.0.0.0/8").has_nobody && from("10.0.0.0").has_nobody);
    }
}
