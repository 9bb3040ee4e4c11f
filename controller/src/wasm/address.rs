//! Which addresses the sandboxes of a node have.

use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;

/// On nodes: the prefix whose addresses lead to the node and are no pod's.
pub const ADDRESSES: &str = "mote.dev/addresses";

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
         no pod has, such as 10.1.128.0/17, or give --addresses"
    )]
    None(String),
    /// What was said is no prefix, or none that can be used.
    #[error("{0:?} is no prefix for sandboxes: {1}")]
    Unfit(String, &'static str),
    /// Others have it.
    #[error("the prefix {0} overlaps {1}, which {2} has; choose another")]
    Overlap(IpNet, String, String),
}

/// The prefix of a node: what was given by flag, or else its annotation.
///
/// # Errors
/// There is none, it cannot be one, or it overlaps what another node has.
pub fn choose(given: Option<&str>, name: &str, nodes: &[Node]) -> Result<IpNet, AddressError> {
    let own = nodes.iter().find(|node| name_of(node) == name);
    let text = given
        .or_else(|| own.and_then(annotated))
        .ok_or_else(|| AddressError::None(name.to_owned()))?;
    let prefix = parse(text)?;
    for node in nodes {
        let other = name_of(node) != name;
        for taken in addresses(node).chain(other.then(|| prefixes(node)).into_iter().flatten()) {
            if taken.contains(&prefix) || prefix.contains(&taken) {
                let owner = format!("node {}", name_of(node));
                return Err(AddressError::Overlap(prefix, taken.to_string(), owner));
            }
        }
    }
    Ok(prefix)
}

fn parse(text: &str) -> Result<IpNet, AddressError> {
    let unfit = |why| AddressError::Unfit(text.to_owned(), why);
    let prefix: IpNet = text
        .parse()
        .map_err(|_| unfit("write it as 10.1.128.0/17"))?;
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
    Ok(prefix)
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

/// What is said to lead to another node: of a node's own pods, a part may be
/// left for sandboxes.
fn prefixes(node: &Node) -> impl Iterator<Item = IpNet> {
    let spec = node.spec.as_ref();
    let pods = spec
        .and_then(|spec| spec.pod_cidrs.clone())
        .unwrap_or_default();
    let all = pods.into_iter().chain(annotated(node).map(str::to_owned));
    all.filter_map(|text| text.parse().ok())
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
        assert_eq!(
            choose(None, "a", &nodes).unwrap().to_string(),
            "10.1.128.0/17"
        );
        let given = choose(Some("fd00:1::7/64"), "a", &nodes).unwrap();
        assert_eq!(given.to_string(), "fd00:1::/64");
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
            node("b", Some("10.2.0.0/16"), &["10.3.0.0/16"], "10.4.0.1"),
            node("a", None, &["10.1.0.0/16"], "10.0.0.1"),
        ];
        for (prefix, taken) in [
            ("10.2.3.0/24", Some("10.2.0.0/16")),
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
            "x/8",
        ] {
            assert!(
                matches!(choose(Some(text), "a", &[]), Err(AddressError::Unfit(..))),
                "{text}"
            );
        }
    }
}
