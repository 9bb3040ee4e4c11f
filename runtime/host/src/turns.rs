//! Who goes next, where more programs run on than there are threads: sandboxes
//! get processor time by their shares, as pods do by `cpu.weight`.
//!
//! ```text
//! a program's first moments ──────────────► runs, and is charged
//! a tick of the clock: it runs on ─► waits ─► turn ─► runs until the next tick
//!                                     └─ first whose sandbox has had the least for its share
//! ```
//!
//! This is stride scheduling (Waldspurger and Weihl, 1995): time counts for
//! more where the share is small, and whoever has the smallest count is next.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// What one whole processor weighs, and the least and the most there is: as the
/// kubelet and the kernel have it.
const WHOLE: u64 = 1024;
const LEAST: u64 = 2;
const MOST: u64 = 1 << 18;
/// How far behind a sandbox may be that had nothing to do, in its own processor
/// time: enough to be next, not to make up for hours.
const CREDIT: Duration = Duration::from_millis(20);
/// How far ahead one may be whose programs' first moments waited for nobody:
/// enough to let others go first, not to be kept out until calls are over.
const DEBT: Duration = Duration::from_secs(1);

/// A sandbox's share of the processors, and what it has had of them. Clones are
/// the same share: all calls of a sandbox have one.
#[derive(Clone, Debug)]
pub struct Share(Arc<Account>);

#[derive(Debug)]
struct Account {
    weight: u64,
    /// Processor time in microseconds, for a weight of one whole processor: in
    /// nanoseconds, one with the least would come to their end in weeks.
    had: AtomicU64,
}

impl Default for Share {
    /// Of one that asks for nothing.
    fn default() -> Self {
        Self::of_millis(0)
    }
}

impl Share {
    /// The share of a sandbox that asks for so many thousandths of a processor.
    /// Who asks for none has the least: 2 of 1,024 parts of a processor, as a
    /// pod has.
    pub fn of_millis(millis: u32) -> Self {
        let weight = (u64::from(millis) * WHOLE / 1000).clamp(LEAST, MOST);
        Self(Arc::new(Account {
            weight,
            had: AtomicU64::new(0),
        }))
    }

    fn had(&self) -> u64 {
        self.0.had.load(Relaxed)
    }

    fn charge(&self, time: Duration) {
        self.0.had.fetch_add(self.weighed(time), Relaxed);
    }

    fn weighed(&self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        nanos.saturating_mul(WHOLE) / self.0.weight / 1_000
    }

    /// Who had nothing to do is not owed all the time since, and who had more
    /// than its share does not owe it for ever.
    fn keep_near(&self, level: u64) {
        let least = level.saturating_sub(self.weighed(CREDIT));
        let most = level.saturating_add(self.weighed(DEBT));
        self.0.had.fetch_max(least, Relaxed);
        self.0.had.fetch_min(most, Relaxed);
    }
}

/// The turns of a host: one for each thread that runs guests.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// Turns that nobody has; `None` until somebody asks on a runtime, which
    /// knows its threads.
    free: Option<usize>,
    /// In the order in which they came.
    waiting: Vec<Waiter>,
    /// What the last one that was let go on had had.
    level: u64,
}

struct Waiter {
    share: Share,
    go: oneshot::Sender<Turn>,
}

/// The right to run until the next tick. Dropped, it is another's.
struct Turn(Option<Arc<Turns>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            let mut queue = turns.queue();
            *queue.free() += 1;
            turns.pass_on(&mut queue);
        }
    }
}

impl Queue {
    fn free(&mut self) -> &mut usize {
        self.free.get_or_insert_with(|| {
            let runtime = tokio::runtime::Handle::try_current();
            runtime.map_or(1, |runtime| runtime.metrics().num_workers())
        })
    }

    /// The one that is next. Those that were ended meanwhile are forgotten.
    fn next(&mut self) -> Option<Waiter> {
        self.waiting.retain(|waiter| !waiter.go.is_closed());
        let waiting = self.waiting.iter().enumerate();
        let (index, _) = waiting.min_by_key(|(_, waiter)| waiter.share.had())?;
        Some(self.waiting.remove(index))
    }
}

impl Turns {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Each critical section leaves it consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines up for a turn, with the one that it has, if any: both at once, so
    /// that who gives one back can be the next.
    fn wait(self: &Arc<Self>, waiter: Waiter, held: Option<Turn>) {
        let mut queue = self.queue();
        waiter.share.keep_near(queue.level);
        queue.waiting.push(waiter);
        if let Some(mut turn) = held {
            turn.0 = None;
            *queue.free() += 1;
        }
        self.pass_on(&mut queue);
    }

    fn pass_on(self: &Arc<Self>, queue: &mut Queue) {
        while *queue.free() > 0
            && let Some(Waiter { share, go }) = queue.next()
        {
            let had = share.had();
            match go.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => {
                    *queue.free() -= 1;
                    queue.level = queue.level.max(had);
                }
                // It was ended just now. The lock is held: the turn is not to
                // pass itself on.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

/// One program's way through its turns.
pub(crate) struct Stint {
    share: Share,
    turns: Arc<Turns>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Turn>,
    asks: Option<oneshot::Sender<Turn>>,
}

impl Stint {
    pub(crate) fn new(share: Share, turns: Arc<Turns>) -> Arc<Self> {
        Arc::new(Self {
            share,
            turns,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each critical section is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets others go first whose turn it is.
    pub(crate) async fn give_way(&self) {
        let (go, going) = oneshot::channel();
        self.state().asks = Some(go);
        // An error means that the program is gone, and this with it.
        if let Ok(turn) = going.await {
            // The runtime's other work comes first, and its sockets and timers
            // are looked at: programs that hand turns to each other would keep
            // a thread from both.
            tokio::task::yield_now().await;
            self.state().held = Some(turn);
        }
    }

    /// The program has run for this time, and stops for a while: it gives way,
    /// or waits for something else.
    pub(crate) fn stops(&self, ran: Duration) {
        self.share.charge(ran);
        let State { held, asks } = std::mem::take(&mut *self.state());
        match asks {
            Some(go) => {
                let share = self.share.clone();
                self.turns.wait(Waiter { share, go }, held);
            }
            None => drop(held),
        }
    }
}

#[cfg(test)]
mod tests;
