//! What happens to sandboxes, told to whoever listens at the time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use mote_api::{SandboxEvent, SandboxEventKind, SandboxId};
use tokio::sync::broadcast;

/// Events that a slow listener may be behind before it misses some: at 200
/// bytes each, a fifth of a megabyte for all listeners together.
const BEHIND: usize = 1024;
/// Changes that a controller may be behind before it has to begin anew: those
/// of two thousand sandboxes that are made at once, in half a megabyte.
const CHANGES_BEHIND: usize = 4096;

/// Tells of events.
pub(crate) struct Feed {
    sender: broadcast::Sender<SandboxEvent>,
    told: AtomicU64,
    /// Where there are controllers.
    changes: OnceLock<broadcast::Sender<Change>>,
}

/// Something is otherwise than it was; how, is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A sandbox: it came, moved on in its life, has its first file or lost
    /// the last one, or is gone.
    Session(SandboxId),
    /// What the node has to give, and to whom it is given.
    Node,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(BEHIND).0,
            told: AtomicU64::new(0),
            changes: OnceLock::new(),
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

    /// Tells of changes too, from now on.
    pub(crate) fn open_changes(&self) {
        self.changes
            .get_or_init(|| broadcast::channel(CHANGES_BEHIND).0);
    }

    /// Tells of a change, if anybody listens. It can be seen already.
    pub(crate) fn changed(&self, change: Change) {
        if let Some(sender) = self.changes.get() {
            // An error only says that nobody listens.
            let _ = sender.send(change);
        }
    }

    /// Hears of changes from now on, where they are told of.
    pub(crate) fn changes(&self) -> Option<broadcast::Receiver<Change>> {
        self.changes.get().map(broadcast::Sender::subscribe)
    }
}
