//! Who did what to which sandbox: the audit log, `audit.jsonl` in the state
//! folder.
//!
//! ```text
//! Entry ─► one line of JSON ─► queue ─► writer thread ─► audit.jsonl ─► .1 ─► .2 ─► .3
//!                                └ full: the line is lost, and counted
//! ```
//!
//! A call never waits for the log, and a stranger cannot fill it. Whatever the log lacks, it says so itself
//! in an entry `lost`, and the metrics count it. A host that is killed takes
//! the lines of its last few milliseconds with it.

mod brake;
mod entry;
mod file;
mod writer;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

pub(crate) use entry::{Action, Call, Denied, Entry, Held, Program, Refusal, SandboxAction, clip};
pub(crate) use file::{AuditError, Rotation};

use crate::metrics::Metrics;
pub(crate) use brake::Brake;
use writer::{Lost, Writer};

/// Lines that wait for the writer. It writes some hundred thousand a second,
/// so that more wait only while the disk stands still; at 500 bytes a line
/// they take 2 MB.
const QUEUE_LINES: usize = 4096;
/// What is queued when a host ends may take so long to reach the disk: some
/// milliseconds where the disk is well, and a host must end where it is not.
const FLUSH_TIME: Duration = Duration::from_secs(5);

/// The audit log; clones write to the same. With the last of them the writer
/// ends, and what was in its queue is in the file.
#[derive(Clone, Debug)]
pub(crate) struct Audit(Arc<Log>);

#[derive(Debug)]
struct Log {
    /// Always there until the log is dropped.
    queue: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<Lost>,
    refusals: Brake,
}

impl Audit {
    /// Continues the log in this folder, or begins it.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread be started.
    pub(crate) fn open(
        folder: &Path,
        rotation: Rotation,
        metrics: Metrics,
    ) -> Result<Self, AuditError> {
        let lost = Arc::new(Lost::new(metrics));
        let (queue, lines) = sync_channel(QUEUE_LINES);
        let writer = Writer::open(folder, rotation, lines, lost.clone())?;
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())
            .map_err(AuditError::Thread)?;
        Ok(Self(Arc::new(Log {
            queue: Some(queue),
            thread: Some(thread),
            lost,
            refusals: Brake::new(),
        })))
    }

    /// Adds a line, of now. Never waits.
    pub(crate) fn write(&self, entry: &Entry<'_>) {
        let Log {
            queue,
            lost,
            refusals,
            ..
        } = &*self.0;
        if matches!(entry, Entry::Refused(_)) && !refusals.admits() {
            return lost.add(1);
        }
        let sent = match (line(entry), queue) {
            (Ok(line), Some(queue)) => queue.try_send(Order::Line(line)).is_ok(),
            _ => false,
        };
        if !sent {
            lost.add(1);
        }
    }

    /// Returns when all that was written before is in the file, on disk: the
    /// end of a process waits for no other clone. Gives up after
    /// [`FLUSH_TIME`].
    pub(crate) async fn flush(&self) {
        let log = self.0.clone();
        let flushed = tokio::task::spawn_blocking(move || log.flush());
        if !matches!(
            tokio::time::timeout(FLUSH_TIME, flushed).await,
            Ok(Ok(true))
        ) {
            tracing::error!(
                seconds = FLUSH_TIME.as_secs(),
                "the audit log could not be written to its end; its last lines may be lost"
            );
        }
    }
}

/// What is asked of the writer.
#[derive(Debug)]
enum Order {
    /// Write this line.
    Line(Vec<u8>),
    /// Write all that came before, and say so.
    Flush(SyncSender<()>),
}

impl Log {
    /// Whether the writer has done all that it was asked for.
    fn flush(&self) -> bool {
        let (done, told) = sync_channel(1);
        let asked = |queue: &SyncSender<Order>| queue.send(Order::Flush(done)).is_ok();
        if !self.queue.as_ref().is_some_and(asked) {
            return false;
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        told.recv().is_ok()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // The writer ends when nobody can send any more.
        self.queue = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the writer of the audit log failed; its last lines are lost");
        }
    }
}

/// `entry` as a line that ends.
fn line(entry: &Entry<'_>) -> io::Result<Vec<u8>> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        at: Timestamp,
        #[serde(flatten)]
        entry: &'a Entry<'a>,
    }
    let at = Timestamp::now();
    let mut line = serde_json::to_vec(&Line { at, entry })?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests;
