//! Requests that run, counted: in all, and for each namespace, so that one
//! tenant's calls that never end leave room for the others'; and those of whom
//! nobody has said yet whose they are, so that they leave room for the known.

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

/// What a request has a place for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum For {
    /// The sandboxes of this namespace; those that have no sandbox count as one.
    Namespace(Arc<str>),
    /// To be told whose a token is that was good before.
    Known,
    /// To be told whose a token is, which may be made up.
    Stranger,
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
    each: HashMap<For, usize>,
}

/// A request's place among those that run. Free again when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    what: For,
}

impl Most {
    /// Why there is no place for one more beside so many of the same.
    fn refuse(self, what: &For, count: usize) -> Option<Refusal> {
        // The other half is for those who are known, however many are not.
        let strangers = self.all.div_ceil(2);
        match what {
            For::Namespace(_) => (count >= self.one).then_some(Refusal::Crowded(self.one)),
            For::Stranger => (count >= strangers).then_some(Refusal::Queued(strangers)),
            For::Known => None,
        }
    }
}

impl Crowd {
    /// Nobody yet.
    pub fn new(most: Most) -> Self {
        let counts = Arc::default();
        Self { most, counts }
    }

    /// A place for a request.
    ///
    /// # Errors
    /// As many run as may.
    pub fn enter(&self, what: For) -> Result<Place, Refusal> {
        let mut counts = self.counts();
        if counts.all >= self.most.all {
            return Err(Refusal::Full(self.most.all));
        }
        let count = counts.each.entry(what.clone()).or_default();
        if let Some(refusal) = self.most.refuse(&what, *count) {
            return Err(refusal);
        }
        *count += 1;
        counts.all += 1;
        let crowd = self.clone();
        Ok(Place { crowd, what })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        counts.all -= 1;
        let Some(count) = counts.each.get_mut(&self.what) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            counts.each.remove(&self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_namespace_leaves_room_for_another_until_all_is_full() {
        let crowd = Crowd::new(Most { all: 3, one: 2 });
        let [a, b] = ["a", "b"].map(|name| For::Namespace(name.into()));
        let enter = |what: &For| crowd.enter(what.clone());
        let first = enter(&a).unwrap();
        let _second = enter(&a).unwrap();
        assert_eq!(enter(&a).unwrap_err(), Refusal::Crowded(2));
        let third = enter(&b).unwrap();
        assert_eq!(enter(&b).unwrap_err(), Refusal::Full(3));
        drop(first);
        let _again = enter(&a).unwrap();
        drop(third);
        assert_eq!(crowd.counts().each.len(), 1);
        assert_eq!(crowd.counts().all, 2);
    }

    #[test]
    fn strangers_count_and_leave_half_for_the_known() {
        let crowd = Crowd::new(Most { all: 4, one: 4 });
        let _strangers = [(); 2].map(|()| crowd.enter(For::Stranger).unwrap());
        let refused = crowd.enter(For::Stranger).unwrap_err();
        assert_eq!(refused, Refusal::Queued(2));
        let _known = crowd.enter(For::Known).unwrap();
        let _runs = crowd.enter(For::Namespace("a".into())).unwrap();
        assert_eq!(crowd.enter(For::Known).unwrap_err(), Refusal::Full(4));
    }
}
