//! Things of which there is one for each key, while somebody uses it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One of `T` for each key.
pub(super) struct Turns<K, T> {
    make: fn() -> T,
    there: Mutex<HashMap<K, Weak<T>>>,
}

impl<K: Eq + Hash, T> Turns<K, T> {
    pub(super) fn new(make: fn() -> T) -> Self {
        Self {
            make,
            there: Mutex::default(),
        }
    }

    /// The one of this key.
    pub(super) fn of(&self, key: K) -> Arc<T> {
        let mut there = self.there.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = there.get(&key).and_then(Weak::upgrade) {
            return one;
        }
        there.retain(|_, one| one.strong_count() > 0);
        let one = Arc::new((self.make)());
        there.insert(key, Arc::downgrade(&one));
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_one_at_the_same_time_has_the_same() {
        let turns: Turns<u8, Mutex<u8>> = Turns::new(Mutex::default);
        let one = turns.of(1);
        *one.lock().unwrap() = 7;
        assert_eq!(*turns.of(1).lock().unwrap(), 7);
        assert_eq!(*turns.of(2).lock().unwrap(), 0);
        drop(one);
        assert_eq!(*turns.of(1).lock().unwrap(), 0);
        assert_eq!(
            turns.there.lock().unwrap().len(),
            1,
            "those that nobody uses go"
        );
    }
}
