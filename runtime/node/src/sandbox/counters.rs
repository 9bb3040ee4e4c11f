//! What a sandbox has done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mote_api::{Activity, Outcome};

/// What it has done since the node started.
#[derive(Default)]
pub(crate) struct Counters {
    running: AtomicU64,
    calls: AtomicU64,
    failed: AtomicU64,
    cpu_us: AtomicU64,
    peak_memory: AtomicU64,
}

impl Counters {
    /// A call runs.
    pub(crate) fn began(&self) {
        self.running.fetch_add(1, Relaxed);
    }

    /// Whether one does.
    pub(super) fn are_running(&self) -> bool {
        self.running.load(Relaxed) > 0
    }

    /// It has ended; without an outcome, by our own fault.
    pub(crate) fn ended(&self, outcome: Option<&Outcome>) {
        self.running.fetch_sub(1, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        if outcome.is_none_or(|outcome| outcome.exit_code != 0) {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(Outcome { usage, .. }) = outcome {
            let cpu = u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX);
            self.cpu_us.fetch_add(cpu, Relaxed);
            self.peak_memory.fetch_max(usage.peak_memory_bytes, Relaxed);
        }
    }

    /// All but what its disk holds.
    pub(super) fn told(&self) -> Activity {
        Activity {
            running: self.running.load(Relaxed),
            calls: self.calls.load(Relaxed),
            failed: self.failed.load(Relaxed),
            cpu_us: self.cpu_us.load(Relaxed),
            peak_memory_bytes: self.peak_memory.load(Relaxed),
            disk_bytes: 0,
        }
    }
}
