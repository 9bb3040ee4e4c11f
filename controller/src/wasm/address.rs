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
/// Most prefixes of a node: one of each family.
const MAX_PREFIXES: usize = 2;
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
    /// Its annotation says otherwise.
    #[error(
        "its node host has the addresses {0}, which the annotation {ADDRESSES} of node {1} does not \
         give it; restart the node host, or take the annotation away where --addresses is meant"
    )]
    NotGiven(IpNet, String),
    /// Others have it.
    #[error("the prefix {0} overlaps {1}, which {2} has; choose another")]
    Overlap(IpNet, String, String),
}

/// What Kubernetes says of the addresses of a node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Site {
    name: String,
    /// Those of its sandboxes, if somebody said so.
    annotated: Option<String>,
    /// Those of its pods.
    pods: Vec<IpNet>,
    /// Its own.
    own: Vec<IpNet>,
}

impl Site {
    /// What it says of this node.
    pub(super) fn of(node: &Node) -> Self {
        let metadata = &node.metadata;
        let annotations = metadata.annotations.as_ref();
        let cidrs = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.as_ref());
        let status = node.status.as_ref();
        let own = status.and_then(|status| status.addresses.as_ref());
        let own = own.into_iter().flatten();
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            annotated: annotations.and_then(|all| all.get(ADDRESSES)).cloned(),
            pods: cidrs
                .into_iter()
                .flatten()
                .filter_map(|it| it.parse().ok())
                .collect(),
            // Some are names.
            own: own
                .filter_map(|it| it.address.parse::<IpAddr>().ok())
                .map(IpNet::from)
                .collect(),
        }
    }

    /// What is said to lead to the node: of its own pods, a part may be left
    /// for sandboxes.
    fn said(&self) -> impl Iterator<Item = IpNet> {
        let annotated = self.annotated.as_deref().unwrap_or_default();
        let annotated = annotated.split([',', ' ']).filter_map(|it| it.parse().ok());
        self.pods.iter().copied().chain(annotated)
    }
}

/// The prefixes of a node: what was given by flag, or else its annotation.
///
/// # Errors
/// There is none, one cannot be one, or overlaps what another node has.
pub fn choose(given: Option<&str>, name: &str, nodes: &[Node]) -> Result<Vec<IpNet>, AddressError> {
    let sites: Vec<_> = nodes.iter().map(Site::of).collect();
    let own = sites.iter().find(|site| site.name == name);
    let text = given
        .or_else(|| own?.annotated.as_deref())
        .ok_or_else(|| AddressError::None(name.to_owned()))?;
    let prefixes = read(text, name, own)?;
    for prefix in &prefixes {
        for site in &sites {
            let others = (site.name != name).then(|| site.said());
            free(*prefix, site, others.into_iter().flatten())?;
        }
    }
    Ok(prefixes)
}

/// Checks what the host of a node says it has: who has taken a node over may
/// say anything, and other nodes do not lose what is theirs by it. What two
/// annotations give is for others to decide.
///
/// # Errors
/// One cannot be a prefix for sandboxes, is not what the node was given, or
/// overlaps what Kubernetes says another node has.
pub(super) fn check<'a>(
    told: &[String],
    own: &Site,
    others: impl Iterator<Item = &'a Site>,
) -> Result<(), AddressError> {
    // One more than there can be: enough to see that there are too many.
    let prefixes = told.iter().take(MAX_PREFIXES + 1);
    let prefixes = prefixes.map(|it| parse(it)).collect::<Result<_, _>>()?;
    let prefixes = of_each_family(prefixes)?;
    if let Some(annotated) = &own.annotated {
        let given = read(annotated, &own.name, Some(own))?;
        let is_given = |prefix: &&IpNet| given.iter().any(|given| given.contains(*prefix));
        if let Some(prefix) = prefixes.iter().find(|prefix| !is_given(prefix)) {
            return Err(AddressError::NotGiven(*prefix, own.name.clone()));
        }
    }
    for prefix in &prefixes {
        free(*prefix, own, std::iter::empty())?;
    }
    for site in others {
        for prefix in &prefixes {
            free(*prefix, site, site.pods.iter().copied())?;
        }
    }
    Ok(())
}

