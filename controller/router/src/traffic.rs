//! What happens on one connection of a client: whether it is of use, and
//! whether what is sent on it is taken.
//!
//! A client that asks for much and reads nothing holds memory here and a
//! request in the sandbox. TCP notices it where the whole connection stands
//! still; HTTP/2 stops single streams, of which TCP knows nothing.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The requests of one connection.
#[derive(Debug)]
pub struct Traffic {
    opened: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Those whose response has not ended.
    open: Vec<Arc<Handed>>,
    /// When the last one ended.
    idle_since: Instant,
}

/// Whether the client takes what was handed to its connection.
#[derive(Debug)]
pub struct Handed {
    traffic: Arc<Traffic>,
    /// When something was handed that is not taken yet, in milliseconds since
    /// the connection was opened, plus one; 0 where everything is taken.
    since: AtomicU64,
    /// Ends the request.
    cut: CancellationToken,
}

impl Traffic {
    /// Of a connection that was just opened.
    pub fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            opened: now,
            state: Mutex::new(State {
                open: Vec::new(),
                idle_since: now,
            }),
        })
    }

    /// A request has begun, and lasts as long as what is given back; `cut` ends it.
    pub fn begin(self: &Arc<Self>, cut: CancellationToken) -> Begun {
        let handed = Arc::new(Handed {
            traffic: Arc::clone(self),
            since: AtomicU64::new(0),
            cut,
        });
        self.state().open.push(Arc::clone(&handed));
        Begun(handed)
    }

    /// Whether no request was there for so long.
    pub fn is_idle(&self, now: Instant, time: Duration) -> bool {
        let state = self.state();
        state.open.is_empty() && now.duration_since(state.idle_since) >= time
    }

    /// Ends the requests whose client has taken nothing of their responses for so
    /// long; tells how many they were.
    pub fn cut_untaken(&self, now: Instant, time: Duration) -> usize {
        let (now, time) = (self.millis(now), time.as_millis());
        let untaken = |it: &&Arc<Handed>| match it.since.load(Ordering::Relaxed) {
            0 => false,
            since => u128::from(now.saturating_sub(since)) >= time,
        };
        let state = self.state();
        let cut = state.open.iter().filter(untaken);
        cut.inspect(|it| it.cut.cancel()).count()
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.duration_since(self.opened).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handed {
    /// Something was handed over: a head, or a piece of a body.
    pub fn handed(&self) {
        let now = self.traffic.millis(Instant::now());
        self.since.store(now, Ordering::Relaxed);
    }

    /// All of it is taken, for there is room for more.
    pub fn taken(&self) {
        self.since.store(0, Ordering::Relaxed);
    }
}

/// A request that has not ended.
#[derive(Debug)]
pub struct Begun(Arc<Handed>);

impl Deref for Begun {
    type Target = Handed;

    fn deref(&self) -> &Handed {
        &self.0
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut state = self.0.traffic.state();
        state.open.retain(|it| !Arc::ptr_eq(it, &self.0));
        state.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_once_nothing_was_asked_for_a_while() {
        let traffic = Traffic::new();
        let opened = Instant::now();
        assert!(!traffic.is_idle(opened, TIME));
        assert!(traffic.is_idle(opened + TIME, TIME));
        let handed = traffic.begin(CancellationToken::new());
        assert!(!traffic.is_idle(opened + TIME, TIME));
        tokio::time::advance(TIME).await;
        drop(handed);
        assert!(!traffic.is_idle(Instant::now(), TIME));
        assert!(traffic.is_idle(Instant::now() + TIME, TIME));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_response_that_is_not_taken_is_cut() {
        let traffic = Traffic::new();
        let (slow, quick, waiting) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let untaken = traffic.begin(slow.clone());
        untaken.handed();
        let taking = traffic.begin(quick.clone());
        taking.handed();
        taking.taken();
        let _sandbox_is_silent = traffic.begin(waiting.clone());
        let now = Instant::now();
        assert_eq!(traffic.cut_untaken(now + TIME / 2, TIME), 0);
        assert_eq!(traffic.cut_untaken(now + TIME, TIME), 1);
        assert!(slow.is_cancelled() && !quick.is_cancelled() && !waiting.is_cancelled());
    }
}
