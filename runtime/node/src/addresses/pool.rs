//! The addresses of one prefix.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use mote_api::SandboxId;

/// Most addresses of one prefix that are looked at for a free one: an IPv6
/// prefix has more than anybody could.
const MAX_LOOKED_AT: usize = 1 << 20;

/// The addresses of one prefix, and whose they are.
pub(super) struct Pool {
    prefix: IpNet,
    /// Addresses that may be given.
    count: usize,
    owners: HashMap<IpAddr, SandboxId>,
    /// The next is looked for after it: an address that was freed rests as
    /// long as it can, for old connections and names may still lead there.
    last: Option<IpAddr>,
}

impl Pool {
    pub(super) fn new(prefix: IpNet) -> Self {
        Self {
            prefix,
            count: hosts(prefix).count(),
            owners: HashMap::new(),
            last: None,
        }
    }

    pub(super) fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// How many sandboxes may have one.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A free one for this sandbox.
    pub(super) fn give(&mut self, id: &SandboxId) -> Option<IpAddr> {
        let last = self.last;
        let after = hosts(self.prefix).filter(|address| last.is_none_or(|last| *address > last));
        let mut all = after.chain(hosts(self.prefix));
        let free = all.find(|address| !self.owners.contains_key(address))?;
        self.owners.insert(free, id.clone());
        self.last = Some(free);
        Some(free)
    }

    /// Notes that a sandbox has this one from before, if it is one that is
    /// given now and nobody else has it.
    pub(super) fn take(&mut self, address: IpAddr, id: &SandboxId) -> bool {
        if !self.prefix.contains(&address) {
            return false;
        }
        let owner = self.owners.entry(address);
        *owner.or_insert_with(|| id.clone()) == *id
    }

    pub(super) fn free(&mut self, address: IpAddr, id: &SandboxId) {
        if self.owners.get(&address) == Some(id) {
            self.owners.remove(&address);
        }
    }

    pub(super) fn owner(&self, address: IpAddr) -> Option<&SandboxId> {
        self.owners.get(&address)
    }
}

/// The addresses of a prefix that may be given. The first of an IPv6 prefix is
/// every router's.
fn hosts(prefix: IpNet) -> impl Iterator<Item = IpAddr> {
    let first = match prefix {
        IpNet::V6(v6) if v6.prefix_len() < 127 => Some(prefix.network()),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    let hosts = prefix.hosts().filter(move |host| Some(*host) != first);
    hosts.take(MAX_LOOKED_AT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sandbox_has_the_address_of_a_network_or_of_its_routers() {
        let all = |prefix: &str| -> Vec<_> {
            let hosts = hosts(prefix.parse().unwrap()).take(3);
            hosts.map(|host| host.to_string()).collect()
        };
        assert_eq!(all("10.0.0.4/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(all("fd00::/126"), ["fd00::1", "fd00::2", "fd00::3"]);
        assert_eq!(all("fd00::8/127"), ["fd00::8", "fd00::9"]);
        assert_eq!(all("fd00::8/128"), ["fd00::8"]);
    }

    #[test]
    fn of_a_prefix_without_end_many_are_given() {
        let mut pool = Pool::new("fd00::/64".parse().unwrap());
        assert_eq!(pool.count(), MAX_LOOKED_AT);
        let id = "a".parse().unwrap();
        assert_eq!(pool.give(&id), "fd00::1".parse().ok());
        assert_eq!(pool.give(&id), "fd00::2".parse().ok());
    }
}
