//! Requests that run, counted: in all, and for each namespace, so that one
//! tenant's calls that never end leave room for the others'.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::refusal::Refusal;

/// How many requests may run.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// In all.
    pub all: usize,
    /// For the sandboxes of one namespace.
    pub one: usize,
}

/// Requests that run. Copies share what they hold.
#[derive(Clone, Debug)]
pub struct Crowd {
    most: Most,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// By namespace; those that have no sandbox count as one.
    one: HashMap<Arc<str>, usize>,
}

/// A request's place among those that run. Free again when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    namespace: Arc<str>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(most: Most) -> Self {
        let counts = Arc::default();
        Self { most, counts }
    }

    /// A place for a request to a sandbox of this namespace.
    ///
    /// # Errors
    /// As many run as may.
    pub fn enter(&self, namespace: &Arc<str>) -> Result<Place, Refusal> {
        let mut counts = self.counts();
        if counts.all >= self.most.all {
            return Err(Refusal::Full(self.most.all));
        }
        let one = counts.one.entry(Arc::clone(namespace)).or_default();
        if *one >= self.most.one {
            return Err(Refusal::Crowded(self.most.one));
        }
        *one += 1;
        counts.all += 1;
        Ok(Place {
            crowd: self.clone(),
            namespace: Arc::clone(namespace),
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        counts.all -= 1;
        let Some(one) = counts.one.get_mut(&self.namespace) else {
            return;
        };
        *one -= 1;
        if *one == 0 {
            counts.one.remove(&self.namespace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_namespace_leaves_room_for_another_until_all_is_full() {
        let crowd = Crowd::new(Most { all: 3, one: 2 });
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let first = crowd.enter(&a).unwrap();
        let _second = crowd.enter(&a).unwrap();
        assert_eq!(crowd.enter(&a).unwrap_err(), Refusal::Crowded(2));
        let third = crowd.enter(&b).unwrap();
        assert_eq!(crowd.enter(&b).unwrap_err(), Refusal::Full(3));
        drop(first);
        let _again = crowd.enter(&a).unwrap();
        drop(third);
        assert_eq!(crowd.counts().one.len(), 1);
        assert_eq!(crowd.counts().all, 2);
    }
}
