//! What was asked of the API server and the cache does not show yet.
//!
//! A pass that counts only what the cache shows creates a sandbox twice when
//! the cache is late. So each creation and deletion is remembered until it is
//! seen. All of it may be lost with the process: the next leader sees at worst
//! a few sandboxes too many, and deletes them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::pace::Pace;
use super::validate::since;

/// A creation not seen for this long is looked up at the API server, for it may
/// have been deleted before the cache ever showed it. Until then a pass is
/// asked for by the watch alone.
pub(super) const LOOK_UP_AFTER: Duration = Duration::from_secs(30);
/// A creation not seen for this long is no longer counted on.
const FORGET_AFTER: Duration = Duration::from_secs(5 * 60);

/// What is remembered of each pool, by its UID.
#[derive(Debug, Default)]
pub struct Memories(Mutex<HashMap<String, Memory>>);

impl Memories {
    /// Uses what is remembered of a pool. One pool has one pass at a time; the
    /// lock is held for no longer than `use_it` counts.
    pub(super) fn with<T>(&self, uid: &str, use_it: impl FnOnce(&mut Memory) -> T) -> T {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(pools.entry(uid.to_owned()).or_default())
    }

    pub(super) fn forget(&self, uid: &str) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.remove(uid);
    }
}

/// What is remembered of one pool.
#[derive(Debug, Default)]
pub(super) struct Memory {
    created: HashMap<String, Asked>,
    deleted: HashMap<String, Fate>,
    /// How fast the pool may fill.
    pub(super) pace: Pace,
    /// What was last told of the pool, so that it is told once.
    pub(super) told: HashSet<&'static str>,
}

/// A sandbox that the API server was asked to create.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Timestamp,
    /// The API server did not say whether it did.
    doubtful: bool,
}

/// What became of a sandbox that was to be deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// The API server will delete it, and it counts until it is gone.
    Accepted,
    /// It was gone before.
    Absent,
}

impl Memory {
    /// Counts on a sandbox that was created.
    pub(super) fn created(&mut self, name: String, at: Timestamp) {
        let doubtful = false;
        self.created.insert(name, Asked { at, doubtful });
    }

    /// Counts on a sandbox that may have been created, until it is looked up.
    pub(super) fn doubted(&mut self, name: String, at: Timestamp) {
        let doubtful = true;
        self.created.insert(name, Asked { at, doubtful });
    }

    /// Counts on the end of a sandbox, by its UID.
    pub(super) fn deleted(&mut self, uid: String, fate: Fate) {
        self.deleted.insert(uid, fate);
    }

    /// What became of a sandbox, if it was to be deleted.
    pub(super) fn fate(&self, uid: &str) -> Option<Fate> {
        self.deleted.get(uid).copied()
    }

    /// Forgets what the cache shows, and what it should have shown long ago.
    pub(super) fn settle(
        &mut self,
        seen: impl Fn(&str) -> bool,
        uids: &HashSet<&str>,
        now: Timestamp,
    ) {
        self.created
            .retain(|name, asked| !seen(name) && since(asked.at, now) < FORGET_AFTER);
        self.deleted.retain(|uid, _| uids.contains(uid.as_str()));
    }

    /// How many sandboxes were created and not seen.
    pub(super) fn unseen(&self) -> usize {
        self.created.len()
    }

    /// The creations that must be looked up: doubtful ones, and those that have
    /// not been seen for too long.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<String> {
        let overdue = self
            .created
            .iter()
            .filter(|(_, asked)| asked.doubtful || since(asked.at, now) >= LOOK_UP_AFTER);
        overdue.map(|(name, _)| name.clone()).collect()
    }

    /// A creation was looked up: the cache will show it, or never.
    pub(super) fn looked_up(&mut self, name: &str, is_there: bool) {
        match self.created.get_mut(name) {
            Some(asked) if is_there => asked.doubtful = false,
            Some(_) => drop(self.created.remove(name)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn settle(memory: &mut Memory, seen: &[&str], uids: &[&str], second: i64) {
        memory.settle(
            |name| seen.contains(&name),
            &uids.iter().copied().collect(),
            at(second),
        );
    }

    #[test]
    fn a_creation_counts_until_it_is_seen() {
        let mut memory = Memory::default();
        memory.created("a".into(), at(0));
        memory.created("b".into(), at(0));
        settle(&mut memory, &[], &[], 1);
        assert_eq!(memory.unseen(), 2);
        settle(&mut memory, &["a"], &[], 1);
        assert_eq!(memory.unseen(), 1);
        settle(&mut memory, &["b"], &[], 1);
        assert_eq!(memory.unseen(), 0);
    }

    #[test]
    fn what_was_seen_and_taken_away_is_not_counted_again() {
        let mut memory = Memory::default();
        memory.created("a".into(), at(0));
        settle(&mut memory, &["a"], &[], 1);
        settle(&mut memory, &[], &[], 2);
        assert_eq!(memory.unseen(), 0);
    }

    #[test]
    fn a_creation_is_looked_up_after_half_a_minute_and_forgotten_after_five() {
        let mut memory = Memory::default();
        memory.created("a".into(), at(0));
        assert!(memory.overdue(at(29)).is_empty());
        assert_eq!(memory.overdue(at(30)), ["a"]);
        settle(&mut memory, &[], &[], 299);
        assert_eq!(memory.unseen(), 1);
        settle(&mut memory, &[], &[], 300);
        assert_eq!(memory.unseen(), 0);
    }

    #[test]
    fn a_creation_that_was_undone_is_not_waited_for() {
        let mut memory = Memory::default();
        memory.created("a".into(), at(0));
        memory.looked_up("a", false);
        assert_eq!(memory.unseen(), 0);
    }

    #[test]
    fn a_doubtful_creation_counts_and_is_looked_up_at_once() {
        let mut memory = Memory::default();
        memory.doubted("a".into(), at(0));
        assert_eq!((memory.unseen(), memory.overdue(at(0)).len()), (1, 1));
        memory.looked_up("a", true);
        assert_eq!((memory.unseen(), memory.overdue(at(0)).len()), (1, 0));
        memory.looked_up("a", false);
        assert_eq!(memory.unseen(), 0);
    }

    #[test]
    fn a_clock_set_back_forgets_nothing() {
        let mut memory = Memory::default();
        memory.created("a".into(), at(1000));
        settle(&mut memory, &[], &[], 0);
        assert_eq!(memory.unseen(), 1);
        assert!(memory.overdue(at(0)).is_empty());
    }

    #[test]
    fn a_deletion_counts_while_the_cache_shows_the_sandbox() {
        let mut memory = Memory::default();
        memory.deleted("1".into(), Fate::Accepted);
        memory.deleted("2".into(), Fate::Absent);
        settle(&mut memory, &[], &["1", "2"], 0);
        assert_eq!(memory.fate("1"), Some(Fate::Accepted));
        assert_eq!(memory.fate("2"), Some(Fate::Absent));
        settle(&mut memory, &[], &["2"], 0);
        assert_eq!(
            (memory.fate("1"), memory.fate("2")),
            (None, Some(Fate::Absent))
        );
    }

    #[test]
    fn pools_are_remembered_apart() {
        let memories = Memories::default();
        memories.with("p", |memory| memory.created("a".into(), at(0)));
        assert_eq!(memories.with("q", |memory| memory.unseen()), 0);
        assert_eq!(memories.with("p", |memory| memory.unseen()), 1);
        memories.forget("p");
        assert_eq!(memories.with("p", |memory| memory.unseen()), 0);
    }
}
