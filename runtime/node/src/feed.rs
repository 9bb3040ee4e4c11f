//! What happens to sandboxes, told to whoever listens at the time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use mote_api::{SandboxEvent, SandboxEventKind, SandboxId};
use tokio::sync::broadcast;

/// Events that a slow listener may be behind before it misses some: at 200
/// bytes each, a fifth of a megabyte for all listeners together.
const BEHIND: usize = 1024;

/// Tells of events.
pub(crate) struct Feed {
    sender: broadcast::Sender<SandboxEvent>,
    told: AtomicU64,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(BEHIND).0,
            told: AtomicU64::new(0),
        }
    }
}

impl Feed {
    /// Tells of an event, if anybody listens.
    pub(crate) fn tell(&self, id: &SandboxId, kind: SandboxEventKind, message: Option<String>) {
        let sequence = self.told.fetch_add(1, Relaxed) + 1;
        if self.sender.receiver_count() == 0 {
            return;
        }
        // An error only says that the last listener has just gone.
        let _ = self.sender.send(SandboxEvent {
            sequence,
            at: Timestamp::now().to_string(),
            id: id.clone(),
            kind,
            message,
        });
    }

    /// Hears of what happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<SandboxEvent> {
        self.sender.subscribe()
    }
}
