//! Addresses for each sandbox, from prefixes that lead to this machine; or the
//! machine's own for all of them, where none can be routed to it.

mod own;
mod pool;
mod prefixes;
mod source;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mote_api::SandboxId;

pub use own::Own;
use pool::Pool;
pub use prefixes::{Prefixes, PrefixesError};
pub use source::{AddressSource, SourceError};

/// The addresses of a node's sandboxes: each has one of every prefix, or all
/// have the same.
pub(crate) struct Addresses {
    pools: Mutex<Vec<Pool>>,
    shared: Own,
}

impl Addresses {
    /// Addresses from there. Of no prefix, no sandbox has one.
    pub(crate) fn new(source: AddressSource) -> Self {
        let (prefixes, shared) = match source {
            AddressSource::Prefixes(prefixes) => (prefixes, Own::default()),
            AddressSource::Shared(shared) => (Prefixes::default(), shared),
        };
        Self {
            pools: Mutex::new(prefixes.iter().map(Pool::new).collect()),
            shared,
        }
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Pool>> {
        // Whoever held it left each pool whole.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are addresses that all sandboxes have.
    pub(crate) fn are_shared(&self) -> bool {
        self.shared.iter().next().is_some()
    }

    /// Whether all sandboxes have this address.
    pub(crate) fn share(&self, address: IpAddr) -> bool {
        self.shared.has(address.to_canonical())
    }

    /// How many sandboxes may have one of their own; `None` where none has.
    pub(crate) fn count(&self) -> Option<usize> {
        self.pools().iter().map(Pool::count).min()
    }

    /// Free addresses for this sandbox, of every prefix.
    ///
    /// # Errors
    /// There is none left of one of them, as a sentence.
    pub(crate) fn give(&self, id: &SandboxId) -> Result<Own, String> {
        self.complete(Own::default(), id)
    }

    /// The addresses of a sandbox, and free ones of the prefixes of which it
    /// has none.
    ///
    /// # Errors
    /// There is none left of one of them, as a sentence; it has those that it
    /// had.
    pub(crate) fn complete(&self, own: Own, id: &SandboxId) -> Result<Own, String> {
        let mut pools = self.pools();
        let mut more = Vec::new();
        let lacking = |pool: &Pool| !own.has_family(pool.prefix().addr());
        for at in 0..pools.len() {
            let Some(pool) = pools.get_mut(at).filter(|pool| lacking(pool)) else {
                continue;
            };
            let Some(address) = pool.give(id) else {
                let full = pool.prefix();
                more.iter().for_each(|more| free(&mut pools, *more, id));
                return Err(format!(
                    "every address of {full} is taken; delete sandboxes"
                ));
            };
            more.push(address);
        }
        let shared = self.shared.iter();
        Ok(own.iter().chain(more).chain(shared).collect())
    }

    /// Notes that a sandbox has these addresses from before; those of them
    /// that are given now, and that nobody else has or all have.
    pub(crate) fn take(&self, own: Own, id: &SandboxId) -> Own {
        let mut pools = self.pools();
        let mut held = |address: &IpAddr| {
            self.shared.has(*address) || pools.iter_mut().any(|pool| pool.take(*address, id))
        };
        own.iter().filter(|address| held(address)).collect()
    }

    /// Frees a sandbox's addresses.
    pub(crate) fn free(&self, own: Own, id: &SandboxId) {
        let mut pools = self.pools();
        own.iter().for_each(|address| free(&mut pools, address, id));
    }

    /// Whose own address it is.
    pub(crate) fn owner(&self, address: IpAddr) -> Option<SandboxId> {
        let address = address.to_canonical();
        let pools = self.pools();
        pools.iter().find_map(|pool| pool.owner(address)).cloned()
    }
}

fn free(pools: &mut [Pool], address: IpAddr, id: &SandboxId) {
    pools.iter_mut().for_each(|pool| pool.free(address, id));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefixes: &str) -> Addresses {
        Addresses::new(prefixes.parse().unwrap())
    }

    fn id(name: &str) -> SandboxId {
        name.parse().unwrap()
    }

    fn own(addresses: &[&str]) -> Own {
        let parsed = addresses.iter().map(|address| address.parse::<IpAddr>());
        parsed.map(Result::unwrap).collect()
    }

    #[test]
    fn each_sandbox_has_its_own_address_until_it_goes() {
        let addresses = of("127.77.0.0/30");
        let a = addresses.give(&id("a")).unwrap();
        let b = addresses.give(&id("b")).unwrap();
        assert_ne!(a, b);
        assert!(addresses.give(&id("c")).is_err());
        let address = a.iter().next().unwrap();
        assert_eq!(addresses.owner(address), Some(id("a")));
        addresses.free(a, &id("b"));
        assert_eq!(addresses.owner(address), Some(id("a")));
        addresses.free(a, &id("a"));
        assert_eq!(addresses.give(&id("c")), Ok(a));
        assert_eq!(addresses.owner("127.0.0.1".parse().unwrap()), None);
    }

    #[test]
    fn a_freed_address_rests_while_there_are_others() {
        let addresses = of("127.77.0.0/29");
        let a = addresses.give(&id("a")).unwrap();
        addresses.free(a, &id("a"));
        assert_ne!(addresses.give(&id("b")), Ok(a));
    }

    #[test]
    fn an_address_from_before_has_one_owner() {
        let addresses = of("127.77.0.0/29");
        let before = own(&["127.77.0.3"]);
        assert_eq!(addresses.take(before, &id("a")), before);
        assert_eq!(addresses.take(before, &id("b")), Own::default());
        let elsewhere = own(&["127.78.0.3"]);
        assert_eq!(addresses.take(elsewhere, &id("b")), Own::default());
        assert_eq!(
            addresses.owner("127.77.0.3".parse().unwrap()),
            Some(id("a"))
        );
        assert_eq!(addresses.count(), Some(6));
    }

    #[test]
    fn of_two_prefixes_a_sandbox_has_one_address_each() {
        let addresses = of("127.77.0.0/29,fd00::/126");
        let a = addresses.give(&id("a")).unwrap();
        assert_eq!(a, own(&["127.77.0.1", "fd00::1"]));
        for address in a.iter() {
            assert_eq!(addresses.owner(address), Some(id("a")), "{address}");
        }
        let mapped = "::ffff:127.77.0.1".parse().unwrap();
        assert_eq!(addresses.owner(mapped), Some(id("a")));
        assert_eq!(addresses.count(), Some(3), "as many as the smaller has");
    }

    #[test]
    fn where_one_prefix_is_used_up_nothing_is_taken_of_the_other() {
        let addresses = of("127.77.0.0/29,fd00::/127");
        addresses.give(&id("a")).unwrap();
        addresses.give(&id("b")).unwrap();
        let full = "every address of fd00::/127 is taken; delete sandboxes";
        assert_eq!(addresses.give(&id("c")), Err(full.to_owned()));
        assert_eq!(addresses.owner("127.77.0.3".parse().unwrap()), None);
    }

    #[test]
    fn who_has_an_address_of_one_prefix_keeps_it_and_gets_one_of_the_other() {
        let addresses = of("127.77.0.0/29,fd00::/126");
        let before = own(&["127.77.0.5", "fd01::1"]);
        let kept = addresses.take(before, &id("a"));
        assert_eq!(kept, own(&["127.77.0.5"]));
        let now = own(&["127.77.0.5", "fd00::1"]);
        assert_eq!(addresses.complete(kept, &id("a")), Ok(now));
        assert_eq!(addresses.complete(now, &id("a")), Ok(now));
    }

    #[test]
    fn without_a_prefix_nobody_has_one() {
        let none = Addresses::new(AddressSource::default());
        assert_eq!(
            (none.give(&id("a")), none.count()),
            (Ok(Own::default()), None)
        );
    }

    #[test]
    fn addresses_that_all_share_are_nobodys_own_and_never_used_up() {
        let addresses = of("shared,10.0.0.7,fd00::7");
        let all = own(&["10.0.0.7", "fd00::7"]);
        for name in ["a", "b"] {
            assert_eq!(addresses.give(&id(name)), Ok(all));
        }
        addresses.free(all, &id("a"));
        let address = "::ffff:10.0.0.7".parse().unwrap();
        assert!(addresses.share(address) && addresses.owner(address).is_none());
        assert!(!addresses.share("10.0.0.8".parse().unwrap()));
        assert_eq!(addresses.count(), None);
        assert!(addresses.are_shared() && !of("127.77.0.0/29").are_shared());
    }

    #[test]
    fn who_had_an_own_address_shares_one_and_back() {
        let (own_ones, shared) = (of("127.77.0.0/29"), of("shared,10.0.0.7"));
        let before = own_ones.give(&id("a")).unwrap();
        let kept = shared.take(before, &id("a"));
        assert_eq!(kept, Own::default());
        let after = shared.complete(kept, &id("a")).unwrap();
        assert_eq!(after, own(&["10.0.0.7"]));
        assert_eq!(shared.take(after, &id("a")), after, "nothing to write anew");
        assert_eq!(own_ones.take(after, &id("a")), Own::default());
    }
}
