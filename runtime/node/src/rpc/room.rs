//! Who was given how much of the node's memory.

use std::collections::{BTreeMap, HashMap};

use mote_api::{ByteSize, SandboxId};

/// The memory that is given to sessions.
pub(super) struct Room {
    capacity: u64,
    reserved: u64,
    held: HashMap<SandboxId, Held>,
    /// Sessions of each tenant.
    tenants: BTreeMap<String, usize>,
}

struct Held {
    tenant: String,
    bytes: u64,
}

/// There is not as much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} of memory are needed and {} of {} are left on this node; delete or suspend sessions, or use another node",
    ByteSize::bytes(*asked), ByteSize::bytes(*left), ByteSize::bytes(*capacity)
)]
pub(super) struct NoRoom {
    asked: u64,
    left: u64,
    capacity: u64,
}

impl Room {
    /// Nothing of `capacity` bytes is given.
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            reserved: 0,
            held: HashMap::new(),
            tenants: BTreeMap::new(),
        }
    }

    /// Gives a session `bytes` in the place of what it had.
    ///
    /// # Errors
    /// There is not as much left; it has what it had.
    pub(super) fn give(
        &mut self,
        id: &SandboxId,
        tenant: String,
        bytes: u64,
    ) -> Result<(), NoRoom> {
        let has = self.held.get(id).map_or(0, |held| held.bytes);
        let left = self.capacity.saturating_sub(self.reserved - has);
        if bytes > has && bytes > left {
            return Err(NoRoom {
                asked: bytes,
                left,
                capacity: self.capacity,
            });
        }
        self.put(id, tenant, bytes);
        Ok(())
    }

    /// Notes what a session has, whether or not there was as much.
    pub(super) fn put(&mut self, id: &SandboxId, tenant: String, bytes: u64) {
        self.take_away(id);
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        self.reserved += bytes;
        self.held.insert(id.clone(), Held { tenant, bytes });
    }

    /// Takes back what a session has; it is no more.
    pub(super) fn take_away(&mut self, id: &SandboxId) {
        let Some(Held { tenant, bytes }) = self.held.remove(id) else {
            return;
        };
        self.reserved -= bytes;
        if let Some(sessions) = self.tenants.get_mut(&tenant) {
            *sessions -= 1;
            if *sessions == 0 {
                self.tenants.remove(&tenant);
            }
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    pub(super) fn sessions(&self) -> usize {
        self.held.len()
    }

    /// The tenants that have sessions, in the order of their names.
    pub(super) fn tenants(&self) -> Vec<String> {
        self.tenants.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SandboxId {
        name.parse().unwrap()
    }

    #[test]
    fn no_more_is_given_than_there_is() {
        let mut room = Room::new(100);
        assert_eq!(room.give(&id("a"), "x".to_owned(), 60), Ok(()));
        let refused = room.give(&id("b"), "x".to_owned(), 41).unwrap_err();
        assert_eq!((refused.asked, refused.left), (41, 40));
        assert_eq!((room.reserved(), room.sessions()), (60, 1));
        assert_eq!(room.give(&id("b"), "x".to_owned(), 40), Ok(()));
        assert_eq!(room.reserved(), 100);
    }

    #[test]
    fn what_a_session_has_counts_once() {
        let mut room = Room::new(100);
        for bytes in [80, 0, 90, 90] {
            assert_eq!(room.give(&id("a"), "x".to_owned(), bytes), Ok(()));
            assert_eq!((room.reserved(), room.sessions()), (bytes, 1));
        }
        assert!(room.give(&id("a"), "x".to_owned(), 101).is_err());
        assert_eq!(room.reserved(), 90);
    }

    #[test]
    fn what_was_there_before_may_be_more_than_there_is_and_may_get_less() {
        let mut room = Room::new(100);
        room.put(&id("a"), "x".to_owned(), 150);
        assert_eq!(room.give(&id("a"), "x".to_owned(), 150), Ok(()));
        assert!(room.give(&id("b"), "x".to_owned(), 1).is_err());
        assert_eq!(room.give(&id("b"), "x".to_owned(), 0), Ok(()));
        assert_eq!(room.give(&id("a"), "x".to_owned(), 20), Ok(()));
        assert_eq!(room.reserved(), 20);
    }

    #[test]
    fn a_tenant_is_told_while_it_has_sessions() {
        let mut room = Room::new(100);
        for (name, tenant) in [("a", "x"), ("b", "y"), ("c", "x")] {
            room.put(&id(name), tenant.to_owned(), 1);
        }
        room.take_away(&id("a"));
        assert_eq!(room.tenants(), ["x", "y"]);
        room.take_away(&id("c"));
        room.take_away(&id("c"));
        assert_eq!((room.tenants(), room.reserved()), (vec!["y".to_owned()], 1));
    }
}
