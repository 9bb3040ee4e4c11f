//! An address for each sandbox, from a prefix that leads to this machine.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use mote_api::SandboxId;

/// Most addresses of one prefix that are looked at for a free one: an IPv6
/// prefix has more than anybody could.
const MAX_LOOKED_AT: usize = 1 << 20;

/// The addresses of a node's sandboxes.
pub(crate) struct Addresses {
    prefix: Option<IpNet>,
    /// Addresses that may be given.
    count: usize,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    owners: HashMap<IpAddr, SandboxId>,
    /// The next is looked for after it: an address that was freed rests as
    /// long as it can, for old connections and names may still lead there.
    last: Option<IpAddr>,
}

impl Addresses {
    /// Addresses of this prefix; without one, no sandbox has one.
    pub(crate) fn new(prefix: Option<IpNet>) -> Self {
        let hosts = |prefix: IpNet| prefix.hosts().take(MAX_LOOKED_AT).count();
        Self {
            prefix,
            count: prefix.map_or(0, hosts),
            given: Mutex::default(),
        }
    }

    /// How many sandboxes may have one; `None` where none has.
    pub(crate) fn count(&self) -> Option<usize> {
        self.prefix.map(|_| self.count)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        // Each critical section is one operation of the map.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A free address for this sandbox.
    ///
    /// # Errors
    /// There is none left, as a sentence.
    pub(crate) fn give(&self, id: &SandboxId) -> Result<Option<IpAddr>, String> {
        let Some(prefix) = self.prefix else {
            return Ok(None);
        };
        let mut given = self.given();
        let hosts = || prefix.hosts().take(MAX_LOOKED_AT);
        let last = given.last;
        let after = hosts().filter(|address| last.is_none_or(|last| *address > last));
        let mut all = after.chain(hosts());
        let free = all.find(|address| !given.owners.contains_key(address));
        let address =
            free.ok_or_else(|| format!("every address of {prefix} is taken; delete sandboxes"))?;
        given.owners.insert(address, id.clone());
        given.last = Some(address);
        Ok(Some(address))
    }

    /// Notes that a sandbox has this address from before, if it is one that
    /// is given now and nobody else has it.
    pub(crate) fn take(&self, address: IpAddr, id: &SandboxId) -> bool {
        let ours = self.prefix.is_some_and(|prefix| prefix.contains(&address));
        ours && *self
            .given()
            .owners
            .entry(address)
            .or_insert_with(|| id.clone())
            == *id
    }

    /// Frees a sandbox's address.
    pub(crate) fn free(&self, address: IpAddr, id: &SandboxId) {
        let owners = &mut self.given().owners;
        if owners.get(&address) == Some(id) {
            owners.remove(&address);
        }
    }

    /// Whose address it is.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<SandboxId> {
        self.given().owners.get(&address.to_canonical()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sandbox_has_its_own_address_until_it_goes() {
        let addresses = Addresses::new(Some("127.77.0.0/30".parse().unwrap()));
        let id = |name: &str| name.parse::<SandboxId>().unwrap();
        let a = addresses.give(&id("a")).unwrap().unwrap();
        let b = addresses.give(&id("b")).unwrap().unwrap();
        assert_ne!(a, b);
        assert!(addresses.give(&id("c")).is_err());
        assert_eq!(addresses.owner(a), Some(id("a")));
        addresses.free(a, &id("b"));
        assert_eq!(addresses.owner(a), Some(id("a")));
        addresses.free(a, &id("a"));
        assert_eq!(addresses.give(&id("c")), Ok(Some(a)));
        assert_eq!(addresses.owner("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn a_freed_address_rests_while_there_are_others() {
        let addresses = Addresses::new(Some("127.77.0.0/29".parse().unwrap()));
        let id = |name: &str| name.parse::<SandboxId>().unwrap();
        let a = addresses.give(&id("a")).unwrap().unwrap();
        addresses.free(a, &id("a"));
        assert_ne!(addresses.give(&id("b")), Ok(Some(a)));
    }

    #[test]
    fn an_address_from_before_has_one_owner() {
        let addresses = Addresses::new(Some("127.77.0.0/29".parse().unwrap()));
        let id = |name: &str| name.parse::<SandboxId>().unwrap();
        let address = "127.77.0.3".parse().unwrap();
        assert!(addresses.take(address, &id("a")));
        assert!(!addresses.take(address, &id("b")));
        assert!(!addresses.take("127.78.0.3".parse().unwrap(), &id("b")));
        assert_eq!(addresses.owner(address), Some(id("a")));
        assert_eq!(addresses.count(), Some(6));
    }

    #[test]
    fn without_a_prefix_nobody_has_one() {
        assert_eq!(Addresses::new(None).give(&"a".parse().unwrap()), Ok(None));
    }
}
