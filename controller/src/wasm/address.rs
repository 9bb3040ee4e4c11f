//! Which addresses the sandboxes of a node have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;
use mote_rpc::v1::NodeInfo;

/// On nodes: the prefixes whose addresses lead to the node and are no pod's, of
/// each family one at most, with a comma between them.
pub const ADDRESSES: &str = "mote.dev/addresses";

/// In place of a prefix: the upper half of what the node's pods have, which is
/// left to sandboxes where the network's plugin is told to give the lower one.
pub const UPPER_HALF: &str = "pods-upper-half";

/// In place of all prefixes: sandboxes share the node's own addresses, and the
/// host of a request says which one it is for.
pub const SHARED: &str = "shared";

/// Of a node's addresses in its status, the kind that leads to it from within
/// the cluster.
const INTERNAL: &str = "InternalIP";

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
    /// It has none to share.
    #[error("node {0} has no {INTERNAL} that its sandboxes could share; give a prefix")]
    NoOwn(String),
    /// What is said to be shared is not the node's.
    #[error(
        "its node host says that its sandboxes share {0}, which is not what node {1} has as its \
         {INTERNAL}; restart the node host"
    )]
    NotOwn(String, String),
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

/// The addresses of a node's sandboxes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Given {
    /// Each has one of each of these prefixes, of which no two are of one
    /// family.
    Prefixes(Vec<IpNet>),
    /// All have these, which are the node's own, of each family one at most.
    Shared(Vec<IpAddr>),
}

impl Given {
    fn holds(&self, prefix: &IpNet) -> bool {
        match self {
            Self::Prefixes(given) => given.iter().any(|given| given.contains(prefix)),
            Self::Shared(own) => own.iter().any(|own| IpNet::from(*own) == *prefix),
        }
    }
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
    /// Those of them that lead to it from within the cluster.
    internal: Vec<IpAddr>,
}

impl Site {
    /// What it says of this node.
    pub(super) fn of(node: &Node) -> Self {
        let metadata = &node.metadata;
        let annotations = metadata.annotations.as_ref();
        let cidrs = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.as_ref());
        let status = node.status.as_ref();
        let own = status.and_then(|status| status.addresses.as_ref());
        // Some are names.
        let own: Vec<_> = own
            .into_iter()
            .flatten()
            .filter_map(|it| Some((it.type_ == INTERNAL, it.address.parse::<IpAddr>().ok()?)))
            .collect();
        let internal = own.iter().filter(|(internal, _)| *internal);
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            annotated: annotations.and_then(|all| all.get(ADDRESSES)).cloned(),
            pods: cidrs
                .into_iter()
                .flatten()
                .filter_map(|it| it.parse().ok())
                .collect(),
            internal: internal.map(|(_, address)| *address).collect(),
            own: own.iter().map(|(_, address)| (*address).into()).collect(),
        }
    }

    /// What its sandboxes share, if they do: its first address of each family,
    /// IPv4 first.
    fn shared(&self) -> Result<Given, AddressError> {
        let leads_there = |it: &&IpAddr| !leads_nowhere(**it) && !is_of_a_link(**it);
        let internal = || self.internal.iter().filter(leads_there).copied();
        let v4 = internal().find(IpAddr::is_ipv4);
        let all: Vec<_> = v4
            .into_iter()
            .chain(internal().find(IpAddr::is_ipv6))
            .collect();
        if all.is_empty() {
            return Err(AddressError::NoOwn(self.name.clone()));
        }
        Ok(Given::Shared(all))
    }

    /// What is said to lead to the node: of its own pods, a part may be left
    /// for sandboxes.
    fn said(&self) -> impl Iterator<Item = IpNet> {
        let annotated = self.annotated.as_deref().unwrap_or_default();
        let annotated = annotated.split([',', ' ']).filter_map(|it| it.parse().ok());
        self.pods.iter().copied().chain(annotated)
    }
}

/// The addresses of a node's sandboxes: what was given by flag, or else its
/// annotation.
///
/// # Errors
/// There is none, one cannot be one, or overlaps what another node has.
pub fn choose(given: Option<&str>, name: &str, nodes: &[Node]) -> Result<Given, AddressError> {
    let sites: Vec<_> = nodes.iter().map(Site::of).collect();
    let own = sites.iter().find(|site| site.name == name);
    let text = given
        .or_else(|| own?.annotated.as_deref())
        .ok_or_else(|| AddressError::None(name.to_owned()))?;
    let prefixes = match read(text, name, own)? {
        Given::Prefixes(prefixes) => prefixes,
        shared @ Given::Shared(_) => return Ok(shared),
    };
    for prefix in &prefixes {
        for site in &sites {
            let others = (site.name != name).then(|| site.said());
            free(*prefix, site, others.into_iter().flatten())?;
        }
    }
    Ok(Given::Prefixes(prefixes))
}

