//! What can end a call from outside: a signal, or output nobody takes.

use std::io;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::Failure;

/// Why a call is to end before its time.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The signal with this number.
    Signal(u8),
    /// Our stdout or stderr cannot be written.
    Output(io::Error),
}

/// The first cause there was; shared by all who may have one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    cause: OnceLock<Cause>,
    set: Notify,
    again: Notify,
}

impl Stop {
    /// Asks for the end. Only the first cause counts.
    pub(crate) fn ask(&self, cause: Cause) {
        if self.0.cause.set(cause).is_ok() {
            // Kept for one who waits later; only one does.
            self.0.set.notify_one();
        }
    }

    /// Waits until the end is asked for.
    pub(crate) async fn asked(&self) {
        self.0.set.notified().await;
    }

    /// Waits until somebody loses patience.
    async fn asked_again(&self) {
        self.0.again.notified().await;
    }

    /// Runs `work` to its end, or until a second signal comes: then everything
    /// is dropped where it is.
    pub(crate) async fn bound<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        watch_signals(self)?;
        tokio::select! {
            done = work => done,
            () = self.asked_again() => Err(self.failure().unwrap_or(Failure::BrokenPipe)),
        }
    }

    /// What became of the call, had it no better answer.
    pub(crate) fn failure(&self) -> Option<Failure> {
        Some(match self.0.cause.get()? {
            Cause::Signal(number) => Failure::Signal(*number),
            Cause::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Failure::BrokenPipe
            }
            Cause::Output(error) => Failure::Host(anyhow::anyhow!(
                "failed to write the output: {error}; the program was stopped"
            )),
        })
    }
}

/// From here on the first SIGINT, SIGTERM or SIGHUP asks for the end, and the
/// second asks again.
fn watch_signals(stop: &Stop) -> Result<(), Failure> {
    let listen = |kind| signal(kind).context("failed to listen for signals");
    let mut signals = Signals {
        interrupt: listen(SignalKind::interrupt())?,
        terminate: listen(SignalKind::terminate())?,
        hang_up: listen(SignalKind::hangup())?,
    };
    let stop = stop.clone();
    tokio::spawn(async move {
        let number = signals.next().await;
        stop.ask(Cause::Signal(number));
        signals.next().await;
        stop.0.again.notify_one();
    });
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// The number of the next signal.
    async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hang_up.recv() => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or_default()
    }
}

/// Runs `work` on a runtime of its own, until it is done or a signal comes.
pub(crate) fn until_signal<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stop = Stop::default();
    runtime()?.block_on(stop.bound(async {
        tokio::select! {
            done = work => done,
            () = stop.asked() => Err(stop.failure().unwrap_or(Failure::BrokenPipe)),
        }
    }))
}

/// One thread: a guest runs in slices, and blocking input and output have
/// threads of their own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cause_counts_and_is_kept_for_who_waits_later() {
        let stop = Stop::default();
        assert!(stop.failure().is_none());
        stop.ask(Cause::Signal(15));
        stop.ask(Cause::Output(io::ErrorKind::BrokenPipe.into()));
        stop.asked().await;
        assert!(matches!(stop.failure(), Some(Failure::Signal(15))));
    }

    #[test]
    fn output_nobody_reads_is_no_failure_of_ours() {
        let stop = Stop::default();
        stop.ask(Cause::Output(io::ErrorKind::BrokenPipe.into()));
        assert!(matches!(stop.failure(), Some(Failure::BrokenPipe)));
        let stop = Stop::default();
        stop.ask(Cause::Output(io::ErrorKind::StorageFull.into()));
        assert!(matches!(stop.failure(), Some(Failure::Host(_))));
    }
}
