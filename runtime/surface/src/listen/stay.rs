//! How long a connection may stay.

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a connection may stay.
#[derive(Clone, Debug)]
pub struct Stay {
    kept: CancellationToken,
    over: CancellationToken,
}

impl Stay {
    /// For as long as its ends like.
    pub fn kept() -> Self {
        Self::until(&CancellationToken::new())
    }

    /// Until this happens.
    pub fn until(event: &CancellationToken) -> Self {
        let stay = Self {
            kept: CancellationToken::new(),
            over: event.child_token(),
        };
        stay.keep();
        stay
    }

    /// Until the time for a request's head is over, if nobody keeps it before.
    /// One peer has an eighth of a listener's places for such connections.
    pub fn on_trial() -> Self {
        Self {
            kept: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// Its trial is over.
    pub fn keep(&self) {
        self.kept.cancel();
    }

    /// Whether its trial is over.
    pub fn is_kept(&self) -> bool {
        self.kept.is_cancelled()
    }

    /// It ends, once the requests that it has are answered.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Whether it ends.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Completes when it ends, at `until` the latest if it is not kept by then.
    /// What it has for its `trial` is given back once that is over well.
    pub(super) async fn ended<T>(&self, until: Instant, trial: &mut Option<T>) {
        let tried = async {
            if timeout_at(until, self.kept.cancelled()).await.is_ok() {
                *trial = None;
                self.over.cancelled().await;
            }
        };
        tokio::select! {
            () = tried => {}
            () = self.over.cancelled() => {}
        }
    }
}
