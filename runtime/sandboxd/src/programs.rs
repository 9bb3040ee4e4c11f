//! The programs that run, for the end of the daemon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mote_surface::{Control, Signal};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::program::Program;

/// How long programs that were asked to end may take.
const TERM_TIME: Duration = Duration::from_secs(2);
/// How long the system may take to end what was killed.
const KILL_TIME: Duration = Duration::from_secs(2);

/// The programs that run.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    table: Mutex<Table>,
    /// Told when one has ended.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Table {
    closing: bool,
    last: u64,
    running: BTreeMap<u64, Arc<Program>>,
}

/// A running program's place, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    programs: Arc<Programs>,
    number: u64,
}

impl Programs {
    /// Takes a program in; `None` if the daemon is ending.
    pub(crate) fn add(self: &Arc<Self>, program: Arc<Program>) -> Option<Place> {
        let mut table = self.lock();
        if table.closing {
            return None;
        }
        table.last += 1;
        let number = table.last;
        table.running.insert(number, program);
        let programs = Arc::clone(self);
        Some(Place { programs, number })
    }

    pub(crate) fn closing(&self) -> bool {
        self.lock().closing
    }

    /// From now on nothing is started.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
    }

    /// Asks all programs to end, then ends them.
    pub(crate) async fn end(&self) {
        for (signal, time) in [(Signal::Term, TERM_TIME), (Signal::Kill, KILL_TIME)] {
            self.signal(signal);
            if timeout(time, self.none_left()).await.is_ok() {
                return;
            }
        }
        tracing::warn!("programs are left that could not be ended");
    }

    fn signal(&self, signal: Signal) {
        let running: Vec<_> = self.lock().running.values().cloned().collect();
        for program in running {
            if let Err(error) = program.signal(signal) {
                tracing::warn!(?signal, %error, "failed to signal a program");
            }
        }
    }

    async fn none_left(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().running.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change is one step: there is no half-made state to fear.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.programs.lock().running.remove(&self.number);
        self.programs.ended.notify_waiters();
    }
}