/// What was said of a node.
fn read(text: &str, name: &str, own: Option<&Site>) -> Result<Vec<IpNet>, AddressError> {
    let mut prefixes = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        if word == UPPER_HALF {
            let pods = own.into_iter().flat_map(|own| own.pods.iter().copied());
            let halves: Vec<_> = pods.filter_map(upper).collect();
            if halves.is_empty() {
                return Err(AddressError::NoPods(name.to_owned()));
            }
            prefixes.extend(halves);
        } else {
            prefixes.push(parse(word)?);
        }
    }
    if prefixes.is_empty() {
        return Err(AddressError::Unfit(text.to_owned(), WRITTEN));
    }
    of_each_family(prefixes)
}

/// Prefixes of which each family has one at most, IPv4 first.
fn of_each_family(mut prefixes: Vec<IpNet>) -> Result<Vec<IpNet>, AddressError> {
    let v6 = |prefix: &IpNet| prefix.addr().is_ipv6();
    prefixes.sort_by_key(v6);
    for pair in prefixes.windows(2) {
        if let [one, other] = pair
            && v6(one) == v6(other)
        {
            return Err(AddressError::Two(*one, *other));
        }
    }
    Ok(prefixes)
}

/// Whether a prefix has nothing of a node's own addresses, and of these.
fn free(
    prefix: IpNet,
    site: &Site,
    others: impl Iterator<Item = IpNet>,
) -> Result<(), AddressError> {
    let mut taken = site.own.iter().copied().chain(others);
    match taken.find(|taken| overlap(taken, &prefix)) {
        Some(taken) => {
            let owner = format!("node {}", site.name);
            Err(AddressError::Overlap(prefix, taken.to_string(), owner))
        }
        None => Ok(()),
    }
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

    /// What is said of a host of node `a`, whose node has this annotation.
    fn checked(annotation: Option<&str>, told: &[&str]) -> Result<(), AddressError> {
        let own = Site::of(&node("a", annotation, &["10.1.0.0/16"], "192.0.2.1"));
        let others = [
            node("b", Some("10.9.0.0/16"), &["10.2.0.0/16"], "192.0.2.2"),
            node("c", None, &["fd00:3::/64"], "192.0.2.3"),
        ];
        let others: Vec<_> = others.iter().map(Site::of).collect();
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        check(&told, &own, others.iter())
    }

    #[test]
    fn a_host_says_that_it_has_what_its_node_was_given() {
        let annotated = Some("10.1.128.0/17,fd00:1::/64");
        for (annotation, told) in [
            (None, &[][..]),
            (None, &["10.1.128.0/17", "fd00:1::/64"]),
            // Whose that is, the age of the nodes decides.
            (None, &["10.9.0.0/24"]),
            (annotated, &[]),
            (annotated, &["10.1.128.0/17", "fd00:1::/64"]),
            (Some(UPPER_HALF), &["10.1.128.0/17"]),
        ] {
            assert_eq!(checked(annotation, told), Ok(()), "{annotation:?} {told:?}");
        }
    }

    #[test]
    fn a_host_that_says_it_has_what_is_others_or_everything_is_refused() {
        let annotated = Some("10.1.128.0/17");
        for (annotation, told, why) in [
            (None, &["0.0.0.0/0"][..], "it holds too much of the network"),
            (None, &["::/0"], "it holds too much of the network"),
            (None, &["10.2.0.0/24"], "10.2.0.0/16, which node b has"),
            (None, &["10.0.0.0/8"], "10.2.0.0/16, which node b has"),
            (None, &["fd00::/16"], "fd00:3::/64, which node c has"),
            (None, &["192.0.2.0/30"], "192.0.2.1/32, which node a has"),
            (None, &["192.0.2.2/31"], "no room"),
            (None, &["10.3.0.0/24", "10.4.0.0/24"], "of one family"),
            (
                None,
                &["10.3.0.0/24", "fd00:4::/64", "x"],
                "\"x\" is no prefix",
            ),
            (
                annotated,
                &["10.1.0.0/16"],
                "10.1.0.0/16, which the annotation",
            ),
            (
                annotated,
                &["10.3.0.0/24"],
                "10.3.0.0/24, which the annotation",
            ),
            (annotated, &["fd00:1::/64"], "does not give it; restart"),
            (Some("?"), &["10.1.128.0/17"], "\"?\" is no prefix"),
        ] {
            let refused = checked(annotation, told).unwrap_err().to_string();
            assert!(refused.contains(why), "{told:?}: {refused}");
        }
    }
}
