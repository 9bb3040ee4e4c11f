//! The thread that alone writes the audit log.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use super::file::{AuditError, Files, Rotation};
use super::{Entry, Order, line};
use crate::metrics::Metrics;

/// Lines are written together up to this size: a write costs some µs however
/// small it is.
const BATCH_BYTES: usize = 64 << 10;
/// A line waits so long for others. Whoever sends to a waiting thread wakes
/// it, which costs a call some 20 µs; so only the first of many does.
const LINGER: Duration = Duration::from_millis(5);

/// What the log lacks.
#[derive(Debug)]
pub(super) struct Lost {
    /// Lines of which the log does not tell yet.
    untold: AtomicU64,
    metrics: Metrics,
}

impl Lost {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            untold: AtomicU64::new(0),
            metrics,
        }
    }

    /// So many more lines are not in the log.
    pub(super) fn add(&self, lines: u64) {
        self.untold.fetch_add(lines, Ordering::Relaxed);
        self.metrics.audit_lost(lines);
    }

    fn take(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// The log could not be told after all.
    fn put_back(&self, lines: u64) {
        self.untold.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Writes lines until nobody is left to send any.
#[derive(Debug)]
pub(super) struct Writer {
    files: Files,
    orders: Receiver<Order>,
    lost: Arc<Lost>,
    /// The last attempt failed, and the host's log says so.
    failing: bool,
}

impl Writer {
    pub(super) fn open(
        folder: &Path,
        rotation: Rotation,
        orders: Receiver<Order>,
        lost: Arc<Lost>,
    ) -> Result<Self, AuditError> {
        Ok(Self {
            files: Files::open(folder, rotation)?,
            orders,
            lost,
            failing: false,
        })
    }

    pub(super) fn run(mut self) {
        while let Ok(first) = self.orders.recv() {
            if matches!(first, Order::Line(_)) {
                std::thread::park_timeout(LINGER);
            }
            self.drain(first);
        }
        self.finish();
    }

    /// Does what is asked first, and all that waits behind it.
    fn drain(&mut self, first: Order) {
        let (mut batch, mut lines) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Line(line) => {
                    batch.extend(line);
                    lines += 1;
                    if batch.len() >= BATCH_BYTES {
                        self.write(mem::take(&mut batch), mem::take(&mut lines));
                    }
                }
                Order::Flush(done) => {
                    self.write(mem::take(&mut batch), mem::take(&mut lines));
                    self.flush(&done);
                }
            }
            next = self.orders.try_recv().ok();
        }
        self.write(batch, lines);
    }

    fn flush(&mut self, done: &SyncSender<()>) {
        self.finish();
        // Whoever asked may have given up.
        let _ = done.try_send(());
    }

    /// Puts what was written on the disk, with what is yet to be told.
    fn finish(&mut self) {
        self.write(Vec::new(), 0);
        if let Err(error) = self.files.sync() {
            self.failed(&error);
        }
    }

    /// Adds `batch`, and what the log has to tell of lines it lacks.
    pub(super) fn write(&mut self, mut batch: Vec<u8>, lines: u64) {
        let untold = self.lost.take();
        if untold > 0 {
            match line(&Entry::Lost { lines: untold }) {
                Ok(told) => batch.extend(told),
                Err(_) => self.lost.put_back(untold),
            }
        }
        if batch.is_empty() {
            return;
        }
        match self.files.append(&batch) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::warn!("the audit log can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.lost.put_back(untold);
                self.lost.add(lines);
                self.failed(&error);
            }
        }
    }

    fn failed(&mut self, error: &std::io::Error) {
        self.lost.metrics.audit_failed();
        if !mem::replace(&mut self.failing, true) {
            let path = self.files.path().display();
            tracing::error!(%path, %error, "failed to write the audit log; its lines are lost until it can be written");
        }
    }
}