/// Checks what the host of a node says it has: who has taken a node over may
/// say anything, and other nodes do not lose what is theirs by it. What two
/// annotations give is for others to decide.
///
/// # Errors
/// One cannot be a prefix for sandboxes, is not what the node was given, or
/// overlaps what Kubernetes says another node has; or what is shared is not the
/// node's.
pub(super) fn check<'a>(
    told: &NodeInfo,
    own: &Site,
    others: impl Iterator<Item = &'a Site>,
) -> Result<(), AddressError> {
    check_shared(told, own)?;
    // One more than there can be: enough to see that there are too many.
    let prefixes = told.prefixes.iter().take(MAX_PREFIXES + 1);
    let prefixes = prefixes.map(|it| parse(it)).collect::<Result<_, _>>()?;
    let prefixes = of_each_family(prefixes)?;
    if let Some(annotated) = &own.annotated {
        let given = read(annotated, &own.name, Some(own))?;
        if let Some(prefix) = prefixes.iter().find(|prefix| !given.holds(prefix)) {
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

/// Checks what the host of a node says that its sandboxes share.
fn check_shared(told: &NodeInfo, own: &Site) -> Result<(), AddressError> {
    if told.shared_addresses.is_empty() {
        return Ok(());
    }
    let (shared, given) = (own.shared(), own.annotated.as_deref());
    let given = given.map(|given| read(given, &own.name, Some(own)));
    let given = given.transpose()?;
    for text in &told.shared_addresses {
        let address = text.parse::<IpAddr>().ok().map(IpNet::from);
        let is_own = |it: &IpNet| shared.as_ref().is_ok_and(|own| own.holds(it));
        let not_own = || AddressError::NotOwn(text.clone(), own.name.clone());
        let address = address.filter(is_own).ok_or_else(not_own)?;
        if given.as_ref().is_some_and(|given| !given.holds(&address)) {
            return Err(AddressError::NotGiven(address, own.name.clone()));
        }
    }
    Ok(())
}

/// Where the addresses of a node's sandboxes are, by what its host says and was
/// checked.
pub(super) fn of_sandboxes(told: &NodeInfo) -> BTreeSet<IpNet> {
    let prefixes = told.prefixes.iter().filter_map(|it| parse(it).ok());
    let shared = told.shared_addresses.iter();
    let shared = shared.filter_map(|it| it.parse::<IpAddr>().ok());
    prefixes.chain(shared.map(IpNet::from)).collect()
}

/// Leaves of the addresses that a session is said to have those that one of
/// these sandboxes can have: of each family one. The first that it cannot have.
pub(super) fn leave_own(said: &mut Vec<String>, own: &BTreeSet<IpNet>) -> Option<String> {
    let mut families = Vec::with_capacity(MAX_PREFIXES);
    let mut other = None;
    said.retain(|text| {
        let address = text.parse().ok().filter(|it| can_have(*it, own));
        let family = address.map(|it| it.is_ipv6());
        let family = family.filter(|it| !families.contains(it));
        families.extend(family);
        if family.is_none() && other.is_none() {
            other = Some(text.clone());
        }
        family.is_some()
    });
    other
}

/// Whether a sandbox can have this address. In a prefix may be some that mean
/// something else.
fn can_have(address: IpAddr, own: &BTreeSet<IpNet>) -> bool {
    let means_else =
        leads_nowhere(address) || is_of_a_link(address) || address != address.to_canonical();
    !means_else && own.iter().any(|own| own.contains(&address))
}

/// What was said of a node.
fn read(text: &str, name: &str, own: Option<&Site>) -> Result<Given, AddressError> {
    let mut prefixes = Vec::new();
    let words = || text.split([',', ' ']).filter(|word| !word.is_empty());
    if words().any(|word| word == SHARED) {
        if words().count() > 1 {
            return Err(AddressError::Unfit(text.to_owned(), ALONE));
        }
        let nowhere = || AddressError::NoOwn(name.to_owned());
        return own.ok_or_else(nowhere)?.shared();
    }
    for word in words() {
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
    of_each_family(prefixes).map(Given::Prefixes)
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
/// What is written beside no prefix.
const ALONE: &str = "where sandboxes share the node's addresses, they have no others";

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
    if leads_nowhere(address) {
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

fn leads_nowhere(address: IpAddr) -> bool {
    address.is_loopback() || address.is_multicast() || address.is_unspecified()
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
mod tests;
