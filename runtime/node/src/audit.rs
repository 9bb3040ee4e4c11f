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

/// The audit log; clones write to the same. With the last of them the writer
/// ends, and what was in its queue is in the file.
#[derive(Clone, Debug)]
pub(crate) struct Audit(Arc<Log>);

#[derive(Debug)]
struct Log {
    /// Always there until the log is dropped.
    queue: Option<SyncSender<Vec<u8>>>,
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
            (Ok(line), Some(queue)) => queue.try_send(line).is_ok(),
            _ => false,
        };
        if !sent {
            lost.add(1);
        }
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
