//! Requests under way on a connection. One without any is of no use to
//! anybody, however well its peer answers our pings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The requests of one connection; clones are the same.
#[derive(Clone)]
pub(crate) struct Work(Arc<Mutex<State>>);

struct State {
    under_way: usize,
    /// When the last one ended.
    rests_since: Instant,
}

/// A request that is under way until this is dropped.
pub(crate) struct Begun(Work);

impl Work {
    /// Of a connection that is new.
    pub(crate) fn none() -> Self {
        Self(Arc::new(Mutex::new(State {
            under_way: 0,
            rests_since: Instant::now(),
        })))
    }

    pub(crate) fn begin(&self) -> Begun {
        self.state().under_way += 1;
        Begun(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section leaves both in step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When there will have been none for this time, if none begins.
    fn rested(&self, time: Duration) -> Option<Instant> {
        let state = self.state();
        (state.under_way == 0).then(|| state.rests_since + time)
    }

    /// Completes when there was none for this time, at twice that the latest:
    /// who looks now and then costs requests nothing.
    pub(super) async fn rests(&self, time: Duration) {
        loop {
            let now = Instant::now();
            match self.rested(time) {
                Some(rested) if rested <= now => return,
                Some(rested) => sleep_until(rested).await,
                None => sleep_until(now + time).await,
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.rests_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_nothing_rests_and_who_waits_for_an_answer_does_not() {
        let (work, began) = (Work::none(), Instant::now());
        let request = work.begin();
        let other = work.begin();
        drop(other);
        let waits = tokio::time::timeout(10 * TIME, work.rests(TIME));
        assert!(waits.await.is_err());
        drop(request);
        work.rests(TIME).await;
        assert_eq!(began.elapsed(), 11 * TIME);
        let late = Work::none();
        sleep_until(Instant::now() + TIME / 2).await;
        drop(late.begin());
        let began = Instant::now();
        late.rests(TIME).await;
        assert_eq!(began.elapsed(), TIME, "a request begins its time anew");
    }
}
