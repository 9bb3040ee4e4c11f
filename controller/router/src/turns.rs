//! Turns to ask somebody: so many at once, and so many of them for one asker,
//! so that whoever asks much waits for themselves.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// How many questions one asker may have.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Asked at once.
    pub turns: usize,
    /// Asked, or waiting to be.
    pub waiting: usize,
}

/// Turns by asker. Copies share what they hold.
#[derive(Debug)]
pub struct Turns<A> {
    all: Arc<Semaphore>,
    lanes: Arc<Mutex<HashMap<A, Lane>>>,
}

impl<A> Clone for Turns<A> {
    fn clone(&self) -> Self {
        Self {
            all: Arc::clone(&self.all),
            lanes: Arc::clone(&self.lanes),
        }
    }
}

/// One asker's questions.
#[derive(Debug)]
struct Lane {
    waiting: usize,
    turns: Arc<Semaphore>,
}

/// A question that has no answer yet. Counts until dropped.
#[derive(Debug)]
pub struct Waiting<A: Eq + Hash> {
    turns: Turns<A>,
    asker: A,
    own: Arc<Semaphore>,
}

/// A question's turn. It is the next one's when dropped.
#[derive(Debug)]
pub struct Turn {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl<A: Clone + Eq + Hash> Turns<A> {
    /// So many at once; nobody asks yet.
    pub fn new(all: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            lanes: Arc::default(),
        }
    }

    /// Lines up behind what this asker has asked before.
    ///
    /// # Errors
    /// As many wait as may.
    pub fn join(&self, asker: A, share: Share) -> Result<Waiting<A>, Refusal> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(asker.clone()).or_insert_with(|| Lane {
            waiting: 0,
            turns: Arc::new(Semaphore::new(share.turns)),
        });
        if lane.waiting >= share.waiting {
            return Err(Refusal::Queued(share.waiting));
        }
        lane.waiting += 1;
        Ok(Waiting {
            turns: self.clone(),
            asker,
            own: Arc::clone(&lane.turns),
        })
    }
}

impl<A> Turns<A> {
    fn lanes(&self) -> MutexGuard<'_, HashMap<A, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Eq + Hash> Waiting<A> {
    /// Waits for its turn: first among the asker's own, so that of each asker no
    /// more than its share stands in everybody's way.
    ///
    /// # Errors
    /// Never: the semaphores are not closed.
    pub async fn turn(&self) -> Result<Turn, AcquireError> {
        let own = Arc::clone(&self.own).acquire_owned().await?;
        let all = Arc::clone(&self.turns.all).acquire_owned().await?;
        Ok(Turn {
            _own: own,
            _all: all,
        })
    }
}

impl<A: Eq + Hash> Drop for Waiting<A> {
    fn drop(&mut self) {
        let mut lanes = self.turns.lanes();
        let Some(lane) = lanes.get_mut(&self.asker) else {
            return;
        };
        lane.waiting -= 1;
        if lane.waiting == 0 {
            lanes.remove(&self.asker);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ALL: usize = 3;
    const SHARE: Share = Share {
        turns: 2,
        waiting: 4,
    };

    fn turn(waiting: &Waiting<&'static str>) -> Option<Turn> {
        waiting.turn().now_or_never().map(Result::unwrap)
    }

    #[test]
    fn one_asker_leaves_turns_for_another() {
        let turns = Turns::new(ALL);
        let crowd: Vec<_> = (0..4)
            .map(|_| turns.join("crowd", SHARE).unwrap())
            .collect();
        let mut has: Vec<_> = crowd.iter().filter_map(turn).collect();
        assert_eq!(has.len(), 2);
        let other = turns.join("other", SHARE).unwrap();
        assert!(turn(&other).is_some());
        // It is the crowd's next one's when one of the crowd is done.
        has.pop();
        assert!(turn(&crowd[3]).is_some());
    }

    #[test]
    fn the_next_in_line_has_the_turn_of_who_is_done() {
        let turns = Turns::new(ALL);
        let waiting = ["a", "b", "c", "d"].map(|asker| turns.join(asker, SHARE).unwrap());
        let mut has: Vec<_> = waiting[..3].iter().filter_map(turn).collect();
        let mut last = std::pin::pin!(waiting[3].turn());
        assert!(last.as_mut().now_or_never().is_none());
        has.pop();
        assert!(last.now_or_never().is_some());
    }

    #[test]
    fn beyond_so_many_of_one_asker_more_are_refused_until_one_is_done() {
        let turns = Turns::new(ALL);
        let mut crowd: Vec<_> = (0..4)
            .map(|_| turns.join("crowd", SHARE).unwrap())
            .collect();
        assert_eq!(turns.join("crowd", SHARE).unwrap_err(), Refusal::Queued(4));
        assert!(turns.join("other", SHARE).is_ok());
        crowd.pop();
        assert!(turns.join("crowd", SHARE).is_ok());
    }

    #[test]
    fn nothing_is_known_of_who_asks_no_more() {
        let turns = Turns::new(ALL);
        drop((
            turns.join("a", SHARE).unwrap(),
            turns.join("a", SHARE).unwrap(),
        ));
        assert!(turns.lanes().is_empty());
    }
}
