//! Which addresses the sandboxes of a node have.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;

/// On nodes: the prefixes whose addresses lead to the node and are no pod's, of
/// each family one at most, with a comma between them.
pub const ADDRESSES: &str = "mote.dev/addresses";

/// In place of a prefix: the upper half of what the node's pods have, which is
/// left to sandboxes where the network's plugin is told to give the lower one.
pub const UPPER_HALF: &str = "pods-upper-half";

/// The fewest bits that tell the addresses of a prefix apart: a smaller one
/// has no room for more than two sandboxes.
const MIN_HOST_BITS: u8 = 2;
/// The most bits of a prefix that is told apart from all there is: a larger
/// one is a slip of the pen.
const MIN_PREFIX: u8 = 8;

/// Why a node has no addresses for sandboxes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Nobody said which.
    #[error(
        "node {0} has no annotation {ADDRESSES}; give it a prefix that leads to the node and that \
         no pod has, such as 10.1.128.0/17 or 10.1.128.0/17,fd00:10:1:1::/64, or give --addresses"
    )]
    None(String),
    /// What was said is no prefix, or none that can be used.
    #[error("{0:?} is no prefix for sandboxes: {1}")]
    Unfit(String, &'static str),
    /// There are two of one family.
    #[error("{0} and {1} are of one family, and a sandbox has one address of each; leave one out")]
    Two(IpNet, IpNet),
    /// The half of something that is not there.
    #[error("node {0} has no pod CIDR to take the upper half of; give a prefix")]
    NoPods(String),
    /// Others have it.
    #[error("the prefix {0} overlaps {1}, which {2} has; choose another")]
    Overlap(IpNet, String, String),
}

/// The prefixes of a node: what was given by flag, or else its annotation.
///
/// # Errors
/// There is none, one cannot be one, or overlaps what another node has.
pub fn choose(given: Option<&str>, name: &str, nodes: &[Node]) -> Result<Vec<IpNet>, AddressError> {
    let own = nodes.iter().find(|node| name_of(node) == name);
    let text = given
        .or_else(|| own.and_then(annotated))
        .ok_or_else(|| AddressError::None(name.to_owned()))?;
    let prefixes = read(text, name, own)?;
    for prefix in &prefixes {
        free(*prefix, name, nodes)?;
    }
    Ok(prefixes)
}

/// What was said of a node.
fn read(text: &str, name: &str, own: Option<&Node>) -> Result<Vec<IpNet>, AddressError> {
    let mut prefixes = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        if word == UPPER_HALF {
            let halves: Vec<_> = own.into_iter().flat_map(pods).filter_map(upper).collect();
            if halves.is_empty() {
                return Err(AddressError::NoPods(name.to_owned()));
            }
            prefixes.extend(halves);
        } else {
            prefixes.push(parse(word)?);
        }
    }
    let v6 = |prefix: &IpNet| prefix.addr().is_ipv6();
    prefixes.sort_by_key(v6);
    for pair in prefixes.windows(2) {
        if let [one, other] = pair
            && v6(one) == v6(other)
        {
            return Err(AddressError::Two(*one, *other));
        }
    }
    if prefixes.is_empty() {
        return Err(AddressError::Unfit(text.to_owned(), WRITTEN));
    }
    Ok(prefixes)
}

/// Whether a prefix of this node is nobody else's.
fn free(prefix: IpNet, name: &str, nodes: &[Node]) -> Result<(), AddressError> {
    for node in nodes {
        let other = name_of(node) != name;
        let others = other.then(|| said(node)).into_iter().flatten();
        for taken in addresses(node).chain(others) {
            if overlap(&taken, &prefix) {
                let owner = format!("node {}", name_of(node));
                return Err(AddressError::Overlap(prefix, taken.to_string(), owner));
            }
        }
    }
    Ok(())
}

/// Whether two prefixes have an address in common.
pub(super) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// How a prefix is written.
const WRITTEN: &str = "write it as 10.1.128.0/17";

fn parse(text: &str) -> Result<IpNet, AddressError> {
    let unfit = |why| AddressError::Unfit(text.to_owned(), why);
    let prefix: IpNet = text.parse().map_err(|_| unfit(WRITTEN))?;
    let prefix = prefix.trunc();
    if prefix.max_prefix_len() - prefix.prefix_len() < MIN_HOST_BITS {
        return Err(unfit("it has no room for sandboxes"));
    }
    if prefix.prefix_len() < MIN_PREFIX {
        return Err(unfit("it holds too much of the network"));
    }
    let address = prefix.network();
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
        return Err(unfit("nothing on the network leads there"));
    }
    if is_of_a_link(address) {
        return Err(unfit("its addresses mean something on one link alone"));
    }
    if address != address.to_canonical() {
        return Err(unfit("it is an IPv4 prefix; write it as one"));
    }
    Ok(prefix)
}

fn is_of_a_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The upper half of a prefix, if there is room for sandboxes in it.
fn upper(pods: IpNet) -> Option<IpNet> {
    let half = pods.prefix_len().checked_add(1)?;
    let upper = pods.subnets(half).ok()?.nth(1)?;
    parse(&upper.to_string()).ok()
}

