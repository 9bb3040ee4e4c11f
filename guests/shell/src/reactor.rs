//! Drives the shell's one future and waits, for timers and for WASI at once.
//!
//! There is one thread and no runtime: the future is polled until it waits for
//! something only the outside can bring, and then `wasi:io/poll` waits for the
//! first of these to come. It never waits with a wake-up outstanding, and
//! never spins without one.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::io::poll::{self, Pollable};

/// Polls of the future between two looks at the outside while it keeps itself
/// busy: often enough that a child's output moves on, and rarely enough that
/// the looks do not count.
const POLLS_PER_LOOK: u32 = 64;

/// Who waits for what.
#[derive(Default)]
struct Waits {
    next: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    pollables: BTreeMap<u64, (Arc<Pollable>, Waker)>,
}

static WAITS: Mutex<Waits> = Mutex::new(Waits {
    next: 0,
    timers: BTreeMap::new(),
    pollables: BTreeMap::new(),
});

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waits {
    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Waits until something comes, and wakes those it came for. False if
    /// there is nothing to wait for.
    fn block(&mut self) -> bool {
        let timer = self
            .timers
            .keys()
            .next()
            .map(|&(due, _)| monotonic_clock::subscribe_instant(due));
        let (tickets, pollables): (Vec<u64>, Vec<Arc<Pollable>>) = self
            .pollables
            .iter()
            .map(|(&ticket, (pollable, _))| (ticket, Arc::clone(pollable)))
            .unzip();
        let mut list: Vec<&Pollable> = pollables.iter().map(Arc::as_ref).collect();
        list.extend(timer.as_ref());
        if list.is_empty() {
            return false;
        }
        let ready = poll::poll(&list);
        for (ticket, index) in tickets.into_iter().zip(0..) {
            if ready.contains(&index) {
                self.wake(ticket);
            }
        }
        if timer.is_some() {
            self.expire();
        }
        true
    }

    /// Wakes those whose time has come, without waiting.
    fn look(&mut self) {
        let ready: Vec<u64> = self
            .pollables
            .iter()
            .filter(|(_, (pollable, _))| pollable.ready())
            .map(|(&ticket, _)| ticket)
            .collect();
        for ticket in ready {
            self.wake(ticket);
        }
        if !self.timers.is_empty() {
            self.expire();
        }
    }

    fn wake(&mut self, ticket: u64) {
        if let Some((_, waker)) = self.pollables.remove(&ticket) {
            waker.wake();
        }
    }

    fn expire(&mut self) {
        let later = self.timers.split_off(&(monotonic_clock::now() + 1, 0));
        for (_, waker) in std::mem::replace(&mut self.timers, later) {
            waker.wake();
        }
    }
}

/// Removes a timer when the future that waits for it goes.
struct Timer(Option<(u64, u64)>);

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(key) = self.0 {
            waits().timers.remove(&key);
        }
    }
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let due = monotonic_clock::now().saturating_add(nanos);
    Box::pin(async move {
        let mut timer = Timer(None);
        poll_fn(move |cx| {
            if monotonic_clock::now() >= due {
                return Poll::Ready(());
            }
            let mut waits = waits();
            let key = match timer.0 {
                Some(key) => key,
                None => (due, waits.ticket()),
            };
            waits.timers.insert(key, cx.waker().clone());
            timer.0 = Some(key);
            Poll::Pending
        })
        .await;
    })
}

/// Takes a pollable off the list when the future that waits for it goes.
struct Interest(Option<u64>);

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(ticket) = self.0 {
            waits().pollables.remove(&ticket);
        }
    }
}

/// Waits until `pollable` is ready.
pub async fn ready(pollable: &Arc<Pollable>) {
    let mut interest = Interest(None);
    poll_fn(|cx| {
        let mut waits = waits();
        match interest.0 {
            // The list drops what has become ready.
            Some(ticket) if !waits.pollables.contains_key(&ticket) => return Poll::Ready(()),
            Some(ticket) => {
                waits
                    .pollables
                    .insert(ticket, (Arc::clone(pollable), cx.waker().clone()));
            }
            None => {
                let ticket = waits.ticket();
                waits
                    .pollables
                    .insert(ticket, (Arc::clone(pollable), cx.waker().clone()));
                interest.0 = Some(ticket);
            }
        }
        Poll::Pending
    })
    .await;
}

/// Set by every waker of the future, taken before each poll of it.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `future` to its end; `None` if it waits for nothing that could come.
pub fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut polls = 0u32;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Some(value);
        }
        polls = polls.wrapping_add(1);
        if !woken.0.load(Ordering::Relaxed) {
            if !waits().block() {
                return None;
            }
        } else if polls.is_multiple_of(POLLS_PER_LOOK) {
            waits().look();
        }
        woken.0.store(false, Ordering::Relaxed);
    }
}
