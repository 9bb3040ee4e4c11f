//! How much of something each of many has, of whom none may have all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who has how much, and how much each may have; clones are the same.
#[derive(Clone, Debug)]
pub struct Tally<K: Eq + Hash>(Arc<Table<K>>);

#[derive(Debug)]
struct Table<K> {
    most: usize,
    /// Of those who have something.
    taken: Mutex<HashMap<K, usize>>,
}

/// One that somebody has, until dropped.
#[derive(Debug)]
pub struct Taken<K: Eq + Hash> {
    tally: Tally<K>,
    who: K,
}

impl<K: Eq + Hash> Tally<K> {
    /// Each may have so many.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Table {
            most,
            taken: Mutex::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // Each critical section is one change of one count.
        let taken = &self.0.taken;
        taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Tally<K> {
    /// One more for this one, if it may have more.
    pub fn take(&self, who: K) -> Option<Taken<K>> {
        let mut taken = self.lock();
        let has = taken.get(&who).copied().unwrap_or_default();
        if has >= self.0.most {
            return None;
        }
        taken.insert(who.clone(), has + 1);
        drop(taken);
        let tally = self.clone();
        Some(Taken { tally, who })
    }
}

impl<K: Eq + Hash> Drop for Taken<K> {
    fn drop(&mut self) {
        let mut taken = self.tally.lock();
        if let Some(has) = taken.get_mut(&self.who) {
            *has -= 1;
            if *has == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_it_may_and_what_is_given_back_is_forgotten() {
        let tally = Tally::new(2);
        let held = [tally.take("a").unwrap(), tally.take("a").unwrap()];
        assert!(tally.take("a").is_none());
        let other = tally.take("b").unwrap();
        drop(held);
        assert!(tally.take("a").is_some());
        drop(other);
        assert!(tally.lock().is_empty());
    }
}
