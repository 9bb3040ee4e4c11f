//! What the surfaces of one sandbox remember between requests.

use std::time::{Duration, Instant};

use crate::contexts::Contexts;
use crate::process::Processes;
use crate::rest::archive::Archives;
use crate::rest::ending::Uploads;

/// What the surfaces of one sandbox remember between requests. Small while
/// nothing runs: a node holds one for each sandbox.
#[derive(Debug)]
pub struct State {
    started: Instant,
    pub(crate) processes: Processes,
    pub(crate) contexts: Contexts,
    pub(crate) archives: Archives,
    pub(crate) uploads: Uploads,
}

impl Default for State {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            processes: Processes::default(),
            contexts: Contexts::default(),
            archives: Archives::default(),
            uploads: Uploads::default(),
        }
    }
}

impl State {
    /// How long the sandbox has answered.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends every started program and every context, as when the sandbox is
    /// suspended.
    pub fn end_all(&self) {
        self.processes.end_all();
        self.contexts.end_all();
    }

    /// Ends every upload whose body is on its way, as when the sandbox takes
    /// no calls any more. Each leaves what was there before.
    pub fn end_uploads(&self) {
        self.uploads.end();
    }
}
