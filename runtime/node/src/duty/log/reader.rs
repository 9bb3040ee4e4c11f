//! Reads a log while it is written.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use mote_surface::{LogSpan, Moment};
use tokio_util::sync::CancellationToken;

use super::Log;

/// A reader of a log.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    log: Arc<Log>,
    stopping: CancellationToken,
}

impl Reader {
    /// A reader that is let go when the node goes down.
    pub(crate) fn new(log: Arc<Log>, stopping: CancellationToken) -> Self {
        Self { log, stopping }
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Log) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let log = Arc::clone(&self.log);
        let looked = tokio::task::spawn_blocking(move || look(&log)).await;
        looked.map_err(io::Error::other)?
    }
}

#[async_trait]
impl mote_surface::Log for Reader {
    async fn span(&self) -> io::Result<LogSpan> {
        self.look(Log::span).await
    }

    async fn piece(&self, from: u64) -> io::Result<(u64, Bytes)> {
        self.look(move |log| log.piece(from)).await
    }

    async fn since(&self, time: Timestamp) -> io::Result<u64> {
        self.look(move |log| log.since(time)).await
    }

    async fn moments(&self, from: u64, to: u64) -> io::Result<Vec<Moment>> {
        self.look(move |log| log.moments(from, to)).await
    }

    async fn grown(&self, beyond: u64) -> bool {
        let mut told = self.log.told.subscribe();
        tokio::select! {
            more = told.wait_for(|told| told.end > beyond || !told.grows) => {
                more.is_ok_and(|told| told.end > beyond)
            }
            () = self.stopping.cancelled() => false,
        }
    }
}
