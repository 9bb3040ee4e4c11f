//! What ends an exchange that does not end by itself: its time is over, or
//! nothing of it has moved for long. What moves may last: a log that is
//! followed, a large file.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

/// The bound of one exchange; clones are the same one.
#[derive(Clone, Debug)]
pub enum Bound {
    /// It has none.
    None,
    /// A time that its caller named.
    Until(Instant),
    /// How long it may stand still.
    Still(Arc<Pace>),
}

/// When something of an exchange moved last, either way.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    /// Milliseconds since it began.
    moved: AtomicU64,
    /// Milliseconds for which it may stand still.
    rest: AtomicU64,
}

impl Bound {
    /// Of an exchange that begins now, and may stand still for so long.
    pub fn still(rest: Duration) -> Self {
        Self::Still(Arc::new(Pace {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            rest: AtomicU64::new(millis(rest)),
        }))
    }

    /// Something has moved.
    pub fn moved(&self) {
        if let Self::Still(pace) = self {
            let now = millis(pace.began.elapsed());
            pace.moved.store(now, Relaxed);
        }
    }

    /// The answer has begun: from here on it may stand still for so long.
    pub fn answered(&self, rest: Duration) {
        if let Self::Still(pace) = self {
            pace.rest.store(millis(rest), Relaxed);
            self.moved();
        }
    }

    /// When it is over, unless something moves before.
    fn end(&self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Until(until) => Some(*until),
            Self::Still(pace) => {
                let end = pace
                    .moved
                    .load(Relaxed)
                    .saturating_add(pace.rest.load(Relaxed));
                pace.began.checked_add(Duration::from_millis(end))
            }
        }
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.end().is_some_and(|end| Instant::now() >= end)
    }

    /// Ends when it is over.
    pub async fn over(&self) {
        while !self.is_over() {
            match self.end() {
                Some(end) => sleep_until(end).await,
                None => return pending().await,
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until a bound is over, from poll to poll. Made when there is something
/// to wait for, which often there is not.
#[derive(Default)]
pub(crate) struct Wait(Option<BoxFuture<'static, ()>>);

impl Wait {
    /// Whether the bound is over; if not, the task is woken when it is.
    pub(crate) fn is_over(&mut self, bound: &Bound, context: &mut Context<'_>) -> bool {
        if matches!(bound, Bound::None) {
            return false;
        }
        let wait = self.0.get_or_insert_with(|| {
            let bound = bound.clone();
            async move { bound.over().await }.boxed()
        });
        wait.as_mut().poll_unpin(context) == Poll::Ready(())
    }
}

impl std::fmt::Debug for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wait")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_never_over_and_what_stands_still_is() {
        let bound = Bound::still(SECOND * 3);
        let began = Instant::now();
        let over = bound.clone();
        let over = tokio::spawn(async move { over.over().await });
        for _ in 0..10 {
            tokio::time::advance(SECOND * 2).await;
            assert!(!bound.is_over() && !over.is_finished());
            bound.moved();
        }
        over.await.unwrap();
        assert_eq!(began.elapsed(), SECOND * 23);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_stand_still_for_longer_than_a_question() {
        let bound = Bound::still(SECOND);
        bound.answered(SECOND * 100);
        tokio::time::advance(SECOND * 99).await;
        assert!(!bound.is_over());
        tokio::time::advance(SECOND).await;
        assert!(bound.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_was_named_is_over_however_much_moves() {
        let bound = Bound::Until(Instant::now() + SECOND);
        bound.moved();
        bound.answered(SECOND * 100);
        bound.over().await;
        assert!(bound.is_over());
        assert!(!Bound::None.is_over());
        // Longer than clocks count.
        assert!(!Bound::still(Duration::MAX).is_over());
    }
}