fn name_of(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

fn annotated(node: &Node) -> Option<&str> {
    let annotations = node.metadata.annotations.as_ref()?;
    annotations.get(ADDRESSES).map(String::as_str)
}

/// The node's own addresses.
fn addresses(node: &Node) -> impl Iterator<Item = IpNet> {
    let status = node.status.iter();
    let addresses = status.flat_map(|status| status.addresses.iter().flatten());
    addresses.filter_map(|address| address.address.parse::<IpAddr>().ok().map(IpNet::from))
}

/// What a node's pods have.
fn pods(node: &Node) -> impl Iterator<Item = IpNet> {
    let spec = node.spec.iter();
    let all = spec.flat_map(|spec| spec.pod_cidrs.iter().flatten());
    all.filter_map(|text| text.parse().ok())
}

/// What is said to lead to another node: of a node's own pods, a part may be
/// left for sandboxes.
fn said(node: &Node) -> impl Iterator<Item = IpNet> {
    let annotated = annotated(node).unwrap_or_default().split([',', ' ']);
    pods(node).chain(annotated.filter_map(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, addresses: Option<&str>, pods: &[&str], own: &str) -> Node {
        let annotations = addresses.map_or(Value::Null, |prefix| json!({ ADDRESSES: prefix }));
        serde_json::from_value(json!({
            "metadata": { "name": name, "annotations": annotations },
            "spec": { "podCIDRs": pods },
            "status": { "addresses": [{ "type": "InternalIP", "address": own }] },
        }))
        .unwrap()
    }

    #[test]
    fn the_flag_comes_before_the_annotation() {
        let nodes = [node(
            "a",
            Some("10.1.128.0/17"),
            &["10.1.0.0/16"],
            "10.0.0.1",
        )];
        assert_eq!(chosen(None, &nodes), "10.1.128.0/17");
        assert_eq!(chosen(Some("fd00:1::7/64"), &nodes), "fd00:1::/64");
    }

    #[test]
    fn a_node_has_a_prefix_of_each_family_ipv4_first() {
        let nodes = [node(
            "a",
            Some("fd00:1::/64, 10.1.128.0/17"),
            &[],
            "10.0.0.1",
        )];
        assert_eq!(chosen(None, &nodes), "10.1.128.0/17 fd00:1::/64");
        let two = choose(Some("10.1.0.0/24,10.2.0.0/24"), "a", &nodes).unwrap_err();
        assert!(
            two.to_string()
                .contains("10.1.0.0/24 and 10.2.0.0/24 are of one family"),
            "{two}"
        );
    }

    #[test]
    fn the_upper_half_of_what_its_pods_have_can_be_a_nodes() {
        let nodes = [
            node("b", None, &["10.2.0.0/24", "fd00:2::/64"], "10.0.0.2"),
            node("a", None, &["10.1.0.0/24", "fd00:1::/64"], "10.0.0.1"),
            node("c", None, &["10.3.0.0/30"], "10.0.0.3"),
        ];
        assert_eq!(
            chosen(Some(UPPER_HALF), &nodes),
            "10.1.0.128/25 fd00:1:0:0:8000::/65"
        );
        for without in ["c", "unknown"] {
            let told = choose(Some(UPPER_HALF), without, &nodes).unwrap_err();
            assert_eq!(told, AddressError::NoPods(without.to_owned()));
        }
    }

    /// What node `a` has.
    fn chosen(given: Option<&str>, nodes: &[Node]) -> String {
        let chosen = choose(given, "a", nodes).unwrap();
        let chosen: Vec<_> = chosen.iter().map(ToString::to_string).collect();
        chosen.join(" ")
    }

    #[test]
    fn a_node_of_which_nobody_said_anything_has_none() {
        let told = choose(None, "a", &[node("a", None, &[], "10.0.0.1")]).unwrap_err();
        assert!(
            told.to_string()
                .contains("node a has no annotation mote.dev/addresses"),
            "{told}"
        );
    }

    #[test]
    fn what_another_node_has_is_not_taken() {
        let others = [
            node(
                "b",
                Some("10.2.0.0/16,fd00:2::/64"),
                &["10.3.0.0/16"],
                "10.4.0.1",
            ),
            node("a", None, &["10.1.0.0/16"], "10.0.0.1"),
        ];
        for (prefix, taken) in [
            ("10.2.3.0/24", Some("10.2.0.0/16")),
            ("10.9.0.0/24,fd00:2::/48", Some("fd00:2::/64")),
            ("10.3.128.0/17", Some("10.3.0.0/16")),
            ("10.4.0.0/24", Some("10.4.0.1/32")),
            ("10.0.0.0/24", Some("10.0.0.1/32")),
            // A part of its own pods' may be left for them.
            ("10.1.128.0/17", None),
        ] {
            let told = choose(Some(prefix), "a", &others)
                .err()
                .map(|error| error.to_string());
            assert_eq!(told.is_some(), taken.is_some(), "{prefix}: {told:?}");
            assert!(
                told.unwrap_or_default().contains(taken.unwrap_or_default()),
                "{prefix}"
            );
        }
    }

    #[test]
    fn a_prefix_that_leads_nowhere_or_everywhere_is_refused() {
        for text in [
            "",
            "10.1.0.0",
            "10.1.0.0/31",
            "0.0.0.0/0",
            "127.0.0.0/8",
            "224.0.0.0/16",
            "169.254.0.0/24",
            "fe80::/64",
            "::ffff:10.1.0.0/112",
            "10.1.0.0/24,x/8",
            " , ",
        ] {
            assert!(
                matches!(choose(Some(text), "a", &[]), Err(AddressError::Unfit(..))),
                "{text}"
            );
        }
    }
}
