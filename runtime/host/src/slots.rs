//! How many programs may be alive at once on a host, and that calls always
//! find room: a program that lasts gives its slot back when its session ends,
//! which may be never, so that such programs have a share that they cannot
//! leave. Nor can the programs of one sandbox leave theirs, whoever started
//! them.
//!
//! ```text
//! all: │ calls                 │ calls, or programs that last │
//!      │ one sandbox │ …
//! ```

use std::sync::Arc;
use std::time::Duration;

use mote_api::Rejection;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::host::Places;

/// Longest wait of a program that lasts. In that time a slot comes free where
/// some end all the time; where none does, people are to hear of it, and
/// whoever wants it run tries again.
const LASTING_WAIT: Duration = Duration::from_secs(10);
/// One in so many slots may be a program's that lasts: calls and programs have
/// as much of a host.
const LASTING_PART: u32 = 2;
/// One in so many slots may be one sandbox's: whoever may call it keeps nobody
/// from calling others.
const SANDBOX_PART: u32 = 8;
/// Slots that are one sandbox's at least, where there are as many: enough for
/// all the programs that one call may have at once, if nobody says otherwise.
const SANDBOX_LEAST: u32 = 16;

/// For how long a program and its children take their slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Until their call ends, which has a deadline.
    Call,
    /// For as long as they like, or longer than any call.
    Lasting,
}

/// What one sandbox may take of a host's slots. Clones are the same part: all
/// sessions of a sandbox have one. By itself, it may take all.
#[derive(Clone, Debug, Default)]
pub struct Part(Option<Own>);

/// The slots of one sandbox.
#[derive(Clone, Debug)]
struct Own {
    all: Arc<Semaphore>,
    /// Those of them for what is called: it waits for one, and what it starts
    /// does not, and would never find one that another call waits for.
    called: Arc<Semaphore>,
}

/// What a program takes of its sandbox's slots.
struct Taken {
    _slot: OwnedSemaphorePermit,
    _called: Option<OwnedSemaphorePermit>,
}

impl Part {
    fn of(total: u32) -> Self {
        let most = most_of_one(total);
        let slots = |slots: u32| Arc::new(Semaphore::new(slots as usize));
        Self(Some(Own {
            all: slots(most),
            called: slots(most - most / 2),
        }))
    }

    fn free(&self) -> Result<Option<Taken>, TryAcquireError> {
        let Some(own) = &self.0 else { return Ok(None) };
        Ok(Some(Taken {
            _slot: Arc::clone(&own.all).try_acquire_owned()?,
            _called: None,
        }))
    }

    async fn wait(&self) -> Result<Option<Taken>, AcquireError> {
        let Some(own) = &self.0 else { return Ok(None) };
        let called = Arc::clone(&own.called).acquire_owned().await?;
        Ok(Some(Taken {
            _slot: Arc::clone(&own.all).acquire_owned().await?,
            _called: Some(called),
        }))
    }
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
    _own: Option<Taken>,
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

    /// The part of a sandbox that is new.
    pub(crate) fn part(&self) -> Part {
        Part::of(self.total)
    }

    /// A slot, waited for as long as the call itself may take.
    ///
    /// # Errors
    /// None came free in that time.
    pub(crate) async fn take(
        &self,
        span: Span,
        part: &Part,
        deadline: Duration,
    ) -> Result<Slot, Rejection> {
        let wait = match span {
            Span::Call => deadline,
            Span::Lasting => deadline.min(LASTING_WAIT),
        };
        let (mut own, mut lasting) = (None, None);
        let taken = async {
            // The narrowest first, so that few wait where many do.
            own = Some(part.wait().await.ok()?);
            if span == Span::Lasting {
                lasting = Some(Arc::clone(&self.lasting).acquire_owned().await.ok()?);
            }
            Arc::clone(&self.all).acquire_owned().await.ok()
        };
        let taken = tokio::time::timeout(wait, taken).await.ok().flatten();
        match (taken, own) {
            (Some(slot), Some(own)) => Ok(Slot {
                _own: own,
                _lasting: lasting,
                _slot: slot,
            }),
            (_, None) => Err(self.no_more_of_one()),
            (None, _) if span == Span::Lasting && lasting.is_none() => Err(self.no_more_last()),
            (None, _) => Err(Rejection::Limit(
                "the host is full; run it again later".to_owned(),
            )),
        }
    }

