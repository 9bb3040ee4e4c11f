//! What happened, for whoever has to find out why.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// What happened so far. Copies share it.
#[derive(Clone)]
pub(crate) struct History {
    seed: u64,
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl History {
    /// Nothing has happened yet.
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            seed,
            began: Instant::now(),
            lines: Arc::default(),
        }
    }

    /// Writes down what happens.
    pub(crate) fn note(&self, what: impl Display) {
        let line = format!("{:8.2} s  {what}", self.began.elapsed().as_secs_f64());
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// Ends the run: something is not as it must be.
    pub(crate) fn fail(&self, what: &str) -> ! {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        panic!(
            "{what}\nagain with MOTE_SOAK_SEED={}\n{}",
            self.seed,
            lines.join("\n")
        );
    }
}
