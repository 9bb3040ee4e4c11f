//! The signals that ask us to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGINT, SIGTERM and SIGHUP as they come.
#[derive(Debug)]
pub(crate) struct Signals([(u8, Signal); 3]);

impl Signals {
    /// From here on they are heard, and end nothing by themselves.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind: SignalKind| {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
            let heard = signal(kind);
            let lost = |error| Failure::Lost(format!("failed to listen for signals: {error}"));
            heard.map(|heard| (number, heard)).map_err(lost)
        };
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        let Self([(int, interrupt), (term, terminate), (hup, hangup)]) = self;
        tokio::select! {
            _ = interrupt.recv() => *int,
            _ = terminate.recv() => *term,
            _ = hangup.recv() => *hup,
        }
    }
}
