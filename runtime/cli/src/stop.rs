//! What can end a call from outside: a signal, or output nobody takes.

use std::io;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::Failure;

/// How long last output may take once a call is to end. A reader that lives
/// takes what a pipe holds in far less; one that stalls must not keep us.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

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
            self.0.set.notify_waiters();
        }
    }

    /// A signal asks for the end; one after that asks again.
    fn signalled(&self, number: u8) {
        if self.0.cause.get().is_some() {
            self.0.again.notify_one();
        }
        self.ask(Cause::Signal(number));
    }

    /// Waits until the end is asked for, if that was not yet.
    pub(crate) async fn asked(&self) {
        let notified = self.0.set.notified();
        if self.0.cause.get().is_none() {
            notified.await;
        }
    }

    /// Waits for the last output to be written; only for [`LAST_OUTPUT`] where
    /// the program was `cut_short`, and once the end is asked for.
    pub(crate) async fn last_output(&self, cut_short: bool, output: impl Future<Output = ()>) {
        let mut output = pin!(output);
        if !cut_short {
            tokio::select! {
                () = &mut output => return,
                () = self.asked() => {}
            }
        }
        // What is not taken by then is lost.
        let _ = tokio::time::timeout(LAST_OUTPUT, output).await;
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

    /// The first cause, if there is one.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.0.cause.get()
    }

    /// What became of the call, had it no better answer.
    pub(crate) fn failure(&self) -> Option<Failure> {
        Some(match self.cause()? {
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

/// From here on SIGINT, SIGTERM and SIGHUP ask for the end. One that we were
/// started to ignore, as by nohup, is ignored.
fn watch_signals(stop: &Stop) -> Result<(), Failure> {
    let ignored = ignored_signals();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
        if ignored >> number.saturating_sub(1) & 1 == 1 {
            continue;
        }
        let mut signals = signal(kind).context("failed to listen for signals")?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.signalled(number);
            }
        });
    }
    Ok(())
}

/// A bit for each signal that is ignored, the lowest for signal 1; none where
/// the system does not say.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or_default()
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

    #[tokio::test]
    async fn output_that_nobody_takes_is_given_up_once_the_end_is_asked_for() {
        let stop = Stop::default();
        stop.last_output(true, std::future::pending()).await;
        let asks = async { stop.ask(Cause::Signal(15)) };
        tokio::join!(stop.last_output(false, std::future::pending()), asks);
        stop.last_output(false, std::future::pending()).await;
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
