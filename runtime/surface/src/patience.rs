//! How slow a peer may be. One that has gone without a word, or that trickles
//! bytes on purpose, would hold its file, its thread and its sandbox's gate
//! for ever.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};

/// How long a peer may keep us waiting at once, and how far it may fall
/// behind [`LEAST_BYTES_PER_SECOND`]: a change of networks takes less.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The speed that a peer must keep up: a modem's of the last century twice
/// over. Slower ones use up our patience.
const LEAST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// What is left of the time that a peer may keep us waiting: waiting takes
/// from it, and what is sent or taken meanwhile gives back, up to what there
/// was at first. Time that we spend ourselves does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    left: Duration,
    most: Duration,
}

/// A peer was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Patience {
    pub(crate) const fn new(most: Duration) -> Self {
        Self { left: most, most }
    }

    /// Waits for the peer, as long as there is patience.
    pub(crate) async fn wait<T>(
        &mut self,
        peer: impl Future<Output = T> + Send,
    ) -> Result<T, TooSlow> {
        let since = Instant::now();
        let done = tokio::time::timeout(self.left, peer).await;
        self.left = self.left.saturating_sub(since.elapsed());
        // Timers are coarse: an event may be there just when patience ends, each time.
        done.ok().filter(|_| !self.left.is_zero()).ok_or(TooSlow)
    }

    /// The peer has sent, or taken, so many bytes.
    pub(crate) fn credit(&mut self, bytes: usize) {
        let micros = (bytes as u64).saturating_mul(1_000_000) / LEAST_BYTES_PER_SECOND;
        let earned = Duration::from_micros(micros);
        self.left = self.left.saturating_add(earned).min(self.most);
    }

    /// The next chunk of what the peer sends.
    pub(crate) async fn next<T: AsRef<[u8]>, E>(
        &mut self,
        stream: &mut (impl Stream<Item = Result<T, E>> + Unpin + Send),
    ) -> Result<Option<Result<T, E>>, TooSlow> {
        let next = self.wait(stream.next()).await?;
        if let Some(Ok(chunk)) = &next {
            self.credit(chunk.as_ref().len());
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use futures_util::stream;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn silence_uses_up_patience() {
        let mut patience = Patience::new(SHORT);
        assert_eq!(patience.wait(pending::<()>()).await, Err(TooSlow));
        assert_eq!(patience.left, Duration::ZERO);
    }

    #[tokio::test]
    async fn a_trickle_does_not_keep_it_up() {
        let mut patience = Patience::new(SHORT);
        let beat = tokio::time::interval(Duration::from_millis(1));
        // A byte each millisecond is a sixteenth of the least speed.
        let endless = stream::unfold(beat, |mut beat| async {
            beat.tick().await;
            Some((Ok::<_, Infallible>([b'x']), beat))
        });
        let mut endless = std::pin::pin!(endless);
        let read = async {
            while let Ok(next) = patience.next(&mut endless).await {
                assert!(next.is_some());
            }
        };
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        assert_eq!(read, Ok(()));
    }

    #[test]
    fn bytes_give_back_what_they_may_take_and_no_more() {
        let mut patience = Patience::new(PATIENCE);
        patience.left = Duration::ZERO;
        patience.credit(LEAST_BYTES_PER_SECOND as usize * 2);
        assert_eq!(patience.left, Duration::from_secs(2));
        patience.credit(usize::MAX);
        assert_eq!(patience.left, PATIENCE);
    }
}
