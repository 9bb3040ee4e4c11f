//! How many programs may be alive at once on a host, and that calls always
//! find room: a program that lasts gives its slot back when its session ends,
//! which may be never, so that such programs have a share that they cannot
//! leave.
//!
//! ```text
//! all: │ calls                 │ calls, or programs that last │
//! ```

use std::sync::Arc;
use std::time::Duration;

use mote_api::Rejection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::host::Places;

/// Longest wait of a program that lasts. In that time a slot comes free where
/// some end all the time; where none does, people are to hear of it, and
/// whoever wants it run tries again.
const LASTING_WAIT: Duration = Duration::from_secs(10);
/// One in so many slots may be a program's that lasts: calls and programs have
/// as much of a host.
const LASTING_PART: u32 = 2;

/// For how long a program and its children take their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Until their call ends, which has a deadline.
    Call,
    /// For as long as they like.
    Lasting,
}

/// The slots of a host.
pub(crate) struct Slots {
    total: u32,
    all: Arc<Semaphore>,
    /// Those of them that programs that last may take.
    lasting: Arc<Semaphore>,
}

/// A program's place among those that are alive.
pub(crate) struct Slot {
    _lasting: Option<OwnedSemaphorePermit>,
    _slot: OwnedSemaphorePermit,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Self {
        let slots = |slots: u32| Arc::new(Semaphore::new(slots as usize));
        Self {
            total,
            all: slots(total),
            lasting: slots(most_lasting(total)),
        }
    }

    /// A slot, waited for as long as the call itself may take.
    ///
    /// # Errors
    /// None came free in that time.
    pub(crate) async fn take(&self, span: Span, deadline: Duration) -> Result<Slot, Rejection> {
        let wait = match span {
            Span::Call => deadline,
            Span::Lasting => deadline.min(LASTING_WAIT),
        };
        let mut lasting = None;
        let taken = async {
            // First, so that few of them wait among the calls.
            if span == Span::Lasting {
                lasting = Some(Arc::clone(&self.lasting).acquire_owned().await.ok()?);
            }
            Arc::clone(&self.all).acquire_owned().await.ok()
        };
        let taken = tokio::time::timeout(wait, taken).await.ok().flatten();
        match taken {
            Some(slot) => Ok(Slot {
                _lasting: lasting,
                _slot: slot,
            }),
            None if span == Span::Lasting && lasting.is_none() => Err(self.no_more_last()),
            None => Err(Rejection::Limit(
                "the host is full; run it again later".to_owned(),
            )),
        }
    }

    /// A slot for a child, if one is free: who waited for it would keep its
    /// parent's from others.
    ///
    /// # Errors
    /// None is.
    pub(crate) fn take_now(&self, span: Span) -> Result<Slot, Rejection> {
        let free = |slots: &Arc<Semaphore>| Arc::clone(slots).try_acquire_owned().ok();
        let lasting = match span {
            Span::Call => None,
            Span::Lasting => Some(free(&self.lasting).ok_or_else(|| self.no_more_last())?),
        };
        let slot = free(&self.all).ok_or_else(|| {
            Rejection::Limit(
                "the host has no room for another program; run it again later".to_owned(),
            )
        })?;
        Ok(Slot {
            _lasting: lasting,
            _slot: slot,
        })
    }

    /// How many there are, and how many are free.
    pub(crate) fn places(&self) -> Places {
        Places {
            total: self.total,
            free: u32::try_from(self.all.available_permits()).unwrap_or(u32::MAX),
        }
    }

    fn no_more_last(&self) -> Rejection {
        Rejection::Limit(format!(
            "commands of sandboxes, and programs that they started, may take {} of the {} slots of this host, and take them all; end some of them, or give the host more slots",
            most_lasting(self.total),
            self.total
        ))
    }
}

fn most_lasting(total: u32) -> u32 {
    total / LASTING_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    #[tokio::test(start_paused = true)]
    async fn what_lasts_leaves_half_of_the_slots_to_calls_whatever_waits() {
        let slots = Slots::new(5);
        let first = slots.take(Span::Lasting, LONG).await.unwrap();
        let child = slots.take_now(Span::Lasting).unwrap();
        let (third, calls) = tokio::join!(slots.take(Span::Lasting, LONG), async {
            let mut calls = Vec::new();
            while let Ok(call) = slots.take_now(Span::Call) {
                calls.push(call);
            }
            calls
        });
        assert_eq!(calls.len(), 3);
        let told = third.err().unwrap().to_string();
        assert!(told.contains("2 of the 5 slots"), "{told}");
        assert!(slots.take_now(Span::Lasting).is_err());
        drop((child, calls));
        // What ended has given both back.
        let again = slots.take_now(Span::Lasting).unwrap();
        assert_eq!(slots.places(), Places { total: 5, free: 3 });
        drop((first, again));
        assert_eq!(slots.places(), Places { total: 5, free: 5 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_waits_for_calls_for_a_bounded_time_and_keeps_no_share() {
        let slots = Slots::new(2);
        let calls = [(); 2].map(|()| slots.take_now(Span::Call).unwrap());
        let told = slots.take(Span::Lasting, LONG).await.err().unwrap();
        assert!(told.to_string().contains("the host is full"), "{told}");
        drop(calls);
        assert!(slots.take_now(Span::Lasting).is_ok());
    }
}
