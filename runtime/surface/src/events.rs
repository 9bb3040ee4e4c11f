//! What a program does, in order, to whoever started it: a channel bounded by
//! the bytes that wait in it, and not by their number of pieces.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use mote_api::Outcome;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};

/// Bytes that may wait for a slow reader before the program does: what Linux
/// gives a pipe. A client may start hundreds of programs and read none.
pub const EVENT_BYTES: usize = 64 * 1024;
/// What a piece costs beside its bytes, so that a million empty ones cost
/// something too.
const PIECE_BYTES: usize = 64;

/// Something a program did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It wrote to standard output, or to its terminal. At most 64 KiB.
    Stdout(Bytes),
    /// It wrote to standard error. At most 64 KiB.
    Stderr(Bytes),
    /// It ended, and all its output has been told.
    Exit(Exit),
}

impl Event {
    fn cost(&self) -> usize {
        match self {
            Self::Stdout(bytes) | Self::Stderr(bytes) => bytes.len() + PIECE_BYTES,
            Self::Exit(_) => PIECE_BYTES,
        }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    /// Its exit status, -1 if a signal ended it: as Go's `ExitCode`, which
    /// clients of sandboxd know.
    pub code: i32,
    /// What became of the call, with what it used.
    pub outcome: Box<Outcome>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Told whenever a piece is taken.
    taken: Notify,
}

/// The end that tells of events. Clones tell the same receiver.
#[derive(Clone, Debug)]
pub struct EventSender {
    sender: mpsc::UnboundedSender<Event>,
    waiting: Arc<Waiting>,
}

/// The end that hears of events. Dropping it ends the program.
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Event>,
    waiting: Arc<Waiting>,
    /// What makes the events, while it is driven from here.
    work: Option<Work>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// A new channel of [`EVENT_BYTES`].
pub fn events() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(Waiting::default());
    let sender = EventSender {
        sender,
        waiting: Arc::clone(&waiting),
    };
    let events = Events {
        receiver,
        waiting,
        work: None,
    };
    (sender, events)
}

/// Nobody hears of events any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller has gone")]
pub struct CallerGone;

impl EventSender {
    /// Bytes for which there is room now; `None` once nobody hears any more.
    pub fn room(&self) -> Option<usize> {
        let used = self.waiting.bytes.load(Relaxed);
        (!self.sender.is_closed()).then(|| EVENT_BYTES.saturating_sub(used))
    }

    /// Waits until there is room, or nobody hears any more.
    pub async fn ready(&self) {
        loop {
            let taken = self.waiting.taken.notified();
            if self.room() != Some(0) {
                return;
            }
            tokio::select! {
                () = taken => {}
                () = self.sender.closed() => {}
            }
        }
    }

    /// Tells of an event whether there is room or not: for writers that have
    /// asked for room before.
    ///
    /// # Errors
    /// Nobody hears any more.
    pub fn push(&self, event: Event) -> Result<(), CallerGone> {
        self.waiting.bytes.fetch_add(event.cost(), Relaxed);
        self.sender.send(event).map_err(|_| CallerGone)
    }

    /// Tells of an event, waiting for room.
    ///
    /// # Errors
    /// Nobody hears any more.
    pub async fn send(&self, event: Event) -> Result<(), CallerGone> {
        self.ready().await;
        self.push(event)
    }

    /// Waits until nobody hears any more.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

impl Events {
    /// The same events, which `work` makes: it goes on while they are waited
    /// for, in the same task, which saves short programs two switches between
    /// threads. Whoever does not wait for them all the time lets it go with
    /// [`Events::detach`].
    pub fn made_by(mut self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.work = Some(Box::pin(work));
        self
    }

    /// Lets what makes the events go on by itself.
    pub fn detach(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }

    /// The next event; `None` after the last.
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`Events::recv`], for streams.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        self.receiver.poll_recv(context).map(|event| {
            event.inspect(|event| {
                self.waiting.bytes.fetch_sub(event.cost(), Relaxed);
                self.waiting.taken.notify_waiters();
            })
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It sees that nobody hears any more, and comes to its end.
        self.receiver.close();
        self.detach();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdout(bytes: usize) -> Event {
        Event::Stdout(vec![b'x'; bytes].into())
    }

    #[tokio::test]
    async fn a_full_channel_makes_the_writer_wait_until_the_reader_takes() {
        let (sender, mut events) = events();
        sender.push(stdout(EVENT_BYTES)).unwrap();
        assert_eq!(sender.room(), Some(0));
        let (sent, taken) = tokio::join!(sender.send(stdout(1)), events.recv());
        assert_eq!(sent, Ok(()));
        assert_eq!(taken, Some(stdout(EVENT_BYTES)));
        assert_eq!(events.recv().await, Some(stdout(1)));
    }

    #[tokio::test]
    async fn work_goes_on_while_it_is_waited_for_and_ends_when_nobody_does() {
        let (sender, events) = events();
        let (ended, end) = tokio::sync::oneshot::channel();
        let mut events = events.made_by(async move {
            for _ in 0..3 {
                sender.send(stdout(EVENT_BYTES)).await.unwrap();
            }
            sender.closed().await;
            ended.send(()).unwrap();
        });
        for _ in 0..3 {
            assert_eq!(events.recv().await, Some(stdout(EVENT_BYTES)));
        }
        drop(events);
        assert_eq!(end.await, Ok(()));
    }

    #[tokio::test]
    async fn a_reader_that_goes_frees_a_waiting_writer() {
        let (sender, events) = events();
        sender.push(stdout(EVENT_BYTES)).unwrap();
        let (sent, ()) = tokio::join!(sender.send(stdout(1)), async { drop(events) });
        assert_eq!(sent, Err(CallerGone));
        assert_eq!(sender.room(), None);
    }
}