    /// A slot for a child, if one is free: who waited for it would keep its
    /// parent's from others.
    ///
    /// # Errors
    /// None is.
    pub(crate) fn take_now(&self, span: Span, part: &Part) -> Result<Slot, Rejection> {
        let free = |slots: &Arc<Semaphore>| Arc::clone(slots).try_acquire_owned().ok();
        let own = part.free().map_err(|_| self.no_more_of_one())?;
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
            _own: own,
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
            "commands and contexts of sandboxes, and programs that they started, may take {} of the {} slots of this host, and take them all; end some of them, or give the host more slots",
            most_lasting(self.total),
            self.total
        ))
    }

    fn no_more_of_one(&self) -> Rejection {
        Rejection::Limit(format!(
            "the host has no room for another program of this sandbox, which may take {} of its {} slots; run it again later",
            most_of_one(self.total),
            self.total
        ))
    }
}

fn most_lasting(total: u32) -> u32 {
    total / LASTING_PART
}

fn most_of_one(total: u32) -> u32 {
    (total / SANDBOX_PART).max(SANDBOX_LEAST).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// May take all.
    const ANY: Part = Part(None);
    const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    #[tokio::test(start_paused = true)]
    async fn what_lasts_leaves_half_of_the_slots_to_calls_whatever_waits() {
        let slots = Slots::new(5);
        let first = slots.take(Span::Lasting, &ANY, LONG).await.unwrap();
        let child = slots.take_now(Span::Lasting, &ANY).unwrap();
        let (third, calls) = tokio::join!(slots.take(Span::Lasting, &ANY, LONG), async {
            let mut calls = Vec::new();
            while let Ok(call) = slots.take_now(Span::Call, &ANY) {
                calls.push(call);
            }
            calls
        });
        assert_eq!(calls.len(), 3);
        let told = third.err().unwrap().to_string();
        assert!(told.contains("2 of the 5 slots"), "{told}");
        assert!(slots.take_now(Span::Lasting, &ANY).is_err());
        drop((child, calls));
        // What ended has given both back.
        let again = slots.take_now(Span::Lasting, &ANY).unwrap();
        assert_eq!(slots.places(), Places { total: 5, free: 3 });
        drop((first, again));
        assert_eq!(slots.places(), Places { total: 5, free: 5 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_waits_for_calls_for_a_bounded_time_and_keeps_no_share() {
        let slots = Slots::new(2);
        let calls = [(); 2].map(|()| slots.take_now(Span::Call, &ANY).unwrap());
        let told = slots.take(Span::Lasting, &ANY, LONG).await.err().unwrap();
        assert!(told.to_string().contains("the host is full"), "{told}");
        drop(calls);
        assert!(slots.take_now(Span::Lasting, &ANY).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_sandbox_leaves_room_for_others_whoever_starts_its_programs() {
        let slots = Slots::new(1_000);
        let (greedy, other) = (slots.part(), slots.part());
        let mut held = vec![slots.take(Span::Lasting, &greedy, LONG).await.unwrap()];
        held.push(slots.take(Span::Call, &greedy, LONG).await.unwrap());
        while let Ok(child) = slots.take_now(Span::Call, &greedy.clone()) {
            held.push(child);
        }
        assert_eq!(held.len(), 125);
        for span in [Span::Call, Span::Lasting] {
            let waited = slots.take(span, &greedy, LONG).await.err();
            let at_once = slots.take_now(span, &greedy).err();
            for told in [waited, at_once] {
                let told = told.unwrap().to_string();
                assert!(told.contains("125 of its 1000 slots"), "{told}");
            }
            assert!(slots.take_now(span, &other).is_ok());
        }
        held.pop();
        assert!(slots.take(Span::Call, &greedy, LONG).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_one_sandbox_leave_room_for_what_they_start() {
        let slots = Slots::new(128);
        let part = slots.part();
        let mut calls = Vec::new();
        for _ in 0..8 {
            calls.push(slots.take(Span::Call, &part, LONG).await.unwrap());
        }
        let (ninth, children) = tokio::join!(slots.take(Span::Call, &part, LONG), async {
            // The ninth waits by now.
            tokio::task::yield_now().await;
            [(); 8].map(|()| slots.take_now(Span::Call, &part).unwrap())
        });
        let told = ninth.err().unwrap().to_string();
        assert!(told.contains("16 of its 128 slots"), "{told}");
        assert!(slots.take_now(Span::Call, &part).is_err());
        drop((calls.pop(), children));
        assert!(slots.take(Span::Call, &part, LONG).await.is_ok());
    }

    #[test]
    fn where_there_are_few_slots_one_call_may_have_all_its_programs() {
        let parts = [0, 1, 4, 16, 40, 128, 136, 1_000].map(most_of_one);
        assert_eq!(parts, [0, 1, 4, 16, 16, 16, 17, 125]);
    }
}
